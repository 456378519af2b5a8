import { type Decided, type DecisionContext, evolve } from '#eventsourcing';
import { clockEffectsOf, definitionOf, inTruthAt, type TicketEvents } from '../events/ticket-events.js';
import { without } from '../plain-json.js';
import { lateRestatements } from '../sla/sla-restatement.js';
import { contractAt } from '../sla/sla-terms.js';
import { type ClockedTicket, clockedTicketEvents, type ClockedTicketState } from './clocked-ticket.js';
import { endOfTouch } from './decisions.js';

/**
 * The ticket that a command decides on: as it was in truth when what it tells of happened, under the contract that its clocks went by then.
 * What policies and time brought about later, for want of the fact, is no reason to refuse it.
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
 * What is told late of touch time that a policy's move has ended meanwhile: each stretch that began before the move stops with it, as it would
 * have, had it been known.
 */
export function endingWithMovesSince(
  { automatic }: ClockedTicket,
  decided: readonly Decided<TicketEvents>[],
  context: DecisionContext,
): readonly Decided<TicketEvents>[] {
  const begun = decided.flatMap(({ type, data }) => (type === 'TouchTimeStarted' ? [data] : []));
  if (begun.length === 0 || automatic === undefined || !isLate(context)) return decided;
  const end = automatic.moves.find(({ type, facts }) => definitionOf(type).endsTouch && facts.effectiveAt > context.effectiveAt)?.facts;
  if (end === undefined) return decided;
  const since = context.effectiveAt;
  return [...decided, ...begun.map((touch) => ({ ...endOfTouch({ ...touch, since }, end), effectiveAt: end.effectiveAt }))];
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
  // A hold or touch time that ends with the fact is told before it: what the clocks follow is the fact.
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

function isLate({ effectiveAt, recordedAt = effectiveAt }: DecisionContext): boolean {
  return effectiveAt < recordedAt;
}
