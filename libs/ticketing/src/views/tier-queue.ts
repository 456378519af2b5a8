import { evolve, type Instant, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import type { NobodyFound } from '../events/assignment.js';
import { present, without } from '../plain-json.js';
import { activeWork, type Ticket, type TicketState } from '../events/ticket.js';
import { ticketWithoutClocks, type TicketEvents } from '../events/ticket-events.js';
import { type Person, PRIORITIES, type HoldReason, type Priority, type TicketKind, type Tier } from '../vocabulary.js';

/** How a ticket stands in the queue of its tier. `awaiting-acceptance`: handed over, neither accepted nor returned yet. */
export const QUEUE_STATES = ['awaiting-acceptance', 'waiting', 'working', 'on-hold', 'done'] as const;
export type QueueState = (typeof QUEUE_STATES)[number];

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
  /** State of the ticket that the entry follows from. */
  readonly ticket: Ticket;
}

function entry(doc: QueueEntry | null, event: RecordedEvent<TicketEvents>): QueueEntry | null {
  const state: TicketState = evolve(ticketWithoutClocks, doc?.ticket ?? null, event, event.metadata);
  if (state === null) return null;
  const at = event.metadata.effectiveAt;
  const queueState = queueStateOf(state);
  const sameTier = doc?.tier === state.tier;
  const { tier, client, kind, summary, priority, majorIncident, team, assignee, nobodyFound } = state;
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
    assignedAt: assignee !== undefined && assignee.id !== doc?.assignee?.id ? at : doc?.assignedAt,
    nobodyFound: queued ? nobodyFound : undefined,
    holdReason: state.work.status === 'on-hold' ? state.work.reason : undefined,
    atTierSince: doc !== null && sameTier ? doc.atTierSince : at,
    since: doc !== null && sameTier && doc.state === queueState ? doc.since : at,
    openedAt: doc?.openedAt ?? at,
    // The queue asks nothing of the contract.
    ticket: without(state, 'contract'),
  });
}

function queueStateOf({ work }: Ticket): QueueState {
  if (work.status === 'on-hold') return 'on-hold';
  if (work.status === 'resolved' || work.status === 'closed' || work.status === 'cancelled' || work.status === 'merged') return 'done';
  const active = activeWork(work);
  return active.status === 'escalated' ? 'awaiting-acceptance' : active.status === 'in-progress' ? 'working' : 'waiting';
}

/** One document a ticket, by its id: the queues of all tiers. */
export const tierQueue: Projection<QueueEntry, TicketEvents> = {
  name: 'tier_queue',
  version: 6,
  streamPrefix: 'ticket-',
  aggregate: ticketWithoutClocks,
  key: ({ stream }) => streamId(stream),
  apply: entry,
  indexes: [
    { key: { tier: 1, queued: 1, rank: 1, since: 1, _id: 1 } },
    { key: { client: 1, queued: 1 } },
    { key: { 'assignee.id': 1, queued: 1 } },
    { key: { 'assignee.id': 1, assignedAt: -1 } },
    { key: { nobodyFound: 1, position: 1 } },
  ],
};
