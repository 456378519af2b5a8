import { DBRef, Decimal128, type Document } from 'mongodb';
import { contract } from '../testing/contract.js';

const server = contract();

test('$unionWith adds documents that are in no collection', async () => {
  const numbers = { $map: { input: { $range: [0, 3] }, in: { n: '$$this' } } };
  const collection = await server.fresh([{ _id: 1 }]);
  const added = { $unionWith: { pipeline: [{ $documents: numbers }, { $match: { n: { $gt: 0 } } }] } };
  expect(await collection.aggregate([added]).toArray()).toEqual([{ _id: 1 }, { n: 1 }, { n: 2 }]);
  expect(await server.db.aggregate([{ $documents: [{ n: 9 }] }, added]).toArray()).toEqual([{ n: 9 }, { n: 1 }, { n: 2 }]);
});

test('pipelines of $unionWith and $lookup use an index for their initial query', async () => {
  const foreign = await server.fresh(Array.from({ length: 50 }, (_, _id) => ({ _id, b: 49 - _id })));
  await foreign.createIndex({ b: 1 });
  const local = await server.fresh([{ _id: 'one', from: 3 }]);
  const uses = async () => {
    const counted = await foreign.aggregate([{ $indexStats: {} }, { $match: { name: 'b_1' } }]).toArray();
    return Number((counted[0]?.['accesses'] as Document)['ops']);
  };
  const first = [{ $match: { b: { $gte: 3 } } }, { $sort: { b: 1 } }, { $limit: 2 }, { $project: { b: 0 } }];
  const coll = foreign.collectionName;
  expect(await local.aggregate([{ $unionWith: { coll, pipeline: first } }]).toArray()).toEqual([
    { _id: 'one', from: 3 },
    { _id: 46 },
    { _id: 45 },
  ]);
  expect(await uses()).toBe(1);
  const joined = { $lookup: { from: coll, as: 'found', pipeline: first } };
  expect(await local.aggregate([joined]).toArray()).toEqual([{ _id: 'one', from: 3, found: [{ _id: 46 }, { _id: 45 }] }]);
  expect(await uses()).toBe(2);
  // A variable of the row.
  const by = [
    { $match: { $expr: { $and: [{ $gte: ['$b', '$$from'] }, { $lt: ['$b', 5] }] } } },
    { $sort: { b: 1 } },
    { $project: { b: 1 } },
  ];
  expect(await local.aggregate([{ $lookup: { from: coll, as: 'found', let: { from: '$from' }, pipeline: by } }]).toArray()).toMatchObject([
    { found: [{ b: 3 }, { b: 4 }] },
  ]);
  // With a view in between.
  const view = `${coll}-view`;
  await server.db.createCollection(view, { viewOn: coll, pipeline: [{ $match: { b: { $lt: 5 } } }] });
  expect(await local.aggregate([{ $unionWith: { coll: view, pipeline: first } }]).toArray()).toEqual([
    { _id: 'one', from: 3 },
    { _id: 46 },
    { _id: 45 },
  ]);
});

test.each<readonly [stage: Document, found: readonly Document[]]>([
  [{ $sort: { v: 1.999 } }, [{ v: 1 }, { v: 2 }]],
  [{ $sort: { v: -1.999 } }, [{ v: 2 }, { v: 1 }]],
  [{ $sort: { v: Decimal128.fromString('-0.51') } }, [{ v: 2 }, { v: 1 }]],
  [{ $sort: { a: { $meta: 'randVal' }, v: -1 } }, [{ v: 2 }, { v: 1 }]],
  [{ $sort: { a: { $meta: 'searchScore' } } }, [{ v: 1 }, { v: 2 }]],
  [{ $project: { _id: 0, v: 1, w: { $meta: 'searchScore' } } }, [{ v: 1 }, { v: 2 }]],
  [{ $project: { _id: 0, w: 0, v: { $meta: 'searchScore' } } }, [{}, {}]],
  [{ $addFields: { v: { $meta: 'searchHighlights' } } }, [{}, {}]],
])('%j gives %j', async (stage, found) => {
  const collection = await server.fresh([
    { _id: 1, v: 1 },
    { _id: 2, v: 2 },
  ]);
  expect(await collection.aggregate([stage, { $unset: '_id' }]).toArray()).toEqual(found);
});

test('$out accepts valid collection names, and no time series if that is null', async () => {
  const collection = await server.fresh([{ _id: 1 }]);
  const coll = `${collection.collectionName}.`;
  await collection.aggregate([{ $out: { db: server.db.databaseName, coll, timeseries: null } }]).toArray();
  expect(await server.db.command({ find: coll })).toMatchObject({ cursor: { firstBatch: [{ _id: 1 }] } });
});

test('$merge requires its unique index even if there is nothing to merge', async () => {
  const [source, target] = [await server.fresh(), await server.fresh([{ _id: 1, a: 1 }])];
  const merged = (): Promise<Document[]> => source.aggregate([{ $merge: { into: target.collectionName, on: 'a' } }]).toArray();
  await expect(merged()).rejects.toMatchObject({ code: 51183 });
  await target.createIndex({ a: 1 }, { unique: true });
  expect(await merged()).toEqual([]);
});

describe('$lookup', () => {
  const joined = async (docs: readonly Document[], foreign: readonly Document[], spec: Document): Promise<unknown[]> => {
    const from = await server.fresh(foreign);
    const local = await server.fresh(docs);
    const found = await local
      .aggregate([{ $lookup: { from: from.collectionName, as: 'found', ...spec } }, { $sort: { _id: 1 } }])
      .toArray();
    return found.map((doc) => (doc['found'] as Document[]).map(({ _id }) => _id as unknown).toSorted());
  };
  const foreign = [{ _id: 10, b: null }, { _id: 11 }, { _id: 12, b: 1 }, { _id: 13, b: [] }];

  test("finds missing values and null if its document's field has no value", async () => {
    const by = (localField: string): Document => ({ localField, foreignField: 'b' });
    const docs = [{ _id: 1 }, { _id: 2, a: null }, { _id: 3, a: [] }, { _id: 4, a: [null, 1] }];
    expect(await joined(docs, foreign, by('a'))).toEqual([
      [10, 11],
      [10, 11],
      [10, 11],
      [10, 11, 12],
    ]);
    expect(
      await joined(
        [
          { _id: 1, a: [] },
          { _id: 2, a: [5] },
          { _id: 3, a: [{ b: 1 }, {}] },
        ],
        foreign,
        by('a.b'),
      ),
    ).toEqual([[10, 11], [10, 11], [12]]);
    expect(await joined([{ _id: 1, a: [1] }], foreign, by('a.7'))).toEqual([[10, 11]]);
  });

  test('joins the documents of its pipeline, which may use its variables', async () => {
    const local = await server.fresh([
      { _id: 1, a: 'x' },
      { _id: 2, a: 'y' },
    ]);
    const joinedTo = async (spec: Document): Promise<unknown[]> =>
      (await local.aggregate([{ $lookup: { as: 'found', ...spec } }, { $sort: { _id: 1 } }]).toArray()).map(
        (doc) => doc['found'] as unknown,
      );
    const documents = { $documents: [{ b: 'x', n: 1 }, { b: 'z' }] };
    expect(await joinedTo({ pipeline: [documents, { $count: 'n' }] })).toEqual([[{ n: 2 }], [{ n: 2 }]]);
    expect(await joinedTo({ localField: 'a', foreignField: 'b', pipeline: [documents] })).toEqual([[{ b: 'x', n: 1 }], []]);
    expect(await joinedTo({ let: { v: '$a' }, pipeline: [{ $documents: [{ c: '$$v' }] }] })).toEqual([[{ c: 'x' }], [{ c: 'y' }]]);
    await expect(joinedTo({ pipeline: [{ $documents: 1 }] })).rejects.toMatchObject({ code: 5858203 });
    await expect(joinedTo({ pipeline: [{ $documents: [1] }] })).rejects.toMatchObject({ code: 40228 });
  });

  test.each([null, ''])('uses only the pipeline if both fields are %j', async (field) => {
    const spec = { localField: field, foreignField: field, pipeline: [{ $match: { _id: { $gt: 11 } } }] };
    expect(await joined([{ _id: 1 }], foreign, spec)).toEqual([[12, 13]]);
  });
});

test('a match of $graphLookup has the variables of the enclosing $lookup', async () => {
  const { collectionName: from } = await server.fresh([
    { _id: 10, at: 'a', next: 'b', kind: 1 },
    { _id: 11, at: 'b', next: 'c', kind: 1 },
    { _id: 12, at: 'c', kind: 2 },
  ]);
  const local = await server.fresh([{ _id: 1, wanted: 1 }]);
  const graph = { from, startWith: 'a', connectFromField: 'next', connectToField: 'at', as: 'found' };
  const pipeline = [
    { $match: { _id: 10 } },
    { $graphLookup: { ...graph, restrictSearchWithMatch: { $expr: { $eq: ['$kind', '$$kind'] } } } },
    { $project: { found: { $size: '$found' } } },
  ];
  expect(await local.aggregate([{ $lookup: { from, let: { kind: '$wanted' }, pipeline, as: 'joined' } }]).toArray()).toEqual([
    { _id: 1, wanted: 1, joined: [{ _id: 10, found: 2 }] },
  ]);
});

test('paths may contain the fields of a reference to another document', async () => {
  const foreign = await server.fresh([{ _id: 7, name: 'seven' }]);
  const local = await server.fresh([{ _id: 1, to: new DBRef('c', 7 as never) }]);
  const lookup = { from: foreign.collectionName, localField: 'to.$id', foreignField: '_id', as: 'found' };
  expect(
    await local.aggregate([{ $sort: { 'to.$id': 1 } }, { $lookup: lookup }, { $project: { ref: '$to.$ref', found: 1 } }]).toArray(),
  ).toEqual([{ _id: 1, found: [{ _id: 7, name: 'seven' }], ref: 'c' }]);
});

test('$bucketAuto counts if its output has no fields, but $bucket does not', async () => {
  const collection = await server.fresh([{ a: 1 }, { a: 2 }]);
  const spec = { groupBy: '$a', output: {} };
  expect(await collection.aggregate([{ $bucketAuto: { ...spec, buckets: 1 } }]).toArray()).toEqual([{ _id: { min: 1, max: 2 }, count: 2 }]);
  expect(await collection.aggregate([{ $bucket: { ...spec, boundaries: [0, 5] } }]).toArray()).toEqual([{ _id: 0 }]);
});

describe('$bucketAuto with a granularity', () => {
  const buckets = async (values: readonly unknown[], spec: Document): Promise<unknown[][]> => {
    const collection = await server.fresh(values.map((a) => ({ a })));
    const found = await collection.aggregate([{ $bucketAuto: { groupBy: '$a', ...spec } }]).toArray();
    return found.map(({ _id: { min, max }, count }) => [min, max, count]);
  };

  test.each<readonly [granularity: string, boundaries: readonly (readonly number[])[]]>([
    [
      'R5',
      [
        [0.63, 1.6, 1],
        [1.6, 16, 1],
        [16, 1600, 2],
      ],
    ],
    [
      'POWERSOF2',
      [
        [0.5, 2, 1],
        [2, 16, 1],
        [16, 1024, 2],
      ],
    ],
    [
      '1-2-5',
      [
        [0.5, 2, 1],
        [2, 20, 1],
        [20, 2000, 2],
      ],
    ],
    [
      'E6',
      [
        [0.68, 1.5, 1],
        [1.5, 15, 1],
        [15, 1500, 2],
      ],
    ],
  ])('%s rounds the boundaries', async (granularity, boundaries) => {
    expect(await buckets([1, 10, 100, 1000], { buckets: 3, granularity })).toEqual(boundaries);
  });

  test('returns powers of two as ints and longs', async () => {
    const collection = await server.fresh([{ a: 1 }, { a: 2 ** 31 }]);
    const types = { min: { $type: '$_id.min' }, max: { $type: '$_id.max' } };
    expect(
      await collection
        .aggregate([{ $bucketAuto: { groupBy: '$a', buckets: 2, granularity: 'POWERSOF2' } }, { $project: { _id: 0, ...types } }])
        .toArray(),
    ).toEqual([
      { min: 'double', max: 'int' },
      { min: 'int', max: 'long' },
    ]);
  });

  test('has fewer buckets if several values are below one boundary', async () => {
    expect(await buckets([1, 2], { buckets: 10, granularity: 'R5' })).toEqual([
      [0.63, 1.6, 1],
      [1.6, 2.5, 1],
    ]);
    expect(await buckets([17, 18, 19, 20, 30], { buckets: 5, granularity: 'R5' })).toEqual([
      [16, 25, 4],
      [25, 40, 1],
    ]);
  });

  test.each<readonly [granularity: unknown, values: readonly unknown[], code: number]>([
    [5, [1], 40261],
    ['R7', [1], 40257],
    ['R5', ['a'], 40258],
    ['R5', [NaN], 40259],
    ['R5', [-1], 40260],
  ])('%j of %j is refused with %d', async (granularity, values, code) => {
    await expect(buckets(values, { buckets: 2, granularity })).rejects.toMatchObject({ code });
  });
});

test('a pipeline that ends by writing is explained, and writes nothing', async () => {
  const { collectionName: aggregate } = await server.fresh([{ a: 1 }]);
  for (const stage of [{ $out: 'never' }, { $merge: 'never' }])
    expect(await server.db.command({ aggregate, pipeline: [stage], cursor: {}, explain: true })).toMatchObject({ ok: 1 });
  expect(await server.db.listCollections({ name: 'never' }).toArray()).toEqual([]);
  const command = { aggregate, pipeline: [{ $out: 'never' }], cursor: {}, readConcern: { level: 'linearizable' } };
  await expect(server.db.command(command)).rejects.toMatchObject({ code: 72 });
});

describe('deviations in windows', () => {
  const deviations = async (name: string, values: readonly unknown[], window?: Document): Promise<unknown[]> => {
    const collection = await server.fresh(values.map((v, index) => ({ _id: index, v })));
    const found = await collection
      .aggregate([{ $setWindowFields: { sortBy: { _id: 1 }, output: { is: { [name]: '$v', ...(window && { window }) } } } }])
      .toArray();
    return found.map((doc) => doc['is'] as unknown);
  };

  test.each([NaN, Infinity, -Infinity])('are null while %p is in a sliding window', async (odd) => {
    expect(await deviations('$stdDevPop', [odd, 10, 20, 30], { documents: [-1, 0] })).toEqual([null, null, 5, 5]);
    expect(await deviations('$stdDevPop', [10, 20, odd, 30, 40], { documents: [-1, 1] })).toEqual([5, null, null, null, 5]);
    expect(await deviations('$stdDevSamp', [10, odd, 1, 3], { documents: ['current', 'unbounded'] })).toEqual([
      null,
      null,
      Math.SQRT2,
      null,
    ]);
  });

  test.each([NaN, Infinity, -Infinity])('are NaN after %p in a window that keeps its rows', async (odd) => {
    expect(await deviations('$stdDevPop', [10, odd, 30])).toEqual([NaN, NaN, NaN]);
    expect(await deviations('$stdDevPop', [10, 20, odd], { documents: ['unbounded', 'current'] })).toEqual([0, 5, NaN]);
    expect(await deviations('$stdDevSamp', [odd, 10], { documents: ['unbounded', 'current'] })).toEqual([null, NaN]);
  });
});

test.each(['$set', '$addFields'])('%s without fields changes nothing', async (stage) => {
  const collection = await server.fresh([{ _id: 1, a: 2 }]);
  expect(await collection.aggregate([{ [stage]: {} }]).toArray()).toEqual([{ _id: 1, a: 2 }]);
});

describe('the size of $sample', () => {
  const sampled = async (size: unknown): Promise<number> => {
    const collection = await server.fresh([0, 1, 2, 3, 4].map((_id) => ({ _id })));
    return (await collection.aggregate([{ $sample: { size } }]).toArray()).length;
  };

  test.each([
    [1.9, 1],
    [Infinity, 5],
    [Decimal128.fromString('1.5'), 2],
    [Decimal128.fromString('2.5'), 2],
    [Decimal128.fromString('1.499999999999999999999999999999999'), 1],
    [Decimal128.fromString('0.51'), 1],
  ])('%s is %i', async (size, count) => expect(await sampled(size)).toBe(count));

  test.each([
    ['3', 28746],
    [null, 28746],
    [NaN, 28747],
    [0.5, 28747],
    [-1, 28747],
    [Decimal128.fromString('0.5'), 28747],
    [Decimal128.fromString('NaN'), 28747],
  ])('%s is refused with %i', async (size, code) => {
    await expect(sampled(size)).rejects.toMatchObject({ code });
  });
});
