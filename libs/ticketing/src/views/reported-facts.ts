import { type Actor, epochMillis, type EventMetadata, type EventOf, type Instant } from '#eventsourcing';
import { asOf } from '../events/past.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { isOver, type Ticket } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { HOLD_REASONS, SERVED_BY, type ServedBy, tierSchema } from '../vocabulary.js';
import { about, count, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';

/**
 * State of a ticket in the queue of its tier. `awaiting-acceptance`: handed over, neither accepted nor returned yet; `replied`: resolved,
 * and the requester has replied since.
 */
export const QUEUE_STATES = ['awaiting-acceptance', 'waiting', 'working', 'on-hold', 'replied', 'done'] as const;
export type QueueState = (typeof QUEUE_STATES)[number];

const stretch = { from: about(instant, 'Start'), to: optional(about(instant, 'End; absent while ongoing')) };

export const reportedFactsSchema = open({
  acknowledgedAt: optional(about(instant, 'When it was first acknowledged: first response, or acknowledgement of an escalation')),
  mergedAt: optional(about(instant, 'When it was merged into another ticket')),
  resolutions: about(
    listOf(
      open({
        at: about(instant, 'When it was resolved'),
        tier: about(refer(tierSchema), 'Tier that resolved it'),
        team: optional(about(text, 'Team at that tier')),
        agent: optional(about(text, 'Id of the agent who was assigned then')),
        by: about(text, 'Id of the person, assistant or policy that resolved it'),
        closedAt: optional(about(instant, 'When this resolution became final')),
        closedBy: optional(about(text, 'Id of the person, assistant or policy that closed it')),
        reopenedAt: optional(about(instant, 'When the ticket was reopened')),
      }),
    ),
    'Resolutions, oldest first. One without `reopenedAt` still stands',
  ),
  reassignments: about(count, 'How many times it was reassigned from one agent to another, or unassigned'),
  replies: about(count, 'How many times the requester replied while it was not resolved'),
  holds: about(listOf(open({ reason: about(oneOf(HOLD_REASONS), 'Why'), ...stretch })), 'When it was on hold, oldest first'),
  majorIncidents: about(listOf(open(stretch)), 'When it was a major incident that was not yet resolved, oldest first'),
  touch: about(
    listOf(
      open({
        tier: about(refer(tierSchema), 'Tier'),
        agent: about(text, 'Id of the agent'),
        seconds: about(count, 'Seconds of work, measured and stated'),
      }),
    ),
    'Work on it, by tier and agent',
  ),
  times: about(
    listOf(
      open({
        tier: about(refer(tierSchema), 'Tier'),
        state: about(oneOf(QUEUE_STATES), 'State'),
        millis: about(count, 'Milliseconds'),
      }),
    ),
    'Time spent at each tier in each state. The current stretch is counted once it ends',
  ),
  satisfaction: about(
    listOf(
      open({
        cycle: about(count, 'Resolution cycle that is rated'),
        score: about(count, 'From 1 (very dissatisfied) to 5 (very satisfied)'),
        at: about(instant, 'When'),
      }),
    ),
    "The requester's rating of each resolution",
  ),
  servedBy: about(oneOf(SERVED_BY), 'Who has worked on it: people at the desk, assistants, or both'),
  articles: about(listOf(text), 'Knowledge articles used or written for it, each listed once'),
});

/** Needed only by reports. Kept in the fold, published in `ticket_facts`. */
export type ReportedFacts = Static<typeof reportedFactsSchema>;

const NONE: ReportedFacts = {
  resolutions: [],
  reassignments: 0,
  replies: 0,
  holds: [],
  majorIncidents: [],
  touch: [],
  times: [],
  satisfaction: [],
  servedBy: 'nobody',
  articles: [],
};

/** Where a ticket is, and since when. */
export interface Standing {
  readonly tier: Ticket['tier'];
  readonly queueState: QueueState;
  readonly since: Instant;
}

/** A ticket before and after an event. */
interface Change {
  readonly before: { readonly ticket: Omit<Ticket, 'contract'>; readonly standing: Standing; readonly reported: ReportedFacts } | undefined;
  readonly after: { readonly ticket: Omit<Ticket, 'contract'>; readonly standing: Standing };
  readonly isFirstResponse: boolean;
}

type Event = EventOf<TicketEvents> & { readonly metadata: Pick<EventMetadata, 'effectiveAt' | 'actor'> };

/** The facts after one more event; the same object if none changes. */
export function evolveReported({ before, after, isFirstResponse }: Change, event: Event): ReportedFacts {
  const facts = before?.reported ?? NONE;
  const { effectiveAt: at, actor } = event.metadata;
  const was = before?.ticket;
  const { ticket } = after;
  const changed: { -readonly [Key in keyof ReportedFacts]?: ReportedFacts[Key] } = {};

  if (isFirstResponse || event.type === 'EscalationAcknowledged') {
    if (facts.acknowledgedAt === undefined || at < facts.acknowledgedAt) changed.acknowledgedAt = at;
  }
  if (was?.work !== ticket.work) {
    if (ticket.work.status === 'merged' && facts.mergedAt === undefined) changed.mergedAt = at;
    const resolutions = resolutionsAfter(facts.resolutions, ticket, at, actor.id);
    if (resolutions !== facts.resolutions) changed.resolutions = resolutions;
    const holds = holdsAfter(facts.holds, ticket, at);
    if (holds !== facts.holds) changed.holds = holds;
  }
  const isMajor = ticket.majorIncident && !isOver(ticket);
  const majorIncidents = stretchesAfter(facts.majorIncidents, isMajor, at);
  if (majorIncidents !== facts.majorIncidents) changed.majorIncidents = majorIncidents;

  const passedOn = was?.assignee !== undefined && ticket.assignee !== undefined && was.assignee.id !== ticket.assignee.id;
  if (passedOn || event.type === 'TicketUnassigned') changed.reassignments = facts.reassignments + 1;

  const stood = before?.standing;
  if (stood !== undefined && stood.since !== after.standing.since) {
    const millis = Math.max(0, epochMillis(after.standing.since) - epochMillis(stood.since));
    const { tier, queueState: state } = stood;
    if (millis > 0) changed.times = added(facts.times, { tier, state, millis }, ['tier', 'state'], 'millis');
  }

  const servedBy = servedByBoth(facts.servedBy, actor.kind);
  if (servedBy !== facts.servedBy) changed.servedBy = servedBy;
  const articles = articlesOf(event).filter((article) => !facts.articles.includes(article));
  if (articles.length > 0) changed.articles = [...facts.articles, ...articles];
  switch (event.type) {
    case 'RequesterReplied':
      if (was !== undefined && !isOver(was)) changed.replies = facts.replies + 1;
      break;
    case 'TouchTimeStopped':
    case 'TouchTimeDeducted':
    case 'TouchTimeRecorded': {
      const { tier, agent } = event.data;
      const seconds = event.type === 'TouchTimeRecorded' ? event.data.minutes * 60 : measuredSeconds(event);
      changed.touch = added(facts.touch, { tier, agent: agent.id, seconds }, ['tier', 'agent'], 'seconds');
      break;
    }
    case 'SatisfactionRecorded': {
      const { cycle, score } = event.data;
      changed.satisfaction = [...facts.satisfaction, { cycle, score, at }];
      break;
    }
  }
  return before !== undefined && Object.keys(changed).length === 0 ? facts : { ...facts, ...changed };
}

function servedByBoth(before: ServedBy, kind: Actor['kind']): ServedBy {
  const now = kind === 'agent' ? 'people' : kind === 'assistant' ? 'assistants' : before;
  return before === 'nobody' || before === now ? now : 'both';
}

function resolutionsAfter(resolutions: ReportedFacts['resolutions'], ticket: Change['after']['ticket'], at: Instant, by: string) {
  const { work, resolvedBy } = ticket;
  const last = resolutions.at(-1);
  const standing = last?.reopenedAt === undefined ? last : undefined;
  switch (work.status) {
    case 'resolved':
    case 'closed': {
      const closing = work.status === 'closed' ? { closedAt: at, closedBy: by } : {};
      if (standing !== undefined) {
        return work.status !== 'closed' || standing.closedAt !== undefined
          ? resolutions
          : [...resolutions.slice(0, -1), { ...standing, ...closing }];
      }
      const { tier, team, assignee } = asOf(ticket, work.resolvedAt);
      const resolvedTier = (resolvedBy.length > resolutions.length ? resolvedBy.at(-1) : undefined) ?? tier;
      return [...resolutions, omitUndefined({ at: work.resolvedAt, tier: resolvedTier, team, agent: assignee?.id, by, ...closing })];
    }
    // A merged ticket has been taken in by another: whatever its resolution, it is not reopened.
    case 'merged':
      return resolutions;
    default:
      return standing === undefined ? resolutions : [...resolutions.slice(0, -1), { ...standing, reopenedAt: at }];
  }
}

function holdsAfter(holds: ReportedFacts['holds'], { work }: Change['after']['ticket'], at: Instant) {
  const last = holds.at(-1);
  const lasts = last !== undefined && last.to === undefined ? last : undefined;
  if (work.status !== 'on-hold') return lasts === undefined ? holds : [...holds.slice(0, -1), ended(lasts, at)];
  if (lasts === undefined) return [...holds, { reason: work.reason, from: work.since }];
  if (lasts.reason === work.reason) return holds;
  return [...holds.slice(0, -1), ended(lasts, work.since), { reason: work.reason, from: work.since }];
}

function stretchesAfter(stretches: ReportedFacts['majorIncidents'], holds: boolean, at: Instant) {
  const last = stretches.at(-1);
  const lasts = last !== undefined && last.to === undefined ? last : undefined;
  if (holds) return lasts === undefined ? [...stretches, { from: at }] : stretches;
  return lasts === undefined ? stretches : [...stretches.slice(0, -1), ended(lasts, at)];
}

/** Seconds of measured work that an event adds or deducts. */
export function measuredSeconds(event: EventOf<TicketEvents>): number {
  if (event.type === 'TouchTimeStopped') return event.data.seconds;
  return event.type === 'TouchTimeDeducted' ? 0 - event.data.seconds : 0;
}

/** A stretch never ends before it began, whatever the machines' clocks say. */
function ended<S extends { readonly from: Instant }>(stretch: S, at: Instant): S & { readonly to: Instant } {
  return { ...stretch, to: at < stretch.from ? stretch.from : at };
}

/** A list with an amount added to the entry with the same keys. */
function added<Entry extends object>(
  entries: readonly Entry[],
  entry: Entry,
  keys: readonly (keyof Entry)[],
  amount: keyof Entry,
): readonly Entry[] {
  const index = entries.findIndex((one) => keys.every((key) => one[key] === entry[key]));
  const known = entries[index];
  if (known === undefined) return [...entries, entry];
  const sum = { ...known, [amount]: (known[amount] as number) + (entry[amount] as number) };
  return entries.map((one, at) => (at === index ? sum : one));
}

function articlesOf(event: Event): readonly string[] {
  switch (event.type) {
    case 'TicketResolved':
      return event.data.article === undefined ? [] : [event.data.article];
    case 'TicketResolvedWithRootCause':
      // Root causes in old imports have none.
      return event.data.rootCause?.knowledgeArticle === undefined ? [] : [event.data.rootCause.knowledgeArticle.id];
    case 'TicketDeescalated':
      return event.data.solution?.article === undefined ? [] : [event.data.solution.article];
    case 'ConsultationAnswered':
      return event.data.article === undefined ? [] : [event.data.article];
    default:
      return [];
  }
}
