import { setTimeout as sleep } from 'node:timers/promises';
import { type EventStore, OtherLog, parseInstant } from '#eventsourcing';
import type { PublicLog } from '#feeds';
import type { Mongo, ViewLog } from '#mongo';
import { comparePlaces, type FeedPosition, formatPlace, parsePlace } from '#ticketing';
import { type Destination, NOWHERE, type Parcel, type Tried } from './destination.js';
import {
  type Attempt,
  deliveries,
  type DeliveryDocument,
  type DeliveryState,
  type DeliveryWrite,
  type Progress,
  progress,
} from './documents.js';
import { breakAfter, pauseAfter } from './patience.js';

/** Concurrent requests to one destination. */
const AT_ONCE = 8;
const LOADED_AT_ONCE = 500;
/** Events that were read but neither sent nor stored as deliveries. */
const MOST_UNTRIED = 200;
/** Waiting events; beyond this number nothing more is read. */
const MOST_WAITING = 5_000;
const IDLE_MS = 5_000;
const FLUSH_MS = 100;
const KEPT_ATTEMPTS = 20;
/** The pause before an outcome is reported again after a failure, in milliseconds. */
const TELL_AGAIN_MS = 1_000;
/** How long finished deliveries are kept, in milliseconds. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** An older body is rebuilt from the log before it is sent, because its content may have been erased. In milliseconds. */
const FRESH_MS = 10_000;
/** How long requests in flight may take once this process must stop, in milliseconds. */
const FINISH_WITHIN_MS = 3_000;

export interface DeliveryParts {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly feed: PublicLog;
  readonly log: ViewLog;
  readonly owner: string;
}

/** A parcel in delivery, to a generation of the destination. */
interface Item {
  readonly parcel: Omit<Parcel, 'body'>;
  /** The body, and when it was read; undefined before. */
  written: { readonly body: string; readonly at: number } | undefined;
  readonly generation: number;
  /** Attempts not stored yet: earlier responses may have been erased in the database. */
  attempts: readonly Attempt[];
  tries: number;
  failingSince?: number | undefined;
  /** Number of failures since it was read or resent. */
  failures: number;
  dueAt: number;
  state: DeliveryState;
  /** Whether the stored delivery is up to date, or none is needed. */
  isStored: boolean;
}

/**
 * One destination while this process delivers to it. The parcels of a subject are sent one after another, different subjects concurrently.
 * A parcel that is not accepted waits, and later ones of its subject wait behind it. Everything read and not done is stored as a delivery
 * before the position advances.
 */
export class Delivery {
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  /** Subject → its parcels, in order. */
  readonly #queues = new Map<string, Item[]>();
  /** Subjects with a request in flight. */
  readonly #busy = new Set<string>();
  /** What was read, in order, until it is stored; the last of an event with its position. */
  #read: { readonly item: Item; readonly place: FeedPosition | undefined }[] = [];
  readonly #changed = new Set<Item>();
  /** Number of parcels in the queues. */
  #queued = 0;
  /** The last of those that were waiting at the start. */
  #loaded: Pick<DeliveryDocument, '_id' | 'order'> | undefined;
  /** Everything up to here has been read; undefined before. */
  #reached: FeedPosition | 'start' | undefined;
  #place: string;
  #failures: number;
  #brokenUntil: number;
  #wakeReader = () => {};
  #isDirty = false;
  #flushing: Promise<void> | undefined;
  #nextLook: NodeJS.Timeout | undefined;
  #nextFlush: NodeJS.Timeout | undefined;
  readonly #running: Promise<void>;

  /** @param begun its stored progress; this process holds its lease */
  constructor(
    private readonly parts: DeliveryParts,
    private readonly to: Destination,
    { place, failures, brokenUntil = 0 }: Progress,
  ) {
    this.#place = place;
    this.#failures = failures;
    this.#brokenUntil = brokenUntil;
    this.#running = this.#run();
  }

  /** Finishes the requests in flight, within a time limit, and stores their outcomes. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeReader();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const trying = async (what: string, work: () => Promise<void>): Promise<void> => {
      while (!signal.aborted) {
        try {
          return await work();
        } catch (error) {
          if (!signal.aborted) this.parts.log.warn({ err: error, destination: this.to.id }, `${what}; tried again`);
          await sleep(1_000, undefined, { signal }).catch(() => {});
        }
      }
    };
    try {
      await trying('deliveries cannot be read', () => this.#load(signal));
      await trying('a test cannot be sent', () => this.#test());
      await trying('events to deliver cannot be read', () => this.#readOn(signal));
      const late = setTimeout(() => this.#abandon.abort(), FINISH_WITHIN_MS);
      while (this.#busy.size > 0) await sleep(10);
      clearTimeout(late);
    } finally {
      clearTimeout(this.#nextLook);
      clearTimeout(this.#nextFlush);
      // One may be in progress, without the latest changes.
      await this.#flush();
      await this.#flush();
    }
  }

  /** Loads what is waiting, in order, before anything else is read. */
  async #load(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { order = '', _id = '' } = this.#loaded ?? {};
      const next = { $or: [{ order: { $gt: order } }, { order, _id: { $gt: _id } }] };
      const found = await deliveries(this.parts.db)
        .find({ webhook: this.to.id, state: 'waiting', ...next }, { projection: { attempts: 0 } })
        .sort({ order: 1, _id: 1 })
        .limit(LOADED_AT_ONCE)
        .toArray();
      for (const document of found) {
        await this.#room(signal);
        if (signal.aborted) return;
        const { event, type, subject, position, body, generation, tries, failingSince, dueAt = 0, state } = document;
        const failures = failingSince === undefined ? 0 : (document.failures ?? tries);
        const parcel = { event, type, subject, position };
        const written = position === NOWHERE && body !== undefined ? { body, at: Infinity } : undefined;
        this.#enqueue({ parcel, written, generation, attempts: [], tries, failingSince, failures, dueAt, state, isStored: true });
        this.#loaded = document;
      }
      this.#look();
      if (found.length < LOADED_AT_ONCE) return;
    }
  }

  async #readOn(signal: AbortSignal): Promise<void> {
    const { store, feed } = this.parts;
    const { id, filter } = this.to;
    const since = parseInstant(this.#place);
    // After a failure it continues where it was.
    const after = this.#reached ?? (since === undefined ? (parsePlace(this.#place) ?? 'start') : await store.lastBefore(since));
    const end = await store.end();
    if (after !== 'start' && (comparePlaces(after, end) > 0 || !(await store.has(after)))) throw new OtherLog(`the delivery to ${id}`);
    const sees: Destination['sees'] = (event) => this.to.sees(event);
    const asked = { filter: { ...filter, ...(since && { since }) }, sees, after, idleMs: IDLE_MS, signal };
    for await (const { events, position } of feed.follow(asked)) {
      const read = events.map((logged) => ({ place: logged.position, parcels: this.to.parcels(logged) }));
      // No earlier process can have sent what was recorded since this one started.
      const earlier = read.filter(({ place }) => comparePlaces(place, end) <= 0).flatMap(({ parcels }) => parcels);
      const known = earlier.length === 0 ? new Set() : await this.#known(earlier);
      for (const { place, parcels } of read) {
        for (const parcel of parcels) {
          await this.#room(signal);
          if (signal.aborted) return;
          if (!known.has(parcel.event)) this.#take(parcel, parcel === parcels.at(-1) ? place : undefined);
        }
        this.#reached = place;
      }
      if (this.#reached === undefined || comparePlaces(this.#reached, position) !== 0 || read.length > 0) {
        this.#isDirty = true;
        this.#flushSoon();
      }
      this.#reached = position;
      this.#look();
    }
  }

  /** Waits until there is room for another event. */
  async #room(signal: AbortSignal): Promise<void> {
    while (this.#isFull() && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
        this.#look();
      });
  }

  /** Which of them are stored as deliveries already, because a process died after sending them and before the position advanced. */
  async #known(parcels: readonly Parcel[]): Promise<ReadonlySet<string>> {
    const ids = parcels.map(({ event }) => this.#idOf(event, this.to.generation));
    const found = await deliveries(this.parts.db)
      .find({ _id: { $in: ids } }, { projection: { event: 1 } })
      .toArray();
    return new Set(found.map(({ event }) => event));
  }

  #isFull(): boolean {
    if (this.#read.length >= MOST_UNTRIED || this.#queued >= MOST_WAITING) return true;
    return Date.now() < this.#brokenUntil && !this.#waitEach;
  }

  /** Whether each parcel is given up on time, whatever happens to the others; if so, it is also read on time. */
  get #waitEach(): boolean {
    return this.to.patience.breakAfter === Infinity;
  }

  /** When a parcel is tried for the last time, even if the receiver requests a pause. */
  #lastTryAt({ failingSince }: Item): number {
    return failingSince === undefined || !this.#waitEach ? Infinity : failingSince + this.to.patience.giveUpMs;
  }

  /** A parcel that has not been sent yet. */
  #fresh({ body, since: failingSince, ...parcel }: Parcel): Item {
    const { generation } = this.to;
    const written = { body, at: parcel.position === NOWHERE ? Infinity : Date.now() };
    return { parcel, written, generation, attempts: [], tries: 0, failingSince, failures: 0, dueAt: 0, state: 'waiting', isStored: false };
  }

  #take(parcel: Parcel, place: FeedPosition | undefined): void {
    const item = this.#fresh(parcel);
    this.#read.push({ item, place });
    this.#enqueue(item);
    // Behind a waiting one, it may wait for days.
    if ((this.#queues.get(parcel.subject)?.[0]?.tries ?? 0) > 0) this.#change(item);
    this.#look();
  }

  /** Starts the latest requested test, unless that was done before. */
  async #test(): Promise<void> {
    const { id, test } = this.to;
    if (test === undefined) return;
    const { number, parcel } = test;
    const { db, owner } = this.parts;
    const { matchedCount } = await progress(db).updateOne({ _id: id, owner, pinged: { $lt: number } }, { $set: { pinged: number } });
    if (matchedCount === 0) return;
    const item = this.#fresh(parcel);
    this.#enqueue(item);
    this.#change(item);
    this.#look();
  }

  #enqueue(item: Item): void {
    const { subject } = item.parcel;
    const queue = this.#queues.get(subject);
    if (queue === undefined) this.#queues.set(subject, [item]);
    else queue.push(item);
    this.#queued++;
  }

  /** Sends what is due, as far as possible now. What is due later is checked then. */
  #look(): void {
    if (this.#stopping.signal.aborted) return;
    const now = Date.now();
    let next = this.#waitEach ? now : Math.max(this.#brokenUntil, now);
    if (next === now) {
      next = Infinity;
      // After failures, a single request shows whether the receiver is back.
      const atOnce = this.#brokenUntil > 0 ? 1 : AT_ONCE;
      for (const [subject, [item]] of this.#queues) {
        if (this.#busy.size >= (this.#waitEach ? AT_ONCE : atOnce)) break;
        if (item === undefined || this.#busy.has(subject)) continue;
        const lastTryAt = this.#lastTryAt(item);
        const dueAt = Math.min(Math.max(item.dueAt, this.#brokenUntil), lastTryAt);
        if (dueAt > now) next = Math.min(next, dueAt);
        else if (this.#busy.size < atOnce || lastTryAt <= now) {
          this.#busy.add(subject);
          void this.#send(item);
        }
      }
    }
    if (!this.#isFull()) this.#wakeReader();
    clearTimeout(this.#nextLook);
    if (next < Infinity) this.#nextLook = setTimeout(() => this.#look(), next - now);
  }

  async #send(item: Item): Promise<void> {
    const at = new Date();
    try {
      const parcel = await this.#parcelOf(item);
      if (parcel === undefined) return;
      const tried = this.to.send(parcel, at, this.#abandon.signal);
      const { outcome, retryAfterMs, ...result } = await tried.catch((error: Error): Tried => ({
        outcome: 'failed',
        ms: 0,
        error: error.message,
      }));
      // It is unknown whether it was accepted, so it is sent again.
      if (this.#abandon.signal.aborted && outcome === 'failed' && result.status === undefined) return;
      const attempt = { at: at.toISOString(), ...result };
      item.attempts = [...item.attempts, attempt].slice(-KEPT_ATTEMPTS);
      item.tries++;
      const state = this.#judge(item, outcome, result.status, retryAfterMs);
      if (state === 'waiting' || (await this.#tell(parcel, outcome, item.tries, attempt))) this.#conclude(item, state);
    } finally {
      this.#busy.delete(item.parcel.subject);
      this.#look();
    }
  }

  /** The current content to send; undefined if it is not known yet, or the event no longer exists. */
  async #parcelOf(item: Item): Promise<Parcel | undefined> {
    const { parcel, written } = item;
    if (written !== undefined && Date.now() - written.at < FRESH_MS) return { ...parcel, body: written.body };
    item.written = undefined;
    try {
      const place = parsePlace(parcel.position);
      const logged = place === undefined ? [] : await this.parts.feed.at(place);
      const found = logged.flatMap((one) => this.to.parcels(one)).find(({ event }) => event === parcel.event);
      if (found === undefined) this.#conclude(item, 'dead');
      return found;
    } catch (error) {
      this.parts.log.warn({ err: error, destination: this.to.id }, 'an event to deliver cannot be read; tried again');
      item.dueAt = Date.now() + TELL_AGAIN_MS;
      return undefined;
    }
  }

  /** Handles the outcome of a request. */
  #judge(item: Item, outcome: Tried['outcome'], status: number | undefined, retryAfterMs: number | undefined): DeliveryState {
    const { patience, test } = this.to;
    const now = Date.now();
    if (outcome !== 'failed') {
      // The receiver is back: parcels waiting for it need not wait longer.
      if (this.#brokenUntil > 0)
        for (const queue of this.#queues.values()) for (const other of queue.slice(0, 1)) other.dueAt = Math.min(other.dueAt, now);
      this.#failures = 0;
      this.#brokenUntil = 0;
      return outcome === 'taken' ? 'delivered' : 'dead';
    }
    this.#failures++;
    item.failingSince ??= now;
    item.failures++;
    const pause = breakAfter(patience, this.#failures, Math.random(), status === 429 || status === 503 ? retryAfterMs : 0);
    if (pause > 0) this.#brokenUntil = now + pause;
    if (item.parcel.event === test?.parcel.event || now - item.failingSince >= patience.giveUpMs) return 'dead';
    item.dueAt = now + pauseAfter(patience, item.failures, Math.random(), retryAfterMs);
    return 'waiting';
  }

  /** Reports the outcome of a parcel until that succeeds; false if this process stops before: then it is sent again. */
  async #tell(parcel: Parcel, outcome: Tried['outcome'], tries: number, last: Attempt): Promise<boolean> {
    while (!this.#abandon.signal.aborted) {
      try {
        await this.to.settled?.(parcel, outcome, tries, last);
        return true;
      } catch (error) {
        this.parts.log.warn({ err: error, destination: this.to.id }, 'what came of a delivery cannot be told; tried again');
        await sleep(TELL_AGAIN_MS, undefined, { signal: this.#abandon.signal }).catch(() => {});
      }
    }
    return false;
  }

  #conclude(item: Item, state: DeliveryState): void {
    const { subject } = item.parcel;
    item.state = state;
    // This one first: if later ones were stored without it, after a crash they would be sent before it.
    this.#change(item);
    if (state !== 'waiting') {
      const queue = this.#queues.get(subject) ?? [];
      queue.shift();
      if (queue.length === 0) this.#queues.delete(subject);
      this.#queued--;
    } else {
      for (const waiting of this.#queues.get(subject) ?? []) {
        if (waiting.parcel.position !== NOWHERE) waiting.written = undefined;
        if (!waiting.isStored) this.#change(waiting);
      }
    }
  }

  #change(item: Item): void {
    this.#changed.add(item);
    this.#flushSoon();
  }

  #flushSoon(): void {
    this.#nextFlush ??= setTimeout(() => {
      this.#nextFlush = undefined;
      void this.#flush().then(() => {
        if (!this.#stopping.signal.aborted && (this.#isDirty || this.#changed.size > 0)) this.#flushSoon();
      });
    }, FLUSH_MS);
  }

  /** Stores changes, and then up to where everything is stored. One at a time. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#store()
      .catch((error: unknown) => {
        this.#isDirty = true;
        this.parts.log.warn({ err: error, destination: this.to.id }, 'deliveries cannot be stored; tried again');
      })
      .finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #store(): Promise<void> {
    const { db, owner } = this.parts;
    const { id, generation } = this.to;
    const changed = [...this.#changed];
    const told = new Set(changed.flatMap(({ attempts }) => attempts));
    if (changed.length > 0) {
      this.#changed.clear();
      try {
        // A crash in between leaves the first ones.
        await deliveries(db).bulkWrite(
          changed.map((item) => this.#writeOf(item)),
          { ordered: true },
        );
      } catch (error) {
        for (const item of changed) this.#changed.add(item);
        throw error;
      }
      for (const item of changed) {
        item.isStored = true;
        item.attempts = item.attempts.filter((attempt) => !told.has(attempt));
      }
      this.#isDirty = true;
    }
    let stored = 0;
    while (this.#read[stored]?.item.isStored) stored++;
    const last = this.#read.splice(0, stored).findLast(({ place }) => place !== undefined);
    if (!this.#isDirty && last === undefined) return;
    const reached = this.#read.length === 0 ? this.#reached : last?.place;
    this.#isDirty = false;
    // An instant remains the position until something after it has been read.
    if (reached !== undefined && reached !== 'start') this.#place = formatPlace(reached);
    const health = { failures: this.#failures, brokenUntil: this.#brokenUntil };
    await progress(db).updateOne({ _id: id, owner, generation }, { $set: { place: this.#place, ...health } });
    this.#look();
  }

  /** Updates the document of a parcel, adding its attempts to the stored ones. */
  #writeOf(item: Item): DeliveryWrite {
    const _id = this.#idOf(item.parcel.event, item.generation);
    const replacement = { ...this.#documentOf(item), attempts: item.attempts };
    if (!item.isStored) return { replaceOne: { filter: { _id }, replacement, upsert: true } };
    // It may be written again, since it is unknown whether it was written.
    const isOther = { $not: [{ $in: ['$$this.at', item.attempts.map(({ at }) => at)] }] };
    const before = { $filter: { input: { $ifNull: ['$attempts', []] }, cond: isOther } };
    const attempts = { $slice: [{ $concatArrays: [before, { $literal: item.attempts }] }, -KEPT_ATTEMPTS] };
    const update = [{ $replaceWith: { $mergeObjects: [{ $literal: { _id, ...replacement } }, { attempts }] } }];
    return { updateOne: { filter: { _id }, update, upsert: true } };
  }

  #documentOf({
    parcel,
    written,
    generation,
    tries,
    failingSince,
    failures,
    dueAt,
    state,
  }: Item): Omit<DeliveryDocument, '_id' | 'attempts'> {
    const { event, type, subject, position } = parcel;
    const body = position === NOWHERE && written !== undefined ? { body: written.body } : {};
    const sent = { event, type, subject, position, order: orderOf(position), ...body };
    const known = { webhook: this.to.id, generation, ...sent, state, tries };
    // A reported outcome is stored elsewhere, and is not resent manually.
    const isOver = state === 'delivered' || (state === 'dead' && this.to.settled !== undefined && this.to.keepsDead !== true);
    if (isOver) return { ...known, expiresAt: new Date(Date.now() + KEPT_MS) };
    return { ...known, dueAt, ...(failingSince === undefined ? {} : { failingSince, failures }) };
  }

  #idOf(event: string, generation: number): string {
    return `${this.to.id}/${generation}/${event}`;
  }
}

/** A position as text that sorts like positions; what is derived from an event precedes it. */
function orderOf(position: string): string {
  const [commit = '', , part] = position.split('/');
  return `${commit.padStart(19, '0')}/${part === undefined ? '~' : part.padStart(3, '0')}`;
}
