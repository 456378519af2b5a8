import type { Server } from 'node:http';
import { resolve } from 'node:path';
import { openBlobStore } from '#blobs';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '#mongo';
import type { Config, JsonLog } from '#platform';
import { createApi } from '../../api/src/create-api.js';
import { startWorkerInThread } from '../../worker/src/worker-in-thread.js';
import { CannotStart, openStores, portTaken } from './stores.js';
import { leaveWhereabouts, removeWhereabouts, type Whereabouts } from './whereabouts.js';

/** How long requests may take to finish when the process is told to stop, in milliseconds. */
const FINISH_WITHIN_MS = 3_000;

/** API, worker and, where none are configured, the stores: all in this process, each of them but the API in a thread of its own. */
export interface Standalone extends Whereabouts {
  /** Where the embedded stores keep their data; undefined when both stores run elsewhere. */
  readonly dataDir?: string;
  /** Stops taking requests, finishes what is in work, flushes and lets go of the data directory. */
  stop(): Promise<void>;
}

/** @throws CannotStart, StoreUnavailable */
export async function startStandalone(config: Config, log: JsonLog): Promise<Standalone> {
  const opened: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  try {
    const stores = await openStores(config);
    opened.push(() => stores.close());
    const { eventStoreUrl, mongodbUrl } = stores;
    const store = EventStoreDB.connect(eventStoreUrl, { onRetry: (what, error) => log.warn({ err: error }, `${what}: trying again`) });
    opened.push(() => store.close());
    await answers(store).catch((error: Error) => {
      throw new CannotStart(`EventStoreDB does not answer (${error.message}). Is EVENTSTORE_URL right, and is the server running?`, {
        cause: error,
      });
    });
    const mongo = await connectMongo(mongodbUrl).catch((error: Error) => {
      throw new CannotStart(`MongoDB does not answer (${error.message}). Is MONGODB_URL right, and is the server running?`, {
        cause: error,
      });
    });
    opened.push(() => mongo.close());
    const worker = await startWorkerInThread({ eventStoreUrl, mongodbUrl, logLevel: config.logLevel, timekeeper: true });
    opened.push(() => worker.stop());
    const blobs = await openBlobStore(config).catch((error: Error) => {
      const remedy =
        config.s3 === undefined
          ? 'Set ATTACHMENTS_DIR to a directory that can be written.'
          : 'Are S3_URL, S3_BUCKET and the keys right, is the bucket there, and may it be listed, read and written?';
      throw new CannotStart(`Attachments cannot be kept (${error.message}). ${remedy}`, { cause: error });
    });
    opened.push(() => blobs.close());
    const api = await createApi({ store, mongo, blobs, log });
    opened.push(async () => {
      // A client that keeps its connection open would keep us from stopping; requests in work get a while to finish.
      const cut = setTimeout(() => (api.getHttpServer() as Server).closeAllConnections(), FINISH_WITHIN_MS);
      await api.close().finally(() => clearTimeout(cut));
    });
    await api.listen(config.port, config.host).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') throw portTaken(config.port, 'the API', 'PORT');
      if (error.code === 'EACCES')
        throw new CannotStart(`Port ${config.port} for the API may not be used (${error.message}). Set PORT to another one.`, {
          cause: error,
        });
      if (error.code === 'EADDRNOTAVAIL')
        throw new CannotStart(`This machine has no address ${config.host}. Set HOST to another loopback address.`, { cause: error });
      throw error;
    });
    const { port } = api.getHttpServer().address() as { port: number };
    const whereabouts: Whereabouts = {
      pid: process.pid,
      api: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
      eventStoreUrl,
      mongodbUrl,
    };
    if (config.eventStoreUrl !== undefined && config.mongodbUrl !== undefined) return { ...whereabouts, stop };
    const dataDir = resolve(config.dataDir);
    await leaveWhereabouts(dataDir, whereabouts);
    // Last opened, first closed: nobody finds the way to a process that is stopping.
    opened.push(() => removeWhereabouts(dataDir));
    return { ...whereabouts, dataDir, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Reads a little: connecting sends nothing by itself. */
async function answers(store: EventStoreDB): Promise<void> {
  for await (const _event of store.readStream('health-check')) return;
}
