export * from './deliver-webhooks.js';
export { type Attempt, type DeliveryDocument, type DeliveryState, deliveries, type Progress, progress } from './documents.js';
export { WebhookSecrets } from './secrets.js';
export { type Patience, patience } from './patience.js';
