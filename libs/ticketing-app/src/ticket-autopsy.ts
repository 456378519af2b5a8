import { type Instant, instantFrom, refuse, type Refusal } from '#eventsourcing';
import { breachAutopsy, type TicketAutopsy } from '#ticketing';
import type { Sources } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';

/** Where the time of a ticket's clocks went, from the events themselves. */
export async function readTicketAutopsy(
  { store }: Pick<Sources, 'store'>,
  {
    ticketId,
    asOf = instantFrom(Date.now()),
  }: {
    readonly ticketId: string;
    /** Later events are ignored; default: now. */
    readonly asOf?: Instant | undefined;
  },
): Promise<TicketAutopsy | Refusal> {
  const events = await readTicketEvents(store, ticketId);
  if (events.length === 0) return refuse('ticket-not-found', 'There is no such ticket');
  const clocks = breachAutopsy(events, asOf);
  const last = events.findLast(({ metadata }) => metadata.effectiveAt <= asOf);
  if (clocks === null || last === undefined) return refuse('ticket-not-found', `The ticket was not open yet at ${asOf}`);
  return { ticketId, revision: last.revision, asOf, clocks };
}
