import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { EventStore, instantFrom, readAggregate } from '#eventsourcing';
import { entityTag, Problem, QueryParameters } from '#http';
import { dateTime, type QueryOf } from '#platform';
import { absenceAt, agent, type AgentDocument, agents, shiftAt, type Team, team, type TeamNow, teams } from '#ticketing';
import { readByIds, readByName } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems } from './ticket-problems.js';

const atQuery = { at: dateTime('The instant that is asked about; now unless given') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});

/** The id of a team or an agent in a path. */
const rosterId = (noun: 'team' | 'agent') => new PathName(`${noun}-not-found`, `There is no such ${noun}`);

function notFound(noun: 'team' | 'agent'): Problem {
  const code = `${noun}-not-found` as const;
  return new Problem(code, ticketProblems[code], `There is no such ${noun}`);
}

/** Teams, as they are read. */
@Controller('v1/teams')
export class TeamsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentRoster('teams'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) =>
      this.queries.execute(new RunQuery(readByName<Team>, { view: teams.name, limit, after }));
    return pageByName('teams', query, read, ({ team }) => team);
  }

  @Get(':team')
  @documented((openapi) => openapi.documentRoster('team'))
  @documented((openapi) => openapi.documentQuery(readAtQuery))
  async one(
    @Param('team', rosterId('team')) id: string,
    @Query(readAtQuery) { at = instantFrom(Date.now()) }: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TeamNow> {
    const { state, revision } = await readAggregate(this.store, team, id);
    if (state === null) throw notFound('team');
    const members = await this.queries.execute(new RunQuery(readByIds<AgentDocument>, { view: agents.name, ids: state.members }));
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    const there = members.flatMap((agent) => {
      const shift = agent.active && absenceAt(agent, at) === undefined ? shiftAt(state, agent.agent, at) : undefined;
      return shift === undefined ? [] : [{ agent: agent.agent, name: agent.name, shift: shift.name }];
    });
    return { ...state, at, onShift: there };
  }
}

/** Agents, as they are read. */
@Controller('v1/agents')
export class AgentsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get()
  @documented((openapi) => openapi.documentRoster('agents'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) =>
      this.queries.execute(new RunQuery(readByName<AgentDocument>, { view: agents.name, limit, after }));
    return pageByName('agents', query, read, ({ agent }) => agent);
  }

  @Get(':agent')
  @documented((openapi) => openapi.documentRoster('agent'))
  async one(
    @Param('agent', rosterId('agent')) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { state, revision } = await readAggregate(this.store, agent, id);
    if (state === null) throw notFound('agent');
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return state;
  }
}
