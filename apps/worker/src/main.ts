import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '#mongo';
import { ConfigError, createLog, loadConfig } from '#platform';
import { policies, projections } from '#ticketing';
import { startTimekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

/** The worker alone, beside servers that run elsewhere. `npm start` runs it together with everything else in one process. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.logLevel);
  if (config.eventStoreUrl === undefined || config.mongodbUrl === undefined) {
    throw new ConfigError([
      ...(config.eventStoreUrl === undefined ? [{ field: 'EVENTSTORE_URL', message: 'must be set: a worker of its own has no embedded store' }] : []),
      ...(config.mongodbUrl === undefined ? [{ field: 'MONGODB_URL', message: 'must be set: a worker of its own has no embedded store' }] : []),
    ]);
  }
  const store = EventStoreDB.connect(config.eventStoreUrl, {
    onRetry: (what, error) => log.warn({ err: error }, `${what}: trying again`),
  });
  const mongo = await connectMongo(config.mongodbUrl);
  const worker = startWorker({ store, db: mongo.db, projections, policies, log });
  log.info({ views: projections.map(({ name }) => name), policies: policies.map(({ name }) => name) }, 'the worker runs');

  const timekeeper = startTimekeeper({ store, db: mongo.db, log });

  const stop = async (): Promise<void> => {
    await timekeeper.stop();
    await worker.stop();
    await store.close();
    await mongo.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop().catch((error: unknown) => {
        log.error({ err: error }, 'could not stop in order');
        process.exit(1);
      });
    });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
