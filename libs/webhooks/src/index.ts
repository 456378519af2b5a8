export { type DeliveryHealth, deliveryHealth, type DeliveryKind, REPORTS } from './delivery-health.js';
export { deliver, type Deliverer, type DeliverOptions } from './deliver.js';
export * from './deliver-webhooks.js';
export type { Destination, Parcel, Tried } from './destination.js';
export {
  type Attempt,
  type DeliveryDocument,
  type DeliveryState,
  deliveries,
  forgetDeliveries,
  isDelivering,
  type Progress,
  progress,
} from './documents.js';
export { Networks } from './networks.js';
export { type Patience, patience } from './patience.js';
export { post } from './post.js';
export { WebhookSecrets } from './secrets.js';
