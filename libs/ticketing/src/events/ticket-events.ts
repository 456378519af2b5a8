import type { EventDefinition, EventFacts, EventOf, Instant } from '#eventsourcing';
import { without } from '../plain-json.js';
import { assignmentEvents } from './assignment.js';
import { isAutomatic } from './automatic.js';
import type { ClockEffects, Supposed } from './clock-effects.js';
import { conversationEvents } from './conversation.js';
import type { SupposedFrom, TicketEventDefinition } from './definition.js';
import { escalationEvents } from './escalation.js';
import { handOffEvents } from './hand-off.js';
import { intakeEvents } from './intake.js';
import { proposalEvents } from './proposals.js';
import { recurrenceEvents } from './recurrence.js';
import { privacyEvents } from './privacy.js';
import { relationEvents } from './relations.js';
import { resolutionEvents } from './resolution.js';
import { slaEvents } from './sla.js';
import { withPast } from './past.js';
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

/** The definition of a type of event, without the type of its data. */
export const definitionOf = (type: string): TicketEventDefinition<unknown> =>
  ticketEvents[type as TicketEventType] as TicketEventDefinition<unknown>;

/** What an event does to its ticket's clocks; null if nothing. */
export function clockEffectsOf({ type, data }: EventOf<TicketEvents>): ClockEffects | null {
  return definitionOf(type).clocks?.(data) ?? null;
}

/** What the policy or timekeeper behind an event relied on. */
export function supposedBy({ type, data }: EventOf<TicketEvents>, facts: SupposedFrom): Supposed | undefined {
  return definitionOf(type).supposes?.(data, facts);
}

/** The ticket after one more event. @param more additional fields, as of after the event */
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
 * What people report takes precedence over what policies and time did later, even if reported after it. So the ticket before the first
 * automatic move is kept until people have moved it past these moves, and a late fact can take its place.
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
  // The additional fields are kept only once, in the current ticket.
  const { before = without(ticket, ...(Object.keys(more) as never[])), moves = [] } = automatic ?? {};
  return { ...apply(ticket, event), automatic: { before, moves: [...moves, kept(event)] } };
}

/** A move that had an effect: the ticket before and after it. */
export interface Step {
  readonly move: TicketMove;
  readonly before: Ticket;
  readonly after: Ticket;
}

/** What happened since `automatic.before`, after a late event has taken its place before some automatic moves. */
export interface Retelling {
  /** Up to and including the late event; empty if a policy's own move took its place. */
  readonly steps: readonly Step[];
  /** The ticket right after these steps. */
  readonly told: Ticket;
  /** The moves after them, whether or not they had an effect. */
  readonly later: readonly TicketMove[];
  /** The later moves that had an effect. */
  readonly laterSteps: readonly Step[];
  readonly after: Ticket;
}

/** @returns undefined if the event comes after all automatic moves */
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

/** With only the metadata that evolving needs. */
function kept({ type, data, facts: { actor, effectiveAt, recordedAt, commandId } }: TicketMove): TicketMove {
  return { type, data, facts: { actor, effectiveAt, recordedAt, commandId } };
}

function apply(ticket: Ticket, { type, data, facts }: TicketMove): Ticket {
  const { note, evolve } = definitionOf(type);
  const after = evolve(ticket, data, facts);
  return note ? after : withPast(ticket, after, facts.effectiveAt);
}

/** A policy's move had no effect if the ticket was really over by then, or was not as the policy supposed. */
function stepsOf(ticket: Ticket, moves: readonly TicketMove[]): readonly Step[] {
  const steps: Step[] = [];
  for (const move of moves) {
    const before = steps.at(-1)?.after ?? ticket;
    const { movesWhatIsOver, supposes } = definitionOf(move.type);
    if ((movesWhatIsOver || !isOver(before)) && isAsSupposed(before, supposes?.(move.data, move.facts))) {
      steps.push({ move, before, after: apply(before, move) });
    }
  }
  return steps;
}

function isAsSupposed({ tier, assignee, work }: Ticket, supposed: Supposed = {}): boolean {
  return (
    (supposed.tier ?? tier) === tier &&
    (supposed.assignee === undefined || supposed.assignee === (assignee?.id ?? null)) &&
    (supposed.hold === undefined || (work.status === 'on-hold' && work.reason === supposed.hold)) &&
    (supposed.until === undefined || (work.status === 'on-hold' && work.until === supposed.until))
  );
}

function movesUntil({ moves }: Automatic, at: Instant): readonly TicketMove[] {
  return moves.filter(({ facts }) => facts.effectiveAt <= at);
}

function movesAfter({ moves }: Automatic, at: Instant): readonly TicketMove[] {
  return moves.filter(({ facts }) => facts.effectiveAt > at);
}

/** The ticket as it really was at an instant: without what policies and time did to it later. */
export function inTruthAt(ticket: Ticket, at: Instant): Ticket {
  const { automatic, movedAt, revisions } = ticket;
  if (automatic === undefined || movesAfter(automatic, at).length === 0) return ticket;
  const truth = stepsOf(automatic.before, movesUntil(automatic, at)).at(-1)?.after ?? automatic.before;
  return { ...truth, movedAt, revisions };
}

/** The events folded over a state other than the ticket's. */
export type Folding<State> = {
  readonly [Type in TicketEventType]: EventDefinition<State, TicketEvents[Type]> & Pick<Definitions[Type], 'publicData'>;
};

/** @param evolve the state after an event of a type; an impossible event (one before the opening, say) changes nothing */
export function folding<State>(evolve: (state: State, type: TicketEventType, data: unknown, facts: EventFacts) => State): Folding<State> {
  const entries = (Object.keys(ticketEvents) as TicketEventType[]).map((type) => {
    const { publicData, personal, upcasters } = definitionOf(type);
    return [
      type,
      { publicData, personal, upcasters, evolve: (state: State, data: unknown, facts: EventFacts) => evolve(state, type, data, facts) },
    ];
  });
  return Object.fromEntries(entries) as Folding<State>;
}

/** A ticket without its clocks, as views need it. */
export const ticketWithoutClocks = {
  events: folding<TicketState>((ticket, type, data, facts) => {
    if (ticket !== null) return evolveTicket(ticket, type, data, facts);
    return type === 'TicketOpened' ? openedTicket(data as TicketEvents['TicketOpened'], facts.effectiveAt) : null;
  }),
};
