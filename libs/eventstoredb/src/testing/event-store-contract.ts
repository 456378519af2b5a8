import { randomUUID } from 'node:crypto';
import {
  RevisionConflict,
  StreamDeleted,
  instantFrom,
  type EventStore,
  type FeedFilter,
  type FeedItem,
  type NewEvent,
  type Position,
  type StoredEvent,
} from '#eventsourcing';

/** The store under test, and what a test may do to it directly. */
export interface StoreUnderTest {
  readonly store: EventStore;
  /** Tombstones a stream. */
  tombstone(stream: string): Promise<void>;
  /** Appends an event that another program might have written: metadata of another shape. */
  appendForeign(stream: string, type: string): Promise<void>;
}

export const newEvent = (over: Partial<NewEvent> = {}, client = 'acme'): NewEvent => ({
  id: randomUUID(),
  type: 'ThingHappened',
  data: { text: 'grüße — 日本 \u0000 "quoted"', list: [1, 2.5, null, { deep: true }], empty: {} },
  metadata: {
    commandId: randomUUID(),
    commandType: 'DoThing',
    commandDigest: 'sha256:00',
    correlationId: 'correlation',
    causationId: 'causation',
    actor: { id: 'ada', kind: 'agent', name: 'Ada' },
    client,
    effectiveAt: instantFrom(1_700_000_000_123),
    recordedAt: instantFrom(1_700_000_000_456),
    schemaVersion: 1,
    imported: { system: 'old', key: 'k', row: 3, said: { a: 'b' }, deviations: ['not-open'] },
  },
  ...over,
});

export const some = (count: number): NewEvent[] => Array.from({ length: count }, (_, n) => newEvent({ data: { n } }));

/** A category that no other test run uses. */
export const freshCategory = (): string => `spec${randomUUID().replaceAll('-', '')}`;

export async function collect<Item>(items: AsyncIterable<Item>, count = Infinity): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) {
    all.push(item);
    if (all.length >= count) break;
  }
  return all;
}

/** The events of a feed until it has caught up. */
export async function history(store: EventStore, filter: FeedFilter, after: Position | 'start' = 'start'): Promise<StoredEvent[]> {
  const stop = new AbortController();
  const events: StoredEvent[] = [];
  for await (const item of store.subscribe(filter, after, stop.signal)) {
    if (item.kind === 'event') events.push(item.event);
    if (item.kind === 'caught-up') break;
  }
  return events;
}

const n = (event: StoredEvent) => (event.data as { n: number }).n;

/** What every event store does, whoever built it. Uses its own streams, and expects nothing of the rest of the log. */
export function describeEventStore(name: string, open: () => StoreUnderTest): void {
  describe(`event store: ${name}`, () => {
    let category: string;
    let stream: string;
    let store: EventStore;
    let filter: FeedFilter;

    beforeEach(() => {
      ({ store } = open());
      category = freshCategory();
      stream = `${category}-1`;
      filter = { streamPrefixes: [`${category}-`] };
    });

    describe('append and read', () => {
      it('returns what was appended, with revisions from 0 and increasing positions', async () => {
        const events = [newEvent(), newEvent({ data: null }), newEvent({ data: [] })];
        const appended = await store.append(stream, 'no-stream', events);
        const read = await collect(store.readStream(stream));
        expect(read.map(({ position: _position, ...event }) => event)).toEqual(
          events.map((event, revision) => ({ ...event, stream, revision })),
        );
        expect(appended.revision).toBe(2);
        expect(appended.position).toEqual(read[2]?.position);
        expect((read[0]?.position.commit ?? 0n) < (read[1]?.position.commit ?? 0n)).toBe(true);
      });

      it('reads from a revision; a missing stream and one read beyond its end are empty', async () => {
        await store.append(stream, 'no-stream', some(5));
        expect((await collect(store.readStream(stream, 3))).map(n)).toEqual([3, 4]);
        expect(await collect(store.readStream(stream, 5))).toEqual([]);
        expect(await collect(store.readStream(`${category}-none`))).toEqual([]);
      });

      it('knows where the log ends: not before what was appended last', async () => {
        const { position } = await store.append(stream, 'no-stream', some(1));
        const end = await store.end();
        expect(end !== 'start' && position !== undefined && end.commit >= position.commit).toBe(true);
      });

      it('reads the event at a position', async () => {
        await store.append(stream, 'no-stream', some(3));
        const read = await collect(store.readStream(stream));
        for (const event of read) expect(await store.eventAt(event.position)).toEqual(event);
      });

      it('knows which positions it can be read from', async () => {
        const { position } = await store.append(stream, 'no-stream', some(1));
        if (position === undefined) throw new Error('the server did not say where the event is');
        const { commit, prepare } = position;
        const end = await store.end();
        expect([await store.has(position), end === 'start' || (await store.has(end))]).toEqual([true, true]);
        expect([await store.has({ commit: commit - 1n, prepare: prepare - 1n }), await store.has({ commit: 1n, prepare: 1n })]).toEqual([
          false,
          false,
        ]);
      });

      it('finds a position before everything recorded from an instant on', async () => {
        const { position } = await store.append(stream, 'no-stream', some(1));
        if (position === undefined) throw new Error('the server did not say where the event is');
        // Older than the clocks of two machines may differ.
        const later = await store.lastBefore(instantFrom(Date.now() + 3_600_000));
        expect(later !== 'start' && later.commit >= position.commit).toBe(true);
        const now = await store.lastBefore(instantFrom(Date.now() - 60_000));
        expect(now === 'start' || now.commit < position.commit).toBe(true);
      });

      it('a reader may leave early', async () => {
        await store.append(stream, 'no-stream', some(500));
        for (let round = 0; round < 20; round++) expect((await collect(store.readStream(stream), 2)).map(n)).toEqual([0, 1]);
        expect((await collect(store.readStream(stream))).length).toBe(500);
      });

      it('appends at the exact revision only', async () => {
        await store.append(stream, 'no-stream', some(2));
        expect((await store.append(stream, 1, some(1))).revision).toBe(2);
        await expect(store.append(stream, 1, some(1))).rejects.toMatchObject({ name: 'RevisionConflict', stream, expected: 1, actual: 2 });
        await expect(store.append(stream, 7, some(1))).rejects.toThrow(RevisionConflict);
        await expect(store.append(stream, 'no-stream', some(1))).rejects.toMatchObject({ actual: 2 });
        await expect(store.append(`${category}-none`, 0, some(1))).rejects.toMatchObject({ actual: 'no-stream' });
        expect((await collect(store.readStream(stream))).length).toBe(3);
      });

      it('appending again with the same ids and expectation writes nothing and returns the same', async () => {
        const [first, second] = [some(2), some(3)];
        await store.append(stream, 'no-stream', first);
        const appended = await store.append(stream, 1, second);
        await store.append(stream, 4, some(1));
        expect(await store.append(stream, 1, second)).toEqual(appended);
        expect((await store.append(stream, 'no-stream', first)).revision).toBe(1);
        expect((await collect(store.readStream(stream))).length).toBe(6);
      });

      it('is atomic: of many writers at one revision exactly one wins, and all events of its append are there', async () => {
        await store.append(stream, 'no-stream', some(1));
        const writers = Array.from({ length: 20 }, (_, writer) => [newEvent({ data: { n: writer } }), newEvent({ data: { n: writer } })]);
        const outcomes = await Promise.allSettled(writers.map((events) => store.append(stream, 0, events)));
        expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
        for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(RevisionConflict);
        const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
        expect((await collect(store.readStream(stream, 1))).map(n)).toEqual([winner, winner]);
      });

      it('a conflict of one append does not touch others that are in flight', async () => {
        await store.append(stream, 'no-stream', some(1));
        const outcomes = await Promise.allSettled(
          Array.from({ length: 200 }, (_, i) =>
            i % 10 === 0 ? store.append(stream, 'no-stream', some(1)) : store.append(`${category}-many-${i}`, 'no-stream', some(1)),
          ),
        );
        outcomes.forEach((outcome, i) => expect(outcome.status).toBe(i % 10 === 0 ? 'rejected' : 'fulfilled'));
      });

      it('refuses to append nothing', async () => {
        await expect(store.append(stream, 'no-stream', [])).rejects.toThrow(RangeError);
      });

      it('a deleted stream can neither be read nor written', async () => {
        await store.append(stream, 'no-stream', some(1));
        await open().tombstone(stream);
        await expect(store.append(stream, 0, some(1))).rejects.toThrow(StreamDeleted);
        await expect(store.append(stream, 'no-stream', some(1))).rejects.toThrow(StreamDeleted);
        await expect(collect(store.readStream(stream))).rejects.toThrow(StreamDeleted);
      });

      it('an event of another program in one of these streams counts as a revision and is marked', async () => {
        await store.append(stream, 'no-stream', some(1));
        await open().appendForeign(stream, 'ThingHappened');
        const read = await collect(store.readStream(stream));
        expect(read.map(({ type, revision }) => [type, revision])).toEqual([
          ['ThingHappened', 0],
          ['foreign:ThingHappened', 1],
        ]);
        expect((await store.append(stream, 1, some(1))).revision).toBe(2);
      });
    });

    describe('the log', () => {
      it('is read to its end, filtered by stream prefixes, after a position', async () => {
        await store.append(stream, 'no-stream', some(3));
        await store.append(`${category}x-1`, 'no-stream', some(1));
        await store.append(`${category}-2`, 'no-stream', some(2));
        await open().appendForeign(`${category}-3`, 'Other');
        const all = await collect(store.readAll(filter));
        expect(all.map((event) => [event.stream, event.revision])).toEqual([
          [stream, 0],
          [stream, 1],
          [stream, 2],
          [`${category}-2`, 0],
          [`${category}-2`, 1],
        ]);
        expect(await collect(store.readAll(filter, all[2]?.position))).toEqual(all.slice(3));
        expect(await collect(store.readAll({ streamPrefixes: [`${category}none`] }))).toEqual([]);
        const both = await collect(store.readAll({ streamPrefixes: [`${category}x-`, `${category}-2`] }));
        expect(both.length).toBe(3);
      });

      it('is filtered by whole event types', async () => {
        const [type, longer, dotted] = [`T${category}`, `T${category}Longer`, `T${category}.x`];
        await store.append(stream, 'no-stream', [
          newEvent({ type }),
          newEvent({ type: longer }),
          newEvent({ type: dotted }),
          newEvent({ type: `T${category}Yx` }),
        ]);
        const types = async (...eventTypes: string[]) => (await collect(store.readAll({ eventTypes }))).map((event) => event.type);
        expect(await types(type)).toEqual([type]);
        expect(await types(dotted, longer)).toEqual([longer, dotted]);
      });
    });

    describe('subscriptions', () => {
      it('deliver history, report its end, and continue with new events', async () => {
        await store.append(stream, 'no-stream', some(3));
        const stop = new AbortController();
        const seen: (number | 'caught-up')[] = [];
        for await (const item of store.subscribe(filter, 'start', stop.signal)) {
          if (item.kind === 'checkpoint') continue;
          seen.push(item.kind === 'event' ? n(item.event) : item.kind);
          if (item.kind === 'caught-up') await store.append(stream, 2, [newEvent({ data: { n: 3 } }), newEvent({ data: { n: 4 } })]);
          if (seen.length === 6) stop.abort();
        }
        expect(seen).toEqual([0, 1, 2, 'caught-up', 3, 4]);
      });

      it('start after a position, or at the end', async () => {
        await store.append(stream, 'no-stream', some(4));
        const events = await history(store, filter);
        expect((await history(store, filter, events[1]?.position)).map(n)).toEqual([2, 3]);

        const stop = new AbortController();
        const live: number[] = [];
        for await (const item of store.subscribe(filter, 'end', stop.signal)) {
          if (item.kind === 'caught-up') await store.append(`${category}-9`, 'no-stream', [newEvent({ data: { n: 9 } })]);
          if (item.kind === 'event') {
            live.push(n(item.event));
            stop.abort();
          }
        }
        expect(live).toEqual([9]);
      });

      it('a slow reader misses nothing and keeps the order', async () => {
        const stop = new AbortController();
        const seen: number[] = [];
        let appending: Promise<unknown> = Promise.resolve();
        for await (const item of store.subscribe(filter, 'start', stop.signal)) {
          if (item.kind === 'caught-up' && seen.length === 0) {
            appending = (async () => {
              for (let i = 0; i < 40; i++)
                await store.append(
                  stream,
                  i === 0 ? 'no-stream' : i * 50 - 1,
                  Array.from({ length: 50 }, (_, k) => newEvent({ data: { n: i * 50 + k } })),
                );
            })();
          }
          if (item.kind !== 'event') continue;
          seen.push(n(item.event));
          if (seen.length % 250 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
          if (seen.length === 2_000) stop.abort();
        }
        await appending;
        expect(seen).toEqual(Array.from({ length: 2_000 }, (_, i) => i));
      });

      it('report from time to time how far the log was searched, so that resuming need not search it again', async () => {
        await store.append(stream, 'no-stream', some(1));
        const before = (await history(store, filter))[0]?.position;
        // More than a server reads between two checkpoints, without a match.
        for (let i = 0; i < 3; i++) await store.append(`${category}x-${i}`, 'no-stream', some(400));
        const stop = new AbortController();
        const items: FeedItem[] = [];
        for await (const item of store.subscribe(filter, before ?? 'start', stop.signal)) {
          if (item.kind === 'caught-up') break;
          items.push(item);
        }
        const checkpoint = items.at(-1);
        expect(checkpoint?.kind).toBe('checkpoint');
        if (checkpoint?.kind !== 'checkpoint') return;
        expect(checkpoint.position.commit > (before?.commit ?? 0n)).toBe(true);
        expect(checkpoint.position.prepare).toBe(checkpoint.position.commit);
        await store.append(`${category}-2`, 'no-stream', [newEvent({ data: { n: 77 } })]);
        expect((await history(store, filter, checkpoint.position)).map(n)).toEqual([77]);
      });

      it('skip what other programs wrote', async () => {
        await store.append(stream, 'no-stream', some(1));
        await open().appendForeign(stream, 'ThingHappened');
        await store.append(stream, 1, some(1));
        expect((await history(store, filter)).map(({ revision }) => revision)).toEqual([0, 2]);
      });

      it('end at once when the signal aborts, even while idle', async () => {
        const stop = new AbortController();
        const ended = (async () => {
          for await (const item of store.subscribe(filter, 'end', stop.signal))
            if (item.kind === 'caught-up') setTimeout(() => stop.abort(), 20);
        })();
        await ended;
        const aborted = new AbortController();
        aborted.abort();
        expect(await collect(store.subscribe(filter, 'start', aborted.signal))).toEqual([]);
      });
    });
  });
}
