import type { Actor, Instant } from '#eventsourcing';
import { about, anyObject, count, instant, listOf, oneOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import { actorSchema } from '../vocabulary.js';

const runnerStepSchema = open({
  action: about(text, 'What a runner does, by a name that runners know'),
  input: optional(about(anyObject, 'What the runner needs for it')),
  attempts: optional(about(count, 'How many times it may be claimed, as leases run out; 3 unless said')),
});

export const runbookStepSchema = open({
  title: about(text, 'What is done, in a line'),
  instruction: optional(about(text, 'How, in Markdown')),
  runner: optional(about(runnerStepSchema, 'A runner does it; absent: a person')),
});

/** A step of a runbook as its article has it. */
export type RunbookStep = Static<typeof runbookStepSchema>;

/** How a step was ticked off. One that failed may be tried again. */
export const STEP_RESULTS = ['done', 'failed', 'skipped'] as const;
export type StepResult = (typeof STEP_RESULTS)[number];

const stepOfRunSchema = open({
  ...runbookStepSchema.entries,
  status: about(oneOf(['waiting', ...STEP_RESULTS]), 'How far it is'),
  outcome: optional(about(text, 'What came of it, or why it was skipped')),
  by: optional(about(refer(actorSchema), 'Who ticked it off')),
  at: optional(about(instant, 'When')),
});

export const runbookRunSchema = open({
  run: about(uuid, 'Id of this run of the runbook'),
  article: about(text, 'The article that has the runbook'),
  version: about(count, 'The version of the article that is followed'),
  title: about(text, 'Its title'),
  startedBy: about(refer(actorSchema), 'Who started it'),
  startedAt: about(instant, 'When'),
  cycle: about(count, 'The cycle of the ticket that it was started in'),
  steps: about(listOf(stepOfRunSchema), 'Its steps, in order'),
});

/** A runbook that is followed on a ticket. */
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

/** The runs once a step is ticked off. */
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

/** The article whose runbook was followed to its end last, in this cycle of the ticket. */
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
