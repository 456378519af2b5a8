import { Controller, Get, Inject, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { QueryParameters } from '#http';
import { type QueryOf, text } from '#platform';
import { type Asker, queries, periodBegin, periodEnd, zoneOfDates } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { PAGE, pageAnswer, pageParameters, placeAfter } from './pages.js';
import { unlessRefused } from './ticket-problems.js';

const readsQuery = {
  reader: text('Only reads by the person with this id'),
  query: text('Only reads of this query, such as `ticket` or `history`'),
  about: text('Only reads of the item with this id'),
  client: text('Only reads of this client'),
  from: periodBegin('Only reads at this instant or later'),
  to: periodEnd('Only reads before this instant'),
  zone: zoneOfDates,
  ...pageParameters,
};
const readReadsQuery = new QueryParameters(readsQuery);

/** Reads of auditors and administrators. */
@Controller('v1/audit/reads')
export class AuditorReadsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentView('auditorReads'))
  @documented((openapi) => openapi.documentQuery(readReadsQuery))
  async list(@Query(readReadsQuery) { limit = PAGE, cursor, ...filter }: QueryOf<typeof readsQuery>, @Caller() caller: Asker) {
    const list = ['auditorReads', ...Object.values(filter)];
    const [before] = placeAfter(list, cursor) ?? [];
    const asked = { filter, limit, before: before === undefined ? undefined : Number(before) };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.auditorReads, asked)));
    return pageAnswer(list, page, ({ position }) => [position]);
  }
}
