import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Db } from 'mongodb';
import { startEmbeddedEventStoreDB } from '#embedded-eventstoredb';
import { startEmbeddedMongoDB } from '#embedded-mongodb';
import type { EventStore } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { connectMongo } from '../connect.js';

export interface TestDatabase {
  readonly url: string;
  readonly db: Db;
  /** Drops the database. */
  close(): Promise<void>;
}

/** A database of its own: on the server at MONGODB_URL, else on an embedded node. */
export async function openDatabase(): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'mongo-spec-'));
  const node = process.env['MONGODB_URL'] === undefined ? await startEmbeddedMongoDB({ directory, port: 0 }) : undefined;
  const url = node?.url ?? process.env['MONGODB_URL'] ?? '';
  const mongo = await connectMongo(url, `tierline_spec_${randomUUID().slice(0, 8)}`);
  return {
    url,
    db: mongo.db,
    close: async () => {
      await mongo.db.dropDatabase();
      await mongo.close();
      await node?.close();
      await rm(directory, { recursive: true });
    },
  };
}

export interface TestStore {
  readonly url: string;
  readonly store: EventStore;
  close(): Promise<void>;
}

/** The store at EVENTSTORE_URL, else on an embedded node. */
export async function openStore(): Promise<TestStore> {
  const directory = await mkdtemp(join(tmpdir(), 'store-spec-'));
  const node = process.env['EVENTSTORE_URL'] === undefined ? await startEmbeddedEventStoreDB({ directory, port: 0 }) : undefined;
  const url = node?.url ?? process.env['EVENTSTORE_URL'] ?? '';
  const store = EventStoreDB.connect(url);
  return {
    url,
    store,
    close: async () => {
      await store.close();
      await node?.close();
      await rm(directory, { recursive: true });
    },
  };
}
