import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { type Instant, instantFrom, type Refusal } from '#eventsourcing';
import { FORMATS, formatsOf } from '#exports';
import { accepted, Problem, QueryParameters } from '#http';
import { type QueryOf, text } from '#platform';
import {
  type Asker,
  EVENT_LOG_SET,
  type Export,
  type ExportAsked,
  FACTS_SET,
  queries,
  periodBegin,
  periodEnd,
  zoneOfDates,
} from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { exported } from './exported.js';
import { dimensionFilters, filtersIn, monthBefore } from './kpis.controller.js';
import { atLeastPosition } from './pages.js';
import { unlessRefused } from './ticket-problems.js';

const { client, category, service, priority, channel, kind } = dimensionFilters;
const flowQuery = {
  from: periodBegin('Start of the period in which the tickets were opened; default: 30 days before its end'),
  to: periodEnd('End of the period (exclusive); default: now'),
  zone: zoneOfDates,
  ...{ client, category, service, priority, channel, kind },
  at: { ...atLeastPosition, description: 'Position in the log to compute it at; default: as far as the views have caught up' },
};
const readFlowQuery = new QueryParameters(flowQuery);
const capacityQuery = {
  from: flowQuery.from,
  to: flowQuery.to,
  zone: zoneOfDates,
  client: text('Only tickets of this client'),
  at: flowQuery.at,
};
const readCapacityQuery = new QueryParameters(capacityQuery);
const exportQuery = {
  after: { ...atLeastPosition, description: 'Only tickets changed after this position: `Tierline-Up-To` of the previous export' },
};
const readExportQuery = new QueryParameters(exportQuery);

/** Reports that are more than a single number, and the facts themselves. */
@Controller('v1')
export class ReportsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('flow')
  @documented((openapi) => openapi.documentView('flow'))
  @documented((openapi) => openapi.documentQuery(readFlowQuery))
  async flow(@Query(readFlowQuery) query: QueryOf<typeof flowQuery>, @Caller() caller: Asker) {
    const { to = instantFrom(Date.now()), at } = query;
    const from = query.from ?? monthBefore(to);
    unlessEmpty(from, to);
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.flow, { from, to, filters: filtersIn(query), at })));
  }

  @Get('capacity')
  @documented((openapi) => openapi.documentView('capacity'))
  @documented((openapi) => openapi.documentQuery(readCapacityQuery))
  async capacity(@Query(readCapacityQuery) query: QueryOf<typeof capacityQuery>, @Caller() caller: Asker) {
    const { to = instantFrom(Date.now()), client, at } = query;
    const from = query.from ?? monthBefore(to);
    unlessEmpty(from, to);
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.capacity, { from, to, client, at })));
  }

  @Get('ticket-facts')
  @documented((openapi) => openapi.documentExport('factsExport', FACTS_SET))
  @documented((openapi) => openapi.documentQuery(readExportQuery))
  facts(
    @Query(readExportQuery) query: QueryOf<typeof exportQuery>,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return this.#export(new RunQuery(caller, queries.factsExport, query), accept, reply);
  }

  @Get('event-log')
  @documented((openapi) => openapi.documentExport('eventLogExport', EVENT_LOG_SET))
  @documented((openapi) => openapi.documentQuery(readExportQuery))
  eventLog(
    @Query(readExportQuery) query: QueryOf<typeof exportQuery>,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    return this.#export(new RunQuery(caller, queries.eventLogExport, query), accept, reply);
  }

  async #export(query: RunQuery<ExportAsked, Export | Refusal>, accept: string | undefined, reply: FastifyReply) {
    const { set, upTo, batches } = unlessRefused(await this.queries.execute(query));
    const formats = formatsOf(set);
    const type = accepted(
      accept,
      formats.map((name) => FORMATS[name].mediaType),
    );
    const format = formats.find((name) => FORMATS[name].mediaType === type) ?? 'ndjson';
    void reply.headers({ Vary: 'Accept', 'Tierline-Up-To': upTo });
    return exported(format, set.name, FORMATS[format].write(set, batches));
  }
}

/** @throws Problem invalid-query */
function unlessEmpty(from: Instant, to: Instant): void {
  if (from >= to) throw Problem.of('invalid-query', 'The period is empty', { faults: [{ field: 'from', message: 'must be before to' }] });
}
