import type { ReadLogOptions } from './log-text.js';

/** A row of a log as it stands in the file: its cells by the file's own names. */
export interface LogRecord {
  /** Where it begins in the uncompressed text, from 1. */
  readonly line: number;
  readonly cells: Readonly<Record<string, string>>;
  readonly fault?: RowFault;
}

/** What is wrong with a row: a code, as it is kept with what becomes of the row, and words. */
export interface RowFault {
  readonly code: string;
  readonly message: string;
}

export interface RecordOptions extends ReadLogOptions {
  /** What separates the cells of a CSV; a comma unless given. */
  readonly delimiter?: string;
  /** Told the columns of a CSV before its first row. May throw a LogError. */
  readonly onHeader?: (columns: readonly string[]) => void;
}
