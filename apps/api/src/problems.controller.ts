import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { entityTag, QueryParameters } from '#http';
import { oneOf, type QueryOf, text } from '#platform';
import { PROBLEM_STATUSES } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { PAGE, pageAnswer, pageParameters, placeAfter } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  client: text('Only problems of this client'),
  status: oneOf(PROBLEM_STATUSES, 'Only problems that stand there'),
  service: text('Only problems of this service'),
  component: text('Only problems of this configuration item'),
  category: text('Only problems of this category'),
  ticket: text('Only problems that this ticket is linked to'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const problemId = new PathName('problem-not-found', 'There is no such problem');

/** Problems, as they are read. */
@Controller('v1/problems')
export class ProblemsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('problems'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  async list(@Query(readListQuery) { limit = PAGE, cursor, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { client, status, service, component, category, ticket } = asked;
    const list = ['problems', client, status, service, component, category, ticket];
    const [after] = placeAfter(list, cursor) ?? [];
    const page = await this.queries.execute(
      new RunQuery(caller, queries.problems, { ...asked, limit, after: after === undefined ? undefined : String(after) }),
    );
    return pageAnswer(list, unlessRefused(page), ({ problemId }) => [problemId]);
  }

  @Get(':problemId')
  @documented((openapi) => openapi.documentRecord('problem'))
  async one(
    @Param('problemId', problemId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    const { state, revision } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.problem, { id })));
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return state;
  }
}
