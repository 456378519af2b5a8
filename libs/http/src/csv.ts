import { stringify } from 'csv-stringify/sync';

export const CSV = 'text/csv';
export const NDJSON = 'application/x-ndjson';

/** Rows as RFC 4180 has them. A cell that a spreadsheet would take for a formula has a quote before it, and is text. */
export function csvRows(rows: readonly (readonly string[])[]): string {
  return stringify(rows as string[][], { record_delimiter: 'windows', escape_formulas: true });
}

/** The first of some media types that a request says it accepts; undefined where it names none of them. */
export function accepted<Type extends string>(accept: string | undefined, types: readonly Type[]): Type | undefined {
  const named = (accept ?? '').split(',').map((part) => part.split(';', 1)[0]?.trim().toLowerCase());
  return types.find((type) => named.includes(type));
}
