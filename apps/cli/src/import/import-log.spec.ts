import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type EventStore, parseInstant, type StoredEvent } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { type EmbeddedEventStoreDB, startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { caseToEvents } from './case-to-events.js';
import { importLog, type ImportOptions, type ImportProgress } from './import-log.js';
import { BPIC2013 } from './ready-mappings.js';
import { bpic2013, readCases, temporaryFolder } from './testing/log-files.js';

const csvFile = new URL('./fixtures/small.csv', import.meta.url).pathname;
const xesFile = new URL('./fixtures/small.xes', import.meta.url).pathname;
const csv = readFileSync(csvFile, 'utf8');
const files = temporaryFolder();
afterAll(() => files.remove());

let directory: string;
let server: EmbeddedEventStoreDB;
let store: EventStoreDB;
const start = async (): Promise<void> => {
  server = await startEmbeddedEventStoreDB({ directory, port: 0 });
  store = EventStoreDB.connect(server.url);
};
const stop = async (): Promise<void> => {
  await store.close();
  await server.close();
};
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tierline-import-'));
  await start();
});
afterEach(async () => {
  await stop();
  rmSync(directory, { recursive: true, force: true });
});

const importBpic2013 = (options: Omit<ImportOptions, 'mapping' | 'source'>) =>
  importLog({ mapping: bpic2013, source: BPIC2013, ...options });

async function everything(from: EventStore = store): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of from.readAll({ streamPrefixes: [''] })) if (!event.stream.startsWith('$')) all.push(event);
  return all;
}

async function expected(): Promise<Map<string, ReturnType<typeof caseToEvents>['events']>> {
  const streams = new Map<string, ReturnType<typeof caseToEvents>['events']>();
  for (const one of await readCases(csvFile)) {
    const { ticketId, events } = caseToEvents(one, BPIC2013);
    streams.set(`ticket-${ticketId}`, events);
  }
  return streams;
}

/** The log holds each case's facts, once, in their order. */
async function expectWhole(): Promise<void> {
  const found = new Map<string, StoredEvent[]>();
  for (const event of await everything()) found.set(event.stream, [...(found.get(event.stream) ?? []), event]);
  const streams = await expected();
  expect([...found.keys()].sort()).toEqual([...streams.keys()].sort());
  for (const [stream, events] of streams) {
    const stored = found.get(stream)!;
    expect(
      stored.map(({ type, data, metadata: { effectiveAt, actor, imported } }) => ({ type, data, effectiveAt, actor, imported })),
    ).toEqual(events);
    expect(stored.map(({ revision }) => revision)).toEqual(events.map((_, index) => index));
  }
}

const totals = { cases: 4, rows: 29 };

describe('importing the log', () => {
  it('appends each case as a ticket, and says what came of it', async () => {
    const progress: ImportProgress[] = [];
    const result = await importBpic2013({
      file: csvFile,
      store,
      onProgress: (step) => progress.push(step),
      now: () => parseInstant('2026-11-21T10:00:00Z')!,
    });
    expect(result).toEqual({
      ...totals,
      imported: 4,
      events: 41,
      alreadyThere: 0,
      different: [],
      deviating: 4,
      deviations: {
        'resolution-incomplete': 3,
        'hand-off-incomplete': 1,
        'hold-reason-missing': 1,
        'not-resolved': 1,
        'reopen-window-passed': 1,
        'root-cause-required': 1,
        'solution-missing': 1,
        'ticket-closed': 1,
        'tier-skipped': 2,
      },
      leftOut: {},
      figures: expect.arrayContaining([{ name: 'rows', inLog: 29, inTickets: 29 }]),
      complete: true,
    });
    expect(result.figures.filter(({ inLog, inTickets }) => inLog !== inTickets)).toEqual([]);
    await expectWhole();
    const size = readFileSync(csvFile).length;
    expect(progress[0]).toEqual({ phase: 'checking', done: size, of: size });
    expect(progress.at(-1)).toEqual({ phase: 'importing', done: 29, of: 29 });

    const [first] = await everything();
    const { metadata } = first!;
    expect(metadata).toMatchObject({
      commandType: 'ImportCase',
      client: 'volvo-it-belgium',
      recordedAt: '2026-11-21T10:00:00.000Z',
      schemaVersion: 1,
    });
    expect([metadata.correlationId, metadata.causationId]).toEqual([metadata.commandId, metadata.commandId]);
  });

  it('marks rows whose time is still to come', async () => {
    const { deviating, deviations } = await importBpic2013({ file: csvFile, now: () => parseInstant('2010-01-01T00:00:00Z')! });
    expect([deviating, deviations['effective-in-the-future']]).toEqual([4, 4]);
  });

  it('adds nothing when done again, from whichever format', async () => {
    await importBpic2013({ file: csvFile, store });
    const before = await everything();
    for (const file of [csvFile, xesFile, files.write('again.gz', gzipSync(csv))]) {
      expect(await importBpic2013({ file, store })).toEqual({
        ...totals,
        imported: 0,
        events: 0,
        alreadyThere: 4,
        different: [],
        deviating: 0,
        deviations: {},
        leftOut: {},
        figures: expect.anything(),
        complete: true,
      });
    }
    expect(await everything()).toEqual(before);
  });

  it('leaves the world as it is when two import at once', async () => {
    await Promise.all([importBpic2013({ file: csvFile, store }), importBpic2013({ file: xesFile, store })]);
    await expectWhole();
  });

  it('imports what it has checked, whatever becomes of the file meanwhile', async () => {
    const file = files.write('changing.csv', csv);
    const onProgress = ({ phase }: ImportProgress): void => {
      if (phase === 'importing') files.write('changing.csv', csv.replaceAll('Ada', 'Eve').slice(0, -40));
    };
    expect(await importBpic2013({ file, store, concurrency: 1, onProgress })).toMatchObject({ imported: 4, complete: true });
    await expectWhole();
  });

  it('takes up the rest after it was stopped', async () => {
    const stopping = new AbortController();
    const onProgress = ({ phase }: ImportProgress): void => {
      if (phase === 'importing') stopping.abort();
    };
    const stopped = await importBpic2013({ file: csvFile, store, concurrency: 1, signal: stopping.signal, onProgress });
    expect(stopped).toMatchObject({ complete: false, alreadyThere: 0 });
    expect(stopped.imported).toBeLessThan(4);
    expect(await importBpic2013({ file: xesFile, store })).toMatchObject({
      complete: true,
      alreadyThere: stopped.imported,
      imported: 4 - stopped.imported,
    });
    await expectWhole();
  });

  it('takes up the rest after the server went away in the middle', async () => {
    let lost: Promise<void> | undefined;
    const onProgress = ({ phase }: ImportProgress): void => {
      if (phase === 'importing') lost ??= server.close();
    };
    const impatient = EventStoreDB.connect(server.url, { patienceMs: 4_000, attemptMs: 3_000 });
    const importing = importBpic2013({ file: csvFile, store: impatient, concurrency: 1, onProgress });
    await expect(importing).rejects.toMatchObject({ name: 'StoreUnavailable' });
    await lost;
    await impatient.close();
    await stop();
    await start();
    const found = (await everything()).length;
    const again = await importBpic2013({ file: csvFile, store });
    expect(again).toMatchObject({ complete: true, imported: 4 - again.alreadyThere, events: 41 - found });
    expect(again.alreadyThere).toBeGreaterThan(0);
    await expectWhole();
  });

  it('leaves a ticket alone whose case now says something else', async () => {
    await importBpic2013({ file: csvFile, store });
    const before = await everything();
    const changed = files.write('changed.csv', csv.replace('Ivy', 'Eve'));
    expect(await importBpic2013({ file: changed, store })).toMatchObject({
      imported: 0,
      alreadyThere: 3,
      different: ['1-103'],
      complete: true,
    });
    expect(await everything()).toEqual(before);
  });

  it('imports a log that grew by the cases that it has more', async () => {
    const lines = csv.split('\r\n');
    await importBpic2013({ file: files.write('some.csv', lines.slice(0, 10).join('\r\n') + '\r\n'), store });
    expect(await importBpic2013({ file: csvFile, store })).toMatchObject({ alreadyThere: 2, imported: 2 });
    await expectWhole();
  });
});

describe('a log with a fault in its last case', () => {
  const lines = csv.split('\r\n');
  it.each<[string, string | Buffer, RegExp]>([
    ['misspelt', csv.replace('Cancelled', 'Canceled'), /^line 30: case 1-103: state "Completed\/Canceled"/],
    ['out of order', csv.replace('2012-05-01T10:30', '2012-05-01T09:30'), /^line 30: case 1-103: out of order/],
    ['cut off', csv.slice(0, -20), /^line 30: the log is cut off/],
    ['cut off and compressed', gzipSync(csv).subarray(0, -12), /^line \d+: the compressed file is cut off/],
    ['ended early as XES', readFileSync(xesFile, 'utf8').replace('</log>', ''), /the XML ends before <\/log>/],
    ['with a case twice', [...lines.slice(0, -1), lines[1], ''].join('\r\n'), /^line 31: case 1-100 is already on line 2/],
  ])('that is %s leaves nothing behind', async (name, content, problem) => {
    await expect(importBpic2013({ file: files.write(name, content), store })).rejects.toMatchObject({
      name: 'LogError',
      message: expect.stringMatching(problem),
    });
    expect(await everything()).toEqual([]);
  });
});

it('the digest of a case does not depend on where it stands in the file', async () => {
  await importBpic2013({ file: csvFile, store });
  const [header, ...rest] = csv.trimEnd().split('\r\n');
  const caseOf = (line: string): string => line.split(',')[0]!;
  const turned = [...new Set(rest.map(caseOf))].reverse().flatMap((id) => rest.filter((line) => caseOf(line) === id));
  const file = files.write('turned.csv', [header, ...turned, ''].join('\r\n'));
  expect((await readCases(file))[0]?.caseId).toBe('1-103');
  expect(await importBpic2013({ file, store })).toMatchObject({ alreadyThere: 4, different: [] });
});
