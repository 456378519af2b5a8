import type { EventFacts, PersonalData, Upcaster } from '#eventsourcing';
import type { PublicData } from '../published-event.js';
import type { ClockEffects, Supposed } from './clock-effects.js';
import type { Ticket } from './ticket.js';

/** Everything about one type of a ticket's events. Required fields are declared here, so that none can be forgotten in a second list. */
export interface TicketEventDefinition<Data, Public extends PublicData<Data> = PublicData<Data>> {
  /** What it records, in one line, for the documentation. */
  readonly says: string;
  readonly publicData: Public;
  /** The ticket after it, without `revisions`, `movedAt` and clocks. Never throws: stored facts are facts. */
  readonly evolve: (ticket: Ticket, data: Data, facts: EventFacts) => Ticket;
  /** A note about the work may be recorded late; every other event moves the ticket on. */
  readonly note: boolean;
  /** It takes the work from those working on it: their touch time ends. */
  readonly endsTouch: boolean;
  /** It can be the first response to the requester. */
  readonly firstResponse: boolean;
  /** Why the ticket's escalation policies end with it; null if they continue. */
  readonly endsChains: 'resolved' | 'cancelled' | 'merged' | null;
  /** What it does to the ticket's clocks; null: nothing. */
  readonly clocks: ((data: Data) => ClockEffects) | null;
  /** It also moves a ticket that is over. Otherwise it has no effect if a late fact shows that the ticket was already over. */
  readonly movesWhatIsOver?: true;
  /**
   * What a policy or the timekeeper relied on when recording it. It has no effect if a late fact shows that this was wrong; events reported
   * by people always count.
   */
  readonly supposes?: (data: Data, facts: SupposedFrom) => Supposed;
  /** Bring data of older versions up to date, oldest first; a type without any is at version 1. */
  readonly upcasters?: readonly Upcaster[];
  /** Its personal data: the requester's, unless `of` says whose. Encrypted, and erased when the person is forgotten. Null: none. */
  readonly personal:
    | (PersonalData & {
        readonly of?: keyof Data & string;
        readonly fields: readonly FieldPath<Data>[];
        readonly content?: keyof Data & string;
      })
    | null;
}

/** Who brings an event about, and as of when. */
export type SupposedFrom = Pick<EventFacts, 'effectiveAt'> & Partial<Pick<EventFacts, 'actor'>>;

/** A field of the data, or of an object in it. */
type FieldPath<Data> = {
  [Key in keyof Data & string]-?: Key | (NonNullable<Data[Key]> extends object ? `${Key}.${keyof NonNullable<Data[Key]> & string}` : never);
}[keyof Data & string];

/** Declares an event that moves the ticket on. */
export function move<Data, Public extends PublicData<Data> = 'all'>(
  definition: Omit<TicketEventDefinition<Data, Public>, 'note'>,
): TicketEventDefinition<Data, Public> {
  return { ...definition, note: false };
}

/** Declares a note: it affects neither the work nor the clocks. */
export function note<Data, Public extends PublicData<Data> = 'all'>(
  definition: Pick<TicketEventDefinition<Data, Public>, 'says' | 'publicData' | 'evolve' | 'upcasters' | 'personal'>,
): TicketEventDefinition<Data, Public> {
  return { ...definition, note: true, endsTouch: false, firstResponse: false, endsChains: null, clocks: null };
}

/** Evolution by an event that does not change the ticket. */
export const unchanged = (ticket: Ticket): Ticket => ticket;
