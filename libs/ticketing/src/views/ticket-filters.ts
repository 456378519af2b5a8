import { evolve, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { isSaved, type TicketFilter, ticketFilter, type TicketFilterEvents } from '../ticket/ticket-filter.js';

function apply(doc: TicketFilter | null, event: RecordedEvent<TicketFilterEvents>): TicketFilter | null {
  const state = evolve(ticketFilter, doc, event, event.metadata);
  return isSaved(state) ? state : null;
}

/** One document a saved filter, by its name. */
export const ticketFilters: Projection<TicketFilter, TicketFilterEvents> = {
  name: 'ticket_filters',
  version: 1,
  streamPrefix: 'filter-',
  aggregate: ticketFilter,
  key: ({ stream }) => streamId(stream),
  apply,
  indexes: [],
};
