import type { Facts } from '../reports/kpi.js';
import { ticketFacts, type TicketFacts } from '../views/ticket-facts.js';
import type { LivedTicket } from './random-desk.js';

/** The facts of a ticket as MongoDB would store them: instants are dates. */
export function datedFacts({ id, fold }: LivedTicket): Facts {
  const document = ticketFacts.document(fold) as TicketFacts;
  const dated = JSON.parse(JSON.stringify(document), (_key, value: unknown) =>
    typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? new Date(value) : value,
  ) as object;
  return { ...dated, _id: id } as unknown as Facts;
}
