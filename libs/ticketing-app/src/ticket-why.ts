import { type Instant, instantFrom, type RecordedEvent, refuse, type Refusal, streamName, upcast } from '#eventsourcing';
import {
  type AssignmentAnswer,
  evolvePromises,
  ticket,
  type TicketEvents,
  type TicketPromises,
  type TicketWhy,
  whyAssigned,
  whyEscalated,
  whyRaised,
} from '#ticketing';
import type { Sources } from './read-models.js';

/** Why a ticket was with its holders, and why escalation policies acted or did not: from the ticket's events themselves. */
export async function readTicketWhy(
  { store }: Pick<Sources, 'store'>,
  {
    ticketId,
    asOf = instantFrom(Date.now()),
  }: {
    readonly ticketId: string;
    /** Later events are ignored; default: now. */
    readonly asOf?: Instant | undefined;
  },
): Promise<TicketWhy | Refusal> {
  let promises: TicketPromises | null = null;
  let revision = -1;
  const assignments: AssignmentAnswer[] = [];
  const events: RecordedEvent<TicketEvents>[] = [];
  for await (const stored of store.readStream(streamName(ticket, ticketId))) {
    const event = upcast(ticket, stored);
    if (event.metadata.effectiveAt > asOf) continue;
    promises = evolvePromises(promises, event, event.metadata, event.revision);
    revision = event.revision;
    events.push(event);
    const assigned = whyAssigned(event);
    if (assigned !== undefined) assignments.push(assigned);
  }
  if (promises === null) return refuse('ticket-not-found', `There is no such ticket, or it was not open yet at ${asOf}`);
  return { ticketId, revision, asOf, policies: whyEscalated(promises, asOf), raised: whyRaised(events), assignments };
}
