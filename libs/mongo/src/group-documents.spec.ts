import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { instantFrom, type StoredEvent } from '#eventsourcing';
import { foldName, prepareCollections, viewCollection } from './documents.js';
import { GroupDocuments, ProjectionFailed } from './group-documents.js';
import { storedTrailEvent, type Trail, trailFace, trailGroup, type TrailEvents } from './testing/trails.js';
import { testViews, type TestViews } from '../../../test/stores.js';

let database: TestViews;
beforeAll(async () => {
  database = await testViews();
});
afterAll(() => database.close());

/** Nothing is erased here. */
const noStore = { readStream: async function* () {} };

let name: string;
/** In collections whose names end as is said. */
const documents = (suffix = '') =>
  new GroupDocuments(database.mongo.db, noStore, trailGroup('t', { name, faces: [trailFace(name)] }), {
    nameOf: (collection) => `${collection}${suffix}`,
  });
/** Projects as a process does that has just started. */
const project = (events: readonly StoredEvent[], suffix = '') => documents(suffix).project(events);
beforeEach(() => {
  name = `batch_${randomUUID().slice(0, 8)}`;
});
const collection = (of = name) => viewCollection(database.mongo.db, of);
const docs = (suffix = '') => collection(`${name}${suffix}`).find({}).sort({ _id: 1 }).toArray();
const folds = (suffix = '') =>
  collection(`${foldName({ name })}${suffix}`)
    .find({})
    .sort({ _id: 1 })
    .toArray();

/** A log of events on a few streams: what each is, by turns. */
const logOf = (plan: readonly (readonly [stream: number, type: keyof TrailEvents])[]): StoredEvent[] => {
  const revisions = new Map<number, number>();
  return plan.map(([stream, type], i) => {
    const revision = revisions.get(stream) ?? 0;
    revisions.set(stream, revision + 1);
    return storedTrailEvent(`t-${stream}`, revision, 100 + i * 7, type, i);
  });
};

describe('projecting a batch', () => {
  it('folds each aggregate, and stores its position and that of the event that last changed its document', async () => {
    const log = logOf([
      [1, 'Began'],
      [1, 'Added'],
      [2, 'Began'],
      [1, 'Noted'],
      [3, 'Added'],
    ]);
    expect(await project(log)).toMatchObject({ count: 5 });
    expect(await docs()).toEqual([
      { _id: '1', count: 2, trail: '0,1', nested: { list: [1, 1] }, position: 107, revision: 1 },
      { _id: '2', count: 1, trail: '2', position: 114, revision: 0 },
    ]);
    expect((await folds()).map(({ state: _, ...fold }) => fold)).toEqual([
      { _id: '1', position: 121, revision: 2, faces: { [name]: 107 } },
      { _id: '2', position: 114, revision: 0, faces: { [name]: 114 } },
      { _id: '3', position: 128, revision: 0, faces: {} },
    ]);
  });

  it('stores instants as dates where a face says so, and shows the collection under its alias', async () => {
    const schema = () => ({ type: 'object', properties: { trail: { type: 'string', format: 'date-time' } } });
    const face = trailFace(name, { alias: `${name}_now`, dates: true, schema, document: (trail) => trail && { trail: instantFrom(0) } });
    const group = trailGroup('t', { name, faces: [face] });
    await prepareCollections(database.mongo.db, group);
    await prepareCollections(database.mongo.db, group);
    const log = logOf([
      [1, 'Began'],
      [1, 'Added'],
    ]);
    // The second projector derives the document before from the fold: as text again, so that nothing has changed.
    for (const event of log) await new GroupDocuments(database.mongo.db, noStore, group).project([event]);
    const stored = [{ _id: '1', trail: new Date(0), position: 100, revision: 0 }];
    expect(await docs()).toEqual(stored);
    expect(await docs('_now')).toEqual(stored);
  });

  it('a repeated batch, from any earlier position, changes nothing', async () => {
    const log = logOf(Array.from({ length: 60 }, (_, i) => [i % 5, i < 5 ? 'Began' : 'Added']));
    await project(log);
    const before = await docs();
    for (const from of [0, 13, 59]) await project(log.slice(from));
    expect(await docs()).toEqual(before);
  });

  it('a projector that lags behind does not undo the work of one ahead', async () => {
    const log = logOf(Array.from({ length: 100 }, (_, i) => [i % 7, i < 7 ? 'Began' : 'Added']));
    const parts = (size: number) => Array.from({ length: Math.ceil(log.length / size) }, (_, i) => log.slice(i * size, (i + 1) * size));
    const projector = async (size: number) => {
      const mine = documents();
      for (const part of parts(size)) await mine.project(part);
    };
    await Promise.all([projector(3), projector(11), projector(100), projector(1)]);
    const raced = await docs();
    const alone = '_alone';
    await project(log, alone);
    expect(raced).toEqual(await docs(alone));
  });

  it('removes a document when the projection says so, unless a later event has recreated it', async () => {
    const log = logOf([
      [1, 'Began'],
      [1, 'Removed'],
      [2, 'Began'],
      [2, 'Removed'],
      [2, 'Began'],
      [2, 'Added'],
    ]);
    await project(log.slice(0, 3));
    expect((await docs()).map(({ _id }) => _id)).toEqual(['2']);
    await project(log);
    await project(log.slice(2, 4));
    expect(await docs()).toEqual([expect.objectContaining({ _id: '2', trail: '4,5' })]);
  });

  it('writes the events before one that cannot be projected, and names it', async () => {
    const log = logOf([
      [1, 'Began'],
      [2, 'Began'],
      [1, 'Poisoned'],
      [2, 'Added'],
    ]);
    const { count, failure } = await project(log);
    expect(count).toBe(2);
    expect(failure).toBeInstanceOf(ProjectionFailed);
    expect(failure?.message).toBe(`${name} failed at Poisoned (t-1 revision 1): poison`);
    expect((await docs()).map(({ _id, revision }) => [_id, revision])).toEqual([
      ['1', 0],
      ['2', 0],
    ]);
  });

  it('writes the events before one whose document cannot be made, wherever it stands in the batch', async () => {
    const log = logOf(Array.from({ length: 9 }, (_, i) => [i % 2, i < 2 ? 'Began' : 'Added']));
    for (const [fails, suffix] of [0, 1, 4, 8].map((at) => [at, `_${at}`] as const)) {
      const document = (trail: Trail | null) => {
        if (trail?.trail.split(',').includes(String(fails))) throw new Error('no document');
        return trail;
      };
      const group = trailGroup('t', { name, faces: [trailFace(name, { document })] });
      const broken = new GroupDocuments(database.mongo.db, noStore, group, { nameOf: (collection) => `${collection}${suffix}` });
      const { count, failure } = await broken.project(log);
      expect({ count, message: failure?.message }).toEqual({
        count: fails,
        message: expect.stringMatching(/failed at .* \(t-\d revision \d\): no document$/),
      });
      await project(log.slice(0, fails), `${suffix}_before`);
      expect(await docs(suffix)).toEqual(await docs(`${suffix}_before`));
    }
  });

  it('creates the same documents, with the same positions, however the log is divided into batches', async () => {
    /** It comes, goes and comes back, and most events leave it as it is. */
    const document = (trail: Trail | null) => (trail === null || trail.count % 5 === 0 ? null : { half: Math.floor(trail.count / 3) % 2 });
    const group = trailGroup('t', { name, faces: [trailFace(name, { document })] });
    const log = logOf(Array.from({ length: 60 }, (_, i) => [i % 2, i < 2 ? 'Began' : i % 9 === 0 ? 'Noted' : 'Added']));
    const projected = async (suffix: string, sizes: readonly number[]) => {
      const mine = new GroupDocuments(database.mongo.db, noStore, group, { nameOf: (collection) => `${collection}${suffix}` });
      for (let from = 0, i = 0; from < log.length; from += sizes[i++ % sizes.length] ?? 1)
        await mine.project(log.slice(from, from + (sizes[i % sizes.length] ?? 1)));
      return [await docs(suffix), await folds(suffix)];
    };
    const one = await projected('_1', [1]);
    expect(await projected('_2', [7, 2, 31])).toEqual(one);
    expect(await projected('_3', [60])).toEqual(one);
  });

  it('refuses a position too large for a number', async () => {
    const beyond = { ...storedTrailEvent('t-1', 0, 0, 'Began', 0), position: { commit: 2n ** 53n, prepare: 2n ** 53n } };
    const { count, failure } = await project([beyond]);
    expect(count).toBe(0);
    expect(failure?.message).toMatch(/9007199254740992 is beyond/);
    const last = { ...beyond, position: { commit: 2n ** 53n - 1n, prepare: 2n ** 53n - 1n } };
    await project([last]);
    expect((await docs())[0]?.position).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('a conflict on another unique index is an error, not a sign of another projector', async () => {
    await collection().createIndex({ count: 1 }, { unique: true });
    const log = logOf([
      [1, 'Began'],
      [2, 'Began'],
    ]);
    await expect(project(log)).rejects.toThrow(/E11000/);
  });

  it('property: however a log is cut into batches, and some of them repeated, the documents are those of one fold', async () => {
    let run = 0;
    const type = fc.constantFrom<keyof TrailEvents>('Began', 'Added', 'Added', 'Added', 'Noted', 'Removed');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), type), { minLength: 1, maxLength: 40 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 8 }),
        async (plan, cuts) => {
          const log = logOf(plan);
          const [whole, cut] = [`_w${++run}`, `_c${run}`];
          await project(log, whole);
          let mine = documents(cut);
          for (let at = 0, turn = 0; at < log.length; turn++) {
            const [size, again] = cuts[turn % cuts.length] ?? [1, 0];
            // Goes back a little, as after a crash between a write and its checkpoint, but takes in all that was there.
            if (again > 0) mine = documents(cut);
            await mine.project(log.slice(Math.max(0, at - again), at + size));
            at += size;
          }
          expect(await docs(cut)).toEqual(await docs(whole));
          expect(await folds(cut)).toEqual(await folds(whole));
        },
      ),
      { numRuns: 40 },
    );
  });
});
