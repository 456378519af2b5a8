import type { StateFace } from '#eventsourcing';
import { automationTaskSchema, type AutomationState } from '../automation/automation.js';
import { documentSchema } from './stored.js';

/** One document per automation task, by its id. */
export const automationTasks: StateFace<AutomationState> = {
  name: 'automation_tasks',
  version: 2,
  schema: () => documentSchema(automationTaskSchema, 'Id of the task'),
  document: (state) => state,
  indexes: [{ key: { status: 1, action: 1, askedAt: 1 } }, { key: { ticketId: 1 } }, { key: { leaseUntil: 1 } }, { key: { claim: 1 } }],
};
