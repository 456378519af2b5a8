import 'reflect-metadata';
import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { openStores, startApiThread, startWorkerThread } from '#local';
import { httpAdapter, prepareHttp } from '#http';
import { createLog, loadConfig } from '#platform';

/**
 * The process that is put under load: API, stores and, if asked for, worker as in `npm start`; and beside them an application of the same
 * framework that answers an empty POST and so shows what the framework alone costs. Prints both URLs and serves until it is killed.
 */
@Controller('empty')
class EmptyController {
  @Post()
  @HttpCode(204)
  empty(): void {}
}

@Module({ controllers: [EmptyController] })
class EmptyModule {}

const given = loadConfig({ ...process.env, PORT: '0', LOG_LEVEL: 'error' });
const { eventStoreUrl, mongodbUrl } = await openStores(given);
const config = { ...given, eventStoreUrl, mongodbUrl };
if (process.env['BENCH_WORKER'] === 'on') await startWorkerThread(config);
const { url } = await startApiThread(config);

const log = createLog('error', process.stderr);
const app = await NestFactory.create<NestFastifyApplication>(EmptyModule, httpAdapter(), {
  logger: log,
  bodyParser: false,
  abortOnError: false,
});
prepareHttp(app, log);
await app.listen(0, '127.0.0.1');
const { port } = app.getHttpServer().address() as { port: number };
process.stdout.write(`${url} http://127.0.0.1:${port}/empty\n`);
