import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { instantFrom } from '#eventsourcing';
import { dateTime, QueryParameters, type QueryOf } from '#platform';
import { TicketAutopsyQuery } from '#ticketing-nest';
import { documentView } from './openapi.js';
import { TicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const instant = dateTime('What happened later is left out; now unless given');
const asOf: typeof instant = {
  ...instant,
  parse: (given) => {
    const parsed = instant.parse(given);
    return parsed !== undefined && parsed <= instantFrom(Date.now()) ? parsed : undefined;
  },
  rule: `${instant.rule}, and not in the future`,
};
const autopsyQuery = { asOf };
const readAutopsyQuery = new QueryParameters(autopsyQuery);

/** What became of promises, and why. */
@Controller('v1')
export class SlaController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('tickets/:id/sla/autopsy')
  @documentView('autopsy')
  @readAutopsyQuery.documented()
  async autopsy(@Param('id', TicketId) id: string, @Query(readAutopsyQuery) query: QueryOf<typeof autopsyQuery>) {
    return unlessRefused(await this.queries.execute(new TicketAutopsyQuery(id, query.asOf)));
  }
}
