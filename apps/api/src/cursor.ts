import { createHash } from 'node:crypto';
import { Problem } from '#platform';

type Value = string | number;

/** Where a page ended, as an opaque word that fits the same query only. */
export function writeCursor(query: readonly unknown[], place: readonly Value[]): string {
  const text = JSON.stringify(place);
  return `${Buffer.from(text).toString('base64url')}.${check(query, text)}`;
}

/** Undefined when we did not write it, or for another query. */
export function readCursor(query: readonly unknown[], cursor: string): readonly Value[] | undefined {
  const [encoded = '', sum] = cursor.split('.', 2);
  const text = Buffer.from(encoded, 'base64url').toString('utf8');
  if (sum !== check(query, text)) return undefined;
  const place: unknown = JSON.parse(text);
  return Array.isArray(place) ? (place as Value[]) : undefined;
}

function check(query: readonly unknown[], text: string): string {
  return createHash('sha256')
    .update(JSON.stringify([query, text]))
    .digest('base64url')
    .slice(0, 12);
}

export function refuseCursor(): never {
  throw Problem.of('invalid-query', 'The cursor is none of this list', {
    faults: [{ field: 'cursor', message: 'must be the `next` of a page of the same list with the same filters' }],
  });
}
