import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import { connectMongo, type Mongo } from '#mongo';

type Db = Mongo['db'];
type Document = Record<string, unknown>;
type Collection = ReturnType<Db['collection']>;

/** Enough to hold up others if the node lets it. */
const DOCUMENTS = 100_000;
/** The time limit that ends a command, in milliseconds. */
const LIMIT = 200;

const nested = (depth: number): Document =>
  depth === 0 ? { $add: [1, 1] } : { $sum: { $map: { input: '$list', as: `v${depth}`, in: nested(depth - 1) } } };

type Work = (db: Db, options: { readonly maxTimeMS?: number }) => Promise<unknown>;
const work: Readonly<Record<string, Work>> = {
  'three $map within each other': (db, options) =>
    db
      .collection('one')
      .aggregate([{ $project: { n: nested(3) } }], options)
      .toArray(),
  'a condition of three $map': (db, options) => db.collection('one').countDocuments({ $expr: { $eq: [nested(3), 0] } }, options),
  '$regexFindAll in 40,000 letters': (db, options) =>
    db
      .collection('one')
      .aggregate([{ $project: { n: { $size: { $regexFindAll: { input: '$text', regex: /a/ } } } } }], options)
      .toArray(),
  'a pattern that backtracks over 20,000 texts': (db, options) => db.collection('texts').countDocuments({ t: /^(a|aa)+$/ }, options),
  'a sort of 100,000': (db, options) =>
    db
      .collection('many')
      .find({}, { ...options, sort: { t: 1 }, batchSize: 1 })
      .limit(DOCUMENTS - 1)
      .next(),
  'a group of 100,000': (db, options) =>
    db
      .collection('many')
      .aggregate([{ $group: { _id: '$t', n: { $sum: '$n' } } }, { $count: 'n' }], options)
      .toArray(),
  'an index of 100,000': async (db, options) => {
    await db.collection('many').createIndex({ t: 1 }, options);
    await db.collection('many').dropIndexes();
  },
  'an update of 100,000': (db, options) => db.collection('many').updateMany({}, { $inc: { n: 1 } }, options),
  'a deletion of 100,000': (db, options) => db.collection('many').deleteMany({ n: { $gte: 0 } }, options),
};

const fill = async (db: Db): Promise<void> => {
  const insert = async (collection: Collection, count: number, make: (n: number) => Document): Promise<void> => {
    for (let from = 0; from < count; from += 5000)
      await collection.insertMany(Array.from({ length: Math.min(5000, count - from) }, (_, n) => make(from + n)));
  };
  await insert(db.collection('one'), 1, () => ({ list: Array.from({ length: 200 }, (_, n) => n), text: 'ab'.repeat(20_000) }));
  await insert(db.collection('texts'), 20_000, (n) => ({ t: `${'a'.repeat(30 + (n % 10))}b` }));
  await insert(db.collection('many'), DOCUMENTS, (n) => ({ n, t: `key ${(n * 7919) % 100_003}` }));
};

/** The clients, in a separate process: one that works, and one that pings all the time. */
async function clients(url: string): Promise<void> {
  const [{ db }, { db: other }] = await Promise.all([connectMongo(url, 'turns'), connectMongo(url, 'turns')]);
  await fill(db);
  const tell = (message: string): void => void process.send?.(message);
  for (const [name, run] of Object.entries(work)) {
    let running = true;
    const waits: number[] = [];
    tell('begin');
    const done = run(db, {}).finally(() => (running = false));
    while (running) {
      const began = performance.now();
      await other.command({ ping: 1 });
      waits.push(performance.now() - began);
    }
    await done;
    const began = performance.now();
    const ended = await run(db, { maxTimeMS: LIMIT }).then(
      () => undefined,
      () => performance.now() - began,
    );
    waits.sort((a, b) => a - b);
    const at = (share: number): string => (waits[Math.floor(share * (waits.length - 1))] ?? 0).toFixed(0);
    const limit = ended === undefined ? 'done before its limit' : `ended ${(ended - LIMIT).toFixed(0)} ms after its limit`;
    tell(`${name}: ${waits.length} pings of another client, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms; ${limit}`);
  }
  void db
    .collection('one')
    .aggregate([{ $project: { n: nested(5) } }])
    .toArray()
    .catch(() => undefined);
  const isUnderWay = async (): Promise<boolean> => {
    const { inprog } = await other.admin().command({ currentOp: 1, 'command.aggregate': 'one' });
    return (inprog as readonly unknown[]).length > 0;
  };
  while (!(await isUnderWay()));
  tell('close');
}

/** Processor time of the current thread, in milliseconds. */
const processorTime = (): number => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1e6;

/**
 * How long others wait during large requests of a client of the embedded MongoDB node. On a busy machine the waits say most about the
 * machine; the longest stretch of the node's processor time without answering anyone does not.
 */
export async function benchTurns(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  const node = await startEmbeddedMongoDB({ directory, port: 0, thread: false });
  let longest = 0;
  let last = processorTime();
  let watching = true;
  const watch = (): void => {
    const now = processorTime();
    longest = Math.max(longest, now - last);
    last = now;
    if (watching) setImmediate(watch);
  };
  watch();
  const child = fork(fileURLToPath(import.meta.url), [node.url]);
  child.on('message', (message: string) => {
    if (message === 'begin') longest = 0;
    else if (message !== 'close') console.log(`turns      ${message}; longest stretch ${longest.toFixed(0)} ms of processor time`);
    else {
      const began = processorTime();
      void node.close().then(() => {
        console.log(`turns      the node stops within ${(processorTime() - began).toFixed(0)} ms of processor time while five $map run`);
        child.kill();
      });
    }
  });
  await once(child, 'exit');
  watching = false;
  await node.close();
  rmSync(directory, { recursive: true, force: true });
}

const [, script, url] = process.argv;
if (script === fileURLToPath(import.meta.url) && url !== undefined) await clients(url);
