import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { NotLoopback, PortUnavailable, startEmbeddedMongoDB } from './index.js';

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-node-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('keeps its data from one start to the next', async () => {
  const first = await startEmbeddedMongoDB({ directory, port: 0 });
  const writer = await MongoClient.connect(first.url);
  await writer.db('a').collection('c').createIndex({ k: -1 });
  await writer
    .db('a')
    .collection<{ _id: string; k: number }>('c')
    .insertMany([
      { _id: 'x', k: 1 },
      { _id: 'y', k: 2 },
    ]);
  await writer.db('a').createCollection('checked', { validator: { n: { $gt: 0 } } });
  await writer.close();
  await first.close();
  await first.close();
  const second = await startEmbeddedMongoDB({ directory, port: first.port });
  expect(second.port).toBe(first.port);
  const reader = await MongoClient.connect(second.url);
  expect(
    await reader
      .db('a')
      .collection('c')
      .find({ k: { $gt: 0 } })
      .hint({ k: -1 })
      .toArray(),
  ).toEqual([
    { _id: 'y', k: 2 },
    { _id: 'x', k: 1 },
  ]);
  await expect(reader.db('a').collection('checked').insertOne({ n: 0 })).rejects.toMatchObject({ code: 121 });
  await reader.close();
  await second.close();
});

test('a port in use is named in the error, and the directory is free again', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const refusal = startEmbeddedMongoDB({ directory, port });
  await expect(refusal).rejects.toBeInstanceOf(PortUnavailable);
  await expect(refusal).rejects.toMatchObject({
    code: 'ERR_PORT_UNAVAILABLE',
    port,
    message: expect.stringContaining(String(port)),
  });
  await new Promise((resolve) => other.close(resolve));
  await (await startEmbeddedMongoDB({ directory, port: 0 })).close();
});

test.each(['0.0.0.0', '::', '192.168.0.1', 'example.org'])('listens on loopback only, not on %s', async (host) => {
  await expect(startEmbeddedMongoDB({ directory, port: 0, host })).rejects.toBeInstanceOf(NotLoopback);
});

test('open connections end when it closes, and their writes are finished or refused', async () => {
  const node = await startEmbeddedMongoDB({ directory, port: 0 });
  const client = new MongoClient(node.url, { serverSelectionTimeoutMS: 5_000, retryWrites: false });
  const collection = client.db('a').collection<{ _id: number }>('closing');
  const acknowledged: number[] = [];
  const writes = Promise.allSettled(
    Array.from({ length: 200 }, (_, index) => collection.insertOne({ _id: index }).then(() => acknowledged.push(index))),
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  await node.close();
  await writes;
  await client.close();
  const again = await startEmbeddedMongoDB({ directory, port: 0 });
  const reader = await MongoClient.connect(again.url);
  const there = new Set((await reader.db('a').collection<{ _id: number }>('closing').find().toArray()).map(({ _id }) => _id));
  expect(acknowledged.filter((index) => !there.has(index))).toEqual([]);
  await reader.close();
  await again.close();
});

test('closes during long reads', async () => {
  const node = await startEmbeddedMongoDB({ directory, port: 0 });
  const client = new MongoClient(node.url, { serverSelectionTimeoutMS: 5_000, retryReads: false });
  const collection = client.db('a').collection<{ _id: number }>('long');
  await collection.insertMany(Array.from({ length: 2000 }, (_, index) => ({ _id: index })));
  const cursor = collection.find({}, { batchSize: 5 });
  await cursor.next();
  const slow = {
    $lookup: { from: 'long', pipeline: [{ $match: { $expr: { $gte: [{ $add: ['$_id', 1] }, 0] } } }, { $count: 'n' }], as: 'n' },
  };
  const reads = Promise.allSettled(Array.from({ length: 4 }, () => collection.aggregate([slow]).toArray()));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await node.close();
  expect((await reads).every(({ status }) => status === 'rejected')).toBe(true);
  await client.close();
  await (await startEmbeddedMongoDB({ directory, port: 0 })).close();
});

test('documents expire by an index, immediately and after a restart', async () => {
  const own = mkdtempSync(join(tmpdir(), 'embedded-mongodb-ttl-'));
  const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1000);
  type Row = { _id: string; at?: Date | Date[] | string };
  const remaining = async (url: string, count: number): Promise<string[]> => {
    const client = await MongoClient.connect(url);
    const collection = client.db('a').collection<Row>('c');
    while ((await collection.countDocuments()) > count) await new Promise((resolve) => setTimeout(resolve, 20));
    // Another pass removes no more.
    const passes = async (): Promise<number> =>
      ((await client.db('a').command({ serverStatus: 1 })) as { metrics: { ttl: { passes: number } } }).metrics.ttl.passes;
    for (const before = await passes(); (await passes()) < before + 2;) await new Promise((resolve) => setTimeout(resolve, 20));
    const ids = (await collection.find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id);
    await client.close();
    return ids;
  };
  const first = await startEmbeddedMongoDB({ directory: own, port: 0, ttlMonitorSleepSecs: 0.02 });
  const client = await MongoClient.connect(first.url);
  const collection = client.db('a').collection<Row>('c');
  await collection.insertMany([
    { _id: 'old', at: ago(100) },
    { _id: 'young', at: ago(20) },
    { _id: 'future', at: ago(-100) },
    { _id: 'text', at: '2001-01-01' },
    { _id: 'none' },
    { _id: 'list', at: [ago(-100), ago(90)] },
  ]);
  await collection.createIndex({ at: -1 }, { expireAfterSeconds: 60, name: 'expiry' });
  expect(await remaining(first.url, 4)).toEqual(['future', 'none', 'text', 'young']);
  await client.db('a').command({ collMod: 'c', index: { name: 'expiry', expireAfterSeconds: 1_000_000 } });
  await collection.insertOne({ _id: 'again', at: ago(100) });
  expect(await remaining(first.url, 5)).toEqual(['again', 'future', 'none', 'text', 'young']);
  await client.db('a').command({ collMod: 'c', index: { name: 'expiry', expireAfterSeconds: 10 } });
  await client.close();
  await first.close();
  const second = await startEmbeddedMongoDB({ directory: own, port: 0, ttlMonitorSleepSecs: 0.02 });
  expect(await remaining(second.url, 3)).toEqual(['future', 'none', 'text']);
  await second.close();
  rmSync(own, { recursive: true });
});
