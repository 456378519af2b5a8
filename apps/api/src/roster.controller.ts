import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom } from '#eventsourcing';
import { dateTime, entityTag, JsonBody, Problem, QueryParameters, type QueryOf } from '#http';
import { absenceAt, agent, type AgentCommands, shiftAt, team, type TeamCommands, type TeamNow } from '#ticketing';
import { AgentsOfIdsQuery, AgentsQuery, readAgent, readTeam, RunAgentCommand, RunTeamCommand, TeamsQuery } from '#ticketing-nest';
import { answerWithTag, sentWith } from './command-answer.js';
import { documentRoster, documentRosterCommand } from './openapi.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const atQuery = { at: dateTime('The instant that is asked about; now unless given') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});

/** The id of a team or an agent in a path. */
const rosterId = (noun: 'team' | 'agent') => new PathName(`${noun}-not-found`, `There is no such ${noun}`);

function notFound(noun: 'team' | 'agent'): Problem {
  const code = `${noun}-not-found` as const;
  return new Problem(code, ticketProblems[code], `There is no such ${noun}`);
}

/** Teams. The methods of its commands are made from `team.commands`, below. */
@Controller('v1/teams')
export class TeamsController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async run(name: keyof TeamCommands, team: string, body: object, request: FastifyRequest, reply: FastifyReply) {
    const command = new RunTeamCommand(team, name, body as never, sentWith(request, `team/${team}`));
    return answerWithTag(reply, { team }, unlessRefused(await this.commands.execute(command)));
  }

  @Get()
  @documentRoster('teams')
  @plainList.documented()
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) => this.queries.execute(new TeamsQuery(limit, after));
    return pageByName('teams', query, read, ({ team }) => team);
  }

  @Get(':team')
  @documentRoster('team')
  @readAtQuery.documented()
  async one(
    @Param('team', rosterId('team')) id: string,
    @Query(readAtQuery) { at = instantFrom(Date.now()) }: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TeamNow> {
    const { state, revision } = await readTeam(this.store, id);
    if (state === null) throw notFound('team');
    const agents = await this.queries.execute(new AgentsOfIdsQuery(state.members));
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    const there = agents.flatMap((agent) => {
      const shift = agent.active && absenceAt(agent, at) === undefined ? shiftAt(state, agent.agent, at) : undefined;
      return shift === undefined ? [] : [{ agent: agent.agent, name: agent.name, shift: shift.name }];
    });
    return { ...state, at, onShift: there };
  }
}

/** Agents. The methods of its commands are made from `agent.commands`, below. */
@Controller('v1/agents')
export class AgentsController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async run(name: keyof AgentCommands, agent: string, body: object, request: FastifyRequest, reply: FastifyReply) {
    const command = new RunAgentCommand(agent, name, body as never, sentWith(request, `agent/${agent}`));
    return answerWithTag(reply, { agent }, unlessRefused(await this.commands.execute(command)));
  }

  @Get()
  @documentRoster('agents')
  @plainList.documented()
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) => this.queries.execute(new AgentsQuery(limit, after));
    return pageByName('agents', query, read, ({ agent }) => agent);
  }

  @Get(':agent')
  @documentRoster('agent')
  async one(
    @Param('agent', rosterId('agent')) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { state, revision } = await readAgent(this.store, id);
    if (state === null) throw notFound('agent');
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return state;
  }
}

function addCommands(
  { prototype }: typeof TeamsController | typeof AgentsController,
  noun: 'team' | 'agent',
  { commands }: { readonly commands: Readonly<Record<string, { readonly body?: new () => object; readonly route?: string }>> },
): void {
  for (const [name, { body, route: path }] of Object.entries(commands)) {
    if (body === undefined || path === undefined) continue;
    const route = path.slice(path.indexOf('}') + 2);
    Object.defineProperty(prototype, name, {
      configurable: true,
      value(
        this: { run(...sent: readonly unknown[]): unknown },
        id: string,
        content: object,
        request: FastifyRequest,
        reply: FastifyReply,
      ) {
        return this.run(name, id, content, request, reply);
      },
    });
    Param(noun, rosterId(noun))(prototype, name, 0);
    Body(new JsonBody<object>(body))(prototype, name, 1);
    Req()(prototype, name, 2);
    Res({ passthrough: true })(prototype, name, 3);
    // There are no parameters, and one that somebody believes in is refused rather than ignored.
    Query(noQuery)(prototype, name, 4);
    const method = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
    for (const decorate of [Post(route === '' ? `:${noun}` : `:${noun}/${route}`), HttpCode(200), documentRosterCommand(noun, name)])
      decorate(prototype, name, method);
  }
}
addCommands(TeamsController, 'team', team);
addCommands(AgentsController, 'agent', agent);
