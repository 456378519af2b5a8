import { type DecisionContext, type Decision, epochMillis, type EventOf, type Instant } from '#eventsourcing';
import type { Ticket } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import type { Person } from '../vocabulary.js';

/** Parts of decisions that several topics share. */

export type TicketDecision = Decision<TicketEvents>;

export function event<Type extends keyof TicketEvents>(type: Type, data: TicketEvents[Type]): EventOf<TicketEvents> {
  return { type, data } as EventOf<TicketEvents>;
}

/** A person as stored in events, whatever class was given. */
export function asPerson({ id, name }: Person): Person {
  return omitUndefined({ id, name });
}

/** The person named; by default, the actor. */
export function namedOrActor(named: Person | undefined, { actor }: DecisionContext): Person {
  return asPerson(named ?? actor);
}

/** Ends the hold, if there is one. */
export function endOfHold({ work }: Ticket): EventOf<TicketEvents>[] {
  return work.status === 'on-hold' ? [event('TicketResumed', { after: work.reason })] : [];
}

/** Reopens a resolved ticket. */
export function reopening({ tier, team, cycle }: Ticket, reason: string): EventOf<TicketEvents> {
  return event('TicketReopened', omitUndefined({ reason, tier, team, cycle: cycle + 1 }));
}

/** When something happened, and when it is recorded. */
type Told = Pick<DecisionContext, 'effectiveAt' | 'recordedAt'>;

/** Ends the touch time of whoever has the ticket, unless it is given to the same agent again. */
export function endOfTouchOfHolder({ touching, assignee }: Ticket, context: Told, to?: Person): EventOf<TicketEvents>[] {
  if (assignee === undefined || assignee.id === to?.id) return [];
  return touching
    .filter((touch) => touch.agent.id === assignee.id && !beganAfter(touch, context))
    .map((touch) => endOfTouch(touch, context));
}

/** A late fact leaves a stretch that began after it; a current one ends whatever is running, whatever the machines' clocks say. */
export function beganAfter({ since }: Ticket['touching'][number], { effectiveAt, recordedAt = effectiveAt }: Told): boolean {
  return effectiveAt < recordedAt && effectiveAt < since;
}

/** Ends a stretch of touch time. */
export function endOfTouch(
  { agent, tier, since }: Ticket['touching'][number],
  { effectiveAt }: { readonly effectiveAt: Instant },
  activity?: string,
): EventOf<TicketEvents> {
  const seconds = Math.max(0, Math.round((epochMillis(effectiveAt) - epochMillis(since)) / 1000));
  return event('TouchTimeStopped', omitUndefined({ tier, agent, startedAt: since, seconds, activity }));
}
