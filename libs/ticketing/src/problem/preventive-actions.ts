import {
  commandsOn,
  type DecisionContext,
  epochMillis,
  type EventsOf,
  type Instant,
  instantFrom,
  parseInstant,
  refuse,
  type Refusal,
} from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateTime, Name, Part, PersonRef, Text } from '../command-fields.js';
import { DAY } from '../contract/contract.js';
import { type Message, subjectLine } from '../contract/escalation-message.js';
import type { Notification, NotificationOutcome } from '../contract/escalation-policy.js';
import {
  notificationsTo,
  type NotThrough,
  onTheirWay,
  outcomeIn,
  settled,
  type SettledNotification,
  withoutDetail,
} from '../contract/reminder.js';
import { omitUndefined, same } from '../plain-json.js';
import type { Reach } from '../ticket/escalation.js';
import type { Person } from '../vocabulary.js';
import { type Change, change, notFound, type PreventiveAction, type ProblemRecord, type ProblemState } from './problem-record.js';

@JSONSchema({
  description:
    'Plans an action that keeps the problem from recurring, also after it is closed. A planned action of the same name is replanned. Its owner is reminded a day before it is due, when it is due, and weekly after that.',
  examples: [
    { action: 'PA-1', description: 'Stage driver updates on one server first', owner: { id: 'grace' }, dueAt: '2027-02-01T12:00:00Z' },
  ],
})
export class PlanPreventiveAction {
  @Name({ description: 'Name, unique within the problem', example: 'PA-1', max: 100 })
  action!: string;

  @Text({ description: 'What is to be done', example: 'Stage driver updates on one server first', max: 2000 })
  description!: string;

  @Part(() => PersonRef, { description: 'Who is responsible' })
  owner!: PersonRef;

  @DateTime({ description: 'Due date' })
  dueAt!: string;
}

@JSONSchema({
  description: 'Completes a preventive action: what was done, and by which change if any.',
  examples: [{ action: 'PA-1', outcome: 'Updates are staged by ring', change: 'CHG-1077', before: 'All at once', after: 'Three rings' }],
})
export class CompletePreventiveAction {
  @Name({ description: 'Name of the action', example: 'PA-1', max: 100 })
  action!: string;

  @Text({ description: 'What was done', example: 'Updates are staged by ring', max: 2000 })
  outcome!: string;

  @Name({ description: 'Reference to the change that implemented it', example: 'CHG-1077', optional: true })
  change?: string;

  @Text({ description: 'State before the change', max: 2000, optional: true })
  before?: string;

  @Text({ description: 'State after the change', max: 2000, optional: true })
  after?: string;
}

@JSONSchema({
  description: 'Cancels a preventive action.',
  examples: [{ action: 'PA-1', reason: 'The servers are replaced' }],
})
export class CancelPreventiveAction {
  @Name({ description: 'Name of the action', example: 'PA-1', max: 100 })
  action!: string;

  @Text({ description: 'Why', example: 'The servers are replaced', max: 2000 })
  reason!: string;
}

/** How owners can be reached, by their id. */
export type OwnersReached = Readonly<Record<string, Reach>>;

/** Reports the outcome of a message to an owner. */
export type RecordReminder = NotificationOutcome;

type Planned = Pick<PreventiveAction, 'action' | 'description' | 'owner' | 'dueAt'>;
type About = { readonly action: string; readonly owner: Person; readonly dueAt: Instant };
type Settled = Pick<PreventiveAction, 'action'> & SettledNotification;

type Failed = Settled & NotThrough;

/** With more, every event of the problem would be slow to read. */
const MOST_ACTIONS = 100;

const REMINDED_BEFORE = DAY;
const REMINDED_EVERY = 7 * DAY;

/** When the owner of an action is first reminded after an instant: a day before it is due, when it is due, and every week from then on. */
export function nextReminder(dueAt: Instant, after: Instant): Instant {
  const [due, since] = [epochMillis(dueAt), epochMillis(after)];
  if (since < due - REMINDED_BEFORE) return instantFrom(due - REMINDED_BEFORE);
  return instantFrom(since < due ? due : due + REMINDED_EVERY * (Math.floor((since - due) / REMINDED_EVERY) + 1));
}

/** A planned action is overdue from its due instant on. */
export function isOverdue({ state, dueAt }: Pick<PreventiveAction, 'state' | 'dueAt'>, now: Instant): boolean {
  return state === 'planned' && dueAt <= now;
}

/** An action that was overdue when planned gets a reminder at once. */
function remindedNext({ dueAt, plannedAt, reminded }: PreventiveAction): Instant {
  return reminded === undefined && dueAt <= plannedAt ? plannedAt : nextReminder(dueAt, reminded?.at ?? plannedAt);
}

function withActions(problem: ProblemRecord, actions: readonly PreventiveAction[]): ProblemRecord {
  const planned = actions.filter(({ state }) => state === 'planned');
  const first = (instants: readonly Instant[]) => [...instants].sort()[0];
  const nextActionDueAt = first(planned.map(({ dueAt }) => dueAt));
  const nextReminderAt = first(planned.map(remindedNext));
  return omitUndefined({ ...problem, actions, nextActionDueAt, nextReminderAt }) as ProblemRecord;
}

function changed(problem: ProblemRecord, action: string, evolve: (one: PreventiveAction) => PreventiveAction): ProblemRecord {
  return withActions(
    problem,
    problem.actions.map((one) => (one.action === action ? evolve(one) : one)),
  );
}

function reminderSettled(problem: ProblemRecord, { action, id }: Settled, because?: NotThrough['because']) {
  return changed(problem, action, (one) => (one.reminded === undefined ? one : { ...one, reminded: settled(one.reminded, id, because) }));
}

export const actionEvents = {
  ProblemActionPlanned: change<Planned>({
    publicData: 'all',
    personal: null,
    evolve: (problem, planned, { effectiveAt: plannedAt }) => {
      const action: PreventiveAction = { ...planned, state: 'planned', plannedAt };
      const isThere = problem.actions.some((one) => one.action === planned.action);
      return isThere ? changed(problem, planned.action, () => action) : withActions(problem, [...problem.actions, action]);
    },
  }),
  ProblemActionDone: change<Pick<PreventiveAction, 'action' | 'change'> & { readonly outcome: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { action, ...done }, { effectiveAt: endedAt }) =>
      changed(problem, action, (one) => ({ ...one, ...done, state: 'done', endedAt })),
  }),
  ProblemActionCancelled: change<Pick<PreventiveAction, 'action'> & { readonly reason: string }>({
    publicData: 'all',
    personal: null,
    evolve: (problem, { action, reason }, { effectiveAt: endedAt }) =>
      changed(problem, action, (one) => ({ ...one, state: 'cancelled', endedAt, outcome: reason })),
  }),
  ProblemActionReminded: change<
    About & { readonly overdue: boolean; readonly notifications?: readonly Notification[]; readonly message?: Message }
  >({
    publicData: 'all',
    personal: null,
    evolve: (problem, { action, overdue, notifications }, { effectiveAt: at }) =>
      changed(problem, action, (one) => ({ ...one, reminded: { at, overdue, messages: onTheirWay(notifications) } })),
  }),
  ProblemReminderDelivered: change<Settled>({
    publicData: 'all',
    personal: null,
    evolve: (problem, about) => reminderSettled(problem, about),
  }),
  ProblemReminderFailed: change<Failed, typeof withoutDetail<Failed>>({
    publicData: withoutDetail,
    personal: null,
    evolve: (problem, about) => reminderSettled(problem, about, about.because),
  }),
};

const command = commandsOn<ProblemState, EventsOf<{ readonly events: typeof actionEvents }>>();

const OF_ACTIONS = ['problem-not-found', 'action-not-found', 'action-ended'] as const;

export const actionCommands = {
  PlanPreventiveAction: command({
    body: PlanPreventiveAction,
    route: 'POST /v1/problems/{problemId}/actions',
    refuses: ['problem-not-found', 'action-ended', 'too-many-actions'],
    decide({ action, description, owner, dueAt: due }, state) {
      if (state === null) return notFound();
      const planned = { action, description, owner: omitUndefined({ ...owner }), dueAt: parseInstant(due) as Instant };
      const known = state.actions.find((one) => one.action === action);
      if (known !== undefined && same(planned, plannedOf(known))) return [];
      if (known !== undefined && known.state !== 'planned') return ended();
      if (known === undefined && state.actions.length >= MOST_ACTIONS)
        return refuse('too-many-actions', `A problem has at most ${MOST_ACTIONS} preventive actions`);
      return [{ type: 'ProblemActionPlanned', data: planned }];
    },
  }),
  CompletePreventiveAction: command({
    body: CompletePreventiveAction,
    route: 'POST /v1/problems/{problemId}/actions/done',
    refuses: [...OF_ACTIONS, 'change-missing'],
    decide({ action, outcome, change, before, after }, state) {
      const known = planned(state, action, 'done');
      if (known === undefined || 'refused' in known) return known ?? [];
      if (change === undefined && (before ?? after) !== undefined)
        return refuse('change-missing', 'before and after require a change', [{ field: 'change', message: 'must be named' }]);
      const made: Change | undefined = change === undefined ? undefined : omitUndefined({ description: outcome, change, before, after });
      return [{ type: 'ProblemActionDone', data: omitUndefined({ action, outcome, change: made }) }];
    },
  }),
  CancelPreventiveAction: command({
    body: CancelPreventiveAction,
    route: 'POST /v1/problems/{problemId}/actions/cancel',
    refuses: OF_ACTIONS,
    decide({ action, reason }, state) {
      const known = planned(state, action, 'cancelled');
      if (known === undefined || 'refused' in known) return known ?? [];
      return [{ type: 'ProblemActionCancelled', data: { action, reason } }];
    },
  }),
  RemindOfActions: command({
    refuses: [],
    needs: 'owners-of-actions',
    decide(_command: object, state, { effectiveAt: now }: DecisionContext, reached: OwnersReached = {}) {
      return actionsToRemindOf(state, now).map((one) => {
        const { action, owner, dueAt } = one;
        const overdue = isOverdue(one, now);
        const reach = Object.hasOwn(reached, owner.id) ? reached[owner.id] : undefined;
        const notifications = notificationsTo(owner, reach, state?.problemId ?? '', action, remindedNext(one));
        const told = notifications.length === 0 ? {} : { notifications, message: messageOf(state as ProblemRecord, one, overdue) };
        return { type: 'ProblemActionReminded' as const, data: { action, owner, dueAt, overdue, ...told } };
      });
    },
  }),
  RecordReminder: command({
    refuses: [],
    decide(outcome: RecordReminder, state) {
      for (const { action, reminded } of state?.actions ?? []) {
        const told = outcomeIn(reminded, outcome);
        if (told === undefined) continue;
        return 'delivered' in told
          ? [{ type: 'ProblemReminderDelivered', data: { action, ...told.delivered } }]
          : [{ type: 'ProblemReminderFailed', data: { action, ...told.failed } }];
      }
      return [];
    },
  }),
};

/** The actions whose owners must be reminded by now. */
export function actionsToRemindOf(state: ProblemState, now: Instant): readonly PreventiveAction[] {
  return (state?.actions ?? []).filter((one) => one.state === 'planned' && remindedNext(one) <= now);
}

const plannedOf = ({ action, description, owner, dueAt }: PreventiveAction): Planned => ({ action, description, owner, dueAt });

const ended = (): Refusal<'action-ended'> => refuse('action-ended', 'The preventive action is already done or cancelled');

/** A planned action; undefined if it has already ended in this way. */
function planned(
  state: ProblemState,
  action: string,
  becomes: 'done' | 'cancelled',
): PreventiveAction | Refusal<(typeof OF_ACTIONS)[number]> | undefined {
  if (state === null) return notFound();
  const known = state.actions.find((one) => one.action === action);
  if (known === undefined) return refuse('action-not-found', 'The problem has no such preventive action');
  if (known.state === 'planned') return known;
  return known.state === becomes ? undefined : ended();
}

function messageOf(
  { problemId, client, title }: ProblemRecord,
  { action, description, dueAt }: PreventiveAction,
  overdue: boolean,
): Message {
  const isDue = overdue ? 'overdue' : 'due soon';
  return {
    subject: subjectLine(`[${isDue}] ${action}: ${title}`),
    text: `Preventive action ${action} of problem ${problemId} (${client}) is ${isDue}: ${title}\n\n${description}\n\nDue: ${dueAt}`,
  };
}
