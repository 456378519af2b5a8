import { type EventStore, type RecordedEvent, streamName, upcast } from '#eventsourcing';
import { ticket, type TicketEvents } from '#ticketing';

/** The events of a ticket in order, upcast: up to a commit position, if one is given. None if there is no such ticket. */
export async function readTicketEvents(
  store: Pick<EventStore, 'readStream'>,
  ticketId: string,
  upTo?: bigint,
): Promise<readonly RecordedEvent<TicketEvents>[]> {
  const events: RecordedEvent<TicketEvents>[] = [];
  for await (const stored of store.readStream(streamName(ticket, ticketId))) {
    if (upTo !== undefined && stored.position.commit > upTo) break;
    events.push(upcast(ticket, stored));
  }
  return events;
}
