import { refuse, type Refusal } from '#eventsourcing';
import { automation, type AutomationTask, automationTasks, omitUndefined, type TASK_STATUSES } from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import { type ByName, type Page, readByName, type Sources } from './read-models.js';

/** Which tasks are asked for: those that have all of it. */
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
