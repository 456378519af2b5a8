import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { eventually, PATIENCE_MS } from '../../../test/eventually.js';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-connections-'));
let node: EmbeddedMongoDB;
const sockets: Socket[] = [];
const client = (url: string) => new MongoClient(url, { maxPoolSize: 1, serverSelectionTimeoutMS: PATIENCE_MS });

beforeEach(async () => {
  node = await startEmbeddedMongoDB({ directory, port: 0, maxConnections: 20 });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Idle connections. */
const idle = (count: number) =>
  Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Socket>((resolve, reject) => {
          const socket = connect(node.port, '127.0.0.1', () => resolve(socket)).on('error', reject);
          sockets.push(socket);
        }),
    ),
  );

test('idle connections shut out no one, and active ones are not closed', async () => {
  const known = client(node.url);
  let closed = 0;
  known.on('connectionClosed', () => closed++);
  await known.db('a').collection('c').insertOne({ a: 1 });
  const strangers = await idle(50);
  const newcomer = client(node.url);
  try {
    expect(await newcomer.db('a').collection('c').countDocuments()).toBe(1);
    expect(await known.db('a').collection('c').countDocuments()).toBe(1);
    expect(closed).toBe(0);
    const { connections } = await newcomer.db('admin').command({ serverStatus: 1 });
    expect(connections.current).toBeLessThanOrEqual(20);
    await eventually(() => strangers.some(({ destroyed, readable }) => destroyed || !readable), Boolean);
  } finally {
    await newcomer.close();
    await known.close();
  }
});
