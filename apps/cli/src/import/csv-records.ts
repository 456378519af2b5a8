import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import type { LogRecord, RecordOptions } from './log-record.js';
import { LogError, quoted } from './log-text.js';

/** Longer rows are invalid: an unclosed quote would swallow everything that follows. */
const LONGEST_ROW = 1_000_000;

/**
 * The rows of a CSV, one by one, with the names in its header. A complete file ends with a line end: otherwise a file cut off within its
 * last cell would look complete.
 * @throws LogError naming the line: a repeated column, broken quotes, or cut off
 */
export async function* readCsvRecords(
  text: AsyncIterable<string>,
  { delimiter = ',', onHeader = () => {} }: RecordOptions,
): AsyncGenerator<LogRecord> {
  let columns: readonly string[] | undefined;
  for await (const { line, found } of readRows(text, delimiter)) {
    if (columns === undefined) {
      columns = found;
      const twice = found.find((name, index) => found.indexOf(name) !== index);
      if (twice !== undefined) throw new LogError(1, `column ${quoted(twice)} twice`);
      onHeader(found);
      continue;
    }
    const cells = Object.fromEntries(columns.map((name, index) => [name, found[index] ?? '']));
    if (found.length === columns.length) yield { line, cells };
    else {
      const message = `${found.length} cells where the header has ${columns.length}`;
      yield { line, cells, fault: { code: 'cells-miscounted', message } };
    }
  }
}

interface CsvRow {
  readonly line: number;
  readonly found: readonly string[];
}

/** The rows with their line numbers. Each is held back until it cannot be the cut-off end. */
async function* readRows(text: AsyncIterable<string>, delimiter: string): AsyncGenerator<CsvRow> {
  let end = '';
  const watched = async function* () {
    for await (const piece of text) {
      end = piece.at(-1) ?? end;
      yield piece;
    }
  };
  let line = 1;
  const parser = parse({
    bom: true,
    delimiter,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: LONGEST_ROW,
    // Called within the parser's own loop, so that `line` is right even if it fails before all of its rows were consumed.
    on_record: (cells: string[], { lines }) => {
      const begin = line;
      line = lines + 1;
      return [String(begin), ...cells];
    },
  });
  let held: CsvRow | undefined;
  try {
    // A failure also arrives through the iteration, so the callback has nothing to do.
    for await (const [begin, ...found] of pipeline(watched, parser, () => {}) as AsyncIterable<string[]>) {
      if (held !== undefined) yield held;
      held = { line: Number(begin), found };
    }
  } catch (error) {
    if (error instanceof CsvError) throw new LogError(line, `not well-formed CSV from here on: ${error.message}`);
    throw error;
  }
  if (held !== undefined && end !== '\n') throw new LogError(held.line, 'the log is cut off: its last line has no end');
  if (held !== undefined) yield held;
}
