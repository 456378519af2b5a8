import { MongoClient, type Db } from 'mongodb';

/** An open connection to the database of the read models. */
export interface Mongo {
  readonly db: Db;
  close(): Promise<void>;
}

/**
 * Connects, and finds out that somebody is there.
 * @param url a MongoDB connection string
 * @param database defaults to the one in the URL, else `tierline`
 * @throws MongoServerSelectionError when no server answers within 10 seconds
 */
export async function connectMongo(url: string, database?: string): Promise<Mongo> {
  const client = new MongoClient(url, {
    // A field that a projection left undefined is absent, not null: what is read back is what was folded.
    ignoreUndefined: true,
    serverSelectionTimeoutMS: 10_000,
  });
  try {
    await client.connect();
    const db = database !== undefined ? client.db(database) : client.options.dbName === 'test' ? client.db('tierline') : client.db();
    await db.command({ ping: 1 });
    return { db, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}
