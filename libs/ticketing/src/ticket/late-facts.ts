import { type Decided, type DecisionContext, evolve } from '#eventsourcing';
import { isAutomatic, isLate } from '../events/automatic.js';
import { asOf } from '../events/past.js';
import { clockEffectsOf, inTruthAt, type TicketEvents } from '../events/ticket-events.js';
import { without } from '../plain-json.js';
import { lateRestatements } from '../sla/sla-restatement.js';
import { contractAt } from '../sla/sla-terms.js';
import { type ClockedTicket, clockedTicketEvents, type ClockedTicketState } from './clocked-ticket.js';

/**
 * The ticket that a command decides on: as it really was when the reported fact happened, under the contract of its clocks at the time.
 * What policies and time did later, not knowing the fact, is no reason to refuse it.
 */
export function asItWas(ticket: ClockedTicket, context: DecisionContext): ClockedTicket {
  if (!isLate(context)) return ticket;
  const { sla } = ticket;
  const then = inTruthAt(ticket, context.effectiveAt);
  if (sla === undefined) return then;
  const contract = contractAt(sla, context.effectiveAt);
  return { ...(contract === then.contract ? then : { ...without(then, 'contract'), ...(contract && { contract }) }), sla };
}

/**
 * What people note late, of the ticket as it stood then, wherever people have moved it since. In a ticket that was cancelled or merged nothing
 * is noted any more.
 * @param movesOn what they note moves the ticket, which must not be over now
 */
export function asItStood<Noted extends ClockedTicket>(ticket: Noted, context: DecisionContext, movesOn = false): Noted {
  if (!isLate(context) || isAutomatic(context)) return ticket;
  const then = asOf(ticket, context.effectiveAt);
  const { status } = ticket.work;
  return movesOn || status === 'cancelled' || status === 'merged' ? { ...then, work: ticket.work } : then;
}

/** The decision, with its changes to what was recorded of the ticket's clocks. */
export function withRestatements(
  ticket: ClockedTicket,
  decided: readonly Decided<TicketEvents>[],
  context: DecisionContext,
): readonly Decided<TicketEvents>[] {
  const { recordedAt = context.effectiveAt } = context;
  const [first] = decided;
  if (first === undefined || ticket.sla === undefined) return decided;
  const rebased = first.type === 'SlaTermsRebased' ? first : undefined;
  // Terms agreed retroactively are a late fact too, whenever the timekeeper gets to them.
  const effectiveAt = rebased?.effectiveAt ?? context.effectiveAt;
  if (!isLate({ ...context, effectiveAt })) return decided;
  const facts = { ...context, recordedAt };
  const after = decided.reduce<ClockedTicketState>(
    (state, event) =>
      evolve({ events: clockedTicketEvents }, state, event, { ...facts, effectiveAt: event.effectiveAt ?? context.effectiveAt }),
    ticket,
  );
  if (after?.sla === undefined) return decided;
  // A hold or touch time that ends with the fact is recorded before it, but the clocks follow the fact itself.
  const cause = rebased === undefined ? decided.findLastIndex((event) => clockEffectsOf(event) !== null) : 0;
  const { type } = decided[cause] ?? first;
  const because = { revision: ticket.revisions + Math.max(0, cause), type };
  const reason =
    rebased === undefined
      ? `${type} of ${effectiveAt} was told late`
      : `Version ${rebased.data.contract.version} of the contract holds from ${effectiveAt} and was agreed late`;
  const restated = lateRestatements(ticket.sla, after.sla, recordedAt).map((data) => ({
    type: 'SlaRestated' as const,
    data: { ...data, because, reason },
    effectiveAt: recordedAt,
  }));
  return [...decided, ...restated];
}
