import { MongoClient, type Collection, type Db, type Document } from 'mongodb';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Arr, Doc, Double, type Value } from './bson/values.js';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';
import { INTERRUPTED, resumable, withBudget } from './query/budget.js';
import { compileExpression } from './query/expressions/expressions.js';

/** Time limits end every kind of work; patterns take time in proportion to the text. */

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-budget-'));
let node: EmbeddedMongoDB;
let client: MongoClient;
let db: Db;
beforeAll(async () => {
  node = await startEmbeddedMongoDB({ directory, port: 0 });
  client = await MongoClient.connect(node.url);
  db = client.db('budget');
  await db.collection('one').insertOne({ list: Array.from({ length: 200 }, (_, n) => n) });
});
afterAll(async () => {
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

const nested = (depth: number): Document =>
  depth === 0 ? { $add: [1, 1] } : { $sum: { $map: { input: '$list', as: `v${depth}`, in: nested(depth - 1) } } };

test.each<readonly [string, Document[]]>([
  ['$map within $map', [{ $project: { sum: nested(4) } }]],
  ['$map in a condition', [{ $match: { $expr: { $eq: [nested(4), 0] } } }]],
  [
    '$reduce',
    [
      {
        $project: {
          all: { $reduce: { input: { $range: [0, 100_000] }, initialValue: [], in: { $concatArrays: ['$$value', ['$$this']] } } },
        },
      },
    ],
  ],
  [
    '$filter within $map',
    [
      {
        $project: {
          x: {
            $map: { input: { $range: [0, 1_000_000] }, as: 'a', in: { $filter: { input: '$list', as: 'b', cond: { $gt: ['$$b', 5] } } } },
          },
        },
      },
    ],
  ],
])('a time limit ends %s', async (_, pipeline) => {
  // Without a limit each of these takes minutes: longer than a test may.
  await expect(db.collection('one').aggregate(pipeline, { maxTimeMS: 100 }).toArray()).rejects.toMatchObject({ code: 50 });
  // What follows has its own time.
  expect(
    await db
      .collection('one')
      .aggregate([{ $project: { n: nested(2) } }])
      .toArray(),
  ).toMatchObject([{ n: 80_000 }]);
});

test('a time limit ends constants that take long to compute', async () => {
  const range = { $range: [0, 3_000_000] };
  for (const x of [{ $size: { $concatArrays: [range, range, range, range] } }, { $size: { $setUnion: [range, range] } }])
    await expect(
      db
        .collection('one')
        .aggregate([{ $project: { x } }], { maxTimeMS: 50 })
        .toArray(),
    ).rejects.toMatchObject({ code: 50 });
});

test('a time limit ends the search for many values in one long array', async () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
  const long = db.collection('long');
  await long.insertMany([{ list: numbers(16_000) }, { list: numbers(500) }]);
  const all = (values: readonly number[]) => ({ list: { $all: values } });
  const none = (values: readonly number[]) => ({ $nor: values.map((value) => ({ list: -1 - value })) });
  for (const query of [all(numbers(16_000)), none(numbers(16_000))])
    await expect(long.find(query, { maxTimeMS: 100 }).toArray()).rejects.toMatchObject({ code: 50 });
  const found = async (query: object) => (await long.find(query).toArray()).map(({ list }) => (list as unknown[]).length);
  expect(await found(all(numbers(500)))).toEqual([16_000, 500]);
  expect(await found(all(numbers(501)))).toEqual([16_000]);
  expect(await found({ $nor: [...numbers(300).map((value) => ({ list: -1 - value })), { list: 499 }] })).toEqual([]);
  expect(await found({ $or: [...numbers(300).map((value) => ({ list: -1 - value })), { list: 600 }] })).toEqual([16_000]);
});

const evaluated = (
  expression: Value,
  list: readonly Value[],
): { readonly whole: unknown; readonly interrupted: unknown; readonly turns: number } => {
  const doc = Doc.from({ list: Arr.of(list) });
  const evaluate = compileExpression(expression);
  const work = (): unknown => evaluate(doc, { ROOT: doc, CURRENT: doc });
  const whole = work();
  const go = resumable(work);
  let turns = 0;
  // Each turn is over immediately.
  const turn = (): unknown => withBudget(-1_000_000, Infinity, go);
  let interrupted = turn();
  for (; interrupted === INTERRUPTED; turns++) interrupted = turn();
  return { whole, interrupted, turns };
};

test('an interrupted expression gives the same result as an uninterrupted one', () => {
  const map = (input: Value, body: Value): Value => Doc.from({ $map: Doc.from({ input, as: 'x', in: body }) });
  const sum = (body: Value): Value => Doc.from({ $sum: map('$list', body) });
  const filter = Doc.from({ $filter: Doc.from({ input: '$list', as: 'y', cond: Doc.from({ $lt: Arr.of(['$$y', '$$x']) }) }) });
  const reduce = Doc.from({
    $reduce: Doc.from({ input: map('$list', sum('$$x')), initialValue: 0, in: Doc.from({ $add: Arr.of(['$$value', '$$this']) }) }),
  });
  const matches = Doc.from({ $regexFindAll: Doc.from({ input: 'ab'.repeat(1000), regex: 'a.' }) });
  const list = Array.from({ length: 40 }, (_, n) => (n * 7) % 40);
  for (const expression of [map('$list', filter), sum(Doc.from({ $size: filter })), reduce, Arr.of([reduce, matches, sum(sum(1))])]) {
    const { whole, interrupted, turns } = evaluated(expression, list);
    expect(interrupted).toEqual(whole);
    expect(turns).toBeGreaterThan(3);
  }
});

test('interrupted lists and sets give the same results as uninterrupted ones', () => {
  const of = (name: string, ...values: readonly Value[]): Value => Doc.of([name], [Arr.of(values)]);
  const list = Array.from({ length: 4_500 }, (_, n) => (n % 3 ? (n * 7919) % 2_003 : `${n % 500}`));
  const [up, down] = [of('$range', 0, 3_500), of('$range', 4_000, 1_000, -1)];
  const doubles = Doc.from({ $map: Doc.from({ input: up, in: Doc.from({ $toDouble: '$$this' }) }) });
  for (const expression of [
    of('$concatArrays', '$list', up, Arr.of([]), down),
    of('$setUnion', '$list', doubles, down),
    of('$setDifference', '$list', up),
    of('$setIntersection', '$list', doubles, down),
    Arr.of([of('$setEquals', up, of('$reverseArray', doubles)), of('$setIsSubset', down, up), of('$setIsSubset', '$list', '$list')]),
    Doc.from({ $sortArray: Doc.from({ input: '$list', sortBy: -1 }) }),
  ]) {
    const { whole, interrupted, turns } = evaluated(expression, list);
    expect(interrupted).toEqual(whole);
    expect(turns).toBeGreaterThan(3);
  }
});

test('lists and sets are correct at any length', () => {
  const of = (name: string, ...values: readonly Value[]): Value => Doc.of([name], [Arr.of(values)]);
  const valueOf = (expression: Value, list: readonly Value[]): readonly Value[] => (evaluated(expression, list).whole as Arr).values;
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
  for (const count of [1, 999, 1_000, 1_001, 2_500, 5_000]) {
    const list = numbers(count).map((n) => (n * 7919) % count);
    const twice = numbers(count).map((n) => new Double(n));
    expect(valueOf(of('$concatArrays', '$list', '$list'), list)).toEqual([...list, ...list]);
    // The first of equal values stays.
    expect(valueOf(of('$setUnion', Arr.of(twice), '$list', '$list'), list)).toEqual(twice);
    expect(valueOf(of('$setUnion', '$list', Arr.of(twice)), list)).toEqual(list.toSorted((a, b) => a - b));
    const odd = [...list, ...list].filter((n) => n % 2);
    expect(valueOf(of('$setDifference', '$list', of('$range', 0, count, 2)), odd)).toEqual([...new Set(odd)]);
    expect(valueOf(of('$setIntersection', '$list', of('$range', 0, count, 2)), list)).toEqual(numbers(count).filter((n) => n % 2 === 0));
  }
  expect(valueOf(of('$concatArrays', '$list', '$list'), numbers(200_000))).toHaveLength(400_000);
});

const heavy: Document = { $sum: { $map: { input: { $range: [0, 10] }, in: nested(2) } } };

test.each<readonly [string, (collection: Collection) => Promise<unknown>, unknown]>([
  ['a projection', (one) => one.aggregate([{ $project: { _id: 0, sum: heavy } }]).toArray(), [{ sum: 800_000 }]],
  [
    'a group',
    (one) => one.aggregate([{ $group: { _id: null, sum: { $sum: heavy }, n: { $sum: 1 } } }]).toArray(),
    [{ _id: null, sum: 800_000, n: 1 }],
  ],
  ['a condition', (one) => one.countDocuments({ $expr: { $eq: [heavy, 800_000] } }), 1],
  [
    'the search of an update',
    async (one) => (await one.updateOne({ $expr: { $gt: [heavy, 5] } }, { $set: { seen: true } })).modifiedCount,
    1,
  ],
])('%s of one document yields to others', async (_, run, expected) => {
  const other = await MongoClient.connect(node.url);
  await other.db('admin').command({ ping: 1 });
  let running = true;
  let pings = 0;
  const result = run(db.collection('one')).finally(() => (running = false));
  while (running) {
    await other.db('admin').command({ ping: 1 });
    pings++;
  }
  expect(await result).toEqual(expected);
  expect(pings).toBeGreaterThan(5);
  await other.close();
});

test('$regexFindAll takes time in proportion to the text', async () => {
  const collection = db.collection('texts');
  await collection.insertOne({ text: 'a😀'.repeat(100_000) });
  const [found] = await collection
    .aggregate<{ last: Document; n: number }>([
      { $set: { all: { $regexFindAll: { input: '$text', regex: /a/ } } } },
      { $project: { n: { $size: '$all' }, last: { $last: '$all' } } },
    ])
    .toArray();
  expect(found).toMatchObject({ n: 100_000, last: { match: 'a', idx: 199_998, captures: [] } });
});

test('distinct and lookups follow lists of any length', async () => {
  const numbers = Array.from({ length: 180_000 }, (_, n) => n);
  const collection = db.collection('wide');
  await collection.insertMany([{ _id: 0, v: numbers }, { _id: 7 }] as never);
  expect(await collection.distinct('v')).toHaveLength(numbers.length);
  const join = { from: 'wide', as: 'x' };
  for (const stage of [
    { $lookup: { ...join, localField: 'v', foreignField: '_id' } },
    { $graphLookup: { ...join, startWith: 0, connectFromField: 'v', connectToField: '_id' } },
  ]) {
    const found = await collection.aggregate([{ $match: { _id: 0 } }, stage, { $project: { x: '$x._id' } }]).toArray();
    expect(found).toEqual([{ _id: 0, x: [0, 7] }]);
  }
});

test('a pattern that backtracks without end is matched in linear time', async () => {
  const collection = db.collection('runaway');
  await collection.insertMany(
    Array.from({ length: 2_000 }, (_, n) => ({ _id: n, t: `${'a'.repeat(30 + (n % 10))}${n % 4 ? 'b' : ''}` }) as never),
  );
  expect(await collection.countDocuments({ t: /^(a|aa)+$/ })).toBe(500);
  expect(await collection.countDocuments({ t: /^(a+)+b$/ })).toBe(1_500);
  expect(await collection.countDocuments({ t: { $not: /^(?:a|A)*B$/i } })).toBe(500);
  await collection.insertOne({ _id: -1 as never, t: `${'a'.repeat(5)}\n` });
  expect(await collection.countDocuments({ _id: -1 as never, t: /^(a|aa)+$/ })).toBe(1);
});

test('a sort of many documents yields to others', async () => {
  const collection = db.collection('sorted');
  await collection.insertMany(Array.from({ length: 20_000 }, (_, n) => ({ _id: n, k: (n * 7919) % 20_011 }) as never));
  const other = await MongoClient.connect(node.url);
  await other.db('admin').command({ ping: 1 });
  let sorting = true;
  let pings = 0;
  const sort = collection
    .find()
    .sort({ k: 1 })
    .toArray()
    .finally(() => (sorting = false));
  while (sorting) {
    await other.db('admin').command({ ping: 1 });
    pings++;
  }
  const keys = (await sort).map(({ k }) => k as number);
  expect(keys).toEqual(keys.toSorted((a, b) => a - b));
  expect(pings).toBeGreaterThan(5);
  await other.close();
});
