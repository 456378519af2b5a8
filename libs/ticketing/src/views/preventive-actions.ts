import { preventiveActionSchema } from '../problem/problem-record.js';
import { about, flag, open, type Static, text, uuid } from '../schema.js';

export const actionOfProblemSchema = about(
  open({
    problemId: about(uuid, 'Id of the problem'),
    client: about(text, 'Client (tenant) that it belongs to'),
    title: about(text, 'What the problem is about, in a line'),
    ...preventiveActionSchema.entries,
    overdue: about(flag, 'Whether it is planned, and was due before now'),
  }),
  'A preventive action, with the problem that it belongs to',
);

/** A preventive action, with the problem that it belongs to. */
export type ActionOfProblem = Static<typeof actionOfProblemSchema>;
