import type { Fault } from '#eventsourcing';
import { flag, oneOf, type Parameter, type QueryOf, readParameters, someOf, text } from '#platform';
import { periodBegin, periodEnd, zoneOfDates } from './period-parameters.js';
import { CHANNELS, isFields, PRIORITIES, searchWords, TICKET_KINDS, TICKET_STATUSES, TIERS } from '#ticketing';
import { TICKET_ORDERS, type TicketOrder } from './ticket-list-query.js';

const words: Parameter<string> = {
  parse: (given) => (given.length <= 200 && searchWords(given).length > 0 && !given.includes('\0') ? given : undefined),
  rule: 'must be words of 1 to 200 characters in total',
  description:
    'Only tickets that contain all of these words in their opening, notes, replies, hand-offs or resolution. Case and accents are ignored; in scripts without spaces any part matches; a word ending with * matches all words with that beginning.',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};

/** Filters of the ticket list. */
export const ticketListFilters = {
  q: words,
  client: text('Only tickets of this client'),
  status: someOf(TICKET_STATUSES, 'Only tickets in one of these states'),
  tier: someOf(TIERS, 'Only tickets at one of these tiers'),
  priority: someOf(PRIORITIES, 'Only tickets of one of these priorities'),
  kind: someOf(TICKET_KINDS, 'Only tickets of one of these kinds'),
  channel: someOf(CHANNELS, 'Only tickets from one of these channels'),
  team: text('Only tickets of this team'),
  assignee: text('Only tickets assigned to the person with this id'),
  assigned: flag('Only assigned tickets, or only unassigned ones'),
  reporter: text('Only tickets reported by the person with this id'),
  category: text('Only tickets of this category or a subcategory'),
  service: text('Only tickets about this service'),
  component: text('Only tickets about this configuration item'),
  majorIncident: flag('Only major incidents, or only other tickets'),
  securityIncident: flag('Only security incidents, or only other tickets'),
  proposed: flag("Only tickets with an assistant's proposal awaiting approval, or only other tickets"),
  openedFrom: periodBegin('Opened at this time or later', 'openedTo'),
  openedTo: periodEnd('Opened before this time'),
  resolvedFrom: periodBegin('Resolved at this time or later, even if reopened since', 'resolvedTo'),
  resolvedTo: periodEnd('Resolved before this time, even if reopened since'),
  closedFrom: periodBegin('Closed at this time or later, even if reopened since', 'closedTo'),
  closedTo: periodEnd('Closed before this time, even if reopened since'),
  updatedFrom: periodBegin('Last changed at this time or later', 'updatedTo'),
  updatedTo: periodEnd('Last changed before this time'),
  zone: zoneOfDates,
  sort: oneOf(
    Object.keys(TICKET_ORDERS) as TicketOrder[],
    'Sort order; `-` is descending. `priority`: major incidents, then by priority, then oldest first. Default: `-openedAt`',
  ),
};

/** The parameters of the ticket list, without those for paging. */
export type TicketListAsked = QueryOf<typeof ticketListFilters>;

/** The query of a saved filter, with all of its faults, each with its field under `query`. */
export function readSavedQuery(query: unknown): { readonly values: TicketListAsked; readonly faults: readonly Fault[] } {
  const { values, faults } = readParameters(ticketListFilters, isFields(query) ? query : {});
  return { values, faults: faults.map(({ field, message }) => ({ field: `query.${field}`, message })) };
}
