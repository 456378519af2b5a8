import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { compilePackages } from '../../../test/compiled-packages.js';
import { DirectoryLocked, startEmbeddedMongoDB } from './index.js';

const packages = compilePackages();
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-crash-'));
const program = join(packages.folder('embedded-mongodb'), 'serve.js');
const children = new Set<ChildProcess>();

beforeAll(() => {
  writeFileSync(
    program,
    `import { startEmbeddedMongoDB } from './index.js';
     try {
       const { url, port } = await startEmbeddedMongoDB({ directory: process.argv[2], port: 0, thread: process.argv[3] === 'thread' });
       process.send({ url, port });
     } catch (error) {
       process.send({ code: error.code, message: error.message, pid: error.pid, held: error.directory });
       process.exit(1);
     }`,
  );
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
  packages.remove();
});

type Report = { readonly url?: string; readonly code?: string; readonly message?: string; readonly pid?: number; readonly held?: string };

const serve = (mode: 'thread' | 'process', where = directory): Promise<{ readonly child: ChildProcess; readonly report: Report }> =>
  new Promise((resolve, reject) => {
    // The options of this process would have the child load the modules of a test.
    const child = fork(program, [where, mode], { execArgv: [], env: {}, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    children.add(child);
    child.once('error', reject);
    child.once('message', (report) => resolve({ child, report: report as Report }));
  });

const kill = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => {
      children.delete(child);
      resolve();
    });
    child.kill('SIGKILL');
  });

test.each(['process', 'thread'] as const)('acknowledged writes are there after SIGKILL during writes (%s)', async (mode) => {
  const acknowledged = { singles: [] as number[], bulks: [] as number[], upserts: new Map<number, number>() };
  for (let round = 0; round < 4; round++) {
    const { child, report } = await serve(mode);
    const client = new MongoClient(report.url as string, { serverSelectionTimeoutMS: 2000, retryWrites: false });
    const db = client.db(`crash_${mode}`);
    if (round === 0) await db.collection('bulk').createIndex({ bulk: 1 });
    let alive = true;
    const until = (work: (n: number) => Promise<void>) => async (): Promise<void> => {
      for (let n = round * 100_000; alive; n++) {
        try {
          await work(n);
        } catch (error) {
          if (alive) throw error;
        }
      }
    };
    const writers = [
      until(async (n) => {
        await db.collection<{ _id: number }>('single').insertOne({ _id: n });
        acknowledged.singles.push(n);
      }),
      until(async (n) => {
        await db
          .collection<{ _id: string; bulk: number }>('bulk')
          .insertMany(Array.from({ length: 50 }, (_, index) => ({ _id: `${n}-${index}`, bulk: n })));
        acknowledged.bulks.push(n);
      }),
      until(async (n) => {
        const id = n % 7;
        await db
          .collection<{ _id: number; position: number }>('guarded')
          .bulkWrite([{ replaceOne: { filter: { _id: id, position: { $lt: n } }, replacement: { position: n }, upsert: true } }]);
        acknowledged.upserts.set(id, n);
      }),
    ].map((run) => run());
    // At a different moment in each round, but only after each kind of write has been acknowledged a few times.
    const enough = (): boolean => acknowledged.singles.length > 10 * (round + 1) && acknowledged.bulks.length > round;
    await setTimeout(100 + round * 70);
    while (!enough()) await setTimeout(7);
    alive = false;
    child.kill('SIGKILL');
    await Promise.all(writers);
    await client.close(true);
    if (child.exitCode === null && child.signalCode === null) await kill(child);
  }
  const { child, report } = await serve(mode);
  const client = await MongoClient.connect(report.url as string);
  const db = client.db(`crash_${mode}`);
  const singles = new Set((await db.collection<{ _id: number }>('single').find().toArray()).map(({ _id }) => _id));
  expect(acknowledged.singles.filter((n) => !singles.has(n))).toEqual([]);
  expect(acknowledged.singles.length).toBeGreaterThan(20);
  // An acknowledged bulk is there completely, another one as far as it got; the index agrees with the documents.
  const bulks = await db
    .collection('bulk')
    .aggregate<{ _id: number; n: number }>([{ $group: { _id: '$bulk', n: { $sum: 1 } } }])
    .toArray();
  const documents = new Map(bulks.map(({ _id, n }) => [_id, n]));
  expect(acknowledged.bulks.filter((n) => documents.get(n) !== 50)).toEqual([]);
  for (const { _id, n } of bulks) {
    const found = await db.collection<{ _id: string }>('bulk').find({ bulk: _id }).hint('bulk_1').toArray();
    expect(found.map((one) => one._id).sort()).toEqual(Array.from({ length: n }, (_, index) => `${_id}-${index}`).sort());
  }
  expect(await db.collection('bulk').estimatedDocumentCount()).toBe(bulks.reduce((sum, { n }) => sum + n, 0));
  for (const { _id, position } of await db.collection<{ _id: number; position: number }>('guarded').find().toArray())
    expect(position).toBeGreaterThanOrEqual(acknowledged.upserts.get(_id) ?? 0);
  await client.close();
  await kill(child);
});

test('SIGKILL during long work leaves complete documents and indexes', async () => {
  const own = mkdtempSync(join(tmpdir(), 'embedded-mongodb-crash-'));
  const { child, report } = await serve('process', own);
  const client = new MongoClient(report.url as string, { serverSelectionTimeoutMS: 2000, retryWrites: false });
  const db = client.db('long');
  await db.collection('c').createIndex({ round: 1 });
  for (const name of ['c', 'gone'])
    await db.collection(name).insertMany(Array.from({ length: 8000 }, (_, n) => ({ n, round: 0, tags: ['a', n] })));
  const work = Promise.allSettled([
    db.collection('c').updateMany({}, { $inc: { round: 1 }, $set: { copy: 'x'.repeat(50) } }),
    db.collection('c').createIndex({ tags: 1, n: 1 }),
    db.collection('gone').drop(),
    db
      .collection('c')
      .aggregate([{ $match: { n: { $gte: 0 } } }, { $out: 'copy' }])
      .toArray(),
  ]);
  // As soon as part of the update is visible, its end is not there yet.
  while (!(await db.collection('c').findOne({ round: 1 }))) await setTimeout(5);
  await kill(child);
  await work;
  await client.close(true);
  const second = await serve('process', own);
  const reader = await MongoClient.connect(second.report.url as string);
  const after = reader.db('long');
  expect(await after.command({ validate: 'c' })).toMatchObject({ valid: true, nrecords: 8000, errors: [] });
  const changed = await after.collection('c').countDocuments({ round: 1 });
  expect(changed).toBeGreaterThan(0);
  expect(await after.collection('c').countDocuments({ copy: { $exists: true } })).toBe(changed);
  // An index, and the result of `$out`, is there completely or not at all; nothing dropped is found.
  for (const { name } of await after.collection('c').indexes())
    expect(
      await after
        .collection('c')
        .find()
        .hint(name as string)
        .toArray(),
    ).toHaveLength(8000);
  expect((await after.listCollections().toArray()).map(({ name }) => name).filter((name) => name !== 'copy' && name !== 'gone')).toEqual([
    'c',
  ]);
  expect([0, 8000]).toContain(await after.collection('copy').countDocuments());
  expect([0, 8000]).toContain(await after.collection('gone').countDocuments());
  await reader.close();
  await kill(second.child);
  rmSync(own, { recursive: true });
});

test('a directory is locked by one node, and free as soon as its process is gone', async () => {
  const { child } = await serve('process');
  const other = await serve('process');
  expect(other.report).toMatchObject({ code: 'ERR_DIRECTORY_LOCKED', pid: child.pid, held: directory });
  expect(other.report.message).toContain(directory);
  expect(other.report.message).toContain(String(child.pid));
  await expect(startEmbeddedMongoDB({ directory, port: 0 })).rejects.toBeInstanceOf(DirectoryLocked);
  await kill(child);
  const again = await startEmbeddedMongoDB({ directory, port: 0 });
  await expect(startEmbeddedMongoDB({ directory, port: 0 })).rejects.toMatchObject({ code: 'ERR_DIRECTORY_LOCKED', pid: process.pid });
  await again.close();
});

test('a thread reports errors of the start', async () => {
  const { startEmbeddedMongoDB: start } = (await import(packages.entry('embedded-mongodb'))) as typeof import('./index.js');
  const own = mkdtempSync(join(tmpdir(), 'embedded-mongodb-thread-'));
  const node = await start({ directory: own, port: 0, thread: true });
  await expect(start({ directory: `${own}-other`, port: node.port })).rejects.toMatchObject({
    code: 'ERR_PORT_UNAVAILABLE',
    port: node.port,
  });
  await expect(start({ directory: own, port: 0 })).rejects.toMatchObject({ code: 'ERR_DIRECTORY_LOCKED', pid: process.pid });
  await expect(start({ directory: own, port: 0, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'ERR_NOT_LOOPBACK' });
  const client = await MongoClient.connect(node.url);
  await client.db('t').collection('c').insertOne({ a: 1 });
  await client.close();
  await node.close();
  const second = await start({ directory: own, port: node.port });
  const reader = await MongoClient.connect(second.url);
  expect(await reader.db('t').collection('c').countDocuments()).toBe(1);
  await reader.close();
  await second.close();
  rmSync(own, { recursive: true });
  rmSync(`${own}-other`, { recursive: true, force: true });
});
