import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import type { Instant } from '#eventsourcing';
import { entityTag, QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { type ClientContract, type ContractNow, contractInForce } from '#ticketing';
import { type Asker, evaluatedAt, isPast, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { cursorTo, PAGE, pageParameters, placeAfter } from './pages.js';
import { inPast, whenParameters } from './past.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const listQuery = { ...pageParameters, ...whenParameters };
const readListQuery = new QueryParameters(listQuery);
const readWhen = new QueryParameters(whenParameters);
const noQuery = new QueryParameters({});

/** Contracts with clients. */
@Controller('v1')
export class ContractsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('contracts')
  @documented((openapi) => openapi.documentContracts())
  @documented((openapi) => openapi.documentQuery(readListQuery))
  async list(@Query(readListQuery) { limit = PAGE, cursor, ...when }: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const list = ['contracts', ...inPast(when, {})];
    const [after] = placeAfter(list, cursor) ?? [];
    const asked = { limit, after: after === undefined ? undefined : String(after), ...when };
    const { items, more, end } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.contracts, asked)));
    const at = evaluatedAt(when);
    return { items: items.map((item) => answerOf(item, at)), ...(more && end !== undefined ? { next: cursorTo(list, [end]) } : {}) };
  }

  @Get('contracts/:client')
  @documented((openapi) => openapi.documentContract())
  @documented((openapi) => openapi.documentQuery(readWhen))
  async one(
    @Param('client', new PathName('contract-not-found', 'There is no such client')) client: string,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(readWhen) when: QueryOf<typeof whenParameters>,
    @Caller() caller: Asker,
  ) {
    const { state, revision } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.contract, { client, ...when })));
    if (!isPast(when)) void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return answerOf(state, evaluatedAt(when));
  }

  @Get('default-contract')
  @documented((openapi) => openapi.documentDefaultContract())
  async default(@Query(noQuery) _query: object, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.defaultContract, {})));
  }
}

function answerOf({ client, versions }: ClientContract, at: Instant): ContractNow {
  const holds = contractInForce({ versions }, at);
  return { client, ...(holds === undefined ? {} : { inForce: holds.version }), versions };
}
