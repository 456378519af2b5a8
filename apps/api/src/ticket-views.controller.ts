import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply } from 'fastify';
import type { Position } from '#eventsourcing';
import {
  alreadySeen,
  entityTag,
  oneOf,
  type Parameter,
  parsePosition,
  parseTags,
  Problem,
  QueryParameters,
  type QueryOf,
  text,
  wholeNumber,
} from '#platform';
import { canonicalJson, QUEUE_STATES, TIERS } from '#ticketing';
import { placeIn, TicketDetailsQuery, TicketHistoryQuery, TicketListQuery, TicketSlaQuery, TierQueueQuery } from '#ticketing-nest';
import { readCursor, refuseCursor, writeCursor } from './cursor.js';
import { documentView } from './openapi.js';
import { TicketId } from './ticket-id.js';
import { ticketListFilters } from './ticket-list-parameters.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const PAGE = 50;
const LARGEST_PAGE = 200;

const atLeast = wholeNumber(
  'Revision (ETag of a command) that the view must have seen. Waits up to two seconds, then answers 503 with Retry-After.',
  {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  },
);
const limit = wholeNumber('Entries on a page', { min: 1, max: LARGEST_PAGE, fallback: PAGE });
const cursor = text('The `next` of the page before, as it was given', { max: 1000 });

const atLeastPosition: Parameter<Position> = {
  parse: parsePosition,
  rule: 'must be a position such as 1234/1234',
  description:
    'Position (of the answer to a command) that the list must have seen. Waits up to two seconds, then answers 503 with Retry-After.',
  schema: { type: 'string', pattern: '^\\d{1,19}/\\d{1,19}$' },
};

const freshness = { atLeast };
const historyQuery = { atLeast, limit, cursor };
const queueQuery = {
  client: text('Only tickets of this client'),
  team: text('Only tickets of this team'),
  state: oneOf(
    QUEUE_STATES.filter((state) => state !== 'done'),
    'Only tickets in this state',
  ),
  limit,
  cursor,
  atLeast: atLeastPosition,
};
const listQuery = { ...ticketListFilters, limit, cursor, atLeast: atLeastPosition };

const readFreshness = new QueryParameters(freshness);
const readHistoryQuery = new QueryParameters(historyQuery);
const readQueueQuery = new QueryParameters(queueQuery);
const readListQuery = new QueryParameters(listQuery);

/** The read models. Their documents are the answers. */
@Controller('v1')
export class TicketViewsController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get('tickets')
  @documentView('tickets')
  @readListQuery.documented()
  async tickets(@Query(readListQuery) query: QueryOf<typeof listQuery>) {
    const { sort = '-openedAt', limit = PAGE, cursor, atLeast, ...filter } = query;
    const pages = ['tickets', sort, canonicalJson(filter)];
    const after = cursor === undefined ? undefined : (readCursor(pages, cursor) ?? refuseCursor());
    const { items, more } = unlessRefused(await this.queries.execute(new TicketListQuery(filter, sort, limit, after, atLeast)));
    const last = items.at(-1);
    return { items, ...(more && last !== undefined ? { next: writeCursor(pages, placeIn(sort, last)) } : {}) };
  }

  @Get('tickets/:id')
  @documentView('details')
  @readFreshness.documented()
  async details(
    @Param('id', TicketId) id: string,
    @Query(readFreshness) query: QueryOf<typeof freshness>,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const seen = parseTags('If-None-Match', ifNoneMatch);
    const ticket = unlessRefused(await this.queries.execute(new TicketDetailsQuery(id, query.atLeast)));
    void reply.headers({ ETag: entityTag(ticket.revision), 'Cache-Control': 'private, no-cache' });
    if (!alreadySeen(seen, ticket.revision)) return ticket;
    void reply.code(304);
    return undefined;
  }

  @Get('tickets/:id/history')
  @documentView('history')
  @readHistoryQuery.documented()
  async history(@Param('id', TicketId) id: string, @Query(readHistoryQuery) query: QueryOf<typeof historyQuery>) {
    const pages = ['history', id];
    const [after = -1] = query.cursor === undefined ? [] : (readCursor(pages, query.cursor) ?? refuseCursor());
    const { items, more } = unlessRefused(
      await this.queries.execute(new TicketHistoryQuery(id, query.limit ?? PAGE, Number(after), query.atLeast)),
    );
    const last = items.at(-1);
    return { items, ...(more && last !== undefined ? { next: writeCursor(pages, [last.revision]) } : {}) };
  }

  @Get('tickets/:id/sla')
  @documentView('sla')
  @readFreshness.documented()
  async sla(@Param('id', TicketId) id: string, @Query(readFreshness) query: QueryOf<typeof freshness>) {
    return unlessRefused(await this.queries.execute(new TicketSlaQuery(id, query.atLeast)));
  }

  @Get('queues/:tier')
  @documentView('queue')
  @readQueueQuery.documented()
  async queue(@Param('tier') name: string, @Query(readQueueQuery) query: QueryOf<typeof queueQuery>) {
    const tier = TIERS.find((known) => known === name);
    if (tier === undefined)
      throw new Problem('queue-not-found', ticketProblems['queue-not-found'], `There are the queues of ${TIERS.join(', ')}`);
    const { client, team, state } = query;
    const pages = ['queue', tier, client, team, state];
    const [rank, since, id] = query.cursor === undefined ? [] : (readCursor(pages, query.cursor) ?? refuseCursor());
    const after = rank === undefined ? undefined : { rank: Number(rank), since: String(since), id: String(id) };
    const { items, more } = unlessRefused(
      await this.queries.execute(new TierQueueQuery(tier, { client, team, state }, query.limit ?? PAGE, after, query.atLeast)),
    );
    const last = items.at(-1);
    return { items, ...(more && last !== undefined ? { next: writeCursor(pages, [last.rank, last.since, last._id]) } : {}) };
  }
}
