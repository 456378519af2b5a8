import { setTimeout as sleep } from 'node:timers/promises';
import type { EventStore } from '#eventsourcing';
import { PublicLog } from '#feeds';
import { isDuplicateKey, type Mongo, newOwner, type ViewDocument, type ViewLog } from '#mongo';
import { type Webhook, webhooks } from '#ticketing';
import { Delivery, type DeliveryParts } from './delivery.js';
import { deliveries, prepareDeliveries, type Progress, progress } from './documents.js';
import { Networks } from './networks.js';
import { patience as usualPatience, type Patience } from './patience.js';
import { WebhookSecrets } from './secrets.js';

export interface DeliverWebhooksOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly log: ViewLog;
  /** What secrets are derived from. */
  readonly keyFile: string;
  /** Private networks that events may be sent to, in CIDR notation. */
  readonly networks: readonly string[];
  readonly patience?: Patience;
  /** How long a request may take, in milliseconds (default 15,000). */
  readonly timeoutMs?: number;
  /** How often webhooks are looked at, in milliseconds (default 1,000). */
  readonly pollMs?: number;
  /** How long a webhook stands still when a worker dies before another one takes over, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

export interface WebhookDeliverer {
  /** Webhooks that this process delivers to. */
  readonly held: number;
  stop(): Promise<void>;
}

/** A webhook that this process delivers to. */
interface Held {
  readonly revision: number;
  readonly delivery: Delivery;
}

/**
 * Delivers to every webhook that no other process delivers to: each has one process at a time, and another one when that dies. An event is delivered
 * at least once, those of a subject in order.
 */
export function deliverWebhooks({
  store,
  db,
  log,
  keyFile,
  networks,
  patience = usualPatience,
  timeoutMs = 15_000,
  pollMs = 1_000,
  leaseMs = 10_000,
}: DeliverWebhooksOptions): WebhookDeliverer {
  const owner = newOwner();
  const stopping = new AbortController();
  const parts: DeliveryParts = {
    store,
    db,
    log,
    owner,
    patience,
    timeoutMs,
    feed: PublicLog.of(store),
    secrets: new WebhookSecrets(keyFile),
    networks: new Networks(networks),
  };
  const held = new Map<string, Held>();

  async function look(): Promise<void> {
    const found = await db.collection<ViewDocument<Webhook>>(webhooks.name).find({ state: 'active' }).toArray();
    const active = new Map(found.map((webhook) => [webhook.webhook, webhook]));
    await Promise.all(
      Array.from(held, async ([id, { revision }]) => {
        if (active.get(id)?.revision !== revision || !(await lease(id))) await release(id);
      }),
    );
    for (const [id, webhook] of active) {
      if (stopping.signal.aborted || held.has(id) || !(await lease(id, webhook))) continue;
      held.set(id, { revision: webhook.revision, delivery: new Delivery(parts, webhook, await takeUp(webhook)) });
    }
  }

  async function release(id: string): Promise<void> {
    await held.get(id)?.delivery.stop();
    held.delete(id);
    await progress(db).updateOne({ _id: id, owner }, { $set: { owner: null, leaseUntil: null } });
  }

  /** Takes the lease, or renews it; false where another process has it. @param webhook as it is begun with, where nobody ever had it */
  async function lease(id: string, webhook?: Webhook): Promise<boolean> {
    const now = new Date();
    const fresh = webhook && { generation: webhook.generation, place: webhook.from, failures: 0, pinged: 0, replayed: 0 };
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

  /** What is known of a webhook of which this process has the lease, with all done that was asked for since. */
  async function takeUp({ webhook, generation, from, replays }: Webhook): Promise<Progress> {
    const rewound = { generation, place: from };
    const { modifiedCount } = await progress(db).updateOne({ _id: webhook, owner, generation: { $lt: generation } }, { $set: rewound });
    // What waits would be sent twice.
    if (modifiedCount > 0) await deliveries(db).deleteMany({ webhook, state: 'waiting', generation: { $lt: generation } });
    const known = await progress(db).findOne({ _id: webhook, owner });
    if (known === null) throw new Error(`another worker delivers to webhook ${webhook} now`);
    for (const { number, events } of replays) {
      if (number <= known.replayed) continue;
      await deliveries(db).updateMany(
        { webhook, state: 'dead', ...(events && { event: { $in: [...events] } }) },
        { $set: { state: 'waiting', dueAt: 0 }, $unset: { failingSince: '' } },
      );
      await progress(db).updateOne({ _id: webhook, owner }, { $set: { replayed: number } });
    }
    return known;
  }

  async function keepLooking(): Promise<void> {
    let isPrepared = false;
    while (!stopping.signal.aborted) {
      try {
        if (!isPrepared) await prepareDeliveries(db);
        isPrepared = true;
        await look();
      } catch (error) {
        log.warn({ err: error }, 'webhooks cannot be looked at; tried again');
      }
      await sleep(pollMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
    // Where the database is away, the leases run out by themselves.
    await Promise.all(Array.from(held.keys(), (id) => release(id).catch(() => {})));
  }

  const running = keepLooking();
  return {
    get held() {
      return held.size;
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
