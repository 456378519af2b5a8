import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { entityTag, QueryParameters } from '#http';
import { dateTime, type QueryOf } from '#platform';
import type { OnCallNow } from '#ticketing';
import { type Asker, isPast, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { whenParameters } from './past.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const atQuery = { at: dateTime('Instant requested; default: `asOf`, `knownAt` or now'), ...whenParameters };
const readAtQuery = new QueryParameters(atQuery);
const noQuery = new QueryParameters({});
const scheduleName = new PathName('on-call-not-found', 'There is no such schedule');

/** Who is on call. */
@Controller('v1/on-call')
export class OnCallController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get(':schedule/overrides')
  @documented((openapi) => openapi.documentOnCall('onCallOverrides'))
  async overrides(@Param('schedule', scheduleName) schedule: string, @Query(noQuery) _query: object, @Caller() caller: Asker) {
    const found = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.onCallOverrides, { schedule })));
    return { items: found.state.overrides };
  }

  @Get()
  @documented((openapi) => openapi.documentOnCall('onCallSchedules'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.onCallSchedules, { limit, after })));
    return pageByName(['on-call'], query, read, ({ schedule }) => schedule);
  }

  @Get(':schedule')
  @documented((openapi) => openapi.documentOnCall('onCall'))
  @documented((openapi) => openapi.documentQuery(readAtQuery))
  async one(
    @Param('schedule', scheduleName) schedule: string,
    @Query(readAtQuery) query: QueryOf<typeof atQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<OnCallNow> {
    const { state, revision } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.onCall, { schedule, ...query })));
    if (!isPast(query)) void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return state;
  }
}
