import {
  EventStore,
  shareFoldedStreams,
  type Appended,
  type ExpectedRevision,
  type FeedFilter,
  type FeedItem,
  type Instant,
  type NewEvent,
  type Position,
  type StoredEvent,
} from '#eventsourcing';

export interface ShareFeedsOptions {
  /** Items kept for new readers, and half as many as the fastest reader may be ahead of the slowest (default 1,024). */
  readonly window?: number;
  /** How long the slowest reader may hold up the others, in milliseconds, before it continues alone (default 2,000). */
  readonly stallMs?: number;
}

/**
 * The same store, but readers of the same events at about the same place share one subscription: a worker's views then cost one stream from
 * the server and one decoding, rather than one each. A reader further back reads alone until it has caught up with the others; a stalled
 * one is left behind, and reads alone again.
 */
export function shareFeeds(store: EventStore, options?: ShareFeedsOptions): EventStore {
  const { window = 1_024, stallMs = 2_000 } = options ?? {};
  const known = options === undefined ? shared.get(store) : undefined;
  const feeds = known ?? new SharedFeeds(store, { window, stallMs });
  if (options === undefined) shared.set(store, feeds);
  return feeds;
}

/** The shared store without options: the same for everyone in the process. */
const shared = new WeakMap<EventStore, EventStore>();

class SharedFeeds extends EventStore {
  readonly #feeds = new Map<string, SharedFeed>();

  constructor(
    private readonly store: EventStore,
    private readonly limits: Required<ShareFeedsOptions>,
  ) {
    super();
    shareFoldedStreams(this, store);
  }

  readStream(stream: string, fromRevision?: number): AsyncIterable<StoredEvent> {
    return this.store.readStream(stream, fromRevision);
  }

  seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]> {
    return this.store.seal(stream, events);
  }

  append(stream: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<Appended> {
    return this.store.append(stream, expected, events);
  }

  readAll(filter: FeedFilter, after?: Position): AsyncIterable<StoredEvent> {
    return this.store.readAll(filter, after);
  }

  end(): Promise<Position | 'start'> {
    return this.store.end();
  }

  has(position: Position): Promise<boolean> {
    return this.store.has(position);
  }

  eventAt(position: Position): Promise<StoredEvent | undefined> {
    return this.store.eventAt(position);
  }

  lastBefore(instant: Instant): Promise<Position | 'start'> {
    return this.store.lastBefore(instant);
  }

  async *subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncGenerator<FeedItem> {
    // The end is not a place that could be compared with other readers'.
    if (after === 'end') return yield* this.store.subscribe(filter, after, signal);
    const key = JSON.stringify(filter);
    let position: Position | 'start' = after;
    let toldCaughtUp = false;
    while (!signal.aborted) {
      let feed = this.#feeds.get(key);
      if (feed === undefined || feed.ended) this.#feeds.set(key, (feed = new SharedFeed(this.store, filter, position, this.limits)));
      if (!feed.covers(position)) {
        // Too far back: reads alone until the shared feed has everything that follows.
        const alone = new AbortController();
        for await (const item of this.store.subscribe(filter, position, AbortSignal.any([signal, alone.signal]))) {
          if (item.kind === 'caught-up') {
            if (toldCaughtUp) continue;
            toldCaughtUp = true;
          } else {
            position = item.kind === 'event' ? item.event.position : item.position;
          }
          yield item;
          if (feed.ended || feed.covers(position)) break;
        }
        alone.abort();
        continue;
      }
      for await (const item of feed.read(position, toldCaughtUp, signal)) {
        if (item.kind === 'caught-up') toldCaughtUp = true;
        else position = item.kind === 'event' ? item.event.position : item.position;
        yield item;
      }
      if (feed.ended && feed.closed) return;
    }
  }
}

interface Reader {
  /** Number of the next item, from the start of the feed. */
  next: number;
  wake: () => void;
}

/** One subscription and a window of its latest items. Begins with its first reader, ends with its last. */
class SharedFeed {
  readonly #stop = new AbortController();
  readonly #readers = new Set<Reader>();
  #items: Exclude<FeedItem, { kind: 'caught-up' }>[] = [];
  /** Number of the first item of the window. */
  #first = 0;
  /** All matching events after this place, up to the last item, are in the window. Commit position; -1 is the start of the log. */
  #coveredFrom: bigint;
  /** Items from this number on are live. */
  #historyEnds: number | undefined;
  #wakePump = () => {};
  /** Accepts no more readers. */
  ended = false;
  /** Ended by the store, not for lack of readers. */
  closed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(
    store: EventStore,
    filter: FeedFilter,
    after: Position | 'start',
    private readonly limits: Required<ShareFeedsOptions>,
  ) {
    this.#coveredFrom = commitOf(after);
    void this.#pump(store, filter, after);
  }

  covers(position: Position | 'start'): boolean {
    return commitOf(position) >= this.#coveredFrom;
  }

  /** Items after a position. Ends when the signal aborts, the subscription has ended, or this reader is left behind. */
  async *read(after: Position | 'start', toldCaughtUp: boolean, signal: AbortSignal): AsyncGenerator<FeedItem> {
    const seen = commitOf(after);
    const offset = this.#items.findIndex((item) => commitOf(placeOf(item)) > seen);
    const reader: Reader = { next: offset < 0 ? this.#end : this.#first + offset, wake: () => {} };
    this.#readers.add(reader);
    const wake = () => reader.wake();
    signal.addEventListener('abort', wake);
    let told = toldCaughtUp;
    try {
      while (!signal.aborted && reader.next >= this.#first) {
        if (!told && this.#historyEnds !== undefined && reader.next >= this.#historyEnds) {
          told = true;
          yield { kind: 'caught-up' };
        } else if (reader.next < this.#end) {
          const item = this.#items[reader.next - this.#first];
          reader.next++;
          if (this.#end - reader.next === Math.ceil(this.limits.window / 2)) this.#wakePump();
          // Items that came before it joined at a later place.
          if (item !== undefined && commitOf(placeOf(item)) > seen) yield item;
        } else if (this.ended) {
          if (this.#failure !== undefined) throw this.#failure.error;
          return;
        } else {
          this.#wakePump();
          await new Promise<void>((resolve) => (reader.wake = resolve));
        }
      }
    } finally {
      signal.removeEventListener('abort', wake);
      this.#readers.delete(reader);
      this.#wakePump();
      this.#endWithoutReaders();
    }
  }

  #endWithoutReaders(): void {
    if (this.#readers.size > 0) return;
    this.ended = true;
    this.#stop.abort();
  }

  get #end(): number {
    return this.#first + this.#items.length;
  }

  async #pump(store: EventStore, filter: FeedFilter, after: Position | 'start'): Promise<void> {
    try {
      for await (const item of store.subscribe(filter, after, this.#stop.signal)) {
        if (item.kind === 'caught-up') this.#historyEnds ??= this.#end;
        else this.#items.push(item);
        for (const reader of this.#readers) reader.wake();
        if (this.#items.length >= 2 * this.limits.window) await this.#makeRoom();
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.closed = !this.#stop.signal.aborted;
      this.ended = true;
      for (const reader of this.#readers) reader.wake();
    }
  }

  /** Waits, for a limited time, until the slowest reader is within the window, and drops older items. */
  async #makeRoom(): Promise<void> {
    const until = Date.now() + this.limits.stallMs;
    const target = this.#end - this.limits.window;
    while (!this.#stop.signal.aborted && [...this.#readers].some(({ next }) => next < target)) {
      const left = until - Date.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wakePump = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const forgotten = this.#items.splice(0, target - this.#first);
    const last = forgotten.at(-1);
    if (last !== undefined) this.#coveredFrom = commitOf(placeOf(last));
    this.#first += forgotten.length;
    for (const reader of this.#readers) {
      if (reader.next >= this.#first) continue;
      // Left behind: it no longer counts, and notices at its next item.
      this.#readers.delete(reader);
      reader.wake();
    }
    this.#endWithoutReaders();
  }
}

function placeOf(item: Exclude<FeedItem, { kind: 'caught-up' }>): Position {
  return item.kind === 'event' ? item.event.position : item.position;
}

function commitOf(position: Position | 'start'): bigint {
  return position === 'start' ? -1n : position.commit;
}
