import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, type Collection, type Document } from 'mongodb';
import { compilePackages } from '../compiled-packages.js';

/** What one client can do to the others: queries that take long, each with a time limit, and another client's pings meanwhile. */

type Row = { _id: number; [field: string]: unknown };
type Limit = { readonly maxTimeMS: number };

const LIMIT = 250;
const ROWS = 40_000;

const long = Array.from({ length: 12_000 }, (_, n) => n);

const packages = compilePackages();
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-hostile-'));
let server: ChildProcess;
let client: MongoClient;
let other: MongoClient;

beforeAll(async () => {
  const program = join(packages.folder('embedded-mongodb'), 'serve.js');
  writeFileSync(
    program,
    `import { startEmbeddedMongoDB } from './index.js';
     const node = await startEmbeddedMongoDB({ directory: process.argv[2], port: 0 });
     process.on('SIGTERM', () => void node.close().then(() => process.exit(0)));
     process.send(node.url);`,
  );
  server = fork(program, [directory]);
  const [url] = (await once(server, 'message')) as [string];
  [client, other] = [await MongoClient.connect(url, { retryReads: false }), await MongoClient.connect(url)];
  await client
    .db('hostile')
    .collection<Row>('one')
    .insertOne({ _id: 1, list: Array.from({ length: 200 }, (_, n) => n), text: 'a'.repeat(40_000), long });
  for (let from = 0; from < ROWS; from += 10_000)
    await client
      .db('hostile')
      .collection<Row>('many')
      .insertMany(
        Array.from({ length: 10_000 }, (_, n) => from + n).map((_id) => ({
          _id,
          k: (_id * 7919) % 40_009,
          g: _id % 1000,
          t: 'a'.repeat(20 + (_id % 10)) + (_id % 3 ? 'b' : ''),
        })),
      );
});
afterAll(async () => {
  await client.close();
  await other.close();
  if (server.exitCode === null && server.signalCode === null) server.kill('SIGKILL');
  rmSync(directory, { recursive: true });
  packages.remove();
});

const mapped = (depth: number): Document =>
  depth ? { $map: { input: '$list', as: `v${depth}`, in: mapped(depth - 1) } } : { $add: ['$$v1', '$$v2', '$$v3'] };
const project = (x: Document) => (one: Collection<Row>, _: Collection<Row>, limit: Limit) =>
  one.aggregate([{ $project: { x } }], limit).toArray();
const over = (pipeline: Document[]) => (_: Collection<Row>, many: Collection<Row>, limit: Limit) =>
  many.aggregate(pipeline, limit).toArray();

const queries: Readonly<Record<string, (one: Collection<Row>, many: Collection<Row>, limit: Limit) => Promise<unknown>>> = {
  'three $map, one within another': project(mapped(3)),
  '$reduce that gathers': project({
    $reduce: { input: { $range: [0, 100_000] }, initialValue: [], in: { $concatArrays: ['$$value', ['$$this']] } },
  }),
  '$sortArray within $map': project({ $map: { input: { $range: [0, 100_000] }, in: { $sortArray: { input: '$list', sortBy: -1 } } } }),
  'a pattern that backtracks': over([
    { $match: { t: /^(a|aa)+$/ } },
    { $unionWith: { coll: 'many', pipeline: [{ $match: { t: /(a+a+)+c/ } }] } },
  ]),
  'many values in one long array': (one, _, limit) => one.find({ long: { $all: long } }, limit).toArray(),
  'a lookup without an index': over([{ $lookup: { from: 'many', localField: 'g', foreignField: 'k', as: 'r' } }, { $count: 'n' }]),
  'a sort of a product': over([{ $set: { r: { $range: [0, 1000] } } }, { $unwind: '$r' }, { $sort: { k: 1, r: -1 } }]),
  'a group of a product': over([{ $set: { r: { $range: [0, 1000] } } }, { $unwind: '$r' }, { $group: { _id: '$g', n: { $sum: '$r' } } }]),
  'an update of all': (_, many, limit) => many.updateMany({ $expr: { $gte: ['$g', 0] } }, { $inc: { n: 1 } } as Document, limit as object),
  'a findAndModify that finds nothing': (_, many, limit) =>
    many.findOneAndUpdate({ $expr: { $eq: [{ $size: { $range: [0, { $add: ['$g', 500] }] } }, -1] } }, { $set: { z: 1 } }, limit),
};

test('a time limit ends everything that takes long, and others are served afterwards', async () => {
  const db = client.db('hostile');
  const lines: string[] = [];
  for (const [name, run] of Object.entries(queries)) {
    let done = false;
    const began = performance.now();
    const outcome = run(db.collection<Row>('one'), db.collection<Row>('many'), { maxTimeMS: LIMIT })
      .then(
        () => 'ended by itself',
        (error: unknown) => (error as { code?: unknown }).code,
      )
      .finally(() => (done = true));
    const pings: number[] = [];
    do {
      const sent = performance.now();
      await other.db('admin').command({ ping: 1 });
      pings.push(performance.now() - sent);
      await sleep(1);
    } while (!done);
    pings.sort((a, b) => a - b);
    const p99 = pings[Math.floor((pings.length - 1) * 0.99)] as number;
    lines.push(
      `${name.padEnd(36)} ${String(await outcome).padStart(15)} after ${(performance.now() - began).toFixed(0)} ms, p99 of ${pings.length} pings ${p99.toFixed(1)} ms`,
    );
    expect([50, 'ended by itself']).toContain(await outcome);
  }
  console.info(lines.join('\n'));
}, 300_000);

test('SIGTERM is obeyed while a query runs', async () => {
  const running = client
    .db('hostile')
    .collection('many')
    .aggregate([{ $set: { r: { $range: [0, 100_000] } } }, { $unwind: '$r' }, { $group: { _id: '$r' } }])
    .toArray()
    .catch(() => undefined);
  await other.db('admin').command({ ping: 1 });
  server.kill('SIGTERM');
  const [code] = (await once(server, 'exit')) as [number | null];
  expect(code).toBe(0);
  await running;
});
