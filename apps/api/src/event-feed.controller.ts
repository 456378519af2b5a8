import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { Controller, Get, Headers, Inject, type OnModuleDestroy, Query, Req, Res } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Instant, parseInstant } from '#eventsourcing';
import { NDJSON } from '#exports';
import type { FeedBatch, LoggedEvent } from '#feeds';
import { accepted, Problem, QueryParameters } from '#http';
import { JsonLog, type Parameter, type QueryOf, someOf, text, wholeNumber } from '#platform';
import {
  type EventFilter,
  type FeedPosition,
  formatPlace,
  parsePlace,
  PRIORITIES,
  publicEventType,
  type PublicEventType,
  TIERS,
} from '#ticketing';
import { queries } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller, type Known } from './caller.js';
import { documented } from './documented.js';
import { aTicketId } from './ticket-id.js';
import { unlessRefused } from './ticket-problems.js';

const HEARTBEAT_MS = 15_000;
/** A reader that has taken nothing for this long counts as gone. */
const STALLED_MS = 300_000;
const LONGEST_WAIT_S = 60;

const SSE = 'text/event-stream';

const types: Parameter<readonly PublicEventType[]> = {
  parse: (given) => {
    const named = given.split(',').map(publicEventType);
    return named.every((type) => type !== undefined) ? [...new Set(named)] : undefined;
  },
  rule: 'must be event types such as com.tierline.ticket.escalated.v1 (see /schemas), separated by commas',
  description: 'Only events of these types',
  schema: { type: 'string', examples: ['com.tierline.ticket.escalated.v1'] },
};

type From = FeedPosition | 'start' | 'end' | { readonly since: Instant };

function readFrom(given: string): From | undefined {
  if (given === 'start' || given === 'end') return given;
  const since = parseInstant(given);
  return since === undefined ? parsePlace(given) : { since };
}

const filterQuery = {
  types,
  ticket: aTicketId('Only events of this ticket'),
  client: text('Only events of this client'),
  tier: someOf(TIERS, 'Only events of tickets at one of these tiers right after the event'),
  team: text('Only events of tickets assigned to this team right after the event'),
  priority: someOf(PRIORITIES, 'Only events of tickets with one of these priorities right after the event'),
};

const filterOf = ({ types, ticket, client, tier, team, priority }: QueryOf<typeof filterQuery>): EventFilter => ({
  ...(types && { types }),
  ...(ticket && { ticket }),
  ...(client && { client }),
  ...(tier && { tiers: tier }),
  ...(team && { team }),
  ...(priority && { priorities: priority }),
});

const feedQuery = {
  ...filterQuery,
  from: {
    parse: readFrom,
    rule: 'must be start, end, a position such as 1234/1234, or a date-time with an offset',
    description:
      'Where to start: `start` of the log (default), its `end` (only new events), after a position, or with events recorded at an instant or later. Last-Event-ID takes precedence.',
    schema: { type: 'string', default: 'start' },
  },
  wait: wholeNumber('With `Accept: application/x-ndjson`: how many seconds to wait if there is no event yet', {
    min: 0,
    max: LONGEST_WAIT_S,
  }),
};
const readFeedQuery = new QueryParameters(feedQuery);

const digestQuery = {
  ...filterQuery,
  from: feedQuery.from,
  to: {
    parse: parsePlace,
    rule: 'must be a position such as 1234/1234',
    description: 'Last position to include; default: the current end of the log',
    schema: { type: 'string' },
  },
};
const readDigestQuery = new QueryParameters(digestQuery);

/** The concurrent readers of one process. */
export class FeedReaders {
  #open = 0;

  constructor(private readonly most = 2_000) {}

  /** @returns what releases the place. @throws Problem too-many-streams */
  take(): () => void {
    if (this.#open >= this.most)
      throw Problem.of('too-many-streams', `There are already ${this.most} open streams`, { headers: { 'Retry-After': '30' } });
    this.#open++;
    return () => void this.#open--;
  }
}

/** Every public event, in order: as server-sent events, or as lines of JSON. */
@Controller('v1/events')
export class EventFeedController implements OnModuleDestroy {
  readonly #closing = new AbortController();

  constructor(
    @Inject(QueryBus) private readonly queries: QueryBus,
    @Inject(FeedReaders) private readonly readers: FeedReaders,
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
    @Headers('accept') accept: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Caller() caller: Known,
  ): Promise<void> {
    const from = lastEventId === undefined || lastEventId === '' ? (query.from ?? 'start') : parsePlace(lastEventId);
    if (from === undefined) {
      throw Problem.of('invalid-header', 'Last-Event-ID must be the id of an event of this feed', {
        faults: [{ field: 'Last-Event-ID', message: 'must be a position such as 1234/1234' }],
      });
    }
    const asLines = accepted(accept, [NDJSON]) !== undefined;
    const { wait } = query;
    if (wait !== undefined && !asLines) {
      throw Problem.of('invalid-query', 'The query has invalid parameters', {
        faults: [{ field: 'wait', message: `is for Accept: ${NDJSON}` }],
      });
    }
    const leave = this.readers.take();
    try {
      const left = new AbortController();
      const signal = AbortSignal.any([left.signal, this.#closing.signal, caller.ended]);
      const waits = asLines ? wait !== undefined : true;
      const idleMs = wait === undefined ? HEARTBEAT_MS : Math.max(1, wait * 1_000);
      const asked = { filter: filterOf(query), from, ...(waits ? { idleMs } : { until: 'present' as const }), signal };
      const { batches, end } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.events, asked)));
      const out = reply.raw;
      out.once('close', () => left.abort());
      if (out.destroyed) left.abort();
      const begin = (headers: Record<string, string>) => {
        caller.ended.throwIfAborted();
        reply.hijack();
        // A connection is closed after a feed, so that stopping need not wait for it.
        out.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), ...headers, Connection: 'close' });
        return request.method !== 'HEAD';
      };
      try {
        if (!asLines) {
          if (begin({ 'Content-Type': `${SSE}; charset=utf-8`, 'X-Accel-Buffering': 'no' })) await sendEvents(out, batches, signal);
        } else if (!waits) {
          if (begin({ 'Content-Type': NDJSON, 'X-Position': positionText(end) })) await sendLines(out, batches, signal);
        } else if (request.method === 'HEAD') {
          begin({ 'Content-Type': NDJSON });
        } else {
          const { events, position } = await firstOf(batches, end);
          begin({ 'Content-Type': NDJSON, 'X-Position': positionText(position) });
          await write(out, events.map(line).join(''), signal);
        }
        // Not ended if lines are missing, so that their reader notices; a reader of events resumes after its last one.
        if (asLines && !waits && signal.aborted) out.destroy();
        else out.end();
      } catch (error) {
        if (!out.headersSent) throw error;
        this.log.error({ err: error }, 'an event feed broke');
        if (asLines) out.destroy();
        else out.end();
      }
    } finally {
      leave();
    }
  }

  /** For comparing a reader's copy: the number of events, and a digest of their ids in log order. */
  @Get('digest')
  @documented((openapi) => openapi.documentDigest())
  @documented((openapi) => openapi.documentQuery(readDigestQuery))
  async digest(
    @Query(readDigestQuery) query: QueryOf<typeof digestQuery>,
    @Req() request: FastifyRequest,
    @Caller() caller: Known,
  ): Promise<{ readonly count: number; readonly sha256: string; readonly to: string }> {
    const leave = this.readers.take();
    try {
      const left = new AbortController();
      request.raw.once('close', () => left.abort());
      const signal = AbortSignal.any([left.signal, this.#closing.signal, caller.ended]);
      const from = query.from ?? 'start';
      const until = query.to ?? ('present' as const);
      const asked = { filter: filterOf(query), from, until, signal };
      const { batches, end } = unlessRefused(await this.queries.execute(new RunQuery(caller, queries.events, asked)));
      const hash = createHash('sha256');
      let count = 0;
      for await (const { events } of batches) {
        for (const { event } of events) hash.update(`${event.id}\n`);
        count += events.length;
      }
      signal.throwIfAborted();
      return { count, sha256: hash.digest('hex'), to: positionText(until === 'present' ? end : until) };
    } finally {
      leave();
    }
  }
}

/** Copies the feed to one reader, at the reader's speed, until it leaves or the server stops. */
async function sendEvents(out: ServerResponse, batches: AsyncIterable<FeedBatch>, ending: AbortSignal): Promise<void> {
  // The system notices a reader that vanished silently.
  out.socket?.setKeepAlive(true, 30_000);
  out.write('retry: 2000\n\n');
  for await (const { events, position, caughtUp } of batches) {
    out.cork();
    for (const event of events) out.write(message(event));
    if (caughtUp) out.write(': caught up\n\n');
    // Where a reader may resume although nothing before it was sent.
    else if (events.length === 0) out.write(`: heartbeat\nid: ${positionText(position)}\n\n`);
    out.uncork();
    await drained(out, ending);
  }
}

async function sendLines(out: ServerResponse, batches: AsyncIterable<FeedBatch>, ending: AbortSignal): Promise<void> {
  for await (const { events } of batches) await write(out, events.map(line).join(''), ending);
}

/** The first events that exist or arrive; none if none arrive within the feed's waiting time. */
async function firstOf(batches: AsyncIterable<FeedBatch>, end: FeedPosition | 'start'): Promise<Pick<FeedBatch, 'events' | 'position'>> {
  let isNews = false;
  for await (const batch of batches) {
    if (batch.events.length > 0 || isNews) return batch;
    isNews ||= batch.caughtUp;
  }
  return { events: [], position: end };
}

const line = ({ json }: LoggedEvent) => `${json}\n`;

const messages = new WeakMap<LoggedEvent, Buffer>();

/** An event as a server-sent one: made once, for any number of readers. */
function message(logged: LoggedEvent): Buffer {
  let made = messages.get(logged);
  if (made === undefined) {
    made = Buffer.from(`id: ${formatPlace(logged.position)}\nevent: ${logged.event.type}\ndata: ${logged.json}\n\n`);
    messages.set(logged, made);
  }
  return made;
}

function positionText(position: FeedPosition | 'start'): string {
  return position === 'start' ? position : formatPlace(position);
}

async function write(out: ServerResponse, chunk: string, ending: AbortSignal): Promise<void> {
  out.write(chunk);
  await drained(out, ending);
}

/**
 * Waits while the reader has enough to read: nothing accumulates here. A reader that takes nothing for minutes is cut off, and may resume.
 */
async function drained(out: ServerResponse, ending: AbortSignal): Promise<void> {
  if (!out.writableNeedDrain || ending.aborted) return;
  const stalled = AbortSignal.timeout(STALLED_MS);
  await once(out, 'drain', { signal: AbortSignal.any([ending, stalled]) }).catch(() => {});
  if (stalled.aborted) out.destroy();
}
