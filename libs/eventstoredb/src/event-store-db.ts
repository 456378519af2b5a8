import { setMaxListeners } from 'node:events';
import {
  BACKWARDS,
  END,
  FORWARDS,
  PersistentSubscriptionExistsError,
  START,
  StreamNotFoundError,
  UnknownError,
  eventTypeFilter,
  jsonEvent,
  persistentSubscriptionToAllSettingsFromDefaults,
  streamNameFilter,
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type Filter,
  type Position as ClientPosition,
  type ResolvedEvent,
  type StreamingRead,
} from '@eventstore/db-client';
import {
  epochMillis,
  EventStore,
  PERSONAL_DATA_ERASED,
  StoreUnavailable,
  type Appended,
  type ExpectedRevision,
  type FeedFilter,
  type FeedItem,
  type Instant,
  type NewEvent,
  type PersonalCodec,
  type Position,
  type StoredEvent,
} from '#eventsourcing';
import { Connection } from './connection.js';
import { appendVerdict, isWithoutLeader, readVerdict } from './failures.js';
import { TimedOut, backoff, pause, within } from './pauses.js';
import { checkpointPosition, foreignEvent, ownEvent } from './stored-event.js';

export interface EventStoreDBOptions {
  /**
   * How long an append or the start of a read is tried, in milliseconds (default 6,000), before StoreUnavailable. Once one was given up, those that
   * begin as long afterwards are tried once: whoever asks several things of a store that is away waits for one of them.
   */
  readonly patienceMs?: number;
  /** How long one attempt may take, in milliseconds (default 4,000). */
  readonly attemptMs?: number;
  /** Encrypts personal data. Without one, it is stored as it is, and what is encrypted reads as a mark. */
  readonly personal?: PersonalCodec;
  /** Told of each failure that is being retried: for logs. */
  readonly onRetry?: (what: string, error: unknown) => void;
}

/** Events that a feed holds ready while its reader is busy: a live reader that falls behind by more is dropped by the server, and resumes. */
const FEED_BUFFER = 512;

/** After how many milliseconds without an answer an append is slow. */
const SLOW_MS = 500;

/** Longest pause before a leader is looked for again, in milliseconds. */
const WITHOUT_LEADER_MS = 250;

/** How far the server's clock may be off those of the processes that append to it, in milliseconds. */
const CLOCKS_APART_MS = 60_000;

/** Every so many windows (of 32 events looked at) the server says how far it is. */
const CHECKPOINT_WINDOWS = 16;

const encoder = new TextEncoder();

/** The event store on EventStoreDB or KurrentDB, over gRPC. */
export class EventStoreDB extends EventStore {
  readonly #connection: Connection;
  readonly #closed = new AbortController();
  readonly #patienceMs: number;
  readonly #attemptMs: number;
  readonly #onRetry: (what: string, error: unknown) => void;
  readonly #personal: PersonalCodec | undefined;
  /** When something was given up last, in milliseconds since 1970. */
  #gaveUpAt = -Infinity;

  private constructor(
    connection: Connection,
    { patienceMs = 6_000, attemptMs = 4_000, onRetry = () => {}, personal }: EventStoreDBOptions,
  ) {
    super();
    // Every call that waits listens to it: many at once are no leak.
    setMaxListeners(0, this.#closed.signal);
    this.#connection = connection;
    this.#patienceMs = patienceMs;
    this.#attemptMs = attemptMs;
    this.#onRetry = onRetry;
    this.#personal = personal;
  }

  /**
   * @param url a connection string, such as `esdb://localhost:2113?tls=false`. Nothing is sent before the first call.
   * @throws Error when the URL cannot be read
   */
  static connect(url: string, options: EventStoreDBOptions = {}): EventStoreDB {
    return new EventStoreDB(Connection.take(url), options);
  }

  /** Ends its subscriptions and, when nobody else in this process uses the same URL, every call of the connection. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    await this.#connection.release();
  }

  seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]> {
    return this.#personal?.seal(stream, events) ?? events;
  }

  async append(stream: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<Appended> {
    if (events.length === 0) throw new RangeError(`nothing to append to ${stream}`);
    const proposed = events.map(({ id, type, data, metadata }) =>
      // Bytes, for the client turns metadata given as an object into base64 and back, at a fifth of an append's cost.
      jsonEvent({ id, type, data: data as Record<string, unknown>, metadata: encoder.encode(JSON.stringify(metadata)) }),
    );
    const expectedRevision = expected === 'no-stream' ? ('no_stream' as const) : BigInt(expected);
    const began = Date.now();
    for (let failures = 1; ; failures++) {
      const since = Date.now();
      try {
        // Two limits: the server gives up at the first, we at the second, for an answer may never come.
        const options = { expectedRevision, requiresLeader: true, deadline: this.#attemptMs * 0.8 };
        const attempt = this.#connection.ready().then((client) => client.appendToStream(stream, proposed, options));
        const { nextExpectedRevision, position } = await within(this.#attemptMs, `append to ${stream}`, this.#unlessLeaderLost(attempt));
        this.#connection.answered();
        const revision = Number(nextExpectedRevision);
        return position === undefined ? { revision } : { revision, position: { commit: position.commit, prepare: position.prepare } };
      } catch (error) {
        const verdict = appendVerdict(error, stream, expected);
        if (verdict !== undefined) {
          this.#connection.answered();
          throw verdict;
        }
        if (error instanceof TimedOut) await this.#connection.renewIfSilentSince(since);
        await this.#retry(`append to ${stream}`, error, failures, began);
      }
    }
  }

  async *readStream(stream: string, fromRevision = 0): AsyncGenerator<StoredEvent> {
    let began = Date.now();
    let next = fromRevision;
    for (let failures = 1; ; failures++) {
      try {
        // From the leader: a follower may lack what was appended last, and a refusal is guarded by no revision.
        const reading = this.#connection.client.readStream(stream, { fromRevision: BigInt(next), requiresLeader: true });
        for await (const { event } of complete(reading)) {
          if (event === undefined) continue;
          const opened = await this.#opened(ownEvent(event) ?? foreignEvent(event));
          next = opened.revision + 1;
          failures = 1;
          began = Date.now();
          yield opened;
        }
        return;
      } catch (error) {
        if (error instanceof StreamNotFoundError) return;
        const verdict = readVerdict(error, stream);
        if (verdict !== undefined) throw verdict;
        await this.#retry(`read ${stream}`, error, failures, began);
      }
    }
  }

  async *readAll(filter: FeedFilter, after?: Position): AsyncGenerator<StoredEvent> {
    let began = Date.now();
    let position: Position | 'start' = after ?? 'start';
    for (let failures = 1; ; failures++) {
      try {
        // A subscription and not a read, for the client can filter only the former at the server. History ends where it catches up.
        for await (const item of this.#follow(filter, position, this.#closed.signal)) {
          if (item.kind === 'caught-up') return;
          position = item.kind === 'event' ? item.event.position : item.position;
          failures = 1;
          began = Date.now();
          if (item.kind === 'event') yield item.event;
        }
        throw new StoreUnavailable('the log could not be read to its end');
      } catch (error) {
        const verdict = readVerdict(error, '$all');
        if (verdict !== undefined) throw verdict;
        await this.#retry('read $all', error, failures, began);
      }
    }
  }

  async *subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncGenerator<FeedItem> {
    const ending = AbortSignal.any([signal, this.#closed.signal]);
    let position: Position | 'start' | undefined = after === 'end' ? undefined : after;
    let failures = 0;
    while (!ending.aborted) {
      try {
        // The end is looked up once and kept: asking for it again after a lost connection would skip what came in between.
        position ??= await this.#end();
        for await (const item of this.#follow(filter, position, ending)) {
          failures = 0;
          if (item.kind === 'event') position = item.event.position;
          else if (item.kind === 'checkpoint') position = item.position;
          yield item;
        }
        if (!ending.aborted) throw new StoreUnavailable('the server ended the subscription');
      } catch (error) {
        if (ending.aborted) return;
        failures++;
        this.#onRetry('subscribe to $all', error);
        await pause(backoff(failures), ending);
      }
    }
  }

  end(): Promise<Position | 'start'> {
    return this.#insist('read the end of $all', () => this.#end());
  }

  has(position: Position): Promise<boolean> {
    return this.#insist('read $all', async () => {
      try {
        await this.#storedAt(position);
        return true;
      } catch (error) {
        if (!(error instanceof UnknownError)) throw error;
        // It says no more than that it cannot. Where it can read elsewhere, it is the position.
        await this.#end();
        return false;
      }
    });
  }

  eventAt(position: Position): Promise<StoredEvent | undefined> {
    return this.#insist('read $all', () => this.#eventAt(position));
  }

  lastBefore(instant: Instant): Promise<Position | 'start'> {
    return this.#insist('read $all backwards', () => this.#lastStoredBefore(epochMillis(instant) - CLOCKS_APART_MS));
  }

  /**
   * Makes a persistent subscription to the log, from its start, for events of some types: consumers of one group share its events, and the server keeps
   * their place. An event that is not acknowledged within 30 seconds is sent again, and parked after ten times.
   * @returns false where the group is there already; it stays as it is
   * @throws StoreUnavailable
   */
  async createGroup(name: string, eventTypes: readonly string[]): Promise<boolean> {
    const settings = persistentSubscriptionToAllSettingsFromDefaults({ startFrom: START, messageTimeout: 30_000, maxRetryCount: 10 });
    const filter = eventTypeFilter({ regex: typesPattern(eventTypes) });
    return this.#insist(`create the group ${name}`, async () => {
      try {
        await this.#connection.client.createPersistentSubscriptionToAll(name, settings, { filter });
        return true;
      } catch (error) {
        if (error instanceof PersistentSubscriptionExistsError) return false;
        throw error;
      }
    });
  }

  /** One subscription, until it breaks (throws), ends, or the signal aborts (returns). */
  async *#follow(filter: FeedFilter, after: Position | 'start', signal: AbortSignal): AsyncGenerator<FeedItem> {
    if (signal.aborted) return;
    // The client tells of checkpoints and of having caught up by callbacks, while events wait in the stream's buffer. Put into the same
    // buffer they keep their place among the events.
    const note = (subscription: AllStreamSubscription, item: FeedItem) =>
      (subscription as unknown as { push(item: FeedItem): void }).push(item);
    const subscription = this.#connection.client.subscribeToAll(
      {
        fromPosition: after === 'start' ? START : { ...after },
        filter: clientFilter(filter, (position) => note(subscription, { kind: 'checkpoint', position: checkpointPosition(position) })),
      },
      { highWaterMark: FEED_BUFFER },
    );
    subscription.on('caughtUp', () => note(subscription, { kind: 'caught-up' }));
    const abort = () => void subscription.unsubscribe().catch(() => {});
    signal.addEventListener('abort', abort, { once: true });
    try {
      for await (const item of complete<AllStreamResolvedEvent | FeedItem>(
        subscription as unknown as StreamingRead<AllStreamResolvedEvent | FeedItem>,
      )) {
        if (signal.aborted) return;
        if ('kind' in item) {
          yield item;
        } else if (item.event !== undefined) {
          const event = ownEvent(item.event);
          // What others wrote is passed over, but it counts as looked at.
          yield event === undefined
            ? { kind: 'checkpoint', position: item.event.position }
            : { kind: 'event', event: isLeftEncrypted(event, filter) ? event : await this.#opened(event, true) };
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Where the log ends now; one attempt. */
  async #end(): Promise<Position | 'start'> {
    for await (const { event } of complete(this.#connection.client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 }))) {
      if (event !== undefined) return { commit: event.position.commit, prepare: event.position.prepare };
    }
    return 'start';
  }

  async #eventAt(position: Position): Promise<StoredEvent | undefined> {
    const event = await this.#storedAt(position);
    const own = event && ownEvent(event);
    return own && this.#opened(own);
  }

  /** What is at a position, of whomever; one attempt. */
  async #storedAt({ commit, prepare }: Position) {
    const options = { direction: FORWARDS, fromPosition: { commit, prepare }, maxCount: 1 } as const;
    for await (const { event } of complete(this.#connection.client.readAll(options))) if (event?.position.commit === commit) return event;
    return undefined;
  }

  /** @param ahead whether the events after it are going to be read as well */
  #opened(event: StoredEvent, ahead = false): StoredEvent | Promise<StoredEvent> {
    return this.#personal?.open(event, ahead) ?? event;
  }

  /** The last event that the server has stored before a time, in milliseconds since 1970; one attempt. */
  async #lastStoredBefore(millis: number): Promise<Position | 'start'> {
    for await (const { event } of complete(this.#connection.client.readAll({ direction: BACKWARDS, fromPosition: END }))) {
      if (event !== undefined && event.created.getTime() < millis)
        return { commit: event.position.commit, prepare: event.position.prepare };
    }
    return 'start';
  }

  /** Asks until there is an answer, or patience is at an end. */
  async #insist<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
    const began = Date.now();
    for (let failures = 1; ; failures++) {
      try {
        return await ask();
      } catch (error) {
        await this.#retry(what, error, failures, began);
      }
    }
  }

  /**
   * An append's outcome. When it takes long, the node is asked whether it still leads: an append that waits at one that does not is given up at
   * once, and one that waits at a slow leader goes on.
   */
  #unlessLeaderLost<Outcome>(attempt: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const asking = setInterval(() => void this.#connection.unlessLeaderLost().catch(reject), SLOW_MS);
      attempt.then(resolve, reject).finally(() => clearInterval(asking));
    });
  }

  /** Waits before the next attempt. @throws StoreUnavailable when patience is at an end */
  async #retry(what: string, error: unknown, failures: number, began: number): Promise<void> {
    const wait = isWithoutLeader(error) ? backoff(failures, WITHOUT_LEADER_MS) : backoff(failures);
    if (this.#closed.signal.aborted) throw new StoreUnavailable(`${what}: the connection was closed`, { cause: error });
    const isAway = began >= this.#gaveUpAt && began - this.#gaveUpAt < this.#patienceMs;
    if (isAway || Date.now() + wait - began > this.#patienceMs) {
      this.#gaveUpAt = Date.now();
      throw new StoreUnavailable(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    this.#onRetry(what, error);
    await pause(wait, this.#closed.signal);
  }
}

/** Whoever reads the log learns of each erasure, whatever else is read of it. */
function isLeftEncrypted({ type, metadata }: StoredEvent, { personalOf }: FeedFilter): boolean {
  return personalOf !== undefined && metadata.client !== personalOf && type !== PERSONAL_DATA_ERASED;
}

function clientFilter(filter: FeedFilter, onCheckpoint: (position: ClientPosition) => void): Filter {
  const checkpoints = {
    checkpointInterval: CHECKPOINT_WINDOWS,
    checkpointReached: (_: AllStreamSubscription, position: ClientPosition) => onCheckpoint(position),
  };
  return 'streamPrefixes' in filter
    ? streamNameFilter({ prefixes: [...filter.streamPrefixes], ...checkpoints })
    : // A prefix would also let longer names of types through.
      eventTypeFilter({ regex: typesPattern(filter.eventTypes), ...checkpoints });
}

function typesPattern(types: readonly string[]): string {
  return `^(${types.map(escapeRegex).join('|')})$`;
}

function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The items of a read or subscription. However the loop over them ends, its call ends at the server too. */
async function* complete<Item extends object = ResolvedEvent>(reading: StreamingRead<Item>): AsyncGenerator<Item> {
  let ended = false;
  // The client may emit an error when nobody iterates any more; without a listener that would end the process.
  reading.on('error', () => {
    ended = true;
  });
  reading.on('end', () => {
    ended = true;
  });
  try {
    // Not destroyed by the loop: the client's inner stream would keep what it still holds, and never end.
    yield* reading.iterator({ destroyOnReturn: false }) as AsyncIterable<Item>;
  } finally {
    if (!ended) {
      await cancel(reading);
      reading.resume();
    }
  }
}

/** Ends the call. What had arrived is still to be read. */
async function cancel(reading: StreamingRead<object>): Promise<void> {
  await ('unsubscribe' in reading ? (reading as unknown as AllStreamSubscription).unsubscribe() : reading.cancel()).catch(() => {});
}
