import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom } from '#eventsourcing';
import { dateTime, entityTag, JsonBody, Problem, QueryParameters, type QueryOf } from '#http';
import { EndOnCallOverride, type OnCallCommands, type OnCallNow, OverrideOnCall, SetOnCallRotations } from '#ticketing';
import { OnCallSchedulesQuery, readOnCall, ReadModels, RunOnCallCommand, whoIsOnCall } from '#ticketing-nest';
import { answerWithTag, sentWith } from './command-answer.js';
import { documentOnCall, documentOnCallCommand } from './openapi.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const atQuery = { at: dateTime('The instant that is asked about; now unless given') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});
const scheduleName = new PathName('on-call-not-found', 'There is no such schedule');

/** Who is on call. */
@Controller('v1/on-call')
export class OnCallController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
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

  @Post('overrides/end')
  @HttpCode(200)
  @documentOnCallCommand('EndOnCallOverride')
  end(
    @Body(new JsonBody(EndOnCallOverride)) body: EndOnCallOverride,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('EndOnCallOverride', body, request, reply);
  }

  @Delete(':schedule/overrides/:override')
  @documentOnCallCommand('CallOffOnCallOverride')
  callOff(
    @Param('schedule', scheduleName) schedule: string,
    @Param('override', new PathName('override-not-found', 'The schedule has no such override')) overrideId: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('CallOffOnCallOverride', { schedule, overrideId: overrideId.toLowerCase() }, request, reply);
  }

  @Get(':schedule/overrides')
  @documentOnCall('onCallOverrides')
  async overrides(@Param('schedule', scheduleName) schedule: string, @Query(noQuery) _query: object) {
    return { items: (await this.#schedule(schedule)).state.overrides };
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
    @Param('schedule', scheduleName) schedule: string,
    @Query(readAtQuery) { at = instantFrom(Date.now()) }: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<OnCallNow> {
    const { state, revision } = await this.#schedule(schedule);
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    const { person, passedOver } = await whoIsOnCall(this.models, state, at);
    return { ...state, at, ...(person === undefined ? {} : { onCall: person }), ...(passedOver.length === 0 ? {} : { passedOver }) };
  }

  async #schedule(schedule: string) {
    const { state, revision } = await readOnCall(this.store, schedule);
    if (state === null) throw new Problem('on-call-not-found', ticketProblems['on-call-not-found'], 'There is no such schedule');
    return { state, revision };
  }

  async #run<Name extends keyof OnCallCommands>(name: Name, body: OnCallCommands[Name], request: FastifyRequest, reply: FastifyReply) {
    const sent = sentWith(request, `on-call/${body.schedule}`);
    const done = unlessRefused(await this.commands.execute(new RunOnCallCommand(name, body, sent)));
    return answerWithTag(reply, { schedule: body.schedule }, done);
  }
}
