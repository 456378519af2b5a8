import type { EventDefinition, EventFacts, EventOf } from '#eventsourcing';
import { assignmentEvents } from './assignment.js';
import type { ClockEffects } from './clock-effects.js';
import { conversationEvents } from './conversation.js';
import type { TicketEventDefinition } from './definition.js';
import { escalationEvents } from './escalation.js';
import { handOffEvents } from './hand-off.js';
import { intakeEvents } from './intake.js';
import { relationEvents } from './relations.js';
import { resolutionEvents } from './resolution.js';
import { slaEvents } from './sla.js';
import { openedTicket, type Ticket, type TicketState } from './ticket.js';
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
};

type Definitions = typeof ticketEvents;

export type TicketEventType = keyof Definitions;

/** Event type → its data. */
export type TicketEvents = { readonly [Type in TicketEventType]: Parameters<Definitions[Type]['evolve']>[1] };

/** All that is true of a type of event, whatever its data. */
export const definitionOf = (type: TicketEventType): TicketEventDefinition<unknown> => ticketEvents[type] as TicketEventDefinition<unknown>;

/** What an event does to its ticket's clocks; null: nothing. */
export function clockEffectsOf({ type, data }: EventOf<TicketEvents>): ClockEffects | null {
  return definitionOf(type).clocks?.(data) ?? null;
}

/** The ticket after one more event. @param more what it carries besides, as it is after the event */
export function evolveTicket<Kind extends Ticket>(
  ticket: Kind,
  type: TicketEventType,
  data: unknown,
  facts: EventFacts,
  more?: Omit<Kind, keyof Ticket>,
): Kind {
  const { evolve, note } = definitionOf(type);
  const after = evolve(ticket, data, facts) as Kind;
  return { ...after, ...more, revisions: ticket.revisions + 1, movedAt: note ? ticket.movedAt : facts.effectiveAt };
}

/** The events as a fold over another state than the ticket's. */
export type Folding<State> = { readonly [Type in TicketEventType]: EventDefinition<State, TicketEvents[Type]> };

/** @param evolve the state after an event of a type; what cannot be (an event before the opening, say) changes nothing */
export function folding<State>(evolve: (state: State, type: TicketEventType, data: unknown, facts: EventFacts) => State): Folding<State> {
  const entries = (Object.keys(ticketEvents) as TicketEventType[]).map((type) => {
    const { upcasters } = definitionOf(type);
    return [type, { evolve: (state: State, data: unknown, facts: EventFacts) => evolve(state, type, data, facts), upcasters }];
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
