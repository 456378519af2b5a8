import { indexOfComponent } from '../bson/paths.js';
import { Arr, Doc, show, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { Filter } from './filter.js';

/** What an update knows about the document besides its content. */
export type UpdateContext = {
  /** Whether this update creates the document. */
  readonly inserting: boolean;
  /** The query that found the document, which determines the positional `$`. */
  readonly filter: Filter;
  /** Now, in milliseconds since 1970. */
  readonly now: number;
};

export type Change = (old: Value | undefined, at: Place) => Value | undefined;
/** Where a change happens, for messages. */
export type Place = { readonly path: string; readonly doc: Doc; readonly context: UpdateContext };

export type Modification = {
  readonly path: string;
  readonly parts: readonly string[];
  /** The new value; undefined leaves the field missing, or removes it. */
  readonly change: Change;
  /** Whether a missing path is created. */
  readonly creates: boolean;
  readonly onlyInserting: boolean;
};

export const describeId = (doc: Doc): string => `{_id: ${show(doc.get('_id'))}}`;

/** Applies a change at a concrete path; returns the same value if nothing changes. */
export const changeAt = (
  value: Value | undefined,
  parts: readonly string[],
  from: number,
  modification: Modification,
  place: Place,
): Value | undefined => {
  if (from === parts.length) return modification.change(value, place);
  const part = parts[from] as string;
  if (value === undefined) {
    if (!modification.creates) return undefined;
    const inner = changeAt(undefined, parts, from + 1, modification, place);
    return inner === undefined ? undefined : Doc.of([part], [inner]);
  }
  if (value instanceof Doc) {
    const old = value.get(part);
    const fresh = changeAt(old, parts, from + 1, modification, place);
    if (fresh === old) return value;
    return fresh === undefined ? value.without(part) : value.with(part, fresh);
  }
  if (value instanceof Arr) {
    const index = indexOfComponent(part);
    if (index < 0) {
      if (!modification.creates) return value;
      throw new ServerError(28, `Cannot create field '${part}' in element {${parts[from - 1]}: ${show(value)}}`);
    }
    const old = value.values[index];
    const fresh = changeAt(old, parts, from + 1, modification, place);
    if (fresh === old) return value;
    // Unsetting an element leaves null behind, so that the others keep their places.
    if (index < value.length) return Arr.of(value.values.with(index, fresh ?? null));
    if (fresh === undefined) return value;
    if (index - value.length > 1_500_000) throw new ServerError(34, `can't backfill more than 1500000 elements`);
    return Arr.of([...value.values, ...Array.from({ length: index - value.length }, () => null), fresh]);
  }
  if (!modification.creates) return value;
  throw new ServerError(28, `Cannot create field '${part}' in element {${parts[from - 1]}: ${show(value)}}`);
};

export const valueAt = (doc: Doc, parts: readonly string[]): Value | undefined => {
  let value: Value | undefined = doc;
  for (const part of parts)
    value = value instanceof Doc ? value.get(part) : value instanceof Arr ? value.values[indexOfComponent(part)] : undefined;
  return value;
};
