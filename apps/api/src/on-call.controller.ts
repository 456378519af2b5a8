import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { EventStore, instantFrom, readAggregate } from '#eventsourcing';
import { entityTag, Problem, QueryParameters } from '#http';
import { dateTime, type QueryOf } from '#platform';
import { onCall, type OnCallDocument, type OnCallNow, onCallSchedules } from '#ticketing';
import { readByName, ReadModels, whoIsOnCall } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems } from './ticket-problems.js';

const atQuery = { at: dateTime('The instant that is asked about; now unless given') };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});
const scheduleName = new PathName('on-call-not-found', 'There is no such schedule');

/** Who is on call. */
@Controller('v1/on-call')
export class OnCallController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(ReadModels) private readonly models: ReadModels,
  ) {}

  @Get(':schedule/overrides')
  @documented((openapi) => openapi.documentOnCall('onCallOverrides'))
  async overrides(@Param('schedule', scheduleName) schedule: string, @Query(noQuery) _query: object) {
    return { items: (await this.#schedule(schedule)).state.overrides };
  }

  @Get()
  @documented((openapi) => openapi.documentOnCall('onCallSchedules'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) =>
      this.queries.execute(new RunQuery(readByName<OnCallDocument>, { view: onCallSchedules.name, limit, after }));
    return pageByName('on-call', query, read, ({ schedule }) => schedule);
  }

  @Get(':schedule')
  @documented((openapi) => openapi.documentOnCall('onCall'))
  @documented((openapi) => openapi.documentQuery(readAtQuery))
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
    const { state, revision } = await readAggregate(this.store, onCall, schedule);
    if (state === null) throw new Problem('on-call-not-found', ticketProblems['on-call-not-found'], 'There is no such schedule');
    return { state, revision };
  }
}
