import { randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { jest } from '@jest/globals';
import { ANY } from './append-rules.js';
import { DamagedLog } from './errors.js';
import { EventLog } from './event-log.js';
import { FIRST_POSITION } from './segments.js';
import { LogWriter, type NewEvent } from './log-writer.js';
import { dataOf, NO_BYTES, positionOf, revisionOf } from './record.js';
import { logDirectory, segmentPath } from './segments.js';
import { isMissing, isTombstoned, lowestVisible } from './visible-events.js';

/** What the log on disk returns: after a crash at any byte, with changed bytes, without its index, from the previous format. */

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  directory = join(root, 'data');
  mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true }));

const event = (data: string): NewEvent => ({
  id: randomUUID(),
  type: Buffer.from('written'),
  json: false,
  data: Buffer.from(data),
  customMetadata: NO_BYTES,
});

async function written(log: EventLog, from: number, to: number): Promise<void> {
  const writer = new LogWriter(log, Date.now);
  for (let n = from; n < to; n++) await writer.append(`stream-${n % 3}`, ANY, [event(`${n} first`), event(`${n} second`)]);
  await writer.close();
}

const texts = (log: EventLog): string[] => log.readAll(0, 10_000).map((record) => dataOf(record).toString());
const expected = (appends: number): string[] => Array.from({ length: appends }, (_, n) => [`${n} first`, `${n} second`]).flat();

/** What a process killed now leaves behind. */
function crashed(name: string): string {
  const copy = join(root, name);
  cpSync(directory, copy, { recursive: true });
  return copy;
}

const files = (of: string): string[] => readdirSync(logDirectory(of)).sort();

describe('after a crash', () => {
  let said: string[];
  beforeEach(() => {
    said = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((text) => void said.push(String(text)));
  });
  afterEach(() => void jest.restoreAllMocks());

  it('has all flushed groups and nothing of a torn one, wherever it is torn', async () => {
    const log = EventLog.open(directory);
    await written(log, 0, 5);
    const sound = log.end - FIRST_POSITION;
    await written(log, 5, 6);
    const whole = log.end - FIRST_POSITION;
    for (let length = sound; length < whole; length += 7) {
      const copy = crashed(`cut-${length}`);
      truncateSync(segmentPath(copy, { base: FIRST_POSITION, generation: 0 }), length);
      const again = EventLog.open(copy);
      expect(texts(again)).toEqual(expected(5));
      await written(again, 5, 7);
      expect(texts(again)).toEqual(expected(7));
      await again.close();
    }
    await log.close();
    expect(said).toHaveLength(Math.floor((whole - sound - 1) / 7));
  });

  it('has nothing of a group with a missing part', async () => {
    const log = EventLog.open(directory);
    await written(log, 0, 5);
    const sound = log.end - FIRST_POSITION;
    await written(log, 5, 6);
    const copy = crashed('hole');
    const path = segmentPath(copy, { base: FIRST_POSITION, generation: 0 });
    const bytes = readFileSync(path);
    bytes.fill(0, sound + 10, sound + 60);
    writeFileSync(path, bytes);
    const again = EventLog.open(copy);
    expect(texts(again)).toEqual(expected(5));
    await again.close();
    await log.close();
  });

  it('does not open a log that has lost acknowledged events', async () => {
    const log = EventLog.open(directory);
    await written(log, 0, 3);
    const damaged = log.end - FIRST_POSITION;
    await written(log, 3, 5);
    const copy = crashed('damaged');
    const path = segmentPath(copy, { base: FIRST_POSITION, generation: 0 });
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(damaged + 90) ^ 1, damaged + 90);
    writeFileSync(path, bytes);
    expect(() => EventLog.open(copy)).toThrow(DamagedLog);
    expect(() => EventLog.open(copy)).toThrow(new RegExp(`position ${damaged + FIRST_POSITION} cannot be read`));
    await log.close();
    // Even if the index says that there was more.
    truncateSync(segmentPath(directory, { base: FIRST_POSITION, generation: 0 }), damaged);
    expect(() => EventLog.open(directory)).toThrow(DamagedLog);
  });
});

it('continues in the next file when one is full, and reads across them in both directions', async () => {
  let log = EventLog.open(directory, 4096);
  await written(log, 0, 50);
  expect(files(directory).length).toBeGreaterThan(5);
  for (const round of [0, 1]) {
    expect(texts(log)).toEqual(expected(50));
    const all = log.readAll(0, 1000);
    expect(log.readAllBackwards(log.end, 1000).map(positionOf)).toEqual(all.map(positionOf).reverse());
    for (const record of all) {
      expect(log.isBoundary(positionOf(record))).toBe(true);
      expect(log.isBoundary(positionOf(record) + 1)).toBe(false);
      expect(log.readAll(positionOf(record), 1).map(positionOf)).toEqual([positionOf(record)]);
    }
    const { number } = log.stream('stream-1');
    expect(log.readStream(number, 10, { lowest: 0, highest: 33 }, 5, false).map(revisionOf)).toEqual([10, 11, 12, 13, 14]);
    expect(log.readStream(number, 10, { lowest: 0, highest: 33 }, 20, true).map(revisionOf)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    // The second time from the index.
    if (round > 0) continue;
    await log.close();
    log = EventLog.open(directory, 4096);
  }
  await log.close();
});

it('does not open a log with a missing file, and ignores unknown files', async () => {
  const log = EventLog.open(directory, 4096);
  await written(log, 0, 50);
  await log.close();
  writeFileSync(join(logDirectory(directory), 'notes.txt'), 'mine');
  await EventLog.open(directory, 4096).close();
  expect(files(directory)).toContain('notes.txt');
  rmSync(join(logDirectory(directory), files(directory)[2] as string));
  expect(() => EventLog.open(directory, 4096)).toThrow(DamagedLog);
});

it('returns streams that are only partly indexed', async () => {
  let log = EventLog.open(directory);
  await written(log, 0, 6);
  await log.close();
  log = EventLog.open(directory);
  await written(log, 6, 12);
  const { number, lastRevision } = log.stream('stream-0');
  const bounds = { lowest: 0, highest: lastRevision };
  for (let from = 0; from <= 7; from++) {
    for (let limit = 1; limit <= 9; limit++) {
      const forwards = Array.from({ length: Math.min(limit, 8 - from) }, (_, index) => from + index);
      const backwards = Array.from({ length: Math.min(limit, from + 1) }, (_, index) => from - index);
      expect(log.readStream(number, from, bounds, limit, false).map(revisionOf)).toEqual(forwards);
      expect(log.readStream(number, from, bounds, limit, true).map(revisionOf)).toEqual(backwards);
    }
  }
  await log.close();
});

it('rebuilds a missing index', async () => {
  const log = EventLog.open(directory, 4096);
  await written(log, 0, 20);
  const before = log.stream('stream-2');
  await log.close();
  rmSync(join(directory, 'index'), { recursive: true });
  const again = EventLog.open(directory, 4096);
  expect(again.stream('stream-2')).toEqual(before);
  expect(again.readStream(before.number, 0, { lowest: 0, highest: before.lastRevision }, 100, false).length).toBe(before.lastRevision + 1);
  await written(again, 20, 21);
  expect(texts(again)).toEqual(expected(21));
  await again.close();
});

it('leaves no preallocated space behind when it is closed', async () => {
  const log = EventLog.open(directory);
  await written(log, 0, 3);
  const { end } = log;
  await log.close();
  expect(statSync(segmentPath(directory, { base: FIRST_POSITION, generation: 0 })).size).toBe(end - FIRST_POSITION);
});

const fixtures = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures');
const NOW = 1_763_700_200_000;
/** What the version that wrote a fixture read from it. */
interface Before {
  readonly end: number;
  readonly records: ReadonlyArray<{ readonly position: number; readonly bytes: number; readonly crc: number }>;
  readonly streams: Readonly<Record<string, readonly number[] | 'missing' | 'deleted'>>;
}

function check(log: EventLog, before: Before): void {
  expect(log.end).toBe(before.end);
  const records = log.readAll(0, 10_000);
  expect(records.map((record) => ({ position: positionOf(record), bytes: record.length, crc: record.readUInt32LE(0) }))).toEqual(
    before.records,
  );
  expect(log.readAllBackwards(log.end, 10_000)).toEqual(records.reverse());
  for (const [name, revisions] of Object.entries(before.streams)) {
    const state = log.stream(name);
    const bounds = { lowest: lowestVisible(log, state, NOW), highest: state.lastRevision };
    const found = isTombstoned(log, state)
      ? 'deleted'
      : isMissing(state)
        ? 'missing'
        : log.readStream(state.number, 0, bounds, 1000, false).map(revisionOf);
    expect([name, found]).toEqual([name, revisions]);
  }
}

describe('format 1', () => {
  const before = JSON.parse(readFileSync(join(fixtures, 'format-1.json'), 'utf8')) as Before;
  beforeEach(() => writeFileSync(join(directory, 'data.mdb'), gunzipSync(readFileSync(join(fixtures, 'format-1.mdb.gz')))));

  it('is upgraded without changing any record', async () => {
    const log = EventLog.open(directory);
    check(log, before);
    expect(existsSync(join(directory, 'data.mdb'))).toBe(false);
    const writer = new LogWriter(log, () => NOW);
    expect(await writer.append('order-2', 3, [event('new')])).toMatchObject({ lastRevision: 4, position: before.end });
    await writer.close();
    await log.close();
    const again = EventLog.open(directory);
    expect(texts(again).at(-1)).toBe('new');
    expect(again.readAll(0, 10_000).length).toBe(before.records.length + 1);
    await again.close();
  });

  it('is upgraded again after an interruption', async () => {
    mkdirSync(logDirectory(directory));
    writeFileSync(segmentPath(directory, { base: FIRST_POSITION, generation: 0 }), 'half a record');
    const log = EventLog.open(directory);
    check(log, before);
    await log.close();
  });
});

describe('format 2', () => {
  const before = JSON.parse(readFileSync(join(fixtures, 'format-2.json'), 'utf8')) as Before & { readonly files: Record<string, string> };
  beforeEach(() => {
    mkdirSync(logDirectory(directory));
    for (const [file, gzipped] of Object.entries(before.files))
      writeFileSync(join(directory, file), gunzipSync(Buffer.from(gzipped, 'base64')));
  });

  it.each([
    ['whose index is sound', (): void => undefined],
    ['whose index would crash LMDB', (): void => truncateSync(join(directory, 'data.mdb'), 8192)],
    ['whose index is lost', (): void => rmSync(join(directory, 'data.mdb'))],
  ])('%s is read with an index of the current format', async (_name, damage) => {
    damage();
    const log = EventLog.open(directory);
    check(log, before);
    expect(existsSync(join(directory, 'data.mdb'))).toBe(false);
    const writer = new LogWriter(log, () => NOW);
    expect(await writer.append('order-0', 20, [event('new')])).toMatchObject({ lastRevision: 21, position: before.end });
    await writer.close();
    await log.close();
    const again = EventLog.open(directory);
    expect(texts(again).at(-1)).toBe('new');
    await again.close();
  });
});
