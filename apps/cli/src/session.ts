import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Closable,
  type Connections,
  connectStores,
  DataDirLocked,
  opening,
  openStores,
  readRunFile,
  type RunFile,
  startWorkerThread,
  type Stores,
} from '#local';
import type { Config, JsonLog } from '#platform';
import { Complaint } from './complaint.js';

/** The stores used by a command. */
export interface Session extends Pick<Connections, 'store' | 'mongo' | 'keys'>, Closable {
  /** The run file of an `npm start` whose stores are used. */
  readonly running?: RunFile;
  /**
   * Keeps the views up to date while the command runs, if no one else can: on our own embedded stores.
   * @returns whether it does
   */
  startWorkerIfAlone(): Promise<boolean>;
}

/**
 * The configured stores; otherwise those of an `npm start` running on the data directory; otherwise embedded ones on that directory, while
 * the command runs.
 * @throws Complaint, CannotStart
 */
export async function openSession(config: Config, log: JsonLog): Promise<Session> {
  return opening(async (onClose) => {
    const found = await findStores(config);
    if (found.stores !== undefined) onClose(found.stores.close);
    const { store, mongo, keys, close } = await connectStores({ ...config, ...found }, log);
    onClose(close);
    return {
      store,
      mongo,
      keys,
      ...(found.running === undefined ? {} : { running: found.running }),
      async startWorkerIfAlone() {
        if (found.stores === undefined) return false;
        const { eventStoreUrl, mongodbUrl } = found;
        const worker = await startWorkerThread({ ...config, eventStoreUrl, mongodbUrl }, { timekeeper: false });
        onClose(() => worker.close());
        return true;
      },
    };
  });
}

interface Found {
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
  /** Opened by us, so closed by us. */
  readonly stores?: Stores;
  readonly running?: RunFile;
}

/** How long a process that has just locked the data directory may take to write its run file. */
const STARTING_MS = 5_000;

/**
 * Finds the stores, without connecting to them.
 * @throws Complaint, CannotStart
 */
export async function findStores(config: Config): Promise<Found> {
  const { eventStoreUrl, mongodbUrl } = config;
  if (eventStoreUrl !== undefined && mongodbUrl !== undefined) return { eventStoreUrl, mongodbUrl };
  const until = Date.now() + STARTING_MS;
  for (;;) {
    try {
      // On any free port: only this command uses them.
      const stores = await openStores({ ...config, embeddedEventStoreDBPort: 0, embeddedMongoDBPort: 0 });
      return { eventStoreUrl: stores.eventStoreUrl, mongodbUrl: stores.mongodbUrl, stores };
    } catch (error) {
      if (!(error instanceof DataDirLocked)) throw error;
      // The lock shows which process is running; a run file of a dead one has another pid.
      const running = await readRunFile(resolve(config.dataDir));
      if (running?.pid === error.pid)
        return { eventStoreUrl: eventStoreUrl ?? running.eventStoreUrl, mongodbUrl: mongodbUrl ?? running.mongodbUrl, running };
      if (Date.now() > until) {
        throw new Complaint(
          `The data directory ${error.directory} is in use by process ${error.pid}, which is not \`npm start\``,
          'Perhaps another tierline command: wait until it is done, or set DATA_DIR',
        );
      }
      await pause(100);
    }
  }
}
