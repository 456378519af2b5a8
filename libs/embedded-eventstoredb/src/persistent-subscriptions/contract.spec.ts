import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  END,
  EventStoreDBClient,
  jsonEvent,
  PersistentSubscriptionMaximumSubscribersReachedError,
  PARK,
  PersistentSubscriptionDoesNotExistError,
  PersistentSubscriptionDroppedError,
  PersistentSubscriptionExistsError,
  persistentSubscriptionToAllSettingsFromDefaults,
  persistentSubscriptionToStreamSettingsFromDefaults,
  PINNED,
  RETRY,
  ROUND_ROBIN,
  SKIP,
  START,
  STOP,
  streamNameFilter,
  type PersistentAction,
  type PersistentSubscriptionToStreamSettings,
  type ResolvedEvent,
} from '@eventstore/db-client';
import { Client, credentials } from '@grpc/grpc-js';
import { eventually } from '../../../../test/eventually.js';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '../index.js';

/**
 * What an application may rely on, through the genuine client. With EVENTSTORE_URL set, the same tests run against that server: nothing
 * here may apply only to this node, or assume an empty log.
 */
const external = process.env['EVENTSTORE_URL'];
const GROUP = 'desk';
let node: EmbeddedEventStoreDB | undefined;
let directory: string | undefined;
let client: EventStoreDBClient;
const groups: string[] = [];

beforeAll(async () => {
  if (!external) {
    directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
    node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  }
  client = EventStoreDBClient.connectionString(external ?? (node as EmbeddedEventStoreDB).url);
});

afterEach(async () => {
  for (const stream of groups.splice(0)) await client.deletePersistentSubscriptionToStream(stream, GROUP).catch(() => undefined);
});

afterAll(async () => {
  await client.dispose();
  await node?.close();
  if (directory) rmSync(directory, { recursive: true });
});

const write = async (stream: string, from: number, count = 1): Promise<void> => {
  await client.appendToStream(
    stream,
    Array.from({ length: count }, (_, index) => jsonEvent({ type: 'escalated', data: { n: from + index } })),
  );
};

/** A stream with that many events, and a group on it. */
async function groupOn(events: number, settings: Partial<PersistentSubscriptionToStreamSettings> = {}): Promise<string> {
  const stream = `desk-${randomUUID()}`;
  if (events > 0) await write(stream, 0, events);
  // A checkpoint soon after each response.
  const defaults = { startFrom: START, checkPointAfter: 100, checkPointLowerBound: 1 } as const;
  await client.createPersistentSubscriptionToStream(
    stream,
    GROUP,
    persistentSubscriptionToStreamSettingsFromDefaults({ ...defaults, ...settings }),
  );
  groups.push(stream);
  return stream;
}

interface Received {
  readonly n: number;
  readonly retries: number;
  readonly resolved: ResolvedEvent;
}

class Consumer {
  readonly received: Received[] = [];
  error: unknown;
  private readonly subscription;

  constructor(stream: string, bufferSize = 10, by = client) {
    this.subscription = by.subscribeToPersistentSubscriptionToStream(stream, GROUP, { bufferSize });
    this.subscription.on('data', (resolved) =>
      this.received.push({ n: (resolved.event?.data as { n: number }).n, retries: resolved.retryCount, resolved }),
    );
    this.subscription.on('error', (error) => (this.error = error));
  }

  get numbers(): number[] {
    return this.received.map(({ n }) => n);
  }

  async ack(...received: Received[]): Promise<void> {
    await this.subscription.ack(...received.map(({ resolved }) => resolved));
  }

  async nack(action: PersistentAction, ...received: Received[]): Promise<void> {
    await this.subscription.nack(action, 'a reason', ...received.map(({ resolved }) => resolved));
  }

  /** Acknowledges everything that arrives. */
  ackAll(): this {
    for (const received of this.received) void this.ack(received);
    this.subscription.on('data', (resolved) => void this.subscription.ack(resolved).catch(() => undefined));
    return this;
  }

  async has(count: number): Promise<Received[]> {
    await eventually(() => expect(this.received.length).toBeGreaterThanOrEqual(count));
    return this.received;
  }

  leave(): Promise<void> {
    return this.subscription.unsubscribe();
  }
}

/** Long enough for an unwanted message to arrive. */
const aWhile = (): Promise<void> => wait(200);
const infoOf = (stream: string) => client.getPersistentSubscriptionToStreamInfo(stream, GROUP);
const parked = async (stream: string): Promise<bigint> => (await infoOf(stream)).stats.parkedMessageCount;
const checkpointIs = (stream: string, revision: bigint) =>
  eventually(async () => expect((await infoOf(stream)).stats.lastCheckpointedEventRevision).toBe(revision));

describe('a group', () => {
  it('is created once, shown with its settings, changed, listed and deleted', async () => {
    const stream = await groupOn(3, { maxRetryCount: 7, consumerStrategyName: PINNED });
    await expect(
      client.createPersistentSubscriptionToStream(stream, GROUP, persistentSubscriptionToStreamSettingsFromDefaults()),
    ).rejects.toThrow(PersistentSubscriptionExistsError);
    expect(await infoOf(stream)).toMatchObject({
      eventSource: stream,
      groupName: GROUP,
      settings: { startFrom: START, maxRetryCount: 7, consumerStrategyName: PINNED },
    });
    await client.updatePersistentSubscriptionToStream(
      stream,
      GROUP,
      persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, maxRetryCount: 3, consumerStrategyName: ROUND_ROBIN }),
    );
    expect(await infoOf(stream)).toMatchObject({ settings: { maxRetryCount: 3, consumerStrategyName: ROUND_ROBIN } });
    expect((await client.listPersistentSubscriptionsToStream(stream)).map(({ groupName }) => groupName)).toEqual([GROUP]);
    await client.deletePersistentSubscriptionToStream(stream, GROUP);
    await expect(infoOf(stream)).rejects.toThrow(PersistentSubscriptionDoesNotExistError);
  });

  it('starts at the requested event, inclusive', async () => {
    const [fromStart, fromRevision, fromEnd] = [
      await groupOn(3),
      await groupOn(3, { startFrom: 2n }),
      await groupOn(3, { startFrom: END }),
    ];
    const consumers = [new Consumer(fromStart), new Consumer(fromRevision), new Consumer(fromEnd)];
    await Promise.all(consumers.map((consumer, index) => consumer.has([3, 1, 0][index] as number)));
    for (const stream of [fromStart, fromRevision, fromEnd]) await write(stream, 3);
    await eventually(() => expect(consumers.map(({ numbers }) => numbers)).toEqual([[0, 1, 2, 3], [2, 3], [3]]));
  });

  it('on $all delivers what its filter accepts', async () => {
    const prefix = `all${randomUUID().slice(0, 8)}`;
    await write(`${prefix}-1`, 0);
    const group = randomUUID();
    await client.createPersistentSubscriptionToAll(group, persistentSubscriptionToAllSettingsFromDefaults({ startFrom: END }), {
      filter: streamNameFilter({ prefixes: [prefix] }),
    });
    const subscription = client.subscribeToPersistentSubscriptionToAll(group);
    const numbers: number[] = [];
    subscription.on('data', (resolved) => {
      numbers.push((resolved.event?.data as { n: number }).n);
      void subscription.ack(resolved);
    });
    subscription.on('error', () => undefined);
    await new Promise((resolve) => subscription.on('confirmation', () => resolve(undefined)));
    for (const n of [1, 2, 3]) {
      await write(`${prefix}-${n}`, n);
      await write(`other-${randomUUID()}`, 100);
    }
    await eventually(() => expect(numbers).toEqual([1, 2, 3]));
    await client.deletePersistentSubscriptionToAll(group);
  });
});

describe('a consumer', () => {
  it('gets no more than its buffer before it responds', async () => {
    const stream = await groupOn(5);
    const consumer = new Consumer(stream, 2);
    const [first, second] = (await consumer.has(2)) as [Received, Received];
    await aWhile();
    expect(consumer.numbers).toEqual([0, 1]);
    await consumer.ack(first, second);
    await consumer.has(4);
    expect(consumer.numbers).toEqual([0, 1, 2, 3]);
  });

  it('is refused when the group has its maximum number', async () => {
    const stream = await groupOn(1, { maxSubscriberCount: 1 });
    const first = new Consumer(stream);
    await first.has(1);
    const second = new Consumer(stream);
    await eventually(() => expect(second.error).toBeInstanceOf(PersistentSubscriptionMaximumSubscribersReachedError));
    await first.leave();
    await eventually(async () => {
      const third = new Consumer(stream);
      await eventually(() => third.received.length > 0 || third.error !== undefined, Boolean);
      expect(third.numbers).toEqual([0]);
    });
  });

  it('that disconnects leaves its unsettled events to the next', async () => {
    const stream = await groupOn(3);
    const first = new Consumer(stream);
    const [event] = (await first.has(3)) as [Received];
    await first.ack(event);
    await checkpointIs(stream, 0n);
    await first.leave();
    const second = new Consumer(stream);
    await second.has(2);
    expect(second.received.map(({ n, retries }) => ({ n, retries }))).toEqual([
      { n: 1, retries: 1 },
      { n: 2, retries: 1 },
    ]);
  });

  it('shares events with others: each goes to one of them', async () => {
    const stream = await groupOn(0);
    const consumers = [new Consumer(stream).ackAll(), new Consumer(stream).ackAll()];
    await eventually(async () => expect((await infoOf(stream)).connections).toHaveLength(2));
    for (let n = 0; n < 20; n++) await write(stream, n);
    await eventually(() => expect(consumers.flatMap(({ numbers }) => numbers)).toHaveLength(20));
    expect(consumers.flatMap(({ numbers }) => numbers).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    for (const { numbers } of consumers) expect(numbers.length).toBeGreaterThan(0);
  });

  it('is told when its group is deleted', async () => {
    const stream = await groupOn(1);
    const consumer = new Consumer(stream);
    await consumer.has(1);
    await client.deletePersistentSubscriptionToStream(stream, GROUP);
    await eventually(() => expect(consumer.error).toBeInstanceOf(PersistentSubscriptionDroppedError));
    const late = new Consumer(stream);
    await eventually(() => expect(late.error).toBeInstanceOf(PersistentSubscriptionDoesNotExistError));
  });
});

describe('an event', () => {
  it.each([
    ['skip', SKIP],
    ['stop', STOP],
  ] as const)('is not delivered again after %s', async (_name, action) => {
    const stream = await groupOn(2);
    const consumer = new Consumer(stream);
    const [first] = (await consumer.has(2)) as [Received];
    await consumer.nack(action, first);
    await checkpointIs(stream, 0n);
    expect(consumer.numbers).toEqual([0, 1]);
    expect(await parked(stream)).toBe(0n);
  });

  it('is delivered again after retry, until it is parked', async () => {
    const stream = await groupOn(1, { maxRetryCount: 2 });
    const consumer = new Consumer(stream);
    for (const attempt of [1, 2, 3]) {
      const received = (await consumer.has(attempt)).at(-1) as Received;
      expect(received).toMatchObject({ n: 0, retries: attempt - 1 });
      await consumer.nack(RETRY, received);
    }
    await eventually(async () => expect(await parked(stream)).toBe(1n));
    expect(consumer.received).toHaveLength(3);
  });

  it('is delivered again after a timeout, until it is parked', async () => {
    const stream = await groupOn(1, { messageTimeout: 200, maxRetryCount: 1 });
    const consumer = new Consumer(stream);
    await consumer.has(2);
    expect(consumer.received.map(({ n, retries }) => ({ n, retries }))).toEqual([
      { n: 0, retries: 0 },
      { n: 0, retries: 1 },
    ]);
    await eventually(async () => expect(await parked(stream)).toBe(1n));
  });

  it('that is parked waits in the parked stream, and is delivered again when that is replayed', async () => {
    const stream = await groupOn(3);
    const consumer = new Consumer(stream);
    const [first, second, third] = (await consumer.has(3)) as [Received, Received, Received];
    await consumer.nack(PARK, first, third);
    await consumer.ack(second);
    await eventually(async () => expect(await parked(stream)).toBe(2n));
    const links: unknown[] = [];
    for await (const { event, link } of client.readStream(`$persistentsubscription-${stream}::${GROUP}-parked`, { resolveLinkTos: true })) {
      links.push({
        stream: event?.streamId,
        revision: event?.revision,
        reason: (link?.metadata as { reason?: string } | undefined)?.reason,
      });
    }
    expect(links).toEqual([0n, 2n].map((revision) => ({ stream, revision, reason: "Client explicitly NAK'ed message.\na reason" })));

    await client.replayParkedMessagesToStream(stream, GROUP);
    await consumer.has(5);
    const replayed = consumer.received.slice(3);
    expect(replayed.map(({ n, retries }) => ({ n, retries }))).toEqual([
      { n: 0, retries: 0 },
      { n: 2, retries: 0 },
    ]);
    // By its link: the event itself may be in flight again at the same time.
    expect(replayed.map(({ resolved }) => resolved.link?.streamId)).toEqual(
      Array.from({ length: 2 }, () => `$persistentsubscription-${stream}::${GROUP}-parked`),
    );
    await consumer.ack(...replayed);
    await eventually(async () =>
      expect((await infoOf(stream)).stats).toMatchObject({ parkedMessageCount: 0n, outstandingMessagesCount: 0 }),
    );
  });

  it('that is parked is replayed up to a revision of the parked stream', async () => {
    const stream = await groupOn(3);
    const consumer = new Consumer(stream);
    for (const received of [...(await consumer.has(3))]) await consumer.nack(PARK, received);
    await eventually(async () => expect(await parked(stream)).toBe(3n));
    await client.replayParkedMessagesToStream(stream, GROUP, { stopAt: 2 });
    await consumer.has(5);
    await aWhile();
    expect(consumer.numbers.slice(3)).toEqual([0, 1]);
    await consumer.ack(...consumer.received.slice(3));
    await eventually(async () => expect(await parked(stream)).toBe(1n));
  });

  it('that is the target of a link comes with the link, by which it is acknowledged', async () => {
    const source = `source-${randomUUID()}`;
    await write(source, 7);
    const stream = await groupOn(0, { resolveLinkTos: true });
    await client.appendToStream(stream, {
      ...jsonEvent({ type: '$>', data: {} }),
      contentType: 'application/octet-stream',
      data: Buffer.from(`0@${source}`),
    });
    const consumer = new Consumer(stream);
    const [received] = (await consumer.has(1)) as [Received];
    expect(received).toMatchObject({
      n: 7,
      resolved: { event: { streamId: source, revision: 0n }, link: { streamId: stream, revision: 0n } },
    });
    await consumer.ack(received);
    await checkpointIs(stream, 0n);
  });
});

describe('a checkpoint', () => {
  it('never passes an unsettled event, and is where the group continues', async () => {
    const stream = await groupOn(4);
    const consumer = new Consumer(stream);
    const [first, , third, fourth] = (await consumer.has(4)) as [Received, Received, Received, Received];
    await consumer.ack(first, third, fourth);
    await checkpointIs(stream, 0n);
    await client.updatePersistentSubscriptionToStream(
      stream,
      GROUP,
      persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START }),
    );
    await eventually(() => expect(consumer.error).toBeInstanceOf(PersistentSubscriptionDroppedError));
    const next = new Consumer(stream);
    await next.has(3);
    expect(next.numbers).toEqual([1, 2, 3]);
  });

  // On someone else's server this would drop other consumers.
  (external ? it.skip : it).each([
    'persistent_subscriptions.PersistentSubscriptions/RestartSubsystem',
    'operations.Operations/RestartPersistentSubscriptions',
  ])('is where a group goes on after %s', async (method) => {
    const stream = await groupOn(2);
    const consumer = new Consumer(stream);
    const [first] = (await consumer.has(2)) as [Received];
    await consumer.ack(first);
    const raw = new Client(`127.0.0.1:${node?.port}`, credentials.createInsecure());
    const nothing = (): Buffer => Buffer.alloc(0);
    await new Promise<void>((resolve, reject) =>
      raw.makeUnaryRequest(`/event_store.client.${method}`, nothing, nothing, {}, (error) => (error ? reject(error) : resolve())),
    );
    raw.close();
    await eventually(() => expect(consumer.error).toBeInstanceOf(PersistentSubscriptionDroppedError));
    const next = new Consumer(stream);
    await next.has(1);
    expect(next.received.map(({ n, retries }) => ({ n, retries }))).toEqual([{ n: 1, retries: 0 }]);
  });

  // Someone else's server is not ours to stop.
  (external ? it.skip : it)('outlives the node, and so does what is parked and not answered for', async () => {
    const stream = await groupOn(4);
    const fromEnd = await groupOn(2, { startFrom: END });
    const consumer = new Consumer(stream);
    const [first, second] = (await consumer.has(4)) as [Received, Received];
    await consumer.ack(first);
    await consumer.nack(PARK, second);
    await eventually(async () => expect(await parked(stream)).toBe(1n));
    await client.replayParkedMessagesToStream(stream, GROUP);
    await consumer.has(5);
    await write(fromEnd, 2);

    const { port } = node as EmbeddedEventStoreDB;
    await node?.close();
    await eventually(() => expect(consumer.error).toMatchObject({ type: 'unavailable' }));
    node = await startEmbeddedEventStoreDB({ directory: directory as string, port });
    const again = EventStoreDBClient.connectionString(node.url);
    try {
      const next = new Consumer(stream, 10, again);
      await next.has(2);
      expect(next.numbers).toEqual([2, 3]);
      await again.replayParkedMessagesToStream(stream, GROUP);
      await next.has(3);
      expect(next.numbers).toEqual([2, 3, 1]);
      const late = new Consumer(fromEnd, 10, again);
      await late.has(1);
      expect(late.numbers).toEqual([2]);
    } finally {
      await again.dispose();
      await client.dispose();
      client = EventStoreDBClient.connectionString(node.url);
    }
  });
});
