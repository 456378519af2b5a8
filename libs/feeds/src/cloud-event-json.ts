import { CloudEvent } from 'cloudevents';
import type { PublicEvent } from '#ticketing';

/** A public event as CloudEvents 1.0 JSON. @throws ValidationError if it is not a valid CloudEvent */
export function cloudEventJson(event: PublicEvent): string {
  return JSON.stringify(new CloudEvent({ ...event }));
}
