import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import { MongoClient } from 'mongodb';
import type { EventStore, NewEvent } from '#eventsourcing';
import { diagnoseGroup } from './diagnose-group.js';
import { projectGroup, type GroupProjector, type PartitionStatus, type ProjectGroupOptions } from './project-group.js';
import { RebuildRunning, rebuildGroup } from './rebuild-group.js';
import { cuttableLine } from '../../eventstoredb/src/testing/cuttable-line.js';
import { connectMongo, isUnreachable } from './connect.js';
import { foldTrail, KeptLog, trailEvent, trailFace, trailGroup, type TrailGroup } from './testing/trails.js';
import { eventually, PATIENCE_MS } from '../../../test/eventually.js';
import { type TestEvents, testEvents, type TestViews, testViews } from '../../../test/stores.js';
import {
  followersOfOtherLog,
  acquire,
  acquireByHandover,
  checkpointAt,
  ensureFollower,
  ensureGroup,
  followerControls,
  groupControls,
  groupHealth,
  partitionName,
  partitionOf,
} from './control.js';
import { foldName, nextName, viewCollection, type AnyGroup } from './documents.js';
import { waitForRevision } from './wait-for-revision.js';

let database: TestViews;
let server: TestEvents;
let store: EventStore;
let view: TrailGroup;
/** The control document of its only partition. */
let partition: string;
let category: string;
let log: KeptLog;
let running: GroupProjector[];

beforeAll(async () => {
  [database, server] = await Promise.all([testViews(), testEvents()]);
  store = server.store;
});
afterAll(async () => {
  await Promise.all([database.close(), server.close()]);
});
beforeEach(() => {
  category = `views${randomUUID().replaceAll('-', '')}`;
  view = trailGroup(category);
  partition = partitionName(view.name, 0);
  log = new KeptLog();
  running = [];
});
afterEach(() => Promise.all(running.map((projector) => projector.stop())));

/** Short, so that others take over soon. On a busy machine it may run out: what a test asserts holds then, too. */
const LEASE = 1_000;
/** Of what is to keep its lease, however busy the machine is. */
const LONG_LEASE = 20 * LEASE;
const start = (group: AnyGroup = view, over: Partial<ProjectGroupOptions> = {}): GroupProjector => {
  const projector = projectGroup({ db: database.mongo.db, store, group, log, owner: randomUUID(), leaseMs: LEASE, ...over });
  running.push(projector);
  return projector;
};
const append = (id: string | number, at: number | 'no-stream', events: NewEvent[]) => store.append(`${category}-${id}`, at, events);
const open = (id: string | number, added = 0) =>
  append(id, 'no-stream', [trailEvent('Began', 0), ...Array.from({ length: added }, (_, i) => trailEvent('Added', i + 1))]);
const docs = (name = view.name) => viewCollection(database.mongo.db, name).find({}).sort({ _id: 1 }).toArray();
/** Lets a lease run out now. */
const lapse = (name: string) => followerControls(database.mongo.db).updateOne({ _id: name }, { $set: { leaseUntil: new Date(0) } });
const control = () => groupControls(database.mongo.db).findOne({ _id: view.name });
const follower = (of = partition) => followerControls(database.mongo.db).findOne({ _id: of });
const status = (projector: GroupProjector): PartitionStatus => {
  const [first] = projector.status();
  if (first === undefined) throw new Error('no partition');
  return first;
};
const live = (projector: GroupProjector) =>
  eventually(
    () => status(projector),
    ({ state }) => state === 'live',
  );
const shown = (id: string | number, revision: number, timeout = PATIENCE_MS) =>
  waitForRevision(database.mongo.db, { group: view, face: view }, String(id), revision, timeout);
const diagnoses = () => diagnoseGroup({ db: database.mongo.db, store, group: view });
const diagnose = async () => (await diagnoses())[0] ?? Promise.reject(new Error('no diagnosis'));

describe('a projected view', () => {
  it('processes history, then new events, and reports its position', async () => {
    await open('a', 4);
    const projector = start(view, { leaseMs: LONG_LEASE });
    expect(await shown('a', 4)).toMatchObject({ _id: 'a', count: 5, trail: '0,1,2,3,4', revision: 4 });
    await live(projector);
    const { position } = await append('a', 4, [trailEvent('Noted', 9)]);
    expect(await shown('a', 5)).toMatchObject({ count: 5, revision: 5, position: Number(position?.commit) });
    const known = await eventually(
      () => status(projector),
      ({ lagMs, position: at }) => lagMs === 0 && at === Number(position?.commit),
    );
    expect(known).toMatchObject({ group: view.name, partition: 0, state: 'live', projected: 6 });
    expect((await database.mongo.db.collection(view.name).indexes()).map(({ key }) => key)).toContainEqual({ count: 1 });
  });

  it('a reader who waits for a revision that never comes gets an error', async () => {
    await open('a');
    start();
    await shown('a', 0);
    const before = performance.now();
    expect(await shown('a', 1, 150)).toBe('stale');
    expect(await shown('none', 0, 1)).toBe('stale');
    // Clocks differ by a moment.
    expect(performance.now() - before).toBeGreaterThan(140);
  });

  it('continues from its checkpoint after a restart, and a process that died before writing it does no harm', async () => {
    await open('a', 3);
    const first = start();
    await shown('a', 3);
    await live(first);
    await first.stop();
    const early = (await follower())?.checkpoint;
    await append('a', 3, [trailEvent('Added', 4)]);
    const second = start();
    await shown('a', 4);
    await second.stop();
    const before = await docs();
    // As if the last checkpoint had never been written, and then none at all.
    for (const checkpoint of [early ?? null, null]) {
      await followerControls(database.mongo.db).updateOne({ _id: partition }, { $set: { checkpoint } });
      await live(start());
      await running.at(-1)?.stop();
      expect(await docs()).toEqual(before);
    }
    expect((await follower())?.checkpoint).not.toBeNull();
  });

  it('has one owner; when that one dies another takes over once the lease has run out', async () => {
    // The dead one: holds the lease and never comes back.
    await open('a');
    await ensureGroup(database.mongo.db, view);
    await followerControls(database.mongo.db).insertOne({
      _id: partition,
      generation: 1,
      checkpoint: null,
      owner: 'dead',
      leaseUntil: new Date(Date.now() + 60_000),
      handover: null,
    });
    const projectors = [start(), start()];
    await eventually(
      () => projectors.map((projector) => status(projector).state),
      (states) => states.every((state) => state === 'waiting'),
    );
    expect(await docs()).toEqual([]);
    await lapse(partition);
    await shown('a', 0);
    await eventually(
      () => projectors.map((projector) => status(projector).state).sort(),
      (states) => states.join() === 'live,waiting',
    );
    const owner = projectors.find((projector) => status(projector).state === 'live');
    await owner?.stop();
    await append('a', 0, [trailEvent('Added', 1)]);
    expect(await shown('a', 1)).toMatchObject({ trail: '0,1' });
  });

  it('a projector that lost its lease stops writing checkpoints and stands back', async () => {
    await open('a');
    const projector = start();
    await live(projector);
    await followerControls(database.mongo.db).updateOne(
      { _id: partition },
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
      () => status(projector).state,
      (state) => state === 'waiting',
    );
    expect(await follower()).toMatchObject({ owner: 'usurper', generation: 7, checkpoint: { commit: '1' } });
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn' }));
  });

  it('two concurrent projectors create the same documents', async () => {
    for (let i = 0; i < 20; i++) await open(i, i % 4);
    // The lease of one is torn from it again and again, so both write.
    const projectors = [start(view, { batchSize: 3 }), start(view, { batchSize: 2 })];
    for (let i = 0; i < 20; i++) {
      await append(i, i % 4, [trailEvent('Added', 50 + i)]);
      await followerControls(database.mongo.db).updateOne({ _id: partition }, { $set: { owner: null } });
    }
    for (let i = 0; i < 20; i++) expect(await shown(i, (i % 4) + 1)).not.toBe('stale');
    // Whoever is the owner at last may have to get there first: the documents may be of the other one.
    await eventually(diagnose, ({ behind }) => behind === 0);
    await Promise.all(projectors.map((projector) => projector.stop()));
    expect(await diagnose()).toMatchObject({ compared: 20, different: 0, moving: 0 });
  });

  it('a view of another log is left alone, with an error, until it is rebuilt', async () => {
    await open('a');
    const first = start();
    await live(first);
    await first.stop();
    // As if the log had been replaced: what was projected last is not in it, and positions mean something else.
    await followerControls(database.mongo.db).updateOne(
      { _id: partition },
      { $set: { 'checkpoint.event.id': randomUUID(), 'checkpoint.commit': '9000000000000000' } },
    );
    await viewCollection(database.mongo.db, view.name).updateOne(
      { _id: 'a' },
      { $set: { position: 9_000_000_000_000_000, trail: 'of the other log' } },
    );
    const projector = start();
    const { lastError } = await eventually(
      () => status(projector),
      ({ state }) => state === 'failing',
    );
    expect(lastError?.message).toMatch(/followed another log/);
    expect(lastError?.code).toBe('other-log');
    expect(await followersOfOtherLog(database.mongo.db, store)).toEqual([partition]);
    expect((await docs())[0]).toMatchObject({ trail: 'of the other log' });
    await rebuildGroup({ db: database.mongo.db, store, group: view, owner: randomUUID(), leaseMs: LONG_LEASE });
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

  it('a failing handler stops its view with an error, loses nothing, and leaves others alone', async () => {
    let poisonous = true;
    const tolerant: TrailGroup['fold'] = (trail, event) => (event.type === 'Poisoned' ? trail : foldTrail(trail, event));
    const [brittleName, fineName] = [`${view.name}_brittle`, `${view.name}_fine`];
    const brittle = trailGroup(category, {
      name: brittleName,
      fold: (trail, event) => (poisonous ? foldTrail : tolerant)(trail, event),
      faces: [trailFace(brittleName)],
    });
    await append('a', 'no-stream', [trailEvent('Began', 0), trailEvent('Added', 1), trailEvent('Poisoned', 2), trailEvent('Added', 3)]);
    const failing = start(brittle);
    const fine = start(trailGroup(category, { name: fineName, fold: tolerant, faces: [trailFace(fineName)] }));
    await live(fine);
    const failed = await eventually(
      () => status(failing),
      ({ state }) => state === 'failing',
    );
    expect(failed.lastError?.message).toMatch(/failed at Poisoned/);
    expect(failed.lagMs).not.toBe(0);
    await eventually(
      () => groupHealth(database.mongo.db, brittle.name),
      ({ trouble }) => trouble?.message === failed.lastError?.message,
    );
    expect(log.lines.filter(({ level }) => level === 'error').length).toBeGreaterThan(0);
    expect((await docs(brittle.name))[0]).toMatchObject({ trail: '0,1', revision: 1 });
    poisonous = false;
    await live(failing);
    expect((await docs(brittle.name))[0]).toMatchObject({ trail: '0,1,3', revision: 3 });
    expect(status(failing).lastError).toBeUndefined();
    await eventually(
      () => groupHealth(database.mongo.db, brittle.name),
      ({ state }) => state === 'running',
    );
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
    const done = await rebuildGroup({
      db: database.mongo.db,
      store,
      group: view,
      owner: randomUUID(),
      leaseMs: LONG_LEASE,
      onProgress: ({ phase }) => phases.push(phase),
    });
    expect(await docs()).toEqual(before);
    expect(done).toMatchObject({ phase: 'switched', events: before.reduce((sum, { revision }) => sum + revision + 1, 0) });
    expect([...new Set(phases)]).toEqual(['building', 'handing-over', 'switched']);
    expect(await control()).toMatchObject({ generation: 2, version: 1, faces: { [view.name]: 1 }, pending: null });
    expect(await follower()).toMatchObject({ generation: 2, owner: null, handover: null });
    expect((await database.mongo.db.collection(view.name).indexes()).map(({ key }) => key)).toContainEqual({ count: 1 });
    expect(await followerControls(database.mongo.db).findOne({ _id: nextName(view.name) })).toBeNull();
    // A projector goes on from the rebuilt checkpoint.
    await append(0, 0, [trailEvent('Added', 1)]);
    start();
    expect(await shown(0, 1)).toMatchObject({ trail: '0,1' });
  });

  it('works on a view that was never projected, and on an empty log', async () => {
    await rebuildGroup({ db: database.mongo.db, store, group: view, owner: randomUUID(), leaseMs: LONG_LEASE });
    expect(await docs()).toEqual([]);
    await open('a');
    await rebuildGroup({ db: database.mongo.db, store, group: view, owner: randomUUID(), leaseMs: LONG_LEASE });
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
    try {
      for (let round = 0; round < 3; round++) {
        await rebuildGroup({ db: database.mongo.db, store, group: view, owner: randomUUID(), leaseMs: LONG_LEASE });
      }
    } finally {
      ending.now = true;
      await Promise.all([writing, reading]);
    }
    expect(reads).toBeGreaterThan(0);
    for (let i = 0; i < streams; i++) expect(await shown(i, revisions[i] ?? 0)).not.toBe('stale');
    expect(await control()).toMatchObject({ generation: 4 });
    const found = await eventually(diagnose, ({ moving, behind }) => moving === 0 && behind === 0);
    expect(found).toMatchObject({ different: 0, compared: streams });
  });

  it('a worker with a newer projection rebuilds the view by itself; an older one leaves it alone', async () => {
    for (let i = 0; i < 5; i++) await open(i, 1);
    const old = start();
    await live(old);
    const newer = trailGroup(category, {
      version: 2,
      fold: (trail, event) => {
        const next = foldTrail(trail, event);
        return next && { ...next, trail: `v2:${next.trail.replaceAll('v2:', '')}` };
      },
    });
    const upgraded = start(newer);
    await live(upgraded);
    expect((await docs()).map((doc) => doc['trail'])).toEqual(Array(5).fill('v2:0,1'));
    expect(await control()).toMatchObject({ version: 2, generation: 2 });
    await eventually(
      () => status(old).state,
      (state) => state === 'outdated',
    );
    await append(0, 1, [trailEvent('Added', 9)]);
    expect(await shown(0, 2)).toMatchObject({ trail: 'v2:0,1,9' });
  });

  it('only one at a time; a killed one is started again', async () => {
    await open('a', 2);
    await followerControls(database.mongo.db).insertOne({
      _id: nextName(view.name),
      generation: 1,
      checkpoint: null,
      owner: 'killed',
      leaseUntil: new Date(Date.now() + 60_000),
      handover: null,
    });
    await viewCollection(database.mongo.db, nextName(view.name)).insertOne({ _id: 'half-built', position: 1, revision: 0, count: 1 });
    const rebuild = () => rebuildGroup({ db: database.mongo.db, store, group: view, owner: randomUUID(), leaseMs: LONG_LEASE });
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
    const rebuild = rebuildGroup({
      db: database.mongo.db,
      store,
      group: view,
      owner: randomUUID(),
      leaseMs: LONG_LEASE,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(rebuild).rejects.toThrow('enough');
    await append(0, 0, [trailEvent('Added', 1)]);
    expect(await shown(0, 1)).not.toBe('stale');
    expect(await control()).toMatchObject({ generation: 1 });
  });

  it.each(['before any rename', 'between two renames', 'after the renames'])(
    'if a process dies %s, the next owner completes its switch',
    async (when) => {
      await open('a', 1);
      const first = start();
      await live(first);
      await first.stop();
      // What a rebuild does last, up to the moment of its death.
      const { db } = database.mongo;
      const checkpoint = (await follower())?.checkpoint ?? null;
      await acquireByHandover(db, partition, 'dying', 50, 1_000, new AbortController().signal);
      const collections = [view.name, foldName(view)];
      await viewCollection(db, nextName(view.name)).insertOne({ _id: 'rebuilt', position: 1, revision: 0, count: 1 });
      await viewCollection(db, nextName(foldName(view))).insertOne({ _id: 'folded', position: 1, revision: 0 });
      const pending = { version: 2, faces: { [view.name]: 1 }, partitions: 1, collections, checkpoint };
      await groupControls(db).updateOne({ _id: view.name }, { $set: { pending } });
      const renames = when === 'before any rename' ? 0 : when === 'between two renames' ? 1 : 2;
      for (const name of collections.slice(0, renames)) await db.collection(nextName(name)).rename(name, { dropTarget: true });
      const projector = start(trailGroup(category, { version: 2 }));
      await live(projector);
      expect(await control()).toMatchObject({ generation: 2, version: 2, pending: null });
      // It may have come further in the log by now, in which nothing else is of this view.
      expect(await follower()).toMatchObject({ generation: 2, checkpoint: { event: checkpoint?.event } });
      expect((await docs()).map(({ _id }) => _id)).toEqual(['rebuilt']);
      expect((await docs(foldName(view))).map(({ _id }) => _id)).toEqual(['folded']);
      const left = await db.listCollections({ name: { $in: collections.map(nextName) } }).toArray();
      expect(left).toEqual([]);
    },
  );
});

describe('a group of several faces', () => {
  /** What was said last, and how much: the one changes with every `Added`, the other with every tenth. */
  const faces = (last = 1) => [
    trailFace(`${view.name}_last`, { version: last, document: (trail) => trail && { last: `v${last}:${trail.trail.split(',').at(-1)}` } }),
    trailFace(`${view.name}_tens`, { document: (trail) => trail && { tens: Math.floor(trail.count / 10) } }),
  ];
  const group = (last = 1): TrailGroup => ({ ...view, faces: faces(last) });
  const [last, tens] = ['_last', '_tens'];
  const written = (face: string | undefined) => docs(`${view.name}${face}`);

  it('writes a face only when it changes, and answers all of them with the last revision that was seen', async () => {
    await open('a', 4);
    const projector = start(group());
    await live(projector);
    for (let n = 5; n < 12; n++) await append('a', n - 1, [trailEvent('Added', n)]);
    const seen = (face: string | undefined) =>
      waitForRevision(database.mongo.db, { group: view, face: { name: `${view.name}${face}` } }, 'a', 11, PATIENCE_MS);
    expect(await seen(last)).toMatchObject({ last: 'v1:11', revision: 11 });
    expect(await seen(tens)).toMatchObject({ tens: 1, revision: 11 });
    // The tenth event is at revision 9.
    expect(await written(tens)).toMatchObject([{ _id: 'a', tens: 1, revision: 9 }]);
    expect(await written(last)).toMatchObject([{ _id: 'a', revision: 11 }]);
    const found = await eventually(
      () => diagnoseGroup({ db: database.mongo.db, store, group: group() }),
      (all) => all.every(({ moving, behind }) => moving === 0 && behind === 0),
    );
    expect(found.map(({ view: name, different, compared }) => [name, different, compared])).toEqual([
      [`${view.name}_last`, 0, 1],
      [`${view.name}_tens`, 0, 1],
      [foldName(view), 0, 1],
    ]);
  });

  it('rebuilds only a newer face, beside the others, which continue', async () => {
    for (let i = 0; i < 5; i++) await open(i, 1);
    const first = start(group());
    await live(first);
    await first.stop();
    await viewCollection(database.mongo.db, `${view.name}_tens`).updateOne({ _id: '3' }, { $set: { mark: 'untouched' } });
    await live(start(group(2)));
    expect((await written(last)).map((doc) => doc['last'])).toEqual(Array(5).fill('v2:1'));
    expect((await written(tens)).filter((doc) => doc['mark'] === 'untouched')).toHaveLength(1);
    expect(await control()).toMatchObject({ version: 1, faces: { [`${view.name}_last`]: 2, [`${view.name}_tens`]: 1 }, generation: 2 });
    await append(0, 1, [trailEvent('Added', 2)]);
    expect(
      await waitForRevision(database.mongo.db, { group: view, face: { name: `${view.name}_last` } }, '0', 2, PATIENCE_MS),
    ).toMatchObject({
      last: 'v2:2',
    });
    // Whoever knows only the older face leaves all of it alone.
    const older = start(group(1));
    await eventually(
      () => status(older).state,
      (state) => state === 'outdated',
    );
  });

  it('takes over from a version before groups: rebuilds, and keeps workers of that version away', async () => {
    const { db } = database.mongo;
    await open('a', 2);
    const controls = db.collection<{ _id: string }>('views');
    const left = {
      generation: 3,
      checkpoint: null,
      owner: 'old-worker',
      leaseUntil: new Date(Date.now() + 60_000),
      handover: null,
      pending: null,
    };
    for (const { name } of [...faces(2), { name: view.name }]) await controls.insertOne({ _id: name, version: 1, ...left } as never);
    await viewCollection(db, `${view.name}_last`).insertOne({
      _id: 'a',
      position: Number.MAX_SAFE_INTEGER,
      revision: 99,
      last: 'of another log',
    });
    const present: TrailGroup = { ...group(2), version: 2 };
    await live(start(present));
    expect(await written(last)).toMatchObject([{ _id: 'a', last: 'v2:2', revision: 2 }]);
    expect(await control()).toMatchObject({ version: 2, faces: { [`${view.name}_last`]: 2 }, pending: null });
    expect(await controls.findOne({ _id: `${view.name}_last` })).toMatchObject({
      version: 2,
      supersededBy: view.name,
      owner: null,
      generation: 4,
    });
  });
});

describe('partitions', () => {
  const streams = 24;
  const parts = (projector: GroupProjector, state: string) => projector.status().filter((one) => one.state === state).length;
  const followers = async () =>
    (
      await followerControls(database.mongo.db)
        .find({ _id: { $regex: `^${view.name}/` } })
        .toArray()
    )
      .map(({ _id }) => _id)
      .sort();

  it('take each stream to one of them, always the same', () => {
    expect(['ticket-1', 'ticket-2', 'ticket-3', 'ticket-4'].map((stream) => partitionOf(stream, 4))).toEqual([3, 2, 1, 0]);
    for (const partitions of [1, 2, 8, 64]) {
      const of = Array.from({ length: 4_000 }, () => partitionOf(`ticket-${randomUUID()}`, partitions));
      expect(new Set(of).size).toBe(partitions);
      const most = Math.max(...Array.from({ length: partitions }, (_, one) => of.filter((partition) => partition === one).length));
      expect(most).toBeLessThan((4_000 / partitions) * 2 + 10);
    }
  });

  it('are shared by several workers, and taken over from one that stops', async () => {
    for (let i = 0; i < streams; i++) await open(i, 2);
    const first = start(view, { partitions: 4 });
    await eventually(
      () => parts(first, 'live'),
      (count) => count === 4,
    );
    const second = start(view);
    await eventually(
      () => [parts(first, 'live'), parts(second, 'live')].join(),
      (counts) => counts === '2,2',
    );
    for (let i = 0; i < streams; i++) await append(i, 2, [trailEvent('Added', 9)]);
    for (let i = 0; i < streams; i++) expect(await shown(i, 3)).toMatchObject({ trail: '0,1,2,9' });
    await first.stop();
    await eventually(
      () => parts(second, 'live'),
      (count) => count === 4,
    );
    for (let i = 0; i < streams; i++) await append(i, 3, [trailEvent('Added', 10)]);
    for (let i = 0; i < streams; i++) expect(await shown(i, 4)).toMatchObject({ trail: '0,1,2,9,10' });
    expect(await control()).toMatchObject({ partitions: 4, generation: 1 });
    const found = await eventually(diagnose, ({ moving, behind }) => moving === 0 && behind === 0);
    expect(found).toMatchObject({ compared: streams, different: 0 });
  });

  it('find owners even if the database is so slow that starting takes longer than a lease', async () => {
    await open('a', 1);
    const { hostname, port } = new URL(database.mongodbUrl.split(',')[0] ?? '');
    const leaseMs = 400;
    const line = await cuttableLine(Number(port), leaseMs / 2);
    const mongo = await connectMongo(`mongodb://${hostname}:${line.port}/?directConnection=true`, database.mongo.db.databaseName);
    const workers = [start(view, { db: mongo.db, leaseMs, partitions: 2 }), start(view, { db: mongo.db, leaseMs })];
    await eventually(
      () => workers.map((worker) => parts(worker, 'live')).join(),
      (counts) => counts === '1,1',
    );
    await Promise.all(workers.map((worker) => worker.stop()));
    await mongo.close();
    await line.close();
  });

  it('become more or fewer with a rebuild', async () => {
    for (let i = 0; i < streams; i++) await open(i, 1);
    const projector = start(view, { partitions: 2 });
    await eventually(
      () => parts(projector, 'live'),
      (count) => count === 2,
    );
    for (const partitions of [8, 1]) {
      await rebuildGroup({ db: database.mongo.db, store, group: view, partitions, owner: randomUUID(), leaseMs: LONG_LEASE });
      await eventually(
        () => parts(projector, 'live'),
        (count) => count === partitions,
      );
      expect(await control()).toMatchObject({ partitions });
      expect(await followers()).toEqual(Array.from({ length: partitions }, (_, one) => partitionName(view.name, one)));
    }
    for (let i = 0; i < streams; i++) await append(i, 1, [trailEvent('Added', 2)]);
    for (let i = 0; i < streams; i++) expect(await shown(i, 2)).toMatchObject({ trail: '0,1,2' });
    expect(() => start(view, { partitions: 3 })).toThrow('power of two');
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
    try {
      for (let round = 0; round < 5; round++) expect(await diagnose()).toMatchObject({ different: 0 });
    } finally {
      ending.now = true;
      await writing;
    }
  });
});

describe('the lease', () => {
  it('goes to one of many who request it, and only to the one for whom it is reserved', async () => {
    const { db } = database.mongo;
    await ensureFollower(db, view.name, 1);
    const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => acquire(db, view.name, `worker-${i}`, 60_000)));
    expect(taken.filter((held) => held !== null).length).toBe(1);
    await expect(acquireByHandover(db, view.name, 'rebuild', 60_000, 200, new AbortController().signal)).rejects.toThrow(
      /did not hand over/,
    );
    await followerControls(db).updateOne({ _id: view.name }, { $set: { owner: null } });
    expect(await acquire(db, view.name, 'worker-11', 60_000)).toBeNull();
    expect(await acquire(db, view.name, 'rebuild', 60_000)).toMatchObject({ owner: 'rebuild' });
  });
});
