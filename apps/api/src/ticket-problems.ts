import { type ProblemKind, Problem } from '#http';
import { isRefusal, type Refusal } from '#eventsourcing';

/** The refusals of the ticket domain in HTTP. The ones that are not listed are conflicts with the state that the ticket is in (409). */
export const ticketProblems = {
  'contract-not-found': { status: 404, title: 'There is no contract with that client' },
  'on-call-not-found': { status: 404, title: 'There is no such on-call schedule' },
  'override-not-found': { status: 404, title: 'There is no such override' },
  'on-call-invalid': { status: 422, title: 'The on-call schedule cannot be' },
  'team-not-found': { status: 404, title: 'There is no such team' },
  'team-invalid': { status: 422, title: 'The team cannot be' },
  'agent-not-found': { status: 404, title: 'There is no such agent' },
  'agent-left': { status: 409, title: 'The agent has left' },
  'absence-not-found': { status: 404, title: 'There is no such absence' },
  'absence-invalid': { status: 422, title: 'The absence cannot be' },
  'filter-not-found': { status: 404, title: 'There is no such filter' },
  'filter-invalid': { status: 422, title: 'The list of tickets cannot be filtered so' },
  'contract-invalid': { status: 422, title: 'The contract cannot be' },
  'ticket-not-found': { status: 404, title: 'There is no such ticket' },
  'attachment-not-found': { status: 404, title: 'There is no such attachment' },
  'digest-mismatch': { status: 422, title: 'The content is not what its digest says' },
  'queue-not-found': { status: 404, title: 'There is no such queue' },
  'unknown-revision': { status: 400, title: 'The ticket has no such revision' },
  'unknown-position': { status: 400, title: 'The log has no such position' },
  'effective-in-the-future': { status: 422, title: 'What has not happened yet cannot be recorded' },
  'event-too-large': { status: 422, title: 'The store cannot hold an event that large' },
  'assignment-empty': { status: 422, title: 'The assignment names nobody' },
  'hand-off-incomplete': { status: 422, title: 'The hand-off lacks what the receiver needs' },
  'resolution-incomplete': { status: 422, title: 'The resolution lacks what its tier must say' },
  'root-cause-incomplete': { status: 422, title: 'The root cause is incomplete' },
  'tier-not-in-contract': { status: 422, title: 'The contract has no such tier' },
  'root-cause-required': { status: 409, title: 'This tier resolves with a root cause' },
  'not-an-escalation': { status: 409, title: 'The tier is not higher' },
  'not-a-de-escalation': { status: 409, title: 'The tier is not lower' },
  'tier-skipped': { status: 409, title: 'No tier may be left out' },
  'attachment-mismatch': { status: 422, title: 'The reference and the SHA-256 name different content' },
  'evidence-exists': { status: 409, title: 'Evidence is not replaced' },
  'ticket-exists': { status: 409, title: 'The ticket exists already' },
  'ticket-on-hold': { status: 409, title: 'The ticket is on hold' },
  'ticket-closed': { status: 409, title: 'The ticket is closed' },
  'ticket-cancelled': { status: 409, title: 'The ticket was cancelled' },
  'already-resolved': { status: 409, title: 'The ticket is resolved' },
  'not-resolved': { status: 409, title: 'The ticket is not resolved' },
  'escalation-pending': { status: 409, title: 'A hand-off waits to be accepted' },
  'no-escalation-pending': { status: 409, title: 'No hand-off waits to be accepted' },
  'already-claimed': { status: 409, title: 'Somebody has the ticket already' },
  'not-claimed': { status: 409, title: 'Nobody has the ticket' },
  'consultation-of-own-tier': { status: 409, title: 'The ticket is at that tier itself' },
  'no-consultation-open': { status: 409, title: 'No such consultation waits for an answer' },
  'category-not-in-contract': { status: 422, title: 'The contract has no such category' },
  'configuration-item-not-in-contract': { status: 422, title: 'The contract has no such service or component' },
  'no-escalation-at-work': { status: 409, title: 'No escalation policy is at work' },
  'no-clock-ended': { status: 409, title: 'There is no verdict to restate' },
  'no-vendor-case': { status: 422, title: 'It is not said which vendor, and which case' },
  'onsite-visit-open': { status: 409, title: 'There is a visit already' },
  'no-onsite-visit': { status: 409, title: 'There is no such visit' },
  'satisfaction-recorded': { status: 409, title: 'This resolution was judged already' },
  'ticket-merged': { status: 409, title: 'The ticket goes on in another one' },
  'merge-pending': { status: 409, title: 'The ticket is about to be merged' },
  'no-merge-pending': { status: 409, title: 'The ticket is not about to be merged' },
  'other-ticket-not-found': { status: 422, title: 'There is no such other ticket' },
  'other-client': { status: 409, title: 'The other ticket belongs to another client' },
  'can-be-reopened': { status: 409, title: 'The ticket that it follows can be reopened' },
  'relation-to-itself': { status: 422, title: 'A ticket has no relation to itself' },
  'has-a-parent': { status: 409, title: 'The ticket is a child' },
  'has-children': { status: 409, title: 'The ticket is a parent' },
  'too-many-links': { status: 409, title: 'The ticket has as many links as it may have' },
  'reopen-window-passed': { status: 409, title: 'It was resolved too long ago' },
  'out-of-order': { status: 409, title: 'The ticket has moved on since then' },
} as const satisfies Record<string, ProblemKind>;

export type DomainProblemCode = keyof typeof ticketProblems;

/** What is no refusal. @throws Problem for what is one */
export function unlessRefused<Result>(result: Result | Refusal): Result {
  if (!isRefusal(result)) return result;
  const problem = Problem.ofRefusal(result, ticketProblems);
  throw problem.kind.status === 503 ? Problem.of('not-yet-visible', result.message, { headers: { 'Retry-After': '1' } }) : problem;
}
