import { type Policy, type Reaction, type RecordedEvent, streamId } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import { ticket } from '../ticket/ticket.js';
import { article, type ArticleCommands } from './article.js';

function articleUses(
  { stream }: Pick<RecordedEvent<TicketEvents>, 'stream'>,
  client: string | undefined,
  articles: readonly string[],
  solved: boolean,
): readonly Reaction<ArticleCommands>[] {
  if (client === undefined) return [];
  const body = { ticketId: streamId(stream), client, solved };
  return articles.map((id) => ({ category: article.category, id, name: 'RecordArticleUse', body }));
}

/** Tells articles of the tickets that they have solved, of those before which they were shown in vain, and of steps that failed. */
export const articlesOfTickets: Policy<TicketEvents, ClockedTicketState, ArticleCommands> = {
  name: 'articles-of-tickets',
  aggregate: ticket,
  concerns: ({ type, data }) =>
    type === 'TicketOpened'
      ? data.articlesShown !== undefined
      : type === 'TicketResolved'
        ? data.article !== undefined
        : type !== 'DiagnosticStepRecorded' || data.runbook?.result === 'failed',
  react: {
    // What was suggested for a question was in vain once, however many tickets name it: the question tells of it.
    TicketOpened: (event) => articleUses(event, event.data.client, event.data.articlesBesides ?? event.data.articlesShown ?? [], false),
    TicketResolved: (event, state) => articleUses(event, state?.client, event.data.article === undefined ? [] : [event.data.article], true),
    DiagnosticStepRecorded: (event, state) => {
      const followed = state?.runbooks?.find(({ run }) => run === event.data.runbook?.run);
      return articleUses(event, state?.client, followed === undefined ? [] : [followed.article], false);
    },
    // Old imports have root causes without one.
    TicketResolvedWithRootCause: (event, state) =>
      articleUses(
        event,
        state?.client,
        event.data.rootCause?.knowledgeArticle === undefined ? [] : [event.data.rootCause.knowledgeArticle.id],
        true,
      ),
  },
};
