import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import type { Position } from '#eventsourcing';
import { alreadySeen, entityTag, formatPosition, parsePosition, parseTags, Problem, QueryParameters } from '#http';
import { oneOf, type Parameter, type QueryOf, text, wholeNumber } from '#platform';
import { canonicalJson, QUEUE_STATES, TIERS } from '#ticketing';
import { type Asker, type ChangedTicketsAsked, placeIn, queries, ticketListFilters } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { atLeastPosition, PAGE, pageAnswer, pageParameters, placeAfter } from './pages.js';
import { TicketId } from './ticket-id.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const atLeast = wholeNumber(
  'Revision (ETag of a command) that the view must have seen. Waits up to two seconds, then answers 503 with Retry-After.',
  {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
);
const freshness = { atLeast };
const historyQuery = { ...pageParameters, atLeast };
const queueQuery = {
  client: text('Only tickets of this client'),
  team: text('Only tickets of this team'),
  state: oneOf(
    QUEUE_STATES.filter((state) => state !== 'done'),
    'Only tickets in this state',
  ),
  ...pageParameters,
  atLeast: atLeastPosition,
};
const listQuery = {
  filter: text('Name of a saved filter. What is asked for besides takes the place of what it asks for by the same parameter', { max: 100 }),
  ...ticketListFilters,
  ...pageParameters,
  atLeast: atLeastPosition,
  changedSince: {
    parse: (given: string): Position | 'start' | undefined => (given === 'start' ? given : parsePosition(given)),
    rule: 'must be start or a position such as 1234/1234',
    description:
      'Only tickets that have changed after this position, sorted by their last change. The answer’s `changedUpTo` is where to ask from next: nothing is missed',
    schema: { type: 'string', pattern: '^(start|\\d{1,19}/\\d{1,19})$' },
  } satisfies Parameter<Position | 'start'>,
};

const readFreshness = new QueryParameters(freshness);
const readHistoryQuery = new QueryParameters(historyQuery);
const readQueueQuery = new QueryParameters(queueQuery);
const readListQuery = new QueryParameters(listQuery);

/** The read models. Their documents are the answers. */
@Controller('v1')
export class TicketViewsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('tickets')
  @documented((openapi) => openapi.documentView('tickets'))
  @documented((openapi) => openapi.documentQuery(readListQuery))
  async tickets(@Query(readListQuery) query: QueryOf<typeof listQuery>, @Caller() caller: Asker) {
    const { filter: saved, limit = PAGE, cursor, atLeast, changedSince, ...asked } = query;
    const { sort = '-openedAt', ...filter } = {
      ...(saved === undefined ? {} : unlessRefused(await this.queries.execute(new RunQuery(caller, queries.savedList, { name: saved })))),
      ...asked,
    };
    if (changedSince !== undefined) {
      if (asked.sort !== undefined) {
        throw Problem.of('invalid-query', 'What has changed is sorted by its last change', {
          faults: [{ field: 'sort', message: 'must be left out with changedSince' }],
        });
      }
      return this.#changed(caller, { filter, since: changedSince, limit }, cursor);
    }
    const list = ['tickets', sort, canonicalJson(filter)];
    const after = placeAfter(list, cursor);
    const page = unlessRefused(
      await this.queries.execute(new RunQuery(caller, queries.tickets, { filter, order: sort, limit, after, atLeast })),
    );
    return pageAnswer(list, page, (last) => placeIn(sort, last));
  }

  async #changed(caller: Asker, asked: Pick<ChangedTicketsAsked, 'filter' | 'since' | 'limit'>, cursor: string | undefined) {
    const { filter, since } = asked;
    const list = ['changed', since === 'start' ? since : formatPosition(since), canonicalJson(filter)];
    const place = placeAfter(list, cursor);
    const after = place && { position: Number(place[0]), upTo: String(place[1]) };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.changedTickets, { ...asked, after })));
    return { ...pageAnswer(list, page, () => [page.end ?? 0, page.upTo]), changedUpTo: `${page.upTo}/${page.upTo}` };
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
    const ticket = unlessRefused(
      await this.queries.execute(new RunQuery(caller, queries.ticket, { ticketId: id, atLeast: query.atLeast })),
    );
    void reply.headers({ ETag: entityTag(ticket.revision), 'Cache-Control': 'private, no-cache' });
    if (!alreadySeen(seen, ticket.revision)) return ticket;
    void reply.code(304);
    return undefined;
  }

  @Get('tickets/:id/history')
  @documented((openapi) => openapi.documentView('history'))
  @documented((openapi) => openapi.documentQuery(readHistoryQuery))
  async history(@Param('id', TicketId) id: string, @Query(readHistoryQuery) query: QueryOf<typeof historyQuery>, @Caller() caller: Asker) {
    const list = ['history', id];
    const [after = -1] = placeAfter(list, query.cursor) ?? [];
    const asked = { ticketId: id, limit: query.limit ?? PAGE, after: Number(after), atLeast: query.atLeast };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.history, asked)));
    return pageAnswer(list, page, ({ revision }) => [revision]);
  }

  @Get('tickets/:id/sla')
  @documented((openapi) => openapi.documentView('sla'))
  @documented((openapi) => openapi.documentQuery(readFreshness))
  async sla(@Param('id', TicketId) id: string, @Query(readFreshness) query: QueryOf<typeof freshness>, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.sla, { ticketId: id, atLeast: query.atLeast })));
  }

  @Get('queues/:tier')
  @documented((openapi) => openapi.documentView('queue'))
  @documented((openapi) => openapi.documentQuery(readQueueQuery))
  async queue(@Param('tier') name: string, @Query(readQueueQuery) query: QueryOf<typeof queueQuery>, @Caller() caller: Asker) {
    const tier = TIERS.find((known) => known === name);
    if (tier === undefined)
      throw new Problem('queue-not-found', ticketProblems['queue-not-found'], `There are the queues of ${TIERS.join(', ')}`);
    const { client, team, state } = query;
    const list = ['queue', tier, client, team, state];
    const place = placeAfter(list, query.cursor);
    const after = place && { rank: Number(place[0]), since: String(place[1]), id: String(place[2]) };
    const asked = { tier, filter: { client, team, state }, limit: query.limit ?? PAGE, after, atLeast: query.atLeast };
    const page = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.queue, asked)));
    return pageAnswer(list, page, ({ rank, since, _id }) => [rank, since, _id]);
  }
}
