import type { StateFace } from '#eventsourcing';
import { isSaved, ticketFilterSchema, type TicketFilterState } from '../ticket/ticket-filter.js';
import { documentSchema } from './stored.js';

/** One document per saved filter, by its name. */
export const ticketFilters: StateFace<TicketFilterState> = {
  name: 'ticket_filters',
  version: 2,
  schema: () => documentSchema(ticketFilterSchema, 'Name of the filter'),
  document: (state) => (isSaved(state) ? state : null),
  indexes: [],
};
