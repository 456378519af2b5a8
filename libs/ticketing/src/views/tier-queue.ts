import type { StateFace } from '#eventsourcing';
import { openingSchema, ticketFactsSchema } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { HOLD_REASONS, PRIORITIES } from '../vocabulary.js';
import { QUEUE_STATES } from './reported-facts.js';
import { detailFactsSchema, type TicketFold } from './ticket-fold.js';
import { about, count, flag, instant, oneOf, open, optional, parts, type Static } from '../schema.js';
import { documentSchema } from './stored.js';

export const queueEntrySchema = about(
  open({
    ...parts(openingSchema, 'tier'),
    queued: about(flag, 'False once the ticket is resolved, closed, cancelled or merged, unless the requester has replied since'),
    state: about(
      oneOf(QUEUE_STATES),
      '`awaiting-acceptance`: handed over, not yet accepted or returned; `replied`: resolved, but the requester has replied since',
    ),
    ...parts(openingSchema, 'client', 'kind', 'summary', 'priority', 'team'),
    ...parts(ticketFactsSchema, 'majorIncident', 'assignee', 'nobodyFound'),
    rank: about(count, 'Sort order, lowest first: 0 major incident, then 1 critical to 4 low'),
    assignedAt: optional(about(instant, 'When it was assigned to the current or most recent assignee')),
    holdReason: optional(about(oneOf(HOLD_REASONS), 'Why it is on hold')),
    holdUntil: optional(about(instant, 'Expected end of the hold, if known')),
    atTierSince: about(instant, 'When it reached this tier'),
    since: about(instant, 'When it entered this state at this tier'),
    ...parts(detailFactsSchema, 'openedAt'),
  }),
  "A ticket's place in its tier's queue. Finished tickets keep their document but are in no queue",
);

/** A ticket's place in its tier's queue. Finished tickets keep their document but are in no queue. */
export type QueueEntry = Static<typeof queueEntrySchema>;

function entry({ ticket, facts: { queueState, assignedAt, atTierSince, since, openedAt } }: TicketFold): QueueEntry {
  const { tier, client, kind, summary, priority, majorIncident, team, assignee, nobodyFound, work } = ticket;
  const queued = queueState !== 'done';
  return omitUndefined({
    tier,
    queued,
    state: queueState,
    client,
    kind,
    summary,
    priority,
    majorIncident,
    rank: majorIncident ? 0 : 1 + PRIORITIES.indexOf(priority),
    team,
    assignee,
    assignedAt,
    nobodyFound: queued ? nobodyFound : undefined,
    holdReason: work.status === 'on-hold' ? work.reason : undefined,
    holdUntil: work.status === 'on-hold' ? work.until : undefined,
    atTierSince,
    since,
    openedAt,
  });
}

/** One document per ticket, by its id: the queues of all tiers. */
export const tierQueue: StateFace<TicketFold | null> = {
  name: 'tier_queue',
  version: 8,
  schema: () => documentSchema(queueEntrySchema, 'Id of the ticket'),
  document: (fold) => fold && entry(fold),
  indexes: [
    { key: { tier: 1, queued: 1, rank: 1, since: 1, _id: 1 } },
    { key: { client: 1, queued: 1 } },
    { key: { 'assignee.id': 1, queued: 1 } },
    { key: { 'assignee.id': 1, assignedAt: -1 } },
    { key: { nobodyFound: 1, position: 1 } },
    { key: { position: 1 } },
  ],
};
