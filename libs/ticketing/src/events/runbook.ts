import type { Actor, Instant } from '#eventsourcing';
import { about, anyObject, count, instant, listOf, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import { actorSchema } from '../vocabulary.js';

const runnerStepSchema = open({
  action: about(text, 'Action for a runner, by the name runners know'),
  input: optional(about(anyObject, 'Input for the runner')),
  attempts: optional(about(count, 'Maximum number of claims, as leases expire; default: 3')),
});

export const runbookStepSchema = open({
  title: about(text, 'One-line summary of the step'),
  instruction: optional(about(text, 'Instructions in Markdown')),
  runner: optional(about(runnerStepSchema, 'Runner that performs it; absent: done by a person')),
});

/** A step of a runbook, as in its article. */
export type RunbookStep = Static<typeof runbookStepSchema>;

/** Result of a step. A failed step may be tried again. */
export const STEP_RESULTS = ['done', 'failed', 'skipped'] as const;
export type StepResult = (typeof STEP_RESULTS)[number];

const stepOfRunSchema = open({
  ...runbookStepSchema.entries,
  status: about(oneOf(['waiting', ...STEP_RESULTS]), 'Progress'),
  outcome: optional(about(text, 'Outcome, or why it was skipped')),
  by: optional(about(refer(actorSchema), 'Who ticked it off')),
  at: optional(about(instant, 'When')),
});

export const runbookRunSchema = open({
  run: about(uuid, 'Id of this run of the runbook'),
  article: about(text, 'Article that contains the runbook'),
  version: about(count, 'Version of the article being followed'),
  title: about(text, 'Title of the article'),
  startedBy: about(refer(actorSchema), 'Who started it'),
  startedAt: about(instant, 'When'),
  cycle: about(count, 'Cycle of the ticket in which it was started'),
  steps: about(listOf(stepOfRunSchema), 'Its steps, in order'),
});

/** A runbook being followed on a ticket. */
export type RunbookRun = Static<typeof runbookRunSchema>;

/** A step of a run, by its number from 1. */
export interface StepRef {
  readonly run: string;
  readonly step: number;
}

interface Tick {
  readonly result: StepResult;
  readonly outcome: string;
  readonly by: Actor;
  readonly at: Instant;
}

/** The runs after a step is ticked off. */
export function ticked(runs: readonly RunbookRun[], { run, step }: StepRef, { result, ...tick }: Tick): readonly RunbookRun[] {
  return runs.map((one) =>
    one.run === run
      ? { ...one, steps: one.steps.map((before, index) => (index === step - 1 ? { ...before, status: result, ...tick } : before)) }
      : one,
  );
}

const isOpen = ({ status }: RunbookRun['steps'][number]): boolean => status === 'waiting' || status === 'failed';

/** Whether a run has steps left to do. */
export const isUnfinished = ({ steps }: RunbookRun): boolean => steps.some(isOpen);

/** The article whose runbook was completed last in this cycle of the ticket. */
export function articleFollowed({ runbooks = [], cycle }: { readonly runbooks?: readonly RunbookRun[]; readonly cycle: number }) {
  const followed = (run: RunbookRun) => run.cycle === cycle && !isUnfinished(run) && run.steps.some(({ status }) => status === 'done');
  return runbooks.findLast(followed)?.article;
}

/** The first step of a run that is neither done nor skipped, by its number from 1. */
export function nextStep({ steps }: RunbookRun): { readonly number: number; readonly step: RunbookRun['steps'][number] } | undefined {
  const index = steps.findIndex(isOpen);
  const step = steps[index];
  return step && { number: index + 1, step };
}
