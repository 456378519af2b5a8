import type { RecordedEvent } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { about, count, instant, listOf, oneOf, open, optional, type Static, text } from '../schema.js';

const raisedAnswerSchema = open({
  revision: about(count, 'Revision of the event that proves it'),
  at: about(instant, 'When'),
  cause: about(
    oneOf(['requested', 'ping-pong-limit']),
    'Requested by somebody, or the ticket was returned more often than the contract allows',
  ),
  to: optional(about(text, 'Role or person notified')),
  because: about(listOf(count), 'Revisions of the events that caused it'),
  answer: about(text, 'In a sentence'),
});

/** Why someone higher up was told of a ticket, other than by an escalation policy. */
export type RaisedAnswer = Static<typeof raisedAnswerSchema>;

export const raisedAnswersSchema = about(
  listOf(raisedAnswerSchema),
  'Hierarchical escalations not made by an escalation policy, and why: on request, or past the ping-pong limit; oldest first',
);

/** The answers, oldest first, from a ticket's events. */
export function whyRaised(events: readonly RecordedEvent<TicketEvents>[]): readonly RaisedAnswer[] {
  const answers: RaisedAnswer[] = [];
  const wentBack: number[] = [];
  for (const { type, data, revision, metadata } of events) {
    if (type === 'EscalationReturned' || (type === 'TicketDeescalated' && data.pingPong !== undefined)) wentBack.push(revision);
    if (type !== 'HierarchicalEscalationRaised') continue;
    const { cause, to, reason } = data;
    const told = `${to ?? 'Somebody higher up'} was told`;
    const loops = cause === 'ping-pong-limit';
    answers.push({
      revision,
      at: metadata.effectiveAt,
      cause,
      ...(to === undefined ? {} : { to }),
      because: loops ? [...wentBack] : [],
      answer: loops
        ? `${told}: ${reason} (revisions ${wentBack.join(', ')})`
        : `${metadata.actor.name ?? metadata.actor.id} asked that ${to ?? 'somebody higher up'} be told: ${reason}`,
    });
  }
  return answers;
}
