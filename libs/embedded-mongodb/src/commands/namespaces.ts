import { randomBytes } from 'node:crypto';
import { bsonTypeName, Doc } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { namespaceOf, type Collection, type Reader, type Writer } from '../storage/store.js';
import type { Call } from './call.js';

export const checkDatabase = (database: string): void => {
  if (!database || Buffer.byteLength(database) > 63 || /[/\\. "$*<>:|?\0]/.test(database))
    throw new ServerError(73, `Invalid database name: '${database}'`);
};

export const checkCollectionName = (database: string, name: string): string => {
  checkDatabase(database);
  if (!name) throw new ServerError(73, `Invalid namespace specified '${database}.'`);
  if (name.includes('\0') || name.startsWith('.') || name.endsWith('.') || (name.includes('$') && !name.startsWith('$cmd')))
    throw new ServerError(73, `Invalid collection name: ${name}`);
  if (Buffer.byteLength(`${database}.${name}`) > 255)
    throw new ServerError(73, `Fully qualified namespace is too long. Namespace: ${database}.${name} Max: 255`);
  return name;
};

/** The collection that a command is about: its first field. */
export const target = ({ command, database }: Call): string => {
  const value = command.values[0];
  if (typeof value !== 'string') throw new ServerError(73, `collection name has invalid type ${bsonTypeName(value)}`);
  return checkCollectionName(database, value);
};

/** The collection of a name, or a namespace without one: a query of it finds nothing. */
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

export const newCollection = (
  writer: Writer,
  database: string,
  name: string,
  options: Doc = Doc.empty,
  view?: Collection['view'],
): Collection => {
  checkCollectionName(database, name);
  if (name.startsWith('system.')) throw new ServerError(73, `Invalid system namespace: ${database}.${name}`);
  const uuid = randomBytes(16);
  uuid[6] = ((uuid[6] as number) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
  const collection: Collection = { number: writer.nextNumber(), database, name, options, uuid, indexes: [], view };
  writer.saveCollection(collection);
  return collection;
};
