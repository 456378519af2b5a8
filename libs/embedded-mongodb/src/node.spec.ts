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

test('aggregates', async () => {
  const c = db.collection<{ _id: number; tier: string; minutes: number; tags: string[] }>('agg');
  await c.insertMany(Array.from({ length: 10 }, (_, index) => ({ _id: index, tier: `L${index % 3}`, minutes: index * 10, tags: ['a', `t${index % 2}`] })));
  expect(await c.countDocuments({ tier: 'L1' })).toBe(3);
  expect(await c.aggregate([{ $match: { minutes: { $gte: 20 } } }, { $group: { _id: '$tier', n: { $sum: 1 }, total: { $sum: '$minutes' }, mean: { $avg: '$minutes' } } }, { $sort: { _id: 1 } }]).toArray()).toEqual([
    { _id: 'L0', n: 3, total: 180, mean: 60 },
    { _id: 'L1', n: 2, total: 110, mean: 55 },
    { _id: 'L2', n: 3, total: 150, mean: 50 },
  ]);
  expect(await c.aggregate([{ $unwind: '$tags' }, { $sortByCount: '$tags' }, { $limit: 1 }]).toArray()).toEqual([{ _id: 'a', count: 10 }]);
  expect(await c.aggregate([{ $match: { _id: 3 } }, { $lookup: { from: 'agg', localField: 'tier', foreignField: 'tier', as: 'same' } }, { $project: { n: { $size: '$same' } } }]).toArray()).toEqual([{ _id: 3, n: 4 }]);
  expect(await c.aggregate([{ $facet: { low: [{ $match: { minutes: { $lt: 20 } } }, { $count: 'n' }], high: [{ $skip: 9 }] } }]).toArray()).toMatchObject([{ low: [{ n: 2 }], high: [{ _id: 9 }] }]);
  await expect(c.aggregate([{ $nonsense: 1 }]).toArray()).rejects.toMatchObject({ code: 40324 });
});
