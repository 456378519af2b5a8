import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ANY,
  BACKWARDS,
  END,
  EventStoreDBClient,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  streamNameFilter,
  WrongExpectedVersionError,
  eventTypeFilter,
  type AllStreamSubscription,
  type StreamSubscription,
} from '@eventstore/db-client';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '../index.js';

/**
 * What an application may rely on, through the genuine client. With EVENTSTORE_URL set, the same tests run against that server: nothing
 * here may apply only to this node, or assume an empty log.
 */
const external = process.env['EVENTSTORE_URL'];
let node: EmbeddedEventStoreDB | undefined;
let directory: string | undefined;
let client: EventStoreDBClient;

beforeAll(async () => {
  if (!external) {
    directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
    node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  }
  client = EventStoreDBClient.connectionString(external ?? (node as EmbeddedEventStoreDB).url);
});

afterAll(async () => {
  await client.dispose();
  await node?.close();
  if (directory) rmSync(directory, { recursive: true });
});

type Ticket = { type: 'opened' | 'escalated'; data: { n: number } };
const event = (n: number, type: Ticket['type'] = 'opened', id: string = randomUUID()) => jsonEvent<Ticket>({ id, type, data: { n } });
const freshStream = (prefix = 'contract') => `${prefix}-${randomUUID()}`;

async function dataOf(reading: AsyncIterable<{ event?: { data: unknown } }>): Promise<unknown[]> {
  const data: unknown[] = [];
  for await (const { event } of reading) data.push(event?.data);
  return data;
}

/** The next events of a subscription, which then ends. */
async function take(
  subscription: StreamSubscription<Ticket> | AllStreamSubscription,
  count: number,
): Promise<Array<{ stream: string; revision: bigint; n: number }>> {
  const taken: Array<{ stream: string; revision: bigint; n: number }> = [];
  for await (const { event } of subscription) {
    if (!event) continue;
    taken.push({ stream: event.streamId, revision: event.revision, n: (event.data as Ticket['data']).n });
    if (taken.length === count) break;
  }
  return taken;
}

describe('appending', () => {
  it('returns the revision and position of the last event', async () => {
    const stream = freshStream();
    const first = await client.appendToStream(stream, [event(0), event(1)], { expectedRevision: NO_STREAM });
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 1n });
    const second = await client.appendToStream(stream, event(2), { expectedRevision: 1n });
    expect(second.nextExpectedRevision).toBe(2n);
    expect(second.position?.commit).toBeGreaterThan(first.position?.commit ?? 0n);
  });

  it('refuses a revision other than the expected one, and writes nothing', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, event(0));
    await expect(client.appendToStream(stream, event(1), { expectedRevision: 5n })).rejects.toThrow(WrongExpectedVersionError);
    await expect(client.appendToStream(stream, event(1), { expectedRevision: NO_STREAM })).rejects.toThrow(WrongExpectedVersionError);
    await expect(client.appendToStream(freshStream(), event(1), { expectedRevision: STREAM_EXISTS })).rejects.toThrow(
      WrongExpectedVersionError,
    );
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 0 }]);
  });

  it.each([
    ['any', ANY],
    ['the original exact revision', 0n],
  ] as const)('writes a repeated append with %s once', async (_name, expectedRevision) => {
    const stream = freshStream();
    await client.appendToStream(stream, event(0));
    const repeated = [event(1), event(2)];
    const first = await client.appendToStream(stream, repeated, { expectedRevision });
    const second = await client.appendToStream(stream, repeated, { expectedRevision });
    expect(second.nextExpectedRevision).toBe(first.nextExpectedRevision);
    expect(second.position).toEqual(first.position);
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  it('lets one of several writers with the same expected revision win', async () => {
    const stream = freshStream();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) => client.appendToStream(stream, event(n), { expectedRevision: NO_STREAM })),
    );
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    expect(await dataOf(client.readStream(stream))).toHaveLength(1);
  });

  it('keeps JSON, metadata, type and the instant of writing', async () => {
    const stream = freshStream();
    const before = Date.now();
    await client.appendToStream(stream, jsonEvent({ id: randomUUID(), type: 'opened', data: { text: 'ж' }, metadata: { by: 'ann' } }));
    for await (const { event } of client.readStream(stream)) {
      expect(event).toMatchObject({
        streamId: stream,
        type: 'opened',
        revision: 0n,
        isJson: true,
        data: { text: 'ж' },
        metadata: { by: 'ann' },
      });
      expect(Math.abs((event?.created.getTime() ?? 0) - before)).toBeLessThan(60_000);
    }
  });
});

describe('reading', () => {
  it('reads a stream in both directions, from revisions, with limits', async () => {
    const stream = freshStream();
    await client.appendToStream(
      stream,
      Array.from({ length: 5 }, (_, n) => event(n)),
    );
    const numbers = async (options: Parameters<typeof client.readStream>[1]) =>
      (await dataOf(client.readStream(stream, options))).map((data) => (data as Ticket['data']).n);
    expect(await numbers({})).toEqual([0, 1, 2, 3, 4]);
    expect(await numbers({ fromRevision: 3n })).toEqual([3, 4]);
    expect(await numbers({ maxCount: 2 })).toEqual([0, 1]);
    expect(await numbers({ direction: BACKWARDS, fromRevision: END })).toEqual([4, 3, 2, 1, 0]);
    expect(await numbers({ direction: BACKWARDS, fromRevision: 2n, maxCount: 2 })).toEqual([2, 1]);
  });

  it('reads more events than fit in one page, in order', async () => {
    const stream = freshStream();
    for (let batch = 0; batch < 4; batch++)
      await client.appendToStream(
        stream,
        Array.from({ length: 500 }, (_, n) => event(batch * 500 + n)),
      );
    const data = await dataOf(client.readStream(stream));
    expect(data).toEqual(Array.from({ length: 2000 }, (_, n) => ({ n })));
  });

  it('reports a missing stream', async () => {
    await expect(dataOf(client.readStream(freshStream()))).rejects.toThrow(StreamNotFoundError);
  });

  it('reads $all from a position, forwards with it and backwards without it', async () => {
    const stream = freshStream();
    const first = await client.appendToStream(stream, event(0));
    const last = await client.appendToStream(stream, event(1));
    if (!first.position || !last.position) throw new Error('an append without a position');
    const forwards: string[] = [];
    for await (const { event } of client.readAll({ fromPosition: first.position, direction: FORWARDS }))
      if (event?.streamId === stream) forwards.push(String(event.revision));
    expect(forwards).toEqual(['0', '1']);
    const backwards: string[] = [];
    // No count ends this read: other writers of the server may append any number of events in between.
    for await (const { event } of client.readAll({ fromPosition: last.position, direction: BACKWARDS })) {
      if (event?.streamId === stream) backwards.push(String(event.revision));
      if (event && event.position.commit <= first.position.commit) break;
    }
    expect(backwards).toEqual(['0']);
  });
});

describe('deleting', () => {
  it('hides a deleted stream until it is written again, with continued revisions', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, [event(0), event(1)]);
    await client.deleteStream(stream);
    await expect(dataOf(client.readStream(stream))).rejects.toThrow(StreamNotFoundError);
    const again = await client.appendToStream(stream, event(2), { expectedRevision: NO_STREAM });
    expect(again.nextExpectedRevision).toBe(2n);
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 2 }]);
  });

  it('ends a tombstoned stream permanently', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, event(0));
    await client.tombstoneStream(stream);
    await expect(dataOf(client.readStream(stream))).rejects.toThrow(StreamDeletedError);
    await expect(client.appendToStream(stream, event(1))).rejects.toThrow(StreamDeletedError);
  });

  it('does not restore events when the metadata of a deleted stream is written', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, [event(0), event(1), event(2)]);
    await client.deleteStream(stream);
    await client.setStreamMetadata(stream, { owner: 'ann' });
    expect(await dataOf(client.readStream(stream))).toEqual([]);
    expect(await client.getStreamMetadata(stream)).toMatchObject({ metadata: { owner: 'ann', truncateBefore: 3 } });
    await client.appendToStream(stream, event(3), { expectedRevision: 2n });
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 3 }]);
  });

  it('deletes a stream that has only metadata', async () => {
    const stream = freshStream();
    await client.setStreamMetadata(stream, { maxCount: 5 });
    const { position } = await client.deleteStream(stream);
    expect(position?.commit).toBeGreaterThan(0n);
    await expect(dataOf(client.readStream(stream))).rejects.toThrow(StreamNotFoundError);
    await client.appendToStream(stream, event(0), { expectedRevision: NO_STREAM });
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 0 }]);
    expect(await client.getStreamMetadata(stream)).toMatchObject({ metadata: { truncateBefore: 0 } });
  });

  it('gives a tombstoned stream no metadata', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, event(0));
    await client.tombstoneStream(stream);
    await expect(client.setStreamMetadata(stream, { maxCount: 5 })).rejects.toThrow(StreamDeletedError);
  });

  it('restores a deleted stream by an empty append, which has its own position', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, event(0));
    await client.deleteStream(stream);
    const { position, nextExpectedRevision } = await client.appendToStream(stream, []);
    expect(nextExpectedRevision).toBe(0n);
    expect(await dataOf(client.readStream(stream))).toEqual([]);
    const metadata: Array<bigint | undefined> = [];
    for await (const { event } of client.readStream(`$$${stream}`)) metadata.push(event?.position?.commit);
    expect(metadata).toEqual([expect.any(BigInt)]);
    expect(position?.commit).toBeLessThan(metadata[0] as bigint);
  });

  it('shows only what stream metadata leaves visible', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, [event(0), event(1), event(2)]);
    await client.setStreamMetadata(stream, { maxCount: 2, owner: 'ann' });
    expect(await client.getStreamMetadata(stream)).toMatchObject({ metadata: { maxCount: 2, owner: 'ann' } });
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 1 }, { n: 2 }]);
    await client.setStreamMetadata(stream, { truncateBefore: 2 });
    expect(await dataOf(client.readStream(stream))).toEqual([{ n: 2 }]);
  });
});

describe('subscribing', () => {
  it("delivers a stream's history, reports that it has caught up, and continues live", async () => {
    const stream = freshStream();
    await client.appendToStream(stream, [event(0), event(1)]);
    const subscription = client.subscribeToStream<Ticket>(stream, { fromRevision: START });
    const caughtUp = new Promise((resolve) => subscription.on('caughtUp', () => resolve(client.appendToStream(stream, event(2)))));
    expect((await take(subscription, 3)).map(({ n }) => n)).toEqual([0, 1, 2]);
    await caughtUp;
  });

  it('starts after a revision, or at the end', async () => {
    const stream = freshStream();
    await client.appendToStream(stream, [event(0), event(1)]);
    expect(await take(client.subscribeToStream<Ticket>(stream, { fromRevision: 0n }), 1)).toEqual([{ stream, revision: 1n, n: 1 }]);
    const live = client.subscribeToStream<Ticket>(stream, { fromRevision: END });
    live.on('caughtUp', () => void client.appendToStream(stream, event(2)));
    expect(await take(live, 1)).toEqual([{ stream, revision: 2n, n: 2 }]);
  });

  it('delivers $all in order, filtered, from a position', async () => {
    const prefix = `order${randomUUID().slice(0, 8)}`;
    const mark = await client.appendToStream(freshStream('mark'), event(0));
    const position = mark.position;
    if (!position) throw new Error('an append without a position');
    const streams = [freshStream(prefix), freshStream(prefix), freshStream(prefix)];
    for (let n = 0; n < 9; n++) {
      await client.appendToStream(streams[n % 3] as string, event(n));
      await client.appendToStream(freshStream('other'), event(n));
    }
    const subscription = client.subscribeToAll({ fromPosition: position, filter: streamNameFilter({ prefixes: [prefix] }) });
    expect((await take(subscription, 9)).map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('sends checkpoints to a filtered subscriber when nothing matches', async () => {
    const type = `never-${randomUUID()}`;
    const { position } = await client.appendToStream(freshStream(), event(0));
    if (!position) throw new Error('an append without a position');
    await client.appendToStream(
      freshStream(),
      Array.from({ length: 70 }, (_, n) => event(n)),
    );
    const reached: bigint[] = [];
    const subscription = client.subscribeToAll({
      fromPosition: position,
      filter: eventTypeFilter({
        prefixes: [type],
        checkpointInterval: 1,
        checkpointReached: async (_subscription, at) => {
          reached.push(at.commit);
          if (reached.length === 2) await subscription.unsubscribe();
        },
      }),
    });
    expect(await take(subscription, 1)).toEqual([]);
    expect(reached[0]).toBeGreaterThan(position.commit);
    expect(reached[1]).toBeGreaterThan(reached[0] as bigint);
  });
});
