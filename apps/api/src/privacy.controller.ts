import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom } from '#eventsourcing';
import { QueryParameters } from '#http';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const clientName = new PathName('privacy-not-found', 'There are no privacy settings or erasures for this client');

/** Retention and erasure of personal data, by client. */
@Controller('v1/privacy/:client')
export class PrivacyController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('privacy'))
  async one(
    @Param('client', clientName) client: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.privacy, { client }))));
  }

  @Get('due')
  @documented((openapi) => openapi.documentDue())
  async due(@Param('client', clientName) client: string, @Query(noQuery) _query: object, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.dueForErasure, { client, now: instantFrom(Date.now()) })));
  }
}
