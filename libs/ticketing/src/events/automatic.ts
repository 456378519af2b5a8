import { type Actor, epochMillis, type EventMetadata, type Instant } from '#eventsourcing';

/** The actor of everything that time alone brings about. */
export const TIMEKEEPER: Actor = { id: 'timekeeper', kind: 'system' };

/** How far the clocks of two machines may differ, in milliseconds, before a fact counts as out of order, late, or in the future. */
export const CLOCK_SKEW = 60_000;

/** When something happened, and when it is recorded. */
export interface Told {
  readonly effectiveAt: Instant;
  readonly recordedAt?: Instant;
}

/** Recorded after it happened. */
export function isLate({ effectiveAt, recordedAt = effectiveAt }: Told): boolean {
  return effectiveAt < recordedAt;
}

/** Recorded so long after it happened that differing machine clocks cannot explain it. */
export function isToldLater({ effectiveAt, recordedAt = effectiveAt }: Told): boolean {
  return epochMillis(recordedAt) - epochMillis(effectiveAt) > CLOCK_SKEW;
}

/** Done by a policy or the timekeeper, not reported by a person or a service: it follows from what was known at the time. */
export function isAutomatic({ actor }: Partial<Pick<EventMetadata, 'actor'>>): boolean {
  return actor?.kind === 'system' && (actor.id === TIMEKEEPER.id || actor.id.startsWith('policy:'));
}
