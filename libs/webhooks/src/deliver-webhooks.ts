import { Webhook as Signer } from 'standardwebhooks';
import type { ViewDocument } from '#mongo';
import { instantFrom, readAggregate } from '#eventsourcing';
import { type EventFilter, secretsBefore, type Webhook, webhook as webhookAggregate, webhooks, webhookViews } from '#ticketing';
import { deliver, type Deliverer, type DeliverOptions } from './deliver.js';
import { dropDeliveries, progress } from './documents.js';
import { type Destination, NOWHERE, type Parcel } from './destination.js';
import { Networks } from './networks.js';
import { patience as usualPatience, type Patience } from './patience.js';
import { post } from './post.js';
import { WebhookSecrets } from './secrets.js';

export interface DeliverWebhooksOptions extends Omit<DeliverOptions, 'destinations' | 'groups' | 'tidy'> {
  /** Key file for deriving secrets. */
  readonly keyFile: string;
  /** Private networks that events may be sent to, in CIDR notation. */
  readonly networks: readonly string[];
  readonly patience?: Patience;
  /** How long a request may take, in milliseconds (default 15,000). */
  readonly timeoutMs?: number;
  /** Called with the outcome of a parcel to a webhook, by its id. */
  readonly settled?: (webhook: string, ...of: Parameters<NonNullable<Destination['settled']>>) => Promise<void>;
}

/** Sends signed events to every webhook that no other process sends to. */
export function deliverWebhooks({
  keyFile,
  networks: named,
  patience = usualPatience,
  timeoutMs = 15_000,
  settled,
  ...options
}: DeliverWebhooksOptions): Deliverer {
  const secrets = new WebhookSecrets(keyFile);
  const networks = new Networks(named);
  const { db } = options;

  async function headersOf(webhook: Webhook, { event, body }: Parcel, at: Date) {
    const versions = [webhook.secretVersion, ...secretsBefore(webhook, instantFrom(at.getTime())).map(({ version }) => version)];
    const keys = await Promise.all(versions.map((version) => secrets.of(webhook.webhook, version)));
    return {
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'webhook-id': event,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': keys.map((key) => new Signer(key).sign(event, at, body)).join(' '),
    };
  }

  function destination(webhook: ViewDocument<Webhook>): Destination {
    const { webhook: id, url, revision, generation, from, replays, filter, clients, pings } = webhook;
    return {
      id,
      revision,
      generation,
      from,
      replays,
      patience,
      filter: { ...(filter as EventFilter), ...(filter.ticket === undefined && { reportsTo: id }) },
      sees: ({ client }) => clients === 'all' || clients.includes(client),
      parcels: ({ event: { id: event, type, subject, position }, json: body }) => [{ event, type, subject, position, body }],
      async send(parcel, at, signal) {
        const headers = await headersOf(webhook, parcel, at);
        return post(new URL(url), { networks, headers, body: parcel.body, timeoutMs, signal });
      },
      keepsDead: true,
      ...(settled && { settled: (...of) => settled(id, ...of) }),
      ...(pings > 0 && { test: { number: pings, parcel: ping(id, pings) } }),
    };
  }

  /** Drops the records of deleted webhooks. A missing document is no proof of deletion: views are rebuilt. */
  async function dropDeleted(): Promise<void> {
    const shown = await db
      .collection<ViewDocument<Webhook>>(webhooks.name)
      .find({}, { projection: { webhook: 1 } })
      .toArray();
    // Names of notifications and reports contain a slash.
    const others = { _id: { $nin: shown.map(({ webhook }) => webhook), $not: /\// } };
    for (const { _id } of await progress(db)
      .find(others, { projection: { _id: 1 } })
      .toArray()) {
      const { state } = await readAggregate(options.store, webhookAggregate, _id);
      if (state?.state === 'deleted') await dropDeliveries(db, _id);
    }
  }

  return deliver({
    ...options,
    groups: [webhookViews],
    tidy: dropDeleted,
    destinations: async () => {
      const active = await db.collection<ViewDocument<Webhook>>(webhooks.name).find({ state: 'active' }).toArray();
      return active.map(destination);
    },
  });
}

/** A test event. */
function ping(webhook: string, number: number): Parcel {
  const id = `${webhook}-ping-${number}`;
  const type = 'com.tierline.webhook.ping.v1';
  const subject = `webhook/${webhook}`;
  const event = {
    specversion: '1.0',
    id,
    source: '/tierline',
    type,
    subject,
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { ping: number },
  };
  return { event: id, type, subject, position: NOWHERE, body: JSON.stringify(event) };
}
