import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import { EventStoreDB } from '#eventstoredb';
import { type Closable, opening } from '#local';
import { connectMongo, type Mongo } from '#mongo';
import { AttachmentKeys, forgetErased, MasterKeyFile, PersonalEvents, PersonalKeys } from '#privacy';
import { PATIENCE_MS } from './eventually.js';

/** No append is given up because the machine is busy. */
const PATIENT = { patienceMs: PATIENCE_MS, attemptMs: PATIENCE_MS / 3 };

/** What a test has opened, to be closed the other way round. */
interface Opened extends Closable {
  /** Something more to close, before what was opened before it. */
  onClose(close: () => Promise<unknown>): void;
}

export interface TestEvents extends Opened {
  readonly eventStoreUrl: string;
  readonly store: EventStoreDB;
}

export interface TestViews extends Opened {
  readonly mongodbUrl: string;
  readonly mongo: Mongo;
}

export interface TestStores extends TestEvents, TestViews {
  /** A folder of the test's own. */
  readonly directory: string;
}

/** What a store that other tests use too would get in the way of. */
interface Where {
  /** On embedded nodes that hold nothing else, whatever servers are configured. */
  readonly empty?: boolean;
}

/** Both stores, as `testEvents` and `testViews` have them. */
export async function testStores(where: Where = {}): Promise<TestStores> {
  return opening(async (onClose) => {
    const directory = await temporaryDirectory(onClose);
    const eventStoreUrl = await eventStore(onClose, directory, where);
    const mongodbUrl = await mongoDB(onClose, directory, where);
    return {
      directory,
      eventStoreUrl,
      mongodbUrl,
      store: connected(onClose, eventStoreUrl),
      mongo: await ownDatabase(onClose, mongodbUrl),
      onClose,
    };
  });
}

/** The event store as another process has it that encrypts personal data. */
export async function storeWithKeys({
  directory,
  eventStoreUrl,
  mongo,
  onClose,
}: TestStores): Promise<{ store: EventStoreDB; keys: PersonalKeys; attachments: AttachmentKeys }> {
  const keys = await PersonalKeys.open(mongo, await MasterKeyFile.open(join(directory, 'personal-key')));
  const attachments = await AttachmentKeys.open(mongo, keys);
  const store = EventStoreDB.connect(eventStoreUrl, { ...PATIENT, personal: new PersonalEvents(keys, attachments) });
  onClose(() => store.close());
  const closing = new AbortController();
  void forgetErased(store, closing.signal);
  onClose(async () => closing.abort());
  return { store, keys, attachments };
}

/** The event store at TIERLINE_EVENTSTORE_URL, which other tests use too; else an embedded node. */
export async function testEvents(where: Where = {}): Promise<TestEvents> {
  return opening(async (onClose) => {
    const eventStoreUrl = await eventStore(onClose, await temporaryDirectory(onClose), where);
    return { eventStoreUrl, store: connected(onClose, eventStoreUrl), onClose };
  });
}

/** A database of its own, dropped at the end: on the server at TIERLINE_MONGODB_URL, else on an embedded node. */
export async function testViews(where: Where = {}): Promise<TestViews> {
  return opening(async (onClose) => {
    const mongodbUrl = await mongoDB(onClose, await temporaryDirectory(onClose), where);
    return { mongodbUrl, mongo: await ownDatabase(onClose, mongodbUrl), onClose };
  });
}

type OnClose = Opened['onClose'];

async function temporaryDirectory(onClose: OnClose): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tierline-spec-'));
  onClose(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function eventStore(onClose: OnClose, directory: string, { empty = false }: Where): Promise<string> {
  const configured = process.env['TIERLINE_EVENTSTORE_URL'] ?? process.env['EVENTSTORE_URL'];
  if (configured && !empty) return configured;
  const node = await startEmbeddedEventStoreDB({ directory: join(directory, 'eventstoredb'), port: 0 });
  onClose(() => node.close());
  return node.url;
}

async function mongoDB(onClose: OnClose, directory: string, { empty = false }: Where): Promise<string> {
  const configured = process.env['TIERLINE_MONGODB_URL'] ?? process.env['MONGODB_URL'];
  if (configured && !empty) return configured;
  const node = await startEmbeddedMongoDB({ directory: join(directory, 'mongodb'), port: 0 });
  onClose(() => node.close());
  return node.url;
}

function connected(onClose: OnClose, url: string): EventStoreDB {
  const store = EventStoreDB.connect(url, PATIENT);
  onClose(() => store.close());
  return store;
}

async function ownDatabase(onClose: OnClose, url: string): Promise<Mongo> {
  const mongo = await connectMongo(url, `tierline_spec_${randomUUID().slice(0, 8)}`);
  onClose(() => mongo.close());
  onClose(() => mongo.db.dropDatabase());
  return mongo;
}
