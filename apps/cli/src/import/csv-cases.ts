import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { LOG_FIELDS, type LogField, quoted, type RawCase, type RawRow } from './log-case.js';
import { LogError } from './log-text.js';

const fields = Object.keys(LOG_FIELDS) as LogField[];
const columns = ['case_id', 'seq', ...fields] as const;
type Column = (typeof columns)[number];

/** Longer lines than this many characters are no lines of this log: an unclosed quote swallows all that follows. */
const LONGEST_LINE = 10_000;

/**
 * The cases of the flattened log, one by one; the rows of a case follow each other. The header names the columns, in any order.
 * A whole log ends with a line end: without it a log that is cut off within its last cell could not be told from a whole one.
 * @throws LogError naming the line: no such header, a wrong number of cells, broken quotes, or cut off
 */
export async function* readCsvCases(text: AsyncIterable<string>): AsyncGenerator<RawCase> {
  let columnAt: ReadonlyMap<string, number> | undefined;
  let current: { caseId: string; line: number; rows: RawRow[] } | undefined;
  for await (const { line, cells: found } of readRecords(text)) {
    if (columnAt === undefined) {
      columnAt = positions(found);
      continue;
    }
    if (found.length !== columns.length) throw new LogError(line, `${found.length} cells where the header has ${columns.length}`);
    const cell = (column: Column): string => found[columnAt?.get(column) ?? -1] ?? '';
    const caseId = cell('case_id');
    if (caseId === '') throw new LogError(line, 'case_id is missing');
    if (caseId !== current?.caseId) {
      if (current !== undefined) yield current;
      current = { caseId, line, rows: [] };
    }
    const cells: Partial<Record<LogField, string>> = {};
    for (const field of fields) cells[field] = cell(field);
    current.rows.push({ line, seq: cell('seq'), cells });
  }
  if (current !== undefined) yield current;
}

interface CsvRecord {
  readonly line: number;
  readonly cells: readonly string[];
}

/** The records with the lines on which they begin. Each is held back until it is known not to be the cut-off end. */
async function* readRecords(text: AsyncIterable<string>): AsyncGenerator<CsvRecord> {
  let end = '';
  const watched = async function* () {
    for await (const piece of text) {
      end = piece.at(-1) ?? end;
      yield piece;
    }
  };
  let line = 1;
  const parser = parse({
    relax_column_count: true,
    max_record_size: LONGEST_LINE,
    // Called within the parser's own loop, so that `line` is right also when it fails before all of its records were taken.
    on_record: (cells: string[], { lines }) => {
      const begin = line;
      line = lines + 1;
      return [String(begin), ...cells];
    },
  });
  let held: CsvRecord | undefined;
  try {
    // A failure reaches us through the iteration as well, so the callback has nothing left to do.
    for await (const [begin, ...cells] of pipeline(watched, parser, () => {}) as AsyncIterable<string[]>) {
      if (held !== undefined) yield held;
      held = { line: Number(begin), cells };
    }
  } catch (error) {
    if (error instanceof CsvError) throw new LogError(line, `not well-formed CSV from here on: ${error.message}`);
    throw error;
  }
  if (held !== undefined && end !== '\n') throw new LogError(held.line, 'the log is cut off: its last line has no end');
  if (held !== undefined) yield held;
}

/** Where each column is. */
function positions(header: readonly string[]): ReadonlyMap<string, number> {
  for (const column of columns) {
    if (!header.includes(column)) throw new LogError(1, `column ${column} is missing: the header is ${quoted(header.join(','))}`);
  }
  for (const [index, name] of header.entries()) {
    if (!(columns as readonly string[]).includes(name)) throw new LogError(1, `unknown column ${quoted(name)}`);
    if (header.indexOf(name) !== index) throw new LogError(1, `column ${name} twice`);
  }
  return new Map(header.map((name, index) => [name, index]));
}
