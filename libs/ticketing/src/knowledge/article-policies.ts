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

/** Records with articles which tickets they solved, which tickets they did not prevent, and which of their steps failed. */
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
    // What was suggested for a question failed once, however many tickets name the question, which reports it.
    TicketOpened: (event) => articleUses(event, event.data.client, event.data.articlesBesides ?? event.data.articlesShown ?? [], false),
    TicketResolved: (event, state) => articleUses(event, state?.client, event.data.article === undefined ? [] : [event.data.article], true),
    DiagnosticStepRecorded: (event, state) => {
      const followed = state?.runbooks?.find(({ run }) => run === event.data.runbook?.run);
      return articleUses(event, state?.client, followed === undefined ? [] : [followed.article], false);
    },
    // Root causes in old imports have none.
    TicketResolvedWithRootCause: (event, state) =>
      articleUses(
        event,
        state?.client,
        event.data.rootCause?.knowledgeArticle === undefined ? [] : [event.data.rootCause.knowledgeArticle.id],
        true,
      ),
  },
};
