import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore, instantFrom } from '#eventsourcing';
import { entityTag, JsonBody, Problem, QueryParameters, type QueryOf } from '#http';
import { AgreeContract, type ClientContract, contractInForce, defaultContract, type ContractNow } from '#ticketing';
import { ContractsQuery, readContract, RunAgreeContract } from '#ticketing-nest';
import { answerWithTag, sentWith } from './command-answer.js';
import { documentAgreeContract, documentContract, documentContracts, documentDefaultContract } from './openapi.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});

/** Contracts with clients. */
@Controller('v1')
export class ContractsController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Post('contracts')
  @HttpCode(200)
  @documentAgreeContract()
  async agree(
    @Body(new JsonBody(AgreeContract)) body: AgreeContract,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    const done = unlessRefused(await this.commands.execute(new RunAgreeContract(body, sentWith(request, `contract/${body.client}`))));
    return answerWithTag(reply, { client: body.client }, done);
  }

  @Get('contracts')
  @documentContracts()
  @plainList.documented()
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = async (limit: number, after?: string) => {
      const { items, more } = await this.queries.execute(new ContractsQuery(limit, after));
      return { items: items.map(answerOf), more };
    };
    return pageByName('contracts', query, read, ({ client }) => client);
  }

  @Get('contracts/:client')
  @documentContract()
  async one(
    @Param('client', new PathName('contract-not-found', 'There is no such client')) client: string,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    const { state, revision } = await readContract(this.store, client);
    if (state === null) throw notFound('Nothing was agreed with that client: the default contract holds');
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return answerOf(state);
  }

  @Get('default-contract')
  @documentDefaultContract()
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
