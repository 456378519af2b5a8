import { randomUUID } from 'node:crypto';
import { instantFrom, type NewEvent, type ProjectionGroup, type RecordedEvent, type StateFace, type StoredEvent } from '#eventsourcing';
import type { ViewLog } from '../documents.js';

/** The smallest view that shows each fault: an event that is missing, repeated or out of order changes `trail`. */
export interface Trail {
  readonly count: number;
  readonly trail: string;
  readonly nested?: { readonly list: readonly number[] };
}

export interface TrailEvents {
  Began: { n: number };
  Added: { n: number };
  /** No view uses it. */
  Noted: { n: number };
  Removed: { n: number };
  /** Makes the handler throw. */
  Poisoned: { n: number };
}

export type TrailGroup = ProjectionGroup<Trail | null, TrailEvents>;

/** A group of one face: the trails themselves. */
export function trailGroup(category: string, over: Partial<TrailGroup> = {}): TrailGroup {
  return {
    name: `trails_${category}`,
    version: 1,
    streamPrefix: `${category}-`,
    aggregate: { events: {} },
    initial: null,
    fold: foldTrail,
    faces: [trailFace(`trails_${category}`)],
    ...over,
  };
}

export function trailFace(name: string, over: Partial<StateFace<Trail | null>> = {}): StateFace<Trail | null> {
  return { name, version: 1, schema: () => ({ type: 'object' }), document: (trail) => trail, indexes: [{ key: { count: 1 } }], ...over };
}

export function foldTrail(trail: Trail | null, event: RecordedEvent<TrailEvents>): Trail | null {
  switch (event.type) {
    case 'Began':
      return { count: 1, trail: String(event.data.n) };
    case 'Added':
      return (
        trail && {
          ...trail,
          count: trail.count + 1,
          trail: `${trail.trail},${event.data.n}`.slice(-200),
          nested: { list: [event.data.n, trail.count] },
        }
      );
    case 'Removed':
      return null;
    case 'Poisoned':
      throw new Error('poison');
    default:
      return trail;
  }
}

export const trailEvent = (type: keyof TrailEvents, n: number): NewEvent => ({
  id: randomUUID(),
  type,
  data: { n },
  metadata: {
    commandId: randomUUID(),
    commandType: 'Do',
    correlationId: 'c',
    causationId: 'c',
    actor: { id: 'a', kind: 'system' },
    client: 'acme',
    effectiveAt: instantFrom(0),
    recordedAt: instantFrom(Date.now()),
    schemaVersion: 1,
  },
});

/** An event as stored in a log, for tests without one. */
export const storedTrailEvent = (stream: string, revision: number, position: number, type: keyof TrailEvents, n: number): StoredEvent => ({
  ...trailEvent(type, n),
  stream,
  revision,
  position: { commit: BigInt(position), prepare: BigInt(position) },
});

/** Keeps what was logged. */
export class KeptLog implements ViewLog {
  readonly lines: { level: string; message: string; fields: object }[] = [];
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', message, fields });
  }
}
