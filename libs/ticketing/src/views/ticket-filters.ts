import type { StateFace } from '#eventsourcing';
import { isSaved, type TicketFilterState } from '../ticket/ticket-filter.js';

/** One document a saved filter, by its name. */
export const ticketFilters: StateFace<TicketFilterState> = {
  name: 'ticket_filters',
  version: 2,
  document: (state) => (isSaved(state) ? state : null),
  indexes: [],
};
