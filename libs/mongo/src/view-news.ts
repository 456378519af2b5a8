import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore, Position } from '#eventsourcing';
import type { Mongo } from './connect.js';
import { groupPosition } from './control.js';
import type { AnyGroup } from './documents.js';

const RETRY_MS = 1_000;

/** A look at views. */
export interface LookedAt {
  /** Whether they include every event that has arrived, and so stay the same until the next one. */
  readonly areShown: boolean;
  /** Whether a group may have changed since the last look at which it included all of its events. */
  isFresh(group: AnyGroup): boolean;
}

/**
 * Tells whether groups of views may have changed, so that code that depends on them need not poll: follows the events that the views are
 * made from. A worker shares this subscription with the projectors.
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

  /** Call it before reading the views. After a failed read, call it next with `anew`: all of them then count as fresh. */
  async look(anew = false): Promise<LookedAt> {
    const standing = await Promise.all(this.#groups.map(async (one) => [one.group, await one.look(anew)] as const));
    const of = new Map(standing);
    return {
      areShown: standing.every(([, { isShown }]) => isShown),
      isFresh: (group) => of.get(group)?.isFresh ?? true,
    };
  }

  /** Whether the views include every event that has arrived, and so stay the same until the next one. */
  async areShown(): Promise<boolean> {
    return (await this.look()).areShown;
  }

  /** Resolves once there are more events than counted, after this many milliseconds, or when the signal aborts. */
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
  /** Counts the events that have arrived, and the occasions on which some may have been missed. */
  #count = 0;
  /** The count at the last look, if the group then included all events. */
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
        // What the views already include is no news.
        const from = (await groupPosition(this.db, this.group.name)) ?? 'start';
        for await (const item of this.store.subscribe({ streamPrefixes: [this.group.streamPrefix] }, from, signal)) {
          if (item.kind === 'caught-up') this.#isLive = true;
          if (item.kind !== 'event') continue;
          this.#latest = item.event.position;
          this.#count++;
          this.wake();
        }
      } catch {
        // Until the event store is back, news is unknown and the views are read every time.
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
    // No need to look it up again before the next event.
    if (this.#latest === latest) this.#latest = undefined;
    return true;
  }
}

const asked = new WeakMap<Mongo['db'], Map<string, Promise<Position | undefined>>>();

/** The position of a group: one answer for all who ask while it is on its way. The same event woke them. */
function positionNow(db: Mongo['db'], group: string): Promise<Position | undefined> {
  const ofDatabase = asked.get(db) ?? new Map<string, Promise<Position | undefined>>();
  asked.set(db, ofDatabase);
  const known = ofDatabase.get(group);
  if (known !== undefined) return known;
  const asking = groupPosition(db, group).finally(() => ofDatabase.delete(group));
  ofDatabase.set(group, asking);
  return asking;
}
