import { asCsv } from './csv.js';
import type { Batches, DataSet } from './data-set.js';
import { asXes } from './xes.js';

interface Format {
  readonly mediaType: string;
  readonly write: (set: DataSet, batches: Batches) => AsyncIterable<string | Uint8Array>;
}

export const CSV = 'text/csv';
export const NDJSON = 'application/x-ndjson';

/** File extension → writer of a data set. Memory grows with a batch, not with the data. */
export const FORMATS = {
  ndjson: { mediaType: NDJSON, write: (_set, batches) => asLines(batches) },
  csv: { mediaType: CSV, write: ({ columns }, batches) => asCsv(columns, batches) },
  parquet: { mediaType: 'application/vnd.apache.parquet', write: asParquet },
  xes: { mediaType: 'application/xml', write: asXes },
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof FORMATS;

/** The formats of a data set: XES is for events. */
export function formatsOf({ log }: Pick<DataSet, 'log'>): readonly FormatName[] {
  return (Object.keys(FORMATS) as FormatName[]).filter((name) => name !== 'xes' || log !== undefined);
}

/** One JSON object per line. */
export async function* asLines(batches: AsyncIterable<readonly object[]>): AsyncGenerator<string> {
  for await (const rows of batches) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** The library is loaded on first use. */
async function* asParquet(set: DataSet, batches: Batches): AsyncGenerator<Uint8Array> {
  const parquet = await import('./parquet.js');
  yield* parquet.asParquet(set, batches);
}
