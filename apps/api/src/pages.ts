import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { formatPosition, parsePosition, type Position } from '#eventsourcing';
import { Problem, QueryParameters } from '#http';
import { type Parameter, type QueryOf, text, wholeNumber } from '#platform';
import type { Changes, ChangesAsked, Page } from '#ticketing-app';

type Value = string | number;

/** Changed when the shape of a place in any list changes: older cursors then become invalid. */
const VERSION = 1;

/** Random per process, until a shared one is set. */
let cursorKey: Uint8Array = randomBytes(32);

/** Signs cursors with a key shared by other processes. */
export function signCursorsWith(key: Uint8Array): void {
  cursorKey = key;
}

/** Default number of entries on a page. */
export const PAGE = 50;

/** Parameters of every list. */
export const pageParameters = {
  limit: wholeNumber('Entries on a page', { min: 1, max: 200, fallback: PAGE }),
  cursor: text('The `next` of the previous page, unchanged', { max: 1000 }),
};

/** Parameters of a list without any others. */
export const plainList = new QueryParameters(pageParameters);

/** How fresh a list must be. */
export const atLeastPosition: Parameter<Position> = {
  parse: parsePosition,
  rule: 'must be a position such as 1234/1234',
  description:
    "Position (from a command's response) the list must have reached. Waits up to two seconds, then responds 503 with Retry-After.",
  schema: { type: 'string', pattern: '^\\d{1,19}/\\d{1,19}$' },
};

/**
 * Where the previous page ended; undefined for the first page.
 * @param query of the list: a cursor fits only the same query
 * @throws Problem invalid-query for a foreign cursor, or one of another query
 */
export function placeAfter(query: readonly unknown[], cursor: string | undefined): readonly Value[] | undefined {
  if (cursor === undefined) return undefined;
  const [encoded = '', signature = ''] = cursor.split('.', 2);
  const text = Buffer.from(encoded, 'base64url').toString('utf8');
  const [given, right] = [Buffer.from(signature), Buffer.from(signatureOf(query, text))];
  if (given.length === right.length && timingSafeEqual(given, right)) {
    const place: unknown = JSON.parse(text);
    if (isPlace(place)) return place;
  }
  throw Problem.of('invalid-query', 'The cursor does not belong to this list', {
    faults: [{ field: 'cursor', message: 'must be the `next` of a page of the same list with the same filters' }],
  });
}

/** A page as an answer: if more follows, with the cursor for it. */
export function pageAnswer<Entry>(query: readonly unknown[], { items, more }: Page<Entry>, placeOf: (last: Entry) => readonly Value[]) {
  const last = items.at(-1);
  return { items, ...(more && last !== undefined ? { next: cursorTo(query, placeOf(last)) } : {}) };
}

/**
 * A page of a list sorted by name.
 * @param list its query: a cursor fits only the same list
 * @param read the entries after a name, or the first ones
 */
export async function pageByName<Entry>(
  list: readonly unknown[],
  { limit = PAGE, cursor }: QueryOf<typeof pageParameters>,
  read: (limit: number, after?: string) => Promise<Page<Entry>>,
  nameOf: (entry: Entry) => string,
) {
  const [after] = placeAfter(list, cursor) ?? [];
  return pageAnswer(list, await read(limit, after === undefined ? undefined : String(after)), (last) => [nameOf(last)]);
}

/** Start of the requested changes of a list. */
export const changedSince: Parameter<Position | 'start'> = {
  parse: (given) => (given === 'start' ? given : parsePosition(given)),
  rule: 'must be start or a position such as 1234/1234',
  description:
    'Only tickets changed after this position, sorted by their last change. Continue from the response’s `changedUpTo`: nothing is missed',
  schema: { type: 'string', pattern: '^(start|\\d{1,19}/\\d{1,19})$' },
};

/**
 * A page of what has changed in a list since a position.
 * @param list its query: a cursor fits only the same list
 * @param without parameters that make no sense for changes, as given
 * @throws Problem invalid-query
 */
export async function pageOfChanges<Entry, Found extends Changes<Entry>>(
  list: readonly unknown[],
  {
    since,
    limit = PAGE,
    cursor,
  }: { readonly since: Position | 'start'; readonly limit?: number | undefined; readonly cursor?: string | undefined },
  without: Readonly<Record<string, unknown>>,
  read: (asked: ChangesAsked) => Promise<Found>,
) {
  unlessGiven(without, 'changedSince', 'Changes are sorted by when they were made, and the passage of time makes none');
  const changes = ['changed', since === 'start' ? since : formatPosition(since), ...list];
  const place = placeAfter(changes, cursor);
  const after = place && { position: Number(place[0]), upTo: String(place[1]) };
  const { more, upTo, end = 0, ...answer } = await read({ since, limit, after });
  return { ...answer, ...(more && { next: cursorTo(changes, [end, upTo]) }), changedUpTo: `${upTo}/${upTo}` };
}

/**
 * Refuses parameters that make no sense in combination with another one.
 * @param given parameters as given
 * @throws Problem invalid-query
 */
export function unlessGiven(given: Readonly<Record<string, unknown>>, beside: string, detail: string): void {
  const faults = Object.keys(given)
    .filter((field) => given[field] !== undefined)
    .map((field) => ({ field, message: `must be omitted with ${beside}` }));
  if (faults.length > 0) throw Problem.of('invalid-query', detail, { faults });
}

/** The end of a page, as an opaque word. */
export function cursorTo(query: readonly unknown[], place: readonly Value[]): string {
  const text = JSON.stringify(place);
  return `${Buffer.from(text).toString('base64url')}.${signatureOf(query, text)}`;
}

/** Only numbers and texts: an object would be an operator to MongoDB. */
function isPlace(place: unknown): place is readonly Value[] {
  return Array.isArray(place) && place.every((value) => typeof value === 'string' || typeof value === 'number');
}

function signatureOf(query: readonly unknown[], place: string): string {
  return createHmac('sha256', cursorKey)
    .update(JSON.stringify([VERSION, query, place]))
    .digest('base64url');
}
