import type { EventStore, FeedFilter } from '#eventsourcing';
import type { Mongo, ViewDocument } from '#mongo';
import { comparePlaces, type FeedPosition, parsePlace, publicStreamPrefixes, type Webhook, webhooks } from '#ticketing';
import { deliveries, type Progress, progress } from './documents.js';

/** The condition of deliveries of a kind, in any process. */
export interface DeliveryHealth {
  /** `failing`: a receiver has failed so often that deliveries pause until the next attempt; `stopped`: some have no process. */
  readonly state: 'running' | 'failing' | 'stopped';
  /** Age of the oldest event not yet read for a destination, in milliseconds. */
  readonly lagMs: number;
  /** Failing destinations, paused until the next attempt. */
  readonly broken: readonly string[];
  /** Parcels waiting to be sent again, and those given up; for messages, within a week. */
  readonly waiting: number;
  readonly dead: number;
}

/** The destination of all reports, whatever their targets. */
export const REPORTS = 'reports';

export type DeliveryKind = 'webhooks' | 'email' | 'chat' | 'reports';

/** The condition of deliveries, by kind; without kinds that have no destination. */
export async function deliveryHealth(db: Mongo['db'], store: EventStore): Promise<Readonly<Partial<Record<DeliveryKind, DeliveryHealth>>>> {
  const subscribed = await db
    .collection<ViewDocument<Webhook>>(webhooks.name)
    .find({}, { projection: { webhook: 1, state: 1 } })
    .toArray();
  const known = await progress(db).find().toArray();
  const named = (prefix: string) => known.map(({ _id }) => _id).filter((id) => id.startsWith(`notifications/${prefix}`));
  const active = subscribed.filter(({ state }) => state === 'active').map(({ webhook }) => webhook);
  const made = known.map(({ _id }) => _id).filter((id) => id === REPORTS);
  const steps = { eventTypes: ['EscalationStepDispatched'] };
  const kinds = {
    webhooks: { all: subscribed.map(({ webhook }) => webhook), active, reads: { streamPrefixes: publicStreamPrefixes } },
    email: { all: named('email'), active: named('email'), reads: steps },
    chat: { all: named('chat/'), active: named('chat/'), reads: steps },
    reports: { all: made, active: made, reads: { eventTypes: ['ReportRunCompleted'] } },
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

/** A destination that has read nothing begins at an instant or at the start, and is not behind yet. */
async function lagOf(store: EventStore, known: readonly Progress[], reads: FeedFilter): Promise<number> {
  const places = known.map(({ place }) => parsePlace(place)).filter((place): place is FeedPosition => place !== undefined);
  for (const { commit, prepare } of places.sort(comparePlaces)) {
    // From another log: nothing can be read from there, and the lag is unknown.
    if (!(await store.has({ commit, prepare }))) continue;
    for await (const { metadata } of store.readAll(reads, { commit, prepare }))
      return Math.max(0, Date.now() - Date.parse(metadata.recordedAt));
    return 0;
  }
  return 0;
}
