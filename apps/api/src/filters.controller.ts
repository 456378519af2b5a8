import { Body, Controller, Delete, Get, Inject, Param, Put, Query, Req, Res } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EventStore } from '#eventsourcing';
import { entityTag, JsonBody, QueryParameters, type QueryOf } from '#http';
import { SaveTicketFilter, type TicketFilterCommands } from '#ticketing';
import { readTicketFilter, RunTicketFilterCommand, TicketFiltersQuery } from '#ticketing-nest';
import { answerWithTag, sentWith } from './command-answer.js';
import { documentFilter, documentFilterCommand } from './openapi.js';
import { pageByName, type pageParameters, plainList } from './pages.js';
import { PathName } from './path-name.js';
import { unlessRefused } from './ticket-problems.js';

const noQuery = new QueryParameters({});
const filterName = new PathName('filter-not-found', 'There is no such filter: a name has 1 to 100 characters');

/** Filters of the ticket list that were given a name. */
@Controller('v1/filters')
export class FiltersController {
  constructor(
    @Inject(CommandBus) private readonly commands: CommandBus,
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  @Put(':name')
  @documentFilterCommand('SaveTicketFilter')
  save(
    @Param('name', filterName) name: string,
    @Body(new JsonBody(SaveTicketFilter)) { query, description }: SaveTicketFilter,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('SaveTicketFilter', name, { query, ...(description === undefined ? {} : { description }) }, request, reply);
  }

  @Delete(':name')
  @documentFilterCommand('DeleteTicketFilter')
  delete(
    @Param('name', filterName) name: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Query(noQuery) _query: object,
  ) {
    return this.#run('DeleteTicketFilter', name, {}, request, reply);
  }

  @Get()
  @documentFilter('filters')
  @plainList.documented()
  list(@Query(plainList) query: QueryOf<typeof pageParameters>) {
    const read = (limit: number, after?: string) => this.queries.execute(new TicketFiltersQuery(limit, after));
    return pageByName('filters', query, read, ({ name }) => name);
  }

  @Get(':name')
  @documentFilter('filter')
  async one(@Param('name', filterName) name: string, @Res({ passthrough: true }) reply: FastifyReply, @Query(noQuery) _query: object) {
    const { filter, revision } = unlessRefused(await readTicketFilter(this.store, name));
    void reply.headers({ ETag: entityTag(revision), 'Cache-Control': 'private, no-cache' });
    return filter;
  }

  async #run<Name extends keyof TicketFilterCommands>(
    command: Name,
    name: string,
    body: TicketFilterCommands[Name],
    request: FastifyRequest,
    reply: FastifyReply,
  ) {
    const done = unlessRefused(
      await this.commands.execute(new RunTicketFilterCommand(name, command, body, sentWith(request, `filter/${name}`))),
    );
    return answerWithTag(reply, { name }, done);
  }
}
