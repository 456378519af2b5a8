import { LRUCache } from 'lru-cache';
import { v7 } from 'uuid';
import { StoreUnavailable } from '#eventsourcing';
import { isDuplicateKey, isUnreachable, type Mongo } from '#mongo';
import { Batches } from '#platform';
import { type KeyWrapping, newDataKey } from './key-wrapping.js';

/** The person of a key, and the stream. */
export interface KeyOwner {
  readonly client: string;
  readonly person: string;
  readonly stream: string;
}

/** A data key: for the personal data of one person in one stream. */
interface KeyDocument {
  /** Sorts by creation time. */
  readonly _id: string;
  readonly client: string;
  readonly person: string;
  readonly stream: string;
  /** Absent once destroyed. */
  readonly wrapped?: Stored;
  readonly madeAt: Date;
  /** When it was destroyed. */
  readonly erasedAt: Date | null;
  /** Why it was destroyed, until the stream records it. */
  readonly untold?: string;
  /** When to check once more before that is complete. */
  readonly lookAgainAt?: Date;
}

/** A destroyed key that its stream does not record yet. */
export interface Destroyed {
  readonly key: string;
  readonly stream: string;
  readonly person: string;
  readonly because: string;
  /** Whether it was recorded before, and is checked once more. */
  readonly isSecondLook: boolean;
}

/** Keys to destroy: of a person, or of a stream. */
export type Doomed = Pick<KeyOwner, 'client' | 'person'> | Pick<KeyOwner, 'stream'>;

/** The driver returns `Binary` for what was written as a Buffer. */
type Stored = Buffer | { readonly buffer: Uint8Array };

export interface DataKey {
  readonly id: string;
  readonly key: Buffer;
}

interface Known {
  readonly person: string;
  readonly wrapped: Buffer | undefined;
  /** Unwrapped on first use. */
  key?: Buffer;
}

/** Streams whose keys are cached. */
const MOST_STREAMS = 20_000;
/** Keys read together while following a log: keys made after one are mostly used after it. */
const AHEAD = 256;
/** A key is on disk before anything is encrypted with it. */
export const DURABLE = { ordered: false, writeConcern: { w: 'majority', j: true } } as const;
const PROBE = 'master';
/** Keys rewrapped together. */
const REWRAPPED_AT_ONCE = 500;

/** The data keys were wrapped with another master key. */
export class WrongMasterKey extends Error {
  override readonly name = 'WrongMasterKey';
}

/**
 * The data keys, in a collection of MongoDB that is not a view: it is derived from nothing, and no rebuild touches it. A destroyed key
 * stays destroyed because its document remains, without the key.
 */
export class PersonalKeys {
  readonly #known = new LRUCache<string, Map<string, Known>>({ max: MOST_STREAMS });
  readonly #made = new Batches((batch: readonly KeyDocument[]) => this.#insert(batch));

  private constructor(
    private readonly keys: ReturnType<typeof keyCollection>,
    private readonly master: ReturnType<typeof masterCollection>,
    private readonly wrapping: KeyWrapping,
  ) {}

  /** Something wrapped with the master key; undefined if there is nothing yet. */
  static async wrapped({ db }: Pick<Mongo, 'db'>): Promise<Buffer | undefined> {
    const probe = await masterCollection(db).findOne({ _id: PROBE });
    return probe === null ? undefined : bytes(probe.wrapped);
  }

  /** @throws WrongMasterKey */
  static async open({ db }: Pick<Mongo, 'db'>, wrapping: KeyWrapping): Promise<PersonalKeys> {
    const keys = keyCollection(db);
    await keys.createIndexes([
      { key: { stream: 1, person: 1, erasedAt: 1 }, unique: true },
      { key: { client: 1, person: 1 } },
      { key: { untold: 1 }, sparse: true },
    ]);
    const master = masterCollection(db);
    await master.updateOne({ _id: PROBE }, { $setOnInsert: { wrapped: await wrapping.wrap(newDataKey()) } }, { upsert: true });
    const probe = await master.findOne({ _id: PROBE });
    await wrapping.unwrap(bytes((probe as MasterDocument).wrapped)).catch(wrongMasterKey);
    return new PersonalKeys(keys, master, wrapping);
  }

  /** The key for encrypting; created if missing. @throws StoreUnavailable */
  async forWriting({ client, person, stream }: KeyOwner): Promise<DataKey> {
    for (const [id, known] of this.#known.get(stream) ?? [])
      if (known.person === person && known.wrapped !== undefined) return { id, key: await this.#unwrapped(known) };
    const key = newDataKey();
    const made: KeyDocument = {
      _id: v7(),
      client,
      person,
      stream,
      wrapped: await this.wrapping.wrap(key),
      madeAt: new Date(),
      erasedAt: null,
    };
    // Inserted together if many are made.
    const refused = await orStoreUnavailable(() => this.#made.add(made));
    if (!refused.has(made._id)) {
      this.#remember(made).key = key;
      return { id: made._id, key };
    }
    const there = await orStoreUnavailable(() => this.keys.findOne({ stream, person, erasedAt: null }));
    // It was destroyed in the meantime.
    if (there === null) return this.forWriting({ client, person, stream });
    return { id: there._id, key: await this.#unwrapped(this.#remember(there)) };
  }

  /**
   * The same if no event of the stream reports destroyed keys, so that none may be cached.
   * @throws StoreUnavailable
   */
  async forWritingOnce(owner: KeyOwner): Promise<DataKey> {
    this.forget(owner.stream);
    try {
      return await this.forWriting(owner);
    } finally {
      this.forget(owner.stream);
    }
  }

  /** The current key with an id, ignoring the cache; see `find`. @throws StoreUnavailable */
  async findNow(id: string): Promise<Buffer | 'erased' | undefined> {
    const found = await orStoreUnavailable(() => this.keys.findOne({ _id: id }));
    if (found === null) return undefined;
    return found.wrapped === undefined ? 'erased' : this.wrapping.unwrap(bytes(found.wrapped));
  }

  /** @returns ids of keys that were not inserted: the person already has a key for the stream */
  async #insert(batch: readonly KeyDocument[]): Promise<ReadonlySet<string>> {
    try {
      const [first, ...others] = batch;
      // The driver's insertMany takes twice as long.
      if (first !== undefined && others.length === 0) await this.keys.insertOne(first, DURABLE);
      else await this.keys.insertMany([...batch], DURABLE);
      return new Set();
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      const there = await this.keys.find({ _id: { $in: batch.map(({ _id }) => _id) } }, { projection: { _id: 1 } }).toArray();
      const inserted = new Set(there.map(({ _id }) => _id));
      return new Set(batch.flatMap(({ _id }) => (inserted.has(_id) ? [] : [_id])));
    }
  }

  /**
   * The key with an id; `erased` if it was destroyed, undefined if it never existed.
   * @param ahead whether keys made after it will be needed too
   * @throws StoreUnavailable
   */
  async find(stream: string, id: string, ahead: boolean): Promise<Buffer | 'erased' | undefined> {
    let known = this.#known.get(stream)?.get(id);
    if (known === undefined) {
      const found = await orStoreUnavailable(() =>
        ahead ? this.keys.find({ _id: { $gte: id } }, { sort: { _id: 1 }, limit: AHEAD }).toArray() : this.keys.find({ stream }).toArray(),
      );
      for (const one of found.reverse()) this.#remember(one);
      known = this.#known.get(stream)?.get(id);
    }
    if (known === undefined) return undefined;
    return known.wrapped === undefined ? 'erased' : this.#unwrapped(known);
  }

  /** Destroys keys made until an instant. They are gone on return. @throws StoreUnavailable */
  async destroy(doomed: Doomed, because: string, until: Date): Promise<void> {
    const update = { $set: { erasedAt: new Date(), untold: because }, $unset: { wrapped: '' } } as const;
    await orStoreUnavailable(() => this.keys.updateMany({ ...doomed, erasedAt: null, madeAt: { $lte: until } }, update, DURABLE));
  }

  /** Destroyed keys that are not recorded yet, or due for another check. @throws StoreUnavailable */
  async untold(): Promise<readonly Destroyed[]> {
    const due = { untold: { $exists: true }, $or: [{ lookAgainAt: { $exists: false } }, { lookAgainAt: { $lte: new Date() } }] };
    const found = await orStoreUnavailable(() => this.keys.find(due, { sort: { _id: 1 } }).toArray());
    return found.map(({ _id, stream, person, untold = '', lookAgainAt }) => ({
      key: _id,
      stream,
      person,
      because: untold,
      isSecondLook: lookAgainAt !== undefined,
    }));
  }

  /** It was recorded, and is to be checked once more. @throws StoreUnavailable */
  async lookAgain({ key }: Pick<Destroyed, 'key'>, lookAgainAt: Date): Promise<void> {
    await orStoreUnavailable(() => this.keys.updateOne({ _id: key }, { $set: { lookAgainAt } }));
  }

  async told({ key }: Pick<Destroyed, 'key'>): Promise<void> {
    await orStoreUnavailable(() => this.keys.updateOne({ _id: key }, { $unset: { untold: '', lookAgainAt: '' } }));
  }

  /** Log position up to which people to forget were looked for; stored with the keys, so that restored keys look again. */
  async place(): Promise<string | undefined> {
    return (await orStoreUnavailable(() => this.master.findOne({ _id: PROBE })))?.place;
  }

  async keepPlace(place: string): Promise<void> {
    await orStoreUnavailable(() => this.master.updateOne({ _id: PROBE }, { $set: { place } }));
  }

  /**
   * Wraps with the current master key what an earlier one wrapped. Can be restarted after an interruption; keys may be made and destroyed
   * in the meantime.
   * @param onProgress called with the number of keys checked
   * @returns number of keys rewrapped
   * @throws WrongMasterKey, StoreUnavailable
   */
  async rewrap(onProgress: (keys: number) => void = () => {}): Promise<number> {
    let [looked, rewrapped] = [0, 0];
    for (let after = ''; ;) {
      const page = await orStoreUnavailable(() =>
        this.keys.find({ _id: { $gt: after }, wrapped: { $exists: true } }, { sort: { _id: 1 }, limit: REWRAPPED_AT_ONCE }).toArray(),
      );
      const fresh = await Promise.all(
        page.map(async ({ _id, wrapped }) => ({
          _id,
          wrapped: await this.wrapping.rewrap(bytes(wrapped as Stored)).catch(wrongMasterKey),
        })),
      );
      // Not those destroyed in the meantime.
      const writes = fresh.flatMap(({ _id, wrapped }) =>
        wrapped === undefined ? [] : [{ updateOne: { filter: { _id, wrapped: { $exists: true } }, update: { $set: { wrapped } } } }],
      );
      if (writes.length > 0) await orStoreUnavailable(() => this.keys.bulkWrite(writes, DURABLE));
      rewrapped += writes.length;
      onProgress((looked += page.length));
      const last = page.at(-1);
      if (last === undefined) break;
      after = last._id;
    }
    // Last: until then, processes start with only the earlier master key.
    const probe = await orStoreUnavailable(() => this.master.findOne({ _id: PROBE }));
    const fresh = probe && (await this.wrapping.rewrap(bytes(probe.wrapped)).catch(wrongMasterKey));
    if (fresh) await orStoreUnavailable(() => this.master.updateOne({ _id: PROBE }, { $set: { wrapped: fresh } }, DURABLE));
    return rewrapped;
  }

  /** Destroys the keys of a stream that no event reports. @throws StoreUnavailable */
  async discard({ stream }: Pick<KeyOwner, 'stream'>): Promise<void> {
    await orStoreUnavailable(() => this.keys.deleteMany({ stream }, DURABLE));
    this.forget(stream);
  }

  /** Keys of streams with a prefix that were made before an instant. @throws StoreUnavailable */
  async madeBefore(prefix: string, instant: Date): Promise<readonly { readonly key: string; readonly stream: string }[]> {
    const stream = { $gte: prefix, $lt: `${prefix}\uffff` };
    const found = await orStoreUnavailable(() => this.keys.find({ stream, madeAt: { $lt: instant } }).toArray());
    return found.map(({ _id: key, stream }) => ({ key, stream }));
  }

  /** Drops a stream's keys from the cache: some were destroyed. */
  forget(stream: string): void {
    this.#known.delete(stream);
  }

  #remember({ _id, person, stream, wrapped }: KeyDocument): Known {
    let keys = this.#known.get(stream);
    if (keys === undefined) this.#known.set(stream, (keys = new Map()));
    const known: Known = { person, wrapped: wrapped && bytes(wrapped) };
    keys.set(_id, known);
    return known;
  }

  async #unwrapped(known: Known): Promise<Buffer> {
    return (known.key ??= await this.wrapping.unwrap(known.wrapped as Buffer));
  }
}

/** A check value for the master key, and the progress of erasing. */
interface MasterDocument {
  readonly _id: string;
  readonly wrapped: Stored;
  readonly place?: string;
}

function masterCollection(db: Mongo['db']) {
  return db.collection<MasterDocument>('personal_keys_master');
}

/** Which of these streams have keys that were not destroyed. */
export async function streamsWithKeys(db: Mongo['db'], streams: readonly string[]): Promise<readonly string[]> {
  const found = await keyCollection(db)
    .find({ stream: { $in: [...streams] }, erasedAt: null }, { projection: { stream: 1 } })
    .toArray();
  return [...new Set(found.map(({ stream }) => stream))];
}

function keyCollection(db: Mongo['db']) {
  return db.collection<KeyDocument>('personal_keys');
}

function wrongMasterKey(cause: unknown): never {
  throw new WrongMasterKey('the keys of personal data were wrapped with another master key', { cause });
}

function bytes(stored: Stored): Buffer {
  return Buffer.isBuffer(stored) ? stored : Buffer.from(stored.buffer);
}

export async function orStoreUnavailable<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (isUnreachable(error)) throw new StoreUnavailable(`the keys of personal data: ${error.message}`, { cause: error });
    throw error;
  }
}
