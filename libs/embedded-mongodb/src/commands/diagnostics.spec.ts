import { BSON, Long, type Document } from 'mongodb';
import { contract } from '../testing/contract.js';

const server = contract();

describe('explain', () => {
  const explained = async (command: Document): Promise<Document> =>
    server.db.command({ explain: command, verbosity: 'executionStats' }) as Promise<Document>;

  test('counts the work of each stage', async () => {
    const collection = await server.fresh([1, 2, 3, 4].map((a) => ({ _id: a, a, b: a % 2 })));
    await collection.createIndex({ a: 1 });
    const { collectionName: find } = collection;
    const byIndex = (await explained({ find, filter: { a: { $gte: 2 }, b: 1 } }))['executionStats'];
    expect(byIndex).toMatchObject({ nReturned: 1, totalKeysExamined: 3, totalDocsExamined: 3 });
    expect(byIndex.executionStages).toMatchObject({
      stage: 'FETCH',
      nReturned: 1,
      docsExamined: 3,
      inputStage: { stage: 'IXSCAN', nReturned: 3, keysExamined: 3 },
    });
    const scanned = (await explained({ find, filter: { b: 1 } }))['executionStats'];
    expect(scanned.executionStages).toMatchObject({ stage: 'COLLSCAN', nReturned: 2, docsExamined: 4 });
  });

  test('of writes shows their effect without executing them', async () => {
    const collection = await server.fresh([{ a: 1 }, { a: 1 }, { a: 2 }]);
    const { collectionName: name } = collection;
    const stages = async (command: Document): Promise<Document> => {
      const { queryPlanner, executionStats } = await explained(command);
      expect(queryPlanner.winningPlan.stage).toBe(executionStats.executionStages.stage);
      expect(executionStats.nReturned).toBe(0);
      return executionStats.executionStages as Document;
    };
    const update = (q: Document, multi: boolean): Promise<Document> =>
      stages({ update: name, updates: [{ q, u: { $set: { a: 2 } }, multi }] });
    expect(await update({}, true)).toMatchObject({ stage: 'UPDATE', nMatched: 3, nWouldModify: 2 });
    expect(await update({ a: 1 }, false)).toMatchObject({ nMatched: 1, nWouldModify: 1 });
    expect(await update({ a: 2 }, true)).toMatchObject({ nMatched: 1, nWouldModify: 0 });
    const remove = (limit: number): Promise<Document> => stages({ delete: name, deletes: [{ q: { a: 1 }, limit }] });
    expect(await remove(0)).toMatchObject({ stage: 'DELETE', nWouldDelete: 2 });
    expect(await remove(1)).toMatchObject({ stage: 'DELETE', nWouldDelete: 1 });
    expect(await collection.countDocuments({ a: 1 })).toBe(2);
  });
});

test('validate describes the indexes, and counts nothing if only metadata is requested', async () => {
  const { collectionName: name } = await server.fresh([{ a: 1 }]);
  await server.db.collection(name).createIndex({ a: 1 });
  const found = await server.db.command({ validate: name });
  expect(found).toMatchObject({
    nrecords: 1,
    nNonCompliantDocuments: 0,
    repairMode: 'None',
    indexDetails: { a_1: { valid: true, spec: { key: { a: 1 }, name: 'a_1' } } },
    extraIndexEntries: [],
    corruptRecords: [],
  });
  expect((found['uuid'] as BSON.Binary).sub_type).toBe(4);
  const metadata = await server.db.command({ validate: name, metadata: true });
  expect(metadata).toMatchObject({ valid: true, nIndexes: 2 });
  expect(metadata).not.toHaveProperty('nrecords');
  for (const [options, repairMode] of [
    [{ repair: true }, 'FixErrors'],
    [{ repair: 1, fixMultikey: true }, 'FixErrors'],
    [{ fixMultikey: 'yes' }, 'AdjustMultikey'],
  ] as const)
    expect(await server.db.command({ validate: name, ...options })).toMatchObject({ valid: true, repaired: false, repairMode });
});

test('the counts of dbStats have 64 bits', async () => {
  await server.fresh([{ a: 1 }]);
  const { objects, collections, scaleFactor, fsTotalSize } = await server.db.command({ dbStats: 1, scale: 1024 }, { promoteLongs: false });
  expect([objects, collections, scaleFactor].every((count) => count instanceof Long)).toBe(true);
  expect(fsTotalSize).toBeGreaterThan(0);
  const free = { freeStorageSize: 0, indexFreeStorageSize: 0, totalFreeStorageSize: 0 };
  expect(await server.db.command({ dbStats: 1, freeStorage: 1 })).toMatchObject(free);
  expect(await server.db.command({ dbStats: 1 })).not.toHaveProperty('freeStorageSize');
});

test.each<readonly [string, number, Document]>([
  ['dbStats by zero', 2, { dbStats: 1, scale: 0 }],
  ['dbStats by a fraction below one', 2, { dbStats: 1, scale: 0.5 }],
  ['dbStats by less than zero', 2, { dbStats: 1, scale: -1 }],
  ['collStats by zero', 51024, { collStats: 'a', scale: 0 }],
  ['$collStats by zero', 51024, { aggregate: 'a', pipeline: [{ $collStats: { storageStats: { scale: 0 } } }], cursor: {} }],
  ['dataSize of no namespace', 73, { dataSize: 'a' }],
  ['dataSize of null', 40414, { dataSize: null }],
  ['dataSize of a number', 14, { dataSize: 1 }],
  ['dataSize from a key to none', 2, { dataSize: 'a.b', keyPattern: { a: 1 }, min: { a: 1 } }],
])('sizes are refused: %s, %i', async (_, code, command) => {
  await expect(server.db.command(command)).rejects.toMatchObject({ code });
});

test('sizes are divided by numbers of any magnitude', async () => {
  const { collectionName: collStats } = await server.fresh([{ a: 1 }]);
  const scale = Long.MAX_VALUE;
  expect(await server.db.command({ dbStats: 1, scale })).toMatchObject({ ok: 1 });
  expect(await server.db.command({ collStats, scale })).toMatchObject({ size: 0, scaleFactor: 0x7fffffff });
});

test('dataSize counts the documents of a collection, and none for a missing one', async () => {
  const { namespace } = await server.fresh([{ _id: 1, text: 'a'.repeat(1000) }, { _id: 2 }]);
  const found = await server.db.command({ dataSize: namespace, keyPattern: { _id: 1 } });
  expect(found).toMatchObject({ estimate: false, numObjects: 2 });
  expect(found['size']).toBeGreaterThan(1000);
  expect(await server.db.command({ dataSize: `${namespace}.none`, estimate: true })).toMatchObject({
    estimate: true,
    size: 0,
    numObjects: 0,
  });
});

test('connectionStatus shows privileges on request', async () => {
  const { authInfo, uuid } = await server.db.command({ connectionStatus: 1 });
  expect((uuid as BSON.Binary).sub_type).toBe(4);
  expect(authInfo).not.toHaveProperty('authenticatedUserPrivileges');
  const { authInfo: whole } = await server.db.command({ connectionStatus: 1, showPrivileges: true });
  expect(whole.authenticatedUserPrivileges).toEqual(expect.any(Array));
});

test('a filter of databases sees only names in a name-only list', async () => {
  await server.fresh([{ a: 1 }]);
  const admin = server.client.db('admin');
  const listed = async (filter: Document, nameOnly: boolean): Promise<Document[]> =>
    (await admin.command({ listDatabases: 1, nameOnly, filter: { name: server.db.databaseName, ...filter } }))['databases'] as Document[];
  expect(await listed({ empty: false }, false)).toHaveLength(1);
  expect(await listed({ empty: false }, true)).toEqual([]);
  expect(await listed({}, true)).toEqual([{ name: server.db.databaseName }]);
});

describe('$indexStats', () => {
  const indexStats = async (name: string, stages: readonly Document[] = []): Promise<Document[]> =>
    server.db
      .collection(name)
      .aggregate([{ $indexStats: {} }, ...stages], { promoteLongs: false })
      .toArray();
  const ops = async (name: string): Promise<Record<string, number>> =>
    Object.fromEntries((await indexStats(name)).map((index) => [index['name'] as string, (index['accesses'].ops as Long).toNumber()]));

  test('describes an index, and since when its use is counted', async () => {
    const collection = await server.fresh([{ a: 1 }]);
    const before = Date.now();
    await collection.createIndex({ a: 1, b: -1 }, { unique: true });
    const [id, index] = (await indexStats(collection.collectionName, [{ $sort: { name: 1 } }])) as [Document, Document];
    expect(id).toEqual({
      name: '_id_',
      key: { _id: 1 },
      host: expect.stringMatching(/:\d+$/),
      accesses: { ops: Long.ZERO, since: expect.any(Date) },
      spec: { v: 2, key: { _id: 1 }, name: '_id_' },
    });
    expect(index).toMatchObject({ name: 'a_1_b_-1', key: { a: 1, b: -1 }, spec: { key: { a: 1, b: -1 }, name: 'a_1_b_-1', unique: true } });
    // The clock of a remote server may differ by some seconds.
    expect(Math.abs((index['accesses'].since as Date).getTime() - before)).toBeLessThan(60_000);
  });

  test('counts each query served by an index once, and explanations not at all', async () => {
    const collection = await server.fresh(Array.from({ length: 400 }, (_, a) => ({ _id: a as never, a, b: a % 3 })));
    const { collectionName: name } = collection;
    await collection.createIndexes([{ key: { a: 1 } }, { key: { b: 1 } }]);
    await server.db.command({ explain: { find: name, filter: { a: 1 } }, verbosity: 'executionStats' });
    await collection.find({ c: 1 }).toArray();
    expect(await ops(name)).toEqual({ _id_: 0, a_1: 0, b_1: 0 });
    await collection.find({ a: { $gte: 0 } }, { batchSize: 3 }).toArray();
    await collection.countDocuments({ a: 2 });
    await server.db.command({ count: name, query: { a: 3 } });
    await collection.distinct('a', { a: { $lt: 3 } });
    await collection.updateOne({ a: 4 }, { $set: { c: 1 } });
    await collection.updateMany({ a: { $gte: 20 } }, { $set: { c: 1 } });
    await collection.findOneAndDelete({ a: 5 });
    await collection.find({}).sort({ b: 1 }).limit(1).toArray();
    await collection.findOne({ _id: 1 as never });
    await collection
      .find({ c: { $exists: false } })
      .hint('b_1')
      .toArray();
    expect(await ops(name)).toEqual({ _id_: 1, a_1: 7, b_1: 2 });
  });

  test('counts an index of another collection in lookups', async () => {
    const [local, foreign] = [await server.fresh([{ a: 1 }, { a: 2 }]), await server.fresh([{ a: 1 }, { a: 2 }])];
    await foreign.createIndex({ a: 1 });
    await local.aggregate([{ $lookup: { from: foreign.collectionName, localField: 'a', foreignField: 'a', as: 'found' } }]).toArray();
    expect((await ops(foreign.collectionName))['a_1']).toBeGreaterThan(0);
    expect(await ops(local.collectionName)).toEqual({ _id_: 0 });
  });

  test('restarts when an index is recreated or changed', async () => {
    const collection = await server.fresh([{ a: 1, b: 1 }]);
    const { collectionName: name } = collection;
    const use = async (): Promise<void> => {
      await collection.find({ a: 1 }).toArray();
      await collection.find({ b: 1 }).toArray();
    };
    await collection.createIndexes([{ key: { a: 1 } }, { key: { b: 1 } }]);
    await use();
    expect(await ops(name)).toMatchObject({ a_1: 1, b_1: 1 });
    await server.db.command({ collMod: name, index: { name: 'a_1', expireAfterSeconds: 3600 } });
    expect(await ops(name)).toMatchObject({ a_1: 0, b_1: 1 });
    await use();
    await collection.dropIndex('b_1');
    await collection.createIndex({ b: 1 });
    expect(await ops(name)).toMatchObject({ a_1: 1, b_1: 0 });
  });

  test('works for a collection, also below a view without stages and in other pipelines', async () => {
    const collection = await server.fresh([{ a: 1 }]);
    const { collectionName: name } = collection;
    await server.db.createCollection(`${name}v`, { viewOn: name, pipeline: [] });
    await server.db.createCollection(`${name}w`, { viewOn: name, pipeline: [{ $match: { a: 1 } }] });
    expect(await indexStats('absent')).toEqual([]);
    expect(await indexStats(`${name}v`, [{ $project: { name: 1, _id: 0 } }])).toEqual([{ name: '_id_' }]);
    await expect(indexStats(`${name}w`)).rejects.toMatchObject({ code: 40602 });
    const union = { $unionWith: { coll: name, pipeline: [{ $indexStats: {} }, { $count: 'indexes' }] } };
    expect(await collection.aggregate([{ $match: { a: 2 } }, union]).toArray()).toEqual([{ indexes: 1 }]);
    await server.db.createCollection(`${name}x`, {
      viewOn: name,
      pipeline: [{ $collStats: { count: {} } }, { $project: { _id: 0, count: 1 } }],
    });
    expect(await collection.aggregate([{ $match: { a: 2 } }, { $unionWith: `${name}x` }]).toArray()).toEqual([{ count: 1 }]);
    const lookup = { $lookup: { from: name, as: 'found', pipeline: [{ $indexStats: {} }, { $project: { name: 1 } }] } };
    expect(await collection.aggregate([lookup, { $project: { found: 1, _id: 0 } }]).toArray()).toEqual([{ found: [{ name: '_id_' }] }]);
  });

  test.each<readonly [stages: Document[], code: number]>([
    [[{ $match: {} }, { $indexStats: {} }], 40602],
    [[{ $indexStats: {} }, { $indexStats: {} }], 40602],
    [[{ $indexStats: { a: 1 } }], 28803],
    [[{ $indexStats: null }], 28803],
    [[{ $indexStats: [] }], 28803],
    [[{ $facet: { a: [{ $indexStats: {} }] } }], 40600],
    [[{ $indexStats: 1, extra: 1 }], 40323],
  ])('%j is refused with %d', async (stages, code) => {
    await expect((await server.fresh([{}])).aggregate(stages).toArray()).rejects.toMatchObject({ code });
  });
});

test('counts, distinct values and lists have no $$NOW', async () => {
  const { collectionName: name } = await server.fresh([{ at: new Date(0) }]);
  const past = { $expr: { $lt: ['$at', '$$NOW'] } };
  const unknown = expect.objectContaining({ code: 51144 });
  await expect(server.db.command({ count: name, query: past })).rejects.toEqual(unknown);
  await expect(server.db.command({ distinct: name, key: 'at', query: past })).rejects.toEqual(unknown);
  await expect(server.db.command({ listCollections: 1, filter: past })).rejects.toEqual(unknown);
  await expect(server.db.command({ count: `${name}-none`, query: past })).rejects.toEqual(unknown);
  expect(await server.db.command({ find: name, filter: past })).toMatchObject({ cursor: { firstBatch: [{}] } });
});

test('a count on a view refuses a limit of zero', async () => {
  const { collectionName: name } = await server.fresh([{ a: 1 }, { a: 2 }]);
  await server.db.createCollection(`${name}v`, { viewOn: name, pipeline: [] });
  expect(await server.db.command({ count: name, limit: 0 })).toMatchObject({ n: 2 });
  expect(await server.db.command({ count: `${name}v`, limit: -1 })).toMatchObject({ n: 1 });
  await expect(server.db.command({ count: `${name}v`, limit: 0 })).rejects.toMatchObject({ code: 15958 });
});

test.each<readonly [command: Document, code: number]>([
  [{ explain: { find: 'a' }, verbosity: 'all' }, 2],
  [{ explain: {} }, 59],
  [{ explain: { insert: 'a', documents: [{}] } }, 20],
  [{ validate: 'a', metadata: true, full: true }, 72],
  [{ validate: 'a', metadata: true, repair: 1 }, 72],
  [{ listCollections: 1, cursor: { batchSize: -1 } }, 2],
])('%j is refused with %d', async (command, code) => {
  await expect(server.db.command(command)).rejects.toMatchObject({ code });
});
