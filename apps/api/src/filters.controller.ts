import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { taggedState } from './command-answer.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const filterName = new PathName('filter-not-found', 'There is no such filter: a name has 1 to 100 characters');

/** Named filters of the ticket list. */
@Controller('v1/filters')
export class FiltersController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentRecord('filters'))
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) =>
      unlessRefused(await this.queries.execute(new RunQuery(caller, queries.filters, { limit, after })));
    return pageByName(['filters'], query, read, ({ name }) => name);
  }

  @Get(':name')
  @documented((openapi) => openapi.documentRecord('filter'))
  async one(
    @Param('name', filterName) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
    @Caller() caller: Asker,
  ) {
    const { filter, revision } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.filter, { name })));
    return taggedState(reply, { state: filter, revision });
  }
}
