import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it, jest } from '@jest/globals';
import { MongoClient } from 'mongodb';
import type { EventStore, NewEvent } from '#eventsourcing';
import { diagnoseView } from './diagnose-view.js';
import { projectView, type ProjectViewOptions, type ViewProjector } from './project-view.js';
import { RebuildRunning, rebuildView } from './rebuild-view.js';
import { cuttableLine } from '../../eventstoredb/src/testing/cuttable-line.js';
import { connectMongo, isUnreachable } from './connect.js';
import { KeptLog, eventually, trailEvent, trailView } from './testing/counting-view.js';
import { type TestEvents, testEvents, type TestViews, testViews } from '../../../test/stores.js';
import { acquire, acquireByHandover, checkpointAt, nextName, viewControls, viewHealth } from './view-control.js';
import { viewCollection, type AnyProjection } from './view.js';
import { waitForRevision } from './wait-for-revision.js';

// Far more than they take: machines may be busy.
jest.setTimeout(30_000);

let database: TestViews;
let server: TestEvents;
let store: EventStore;
let view: ReturnType<typeof trailView>;
let category: string;
let log: KeptLog;
let running: ViewProjector[];

beforeAll(async () => {
  [database, server] = await Promise.all([testViews(), testEvents()]);
  store = server.store;
}, 60_000);
afterAll(async () => {
  await Promise.all([database.close(), server.close()]);
});
beforeEach(() => {
  category = `views${randomUUID().replaceAll('-', '')}`;
  view = trailView(category);
  log = new KeptLog();
  running = [];
});
afterEach(() => Promise.all(running.map((projector) => projector.stop())));

const LEASE = 400;
const start = (projection: AnyProjection = view, over: Partial<ProjectViewOptions> = {}): ViewProjector => {
  const projector = projectView({ db: database.mongo.db, store, projection, log, owner: randomUUID(), leaseMs: LEASE, ...over });
  running.push(projector);
  return projector;
};
const append = (id: string | number, at: number | 'no-stream', events: NewEvent[]) => store.append(`${category}-${id}`, at, events);
const open = (id: string | number, added = 0) =>
  append(id, 'no-stream', [trailEvent('Began', 0), ...Array.from({ length: added }, (_, i) => trailEvent('Added', i + 1))]);
const docs = (projection: AnyProjection = view) => viewCollection(database.mongo.db, projection.name).find({}).sort({ _id: 1 }).toArray();
/** Lets a lease run out now. */
const lapse = (name: string) => viewControls(database.mongo.db).updateOne({ _id: name }, { $set: { leaseUntil: new Date(0) } });
const control = () => viewControls(database.mongo.db).findOne({ _id: view.name });
const live = (projector: ViewProjector) =>
  eventually(
    () => projector.status(),
    ({ state }) => state === 'live',
  );
const shown = (id: string | number, revision: number, timeout = 10_000) =>
  waitForRevision(viewCollection(database.mongo.db, view.name), String(id), revision, timeout);
const diagnose = (projection: AnyProjection = view) => diagnoseView({ db: database.mongo.db, store, projection });

describe('a projected view', () => {
  it('takes in history, then what comes, and says where it is', async () => {
    await open('a', 4);
    const projector = start();
    expect(await shown('a', 4)).toMatchObject({ _id: 'a', count: 5, trail: '0,1,2,3,4', revision: 4 });
    await live(projector);
    const { position } = await append('a', 4, [trailEvent('Noted', 9)]);
    expect(await shown('a', 5)).toMatchObject({ count: 5, revision: 5, position: Number(position?.commit) });
    await eventually(
      () => projector.status(),
      ({ lagMs, position: at }) => lagMs === 0 && at === Number(position?.commit),
    );
    expect(projector.status()).toMatchObject({ view: view.name, state: 'live', projected: 6 });
    expect((await database.mongo.db.collection(view.name).indexes()).map(({ key }) => key)).toContainEqual({ count: 1 });
  });

  it('a reader who waits for a revision that never comes is told so', async () => {
    await open('a');
    start();
    await shown('a', 0);
    const before = Date.now();
    expect(await shown('a', 1, 150)).toBe('stale');
    expect(await shown('none', 0, 1)).toBe('stale');
    expect(Date.now() - before).toBeGreaterThanOrEqual(150);
  });

  it('goes on after a restart from its checkpoint, and a process that died before writing it does no harm', async () => {
    await open('a', 3);
    const first = start();
    await shown('a', 3);
    await live(first);
    await first.stop();
    const early = (await control())?.checkpoint;
    await append('a', 3, [trailEvent('Added', 4)]);
    const second = start();
    await shown('a', 4);
    await second.stop();
    const before = await docs();
    // As if the last checkpoint had never been written, and then none at all.
    for (const checkpoint of [early ?? null, null]) {
      await viewControls(database.mongo.db).updateOne({ _id: view.name }, { $set: { checkpoint } });
      await live(start());
      await running.at(-1)?.stop();
      expect(await docs()).toEqual(before);
    }
    expect((await control())?.checkpoint).not.toBeNull();
  });

  it('has one owner; when that one dies another takes over once the lease has run out', async () => {
    // The dead one: holds the lease and never comes back.
    await open('a');
    await viewControls(database.mongo.db).insertOne({
      _id: view.name,
      version: 1,
      generation: 1,
      checkpoint: null,
      owner: 'dead',
      leaseUntil: new Date(Date.now() + 60_000),
      handover: null,
      pending: null,
    });
    const projectors = [start(), start()];
    await eventually(
      () => projectors.map((projector) => projector.status().state),
      (states) => states.every((state) => state === 'waiting'),
    );
    expect(await docs()).toEqual([]);
    await lapse(view.name);
    await shown('a', 0);
    await eventually(
      () => projectors.map((projector) => projector.status().state).sort(),
      (states) => states.join() === 'live,waiting',
    );
    const owner = projectors.find((projector) => projector.status().state === 'live');
    await owner?.stop();
    await append('a', 0, [trailEvent('Added', 1)]);
    expect(await shown('a', 1)).toMatchObject({ trail: '0,1' });
  });

  it('a projector that lost its lease stops writing checkpoints and stands back', async () => {
    await open('a');
    const projector = start();
    await live(projector);
    await viewControls(database.mongo.db).updateOne(
      { _id: view.name },
      {
        $set: {
          owner: 'usurper',
          leaseUntil: new Date(Date.now() + 60_000),
          generation: 7,
          checkpoint: checkpointAt({ commit: 1n, prepare: 1n }, null),
        },
      },
    );
    await append('a', 0, [trailEvent('Added', 1)]);
    await eventually(
      () => projector.status().state,
      (state) => state === 'waiting',
    );
    expect(await control()).toMatchObject({ owner: 'usurper', generation: 7, checkpoint: { commit: '1' } });
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn' }));
  });

  it('two projectors at once make the same documents', async () => {
    for (let i = 0; i < 20; i++) await open(i, i % 4);
    // The lease of one is torn from it again and again, so both write.
    const projectors = [start(view, { batchSize: 3 }), start(view, { batchSize: 2 })];
    for (let i = 0; i < 20; i++) {
      await append(i, i % 4, [trailEvent('Added', 50 + i)]);
      await viewControls(database.mongo.db).updateOne({ _id: view.name }, { $set: { owner: null } });
    }
    for (let i = 0; i < 20; i++) expect(await shown(i, (i % 4) + 1)).not.toBe('stale');
    await Promise.all(projectors.map((projector) => projector.stop()));
    expect(await diagnose()).toMatchObject({ compared: 20, different: 0, moving: 0 });
  });

  it('a view of another log is left alone, loudly, until it is rebuilt', async () => {
    await open('a');
    const first = start();
    await live(first);
    await first.stop();
    // As if the log had been replaced: what was projected last is not in it, and positions mean something else.
    await viewControls(database.mongo.db).updateOne(
      { _id: view.name },
      { $set: { 'checkpoint.event.id': randomUUID(), 'checkpoint.commit': '9000000000000000' } },
    );
    await viewCollection(database.mongo.db, view.name).updateOne(
      { _id: 'a' },
      { $set: { position: 9_000_000_000_000_000, trail: 'of the other log' } },
    );
    const projector = start();
    const { lastError } = await eventually(
      () => projector.status(),
      ({ state }) => state === 'failing',
    );
    expect(lastError?.message).toMatch(/projected from another log/);
    expect((await docs())[0]).toMatchObject({ trail: 'of the other log' });
    await rebuildView({ db: database.mongo.db, store, projection: view, owner: randomUUID(), leaseMs: LEASE });
    await live(projector);
    expect((await docs())[0]).toMatchObject({ trail: '0' });
  });

  it('outlives an outage of the database, and misses nothing of it', async () => {
    const { hostname, port } = new URL(database.mongodbUrl.split(',')[0] ?? '');
    expect(hostname).toBe('127.0.0.1');
    const line = await cuttableLine(Number(port));
    const mongo = await connectMongo(`mongodb://127.0.0.1:${line.port}/?directConnection=true`, database.mongo.db.databaseName);
    await open('a');
    const projector = start(view, { db: mongo.db });
    await live(projector);
    await line.cut();
    const refused: unknown = await new MongoClient(`mongodb://127.0.0.1:${line.port}`, { serverSelectionTimeoutMS: 100 })
      .connect()
      .catch((error: unknown) => error);
    expect(isUnreachable(refused)).toBe(true);
    const answered: unknown = await database.mongo.db
      .collection('views')
      .insertOne({ _id: view.name as never })
      .catch((error: unknown) => error);
    expect(isUnreachable(answered)).toBe(false);
    await append('a', 0, [trailEvent('Added', 1), trailEvent('Added', 2)]);
    await append('a', 2, [trailEvent('Added', 3)]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await line.mend();
    expect(await shown('a', 3)).toMatchObject({ trail: '0,1,2,3' });
    await projector.stop();
    await mongo.close();
    await line.close();
  });

  it('a failing handler stops its view loudly, loses nothing, and leaves others alone', async () => {
    let poisonous = true;
    const brittle = trailView(category, {
      name: `${view.name}_brittle`,
      apply: (doc, event) => {
        if (event.type === 'Poisoned' && poisonous) throw new Error('poison');
        return event.type === 'Poisoned' ? doc : view.apply(doc, event);
      },
    });
    await append('a', 'no-stream', [trailEvent('Began', 0), trailEvent('Added', 1), trailEvent('Poisoned', 2), trailEvent('Added', 3)]);
    const failing = start(brittle);
    const fine = start(
      trailView(category, { name: `${view.name}_fine`, apply: (doc, event) => (event.type === 'Poisoned' ? doc : view.apply(doc, event)) }),
    );
    await live(fine);
    const status = await eventually(
      () => failing.status(),
      ({ state }) => state === 'failing',
    );
    expect(status.lastError?.message).toMatch(/failed at Poisoned/);
    expect(status.lagMs).not.toBe(0);
    await eventually(
      () => viewHealth(database.mongo.db, brittle.name),
      ({ trouble }) => trouble?.message === status.lastError?.message,
    );
    expect(log.lines.filter(({ level }) => level === 'error').length).toBeGreaterThan(0);
    expect((await docs(brittle))[0]).toMatchObject({ trail: '0,1', revision: 1 });
    poisonous = false;
    await live(failing);
    expect((await docs(brittle))[0]).toMatchObject({ trail: '0,1,3', revision: 3 });
    expect(failing.status().lastError).toBeUndefined();
    expect(await viewHealth(database.mongo.db, brittle.name)).toMatchObject({ state: 'running' });
  });
});

describe('rebuilding', () => {
  it('gives the same documents, a new generation and the progress made', async () => {
    for (let i = 0; i < 30; i++) await open(i, i % 5);
    const projector = start();
    await live(projector);
    await projector.stop();
    const before = await docs();
    await viewCollection(database.mongo.db, view.name).updateOne({ _id: '3' }, { $set: { trail: 'wrong' } });
    await viewCollection(database.mongo.db, view.name).insertOne({ _id: 'ghost', position: 1, revision: 0, count: 1 });
    const phases: string[] = [];
    const done = await rebuildView({
      db: database.mongo.db,
      store,
      projection: view,
      owner: randomUUID(),
      leaseMs: LEASE,
      onProgress: ({ phase }) => phases.push(phase),
    });
    expect(await docs()).toEqual(before);
    expect(done).toMatchObject({ phase: 'switched', events: before.reduce((sum, { revision }) => sum + revision + 1, 0) });
    expect([...new Set(phases)]).toEqual(['building', 'handing-over', 'switched']);
    expect(await control()).toMatchObject({ generation: 2, version: 1, owner: null, handover: null, pending: null });
    expect((await database.mongo.db.collection(view.name).indexes()).map(({ key }) => key)).toContainEqual({ count: 1 });
    expect(await viewControls(database.mongo.db).findOne({ _id: nextName(view.name) })).toBeNull();
    // A projector goes on from the rebuilt checkpoint.
    await append(0, 0, [trailEvent('Added', 1)]);
    start();
    expect(await shown(0, 1)).toMatchObject({ trail: '0,1' });
  });

  it('works on a view that was never projected, and on an empty log', async () => {
    await rebuildView({ db: database.mongo.db, store, projection: view, owner: randomUUID(), leaseMs: LEASE });
    expect(await docs()).toEqual([]);
    await open('a');
    await rebuildView({ db: database.mongo.db, store, projection: view, owner: randomUUID(), leaseMs: LEASE });
    expect((await docs()).map(({ _id }) => _id)).toEqual(['a']);
  });

  it('while events keep coming, readers never miss a document and none is lost or doubled', async () => {
    const streams = 12;
    for (let i = 0; i < streams; i++) await open(i);
    const projector = start();
    await live(projector);
    const ending = { now: false };
    const revisions = new Array<number>(streams).fill(0);
    const writing = (async () => {
      for (let n = 1; !ending.now; n++) {
        const i = n % streams;
        await append(i, revisions[i] ?? 0, [trailEvent('Added', n)]);
        revisions[i] = (revisions[i] ?? 0) + 1;
      }
    })();
    let reads = 0;
    const seen = new Map<string, number>();
    const reading = (async () => {
      for (; !ending.now; reads++) {
        const found = await docs();
        expect(found.length).toBe(streams);
        for (const { _id, revision } of found) {
          // Also what was seen stays seen.
          expect(revision).toBeGreaterThanOrEqual(seen.get(_id) ?? 0);
          seen.set(_id, revision);
        }
      }
    })();
    reading.catch(() => (ending.now = true));
    for (let round = 0; round < 3; round++) {
      await rebuildView({ db: database.mongo.db, store, projection: view, owner: randomUUID(), leaseMs: LEASE });
    }
    ending.now = true;
    await Promise.all([writing, reading]);
    expect(reads).toBeGreaterThan(0);
    for (let i = 0; i < streams; i++) expect(await shown(i, revisions[i] ?? 0)).not.toBe('stale');
    expect(await control()).toMatchObject({ generation: 4 });
    await eventually(diagnose, ({ moving }) => moving === 0);
    expect(await diagnose()).toMatchObject({ different: 0, compared: streams, behind: 0 });
  }, 60_000);

  it('a worker with a newer projection builds the view anew by itself; an older one leaves it alone', async () => {
    for (let i = 0; i < 5; i++) await open(i, 1);
    const old = start();
    await live(old);
    const newer = trailView(category, {
      version: 2,
      apply: (doc, event) => {
        const next = view.apply(doc, event);
        return next && { ...next, trail: `v2:${next.trail.replaceAll('v2:', '')}` };
      },
    });
    const upgraded = start(newer);
    await live(upgraded);
    expect((await docs()).map((doc) => doc['trail'])).toEqual(Array(5).fill('v2:0,1'));
    expect(await control()).toMatchObject({ version: 2, generation: 2 });
    await eventually(
      () => old.status().state,
      (state) => state === 'outdated',
    );
    await append(0, 1, [trailEvent('Added', 9)]);
    expect(await shown(0, 2)).toMatchObject({ trail: 'v2:0,1,9' });
  });

  it('only one at a time; one that was killed is started anew', async () => {
    await open('a', 2);
    await viewControls(database.mongo.db).insertOne({
      _id: nextName(view.name),
      version: 1,
      generation: 1,
      checkpoint: null,
      owner: 'killed',
      leaseUntil: new Date(Date.now() + 60_000),
      handover: null,
      pending: null,
    });
    await viewCollection(database.mongo.db, nextName(view.name)).insertOne({ _id: 'half-built', position: 1, revision: 0, count: 1 });
    const rebuild = () => rebuildView({ db: database.mongo.db, store, projection: view, owner: randomUUID(), leaseMs: LEASE });
    await expect(rebuild()).rejects.toThrow(RebuildRunning);
    await lapse(nextName(view.name));
    await rebuild();
    expect((await docs()).map(({ _id }) => _id)).toEqual(['a']);
  });

  it('one that was stopped leaves the view as it was, and its projector at work', async () => {
    for (let i = 0; i < 10; i++) await open(i);
    const projector = start();
    await live(projector);
    const stop = new AbortController();
    const rebuild = rebuildView({
      db: database.mongo.db,
      store,
      projection: view,
      owner: randomUUID(),
      leaseMs: LEASE,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(rebuild).rejects.toThrow('enough');
    await append(0, 0, [trailEvent('Added', 1)]);
    expect(await shown(0, 1)).not.toBe('stale');
    expect(await control()).toMatchObject({ generation: 1 });
  });

  it.each([
    ['before', 1, 1],
    ['after', 2, 2],
  ])('a process that dies %s the rename is put right by the next owner', async (when, generation, version) => {
    await open('a', 1);
    const first = start();
    await live(first);
    await first.stop();
    // What a rebuild does last, up to the moment of its death.
    const { db } = database.mongo;
    const checkpoint = (await control())?.checkpoint ?? null;
    await acquireByHandover(db, view.name, 'dying', 50, 1_000, new AbortController().signal);
    await viewCollection(db, nextName(view.name)).insertOne({ _id: 'rebuilt', position: 1, revision: 0, count: 1 });
    await viewControls(db).updateOne({ _id: view.name }, { $set: { pending: { version: 2, checkpoint } } });
    if (when === 'after') await viewCollection(db, nextName(view.name)).rename(view.name, { dropTarget: true });
    const projector = start(trailView(category, { version }));
    await live(projector);
    expect(await control()).toMatchObject({ generation, version, pending: null });
    expect((await docs()).map(({ _id }) => _id)).toEqual([when === 'after' ? 'rebuilt' : 'a']);
  });
});

describe('diagnosing', () => {
  it('finds what is missing, too much and different, with the path, and says how far the view is', async () => {
    for (const id of ['a', 'b', 'c', 'd']) await open(id, 2);
    const projector = start();
    await live(projector);
    await eventually(diagnose, ({ behind }) => behind === 0);
    expect(await diagnose()).toMatchObject({ compared: 4, different: 0, differences: [], behind: 0, moving: 0, events: 12 });
    await projector.stop();

    const collection = viewCollection(database.mongo.db, view.name);
    await collection.deleteOne({ _id: 'a' });
    await collection.updateOne({ _id: 'b' }, { $set: { 'nested.list': [2, 99], extra: null } });
    const c = (await docs()).find(({ _id }) => _id === 'c');
    await collection.updateOne({ _id: 'c' }, { $set: { position: (c?.position ?? 1) - 1, trail: '0,1' } });
    await collection.insertOne({ _id: 'ghost', position: 1, revision: 0, count: 1, trail: '' });
    await append('d', 2, [trailEvent('Added', 3)]);

    const found = await diagnose();
    expect(found).toMatchObject({ different: 4, behind: 1, moving: 0 });
    expect(found.differences).toEqual([
      { id: 'a', kind: 'missing' },
      {
        id: 'b',
        kind: 'differs',
        fields: [
          { path: 'nested.list.1', expected: 2, found: 99 },
          { path: 'extra', expected: undefined, found: null },
        ],
      },
      { id: 'c', kind: 'differs', fields: expect.arrayContaining([{ path: 'trail', expected: '0,1,2', found: '0,1' }]) as never },
      { id: 'ghost', kind: 'extra' },
    ]);
    expect(
      (await database.mongo.db.listCollections({}, { nameOnly: true }).toArray()).filter(({ name }) =>
        name.startsWith(`${view.name}__check`),
      ),
    ).toEqual([]);
  });

  it('is right while the view is being written', async () => {
    for (let i = 0; i < 10; i++) await open(i);
    const projector = start();
    await live(projector);
    const ending = { now: false };
    const writing = (async () => {
      for (let n = 1; !ending.now; n++) await append(n % 10, Math.floor((n - 1) / 10), [trailEvent('Added', n)]).catch(() => undefined);
    })();
    for (let round = 0; round < 5; round++) expect(await diagnose()).toMatchObject({ different: 0 });
    ending.now = true;
    await writing;
  });
});

describe('the lease', () => {
  it('goes to one of many who ask, and to nobody but the one that it is reserved for', async () => {
    const { db } = database.mongo;
    await viewControls(db).insertOne({
      _id: view.name,
      version: 1,
      generation: 1,
      checkpoint: null,
      owner: null,
      leaseUntil: null,
      handover: null,
      pending: null,
    });
    const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => acquire(db, view.name, `worker-${i}`, 60_000)));
    expect(taken.filter((held) => held !== null).length).toBe(1);
    await expect(acquireByHandover(db, view.name, 'rebuild', 60_000, 200, new AbortController().signal)).rejects.toThrow(
      /did not hand over/,
    );
    await viewControls(db).updateOne({ _id: view.name }, { $set: { owner: null } });
    expect(await acquire(db, view.name, 'worker-11', 60_000)).toBeNull();
    expect(await acquire(db, view.name, 'rebuild', 60_000)).toMatchObject({ owner: 'rebuild' });
  });
});
