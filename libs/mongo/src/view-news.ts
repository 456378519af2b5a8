import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore, Position } from '#eventsourcing';
import type { Mongo } from './connect.js';
import { groupPosition } from './control.js';
import type { AnyGroup } from './documents.js';

const RETRY_MS = 1_000;

/** Views as they are looked at. */
export interface LookedAt {
  /** Whether they have every event that has arrived, so that they stay as they are until the next. */
  readonly areShown: boolean;
  /** Whether a group may have changed since the last look at which it had all of its events. */
  isFresh(group: AnyGroup): boolean;
}

/**
 * Tells whether groups of views may have changed, so that whoever works by them need not look again and again: follows the events that the
 * views are made from. In a worker this is the same subscription as the projectors'.
 */
export class ViewNews {
  readonly #stopping = new AbortController();
  readonly #groups: readonly GroupNews[];
  readonly #following: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  /** Counts the events that have arrived. */
  count = 0;

  constructor(store: EventStore, db: Mongo['db'], groups: readonly AnyGroup[]) {
    const wake = (): void => {
      this.count++;
      for (const one of this.#waiting) one();
    };
    this.#groups = groups.map((group) => new GroupNews(store, db, group, wake));
    this.#following = Promise.all(this.#groups.map((group) => group.follow(this.#stopping.signal)));
  }

  /** To be called before the views are read. Who then could not read them calls it with `anew` next: all of them are fresh again. */
  async look(anew = false): Promise<LookedAt> {
    const standing = await Promise.all(this.#groups.map(async (one) => [one.group, await one.look(anew)] as const));
    const of = new Map(standing);
    return {
      areShown: standing.every(([, { isShown }]) => isShown),
      isFresh: (group) => of.get(group)?.isFresh ?? true,
    };
  }

  /** Whether the views have every event that has arrived, so that they stay as they are until the next. */
  async areShown(): Promise<boolean> {
    return (await this.look()).areShown;
  }

  /** Resolves once there are more events than were counted, after so many milliseconds, or when the signal aborts. */
  async wait(counted: number, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (this.count !== counted) return;
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiting.add(wake);
    try {
      await sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined);
    } finally {
      this.#waiting.delete(wake);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
  }
}

class GroupNews {
  /** The last event that has arrived. */
  #latest: Position | undefined;
  #isLive = false;
  /** Counts the events that have arrived, and the times that some may have been missed. */
  #count = 0;
  /** What was counted at the last look, where the group had all events then. */
  #rested: number | undefined;

  constructor(
    private readonly store: EventStore,
    private readonly db: Mongo['db'],
    readonly group: AnyGroup,
    private readonly wake: () => void,
  ) {}

  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        // What the views have seen already is no news.
        const from = (await groupPosition(this.db, this.group.name)) ?? 'start';
        for await (const item of this.store.subscribe({ streamPrefixes: [this.group.streamPrefix] }, from, signal)) {
          if (item.kind === 'caught-up') this.#isLive = true;
          if (item.kind !== 'event') continue;
          this.#latest = item.event.position;
          this.#count++;
          this.wake();
        }
      } catch {
        // Until the event store is there again it is not known what is new, and the views are looked at all the time.
      }
      this.#isLive = false;
      this.#count++;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async look(anew: boolean): Promise<{ readonly isShown: boolean; readonly isFresh: boolean }> {
    const counted = this.#count;
    const isFresh = anew || this.#rested !== counted;
    this.#rested = undefined;
    const isShown = await this.#isShown();
    if (isShown) this.#rested = counted;
    return { isShown, isFresh };
  }

  async #isShown(): Promise<boolean> {
    if (!this.#isLive) return false;
    const latest = this.#latest;
    if (latest === undefined) return true;
    const shown = await positionNow(this.db, this.group.name);
    if (shown === undefined || shown.commit < latest.commit) return false;
    // It need not be looked up again before the next event.
    if (this.#latest === latest) this.#latest = undefined;
    return true;
  }
}

const asked = new WeakMap<Mongo['db'], Map<string, Promise<Position | undefined>>>();

/** Up to where a group has come: one answer for all who ask while it is on its way. They were woken by the same event. */
function positionNow(db: Mongo['db'], group: string): Promise<Position | undefined> {
  const ofDatabase = asked.get(db) ?? new Map<string, Promise<Position | undefined>>();
  asked.set(db, ofDatabase);
  const known = ofDatabase.get(group);
  if (known !== undefined) return known;
  const asking = groupPosition(db, group).finally(() => ofDatabase.delete(group));
  ofDatabase.set(group, asking);
  return asking;
}
