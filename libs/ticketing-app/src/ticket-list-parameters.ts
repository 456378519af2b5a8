import type { Fault } from '#eventsourcing';
import { flag, oneOf, type Parameter, type QueryOf, readParameters, someOf, text } from '#platform';
import { periodBegin, periodEnd, zoneOfDates } from './period-parameters.js';
import { CHANNELS, isFields, PRIORITIES, searchWords, TICKET_KINDS, TICKET_STATUSES, TIERS } from '#ticketing';
import { TICKET_ORDERS, type TicketOrder } from './ticket-list-query.js';

const words: Parameter<string> = {
  parse: (given) => (given.length <= 200 && searchWords(given).length > 0 && !given.includes('\0') ? given : undefined),
  rule: 'must be words of 1 to 200 characters together',
  description:
    'Only tickets about which all of these words were said: in what was opened, noted, replied, handed over or resolved. Case and accents do not matter; scripts without spaces are found by any part; a word that ends with * stands for all that begin so.',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};

/** What a list of tickets is filtered by. */
export const ticketListFilters = {
  q: words,
  client: text('Only tickets of this client'),
  status: someOf(TICKET_STATUSES, 'Only tickets in one of these states'),
  tier: someOf(TIERS, 'Only tickets at one of these tiers'),
  priority: someOf(PRIORITIES, 'Only tickets of one of these priorities'),
  kind: someOf(TICKET_KINDS, 'Only tickets of one of these kinds'),
  channel: someOf(CHANNELS, 'Only tickets that came by one of these channels'),
  team: text('Only tickets of this team'),
  assignee: text('Only tickets of the person with this id'),
  assigned: flag('Only tickets that somebody has, or that nobody has'),
  reporter: text('Only tickets that the person with this id reported'),
  category: text('Only tickets of this category, or of one below it'),
  service: text('Only tickets about this service'),
  component: text('Only tickets about this configuration item'),
  majorIncident: flag('Only major incidents, or none of them'),
  securityIncident: flag('Only security incidents, or none of them'),
  proposed: flag('Only tickets on which something that an assistant proposes waits for approval, or none of them'),
  openedFrom: periodBegin('Opened then or later', 'openedTo'),
  openedTo: periodEnd('Opened before then'),
  resolvedFrom: periodBegin('Resolved then or later; counts also when it was reopened since', 'resolvedTo'),
  resolvedTo: periodEnd('Resolved before then; counts also when it was reopened since'),
  closedFrom: periodBegin('Closed then or later; counts also when it was reopened since', 'closedTo'),
  closedTo: periodEnd('Closed before then; counts also when it was reopened since'),
  updatedFrom: periodBegin('Last changed then or later', 'updatedTo'),
  updatedTo: periodEnd('Last changed before then'),
  zone: zoneOfDates,
  sort: oneOf(
    Object.keys(TICKET_ORDERS) as TicketOrder[],
    'Order; `-` is descending. `priority` is major incidents, then by priority, then whoever came first. `-openedAt` unless said otherwise',
  ),
};

/** What a list of tickets is asked for, besides its pages. */
export type TicketListAsked = QueryOf<typeof ticketListFilters>;

/** What a saved filter asks for, and all that is wrong with it, each fault with its field under `query`. */
export function readSavedQuery(query: unknown): { readonly values: TicketListAsked; readonly faults: readonly Fault[] } {
  const { values, faults } = readParameters(ticketListFilters, isFields(query) ? query : {});
  return { values, faults: faults.map(({ field, message }) => ({ field: `query.${field}`, message })) };
}
