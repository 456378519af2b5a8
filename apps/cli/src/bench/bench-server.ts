import 'reflect-metadata';
import { Controller, HttpCode, Module, Post, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { openBlobStore } from '#blobs';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '#mongo';
import { createLog, httpAdapter, loadConfig, prepareHttp } from '#platform';
import { ApiModule } from '../../../api/src/api.module.js';
import { openStores } from '../../../standalone/src/stores.js';
import { startWorkerInThread } from '../../../worker/src/worker-in-thread.js';

/**
 * The process that is put under load: the same Nest application that `npm start` runs, with one route more that answers an empty POST and
 * so shows what the framework alone costs. Prints its URL and serves until it is killed.
 */
@Controller('bench')
class EmptyController {
  @Post('empty')
  @HttpCode(204)
  empty(): void {}
}

const config = loadConfig(process.env);
const log = createLog('error', process.stderr);
const { eventStoreUrl, mongodbUrl } = await openStores(config);
const store = EventStoreDB.connect(eventStoreUrl);
const mongo = await connectMongo(mongodbUrl);
if (process.env['BENCH_WORKER'] === 'on') await startWorkerInThread({ eventStoreUrl, mongodbUrl, logLevel: 'error', timekeeper: true });

@Module({
  imports: [ApiModule.on(store, mongo, await openBlobStore(config), log)],
  controllers: [EmptyController as Type<unknown>],
})
class BenchModule {}

const app = await NestFactory.create<NestFastifyApplication>(BenchModule, httpAdapter(), {
  logger: log,
  bodyParser: false,
  abortOnError: false,
});
prepareHttp(app, log);
await app.listen(0, '127.0.0.1');
const { port } = app.getHttpServer().address() as { port: number };
process.stdout.write(`http://127.0.0.1:${port}\n`);
