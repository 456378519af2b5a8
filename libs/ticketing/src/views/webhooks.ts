import type { StateFace } from '#eventsourcing';
import { isSubscribed, webhookSchema, type WebhookState } from '../desk/webhook.js';
import { documentSchema } from './stored.js';

/** One document a webhook, by its id. How it is doing is told by whoever delivers. */
export const webhooks: StateFace<WebhookState> = {
  name: 'webhooks',
  version: 2,
  schema: () => documentSchema(webhookSchema, 'Id of the webhook'),
  document: (state) => (isSubscribed(state) ? state : null),
  indexes: [],
};
