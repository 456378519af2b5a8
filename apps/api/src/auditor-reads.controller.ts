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
  reader: text('Only what the one with this id read'),
  query: text('Only answers to this query, such as `ticket` or `history`'),
  about: text('Only what was read of the thing with this id'),
  client: text('Only what was read of this client'),
  from: periodBegin('Only what was read at this instant or later'),
  to: periodEnd('Only what was read before this instant'),
  zone: zoneOfDates,
  ...pageParameters,
};
const readReadsQuery = new QueryParameters(readsQuery);

/** What auditors and administrators have read. */
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
