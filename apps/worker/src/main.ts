import { ConfigError, createLog, loadConfig, terminal } from '#platform';
import { runWorker } from './run-worker.js';

/** The worker alone, beside servers that run elsewhere. `npm start` runs it together with everything else in one process. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const log = createLog(config.logLevel);
  const { eventStoreUrl, mongodbUrl } = config;
  if (eventStoreUrl === undefined || mongodbUrl === undefined) {
    throw new ConfigError([
      ...(eventStoreUrl === undefined
        ? [{ field: 'EVENTSTORE_URL', message: 'must be set: a worker of its own has no embedded store' }]
        : []),
      ...(mongodbUrl === undefined ? [{ field: 'MONGODB_URL', message: 'must be set: a worker of its own has no embedded store' }] : []),
    ]);
  }
  const worker = await runWorker({ eventStoreUrl, mongodbUrl, log, timekeeper: true });
  log.info({}, 'the worker runs');

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      worker.stop().catch((error: unknown) => {
        log.error({ err: error }, 'could not stop in order');
        process.exit(1);
      });
    });
  }
}

main().catch((error: unknown) => {
  terminal(process.stderr).print(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
