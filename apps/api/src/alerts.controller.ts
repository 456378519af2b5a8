import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { QueryParameters } from '#http';
import { flag, type QueryOf, text } from '#platform';
import { type Asker, queries, takeAlerts, type TakenAlerts } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { sentWith, taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  client: text('Only alerts about services of this client'),
  source: text('Only alerts of this source'),
  ticket: aTicketId('Only the alert with this ticket'),
  firing: flag('Only alerts that are firing, or only those that are not'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const sourceName = new PathName('alert-source-not-found', 'There is no such alert source');
const alertName = new PathName('alert-not-found', 'There is no such alert');
const clientName = new PathName('maintenance-not-found', 'No maintenance is planned for this client');

/** Delivery and queries of alerts. */
@Controller('v1/alerts')
export class AlertsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Post(':source')
  @HttpCode(200)
  @documented((openapi) => openapi.documentAlertDelivery())
  async take(
    @Param('source', sourceName) source: string,
    @Query(noQuery) _query: object,
    @Body() body: unknown,
    @Req() request: FastifyRequest,
    @Caller() caller: Asker,
  ): Promise<TakenAlerts> {
    unlessRefused(await this.queries.execute(new RunQuery(caller, queries.takeAlerts, {})));
    return unlessRefused(await takeAlerts(this.store, source, body, sentWith(request, `alerts/${source}`)));
  }

  @Get()
  @documented((openapi) => openapi.documentRecord('alerts'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  list(@Query(readListQuery) { limit, cursor, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { client, source, ticket, firing } = asked;
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.alerts, { ...asked, limit: most, after })));
    return pageByName(['alerts', client, source, ticket, firing], { limit, cursor }, read, ({ alertId }) => alertId);
  }

  @Get(':alertId')
  @documented((openapi) => openapi.documentRecord('alert'))
  async one(
    @Param('alertId', alertName) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.alert, { id }))));
  }
}

/** Sources of alerts. */
@Controller('v1/alert-sources')
export class AlertSourcesController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('alertSources'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.alertSources, { limit, after })));
    return pageByName(['alert-sources'], query, read, ({ source }) => source);
  }

  @Get(':source')
  @documented((openapi) => openapi.documentRecord('alertSource'))
  async one(
    @Param('source', sourceName) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.alertSource, { id }))));
  }
}

/** Maintenance windows. */
@Controller('v1/maintenance')
export class MaintenanceController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('maintenances'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.maintenances, { limit, after })));
    return pageByName(['maintenance'], query, read, ({ client }) => client);
  }

  @Get(':client')
  @documented((openapi) => openapi.documentRecord('maintenance'))
  async one(
    @Param('client', clientName) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.maintenance, { id }))));
  }
}
