import type { RecordedEvent } from '#eventsourcing';
import type { AssignmentChoice, NobodyFound } from '../events/assignment.js';
import type { Person } from '../vocabulary.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { escalationAnswerSchema } from '../escalation/escalation-why.js';
import { raisedAnswersSchema } from './raised-why.js';
import { about, count, instant, listOf, open, type Static, text, uuid } from '../schema.js';

/** Who was given a ticket, who lost it, or why nobody was found. */
const assignmentAnswerSchema = open({
  revision: about(count, 'Revision of the event that proves it'),
  at: about(instant, 'When'),
  answer: about(text, 'Explanation in a sentence'),
});

export type AssignmentAnswer = Static<typeof assignmentAnswerSchema>;

export const ticketWhySchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    revision: about(count, 'Revision of the last event included'),
    asOf: about(instant, 'Later events are left out'),
    policies: about(listOf(escalationAnswerSchema), 'Why each of its escalation policies fired or did not fire'),
    raised: raisedAnswersSchema,
    assignments: about(listOf(assignmentAnswerSchema), 'Who was assigned and why, oldest first'),
  }),
  'Why a ticket was assigned as it was, and why escalation policies did what they did. Revisions refer to the events that prove it',
);

export type TicketWhy = Static<typeof ticketWhySchema>;

/** Why a ticket was with its holder, from one of its events; undefined for events that say nothing about it. */
export function whyAssigned(event: RecordedEvent<TicketEvents>): AssignmentAnswer | undefined {
  const answer = inWords(event);
  return answer === undefined ? undefined : { revision: event.revision, at: event.metadata.effectiveAt, answer };
}

function inWords({ type, data, metadata: { actor } }: RecordedEvent<TicketEvents>): string | undefined {
  switch (type) {
    case 'TicketAssigned': {
      const { assignee, team, automatic } = data;
      const to = [assignee && nameOf(assignee), team && `the team ${team}`].filter(Boolean).join(' of ');
      if (automatic === undefined) return `${nameOf(actor)} assigned it to ${to}`;
      return `It was assigned to ${to}, on shift ${automatic.shift}${withSkills(automatic.skills)}: ${chosenBy(automatic)}`;
    }
    case 'TicketUnassigned':
      return `It was unassigned from ${nameOf(data.assignee)} (${data.because}): ${data.reason}`;
    case 'TicketTakenOver':
      return `${nameOf(data.agent)} took it over from ${nameOf(data.from)}: ${data.reason}`;
    case 'AssignmentFoundNobody':
      return `Nobody at ${data.tier}${withSkills(data.skills)} could be assigned: ${notFound(data)}`;
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
      return `nobody else was available; ${open}`;
    case 'least-loaded':
      return `the fewest open tickets of ${candidates} candidates: ${openTickets}`;
    case 'longest-since-assigned':
      return `the longest without a new ticket among those of ${candidates} candidates with ${open}`;
    case 'first-by-id':
      return `the first by id among those of ${candidates} candidates with ${open} who have waited as long`;
  }
}

function notFound({ because, teams, retryAt }: NobodyFound): string {
  const of = teams.join(', ');
  const next = retryAt === undefined ? '' : `; the next one starts at ${retryAt}`;
  switch (because) {
    case 'no-team':
      return 'no team serves the tier and the client, or its team is unknown';
    case 'no-members':
      return `${of} has no eligible members`;
    case 'nobody-skilled':
      return `nobody in ${of} has the skills`;
    case 'nobody-on-shift':
      return `nobody in ${of} is on shift${next}`;
    case 'all-absent':
      return `everybody in ${of} who is on shift is absent${next}`;
  }
}

function withSkills(skills: readonly string[]): string {
  return skills.length === 0 ? '' : ` with ${skills.join(', ')}`;
}

function nameOf({ id, name }: Person): string {
  return name ?? id;
}
