import { type DecisionContext, type Decision, type EventOf } from '#eventsourcing';
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
