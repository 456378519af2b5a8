import { refuse, type Refusal } from '#eventsourcing';
import { automation, type AutomationTask, automationTasks, omitUndefined, type TASK_STATUSES } from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import { type ByName, databaseAnswer, find, type Page, readByName, type Sources } from './read-models.js';

/** Filters for tasks, combined with AND. */
export interface AutomationTasksAsked extends ByName {
  readonly client?: string | undefined;
  readonly status?: (typeof TASK_STATUSES)[number] | undefined;
  readonly action?: string | undefined;
  readonly ticket?: string | undefined;
}

/** Tasks for runners by id. */
export function readAutomationTasks(
  sources: Sources,
  { client, status, action, ticket: ticketId, limit, after }: AutomationTasksAsked,
): Promise<Page<AutomationTask>> {
  const where = omitUndefined({ client, status, action, ticketId });
  return readByName<AutomationTask>(sources, { view: automationTasks.name, where, limit, after });
}

export function readAutomationTask(
  sources: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<AutomationTask> | Refusal<'task-not-found'>> {
  return readKnown(sources, automation, id, refuse('task-not-found', 'There is no such task'));
}

/** Tasks that a runner may claim next. */
export interface NextTasksAsked {
  readonly actions: readonly string[];
  readonly client?: string | undefined;
  /** A claim that may already have been made: its task comes first. */
  readonly claim: string;
  /** The last task of the previous page. */
  readonly after?: Pick<AutomationTask, 'task' | 'askedAt'> | undefined;
  readonly limit: number;
}

/** Tasks waiting for a runner, oldest first, in pages. */
export async function readNextTasks(
  sources: Sources,
  { actions, client, claim, after, limit }: NextTasksAsked,
): Promise<readonly AutomationTask[]> {
  const { name } = automationTasks;
  const { askedAt, task: _id } = after ?? {};
  const rest = after && { $or: [{ askedAt: { $gt: askedAt } }, { askedAt, _id: { $gt: _id } }] };
  const waiting = omitUndefined({ status: 'waiting', action: { $in: actions }, client, ...rest });
  const found = await databaseAnswer(find<AutomationTask>(sources, name, waiting).sort({ askedAt: 1, _id: 1 }).limit(limit).toArray());
  if (after !== undefined) return found;
  // Read second: a task claimed in the meantime is found here.
  const claimed = await databaseAnswer(find<AutomationTask>(sources, name, { claim }).limit(1).toArray());
  return claimed.length > 0 ? claimed : found;
}
