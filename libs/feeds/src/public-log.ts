import { type EventStore, PERSONAL_DATA_ERASED, type StoredEvent, StoreUnavailable, streamName } from '#eventsourcing';
import { Turns } from '#platform';
import {
  comparePlaces,
  derivedEvents,
  type EventFilter,
  eventPredicate,
  type FeedPosition,
  isDerived,
  type PublicEvent,
  publicEvent,
  publicStreamPrefixes,
  ticket,
} from '#ticketing';
import { TicketLives } from './ticket-lives.js';

/** A public event in the log. */
export class LoggedEvent {
  #json: string | undefined;

  constructor(
    readonly position: FeedPosition,
    readonly event: PublicEvent,
    private readonly write: (event: PublicEvent) => string,
  ) {}

  /** The event as CloudEvents 1.0 JSON; made once, for any number of readers. */
  get json(): string {
    return (this.#json ??= this.write(this.event));
  }
}

/** The next events for a reader. */
export interface FeedBatch {
  /** May be empty. */
  readonly events: readonly LoggedEvent[];
  /** Everything that the reader wants up to here has been delivered: it may resume from here. */
  readonly position: FeedPosition | 'start';
  /** Set once: history is over, and later events are live. */
  readonly caughtUp: boolean;
}

/** A reader's request. */
export interface Following {
  readonly filter: EventFilter;
  /** What the reader may see. */
  readonly sees: (event: PublicEvent) => boolean;
  readonly after: FeedPosition | 'start';
  /** After this many milliseconds without events an empty batch reports the position (default: never). */
  readonly idleMs?: number;
  readonly signal: AbortSignal;
}

export interface PublicLogLimits {
  /** How many recent events are kept, and how many characters of data (defaults: 4,096 and 16 Mi). */
  readonly events?: number;
  readonly characters?: number;
  /** How long the window is kept after its last reader, in milliseconds (default 60,000). */
  readonly lingerMs?: number;
}

/** Maximum size of a batch; a larger event comes alone. */
const BATCH_EVENTS = 500;
const BATCH_CHARACTERS = 1024 * 1024;
/** Events examined for a page, so that a reader who wants few of them still learns its position. */
const PAGE_LOOKS = 10_000;
/** Pages of history read concurrently, for all readers together. */
const PAGES_AT_ONCE = 8;

/** A reader that is up to date and waits for matching events. */
interface Waiting {
  /** Number of the next event to examine. */
  next: number;
  readonly wants: (event: PublicEvent) => boolean;
  readonly wake: () => void;
}

/**
 * The public events of the log for many readers: one subscription and one window of recent events for all readers that are up to date, and
 * pages of history for the others. A reader that falls behind the window goes back to pages; this costs the others nothing, and no memory.
 */
export class PublicLog {
  static readonly #all = new WeakMap<EventStore, PublicLog>();

  /** The instance for a store, shared by everything in this process that follows it. */
  static of(store: EventStore): PublicLog {
    let log = this.#all.get(store);
    if (log === undefined) this.#all.set(store, (log = new PublicLog(store)));
    return log;
  }

  readonly #limits: Required<PublicLogLimits>;
  readonly #lives: TicketLives;
  readonly #pages = new Turns(PAGES_AT_ONCE);
  #cloudEvents: Promise<typeof import('./cloud-event-json.js')> | undefined;
  #window: Promise<RecentEvents> | undefined;
  #followers = 0;
  #ending: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: EventStore,
    { events = 4_096, characters = 16 * 1024 * 1024, lingerMs = 60_000 }: PublicLogLimits = {},
  ) {
    this.#limits = { events, characters, lingerMs };
    this.#lives = new TicketLives(store);
  }

  /**
   * The matching events after a position, in order, each once, and then future ones. Ends when the signal aborts. Reads on demand, and
   * buffers nothing for the reader.
   * @throws StoreUnavailable: the reader may resume from the position of its last batch
   */
  async *follow({ filter, sees, after, idleMs, signal }: Following): AsyncGenerator<FeedBatch> {
    const matches = eventPredicate(filter);
    const wants = (event: PublicEvent) => matches(event) && sees(event);
    let position = after;
    let told = false;
    this.#followers++;
    clearTimeout(this.#ending);
    try {
      while (!signal.aborted) {
        const window = await this.#recent();
        if (!window.covers(position)) {
          const page = await this.#pages.take(() => this.#page(filter, wants, position, signal));
          position = page.position;
          if (page.events.length > 0) yield page;
          continue;
        }
        for await (const batch of window.follow(position, wants, told, idleMs, signal)) {
          position = batch.position;
          told ||= batch.caughtUp;
          yield batch;
        }
      }
    } finally {
      if (--this.#followers === 0) this.#ending = setTimeout(() => this.#end(), this.#limits.lingerMs).unref();
    }
  }

  /** The matching events after a position, up to another position that the log has reached. @throws StoreUnavailable */
  async *read({ filter, sees, after, until, signal }: Following & { readonly until: FeedPosition | 'start' }): AsyncGenerator<FeedBatch> {
    const matches = eventPredicate(filter);
    const wants = (event: PublicEvent) => matches(event) && sees(event);
    let position = after;
    while (!signal.aborted && comparePlaces(position, until) < 0) {
      const page = await this.#pages.take(() => this.#page(filter, wants, position, signal));
      position = page.position;
      const events = page.events.filter((logged) => comparePlaces(logged.position, until) <= 0);
      if (events.length > 0) yield { events, position: comparePlaces(position, until) < 0 ? position : until, caughtUp: false };
    }
  }

  /** The public events at a position in the log, as they read now; none if there are none. @throws StoreUnavailable */
  async at(position: FeedPosition): Promise<readonly LoggedEvent[]> {
    const stored = await this.store.eventAt(position);
    return stored === undefined ? [] : this.#logged(stored);
  }

  /** The window of recent events; begins with its first reader, and ends some time after its last one. */
  #recent(): Promise<RecentEvents> {
    if (this.#window !== undefined) return this.#window;
    const forget = () => {
      if (this.#window === opening) this.#window = undefined;
    };
    const opening = RecentEvents.open(this.store, (event) => this.#logged(event), this.#limits, forget).catch((error: unknown) => {
      forget();
      throw error;
    });
    this.#window = opening;
    return opening;
  }

  #end(): void {
    const window = this.#window;
    this.#window = undefined;
    void window?.then(
      (recent) => recent.end(),
      () => {},
    );
  }

  /** The public events of a stored event: the derived ones, and the event itself. */
  async #logged(stored: StoredEvent): Promise<readonly LoggedEvent[]> {
    const { place, met } = await this.#lives.after(stored);
    // Loaded with the first reader: most processes start without one.
    const { cloudEventJson } = await (this.#cloudEvents ??= import('./cloud-event-json.js'));
    const { position } = stored;
    const event = publicEvent(stored, place);
    return [
      ...derivedEvents(stored, place, met).map(
        (derived, index) => new LoggedEvent({ ...position, part: index + 1 }, derived, cloudEventJson),
      ),
      ...(event === undefined ? [] : [new LoggedEvent(position, event, cloudEventJson)]),
    ];
  }

  /** The next matching events of history, up to the present. */
  async #page(
    filter: EventFilter,
    wants: (event: PublicEvent) => boolean,
    after: FeedPosition | 'start',
    signal: AbortSignal,
  ): Promise<FeedBatch> {
    const end = await this.store.end();
    const events: LoggedEvent[] = [];
    let characters = 0;
    let looks = 0;
    for await (const stored of this.#history(filter, after)) {
      // Nothing of other clients is decrypted or folded.
      const isOthers = filter.client !== undefined && stored.metadata.client !== filter.client;
      for (const logged of isOthers ? [] : await this.#logged(stored)) {
        if (comparePlaces(logged.position, after) <= 0 || !wants(logged.event)) continue;
        events.push(logged);
        characters += logged.json.length;
      }
      if (++looks === PAGE_LOOKS || events.length >= BATCH_EVENTS || characters > BATCH_CHARACTERS || signal.aborted)
        return { events, position: stored.position, caughtUp: false };
    }
    return { events, position: later(events.at(-1)?.position ?? after, end), caughtUp: false };
  }

  /** The events after a place, including all that pass the filter. For an event with only some parts left, the event itself. */
  async *#history({ ticket: id, types, client, reportsTo }: EventFilter, after: FeedPosition | 'start'): AsyncIterable<StoredEvent> {
    if (id !== undefined) {
      for await (const event of this.store.readStream(streamName(ticket, id))) if (comparePlaces(event.position, after) > 0) yield event;
      return;
    }
    const begun = after === 'start' || after.part === undefined ? undefined : await this.store.eventAt(after);
    if (begun !== undefined) yield begun;
    const named = [...(types ?? []), ...(reportsTo === undefined ? [] : ['ReportRunCompleted'])];
    // The server knows nothing of derived events.
    const read = types === undefined || types.some(isDerived) ? { streamPrefixes: publicStreamPrefixes } : { eventTypes: named };
    const filter = client === undefined ? read : { ...read, personalOf: client };
    yield* this.store.readAll(filter, after === 'start' ? undefined : { commit: after.commit, prepare: after.prepare });
  }
}

/** The recent events of the log, and the readers that are up to date. */
class RecentEvents {
  /** @param onEnd called when the store has ended the subscription */
  static async open(
    store: EventStore,
    logged: (event: StoredEvent) => Promise<readonly LoggedEvent[]>,
    limits: Required<PublicLogLimits>,
    onEnd: () => void,
  ): Promise<RecentEvents> {
    const window = new RecentEvents(await store.end(), limits);
    void window.#pump(store, logged).finally(onEnd);
    return window;
  }

  readonly #waiting = new Set<Waiting>();
  readonly #ending = new AbortController();
  #events: LoggedEvent[] = [];
  #characters = 0;
  /** Number of the first event of the window. */
  #first = 0;
  /** All public events after this place, up to `#position`, are in the window. */
  #after: FeedPosition | 'start';
  #position: FeedPosition | 'start';
  #isTelling = false;
  #ended: { readonly error: unknown } | undefined;

  private constructor(
    end: FeedPosition | 'start',
    private readonly limits: Required<PublicLogLimits>,
  ) {
    this.#after = end;
    this.#position = end;
  }

  /** Stops reading. It has no readers. */
  end(): void {
    this.#ending.abort();
  }

  covers(position: FeedPosition | 'start'): boolean {
    return comparePlaces(position, this.#after) >= 0;
  }

  /** Ends when the signal aborts, or when the next event has left the window. @throws what ended the subscription */
  async *follow(
    after: FeedPosition | 'start',
    wants: (event: PublicEvent) => boolean,
    toldCaughtUp: boolean,
    idleMs: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<FeedBatch> {
    // The start may be after the end of the window.
    const isNew = (logged: LoggedEvent) => comparePlaces(logged.position, after) > 0 && wants(logged.event);
    let next = this.#first + this.#events.findIndex(({ position }) => comparePlaces(position, after) > 0);
    if (next < this.#first) next = this.#end;
    let told = toldCaughtUp;
    while (!signal.aborted && next >= this.#first) {
      const batch = this.#batch(next, isNew, after);
      next = batch.next;
      const caughtUp = !told && next === this.#end;
      if (batch.events.length > 0 || caughtUp) {
        told ||= caughtUp;
        yield { events: batch.events, position: batch.position, caughtUp };
      } else if (next === this.#end) {
        if (this.#ended !== undefined) throw this.#ended.error;
        const waited = await this.#news(next, wants, idleMs, signal);
        next = waited.next;
        if (waited.idle && !signal.aborted) yield { events: [], position: later(after, this.#position), caughtUp: false };
      }
    }
  }

  get #end(): number {
    return this.#first + this.#events.length;
  }

  #batch(from: number, isNew: (logged: LoggedEvent) => boolean, after: FeedPosition | 'start') {
    const events: LoggedEvent[] = [];
    let characters = 0;
    let next = from;
    while (next < this.#end && events.length < BATCH_EVENTS && characters < BATCH_CHARACTERS) {
      const logged = this.#events[next - this.#first];
      next++;
      if (logged === undefined || !isNew(logged)) continue;
      events.push(logged);
      characters += logged.json.length;
    }
    const position = next === this.#end ? this.#position : (this.#events[next - 1 - this.#first]?.position ?? after);
    return { events, next, position: later(after, position) };
  }

  /** Waits for a matching event. */
  #news(
    next: number,
    wants: (event: PublicEvent) => boolean,
    idleMs: number | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly next: number; readonly idle: boolean }> {
    return new Promise((resolve) => {
      const end = (idle: boolean) => {
        this.#waiting.delete(waiting);
        signal.removeEventListener('abort', wake);
        clearTimeout(timer);
        resolve({ next: waiting.next, idle });
      };
      const wake = () => end(false);
      const waiting: Waiting = { next, wants, wake };
      const timer = idleMs === undefined ? undefined : setTimeout(() => end(true), idleMs);
      signal.addEventListener('abort', wake);
      this.#waiting.add(waiting);
    });
  }

  async #pump(store: EventStore, logged: (event: StoredEvent) => Promise<readonly LoggedEvent[]>): Promise<void> {
    let error: unknown = new StoreUnavailable('the subscription to the log has ended');
    try {
      const filter = { streamPrefixes: publicStreamPrefixes };
      for await (const item of store.subscribe(filter, this.#position, this.#ending.signal)) {
        if (item.kind === 'caught-up') continue;
        if (item.kind === 'event' && item.event.type === PERSONAL_DATA_ERASED) this.#clear();
        if (item.kind === 'event') for (const event of await logged(item.event)) this.#add(event);
        this.#position = item.kind === 'event' ? item.event.position : item.position;
      }
    } catch (failure) {
      error = failure;
    }
    this.#ended = { error };
    for (const { wake } of [...this.#waiting]) wake();
  }

  /** Drops the window: its content has been erased since. Readers that have not read it find it in history. */
  #clear(): void {
    this.#first = this.#end;
    this.#events = [];
    this.#characters = 0;
    this.#after = this.#position;
  }

  #add(event: LoggedEvent): void {
    this.#events.push(event);
    this.#characters += event.json.length;
    this.#makeRoom();
    if (this.#isTelling) return;
    this.#isTelling = true;
    // Events of one packet are delivered together.
    setImmediate(() => this.#tell());
  }

  /** Drops a quarter of the window, or more, when it is full. */
  #makeRoom(): void {
    const { events, characters } = this.limits;
    if (this.#events.length <= events && this.#characters <= characters) return;
    let dropped = 0;
    while (this.#events.length - dropped > (events * 3) / 4 || this.#characters > (characters * 3) / 4) {
      const oldest = this.#events[dropped];
      // The newest stays, however large.
      if (oldest === undefined || dropped === this.#events.length - 1) break;
      this.#characters -= oldest.json.length;
      this.#after = oldest.position;
      dropped++;
    }
    this.#events.splice(0, dropped);
    this.#first += dropped;
  }

  #tell(): void {
    this.#isTelling = false;
    for (const waiting of this.#waiting) {
      // Readers find in history what left the window before they read it.
      if (waiting.next < this.#first) {
        waiting.wake();
        continue;
      }
      for (; waiting.next < this.#end; waiting.next++) {
        const logged = this.#events[waiting.next - this.#first];
        if (logged === undefined || !waiting.wants(logged.event)) continue;
        waiting.wake();
        break;
      }
    }
  }
}

/** The later of two places. */
function later(one: FeedPosition | 'start', other: FeedPosition | 'start'): FeedPosition | 'start' {
  return comparePlaces(other, one) > 0 ? other : one;
}
