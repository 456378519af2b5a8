import { type Aggregate, type CommandsOf, commandsOn, epochMillis, type EventsOf, type Instant, instantFrom, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Fields, Name, OneOf, Part, Text, TextList, Uuid, WholeNumber } from '../command-fields.js';
import { HOUR } from '../contract/contract.js';
import { evidenceSchema, type TicketState } from '../events/ticket.js';
import { omitUndefined, without } from '../plain-json.js';
import { publishedChangesOf, publishedEvent } from '../published-event.js';
import { about, anyObject, count, instant, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import { AttachEvidence } from '../ticket/work.js';
import { actorSchema } from '../vocabulary.js';

/**
 * `waiting` for a runner; `claimed` by one under a lease, and `waiting` again if the lease ends without an answer; `done` or `failed`, as
 * the runner reports; `expired` if nobody claimed it in time, or the lease of the last attempt ended.
 */
export const TASK_STATUSES = ['waiting', 'claimed', 'done', 'failed', 'expired'] as const;

export const automationTaskSchema = about(
  open({
    task: about(uuid, 'Its id'),
    client: about(text, 'Client (tenant) of the ticket'),
    ticketId: about(uuid, 'Ticket the task is for'),
    action: about(text, 'Action the runner performs'),
    input: optional(about(anyObject, 'Input for the runner')),
    runbook: optional(
      about(
        open({ run: about(uuid, 'Id of the run'), step: about(count, 'Number of the step, from 1') }),
        'Runbook step on the ticket that the task performs',
      ),
    ),
    status: about(oneOf(TASK_STATUSES), 'Current status'),
    askedBy: about(refer(actorSchema), 'Who requested it'),
    askedAt: about(instant, 'When'),
    attempts: optional(about(count, 'Maximum number of claims, as leases expire; default: 3')),
    claims: optional(about(count, 'Number of claims so far')),
    claim: optional(about(uuid, 'Id of the current claim, or of the one that was answered')),
    runner: optional(about(refer(actorSchema), 'Who claimed it')),
    leaseUntil: optional(about(instant, 'Deadline: first to claim it, then to answer')),
    output: optional(about(text, 'Output of the runner')),
    evidence: optional(about(evidenceSchema, 'Evidence attached by the runner')),
    endedAt: optional(about(instant, 'When it was answered, or its lease expired')),
  }),
  'A step that a runner (an external program) is asked to perform for a ticket',
);

export type AutomationTask = Static<typeof automationTaskSchema>;
export type AutomationState = AutomationTask | null;

export class StepRefBody {
  @Uuid('a run of a runbook', { description: 'Id of the run' })
  run!: string;

  @WholeNumber({ description: 'Number of the step, from 1', example: 2, min: 1, max: 100 })
  step!: number;
}

@JSONSchema({
  description: 'Asks a runner to do something for a ticket. The response has the id of the task.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', action: 'restart-service', input: { service: 'spooler' } }],
})
export class AskRunner {
  @Uuid('a ticket', { description: 'Id of the ticket' })
  ticketId!: string;

  @Name({ description: 'Name of the action, as runners know it', example: 'restart-service', max: 100 })
  action!: string;

  @Fields({ description: 'Input for the runner', optional: true })
  input?: object;

  @WholeNumber({
    description: 'Maximum number of claims, as leases expire: 1 for actions that must not be retried; default: 3',
    example: 3,
    min: 1,
    max: 10,
    optional: true,
  })
  attempts?: number;

  @Part(() => StepRefBody, { description: 'Runbook step on the ticket that the answer ticks off', optional: true })
  runbook?: StepRefBody;
}

@JSONSchema({ description: 'Claims a waiting task: nobody else gets it until the lease expires.', examples: [{ leaseSeconds: 300 }] })
export class ClaimAutomationTask {
  @WholeNumber({ description: 'Lease in seconds: the time the runner has to answer', example: 300, min: 1, max: 86_400 })
  leaseSeconds!: number;
}

@JSONSchema({
  description:
    'Claims the oldest waiting task for one of the actions, as `claim` does: no two calls get the same task, even with the same key. Returns the task, or 204 if none is waiting.',
  examples: [{ actions: ['restart-service'], leaseSeconds: 300 }],
})
export class ClaimNextAutomationTask extends ClaimAutomationTask {
  @TextList({ description: 'Actions the runner can perform', example: ['restart-service'], max: 100, atLeastOne: true })
  actions!: readonly string[];

  @Name({ description: 'Only for tickets of this client (tenant)', example: 'northwind', optional: true, max: 100 })
  client?: string;
}

@JSONSchema({
  description: 'Reports the outcome of a claimed task. The output becomes a diagnostic step of the ticket; a failure is left to a person.',
  examples: [{ outcome: 'done', output: 'spooler: stopped, started, listening' }],
})
export class AnswerAutomationTask {
  @OneOf(['done', 'failed'], { description: 'Whether it was done', example: 'done' })
  outcome!: 'done' | 'failed';

  @Text({ description: 'Result', max: 2000 })
  output!: string;

  @Uuid('a claim', {
    description: 'Id of the claim, from the task: refused if the task has been claimed again since. For runners that share a key',
    optional: true,
  })
  claim?: string;

  @Part(() => AttachEvidence, { description: 'Evidence, such as a log uploaded to /v1/attachments', optional: true })
  evidence?: AttachEvidence;
}

const change = publishedChangesOf<AutomationTask>();

type Asked = Pick<AutomationTask, 'task' | 'client' | 'ticketId' | 'action' | 'input' | 'runbook' | 'attempts' | 'leaseUntil'>;
type Claimed = Required<Pick<AutomationTask, 'leaseUntil'>> & Pick<AutomationTask, 'claim'>;
type Answered = Pick<AutomationTask, 'evidence'> & { readonly outcome: 'done' | 'failed'; readonly output: string };

/** The input is only for the runner that claims the task: it may be confidential. */
const withoutInput = ({ input: _, ...asked }: Asked) => asked;

const events = {
  AutomationAsked: publishedEvent<AutomationState, Asked, typeof withoutInput>({
    publicData: withoutInput,
    personal: null,
    evolve: (_state, asked, { actor, effectiveAt }) => ({ ...asked, status: 'waiting', askedBy: actor, askedAt: effectiveAt }),
  }),
  AutomationClaimed: change<Claimed>({
    publicData: 'all',
    personal: null,
    evolve: (task, { leaseUntil, claim }, { actor: runner }) => ({
      ...task,
      status: 'claimed',
      claims: (task.claims ?? 0) + 1,
      ...(claim !== undefined && { claim }),
      runner,
      leaseUntil,
    }),
  }),
  AutomationOfferedAgain: change<{ readonly leaseUntil: Instant }>({
    publicData: 'all',
    personal: null,
    evolve: (task, { leaseUntil }) => ({
      ...without(task, 'claim', 'runner'),
      status: 'waiting',
      leaseUntil,
    }),
  }),
  AutomationAnswered: change<Answered>({
    publicData: 'all',
    personal: null,
    evolve: (task, { outcome, output, evidence }, { effectiveAt: endedAt }) => ({
      ...without(task, 'leaseUntil'),
      status: outcome,
      output,
      ...(evidence && { evidence }),
      endedAt,
    }),
  }),
  AutomationLeaseExpired: change<{ readonly leaseUntil: Instant }>({
    publicData: 'all',
    personal: null,
    evolve: (task, _data, { effectiveAt: endedAt }) => ({
      ...without(task, 'leaseUntil'),
      status: 'expired',
      endedAt,
    }),
  }),
};

const command = commandsOn<AutomationState, EventsOf<{ readonly events: typeof events }>>();
/** How long a task waits for a runner before it goes to a person, in milliseconds. */
const WAITS = HOUR;
/** Number of times a task may be claimed; default. */
const ATTEMPTS = 3;

const after = (at: Instant, milliseconds: number): Instant => instantFrom(epochMillis(at) + milliseconds);
const notFound = () => refuse('task-not-found', 'There is no such task');

/** A step that a runner is asked to do for a ticket. One stream each: `automation-<id>`. */
export const automation = {
  category: 'automation',
  noun: 'task',
  idName: 'task',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    AskRunner: command({
      body: AskRunner,
      route: 'POST /v1/automation-tasks',
      refuses: ['other-ticket-not-found', 'runbook-step-not-found'],
      needs: 'other-ticket',
      decide({ ticketId, action, input, attempts, runbook: ref }, state, { id: task = '', effectiveAt }, ticket: TicketState = null) {
        if (state !== null) return [];
        if (ticket === null) {
          const faults = [{ field: 'ticketId', message: 'must be the id of a ticket' }];
          return refuse('other-ticket-not-found', 'There is no ticket with that id', faults);
        }
        const run = ref && ticket.runbooks?.find(({ run }) => run === ref.run);
        if (ref && run?.steps[ref.step - 1] === undefined) {
          const faults = [{ field: run ? 'runbook.step' : 'runbook.run', message: 'must be a runbook step on the ticket' }];
          return refuse('runbook-step-not-found', 'The ticket has no such runbook step', faults);
        }
        const runbook = ref && { run: ref.run, step: ref.step };
        const asked = { task, client: ticket.client, ticketId, action, input, attempts, runbook, leaseUntil: after(effectiveAt, WAITS) };
        return [{ type: 'AutomationAsked', data: omitUndefined(asked) }];
      },
    }),
    ClaimAutomationTask: command({
      body: ClaimAutomationTask,
      route: 'POST /v1/automation-tasks/{task}/claim',
      refuses: ['task-not-found', 'task-claimed', 'task-over'],
      decide({ leaseSeconds }, state, { effectiveAt, actor, commandId: claim }) {
        if (state === null) return notFound();
        if (state.status === 'claimed') return state.runner?.id === actor.id ? [] : refuse('task-claimed', 'Another runner has the task');
        if (state.status !== 'waiting') return refuse('task-over', 'The task is finished');
        return [{ type: 'AutomationClaimed', data: { leaseUntil: after(effectiveAt, leaseSeconds * 1000), claim } }];
      },
    }),
    AnswerAutomationTask: command({
      body: AnswerAutomationTask,
      route: 'POST /v1/automation-tasks/{task}/answer',
      refuses: ['task-not-found', 'task-claimed', 'task-over'],
      decide({ outcome, output, evidence, claim }, state, { actor }) {
        if (state === null) return notFound();
        if (state.status === outcome && state.output === output) return [];
        if (state.status !== 'claimed')
          return state.status === 'waiting' ? refuse('task-claimed', 'Claim the task first') : refuse('task-over', 'The task is finished');
        if (state.runner?.id !== actor.id || (claim !== undefined && claim !== state.claim))
          return refuse('task-claimed', 'Another runner has the task');
        return [{ type: 'AutomationAnswered', data: omitUndefined({ outcome, output, evidence: evidence && plain(evidence) }) }];
      },
    }),
    ExpireLease: command({
      refuses: [],
      decide(_command: Readonly<Record<never, never>>, state, { effectiveAt }) {
        const { leaseUntil, status, claims = 0, attempts = ATTEMPTS } = state ?? {};
        if (leaseUntil === undefined || leaseUntil > effectiveAt) return [];
        if (status === 'claimed' && claims < attempts)
          return [{ type: 'AutomationOfferedAgain', data: { leaseUntil: after(effectiveAt, WAITS) } }];
        return [{ type: 'AutomationLeaseExpired', data: { leaseUntil } }];
      },
    }),
  },
} satisfies Aggregate<AutomationState>;

export type AutomationEvents = EventsOf<typeof automation>;
export type AutomationCommands = CommandsOf<typeof automation>;

function plain({ name, kind, url, mediaType, sha256, bytes }: AttachEvidence) {
  return { name, kind, url, mediaType, sha256, bytes };
}
