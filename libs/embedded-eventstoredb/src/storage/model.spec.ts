import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ANY, NO_STREAM, STREAM_EXISTS } from './append-rules.js';
import { EventLog } from './event-log.js';
import { LogWriter, type NewEvent, type WriteOutcome } from './log-writer.js';
import { dataOf, idOf, kindOf, MARK, NO_BYTES, positionOf, revisionOf, streamNameOf, TOMBSTONE } from './record.js';
import { isMissing, isTombstoned, lowestVisible } from './visible-events.js';

/**
 * Random sequences of appends in every mode (including repeated ones), deletes, tombstones, truncation, restarts and crashes, several at a
 * time so that they share group commits, against a model of a dozen lines: after each step every stream and the whole log match the model.
 * Segments are so small that there are many.
 */

interface ModelStream {
  ids: string[];
  tombstoned: boolean;
  /** Number of metadata events. */
  metadata: number;
  truncateBefore: number;
  maxCount: number;
}

const DELETED = Number.POSITIVE_INFINITY;
const NAMES = ['a', 'b', 'c'];

class Model {
  readonly streams = new Map(
    NAMES.map((name): [string, ModelStream] => [name, { ids: [], tombstoned: false, metadata: 0, truncateBefore: 0, maxCount: DELETED }]),
  );
  /** Event ids of the whole log, with `?` for events that the node itself writes. */
  readonly log: string[] = ['?'];

  get(name: string): ModelStream {
    return this.streams.get(name) as ModelStream;
  }

  append(name: string, expected: number, ids: readonly string[]): string {
    const stream = this.get(name);
    const last = stream.ids.length - 1;
    const softDeleted = stream.truncateBefore === DELETED;
    if (stream.tombstoned || (expected === STREAM_EXISTS && softDeleted)) return 'deleted';
    if (expected === STREAM_EXISTS && last < 0 && stream.metadata === 0) return `wrong-revision ${last}`;
    if (expected < NO_STREAM) {
      const known = ids.map((id) => stream.ids.indexOf(id));
      if ((known[0] ?? -1) >= 0) return known.includes(-1) ? `wrong-revision ${last}` : `written ${known.at(-1)}`;
    } else if (expected < last) {
      if (ids.length > 0 && ids.every((id, index) => stream.ids[expected + 1 + index] === id)) return `written ${expected + ids.length}`;
      const revives = expected === NO_STREAM && softDeleted && ids.length > 0 && stream.ids[0] !== ids[0];
      if (!revives) return `wrong-revision ${last}`;
    } else if (expected > last) return `wrong-revision ${last}`;
    stream.ids.push(...ids);
    this.log.push(...ids);
    if (softDeleted) this.describe(name, { truncateBefore: last + 1, maxCount: stream.maxCount });
    return `written ${stream.ids.length - 1}`;
  }

  delete(name: string): string {
    const stream = this.get(name);
    if (stream.tombstoned) return 'deleted';
    if (stream.ids.length === 0 && stream.metadata === 0) return 'wrong-revision -1';
    this.describe(name, { truncateBefore: DELETED, maxCount: DELETED });
    return `written ${stream.ids.length - 1}`;
  }

  tombstone(name: string): string {
    const stream = this.get(name);
    if (stream.tombstoned) return 'deleted';
    stream.tombstoned = true;
    this.log.push('?');
    return `written ${stream.ids.length - 1}`;
  }

  describe(name: string, settings: Pick<ModelStream, 'truncateBefore' | 'maxCount'>): string {
    const stream = this.get(name);
    Object.assign(stream, settings);
    this.log.push('?');
    return `written ${stream.metadata++}`;
  }

  setMetadata(name: string, settings: Pick<ModelStream, 'truncateBefore' | 'maxCount'>): string {
    const stream = this.get(name);
    if (stream.tombstoned && stream.metadata === 0) return 'deleted';
    const softDeleted = stream.truncateBefore === DELETED;
    const outcome = this.describe(name, settings);
    if (softDeleted) this.describe(name, { ...settings, truncateBefore: stream.ids.length });
    return outcome;
  }

  visible(name: string): string[] | 'missing' | 'deleted' {
    const stream = this.get(name);
    if (stream.tombstoned) return 'deleted';
    if (stream.ids.length === 0 || stream.truncateBefore === DELETED) return 'missing';
    return stream.ids.slice(Math.max(stream.truncateBefore, stream.ids.length - stream.maxCount, 0));
  }
}

type Step =
  | { kind: 'append'; stream: string; expected: number; ids: number[] }
  | { kind: 'delete'; stream: string }
  | { kind: 'tombstone'; stream: string }
  | { kind: 'describe'; stream: string; maxCount: number; truncateBefore: number }
  | { kind: 'restart' }
  /** Continues with what a killed process leaves on disk. */
  | { kind: 'crash' };

const stream = fc.constantFrom(...NAMES);
const write: fc.Arbitrary<Exclude<Step, { kind: 'restart' | 'crash' }>> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      stream,
      expected: fc.constantFrom(ANY, ANY, NO_STREAM, STREAM_EXISTS, 0, 1, 2, 3, 5),
      ids: fc.array(fc.nat(11), { maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), stream }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('describe' as const),
      stream,
      maxCount: fc.integer({ min: 1, max: 4 }),
      truncateBefore: fc.nat(4),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tombstone' as const), stream: fc.constant('c') }) },
);
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.array(write, { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.constantFrom<Step[]>([{ kind: 'restart' }], [{ kind: 'crash' }]) },
  ),
  { maxLength: 12 },
);

const SEGMENT_BYTES = 1500;

const outcomeText = (outcome: WriteOutcome): string => (outcome.kind === 'deleted' ? 'deleted' : `${outcome.kind} ${outcome.lastRevision}`);

it('behaves as the model does, whatever is written, together or one after the other', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (rounds) => {
      const root = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
      let directory = join(root, '0');
      const ids = Array.from({ length: 12 }, () => randomUUID());
      const event = (index: number): NewEvent => ({
        id: ids[index] as string,
        type: Buffer.from('t'),
        json: true,
        data: Buffer.from(String(index)),
        customMetadata: NO_BYTES,
      });
      const model = new Model();
      let log = EventLog.open(directory, SEGMENT_BYTES);
      let writer = new LogWriter(log, Date.now);
      try {
        await writer.append('first', ANY, [event(0)]);
        for (const round of rounds) {
          const kind = round[0]?.kind;
          if (kind === 'restart' || kind === 'crash') {
            const left = `${directory}'`;
            if (kind === 'crash') cpSync(directory, left, { recursive: true });
            await writer.close();
            await log.close();
            if (kind === 'crash') directory = left;
            log = EventLog.open(directory, SEGMENT_BYTES);
            writer = new LogWriter(log, Date.now);
          }
          const outcomes = await Promise.all(round.map((step) => perform(writer, step, event)));
          expect(outcomes.filter((outcome) => outcome !== undefined).map(outcomeText)).toEqual(
            round.flatMap((step) => foresee(model, step, ids)),
          );
          for (const name of NAMES) expect([name, read(log, name)]).toEqual([name, model.visible(name)]);
          expect(readAll(log)).toEqual(model.log);
        }
      } finally {
        await writer.close();
        await log.close();
        rmSync(root, { recursive: true });
      }
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

function perform(writer: LogWriter, step: Step, event: (index: number) => NewEvent): Promise<WriteOutcome | undefined> {
  if (step.kind === 'append') return writer.append(step.stream, step.expected, step.ids.map(event));
  if (step.kind === 'delete') return writer.delete(step.stream, ANY);
  if (step.kind === 'tombstone') return writer.tombstone(step.stream, ANY);
  if (step.kind === 'restart' || step.kind === 'crash') return Promise.resolve(undefined);
  const metadata = JSON.stringify({ $maxCount: step.maxCount, $tb: step.truncateBefore });
  return writer.append(`$$${step.stream}`, ANY, [
    { id: randomUUID(), type: Buffer.from('$metadata'), json: true, data: Buffer.from(metadata), customMetadata: NO_BYTES },
  ]);
}

function foresee(model: Model, step: Step, ids: readonly string[]): string[] {
  if (step.kind === 'append')
    return [
      model.append(
        step.stream,
        step.expected,
        step.ids.map((index) => ids[index] as string),
      ),
    ];
  if (step.kind === 'delete') return [model.delete(step.stream)];
  if (step.kind === 'tombstone') return [model.tombstone(step.stream)];
  if (step.kind === 'restart' || step.kind === 'crash') return [];
  return [model.setMetadata(step.stream, { maxCount: step.maxCount, truncateBefore: step.truncateBefore })];
}

function read(log: EventLog, name: string): string[] | 'missing' | 'deleted' {
  const state = log.stream(name);
  if (isTombstoned(log, state)) return 'deleted';
  if (isMissing(state)) return 'missing';
  const bounds = { lowest: lowestVisible(log, state, Date.now()), highest: state.lastRevision };
  const forwards = log.readStream(state.number, 0, bounds, 1000, false);
  const backwards = log.readStream(state.number, state.lastRevision, bounds, 1000, true);
  expect(backwards.map(idOf)).toEqual(forwards.map(idOf).reverse());
  expect(forwards.map(revisionOf)).toEqual(forwards.map((_record, index) => bounds.lowest + index));
  return forwards.map(idOf);
}

function readAll(log: EventLog): string[] {
  const records = log.readAll(0, 10_000);
  expect(log.readAllBackwards(log.end, 10_000).map(positionOf)).toEqual(records.map(positionOf).reverse());
  for (const [index, record] of records.entries())
    expect(positionOf(record)).toBe(
      index === 0 ? positionOf(record) : positionOf(records[index - 1] as Buffer) + (records[index - 1] as Buffer).length,
    );
  return records
    .filter((record) => kindOf(record) !== MARK)
    .map((record) =>
      kindOf(record) === TOMBSTONE || dataOf(record)[0] === 0x7b || streamNameOf(record).toString() === 'first' ? '?' : idOf(record),
    );
}
