import { readCsvRecords } from './csv-records.js';
import type { LogRecord, RecordOptions } from './log-record.js';
import { LogError, readLogText } from './log-text.js';
import { readNdjsonRecords } from './ndjson-records.js';
import { readXesRecords } from './xes-records.js';

/**
 * The rows of a log in file order, from XES, NDJSON or CSV, gzipped or not: the content decides, not the file's name. Memory does not grow
 * with the file.
 * @throws LogError naming the line if the file is cut off or damaged; errors of the file system
 */
export async function* readRecords(file: string, options: RecordOptions = {}): AsyncGenerator<LogRecord> {
  const text = await peek(readLogText(file, options));
  let any = false;
  for await (const record of readerOf(text.first)(text.all, options)) {
    any = true;
    yield record;
  }
  if (!any) throw new LogError(1, 'the log holds no rows');
}

const readerOf = (first: string) => (first.startsWith('<') ? readXesRecords : first.startsWith('{') ? readNdjsonRecords : readCsvRecords);

/** The start of a text, without leading white space, and all of it. */
async function peek(text: AsyncGenerator<string>): Promise<{ first: string; all: AsyncIterable<string> }> {
  const held: string[] = [];
  let first = '';
  while (first === '') {
    const next = await text.next();
    if (next.done === true) break;
    held.push(next.value);
    first = next.value.trimStart();
  }
  const all = async function* () {
    try {
      yield* held;
      yield* text;
    } finally {
      await text.return(undefined);
    }
  };
  return { first, all: all() };
}
