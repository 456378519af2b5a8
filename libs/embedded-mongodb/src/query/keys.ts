import { indexOfComponent } from '../bson/paths.js';
import { Arr, Doc, UNDEFINED, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { Collation } from './collation.js';

/** One field of an index or a sort: its path and its direction. */
export type KeyField = {
  readonly path: string;
  readonly parts: readonly string[];
  readonly direction: 1 | -1;
  readonly collation?: Collation | undefined;
};

/** The index entries of a document: one row of values for each key; several if a path leads into an array. */
export type Extracted = {
  readonly rows: readonly (readonly Value[])[];
  /** Which of the fields, by number, lead into an array. */
  readonly arrays: readonly number[];
  /** Whether none of the fields exists. */ readonly absent: boolean;
};

/**
 * The rows of values that an index over `fields` contains for a document. A missing value counts as null, an empty array as undefined;
 * fields below one array are combined, element by element.
 *
 * @throws ServerError 171 CannotIndexParallelArrays if two fields lead into different arrays
 */
export const extractKeys = (doc: Doc, fields: readonly KeyField[]): Extracted => {
  const row: Value[] = [];
  let absent = true;
  let plain = true;
  for (const { parts } of fields) {
    let value: Value | undefined = doc;
    for (const part of parts) {
      value = value instanceof Doc ? value.get(part) : undefined;
      if (value === undefined || value instanceof Arr) break;
    }
    if (value instanceof Arr) {
      plain = false;
      break;
    }
    if (value !== undefined) absent = false;
    row.push(value ?? null);
  }
  if (plain) return { rows: [row], arrays: NONE, absent };
  const rows: (readonly Value[])[] = [];
  const state = { absent: true };
  expand(
    fields.map(() => doc),
    fields.map(({ parts }) => parts),
    fields.map(() => undefined),
    rows,
    state,
  );
  return { rows, arrays: fields.flatMap(({ parts }, field) => (leadsIntoArray(doc, parts) ? [field] : [])), absent: state.absent };
};

const NONE: readonly number[] = [];

const leadsIntoArray = (doc: Doc, parts: readonly string[]): boolean => {
  let value: Value | undefined = doc;
  for (const part of parts) {
    value = value instanceof Doc ? value.get(part) : undefined;
    if (value instanceof Arr) return true;
  }
  return false;
};

/** Follows every open path to its end or to the next array, then continues with each element of that array. */
const expand = (
  starts: readonly (Value | undefined)[],
  paths: readonly (readonly string[])[],
  known: readonly (Value | undefined)[],
  rows: (readonly Value[])[],
  state: { absent: boolean },
): void => {
  const found: (Value | undefined)[] = [...known];
  const rest: (readonly string[])[] = [...paths];
  let array: Arr | undefined;
  const inArray: number[] = [];
  starts.forEach((start, field) => {
    if (known[field] !== undefined) return;
    let value: Value | undefined = start;
    let at = 0;
    const path = paths[field] as readonly string[];
    while (at < path.length) {
      if (value instanceof Doc) value = value.get(path[at++] as string);
      else if (value instanceof Arr) {
        const index = indexOfComponent(path[at] as string);
        if (index < 0) break;
        if (value.values.some((element) => element instanceof Doc && element.has(path[at] as string)))
          throw new ServerError(
            16746,
            `Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), field: '${path[at]}'`,
          );
        value = value.values[index];
        at++;
      } else {
        value = undefined;
        break;
      }
    }
    if (value instanceof Arr) {
      if (array && array !== value) throw new ServerError(171, `cannot index parallel arrays [${path.join('.')}]`);
      array = value;
      inArray.push(field);
      rest[field] = path.slice(at);
      return;
    }
    if (value !== undefined) state.absent = false;
    found[field] = value ?? null;
  });
  if (!array) {
    rows.push(found as readonly Value[]);
    return;
  }
  if (!array.length) {
    for (const field of inArray) {
      const leaf = !(rest[field] as readonly string[]).length;
      if (leaf) state.absent = false;
      found[field] = leaf ? UNDEFINED : null;
    }
    expand(starts, rest, found, rows, state);
    return;
  }
  for (const element of array.values) {
    const next: (Value | undefined)[] = [...found];
    const below: (Value | undefined)[] = [...starts];
    for (const field of inArray) {
      if ((rest[field] as readonly string[]).length) {
        // An array directly below an array is not searched for named fields.
        below[field] = element instanceof Doc ? element : null;
      } else {
        next[field] = element;
        state.absent = false;
      }
    }
    expand(below, rest, next, rows, state);
  }
};
