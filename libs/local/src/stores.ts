import { chmod, mkdir, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '#platform';
import { CannotStart, DataDirLocked, explainDataDir, portTaken } from './cannot-start.js';
import { type Closable, opening } from './opening.js';

/** The two stores of a process, wherever they run. Closing stops the embedded ones: flushed, and their directories unlocked. */
export interface Stores extends Closable {
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
}

/**
 * The stores that the configuration names; where it names none, an embedded node on the data directory.
 * @throws CannotStart
 */
export async function openStores(config: Config): Promise<Stores> {
  return opening(async (onClose) => {
    const embedded = async (
      start: (options: { directory: string; port: number }) => Promise<Closable & { readonly url: string }>,
      folder: string,
      what: string,
      variable: string,
      port: number,
    ): Promise<string> => {
      const dataDir = resolve(config.dataDir);
      const directory = join(dataDir, folder);
      try {
        await checkRoom(dataDir);
        await mkdir(directory, { recursive: true, mode: 0o700 });
        // Nobody else looks into it, whatever the modes of the files in it are.
        await chmod(dataDir, 0o700);
        const node = await start({ directory, port });
        onClose(() => node.close());
        return node.url;
      } catch (error) {
        throw explained(error as NodeJS.ErrnoException & { pid?: number }, dataDir, what, variable, port);
      }
    };
    const eventStoreUrl =
      config.eventStoreUrl ??
      (await embedded(startEventStore, 'eventstoredb', 'EventStoreDB', 'EMBEDDED_EVENTSTOREDB_PORT', config.embeddedEventStoreDBPort));
    const mongodbUrl =
      config.mongodbUrl ??
      withDatabase(await embedded(startMongoDB, 'mongodb', 'MongoDB', 'EMBEDDED_MONGODB_PORT', config.embeddedMongoDBPort));
    return { eventStoreUrl, mongodbUrl };
  });
}

// The nodes are loaded only where they are started.

/** Tierline reads `$all` by event type and needs no links to it; without them the log is less than half as long. */
const startEventStore = async (options: { directory: string; port: number }) =>
  (await import('@tierline/embedded-eventstoredb')).startEmbeddedEventStoreDB({ ...options, systemStreams: false });

const startMongoDB = async (options: { directory: string; port: number }) =>
  (await import('@tierline/embedded-mongodb')).startEmbeddedMongoDB(options);

/** Names the database of the read models, so that other clients that are given the URL find it too. */
function withDatabase(url: string): string {
  const named = new URL(url);
  named.pathname = '/tierline';
  return named.href;
}

/** Free bytes that the embedded stores begin with: with less, LMDB's mapped files end the process instead of failing. */
const LEAST_ROOM = 4 * 1024 * 1024;

/** @throws an error with the code ENOSPC */
async function checkRoom(dataDir: string): Promise<void> {
  for (let existing = dataDir; ; existing = dirname(existing)) {
    try {
      const { bavail, bsize } = await statfs(existing);
      if (bavail * bsize >= LEAST_ROOM) return;
      throw Object.assign(new Error(`no space left on device, ${bavail * bsize} bytes free`), { code: 'ENOSPC' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || existing === dirname(existing)) throw error;
    }
  }
}

/** An error of an embedded node, in terms of the configuration. */
function explained(
  error: NodeJS.ErrnoException & { pid?: number },
  dataDir: string,
  what: string,
  variable: string,
  port: number,
): unknown {
  switch (error.code) {
    case 'ERR_DIRECTORY_LOCKED':
      return new DataDirLocked(dataDir, error.pid ?? 0);
    case 'ERR_PORT_UNAVAILABLE':
      return portTaken(port, `the embedded ${what}`, variable);
    case 'ERR_DATA_UNREADABLE':
    case 'ERR_LOCK_DAMAGED':
      return new CannotStart(error.message, { cause: error });
    default:
      return explainDataDir(dataDir, error);
  }
}
