import type { Actor, EventMetadata } from '#eventsourcing';

/** The actor of everything that time alone brings about. */
export const TIMEKEEPER: Actor = { id: 'timekeeper', kind: 'system' };

/** How far the clocks of two machines may differ, in milliseconds, before a fact counts as out of order, late, or in the future. */
export const CLOCK_SKEW = 60_000;

/** Done by a policy or the timekeeper, not reported by a person or a service: it follows from what was known at the time. */
export function isAutomatic({ actor }: Partial<Pick<EventMetadata, 'actor'>>): boolean {
  return actor?.kind === 'system' && (actor.id === TIMEKEEPER.id || actor.id.startsWith('policy:'));
}
