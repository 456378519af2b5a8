import { deterministicId, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, OneOf, Text, Uuid, WholeNumber } from '../command-fields.js';
import { isUnfinished, type RunbookStep, STEP_RESULTS, type StepResult } from '../events/runbook.js';
import { command, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event } from './decisions.js';
import { INACTIVE, UNNAMED, unlessActive, unlessNamed } from './guards.js';

@JSONSchema({
  description:
    'Starts the runbook of a published article on the ticket, with the steps of that version. Runners are asked to perform theirs in turn.',
  examples: [{ article: 'KB-0042' }],
})
export class StartRunbook extends TicketCommand {
  @Name({ description: 'Id of the article with the steps', example: 'KB-0042', max: 100 })
  article!: string;
}

@JSONSchema({
  description: 'Ticks off a runbook step. A step done or failed is recorded as a diagnostic step; a failed step may be ticked off again.',
  examples: [{ step: 1, result: 'done', outcome: 'The spooler is running' }],
})
export class TickRunbookStep extends TicketCommand {
  @Uuid('a run of a runbook', { description: 'Id of the run; needed if several are unfinished', optional: true })
  run?: string;

  @WholeNumber({ description: 'Number of the step, from 1', example: 1, min: 1, max: 100 })
  step!: number;

  @OneOf(STEP_RESULTS, { description: 'What became of it', example: 'done' })
  result!: StepResult;

  @Text({ description: 'Outcome, or why it is skipped', example: 'The spooler is running', max: 2000 })
  outcome!: string;
}

/** The runbook of a published article. */
export interface PublishedRunbook {
  readonly article: string;
  readonly version: number;
  readonly title: string;
  readonly steps: readonly RunbookStep[];
  /** The client that it is for; absent: all clients. */
  readonly client?: string;
}

export const runbookCommands = {
  StartRunbook: command({
    body: StartRunbook,
    route: 'POST /v1/tickets/{id}/runbooks',
    refuses: [...INACTIVE, 'runbook-not-found'],
    late: true,
    needs: 'runbook',
    decide({ article: named }, ticket, { commandId }, _contract, found?: PublishedRunbook) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (found === undefined || (found.client ?? ticket.client) !== ticket.client) {
        return refuse('runbook-not-found', `${named} is not a runbook published for this client`, [
          { field: 'article', message: 'must be a published article with steps, for this client' },
        ]);
      }
      const { article, version, title, steps } = found;
      const goesOn = ticket.runbooks?.some((run) => run.article === article && run.version === version && isUnfinished(run));
      return goesOn ? [] : [event('RunbookStarted', { run: deterministicId('runbook', commandId), article, version, title, steps })];
    },
  }),

  TickRunbookStep: command({
    body: TickRunbookStep,
    route: 'POST /v1/tickets/{id}/runbook-steps',
    refuses: [...INACTIVE, 'runbook-step-not-found', 'runbook-step-over', ...UNNAMED],
    late: true,
    decide({ run: named, step: number, result, outcome }, ticket) {
      const barred = unlessActive(ticket);
      if (barred) return barred;
      const { runbooks = [], tier } = ticket;
      const unfinished = runbooks.filter(isUnfinished);
      const several = unlessNamed(
        'run',
        named,
        unfinished.map(({ run }) => run),
      );
      if (several) return several;
      const run = named === undefined ? (unfinished[0] ?? runbooks.at(-1)) : runbooks.find((one) => one.run === named);
      if (run === undefined)
        return refuse('runbook-step-not-found', 'No such runbook was started on the ticket', [
          { field: 'run', message: 'must be a run of this ticket' },
        ]);
      const step = run.steps[number - 1];
      if (step === undefined)
        return refuse('runbook-step-not-found', `The runbook has ${run.steps.length} steps`, [
          { field: 'step', message: `must be at most ${run.steps.length}` },
        ]);
      if (step.status === result && step.outcome === outcome) return [];
      if (step.status === 'done' || step.status === 'skipped')
        return refuse('runbook-step-over', `Step ${number} is ${step.status} already`, [
          { field: 'step', message: 'must be a step left to do' },
        ]);
      const ref = { run: run.run, step: number };
      return result === 'skipped'
        ? [event('RunbookStepSkipped', { ...ref, reason: outcome })]
        : [event('DiagnosticStepRecorded', { tier, action: step.title, outcome, runbook: { ...ref, result } })];
    },
  }),
} satisfies TicketCommandDefinitions;
