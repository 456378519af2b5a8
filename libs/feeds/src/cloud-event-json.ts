import { CloudEvent } from 'cloudevents';
import type { PublicEvent } from '#ticketing';

/** A public event as CloudEvents 1.0 JSON. @throws ValidationError where it is no CloudEvent */
export function cloudEventJson(event: PublicEvent): string {
  return JSON.stringify(new CloudEvent({ ...event }));
}
