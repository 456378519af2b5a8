import { calendarSchema } from './business-calendar.js';
import {
  about,
  asOne,
  boundedList,
  type Breach,
  fields,
  flag,
  listOf,
  literal,
  name,
  oneOf,
  oneOfKinds,
  open,
  optional,
  refer,
  type Static,
  text,
  whole,
  withRule,
} from '../schema.js';
import { CLOCK_KINDS, PRIORITIES, prioritySchema, tierSchema } from '../vocabulary.js';

const clock = about(oneOf(CLOCK_KINDS), 'Kind of clock');
const times = about(whole(1, 100), 'Which occurrence, counted from 1');

const triggerSchema = about(
  oneOfKinds(
    'on',
    [
      fields({
        on: about(literal('threshold'), "A share of a clock's target is used up. The chain ends with the clock"),
        clock,
        percent: about(whole(1, 99, 'must be one of the thresholds of the contract'), "Threshold in per cent: one of the contract's"),
      }),
      fields({ on: about(literal('breach'), 'A clock is breached. The chain ends with the clock'), clock }),
      fields({
        on: about(
          literal('opened'),
          'A ticket is opened, or triaged to one of the priorities. The chain ends when somebody responds or the priority changes',
        ),
        priorities: optional(
          about(asOne(listOf(prioritySchema), `must be some of ${PRIORITIES.join(', ')}`), 'Priorities it applies to; default: any'),
        ),
      }),
      fields({
        on: about(literal('handed-over'), 'Work is handed up. The chain ends when the hand-off is accepted or returned'),
        to: optional(about(refer(tierSchema), 'Tier that receives it; default: any')),
      }),
      fields({ on: about(literal('returned'), 'A hand-off is returned for the n-th time'), times }),
      fields({ on: about(literal('reopened'), 'The ticket is reopened for the n-th time'), times }),
      fields({ on: about(literal('major-incident'), 'A major incident is declared. The chain ends when it is stood down') }),
    ],
    'must be one of threshold, breach, opened, handed-over, returned, reopened, major-incident',
  ),
  'Trigger of the policy',
);

/** What starts an escalation policy. */
export type EscalationTrigger = Static<typeof triggerSchema>;

export const escalationTargetSchema = oneOfKinds(
  'kind',
  [
    open({
      kind: about(literal('person'), 'A person'),
      person: about(
        open({
          id: about(name(100, 'must be the id of a person'), 'Id of the person'),
          name: optional(about(name(100, 'must be a name'), 'Name of the person')),
        }),
        'Person to notify',
      ),
    }),
    open({ kind: about(literal('team'), 'A team'), team: about(name(100, 'must be the name of a team'), 'Id of the team') }),
    open({ kind: about(literal('assignee'), 'The assignee at that time') }),
    open({
      kind: about(literal('on-call'), 'Whoever is on call at that time'),
      schedule: about(name(100, 'must be the name of a schedule'), 'Name of the on-call schedule'),
    }),
  ],
  'must be one of person, team, assignee, on-call',
);

/** Whom a step notifies. `assignee` is whoever has the ticket at the time; `on-call` whoever is on call in a schedule at the time. */
export type EscalationTarget = Static<typeof escalationTargetSchema>;

/**
 * Why a target is nobody: no assignee; the person has left, or is absent without a deputy who is there; an empty team or schedule; the
 * person may not see this client's tickets.
 */
export const NOBODY_TO_TELL = ['no-assignee', 'left', 'absent', 'no-members', 'all-absent', 'nobody-on-call', 'not-of-client'] as const;
export type NobodyToTell = (typeof NOBODY_TO_TELL)[number];

export const passedOverSchema = open({
  target: about(escalationTargetSchema, 'The target'),
  because: about(oneOf(NOBODY_TO_TELL), 'Why nobody was found'),
});

/** A target with nobody to notify. */
export type PassedOver = Static<typeof passedOverSchema>;

/** How messages are sent. */
const MEANS = ['email', 'chat'] as const;

export const notificationSchema = open({
  id: about(text, 'Id of the message, the same for every attempt'),
  target: about(escalationTargetSchema, 'Recipient: a person or a team'),
  by: about(oneOf(MEANS), 'Channel'),
  channel: optional(about(text, 'Name of the chat channel')),
});

/** A message to one address of a step's target. */
export type Notification = Static<typeof notificationSchema>;

/**
 * Why a message was not delivered: refused by its receiver; failed for too long; its address or channel no longer exists; its receiver may
 * no longer see this client's tickets.
 */
export const UNDELIVERED = ['refused', 'given-up', 'no-address', 'not-configured', 'not-of-client'] as const;
export type Undelivered = (typeof UNDELIVERED)[number];

export const sentNotificationSchema = open({
  ...notificationSchema.entries,
  state: about(oneOf(['on-its-way', 'delivered', 'failed']), 'Outcome'),
  because: optional(about(oneOf(UNDELIVERED), 'Why it could not be delivered')),
});

/** A message and its outcome. */
export type SentNotification = Static<typeof sentNotificationSchema>;

/** Reports the outcome of a message. Sent by the deliverer. */
export interface NotificationOutcome {
  /** Id of the message. */
  readonly notification: string;
  readonly attempts: number;
  /** Why it could not be delivered; absent if it was. */
  readonly failed?: { readonly because: Undelivered; readonly detail?: string };
}

const LONGEST = 366 * 86_400_000;

const stepSchema = withRule(
  fields({
    after: about(
      whole(0, LONGEST, 'must be a whole number of milliseconds, at most 366 days'),
      'Milliseconds after the previous step was dispatched; for the first step, after the trigger',
    ),
    targets: about(
      boundedList(escalationTargetSchema, 0, 20, 'targets'),
      'Whom it notifies. If nobody can be found, the next step follows at once',
    ),
    escalateToNextTier: optional(
      about(flag, "Whether it hands the work to the next tier, with a hand-off built from the ticket's contents"),
    ),
    window: optional(about(refer(calendarSchema), 'When it may be dispatched; outside these hours it waits for the next opening')),
  }),
  ({ targets, escalateToNextTier }) =>
    targets.length === 0 && escalateToNextTier !== true
      ? [{ at: ['targets'], message: 'must have at least one target, or the step must hand the work on' }]
      : [],
);

/** One level of a policy. */
export type EscalationStep = Static<typeof stepSchema>;

export const escalationPolicySchema = about(
  fields({
    name: about(name(100), 'Name, unique within the contract'),
    trigger: triggerSchema,
    steps: about(boundedList(stepSchema, 1, 20, 'steps'), 'Steps, in order'),
    rounds: optional(about(whole(1, 10), 'Number of rounds through the steps; default: 1')),
    acknowledgedFor: optional(
      about(
        whole(1, LONGEST, 'must be a whole number of milliseconds above 0, at most 366 days'),
        'Milliseconds after which an acknowledgement lapses and the chain continues. If omitted, an acknowledgement ends the chain',
      ),
    ),
    then: optional(about(text, 'Name of the policy that starts once the last step of this one has been dispatched')),
  }),
  'Escalation policies: what happens, step by step, until somebody responds',
);

/** Escalation policies: what happens, step by step, until someone responds. */
export type EscalationPolicy = Static<typeof escalationPolicySchema>;

export const escalationPoliciesSchema = withRule(boundedList(escalationPolicySchema, 0, 50, 'policies'), (policies) =>
  policies.flatMap(({ name, then }, index): readonly Breach[] => [
    ...(policies.findIndex((other) => other.name === name) < index
      ? [{ at: [index, 'name'], message: 'must not be the name of another policy' }]
      : []),
    ...(then === undefined || policies.some((other) => other.name === then)
      ? []
      : [{ at: [index, 'then'], message: 'must be the name of a policy' }]),
    ...(formsCycle(policies, name) ? [{ at: [index, 'then'], message: 'must not lead back to this policy' }] : []),
  ]),
);

/** Whether following `then` from a policy leads back to it. */
function formsCycle(policies: readonly EscalationPolicy[], start: string): boolean {
  const nextOf = (name: string) => policies.find((policy) => policy.name === name)?.then;
  let next = nextOf(start);
  for (let hops = 0; next !== undefined && hops <= policies.length; hops++) {
    if (next === start) return true;
    next = nextOf(next);
  }
  return false;
}
