import { ServerError } from '../errors.js';
import { Arr, Doc, MAX_DEPTH, type Value } from './values.js';

export type Test = (value: Value | undefined) => boolean;

export const paths = new Map<string, readonly string[]>();

/** The components of a path. Bulk writes repeat the same few paths: they are split once. */
export const splitPath = (path: string): readonly string[] => {
  let parts = paths.get(path);
  if (!parts) {
    parts = path.split('.');
    if (paths.size > 2000) paths.clear();
    if (path.length < 200) paths.set(path, parts);
  }
  return parts;
};

/** The fields of a reference to another document, the only ones with a `$` that a path may contain. */
const REFERENCE_FIELDS: ReadonlySet<string> = new Set(['$ref', '$id', '$db']);

/**
 * The components of a path in a stage or an expression.
 *
 * @throws ServerError 15, 40352, 40353, 15998, 16410 or 16411 if no document can have such a field
 */
export const checkFieldPath = (path: string): readonly string[] => {
  if (!path) throw new ServerError(40352, 'FieldPath cannot be constructed with empty string');
  if (path.endsWith('.')) throw new ServerError(40353, `FieldPath must not end with a '.'.`);
  if (path.includes('\0')) throw new ServerError(16411, 'FieldPath field names may not contain embedded nulls');
  const parts = path.split('.');
  if (parts.length > MAX_DEPTH) throw new ServerError(15, `FieldPath is too long: it has more than ${MAX_DEPTH} components`);
  for (const part of parts) {
    if (!part) throw new ServerError(15998, 'FieldPath field names may not be empty strings.');
    if (part.startsWith('$') && !REFERENCE_FIELDS.has(part))
      throw new ServerError(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
  }
  return parts;
};

/** The array index that a path component names, or -1. */
export const indexOfComponent = (component: string): number => (/^(?:0|[1-9]\d{0,8})$/.test(component) ? Number(component) : -1);

/**
 * Visits the values that a path reaches in a document, by the server's rules: arrays on the way are searched element by element, a numeric
 * component is also an index, and a path that leads nowhere visits `undefined` once.
 *
 * @param expand whether the elements of an array at the end are visited, before the array itself
 * @returns true as soon as a visit returns true
 */
export const visitPath = (doc: Doc, parts: readonly string[], from: number, expand: boolean, visit: Test): boolean => {
  let current: Doc = doc;
  for (let at = from; ; at++) {
    const value = current.get(parts[at] as string);
    if (value === undefined) return visit(undefined);
    if (at + 1 === parts.length) {
      if (expand && value instanceof Arr) for (const element of value.values) if (visit(element)) return true;
      return visit(value);
    }
    if (value instanceof Arr) return visitArray(value, parts, at + 1, expand, visit);
    if (!(value instanceof Doc)) return visit(undefined);
    current = value;
  }
};

export const visitArray = (array: Arr, parts: readonly string[], from: number, expand: boolean, visit: Test): boolean => {
  const index = indexOfComponent(parts[from] as string);
  const { values } = array;
  for (let at = 0; at < values.length; at++) {
    const element = values[at] as Value;
    if (element instanceof Doc && visitPath(element, parts, from, expand, visit)) return true;
    if (at !== index) continue;
    if (from + 1 === parts.length) {
      if (visit(element)) return true;
    } else if (element instanceof Doc) {
      if (visitPath(element, parts, from + 1, expand, visit)) return true;
    } else if (element instanceof Arr && visitArray(element, parts, from + 1, expand, visit)) return true;
  }
  return false;
};
