import { preventiveActionSchema } from '../problem/problem-record.js';
import { about, flag, open, type Static, text, uuid } from '../schema.js';

export const actionOfProblemSchema = about(
  open({
    problemId: about(uuid, 'Id of the problem'),
    client: about(text, 'Client (tenant) of the problem'),
    title: about(text, 'One-line summary of the problem'),
    ...preventiveActionSchema.entries,
    overdue: about(flag, 'Whether it is still planned and its due date has passed'),
  }),
  'A preventive action and its problem',
);

/** A preventive action and its problem. */
export type ActionOfProblem = Static<typeof actionOfProblemSchema>;
