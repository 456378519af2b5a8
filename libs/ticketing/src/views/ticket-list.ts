import type { Instant, StateFace } from '#eventsourcing';
import { resolvedAt } from '../events/ticket.js';
import { present } from '../plain-json.js';
import {
  type Channel,
  type Impact,
  type Person,
  PRIORITIES,
  type Priority,
  type TicketKind,
  type TicketStatus,
  type Tier,
  type Urgency,
} from '../vocabulary.js';
import type { TicketFold } from './ticket-fold.js';

/** A line of the list of tickets: what it is filtered, sorted and searched by. */
export interface TicketListEntry {
  readonly client: string;
  readonly kind: TicketKind;
  readonly summary: string;
  readonly reporter: Person;
  readonly channel: Channel;
  readonly status: TicketStatus;
  readonly tier: Tier;
  readonly impact: Impact;
  readonly urgency: Urgency;
  readonly priority: Priority;
  /** Major incidents, then by priority: lower comes first. */
  readonly rank: number;
  readonly majorIncident: boolean;
  readonly securityIncident: boolean;
  readonly team?: string;
  readonly assignee?: Person;
  readonly service?: string;
  readonly component?: string;
  readonly category?: string;
  /** The category and all that it is below: `hardware/printer` is also `hardware`. */
  readonly categories: readonly string[];
  readonly openedAt: Instant;
  readonly resolvedAt?: Instant;
  readonly updatedAt: Instant;
  /** Every word that was said about it: see search-words.ts. */
  readonly words: readonly string[];
}

function entry({ ticket, facts: { openedAt, updatedAt, words } }: TicketFold): TicketListEntry {
  const { client, kind, summary, reporter, channel, work, tier, impact, urgency, priority, majorIncident, securityIncident } = ticket;
  const { team, assignee, service, component, category } = ticket;
  return present({
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
    team,
    assignee,
    service,
    component,
    category,
    categories: category === undefined ? [] : branches(category),
    openedAt,
    resolvedAt: resolvedAt(work),
    updatedAt,
    words,
  });
}

/** `a/b/c` is `a`, `a/b` and itself. */
function branches(category: string): readonly string[] {
  const names = category.split('/');
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/**
 * One document a ticket, by its id: `GET /v1/tickets`. Words are in an index of our own rather than a text index: the same query then
 * works on every server, finds parts of codes and names, and combines with the other filters.
 */
export const ticketList: StateFace<TicketFold | null> = {
  name: 'ticket_list',
  version: 5,
  document: (fold) => fold && entry(fold),
  indexes: [
    { key: { openedAt: 1, _id: 1 } },
    { key: { updatedAt: 1, _id: 1 } },
    { key: { rank: 1, openedAt: 1, _id: 1 } },
    { key: { client: 1, openedAt: 1, _id: 1 } },
    { key: { status: 1, openedAt: 1, _id: 1 } },
    { key: { 'assignee.id': 1, openedAt: 1, _id: 1 } },
    { key: { team: 1, openedAt: 1, _id: 1 } },
    { key: { service: 1, openedAt: 1, _id: 1 } },
    { key: { categories: 1 } },
    { key: { resolvedAt: 1 } },
    { key: { client: 1, words: 1, openedAt: 1, _id: 1 } },
    { key: { words: 1, openedAt: 1, _id: 1 } },
  ],
};
