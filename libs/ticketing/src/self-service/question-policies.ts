import { type Policy, streamId } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { article, type ArticleCommands } from '../knowledge/article.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import { ticket } from '../ticket/ticket.js';
import { question, type QuestionCommands, type QuestionEvents, type QuestionState } from './question.js';

/** Records with a question which ticket was opened for it. */
export const ticketsOfQuestions: Policy<TicketEvents, ClockedTicketState, QuestionCommands> = {
  name: 'tickets-of-questions',
  aggregate: ticket,
  concerns: ({ type, data }) => type === 'TicketOpened' && data.question !== undefined,
  react: {
    TicketOpened: ({ stream, data: { question: id } }) =>
      id === undefined ? [] : [{ category: question.category, id, name: 'RecordTicketOfQuestion', body: { ticketId: streamId(stream) } }],
  },
};

/** Records with an article that it answered a question, or was suggested for it without success. */
export const articlesOfQuestions: Policy<QuestionEvents, QuestionState, ArticleCommands> = {
  name: 'articles-of-questions',
  aggregate: question,
  react: {
    QuestionAnswered: ({ data: { article: id } }) => [
      { category: article.category, id, name: 'GiveArticleFeedback', body: { helped: true } },
    ],
    QuestionBecameTicket: ({ data: { ticketId, articles = [] } }, state) => {
      if (state === null) return [];
      const body = { ticketId, client: state.client, solved: false };
      return articles.map((id) => ({ category: article.category, id, name: 'RecordArticleUse', body }));
    },
  },
};
