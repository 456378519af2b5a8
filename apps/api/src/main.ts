import { openBlobStore } from '#blobs';
import { connectMongo } from '#mongo';
import { EventStoreDB } from '#eventstoredb';
import { inspect } from 'node:util';
import { ConfigError, createLog, loadConfig, terminal } from '#platform';
import { createApi } from './create-api.js';

/** The HTTP edge alone, on stores that run elsewhere. `npm start` runs everything in one process instead. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const missing = [
    ...(config.eventStoreUrl === undefined ? ['EVENTSTORE_URL'] : []),
    ...(config.mongodbUrl === undefined ? ['MONGODB_URL'] : []),
  ].map((field) => ({ field, message: 'is required: alone, the API has no stores of its own (npm start has)' }));
  if (config.eventStoreUrl === undefined || config.mongodbUrl === undefined) throw new ConfigError(missing);

  const log = createLog(config.logLevel);
  const store = EventStoreDB.connect(config.eventStoreUrl, { onRetry: (what, error) => log.warn({ what, err: error }, 'trying again') });
  const mongo = await connectMongo(config.mongodbUrl);
  const blobs = await openBlobStore(config);
  const app = await createApi({ store, mongo, blobs, log });
  const stop = async (signal: string) => {
    log.info({ signal }, 'stopping');
    await app.close();
    await Promise.all([store.close(), mongo.close(), blobs.close()]);
  };
  process.once('SIGTERM', (signal) => void stop(signal));
  process.once('SIGINT', (signal) => void stop(signal));
  await app.listen(config.port, config.host);
  log.info({ url: await app.getUrl() }, 'listening');
}

main().catch((error: unknown) => {
  const { code, port } = error as { readonly code?: string; readonly port?: number };
  const said =
    error instanceof ConfigError
      ? error.message
      : code === 'EADDRINUSE'
        ? `Port ${port} is taken: set PORT to another one, or to 0 for any free one.`
        : inspect(error);
  terminal(process.stderr).print(`${said}\n`);
  // Connections may be open by now, and would keep the process.
  process.exit(1);
});
