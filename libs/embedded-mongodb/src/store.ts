import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import { joinedKey, keyOf } from './bson-order.js';
import { Arr, checkDocument, Doc, encode, encodedLength, show, type Value } from './bson-values.js';
import { ServerError } from './errors.js';
import { compileFilter, parseFilter, splitPath, type Filter, type Predicate } from './filter.js';
import { extractKeys, type KeyField } from './index-keys.js';

/**
 * What is on disk: one LMDB environment with ordered keys.
 *
 *   00 'format'                    the version of this layout
 *   00 'version'                   counts the changes of the catalog
 *   00 'next'                      the next number for a collection or an index
 *   01 number                      a collection: its name, options and indexes (BSON)
 *   02 number                      how many documents and bytes a collection holds
 *   10 collection key-of-_id       a document (BSON)
 *   20 index keys [key-of-_id]     an entry of an index; its value is the key of _id, which a unique index has not in its key
 */
const FORMAT = 1;

/** The longest key of LMDB with pages of 4096 bytes. */
const MAX_KEY_BYTES = 1978;

export type Index = {
  readonly number: number;
  readonly name: string;
  readonly spec: Doc;
  readonly fields: readonly KeyField[];
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly partial: { readonly filter: Filter; readonly matches: Predicate; readonly source: Doc } | undefined;
  /** Whether a document has ever had an array at one of the paths: then an entry is not the whole truth about a document. */
  readonly multikey: boolean;
};

export type Collection = {
  readonly number: number;
  readonly database: string;
  readonly name: string;
  /** The options of `create`, as they were given. */
  readonly options: Doc;
  readonly uuid: Buffer;
  /** Without the index on _id, which the documents themselves are. */
  readonly indexes: readonly Index[];
  readonly view: { readonly on: string; readonly pipeline: readonly Doc[] } | undefined;
};

/** All collections, by `database.name`. Never changed: a change makes a new one with the next version. */
export type Catalog = { readonly version: number; readonly collections: ReadonlyMap<string, Collection> };

export const namespaceOf = (collection: Collection): string => `${collection.database}.${collection.name}`;

export type Entry = { readonly key: Buffer; readonly value: Buffer };

/** A range of keys: from `start` on, before `end`; reversed, it starts below `end` and goes down to `start`. */
export type KeyRange = { readonly start: Buffer; readonly end: Buffer; readonly reverse?: boolean };

/** One consistent state of the data. */
export interface Reader {
  readonly catalog: Catalog;
  get(key: Buffer): Buffer | undefined;
  entries(range: KeyRange): Iterable<Entry>;
  /** The number of entries in a range, counted by the storage engine. */
  count(range: KeyRange): number;
}

const prefixed = (kind: number, number: number): Buffer => {
  const bytes = Buffer.allocUnsafe(5);
  bytes[0] = kind;
  bytes.writeUInt32BE(number, 1);
  return bytes;
};

/** The bytes just after everything that begins with a prefix. */
export const afterPrefix = (prefix: Buffer): Buffer => {
  const bytes = Buffer.from(prefix);
  for (let at = bytes.length - 1; at >= 0; at--) {
    if (bytes[at] !== 0xff) {
      bytes[at] = (bytes[at] as number) + 1;
      return bytes.subarray(0, at + 1);
    }
  }
  return Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
};

export const recordPrefix = (collection: Collection): Buffer => prefixed(0x10, collection.number);
export const indexPrefix = (index: Index): Buffer => prefixed(0x20, index.number);

const meta = (name: string): Buffer => Buffer.from(`\0${name}`);
const collectionKey = (number: number): Buffer => prefixed(0x01, number);
const statisticsKey = (number: number): Buffer => prefixed(0x02, number);

export const recordKey = (collection: Collection, idKey: Buffer): Buffer => Buffer.concat([recordPrefix(collection), idKey]);

const number64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};

export type Statistics = { readonly documents: number; readonly bytes: number };

const readStatistics = (bytes: Buffer | undefined): Statistics => (bytes ? { documents: bytes.readDoubleBE(0), bytes: bytes.readDoubleBE(8) } : { documents: 0, bytes: 0 });

const checkKeyLength = (key: Buffer, what: string): Buffer => {
  if (key.length > MAX_KEY_BYTES) throw new ServerError(17280, `${what}: key too large to index, ${key.length} bytes where ${MAX_KEY_BYTES} are the most`);
  return key;
};

const toKeyFields = (pattern: Doc): readonly KeyField[] =>
  pattern.keys.map((path, index) => ({ path, parts: splitPath(path), direction: Number(directionOf(pattern.values[index] as Value)) < 0 ? -1 : 1 }));

const directionOf = (value: Value): number | bigint => (typeof value === 'number' || typeof value === 'bigint' ? value : typeof value === 'object' && value !== null && 'value' in value ? (value.value as number) : 1);

export const readIndex = (number: number, spec: Doc, multikey: boolean): Index => {
  const source = spec.get('partialFilterExpression');
  const filter = source instanceof Doc ? parseFilter(source) : undefined;
  return {
    number,
    name: spec.get('name') as string,
    spec,
    fields: toKeyFields(spec.get('key') as Doc),
    unique: spec.get('unique') === true,
    sparse: spec.get('sparse') === true,
    partial: filter && source instanceof Doc ? { filter, matches: compileFilter(filter), source } : undefined,
    multikey,
  };
};

const writeCollection = (collection: Collection): Buffer =>
  encode(
    Doc.from({
      database: collection.database,
      name: collection.name,
      options: collection.options,
      uuid: collection.uuid.toString('hex'),
      indexes: Arr.of(collection.indexes.map(({ number, spec, multikey }) => Doc.from({ number, spec, multikey }))),
      viewOn: collection.view?.on,
      pipeline: collection.view && Arr.of(collection.view.pipeline),
    }),
  );

const readCollection = (number: number, bytes: Buffer): Collection => {
  checkDocument(bytes, 0, bytes.length);
  const doc = Doc.read(bytes);
  const on = doc.get('viewOn');
  return {
    number,
    database: doc.get('database') as string,
    name: doc.get('name') as string,
    options: doc.get('options') as Doc,
    uuid: Buffer.from(doc.get('uuid') as string, 'hex'),
    indexes: (doc.get('indexes') as Arr).values.map((index) => readIndex((index as Doc).get('number') as number, (index as Doc).get('spec') as Doc, (index as Doc).get('multikey') as boolean)),
    view: typeof on === 'string' ? { on, pipeline: (doc.get('pipeline') as Arr).values as readonly Doc[] } : undefined,
  };
};

/** What is written in one transaction: the state with all that the transaction has changed so far. */
export interface Writer extends Reader {
  /** @throws ServerError 11000 DuplicateKey and others; then nothing of this document has been written */
  insert(collection: Collection, doc: Doc): void;
  replace(collection: Collection, before: Doc, after: Doc): void;
  remove(collection: Collection, doc: Doc): void;
  saveCollection(collection: Collection): void;
  dropCollection(collection: Collection): void;
  /** Fills a new index with the entries of all documents. */
  buildIndex(collection: Collection, index: Index): Index;
  dropIndex(index: Index): void;
  nextNumber(): number;
}

/** The rows and keys that an index holds of a document, or none where it leaves the document out. */
const indexKeys = (index: Index, doc: Doc, idKey: Buffer): { readonly keys: readonly Buffer[]; readonly rows: readonly (readonly Value[])[]; readonly multikey: boolean } => {
  if (index.partial && !index.partial.matches(doc)) return { keys: [], rows: [], multikey: false };
  const { rows, multikey, absent } = extractKeys(doc, index.fields);
  if (index.sparse && absent) return { keys: [], rows: [], multikey };
  const prefix = indexPrefix(index);
  const { fields } = index;
  const suffix = index.unique ? undefined : idKey;
  const descending = (at: number): boolean => fields[at]?.direction === -1;
  const found = rows.map((row) => checkKeyLength(joinedKey(prefix, row, descending, suffix), `index ${index.name}`));
  if (found.length === 1) return { keys: found, rows, multikey };
  const distinct = new Map(found.map((key, at) => [key.toString('latin1'), at] as const));
  const kept = [...distinct.values()];
  return { keys: kept.map((at) => found[at] as Buffer), rows: kept.map((at) => rows[at] as readonly Value[]), multikey };
};

export const duplicateKey = (collection: Collection, name: string, fields: readonly string[], pattern: Doc, values: readonly Value[]): ServerError => {
  const keyValue = Doc.of(fields, values);
  return new ServerError(11000, `E11000 duplicate key error collection: ${namespaceOf(collection)} index: ${name} dup key: ${show(keyValue)}`, { keyPattern: pattern, keyValue });
};

const idPattern = Doc.from({ _id: 1 });

/** A directory with databases, opened by this process alone. */
export class Store {
  #db: RootDatabase<Buffer, Buffer>;
  /** The catalogs of the latest versions, so that a snapshot finds the one that it was taken with. */
  #catalogs = new Map<number, Catalog>();
  #pending: Catalog;
  #closed = false;
  #writing = 0;

  private constructor(db: RootDatabase<Buffer, Buffer>) {
    this.#db = db;
    this.#pending = this.#load((key) => db.get(key), (range) => db.getRange({ start: range.start, end: range.end }));
  }

  /**
   * Opens a directory, making it if it is not there.
   *
   * @throws Error where the directory holds another format or cannot be written
   */
  static async open(directory: string): Promise<Store> {
    mkdirSync(directory, { recursive: true });
    const db = open<Buffer, Buffer>({
      path: join(directory, 'mongodb.mdb'),
      noSubdir: true,
      keyEncoding: 'binary',
      encoding: 'binary',
      // A commit is reported when it has been flushed: with overlapping flushes it would be reported before.
      overlappingSync: false,
      maxReaders: 4096,
      eventTurnBatching: false,
      txnStartThreshold: 1,
    } as unknown as Parameters<typeof open>[0]) as unknown as RootDatabase<Buffer, Buffer>;
    const format = db.get(meta('format'));
    if (format && format.readDoubleBE(0) !== FORMAT) {
      await db.close();
      throw new Error(`${directory} holds format ${format.readDoubleBE(0)} of the embedded MongoDB, this version reads ${FORMAT}`);
    }
    if (!format) await db.transaction(() => void db.put(meta('format'), number64(FORMAT)));
    return new Store(db);
  }

  #load(get: (key: Buffer) => Buffer | undefined, entries: (range: KeyRange) => Iterable<Entry>): Catalog {
    const version = get(meta('version'))?.readDoubleBE(0) ?? 0;
    const known = this.#catalogs.get(version);
    if (known) return known;
    const collections = new Map<string, Collection>();
    for (const { key, value } of entries({ start: Buffer.from([0x01]), end: Buffer.from([0x02]) })) {
      const collection = readCollection(key.readUInt32BE(1), value);
      collections.set(namespaceOf(collection), collection);
    }
    return this.#remember({ version, collections });
  }

  #remember(catalog: Catalog): Catalog {
    this.#catalogs.set(catalog.version, catalog);
    if (this.#catalogs.size > 16) this.#catalogs.delete(this.#catalogs.keys().next().value as number);
    return catalog;
  }

  /** The state as of now, to be closed after use: while it is open, space that others free is not used again. */
  snapshot(): Snapshot {
    if (this.#closed) throw new ServerError(91, 'The server is shutting down');
    const transaction = this.#db.useReadTransaction();
    const db = this.#db;
    const get = (key: Buffer): Buffer | undefined => db.get(key, { transaction });
    const entries = (range: KeyRange): Iterable<Entry> => db.getRange(rangeOptions(range, transaction)) as unknown as Iterable<Entry>;
    try {
      return new Snapshot(this.#load(get, entries), get, entries, (range) => db.getKeysCount(rangeOptions(range, transaction)), () => transaction.done());
    } catch (error) {
      transaction.done();
      throw error;
    }
  }

  /**
   * Runs a change in a transaction and resolves with its result when that is on disk. Changes that come while an
   * earlier transaction is flushed share the next one. An error that the change throws leaves nothing of it behind
   * beyond what it wrote before: a change checks a document entirely before it writes it.
   */
  async write<Result>(change: (writer: Writer) => Result): Promise<Result> {
    if (this.#closed) throw new ServerError(91, 'The server is shutting down');
    this.#writing++;
    try {
      let outcome: { value: Result } | { error: unknown } | undefined;
      await this.#db.transaction(() => {
        // A transaction that could not be committed has left its catalog behind here: what is on disk decides.
        if ((this.#db.get(meta('version'))?.readDoubleBE(0) ?? 0) !== this.#pending.version) {
          this.#catalogs.clear();
          this.#pending = this.#load((key) => this.#db.get(key), (range) => this.#db.getRange(rangeOptions(range)) as unknown as Iterable<Entry>);
        }
        const writer = new StoreWriter(this.#db, this.#pending);
        try {
          outcome = { value: change(writer) };
        } catch (error) {
          outcome = { error };
        } finally {
          writer.flushStatistics();
          this.#pending = writer.catalog;
          this.#remember(writer.catalog);
        }
      });
      if (!outcome) throw new Error('the transaction did not run');
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    } catch (error) {
      if (error instanceof ServerError) throw error;
      const reason = (error as { commitError?: Promise<unknown> }).commitError;
      if (!reason) throw error;
      const cause = await reason.then(
        () => error,
        (rejection: unknown) => rejection,
      );
      throw new ServerError(14031, `could not write to disk: ${String((cause as Error).message ?? cause)}`);
    } finally {
      this.#writing--;
    }
  }

  statistics(reader: Reader, collection: Collection): Statistics {
    return readStatistics(reader.get(statisticsKey(collection.number)));
  }

  /** Bytes of the file on disk. */
  size(): number {
    const { lastPageNumber, pageSize } = this.#db.getStats() as unknown as { lastPageNumber?: number; pageSize: number };
    return ((lastPageNumber ?? 0) + 1) * pageSize;
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#writing) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#db.close();
  }
}

const rangeOptions = ({ start, end, reverse }: KeyRange, transaction?: Transaction): { start: Buffer; end: Buffer; reverse?: boolean; transaction?: Transaction; exclusiveStart?: boolean; inclusiveEnd?: boolean } => {
  const options = reverse ? { start: end, end: start, reverse: true, exclusiveStart: true, inclusiveEnd: true } : { start, end };
  return transaction ? { ...options, transaction } : options;
};

export class Snapshot implements Reader {
  #closed = false;

  constructor(
    readonly catalog: Catalog,
    readonly get: (key: Buffer) => Buffer | undefined,
    readonly entries: (range: KeyRange) => Iterable<Entry>,
    readonly count: (range: KeyRange) => number,
    readonly release: () => void,
  ) {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
  }
}

class StoreWriter implements Writer {
  catalog: Catalog;
  readonly #db: RootDatabase<Buffer, Buffer>;
  readonly #statistics = new Map<number, { documents: number; bytes: number }>();

  constructor(db: RootDatabase<Buffer, Buffer>, catalog: Catalog) {
    this.#db = db;
    this.catalog = catalog;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#db.get(key);
  }

  entries(range: KeyRange): Iterable<Entry> {
    return this.#db.getRange(rangeOptions(range)) as unknown as Iterable<Entry>;
  }

  count(range: KeyRange): number {
    return this.#db.getKeysCount(rangeOptions(range));
  }

  #put(key: Buffer, value: Buffer): void {
    void this.#db.put(key, value);
  }

  #remove(key: Buffer): void {
    void this.#db.remove(key);
  }

  #count(collection: Collection, documents: number, bytes: number): void {
    let known = this.#statistics.get(collection.number);
    if (!known) this.#statistics.set(collection.number, (known = { ...readStatistics(this.get(statisticsKey(collection.number))) }));
    known.documents += documents;
    known.bytes += bytes;
  }

  flushStatistics(): void {
    for (const [number, { documents, bytes }] of this.#statistics) {
      const value = Buffer.alloc(16);
      value.writeDoubleBE(documents, 0);
      value.writeDoubleBE(bytes, 8);
      this.#put(statisticsKey(number), value);
    }
    this.#statistics.clear();
  }

  /** An index has met its first array: from now on it is read with more care. */
  #setMultikey(collection: Collection, index: Index): void {
    const current = this.catalog.collections.get(namespaceOf(collection));
    if (!current) return;
    this.saveCollection({ ...current, indexes: current.indexes.map((known) => (known.number === index.number ? { ...known, multikey: true } : known)) });
  }

  #checkUnique(collection: Collection, index: Index, keys: readonly Buffer[], rows: readonly (readonly Value[])[], idKey: Buffer): void {
    keys.forEach((key, at) => {
      const holder = this.get(key);
      if (holder && !holder.equals(idKey))
        throw duplicateKey(collection, index.name, index.fields.map(({ path }) => path), index.spec.get('key') as Doc, rows[at] as readonly Value[]);
    });
  }

  insert(collection: Collection, doc: Doc): void {
    const id = doc.get('_id') as Value;
    const idKey = keyOf(id);
    const key = checkKeyLength(recordKey(collection, idKey), 'index _id_');
    if (this.get(key)) throw duplicateKey(collection, '_id_', ['_id'], idPattern, [id]);
    const entries = collection.indexes.map((index) => ({ index, ...indexKeys(index, doc, idKey) }));
    for (const { index, keys, rows } of entries) if (index.unique) this.#checkUnique(collection, index, keys, rows, idKey);
    const bytes = encode(doc);
    this.#put(key, bytes);
    for (const { index, keys, multikey } of entries) {
      for (const entry of keys) this.#put(entry, idKey);
      if (multikey && !index.multikey) this.#setMultikey(collection, index);
    }
    this.#count(collection, 1, bytes.length);
  }

  replace(collection: Collection, before: Doc, after: Doc): void {
    const idKey = keyOf(before.get('_id') as Value);
    const changes = collection.indexes.map((index) => {
      const fresh = indexKeys(index, after, idKey);
      const stale = indexKeys(index, before, idKey);
      // Most updates leave most indexes alone.
      if (fresh.keys.length === 1 && stale.keys.length === 1 && (fresh.keys[0] as Buffer).equals(stale.keys[0] as Buffer)) return { index, multikey: fresh.multikey, keys: [], rows: [], dropped: [] };
      const known = new Set(stale.keys.map((key) => key.toString('latin1')));
      const wanted = new Set(fresh.keys.map((key) => key.toString('latin1')));
      const added = fresh.keys.flatMap((key, at) => (known.has(key.toString('latin1')) ? [] : [at]));
      return {
        index,
        multikey: fresh.multikey,
        keys: added.map((at) => fresh.keys[at] as Buffer),
        rows: added.map((at) => fresh.rows[at] as readonly Value[]),
        dropped: stale.keys.filter((key) => !wanted.has(key.toString('latin1'))),
      };
    });
    for (const { index, keys, rows } of changes) if (index.unique) this.#checkUnique(collection, index, keys, rows, idKey);
    const bytes = encode(after);
    this.#put(recordKey(collection, idKey), bytes);
    for (const { index, keys, dropped, multikey } of changes) {
      for (const key of dropped) this.#remove(key);
      for (const key of keys) this.#put(key, idKey);
      if (multikey && !index.multikey) this.#setMultikey(collection, index);
    }
    this.#count(collection, 0, bytes.length - encodedLength(before));
  }

  remove(collection: Collection, doc: Doc): void {
    const idKey = keyOf(doc.get('_id') as Value);
    for (const index of collection.indexes) for (const key of indexKeys(index, doc, idKey).keys) this.#remove(key);
    this.#remove(recordKey(collection, idKey));
    this.#count(collection, -1, -encodedLength(doc));
  }

  #setCatalog(collections: ReadonlyMap<string, Collection>): void {
    this.catalog = { version: this.catalog.version + 1, collections };
    this.#put(meta('version'), number64(this.catalog.version));
  }

  saveCollection(collection: Collection): void {
    const collections = new Map([...this.catalog.collections].filter(([, known]) => known.number !== collection.number));
    collections.set(namespaceOf(collection), collection);
    this.#put(collectionKey(collection.number), writeCollection(collection));
    this.#setCatalog(collections);
  }

  dropCollection(collection: Collection): void {
    const collections = new Map(this.catalog.collections);
    collections.delete(namespaceOf(collection));
    this.#remove(collectionKey(collection.number));
    this.#statistics.delete(collection.number);
    this.#remove(statisticsKey(collection.number));
    this.#clear(recordPrefix(collection));
    for (const index of collection.indexes) this.dropIndex(index);
    this.#setCatalog(collections);
  }

  #clear(prefix: Buffer): void {
    const end = afterPrefix(prefix);
    // In portions: an iterator does not outlive the removal of what it stands on.
    for (;;) {
      const keys: Buffer[] = [];
      for (const key of this.#db.getKeys({ start: prefix, end, limit: 1000 })) keys.push(key);
      if (!keys.length) return;
      for (const key of keys) this.#remove(key);
    }
  }

  buildIndex(collection: Collection, index: Index): Index {
    let multikey = false;
    const prefix = recordPrefix(collection);
    const added: { key: Buffer; idKey: Buffer }[] = [];
    for (const { key, value } of this.entries({ start: prefix, end: afterPrefix(prefix) })) {
      const idKey = key.subarray(5);
      const found = indexKeys(index, Doc.read(value), idKey);
      multikey ||= found.multikey;
      found.keys.forEach((entry) => added.push({ key: entry, idKey }));
    }
    added.sort((a, b) => Buffer.compare(a.key, b.key));
    added.forEach(({ key }, at) => {
      const previous = added[at - 1];
      if (index.unique && previous?.key.equals(key)) {
        const doc = Doc.read(this.get(recordKey(collection, (added[at] as { idKey: Buffer }).idKey)) as Buffer);
        throw duplicateKey(collection, index.name, index.fields.map(({ path }) => path), index.spec.get('key') as Doc, extractKeys(doc, index.fields).rows[0] as readonly Value[]);
      }
    });
    for (const { key, idKey } of added) this.#put(key, idKey);
    return { ...index, multikey };
  }

  dropIndex(index: Index): void {
    this.#clear(indexPrefix(index));
  }

  nextNumber(): number {
    const number = (this.get(meta('next'))?.readDoubleBE(0) ?? 0) + 1;
    this.#put(meta('next'), number64(number));
    return number;
  }
}
