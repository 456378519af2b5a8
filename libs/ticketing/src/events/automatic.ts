import type { Actor, EventMetadata } from '#eventsourcing';

/** Who does what time alone brings about. */
export const TIMEKEEPER: Actor = { id: 'timekeeper', kind: 'system' };

/** How far the clocks of two machines may differ, in milliseconds, before what happened is out of order, told late, or in the future. */
export const CLOCK_SKEW = 60_000;

/** Done by a policy or by time, and not told by a person or a service: it follows from what was believed when it was done. */
export function isAutomatic({ actor }: Partial<Pick<EventMetadata, 'actor'>>): boolean {
  return actor?.kind === 'system' && (actor.id === TIMEKEEPER.id || actor.id.startsWith('policy:'));
}
