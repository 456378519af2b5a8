import type { EventMap, RecordedEvent, StoredEvent } from './event.js';

/** One step: the data of version n → the data of version n + 1. Pure and total. */
export type Upcaster = (data: never) => unknown;

/** Event type → its upcasters, oldest first. A type without an entry is at version 1. */
export type Upcasters = Readonly<Record<string, readonly Upcaster[]>>;

/** The version that events of this type are written with: 1 + the number of its upcasters. */
export function schemaVersion(upcasters: Upcasters, type: string): number {
  return 1 + (Object.hasOwn(upcasters, type) ? (upcasters[type]?.length ?? 0) : 0);
}

/** A stored event with its data in the present shape. Data from a newer version than ours is left as it is. */
export function upcast<Events extends EventMap>(upcasters: Upcasters, event: StoredEvent): RecordedEvent<Events> {
  const steps = Object.hasOwn(upcasters, event.type) ? (upcasters[event.type] ?? []) : [];
  const due = steps.slice(Math.max(0, event.metadata.schemaVersion - 1));
  if (due.length === 0) return event as RecordedEvent<Events>;
  const data = due.reduce<unknown>((shape, step) => step(shape as never), event.data);
  return { ...event, data, metadata: { ...event.metadata, schemaVersion: steps.length + 1 } } as RecordedEvent<Events>;
}
