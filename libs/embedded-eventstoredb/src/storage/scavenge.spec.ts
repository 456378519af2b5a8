import { randomUUID } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackupExists } from '@tierline/embedded-host';
import { EventStoreDBClient, jsonEvent, START } from '@eventstore/db-client';
import operationsService from '@eventstore/db-client/generated/operations_grpc_pb.js';
import operationsMessages from '@eventstore/db-client/generated/operations_pb.js';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { ANY } from './append-rules.js';
import { BackupFailed } from './errors.js';
import { EventLog } from './event-log.js';
import { startEmbeddedEventStoreDB } from '../index.js';
import { LogWriter, type NewEvent } from './log-writer.js';
import { Maintenance } from './maintenance.js';
import {
  createdOf,
  dataOf,
  idOf,
  kindOf,
  MARK,
  NO_BYTES,
  positionOf,
  revisionOf,
  streamNameOf,
  TOMBSTONE,
  typeOf,
  type LogRecord,
} from './record.js';
import { logDirectory } from './segments.js';
import { isMissing, isTombstoned, lowestVisible } from './visible-events.js';

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  directory = join(root, 'data');
  mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true }));

const SEGMENT_BYTES = 3000;
let clock = 1_763_700_000_000;
const now = (): number => clock;

interface Opened {
  readonly log: EventLog;
  readonly writer: LogWriter;
  readonly maintenance: Maintenance;
  close(): Promise<void>;
}

function opened(of = directory): Opened {
  const log = EventLog.open(of, SEGMENT_BYTES);
  const writer = new LogWriter(log, now);
  const maintenance = new Maintenance(log, writer, now);
  return {
    log,
    writer,
    maintenance,
    async close() {
      await maintenance.close();
      await writer.close();
      await log.close();
    },
  };
}

const event = (data: string, type = 'written', json = false): NewEvent => ({
  id: randomUUID(),
  type: Buffer.from(type),
  json,
  data: Buffer.from(data),
  customMetadata: NO_BYTES,
});
const metadata = ({ writer }: Opened, stream: string, settings: object): Promise<unknown> =>
  writer.append(`$$${stream}`, ANY, [event(JSON.stringify(settings), '$metadata', true)]);
const name = (record: LogRecord): string => streamNameOf(record).toString();
const isDiary = (record: LogRecord): boolean => name(record).startsWith('$scavenges');

function streamOf(log: EventLog, stream: string): number[] | 'missing' | 'deleted' {
  const state = log.stream(stream);
  if (isTombstoned(log, state)) return 'deleted';
  if (isMissing(state)) return 'missing';
  const bounds = { lowest: lowestVisible(log, state, now()), highest: state.lastRevision };
  const forwards = log.readStream(state.number, 0, bounds, 1000, false).map(revisionOf);
  expect(log.readStream(state.number, state.lastRevision, bounds, 1000, true).map(revisionOf)).toEqual([...forwards].reverse());
  return forwards;
}

/** The whole log without what the scavenge wrote about itself; read in pages, from each record, and in both directions. */
function allOf(log: EventLog): LogRecord[] {
  const all: LogRecord[] = [];
  for (let next = 0; ;) {
    const page = log.readAll(next, 7);
    const last = page.at(-1);
    if (!last) break;
    all.push(...page);
    next = positionOf(last) + last.length;
  }
  expect(log.readAllBackwards(log.end, 10_000).map(positionOf)).toEqual(all.map(positionOf).reverse());
  for (const [index, record] of all.entries()) {
    expect(log.isBoundary(positionOf(record))).toBe(true);
    expect(log.readAllBackwards(positionOf(record), 1).map(positionOf)).toEqual(
      index === 0 ? [] : [positionOf(all[index - 1] as LogRecord)],
    );
  }
  return all.filter((record) => !isDiary(record));
}

it('removes what no reader sees, and keeps everything else in place, also after a restart', async () => {
  let node = opened();
  const fill = async (stream: string, events: number): Promise<void> => {
    for (let n = 0; n < events; n++) await node.writer.append(stream, ANY, [event(`${stream} ${n}`)]);
  };
  for (const stream of ['kept', 'counted', 'cut', 'deleted', 'tombstoned', 'aged', 'deleted-and-back']) await fill(stream, 12);
  clock += 100_000;
  await fill('aged', 3);
  await metadata(node, 'counted', { $maxCount: 3 });
  await metadata(node, 'counted', { $maxCount: 4 });
  await metadata(node, 'cut', { $tb: 9 });
  await metadata(node, 'aged', { $maxAge: 50 });
  await metadata(node, 'tombstoned', { own: 1 });
  await node.writer.delete('deleted', ANY);
  await node.writer.tombstone('tombstoned', ANY);
  await node.writer.delete('deleted-and-back', ANY);
  await fill('deleted-and-back', 2);
  await node.writer.append('kept', ANY, []);
  const before = allOf(node.log);
  const readable = ['kept', 'counted', 'cut', 'deleted', 'tombstoned', 'aged', 'deleted-and-back', '$$counted', '$$tombstoned'];
  const streams = readable.map((stream) => [stream, streamOf(node.log, stream)]);

  const { bytesFreed, eventsDropped } = await node.maintenance.startScavenge().done;

  const stays = (record: LogRecord): boolean => {
    const revision = revisionOf(record);
    if (kindOf(record) === TOMBSTONE) return true;
    if (kindOf(record) === MARK) return false;
    switch (name(record)) {
      case 'counted':
        return revision >= 8;
      case 'cut':
        return revision >= 9;
      case 'aged':
        return createdOf(record) === clock;
      case 'deleted':
        return revision === 11;
      case 'deleted-and-back':
        return revision >= 12;
      case 'tombstoned':
      case '$$tombstoned':
        return false;
      case '$$counted':
      case '$$deleted-and-back':
        return revision === 1;
      default:
        return true;
    }
  };
  const after = before.filter(stays);
  expect(eventsDropped).toBe(before.filter((record) => !stays(record) && kindOf(record) !== MARK).length);
  expect(bytesFreed).toBe(before.filter((record) => !stays(record)).reduce((sum, record) => sum + record.length, 0));
  for (const round of [0, 1, 2]) {
    expect(allOf(node.log)).toEqual(after);
    expect(readable.map((stream) => [stream, streamOf(node.log, stream)])).toEqual(streams);
    // Reading can still resume at a removed record's position.
    for (const record of before) expect(node.log.isBoundary(positionOf(record))).toBe(true);
    for (const record of before.slice(0, 20)) {
      expect(node.log.readAll(positionOf(record), 1).map(positionOf)).toEqual(
        after
          .filter((other) => positionOf(other) >= positionOf(record))
          .slice(0, 1)
          .map(positionOf),
      );
    }
    if (round === 2) break;
    await node.close();
    // The second time the index is rebuilt from the remaining files.
    if (round === 1) rmSync(join(directory, 'index'), { recursive: true });
    node = opened();
  }
  expect(await node.writer.append('deleted', 11, [event('again')])).toMatchObject({ lastRevision: 12 });
  expect(await node.writer.append('tombstoned', ANY, [event('never')])).toEqual({ kind: 'deleted' });
  // The second scavenge finds only what has happened since.
  expect((await node.maintenance.startScavenge().done).eventsDropped).toBeLessThan(10);
  await node.close();
});

it('accepts appends and serves reads meanwhile, and can be stopped', async () => {
  const node = opened();
  for (let n = 0; n < 200; n++) await node.writer.append('counted', ANY, [event(`${n}`)]);
  await metadata(node, 'counted', { $maxCount: 1 });
  const first = node.maintenance.startScavenge();
  expect(first.started).toBe(true);
  expect(node.maintenance.startScavenge()).toMatchObject({ id: first.id, started: false });
  let appended = 0;
  let over = false;
  void first.done.then(() => (over = true));
  while (!over) {
    await node.writer.append('beside', ANY, [event('beside')]);
    expect(streamOf(node.log, 'beside')).toHaveLength(++appended);
    expect(streamOf(node.log, 'counted')).toEqual([199]);
    allOf(node.log);
  }
  expect(appended).toBeGreaterThan(1);
  expect((await first.done).eventsDropped).toBeGreaterThanOrEqual(199);

  for (let n = 0; n < 100; n++) await node.writer.append('counted', ANY, [event(`${n}`)]);
  const second = node.maintenance.startScavenge();
  expect(node.maintenance.stopScavenge(first.id)).toBe(false);
  expect(node.maintenance.stopScavenge(second.id)).toBe(true);
  await expect(second.done).rejects.toThrow('stopped');
  const diary = node.log.readAll(0, 10_000).filter((record) => typeOf(record).toString() === '$scavengeCompleted');
  expect(diary.map((record) => (JSON.parse(dataOf(record).toString()) as { result: string }).result)).toEqual(['Success', 'Stopped']);
  expect(streamOf(node.log, 'counted')).toEqual([299]);
  await node.close();
});

it('leaves an intact log wherever it is interrupted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ stream: fc.constantFrom('a', 'b', 'c'), events: fc.integer({ min: 1, max: 4 }) }), {
        minLength: 20,
        maxLength: 40,
      }),
      fc.nat(40),
      async (appends, turns) => {
        const own = join(root, randomUUID());
        mkdirSync(own);
        const node = opened(own);
        await metadata(node, 'a', { $maxCount: 2 });
        await metadata(node, 'b', { $tb: 5 });
        for (const { stream, events } of appends)
          await node.writer.append(
            stream,
            ANY,
            Array.from({ length: events }, (_, n) => event(`${n}`)),
          );
        const streams = ['a', 'b', 'c'].map((stream) => streamOf(node.log, stream));
        const ids = new Set(allOf(node.log).map(idOf));
        let over = false;
        void node.maintenance.startScavenge().done.then(
          () => (over = true),
          () => undefined,
        );
        for (let turn = 0; turn < turns && !over; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
        const left = `${own}-killed`;
        cpSync(own, left, { recursive: true });
        await node.close();
        const again = opened(left);
        expect(['a', 'b', 'c'].map((stream) => streamOf(again.log, stream))).toEqual(streams);
        for (const record of allOf(again.log)) expect(ids.has(idOf(record))).toBe(true);
        await again.maintenance.startScavenge().done;
        expect(['a', 'b', 'c'].map((stream) => streamOf(again.log, stream))).toEqual(streams);
        expect(allOf(again.log).filter((record) => name(record) === 'a').length).toBe(
          streams[0] === 'missing' ? 0 : Math.min(2, (streams[0] as readonly number[]).length),
        );
        expect(readdirSync(logDirectory(left)).filter((file) => file.endsWith('.new'))).toEqual([]);
        await again.close();
      },
    ),
    { numRuns: 10 },
  );
});

describe('a backup', () => {
  const target = (): string => join(root, 'backup');

  it('taken during writes is a log that ends between two groups, on which a node starts', async () => {
    const node = opened();
    for (let n = 0; n < 60; n++) await node.writer.append(`stream-${n % 4}`, ANY, [event(`${n}`)]);
    await metadata(node, 'stream-0', { $maxCount: 2 });
    await node.maintenance.startScavenge().done;
    const { end } = node.log;
    let over = false;
    const backup = node.maintenance.backUp(target()).finally(() => (over = true));
    let appended = 0;
    while (!over) await node.writer.append('beside', ANY, [event(`${appended++} first`), event('second')]);
    await backup;
    expect(existsSync(`${target()}.partial`)).toBe(false);

    const copy = opened(target());
    const copied = allOf(copy.log);
    expect(copied).toEqual(allOf(node.log).slice(0, copied.length));
    expect(copy.log.end).toBeGreaterThanOrEqual(end);
    expect(copy.log.stream('beside').lastRevision % 2).not.toBe(0);
    for (const stream of ['stream-0', 'stream-1']) expect(streamOf(copy.log, stream)).toEqual(streamOf(node.log, stream));
    expect(await copy.writer.append('stream-1', ANY, [event('goes on')])).toMatchObject({ kind: 'written', lastRevision: 15 });
    await copy.close();
    await node.close();
  });

  it('is refused in a directory that is not empty, and removes an incomplete copy', async () => {
    const node = opened();
    await node.writer.append('a', ANY, [event('1')]);
    mkdirSync(target());
    writeFileSync(join(target(), 'mine'), '');
    await expect(node.maintenance.backUp(target())).rejects.toThrow(BackupExists);
    expect(readdirSync(target())).toEqual(['mine']);
    const impossible = join(target(), 'mine', 'backup');
    await expect(node.maintenance.backUp(impossible)).rejects.toThrow(BackupFailed);
    await node.writer.append('a', ANY, [event('2')]);
    await node.close();
  });
});

it('is started, reported and stopped through Operations, and leaves a record', async () => {
  const node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  const client = EventStoreDBClient.connectionString(node.url);
  const operations = new operationsService.OperationsClient(`127.0.0.1:${node.port}`, credentials.createInsecure());
  const read = async (stream: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const { event: read } of client.readStream(stream, { resolveLinkTos: true })) found.push([read?.type, read?.data]);
    return found;
  };
  const all = async (): Promise<number> => {
    let events = 0;
    for await (const { event: read } of client.readAll({ fromPosition: START })) if (read?.streamId === 'counted') events++;
    return events;
  };
  try {
    await client.appendToStream(
      'counted',
      Array.from({ length: 10 }, (_, n) => jsonEvent({ type: 'written', data: { n } })),
    );
    await client.setStreamMetadata('counted', { maxCount: 2 });
    expect(await all()).toBe(10);
    const started = await new Promise<operationsMessages.ScavengeResp>((resolve, reject) => {
      const request = new operationsMessages.StartScavengeReq();
      request.setOptions(new operationsMessages.StartScavengeReq.Options().setThreadCount(1));
      operations.startScavenge(request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
    expect(started.getScavengeResult()).toBe(operationsMessages.ScavengeResp.ScavengeResult.STARTED);
    const id = started.getScavengeId();
    // Joins the running one, or runs after it.
    await node.scavenge();
    expect(await all()).toBe(2);
    expect(await read('counted')).toEqual([
      ['written', { n: 8 }],
      ['written', { n: 9 }],
    ]);
    expect(await read(`$scavenges-${id}`)).toEqual([
      ['$scavengeStarted', { scavengeId: id }],
      [
        '$scavengeCompleted',
        {
          scavengeId: id,
          result: 'Success',
          error: '',
          timeTaken: expect.stringMatching(/^00:00:\d\d\.\d{3}$/) as string,
          spaceSaved: expect.any(Number) as number,
        },
      ],
    ]);
    expect((await read('$scavenges')).slice(0, 2)).toEqual(await read(`$scavenges-${id}`));
    const refused = await new Promise<ServiceError | null>((resolve) => {
      const request = new operationsMessages.StopScavengeReq();
      request.setOptions(new operationsMessages.StopScavengeReq.Options().setScavengeId(id));
      operations.stopScavenge(request, resolve);
    });
    expect([refused?.code, refused?.metadata.get('exception')]).toEqual([5, ['scavenge-not-found']]);
  } finally {
    operations.close();
    await client.dispose();
    await node.close();
  }
});
