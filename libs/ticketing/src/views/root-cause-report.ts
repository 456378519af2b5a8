import { ACTION_STATES, changeSchema } from '../problem/problem-record.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, refer, type Static, text } from '../schema.js';
import { actorSchema, personSchema } from '../vocabulary.js';

const subject = about(text, 'What it is of: `ticket/<id>` or `problem/<id>`');

export const reportedEventSchema = about(
  open({
    subject,
    revision: about(count, 'Its number in the history of that'),
    type: about(text, 'Type of the event'),
    happenedAt: about(instant, 'When it happened'),
    knownAt: about(instant, 'When this system learnt of it'),
    by: about(refer(actorSchema), 'Who did it'),
    sentBy: optional(about(refer(actorSchema), 'Who told it, where that was somebody else')),
    what: about(text, 'What happened, in words'),
    hash: optional(about(text, 'Its link in the chain of hashes')),
  }),
  'An event as a report tells it',
);

export type ReportedEvent = Static<typeof reportedEventSchema>;

const evidenceSchema = open({
  reference: about(text, 'As it was given'),
  event: optional(about(reportedEventSchema, 'The event, where it names one that the report knows')),
});

export const rootCauseReportSchema = about(
  open({
    subject,
    client: about(text, 'Client (tenant)'),
    title: about(text, 'What it is about, in a line'),
    status: about(text, 'Where it stands'),
    openedAt: about(instant, 'When it was opened'),
    endedAt: optional(about(instant, 'When it was resolved, or closed')),
    tickets: about(count, 'How many tickets it is about'),
    ticketsLeftOut: about(count, 'How many of them are not told of, for there are too many'),
    prevented: optional(about(count, 'How many of them the fix would have prevented: those linked after the first one')),
    rootCauses: about(listOf(open({ subject, text: about(text, 'The root cause') })), 'Why it happened'),
    workarounds: about(listOf(open({ subject, text: about(text, 'How service was restored') })), 'What helped meanwhile'),
    timeline: about(listOf(reportedEventSchema), 'What happened, in the order in which it happened'),
    leftOut: about(
      count,
      'How many events the timeline leaves out: clocks, messages, touch time; of the tickets of a problem all but the milestones',
    ),
    whys: about(
      listOf(
        open({
          subject,
          why: about(text, 'The question'),
          because: about(text, 'The answer'),
          evidence: about(listOf(evidenceSchema), 'What proves it'),
        }),
      ),
      'From what happened to the root cause, question by question',
    ),
    analyses: about(
      listOf(
        open({
          subject,
          method: about(text, 'The method'),
          text: about(text, 'The analysis'),
          evidence: about(listOf(evidenceSchema), 'The events that it cites'),
        }),
      ),
      'Analyses that tickets were resolved with',
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
      'What was changed, in the order in which it was recorded',
    ),
    prevention: about(
      listOf(
        open({
          subject,
          action: about(text, 'The action'),
          description: optional(about(text, 'What is to be done')),
          owner: about(refer(personSchema), 'Who answers for it'),
          dueAt: optional(about(instant, 'When it is to be done by')),
          state: optional(about(oneOf(ACTION_STATES), 'Where it stands; absent where it is not tracked')),
          outcome: optional(about(text, 'What was done, or why it was cancelled')),
          change: optional(about(text, 'Reference of the change that it was done by')),
        }),
      ),
      'What keeps it from happening again',
    ),
    knowledge: about(
      open({
        people: about(
          listOf(
            open({
              who: about(refer(actorSchema), 'Who'),
              since: about(instant, 'When their first act was recorded: from then on they knew'),
              act: about(reportedEventSchema, 'That act'),
              known: about(count, 'How many events had been recorded by then, this one included'),
            }),
          ),
          'Who knew of it, from when on',
        ),
        toldLate: about(
          listOf(open({ event: about(reportedEventSchema, 'The event'), after: about(count, 'Milliseconds between the two') })),
          'What was known only later than it happened, by a minute or more, in the order in which it became known',
        ),
      }),
      'Who knew what when',
    ),
    proof: about(
      open({
        position: about(text, 'The place in the log of the last event that it is made of'),
        streams: about(
          listOf(
            open({
              stream: about(text, 'Name of the stream'),
              revision: about(count, 'Revision of its last event'),
              hash: optional(about(text, 'Its link in the chain of hashes: it seals all events before it')),
            }),
          ),
          'What it is made of',
        ),
        verify: about(listOf(text), 'How to check that against the sealed log'),
      }),
      'What proves it',
    ),
    digest: about(text, 'SHA-256 of the rest of it as JSON with sorted keys: the same events make the same report'),
  }),
  'A root cause report',
);

/** A root cause report: made of events alone, so the same events make the same report. */
export type RootCauseReport = Static<typeof rootCauseReportSchema>;
