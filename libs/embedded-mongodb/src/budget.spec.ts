import { MongoClient, type Db, type Document } from 'mongodb';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';

/** Time limits end every kind of work; patterns take time in proportion to the text. */

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-budget-'));
let node: EmbeddedMongoDB;
let client: MongoClient;
let db: Db;
beforeAll(async () => {
  node = await startEmbeddedMongoDB({ directory, port: 0 });
  client = await MongoClient.connect(node.url);
  db = client.db('budget');
  await db.collection('one').insertOne({ list: Array.from({ length: 200 }, (_, n) => n) });
});
afterAll(async () => {
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

const nested = (depth: number): Document =>
  depth === 0 ? { $add: [1, 1] } : { $sum: { $map: { input: '$list', as: `v${depth}`, in: nested(depth - 1) } } };

test.each<readonly [string, Document[]]>([
  ['$map within $map', [{ $project: { sum: nested(4) } }]],
  ['$map in a condition', [{ $match: { $expr: { $eq: [nested(4), 0] } } }]],
  [
    '$reduce',
    [
      {
        $project: {
          all: { $reduce: { input: { $range: [0, 100_000] }, initialValue: [], in: { $concatArrays: ['$$value', ['$$this']] } } },
        },
      },
    ],
  ],
  [
    '$filter within $map',
    [
      {
        $project: {
          x: {
            $map: { input: { $range: [0, 1_000_000] }, as: 'a', in: { $filter: { input: '$list', as: 'b', cond: { $gt: ['$$b', 5] } } } },
          },
        },
      },
    ],
  ],
])('a time limit ends %s', async (_, pipeline) => {
  const began = performance.now();
  await expect(db.collection('one').aggregate(pipeline, { maxTimeMS: 100 }).toArray()).rejects.toMatchObject({ code: 50 });
  // Without a limit each of these takes minutes.
  expect(performance.now() - began).toBeLessThan(10_000);
  // What follows has its own time.
  expect(
    await db
      .collection('one')
      .aggregate([{ $project: { n: nested(2) } }])
      .toArray(),
  ).toMatchObject([{ n: 80_000 }]);
});

test('$regexFindAll takes time in proportion to the text', async () => {
  const collection = db.collection('texts');
  await collection.insertOne({ text: 'a😀'.repeat(100_000) });
  const [found] = await collection
    .aggregate<{ last: Document; n: number }>([
      { $set: { all: { $regexFindAll: { input: '$text', regex: /a/ } } } },
      { $project: { n: { $size: '$all' }, last: { $last: '$all' } } },
    ])
    .toArray();
  expect(found).toMatchObject({ n: 100_000, last: { match: 'a', idx: 199_998, captures: [] } });
});

test('a pattern that backtracks without end is matched in linear time', async () => {
  const collection = db.collection('runaway');
  await collection.insertMany(
    Array.from({ length: 2_000 }, (_, n) => ({ _id: n, t: `${'a'.repeat(30 + (n % 10))}${n % 4 ? 'b' : ''}` }) as never),
  );
  expect(await collection.countDocuments({ t: /^(a|aa)+$/ })).toBe(500);
  expect(await collection.countDocuments({ t: /^(a+)+b$/ })).toBe(1_500);
  expect(await collection.countDocuments({ t: { $not: /^(?:a|A)*B$/i } })).toBe(500);
  await collection.insertOne({ _id: -1 as never, t: `${'a'.repeat(5)}\n` });
  expect(await collection.countDocuments({ _id: -1 as never, t: /^(a|aa)+$/ })).toBe(1);
});

test('a sort of many documents lets others have the thread', async () => {
  const collection = db.collection('sorted');
  await collection.insertMany(Array.from({ length: 20_000 }, (_, n) => ({ _id: n, k: (n * 7919) % 20_011 }) as never));
  const other = await MongoClient.connect(node.url);
  await other.db('admin').command({ ping: 1 });
  let sorting = true;
  let pings = 0;
  const sort = collection
    .find()
    .sort({ k: 1 })
    .toArray()
    .finally(() => (sorting = false));
  while (sorting) {
    await other.db('admin').command({ ping: 1 });
    pings++;
  }
  const keys = (await sort).map(({ k }) => k as number);
  expect(keys).toEqual(keys.toSorted((a, b) => a - b));
  expect(pings).toBeGreaterThan(5);
  await other.close();
});
