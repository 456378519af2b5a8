import { isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { isSubscribed, isWithinReach, webhook as aggregate, type Webhook } from '#ticketing';
import type { DeliveryDocument, DeliveryState } from '#webhooks';
import type { AtRevision } from './at-revision.js';
import { deliveriesTo, type Page, progressOf, type Sources } from './read-models.js';

/** A webhook and its condition. */
export interface WebhookNow extends Webhook {
  /** Everything up to here was sent, or is among the deliveries; absent before it was taken up. */
  readonly place?: string;
  /** Requests in a row that failed. */
  readonly failures: number;
  /** Until when nothing is sent because of these failures, in milliseconds since 1970. */
  readonly brokenUntil?: number;
}

/** One event on its way to a webhook, for display. */
export type WebhookDelivery = Omit<DeliveryDocument, '_id' | 'order' | 'body' | 'failures' | 'expiresAt'>;

interface Named {
  readonly webhook: string;
}

async function find({ store, scope }: Sources, { webhook: id }: Named): Promise<AtRevision<Webhook> | Refusal<'webhook-not-found'>> {
  const { state, revision } = await readAggregate(store, aggregate, id);
  return isSubscribed(state) && scope.reporter === undefined && isWithinReach(scope, state)
    ? { state, revision }
    : refuse('webhook-not-found', 'There is no such webhook');
}

export async function readWebhook(sources: Sources, named: Named): Promise<AtRevision<WebhookNow> | Refusal<'webhook-not-found'>> {
  const found = await find(sources, named);
  if (isRefusal(found)) return found;
  const known = await progressOf(sources, named.webhook);
  const { place, failures = 0, brokenUntil = 0 } = known?.generation === found.state.generation ? known : {};
  const now = { ...found.state, ...(place && { place }), failures, ...(brokenUntil > Date.now() && { brokenUntil }) };
  return { state: now, revision: found.revision };
}

/** The events on their way to a webhook, in log order. */
export async function readDeliveries(
  sources: Sources,
  { webhook, state, limit, after }: Named & { readonly state: DeliveryState; readonly limit: number; readonly after?: string | undefined },
): Promise<Page<DeliveryDocument> | Refusal<'webhook-not-found'>> {
  const found = await find(sources, { webhook });
  return isRefusal(found) ? found : deliveriesTo(sources, { webhook, state, limit, after });
}

/** Which secrets sign now: the first one and, until the instant, the other one too. */
export async function readSecretVersions(
  sources: Sources,
  named: Named,
): Promise<Pick<Webhook, 'secretVersion' | 'overlapUntil'> | Refusal<'webhook-not-found'>> {
  const found = await find(sources, named);
  if (isRefusal(found)) return found;
  const { secretVersion, overlapUntil } = found.state;
  return { secretVersion, ...(overlapUntil && { overlapUntil }) };
}
