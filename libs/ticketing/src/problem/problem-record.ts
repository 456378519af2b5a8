import { type Instant, refuse, type Refusal } from '#eventsourcing';
import { sentNotificationSchema } from '../contract/escalation-policy.js';
import { publishedChangesOf } from '../published-event.js';
import { about, count, flag, instant, listOf, literal, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import { actorSchema, personSchema, PROBLEM_STATUSES } from '../vocabulary.js';

export const changeSchema = open({
  description: about(text, 'What was changed'),
  change: about(text, 'Reference to the change'),
  before: optional(about(text, 'State before the change')),
  after: optional(about(text, 'State after the change')),
});

const failedFixSchema = open({ ...changeSchema.entries, fixedAt: about(instant, 'When it was done') });

/** A change that was made, with its reference. */
export type Change = Static<typeof changeSchema>;

const preventedSchema = about(
  open({
    tickets: about(count, 'Number of tickets'),
    countedAs: about(literal('linked-after-the-first'), 'Counting method: all linked tickets except the first'),
  }),
  'Tickets that would have been prevented if the cause had been removed after the first one',
);

/** State of a preventive action. */
export const ACTION_STATES = ['planned', 'done', 'cancelled'] as const;
export type ActionState = (typeof ACTION_STATES)[number];

const reminderSchema = open({
  at: about(instant, 'When'),
  overdue: about(flag, 'Whether it was overdue at that time'),
  messages: about(listOf(sentNotificationSchema), 'Messages sent to the owner; none without an address'),
});

export const preventiveActionSchema = about(
  open({
    action: about(text, 'Name, unique within the problem'),
    description: about(text, 'What is to be done'),
    owner: about(refer(personSchema), 'Who is responsible'),
    dueAt: about(instant, 'Due date'),
    state: about(oneOf(ACTION_STATES), 'Where it stands'),
    plannedAt: about(instant, 'When it was planned or last replanned'),
    endedAt: optional(about(instant, 'When it was done or cancelled')),
    outcome: optional(about(text, 'What was done, or why it was cancelled')),
    change: optional(about(changeSchema, 'Change that implemented it')),
    reminded: optional(about(reminderSchema, 'Last reminder to its owner')),
  }),
  'An action that keeps a problem from recurring',
);

export type PreventiveAction = Static<typeof preventiveActionSchema>;

/** The tickets that a fix would have prevented, and how they were counted. */
export type Prevented = Static<typeof preventedSchema>;

const whySchema = open({
  why: about(text, 'The question'),
  because: about(text, 'The answer'),
  evidence: optional(about(listOf(text), 'Evidence: events as `ticket/<id>/<revision>` or `problem/<id>/<revision>`, or other references')),
});

/** A step in the chain of questions that leads to a root cause. */
export type Why = Static<typeof whySchema>;

export const problemSchema = about(
  open({
    problemId: about(uuid, 'Id of the problem'),
    client: about(text, 'Client (tenant) of the problem'),
    title: about(text, 'One-line summary'),
    description: optional(about(text, 'Full description')),
    service: optional(about(text, 'Affected service')),
    component: optional(about(text, 'Affected configuration item')),
    category: optional(about(text, 'Category of its tickets')),
    status: about(oneOf(PROBLEM_STATUSES), 'Where it stands'),
    tickets: about(listOf(uuid), 'Ids of its tickets, in the order in which they were linked'),
    workaround: optional(about(text, 'Workaround, which makes the problem a known error')),
    whys: optional(about(listOf(whySchema), 'From the symptom to the root cause, question by question')),
    rootCause: optional(about(text, 'Root cause of the tickets')),
    fix: optional(about(changeSchema, 'Fix that removes the root cause')),
    fixedAt: optional(about(instant, 'When the fix was done')),
    failedFixes: about(listOf(failedFixSchema), 'Fixes that did not hold, oldest first'),
    prevented: optional(preventedSchema),
    actions: about(listOf(preventiveActionSchema), 'Preventive actions, in the order in which they were planned'),
    nextActionDueAt: optional(about(instant, 'Due date of the first planned action')),
    nextReminderAt: optional(about(instant, 'When the next reminder to an owner is due')),
    openedBy: about(refer(actorSchema), 'Who opened it'),
    openedAt: about(instant, 'When it was opened'),
    closedAt: optional(about(instant, 'When it was closed')),
  }),
  'A problem: the cause of tickets, and what is being done about it',
);

export type ProblemRecord = Static<typeof problemSchema>;

/** Never opened, or a problem. */
export type ProblemState = ProblemRecord | null;

/** When a problem was last fixed, whether or not the fix held; undefined if never. */
export function lastFixedAt({ fixedAt, failedFixes }: ProblemRecord): Instant | undefined {
  return fixedAt ?? failedFixes.at(-1)?.fixedAt;
}

/** Declares a change to an existing problem. */
export const change = publishedChangesOf<ProblemRecord>();

export const notFound = (): Refusal<'problem-not-found'> => refuse('problem-not-found', 'There is no such problem');

export const THERE = ['problem-not-found'] as const;
export const UNDER_WORK = [...THERE, 'problem-closed'] as const;

export function unlessClosed({ status }: ProblemRecord): Refusal<'problem-closed'> | undefined {
  return status === 'closed' ? refuse('problem-closed', 'The problem is closed: reopen it first') : undefined;
}
