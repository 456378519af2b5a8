import { isNumber, compareValues } from './bson-order.js';
import { Doc, encodedLength, show, type Value } from './bson-values.js';
import { badValue, ServerError } from './errors.js';
import { splitPath, numberOf } from './filter.js';
import { extractKeys, type KeyField } from './index-keys.js';

/**
 * Parses a sort document.
 *
 * @throws ServerError 15974 and others for a direction that is not 1 or -1
 */
export const parseSort = (sort: Doc): readonly KeyField[] => {
  if (sort.size > 32) throw badValue('too many compound keys');
  return sort.keys.map((path, index) => {
    const given = sort.values[index] as Value;
    if (given instanceof Doc) {
      if (given.keys[0] === '$meta') throw new ServerError(17311, 'query requires text score metadata, but it is not available');
      throw new ServerError(15974, `Illegal key in $sort specification: ${path}: ${show(given)}`);
    }
    if (!isNumber(given)) throw new ServerError(15974, `Illegal key in $sort specification: ${path}: ${show(given)}`);
    const direction = numberOf(given);
    if (direction !== 1 && direction !== -1) throw new ServerError(15975, '$sort key ordering must be 1 (for ascending) or -1 (for descending)');
    if (path === '') throw new ServerError(40352, 'FieldPath cannot be constructed with empty string');
    if (path.startsWith('$')) throw new ServerError(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
    return { path, parts: splitPath(path), direction };
  });
};

/** The values that a document is sorted by: of several keys (an array) the one that comes first. */
export const sortKey = (value: Value, fields: readonly KeyField[]): readonly Value[] => {
  if (!(value instanceof Doc)) return fields.map(() => null);
  const { rows } = extract(value, fields);
  let best = rows[0] as readonly Value[];
  for (const row of rows) if (compareRows(row, best, fields) < 0) best = row;
  return best;
};

const extract = (doc: Doc, fields: readonly KeyField[]): ReturnType<typeof extractKeys> => {
  try {
    return extractKeys(doc, fields);
  } catch (error) {
    if (error instanceof ServerError && error.code === 171) throw badValue('cannot sort with keys that are parallel arrays');
    throw error;
  }
};

export const compareRows = (a: readonly Value[], b: readonly Value[], fields: readonly KeyField[]): number => {
  for (let index = 0; index < fields.length; index++) {
    const order = compareValues(a[index], b[index]);
    if (order !== 0) return order * (fields[index] as KeyField).direction;
  }
  return 0;
};

/** A comparison of whole values by a sort, for short lists. */
export const compareBySort =
  (fields: readonly KeyField[]) =>
  (a: Value, b: Value): number =>
    compareRows(sortKey(a, fields), sortKey(b, fields), fields);

/** Bytes that one blocking stage may hold, as the server's default. */
export const MEMORY_LIMIT = 100 * 1024 * 1024;

type Entry = { readonly key: readonly Value[]; readonly order: number; readonly doc: Doc };

/**
 * Collects documents and gives them back sorted; equal ones in the order of their coming. With a limit it keeps only
 * the first so many, so that a page of a large collection needs memory for the page alone.
 */
export class Sorter {
  #entries: Entry[] = [];
  #bytes = 0;
  #count = 0;
  readonly #fields: readonly KeyField[];
  readonly #limit: number;

  constructor(fields: readonly KeyField[], limit = Infinity) {
    this.#fields = fields;
    this.#limit = limit;
  }

  /** @throws ServerError 292 where more than 100 MB would have to be kept */
  add(doc: Doc): void {
    const entry = { key: sortKey(doc, this.#fields), order: this.#count++, doc };
    const last = this.#entries.length >= 2 * this.#limit ? this.#trim() : undefined;
    if (last && this.#compare(entry, last) > 0) return;
    this.#entries.push(entry);
    this.#bytes += encodedLength(doc) + 128;
    if (this.#bytes > MEMORY_LIMIT && this.#limit < this.#entries.length) this.#trim();
    if (this.#bytes > MEMORY_LIMIT)
      throw new ServerError(292, `Sort exceeded memory limit of ${MEMORY_LIMIT} bytes, but did not opt in to external sorting. Aborting operation. Pass allowDiskUse:true to opt in.`);
  }

  #compare = (a: Entry, b: Entry): number => compareRows(a.key, b.key, this.#fields) || a.order - b.order;

  /** Drops what is beyond the limit; returns the last one kept. */
  #trim(): Entry | undefined {
    this.#entries.sort(this.#compare);
    this.#entries.length = Math.min(this.#entries.length, this.#limit);
    this.#bytes = this.#entries.reduce((total, { doc }) => total + encodedLength(doc) + 128, 0);
    return this.#entries.at(-1);
  }

  sorted(): readonly Doc[] {
    this.#trim();
    return this.#entries.map(({ doc }) => doc);
  }
}

/** Values of an array in a document's place, for `$push` with `$sort`. */
export const sortValues = (values: readonly Value[], by: Value): readonly Value[] => {
  if (by instanceof Doc) {
    const fields = parseSort(by);
    return values.toSorted(compareBySort(fields));
  }
  const direction = isNumber(by) ? numberOf(by) : NaN;
  if (direction !== 1 && direction !== -1) throw badValue('The $sort element value must be either 1 or -1');
  return values.toSorted((a, b) => compareValues(a, b) * direction);
};

