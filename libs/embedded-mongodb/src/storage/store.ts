import { randomUUID } from 'node:crypto';
import { joinedKey, keyOf, numberOf, type Texts } from '../bson/order.js';
import { splitPath } from '../bson/paths.js';
import { Arr, checkDocument, Doc, encode, encodedLength, show, type Value } from '../bson/values.js';
import { DamagedRecordError, DataUnreadable, ServerError } from '../errors.js';
import { parseCollation, withCollation, type Collation } from '../query/collation.js';
import { compileFilter, parseFilter, type Filter, type Predicate } from '../query/filter.js';
import { extractKeys, type KeyField } from '../query/keys.js';
import { DataFile, type Entry, type KeyRange } from './data-file.js';
import { FORMATS } from './data-format.js';
import { IndexUses, type IndexUse } from './index-uses.js';
import { findLabel } from './text-labels.js';

/**
 * What is on disk: ordered keys in one file.
 *
 *   00 'format', 00 'upgrade'      see `data-file.ts`
 *   00 'version'                   counts the changes of the catalog
 *   00 'next'                      the next number for a collection or an index
 *   01 number                      a collection: its name, options and indexes (BSON)
 *   02 number                      how many documents and bytes a collection holds
 *   03 prefix                      entries that belong to nothing any more: all that begin with the prefix are being removed
 *   10 collection key-of-_id       a document (BSON)
 *   20 index keys [key-of-_id]     an entry of an index; its value is the key of _id, which a unique index has not in its key
 *   30 index label                 a text that an index with a collation has met, see `text-labels.ts`
 */

/** The longest key in LMDB with pages of 4096 bytes. */
const MAX_KEY_BYTES = 1978;

export type Index = {
  readonly number: number;
  readonly name: string;
  readonly spec: Doc;
  readonly fields: readonly KeyField[];
  readonly collation: Collation | undefined;
  readonly unique: boolean;
  readonly sparse: boolean;
  /** Whether it is hidden from queries; it is kept up to date all the same. */
  readonly hidden: boolean;
  readonly partial: { readonly filter: Filter; readonly matches: Predicate; readonly source: Doc } | undefined;
  /** The fields, by number, at which any document has ever had an array: there, an entry is only part of the document's value. */
  readonly arrays: readonly number[];
  /** Whether it is still being built: kept up to date, but not read. */
  readonly building: boolean;
  /** Whether its strings are sorted by another version of ICU, so that it has to be rebuilt. */
  readonly outdated: boolean;
};

export type Collection = {
  readonly number: number;
  readonly database: string;
  readonly name: string;
  /** The options of `create`, as given. */
  readonly options: Doc;
  readonly uuid: Buffer;
  /** The collation for commands that specify none. */
  readonly collation: Collation | undefined;
  /**
   * Without the index on _id, which is the documents themselves. If the collection has a collation, another index keeps them unique under
   * it.
   */
  readonly indexes: readonly Index[];
  readonly view: { readonly on: string; readonly pipeline: readonly Doc[] } | undefined;
};

/** All collections, by `database.name`. Immutable: a change creates a new catalog with the next version. */
export type Catalog = { readonly version: number; readonly collections: ReadonlyMap<string, Collection> };

export const namespaceOf = (collection: Collection): string => `${collection.database}.${collection.name}`;

/** The indexes that contain all documents. */
export const readyIndexes = (collection: Collection): readonly Index[] => collection.indexes.filter(({ building }) => !building);

/** The indexes that a query may use. */
export const visibleIndexes = (collection: Collection): readonly Index[] =>
  collection.indexes.filter(({ building, hidden }) => !building && !hidden);

export type { Entry, KeyRange };

/** One consistent state of the data. */
export interface Reader {
  readonly catalog: Catalog;
  get(key: Buffer): Buffer | undefined;
  entries(range: KeyRange): Iterable<Entry>;
  /** The number of entries in a range, counted by the storage engine. */
  count(range: KeyRange): number;
  /** The representation of strings in the keys of an index with a collation. */
  texts(index: Index): Texts | undefined;
  /** Counts the use of an index; the number of a collection means its index on _id. A snapshot belongs to one query, and counts once. */
  used(number: number): void;
  uses(number: number): IndexUse;
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
const labelPrefix = (index: Index): Buffer => prefixed(0x30, index.number);

const meta = (name: string): Buffer => Buffer.from(`\0${name}`);
const collectionKey = (number: number): Buffer => prefixed(0x01, number);
const statisticsKey = (number: number): Buffer => prefixed(0x02, number);
const markKey = (prefix: Buffer): Buffer => Buffer.concat([Buffer.from([0x03]), prefix]);
const marks: KeyRange = { start: Buffer.from([0x03]), end: Buffer.from([0x04]) };

export const recordKey = (collection: Collection, idKey: Buffer): Buffer => Buffer.concat([recordPrefix(collection), idKey]);

const number64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};

export type Statistics = { readonly documents: number; readonly bytes: number };

const readStatistics = (bytes: Buffer | undefined): Statistics =>
  bytes ? { documents: bytes.readDoubleBE(0), bytes: bytes.readDoubleBE(8) } : { documents: 0, bytes: 0 };

/** The number and total size of a collection's documents. */
export const statisticsOf = (reader: Reader, collection: Collection): Statistics =>
  readStatistics(reader.get(statisticsKey(collection.number)));

const checkKeyLength = (key: Buffer, what: string): Buffer => {
  if (key.length > MAX_KEY_BYTES)
    throw new ServerError(17280, `${what}: key too large to index, ${key.length} bytes where ${MAX_KEY_BYTES} are the most`);
  return key;
};

const toKeyFields = (pattern: Doc): readonly KeyField[] =>
  pattern.keys.map((path, index) => ({
    path,
    parts: splitPath(path),
    direction: Number(directionOf(pattern.values[index] as Value)) < 0 ? -1 : 1,
  }));

const directionOf = (value: Value): number | bigint =>
  typeof value === 'number' || typeof value === 'bigint'
    ? value
    : typeof value === 'object' && value !== null && 'value' in value
      ? (value.value as number)
      : 1;

export const collationIn = (options: Doc): Collation | undefined => {
  const collation = options.get('collation');
  return collation instanceof Doc ? parseCollation(collation) : undefined;
};

/** What the order of strings depends on. */
const ICU = `${process.versions['icu']} ${process.versions['unicode']}`;

export const readIndex = (
  number: number,
  spec: Doc,
  { arrays = [], building = false, outdated = false }: Partial<Pick<Index, 'arrays' | 'building' | 'outdated'>> = {},
): Index => {
  const source = spec.get('partialFilterExpression');
  const collation = collationIn(spec);
  const filter = source instanceof Doc ? withCollation(collation, () => parseFilter(source)) : undefined;
  return {
    number,
    name: spec.get('name') as string,
    spec,
    fields: toKeyFields(spec.get('key') as Doc),
    collation,
    unique: spec.get('unique') === true,
    sparse: spec.get('sparse') === true,
    hidden: spec.get('hidden') === true,
    partial: filter && source instanceof Doc ? { filter, matches: compileFilter(filter), source } : undefined,
    arrays,
    building,
    outdated,
  };
};

const isCollated = ({ collation, indexes }: Collection): boolean => collation !== undefined || indexes.some((index) => index.collation);

const writeCollection = (collection: Collection): Buffer =>
  encode(
    Doc.from({
      database: collection.database,
      name: collection.name,
      options: collection.options,
      uuid: collection.uuid.toString('hex'),
      indexes: Arr.of(
        collection.indexes.map(({ number, spec, arrays, building, collation, outdated }) =>
          Doc.from({
            number,
            spec,
            multikey: arrays.length > 0,
            arrays: Arr.of(arrays),
            building: building ? true : undefined,
            icu: collation && !outdated ? ICU : undefined,
          }),
        ),
      ),
      viewOn: collection.view?.on,
      pipeline: collection.view && Arr.of(collection.view.pipeline),
    }),
  );

/** Older data files only record whether there was any array: it may have been at any field. */
const readArrays = (index: Doc): readonly number[] => {
  const known = index.get('arrays');
  if (known instanceof Arr) return known.values.map(numberOf);
  return index.get('multikey') === true ? (index.get('spec') as Doc).keys.map((_, field) => field) : [];
};

const readCollection = (number: number, bytes: Buffer): Collection => {
  checkDocument(bytes, 0, bytes.length);
  const doc = Doc.read(bytes);
  const on = doc.get('viewOn');
  return {
    number,
    database: doc.get('database') as string,
    name: doc.get('name') as string,
    options: doc.get('options') as Doc,
    collation: collationIn(doc.get('options') as Doc),
    uuid: Buffer.from(doc.get('uuid') as string, 'hex'),
    indexes: ((doc.get('indexes') as Arr).values as readonly Doc[]).map((index) =>
      readIndex(index.get('number') as number, index.get('spec') as Doc, {
        arrays: readArrays(index),
        building: index.get('building') === true,
        outdated: (index.get('spec') as Doc).has('collation') && index.get('icu') !== ICU,
      }),
    ),
    view: typeof on === 'string' ? { on, pipeline: (doc.get('pipeline') as Arr).values as readonly Doc[] } : undefined,
  };
};

/** The writes of one transaction: the state including all its changes so far. */
export interface Writer extends Reader {
  /** @throws ServerError 11000 DuplicateKey and others; then nothing of this document has been written */
  insert(collection: Collection, doc: Doc): void;
  replace(collection: Collection, before: Doc, after: Doc): void;
  remove(collection: Collection, doc: Doc): void;
  saveCollection(collection: Collection): void;
  dropCollection(collection: Collection): void;
  /**
   * Adds the entries of some documents to indexes that are being built.
   *
   * @param from the record key up to which they have them; undefined at the beginning
   * @returns the record key up to which they have them now, or undefined at the end
   * @throws ServerError 11000 and others if a document cannot be in one of them
   */
  fillIndexes(collection: Collection, indexes: readonly Index[], from: Buffer | undefined): Buffer | undefined;
  /** The entries of a dropped index are removed gradually. */
  dropIndex(index: Index): void;
  /** Removes some of the orphaned entries. @returns whether there are more */
  reclaim(): boolean;
  nextNumber(): number;
}

/** The rows and keys of a document in an index; none if the index does not include the document. */
export const indexKeys = (
  index: Index,
  doc: Doc,
  idKey: Buffer,
  texts: Texts | undefined,
): { readonly keys: readonly Buffer[]; readonly rows: readonly (readonly Value[])[]; readonly arrays: readonly number[] } => {
  if (index.partial && !index.partial.matches(doc)) return { keys: [], rows: [], arrays: [] };
  const { rows, arrays, absent } = extractKeys(doc, index.fields);
  if (index.sparse && absent) return { keys: [], rows: [], arrays };
  const prefix = indexPrefix(index);
  const { fields } = index;
  const suffix = index.unique ? undefined : idKey;
  const descending = (at: number): boolean => fields[at]?.direction === -1;
  const found = rows.map((row) => checkKeyLength(joinedKey(prefix, row, descending, suffix, texts), `index ${index.name}`));
  if (found.length === 1) return { keys: found, rows, arrays };
  const distinct = new Map(found.map((key, at) => [key.toString('latin1'), at] as const));
  const kept = [...distinct.values()];
  return { keys: kept.map((at) => found[at] as Buffer), rows: kept.map((at) => rows[at] as readonly Value[]), arrays };
};

export const duplicateKey = (
  collection: Collection,
  name: string,
  fields: readonly string[],
  pattern: Doc,
  values: readonly Value[],
): ServerError => {
  const keyValue = Doc.of(fields, values);
  return new ServerError(
    11000,
    `E11000 duplicate key error collection: ${namespaceOf(collection)} index: ${name} dup key: ${show(keyValue)}`,
    { keyPattern: pattern, keyValue },
  );
};

const idPattern = Doc.from({ _id: 1 });

/** Labels kept in memory for each index. */
const MOST_LABELS = 20_000;

/** The labels of strings in indexes with a collation, with a cache of recently used ones. */
class Labels {
  readonly #known = new Map<number, { readonly labels: Map<string, string>; latest?: string }>();

  /** After a transaction that could not be committed, whose labels may not be on disk. */
  forget(): void {
    this.#known.clear();
  }

  /**
   * The representation of strings in the keys of an index.
   *
   * @param learn stores the label of a new string; otherwise a new string gets a temporary label
   */
  of(index: Index, entries: (range: KeyRange) => Iterable<Entry>, learn?: (key: Buffer, text: string) => void): Texts | undefined {
    const { collation } = index;
    if (!collation) return undefined;
    return (text) => {
      let known = this.#known.get(index.number);
      if (!known) this.#known.set(index.number, (known = { labels: new Map<string, string>() }));
      const label = known.labels.get(text);
      if (label !== undefined) return label;
      const prefix = labelPrefix(index);
      const found = findLabel(entries, prefix, text, collation.compare, known.latest);
      if (!found.known) {
        if (!learn) return found.label;
        learn(Buffer.concat([prefix, Buffer.from(found.label, 'latin1')]), text);
        known.latest = found.label;
      }
      if (known.labels.size >= MOST_LABELS) known.labels.clear();
      known.labels.set(text, found.label);
      return found.label;
    };
  }
}

/** The most documents that one transaction indexes, and entries that one removes: a few milliseconds, then others run. */
const SLICE = 500;
const SLICE_MS = 10;

/** The collection that `$out` fills before renaming it to its target; a leftover one belongs to an interrupted pipeline. */
export const temporaryName = (): string => `tmp.agg_out.${randomUUID()}`;

const isTemporary = (name: string): boolean => /^tmp\.agg_out\.[\da-f-]{36}$/.test(name);

/** A directory with databases, opened by this process alone. */
export class Store {
  readonly #file: DataFile;
  /** The catalogs of the latest versions, so that a snapshot finds its own. */
  #catalogs = new Map<number, Catalog>();
  #pending: Catalog;
  readonly #labels = new Labels();
  readonly #uses = new IndexUses();
  #closed = false;
  #writing = 0;
  #reclaiming = false;

  private constructor(file: DataFile) {
    this.#file = file;
    this.#pending = this.#load(
      (key) => file.get(key),
      (range) => file.entries(range),
    );
  }

  /**
   * Opens a directory, creating it if it does not exist.
   *
   * @throws DataUnreadable if it has another format, or its catalog is damaged
   */
  static async open(directory: string): Promise<Store> {
    const file = await DataFile.open(directory);
    try {
      const store = new Store(file);
      await store.#tidy();
      return store;
    } catch (error) {
      await file.close();
      throw error instanceof DamagedRecordError ? new DataUnreadable(directory, error.message) : error;
    }
  }

  /** Removes what an interrupted process has left behind: incomplete indexes, targets of `$out`. */
  async #tidy(): Promise<void> {
    const unfinished = ({ building, outdated }: Index): boolean => building && !outdated;
    const { collections } = this.#pending;
    const left = [...collections.values()].filter(({ name, indexes }) => isTemporary(name) || indexes.some(unfinished));
    if (left.length)
      await this.write((writer) => {
        for (const collection of left) {
          if (isTemporary(collection.name)) {
            writer.dropCollection(collection);
            continue;
          }
          for (const index of collection.indexes) if (unfinished(index)) writer.dropIndex(index);
          writer.saveCollection({ ...collection, indexes: collection.indexes.filter((index) => !unfinished(index)) });
        }
      });
    for (const { number, indexes } of [...this.#pending.collections.values()])
      if (indexes.some(({ outdated }) => outdated)) await this.#renew(number);
    if (this.#file.count(marks)) void this.#reclaim();
  }

  /** Rebuilds the indexes of a collection whose strings are sorted by another version of ICU. */
  async #renew(number: number): Promise<void> {
    const find = (writer: Writer): Collection =>
      [...writer.catalog.collections.values()].find((collection) => collection.number === number) as Collection;
    await this.write((writer) => {
      const collection = find(writer);
      const indexes = collection.indexes.map((index) => {
        if (!index.outdated) return index;
        writer.dropIndex(index);
        return readIndex(writer.nextNumber(), index.spec, { building: true, outdated: true });
      });
      writer.saveCollection({ ...collection, indexes });
    });
    try {
      for (let from: Buffer | undefined, more = true; more; more = from !== undefined)
        from = await this.write((writer) => {
          const collection = find(writer);
          const next = writer.fillIndexes(
            collection,
            collection.indexes.filter(({ outdated }) => outdated),
            from,
          );
          const current = find(writer);
          const indexes = current.indexes.map((index) => (index.outdated ? { ...index, building: false, outdated: false } : index));
          if (!next) writer.saveCollection({ ...current, indexes });
          return next;
        });
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      process.emitWarning(`the embedded MongoDB drops an index: ICU ${ICU} orders its texts otherwise than before, and ${error.message}`);
      await this.write((writer) => {
        const collection = find(writer);
        for (const index of collection.indexes) if (index.outdated) writer.dropIndex(index);
        writer.saveCollection({ ...collection, indexes: collection.indexes.filter(({ outdated }) => !outdated) });
      });
    }
  }

  /** Removes orphaned entries, a few at a time. If the disk is full it stops; the next drop or start continues. */
  async #reclaim(): Promise<void> {
    if (this.#reclaiming) return;
    this.#reclaiming = true;
    try {
      while (!this.#closed && (await this.write((writer) => writer.reclaim())));
    } catch (error) {
      if (!(error instanceof ServerError)) process.emitWarning(`the embedded MongoDB could not remove what was dropped: ${String(error)}`);
    } finally {
      this.#reclaiming = false;
    }
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

  /** The current collections, including those of a change that is being flushed. */
  get catalog(): Catalog {
    return this.#pending;
  }

  /** The current state, to be closed after use: while it is open, space freed by others is not reused. */
  snapshot(): Snapshot {
    if (this.#closed) throw new ServerError(91, 'The server is shutting down');
    const file = this.#file;
    const transaction = file.read();
    const get = (key: Buffer): Buffer | undefined => file.get(key, transaction);
    const entries = (range: KeyRange): Iterable<Entry> => file.entries(range, transaction);
    try {
      return new Snapshot(
        this.#load(get, entries),
        get,
        entries,
        (range) => file.count(range, transaction),
        (index) => this.#labels.of(index, entries),
        this.#uses,
        () => transaction.done(),
      );
    } catch (error) {
      transaction.done();
      throw error;
    }
  }

  /**
   * Runs a change in a transaction and resolves with its result when that is on disk. Changes that arrive during the flush of an earlier
   * transaction share the next one. If the change throws, what it wrote before is kept: so a change validates a document completely before
   * it writes it.
   */
  async write<Result>(change: (writer: Writer) => Result): Promise<Result> {
    if (this.#closed) throw new ServerError(91, 'The server is shutting down');
    this.#writing++;
    try {
      let outcome: { value: Result } | { error: unknown } | undefined;
      let dropped = false;
      await this.#file.transaction(() => {
        // A failed transaction has left its catalog in memory: what is on disk counts.
        if ((this.#file.get(meta('version'))?.readDoubleBE(0) ?? 0) !== this.#pending.version) {
          this.#catalogs.clear();
          this.#labels.forget();
          this.#pending = this.#load(
            (key) => this.#file.get(key),
            (range) => this.#file.entries(range),
          );
        }
        const writer = new StoreWriter(this.#file, this.#pending, this.#labels, this.#uses);
        try {
          outcome = { value: change(writer) };
        } catch (error) {
          outcome = { error };
        } finally {
          writer.flushStatistics();
          this.#pending = writer.catalog;
          this.#remember(writer.catalog);
          dropped = writer.dropped;
        }
      });
      if (dropped) void this.#reclaim();
      if (!outcome) throw new Error('the transaction did not run');
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    } finally {
      this.#writing--;
    }
  }

  /**
   * Copies the current state of all databases into another directory, on which a node can be started.
   *
   * @throws BackupExists if that directory already contains data
   */
  async backup(directory: string): Promise<void> {
    if (this.#closed) throw new ServerError(91, 'The server is shutting down');
    this.#writing++;
    try {
      await this.#file.backup(directory);
    } finally {
      this.#writing--;
    }
  }

  /** Bytes of the file on disk. */
  size(): number {
    return this.#file.size();
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#writing) await new Promise((resolve) => setTimeout(resolve, 5));
    await this.#file.close();
  }
}

export class Snapshot implements Reader {
  #closed = false;
  readonly #used = new Set<number>();

  constructor(
    readonly catalog: Catalog,
    readonly get: (key: Buffer) => Buffer | undefined,
    readonly entries: (range: KeyRange) => Iterable<Entry>,
    readonly count: (range: KeyRange) => number,
    readonly texts: (index: Index) => Texts | undefined,
    readonly indexUses: IndexUses,
    readonly release: () => void,
  ) {}

  used(number: number): void {
    if (this.#used.has(number)) return;
    this.#used.add(number);
    this.indexUses.add(number);
  }

  uses(number: number): IndexUse {
    return this.indexUses.of(number);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
  }
}

class StoreWriter implements Writer {
  catalog: Catalog;
  /** Whether there is something to be reclaimed. */
  dropped = false;
  readonly #file: DataFile;
  readonly #labels: Labels;
  readonly #uses: IndexUses;
  readonly #statistics = new Map<number, { documents: number; bytes: number }>();

  constructor(file: DataFile, catalog: Catalog, labels: Labels, uses: IndexUses) {
    this.#file = file;
    this.#labels = labels;
    this.#uses = uses;
    this.catalog = catalog;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#file.get(key);
  }

  entries(range: KeyRange): Iterable<Entry> {
    return this.#file.entries(range);
  }

  count(range: KeyRange): number {
    return this.#file.count(range);
  }

  texts(index: Index): Texts | undefined {
    return this.#labels.of(index, (range) => this.entries(range));
  }

  used(number: number): void {
    this.#uses.add(number);
  }

  uses(number: number): IndexUse {
    return this.#uses.of(number);
  }

  /** As `texts`, but stores the labels of new strings. */
  #learning(index: Index): Texts | undefined {
    return this.#labels.of(
      index,
      (range) => this.entries(range),
      (key, text) => this.#put(key, Buffer.from(text)),
    );
  }

  #put(key: Buffer, value: Buffer): void {
    this.#file.put(key, value);
  }

  #remove(key: Buffer): void {
    this.#file.remove(key);
  }

  #count(collection: Collection, documents: number, bytes: number): void {
    let known = this.#statistics.get(collection.number);
    if (!known) this.#statistics.set(collection.number, (known = { ...statisticsOf(this, collection) }));
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

  /** From its first array at a field on, an index is read with more care. */
  #noteArrays(collection: Collection, { number, arrays: known }: Index, arrays: readonly number[]): void {
    if (arrays.every((field) => known.includes(field))) return;
    const current = this.catalog.collections.get(namespaceOf(collection));
    const index = current?.indexes.find((one) => one.number === number);
    if (!current || !index || arrays.every((field) => index.arrays.includes(field))) return;
    const all = [...new Set([...index.arrays, ...arrays])].sort((a, b) => a - b);
    this.saveCollection({ ...current, indexes: current.indexes.map((one) => (one === index ? { ...one, arrays: all } : one)) });
  }

  #checkUnique(collection: Collection, index: Index, keys: readonly Buffer[], rows: readonly (readonly Value[])[], idKey: Buffer): void {
    keys.forEach((key, at) => {
      const holder = this.get(key);
      if (holder && !holder.equals(idKey))
        throw duplicateKey(
          collection,
          index.name,
          index.fields.map(({ path }) => path),
          index.spec.get('key') as Doc,
          rows[at] as readonly Value[],
        );
    });
  }

  insert(collection: Collection, doc: Doc): void {
    const id = doc.get('_id') as Value;
    const idKey = keyOf(id);
    const key = checkKeyLength(recordKey(collection, idKey), 'index _id_');
    if (this.get(key)) throw duplicateKey(collection, '_id_', ['_id'], idPattern, [id]);
    const entries = collection.indexes.map((index) => ({ index, ...indexKeys(index, doc, idKey, this.#learning(index)) }));
    for (const { index, keys, rows } of entries) if (index.unique) this.#checkUnique(collection, index, keys, rows, idKey);
    const bytes = encode(doc);
    this.#put(key, bytes);
    for (const { index, keys, arrays } of entries) {
      for (const entry of keys) this.#put(entry, idKey);
      this.#noteArrays(collection, index, arrays);
    }
    this.#count(collection, 1, bytes.length);
  }

  replace(collection: Collection, before: Doc, after: Doc): void {
    const idKey = keyOf(before.get('_id') as Value);
    const changes = collection.indexes.map((index) => {
      const texts = this.#learning(index);
      const fresh = indexKeys(index, after, idKey, texts);
      const stale = indexKeys(index, before, idKey, texts);
      // Most updates do not affect most indexes.
      if (fresh.keys.length === 1 && stale.keys.length === 1 && (fresh.keys[0] as Buffer).equals(stale.keys[0] as Buffer))
        return { index, arrays: fresh.arrays, keys: [], rows: [], dropped: [] };
      const known = new Set(stale.keys.map((key) => key.toString('latin1')));
      const wanted = new Set(fresh.keys.map((key) => key.toString('latin1')));
      const added = fresh.keys.flatMap((key, at) => (known.has(key.toString('latin1')) ? [] : [at]));
      return {
        index,
        arrays: fresh.arrays,
        keys: added.map((at) => fresh.keys[at] as Buffer),
        rows: added.map((at) => fresh.rows[at] as readonly Value[]),
        dropped: stale.keys.filter((key) => !wanted.has(key.toString('latin1'))),
      };
    });
    for (const { index, keys, rows } of changes) if (index.unique) this.#checkUnique(collection, index, keys, rows, idKey);
    const bytes = encode(after);
    this.#put(recordKey(collection, idKey), bytes);
    for (const { index, keys, dropped, arrays } of changes) {
      for (const key of dropped) this.#removeEntry(index, key, idKey);
      for (const key of keys) this.#put(key, idKey);
      this.#noteArrays(collection, index, arrays);
    }
    this.#count(collection, 0, bytes.length - encodedLength(before));
  }

  remove(collection: Collection, doc: Doc): void {
    const idKey = keyOf(doc.get('_id') as Value);
    for (const index of collection.indexes)
      for (const key of indexKeys(index, doc, idKey, this.#learning(index)).keys) this.#removeEntry(index, key, idKey);
    this.#remove(recordKey(collection, idKey));
    this.#count(collection, -1, -encodedLength(doc));
  }

  #setCatalog(collections: ReadonlyMap<string, Collection>): void {
    this.catalog = { version: this.catalog.version + 1, collections };
    this.#put(meta('version'), number64(this.catalog.version));
    this.#file.putFormat([...collections.values()].some(isCollated) ? FORMATS.collated : FORMATS.plain);
  }

  saveCollection(collection: Collection): void {
    const before = [...this.catalog.collections.values()].find(({ number }) => number === collection.number);
    if (!before) this.#uses.reset(collection.number);
    for (const { number, spec } of collection.indexes)
      if (before?.indexes.find((index) => index.number === number)?.spec !== spec) this.#uses.reset(number);
    const collections = new Map([...this.catalog.collections].filter(([, known]) => known.number !== collection.number));
    collections.set(namespaceOf(collection), collection);
    this.#put(collectionKey(collection.number), writeCollection(collection));
    this.#setCatalog(collections);
  }

  dropCollection(collection: Collection): void {
    const collections = new Map(this.catalog.collections);
    collections.delete(namespaceOf(collection));
    this.#remove(collectionKey(collection.number));
    this.#uses.forget(collection.number);
    this.#statistics.delete(collection.number);
    this.#remove(statisticsKey(collection.number));
    this.#abandon(recordPrefix(collection));
    for (const index of collection.indexes) this.dropIndex(index);
    this.#setCatalog(collections);
  }

  /** Numbers are never reused, so orphaned entries can be removed at any time. */
  #abandon(prefix: Buffer): void {
    this.#put(markKey(prefix), Buffer.alloc(0));
    this.dropped = true;
  }

  /** An incomplete unique index may have the key of another document, which its build will then refuse. */
  #removeEntry(index: Index, key: Buffer, idKey: Buffer): void {
    if (!index.unique || !index.building || this.get(key)?.equals(idKey)) this.#remove(key);
  }

  fillIndexes(collection: Collection, indexes: readonly Index[], from: Buffer | undefined): Buffer | undefined {
    const prefix = recordPrefix(collection);
    const start = from ? Buffer.concat([from, Buffer.from([0])]) : prefix;
    const slice: Entry[] = [];
    for (const entry of this.entries({ start, end: afterPrefix(prefix) })) if (slice.push(entry) === SLICE) break;
    const end = performance.now() + SLICE_MS;
    for (const [at, { key, value }] of slice.entries()) {
      const doc = Doc.read(value);
      const idKey = key.subarray(prefix.length);
      for (const index of indexes) {
        const { keys, rows, arrays } = indexKeys(index, doc, idKey, this.#learning(index));
        if (index.unique) this.#checkUnique(collection, index, keys, rows, idKey);
        for (const entry of keys) this.#put(entry, idKey);
        this.#noteArrays(collection, index, arrays);
      }
      if (performance.now() > end && at + 1 < slice.length) return key;
    }
    return slice.length === SLICE ? (slice.at(-1) as Entry).key : undefined;
  }

  dropIndex(index: Index): void {
    this.#uses.forget(index.number);
    this.#abandon(indexPrefix(index));
    if (index.collation) this.#abandon(labelPrefix(index));
  }

  reclaim(): boolean {
    let left = SLICE;
    for (const mark of this.#file.keys(marks, 100)) {
      const start = mark.subarray(1);
      const keys = this.#file.keys({ start, end: afterPrefix(start) }, left);
      for (const key of keys) this.#remove(key);
      left -= keys.length;
      if (left === 0) return true;
      this.#remove(mark);
    }
    return this.#file.count(marks) > 0;
  }

  nextNumber(): number {
    const number = (this.get(meta('next'))?.readDoubleBE(0) ?? 0) + 1;
    this.#put(meta('next'), number64(number));
    return number;
  }
}
