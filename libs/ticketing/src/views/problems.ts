import type { StateFace } from '#eventsourcing';
import { problemSchema, type ProblemState } from '../problem/problem-record.js';
import { documentSchema } from './stored.js';

/** One document per problem, by its id. */
export const problems: StateFace<ProblemState> = {
  name: 'problems',
  version: 5,
  schema: () => documentSchema(problemSchema, 'Id of the problem'),
  document: (state) => state,
  indexes: [
    { key: { client: 1, _id: 1 } },
    { key: { client: 1, status: 1 } },
    { key: { tickets: 1 } },
    { key: { nextActionDueAt: 1 } },
    { key: { nextReminderAt: 1 } },
  ],
};
