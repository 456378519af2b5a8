import { ACTION_STATES, changeSchema } from '../problem/problem-record.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema, personSchema } from '../vocabulary.js';

const subject = about(text, 'Subject: `ticket/<id>` or `problem/<id>`');

export const reportedEventSchema = about(
  open({
    subject,
    revision: about(count, "Revision of the event in the subject's history"),
    type: about(text, 'Type of the event'),
    happenedAt: about(instant, 'When it happened'),
    knownAt: about(instant, 'When it was recorded'),
    by: about(refer(actorSchema), 'Who did it'),
    sentBy: optional(about(refer(actorSchema), 'Who recorded it, if that was somebody else')),
    what: about(text, 'What happened, in words'),
    hash: optional(about(text, 'Hash in the chain')),
  }),
  'An event as shown in a report',
);

export type ReportedEvent = Static<typeof reportedEventSchema>;

const evidenceSchema = open({
  reference: about(text, 'The reference as entered'),
  event: optional(about(reportedEventSchema, 'The event it refers to, if the report contains it')),
});

export const rootCauseReportSchema = about(
  open({
    subject,
    client: about(text, 'Client (tenant)'),
    title: about(text, 'One-line summary'),
    status: about(text, 'Current status of the ticket or problem'),
    openedAt: about(instant, 'When it was opened'),
    endedAt: optional(about(instant, 'When it was resolved, or closed')),
    tickets: about(count, 'Number of tickets covered'),
    ticketsLeftOut: about(count, 'Number of tickets left out because there are too many'),
    prevented: optional(about(count, 'Number of tickets the fix would have prevented: those linked after the first one')),
    rootCauses: about(listOf(open({ subject, text: about(text, 'The root cause') })), 'Why it happened'),
    workarounds: about(listOf(open({ subject, text: about(text, 'How service was restored') })), 'Workarounds used in the meantime'),
    timeline: about(listOf(reportedEventSchema), 'Timeline, in the order in which things happened'),
    leftOut: about(
      count,
      'Number of events left out of the timeline: clocks, messages, touch time and, for the tickets of a problem, everything but the milestones',
    ),
    whys: about(
      listOf(
        open({
          subject,
          why: about(text, 'The question'),
          because: about(text, 'The answer'),
          evidence: about(listOf(evidenceSchema), 'Evidence'),
        }),
      ),
      'From the symptom to the root cause, question by question',
    ),
    analyses: about(
      listOf(
        open({
          subject,
          method: about(text, 'The method'),
          text: about(text, 'The analysis'),
          evidence: about(listOf(evidenceSchema), 'Events cited'),
        }),
      ),
      'Analyses recorded when the tickets were resolved',
    ),
    changes: about(
      listOf(
        open({
          subject,
          ...changeSchema.entries,
          description: optional(about(text, 'What was changed')),
          at: about(instant, 'When'),
          by: about(refer(actorSchema), 'Who recorded it'),
          held: about(flag, 'False for a fix that did not hold'),
        }),
      ),
      'Changes made, in recording order',
    ),
    prevention: about(
      listOf(
        open({
          subject,
          action: about(text, 'The action'),
          description: optional(about(text, 'What needs to be done')),
          owner: about(refer(personSchema), 'Who is responsible'),
          dueAt: optional(about(instant, 'Due date')),
          state: optional(about(oneOf(ACTION_STATES), 'State of the action; absent if it is not tracked')),
          outcome: optional(about(text, 'What was done, or why it was cancelled')),
          change: optional(about(text, 'Reference to the change that implemented it')),
        }),
      ),
      'Actions that prevent a recurrence',
    ),
    knowledge: about(
      open({
        people: about(
          listOf(
            open({
              who: about(refer(actorSchema), 'Who'),
              since: about(instant, 'When their first action was recorded: they have known since then'),
              act: about(reportedEventSchema, 'Their first action'),
              known: about(count, 'Number of events recorded by then, including this one'),
            }),
          ),
          'Who knew, and since when',
        ),
        toldLate: about(
          listOf(
            open({
              event: about(reportedEventSchema, 'The event'),
              after: about(count, 'Milliseconds between the event and its recording'),
            }),
          ),
          'Events recorded a minute or more after they happened, in recording order',
        ),
      }),
      'Who knew what when',
    ),
    proof: about(
      open({
        position: about(text, 'Position in the log of the last event included'),
        streams: about(
          listOf(
            open({
              stream: about(text, 'Name of the stream'),
              revision: about(count, 'Revision of its last event'),
              hash: optional(about(text, 'Hash of that event, which seals all events before it')),
            }),
          ),
          'Source streams',
        ),
        verify: about(listOf(text), 'Commands that check the report against the sealed log'),
      }),
      'Evidence',
    ),
    digest: about(text, 'SHA-256 of the rest of the report as JSON with sorted keys: the same events produce the same report'),
  }),
  'A root cause report',
);

/** A root cause report: derived only from events, so the same events give the same report. */
export type RootCauseReport = Static<typeof rootCauseReportSchema>;
