import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom } from '#eventsourcing';
import { QueryParameters } from '#http';
import { dateTime, type QueryOf } from '#platform';
import type { TeamNow } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const atQuery = { at: dateTime('Instant requested; default: now') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});

/** The id of a team or an agent in a path. */
const rosterId = (noun: 'team' | 'agent') => new PathName(`${noun}-not-found`, `There is no such ${noun}`);

/** Queries of teams. */
@Controller('v1/teams')
export class TeamsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('teams'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.teams, { limit, after })));
    return pageByName(['teams'], query, read, ({ team }) => team);
  }

  @Get(':team')
  @documented((openapi) => openapi.documentRecord('team'))
  @documented((openapi) => openapi.documentQuery(readAtQuery))
  async one(
    @Param('team', rosterId('team')) id: string,
    @Query(readAtQuery) { at = instantFrom(Date.now()) }: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<TeamNow> {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.team, { id, at }))));
  }
}

/** Queries of agents. */
@Controller('v1/agents')
export class AgentsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('agents'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.agents, { limit, after })));
    return pageByName(['agents'], query, read, ({ agent }) => agent);
  }

  @Get(':agent')
  @documented((openapi) => openapi.documentRecord('agent'))
  async one(
    @Param('agent', rosterId('agent')) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.agent, { id }))));
  }
}
