import { stringify } from 'csv-stringify/sync';
import type { Batches, Column } from './data-set.js';

/** Rows as RFC 4180 has them. A cell that a spreadsheet would take for a formula has a quote before it, and is text. */
export function csvRows(rows: readonly (readonly string[])[]): string {
  return stringify(rows as string[][], { record_delimiter: 'windows', escape_formulas: true });
}

/** A row of names, then a row each. Lists and objects are JSON in a cell. */
export async function* asCsv(columns: readonly Column[], batches: Batches): AsyncGenerator<string> {
  yield csvRows([columns.map(({ name }) => name)]);
  for await (const rows of batches) yield csvRows(rows.map((row) => columns.map(({ name }) => cell(row[name]))));
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
