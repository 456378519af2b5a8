import { equalValues, isNumber, isTrue, isWhole, numberOf } from '../bson/order.js';
import { Arr, bsonTypeName, Doc, Regex, show, type Value } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { sameCollation, wholeOf, type Collation } from '../query/collation.js';
import { parseFilter } from '../query/filter.js';
import { compileProjection } from '../query/transformations.js';
import { collationIn, namespaceOf, readIndex, type Collection, type Index, type Store, type Writer } from '../storage/store.js';
import { fieldsOf, ok, paceOf, type Command, type Handler } from './call.js';
import { answerWithCursor, cursorBatch, listed } from './cursor-commands.js';
import type { Pace } from './cursors.js';
import { Fields, typeError } from './fields.js';
import { collectionOf, existing, indexSpecs, newCollection, noView, target } from './namespaces.js';

const indexFields = [
  'key',
  'name',
  'unique',
  'sparse',
  'partialFilterExpression',
  'background',
  'v',
  'ns',
  'expireAfterSeconds',
  'hidden',
  'collation',
  'comment',
  'wildcardProjection',
];

/** The types of fields that are not objects. */
const INDEX_TYPES: Readonly<Record<string, string>> = { name: 'string', unique: 'bool', sparse: 'bool' };

const checkIndexSpec = (spec: Doc): Doc => {
  const key = spec.get('key');
  if (key instanceof Doc) refuseOtherKinds(key, spec);
  for (const name of ['key', 'name', 'unique', 'sparse', 'partialFilterExpression', 'collation'])
    if (spec.get(name) === null) throw typeError(`createIndexes.indexes.${name}`, null, INDEX_TYPES[name] ?? 'object');
  for (const key of spec.keys)
    if (!indexFields.includes(key))
      throw new ServerError(197, `The field '${key}' is not valid for an index specification. Specification: ${show(spec)}`);
  if (!(key instanceof Doc)) throw failedToParse("The 'key' property is a required property of an index specification");
  if (!key.size) throw new ServerError(67, 'Index keys cannot be empty.');
  if (key.size > 32) throw new ServerError(13103, 'too many compound keys');
  const seen = new Set<string>();
  key.keys.forEach((path, index) => {
    const value = key.values[index] as Value;
    if (!isNumber(value) || numberOf(value) === 0 || Number.isNaN(numberOf(value)))
      throw new ServerError(
        67,
        `Values in v:2 index key pattern cannot be of type ${bsonTypeName(value)}. Only numbers > 0, numbers < 0, and strings are allowed.`,
      );
    if (!path || path.split('.').some((part) => !part)) throw new ServerError(67, 'Index keys cannot be an empty field.');
    if (path.split('.').some((part) => part.startsWith('$') && !['$ref', '$id', '$db'].includes(part)))
      throw new ServerError(67, `Index key contains an illegal field name: field name starts with '$'.`);
    if (seen.has(path)) throw new ServerError(67, `Invalid index key: duplicate field ${path}`);
    seen.add(path);
  });
  const fields = new Fields('createIndexes.indexes', spec);
  const collation = fields.collation();
  const hidden = spec.get('hidden');
  if (hidden !== undefined && typeof hidden !== 'boolean') throw typeError('createIndexes.indexes.hidden', hidden, 'bool');
  const expireAfterSeconds = spec.get('expireAfterSeconds');
  if (expireAfterSeconds !== undefined) {
    if (isIdKey(key))
      throw new ServerError(
        197,
        `The field 'expireAfterSeconds' is not valid for an _id index specification. Specification: ${show(spec)}`,
      );
    checkExpiry(expireAfterSeconds);
    if (key.size !== 1)
      throw new ServerError(67, `TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: ${show(spec)}`);
  }
  const version = spec.get('v');
  if (version !== undefined) {
    if (!isNumber(version)) throw typeError('createIndexes.indexes.v', version, 'int');
    if (!isWhole(version) || numberOf(version) !== (numberOf(version) | 0))
      throw badValue(`Index version must be representable as a 32-bit integer, but got ${show(version)}`);
    if (numberOf(version) !== 1 && numberOf(version) !== 2)
      throw new ServerError(67, `Invalid index specification ${show(spec)}; cannot create an index with v=${show(version)}`);
  }
  const collationSpec = spec.get('collation');
  if (collationSpec instanceof Doc && !collationSpec.size) throw badValue("The field 'collation' cannot be an empty object.");
  const name = fields.string('name');
  if (name === '*') throw badValue("The index name '*' is not valid.");
  if (name === undefined) throw failedToParse("The 'name' field is a required property of an index specification");
  if (!name) throw new ServerError(67, 'index name cannot be empty');
  const partial = fields.document('partialFilterExpression');
  if (partial) {
    if (partial.has('$text')) throw badValue('$text is not allowed in the filter of a partial index');
    parseFilter(partial);
    checkPartial(partial);
    if (fields.boolean('sparse')) throw new ServerError(67, 'cannot mix "partialFilterExpression" and "sparse" options');
  }
  return Doc.from({
    v: 2,
    key,
    name,
    unique: fields.boolean('unique') ? true : undefined,
    sparse: fields.boolean('sparse') ? true : undefined,
    hidden: hidden || undefined,
    partialFilterExpression: partial,
    expireAfterSeconds,
    // Null if it has none although its collection does.
    collation: collation === null ? null : collation?.spec,
  });
};

/** What defines an index on `_id`: it is implicitly unique, and contains all documents. */
const idIndexFields: ReadonlySet<string> = new Set(['key', 'name', 'v', 'ns', 'collation']);

/**
 * Validates the `idIndex` of a new collection, which must match the default.
 *
 * @throws ServerError 197 for an option, 2 for another key or a collation other than the collection's, and as for other indexes
 */
export const checkIdIndex = (spec: Doc, collation: Collation | undefined): void => {
  for (const key of spec.keys)
    if (!idIndexFields.has(key))
      throw new ServerError(197, `The field '${key}' is not valid for an _id index specification. Specification: ${show(spec)}`);
  const key = spec.get('key');
  if (key !== undefined && !(key instanceof Doc)) throw typeError('create.idIndex.key', key, 'object');
  if (key && !isIdKey(key)) throw badValue(`The field 'key' for an _id index must be {_id: 1}, but got ${show(key)}`);
  const checked = checkIndexSpec(spec);
  if (checked.has('collation') && !sameCollation(collationIn(checked), collation))
    throw badValue(
      `The _id index must have the same collation as the collection. Index collation: ${show(checked.get('collation') ?? null)}`,
    );
};

/** The longest time to live, in seconds, as on the server. */
const MOST_SECONDS = 0x7fffffff;

const checkExpiry = (value: Value): void => {
  if (!isNumber(value))
    throw new ServerError(67, `TTL index 'expireAfterSeconds' option must be numeric, but received a type of '${bsonTypeName(value)}'`);
  const seconds = numberOf(value);
  if (!(seconds >= 0)) throw new ServerError(67, `TTL index 'expireAfterSeconds' option cannot be less than 0`);
  if (seconds > MOST_SECONDS)
    throw new ServerError(67, `TTL index 'expireAfterSeconds' option must be within an acceptable range, try a lower number`);
};

/** Operators allowed in the filter of a partial index. */
const PARTIAL_OPERATORS: ReadonlySet<string> = new Set(['$eq', '$gt', '$gte', '$lt', '$lte', '$in', '$type']);

/** @throws ServerError 67 if the filter of a partial index uses other operators */
const checkPartial = (filter: Doc): void => {
  filter.keys.forEach((key, index) => {
    const operand = filter.values[index] as Value;
    const allowed = (operators: Doc): boolean =>
      operators.keys.every(
        (name, at) => PARTIAL_OPERATORS.has(name) || (name === '$exists' && isTrue(operators.values[at] as Value)) || !name.startsWith('$'),
      );
    if (key === '$expr') throw new ServerError(224, '$expr is not allowed in the filter of a partial index');
    if ((key === '$and' || key === '$or') && operand instanceof Arr) (operand.values as readonly Doc[]).forEach(checkPartial);
    else if (key.startsWith('$') || operand instanceof Regex || (operand instanceof Doc && !allowed(operand)))
      throw new ServerError(67, `Expression not supported in partial index: ${show(Doc.of([key], [operand]))}`);
  });
};

/** @throws ServerError for index types other than ordered ones: what is malformed, otherwise that they are not supported */
const refuseOtherKinds = (key: Doc, spec: Doc): void => {
  const kinds = key.values.filter((value) => typeof value === 'string');
  if (kinds.includes('hashed') && spec.get('unique') === true) throw new ServerError(16764, 'hashed indexes cannot be unique');
  if (kinds.filter((kind) => kind === 'hashed').length > 1) throw new ServerError(31303, 'an index can have one hashed field only');
  if (kinds.includes('wildcard')) throw new ServerError(7246202, "'wildcard' is not the name of an index type");
  for (const kind of kinds)
    throw new ServerError(
      67,
      ['text', '2d', '2dsphere', 'hashed', 'geoHaystack'].includes(kind)
        ? `${kind} indexes are not supported by this node`
        : `Unknown index plugin '${kind}'`,
    );
  const wildcard = key.keys.find((path) => path.split('.').includes('$**'));
  const projection = spec.get('wildcardProjection');
  if (projection !== undefined) {
    if (wildcard === undefined)
      throw badValue(`The field 'wildcardProjection' is only allowed in an 'wildcard' index. Specification: ${show(spec)}`);
    if (!(projection instanceof Doc)) throw typeError('createIndexes.indexes.wildcardProjection', projection, 'object');
    if (wildcard !== '$**') throw failedToParse(`The field 'wildcardProjection' is only allowed when 'key' is {"$**": 1}`);
    compileProjection(projection, { filter: { op: 'always', value: true }, variables: {} });
  }
  if (wildcard !== undefined) throw new ServerError(67, 'wildcard indexes are not supported by this node');
};

const isIdKey = (key: Doc): boolean => key.size === 1 && key.keys[0] === '_id' && numberOf(key.values[0]) === 1;

const normalKey = (key: Doc): string => key.keys.map((path, index) => `${path}:${Math.sign(numberOf(key.values[index]))}`).join();

/** Running index builds, by the index's number: each promise resolves when the build is over, whatever the outcome. */
const builds = new WeakMap<Store, Map<number, Promise<void>>>();
const buildsOf = (store: Store): Map<number, Promise<void>> => {
  const known = builds.get(store) ?? new Map<number, Promise<void>>();
  builds.set(store, known);
  return known;
};

type Creation = {
  readonly reply: Doc;
  readonly collection: number;
  /** The indexes that this command builds. */ readonly indexes: readonly number[];
  /** Other commands' builds of the same indexes. */ readonly wait: readonly Promise<void>[];
};

/**
 * Builds indexes while others read and write. They are in the catalog from the start, so every write keeps them up to date; then each
 * document gets its entries, some per transaction; once all have them, queries use the indexes.
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
    const claimed: number[] = [];
    let over = (): void => undefined;
    const build = new Promise<void>((resolve) => (over = resolve));
    try {
      // Claimed within the transaction: another command in the same transaction must find the build, not just the index.
      const { reply, collection, indexes, wait } = await store.write((writer) => {
        const creation = register(writer, call.database, name, specs, running);
        for (const number of creation.indexes) running.set(number, build);
        claimed.push(...creation.indexes);
        return creation;
      });
      if (!wait.length) {
        if (indexes.length) await fill(store, collection, indexes, pace);
        return reply;
      }
      await Promise.all(wait);
      pace.check();
    } finally {
      for (const number of claimed) running.delete(number);
      over();
    }
  }
};

/** The collation of an index: its own, or that of its collection. */
const withCollationOf = ({ collation }: Collection, spec: Doc): Doc => {
  if (spec.get('collation') === null) return spec.without('collation');
  return collation && !spec.has('collation') ? spec.with('collation', collation.spec) : spec;
};

const register = (
  writer: Writer,
  database: string,
  name: string,
  specs: readonly Doc[],
  running: ReadonlyMap<number, Promise<void>>,
): Creation => {
  const known = noView(collectionOf(writer, database, name));
  const collection = known ?? newCollection(writer, database, name);
  const indexes: Index[] = [...collection.indexes];
  const before = indexSpecs(collection).length;
  const wait: Promise<void>[] = [];
  const mine: number[] = [];
  for (const given of specs) {
    const key = given.get('key') as Doc;
    const spec = withCollationOf(collection, given);
    if (key.size === 1 && key.firstKey === '_id' && !isIdKey(key))
      throw badValue(`The field 'key' for an _id index must be {_id: 1}, but got ${show(key)}`);
    if (isIdKey(key)) {
      if (given.has('collation') && !sameCollation(collationIn(spec), collection.collation))
        throw badValue(
          `The _id index must have the same collation as the collection. Index collation: ${show(given.get('collation') ?? null)}`,
        );
      continue;
    }
    if (spec.get('name') === '_id_')
      throw badValue(`The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}, found key: ${show(key)}`);
    const pattern = normalKey(key);
    const same = indexes.find(
      (index) =>
        normalKey(index.spec.get('key') as Doc) === pattern &&
        sameCollation(index.collation, collationIn(spec)) &&
        equalValues(index.spec.get('partialFilterExpression'), spec.get('partialFilterExpression')) &&
        index.unique === (spec.get('unique') === true) &&
        index.sparse === (spec.get('sparse') === true),
    );
    const named = indexes.find((index) => index.name === spec.get('name'));
    if (same) {
      if (
        !equalValues(same.spec.get('expireAfterSeconds') ?? null, spec.get('expireAfterSeconds') ?? null) ||
        same.hidden !== (spec.get('hidden') === true)
      )
        throw new ServerError(
          85,
          `An equivalent index already exists with the same name but different options. Requested index: ${show(spec)}, existing index: ${show(same.spec)}`,
        );
      if (same.name !== spec.get('name')) throw new ServerError(85, `Index already exists with a different name: ${same.name}`);
      const build = running.get(same.number);
      if (build) wait.push(build);
      // A build that failed and, on a full disk, could not even be undone is started again.
      else if (same.building && !mine.includes(same.number)) mine.push(same.number);
      continue;
    }
    if (named)
      throw new ServerError(
        86,
        `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${show(spec)}, existing index: ${show(named.spec)}`,
      );
    if (indexes.length >= 63) throw new ServerError(67, `add index fails, too many indexes for ${database}.${name}`);
    const fresh = readIndex(writer.nextNumber(), spec, { building: true });
    indexes.push(fresh);
    mine.push(fresh.number);
  }
  const building = wait.length ? [] : mine;
  if (!wait.length && indexes.length > collection.indexes.length) writer.saveCollection({ ...collection, indexes });
  return {
    reply: ok({
      numIndexesBefore: before,
      numIndexesAfter: before + building.length,
      createdCollectionAutomatically: known ? false : true,
      note: building.length ? undefined : 'all indexes already exist',
    }),
    collection: collection.number,
    indexes: building,
    wait,
  };
};

/** @throws ServerError what a document refuses, 276 IndexBuildAborted if an index is dropped meanwhile; in both cases none of them stays */
const fill = async (store: Store, collectionNumber: number, numbers: readonly number[], pace: Pace): Promise<void> => {
  const find = (writer: Writer): Collection | undefined =>
    [...writer.catalog.collections.values()].find(({ number }) => number === collectionNumber);
  const mine = ({ number }: Index): boolean => numbers.includes(number);
  try {
    for (let from: Buffer | undefined, more = true; more; more = from !== undefined) {
      from = await store.write((writer) => {
        const collection = find(writer);
        const indexes = collection?.indexes.filter(mine) ?? [];
        if (!collection || indexes.length < numbers.length)
          throw new ServerError(276, 'the index build was aborted: the index or its collection has been dropped');
        const next = writer.fillIndexes(collection, indexes, from);
        const current = find(writer) as Collection;
        if (!next)
          writer.saveCollection({
            ...current,
            indexes: current.indexes.map((index) => (mine(index) ? { ...index, building: false } : index)),
          });
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

/** The one index with a name, or with keys. */
const indexNamed = (collection: Collection, wanted: string | Doc): Index | undefined => {
  const [index, other] = collection.indexes.filter((known) =>
    typeof wanted === 'string' ? known.name === wanted : normalKey(known.spec.get('key') as Doc) === normalKey(wanted),
  );
  if (index && other)
    throw new ServerError(
      181,
      `${collection.indexes.length} indexes found with key pattern ${show(wanted as Doc)}: ${index.name} and ${other.name} are two of them`,
    );
  return index;
};

/**
 * Changes to an index by `collMod`: when its documents expire, and whether it is hidden.
 *
 * @returns the changed index, and its part of the reply
 */
export const modifyIndex = (
  collection: Collection,
  change: Doc,
): { readonly index: Index; readonly reply: Readonly<Record<string, Value | undefined>> } => {
  const fields = new Fields('collMod.index', change).only([
    'name',
    'keyPattern',
    'expireAfterSeconds',
    'hidden',
    'unique',
    'prepareUnique',
    'forceNonUnique',
  ]);
  for (const key of ['unique', 'prepareUnique', 'forceNonUnique']) fields.refuse(key);
  const [name, keyPattern, seconds] = [fields.string('name'), fields.document('keyPattern'), expiryIn(change)];
  const hidden = (change.get('hidden') ?? null) === null ? undefined : fields.boolean('hidden');
  if (name !== undefined && keyPattern) throw new ServerError(72, 'Cannot specify both key pattern and name.');
  if (name === undefined && !keyPattern) throw new ServerError(72, 'Must specify either index name or key pattern.');
  if (seconds === undefined && hidden === undefined)
    throw new ServerError(72, 'no expireAfterSeconds, hidden, unique, or prepareUnique field');
  const onId = name === '_id_' || (keyPattern && isIdKey(keyPattern));
  if (onId && seconds !== undefined) throw new ServerError(72, 'the _id field does not support TTL indexes');
  if (onId) throw badValue("can't hide _id index");
  const index = indexNamed(collection, keyPattern ?? (name as string));
  if (!index || index.building)
    throw new ServerError(27, `cannot find index ${name ?? show(keyPattern as Doc)} for ns ${namespaceOf(collection)}`);
  if (seconds !== undefined && index.fields.length !== 1)
    throw new ServerError(72, 'TTL indexes are single-field indexes, compound indexes do not support TTL');
  const old = index.spec.get('expireAfterSeconds');
  const expiring = seconds === undefined ? index.spec : index.spec.with('expireAfterSeconds', seconds);
  const hides = hidden !== undefined && hidden !== index.hidden;
  const spec = !hides ? expiring : hidden ? expiring.with('hidden', true) : expiring.without('hidden');
  const long = (value: Value | undefined): bigint | undefined => (value === undefined ? undefined : BigInt(Math.trunc(numberOf(value))));
  return {
    index: { ...index, spec, hidden: hidden ?? index.hidden },
    reply: {
      expireAfterSeconds_old: seconds === undefined ? undefined : long(old),
      expireAfterSeconds_new: long(seconds),
      hidden_old: hides ? index.hidden : undefined,
      hidden_new: hides ? hidden : undefined,
    },
  };
};

/** The time to live in `collMod`: truncated to whole seconds, and limited to the longest one allowed. */
const expiryIn = (change: Doc): number | undefined => {
  const value = change.get('expireAfterSeconds') ?? null;
  if (value === null) return undefined;
  if (!isNumber(value))
    throw new ServerError(
      14,
      `BSON field 'collMod.index.expireAfterSeconds' is the wrong type '${bsonTypeName(value)}', expected types '[long, int, decimal, double]'`,
    );
  const seconds = wholeOf(value);
  if (seconds < 0) throw new ServerError(72, `TTL index 'expireAfterSeconds' option cannot be less than 0`);
  return Math.min(seconds, MOST_SECONDS) + 0;
};

const dropIndexes: Handler = async (call) => {
  const name = target(call);
  const wanted = fieldsOf(call).need(call.command.get('index'), 'index');
  if (
    typeof wanted !== 'string' &&
    !(wanted instanceof Doc) &&
    !(wanted instanceof Arr && wanted.values.every((one) => typeof one === 'string'))
  )
    throw typeError('dropIndexes.index', wanted, 'string, object or array of strings');
  return call.node.store.write((writer) => {
    const collection = noView(existing(writer, call.database, name)) as Collection;
    let dropped: readonly Index[];
    if (wanted === '*') dropped = collection.indexes.filter((index) => index.name !== '_id_');
    else {
      const each = wanted instanceof Arr ? wanted.values : [wanted];
      dropped = each.map((one) => {
        if (one === '_id_' || (one instanceof Doc && isIdKey(one))) throw new ServerError(72, 'cannot drop _id index');
        const found = indexNamed(collection, one as string | Doc);
        if (!found)
          throw new ServerError(
            27,
            one instanceof Doc ? `can't find index with key: ${show(one)}` : `index not found with name [${String(one)}]`,
          );
        return found;
      });
    }
    for (const index of dropped) writer.dropIndex(index);
    writer.saveCollection({ ...collection, indexes: collection.indexes.filter((index) => !dropped.includes(index)) });
    return ok({
      nIndexesWas: indexSpecs(collection).length,
      msg: wanted === '*' ? 'non-_id indexes dropped for collection' : undefined,
    });
  });
};

const listIndexes: Handler = async (call) => {
  const name = target(call);
  const snapshot = call.node.store.snapshot();
  const cursor = fieldsOf(call).document('cursor');
  try {
    const collection = noView(collectionOf(snapshot, call.database, name));
    if (!collection) throw new ServerError(26, `ns does not exist: ${call.database}.${name}`);
    const found = indexSpecs(collection);
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
