import type { StateFace } from '#eventsourcing';
import { openingSchema, resolvedAt, ticketFactsSchema } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { PRIORITIES } from '../vocabulary.js';
import { ticketDetailsSchema } from './ticket-details.js';
import type { TicketFold } from './ticket-fold.js';
import { queueEntrySchema } from './tier-queue.js';
import { about, flag, instant, listOf, open, optional, parts, type Static, text } from '../schema.js';
import { documentSchema } from './stored.js';

/** What everybody who sees a ticket in a list is shown. */
const shownToAll = {
  ...parts(openingSchema, 'client', 'kind', 'summary', 'reporter', 'channel', 'impact', 'urgency', 'priority'),
  ...parts(openingSchema, 'service', 'component', 'category'),
  ...parts(ticketFactsSchema, 'majorIncident'),
  ...parts(ticketDetailsSchema, 'status', 'openedAt', 'resolvedAt', 'closedAt', 'updatedAt'),
  ...parts(queueEntrySchema, 'rank'),
};

/** What only the desk is shown: how it works on the ticket. */
const shownToDesk = {
  ...parts(openingSchema, 'tier', 'team'),
  ...parts(ticketFactsSchema, 'securityIncident', 'assignee'),
  proposed: about(flag, "Whether an assistant's proposal is awaiting approval"),
};

/** Fields of the ticket list that requesters are not shown. */
export const SHOWN_TO_DESK = Object.keys(shownToDesk) as readonly (keyof typeof shownToDesk)[];

export const ticketListLineSchema = about(
  open({
    ...shownToAll,
    ...shownToDesk,
    tier: optional(shownToDesk.tier),
    securityIncident: optional(shownToDesk.securityIncident),
    proposed: optional(shownToDesk.proposed),
  }),
  'A ticket in the ticket list. Requesters are not shown `tier`, `team`, `assignee`, `securityIncident` and `proposed`',
);

const ticketListEntrySchema = about(
  open({
    ...shownToAll,
    ...shownToDesk,
    categories: about(listOf(text), 'The category and its parents: `hardware/printer` is also `hardware`'),
    resolvedTimes: about(listOf(instant), 'Every time it was resolved, even if reopened since'),
    closedTimes: about(listOf(instant), 'Every time it was closed, even if reopened since'),
    words: about(listOf(text), 'All words of the ticket, without case and accents; used by search'),
  }),
  'A ticket in the ticket list, with its search fields',
);

/** A line of the ticket list: what it is filtered, sorted and searched by. */
export type TicketListEntry = Static<typeof ticketListEntrySchema>;

function entry({ ticket, facts: { openedAt, closedAt, updatedAt, words }, reported: { resolutions } }: TicketFold): TicketListEntry {
  const { client, kind, summary, reporter, channel, work, tier, impact, urgency, priority, majorIncident, securityIncident } = ticket;
  const { team, assignee, service, component, category } = ticket;
  return omitUndefined({
    client,
    kind,
    summary,
    reporter,
    channel,
    status: work.status,
    tier,
    impact,
    urgency,
    priority,
    rank: majorIncident ? 0 : 1 + PRIORITIES.indexOf(priority),
    majorIncident,
    securityIncident,
    proposed: ticket.proposals !== undefined,
    team,
    assignee,
    service,
    component,
    category,
    categories: category === undefined ? [] : branches(category),
    openedAt,
    resolvedAt: resolvedAt(work),
    closedAt,
    resolvedTimes: resolutions.map(({ at }) => at),
    closedTimes: resolutions.flatMap(({ closedAt: time }) => time ?? []),
    updatedAt,
    words,
  });
}

/** `a/b/c` gives `a`, `a/b` and itself. */
function branches(category: string): readonly string[] {
  const names = category.split('/');
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/**
 * One document per ticket, by its id: `GET /v1/tickets`. Words are in an ordinary index rather than a text index: the same query then works
 * on every server, finds parts of codes and names, and combines with the other filters.
 */
export const ticketList: StateFace<TicketFold | null> = {
  name: 'ticket_list',
  version: 7,
  schema: () => documentSchema(ticketListEntrySchema, 'Id of the ticket'),
  document: (fold) => fold && entry(fold),
  indexes: [
    { key: { openedAt: 1, _id: 1 } },
    { key: { updatedAt: 1, _id: 1 } },
    { key: { rank: 1, openedAt: 1, _id: 1 } },
    { key: { client: 1, openedAt: 1, _id: 1 } },
    { key: { client: 1, updatedAt: 1, _id: 1 } },
    { key: { client: 1, rank: 1, openedAt: 1, _id: 1 } },
    { key: { status: 1, openedAt: 1, _id: 1 } },
    { key: { 'assignee.id': 1, openedAt: 1, _id: 1 } },
    { key: { team: 1, openedAt: 1, _id: 1 } },
    { key: { service: 1, openedAt: 1, _id: 1 } },
    { key: { categories: 1 } },
    { key: { resolvedTimes: 1 } },
    { key: { closedTimes: 1 } },
    { key: { client: 1, words: 1, openedAt: 1, _id: 1 } },
    { key: { words: 1, openedAt: 1, _id: 1 } },
    { key: { position: 1 } },
    { key: { client: 1, position: 1 } },
  ],
};
