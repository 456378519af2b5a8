import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, Inject, type OnModuleDestroy, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type FeedFilter, type FeedItem, type Position, type StoredEvent, streamId, upcast } from '#eventsourcing';
import { formatPosition, parsePosition, Problem, QueryParameters } from '#http';
import { JsonLog, type QueryOf, someOf, text } from '#platform';
import { ticket as ticketDecider, type TicketEventType } from '#ticketing';
import { type Asker, queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

/** Streams that one process carries at once: each is a subscription of its own at the store. */
const MOST_STREAMS = 100;
const HEARTBEAT_MS = 15_000;

const ticketEventTypes = Object.keys(ticketDecider.events) as TicketEventType[];

const feedQuery = {
  from: {
    parse: (given: string): Position | 'start' | 'end' | undefined => (given === 'start' || given === 'end' ? given : parsePosition(given)),
    rule: 'must be start, end, or a position such as 1234/1234',
    description:
      'Where to begin: `start` of the log (the default), its `end` (only what comes from now on), or after a position. Last-Event-ID goes before it.',
    schema: { type: 'string', pattern: '^(start|end|\\d{1,19}/\\d{1,19})$', default: 'start' },
  },
  types: someOf(ticketEventTypes, 'Only events of these types'),
  ticket: aTicketId('Only events of this ticket'),
  client: text('Only events of tickets of this client'),
};
const readFeedQuery = new QueryParameters(feedQuery);

/** Every event of every ticket, in order, as server-sent events. */
@Controller('v1/events')
export class EventFeedController implements OnModuleDestroy {
  readonly #closing = new AbortController();
  #open = 0;

  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(JsonLog) private readonly log: JsonLog,
  ) {}

  onModuleDestroy(): void {
    this.#closing.abort();
  }

  @Get()
  @documented((openapi) => openapi.documentFeed())
  @documented((openapi) => openapi.documentQuery(readFeedQuery))
  async feed(
    @Query(readFeedQuery) query: QueryOf<typeof feedQuery>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Caller() caller: Asker,
  ): Promise<void> {
    const after = lastEventId === undefined || lastEventId === '' ? (query.from ?? 'start') : parsePosition(lastEventId);
    if (after === undefined) {
      throw Problem.of('invalid-header', 'Last-Event-ID must be the id of an event of this feed', {
        faults: [{ field: 'Last-Event-ID', message: 'must be a position such as 1234/1234' }],
      });
    }
    if (this.#open >= MOST_STREAMS)
      throw Problem.of('too-many-streams', `There are ${MOST_STREAMS} streams already`, { headers: { 'Retry-After': '30' } });
    const left = new AbortController();
    const signal = AbortSignal.any([left.signal, this.#closing.signal]);
    const asked = { filter: filterOf(query.types, query.ticket), after, signal };
    const feed = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.events, asked)));
    reply.hijack();
    const out = reply.raw;
    out.once('close', () => left.abort());
    if (out.destroyed) left.abort();
    out.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'Content-Type': 'text/event-stream; charset=utf-8',
      'X-Accel-Buffering': 'no',
      // A connection that carried a feed carries nothing afterwards, so that a stop need not wait for it.
      Connection: 'close',
    });
    if (request.method === 'HEAD') {
      out.end();
      return;
    }
    this.#open++;
    try {
      await this.#send(out, feed, query, signal);
    } catch (error) {
      this.log.error({ err: error }, 'an event feed broke');
    } finally {
      this.#open--;
      out.end();
    }
  }

  /** Copies the feed to one reader, as fast as that reader reads, until it leaves or the server stops. */
  async #send(
    out: ServerResponse,
    feed: AsyncIterable<FeedItem>,
    { types, ticket, client }: QueryOf<typeof feedQuery>,
    ending: AbortSignal,
  ): Promise<void> {
    // A reader that vanished without a word is noticed by the system.
    out.socket?.setKeepAlive(true, 30_000);

    /** Where a reader may resume although it was sent nothing from there: it travels with the next heartbeat. */
    let passed: Position | undefined;
    const heartbeat = setInterval(() => {
      if (out.writableNeedDrain) return;
      out.write(passed === undefined ? ': heartbeat\n\n' : `: heartbeat\nid: ${formatPosition(passed)}\n\n`);
      passed = undefined;
    }, HEARTBEAT_MS);
    try {
      out.write('retry: 2000\n\n');
      for await (const item of feed) {
        if (item.kind === 'checkpoint') {
          passed = item.position;
        } else if (item.kind === 'caught-up') {
          await write(out, ': caught up\n\n', ending);
        } else if (isWanted(item.event, types, ticket, client)) {
          passed = undefined;
          await write(out, message(item.event), ending);
        } else {
          passed = item.event.position;
        }
      }
    } finally {
      clearInterval(heartbeat);
    }
  }
}

/** What the server sorts out; the rest is `isWanted`'s, for a server filters by one thing only. */
function filterOf(types: readonly string[] | undefined, ticket: string | undefined): FeedFilter {
  if (ticket !== undefined) return { streamPrefixes: [`${ticketDecider.category}-${ticket}`] };
  return types === undefined ? { streamPrefixes: [`${ticketDecider.category}-`] } : { eventTypes: types };
}

function isWanted(
  { type, stream, metadata }: StoredEvent,
  types: readonly string[] | undefined,
  ticket: string | undefined,
  client: string | undefined,
): boolean {
  return (
    stream.startsWith(`${ticketDecider.category}-`) &&
    (ticket === undefined || streamId(stream) === ticket) &&
    (types === undefined || types.includes(type)) &&
    (client === undefined || metadata.client === client)
  );
}

function message(stored: StoredEvent): string {
  const { id, type, stream, revision, position, data, metadata } = upcast(ticketDecider, stored);
  const at = formatPosition(position);
  return `id: ${at}\nevent: ${type}\ndata: ${JSON.stringify({ id, type, ticketId: streamId(stream), revision, position: at, data, metadata })}\n\n`;
}

/** Writes, and waits when the reader has enough to read: nothing gathers here. */
async function write(out: ServerResponse, chunk: string, ending: AbortSignal): Promise<void> {
  if (out.write(chunk) || ending.aborted) return;
  await once(out, 'drain', { signal: ending }).catch(() => {});
}
