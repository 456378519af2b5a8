import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient, ObjectId, type Collection, type Db, type Document } from 'mongodb';
import { startEmbeddedMongoDB } from '../index.js';

/** What a contract test works on: the embedded node, or with MONGODB_URL set that server, in a separate database. */
export interface Contract {
  readonly url: string;
  readonly client: MongoClient;
  readonly db: Db;
  /** A separate collection with these documents. */
  fresh(documents?: readonly Document[]): Promise<Collection<Document>>;
}

/** Opens it before the tests of a file, and drops its database after them. */
export const contract = (): Contract => {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-contract-'));
  const opened: { url?: string; client?: MongoClient; db?: Db; close?: () => Promise<void> } = {};
  let counter = 0;
  beforeAll(async () => {
    const url = process.env['MONGODB_URL'];
    const node = url ? undefined : await startEmbeddedMongoDB({ directory, port: 0 });
    opened.url = url ?? (node as NonNullable<typeof node>).url;
    opened.client = await MongoClient.connect(opened.url);
    opened.db = opened.client.db(`contract_${new ObjectId().toHexString()}`);
    opened.close = async () => node?.close();
  });
  afterAll(async () => {
    await opened.db?.dropDatabase();
    await opened.client?.close();
    await opened.close?.();
    rmSync(directory, { recursive: true });
  });
  return {
    get url() {
      return opened.url as string;
    },
    get client() {
      return opened.client as MongoClient;
    },
    get db() {
      return opened.db as Db;
    },
    async fresh(documents = []) {
      const collection = (opened.db as Db).collection<Document>(`c${counter++}`);
      if (documents.length) await collection.insertMany(documents as Document[]);
      return collection;
    },
  };
};
