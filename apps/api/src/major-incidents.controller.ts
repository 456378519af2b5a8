import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { QueryParameters } from '#http';
import { oneOf, type QueryOf, text } from '#platform';
import { MAJOR_INCIDENT_STATUSES, REVIEW_STATUSES } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, pageParameters } from './pages.js';
import { PathName } from './path-name.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = {
  client: text('Only major incidents of this client'),
  service: text('Only major incidents of this service'),
  status: oneOf(MAJOR_INCIDENT_STATUSES, 'Only major incidents with this status'),
  review: oneOf(REVIEW_STATUSES, 'Only major incidents whose review has this status'),
  ticket: aTicketId('Only major incidents that this ticket belongs to'),
  ...pageParameters,
};
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});
const incidentId = new PathName('major-incident-not-found', 'There is no such major incident');

/** Queries of major incidents. */
@Controller('v1/major-incidents')
export class MajorIncidentsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('majorIncidents'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  list(@Query(readListQuery) { limit, cursor, ...asked }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { client, service, status, review, ticket } = asked;
    const read = async (most: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.majorIncidents, { ...asked, limit: most, after })));
    return pageByName(
      ['major-incidents', client, service, status, review, ticket],
      { limit, cursor },
      read,
      ({ majorIncident }) => majorIncident,
    );
  }

  @Get(':majorIncident')
  @documented((openapi) => openapi.documentRecord('majorIncident'))
  async one(
    @Param('majorIncident', incidentId) id: string,
    @Query(noQuery) _query: object,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return taggedState(reply, unlessRefused(await this.queries.execute(new RunQuery(caller, queries.majorIncident, { id }))));
  }
}
