import { readCsvCases } from './csv-cases.js';
import { checkedCase, type LogCase } from './log-case.js';
import { LogError, readLogText, type ReadLogOptions } from './log-text.js';
import { readXesCases } from './xes-cases.js';

/** Where anyone gets the log; it is not ours to hand on. */
export const BPIC2013_SOURCE =
  'BPI Challenge 2013, incidents (Volvo IT Belgium), 4TU.ResearchData, DOI 10.4121/uuid:500573e6-accc-4b0c-9576-aa5468b10cee';

/**
 * The cases of the BPI Challenge 2013 incident log one by one, in the order of the file, from XES or CSV, gzipped or not:
 * the content decides, not the file's name. Cases that it yields are whole and checked; memory does not grow with the file but
 * for the ids of the cases.
 * @throws LogError naming the line when the log is cut off, misspelt or out of order; the file system's errors as they are
 */
export async function* readBpic2013Log(file: string, options: ReadLogOptions = {}): AsyncGenerator<LogCase> {
  const seen = new Map<string, number>();
  const text = await peek(readLogText(file, options));
  const raws = text.first.startsWith('<') ? readXesCases(text.all) : readCsvCases(text.all);
  for await (const raw of raws) {
    const before = seen.get(raw.caseId);
    if (before !== undefined)
      throw new LogError(raw.line, `case ${raw.caseId} is already on line ${before}: its rows must follow each other`);
    seen.set(raw.caseId, raw.line);
    yield checkedCase(raw);
  }
  if (seen.size === 0) throw new LogError(1, 'the log holds no case');
}

/** The beginning of a text (what follows white space), and the whole of it. */
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
