import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '#mongo';
import type { JsonLog } from '#platform';
import { policies, projections } from '#ticketing';
import { Assigner } from './assigner.js';
import { startTimekeeper } from './timekeeper.js';
import { startWorker } from './worker.js';

export interface RunningWorker {
  /** Finishes what is in work, hands it over to other workers, and closes the connections. */
  stop(): Promise<void>;
}

export interface RunWorkerOptions {
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
  readonly log: JsonLog;
  /** Whether it also sees to what time alone brings about; false for the time of an import. */
  readonly timekeeper: boolean;
}

/**
 * Every view, every policy and the timekeeper, on connections of their own.
 * @throws MongoServerSelectionError when MongoDB does not answer
 */
export async function runWorker({ eventStoreUrl, mongodbUrl, log, timekeeper }: RunWorkerOptions): Promise<RunningWorker> {
  const store = EventStoreDB.connect(eventStoreUrl, { onRetry: (what, error) => log.warn({ err: error }, `${what}: trying again`) });
  const mongo = await connectMongo(mongodbUrl).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const assigner = new Assigner(store, mongo.db);
  const worker = startWorker({ store, db: mongo.db, projections, policies, log, assigner });
  const keeper = timekeeper ? startTimekeeper({ store, db: mongo.db, log, assigner }) : undefined;
  return {
    stop: async () => {
      await keeper?.stop();
      await worker.stop();
      await store.close();
      await mongo.close();
    },
  };
}
