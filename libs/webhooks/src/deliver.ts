import type { EventStore } from '#eventsourcing';
import { PublicLog } from '#feeds';
import { type AnyGroup, isDuplicateKey, type Mongo, newOwner, shareFeeds, type ViewLog, ViewNews } from '#mongo';
import { Delivery, type DeliveryParts } from './delivery.js';
import type { Destination } from './destination.js';
import { deliveries, prepareDeliveries, type Progress, progress } from './documents.js';

export interface DeliverOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly log: ViewLog;
  /** The current destinations. */
  readonly destinations: () => Promise<readonly Destination[]>;
  /** Called after they were listed and former ones were released. */
  readonly tidy?: () => Promise<void>;
  /** The views that destinations are read from. */
  readonly groups: readonly AnyGroup[];
  /** How often to look at them while the views change, in milliseconds (default 200). */
  readonly pollMs?: number;
  /** How long a destination stands still after a worker dies, before another one takes over, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

export interface Deliverer {
  /** Destinations that this process delivers to. */
  readonly held: number;
  stop(): Promise<void>;
}

/** How often destinations are listed without any news, in milliseconds: views may have been rebuilt. */
const RELIST_MS = 30_000;

/** A destination that this process delivers to. */
interface Held {
  readonly revision: number;
  readonly delivery: Delivery;
}

/**
 * Delivers to every destination that no other process delivers to: each has one process at a time; if it dies, another takes over. A parcel
 * is delivered at least once, those of a subject in order.
 */
export function deliver({ store, db, log, destinations, tidy, groups, pollMs = 200, leaseMs = 10_000 }: DeliverOptions): Deliverer {
  const owner = newOwner();
  const stopping = new AbortController();
  const news = new ViewNews(shareFeeds(store), db, groups);
  const parts: DeliveryParts = { store, db, log, owner, feed: PublicLog.of(store) };
  const held = new Map<string, Held>();
  let active: ReadonlyMap<string, Destination> = new Map();
  let listedAt = 0;

  async function look(isNews: boolean): Promise<void> {
    const isListed = isNews || Date.now() - listedAt > RELIST_MS;
    if (isListed) {
      active = new Map((await destinations()).map((destination) => [destination.id, destination]));
      listedAt = Date.now();
    }
    await Promise.all(
      Array.from(held, async ([id, { revision }]) => {
        if (active.get(id)?.revision !== revision || !(await lease(id))) await release(id);
      }),
    );
    if (isListed) await tidy?.();
    for (const [id, destination] of active) {
      if (stopping.signal.aborted || held.has(id) || !(await lease(id, destination))) continue;
      held.set(id, { revision: destination.revision, delivery: new Delivery(parts, destination, await takeUp(destination)) });
    }
  }

  async function release(id: string): Promise<void> {
    await held.get(id)?.delivery.stop();
    held.delete(id);
    await progress(db).updateOne({ _id: id, owner }, { $set: { owner: null, leaseUntil: null } });
  }

  /** Takes or renews the lease; false if another process has it. @param begun the destination, if it may be new */
  async function lease(id: string, begun?: Destination): Promise<boolean> {
    const now = new Date();
    const fresh = begun && { generation: begun.generation, place: begun.from, failures: 0, pinged: 0, replayed: 0 };
    try {
      const { matchedCount, upsertedCount } = await progress(db).updateOne(
        { _id: id, $or: [{ owner }, { owner: null }, { leaseUntil: { $lt: now } }] },
        { $set: { owner, leaseUntil: new Date(now.getTime() + leaseMs) }, ...(fresh && { $setOnInsert: fresh }) },
        { upsert: fresh !== undefined },
      );
      return matchedCount + upsertedCount > 0;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      return false;
    }
  }

  /** The progress of a leased destination, after performing everything requested since. */
  async function takeUp({ id: webhook, revision, generation, from, replays }: Destination): Promise<Progress> {
    const rewound = { generation, place: from };
    const { modifiedCount } = await progress(db).updateOne({ _id: webhook, owner, generation: { $lt: generation } }, { $set: rewound });
    // Waiting parcels would be sent twice.
    if (modifiedCount > 0) await deliveries(db).deleteMany({ webhook, state: 'waiting', generation: { $lt: generation } });
    const known = await progress(db).findOne({ _id: webhook, owner });
    if (known === null) throw new Error(`another worker delivers to ${webhook} now`);
    for (const { number, events } of replays) {
      if (number <= known.replayed) continue;
      await deliveries(db).updateMany(
        { webhook, state: 'dead', ...(events && { event: { $in: [...events] } }) },
        { $set: { state: 'waiting', dueAt: 0 }, $unset: { failingSince: '' } },
      );
      await progress(db).updateOne({ _id: webhook, owner }, { $set: { replayed: number } });
    }
    if (known.revision === revision) return known;
    // After a change or a request, the pause of a failing receiver ends: the next parcel shows whether it is back.
    const { brokenUntil = 0 } = known;
    const tried = { revision, brokenUntil: Math.min(brokenUntil, Date.now()) };
    await progress(db).updateOne({ _id: webhook, owner }, { $set: tried });
    return { ...known, ...tried };
  }

  async function keepLooking(): Promise<void> {
    let isPrepared = false;
    /** Number of events when the views, with all events included, were last read. */
    let seen = -1;
    while (!stopping.signal.aborted) {
      const counted = news.count;
      let rest = pollMs;
      try {
        if (!isPrepared) await prepareDeliveries(db);
        isPrepared = true;
        const areShown = await news.areShown();
        await look(seen !== counted);
        if (areShown) {
          seen = counted;
          rest = leaseMs / 3;
        }
      } catch (error) {
        log.warn({ err: error }, 'destinations cannot be looked at; tried again');
      }
      await news.wait(counted, rest, stopping.signal);
    }
    // If the database is unavailable, the leases run out by themselves.
    await Promise.all(Array.from(held.keys(), (id) => release(id).catch(() => {})));
  }

  const running = keepLooking();
  return {
    get held() {
      return held.size;
    },
    stop: async () => {
      stopping.abort();
      await Promise.all([running, news.stop()]);
    },
  };
}
