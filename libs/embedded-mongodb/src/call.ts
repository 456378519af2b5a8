import { randomBytes } from 'node:crypto';
import type { Connection, Verifier } from './authentication.js';
import { isNumber } from './bson-order.js';
import { Arr, bsonTypeName, DateTime, Doc, Double, type Value } from './bson-values.js';
import { Cursor, cursorReply, DEFAULT_BATCH, Pace, type Cursors } from './cursors.js';
import { badValue, failedToParse, ServerError } from './errors.js';
import { compileExpression, isTrue, type Variables } from './expressions.js';
import { numberOf } from './filter.js';
import type { Source } from './planner.js';
import type { SortSpace } from './sorting.js';
import { namespaceOf, type Collection, type Reader, type Snapshot, type Store, type Writer } from './store.js';

/** The version whose behaviour this node follows. */
export const VERSION = '7.0.0';
/** Statements or documents in one write command, as on the server. */
export const MAX_BATCH = 100_000;

/** What the commands work with: one for the whole node. */
export type Node = {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly startedAt: number;
  readonly counters: Map<string, number>;
  readonly ttlMonitorSleepSecs: number;
  /** What a sort may use. */
  readonly space: SortSpace;
  /** Set where clients must sign in. */
  readonly verifier: Verifier | undefined;
  connections(): { readonly current: number; readonly total: number };
};

/** One command of one connection. */
export type Call = {
  readonly node: Node;
  readonly database: string;
  readonly command: Doc;
  readonly connection: Connection;
  /** Whether the client has gone. */
  readonly gone: () => boolean;
};

export type Handler = (call: Call) => Doc | Promise<Doc>;
export type Command = {
  /** The fields that it knows, besides those of every command; `any` where it asks by names that differ. */ readonly fields:
    readonly string[] | 'any';
  readonly run: Handler;
};

export const typeError = (path: string, value: Value | undefined, expected: string): ServerError =>
  new ServerError(14, `BSON field '${path}' is the wrong type '${bsonTypeName(value)}', expected type '${expected}'`);

/** Reads the fields of a command or of a part of one, with the server's errors for wrong types. */
export class Fields {
  constructor(
    readonly name: string,
    readonly doc: Doc,
  ) {}

  #path(key: string): string {
    return `${this.name}.${key}`;
  }

  only(allowed: readonly string[]): this {
    for (const key of this.doc.keys)
      if (!allowed.includes(key)) throw new ServerError(40415, `BSON field '${this.#path(key)}' is an unknown field.`);
    return this;
  }

  document(key: string): Doc | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!(value instanceof Doc)) throw typeError(this.#path(key), value, 'object');
    return value;
  }

  string(key: string): string | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw typeError(this.#path(key), value, 'string');
    return value;
  }

  array(key: string): readonly Value[] | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!(value instanceof Arr)) throw typeError(this.#path(key), value, 'array');
    return value.values;
  }

  documents(key: string): readonly Doc[] | undefined {
    return this.array(key)?.map((value, index) => {
      if (!(value instanceof Doc)) throw typeError(`${this.#path(key)}.${index}`, value, 'object');
      return value;
    });
  }

  boolean(key: string): boolean {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return false;
    if (typeof value !== 'boolean' && !isNumber(value)) throw typeError(this.#path(key), value, 'bool');
    return isTrue(value);
  }

  /** A whole number that is not negative. */
  count(key: string): number | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!isNumber(value)) throw typeError(this.#path(key), value, 'long');
    const number = numberOf(value);
    if (!Number.isInteger(number)) throw badValue(`BSON field '${this.#path(key)}' must be a whole number`);
    if (number < 0) throw new ServerError(51024, `BSON field '${key}' value must be >= 0, actual value '${number}'`);
    return number;
  }

  need<T>(value: T | undefined, key: string): T {
    if (value === undefined) throw new ServerError(40414, `BSON field '${this.#path(key)}' is missing but a required field`);
    return value;
  }

  /** Refuses a field that this node has no meaning for, unless it has the value that means nothing. */
  refuse(key: string, harmless: (value: Value) => boolean = (value) => value === false || value === null): void {
    const value = this.doc.get(key);
    if (value !== undefined && !harmless(value)) throw new ServerError(238, `${this.#path(key)} is not supported by this node`);
  }

  noCollation(): void {
    this.refuse('collation', (value) => value instanceof Doc && (!value.size || (value.size === 1 && value.get('locale') === 'simple')));
  }
}

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

export const ok = (fields: Readonly<Record<string, Value | undefined>> = {}): Doc => Doc.from({ ...fields, ok: new Double(1) });
export const withOk = (doc: Doc): Doc => doc.with('ok', new Double(1));

export const fieldsOf = (call: Call): Fields => new Fields(call.command.keys[0] as string, call.command);

export const paceOf = (call: Call): Pace =>
  new Pace(new Fields(call.command.keys[0] as string, call.command).count('maxTimeMS'), call.gone);

export const now = (): DateTime => new DateTime(BigInt(Date.now()));

/** The variables of a command's `let`. */
export const letOf = (fields: Fields): Variables => {
  const variables: Record<string, Value | undefined> = { NOW: now() };
  const given = fields.document('let');
  given?.keys.forEach((key, index) => {
    if (!/^[a-z]\w*$/.test(key)) throw failedToParse(`'${key}' starts with an invalid character for a user variable name`);
    variables[key] = compileExpression(given.values[index] as Value)(Doc.empty, { ...variables, ROOT: Doc.empty, CURRENT: Doc.empty });
  });
  return variables;
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

export const listed = function* (docs: readonly Doc[]): Source {
  yield* docs;
};

export const cursorBatch = (cursor: Doc | undefined, name: string): number =>
  (cursor ? new Fields(`${name}.cursor`, cursor).only(['batchSize']).count('batchSize') : undefined) ?? DEFAULT_BATCH;

export const answerWithCursor = async (
  call: Call,
  namespace: string,
  snapshot: Snapshot,
  source: Source,
  batchSize: number,
  single: boolean,
  neverTimesOut = false,
): Promise<Doc> => {
  const maxTimeMS = fieldsOf(call).count('maxTimeMS');
  const cursor = new Cursor(namespace, source, () => snapshot.close(), { neverTimesOut, maxTimeMS });
  const { batch, more } = await cursor.next(batchSize, paceOf(call));
  if (!more || single) {
    cursor.close();
    return withOk(cursorReply(0n, namespace, 'firstBatch', batch));
  }
  return withOk(cursorReply(call.node.cursors.keep(cursor), namespace, 'firstBatch', batch));
};
