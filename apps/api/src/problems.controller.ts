import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { QueryParameters } from '#http';
import { instantFrom } from '#eventsourcing';
import { flag, oneOf, type QueryOf, text } from '#platform';
import { ACTION_STATES, PROBLEM_STATUSES } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { PAGE, pageAnswer, pageByName, pageParameters, placeAfter } from './pages.js';
import { PathName } from './path-name.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  q: text('Only problems whose text has all of these words; a word that ends with `*` matches all words with that beginning'),
  client: text('Only problems of this client'),
  status: oneOf(PROBLEM_STATUSES, 'Only problems with this status'),
  service: text('Only problems of this service'),
  component: text('Only problems of this configuration item'),
  category: text('Only problems of this category or a subcategory'),
  ticket: aTicketId('Only problems linked to this ticket'),
  overdue: flag('Only problems with an overdue preventive action, or only the others'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const actionsQuery = {
  client: text('Only actions of this client'),
  state: oneOf(ACTION_STATES, 'Only actions in this state'),
  owner: text('Only actions of the owner with this id'),
  overdue: flag('Only overdue actions, or only the others'),
  ...pageParameters,
};
const readActionsQuery = new QueryParameters(actionsQuery);
const noQuery = new QueryParameters({});
const problemId = new PathName('problem-not-found', 'There is no such problem');

/** Queries of problems. */
@Controller('v1')
export class ProblemsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('problems')
  @documented((openapi) => openapi.documentRecord('problems'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  list(@Query(readListQuery) { limit, cursor, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { q, client, status, service, component, category, ticket, overdue } = asked;
    const list = ['problems', q, client, status, service, component, category, ticket, overdue];
    const late = overdue === undefined ? undefined : { is: overdue, at: instantFrom(Date.now()) };
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.problems, { ...asked, overdue: late, limit: most, after })));
    return pageByName(list, { limit, cursor }, read, ({ problemId }) => problemId);
  }

  @Get('preventive-actions')
  @documented((openapi) => openapi.documentRecord('preventiveActions'))
  @documented((openapi) => openapi.documentQuery(readActionsQuery))
  async actions(@Query(readActionsQuery) { limit = PAGE, cursor, ...asked }: QueryOf<typeof actionsQuery>, @Caller() caller: Asker) {
    const { client, state, owner, overdue } = asked;
    const list = ['preventive-actions', client, state, owner, overdue];
    const [dueAt, problemId, action] = (placeAfter(list, cursor) ?? []).map(String);
    const after = dueAt === undefined ? undefined : ([dueAt, problemId ?? '', action ?? ''] as const);
    const page = await this.queries.execute(
      new RunQuery(caller, queries.preventiveActions, { ...asked, now: instantFrom(Date.now()), limit, after }),
    );
    return pageAnswer(list, unlessRefused(page), ({ dueAt, problemId, action }) => [dueAt, problemId, action]);
  }

  @Get('problems/:problemId')
  @documented((openapi) => openapi.documentRecord('problem'))
  async one(
    @Param('problemId', problemId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.problem, { id }))));
  }
}
