import { setMaxListeners } from 'node:events';
import {
  BACKWARDS,
  END,
  FORWARDS,
  PersistentSubscriptionExistsError,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  UnknownError,
  eventTypeFilter,
  jsonEvent,
  persistentSubscriptionToAllSettingsFromDefaults,
  streamNameFilter,
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type Direction,
  type Filter,
  type Position as ClientPosition,
  type ReadRevision,
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
import { firstLandmark, type Landmark } from './landmarks.js';
import { TimedOut, backoff, pause, within } from './pauses.js';
import { checkpointPosition, foreignEvent, ownEvent } from './stored-event.js';

export interface EventStoreDBOptions {
  /**
   * How long an append or the start of a read is retried, in milliseconds (default 6,000), before StoreUnavailable. After one was given up,
   * calls during the same period get a single attempt: several calls to an unavailable store wait only for one of them.
   */
  readonly patienceMs?: number;
  /** How long one attempt may take, in milliseconds (default 4,000). */
  readonly attemptMs?: number;
  /** Encrypts personal data. Without it, personal data is stored unencrypted, and encrypted data reads as a mark. */
  readonly personal?: PersonalCodec;
  /**
   * A stream that gets an event every now and then for as long as the log is written to. It shows where in the log a time is. Without it,
   * `lastBefore` reads back from the end.
   */
  readonly landmarks?: string;
  /** Called for each failure that is being retried: for logs. */
  readonly onRetry?: (what: string, error: unknown) => void;
}

/** Events buffered for a busy reader: the server drops a live reader that falls further behind, and the reader resumes. */
const FEED_BUFFER = 512;

/** An append without an answer for this many milliseconds is slow. */
const SLOW_MS = 500;

/** Longest pause before looking for a leader again, in milliseconds. */
const WITHOUT_LEADER_MS = 250;

/** How far the server's clock may differ from those of the processes that append to it, in milliseconds. */
const CLOCKS_APART_MS = 60_000;

/** The server reports its progress after this many windows (of 32 events each). */
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
  readonly #landmarks: string | undefined;
  /** When something was last given up, in milliseconds since 1970. */
  #gaveUpAt = -Infinity;

  private constructor(
    connection: Connection,
    { patienceMs = 6_000, attemptMs = 4_000, onRetry = () => {}, personal, landmarks }: EventStoreDBOptions,
  ) {
    super();
    // Every waiting call listens to it: many listeners are not a leak.
    setMaxListeners(0, this.#closed.signal);
    this.#connection = connection;
    this.#patienceMs = patienceMs;
    this.#attemptMs = attemptMs;
    this.#onRetry = onRetry;
    this.#personal = personal;
    this.#landmarks = landmarks;
  }

  /**
   * @param url a connection string, such as `esdb://localhost:2113?tls=false`. Nothing is sent before the first call.
   * @throws Error if the URL is invalid
   */
  static connect(url: string, options: EventStoreDBOptions = {}): EventStoreDB {
    return new EventStoreDB(Connection.take(url), options);
  }

  /** Ends its subscriptions and, if nothing else in this process uses the same URL, every call of the connection. */
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
      // Bytes, since the client converts metadata objects to base64 and back, at a fifth of an append's cost.
      jsonEvent({ id, type, data: data as Record<string, unknown>, metadata: encoder.encode(JSON.stringify(metadata)) }),
    );
    const expectedRevision = expected === 'no-stream' ? ('no_stream' as const) : BigInt(expected);
    const began = Date.now();
    for (let failures = 1; ; failures++) {
      const since = Date.now();
      try {
        // Two limits: the server gives up at the first, the client at the second, since an answer may never come.
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
        // From the leader: a follower may lack the latest appends, and no revision guards a refusal.
        const reading = () => this.#connection.client.readStream(stream, { fromRevision: BigInt(next), requiresLeader: true });
        for await (const { event } of this.#whole(reading)) {
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
        // A subscription rather than a read, since the client can filter only subscriptions at the server. History ends where it catches
        // up.
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
        // The end is looked up once and kept: looking it up again after a lost connection would skip what came in between.
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
        // The error says only that it cannot. If the server can read elsewhere, the position is at fault.
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
   * Creates a persistent subscription to the log, from its start, for events of some types: the consumers of a group share its events, and
   * the server keeps their place. An event not acknowledged within 30 seconds is sent again, and parked after ten times.
   * @returns false if the group already exists; it stays as it is
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
    // The client reports checkpoints and catching up through callbacks, while events wait in the stream's buffer. Put into the same buffer,
    // they keep their place among the events.
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
          // Events of other programs are skipped, but count as read.
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

  /** Everything that a read returns. @throws Error if the connection ended it before */
  async *#whole<Item extends object>(read: () => StreamingRead<Item>): AsyncGenerator<Item> {
    const { renewals } = this.#connection;
    yield* complete(read());
    if (this.#connection.renewals !== renewals) throw new Error('the read was ended before it had everything');
  }

  /** Where the log ends now; one attempt. */
  async #end(): Promise<Position | 'start'> {
    for await (const { event } of this.#whole(() =>
      this.#connection.client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 }),
    )) {
      if (event !== undefined) return { commit: event.position.commit, prepare: event.position.prepare };
    }
    return 'start';
  }

  async #eventAt(position: Position): Promise<StoredEvent | undefined> {
    const event = await this.#storedAt(position);
    const own = event && ownEvent(event);
    return own && this.#opened(own);
  }

  /** The event at a position, by any program; one attempt. */
  async #storedAt({ commit, prepare }: Position) {
    const options = { direction: FORWARDS, fromPosition: { commit, prepare }, maxCount: 1 } as const;
    for await (const { event } of this.#whole(() => this.#connection.client.readAll(options)))
      if (event?.position.commit === commit) return event;
    return undefined;
  }

  /** @param ahead whether the following events will be read too */
  #opened(event: StoredEvent, ahead = false): StoredEvent | Promise<StoredEvent> {
    return this.#personal?.open(event, ahead) ?? event;
  }

  /** The last event stored before a time, in milliseconds since 1970; one attempt. Reads back from the next landmark. */
  async #lastStoredBefore(millis: number): Promise<Position | 'start'> {
    const fromPosition = (await this.#landmarkFrom(millis)) ?? END;
    for await (const { event } of this.#whole(() => this.#connection.client.readAll({ direction: BACKWARDS, fromPosition }))) {
      if (event !== undefined && event.created.getTime() < millis)
        return { commit: event.position.commit, prepare: event.position.prepare };
    }
    return 'start';
  }

  /** Where the first landmark is that was stored at a time or later; undefined if there is none. */
  async #landmarkFrom(millis: number): Promise<Position | undefined> {
    const last = await this.#landmarkAt(BACKWARDS, END);
    if (last === undefined || last.created < millis) return undefined;
    return ((await firstLandmark((revision) => this.#landmarkAt(FORWARDS, revision), last.revision, millis)) ?? last).place;
  }

  /** The first landmark in a direction. */
  async #landmarkAt(direction: Direction, fromRevision: ReadRevision): Promise<Landmark<Position> | undefined> {
    const landmarks = this.#landmarks;
    if (landmarks === undefined) return undefined;
    const options = { direction, fromRevision, maxCount: 1 };
    try {
      for await (const { event } of this.#whole(() => this.#connection.client.readStream(landmarks, options))) {
        if (event?.position !== undefined) return { revision: event.revision, created: event.created.getTime(), place: event.position };
      }
    } catch (error) {
      if (!(error instanceof StreamNotFoundError || error instanceof StreamDeletedError)) throw error;
    }
    return undefined;
  }

  /** Retries until there is an answer, or the time is up. */
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
   * An append's outcome. If it takes long, the node is asked whether it still leads: an append waiting at a node that does not is given up
   * at once; one waiting at a slow leader continues.
   */
  #unlessLeaderLost<Outcome>(attempt: Promise<Outcome>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const asking = setInterval(() => void this.#connection.unlessLeaderLost().catch(reject), SLOW_MS);
      attempt.then(resolve, reject).finally(() => clearInterval(asking));
    });
  }

  /** Waits before the next attempt. @throws StoreUnavailable when the time is up */
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

/** Every reader of the log gets erasures, whatever its filter. */
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
    : // A prefix would also match longer type names.
      eventTypeFilter({ regex: typesPattern(filter.eventTypes), ...checkpoints });
}

function typesPattern(types: readonly string[]): string {
  return `^(${types.map(escapeRegex).join('|')})$`;
}

function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The items of a read or subscription. However the loop over them ends, its call also ends at the server. */
async function* complete<Item extends object = ResolvedEvent>(reading: StreamingRead<Item>): AsyncGenerator<Item> {
  let ended = false;
  // The client may emit an error after iteration has ended; without a listener that would end the process.
  reading.on('error', () => {
    ended = true;
  });
  reading.on('end', () => {
    ended = true;
  });
  try {
    // Not destroyed by the loop: the client's inner stream would keep its remaining items, and never end.
    yield* reading.iterator({ destroyOnReturn: false }) as AsyncIterable<Item>;
  } finally {
    if (!ended) {
      await cancel(reading);
      reading.resume();
    }
  }
}

/** Ends the call. Items that have arrived can still be read. */
async function cancel(reading: StreamingRead<object>): Promise<void> {
  await ('unsubscribe' in reading ? (reading as unknown as AllStreamSubscription).unsubscribe() : reading.cancel()).catch(() => {});
}
