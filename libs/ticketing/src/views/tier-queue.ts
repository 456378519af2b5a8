import type { Instant, StateFace } from '#eventsourcing';
import type { NobodyFound } from '../events/assignment.js';
import { present } from '../plain-json.js';
import { type Person, PRIORITIES, type HoldReason, type Priority, type TicketKind, type Tier } from '../vocabulary.js';
import type { QueueState, TicketFold } from './ticket-fold.js';

/** A ticket's place in the queue of the tier that has it. Tickets that are done keep their document, out of every queue. */
export interface QueueEntry {
  readonly tier: Tier;
  /** False when the ticket is resolved, closed, cancelled or merged. */
  readonly queued: boolean;
  readonly state: QueueState;
  readonly client: string;
  readonly kind: TicketKind;
  readonly summary: string;
  readonly priority: Priority;
  readonly majorIncident: boolean;
  /** The order in which a lead reads: major incidents, then by priority. Lower comes first; within one, whoever came first. */
  readonly rank: number;
  readonly team?: string;
  readonly assignee?: Person;
  /** When the assignee, or the last one, was given it. */
  readonly assignedAt?: Instant;
  /** Why automatic assignment found nobody: it is tried again when the roster changes. */
  readonly nobodyFound?: NobodyFound['because'];
  readonly holdReason?: HoldReason;
  /** When the ticket came to this tier. */
  readonly atTierSince: Instant;
  /** When it came to this state at this tier. */
  readonly since: Instant;
  readonly openedAt: Instant;
}

function entry({ ticket, facts: { queueState, assignedAt, atTierSince, since, openedAt } }: TicketFold): QueueEntry {
  const { tier, client, kind, summary, priority, majorIncident, team, assignee, nobodyFound, work } = ticket;
  const queued = queueState !== 'done';
  return present({
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
    atTierSince,
    since,
    openedAt,
  });
}

/** One document a ticket, by its id: the queues of all tiers. */
export const tierQueue: StateFace<TicketFold | null> = {
  name: 'tier_queue',
  version: 7,
  document: (fold) => fold && entry(fold),
  indexes: [
    { key: { tier: 1, queued: 1, rank: 1, since: 1, _id: 1 } },
    { key: { client: 1, queued: 1 } },
    { key: { 'assignee.id': 1, queued: 1 } },
    { key: { 'assignee.id': 1, assignedAt: -1 } },
    { key: { nobodyFound: 1, position: 1 } },
  ],
};
