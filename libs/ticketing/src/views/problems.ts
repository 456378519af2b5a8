import type { StateFace } from '#eventsourcing';
import { type ProblemRecord, problemSchema, type ProblemState } from '../problem/problem-record.js';
import { about, listOf, open, text } from '../schema.js';
import { withWordsOf } from './search-words.js';
import { documentSchema } from './stored.js';

const searchedSchema = about(
  open({
    ...problemSchema.entries,
    words: about(listOf(text), 'All words of the problem, without case and accents; used by search'),
  }),
  'A problem, with its search field',
);

/** The words of what people wrote about a problem, as it stands. */
function wordsOf(problem: ProblemRecord): readonly string[] {
  const { title, description, service, component, category, workaround, whys = [], rootCause, fix, failedFixes, actions } = problem;
  const fixes = [...failedFixes, ...(fix === undefined ? [] : [fix])];
  const texts = [
    ...[title, description, service, component, category, workaround, rootCause],
    ...whys.flatMap(({ why, because }) => [why, because]),
    ...fixes.flatMap(({ description, change, before, after }) => [description, change, before, after]),
    ...actions.flatMap(({ action, description, outcome }) => [action, description, outcome]),
  ];
  return withWordsOf([], { text: texts });
}

/** One document per problem, by its id. */
export const problems: StateFace<ProblemState> = {
  name: 'problems',
  version: 6,
  schema: () => documentSchema(searchedSchema, 'Id of the problem'),
  document: (state) => state && { ...state, words: wordsOf(state) },
  indexes: [
    { key: { client: 1, _id: 1 } },
    { key: { client: 1, status: 1 } },
    { key: { tickets: 1 } },
    { key: { nextActionDueAt: 1 } },
    { key: { nextReminderAt: 1 } },
    { key: { words: 1, _id: 1 } },
  ],
};
