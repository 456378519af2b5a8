import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import { alreadySeen, entityTag, parseTags, Problem, QueryParameters } from '#http';
import { oneOf, type QueryOf, text, wholeNumber } from '#platform';
import { canonicalJson, QUEUE_STATES, TIERS } from '#ticketing';
import { type Asker, countedBy, isPast, placeIn, queries, ticketListFilters } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { atLeastPosition, changedSince, PAGE, pageAnswer, pageOfChanges, pageParameters, placeAfter } from './pages.js';
import { inPast, whenParameters } from './past.js';
import { TicketId } from './ticket-id.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const atLeast = wholeNumber(
  'Revision (ETag of a command) the view must have reached. Waits up to two seconds, then responds 503 with Retry-After.',
  {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
);
const freshness = { atLeast, ...whenParameters };
const queueQuery = {
  client: text('Only tickets of this client'),
  team: text('Only tickets of this team'),
  state: oneOf(
    QUEUE_STATES.filter((state) => state !== 'done'),
    'Only tickets in this state',
  ),
  ...pageParameters,
  atLeast: atLeastPosition,
  changedSince,
  ...whenParameters,
};
const listQuery = {
  filter: text('Name of a saved filter. Other parameters override those of the filter', { max: 100 }),
  ...ticketListFilters,
  ...pageParameters,
  atLeast: atLeastPosition,
  changedSince,
  ...whenParameters,
};

const { sort: _sort, ...countFilters } = ticketListFilters;
const countsQuery = {
  by: oneOf(countedBy, 'Field to group by; default: `status`'),
  ...countFilters,
  atLeast: atLeastPosition,
  ...whenParameters,
};

const readCountsQuery = new QueryParameters(countsQuery);
const readFreshness = new QueryParameters(freshness);
const readQueueQuery = new QueryParameters(queueQuery);
const readListQuery = new QueryParameters(listQuery);
const noQuery = new QueryParameters({});

/** The read models. Their documents are the answers. */
@Controller('v1')
export class TicketViewsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('tickets')
  @documented((openapi) => openapi.documentView('tickets'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  async tickets(@Query(readListQuery) query: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { filter: saved, limit = PAGE, cursor, atLeast, changedSince: since, asOf, knownAt, ...asked } = query;
    const { sort = '-openedAt', ...filter } = {
      ...(saved === undefined ? {} : unlessRefused(await this.queries.execute(new RunQuery(caller, queries.savedList, { name: saved })))),
      ...asked,
    };
    if (since !== undefined) {
      return pageOfChanges(
        ['tickets', canonicalJson(filter)],
        { since, limit, cursor },
        { sort: asked.sort, asOf, knownAt },
        async (changes) => unlessRefused(await this.queries.execute(new RunQuery(caller, queries.changedTickets, { filter, ...changes }))),
      );
    }
    const when = { asOf, knownAt };
    const list = ['tickets', sort, canonicalJson(filter), ...inPast(when, { atLeast })];
    const wanted = { filter, order: sort, limit, after: placeAfter(list, cursor) };
    const page = unlessRefused(
      isPast(when)
        ? await this.queries.execute(new RunQuery(caller, queries.pastTickets, { ...wanted, when }))
        : await this.queries.execute(new RunQuery(caller, queries.tickets, { ...wanted, atLeast })),
    );
    return pageAnswer(list, page, (last) => placeIn(sort, last));
  }

  @Get('ticket-counts')
  @documented((openapi) => openapi.documentView('counts'))
  @documented((openapi) => openapi.documentQuery(readCountsQuery))
  async counts(@Query(readCountsQuery) query: QueryOf<typeof countsQuery>, @Caller() caller: Asker) {
    const { by = 'status', atLeast, asOf, knownAt, ...filter } = query;
    const when = { asOf, knownAt };
    inPast(when, { atLeast });
    const items = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.ticketCounts, { by, filter, when, atLeast })));
    return { by, items, total: items.reduce((total, { count }) => total + count, 0) };
  }

  @Get('tickets/:id')
  @documented((openapi) => openapi.documentView('details'))
  @documented((openapi) => openapi.documentQuery(readFreshness))
  async details(
    @Param('id', TicketId) id: string,
    @Query(readFreshness) query: QueryOf<typeof freshness>,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Caller() caller: Asker,
  ) {
    const seen = parseTags('If-None-Match', ifNoneMatch);
    const ticket = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.ticket, { ticketId: id, ...query })));
    // The tag has the current revision of the ticket.
    if (isPast(query)) return ticket;
    void reply.headers({ ETag: entityTag(ticket.revision), 'Cache-Control': 'private, no-cache' });
    if (!alreadySeen(seen, ticket.revision)) return ticket;
    void reply.code(304);
    return undefined;
  }

  @Get('tickets/:id/conversation')
  @documented((openapi) => openapi.documentView('conversation'))
  async conversation(@Param('id', TicketId) id: string, @Query(noQuery) _query: object, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.conversation, { ticketId: id })));
  }

  @Get('tickets/:id/sla')
  @documented((openapi) => openapi.documentView('sla'))
  @documented((openapi) => openapi.documentQuery(readFreshness))
  async sla(@Param('id', TicketId) id: string, @Query(readFreshness) query: QueryOf<typeof freshness>, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.sla, { ticketId: id, ...query })));
  }

  @Get('queues/:tier')
  @documented((openapi) => openapi.documentView('queue'))
  @documented((openapi) => openapi.documentQuery(readQueueQuery))
  async queue(@Param('tier') name: string, @Query(readQueueQuery) query: QueryOf<typeof queueQuery>, @Caller() caller: Asker) {
    const tier = TIERS.find((known) => known === name);
    if (tier === undefined) throw new Problem('queue-not-found', ticketProblems['queue-not-found'], `The queues are ${TIERS.join(', ')}`);
    const { client, team, state, changedSince: since, limit = PAGE, cursor, atLeast, asOf, knownAt } = query;
    const filter = { client, team, state };
    if (since !== undefined) {
      return pageOfChanges(['queue', tier, client, team, state], { since, limit, cursor }, { asOf, knownAt }, async (changes) =>
        unlessRefused(await this.queries.execute(new RunQuery(caller, queries.changedQueue, { tier, filter, ...changes }))),
      );
    }
    const when = { asOf, knownAt };
    const list = ['queue', tier, client, team, state, ...inPast(when, { atLeast })];
    const place = placeAfter(list, cursor);
    const after = place && { rank: Number(place[0]), since: String(place[1]), id: String(place[2]) };
    const asked = { tier, filter, limit, after };
    const page = unlessRefused(
      isPast(when)
        ? await this.queries.execute(new RunQuery(caller, queries.pastQueue, { ...asked, when }))
        : await this.queries.execute(new RunQuery(caller, queries.queue, { ...asked, atLeast })),
    );
    return pageAnswer(list, page, ({ rank, since, _id }) => [rank, since, _id]);
  }
}
