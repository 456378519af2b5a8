import { stringify } from 'csv-stringify/sync';
import type { Batches, Column } from './data-set.js';

/** Rows in the format of RFC 4180. Text that a spreadsheet would take for a formula gets a leading quote; negative numbers stay numbers. */
export function csvRows(rows: readonly (readonly (string | number)[])[]): string {
  // The library quotes a cell only if it contains the whole delimiter. But half of it also ends a row, and what follows could be a formula.
  return stringify(rows as (string | number)[][], { record_delimiter: 'windows', escape_formulas: true, quoted_match: /[\r\n]/ });
}

/** A header row, then one row for each. Lists and objects are JSON in a cell. */
export async function* asCsv(columns: readonly Column[], batches: Batches): AsyncGenerator<string> {
  yield csvRows([columns.map(({ name }) => name)]);
  for await (const rows of batches) yield csvRows(rows.map((row) => columns.map(({ name }) => cell(row[name]))));
}

function cell(value: unknown): string | number {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return value;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | boolean);
}
