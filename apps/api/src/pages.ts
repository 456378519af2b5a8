import { createHash } from 'node:crypto';
import type { Position } from '#eventsourcing';
import { parsePosition, Problem, QueryParameters } from '#http';
import { type Parameter, type QueryOf, text, wholeNumber } from '#platform';
import type { Page } from '#ticketing-app';

type Value = string | number;

/** Entries on a page, unless said otherwise. */
export const PAGE = 50;

/** Parameters of every list. */
export const pageParameters = {
  limit: wholeNumber('Entries on a page', { min: 1, max: 200, fallback: PAGE }),
  cursor: text('The `next` of the page before, as it was given', { max: 1000 }),
};

/** Parameters of a list that has no others. */
export const plainList = new QueryParameters(pageParameters);

/** How fresh a list has to be. */
export const atLeastPosition: Parameter<Position> = {
  parse: parsePosition,
  rule: 'must be a position such as 1234/1234',
  description:
    'Position (of the answer to a command) that the list must have seen. Waits up to two seconds, then answers 503 with Retry-After.',
  schema: { type: 'string', pattern: '^\\d{1,19}/\\d{1,19}$' },
};

/**
 * Where the page before ended; undefined for the first page.
 * @param query what the list is asked for: a cursor fits the same query only
 * @throws Problem invalid-query for a cursor that we did not write, or wrote for another query
 */
export function placeAfter(query: readonly unknown[], cursor: string | undefined): readonly Value[] | undefined {
  if (cursor === undefined) return undefined;
  const [encoded = '', sum] = cursor.split('.', 2);
  const place = Buffer.from(encoded, 'base64url').toString('utf8');
  if (sum === check(query, place)) return JSON.parse(place) as Value[];
  throw Problem.of('invalid-query', 'The cursor is none of this list', {
    faults: [{ field: 'cursor', message: 'must be the `next` of a page of the same list with the same filters' }],
  });
}

/** A page as it is answered: where more follows, with the cursor that leads there. */
export function pageAnswer<Entry>(query: readonly unknown[], { items, more }: Page<Entry>, placeOf: (last: Entry) => readonly Value[]) {
  const last = items.at(-1);
  return { items, ...(more && last !== undefined ? { next: cursorTo(query, placeOf(last)) } : {}) };
}

/**
 * A page of a list that goes by name.
 * @param list tells its cursors from those of other lists
 * @param read the entries after a name, or the first
 */
export async function pageByName<Entry>(
  list: string,
  { limit = PAGE, cursor }: QueryOf<typeof pageParameters>,
  read: (limit: number, after?: string) => Promise<Page<Entry>>,
  nameOf: (entry: Entry) => string,
) {
  const [after] = placeAfter([list], cursor) ?? [];
  return pageAnswer([list], await read(limit, after === undefined ? undefined : String(after)), (last) => [nameOf(last)]);
}

/** The end of a page, as an opaque word. */
export function cursorTo(query: readonly unknown[], place: readonly Value[]): string {
  const text = JSON.stringify(place);
  return `${Buffer.from(text).toString('base64url')}.${check(query, text)}`;
}

function check(query: readonly unknown[], place: string): string {
  return createHash('sha256')
    .update(JSON.stringify([query, place]))
    .digest('base64url')
    .slice(0, 12);
}
