import { type EventOf, type EventMetadata, epochMillis, type Instant, instantFrom } from '#eventsourcing';
import type { Contract } from './contract.js';
import type { TicketEvents } from './ticket-events.js';
import type { HoldReason, Priority } from './vocabulary.js';

/** What is promised to the client: a first response, and a resolution. */
export type ClockKind = 'response' | 'resolution';

/** A stretch during which a clock stood still. */
export interface Pause {
  readonly reason: HoldReason;
  readonly from: Instant;
  readonly to?: Instant;
}

/**
 * One promise's clock. `elapsed` and `target` are milliseconds of the contract's time. While it runs, `dueAt` is when it will be
 * breached; `breachedAt` is when it was, and is never taken back.
 */
export interface SlaClock {
  readonly kind: ClockKind;
  /** 1, and one more for each reopening of the ticket. The response clock has one cycle only. */
  readonly cycle: number;
  readonly state: 'running' | 'paused' | 'met' | 'breached' | 'cancelled';
  readonly target: number;
  readonly startedAt: Instant;
  /** Time on the clock up to `runningSince`, or in all when it does not run. */
  readonly elapsed: number;
  readonly runningSince?: Instant;
  readonly dueAt?: Instant;
  readonly breachedAt?: Instant;
  readonly stoppedAt?: Instant;
  readonly pauses: readonly Pause[];
}

/** The clocks of one ticket, a fold over its events. */
export interface SlaClocks {
  readonly priority: Priority;
  readonly clocks: readonly SlaClock[];
}

type At = Pick<EventMetadata, 'effectiveAt'>;

/** The clocks after one more event of the ticket; null before its opening. Events that concern no clock leave them as they are. */
export function evolveClocks(
  contract: Contract,
  sla: SlaClocks | null,
  event: EventOf<TicketEvents> & { readonly metadata: At },
): SlaClocks | null {
  const at = event.metadata.effectiveAt;
  if (event.type === 'TicketOpened') {
    const { priority } = event.data;
    const target = contract.targets[priority];
    return { priority, clocks: [started('response', 1, target.response, at), started('resolution', 1, target.resolution, at)] };
  }
  if (sla === null) return null;
  const each = (change: (clock: SlaClock) => SlaClock): SlaClocks => ({
    ...sla,
    clocks: sla.clocks.map((clock) => (ended(clock) ? clock : change(clock))),
  });

  switch (event.type) {
    case 'WorkStarted':
    case 'EscalationAccepted':
      return each((clock) => (clock.kind === 'response' ? stopped(clock, at) : clock));
    case 'TicketPutOnHold': {
      const { reason } = event.data;
      return contract.pausedBy.includes(reason) ? each((clock) => paused(clock, reason, at)) : sla;
    }
    case 'TicketResumed':
      return each((clock) => resumed(clock, at));
    case 'TicketTriaged': {
      const { priority } = event.data;
      const target = contract.targets[priority];
      return { ...each((clock) => retargeted(clock, target[clock.kind], at)), priority };
    }
    case 'TicketResolved':
    case 'TicketResolvedWithRootCause':
      return each((clock) => stopped(clock, at));
    case 'TicketReopened':
      // A new cycle with the whole target: continuing the old one would make a reopened ticket overdue at once. The old verdict stays.
      return { ...sla, clocks: [...sla.clocks, started('resolution', event.data.cycle, contract.targets[sla.priority].resolution, at)] };
    case 'TicketCancelled':
    case 'TicketClosed':
      return each((clock) => ({ ...still(clock, at), state: 'cancelled', stoppedAt: at }));
    default:
      return sla;
  }
}

/** A clock as it stands at an instant: one that is overdue by then is breached although no event says so yet. */
export function clockAt(clock: SlaClock, at: Instant): SlaClock {
  if (clock.state !== 'running' || clock.dueAt === undefined || clock.breachedAt !== undefined) return clock;
  return at > clock.dueAt ? { ...clock, breachedAt: clock.dueAt } : clock;
}

/** Whether a clock has come to its end. */
export function ended({ state }: SlaClock): boolean {
  return state === 'met' || state === 'breached' || state === 'cancelled';
}

function started(kind: ClockKind, cycle: number, target: number, at: Instant): SlaClock {
  return running({ kind, cycle, state: 'running', target, startedAt: at, elapsed: 0, pauses: [] }, at);
}

function running(clock: SlaClock, at: Instant): SlaClock {
  return { ...clock, state: 'running', runningSince: at, dueAt: instantFrom(epochMillis(at) + clock.target - clock.elapsed) };
}

/** The clock with its running segment up to `at` counted; a breach on the way is kept. */
function still(clock: SlaClock, at: Instant): SlaClock {
  const { runningSince, dueAt, ...rest } = clock;
  if (runningSince === undefined) return rest;
  const elapsed = clock.elapsed + Math.max(0, epochMillis(at) - epochMillis(runningSince));
  const breachedAt = clock.breachedAt ?? (elapsed > clock.target ? dueAt : undefined);
  return { ...rest, elapsed, ...(breachedAt === undefined ? {} : { breachedAt }) };
}

function paused(clock: SlaClock, reason: HoldReason, at: Instant): SlaClock {
  return clock.state === 'paused' ? clock : { ...still(clock, at), state: 'paused', pauses: [...clock.pauses, { reason, from: at }] };
}

function resumed(clock: SlaClock, at: Instant): SlaClock {
  return clock.state === 'paused' ? running({ ...clock, pauses: endPause(clock.pauses, at) }, at) : clock;
}

function endPause(pauses: readonly Pause[], at: Instant): readonly Pause[] {
  return pauses.map((pause, index) => (index === pauses.length - 1 && pause.to === undefined ? { ...pause, to: at } : pause));
}

function stopped(clock: SlaClock, at: Instant): SlaClock {
  const stoppedClock = still(clock, at);
  const breached = stoppedClock.breachedAt !== undefined;
  return {
    ...stoppedClock,
    state: breached ? 'breached' : 'met',
    stoppedAt: at,
    pauses: clock.state === 'paused' ? endPause(clock.pauses, at) : clock.pauses,
  };
}

/** Another priority, another target: the time on the clock is carried over, a pause goes on, a breach stays. */
function retargeted(clock: SlaClock, target: number, at: Instant): SlaClock {
  if (clock.target === target) return clock;
  const counted = { ...still(clock, at), target };
  const breachedAt = counted.breachedAt ?? (counted.elapsed > target ? at : undefined);
  const judged = { ...counted, ...(breachedAt === undefined ? {} : { breachedAt }) };
  return clock.state === 'running' ? running(judged, at) : judged;
}
