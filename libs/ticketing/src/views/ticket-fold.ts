import { type EventMetadata, type EventOf, evolve, type Instant, type RecordedEvent } from '#eventsourcing';
import { handOffQuality } from '../contract/hand-off.js';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import { definitionOf, retelling, type Step, type TicketEvents, ticketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import { activeWork, isOver, type Ticket } from '../events/ticket.js';
import { omitUndefined, without } from '../plain-json.js';
import { tierSchema } from '../vocabulary.js';
import { evolveReported, measuredSeconds, type QueueState, type ReportedFacts } from './reported-facts.js';
import { withWordsOf } from './search-words.js';
import { about, count, instant, listOf, literal, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';

const staySchema = open({
  tier: about(refer(tierSchema), 'The tier'),
  team: optional(about(text, 'Team at that tier')),
  since: about(instant, 'Since when'),
});

/** A stay of the ticket with a team of a tier. */
export type Stay = Static<typeof staySchema>;

const handOffRecordSchema = open({
  escalationId: about(uuid, 'Id of the hand-off'),
  from: about(refer(tierSchema), 'Tier that handed it over'),
  fromTeam: optional(about(text, 'Team at that tier')),
  to: about(refer(tierSchema), 'Tier that received it'),
  toTeam: optional(about(text, 'Team at that tier')),
  at: about(instant, 'When'),
  outcome: about(oneOf(['pending', 'accepted', 'returned']), 'Outcome'),
  settledAt: optional(about(instant, 'When it was accepted or returned')),
  quality: about(count, 'Quality score, 0 to 100; halved when returned'),
  automatic: optional(about(literal(true), 'Handed over by an escalation policy')),
});

/** A hand-off to a higher tier, and its outcome. */
export type HandOffRecord = Static<typeof handOffRecordSchema>;

/** What readers want to know of a ticket but commands do not need: all of it is in its details. */
export const detailFactsSchema = open({
  openedAt: about(instant, 'When it was opened'),
  updatedAt: about(instant, 'When its last event was recorded; never decreases'),
  firstResponseAt: optional(about(instant, 'When somebody first worked on it')),
  closedAt: optional(about(instant, 'When it was closed')),
  cancelledAt: optional(about(instant, 'When it was cancelled')),
  escalations: about(count, 'How many times it was handed up'),
  deescalations: about(count, 'How many times it was handed down'),
  handOffs: about(listOf(handOffRecordSchema), 'Hand-offs to higher tiers, oldest first'),
  touchMinutes: about(count, 'Minutes of work stated by agents'),
  touchSeconds: about(count, 'Seconds of work, measured from start to stop'),
  satisfaction: about(
    listOf(
      open({
        cycle: about(count, 'Resolution cycle that is rated'),
        score: about(count, 'Score given by the requester'),
        comment: optional(about(text, "The requester's comment")),
      }),
    ),
    "The requester's rating of each resolution",
  ),
  stays: about(listOf(staySchema), 'Stays at tiers and teams, oldest first'),
  articlesShown: optional(
    about(listOf(text), 'Knowledge articles that self-service showed, without success, before the ticket was opened'),
  ),
  imported: optional(
    about(
      open({
        system: about(text, 'Source system, such as `bpic2013`'),
        key: about(text, 'Key of the ticket there'),
        deviations: about(listOf(text), 'Rules that the imported history breaks'),
      }),
      'Source of an imported ticket',
    ),
  ),
});

/** What readers want to know of a ticket but commands do not need. */
export type ReaderFacts = Static<typeof detailFactsSchema> & {
  /** The latest instant at which any event took effect: notes may be recorded late. */
  readonly latestAt: Instant;
  readonly queueState: QueueState;
  /** When it reached this tier. */
  readonly atTierSince: Instant;
  /** When it entered this state at this tier. */
  readonly since: Instant;
  /** When it was assigned to the current or most recent assignee. */
  readonly assignedAt?: Instant;
  /** Every word that was said about it: see search-words.ts. */
  readonly words: readonly string[];
};

/** Everything that the views of a ticket are derived from. */
export interface TicketFold {
  /** As commands see it; clocks and contract are in `promises`. */
  readonly ticket: Omit<Ticket, 'contract' | 'sla' | 'hindsight'>;
  readonly promises: TicketPromises;
  readonly facts: ReaderFacts;
  readonly reported: ReportedFacts;
  /** Before the automatic moves that a late fact may still precede: see `Ticket.automatic`. */
  readonly told?: Moved;
}

/** Facts that depend on the order in which things happened, not on the order in which they were recorded. */
const MOVED_FACTS = [
  ...(['escalations', 'deescalations', 'handOffs', 'stays', 'queueState', 'atTierSince', 'since', 'assignedAt'] as const),
  ...(['closedAt', 'cancelledAt'] as const),
];
const MOVED_REPORTS = ['mergedAt', 'resolutions', 'reassignments', 'replies', 'holds', 'majorIncidents', 'times'] as const;
interface Moved {
  readonly facts: Pick<ReaderFacts, (typeof MOVED_FACTS)[number]>;
  readonly reported: Pick<ReportedFacts, (typeof MOVED_REPORTS)[number]>;
}

type Event = RecordedEvent<TicketEvents>;
type ReadEvent = EventOf<TicketEvents> & { readonly metadata: Pick<EventMetadata, 'effectiveAt' | 'recordedAt' | 'actor' | 'imported'> };

/** The fold after one more event; null before the opening. */
export function foldTicket(fold: TicketFold | null, event: Event): TicketFold | null {
  const state = evolve(ticketWithoutClocks, fold?.ticket ?? null, event, event.metadata);
  const promises = evolvePromises(fold?.promises ?? null, event, event.metadata, event.revision);
  if (state === null || promises === null) return null;
  const ticket = state.contract === undefined ? state : without(state, 'contract');
  const after = readAfter(fold ?? undefined, ticket, event);
  const retold = fold === null ? undefined : retoldBy(fold, event);
  if (retold !== undefined) return { ticket, promises, ...withMoved(after, retold.now), told: retold.told };
  const told = toldAfter(fold, ticket, event);
  return told === undefined ? { ticket, promises, ...after } : { ticket, promises, ...after, told };
}

/** What readers want to know of a ticket, beside the ticket. */
type Read = Pick<TicketFold, 'facts' | 'reported'>;
type ReadTicket = Read & Pick<TicketFold, 'ticket'>;

function readAfter(fold: ReadTicket | undefined, ticket: TicketFold['ticket'], event: ReadEvent): Read {
  const facts = factsAfter(fold, ticket, event);
  const before = fold && { ticket: fold.ticket, standing: placeOf(fold), reported: fold.reported };
  const after = { ticket, standing: placeOf({ ticket, facts }) };
  return { facts, reported: evolveReported({ before, after, isFirstResponse: isFirstResponse(event) }, event) };
}

function placeOf({ ticket: { tier }, facts: { queueState, since } }: Pick<TicketFold, 'ticket' | 'facts'>) {
  return { tier, queueState, since };
}

/** Facts before the automatic moves that a late fact may still precede; undefined if there are none. */
function toldAfter(fold: TicketFold | null, ticket: TicketFold['ticket'], event: Event): Moved | undefined {
  if (fold === null || ticket.automatic === undefined) return undefined;
  const { told = moved(fold) } = fold;
  const { automatic } = fold.ticket;
  if (automatic === undefined || !isKnown(event) || !definitionOf(event.type).note) return told;
  return moved(readAfter({ ticket: automatic.before, ...withMoved(fold, told) }, ticket.automatic.before, event));
}

/** The facts after a late event has taken its place before automatic moves; undefined if it comes after all of them. */
function retoldBy(fold: TicketFold, event: Event) {
  if (fold.told === undefined || !isKnown(event)) return undefined;
  const retold = retelling(fold.ticket, { ...event, facts: event.metadata });
  if (retold === undefined) return undefined;
  const told = readOver(withMoved(fold, fold.told), retold.steps);
  return { told: moved(told), now: moved(readOver(told, retold.laterSteps)) };
}

function readOver(read: Read, steps: readonly Step[]): Read {
  const taken = ({ move: { type, data, facts: metadata } }: Step) => ({ type, data, metadata }) as ReadEvent;
  return steps.reduce((so, step) => readAfter({ ticket: step.before, ...so }, step.after, taken(step)), read);
}

function moved({ facts, reported }: Read): Moved {
  return { facts: pick(facts, MOVED_FACTS), reported: pick(reported, MOVED_REPORTS) };
}

function withMoved({ facts, reported }: Read, moved: Moved): Read {
  return {
    facts: { ...without(facts, ...MOVED_FACTS), ...moved.facts },
    reported: { ...without(reported, ...MOVED_REPORTS), ...moved.reported },
  };
}

function pick<Fields extends object, Key extends keyof Fields>(fields: Fields, keys: readonly Key[]): Pick<Fields, Key> {
  const picked: Partial<Fields> = {};
  for (const key of keys) if (fields[key] !== undefined) picked[key] = fields[key];
  return picked as Pick<Fields, Key>;
}

function factsAfter(fold: ReadTicket | undefined, ticket: TicketFold['ticket'], event: ReadEvent): ReaderFacts {
  const facts = fold?.facts;
  const { effectiveAt: at, recordedAt } = event.metadata;
  const { tier, team, assignee, work } = ticket;
  const queueState = queueStateOf(ticket);
  const sameTier = fold?.ticket.tier === tier;
  return omitUndefined({
    openedAt: facts?.openedAt ?? at,
    updatedAt: facts !== undefined && facts.updatedAt > recordedAt ? facts.updatedAt : recordedAt,
    latestAt: facts !== undefined && facts.latestAt > at ? facts.latestAt : at,
    firstResponseAt: isFirstResponse(event) ? earliest(facts?.firstResponseAt, at) : facts?.firstResponseAt,
    closedAt: work.status === 'closed' ? (facts?.closedAt ?? at) : undefined,
    cancelledAt: work.status === 'cancelled' ? (facts?.cancelledAt ?? at) : undefined,
    escalations: (facts?.escalations ?? 0) + (event.type === 'TicketEscalated' ? 1 : 0),
    deescalations: (facts?.deescalations ?? 0) + (event.type === 'TicketDeescalated' ? 1 : 0),
    handOffs: handOffsAfter(facts?.handOffs ?? [], event),
    touchMinutes: (facts?.touchMinutes ?? 0) + (event.type === 'TouchTimeRecorded' ? event.data.minutes : 0),
    touchSeconds: (facts?.touchSeconds ?? 0) + measuredSeconds(event),
    satisfaction: event.type === 'SatisfactionRecorded' ? [...(facts?.satisfaction ?? []), event.data] : (facts?.satisfaction ?? []),
    stays: staysAfter(facts?.stays ?? [], omitUndefined({ tier, team, since: at })),
    articlesShown: event.type === 'TicketOpened' ? event.data.articlesShown : facts?.articlesShown,
    imported: importedFrom(facts, event),
    queueState,
    atTierSince: sameTier && facts !== undefined ? facts.atTierSince : at,
    since: sameTier && facts?.queueState === queueState ? facts.since : at,
    assignedAt: assignee !== undefined && assignee.id !== fold?.ticket.assignee?.id ? at : facts?.assignedAt,
    words: withWordsOf(facts?.words ?? [], event.data),
  });
}

function earliest(one: Instant | undefined, other: Instant): Instant {
  return one !== undefined && one < other ? one : other;
}

/** Newer versions may write types of events that are unknown here. */
function isFirstResponse(event: ReadEvent): boolean {
  return isKnown(event) && ticketEvents[event.type].firstResponse === true;
}

function isKnown({ type }: Pick<ReadEvent, 'type'>): boolean {
  return Object.hasOwn(ticketEvents, type);
}

function queueStateOf(ticket: TicketFold['ticket']): QueueState {
  const { work, repliedAt } = ticket;
  if (work.status === 'on-hold') return 'on-hold';
  if (isOver(ticket)) return repliedAt === undefined ? 'done' : 'replied';
  const active = activeWork(work);
  return active.status === 'escalated' ? 'awaiting-acceptance' : active.status === 'in-progress' ? 'working' : 'waiting';
}

function staysAfter(stays: readonly Stay[], now: Stay): readonly Stay[] {
  const last = stays.at(-1);
  return last !== undefined && last.tier === now.tier && last.team === now.team ? stays : [...stays, now];
}

function handOffsAfter(records: readonly HandOffRecord[], event: ReadEvent): readonly HandOffRecord[] {
  const at = event.metadata.effectiveAt;
  switch (event.type) {
    case 'TicketEscalated': {
      const { escalationId, from, fromTeam, to, toTeam, handOff, automatic } = event.data;
      return [
        ...records,
        omitUndefined({
          escalationId,
          from,
          fromTeam,
          to,
          toTeam,
          at,
          outcome: 'pending' as const,
          quality: handOffQuality(from, to, handOff),
          automatic: automatic === undefined ? undefined : (true as const),
        }),
      ];
    }
    case 'EscalationAccepted':
    case 'EscalationReturned': {
      const outcome = event.type === 'EscalationAccepted' ? 'accepted' : 'returned';
      const settled = (record: HandOffRecord): HandOffRecord => ({
        ...record,
        outcome,
        settledAt: at,
        quality: outcome === 'returned' ? Math.round(record.quality / 2) : record.quality,
      });
      return records.map((record) => (record.escalationId === event.data.escalationId ? settled(record) : record));
    }
    default:
      return records;
  }
}

function importedFrom(facts: ReaderFacts | undefined, { metadata: { imported } }: ReadEvent): ReaderFacts['imported'] {
  if (imported === undefined) return facts?.imported;
  const deviations = [...new Set([...(facts?.imported?.deviations ?? []), ...(imported.deviations ?? [])])].sort();
  return { system: imported.system, key: imported.key, deviations };
}
