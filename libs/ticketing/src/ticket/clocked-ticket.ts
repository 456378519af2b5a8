import type { EventDefinition, EventFacts, EventOf } from '#eventsourcing';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { type Ticket, ticketWithoutClocks } from '../events/ticket-state.js';

/** A ticket with its clocks and the escalation policies at work on it: what commands decide by. */
export interface ClockedTicket extends Ticket {
  readonly sla?: TicketPromises;
}

/** No ticket yet, or one. */
export type ClockedTicketState = ClockedTicket | null;

/** The events of a ticket, folded with its clocks. */
export const ticketEvents = Object.fromEntries(
  Object.entries(ticketWithoutClocks.events).map(([type, { evolve }]) => [
    type,
    {
      evolve: (state: ClockedTicketState, data: never, facts: EventFacts): ClockedTicketState => {
        const next = evolve(state, data, facts);
        const sla = next && evolvePromises(state?.sla ?? null, { type, data } as EventOf<TicketEvents>, facts, state?.revisions ?? 0);
        return sla ? { ...next, sla } : next;
      },
    },
  ]),
) as unknown as { readonly [Type in keyof TicketEvents]: EventDefinition<ClockedTicketState, TicketEvents[Type]> };
