import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { type Instant, instantFrom } from '#eventsourcing';
import { entityTag, QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { type ClientContract, type ContractNow, contractInForce } from '#ticketing';
import { type Asker, evaluatedAt, isPast, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { whenParameters } from './past.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const readWhen = new QueryParameters(whenParameters);
const noQuery = new QueryParameters({});

/** Contracts with clients. */
@Controller('v1')
export class ContractsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('contracts')
  @documented((openapi) => openapi.documentContracts())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>, @Caller() caller: Asker) {
    const read = async (limit: number, after?: string) => {
      const { items, more } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.contracts, { limit, after })));
      const now = instantFrom(Date.now());
      return { items: items.map((item) => answerOf(item, now)), more };
    };
    return pageByName('contracts', query, read, ({ client }) => client);
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
