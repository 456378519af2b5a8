import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { EventStore, type FeedFilter, type FeedItem, type Position } from '#eventsourcing';
import { describeEventStore, freshCategory, some } from '../../eventstoredb/src/testing/event-store-contract.js';
import { shareFeeds } from './shared-feeds.js';

import { eventually } from '../../../test/eventually.js';
import { testEvents, type TestEvents } from '../../../test/stores.js';

let server: TestEvents;
let foreign: EventStoreDBClient;
beforeAll(async () => {
  server = await testEvents();
  foreign = EventStoreDBClient.connectionString(server.eventStoreUrl);
});
afterAll(async () => {
  await foreign.dispose();
  await server.close();
});

/** The store, counting the subscriptions that are open on it. */
class Counted extends EventStore {
  open = 0;
  most = 0;
  constructor(private readonly store: EventStore) {
    super();
  }
  readStream = (...args: Parameters<EventStore['readStream']>) => this.store.readStream(...args);
  seal = (...args: Parameters<EventStore['seal']>) => this.store.seal(...args);
  append = (...args: Parameters<EventStore['append']>) => this.store.append(...args);
  end = () => this.store.end();
  has = (...args: Parameters<EventStore['has']>) => this.store.has(...args);
  eventAt = (...args: Parameters<EventStore['eventAt']>) => this.store.eventAt(...args);
  lastBefore = (...args: Parameters<EventStore['lastBefore']>) => this.store.lastBefore(...args);
  readAll = (...args: Parameters<EventStore['readAll']>) => this.store.readAll(...args);
  async *subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncGenerator<FeedItem> {
    this.most = Math.max(this.most, ++this.open);
    try {
      yield* this.store.subscribe(filter, after, signal);
    } finally {
      this.open--;
    }
  }
}

let contractStore: EventStore | undefined;
describeEventStore('with shared feeds', () => ({
  store: (contractStore ??= shareFeeds(server.store)),
  tombstone: async (stream) => void (await foreign.tombstoneStream(stream)),
  appendForeign: async (stream, type) =>
    void (await foreign.appendToStream(stream, [jsonEvent({ type, data: {}, metadata: { whose: 'not ours' } })])),
}));

describe('shared feeds', () => {
  const revisionsUntil = async (
    store: EventStore,
    filter: FeedFilter,
    after: Position | 'start',
    last: number,
    slow: (seen: number) => Promise<void> | undefined = () => undefined,
    onCaughtUp = () => {},
  ) => {
    const stop = new AbortController();
    const seen: number[] = [];
    let caughtUp = 0;
    for await (const item of store.subscribe(filter, after, stop.signal)) {
      if (item.kind === 'caught-up') {
        caughtUp++;
        onCaughtUp();
      }
      if (item.kind !== 'event') continue;
      seen.push(item.event.revision);
      await slow(seen.length);
      if (item.event.revision === last) stop.abort();
    }
    return { seen, caughtUp };
  };
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it('serve readers that begin together from one subscription, which ends with them', async () => {
    const stream = `${freshCategory()}-1`;
    const counted = new Counted(server.store);
    const store = shareFeeds(counted);
    await store.append(stream, 'no-stream', some(1_000));
    const reading = Promise.all(Array.from({ length: 4 }, () => revisionsUntil(store, { streamPrefixes: [stream] }, 'start', 1_099)));
    await store.append(stream, 999, some(100));
    for (const { seen } of await reading) expect(seen).toEqual(numbers(0, 1_099));
    expect(counted.most).toBe(1);
    await eventually(
      () => counted.open,
      (open) => open === 0,
    );
  });

  it('bring readers together that begin at different places', async () => {
    const stream = `${freshCategory()}-1`;
    const counted = new Counted(server.store);
    const store = shareFeeds(counted);
    await store.append(stream, 'no-stream', some(600));
    const places: (Position | 'start')[] = ['start'];
    for await (const { position } of store.readStream(stream)) places.push(position);
    const from = [400, 0, 599, 200];
    let live = 0;
    const reading = Promise.all(
      from.map((place) => revisionsUntil(store, { streamPrefixes: [stream] }, places[place] ?? 'start', 620, undefined, () => live++)),
    );
    await eventually(
      () => live,
      (readers) => readers === from.length,
    );
    for (let at = 599; at < 620; at++) await store.append(stream, at, some(1));
    const outcomes = await reading;
    outcomes.forEach(({ seen, caughtUp }, i) => {
      expect(seen).toEqual(numbers(from[i] ?? 0, 620));
      expect(caughtUp).toBe(1);
    });
    expect(counted.most).toBeGreaterThan(1);
  });

  it('a stalled reader does not hold up the others for long, and misses nothing', async () => {
    const category = freshCategory();
    const store = shareFeeds(server.store, { window: 200, stallMs: 100 });
    const count = 2_000;
    for (let i = 0; i < count; i += 1_000) await store.append(`${category}-1`, i === 0 ? 'no-stream' : i - 1, some(1_000));
    let wake = () => {};
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    const filter = { streamPrefixes: [`${category}-`] };
    const sleeper = revisionsUntil(store, filter, 'start', count - 1, (seen) => (seen === 10 ? asleep : undefined));
    const others = await Promise.all([
      revisionsUntil(store, filter, 'start', count - 1),
      revisionsUntil(store, filter, 'start', count - 1),
    ]);
    for (const { seen } of others) expect(seen).toEqual(numbers(0, count - 1));
    wake();
    expect((await sleeper).seen).toEqual(numbers(0, count - 1));
  });
});
