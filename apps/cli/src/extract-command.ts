import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isRefusal, type Position } from '#eventsourcing';
import { type FormatName, FORMATS, formatsOf, type Row } from '#exports';
import { OPERATOR } from '#ticketing';
import { EVENT_LOG_SET, type Export, FACTS_SET, queries, runQuery } from '#ticketing-app';
import { viewsCaughtUp } from './caught-up.js';
import { Complaint, asUnwritable } from './complaint.js';
import type { Session } from './session.js';

const sets = { [FACTS_SET.name]: queries.factsExport, [EVENT_LOG_SET.name]: queries.eventLogExport };
export const SET_NAMES: readonly string[] = Object.keys(sets);

export interface ExtractWords {
  /** One of `SET_NAMES`. */
  readonly set: string;
  readonly out: string;
  /** Default: that of the file's extension. */
  readonly format?: string;
  readonly after?: Position;
}

/** Writes a data set to a file, which appears once it is complete. @throws Complaint */
export async function runExtract(
  session: Session,
  { set: name, out, format: asked = extname(out).slice(1), after }: ExtractWords,
  signal: AbortSignal,
  print: (text: string) => void,
): Promise<void> {
  const query = sets[name];
  if (query === undefined) throw new Complaint(`There is no data set ${name}`, `There are ${SET_NAMES.join(', ')}`);
  await viewsCaughtUp(session, await session.startWorkerIfAlone(), signal);
  const found = await runQuery({ store: session.store, models: session.mongo }, query, { principal: OPERATOR }, { after });
  if (isRefusal(found)) throw new Complaint(found.message);
  const formats = formatsOf(found.set);
  const format = formats.find((one) => one === asked);
  if (format === undefined) throw new Complaint(`${name} cannot be written as ${asked || 'that'}`, `Formats are ${formats.join(', ')}`);
  const rows = await write(found, format, out, signal);
  print(`${rows.toLocaleString('en')} rows in ${out}. What changes from now on: --after ${found.upTo}\n`);
}

/** @returns the number of rows */
async function write({ set, batches }: Export, format: FormatName, out: string, signal: AbortSignal): Promise<number> {
  let count = 0;
  async function* counted(): AsyncGenerator<readonly Row[]> {
    for await (const rows of batches) {
      count += rows.length;
      yield rows;
    }
  }
  const part = `${out}.part`;
  try {
    await pipeline(Readable.from(FORMATS[format].write(set, counted()), { objectMode: false }), createWriteStream(part), { signal });
    await rename(part, out);
  } catch (error) {
    await rm(part, { force: true });
    throw asUnwritable(out, error);
  }
  return count;
}
