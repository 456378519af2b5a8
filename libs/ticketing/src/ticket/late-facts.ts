import { type Decided, type DecisionContext, evolve } from '#eventsourcing';
import { inTruthAt, type TicketEvents } from '../events/ticket-events.js';
import { lateRestatements } from '../sla/sla-restatement.js';
import { type ClockedTicket, clockedTicketEvents, type ClockedTicketState } from './clocked-ticket.js';

/**
 * The ticket that a command decides on: as it was in truth when what it tells of happened. What policies and time brought about later, for
 * want of the fact, is no reason to refuse it.
 */
export function asItWas(ticket: ClockedTicket, context: DecisionContext): ClockedTicket {
  if (!isLate(context)) return ticket;
  const { sla } = ticket;
  return { ...inTruthAt(ticket, context.effectiveAt), ...(sla === undefined ? {} : { sla }) };
}

/** What is decided, with what it changes of what was told of the ticket's clocks. */
export function withRestatements(
  ticket: ClockedTicket,
  decided: readonly Decided<TicketEvents>[],
  context: DecisionContext,
): readonly Decided<TicketEvents>[] {
  const { recordedAt = context.effectiveAt } = context;
  const [first] = decided;
  if (first === undefined || ticket.sla === undefined) return decided;
  const rebased = first.type === 'SlaTermsRebased' ? first : undefined;
  // Terms that were agreed with effect in the past are a late fact as well, whenever the timekeeper gets to them.
  const effectiveAt = rebased?.effectiveAt ?? context.effectiveAt;
  if (!isLate({ ...context, effectiveAt })) return decided;
  const facts = { ...context, recordedAt };
  const after = decided.reduce<ClockedTicketState>(
    (state, event) =>
      evolve({ events: clockedTicketEvents }, state, event, { ...facts, effectiveAt: event.effectiveAt ?? context.effectiveAt }),
    ticket,
  );
  if (after?.sla === undefined) return decided;
  const because = { revision: ticket.revisions, type: first.type };
  const reason =
    rebased === undefined
      ? `${first.type} of ${effectiveAt} was told late`
      : `Version ${rebased.data.contract.version} of the contract holds from ${effectiveAt} and was agreed late`;
  const restated = lateRestatements(ticket.sla, after.sla, recordedAt).map((data) => ({
    type: 'SlaRestated' as const,
    data: { ...data, because, reason },
    effectiveAt: recordedAt,
  }));
  return [...decided, ...restated];
}

function isLate({ effectiveAt, recordedAt = effectiveAt }: DecisionContext): boolean {
  return effectiveAt < recordedAt;
}
