import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Controller, HttpCode, Module, Post, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { administratorKeyIn, openStores, startApiThread, startWorkerThread } from '#local';
import { httpAdapter, prepareHttp } from '#http';
import { createLog, loadConfig } from '#platform';
import { opening, seededTicket } from './seeded-ticket.js';
import { NamedThreads } from './thread-times.js';

/**
 * The process under load: API, stores and, optionally, worker as in `npm start`; also an application of the same framework that answers an
 * empty POST, to show the cost of the framework, appends with the bare client, and fills the log. Prints a line of JSON (`Served`) and
 * serves until it is killed.
 */
export interface Served {
  readonly api: string;
  /** The key for the API. */
  readonly key: string;
  readonly bench: string;
  /** Names of the threads by their ids. */
  readonly threads: Readonly<Record<number, string>>;
}

const threads = new NamedThreads('main');
const given = loadConfig({ ...process.env, PORT: '0', LOG_LEVEL: 'error' });
const { eventStoreUrl } = await threads.while('event store', () => openStores({ ...given, mongodbUrl: 'mongodb://none' }));
const { mongodbUrl } = await threads.while('MongoDB', () => openStores({ ...given, eventStoreUrl }));
const config = { ...given, eventStoreUrl, mongodbUrl };
const { url } = await threads.while('API', () => startApiThread(config, { administratorKey: true }));
if (process.env['BENCH_WORKER'] === 'on') await threads.while('worker', () => startWorkerThread(config));
const client = EventStoreDBClient.connectionString(eventStoreUrl);

@Controller()
class BenchController {
  @Post('empty')
  @HttpCode(204)
  empty(): void {}

  /** Appends the event of an opened ticket with the bare client, each to a new stream. */
  @Post('append')
  async append(@Query('count') count: string, @Query('inFlight') inFlight: string): Promise<void> {
    let left = Number(count);
    const data = { ...opening, priority: 'high', tier: 'L1' };
    await Promise.all(
      Array.from({ length: Number(inFlight) }, async () => {
        while (left-- > 0) {
          const id = randomUUID();
          const event = jsonEvent({ type: 'BenchWritten', data, metadata: { commandId: id, correlationId: id, causationId: id } });
          await client.appendToStream(`bench-${id}`, [event], { expectedRevision: 'no_stream' });
        }
      }),
    );
  }

  /** Writes tickets with a number of events each to the log. @returns their ids */
  @Post('seed')
  async seed(@Query('tickets') tickets: string, @Query('events') events: string): Promise<readonly string[]> {
    const ids: string[] = [];
    let left = Number(tickets);
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (left-- > 0) {
          const { id, stream, written } = seededTicket(Number(events));
          await client.appendToStream(
            stream,
            written.map(({ type, data, metadata }) =>
              jsonEvent({ type, data: data as Record<string, unknown>, metadata: { ...metadata } }),
            ),
            { expectedRevision: 'no_stream' },
          );
          ids.push(id);
        }
      }),
    );
    return ids;
  }
}

@Module({ controllers: [BenchController] })
class BenchModule {}

const log = createLog('error', process.stderr);
const app = await NestFactory.create<NestFastifyApplication>(BenchModule, httpAdapter(), {
  logger: log,
  bodyParser: false,
  abortOnError: false,
});
prepareHttp(app, log);
await app.listen(0, '127.0.0.1');
const { port } = app.getHttpServer().address() as { port: number };
const key = (await administratorKeyIn(config.dataDir)) ?? '';
const served: Served = { api: url, key, bench: `http://127.0.0.1:${port}`, threads: threads.names };
process.stdout.write(`${JSON.stringify(served)}\n`);
