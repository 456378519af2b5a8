import { compareValues, isNumber, numberOf } from '../bson/order.js';
import { checkFieldPath } from '../bson/paths.js';
import { Doc, show, type Value } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { currentCollation, wholeOf } from './collation.js';
import { extractKeys, type KeyField } from './keys.js';
import { checkMetaName } from './metadata.js';

/**
 * Parses a sort document. A `$meta` that no document has here does not affect the order.
 *
 * @throws ServerError 15974 and others for a direction other than 1 or -1
 */
export const parseSort = (sort: Doc): readonly KeyField[] => {
  const collation = currentCollation();
  const fields: KeyField[] = [];
  sort.keys.forEach((path, index, keys) => {
    const given = sort.values[index] as Value;
    if (keys.indexOf(path) !== index) throw new ServerError(7472500, `$sort key must not be repeated: ${path}`);
    if (given instanceof Doc) return checkMeta(given);
    if (!isNumber(given)) throw new ServerError(15974, `Illegal key in $sort specification: ${path}: ${show(given)}`);
    const direction = wholeOf(given);
    if (direction !== 1 && direction !== -1)
      throw new ServerError(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    fields.push({ path, parts: checkFieldPath(path), direction, collation });
  });
  if (fields.length > 32) throw new ServerError(13103, 'too many compound keys');
  return fields;
};

/** What documents may be sorted by besides their fields. */
const SORT_META: ReadonlySet<unknown> = new Set(['textScore', 'randVal', 'geoNearDistance', 'searchScore', 'vectorSearchScore', 'score']);

const checkMeta = (given: Doc): void => {
  const meta = given.get('$meta');
  if (meta === undefined || given.keys[0] !== '$meta')
    throw new ServerError(17312, `$meta is the only expression supported by $sort right now: ${show(given)}`);
  if (given.size > 1) throw failedToParse('Cannot have additional keys in a $meta sort specification');
  if (!SORT_META.has(meta)) throw new ServerError(31138, `Illegal $meta sort: $meta: ${show(meta)}`);
  checkMetaName(meta as string);
};

/** What is wrong with a sort document for `$push` or `$sortArray`, or undefined. */
export const sortClauseProblem = (sort: Doc): string | undefined => {
  if (!sort.size) return 'The sort pattern is empty when it should be a set of fields.';
  for (let index = 0; index < sort.size; index++) {
    const [path, direction] = [sort.keys[index] as string, sort.values[index] as Value];
    if (!isNumber(direction) || Math.abs(numberOf(direction)) !== 1) return 'The sort element value must be either 1 or -1';
    if (!path) return 'The sort field cannot be empty';
    if (path.split('.').includes('')) return `The sort field is a dotted field but has an empty part: ${path}`;
  }
  return undefined;
};

/** The values by which a document is sorted: of several keys (an array), the one that comes first. */
export const sortKey = (value: Value, fields: readonly KeyField[]): readonly Value[] => {
  if (!(value instanceof Doc)) return fields.map(() => null);
  const { rows } = extract(value, fields);
  let best = rows[0] as readonly Value[];
  for (const row of rows) if (compareRows(row, best, fields) < 0) best = row;
  return best;
};

export const extract = (doc: Doc, fields: readonly KeyField[]): ReturnType<typeof extractKeys> => {
  try {
    return extractKeys(doc, fields);
  } catch (error) {
    if (error instanceof ServerError && error.code === 171) throw badValue('cannot sort with keys that are parallel arrays');
    throw error;
  }
};

export const compareRows = (a: readonly Value[], b: readonly Value[], fields: readonly KeyField[]): number => {
  for (let index = 0; index < fields.length; index++) {
    const { direction, collation } = fields[index] as KeyField;
    const order = compareValues(a[index], b[index], collation?.compare);
    if (order !== 0) return order * direction;
  }
  return 0;
};

/** A comparison of whole values by a sort, for short lists. */
export const compareBySort =
  (fields: readonly KeyField[]) =>
  (a: Value, b: Value): number =>
    compareRows(sortKey(a, fields), sortKey(b, fields), fields);

/** Bytes that one blocking stage may hold; the server's default. */
export const MEMORY_LIMIT = 100 * 1024 * 1024;

/** The order of array elements, for `$push` with `$sort`. */
export const orderOfValues = (by: Value): ((a: Value, b: Value) => number) => {
  if (by instanceof Doc) {
    const problem = sortClauseProblem(by);
    if (problem) throw badValue(problem);
    return compareBySort(parseSort(by));
  }
  const direction = isNumber(by) ? numberOf(by) : NaN;
  if (direction !== 1 && direction !== -1) throw badValue('The $sort element value must be either 1 or -1');
  const texts = currentCollation()?.compare;
  return (a, b) => compareValues(a, b, texts) * direction;
};
