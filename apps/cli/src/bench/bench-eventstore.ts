import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ANY, EventStoreDBClient, jsonEvent, START, type EventData } from '@eventstore/db-client';
import { open } from 'lmdb';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';

const ROUNDS = 3;
const ROUND_MS = 600;
const EVENTS_READ = 20_000;
const APPENDS_FOLLOWED = 1000;
const PADDING = 'x'.repeat(150);

/** Concurrent appends, and events in each. */
const LOADS = [
  { inFlight: 1, batch: 1 },
  { inFlight: 32, batch: 1 },
  { inFlight: 256, batch: 1 },
  { inFlight: 1, batch: 50 },
  { inFlight: 8, batch: 50 },
];

/**
 * The embedded EventStoreDB node through the real client: durable appends relative to a handler that stores nothing and to bare LMDB
 * transactions of the same bytes; reads relative to a handler that streams canned messages; delay until a subscriber has an event.
 */
export async function benchEventStore(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  const node = await startEmbeddedEventStoreDB({ directory: join(directory, 'events'), port: 0, systemStreams: false });
  const canned = new Worker(fileURLToPath(new URL('./canned-eventstore.js', import.meta.url)));
  const lmdb = open<Buffer, number>({ path: join(directory, 'bare'), encoding: 'binary', overlappingSync: false });
  const [cannedPort] = (await once(canned, 'message')) as [number];
  const real = EventStoreDBClient.connectionString(node.url);
  const none = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${cannedPort}?tls=false`);
  let key = 0;
  const bare = (events: number): void =>
    lmdb.transactionSync(() => {
      for (let n = 0; n < events; n++) lmdb.putSync(key++, BARE_RECORD);
    });
  try {
    for (const load of LOADS) {
      const rates = await inTurns({
        real: () => appendRate(real, load),
        none: () => appendRate(none, load),
        bare: () => Promise.resolve(rateOf(() => bare(load.inFlight * load.batch), load.inFlight * load.batch)),
      });
      const what = `${load.batch === 1 ? 'appends' : `appends of ${load.batch} events`}, ${load.inFlight} in flight`;
      print(
        what,
        `${rounded(rates.real)} events/s, ${share(rates.real, rates.none)} of a handler that keeps nothing (${rounded(rates.none)}), ${share(rates.real, rates.bare)} of bare LMDB commits (${rounded(rates.bare)})`,
      );
    }
    while ((await countAll(real)) < EVENTS_READ) await real.appendToStream('filling', Array.from({ length: 500 }, event));
    const reads = await inTurns({ real: () => readRate(real), none: () => readRate(none) });
    print('readAll', `${rounded(reads.real)} events/s, ${share(reads.real, reads.none)} of canned messages (${rounded(reads.none)})`);
    const catchUps = await inTurns({ real: () => catchUpRate(real), none: () => catchUpRate(none) });
    print(
      'catch-up of $all',
      `${rounded(catchUps.real)} events/s, ${share(catchUps.real, catchUps.none)} of canned messages (${rounded(catchUps.none)})`,
    );
    const delays = await subscriberDelays(real);
    print(
      'append to subscriber',
      `p50 ${delays.p50.toFixed(2)} ms, p99 ${delays.p99.toFixed(2)} ms; a bare LMDB commit takes ${(1000 / rateOf(() => bare(1), 1)).toFixed(2)} ms`,
    );
  } finally {
    await real.dispose();
    await none.dispose();
    await node.close();
    await lmdb.close();
    canned.postMessage('close');
    await canned.terminate();
    rmSync(directory, { recursive: true, force: true });
  }
}

const print = (what: string, figures: string): void => console.log(`eventstore ${what.padEnd(34)} ${figures}`);
const rounded = (rate: number): string => String(Math.round(rate));
const share = (rate: number, of: number): string => `${((rate / of) * 100).toFixed(0)} %`;

const event = (): EventData => jsonEvent({ type: 'written', data: { n: 1, padding: PADDING } });
/** Size of such an event in the node's log. */
const BARE_RECORD = Buffer.alloc(430, 'x');

/** The median of some rounds of each, taken in turns, so that a temporarily busy machine affects all of them. */
async function inTurns<K extends string>(measures: Readonly<Record<K, () => Promise<number>>>): Promise<Record<K, number>> {
  const rates = Object.fromEntries(Object.keys(measures).map((name) => [name, [] as number[]])) as Record<K, number[]>;
  const names = Object.keys(measures) as K[];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const name of names) {
      const rate = await measures[name]();
      // The first round warms up.
      if (round > 0) rates[name].push(rate);
    }
  }
  return Object.fromEntries(names.map((name) => [name, quantile(rates[name], 0.5)])) as Record<K, number>;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number;
}

/** Events per second of a synchronous write, over a round. */
function rateOf(write: () => void, events: number): number {
  const began = performance.now();
  let written = 0;
  do {
    write();
    written += events;
  } while (performance.now() - began < ROUND_MS);
  return (written / (performance.now() - began)) * 1000;
}

/** Acknowledged events per second; each writer appends to its own stream, as soon as its last append is answered. */
async function appendRate(client: EventStoreDBClient, { inFlight, batch }: (typeof LOADS)[number]): Promise<number> {
  const began = performance.now();
  let written = 0;
  const write = async (writer: number): Promise<void> => {
    const stream = `bench-${writer}-${Math.round(began)}`;
    while (performance.now() - began < ROUND_MS) {
      await client.appendToStream(stream, Array.from({ length: batch }, event), { expectedRevision: ANY });
      written += batch;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, writer) => write(writer)));
  return (written / (performance.now() - began)) * 1000;
}

async function countAll(client: EventStoreDBClient): Promise<number> {
  let events = 0;
  for await (const _event of client.readAll({ fromPosition: START, maxCount: EVENTS_READ })) events++;
  return events;
}

async function readRate(client: EventStoreDBClient): Promise<number> {
  const began = performance.now();
  const events = await countAll(client);
  return (events / (performance.now() - began)) * 1000;
}

async function catchUpRate(client: EventStoreDBClient): Promise<number> {
  const subscription = client.subscribeToAll({ fromPosition: START });
  const began = performance.now();
  let events = 0;
  for await (const _event of subscription) if (++events === EVENTS_READ) break;
  const rate = (events / (performance.now() - began)) * 1000;
  await subscription.unsubscribe().catch(() => undefined);
  return rate;
}

/** Milliseconds from an append until a subscriber to `$all` has the event, one append after another. */
async function subscriberDelays(client: EventStoreDBClient): Promise<{ p50: number; p99: number }> {
  const subscription = client.subscribeToAll({ fromPosition: 'end' });
  const arrived: Array<() => void> = [];
  subscription.on('data', () => arrived.shift()?.());
  await once(subscription, 'confirmation');
  const delays: number[] = [];
  for (let n = 0; n < APPENDS_FOLLOWED; n++) {
    const began = performance.now();
    const arrival = new Promise<void>((resolve) => void arrived.push(resolve));
    await Promise.all([
      client.appendToStream('followed', event(), { expectedRevision: ANY }),
      arrival.then(() => void delays.push(performance.now() - began)),
    ]);
  }
  await subscription.unsubscribe().catch(() => undefined);
  return { p50: quantile(delays, 0.5), p99: quantile(delays, 0.99) };
}
