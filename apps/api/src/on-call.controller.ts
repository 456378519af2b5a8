import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom } from '#eventsourcing';
import { dateTime, entityTag, JsonBody, Problem, QueryParameters, type QueryOf } from '#http';
import { onCallAt, type OnCallCommands, OverrideOnCall, SetOnCallRotations, type OnCallNow } from '#ticketing';
import { OnCallSchedulesQuery, readOnCall, RunOnCallCommand } from '#ticketing-nest';
import { answerWithTag, sentWith } from './command-answer.js';
import { documentOnCall, documentOnCallCommand } from './openapi.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const atQuery = { at: dateTime('The instant that is asked about; now unless given') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});

/** Who is on call. */
@Controller('v1/on-call')
export class OnCallController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Post()
  @HttpCode(200)
  @documentOnCallCommand('SetOnCallRotations')
  set(
    @Body(new JsonBody(SetOnCallRotations)) body: SetOnCallRotations,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('SetOnCallRotations', body, request, reply);
  }

  @Post('overrides')
  @HttpCode(200)
  @documentOnCallCommand('OverrideOnCall')
  override(
    @Body(new JsonBody(OverrideOnCall)) body: OverrideOnCall,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('OverrideOnCall', body, request, reply);
  }

  @Get()
  @documentOnCall('onCallSchedules')
  @plainList.documented()
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) => this.queries.execute(new OnCallSchedulesQuery(limit, after));
    return pageByName('on-call', query, read, ({ schedule }) => schedule);
  }

  @Get(':schedule')
  @documentOnCall('onCall')
  @readAtQuery.documented()
  async one(
    @Param('schedule', new PathName('on-call-not-found', 'There is no such schedule')) schedule: string,
    @Query(readAtQuery) { at = instantFrom(Date.now()) }: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OnCallNow> {
    const { state, revision } = await readOnCall(this.store, schedule);
    if (state === null) throw new Problem('on-call-not-found', ticketProblems['on-call-not-found'], 'There is no such schedule');
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    const person = onCallAt(state, at);
    return { ...state, at, ...(person === undefined ? {} : { onCall: person }) };
  }

  async #run<Name extends keyof OnCallCommands>(name: Name, body: OnCallCommands[Name], request: FastifyRequest, reply: FastifyReply) {
    const sent = sentWith(request, `on-call/${body.schedule}`);
    const done = unlessRefused(await this.commands.execute(new RunOnCallCommand(name, body, sent)));
    return answerWithTag(reply, { schedule: body.schedule }, done);
  }
}
