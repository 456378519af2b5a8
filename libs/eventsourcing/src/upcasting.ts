import type { EventsOf, Foldable, Upcaster } from './aggregate.js';
import type { RecordedEvent, StoredEvent } from './event.js';

/** The version in which events of this type are written: 1 + the number of its upcasters. */
export function schemaVersion(aggregate: Foldable, type: string): number {
  return 1 + upcastersOf(aggregate, type).length;
}

/** A stored event with data in the current shape. Data of a newer version is left as it is. */
export function upcast<Folded extends Foldable>(aggregate: Folded, event: StoredEvent): RecordedEvent<EventsOf<Folded>> {
  const upcasters = upcastersOf(aggregate, event.type);
  const due = upcasters.slice(Math.max(0, event.metadata.schemaVersion - 1));
  if (due.length === 0) return event as RecordedEvent<EventsOf<Folded>>;
  const data = due.reduce<unknown>((shape, step) => step(shape as never), event.data);
  return { ...event, data, metadata: { ...event.metadata, schemaVersion: upcasters.length + 1 } } as RecordedEvent<EventsOf<Folded>>;
}

const none: readonly Upcaster[] = [];

function upcastersOf({ events }: Foldable, type: string): readonly Upcaster[] {
  return (Object.hasOwn(events, type) ? events[type]?.upcasters : undefined) ?? none;
}
