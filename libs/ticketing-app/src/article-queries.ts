import { type Instant, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import { type Article, article, articles, type ArticleStatus, omitUndefined, shownArticle } from '#ticketing';
import type { AtRevision } from './at-revision.js';
import { type ByName, databaseAnswer, find, type Page, readByName, readOne, type Sources } from './read-models.js';
import { readTicketDetails } from './ticket-queries.js';

/** Filters for articles, combined with AND. */
export interface ArticlesAsked extends ByName {
  /** Words in published articles: one page, best first. */
  readonly q?: string | undefined;
  /** Id of a ticket that they may help with, instead of words. */
  readonly ticket?: string | undefined;
  readonly client?: string | undefined;
  readonly status?: ArticleStatus | undefined;
  readonly flagged?: boolean | undefined;
  /** Whether the review is overdue at an instant. */
  readonly overdue?: { readonly is: boolean; readonly at: Instant } | undefined;
}

/** Articles by id; search results by relevance. */
export async function readArticles(
  sources: Sources,
  { q, ticket, client, status, flagged, overdue, limit, after }: ArticlesAsked,
): Promise<Page<Article> | Refusal> {
  const late = overdue && { reviewBy: { $lte: overdue.at }, status: { $ne: 'retired' } };
  const $and = late && [overdue.is ? late : { $nor: [late] }];
  const where = omitUndefined({ client, status, flagged, $and });
  const words = ticket === undefined ? q : await wordsOf(sources, ticket);
  if (isRefusal(words)) return words;
  const { items, more } =
    words === undefined
      ? await readByName<Article>(sources, { view: articles.name, where, limit, after })
      : { items: await bestFirst(sources, await sources.articles.search(words), where, limit), more: false };
  return { items: items.map((one) => shownArticle(sources.scope, one)), more };
}

/** The first articles with these ids, in order, that match a filter and the scope. */
export async function bestFirst(sources: Sources, hits: readonly string[], where: object, limit: number): Promise<readonly Article[]> {
  const found = await databaseAnswer(find<Article>(sources, articles.name, { ...where, _id: { $in: [...hits] } }).toArray());
  const byId = new Map(found.map((one) => [one._id, one]));
  return hits.flatMap((id) => byId.get(id) ?? []).slice(0, limit);
}

/** The subject of a ticket, as words to search for. */
async function wordsOf(sources: Sources, ticketId: string): Promise<string | Refusal> {
  const found = await readTicketDetails(sources, { ticketId });
  if (isRefusal(found)) return found;
  const { summary, description = '', service = '', component = '', category = '' } = found;
  return [summary, description.slice(0, 2_000), service, component, category].join(' ');
}

/** An article as it is in the log; for requesters, as published. */
export async function readArticle(
  sources: Sources,
  { id }: { readonly id: string },
): Promise<AtRevision<Article> | Refusal<'article-not-found'>> {
  const { state, revision } =
    sources.scope.reporter === undefined
      ? await readAggregate(sources.store, article, id)
      : await readOne<Article>(sources, { view: articles.name, id });
  if (state === null) return refuse('article-not-found', 'There is no such article');
  return { state: shownArticle(sources.scope, state), revision };
}
