import type { StateFace } from '#eventsourcing';
import { isSubscribed, webhookSchema, type WebhookState } from '../desk/webhook.js';
import { documentSchema } from './stored.js';

/** One document per webhook, by its id. The deliverer reports its condition. */
export const webhooks: StateFace<WebhookState> = {
  name: 'webhooks',
  version: 2,
  schema: () => documentSchema(webhookSchema, 'Id of the webhook'),
  document: (state) => (isSubscribed(state) ? state : null),
  indexes: [],
};
