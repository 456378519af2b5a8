import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import { connectMongo, type Mongo } from '#mongo';

const BULK = 500;
const UPSERTS = 20_000;
const READS = 5_000;
const QUEUE = 100_000;
const PAGE = 50;
const PAGES = 2_000;
/** Unmeasured pages at the start. */
const WARM_UP = 3_000;
const MEASUREMENTS = 1_000_000;

type Db = Mongo['db'];

const tiers = ['L0', 'L1', 'L2', 'L3', 'L4'];
const clients = ['northwind', 'contoso', 'fabrikam', 'tailspin'];

/** One figure: its name, value and reference. */
interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same figure for a bare operation, measured in turns with it. */
  readonly beside: string;
}

/**
 * The embedded MongoDB node as used by read models and reporting jobs. If TIERLINE_MONGODB_URL is set, the same on that server, in a
 * separate database that is dropped, and the embedded node's figures relative to the server's.
 */
export async function benchMongoDB(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  const node = await startEmbeddedMongoDB({ directory, port: 0 });
  try {
    const embedded = await measure(node.url, 'embedded');
    const other = process.env['TIERLINE_MONGODB_URL'] ?? process.env['MONGODB_URL'];
    if (other === undefined) return;
    const real = await measure(other, 'server');
    for (const [index, { name, value, unit }] of embedded.entries())
      console.log(`mongodb    ${name}: ${(value / (real[index] as Figure).value).toFixed(2)} of the server's ${unit}`);
  } finally {
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(url: string, which: string): Promise<readonly Figure[]> {
  const mongo = await connectMongo(url, `tierline_bench_${process.pid}`);
  const { db } = mongo;
  const figures: Figure[] = [];
  try {
    for (const work of [guardedUpserts, pointReads, queuePages, kpiAggregation]) {
      for (const figure of await work(db)) {
        figures.push(figure);
        const { name, value, unit, beside } = figure;
        console.log(`mongodb    ${which} ${name}: ${value < 100 ? value.toFixed(2) : Math.round(value)} ${unit}; ${beside}`);
      }
    }
  } finally {
    await db.dropDatabase();
    await mongo.close();
  }
  return figures;
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};

/** A projector's writes: each document replaced if it is older than the event's position. For comparison, bare inserts of the same size. */
async function guardedUpserts(db: Db): Promise<readonly Figure[]> {
  const guarded = db.collection<{ _id: string; position: number }>('guarded');
  const bare = db.collection<{ _id: string }>('bare');
  await guarded.createIndex({ tier: 1, openedAt: 1 });
  await bare.createIndex({ tier: 1, openedAt: 1 });
  let [upserting, inserting] = [0, 0];
  for (let from = 0; from < UPSERTS; from += BULK) {
    const bulk = Array.from({ length: BULK }, (_, index) => ticket(from + index));
    inserting += await seconds(() => bare.insertMany(bulk, { ordered: false }));
    upserting += await seconds(() =>
      guarded.bulkWrite(
        bulk.map(({ _id, ...body }, index) => ({
          // Half of them find an existing document.
          replaceOne: {
            filter: { _id: `t${(from + index) % (UPSERTS / 2)}`, position: { $lt: from + index } },
            replacement: { ...body, position: from + index },
            upsert: true,
          },
        })),
        { ordered: false },
      ),
    );
  }
  return [
    {
      name: 'guarded upserts, bulks of 500',
      value: UPSERTS / upserting,
      unit: 'per second',
      beside: `bare inserts take ${((inserting / upserting) * 100).toFixed(0)} % of that time`,
    },
  ];
}

/** One at a time, so that the round trip is measured; for comparison the same round trip with nothing at its end. */
async function pointReads(db: Db): Promise<readonly Figure[]> {
  const collection = db.collection<{ _id: string }>('bare');
  let [reading, pinging] = [0, 0];
  for (let from = 0; from < READS; from += 500) {
    reading += await seconds(async () => {
      for (let index = from; index < from + 500; index++)
        if (!(await collection.findOne({ _id: `t${(index * 7919) % UPSERTS}` }))) throw new Error(`t${index} is not there`);
    });
    pinging += await seconds(async () => {
      for (let index = 0; index < 500; index++) await db.command({ ping: 1 });
    });
  }
  return [
    {
      name: 'point reads by _id, 1 at a time',
      value: READS / reading,
      unit: 'per second',
      beside: `pings take ${((pinging / reading) * 100).toFixed(0)} % of that time`,
    },
  ];
}

/** The pages that a support desk reads: the open tickets of a tier and a client, by their deadline. */
async function queuePages(db: Db): Promise<readonly Figure[]> {
  const queue = db.collection<{ _id: string }>('queue');
  await queue.createIndex({ tier: 1, client: 1, openedAt: 1 });
  for (let from = 0; from < QUEUE; from += 5000)
    await queue.insertMany(
      Array.from({ length: 5000 }, (_, index) => ticket(from + index)),
      { ordered: false },
    );
  const pages: number[] = [];
  const pings: number[] = [];
  // The first pages are not measured: their code is still being compiled.
  for (let n = -WARM_UP; n < PAGES; n++) {
    let page: readonly unknown[] = [];
    const paging = await seconds(async () => {
      page = await queue
        .find({ tier: at(tiers, n), client: at(clients, n), openedAt: { $gte: new Date(openedAt((Math.abs(n) * 37) % (QUEUE / 2))) } })
        .sort({ openedAt: 1 })
        .limit(PAGE)
        .toArray();
    });
    if (page.length !== PAGE) throw new Error(`a page of ${page.length}`);
    const pinging = await seconds(() => db.command({ ping: 1 }));
    if (n < 0) continue;
    pages.push(paging * 1000);
    pings.push(pinging * 1000);
  }
  const quantile = (times: readonly number[], share: number): number =>
    times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] as number;
  return [0.5, 0.99].map((share) => ({
    name: `page of ${PAGE} of ${QUEUE} tickets, p${share * 100}`,
    value: quantile(pages, share),
    unit: 'ms',
    beside: `p${share * 100} of pings in turns with them: ${quantile(pings, share).toFixed(2)} ms`,
  }));
}

/** A monthly KPI over small documents, grouped by tier with median and 95th percentile; for comparison a scan that only tests a field. */
async function kpiAggregation(db: Db): Promise<readonly Figure[]> {
  const collection = db.collection<{ _id: number }>('durations');
  for (let from = 0; from < MEASUREMENTS; from += 10_000)
    await collection.insertMany(
      Array.from({ length: 10_000 }, (_, index) => ({
        _id: from + index,
        tier: at(tiers, from + index),
        month: (from + index) % 12,
        minutes: ((from + index) * 7919) % 10_007,
      })),
      { ordered: false },
    );
  let rows: readonly unknown[] = [];
  const grouping = await seconds(async () => {
    rows = await collection
      .aggregate([
        { $match: { month: { $gte: 6 } } },
        {
          $group: {
            _id: '$tier',
            tickets: { $sum: 1 },
            mean: { $avg: '$minutes' },
            longest: { $max: '$minutes' },
            percentiles: { $percentile: { input: '$minutes', p: [0.5, 0.95], method: 'approximate' } },
          },
        },
        { $sort: { _id: 1 } },
      ])
      .toArray();
  });
  if (rows.length !== tiers.length) throw new Error(`${rows.length} groups`);
  const scanning = await seconds(() => collection.countDocuments({ minutes: -1 }));
  return [
    {
      name: `KPI of ${MEASUREMENTS} documents`,
      value: MEASUREMENTS / grouping,
      unit: 'documents per second',
      beside: `${grouping.toFixed(1)} s; a scan that tests one field takes ${((scanning / grouping) * 100).toFixed(0)} % of that time`,
    },
  ];
}

const at = (list: readonly string[], n: number): string => list[Math.abs(n) % list.length] as string;
const openedAt = (n: number): number => Date.UTC(2026, 0, 1) + n * 60_000;

/** A row of a tier's queue, some 300 bytes. */
const ticket = (n: number) => ({
  _id: `t${n}`,
  client: at(clients, Math.floor(n / tiers.length)),
  tier: at(tiers, n),
  status: 'open',
  priority: at(['low', 'medium', 'high', 'critical'], n),
  summary: `Cannot print invoices from the second floor, ${n}`,
  openedAt: new Date(openedAt(n)),
  assignee: n % 3 === 0 ? null : { id: `agent-${n % 50}`, name: 'Ada Lovelace' },
  escalations: n % 4,
});
