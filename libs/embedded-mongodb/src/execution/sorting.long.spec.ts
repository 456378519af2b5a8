import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MongoClient, type Db, type Document } from 'mongodb';
import { Doc } from '../bson/values.js';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from '../index.js';
import { parseSort } from '../query/sort-order.js';
import { ScratchFile } from '../storage/scratch-file.js';
import { sorted } from './sorting.js';
import type { Source } from './source.js';

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-sorting-'));
const left = join(directory, 'sort-00000000-0000-4000-8000-000000000000.tmp');
let node: EmbeddedMongoDB;
let client: MongoClient;
let db: Db;

type Row = { readonly _id: number; readonly n: number; readonly text: string };
/** 3,000 rows of some 300 bytes in random order, each number twelve times: about 20 runs if a sort may hold 64 KB. */
const rows: readonly Row[] = Array.from({ length: 3000 }, (_, _id) => ({ _id, n: (_id * 7919) % 250, text: `${_id}`.padEnd(250, 'x') }));
const inOrder = rows.toSorted((a, b) => b.n - a.n || a._id - b._id).map(({ _id }) => _id);

beforeAll(async () => {
  writeFileSync(left, 'of a process that ended in the middle of a sort');
  node = await startEmbeddedMongoDB({ directory, port: 0, sortMemoryBytes: 64 * 1024 });
  client = await MongoClient.connect(node.url);
  db = client.db('sorting');
  await db.collection<Row>('rows').insertMany(rows as Row[]);
});
afterAll(async () => {
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

/** Scratch files that this process has open; only Linux reports them. */
const scratchFilesOpen = (): number | undefined => {
  if (!existsSync('/proc/self/fd')) return undefined;
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(join(directory, 'sort-'));
    } catch {
      return false;
    }
  }).length;
};
const expectNoScratchFiles = (): void => {
  expect(readdirSync(directory).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  expect(scratchFilesOpen() ?? 0).toBe(0);
};
const ids = (docs: readonly Document[]): unknown[] => docs.map(({ _id }) => _id);

test('a start removes the files of a process that ended during a sort', () => {
  expect(existsSync(left)).toBe(false);
});

test('a sort that exceeds its memory uses a file, has the same order as in memory, and leaves no file', async () => {
  const collection = db.collection<Row>('rows');
  expect(ids(await collection.find().sort({ n: -1 }).toArray())).toEqual(inOrder);
  expect(
    ids(
      await collection
        .find({}, { projection: { _id: 1 } })
        .sort({ n: -1 })
        .skip(7)
        .limit(1500)
        .toArray(),
    ),
  ).toEqual(inOrder.slice(7, 1507));
  expect(ids(await collection.aggregate([{ $set: { m: '$n' } }, { $sort: { m: -1, _id: 1 } }, { $limit: 2000 }]).toArray())).toEqual(
    inOrder.slice(0, 2000),
  );
  await db.createCollection('ordered', { viewOn: 'rows', pipeline: [{ $sort: { n: -1 } }] });
  expect(
    ids(
      await db
        .collection('ordered')
        .find({ n: { $gt: 100 } })
        .toArray(),
    ),
  ).toEqual(inOrder.filter((id) => (rows[id] as Row).n > 100));
  expectNoScratchFiles();
});

test('a large sort without disk use is refused, but not if it needs only a page', async () => {
  const collection = db.collection<Row>('rows');
  const refusal = { code: 292, codeName: 'QueryExceededMemoryLimitNoDiskUseAllowed' };
  await expect(collection.find().sort({ n: -1 }).allowDiskUse(false).toArray()).rejects.toMatchObject(refusal);
  await expect(collection.aggregate([{ $sort: { n: -1 } }], { allowDiskUse: false }).toArray()).rejects.toMatchObject(refusal);
  expect(ids(await collection.find().sort({ n: -1 }).allowDiskUse(false).limit(20).toArray())).toEqual(inOrder.slice(0, 20));
});

test('the file of a killed cursor or a failed query is closed', async () => {
  const collection = db.collection<Row>('rows');
  const cursor = collection.find().sort({ n: -1 }).batchSize(5);
  expect(ids([(await cursor.next()) as Row])).toEqual(inOrder.slice(0, 1));
  expect(scratchFilesOpen() ?? 1).toBe(1);
  await cursor.close();
  await expect(
    collection.aggregate([{ $sort: { n: -1 } }, { $set: { x: { $divide: [1, { $subtract: ['$n', 3] }] } } }]).toArray(),
  ).rejects.toMatchObject({ code: 2 });
  await expect(
    collection
      .aggregate([
        { $set: { a: { $cond: [{ $eq: ['$_id', 2900] }, [1], 1] }, b: { $cond: [{ $eq: ['$_id', 2900] }, [2], 1] } } },
        { $sort: { a: 1, b: 1 } },
      ])
      .toArray(),
  ).rejects.toMatchObject({ code: 2 });
  expectNoScratchFiles();
});

test('memory does not grow with the size of a sort', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const size = 100_000;
  const count = 400;
  const source = function* (): Source {
    for (let n = 0; n < count; n++) yield Doc.from({ n: (n * 149) % count, text: 'x'.repeat(size) });
  };
  let closed = false;
  const scratch = (): ScratchFile => {
    const file = new ScratchFile(directory);
    const close = file.close.bind(file);
    file.close = () => {
      closed = true;
      close();
    };
    return file;
  };
  const most = (count * size) / 4;
  const before = held();
  let next = 0;
  for (const row of sorted(source(), parseSort(Doc.from({ n: 1 })), { memoryBytes: 20 * size, scratch })) {
    if (!(row instanceof Doc)) continue;
    expect(row.get('n')).toBe(next++);
    // Unreferenced buffers are freed by another thread, which may be slow.
    if (next % 100 === 1) for (let tries = 0; tries < 500 && held() - before >= most; tries++) await pause(10);
    if (next % 100 === 1) expect(held() - before).toBeLessThan(most);
  }
  expect(next).toBe(count);
  expect(closed).toBe(true);
});
