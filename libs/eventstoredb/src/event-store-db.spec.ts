import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent, NotLeaderError } from '@eventstore/db-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { instantFrom, StoreUnavailable } from '#eventsourcing';
import { eventually, PATIENCE_MS } from '../../../test/eventually.js';
import { EventStoreDB } from './event-store-db.js';
import { cuttableLine, type CuttableLine } from './testing/cuttable-line.js';
import { startFollower } from './testing/follower.js';
import { collect, describeEventStore, freshCategory, some } from './testing/event-store-contract.js';

const serverUrl = process.env['TIERLINE_EVENTSTORE_URL'] ?? process.env['EVENTSTORE_URL'];
let directory: string;
let node: EmbeddedEventStoreDB | undefined;
let store: EventStoreDB;
let url: string;
let foreign: EventStoreDBClient;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'eventstoredb-spec-'));
  if (serverUrl === undefined) node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  url = serverUrl ?? node?.url ?? '';
  store = EventStoreDB.connect(url);
  // Only for what does not go by BatchAppend: two clients in one process can upset each other's.
  foreign = EventStoreDBClient.connectionString(url);
});

afterAll(async () => {
  await store.close();
  await foreign.dispose();
  await node?.close();
  await rm(directory, { recursive: true });
});

describeEventStore(serverUrl === undefined ? 'the embedded node' : 'the configured server', () => ({
  store,
  tombstone: async (stream) => void (await foreign.tombstoneStream(stream)),
  appendForeign: async (stream, type) =>
    void (await foreign.appendToStream(stream, [jsonEvent({ type, data: { of: 'another program' }, metadata: { whose: 'not ours' } })])),
}));

/** On a node whose clock the test sets. */
describe('where a time is in the log', () => {
  const HOUR = 3_600_000;
  const began = Date.parse('2026-11-02T00:00:00Z');
  const realNow = Date.now;
  let clock = began;
  let folder: string;
  let own: EmbeddedEventStoreDB;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'eventstoredb-spec-'));
    // The node keeps the function.
    Date.now = () => clock;
    own = await startEmbeddedEventStoreDB({ directory: folder, port: 0, thread: false }).finally(() => (Date.now = realNow));
  });
  afterAll(async () => {
    await own.close();
    await rm(folder, { recursive: true });
  });

  it('is found from the landmarks as from the end, also where the clock steps back, and landmarks are missing or gone', async () => {
    const writer = EventStoreDBClient.connectionString(own.url);
    const plain = EventStoreDB.connect(own.url);
    const guided = EventStoreDB.connect(own.url, { landmarks: 'landmarks-1' });
    const other = EventStoreDB.connect(own.url, { landmarks: 'landmarks-2' });
    try {
      for (let hour = 0; hour < 20; hour++) {
        for (let part = 0; part < 3; part++) {
          clock = began + hour * HOUR + part * 1_200_000 - (part % 2) * 20_000;
          await plain.append(`${freshCategory()}-1`, 'no-stream', some(2));
        }
        clock -= 30_000;
        // None for a night.
        if (hour < 8 || hour > 12) await writer.appendToStream('landmarks-1', jsonEvent({ type: 'Landmark', data: {} }));
      }
      const times = Array.from({ length: 24 }, (_, index) => instantFrom(began - HOUR + index * 0.85 * HOUR));
      const found = async (store: EventStoreDB) => Promise.all(times.map((time) => store.lastBefore(time)));
      const expected = await found(plain);
      expect(new Set(expected.map((place) => (place === 'start' ? place : place.commit))).size).toBeGreaterThan(20);
      expect(await found(guided)).toEqual(expected);
      expect(await found(other)).toEqual(expected);
      await writer.setStreamMetadata('landmarks-1', { truncateBefore: 10 });
      expect(await found(guided)).toEqual(expected);
      await writer.tombstoneStream('landmarks-1');
      expect(await found(guided)).toEqual(expected);
    } finally {
      await writer.dispose();
      for (const store of [plain, guided, other]) await store.close();
    }
  });
});

/** The same store over a line that breaks. Needs to know the server's port, so it runs on plain `esdb://host:port` URLs only. */
describe('when the line to the server breaks', () => {
  let line: CuttableLine;
  let remote: EventStoreDB;
  let retried: string[];
  let stream: string;

  const over = (port: number, options = {}) =>
    EventStoreDB.connect(url.replace(/@?[^@/]+:\d+/, `127.0.0.1:${port}`), {
      patienceMs: PATIENCE_MS,
      attemptMs: 2_000,
      onRetry: (what) => retried.push(what),
      ...options,
    });

  /** Until something had to be tried again. */
  const retrying = () =>
    eventually(
      () => retried.length,
      (count) => count > 0,
    );

  beforeEach(async () => {
    line = await cuttableLine(Number(new URL(url.replace('esdb:', 'http:')).port));
    retried = [];
    remote = over(line.port);
    stream = `${freshCategory()}-1`;
  });
  afterEach(async () => {
    await remote.close();
    await line.close();
  });

  it('an append is repeated until it is done, once', async () => {
    await remote.append(stream, 'no-stream', some(1));
    await line.cut();
    const appending = Promise.all(Array.from({ length: 50 }, (_, i) => remote.append(`${stream}-${i}`, 'no-stream', some(2))));
    await retrying();
    await line.mend();
    expect((await appending).every(({ revision }) => revision === 1)).toBe(true);
    for (const i of [0, 49]) expect((await collect(store.readStream(`${stream}-${i}`))).length).toBe(2);
  });

  it('appends that are cut off in flight are each done once', async () => {
    const appends: Promise<unknown>[] = [];
    for (let i = 0; i < 300; i++) {
      appends.push(remote.append(`${stream}-${i}`, 'no-stream', some(1)));
      if (i % 60 === 30) await line.cut().then(() => line.mend());
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(appends);
    const events = await collect(store.readAll({ streamPrefixes: [`${stream}-`] }));
    expect(new Set(events.map((event) => event.stream)).size).toBe(300);
    expect(events.length).toBe(300);
  });

  it('an append that is never answered is repeated on a new call, and so is what is read meanwhile', async () => {
    await remote.append(stream, 'no-stream', some(1));
    line.freeze();
    const reading = Promise.all([collect(remote.readStream(stream)), remote.end()]);
    const appending = remote.append(stream, 0, some(1));
    await retrying();
    await line.mend();
    expect((await appending).revision).toBe(1);
    expect((await collect(store.readStream(stream))).length).toBe(2);
    const [read, end] = await reading;
    expect([read.length > 0, end]).toEqual([true, expect.anything()]);
    expect(end).not.toBe('start');
  });

  it('gives up after its patience, and works again later', async () => {
    const impatient = over(line.port, { patienceMs: 300 });
    await line.cut();
    await expect(impatient.append(stream, 'no-stream', some(1))).rejects.toThrow(StoreUnavailable);
    await expect(collect(impatient.readStream(stream))).rejects.toThrow(StoreUnavailable);
    await expect(collect(impatient.readAll({ streamPrefixes: [stream] }))).rejects.toThrow(StoreUnavailable);
    await line.mend();
    expect((await remote.append(stream, 'no-stream', some(1))).revision).toBe(0);
    expect((await collect(remote.readStream(stream))).length).toBe(1);
    await impatient.close();
  });

  it('does not wait again for what it has just given up', async () => {
    const retried: unknown[] = [];
    const patient = over(line.port, { patienceMs: 2_000, onRetry: (_: string, error: unknown) => void retried.push(error) });
    await line.cut();
    await expect(patient.append(stream, 'no-stream', some(1))).rejects.toThrow(StoreUnavailable);
    expect(retried.length).toBeGreaterThan(0);
    retried.length = 0;
    await expect(collect(patient.readStream(stream))).rejects.toThrow(StoreUnavailable);
    await expect(patient.end()).rejects.toThrow(StoreUnavailable);
    expect(retried).toEqual([]);
    await line.mend();
    expect(await eventually(() => collect(patient.readStream(stream)))).toEqual([]);
    await patient.close();
  });

  it('a server that was never available is found once it is', async () => {
    await line.cut();
    const early = over(line.port, { patienceMs: 100 });
    await expect(early.append(stream, 'no-stream', some(1))).rejects.toThrow(StoreUnavailable);
    await line.mend();
    expect((await remote.append(stream, 'no-stream', some(1))).revision).toBe(0);
    await early.close();
  });

  it('a read continues where it was', async () => {
    await store.append(stream, 'no-stream', some(3_000));
    const seen: number[] = [];
    for await (const event of remote.readStream(stream)) {
      if (seen.push(event.revision) % 700 === 0) await line.cut().then(() => line.mend());
    }
    expect(seen).toEqual(Array.from({ length: 3_000 }, (_, i) => i));
  });

  it('a subscription continues where it was, without loss or repetition', async () => {
    await store.append(stream, 'no-stream', some(500));
    const filter = { streamPrefixes: [stream] };
    const stop = new AbortController();
    const seen: number[] = [];
    const writing = (async () => {
      for (let i = 500; i < 1_000; i += 10) {
        await store.append(stream, i - 1, some(10));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    for await (const item of remote.subscribe(filter, 'start', stop.signal)) {
      if (item.kind !== 'event') continue;
      seen.push(item.event.revision);
      if (seen.length % 170 === 0) await line.cut().then(() => line.mend());
      if (seen.length === 1_000) stop.abort();
    }
    await writing;
    expect(seen).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
    expect(retried).toContain('subscribe to $all');
  });

  it('a subscription from the end misses nothing if the connection broke before the first event', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    let begun = false;
    for await (const item of remote.subscribe({ streamPrefixes: [stream] }, 'end', stop.signal)) {
      if (item.kind === 'caught-up' && !begun) {
        begun = true;
        await line.cut();
        await store.append(stream, 'no-stream', some(3));
        await line.mend();
      }
      if (item.kind === 'event' && seen.push(item.event.revision) === 3) stop.abort();
    }
    expect(seen).toEqual([0, 1, 2]);
  });

  it('a subscription ends at once when the signal aborts, also while the server is gone', async () => {
    await line.cut();
    const stop = new AbortController();
    const ended = collect(remote.subscribe({ streamPrefixes: [stream] }, 'start', stop.signal));
    await retrying();
    stop.abort();
    expect(await ended).toEqual([]);
  });

  it('closing ends subscriptions; later calls are refused', async () => {
    const ended = collect(remote.subscribe({ streamPrefixes: [stream] }, 'end', new AbortController().signal));
    setTimeout(() => void remote.close(), 100);
    expect((await ended).every(({ kind }) => kind !== 'event')).toBe(true);
    await expect(remote.append(stream, 'no-stream', some(1))).rejects.toThrow(StoreUnavailable);
  });
});

/** A node of a cluster that does not lead any more, or never did. The embedded node, or the configured server, leads. */
describe('at a node that does not lead', () => {
  const leader = () => new URL(url.replace('esdb:', 'http:')).host;

  it('events are appended to the leader and read from it', async () => {
    const follower = await startFollower(leader());
    const retried: unknown[] = [];
    const remote = EventStoreDB.connect(follower.url, { onRetry: (_what, error) => retried.push(error) });
    const stream = `${freshCategory()}-1`;
    // What is there before the client has met the leader: the follower knows nothing of it.
    await store.append(stream, 'no-stream', some(2));
    expect((await collect(remote.readStream(stream))).length).toBe(2);
    expect(await remote.append(stream, 1, some(1))).toMatchObject({ revision: 2 });
    expect((await collect(remote.readStream(stream))).length).toBe(3);
    expect(follower.answeredItself).toBe(0);
    expect(retried.length).toBeGreaterThan(0);
    await remote.close();
    follower.close();
  });

  it('an append that waits there for an answer is given up when the node says that it does not lead', async () => {
    const follower = await startFollower(leader(), { silent: true });
    const retried: unknown[] = [];
    // With these attempts, waiting for one of them alone would fail.
    const remote = EventStoreDB.connect(follower.url, {
      attemptMs: 60_000,
      patienceMs: 60_000,
      onRetry: (_what, error) => retried.push(error),
    });
    const stream = `${freshCategory()}-1`;
    expect(await remote.append(stream, 'no-stream', some(1))).toMatchObject({ revision: 0 });
    expect((await collect(store.readStream(stream))).length).toBe(1);
    expect(retried.every((error) => error instanceof NotLeaderError)).toBe(true);
    await remote.close();
    follower.close();
  });

  it('an append on a slow leader is waited for', async () => {
    const line = await cuttableLine(Number(new URL(url.replace('esdb:', 'http:')).port));
    const retried: unknown[] = [];
    const remote = EventStoreDB.connect(url.replace(/@?[^@/]+:\d+/, `127.0.0.1:${line.port}`), {
      attemptMs: 60_000,
      patienceMs: 60_000,
      onRetry: (_what, error) => retried.push(error),
    });
    const stream = `${freshCategory()}-1`;
    await remote.append(stream, 'no-stream', some(1));
    line.hold();
    const appending = remote.append(stream, 0, some(1));
    // Longer than it takes to ask who leads.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    line.release();
    expect(await appending).toMatchObject({ revision: 1 });
    expect(retried).toEqual([]);
    await remote.close();
    await line.close();
  });
});

describe('a group of consumers', () => {
  it('is created once, and delivers the events of its types from the start of the log', async () => {
    const group = freshCategory();
    const type = `Type${group.replaceAll(/\W/g, '')}`;
    const events = some(3).map((event) => ({ ...event, type }));
    await store.append(`${freshCategory()}-1`, 'no-stream', events);
    await store.append(`${freshCategory()}-1`, 'no-stream', some(2));
    expect([await store.createGroup(group, [type]), await store.createGroup(group, [type])]).toEqual([true, false]);
    const subscription = foreign.subscribeToPersistentSubscriptionToAll(group);
    const seen: (string | undefined)[] = [];
    for await (const resolved of subscription) {
      seen.push(resolved.event?.id);
      await subscription.ack(resolved);
      if (seen.length === events.length) break;
    }
    expect(seen).toEqual(events.map(({ id }) => id));
    await foreign.deletePersistentSubscriptionToAll(group);
  });
});
