import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom } from '#eventsourcing';
import { QueryParameters } from '#http';
import { flag, oneOf, type QueryOf, text } from '#platform';
import { ARTICLE_STATUSES } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  q: text('Only published articles that match some of these words or similar ones, best first; one page'),
  ticket: aTicketId('Only published articles that may help with this ticket (its id), best first; one page. Replaces `q`'),
  client: text('Only articles specific to this client'),
  status: oneOf(ARTICLE_STATUSES, 'Only articles whose latest version has this status'),
  flagged: flag('Only articles that failed several times in a row, or only the others'),
  overdue: flag('Only articles whose review is overdue, or only the others'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const articleId = new PathName('article-not-found', 'There is no such article');

/** Queries of knowledge articles. */
@Controller('v1/articles')
export class ArticlesController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('articles'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  list(@Query(readListQuery) { limit, cursor, overdue, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { q, ticket, client, status, flagged } = asked;
    const late = overdue === undefined ? undefined : { is: overdue, at: instantFrom(Date.now()) };
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.articles, { ...asked, overdue: late, limit: most, after })));
    const list = ['articles', q, ticket, client, status, ...[flagged, overdue].map((one) => (one === undefined ? undefined : String(one)))];
    return pageByName(list, { limit, cursor }, read, ({ article }) => article);
  }

  @Get(':article')
  @documented((openapi) => openapi.documentRecord('article'))
  async one(
    @Param('article', articleId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.article, { id }))));
  }
}
