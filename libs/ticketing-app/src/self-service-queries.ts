import { type Instant, readAggregate, refuse, type Refusal } from '#eventsourcing';
import {
  countQuestions,
  omitUndefined,
  type Question,
  question,
  type QuestionCounts,
  questions,
  type QuestionStatus,
  type RequestForm,
  requestForm,
  requestForms,
} from '#ticketing';
import { bestFirst } from './article-queries.js';
import { type AtRevision, readKnown } from './at-revision.js';
import { type ByName, databaseAnswer, find, type Page, readByName, readOne, type Sources } from './read-models.js';

/** An article that may answer a question. */
export interface Suggestion {
  readonly article: string;
  readonly title: string;
  readonly text: string;
}

/** Articles for words, or with these ids. */
export interface SuggestionsAsked {
  readonly client: string;
  readonly q?: string;
  readonly articles?: readonly string[];
}

/** More are of no use to the reader. */
const MOST_SUGGESTIONS = 5;

/** Published articles that requesters of a client may read, best first, whoever asks for them. */
export async function readSuggestions(
  sources: Sources,
  { client, q = '', articles: ids }: SuggestionsAsked,
): Promise<readonly Suggestion[]> {
  const hits = ids ?? (await sources.articles.search(q));
  const theirs = {
    published: { $exists: true },
    $or: [
      { visibility: 'everybody', client: { $exists: false } },
      { visibility: { $ne: 'desk' }, client },
    ],
  };
  const fitting = await bestFirst(sources, hits, theirs, MOST_SUGGESTIONS);
  return fitting.flatMap(({ article, published }) =>
    published === undefined ? [] : [{ article, title: published.title, text: published.text }],
  );
}

/** Filters for questions, combined with AND. */
export interface QuestionsAsked extends ByName {
  readonly client?: string | undefined;
  readonly status?: QuestionStatus | undefined;
}

/** Questions by id. */
export function readQuestions(sources: Sources, { client, status, limit, after }: QuestionsAsked): Promise<Page<Question>> {
  return readByName<Question>(sources, { view: questions.name, where: omitUndefined({ client, status }), limit, after });
}

/** A question as it is in the log; for requesters, only their own, for display. */
export async function readQuestion(
  sources: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<Question> | Refusal<'question-not-found'>> {
  const { state, revision } =
    sources.scope.reporter === undefined
      ? await readAggregate(sources.store, question, id)
      : await readOne<Question>(sources, { view: questions.name, id });
  return state === null ? refuse('question-not-found', 'There is no such question') : { state, revision };
}

/** Outcomes of the questions asked in a period. */
export async function readQuestionCounts(
  sources: Sources,
  { client, from, to }: { readonly client?: string | undefined; readonly from?: Instant | undefined; readonly to?: Instant | undefined },
): Promise<QuestionCounts> {
  const askedAt = omitUndefined({ $gte: from, $lt: to });
  const where = omitUndefined({ client, askedAt: Object.keys(askedAt).length === 0 ? undefined : askedAt });
  const found = await databaseAnswer(find<Question>(sources, questions.name, where, { status: 1 }).toArray());
  return countQuestions(found);
}

/** Filters for forms, combined with AND. */
export interface FormsAsked extends ByName {
  readonly client?: string | undefined;
  readonly service?: string | undefined;
  readonly withdrawn?: boolean | undefined;
}

/** Forms by name. */
export function readForms(sources: Sources, { client, service, withdrawn, limit, after }: FormsAsked): Promise<Page<RequestForm>> {
  return readByName<RequestForm>(sources, { view: requestForms.name, where: omitUndefined({ client, service, withdrawn }), limit, after });
}

/** A form. */
export function readForm(
  sources: Sources,
  { name }: { readonly name: string },
): Promise<AtRevision<RequestForm> | Refusal<'form-not-found'>> {
  return readKnown(sources, requestForm, name, refuse('form-not-found', 'There is no such form'));
}
