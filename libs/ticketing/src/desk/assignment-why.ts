import type { RecordedEvent } from '#eventsourcing';
import type { AssignmentChoice, NobodyFound } from '../events/assignment.js';
import type { Person } from '../vocabulary.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { escalationAnswerSchema } from '../escalation/escalation-why.js';
import { raisedAnswersSchema } from './raised-why.js';
import { about, count, instant, listOf, open, type Static, text, uuid } from '../schema.js';

/** Who was given a ticket, from whom it was taken, or why nobody was found. */
const assignmentAnswerSchema = open({
  revision: about(count, "Revision of the ticket's event that says so"),
  at: about(instant, 'When'),
  answer: about(text, 'In a sentence'),
});

export type AssignmentAnswer = Static<typeof assignmentAnswerSchema>;

export const ticketWhySchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    revision: about(count, 'Revision of the last event that is in it'),
    asOf: about(instant, 'What happened later is left out'),
    policies: about(listOf(escalationAnswerSchema), 'Why each of its escalation policies did, or did not do, what it could have done'),
    raised: raisedAnswersSchema,
    assignments: about(listOf(assignmentAnswerSchema), 'Who had it and why, oldest first'),
  }),
  'Why a ticket was with whom it was, and why escalation policies did what they did. Revisions are those of the events that prove it',
);

export type TicketWhy = Static<typeof ticketWhySchema>;

/** Why a ticket was with whom it was, as one of its events tells; undefined for events that tell nothing of it. */
export function whyAssigned(event: RecordedEvent<TicketEvents>): AssignmentAnswer | undefined {
  const answer = inWords(event);
  return answer === undefined ? undefined : { revision: event.revision, at: event.metadata.effectiveAt, answer };
}

function inWords({ type, data, metadata: { actor } }: RecordedEvent<TicketEvents>): string | undefined {
  switch (type) {
    case 'TicketAssigned': {
      const { assignee, team, automatic } = data;
      const to = [assignee && nameOf(assignee), team && `the team ${team}`].filter(Boolean).join(' of ');
      if (automatic === undefined) return `${nameOf(actor)} gave it to ${to}`;
      return `It was given to ${to}, on shift ${automatic.shift}${withSkills(automatic.skills)}: ${chosenBy(automatic)}`;
    }
    case 'TicketUnassigned':
      return `It was taken from ${nameOf(data.assignee)} (${data.because}): ${data.reason}`;
    case 'TicketTakenOver':
      return `${nameOf(data.agent)} took it over from ${nameOf(data.from)}: ${data.reason}`;
    case 'AssignmentFoundNobody':
      return `Nobody at ${data.tier}${withSkills(data.skills)} could be given it: ${notFound(data)}`;
    case 'WorkStarted':
    case 'EscalationAccepted':
      return `${nameOf(data.agent)} took it`;
    default:
      return undefined;
  }
}

function chosenBy({ rule, candidates, openTickets }: Pick<AssignmentChoice, 'rule' | 'candidates' | 'openTickets'>): string {
  const open = `${openTickets} open ticket${openTickets === 1 ? '' : 's'}`;
  switch (rule) {
    case 'only-candidate':
      return `nobody else could be given it; ${open}`;
    case 'least-loaded':
      return `the fewest open tickets of ${candidates} who could be given it: ${openTickets}`;
    case 'longest-since-assigned':
      return `the longest without a new one among those of ${candidates} with ${open}`;
    case 'first-by-id':
      return `the first by id among those of ${candidates} with ${open} who have waited as long`;
  }
}

function notFound({ because, teams, retryAt }: NobodyFound): string {
  const of = teams.join(', ');
  const next = retryAt === undefined ? '' : `; the next one comes at ${retryAt}`;
  switch (because) {
    case 'no-team':
      return 'no team serves the tier and the client, or the one that it was given to is not known';
    case 'no-members':
      return `${of} has no members who could`;
    case 'nobody-skilled':
      return `nobody of ${of} has the skills`;
    case 'nobody-on-shift':
      return `nobody of ${of} is on shift${next}`;
    case 'all-absent':
      return `everybody of ${of} who is on shift is absent${next}`;
  }
}

function withSkills(skills: readonly string[]): string {
  return skills.length === 0 ? '' : ` with ${skills.join(', ')}`;
}

function nameOf({ id, name }: Person): string {
  return name ?? id;
}
