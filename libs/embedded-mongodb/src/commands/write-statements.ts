import { Arr, Doc, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { Hint } from '../execution/planner.js';
import type { Variables } from '../query/expressions/scope.js';
import { compileFilter, parseFilter, type Filter } from '../query/filter.js';
import { applyUpdate, compileUpdate, isReplacement, upserted, type Update } from '../query/update.js';
import type { Collection, Writer } from '../storage/store.js';
import { MAX_BATCH, type Node } from './call.js';
import { drain, Pace } from './cursors.js';
import { Fields } from './fields.js';
import { collectionOf, existing, newCollection, noView } from './namespaces.js';
import { findSource, hintOf, matching } from './reading.js';
import { validate } from './validation.js';

/** Wraps an error of the server's kind as an element of `writeErrors`. */
export const writeError = (index: number, error: ServerError): Doc => {
  const { keyPattern, keyValue } = error.details as { keyPattern?: Value; keyValue?: Value };
  return Doc.from({ index, code: error.code, keyPattern, keyValue, errmsg: error.message });
};

/** The collection that a write goes to; it is made where it does not exist. */
export const forWriting = (writer: Writer, database: string, name: string): Collection =>
  noView(collectionOf(writer, database, name)) ?? newCollection(writer, database, name);

export const checkBatch = (size: number): void => {
  if (size < 1 || size > MAX_BATCH)
    throw new ServerError(16, `Write batch sizes must be between 1 and ${MAX_BATCH}. Got ${size} operations.`);
};

export type UpdateStatement = {
  readonly filter: Filter;
  readonly update: Update;
  readonly replacement: boolean;
  readonly multi: boolean;
  readonly upsert: boolean;
  readonly hint: Hint;
};

/** What a statement of an update may say. */
export const UPDATE_FIELDS = ['q', 'u', 'c', 'upsert', 'multi', 'collation', 'arrayFilters', 'hint', 'sampleId', 'upsertSupplied'];

/** Updates that only differ in their values are compiled one by one, which is cheap: no text is parsed. */
export const parseUpdate = (statement: Doc, name: string, variables: Variables): UpdateStatement => {
  const fields = new Fields(name, statement).only(UPDATE_FIELDS);
  fields.noCollation();
  const constants = fields.document('c');
  const bound: Record<string, Value | undefined> = { ...variables };
  constants?.keys.forEach((key, index) => (bound[key] = constants.values[index]));
  const spec = fields.need(statement.get('u'), 'u');
  const multi = fields.boolean('multi');
  const filter = parseFilter(fields.need(fields.document('q'), 'q'), bound);
  return {
    filter,
    update: compileUpdate(spec, { arrayFilters: fields.documents('arrayFilters') ?? [], multi, variables: bound }),
    replacement: isReplacement(spec),
    multi,
    upsert: fields.boolean('upsert'),
    hint: hintOf(fields),
  };
};

export const runUpdate = (
  writer: Writer,
  database: string,
  name: string,
  { filter, update, replacement, multi, upsert, hint }: UpdateStatement,
  bypassed: boolean,
  now_: number,
  among?: Filter,
): { readonly matched: number; readonly modified: number; readonly upserted: Value | undefined; readonly error?: ServerError } => {
  let collection = noView(collectionOf(writer, database, name));
  let matched = 0;
  let modified = 0;
  const context = { inserting: false, filter, now: now_ };
  if (collection) {
    const found: Doc[] = [];
    const searched: Filter = among ? { op: 'and', of: [among, filter] } : filter;
    for (const doc of matching(writer, collection, searched, hint)) {
      found.push(doc);
      if (!multi) break;
    }
    for (const doc of found) {
      try {
        const after = applyUpdate(update, doc, context);
        matched++;
        if (after === doc) continue;
        validate(collection, after, bypassed, doc);
        writer.replace(collection, doc, after);
      } catch (error) {
        // What was changed before it stays changed, and is counted.
        if (error instanceof ServerError && among) return { matched, modified, upserted: undefined, error };
        throw error;
      }
      collection = existing(writer, database, name);
      modified++;
    }
  }
  if (matched || !upsert) return { matched, modified, upserted: undefined };
  const doc = upserted(update, replacement, { ...context, inserting: true });
  collection ??= newCollection(writer, database, name);
  validate(collection, doc, bypassed);
  writer.insert(collection, doc);
  return { matched: 0, modified: 0, upserted: doc.get('_id') };
};

/** Documents that one transaction changes at most where a single statement changes many. */
export const PORTION = 1000;

/**
 * The _ids of what a statement for many documents is about, found without holding up others. Each is looked at again in
 * the transaction that changes it; what comes to match in between is left alone, as on the server.
 */
export const affected = async (
  { store, space }: Node,
  database: string,
  name: string,
  filter: Filter,
  variables: Variables,
  hint: Hint,
  pace: Pace,
): Promise<readonly Value[]> => {
  const snapshot = store.snapshot();
  try {
    const collection = noView(collectionOf(snapshot, database, name));
    if (!collection) return [];
    const ids: Value[] = [];
    await drain(
      findSource({ reader: snapshot, database, space }, name, {
        filter,
        sort: [],
        skip: 0,
        limit: 0,
        projection: undefined,
        variables,
        hint,
      }),
      pace,
      (doc) => ids.push(doc.get('_id') as Value),
    );
    return ids;
  } finally {
    snapshot.close();
  }
};

/** Removes all documents that match, and yields the number of each transaction. */
export const removeMatching = async function* (
  node: Node,
  database: string,
  name: string,
  filter: Filter,
  hint: Hint,
  pace: Pace,
  variables: Variables = {},
): AsyncGenerator<number, void, undefined> {
  const test = compileFilter(filter);
  for (const ids of portions(await affected(node, database, name, filter, variables, hint, pace)))
    yield await node.store.write((writer) => {
      const collection = collectionOf(writer, database, name);
      if (!collection || collection.view) return 0;
      const found = [...matching(writer, collection, ids)].filter(test);
      for (const doc of found) writer.remove(collection, doc);
      return found.length;
    });
};

export const portions = function* (ids: readonly Value[]): Generator<Filter, void, undefined> {
  for (let start = 0; start < ids.length; start += PORTION) yield { op: 'in', path: '_id', operands: ids.slice(start, start + PORTION) };
};

/** Codes of what ended the command itself: its time limit, its client's leaving, the end of the node. */
export const interruptions = new Set([50, 91, 237]);

export const single = (error: unknown): Value => {
  if (!(error instanceof ServerError) || interruptions.has(error.code)) throw error;
  return Arr.of([writeError(0, error)]);
};
