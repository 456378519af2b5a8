import { Controller, Get, Headers, Inject, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { instantFrom } from '#eventsourcing';
import { accepted, CSV, csvRows, NDJSON, Problem, QueryParameters } from '#http';
import { dateTime, type QueryOf } from '#platform';
import { factsColumns } from '#ticketing';
import { type Asker, type FactsExport, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { exported } from './exported.js';
import { dimensionFilters, filtersIn, monthBefore } from './kpis.controller.js';
import { atLeastPosition } from './pages.js';
import { unlessRefused } from './ticket-problems.js';

const { client, category, service, priority, channel, kind } = dimensionFilters;
const flowQuery = {
  from: dateTime('Begin of the period in which the tickets were opened; 30 days before its end unless given'),
  to: dateTime('Its end, which is not in it; now unless given'),
  ...{ client, category, service, priority, channel, kind },
  at: { ...atLeastPosition, description: 'Position of the log that it is told as of; as far as the views have come unless given' },
};
const readFlowQuery = new QueryParameters(flowQuery);
const exportQuery = {
  after: { ...atLeastPosition, description: 'Only what has changed after this position: `Tierline-Up-To` of the export before' },
};
const readExportQuery = new QueryParameters(exportQuery);
/** Rows that are written at once. */
const CHUNK = 500;

/** Reports that are no single number, and the facts themselves. */
@Controller('v1')
export class ReportsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('flow')
  @documented((openapi) => openapi.documentView('flow'))
  @documented((openapi) => openapi.documentQuery(readFlowQuery))
  async flow(@Query(readFlowQuery) query: QueryOf<typeof flowQuery>, @Caller() caller: Asker) {
    const { to = instantFrom(Date.now()), at } = query;
    const from = query.from ?? monthBefore(to);
    if (from >= to) throw Problem.of('invalid-query', 'The period is empty', { faults: [{ field: 'from', message: 'must be before to' }] });
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.flow, { from, to, filters: filtersIn(query), at })));
  }

  @Get('ticket-facts')
  @documented((openapi) => openapi.documentFactsExport())
  @documented((openapi) => openapi.documentQuery(readExportQuery))
  async facts(
    @Query(readExportQuery) { after }: QueryOf<typeof exportQuery>,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    const type = accepted(accept, [CSV, NDJSON]) ?? NDJSON;
    const { upTo, facts } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.factsExport, { after })));
    void reply.headers({ Vary: 'Accept', 'Tierline-Up-To': upTo });
    return exported(type, 'ticket-facts', type === CSV ? asCsv(facts) : asLines(facts));
  }
}

async function* inChunks(facts: FactsExport['facts']): AsyncGenerator<readonly object[]> {
  let chunk: object[] = [];
  for await (const one of facts) {
    if (chunk.push(one) < CHUNK) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

async function* asLines(facts: FactsExport['facts']): AsyncGenerator<string> {
  for await (const chunk of inChunks(facts)) yield chunk.map((one) => `${JSON.stringify(one)}\n`).join('');
}

async function* asCsv(facts: FactsExport['facts']): AsyncGenerator<string> {
  yield csvRows([factsColumns]);
  for await (const chunk of inChunks(facts)) {
    yield csvRows(chunk.map((one) => factsColumns.map((column) => cell((one as Readonly<Record<string, unknown>>)[column]))));
  }
}

/** Lists and what has fields are JSON. */
function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
