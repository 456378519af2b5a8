import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { EventStore, instantFrom, readAggregate } from '#eventsourcing';
import { entityTag, Problem, QueryParameters } from '#http';
import { type QueryOf } from '#platform';
import { type ClientContract, contract, type ContractNow, contractInForce, contracts, defaultContract } from '#ticketing';
import { readByName } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { documented } from './documented.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** Contracts with clients. */
@Controller('v1')
export class ContractsController {
  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Get('contracts')
  @documented((openapi) => openapi.documentContracts())
  @documented((openapi) => openapi.documentQuery(plainList))
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = async (limit: number, after?: string) => {
      const { items, more } = await this.queries.execute(new RunQuery(readByName<ClientContract>, { view: contracts.name, limit, after }));
      return { items: items.map(answerOf), more };
    };
    return pageByName('contracts', query, read, ({ client }) => client);
  }

  @Get('contracts/:client')
  @documented((openapi) => openapi.documentContract())
  async one(
    @Param('client', new PathName('contract-not-found', 'There is no such client')) client: string,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    const { state, revision } = await readAggregate(this.store, contract, client);
    if (state === null) throw notFound('Nothing was agreed with that client: the default contract holds');
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return answerOf(state);
  }

  @Get('default-contract')
  @documented((openapi) => openapi.documentDefaultContract())
  default(@Query(noQuery) _query: object) {
    return defaultContract;
  }
}

function answerOf({ client, versions }: ClientContract): ContractNow {
  const holds = contractInForce({ versions }, instantFrom(Date.now()));
  return { client, ...(holds === undefined ? {} : { inForce: holds.version }), versions };
}

function notFound(detail: string): Problem {
  return new Problem('contract-not-found', ticketProblems['contract-not-found'], detail);
}
