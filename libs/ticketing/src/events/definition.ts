import type { EventFacts, PersonalData, Upcaster } from '#eventsourcing';
import type { ClockEffects, Supposed } from './clock-effects.js';
import type { Ticket } from './ticket.js';

/** All that is true of one type of a ticket's events. What it needs is required here, so that nothing can be forgotten in a second list. */
export interface TicketEventDefinition<Data> {
  /** What it tells, in a line: the documentation lists it. */
  readonly says: string;
  /** The ticket after it, apart from `revisions`, `movedAt` and clocks. Total: stored facts are facts. */
  readonly evolve: (ticket: Ticket, data: Data, facts: EventFacts) => Ticket;
  /** A note about the work may be written down late; everything else moves the ticket on. */
  readonly note: boolean;
  /** It takes the work out of the hands of those who are at it: their touch time ends. */
  readonly endsTouch: boolean;
  /** It can be the first response to the requester. */
  readonly firstResponse: boolean;
  /** Why the escalation policies at work on the ticket end with it; null when they go on. */
  readonly endsChains: 'resolved' | 'cancelled' | 'merged' | null;
  /** What it does to the ticket's clocks; null: nothing. */
  readonly clocks: ((data: Data) => ClockEffects) | null;
  /** It also moves a ticket that is over. Otherwise it moves nothing where a fact that was told late shows that the ticket was over by then. */
  readonly movesWhatIsOver?: true;
  /**
   * What a policy or time goes by that does it. Where a fact that was told late shows that it was otherwise, it moved nothing; what people tell
   * is never put aside.
   */
  readonly supposes?: (data: Data) => Supposed;
  /** Bring data of older versions up to date, oldest first; without any, the type is at version 1. */
  readonly upcasters?: readonly Upcaster[];
  /** What of it is personal: the requester's, unless said. It is encrypted, and erased when the person is forgotten. */
  readonly personal?: PersonalData & {
    readonly of?: keyof Data & string;
    readonly fields: readonly FieldPath<Data>[];
    readonly content?: keyof Data & string;
  };
}

/** A field of the data, or of an object in it. */
type FieldPath<Data> = {
  [Key in keyof Data & string]-?: Key | (NonNullable<Data[Key]> extends object ? `${Key}.${keyof NonNullable<Data[Key]> & string}` : never);
}[keyof Data & string];

/** Declares an event that moves the ticket on. */
export function move<Data>(definition: Omit<TicketEventDefinition<Data>, 'note'>): TicketEventDefinition<Data> {
  return { ...definition, note: false };
}

/** Declares a note, which touches neither the work nor the clocks. */
export function note<Data>(
  definition: Pick<TicketEventDefinition<Data>, 'says' | 'evolve' | 'upcasters' | 'personal'>,
): TicketEventDefinition<Data> {
  return { ...definition, note: true, endsTouch: false, firstResponse: false, endsChains: null, clocks: null };
}

/** How an event evolves a ticket that it does not change. */
export const unchanged = (ticket: Ticket): Ticket => ticket;
