import type { EventDefinition, EventFacts, EventOf, Instant } from '#eventsourcing';
import { without } from '../plain-json.js';
import { assignmentEvents } from './assignment.js';
import { isAutomatic } from './automatic.js';
import type { ClockEffects, Supposed } from './clock-effects.js';
import { conversationEvents } from './conversation.js';
import type { TicketEventDefinition } from './definition.js';
import { escalationEvents } from './escalation.js';
import { handOffEvents } from './hand-off.js';
import { intakeEvents } from './intake.js';
import { proposalEvents } from './proposals.js';
import { recurrenceEvents } from './recurrence.js';
import { privacyEvents } from './privacy.js';
import { relationEvents } from './relations.js';
import { resolutionEvents } from './resolution.js';
import { slaEvents } from './sla.js';
import { type Automatic, isOver, openedTicket, type Ticket, type TicketMove, type TicketState } from './ticket.js';
import { workEvents } from './work.js';

/** Every event of a ticket's life, by type. */
export const ticketEvents = {
  ...intakeEvents,
  ...assignmentEvents,
  ...workEvents,
  ...handOffEvents,
  ...resolutionEvents,
  ...conversationEvents,
  ...relationEvents,
  ...slaEvents,
  ...escalationEvents,
  ...recurrenceEvents,
  ...privacyEvents,
  ...proposalEvents,
};

type Definitions = typeof ticketEvents;

export type TicketEventType = keyof Definitions;

/** Event type → its data. */
export type TicketEvents = { readonly [Type in TicketEventType]: Parameters<Definitions[Type]['evolve']>[1] };

/** All that is true of a type of event, whatever its data. */
export const definitionOf = (type: string): TicketEventDefinition<unknown> =>
  ticketEvents[type as TicketEventType] as TicketEventDefinition<unknown>;

/** What an event does to its ticket's clocks; null: nothing. */
export function clockEffectsOf({ type, data }: EventOf<TicketEvents>): ClockEffects | null {
  return definitionOf(type).clocks?.(data) ?? null;
}

/** What a policy or time goes by that brings an event about. */
export function supposedBy({ type, data }: EventOf<TicketEvents>): Supposed | undefined {
  return definitionOf(type).supposes?.(data);
}

/** The ticket after one more event. @param more what it carries besides, as it is after the event */
export function evolveTicket<Kind extends Ticket>(
  ticket: Kind,
  type: TicketEventType,
  data: unknown,
  facts: EventFacts,
  more?: Omit<Kind, keyof Ticket>,
): Kind {
  const after = afterEvent(ticket, { type, data, facts }, more);
  return { ...after, ...more, revisions: ticket.revisions + 1 } as Kind;
}

/**
 * What people tell comes before what policies and time did later, also where it is told after that: the ticket as it was before the first
 * of their moves is kept until people have moved it on past them, so that a late fact can take its place.
 */
function afterEvent(ticket: Ticket, event: TicketMove, more: object = {}): Ticket {
  const { automatic } = ticket;
  const { note } = definitionOf(event.type);
  if (note) {
    const after = apply(ticket, event);
    return automatic === undefined ? after : { ...after, automatic: { ...automatic, before: apply(automatic.before, event) } };
  }
  const retold = retelling(ticket, event);
  if (retold !== undefined) {
    const { told, later, after } = retold;
    return { ...after, automatic: { before: told, moves: later } };
  }
  if (!isAutomatic(event.facts)) return { ...apply(without(ticket, 'automatic'), event), movedAt: event.facts.effectiveAt };
  // What the ticket carries besides is kept in one place, the ticket as it is.
  const { before = without(ticket, ...(Object.keys(more) as never[])), moves = [] } = automatic ?? {};
  return { ...apply(ticket, event), automatic: { before, moves: [...moves, kept(event)] } };
}

/** A move that moved something: the ticket before it and after it. */
export interface Step {
  readonly move: TicketMove;
  readonly before: Ticket;
  readonly after: Ticket;
}

/** What happened since `automatic.before`, once an event that was told late has taken its place before some moves of policies and time. */
export interface Retelling {
  /** Up to what people told, and with it; none where a policy's own move took its place. */
  readonly steps: readonly Step[];
  /** The ticket right after them. */
  readonly told: Ticket;
  /** The moves that come after them, whether they moved anything or not. */
  readonly later: readonly TicketMove[];
  /** Those that moved something. */
  readonly laterSteps: readonly Step[];
  readonly after: Ticket;
}

/** @returns undefined where the event comes after all moves of policies and time */
export function retelling({ automatic }: Ticket, event: TicketMove): Retelling | undefined {
  const { effectiveAt, recordedAt } = event.facts;
  if (automatic === undefined || effectiveAt >= recordedAt || definitionOf(event.type).note) return undefined;
  const later = movesAfter(automatic, effectiveAt);
  if (later.length === 0) return undefined;
  const { before } = automatic;
  if (isAutomatic(event.facts)) {
    const moves = [...movesUntil(automatic, effectiveAt), kept(event), ...later];
    const laterSteps = stepsOf(before, moves);
    return { steps: [], told: before, later: moves, laterSteps, after: laterSteps.at(-1)?.after ?? before };
  }
  const earlier = stepsOf(before, movesUntil(automatic, effectiveAt));
  const meanwhile = earlier.at(-1)?.after ?? before;
  const told = { ...apply(meanwhile, event), movedAt: effectiveAt };
  const laterSteps = stepsOf(told, later);
  return {
    steps: [...earlier, { move: event, before: meanwhile, after: told }],
    told,
    later,
    laterSteps,
    after: laterSteps.at(-1)?.after ?? told,
  };
}

/** With no more of its metadata than evolving asks for. */
function kept({ type, data, facts: { actor, effectiveAt, recordedAt, commandId } }: TicketMove): TicketMove {
  return { type, data, facts: { actor, effectiveAt, recordedAt, commandId } };
}

function apply(ticket: Ticket, { type, data, facts }: TicketMove): Ticket {
  return definitionOf(type).evolve(ticket, data, facts);
}

/** Where the ticket was over in truth when a policy moved it, or was not what the policy supposed, it moved nothing. */
function stepsOf(ticket: Ticket, moves: readonly TicketMove[]): readonly Step[] {
  const steps: Step[] = [];
  for (const move of moves) {
    const before = steps.at(-1)?.after ?? ticket;
    const { movesWhatIsOver, supposes } = definitionOf(move.type);
    if ((movesWhatIsOver || !isOver(before)) && isAsSupposed(before, supposes?.(move.data))) {
      steps.push({ move, before, after: apply(before, move) });
    }
  }
  return steps;
}

function isAsSupposed({ tier, assignee, work }: Ticket, supposed: Supposed = {}): boolean {
  return (
    (supposed.tier ?? tier) === tier &&
    (supposed.assignee === undefined || supposed.assignee === (assignee?.id ?? null)) &&
    (supposed.hold === undefined || (work.status === 'on-hold' && work.reason === supposed.hold))
  );
}

function movesUntil({ moves }: Automatic, at: Instant): readonly TicketMove[] {
  return moves.filter(({ facts }) => facts.effectiveAt <= at);
}

function movesAfter({ moves }: Automatic, at: Instant): readonly TicketMove[] {
  return moves.filter(({ facts }) => facts.effectiveAt > at);
}

/** The ticket as it was in truth at an instant: without what policies and time did to it later. */
export function inTruthAt(ticket: Ticket, at: Instant): Ticket {
  const { automatic, movedAt, revisions } = ticket;
  if (automatic === undefined || movesAfter(automatic, at).length === 0) return ticket;
  const truth = stepsOf(automatic.before, movesUntil(automatic, at)).at(-1)?.after ?? automatic.before;
  return { ...truth, movedAt, revisions };
}

/** The events as a fold over another state than the ticket's. */
export type Folding<State> = { readonly [Type in TicketEventType]: EventDefinition<State, TicketEvents[Type]> };

/** @param evolve the state after an event of a type; what cannot be (an event before the opening, say) changes nothing */
export function folding<State>(evolve: (state: State, type: TicketEventType, data: unknown, facts: EventFacts) => State): Folding<State> {
  const entries = (Object.keys(ticketEvents) as TicketEventType[]).map((type) => {
    const { upcasters, personal } = definitionOf(type);
    return [type, { evolve: (state: State, data: unknown, facts: EventFacts) => evolve(state, type, data, facts), upcasters, personal }];
  });
  return Object.fromEntries(entries) as Folding<State>;
}

/** A ticket without its clocks: what views need. */
export const ticketWithoutClocks = {
  events: folding<TicketState>((ticket, type, data, facts) => {
    if (ticket !== null) return evolveTicket(ticket, type, data, facts);
    return type === 'TicketOpened' ? openedTicket(data as TicketEvents['TicketOpened'], facts.effectiveAt) : null;
  }),
};
