import { newUuid } from '../bson/uuid.js';
import { Binary, bsonTypeName, Doc } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { sameCollation, type Collation } from '../query/collation.js';
import {
  collationIn,
  namespaceOf,
  readIndex,
  readyIndexes,
  type Collection,
  type Index,
  type Reader,
  type Writer,
} from '../storage/store.js';
import type { Call } from './call.js';
import { checkUuid, type Fields } from './fields.js';

export const checkDatabase = (database: string): void => {
  if (!database || Buffer.byteLength(database) > 63 || /[/\\. "$*<>:|?\0]/.test(database))
    throw new ServerError(73, `Invalid database name: '${database}'`);
};

/** Names that may be read although no collection can have them: nothing is found. */
const checkReadName = (database: string, name: string): string => {
  checkDatabase(database);
  if (!name) throw new ServerError(73, `Invalid namespace specified '${database}.'`);
  if (name.includes('\0') || name.startsWith('.')) throw new ServerError(73, `Invalid collection name: ${name}`);
  return name;
};

export const checkCollectionName = (database: string, name: string): string => {
  checkReadName(database, name);
  if (name.includes('$') && !name.startsWith('$cmd')) throw new ServerError(73, `Invalid collection name: ${name}`);
  return name;
};

/** The parts of a name such as `database.collection`. @throws ServerError 73 if no collection can have it */
export const partsOfNamespace = (namespace: string): readonly [database: string, name: string] => {
  const dot = namespace.indexOf('.');
  const [database, name] = [namespace.slice(0, Math.max(0, dot)), dot < 0 ? '' : namespace.slice(dot + 1)];
  checkCollectionName(database, name);
  return [database, name];
};

const READS: ReadonlySet<string> = new Set(['aggregate', 'count', 'distinct', 'find']);
/** Commands that may refer to their collection by its UUID. */
const BY_UUID: ReadonlySet<string> = new Set(['count', 'distinct', 'find', 'listIndexes']);

/** The collection of a command: its first field. */
export const target = ({ node, command, database }: Call): string => {
  const value = command.values[0];
  if (value instanceof Binary && value.subtype === 4 && BY_UUID.has(command.firstKey)) {
    checkUuid(value);
    for (const collection of node.store.catalog.collections.values())
      if (collection.database === database && collection.uuid.equals(value.bytes)) return collection.name;
    throw new ServerError(26, `Unable to resolve the UUID ${value.bytes.toString('hex')} in ${database}`);
  }
  if (typeof value !== 'string') throw new ServerError(73, `collection name has invalid type ${bsonTypeName(value)}`);
  return (READS.has(command.firstKey) ? checkReadName : checkCollectionName)(database, value);
};

/** @throws ServerError 361 if a command means a collection other than the one with that name */
export const checkCollectionUuid = (reader: Pick<Reader, 'catalog'>, database: string, name: string, uuid: Buffer | undefined): void => {
  const { collections } = reader.catalog;
  if (!uuid || collections.get(`${database}.${name}`)?.uuid.equals(uuid)) return;
  const actual = [...collections.values()].find((collection) => collection.database === database && collection.uuid.equals(uuid));
  throw new ServerError(361, 'Collection UUID does not match that specified', {
    db: database,
    collectionUUID: new Binary(4, uuid),
    expectedCollection: name,
    actualCollection: actual?.name ?? null,
  });
};

/** The collection with a name, or a namespace without a collection: queries find nothing. */
export const collectionOf = (reader: Reader, database: string, name: string): Collection | undefined =>
  reader.catalog.collections.get(`${database}.${name}`);

export const existing = (reader: Reader, database: string, name: string): Collection => {
  const collection = collectionOf(reader, database, name);
  if (!collection) throw new ServerError(26, `ns not found ${database}.${name}`);
  return collection;
};

export const noView = (collection: Collection | undefined): Collection | undefined => {
  if (collection?.view) throw new ServerError(166, `Namespace ${namespaceOf(collection)} is a view, not a collection`);
  return collection;
};

/**
 * The collation of a command: the one that it specifies, or that of its collection.
 *
 * @throws ServerError 167 if it differs from that of a view
 */
export const collationFor = ({ node, database }: Pick<Call, 'node' | 'database'>, name: string, fields: Fields): Collation | undefined => {
  const given = fields.collation();
  const collection = node.store.catalog.collections.get(`${database}.${name}`);
  if (given === undefined) return collection?.collation;
  if (collection?.view) checkViewCollation(collection, given ?? undefined);
  return given ?? undefined;
};

export const checkViewCollation = (view: Collection, collation: Collation | undefined): void => {
  if (!sameCollation(view.collation, collation))
    throw new ServerError(167, `Cannot override the default collation of the view ${namespaceOf(view)}`);
};

/** The description of the index on _id, which is the collection itself. */
const idIndexSpec = Doc.from({ v: 2, key: Doc.from({ _id: 1 }), name: '_id_' });

/** The indexes of a collection that queries may use, as listed. */
export const indexSpecs = (collection: Collection): readonly Doc[] => listedIndexes(collection).map(({ spec }) => spec);

/** With the numbers that indexes have in the storage: for _id the collection's own, and another one if there is a collation. */
export const listedIndexes = (collection: Collection): readonly { readonly spec: Doc; readonly numbers: readonly number[] }[] => {
  const ready = readyIndexes(collection);
  const isId = ({ name }: Index): boolean => name === '_id_';
  return [
    { spec: idIndexOf(collection), numbers: [collection.number, ...ready.filter(isId).map(({ number }) => number)] },
    ...ready.filter((index) => !isId(index)).map(({ spec, number }) => ({ spec, numbers: [number] })),
  ];
};

export const idIndexOf = ({ collation }: Collection): Doc => (collation ? idIndexSpec.with('collation', collation.spec) : idIndexSpec);

export const newCollection = (
  writer: Writer,
  database: string,
  name: string,
  options: Doc = Doc.empty,
  view?: Collection['view'],
): Collection => {
  checkCollectionName(database, name);
  if (Buffer.byteLength(`${database}.${name}`) > 255)
    throw new ServerError(73, `Fully qualified namespace is too long. Namespace: ${database}.${name} Max: 255`);
  if (name.startsWith('system.')) throw new ServerError(73, `Invalid system namespace: ${database}.${name}`);
  const collation = collationIn(options);
  const collection: Collection = {
    number: writer.nextNumber(),
    database,
    name,
    options,
    collation,
    uuid: newUuid(),
    // The documents themselves are unique only by the bytes of their _id.
    indexes: collation && !view ? [readIndex(writer.nextNumber(), idIndexSpec.with('unique', true).with('collation', collation.spec))] : [],
    view,
  };
  writer.saveCollection(collection);
  return collection;
};
