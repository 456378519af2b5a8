import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { QueryParameters } from '#http';
import { oneOf, type QueryOf, text } from '#platform';
import { TASK_STATUSES } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  client: text('Only tasks for tickets of this client'),
  status: oneOf(TASK_STATUSES, 'Only tasks that stand there'),
  action: text('Only tasks to do this'),
  ticket: text('Only tasks for this ticket'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const taskId = new PathName('task-not-found', 'There is no such task');

/** The queue of what runners are asked to do. */
@Controller('v1/automation-tasks')
export class AutomationTasksController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('automationTasks'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  list(@Query(readListQuery) { limit, cursor, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { client, status, action, ticket } = asked;
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.automationTasks, { ...asked, limit: most, after })));
    return pageByName(['automation-tasks', client, status, action, ticket], { limit, cursor }, read, ({ task }) => task);
  }

  @Get(':task')
  @documented((openapi) => openapi.documentRecord('automationTask'))
  async one(
    @Param('task', taskId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.automationTask, { id }))));
  }
}
