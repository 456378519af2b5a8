import type { StateFace } from '#eventsourcing';
import { questionSchema, type QuestionState } from '../self-service/question.js';
import { documentSchema } from './stored.js';

/** One document per question, by its id. */
export const questions: StateFace<QuestionState> = {
  name: 'questions',
  version: 1,
  schema: () => documentSchema(questionSchema, 'Id of the question'),
  document: (state) => state,
  indexes: [{ key: { client: 1, _id: 1 } }, { key: { client: 1, askedAt: 1 } }],
};
