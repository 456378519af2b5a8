import { chmod, mkdir, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '#platform';
import { CannotStart, DataDirLocked, explainDataDir, portTaken } from './cannot-start.js';
import { type Closable, opening } from './opening.js';
import { storeCertificateIn, type StoreUser, storeUsersIn } from './store-users.js';

/** The two stores of a process, wherever they run. Closing stops the embedded ones, flushes them and unlocks their directories. */
export interface Stores extends Closable {
  readonly eventStoreUrl: string;
  readonly mongodbUrl: string;
  /** For reporting jobs: read-only access to the read models of an embedded node. */
  readonly reportsUrl?: string;
}

/**
 * The configured stores; by default, embedded nodes on the data directory.
 * @throws CannotStart
 */
export async function openStores(config: Config): Promise<Stores> {
  return opening(async (onClose) => {
    const embedded = async <Node extends Closable>(
      start: (where: Where, dataDir: string) => Promise<Node>,
      folder: string,
      what: string,
      variable: string,
      port: number,
    ): Promise<Node> => {
      const dataDir = resolve(config.dataDir);
      const directory = join(dataDir, folder);
      try {
        await checkRoom(dataDir);
        await mkdir(directory, { recursive: true, mode: 0o700 });
        // Nobody else can look into it, whatever the modes of its files.
        await chmod(dataDir, 0o700);
        const node = await start({ directory, port }, dataDir);
        onClose(() => node.close());
        return node;
      } catch (error) {
        throw explained(error as NodeJS.ErrnoException & { pid?: number }, dataDir, what, variable, port);
      }
    };
    const { eventStoreUrl } =
      config.eventStoreUrl === undefined
        ? await embedded(startEventStore, 'eventstoredb', 'EventStoreDB', 'EMBEDDED_EVENTSTOREDB_PORT', config.embeddedEventStoreDBPort)
        : { eventStoreUrl: config.eventStoreUrl };
    const { mongodbUrl, reportsUrl }: Pick<Stores, 'mongodbUrl' | 'reportsUrl'> =
      config.mongodbUrl === undefined
        ? await embedded(startMongoDB, 'mongodb', 'MongoDB', 'EMBEDDED_MONGODB_PORT', config.embeddedMongoDBPort)
        : { mongodbUrl: config.mongodbUrl };
    return { eventStoreUrl, mongodbUrl, ...(reportsUrl !== undefined && { reportsUrl }) };
  });
}

/** Directory and port of a node. */
interface Where {
  readonly directory: string;
  readonly port: number;
}

// The nodes are loaded only to start them.

/** Tierline reads `$all` by event type and needs no links to it; without them the log is less than half as long. */
async function startEventStore(where: Where, dataDir: string): Promise<Closable & Pick<Stores, 'eventStoreUrl'>> {
  const { startEmbeddedEventStoreDB } = await import('@tierline/embedded-eventstoredb');
  const { tierline } = await storeUsersIn(dataDir);
  const { certFile, ...tls } = await storeCertificateIn(dataDir);
  const node = await startEmbeddedEventStoreDB({ ...where, systemStreams: false, credentials: tierline, tls });
  // By name: TLS does not accept addresses as names.
  const eventStoreUrl = `esdb://${tierline.user}:${tierline.password}@localhost:${node.port}?tls=true&tlsCAFile=${encodeURIComponent(certFile)}`;
  return { eventStoreUrl, close: () => node.close() };
}

async function startMongoDB(where: Where, dataDir: string): Promise<Closable & Required<Pick<Stores, 'mongodbUrl' | 'reportsUrl'>>> {
  const { startEmbeddedMongoDB } = await import('@tierline/embedded-mongodb');
  const users = await storeUsersIn(dataDir);
  const node = await startEmbeddedMongoDB({ ...where, credentials: users.tierline, reader: { ...users.reports, database: DATABASE } });
  // Names the database, so that other clients with the URL find it too; the users belong to another one.
  const urlFor = ({ user, password }: StoreUser): string => {
    const url = new URL(node.url);
    Object.assign(url, { username: user, password, pathname: `/${DATABASE}` });
    url.searchParams.set('authSource', 'admin');
    return url.href;
  };
  return { mongodbUrl: urlFor(users.tierline), reportsUrl: urlFor(users.reports), close: () => node.close() };
}

/** The database of the read models. */
const DATABASE = 'tierline';

/** Free bytes that the embedded stores require at start: with less, LMDB's mapped files end the process instead of failing. */
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
