import type { ReadLogOptions } from './log-text.js';

/** A row of a log as in the file: its cells by the file's own names. */
export interface LogRecord {
  /** Where it begins in the uncompressed text, from 1. */
  readonly line: number;
  readonly cells: Readonly<Record<string, string>>;
  readonly fault?: RowFault;
}

/** A fault of a row: a code, which is stored with the result, and words. */
export interface RowFault {
  readonly code: string;
  readonly message: string;
}

export interface RecordOptions extends ReadLogOptions {
  /** Separator of CSV cells; default: a comma. */
  readonly delimiter?: string;
  /** Called with the columns of a CSV before its first row. May throw a LogError. */
  readonly onHeader?: (columns: readonly string[]) => void;
}
