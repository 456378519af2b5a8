import type { Decider, EventFacts, EventOf } from '#eventsourcing';
import type { InForce } from '../contract/contract-agreement.js';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { evolveTicketState, type Ticket, type TicketState } from '../events/ticket-state.js';
import { evolveInHindsight } from '../sla/sla-restatement.js';
import type { PinnedClocks } from '../sla/sla-terms.js';

/** A ticket with its clocks and the escalation policies at work on it: what commands decide by. */
export interface ClockedTicket extends Ticket {
  readonly sla?: TicketPromises;
  /** Its clocks under what is agreed with its client now. Only where that was asked for: see `ticketInHindsight`. */
  readonly hindsight?: PinnedClocks;
}

/** No ticket yet, or one. */
export type ClockedTicketState = ClockedTicket | null;

type EvolveClockedTicket = Decider<object, TicketEvents, ClockedTicketState>['evolve'];

/** The same with the ticket's clocks: what commands decide by. */
export const evolveTicketWithClocks = Object.fromEntries(
  Object.entries(evolveTicketState).map(([type, apply]) => [
    type,
    (state: ClockedTicketState, data: never, facts: EventFacts): ClockedTicketState => {
      const next = apply(state, data, facts);
      const sla = next && evolvePromises(state?.sla ?? null, { type, data } as EventOf<TicketEvents>, facts, state?.revisions ?? 0);
      return sla ? { ...next, sla } : next;
    },
  ]),
) as unknown as EvolveClockedTicket;

/** The same with its clocks under what is agreed with its client now as well, to restate verdicts by. */
export function evolveTicketInHindsight(agreed: readonly InForce[]): EvolveClockedTicket {
  return Object.fromEntries(
    Object.entries(evolveTicketWithClocks).map(([type, apply]) => [
      type,
      (state: ClockedTicketState, data: never, facts: EventFacts): ClockedTicketState => {
        const next = (apply as (state: TicketState, data: never, facts: EventFacts) => TicketState)(state, data, facts);
        const hindsight = evolveInHindsight(agreed, state?.hindsight ?? null, { type, data } as EventOf<TicketEvents>, facts);
        return next && hindsight ? { ...next, hindsight } : next;
      },
    ]),
  ) as unknown as EvolveClockedTicket;
}
