import {
  MongoClient,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoServerClosedError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  type Db,
} from 'mongodb';

/** An open connection to the database of the read models. */
export interface Mongo {
  readonly db: Db;
  close(): Promise<void>;
}

/**
 * Connects, and checks that a server answers.
 * @param url a MongoDB connection string
 * @param database default: the one in the URL, or `tierline`
 * @throws MongoServerSelectionError if no server answers within 6 seconds
 */
export async function connectMongo(url: string, database?: string): Promise<Mongo> {
  const client = new MongoClient(url, {
    // A field that a projection left undefined is absent, not null: what is read is what was folded.
    ignoreUndefined: true,
    serverSelectionTimeoutMS: 6_000,
  });
  try {
    await client.connect();
    const db = client.db(database ?? databaseIn(url) ?? 'tierline');
    await db.command({ ping: 1 });
    return { db, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The database named in a connection string. Without one the driver would use `test`. */
function databaseIn(url: string): string | undefined {
  const name = /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^?]+)/.exec(url)?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}

/** Errors of the driver's connection pool, whose classes it does not export. */
const POOL_ERRORS: ReadonlySet<string> = new Set([
  'MongoPoolClearedError',
  'PoolClearedOnNetworkError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoClientClosedError',
]);

/** Whether the database could not be reached, as opposed to answering with an error. */
export function isUnreachable(error: unknown): error is Error {
  // Checked by its shape: system errors are not `instanceof` the Error of every realm.
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  if (
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    error instanceof MongoNotConnectedError ||
    error instanceof MongoTopologyClosedError ||
    error instanceof MongoServerClosedError ||
    (typeof name === 'string' && POOL_ERRORS.has(name))
  ) {
    return true;
  }
  // If a connection breaks during a write, the driver passes on the socket's own error.
  return typeof code === 'string' && /^(EPIPE|ECONN|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_)/.test(code);
}

const MAX_TIME_MS_EXPIRED = 50;

/** Whether an operation exceeded its `maxTimeMS`. */
export function isOverTime(error: unknown): error is Error {
  return (error as { readonly code?: unknown } | null)?.code === MAX_TIME_MS_EXPIRED;
}

const DUPLICATE_KEY = 11000;

/** Whether a write met a document with the same key: its id, or that of another unique index. */
export function isDuplicateKey(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === DUPLICATE_KEY;
}
