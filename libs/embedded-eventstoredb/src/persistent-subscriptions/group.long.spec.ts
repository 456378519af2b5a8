import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { eventually } from '../../../../test/eventually.js';
import { ANY } from '../storage/append-rules.js';
import { EventLog } from '../storage/event-log.js';
import { LogWriter, type NewEvent } from '../storage/log-writer.js';
import { dataOf, NO_BYTES } from '../storage/record.js';
import { decode } from '../testing/recorded-messages.js';
import { lowestVisible } from '../storage/visible-events.js';
import type { Consumer, Group, NackAction } from './group.js';
import { PersistentSubscriptions } from './persistent-subscriptions.js';
import { ALL, checkpointStreamOf, parkedStreamOf, type GroupSettings } from './settings.js';

/** Groups without gRPC: consumers are plain objects, so that many histories can be tried. */

const STREAM = 'source';
const GROUP = 'desk';
const TYPE = Buffer.from('escalated');
const newEvent = (id: string = randomUUID(), data: Uint8Array = Buffer.from('{}')): NewEvent => ({
  id,
  type: TYPE,
  json: true,
  data,
  customMetadata: NO_BYTES,
});

const SETTINGS: GroupSettings = {
  source: STREAM,
  group: GROUP,
  start: { kind: 'at', place: 0, prepare: 0 },
  end: 0,
  filter: undefined,
  resolveLinks: false,
  extraStatistics: false,
  messageTimeout: 60_000,
  maxRetryCount: 3,
  liveBufferSize: 10,
  historyBufferSize: 10,
  readBatchSize: 5,
  checkpointAfter: 1,
  minCheckpointCount: 1,
  maxCheckpointCount: 100,
  maxSubscriberCount: 0,
  strategy: 'RoundRobin',
};

/** A log with its subscriptions; the node may stop or be killed, and start again. */
class Life {
  private readonly directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  private log = EventLog.open(this.directory);
  private writer = new LogWriter(this.log, Date.now);
  private killed = { yet: false };
  subscriptions = this.open();

  private open(): PersistentSubscriptions {
    const killed = (this.killed = { yet: false });
    const { log, writer } = this;
    // A dead process writes nothing more.
    const mortal = Object.assign(Object.create(writer) as LogWriter, {
      append: (...write: Parameters<LogWriter['append']>) => (killed.yet ? new Promise<never>(() => undefined) : writer.append(...write)),
    });
    return new PersistentSubscriptions({ log, writer: mortal, now: Date.now });
  }

  get group(): Group {
    const [group] = this.subscriptions.list();
    if (!group) throw new Error('no group');
    return group;
  }

  append(events: readonly NewEvent[], stream = STREAM): Promise<unknown> {
    return this.writer.append(stream, ANY, events);
  }

  async restart(how: 'stop' | 'kill'): Promise<void> {
    this.killed.yet = how === 'kill';
    if (how === 'stop') await this.subscriptions.close();
    else for (const group of this.subscriptions.list()) group.stop();
    await this.writer.close();
    await this.log.close();
    this.log = EventLog.open(this.directory);
    this.writer = new LogWriter(this.log, Date.now);
    this.subscriptions = this.open();
  }

  /** Revisions of the events that the parked stream links to. */
  parked(): number[] {
    const stream = this.log.stream(parkedStreamOf(this.group.settings.source, GROUP));
    const records = this.log.readStream(
      stream.number,
      0,
      { lowest: lowestVisible(this.log, stream, Date.now()), highest: stream.lastRevision },
      10_000,
      false,
    );
    return records.map((record) => Number(dataOf(record).toString().split('@')[0]));
  }

  async end(): Promise<void> {
    await this.subscriptions.close();
    await this.writer.close();
    await this.log.close();
    rmSync(this.directory, { recursive: true });
  }
}

interface Delivered {
  readonly id: string;
  /** The id of the event itself, even if it arrives through a link. */
  readonly revision: number;
  readonly retries: number;
}

/** A consumer that responds on command. */
class FakeConsumer {
  readonly open: Delivered[] = [];
  readonly all: Delivered[] = [];
  reads = true;
  private readonly consumer: Consumer | undefined;
  gone = false;

  constructor(
    private readonly group: Group,
    readonly slots: number,
    private readonly onDelivery: (delivered: Delivered, to: FakeConsumer) => void = () => undefined,
  ) {
    this.consumer = group.connect({
      username: 'system',
      name: 'test',
      slots,
      uuid: 'string',
      keepsUp: () => this.reads,
      write: (message) => this.take(message),
      drop: () => void (this.gone = true),
    });
  }

  private take(message: Buffer): void {
    const { event } = decode('PsReadResp', message) as {
      event: { event: { id: string; revision: string }; link?: { id: string }; retry_count: number };
    };
    const delivered = { id: event.link?.id ?? event.event.id, revision: Number(event.event.revision), retries: event.retry_count };
    this.open.push(delivered);
    this.all.push(delivered);
    this.onDelivery(delivered, this);
  }

  answer(index: number, how: 'ack' | NackAction): Delivered | undefined {
    const [delivered] = this.open.splice(index % Math.max(this.open.length, 1), 1);
    if (!delivered) return undefined;
    if (how === 'ack') this.group.ack([delivered.id]);
    else this.group.nack([delivered.id], how, 'a reason');
    return delivered;
  }

  leave(): void {
    this.gone = true;
    if (this.consumer) this.group.disconnect(this.consumer);
  }
}

type Action =
  | { readonly kind: 'append'; readonly count: number; readonly twice: boolean }
  | { readonly kind: 'connect'; readonly slots: number }
  | { readonly kind: 'disconnect' | 'pause' | 'read'; readonly consumer: number }
  | { readonly kind: 'answer'; readonly consumer: number; readonly index: number; readonly how: 'ack' | NackAction }
  | { readonly kind: 'replay' | 'update' | 'stop' | 'kill' };

const small = fc.nat({ max: 5 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 12 }), twice: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('connect' as const), slots: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('disconnect' as const, 'pause' as const, 'read' as const), consumer: small }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      consumer: small,
      index: small,
      how: fc.constantFrom('ack' as const, 'ack' as const, 'retry' as const, 'park' as const, 'skip' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('replay' as const, 'replay' as const, 'update' as const, 'stop' as const, 'kill' as const),
    }),
  },
);
const settings: fc.Arbitrary<GroupSettings> = fc
  .record({
    onAll: fc.boolean(),
    strategy: fc.constantFrom('RoundRobin' as const, 'DispatchToSingle' as const, 'Pinned' as const, 'PinnedByCorrelation' as const),
    maxRetryCount: fc.nat({ max: 2 }),
    historyBufferSize: fc.integer({ min: 2, max: 20 }),
    minCheckpointCount: fc.integer({ min: 1, max: 5 }),
    maxCheckpointCount: fc.integer({ min: 1, max: 20 }),
  })
  .map(
    ({ onAll, ...some }) =>
      ({
        ...SETTINGS,
        ...some,
        readBatchSize: 1,
        ...(onAll && { source: ALL, filter: { on: 'stream', regex: '', prefixes: [STREAM] } }),
      }) as GroupSettings,
  );

async function live(chosen: GroupSettings, actions: readonly Action[]): Promise<void> {
  const life = new Life();
  try {
    await life.subscriptions.create(chosen);
    let written = 0;
    let consumers: FakeConsumer[] = [];
    const delivered = new Set<number>();
    const settled = new Set<number>();
    const noteDelivery = ({ revision, id }: Delivered, to: FakeConsumer): void => {
      delivered.add(revision);
      if (!to.reads) throw new Error('sent to a consumer that does not read');
      if (to.open.length > to.slots) throw new Error('sent more than the consumer has room for');
      const holders = consumers.filter((consumer) => !consumer.gone && consumer.open.some((other) => other.id === id));
      if (holders.length > (holders.includes(to) ? 1 : 0)) throw new Error('sent to two consumers at once');
    };
    const run = async (step: Action): Promise<void> => {
      const one = 'consumer' in step ? consumers[step.consumer % Math.max(consumers.length, 1)] : undefined;
      if (step.kind === 'append') {
        const id = randomUUID();
        await life.append(Array.from({ length: step.count }, (_, index) => newEvent(step.twice && index < 2 ? id : undefined)));
        written += step.count;
      } else if (step.kind === 'connect') consumers.push(new FakeConsumer(life.group, step.slots, noteDelivery));
      else if (step.kind === 'disconnect') {
        one?.leave();
        consumers = consumers.filter((consumer) => consumer !== one);
      } else if (step.kind === 'pause' && one) one.reads = false;
      else if (step.kind === 'read' && one) {
        one.reads = true;
        life.group.resume();
      } else if (step.kind === 'answer') {
        const answered = one?.answer(step.index, step.how);
        if (answered && (step.how === 'ack' || step.how === 'skip')) settled.add(answered.revision);
      } else if (step.kind === 'replay') await life.group.replayParked(undefined);
      else if (step.kind === 'update') await life.subscriptions.update(chosen.source, GROUP, (before) => before);
      else if (step.kind === 'stop' || step.kind === 'kill') await life.restart(step.kind);
      if (step.kind === 'update' || step.kind === 'stop' || step.kind === 'kill') consumers = [];
    };
    for (const step of actions) {
      await run(step);
      await new Promise((resolve) => setImmediate(resolve));
      const { readBufferCount, outstanding } = life.group.info();
      expect(readBufferCount).toBeLessThanOrEqual(chosen.historyBufferSize);
      expect(outstanding).toBe(consumers.reduce((sum, consumer) => sum + consumer.open.length, 0));
    }

    for (const consumer of consumers) consumer.leave();
    consumers = [];
    const last = new FakeConsumer(life.group, 4, noteDelivery);
    const missing = (): number[] => {
      const parked = new Set(life.parked());
      return Array.from({ length: written }, (_, revision) => revision).filter(
        (revision) => !settled.has(revision) && !parked.has(revision),
      );
    };
    await eventually(
      () => {
        for (let answered = last.answer(0, 'ack'); answered; answered = last.answer(0, 'ack')) settled.add(answered.revision);
        return missing();
      },
      ({ length }) => length === 0,
    );
    expect([...delivered].sort((a, b) => a - b)).toEqual(Array.from({ length: written }, (_, revision) => revision));
  } finally {
    await life.end();
  }
}

it('delivers every event until it is acknowledged, parked or skipped, whatever consumers do and how often the node stops', async () => {
  await fc.assert(fc.asyncProperty(settings, fc.array(action, { minLength: 10, maxLength: 60, size: 'max' }), live), { numRuns: 30 });
});

/** Bytes of buffers that are still referenced. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('holds positions of events, not events, and no more than its buffers, however far it lags behind', async () => {
  const life = new Life();
  try {
    const data = Buffer.alloc(10_000, 'x');
    for (let batch = 0; batch < 20; batch++) await life.append(Array.from({ length: 100 }, () => newEvent(undefined, data)));
    const before = heldBytes();
    await life.subscriptions.create({ ...SETTINGS, historyBufferSize: 1000, readBatchSize: 20 });
    const { group } = life;
    await eventually(
      () => group.info().readBufferCount,
      (count) => count > 900,
    );
    const consumer = new FakeConsumer(group, 100);
    await eventually(
      () => group.info().readBufferCount,
      (count) => count > 900,
    );
    expect(group.info()).toMatchObject({ status: expect.stringMatching(/^Behind/) as string, outstanding: 100 });
    // The events themselves, some 1000 of them, would take 10 MB.
    await eventually(
      () => heldBytes() - before,
      (bytes) => bytes < 2_000_000,
    );

    let most = 0;
    while (consumer.all.length < 2000) {
      while (consumer.answer(0, 'ack'));
      most = Math.max(most, group.info().readBufferCount);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThanOrEqual(1000);
    expect(consumer.all.map(({ revision }) => revision)).toEqual(Array.from({ length: 2000 }, (_, revision) => revision));
  } finally {
    await life.end();
  }
});

it('sends nothing more to a consumer that does not read, and continues when it does', async () => {
  const life = new Life();
  try {
    await life.subscriptions.create(SETTINGS);
    const [slow, quick] = [new FakeConsumer(life.group, 100), new FakeConsumer(life.group, 100)];
    slow.reads = false;
    await life.append(Array.from({ length: 20 }, () => newEvent()));
    await eventually(
      () => quick.all,
      ({ length }) => length === 20,
    );
    expect(slow.all).toEqual([]);
    quick.leave();
    slow.reads = true;
    life.group.resume();
    await eventually(
      () => slow.all,
      ({ length }) => length === 20,
    );
    expect(slow.all.every(({ retries }) => retries === 1)).toBe(true);
  } finally {
    await life.end();
  }
});

it('starts despite invalid events in the streams of groups', async () => {
  const life = new Life();
  try {
    await life.subscriptions.create(SETTINGS);
    await life.append([newEvent()]);
    for (const nonsense of ['{', 'null', '{"entries":1}', '{"entries":[1,null]}', '"x"'])
      await life.append([newEvent(undefined, Buffer.from(nonsense))], '$persistentSubscriptionConfig');
    for (const nonsense of ['{', '{}', '"C:1/P:1"', '"-5"']) {
      await life.append([newEvent(undefined, Buffer.from(nonsense))], checkpointStreamOf(STREAM, GROUP));
      await life.restart('kill');
      const consumer = new FakeConsumer(life.group, 1);
      await eventually(
        () => ({ nonsense, received: consumer.all }),
        ({ received }) => received.length === 1,
      );
    }
  } finally {
    await life.end();
  }
});

it('does not confuse groups whose names give the same key', async () => {
  const life = new Life();
  try {
    await life.subscriptions.create({ ...SETTINGS, source: 'a::b', group: 'c' });
    expect(() => life.subscriptions.get('a', 'b::c')).toThrow('Subscription group b::c on stream a does not exist.');
    await expect(life.subscriptions.create({ ...SETTINGS, source: 'a', group: 'b::c' })).rejects.toThrow('exists');
  } finally {
    await life.end();
  }
});
