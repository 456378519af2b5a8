import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient, type Db } from 'mongodb';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';

let node: EmbeddedMongoDB;
let client: MongoClient;
let db: Db;
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-'));

beforeAll(async () => {
  node = await startEmbeddedMongoDB({ directory, port: 0 });
  client = await MongoClient.connect(node.url);
  db = client.db('contract');
});
afterAll(async () => {
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

test('writes and reads', async () => {
  const c = db.collection<{ _id: string; position: number; tags?: string[] }>('a');
  await c.insertMany([{ _id: 'x', position: 1 }, { _id: 'y', position: 2, tags: ['b', 'a'] }]);
  expect(await c.find().toArray()).toEqual([{ _id: 'x', position: 1 }, { _id: 'y', position: 2, tags: ['b', 'a'] }]);
  expect(await c.find({ tags: 'a' }, { projection: { _id: 0, position: 1 } }).toArray()).toEqual([{ position: 2 }]);
  expect(await c.updateOne({ _id: 'x', position: { $lt: 5 } }, { $set: { position: 5 }, $push: { tags: 'new' } })).toMatchObject({ matchedCount: 1, modifiedCount: 1 });
  const failed = await c.bulkWrite([{ replaceOne: { filter: { _id: 'x', position: { $lt: 5 } }, replacement: { position: 5 }, upsert: true } }, { replaceOne: { filter: { _id: 'z', position: { $lt: 5 } }, replacement: { position: 5 }, upsert: true } }], { ordered: false }).catch((error) => error);
  expect(failed.writeErrors[0]).toMatchObject({ index: 0, code: 11000 });
  expect(failed.result.upsertedCount).toBe(1);
  expect(await c.estimatedDocumentCount()).toBe(3);
  expect(await c.distinct('tags')).toEqual(['a', 'b', 'new']);
});
