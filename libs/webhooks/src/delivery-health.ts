import type { EventStore, FeedFilter } from '#eventsourcing';
import type { Mongo, ViewDocument } from '#mongo';
import { comparePlaces, type FeedPosition, parsePlace, publicStreamPrefixes, type Webhook, webhooks } from '#ticketing';
import { deliveries, type Progress, progress } from './documents.js';

/** How deliveries of a kind are doing, in whatever process. */
export interface DeliveryHealth {
  /** `failing`: a receiver has failed so often that it is left alone until it is tried again; `stopped`: no process delivers to some. */
  readonly state: 'running' | 'failing' | 'stopped';
  /** Age of the oldest event that was not read for a destination yet, in milliseconds. */
  readonly lagMs: number;
  /** Destinations that failed, and are left alone until they are tried again. */
  readonly broken: readonly string[];
  /** What waits to be sent again, and what was given up; of messages, within a week. */
  readonly waiting: number;
  readonly dead: number;
}

export type DeliveryKind = 'webhooks' | 'email' | 'chat';

/** How deliveries are doing, by kind; without those that have no destination. */
export async function deliveryHealth(db: Mongo['db'], store: EventStore): Promise<Readonly<Partial<Record<DeliveryKind, DeliveryHealth>>>> {
  const subscribed = await db
    .collection<ViewDocument<Webhook>>(webhooks.name)
    .find({}, { projection: { webhook: 1, state: 1 } })
    .toArray();
  const known = await progress(db).find().toArray();
  const named = (prefix: string) => known.map(({ _id }) => _id).filter((id) => id.startsWith(`notifications/${prefix}`));
  const active = subscribed.filter(({ state }) => state === 'active').map(({ webhook }) => webhook);
  const steps = { eventTypes: ['EscalationStepDispatched'] };
  const kinds = {
    webhooks: { all: subscribed.map(({ webhook }) => webhook), active, reads: { streamPrefixes: publicStreamPrefixes } },
    email: { all: named('email'), active: named('email'), reads: steps },
    chat: { all: named('chat/'), active: named('chat/'), reads: steps },
  };
  const found = Object.entries(kinds).filter(([, { all }]) => all.length > 0);
  return Object.fromEntries(
    await Promise.all(found.map(async ([kind, asked]) => [kind, await healthOf(db, store, known, asked)] as const)),
  );
}

async function healthOf(
  db: Mongo['db'],
  store: EventStore,
  progress: readonly Progress[],
  { all, active, reads }: { readonly all: readonly string[]; readonly active: readonly string[]; readonly reads: FeedFilter },
): Promise<DeliveryHealth> {
  const now = new Date();
  const known = progress.filter(({ _id }) => active.includes(_id));
  const held = known.filter(({ owner, leaseUntil }) => owner !== null && leaseUntil !== null && leaseUntil > now);
  const broken = known.filter(({ brokenUntil = 0 }) => brokenUntil > now.getTime()).map(({ _id }) => _id);
  const count = (state: 'waiting' | 'dead') => deliveries(db).countDocuments({ webhook: { $in: [...all] }, state });
  return {
    state: held.length < active.length ? 'stopped' : broken.length > 0 ? 'failing' : 'running',
    lagMs: await lagOf(store, known, reads),
    broken,
    waiting: await count('waiting'),
    dead: await count('dead'),
  };
}

/** A destination that has read nothing begins at an instant or at the start, and has not fallen behind yet. */
async function lagOf(store: EventStore, known: readonly Progress[], reads: FeedFilter): Promise<number> {
  const places = known.map(({ place }) => parsePlace(place)).filter((place): place is FeedPosition => place !== undefined);
  for (const { commit, prepare } of places.sort(comparePlaces)) {
    // Of another log: nothing can be read from there, and how far behind it is nobody knows.
    if (!(await store.has({ commit, prepare }))) continue;
    for await (const { metadata } of store.readAll(reads, { commit, prepare }))
      return Math.max(0, Date.now() - Date.parse(metadata.recordedAt));
    return 0;
  }
  return 0;
}
