import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook as Signer } from 'standardwebhooks';
import { type EventStore, OtherLog, parseInstant } from '#eventsourcing';
import type { LoggedEvent, PublicLog } from '#feeds';
import type { Mongo, ViewLog } from '#mongo';
import { comparePlaces, type EventFilter, type FeedPosition, formatPlace, parsePlace, type Webhook } from '#ticketing';
import { type Attempt, deliveries, type DeliveryDocument, type DeliveryState, type Progress, progress } from './documents.js';
import type { Networks } from './networks.js';
import { breakAfter, pauseAfter, type Patience } from './patience.js';
import { post } from './post.js';
import type { WebhookSecrets } from './secrets.js';

/** Requests to one webhook at once. */
const AT_ONCE = 8;
const LOADED_AT_ONCE = 500;
/** Events that were read and are neither sent nor among the deliveries. */
const MOST_UNTRIED = 200;
/** Events that wait: beyond them, nothing more is read. */
const MOST_WAITING = 5_000;
const IDLE_MS = 5_000;
const FLUSH_MS = 100;
const LOOK_MS = 100;
const KEPT_ATTEMPTS = 20;
/** The type of test events. They are sent once. */
const PING = 'com.tierline.webhook.ping.v1';
/** How long what was delivered can be looked at, in milliseconds. */
const KEPT_MS = 7 * 24 * 3_600_000;
/** How long requests in flight may take when this process is to stop. */
const FINISH_WITHIN_MS = 3_000;

export interface DeliveryParts {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly feed: PublicLog;
  readonly log: ViewLog;
  readonly secrets: WebhookSecrets;
  readonly networks: Networks;
  readonly patience: Patience;
  readonly timeoutMs: number;
  readonly owner: string;
}

/** What is sent: an event, to a generation of the webhook. */
type Sent = Pick<DeliveryDocument, 'event' | 'type' | 'subject' | 'position' | 'body' | 'generation'>;

/** An event on its way. */
interface Item extends Sent {
  attempts: readonly Attempt[];
  tries: number;
  failingSince?: number | undefined;
  dueAt: number;
  state: DeliveryState;
  /** Whether the deliveries have it as it is, or it needs to be nowhere. */
  isStored: boolean;
}

/**
 * One webhook while this process delivers to it: the events of a subject one after another, different subjects side by side. An event that is not taken
 * waits, and what comes after it of its subject waits behind it. Whatever was read and is not done stands among the deliveries before the place moves on.
 */
export class Delivery {
  readonly #stopping = new AbortController();
  readonly #abandon = new AbortController();
  /** Subject → its events, in order. */
  readonly #queues = new Map<string, Item[]>();
  /** Subjects of which a request is in flight. */
  readonly #busy = new Set<string>();
  /** Events that were read, in order, until they are stored. */
  #read: { readonly item: Item; readonly place: FeedPosition }[] = [];
  readonly #changed = new Set<Item>();
  /** Events in the queues. */
  #queued = 0;
  /** The last of those that waited when it began. */
  #loaded: DeliveryDocument | undefined;
  /** Up to here everything was read; undefined until something was. */
  #reached: FeedPosition | 'start' | undefined;
  #place: string;
  #failures: number;
  #brokenUntil: number;
  #wakeReader = () => {};
  #isDirty = false;
  #flushing: Promise<void> | undefined;
  readonly #running: Promise<void>;

  /** @param begun what is known of it, which this process has the lease of */
  constructor(
    private readonly parts: DeliveryParts,
    readonly webhook: Webhook,
    { place, failures, brokenUntil = 0 }: Progress,
  ) {
    this.#place = place;
    this.#failures = failures;
    this.#brokenUntil = brokenUntil;
    this.#running = this.#run();
  }

  /** Finishes the requests in flight, if they do not take long, and stores what came of them. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeReader();
    await this.#running;
  }

  async #run(): Promise<void> {
    const looking = setInterval(() => this.#look(), LOOK_MS);
    const flushing = setInterval(() => void this.#flush(), FLUSH_MS);
    const { signal } = this.#stopping;
    const trying = async (what: string, work: () => Promise<void>): Promise<void> => {
      while (!signal.aborted) {
        try {
          return await work();
        } catch (error) {
          if (!signal.aborted) this.parts.log.warn({ err: error, webhook: this.webhook.webhook }, `${what}; tried again`);
          await sleep(1_000, undefined, { signal }).catch(() => {});
        }
      }
    };
    try {
      await trying('deliveries of a webhook cannot be read', () => this.#load(signal));
      await trying('a webhook cannot be pinged', () => this.#ping());
      await trying('events for a webhook cannot be read', () => this.#readOn(signal));
      const late = setTimeout(() => this.#abandon.abort(), FINISH_WITHIN_MS);
      while (this.#busy.size > 0) await sleep(10);
      clearTimeout(late);
    } finally {
      clearInterval(looking);
      clearInterval(flushing);
      // One may be on its way, without what came last.
      await this.#flush();
      await this.#flush();
    }
  }

  /** Takes up what waits, in order, before anything else is read. */
  async #load(signal: AbortSignal): Promise<void> {
    const { webhook } = this.webhook;
    for (;;) {
      const { order = '', _id = '' } = this.#loaded ?? {};
      const next = { $or: [{ order: { $gt: order } }, { order, _id: { $gt: _id } }] };
      const found = await deliveries(this.parts.db)
        .find({ webhook, state: 'waiting', ...next })
        .sort({ order: 1, _id: 1 })
        .limit(LOADED_AT_ONCE)
        .toArray();
      for (const document of found) {
        await this.#room(signal);
        if (signal.aborted) return;
        const { event, type, subject, position, body, generation, attempts, tries, failingSince, dueAt = 0, state } = document;
        const sent = { event, type, subject, position, body, generation };
        this.#enqueue({ ...sent, attempts, tries, failingSince, dueAt, state, isStored: true });
        this.#loaded = document;
      }
      if (found.length < LOADED_AT_ONCE) return;
    }
  }

  async #readOn(signal: AbortSignal): Promise<void> {
    const { store, feed } = this.parts;
    const { filter, clients } = this.webhook;
    const since = parseInstant(this.#place);
    // After a failure it goes on where it was.
    const after = this.#reached ?? (since === undefined ? (parsePlace(this.#place) ?? 'start') : await store.lastBefore(since));
    const end = await store.end();
    if (comparePlaces(after, end) > 0) throw new OtherLog(`webhook ${this.webhook.webhook}`);
    const sees = ({ client }: { readonly client: string }) => clients === 'all' || clients.includes(client);
    const asked = { filter: { ...(filter as EventFilter), ...(since && { since }) }, sees, after, idleMs: IDLE_MS, signal };
    for await (const { events, position } of feed.follow(asked)) {
      // What was recorded since it began nobody can have sent before.
      const earlier = events.filter((logged) => comparePlaces(logged.position, end) <= 0);
      const known = earlier.length === 0 ? new Set() : await this.#known(earlier);
      for (const logged of events) {
        await this.#room(signal);
        if (signal.aborted) return;
        if (!known.has(logged.event.id)) this.#take(logged);
        this.#reached = logged.position;
      }
      this.#reached = position;
      this.#isDirty = true;
      this.#look();
    }
  }

  /** Waits until there is room for one more event. */
  async #room(signal: AbortSignal): Promise<void> {
    while (this.#isFull() && !signal.aborted) await new Promise<void>((resolve) => (this.#wakeReader = resolve));
  }

  /** Those that are among the deliveries already, because a process died after it had sent them and before the place moved on. */
  async #known(events: readonly LoggedEvent[]): Promise<ReadonlySet<string>> {
    const ids = events.map(({ event }) => this.#idOf(event.id, this.webhook.generation));
    const found = await deliveries(this.parts.db)
      .find({ _id: { $in: ids } }, { projection: { event: 1 } })
      .toArray();
    return new Set(found.map(({ event }) => event));
  }

  #isFull(): boolean {
    return this.#read.length >= MOST_UNTRIED || this.#queued >= MOST_WAITING || Date.now() < this.#brokenUntil;
  }

  /** An event that was not sent yet. */
  #fresh(sent: Omit<Sent, 'generation'>): Item {
    const { generation } = this.webhook;
    return { ...sent, generation, attempts: [], tries: 0, dueAt: 0, state: 'waiting', isStored: false };
  }

  #take({ event, json, position }: LoggedEvent): void {
    const item = this.#fresh({ event: event.id, type: event.type, subject: event.subject, position: event.position, body: json });
    this.#read.push({ item, place: position });
    this.#enqueue(item);
    // Behind one that waits, it may wait for days.
    if ((this.#queues.get(item.subject)?.[0]?.tries ?? 0) > 0) this.#change(item);
    this.#look();
  }

  /** Takes up the last test event that was asked for, if that was not done before. */
  async #ping(): Promise<void> {
    const { webhook, pings } = this.webhook;
    if (pings === 0) return;
    const { db, owner } = this.parts;
    const { matchedCount } = await progress(db).updateOne({ _id: webhook, owner, pinged: { $lt: pings } }, { $set: { pinged: pings } });
    if (matchedCount === 0) return;
    const id = `${webhook}-ping-${pings}`;
    const type = PING;
    const subject = `webhook/${webhook}`;
    const time = new Date().toISOString();
    const body = JSON.stringify({
      specversion: '1.0',
      id,
      source: '/tierline',
      type,
      subject,
      time,
      datacontenttype: 'application/json',
      data: { ping: pings },
    });
    const item = this.#fresh({ event: id, type, subject, position: '0/0', body });
    this.#enqueue(item);
    this.#change(item);
    this.#look();
  }

  #enqueue(item: Item): void {
    const queue = this.#queues.get(item.subject);
    if (queue === undefined) this.#queues.set(item.subject, [item]);
    else queue.push(item);
    this.#queued++;
  }

  /** Sends what is due, as far as that may be now. */
  #look(): void {
    if (this.#stopping.signal.aborted) return;
    const now = Date.now();
    if (now < this.#brokenUntil) return;
    // After failures, one request shows whether the receiver is back.
    const atOnce = this.#brokenUntil > 0 ? 1 : AT_ONCE;
    if (this.#busy.size < atOnce) {
      for (const [subject, [item]] of this.#queues) {
        if (item === undefined || this.#busy.has(subject) || item.dueAt > now) continue;
        this.#busy.add(subject);
        void this.#send(item);
        if (this.#busy.size >= atOnce) break;
      }
    }
    if (!this.#isFull()) this.#wakeReader();
  }

  async #send(item: Item): Promise<void> {
    const at = new Date();
    const { networks, timeoutMs } = this.parts;
    try {
      const headers = await this.#headers(item, at);
      const url = new URL(this.webhook.url);
      const { retryAfterMs, ...result } = await post(url, { networks, headers, body: item.body, timeoutMs, signal: this.#abandon.signal });
      // Whether it was taken is not known: it is sent again.
      if (this.#abandon.signal.aborted && result.status === undefined) return;
      this.#note(item, { at: at.toISOString(), ...result }, retryAfterMs);
    } catch (error) {
      this.#note(item, { at: at.toISOString(), ms: 0, error: (error as Error).message }, undefined);
    } finally {
      this.#busy.delete(item.subject);
      this.#look();
    }
  }

  async #headers({ event, body }: Item, at: Date): Promise<Record<string, string>> {
    const { webhook, secretVersion, overlapUntil } = this.webhook;
    const overlaps = overlapUntil !== undefined && at.toISOString() < overlapUntil;
    const versions = overlaps ? [secretVersion, secretVersion - 1] : [secretVersion];
    const secrets = await Promise.all(versions.map((version) => this.parts.secrets.of(webhook, version)));
    return {
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'User-Agent': 'Tierline',
      'webhook-id': event,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': secrets.map((secret) => new Signer(secret).sign(event, at, body)).join(' '),
    };
  }

  /** Draws the conclusions of one request. */
  #note(item: Item, attempt: Attempt, retryAfterMs: number | undefined): void {
    const { patience } = this.parts;
    const now = Date.now();
    item.attempts = [...item.attempts, attempt].slice(-KEPT_ATTEMPTS);
    item.tries++;
    const isTaken = attempt.status !== undefined && attempt.status >= 200 && attempt.status < 300;
    if (isTaken) {
      item.state = 'delivered';
      // The receiver is back: what waits for it need not wait longer.
      if (this.#brokenUntil > 0)
        for (const queue of this.#queues.values()) for (const other of queue.slice(0, 1)) other.dueAt = Math.min(other.dueAt, now);
      this.#failures = 0;
      this.#brokenUntil = 0;
    } else {
      this.#failures++;
      item.failingSince ??= now;
      const pause = breakAfter(
        patience,
        this.#failures,
        Math.random(),
        attempt.status === 429 || attempt.status === 503 ? retryAfterMs : 0,
      );
      if (pause > 0) this.#brokenUntil = now + pause;
      if (item.type === PING || now - item.failingSince >= patience.giveUpMs) item.state = 'dead';
      else item.dueAt = now + pauseAfter(patience, item.tries, Math.random(), retryAfterMs);
    }
    // Itself first: what is stored behind it must not be found without it after a crash, or it would be sent before it.
    this.#change(item);
    if (item.state !== 'waiting') {
      const queue = this.#queues.get(item.subject) ?? [];
      queue.shift();
      if (queue.length === 0) this.#queues.delete(item.subject);
      this.#queued--;
    } else {
      for (const behind of this.#queues.get(item.subject) ?? []) if (!behind.isStored) this.#change(behind);
    }
  }

  #change(item: Item): void {
    this.#changed.add(item);
  }

  /** Stores what has changed, and then how far everything is stored. One at a time. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#store()
      .catch((error: unknown) =>
        this.parts.log.warn({ err: error, webhook: this.webhook.webhook }, 'deliveries cannot be stored; tried again'),
      )
      .finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #store(): Promise<void> {
    const { db, owner } = this.parts;
    const { webhook, generation } = this.webhook;
    const changed = [...this.#changed];
    if (changed.length > 0) {
      this.#changed.clear();
      try {
        await deliveries(db).bulkWrite(
          changed.map((item) => ({
            replaceOne: { filter: { _id: this.#idOf(item.event, item.generation) }, replacement: this.#documentOf(item), upsert: true },
          })),
          // A crash in the middle leaves the first ones.
          { ordered: true },
        );
      } catch (error) {
        for (const item of changed) this.#changed.add(item);
        throw error;
      }
      for (const item of changed) item.isStored = true;
      this.#isDirty = true;
    }
    let stored = 0;
    while (this.#read[stored]?.item.isStored) stored++;
    const last = this.#read.splice(0, stored).at(-1);
    if (!this.#isDirty && last === undefined) return;
    const reached = this.#read.length === 0 ? this.#reached : (last?.place ?? undefined);
    this.#isDirty = false;
    // An instant stays the place until something was read from there on.
    if (reached !== undefined && reached !== 'start') this.#place = formatPlace(reached);
    const health = { failures: this.#failures, brokenUntil: this.#brokenUntil };
    await progress(db).updateOne({ _id: webhook, owner, generation }, { $set: { place: this.#place, ...health } });
    this.#look();
  }

  #documentOf({
    event,
    type,
    subject,
    position,
    body,
    generation,
    attempts,
    tries,
    failingSince,
    dueAt,
    state,
  }: Item): Omit<DeliveryDocument, '_id'> {
    const { webhook } = this.webhook;
    const known = { webhook, generation, event, type, subject, position, order: orderOf(position), state, body, attempts, tries };
    if (state === 'delivered') return { ...known, expiresAt: new Date(Date.now() + KEPT_MS) };
    return { ...known, dueAt, ...(failingSince === undefined ? {} : { failingSince }) };
  }

  #idOf(event: string, generation: number): string {
    return `${this.webhook.webhook}/${generation}/${event}`;
  }
}

/** A position as text that sorts as positions do: what is derived from an event comes before it. */
function orderOf(position: string): string {
  const [commit = '', , part] = position.split('/');
  return `${commit.padStart(19, '0')}/${part === undefined ? '~' : part.padStart(3, '0')}`;
}
