import type { Instant } from '#eventsourcing';
import type { ClockIdentity } from '../events/sla.js';
import { omitUndefined } from '../plain-json.js';
import { clockName, ended } from '../sla/sla-clock.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';

/**
 * A clock has ended in time. No stored event says so: it is derived from the ticket's events up to the one that ended the clock, and from
 * nothing later, so it is the same whenever derived. If a late fact changes it, the stored event `SlaRestated` says so.
 */
export interface SlaMet extends ClockIdentity {
  readonly terms: number;
  /** Version of the client's contract that it ended under; 0: the default contract. */
  readonly contractVersion: number;
  /** Milliseconds of open time. */
  readonly target: number;
  /** Time used, in milliseconds of open time. */
  readonly elapsed: number;
  /** When its target would have been used up. */
  readonly dueAt?: Instant;
  readonly stoppedAt: Instant;
}

/** The clocks that an event ended in time, from the ticket before and after it. */
export function clocksMet(before: ClockedTicketState, after: ClockedTicketState): readonly SlaMet[] {
  const known = before?.sla?.clocks ?? [];
  const now = after?.sla?.clocks ?? [];
  if (known === now) return [];
  const hadEnded = new Set(known.filter(ended).map(clockName));
  return now.flatMap((clock) => {
    const { kind, tier, vendor, cycle, terms, contractVersion = 0, target, elapsed, dueAt, stoppedAt } = clock;
    if (clock.state !== 'met' || stoppedAt === undefined || hadEnded.has(clockName(clock))) return [];
    return [omitUndefined({ clock: kind, tier, vendor, cycle, terms, contractVersion, target, elapsed, dueAt, stoppedAt })];
  });
}
