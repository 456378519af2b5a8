import type { EventOf, Instant } from '#eventsourcing';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import { openedTicket, type Ticket } from '../events/ticket.js';
import { evolveTicket, folding, type TicketEvents } from '../events/ticket-events.js';

/** A ticket with its clocks and the escalation policies at work on it: the state that commands decide on. */
export interface ClockedTicket extends Ticket {
  /** Absent if only the rules of the work are needed, as in an import. */
  readonly sla?: TicketPromises;
}

/** No ticket yet, or one. */
export type ClockedTicketState = ClockedTicket | null;

/** When a ticket was opened, and its response clock began; undefined if only the rules of the work are needed. */
export function openedAtOf(state: ClockedTicketState): Instant | undefined {
  return state?.sla?.clocks.find(({ kind }) => kind === 'response')?.startedAt;
}

/** The events of a ticket, folded with its clocks. */
export const clockedTicketEvents = folding<ClockedTicketState>((ticket, type, data, facts) => {
  const event = { type, data } as EventOf<TicketEvents>;
  const sla = evolvePromises(ticket?.sla ?? null, event, facts, ticket?.revisions ?? 0);
  if (sla === null) return null;
  return ticket === null
    ? { ...openedTicket(data as TicketEvents['TicketOpened'], facts.effectiveAt), sla }
    : evolveTicket(ticket, type, data, facts, { sla });
});
