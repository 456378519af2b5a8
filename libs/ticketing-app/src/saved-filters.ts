import { type EventStore, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { isSaved, type TicketFilter, ticketFilter } from '#ticketing';
import { readSavedQuery, type TicketListAsked } from './ticket-list-parameters.js';

/** A saved filter as the log has it now. */
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

/** What a saved filter asks for. Refused when there is none, or it asks for what the list no longer knows. */
export async function savedTicketList(store: EventStore, name: string): Promise<TicketListAsked | Refusal> {
  const found = await readTicketFilter(store, name);
  if (isRefusal(found)) return found;
  const { values, faults } = readSavedQuery(found.filter.query);
  return faults.length === 0
    ? values
    : refuse('filter-invalid', 'The saved filter uses a parameter that no longer exists: save it again', faults);
}
