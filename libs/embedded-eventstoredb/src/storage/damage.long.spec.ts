import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { ANY } from './append-rules.js';
import { EventLog } from './event-log.js';
import { FIRST_POSITION } from './segments.js';
import { BlockCache, DamagedTable, SECTIONS, Table, type TableInfo } from './index-table.js';
import { LogIndex } from './log-index.js';
import { LogWriter, type NewEvent } from './log-writer.js';
import { idOf, NO_BYTES, positionOf, revisionOf, streamNameOf, streamNumberOf, type LogRecord } from './record.js';
import { segmentPath } from './segments.js';

/** Whatever happens to the index, reads of the log are complete, nothing crashes, and the damage is reported. */

let root: string;
let said: string[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  said = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((text) => void said.push(String(text)));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(root, { recursive: true });
});

const SEGMENT_BYTES = 200_000;
const STREAMS = 40;
const open = (directory: string): EventLog => EventLog.open(directory, SEGMENT_BYTES);
const event = (): NewEvent => ({
  id: randomUUID(),
  type: Buffer.from('written'),
  json: false,
  data: randomBytes(randomInt(40)),
  customMetadata: NO_BYTES,
});

/** A log in several files, with several tables in its index, one of them merged from others. */
async function filled(directory: string): Promise<void> {
  for (let round = 0; round < 11; round++) {
    const log = open(directory);
    const writer = new LogWriter(log, Date.now);
    for (let n = 0; n < 30; n++)
      await writer.append(`stream-${(round * 7 + n) % STREAMS}`, ANY, Array.from({ length: 1 + (n % 5) }, event));
    if (round === 10) await writer.tombstone('stream-3', ANY);
    await writer.close();
    // Time to merge.
    await new Promise((resolve) => setTimeout(resolve, 20));
    await log.close();
  }
}

/** The whole log, in pages. */
function pages(read: (last: LogRecord | undefined) => LogRecord[]): LogRecord[] {
  const all: LogRecord[] = [];
  for (let page = read(undefined); page.length > 0; page = read(all.at(-1))) all.push(...page);
  return all;
}

/** Every kind of read of the log. */
function answers(log: EventLog): unknown {
  const all = pages((last) => log.readAll(last ? positionOf(last) + last.length : 0, 1000));
  return {
    all: all.map(positionOf),
    backwards: pages((last) => log.readAllBackwards(last ? positionOf(last) : log.end, 1000)).map(positionOf),
    revisions: all.map((record) => log.revisionOfId(streamNumberOf(record), idOf(record))),
    unknown: log.revisionOfId(0, randomUUID()),
    streams: Array.from({ length: STREAMS + 1 }, (_, n) => {
      const stream = log.stream(`stream-${n}`);
      const bounds = { lowest: 0, highest: stream.lastRevision };
      return [
        stream,
        log.readStream(stream.number, 0, bounds, 10_000, false).map(idOf),
        log.readStream(stream.number, stream.lastRevision, bounds, 10_000, true).map(revisionOf),
      ];
    }),
  };
}

/** Whether reading every entry of the index encounters damage. */
function isNoticed(directory: string): boolean {
  const manifest = readFileSync(join(directory, 'index/manifest'), 'utf8');
  const { tables } = JSON.parse(manifest.slice(manifest.indexOf('\n'))) as { tables: TableInfo[] };
  try {
    for (const info of tables) {
      const table = Table.open(join(directory, `index/${String(info.number).padStart(10, '0')}.table`), info, new BlockCache());
      try {
        for (const section of SECTIONS) for (let index = 0; index < table.count(section); index++) table.entry(section, index);
      } finally {
        table.close();
      }
    }
    return false;
  } catch (error) {
    expect(error).toBeInstanceOf(DamagedTable);
    return true;
  }
}

const filesOf = (directory: string): string[] => readdirSync(join(directory, 'index')).map((file) => join(directory, 'index', file));
const pick = <T>(items: readonly T[]): T => items[randomInt(items.length)] as T;
function change(path: string, make: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  make(bytes);
  writeFileSync(path, bytes);
}

const DAMAGES: Readonly<Record<string, (path: string, directory: string) => void>> = {
  'a flipped bit': (path) =>
    change(path, (bytes) => {
      const at = randomInt(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << randomInt(8));
    }),
  'a changed header': (path) => change(path, (bytes) => void randomBytes(Math.min(16, bytes.length)).copy(bytes)),
  'a sector of garbage': (path) => change(path, (bytes) => void randomBytes(512).copy(bytes, randomInt(bytes.length))),
  'a sector of zeros': (path) => change(path, (bytes) => void bytes.fill(0, randomInt(bytes.length))),
  'a page copied elsewhere': (path) => change(path, (bytes) => void bytes.copy(bytes, randomInt(bytes.length), 0, 4096)),
  'a cut': (path) => truncateSync(path, randomInt(statSync(path).size)),
  'bytes at its end': (path) => writeFileSync(path, randomBytes(100), { flag: 'a' }),
  'another file in its place': (path, directory) => writeFileSync(path, readFileSync(pick(filesOf(directory)))),
  'a text': (path) => writeFileSync(path, 'Nothing is here.\n'),
  'its loss': (path) => rmSync(path),
};

it.each([
  ['while it is closed', false],
  ['while it is open', true],
])('gives whole answers after 60 random damages to the index %s', async (_when, whileOpen) => {
  const sound = join(root, 'sound');
  await filled(sound);
  const log = open(sound);
  const expected = answers(log);
  await log.close();
  expect(filesOf(sound).length).toBeGreaterThan(3);
  expect(said).toEqual([]);

  const silent: string[] = [];
  const wrong: string[] = [];
  for (let round = 0; round < 60; round++) {
    const directory = join(root, `damaged-${round}`);
    cpSync(sound, directory, { recursive: true });
    const [kind, damage] = pick(Object.entries(DAMAGES));
    const path = pick(filesOf(directory));
    const before = readFileSync(path);
    const opened = whileOpen ? open(directory) : undefined;
    damage(path, directory);
    const changed = kind === 'its loss' || !readFileSync(path).equals(before);
    const damaged = opened ?? open(directory);
    try {
      expect(answers(damaged)).toEqual(expected);
    } catch (error) {
      wrong.push(`${kind} of ${path}: ${String(error)}`);
    }
    await damaged.close();
    // The next start finds an undamaged index.
    const lines = said.splice(0);
    const again = open(directory);
    expect(answers(again)).toEqual(expected);
    await again.close();
    // While a file is open, its deletion or bytes after its end have no effect until the next start. Some entries are never read, since
    // newer ones replace them.
    if (changed && lines.length + said.length === 0 && !isNoticed(directory)) silent.push(`${kind} of ${path}`);
    for (const line of [...lines, ...said.splice(0)])
      expect(line).toMatch(/^The index of the event log in .* is damaged[^\n]*; it is made anew/);
    rmSync(directory, { recursive: true });
  }
  expect(wrong).toEqual([]);
  expect(silent).toEqual([]);
});

it('detects a revision missing in the index', async () => {
  const directory = join(root, 'gap');
  const log = open(directory);
  const writer = new LogWriter(log, Date.now);
  for (let n = 0; n < 10; n++) await writer.append('stream-0', ANY, [event()]);
  await writer.close();
  const whole = log.readAll(0, 100);
  const { end, nextStreamNumber } = log;
  await log.close();
  // An undamaged index that lacks the sixth event.
  const index = LogIndex.create(directory, FIRST_POSITION);
  const indexed = whole.filter((record) => revisionOf(record) !== 5);
  const [first] = whole;
  if (!first) throw new Error('nothing was written');
  index.add(
    {
      streams: new Map([
        [
          streamNumberOf(first),
          {
            revisions: indexed.map(revisionOf),
            positions: indexed.map(positionOf),
            ids: new Map(indexed.map((record) => [idOf(record), revisionOf(record)])),
          },
        ],
      ]),
      rows: [{ name: streamNameOf(first).toString(), number: streamNumberOf(first), lastRevision: 9, tombstoned: false }],
      boundaries: [FIRST_POSITION],
    },
    { end, nextStreamNumber, group: 1 },
  );
  await index.close();
  const again = open(directory);
  const { number, lastRevision } = again.stream('stream-0');
  expect(again.readStream(number, 0, { lowest: 0, highest: lastRevision }, 100, false)).toEqual(whole);
  expect(said).toEqual([expect.stringMatching(/revisions of stream number 0 from 0 to 9 are missing in it; it is made anew/)]);
  await again.close();
});

it('reports that the remains of an unacknowledged append were cut off after a kill', async () => {
  const directory = join(root, 'torn');
  const log = open(directory);
  const writer = new LogWriter(log, Date.now);
  await writer.append('stream-0', ANY, [event()]);
  const { end } = log;
  await writer.append('stream-0', ANY, [event()]);
  const copy = join(root, 'killed');
  cpSync(directory, copy, { recursive: true });
  truncateSync(segmentPath(copy, { base: FIRST_POSITION, generation: 0 }), end - FIRST_POSITION + 50);
  await writer.close();
  await log.close();
  const again = open(copy);
  expect(again.end).toBe(end);
  expect(said).toEqual([expect.stringMatching(new RegExp(`never acknowledged: \\d+ bytes behind position ${end} are cut off\\.$`))]);
  await again.close();
  await open(copy).close();
  expect(said).toHaveLength(1);
});
