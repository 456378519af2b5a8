import { equalValues, isNumber } from './bson-order.js';
import { bsonTypeName, Doc, show, type Value, Arr } from './bson-values.js';
import { answerWithCursor, collectionOf, cursorBatch, existing, Fields, fieldsOf, listed, newCollection, noView, ok, paceOf, target, type Command, type Handler } from './call.js';
import type { Pace } from './cursors.js';
import { badValue, failedToParse, ServerError } from './errors.js';
import { numberOf, parseFilter, type Filter } from './filter.js';
import { readIndex, readyIndexes, type Collection, type Index, type Store, type Writer } from './store.js';

const indexFields = ['key', 'name', 'unique', 'sparse', 'partialFilterExpression', 'background', 'v', 'ns', 'expireAfterSeconds', 'hidden', 'collation', 'comment'];

const defaultIndexName = (key: Doc): string => key.keys.map((path, index) => `${path}_${indexValueText(key.values[index] as Value)}`).join('_');
const indexValueText = (value: Value): string => (typeof value === 'string' ? value : isNumber(value) ? String(numberOf(value)) : show(value));

const checkIndexSpec = (spec: Doc): Doc => {
  for (const key of spec.keys) if (!indexFields.includes(key)) throw new ServerError(197, `The field '${key}' is not valid for an index specification. Specification: ${show(spec)}`);
  const key = spec.get('key');
  if (!(key instanceof Doc)) throw failedToParse("The 'key' property is a required property of an index specification");
  if (!key.size) throw new ServerError(67, 'Index keys cannot be empty.');
  if (key.size > 32) throw new ServerError(13103, 'too many compound keys');
  const seen = new Set<string>();
  key.keys.forEach((path, index) => {
    const value = key.values[index] as Value;
    if (typeof value === 'string') throw new ServerError(67, ['text', '2d', '2dsphere', 'hashed', 'geoHaystack'].includes(value) ? `${value} indexes are not supported by this node` : `Unknown index plugin '${value}'`);
    if (!isNumber(value) || numberOf(value) === 0 || Number.isNaN(numberOf(value))) throw new ServerError(67, `Values in v:2 index key pattern cannot be of type ${bsonTypeName(value)}. Only numbers > 0, numbers < 0, and strings are allowed.`);
    if (!path || path.split('.').some((part) => !part)) throw new ServerError(67, 'Index keys cannot be an empty field.');
    if (path.split('.').some((part) => part === '$**')) throw new ServerError(67, 'wildcard indexes are not supported by this node');
    if (path.split('.').some((part) => part.startsWith('$') && !['$ref', '$id', '$db'].includes(part))) throw new ServerError(67, `Index key contains an illegal field name: field name starts with '$'.`);
    if (seen.has(path)) throw new ServerError(67, `Invalid index key: duplicate field ${path}`);
    seen.add(path);
  });
  const fields = new Fields('createIndexes.indexes', spec);
  fields.noCollation();
  fields.refuse('hidden');
  if (spec.has('expireAfterSeconds')) throw new ServerError(238, 'createIndexes.indexes.expireAfterSeconds (TTL) is not supported by this node');
  const name = fields.string('name') ?? defaultIndexName(key);
  if (!name) throw new ServerError(67, 'index name cannot be empty');
  const partial = fields.document('partialFilterExpression');
  if (partial) {
    checkPartial(parseFilter(partial));
    if (fields.boolean('sparse')) throw new ServerError(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  }
  return Doc.from({ v: 2, key, name, unique: fields.boolean('unique') ? true : undefined, sparse: fields.boolean('sparse') ? true : undefined, partialFilterExpression: partial });
};

const checkPartial = (filter: Filter): void => {
  if (filter.op === 'and') return filter.of.forEach(checkPartial);
  if (filter.op === 'or') return filter.of.forEach(checkPartial);
  if (filter.op === 'compare' || filter.op === 'exists' || filter.op === 'in' || filter.op === 'test' || filter.op === 'always') return;
  throw new ServerError(67, 'unsupported expression in partial index');
};

const isIdKey = (key: Doc): boolean => key.size === 1 && key.keys[0] === '_id' && numberOf(key.values[0]) === 1;

const normalKey = (key: Doc): string => key.keys.map((path, index) => `${path}:${Math.sign(numberOf(key.values[index]))}`).join();

/** Index builds that are under way, by the index's number. */
const builds = new WeakMap<Store, Map<number, Promise<void>>>();
const buildsOf = (store: Store): Map<number, Promise<void>> => {
  const known = builds.get(store) ?? new Map<number, Promise<void>>();
  builds.set(store, known);
  return known;
};

type Creation = { readonly reply: Doc; readonly collection: number; readonly indexes: readonly number[]; /** Others' builds of the same indexes. */ readonly wait: readonly Promise<void>[] };

/**
 * Builds indexes while others read and write. They are in the catalog from the beginning, so that every write keeps them
 * up to date; then each document gets its entries, some in each transaction; when all have them, queries use them.
 */
const createIndexes: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  const { store } = call.node;
  const specs = fields.need(fields.documents('indexes'), 'indexes').map(checkIndexSpec);
  if (!specs.length) throw badValue('Must specify at least one index to create');
  if (call.command.has('commitQuorum')) throw badValue("Standalones can't specify commitQuorum");
  fields.refuse('ignoreUnknownIndexOptions');
  const pace = paceOf(call);
  const running = buildsOf(store);
  for (;;) {
    const { reply, collection, indexes, wait } = await store.write((writer) => register(writer, call.database, name, specs, running));
    if (wait.length) {
      await Promise.allSettled(wait);
      continue;
    }
    if (indexes.length) {
      const build = fill(store, collection, indexes, pace);
      for (const number of indexes) running.set(number, build);
      try {
        await build;
      } finally {
        for (const number of indexes) running.delete(number);
      }
    }
    return reply;
  }
};

const register = (writer: Writer, database: string, name: string, specs: readonly Doc[], running: ReadonlyMap<number, Promise<void>>): Creation => {
  const known = noView(collectionOf(writer, database, name));
  const collection = known ?? newCollection(writer, database, name);
  const indexes: Index[] = [...collection.indexes];
  const before = readyIndexes(collection).length + 1;
  const wait: Promise<void>[] = [];
  for (const spec of specs) {
    const key = spec.get('key') as Doc;
    if (isIdKey(key)) continue;
    if (spec.get('name') === '_id_') throw badValue(`The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}, found key: ${show(key)}`);
    const pattern = normalKey(key);
    const same = indexes.find((index) => normalKey(index.spec.get('key') as Doc) === pattern && equalValues(index.spec.get('partialFilterExpression'), spec.get('partialFilterExpression')));
    const named = indexes.find((index) => index.name === spec.get('name'));
    if (same) {
      if (same.unique !== (spec.get('unique') === true) || same.sparse !== (spec.get('sparse') === true))
        throw new ServerError(86, `An equivalent index already exists with the same name but different options. Requested index: ${show(spec)}, existing index: ${show(same.spec)}`);
      if (same.name !== spec.get('name')) throw new ServerError(85, `Index already exists with a different name: ${same.name}`);
      const build = running.get(same.number);
      if (build) wait.push(build);
      continue;
    }
    if (named) throw new ServerError(86, `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${show(spec)}, existing index: ${show(named.spec)}`);
    if (indexes.length >= 63) throw new ServerError(67, `add index fails, too many indexes for ${database}.${name}`);
    indexes.push(readIndex(writer.nextNumber(), spec, { building: true }));
  }
  const fresh = wait.length ? [] : indexes.slice(collection.indexes.length);
  if (fresh.length) writer.saveCollection({ ...collection, indexes });
  return {
    reply: ok({
      numIndexesBefore: before,
      numIndexesAfter: before + fresh.length,
      createdCollectionAutomatically: known ? false : true,
      note: fresh.length ? undefined : 'all indexes already exist',
    }),
    collection: collection.number,
    indexes: fresh.map(({ number }) => number),
    wait,
  };
};

/** @throws ServerError what a document refuses, 276 IndexBuildAborted where an index is dropped meanwhile; then none of them stays */
const fill = async (store: Store, collectionNumber: number, numbers: readonly number[], pace: Pace): Promise<void> => {
  const find = (writer: Writer): Collection | undefined => [...writer.catalog.collections.values()].find(({ number }) => number === collectionNumber);
  const mine = ({ number }: Index): boolean => numbers.includes(number);
  try {
    for (let from: Buffer | undefined, more = true; more; more = from !== undefined) {
      from = await store.write((writer) => {
        const collection = find(writer);
        const indexes = collection?.indexes.filter(mine) ?? [];
        if (!collection || indexes.length < numbers.length) throw new ServerError(276, 'the index build was aborted: the index or its collection has been dropped');
        const next = writer.fillIndexes(collection, indexes, from);
        const current = find(writer) as Collection;
        if (!next) writer.saveCollection({ ...current, indexes: current.indexes.map((index) => (mine(index) ? { ...index, building: false } : index)) });
        return next;
      });
      if (from) pace.check();
    }
  } catch (error) {
    await store.write((writer) => {
      const collection = find(writer);
      if (!collection) return;
      for (const index of collection.indexes) if (mine(index)) writer.dropIndex(index);
      writer.saveCollection({ ...collection, indexes: collection.indexes.filter((index) => !mine(index)) });
    });
    throw error;
  }
};

const dropIndexes: Handler = async (call) => {
  const name = target(call);
  const wanted = call.command.get('index');
  return call.node.store.write((writer) => {
    const collection = noView(existing(writer, call.database, name)) as Collection;
    let dropped: readonly Index[];
    if (wanted === '*') dropped = collection.indexes;
    else {
      const each = wanted instanceof Arr ? wanted.values : [wanted];
      dropped = each.map((one) => {
        if (one === '_id_' || (one instanceof Doc && isIdKey(one))) throw new ServerError(72, 'cannot drop _id index');
        const found = collection.indexes.find((index) => (one instanceof Doc ? normalKey(index.spec.get('key') as Doc) === normalKey(one) : index.name === one));
        if (!found) throw new ServerError(27, one instanceof Doc ? `can't find index with key: ${show(one)}` : `index not found with name [${String(one)}]`);
        return found;
      });
    }
    for (const index of dropped) writer.dropIndex(index);
    writer.saveCollection({ ...collection, indexes: collection.indexes.filter((index) => !dropped.includes(index)) });
    return ok({ nIndexesWas: readyIndexes(collection).length + 1, msg: wanted === '*' ? 'non-_id indexes dropped for collection' : undefined });
  });
};

export const idIndexSpec = Doc.from({ v: 2, key: Doc.from({ _id: 1 }), name: '_id_' });

const listIndexes: Handler = async (call) => {
  const name = target(call);
  const snapshot = call.node.store.snapshot();
  const cursor = fieldsOf(call).document('cursor');
  try {
    const collection = noView(collectionOf(snapshot, call.database, name));
    if (!collection) throw new ServerError(26, `ns does not exist: ${call.database}.${name}`);
    const found = [idIndexSpec, ...readyIndexes(collection).map(({ spec }) => spec)];
    return await answerWithCursor(call, `${call.database}.${name}`, snapshot, listed(found), cursorBatch(cursor, 'listIndexes'), false);
  } catch (error) {
    snapshot.close();
    throw error;
  }
};


export const indexCommands: Readonly<Record<string, Command>> = {
  createIndexes: { fields: ['indexes', 'commitQuorum', 'ignoreUnknownIndexOptions'], run: createIndexes },
  dropIndexes: { fields: ['index'], run: dropIndexes },
  listIndexes: { fields: ['cursor'], run: listIndexes },
};
