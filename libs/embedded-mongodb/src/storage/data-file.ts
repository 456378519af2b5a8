import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isLmdbError, type Gap } from '@tierline/embedded-host';
import { open, type RootDatabase, type Transaction } from 'lmdb';
import { dataDamaged, DamagedRecordError, DataUnreadable, ServerError } from '../errors.js';
import { copyInto } from './backup.js';
import { FILE, formatKey, FORMATS, hasChecksums, inspectData, upgradeKey, type Format } from './data-format.js';
import { checksumOf } from './checksums.js';

/** Records rewritten by an upgrade in one transaction. */
const UPGRADE_SLICE = 5000;

export type Entry = { readonly key: Buffer; readonly value: Buffer };

/** A range of keys: from `start` (inclusive) to `end` (exclusive); reversed, it starts below `end` and goes down to `start`. */
export type KeyRange = { readonly start: Buffer; readonly end: Buffer; readonly reverse?: boolean };

const number64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
};

/**
 * A copy in the pool of small buffers: a third of the cost of creating and collecting an ArrayBuffer for each record. LMDB reuses the
 * source buffer, whose `length` is not that of its memory.
 */
const copied = (source: Uint8Array, start: number, end: number): Buffer => {
  const target = Buffer.allocUnsafe(end - start);
  if (target.length > 32) target.set(new Uint8Array(source.buffer, source.byteOffset + start, target.length));
  else for (let at = 0; at < target.length; at++) target[at] = source[start + at] as number;
  return target;
};

/** The names of record kinds in messages; see `store.ts`. */
const kinds: Readonly<Record<number, string>> = {
  0x00: 'a counter',
  0x01: 'a collection',
  0x02: 'the statistics of a collection',
  0x03: 'a mark',
  0x10: 'a document',
  0x20: 'an index entry',
  0x30: 'a text of an index',
};

const damaged = (key: Buffer, page?: number): DamagedRecordError =>
  new DamagedRecordError(
    key,
    `${kinds[key[0] as number] ?? 'a record'} is damaged: the checksum of the record with the key ${key.subarray(0, 64).toString('hex')}${page === undefined ? '' : ` in page ${page}`} of ${FILE} does not match`,
  );

const openLmdb = (path: string, decode: (bytes: Uint8Array) => Buffer): RootDatabase<Buffer, Buffer> =>
  open<Buffer, Buffer>({
    path,
    noSubdir: true,
    keyEncoder: {
      writeKey: (key: Uint8Array, target: Uint8Array, start: number): number => {
        target.set(key, start);
        return start + key.length;
      },
      readKey: copied,
    },
    encoder: { encode: (value: Buffer): Buffer => value, decode },
    // A commit is reported once it has been flushed; with overlapping flushes it would be reported before.
    overlappingSync: false,
    maxReaders: 4096,
    eventTurnBatching: false,
    txnStartThreshold: 1,
  } as unknown as Parameters<typeof open>[0]) as unknown as RootDatabase<Buffer, Buffer>;

/** A new file gets its name once its first transaction is on disk: a file with that name but without one is always damaged. */
const create = async (path: string): Promise<void> => {
  const draft = `${path}.new`;
  for (const left of [draft, `${draft}-lock`]) rmSync(left, { force: true });
  const db = openLmdb(draft, (bytes) => copied(bytes, 0, bytes.length));
  try {
    await db.transaction(() => void db.put(formatKey, number64(FORMATS.plain)));
  } finally {
    await db.close();
  }
  rmSync(`${draft}-lock`, { force: true });
  renameSync(draft, path);
  if (process.platform === 'win32') return;
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
};

/** Ordered keys and values in one file of a directory: the only place that uses LMDB. Values are verified on every read. */
export class DataFile {
  readonly #db: RootDatabase<Buffer, Buffer>;
  /** The stored checksum of the last value read. */
  readonly #last: { checksum: number };
  /** Where records were damaged at the start: a key not found there may have existed. */
  readonly #gaps: readonly Gap[];

  private constructor(
    readonly directory: string,
    db: RootDatabase<Buffer, Buffer>,
    last: { checksum: number },
    gaps: readonly Gap[],
  ) {
    this.#db = db;
    this.#last = last;
    this.#gaps = gaps;
  }

  /**
   * Opens the file of a directory, creating it if it does not exist, and upgrades an older format.
   *
   * @throws DataUnreadable if the directory has an unknown format, or the file is damaged
   */
  static async open(directory: string): Promise<DataFile> {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, FILE);
    if (!existsSync(path)) {
      // The lock file is created by the first start on a data file.
      if (existsSync(`${path}-lock`)) throw dataDamaged(directory, `there is no ${FILE}, but there was one`);
      await create(path);
    }
    const gaps = inspectData(directory);
    const last = { checksum: 0 };
    // While the format is unknown, values are read without verification.
    const state = { sealed: false };
    let db: RootDatabase<Buffer, Buffer>;
    try {
      db = openLmdb(path, (bytes) => {
        if (!state.sealed) return copied(bytes, 0, bytes.length);
        const end = Math.max(0, bytes.length - 4);
        last.checksum =
          bytes.length < 4
            ? -1
            : ((bytes[end] as number) |
                ((bytes[end + 1] as number) << 8) |
                ((bytes[end + 2] as number) << 16) |
                ((bytes[end + 3] as number) << 24)) >>>
              0;
        return copied(bytes, 0, end);
      });
    } catch (error) {
      throw isLmdbError(error) ? dataDamaged(directory, `${FILE} or its lock file: ${error.message}`) : error;
    }
    try {
      const format = db.get(formatKey)?.readDoubleBE(0);
      if (format === undefined) await db.transaction(() => void db.put(formatKey, number64(FORMATS.plain)));
      else if (format === FORMATS.unsealed || (format === FORMATS.plain && db.get(upgradeKey))) await upgrade(db);
      else if (!hasChecksums(format))
        throw new DataUnreadable(directory, `it has format ${format}, this version reads 1 to ${FORMATS.collated}`);
    } catch (error) {
      await db.close();
      throw error;
    }
    state.sealed = true;
    return new DataFile(directory, db, last, gaps);
  }

  /** @throws DamagedRecordError if the checksum does not match */
  get(key: Buffer, transaction?: Transaction): Buffer | undefined {
    const value = transaction ? this.#db.get(key, { transaction }) : this.#db.get(key);
    if (value && checksumOf(key, value) !== this.#last.checksum) throw damaged(key);
    if (!value && this.#gaps.length) this.#refuseWithin(key);
    return value;
  }

  /** @throws DamagedRecordError at the record whose checksum does not match */
  *entries(range: KeyRange, transaction?: Transaction): Generator<Entry, void, undefined> {
    if (this.#gaps.length) {
      this.#refuseWithin(range.start);
      this.#refuseWithin(range.end);
    }
    for (const entry of this.#db.getRange(rangeOptions(range, transaction)) as unknown as Iterable<Entry>) {
      if (checksumOf(entry.key, entry.value) !== this.#last.checksum) throw damaged(entry.key);
      yield entry;
    }
  }

  /** The place of the missing key may be between a damaged record and its neighbours. */
  #refuseWithin(key: Buffer): void {
    for (const gap of this.#gaps)
      if ((!gap.low || key.compare(gap.low) > 0) && (!gap.high || key.compare(gap.high) < 0)) throw damaged(gap.key, gap.page);
  }

  /** The keys of a range, up to a limit. */
  keys(range: KeyRange, limit: number): readonly Buffer[] {
    return [...this.#db.getKeys({ ...rangeOptions(range), limit })];
  }

  /**
   * The number of entries in a range, counted by LMDB.
   *
   * @throws DamagedRecordError if it depends on a damaged record
   */
  count(range: KeyRange, transaction?: Transaction): number {
    for (const gap of this.#gaps)
      if ((!gap.low || range.end.compare(gap.low) > 0) && (!gap.high || range.start.compare(gap.high) < 0))
        throw damaged(gap.key, gap.page);
    return this.#db.getKeysCount(rangeOptions(range, transaction));
  }

  /** Only within a transaction. */
  put(key: Buffer, value: Buffer): void {
    void this.#db.put(key, sealed(key, value));
  }

  /** Only within a transaction. */
  remove(key: Buffer): void {
    void this.#db.remove(key);
  }

  /** Sets which versions can read the file. Only within a transaction. */
  putFormat(format: Format): void {
    void this.#db.put(formatKey, number64(format));
  }

  /** A state that does not change until it is closed; until then, space freed by others is not reused. */
  read(): Transaction {
    return this.#db.useReadTransaction();
  }

  /**
   * Runs a change in a transaction; resolves when it is on disk. Changes that arrive during the flush of an earlier transaction share the
   * next one.
   *
   * @throws ServerError 14031 OutOfDiskSpace if it could not be written: then it has had no effect
   */
  async transaction(change: () => void): Promise<void> {
    try {
      await this.#db.transaction(change);
    } catch (error) {
      const reason = (error as { commitError?: Promise<unknown> }).commitError;
      if (!reason) throw error;
      const cause = await reason.then(
        () => error,
        (rejection: unknown) => rejection,
      );
      throw new ServerError(14031, `could not write to disk: ${String((cause as Error).message ?? cause)}`);
    }
  }

  /** See `copyInto`. */
  backup(directory: string): Promise<void> {
    return copyInto(this.#db, directory);
  }

  /** Bytes of the file on disk. */
  size(): number {
    const { lastPageNumber, pageSize } = this.#db.getStats() as unknown as { lastPageNumber?: number; pageSize: number };
    return ((lastPageNumber ?? 0) + 1) * pageSize;
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

const sealed = (key: Buffer, value: Buffer): Buffer => {
  const bytes = Buffer.allocUnsafe(value.length + 4);
  bytes.set(value);
  bytes.writeUInt32LE(checksumOf(key, value), value.length);
  return bytes;
};

const rangeOptions = (
  { start, end, reverse }: KeyRange,
  transaction?: Transaction,
): { start: Buffer; end: Buffer; reverse?: boolean; transaction?: Transaction; exclusiveStart?: boolean; inclusiveEnd?: boolean } => {
  const options = reverse ? { start: end, end: start, reverse: true, exclusiveStart: true, inclusiveEnd: true } : { start, end };
  return transaction ? { ...options, transaction } : options;
};

/** Upgrades format 1 to 2: each value gets its checksum. Works in slices, after each of which the next start can continue. */
const upgrade = async (db: RootDatabase<Buffer, Buffer>): Promise<void> => {
  for (let more = true; more;) {
    await db.transaction(() => {
      const from = db.get(upgradeKey);
      if (!from) void db.put(formatKey, number64(FORMATS.plain));
      const start = from ?? Buffer.from([0]);
      const slice = [
        ...db.getRange({ start, exclusiveStart: true, end: Buffer.from([0xff]), limit: UPGRADE_SLICE } as never),
      ] as unknown as readonly Entry[];
      for (const { key, value } of slice) if (!key.equals(formatKey) && !key.equals(upgradeKey)) void db.put(key, sealed(key, value));
      more = slice.length === UPGRADE_SLICE;
      if (more) void db.put(upgradeKey, (slice.at(-1) as Entry).key);
      else void db.remove(upgradeKey);
    });
  }
};
