import { BSON, Long, ObjectId, type Document } from 'mongodb';
import { contract } from '../testing/contract.js';

const { Decimal128 } = BSON;
const server = contract();
let counter = 0;

const refused = async (command: Document, code: number): Promise<void> => {
  await expect(server.db.command(command)).rejects.toMatchObject({ code });
};

describe('indexes', () => {
  test('that are hidden are kept up to date, and used by no query', async () => {
    const collection = await server.fresh([{ _id: 1, a: 1 }]);
    const { collectionName: name } = collection;
    await collection.createIndex({ a: 1 }, { unique: true, hidden: true });
    expect(await collection.indexes()).toMatchObject([{}, { name: 'a_1', hidden: true }]);
    await expect(collection.find().hint('a_1').toArray()).rejects.toMatchObject({ code: 2 });
    await expect(collection.insertOne({ a: 1 })).rejects.toMatchObject({ code: 11000 });
    await collection.insertOne({ _id: 2 as never, a: 2 });
    const stageOf = async (): Promise<string> =>
      (await collection.find({ a: 2 }).explain('queryPlanner'))['queryPlanner'].winningPlan.stage;
    expect(await stageOf()).toBe('COLLSCAN');
    expect(await server.db.command({ collMod: name, index: { name: 'a_1', hidden: false } })).toMatchObject({
      hidden_old: true,
      hidden_new: false,
    });
    expect(await stageOf()).not.toBe('COLLSCAN');
    expect(await collection.find({ a: 2 }).hint('a_1').toArray()).toEqual([{ _id: 2, a: 2 }]);
    expect((await collection.indexes())[1]).not.toHaveProperty('hidden');
    await refused({ collMod: name, index: { name: 'a_1', hidden: 'yes' } }, 14);
    await refused({ collMod: name, index: { name: 'a_1', hidden: null } }, 72);
    await refused({ collMod: name, index: { name: 'b_1', hidden: true } }, 27);
    await refused({ collMod: name, index: { name: '_id_', hidden: true } }, 2);
    await refused({ createIndexes: name, indexes: [{ key: { a: 1 }, name: 'a_1', unique: true, hidden: true }] }, 85);
    await refused({ createIndexes: name, indexes: [{ key: { b: 1 }, name: 'b_1', hidden: 1 }] }, 14);
  });

  test('with the same keys may differ in being unique or sparse; their keys alone are ambiguous', async () => {
    const { collectionName: name } = await server.fresh([{ a: 1 }]);
    const create = (index: Document): Promise<Document> =>
      server.db.command({ createIndexes: name, indexes: [{ key: { a: 1 }, name: 'plain', ...index }] });
    await create({});
    await create({ name: 'sparse', sparse: true });
    expect(await create({ name: 'both', sparse: true, unique: true })).toMatchObject({ numIndexesBefore: 3, numIndexesAfter: 4 });
    await expect(create({ unique: true })).rejects.toMatchObject({ code: 86 });
    await expect(create({ name: 'other' })).rejects.toMatchObject({ code: 85 });
    await refused({ dropIndexes: name, index: { a: 1 } }, 181);
    await refused({ collMod: name, index: { keyPattern: { a: 1 }, expireAfterSeconds: 1 } }, 181);
    await server.db.command({ dropIndexes: name, index: ['both', 'sparse'] });
    await server.db.command({ dropIndexes: name, index: { a: 1 } });
    expect(await server.db.collection(name).indexes()).toHaveLength(1);
  });

  test.each<readonly [filter: Document, code: number]>([
    [{ a: { $size: 1 } }, 67],
    [{ a: { $mod: [2, 0] } }, 67],
    [{ a: { $elemMatch: { b: 1 } } }, 67],
    [{ $or: [{ a: 1 }, { a: { $exists: 0 } }] }, 67],
    [{ a: /^x/ }, 67],
    [{ $expr: { $gt: ['$a', 1] } }, 224],
    [{ $and: [] }, 2],
  ])('cannot have the filter %j', async (partialFilterExpression, code) => {
    await refused({ createIndexes: 'partial', indexes: [{ key: { a: 1 }, name: 'a_1', partialFilterExpression }] }, code);
  });

  test.each<readonly [value: unknown, seconds: number]>([
    [50.7, 50],
    [Decimal128.fromString('50.5'), 50],
    [Decimal128.fromString('51.5'), 52],
    [-0.9, 0],
    [Number.NaN, 0],
    [2 ** 31, 2 ** 31 - 1],
    [Infinity, 2 ** 31 - 1],
  ])('expire after %j: that is %d seconds', async (expireAfterSeconds, seconds) => {
    const collection = await server.fresh([{ a: 1 }]);
    await collection.createIndex({ a: 1 });
    const index = { name: 'a_1', expireAfterSeconds };
    expect(await server.db.command({ collMod: collection.collectionName, index })).toMatchObject({ expireAfterSeconds_new: seconds });
  });
});

describe('views', () => {
  const view = async (viewOn: string, pipeline: Document[] = []): Promise<string> => {
    const name = `v${counter++}`;
    await server.db.createCollection(name, { viewOn, pipeline });
    return name;
  };

  test('are nested at most 18 deep', async () => {
    let { collectionName: name } = await server.fresh([{ _id: 1 }]);
    for (let depth = 1; depth <= 19; depth++) name = await view(name);
    expect(await server.db.collection(name).find().toArray()).toEqual([{ _id: 1 }]);
    await refused({ find: await view(name) }, 165);
  });

  test('do not read themselves', async () => {
    const name = await view('absent');
    const above = await view(name);
    for (const viewOn of [name, above]) await refused({ collMod: name, viewOn }, 5);
    for (const stage of [{ $unionWith: above }, { $lookup: { from: name, localField: 'a', foreignField: 'a', as: 'b' } }])
      await refused({ collMod: name, pipeline: [stage] }, 5);
    await refused({ create: 'itself', viewOn: 'other', pipeline: [{ $unionWith: 'itself' }] }, 5);
  });

  test('are read at most 20 deep, with 16 MB of stages', async () => {
    let { collectionName: name } = await server.fresh();
    for (let depth = 1; depth <= 20; depth++) name = await view(name);
    await refused({ create: 'above', viewOn: name, pipeline: [] }, 165);
    await refused({ create: 'large', viewOn: 'other', pipeline: [{ $match: { a: 'a'.repeat(16_000_000) } }] }, 195);
  });

  test.each([{ storageEngine: { other: {} } }, { timeseries: { timeField: 'a' } }, { idIndex: { key: { _id: 1 }, name: '_id_' } }])(
    'cannot have the option %j',
    async (option) => {
      await refused({ create: 'made', viewOn: 'other', pipeline: [], ...option }, 72);
    },
  );

  test.each<readonly [stage: Document, code: number]>([
    [{ $out: 'a' }, 167],
    [{ $currentOp: {} }, 73],
    [{ $changeStream: {} }, 40573],
    [{ $merge: 'a' }, 167],
    [{ $documents: [] }, 73],
    [{ $facet: { a: [{ $out: 'a' }] } }, 40600],
    [{ $lookup: { from: 'a', as: 'b', pipeline: [{ $out: 'a' }] } }, 51047],
  ])('cannot have the stage %j', async (stage, code) => {
    await refused({ create: 'made', viewOn: 'other', pipeline: [stage] }, code);
  });
});

test('a filter of a name-only list sees only names', async () => {
  const { collectionName: name } = await server.fresh([{ a: 1 }]);
  const listed = (filter: Document, nameOnly: boolean): Promise<Document[]> =>
    server.db.listCollections({ name, ...filter }, { nameOnly }).toArray();
  expect(await listed({ options: { $exists: true } }, false)).toHaveLength(1);
  expect(await listed({ options: { $exists: true } }, true)).toEqual([]);
  expect(await listed({ type: 'collection' }, true)).toEqual([{ name, type: 'collection' }]);
});

test('internal collections of the server cannot have validators', async () => {
  await refused({ create: 'system.js', validator: { a: 1 } }, 72);
  const name = `c${new ObjectId().toHexString()}`;
  await expect(server.client.db('admin').command({ create: name, validator: { a: 1 } })).rejects.toMatchObject({ code: 72 });
});

describe('cursors', () => {
  const open = async (name: string, options: Document = {}): Promise<Long> =>
    (await server.db.command({ find: name, batchSize: 1, ...options }, { promoteLongs: false }))['cursor'].id as Long;

  test('in a session end with it', async () => {
    const { collectionName: collection } = await server.fresh([{}, {}, {}]);
    await server.client.withSession(async (session) => {
      const kept = await open(collection);
      const id = (await server.db.command({ find: collection, batchSize: 1 }, { session, promoteLongs: false }))['cursor'].id as Long;
      await server.db.command({ killSessions: [null, { id: session.id?.id }], other: 1 });
      await refused({ getMore: id, collection }, 43);
      expect(await server.db.command({ getMore: kept, collection })).toMatchObject({ ok: 1 });
    });
  });

  test('are all left open if one of them is named wrongly', async () => {
    const { collectionName: collection } = await server.fresh([{}, {}, {}]);
    const id = await open(collection);
    await refused({ killCursors: collection, cursors: [id, 'other'] }, 14);
    expect((await server.db.command({ getMore: id, collection }))['cursor'].nextBatch).toHaveLength(2);
  });

  test('have the time limit of their query, not one per batch', async () => {
    const { collectionName: collection } = await server.fresh([{}, {}, {}]);
    await refused({ getMore: await open(collection), collection, maxTimeMS: 100 }, 2);
  });
});

test.each<readonly [command: Document, code: number]>([
  [{ distinct: 'a', key: null }, 40414],
  [{ distinct: 'a', key: 'a\0' }, 31032],
  [{ find: 'a', hint: { $natural: 2 } }, 2],
  [{ find: 'a', hint: { $natural: 1, a: 1 } }, 2],
  [{ create: 'made', capped: 'yes' }, 14],
  [{ ping: 1, maxTimeMS: 'x' }, 14],
  [{ ping: 1, maxTimeMS: 1.5 }, 9],
  [{ ping: 1, maxTimeMS: -1 }, 2],
  [{ ping: 1, writeConcern: { w: 1 } }, 72],
  [{ startSession: 1, readConcern: { level: 'majority' } }, 72],
  [{ delete: 'a', deletes: [{ q: {}, limit: 1 }], ordered: 'yes' }, 14],
  [{ delete: 'a', deletes: [{ q: {}, limit: 1 }], writeConcern: { nonsense: 1 } }, 40415],
  [{ delete: 'a', deletes: [{ q: {}, limit: 1 }], writeConcern: { w: null } }, 2],
  [{ delete: 'a', deletes: [{ q: {}, limit: 1 }], writeConcern: { w: {} } }, 9],
  [{ delete: 'a', deletes: [{ q: {}, limit: 1 }], writeConcern: { w: 1, wtimeout: 2 ** 31 } }, 9],
  [{ ping: 1, txnNumber: 1 }, 14],
  [{ ping: 1, txnNumber: Long.ONE }, 20],
  [{ ping: 1, autocommit: 0 }, 14],
  [{ ping: 1, startTransaction: true }, 72],
  [{ listCollections: 1, nameOnly: 1 }, 14],
  [{ find: 'a', singleBatch: 1 }, 14],
  [{ find: 'a', allowDiskUse: null }, 14],
  [{ aggregate: 'a', pipeline: [], cursor: {}, allowDiskUse: 1 }, 14],
  [{ endSessions: [{}] }, 40414],
  [{ refreshSessions: 1 }, 14],
  [{ killSessions: null }, 40414],
  [{ killSessions: [1] }, 14],
  [{ killSessions: [{ id: 1 }] }, 14],
  [{ killSessions: [{ id: new BSON.Binary(Buffer.alloc(8), 4) }] }, 207],
  [{ killAllSessions: [{ user: 'a' }] }, 40414],
  [{ createIndexes: 'a', indexes: [{ key: { a: 'hashed' }, name: 'a', unique: true }] }, 16764],
  [{ createIndexes: 'a', indexes: [{ key: { 'a.$**': 1 }, name: 'a', wildcardProjection: { b: 1 } }] }, 9],
  [{ createIndexes: 'a', indexes: [{ key: { a: 1 }, name: 'a', v: 1.5 }] }, 2],
  [{ create: 'made', timeseries: { timeField: 'a', bucketMaxSpanSeconds: 'a' } }, 14],
  [{ create: 'made', timeseries: { timeField: 'a', bucketMaxSpanSeconds: NaN, bucketRoundingSeconds: NaN } }, 2],
  [{ create: 'made', timeseries: { timeField: 'a', bucketMaxSpanSeconds: 1 } }, 72],
  [{ create: 'made', timeseries: { timeField: 'a', granularity: 'hours', bucketMaxSpanSeconds: 1, bucketRoundingSeconds: 1 } }, 72],
  [{ create: 'made', timeseries: { timeField: 'a\0' } }, 2],
  [{ create: 'made', timeseries: { timeField: 'a', metaField: 'b.c' } }, 72],
  [{ create: 'made', timeseries: { timeField: 'a', metaField: '_id' } }, 72],
  [{ create: 'made', idIndex: {} }, 9],
  [{ create: 'made', idIndex: { key: null, name: '_id_' } }, 14],
  [{ create: 'made', idIndex: { key: { _id: -1 }, name: '_id_' } }, 2],
  [{ create: 'made', idIndex: { key: { _id: 1 }, name: '' } }, 67],
  [{ create: 'made', idIndex: { key: { _id: 1 }, name: '_id_', unique: true } }, 197],
  [{ create: 'made', idIndex: { key: { _id: 1 }, name: '_id_', collation: { locale: 'en' } } }, 2],
  [{ create: 'made', idIndex: { key: { _id: 1 }, name: '_id_' }, timeseries: { timeField: 'a' } }, 72],
])('%j is refused with %d', refused);

test('a new collection accepts an idIndex that matches the default', async () => {
  const collation = { locale: 'en' };
  await server.db.command({ create: 'told', idIndex: { key: { _id: 1 }, name: '_id_', v: 2, collation }, collation });
  expect(await server.db.collection('told').indexes()).toMatchObject([{ v: 2, key: { _id: 1 }, name: '_id_', collation }]);
});
