import { type EventStore, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { isSaved, type TicketFilter, ticketFilter } from '#ticketing';
import { readSavedQuery, type TicketListAsked } from './ticket-list-parameters.js';

/** The current state of a saved filter in the log. */
export async function readTicketFilter(
  store: EventStore,
  name: string,
): Promise<{ readonly filter: TicketFilter; readonly revision: number } | Refusal<'filter-not-found'>> {
  const { state, revision } = await readAggregate(store, ticketFilter, name);
  return isSaved(state) ? { filter: state, revision } : noFilter();
}

export function noFilter(): Refusal<'filter-not-found'> {
  return refuse('filter-not-found', 'There is no such filter');
}

/** The query of a saved filter. Refused if it does not exist, or uses parameters that the list no longer has. */
export async function savedTicketList(store: EventStore, name: string): Promise<TicketListAsked | Refusal> {
  const found = await readTicketFilter(store, name);
  if (isRefusal(found)) return found;
  const { values, faults } = readSavedQuery(found.filter.query);
  return faults.length === 0
    ? values
    : refuse('filter-invalid', 'The saved filter uses a parameter that no longer exists: save it again', faults);
}
