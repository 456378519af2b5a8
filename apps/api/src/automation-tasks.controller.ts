import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isRefusal } from '#eventsourcing';
import { JsonBody, Problem, QueryParameters } from '#http';
import { oneOf, type QueryOf, text } from '#platform';
import { automation, type AutomationTask, ClaimNextAutomationTask, TASK_STATUSES } from '#ticketing';
import { type Asker, type NextTasksAsked, queries } from '#ticketing-app';
import { RunCommand, RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { sentWith, taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  client: text('Only tasks for tickets of this client'),
  status: oneOf(TASK_STATUSES, 'Only tasks with this status'),
  action: text('Only tasks with this action'),
  ticket: aTicketId('Only tasks for this ticket'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const taskId = new PathName('task-not-found', 'There is no such task');

/** Tasks examined together. Others may claim the first ones in the meantime. */
const LOOK = 20;

/** Codes of a claim that came too late. */
const GONE = ['task-claimed', 'task-over'];

/** The queue of tasks for runners. */
@Controller('v1/automation-tasks')
export class AutomationTasksController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(CommandBus) private readonly commands: CommandBus,
  ) {}

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

  @Post('next')
  @HttpCode(200)
  @documented((openapi) => openapi.documentNextTask())
  async next(
    @Body(new JsonBody(ClaimNextAutomationTask)) { actions, client, leaseSeconds }: ClaimNextAutomationTask,
    @Req() request: FastifyRequest,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<AutomationTask | undefined> {
    const sent = sentWith(request, 'automation-tasks/next');
    if (sent.ifRevisions !== undefined) {
      throw Problem.of('invalid-header', 'If-Match cannot be used for a task that is not known yet', {
        faults: [{ field: 'If-Match', message: 'must be omitted' }],
      });
    }
    for (let after: NextTasksAsked['after']; ;) {
      const asked = { actions, client, claim: sent.commandId, after, limit: LOOK };
      const tasks = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.nextAutomationTask, asked)));
      for (const { task } of tasks) {
        const claimed = await this.commands.execute(new RunCommand(automation, task, 'ClaimAutomationTask', { leaseSeconds }, sent));
        if (isRefusal(claimed) && GONE.includes(claimed.refused)) continue;
        unlessRefused(claimed);
        const found = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.automationTask, { id: task })));
        // Another call with the same key may have it, or this one had it before its lease ran out.
        if (found.state.claim === sent.commandId) return taggedState(reply, found);
      }
      after = tasks.at(-1);
      if (tasks.length < LOOK) break;
    }
    void reply.code(204);
    return undefined;
  }
}
