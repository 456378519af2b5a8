import { randomUUID } from 'node:crypto';
import {
  type EventStore,
  type Instant,
  PERSONAL_DATA_ERASED,
  type Position,
  refuse,
  type Refusal,
  type StoredEvent,
  streamId,
  streamName,
} from '#eventsourcing';
import {
  ticket,
  TICKET_INSTANTS_VERSION,
  type TicketInstant,
  type TicketSaying,
  type TicketStretch,
  TicketTimes,
  ticketViews,
} from '#ticketing';
import { LRUCache } from 'lru-cache';
import { isDuplicateKey } from '#mongo';
import { databaseAnswer, QUERY_WITHIN_MS, type ReadModels } from './read-model-database.js';

/** Name of the collection. */
export const TICKET_INSTANTS = 'tickets__instants';

/** The document that records how far they go. */
interface Progress {
  readonly _id: string;
  readonly commit: number;
  /** A process that began with another generation, or none, continues with the current one. */
  readonly generation: string;
}
const PROGRESS = `progress/${TICKET_INSTANTS_VERSION}`;

const INDEXES = [
  { tier: 1, queued: 1, rank: 1, since: 1, ticketId: 1 },
  { client: 1, ticketId: 1 },
  { ticketId: 1 },
  { 'stretch.known': 1 },
] as const;
/** Only sayings have words. */
const WORDS = { key: { words: 1 }, sparse: true } as const;

/** Deletes what is known of the past: it is read from the log again on demand. */
export async function discardTicketInstants({ db }: ReadModels): Promise<void> {
  await db
    .collection(TICKET_INSTANTS)
    .drop()
    .catch((error: { readonly code?: unknown }) => {
      if (error.code !== NAMESPACE_NOT_FOUND) throw error;
    });
}

/** Events read together. */
const BATCH = 2_000;
/**
 * Size of the cache of recently used tickets, in events. A ticket that is not cached is read from its first event on, for each of its
 * events in the worst case: the limit must exceed the number of events of the tickets open at the same time. Each takes some 2.5 kB.
 */
const AT_HAND = 30_000;
const PATIENCE_MS = 5_000;
const NAMESPACE_NOT_FOUND = 26;

const kept = new WeakMap<EventStore, TicketInstants>();

/**
 * What past lists, queues and boards are answered from: each ticket at all times, as known at all times. Made from the log on first use,
 * and continued on later use. If the collection is dropped, it is rebuilt. Several processes may write it at once: they write the same.
 */
export class TicketInstants {
  #growing: Promise<void> | undefined;
  readonly #atHand = new LRUCache<string, TicketTimes>({ maxSize: AT_HAND });

  private constructor(
    private readonly store: EventStore,
    private readonly models: ReadModels,
  ) {}

  static of(store: EventStore, models: ReadModels): TicketInstants {
    let instants = kept.get(store);
    if (instants === undefined) kept.set(store, (instants = new TicketInstants(store, models)));
    return instants;
  }

  /** Waits until they go as far as the log does now; refused, while the work continues, if that takes too long. @throws StoreUnavailable */
  async caughtUp(): Promise<Refusal<'not-yet-visible'> | undefined> {
    const end = await this.store.end();
    if (end === 'start') return undefined;
    const until = performance.now() + PATIENCE_MS;
    while (((await this.#progress())?.commit ?? -1) < Number(end.commit)) {
      const growing = (this.#growing ??= this.#grow().finally(() => (this.#growing = undefined)));
      if ((await settledWithin(growing, until - performance.now())) === 'not yet')
        return refuse('not-yet-visible', 'The past is being read from the log; try again');
    }
    return undefined;
  }

  /**
   * Processes erasures, if anything is stored. The eraser calls it: otherwise erased data would remain until the next query about the past.
   * @returns false if that takes too long
   */
  async forgetErased(): Promise<boolean> {
    const isKept = (await databaseAnswer(this.#collection.findOne({}, { projection: { _id: 1 } }))) !== null;
    return !isKept || (await this.caughtUp()) === undefined;
  }

  /**
   * Ids of the tickets about which something was said by the time in question. @param words a condition for words, in MongoDB's query
   * language
   */
  async saying(words: object, { asOf, knownAt }: { readonly asOf: Instant; readonly knownAt: Instant }): Promise<ReadonlySet<string>> {
    const said = { ...words, 'said.from': { $lte: asOf }, 'said.known': { $lte: knownAt } };
    const found = this.models.db
      .collection<TicketSaying>(TICKET_INSTANTS)
      .find(said, { projection: { ticketId: 1 }, maxTimeMS: QUERY_WITHIN_MS });
    return new Set((await databaseAnswer(found.toArray())).map(({ ticketId }) => ticketId));
  }

  get #collection() {
    return this.models.db.collection<TicketInstant>(TICKET_INSTANTS);
  }

  get #progresses() {
    return this.models.db.collection<Progress>(TICKET_INSTANTS);
  }

  #progress(): Promise<Progress | null> {
    return databaseAnswer(this.#progresses.findOne({ _id: PROGRESS }));
  }

  async #grow(): Promise<void> {
    try {
      await databaseAnswer(this.#readOn());
    } catch (error) {
      // What was not written must be read again.
      this.#atHand.clear();
      throw error;
    }
  }

  async #readOn(): Promise<void> {
    const end = await this.store.end();
    if (end === 'start') return;
    const known = await this.#progress();
    const { commit, generation } = known === null || known.commit > Number(end.commit) ? await this.#begin() : known;
    const after: Position | undefined = commit < 0 ? undefined : { commit: BigInt(commit), prepare: BigInt(commit) };
    let batch: StoredEvent[] = [];
    for await (const event of this.store.readAll({ streamPrefixes: [ticketViews.streamPrefix] }, after)) {
      batch.push(event);
      if (batch.length < BATCH) continue;
      await this.#write(batch);
      batch = [];
      if (!(await this.#note(event.position, generation))) return;
    }
    await this.#write(batch);
    await this.#note(end, generation);
  }

  /** Deletes what there is: of another version, or of another log. */
  async #begin(): Promise<Progress> {
    this.#atHand.clear();
    await discardTicketInstants(this.models);
    await this.#collection.createIndexes([...INDEXES.map((key) => ({ key: { ...key } })), { ...WORDS, key: { ...WORDS.key } }]);
    const progress = { _id: PROGRESS, commit: -1, generation: randomUUID() };
    await this.#progresses.replaceOne({ _id: PROGRESS }, progress, { upsert: true });
    return progress;
  }

  /** Records how far they go. @returns whether the generation is still the same */
  async #note({ commit }: Position, generation: string): Promise<boolean> {
    const { matchedCount } = await this.#progresses.updateOne({ _id: PROGRESS, generation }, { $max: { commit: Number(commit) } });
    if (matchedCount === 0) this.#atHand.clear();
    return matchedCount > 0;
  }

  async #write(events: readonly StoredEvent[]): Promise<void> {
    const changed = new Map<string, TicketStretch & { readonly isNew: boolean }>();
    for (const event of events) {
      const id = streamId(event.stream);
      if (event.type === PERSONAL_DATA_ERASED) {
        // All that is known of its past is rebuilt.
        for (const [_id, { document }] of changed) if (document.ticketId === id) changed.delete(_id);
        await this.#collection.deleteMany({ ticketId: id });
        this.#atHand.delete(id);
        for (const stretch of await this.#allTimes(id, event.revision)) changed.set(stretch.document._id, { ...stretch, isNew: true });
        continue;
      }
      const times = await this.#timesBefore(id, event.revision);
      // Another pass may have gone further.
      if (times.events > event.revision) continue;
      for (const stretch of times.add(event)) {
        const { _id, revision } = stretch.document;
        changed.set(_id, { ...stretch, isNew: revision === event.revision || changed.get(_id)?.isNew === true });
      }
    }
    if (changed.size === 0) return;
    const insert = ({ document, cuts }: TicketStretch) => ({ insertOne: { document: { ...document, cuts } as object as TicketInstant } });
    // A document never changes, and cuts are only added: it does not matter who writes first.
    const merge = ({ document: { _id, ...fields }, cuts }: TicketStretch) => ({
      updateOne: { filter: { _id }, update: { $setOnInsert: fields, $addToSet: { cuts: { $each: cuts } } } as object, upsert: true },
    });
    const stretches = [...changed.values()];
    const write = (asNew: boolean) =>
      this.#collection.bulkWrite(
        stretches.map((stretch) => (asNew && stretch.isNew ? insert(stretch) : merge(stretch))),
        { ordered: false },
      );
    await write(true).catch((error: unknown) => {
      // Another process wrote it, or an earlier run of this one.
      if (!isDuplicateKey(error)) throw error;
      return write(false);
    });
  }

  /** A ticket at all times, up to an event of it. */
  async #allTimes(id: string, revision: number): Promise<Iterable<TicketStretch>> {
    const times = new TicketTimes();
    const stretches = new Map<string, TicketStretch>();
    for await (const event of this.store.readStream(streamName(ticket, id))) {
      if (event.revision > revision) break;
      for (const stretch of times.add(event)) stretches.set(stretch.document._id, stretch);
    }
    return stretches.values();
  }

  /** The times of a ticket before an event of it. */
  async #timesBefore(id: string, revision: number): Promise<TicketTimes> {
    const known = this.#atHand.get(id);
    const times = known !== undefined && known.events >= revision ? known : new TicketTimes();
    if (times !== known && revision > 0) {
      for await (const event of this.store.readStream(streamName(ticket, id))) {
        if (event.revision >= revision) break;
        times.add(event);
      }
    }
    // Including the next event.
    this.#atHand.set(id, times, { size: Math.min(times.events + 1, AT_HAND) });
    return times;
  }
}

async function settledWithin(work: Promise<void>, millis: number): Promise<'settled' | 'not yet'> {
  let timer: NodeJS.Timeout | undefined;
  // Waiting callers get the error; if nobody waits, the next pass tries again.
  work.catch(() => undefined);
  const late = new Promise<'not yet'>((resolve) => (timer = setTimeout(() => resolve('not yet'), Math.max(0, millis))));
  try {
    return await Promise.race([work.then(() => 'settled' as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
