import { Binary, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, Timestamp, UUID, type Document } from 'mongodb';
import { contract } from './testing/contract.js';

/** Results that are easily wrong without an error: each is what a server of version 8 returns. */

const server = contract();

const valueOf = async (expression: unknown, document: Document = { _id: 1 }): Promise<unknown> => {
  const collection = await server.fresh([document]);
  const [row] = await collection.aggregate([{ $project: { _id: 0, v: expression } }]).toArray();
  return row?.['v'];
};
const date = (text: string): Date => new Date(text);
const berlin = { timezone: 'Europe/Berlin' };

test.each<readonly [string, unknown, unknown]>([
  [
    'minutes across the start of summer time',
    { $dateDiff: { startDate: date('2026-03-29T00:59:00Z'), endDate: date('2026-03-29T01:00:00Z'), unit: 'minute', ...berlin } },
    1,
  ],
  [
    'hours across the end of summer time',
    { $dateDiff: { startDate: date('2026-10-24T22:30:00Z'), endDate: date('2026-10-25T02:30:00Z'), unit: 'hour', ...berlin } },
    4,
  ],
  [
    'days are those of the calendar',
    { $dateDiff: { startDate: date('2026-03-28T22:30:00Z'), endDate: date('2026-03-29T22:30:00Z'), unit: 'day', ...berlin } },
    2,
  ],
  [
    'half hours at the end of summer time',
    { $dateTrunc: { date: date('2026-10-25T00:45:00Z'), unit: 'minute', binSize: 30, ...berlin } },
    date('2026-10-25T00:30:00Z'),
  ],
  [
    'days keep the calendar of the zone',
    { $dateTrunc: { date: date('2026-10-25T12:00:00Z'), unit: 'day', ...berlin } },
    date('2026-10-24T22:00:00Z'),
  ],
  ['a small double as text', { $toString: 0.00009 }, '9e-05'],
  ['a large double as text', { $toString: 1e16 }, '1e+16'],
  ['a double of sixteen digits as text', { $toString: 1234567890123456.0 }, '1234567890123456'],
  [
    'doubles as text',
    { $map: { input: [0.1, 0.1 + 0.2, 0.00012, -2.25, 1e-7, 123456789e300], in: { $toString: '$$this' } } },
    ['0.1', '0.30000000000000004', '0.00012', '-2.25', '1e-07', '1.23456789e+308'],
  ],
  ['upper case is that of ASCII', { $strcasecmp: ['É', 'é'] }, -1],
  ['letters of ASCII in any case', { $strcasecmp: ['aBc', 'AbC'] }, 0],
  ['one to any power', { $pow: [1, Infinity] }, 1],
  ['longs are averaged as doubles', { $avg: [Long.MAX_VALUE, Long.MIN_VALUE] }, 0],
  ['no remainder has the sign of what is divided', { $mod: [Decimal128.fromString('-6'), 3] }, Decimal128.fromString('-0')],
  ['zero divided is zero', { $divide: [Decimal128.fromString('0'), 3] }, Decimal128.fromString('0')],
  ['a double of zero has no digits', { $toDecimal: 0.0 }, Decimal128.fromString('0')],
  ['an empty text is found nowhere after the last character', { $indexOfCP: ['café', '', 4] }, -1],
  ['an empty text is found in none', { $indexOfCP: ['', '', 1, 0] }, 0],
  ['a match begins before the end of its range', { $indexOfCP: ['😀llo', 'llo', 0, 2] }, 1],
  ['a match does not begin at the end of its range', { $indexOfCP: ['😀llo', 'llo', 0, 1] }, -1],
  [
    'no search begins at the end of a text',
    { $map: { input: { $regexFindAll: { input: 'baa', regex: 'a*' } }, in: ['$$this.match', '$$this.idx'] } },
    [
      ['', 0],
      ['aa', 1],
    ],
  ],
  ['a search that began before ends at the end', { $regexFindAll: { input: 'é', regex: /$/ } }, [{ match: '', idx: 1, captures: [] }]],
  ['an empty text is searched', { $regexFindAll: { input: '', regex: '' } }, [{ match: '', idx: 0, captures: [] }]],
  ['an empty text is everywhere', { $replaceAll: { input: 'aé', find: '', replacement: '-' } }, '-a-é-'],
  ['an array within an array is not searched', '$nested.b', [2]],
  ['an object of constants is evaluated', { a: { $literal: 1 }, b: { c: { $literal: '$x' } } }, { a: 1, b: { c: '$x' } }],
  ['an infinite decimal has no whole number', { $ceil: Decimal128.fromString('Infinity') }, Decimal128.fromString('NaN')],
  [
    'a difference keeps the first of equal values in their order',
    {
      $setDifference: [
        [3, 'b', 1, 3, 2, 1, [1]],
        [2, 'a'],
      ],
    },
    [3, 'b', 1, [1]],
  ],
  ['a double is cut by its own digits', { $trunc: [0.29, 2] }, 0.28],
  [
    'halves of milliseconds are rounded away from zero',
    { $subtract: [date('2026-01-01T00:00:00Z'), 0.5] },
    date('2025-12-31T23:59:59.999Z'),
  ],
  ['places that are missing make a slice null', { $slice: [[1, 2, 3], 0, '$missing'] }, null],
  ['the median of an array', { $median: { input: [9, 'x', 1, 4], method: 'approximate' } }, 4],
  ['percentiles of an array', { $percentile: { input: [1, 2, 3, 4], p: [0.25, 1], method: 'approximate' } }, [1, 4]],
  ['the median of nothing', { $median: { input: [], method: 'approximate' } }, null],
])('%s', async (_, expression, expected) => {
  expect(await valueOf(expression, { _id: 1, nested: [[{ b: 1 }], { b: 2 }] })).toEqual(expected);
});

test.each<readonly [Document, string]>([
  [{ $sqrt: Decimal128.fromString('2') }, '1.414213562373095048801688724209698'],
  [{ $sqrt: Decimal128.fromString('4') }, '2'],
  [{ $sqrt: Decimal128.fromString('0.0625') }, '0.25'],
  [{ $ln: Decimal128.fromString('2') }, '0.6931471805599453094172321214581766'],
  // Quadruple precision, in which a server computes, has a little less than 34 digits.
  [{ $ln: Decimal128.fromString('2.718281828459045') }, '0.9999999999999999134157889710887611'],
  [{ $ln: Decimal128.fromString('1E-6143') }, '-14144.78022626242263692252150612605'],
  [{ $log: [Decimal128.fromString('64'), Decimal128.fromString('2')] }, '5.999999999999999999999999999999999'],
  [{ $ln: Decimal128.fromString('1E-6000') }, '-13815.51055796427410410794872810619'],
  [{ $log10: Decimal128.fromString('1000') }, '3'],
  [{ $log10: Decimal128.fromString('0.02') }, '-1.698970004336018804786261105275507'],
  [{ $exp: Decimal128.fromString('1') }, '2.718281828459045235360287471352662'],
  [{ $exp: Decimal128.fromString('-1') }, '0.3678794411714423215955237701614609'],
  [{ $pow: [Decimal128.fromString('2'), Decimal128.fromString('0.5')] }, '1.414213562373095048801688724209698'],
  [{ $pow: [Decimal128.fromString('2'), -1] }, '0.5000000000000000000000000000000000'],
  [{ $pow: [10, Decimal128.fromString('3')] }, '1000.000000000000000000000000000000'],
  [{ $exp: Decimal128.fromString('1E-6143') }, '1'],
  [{ $log10: Decimal128.fromString('9.999999999999999999999999999999999E+6144') }, '6145'],
  [{ $round: [Decimal128.fromString('1.5'), 3] }, '1.500'],
  [{ $trunc: [Decimal128.fromString('-2.39'), 4] }, '-2.3900'],
  [{ $floor: Decimal128.fromString('1E+3') }, '1000'],
  [{ $ceil: Decimal128.fromString('-0.5') }, '-0'],
  [{ $sin: Decimal128.fromString('1') }, '0.8414709848078965066525023216302990'],
  [{ $cos: Decimal128.fromString('10') }, '-0.8390715290764524522588639478240648'],
  [{ $tan: Decimal128.fromString('1') }, '1.557407724654902230506974807458360'],
  [{ $asin: Decimal128.fromString('0.5') }, '0.5235987755982988730771072305465838'],
  [{ $acos: Decimal128.fromString('0.5') }, '1.047197551196597746154214461093168'],
  [{ $acos: Decimal128.fromString('1') }, '0'],
  [{ $atan: Decimal128.fromString('-20') }, '-1.520837931072953857821315404604907'],
  [{ $atan2: [Decimal128.fromString('1'), -1] }, '2.356194490192344928846982537459627'],
  [{ $sinh: Decimal128.fromString('-0.001') }, '-0.001000000166666675000000198412701168'],
  [{ $cosh: Decimal128.fromString('1') }, '1.543080634815243778477905620757062'],
  [{ $tanh: Decimal128.fromString('1') }, '0.7615941559557648881194582826047936'],
  [{ $asinh: Decimal128.fromString('1') }, '0.8813735870195430252326093249797923'],
  [{ $acosh: Decimal128.fromString('2') }, '1.316957896924816708625046347307968'],
  [{ $atanh: Decimal128.fromString('0.5') }, '0.5493061443340548456976226184612629'],
  [{ $degreesToRadians: Decimal128.fromString('180') }, '3.141592653589793238462643383279503'],
])('decimals keep their digits in %j', async (expression, expected) => {
  expect(Number(String(await valueOf(expression)))).toBeCloseTo(Number(expected), 10);
  expect(String(await valueOf(expression)).replace(/E[+-]?\d+$/, '')).toBe(expected);
});

test('equal numbers of different types are one group, neighbours beyond 2^53 are not', async () => {
  const collection = await server.fresh([
    { _id: 1, v: Long.fromString('9007199254740992') },
    { _id: 2, v: 9007199254740992.5 },
    { _id: 3, v: Long.fromString('9007199254740993') },
    { _id: 4, v: Decimal128.fromString('9007199254740993') },
  ]);
  const groups = await collection.aggregate([{ $group: { _id: '$v', n: { $sum: 1 } } }]).toArray();
  expect(groups.map(({ n }) => n as number)).toEqual([2, 2]);
});

test('of equal values, a group keeps the last, an expression the first', async () => {
  const collection = await server.fresh([
    { _id: 1, v: 1 },
    { _id: 2, v: Long.fromNumber(1) },
  ]);
  const extremes = { least: { $min: '$v' }, most: { $max: '$v' } };
  const types = { $project: { _id: 0, least: { $type: '$least' }, most: { $type: '$most' } } };
  const typesOf = (stage: Document): Promise<Document[]> => collection.aggregate([{ $sort: { _id: 1 } }, stage, types]).toArray();
  expect(await typesOf({ $group: { _id: null, ...extremes } })).toEqual([{ least: 'long', most: 'long' }]);
  expect(await typesOf({ $bucketAuto: { groupBy: { $literal: null }, buckets: 1, output: extremes } })).toEqual([
    { least: 'int', most: 'int' },
  ]);
  expect(await valueOf({ $type: { $max: [1, Long.fromNumber(1)] } })).toBe('int');
});

test('the number of values that a group keeps may depend on its _id', async () => {
  const collection = await server.fresh([
    { _id: 1, game: 'G1', score: 5 },
    { _id: 2, game: 'G2', score: 7 },
    { _id: 3, game: 'G1', score: 6 },
    { _id: 4, game: 'G2', score: 8 },
  ]);
  const n = { $cond: [{ $eq: ['$game', '$$few'] }, 1, 2] };
  const best = { first: { $firstN: { n, input: '$score' } }, top: { $topN: { n, sortBy: { score: -1 }, output: '$score' } } };
  const stages = [{ $sort: { _id: 1 } }, { $group: { _id: { game: '$game' }, ...best } }, { $sort: { _id: 1 } }];
  expect(await collection.aggregate(stages, { let: { few: 'G2' } }).toArray()).toEqual([
    { _id: { game: 'G1' }, first: [5, 6], top: [6, 5] },
    { _id: { game: 'G2' }, first: [7], top: [8] },
  ]);
  await expect(
    collection.aggregate([{ $group: { _id: '$game', first: best.first } }], { let: { few: 1 } }).toArray(),
  ).resolves.toHaveLength(2);
  const missing = [{ $group: { _id: '$game', first: { $firstN: { n: '$game', input: 1 } } } }];
  await expect(collection.aggregate(missing).toArray()).rejects.toMatchObject({ code: 7548606 });
});

test('groups pass MinKey, MaxKey and code to the next stage in other forms', async () => {
  const collection = await server.fresh([
    { _id: 1, v: new MinKey(), g: 1 },
    { _id: 2, v: new MaxKey(), g: 1, list: [new MaxKey()] },
    { _id: 3, v: new Code('f'), g: 2 },
  ]);
  const group = { _id: '$g', least: { $min: '$v' }, last: { $last: '$v' }, list: { $last: '$list' }, all: { $push: { v: '$v' } } };
  const order = { $sort: { _id: 1 } };
  const rows = (...pipeline: Document[]): Promise<Document[]> => collection.aggregate(pipeline).toArray();
  const [whole] = await rows({ $match: { g: 1 } }, order, { $group: group });
  expect(whole).toMatchObject({ least: new MinKey(), last: new MaxKey(), list: [new MaxKey()] });
  const [numbers, code] = await rows(order, { $group: group }, order);
  expect(numbers).toMatchObject({ least: { '': new MinKey() }, last: { '': new MaxKey() }, list: [new MaxKey()] });
  expect(code).toMatchObject({ least: 'f', last: 'f', all: [{ v: new Code('f') }] });
  const set = { $group: { _id: null, set: { $addToSet: '$v' } } };
  expect(await rows(set, { $unwind: '$set' }, { $project: { _id: 0, type: { $type: '$set' } } }, { $sort: { type: 1 } })).toEqual([
    { type: 'object' },
    { type: 'object' },
    { type: 'string' },
  ]);
  expect(await rows({ $bucket: { groupBy: '$g', boundaries: [5, 6], default: new MinKey() } })).toEqual([
    { _id: { '': new MinKey() }, count: 3 },
  ]);
  expect(await rows({ $project: { v: 1 } }, { $group: { _id: '$v' } }, { $match: { _id: new MaxKey() } })).toHaveLength(1);
});

test('an expression of constants is a constant', async () => {
  const collection = await server.fresh([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
  const output = { first: { $firstN: { n: { $toLong: { $add: [1, 1] } }, input: '$_id' } } };
  const [row] = await collection.aggregate([{ $sort: { _id: 1 } }, { $group: { _id: null, ...output } }]).toArray();
  expect(row).toMatchObject({ first: [1, 2] });
});

test('a count with a hint on a sparse index counts its entries', async () => {
  const collection = await server.fresh([{ _id: 1, z: 1 }, { _id: 2 }]);
  await collection.createIndex({ z: 1 }, { sparse: true });
  expect(await collection.countDocuments({}, { hint: 'z_1' })).toBe(1);
  expect(await server.db.command({ count: collection.collectionName, hint: 'z_1' })).toMatchObject({ n: 1 });
});

test('a local field of a lookup may contain array indexes', async () => {
  const [local, foreign] = [
    await server.fresh([{ _id: 1, arr: [5, 6] }, { _id: 2, arr: [{ 0: 6 }] }, { _id: 3 }]),
    await server.fresh([{ _id: 5 }, { _id: 6 }]),
  ];
  const rows = await local
    .aggregate([{ $lookup: { from: foreign.collectionName, localField: 'arr.0', foreignField: '_id', as: 'found' } }])
    .toArray();
  expect(rows.map(({ found }) => (found as Document[]).map(({ _id }) => _id as unknown))).toEqual([[5], [6], []]);
});

test('a projection of _id and a $slice includes', async () => {
  const collection = await server.fresh([{ _id: 1, a: 1, list: [1, 2, 3] }]);
  expect(await collection.findOne({}, { projection: { _id: 1, list: { $slice: 1 } } })).toEqual({ _id: 1, list: [1] });
  expect(await collection.findOne({}, { projection: { list: { $slice: 1 } } })).toEqual({ _id: 1, a: 1, list: [1] });
});

test('the positional operator ignores branches of an $or', async () => {
  const collection = await server.fresh([{ _id: 1, g: [1], h: [4, 5, 6] }]);
  await expect(collection.updateOne({ $or: [{ g: 9 }, { h: 5 }] }, { $set: { 'h.$': 50 } })).rejects.toMatchObject({ code: 2 });
  await collection.updateOne({ $or: [{ h: 5 }] }, { $set: { 'h.$': 50 } });
  expect(await collection.findOne()).toMatchObject({ h: [4, 50, 6] });
});

test('$pull accepts combined conditions', async () => {
  const collection = await server.fresh([{ _id: 1, g: [{ a: 1 }, { b: 2 }, { c: 3 }] }]);
  await collection.updateOne({}, { $pull: { g: { $or: [{ a: 1 }, { b: 2 }] } } } as Document);
  expect(await collection.findOne()).toMatchObject({ g: [{ c: 3 }] });
});

test('$pullAll removes equal values of any type', async () => {
  const collection = await server.fresh([{ _id: 1, g: [3, 1, 'b', Long.fromNumber(2), { c: 1 }, [1], { c: 2 }, null] }]);
  await collection.updateOne({}, { $pullAll: { g: [2, { c: 1 }, 'b', [1], null, 9] } } as Document);
  expect(await collection.findOne()).toEqual({ _id: 1, g: [3, 1, { c: 2 }] });
});

test('$merge has the variables of the command and the current time', async () => {
  const [source, target] = [await server.fresh([{ _id: 1, a: 3 }]), await server.fresh([{ _id: 1 }])];
  const into = { into: target.collectionName };
  await source.aggregate([{ $merge: { ...into, whenMatched: [{ $set: { a: '$$new.a', w: '$$w' } }] } }], { let: { w: 7 } }).toArray();
  expect(await target.findOne()).toEqual({ _id: 1, a: 3, w: 7 });
  await source.aggregate([{ $merge: { ...into, let: { at: '$$NOW' }, whenMatched: [{ $set: { at: '$$at' } }] } }]).toArray();
  expect(await target.findOne()).toMatchObject({ at: expect.any(Date) });
});

test('a validator may use the current time', async () => {
  const name = (await server.fresh()).collectionName;
  const collection = await server.db.createCollection(`${name}v`, { validator: { $expr: { $lt: ['$at', '$$NOW'] } } });
  await collection.insertOne({ at: new Date(0) });
  await expect(collection.insertOne({ at: new Date(Date.now() + 3_600_000) })).rejects.toMatchObject({ code: 121 });
});

test.each<readonly [Document, number]>([
  [{ $map: { in: 1 } }, 16880],
  [{ $map: { input: [], in: 1, more: 1 } }, 16879],
  [{ $filter: { input: [] } }, 28650],
  [{ $percentile: [1] }, 7436200],
  [{ $percentile: { input: 1, p: [0.5] } }, 40414],
  [{ $percentile: { input: 1, p: [0.5], method: 'approximate', more: 1 } }, 40415],
  [{ $percentile: { input: 1, p: [0.5], method: 1 } }, 14],
  [{ $percentile: { input: 1, p: [0.5], method: 'exact' } }, 2],
  [{ $percentile: { input: 1, p: [1.5], method: 'approximate' } }, 7750303],
  [{ $reduce: { input: [], in: 1 } }, 40078],
  [{ $let: { vars: {} } }, 16877],
  [{ $cond: { if: 1, then: 1 } }, 17082],
  [{ $switch: { branches: [{ case: 1 }] } }, 40065],
  [{ $zip: {} }, 34465],
  [{ $trim: { chars: 'a' } }, 50695],
  [{ $regexMatch: { input: 'a' } }, 31023],
  [{ $replaceOne: 'a' }, 51751],
  [{ $sortArray: { input: [] } }, 2942503],
  [{ $setField: { field: 'a', input: {} } }, 4161103],
  [{ $dateToString: {} }, 18628],
  [{ $dateDiff: { startDate: '$$NOW', endDate: '$$NOW' } }, 5166305],
  [{ $dateAdd: { startDate: '$$NOW', unit: 'day' } }, 5166402],
  [{ $dateTrunc: { unit: 'day' } }, 5439009],
  [{ $dateFromParts: { year: 10_000 } }, 40523],
  [{ $ifNull: [1] }, 1257300],
  [{ $range: [1.5, 3] }, 34444],
  [{ $range: [1, 'a'] }, 34445],
  [{ $substrCP: ['abc', -1, 1] }, 34455],
  [{ $substrCP: ['abc', 1, 'a'] }, 34452],
])('%j is refused by %i', async (expression, code) => {
  await expect(valueOf(expression)).rejects.toMatchObject({ code });
});

test.each<readonly [Document, number]>([
  [{ $limit: -1 }, 5107201],
  [{ $limit: 0 }, 15958],
  [{ $skip: -1 }, 5107200],
  [{ $sample: { size: 0 } }, 28747],
  [{ $unwind: 1 }, 15981],
  [{ $count: '_id' }, 9039800],
  [{ $replaceRoot: {} }, 40414],
  [{ $lookup: { from: 'a', localField: 'a', foreignField: 'b', as: 'c', more: 1 } }, 40415],
  [{ $graphLookup: {} }, 40105],
  [{ $bucket: { groupBy: '$a', boundaries: [1, 'a'] } }, 40193],
  [{ $bucket: { groupBy: '$a', boundaries: [1, 2], more: 1 } }, 40197],
  [{ $bucketAuto: { groupBy: '$a' } }, 40246],
  [{ $bucketAuto: { groupBy: '$a', buckets: 'a' } }, 40241],
  [{ $bucketAuto: { groupBy: '$a', buckets: 0 } }, 40243],
])('the stage %j is refused by %i', async (stage, code) => {
  await expect((await server.fresh()).aggregate([stage]).toArray()).rejects.toMatchObject({ code });
});

test.each<readonly [unknown, number | undefined]>([
  [1, 3],
  [new Double(0), 0],
  [Decimal128.fromString('1'), 3],
  [1.01, undefined],
  [-0.01, undefined],
  [NaN, undefined],
  ['1', undefined],
])('a $sampleRate of %j finds %s of 3', async ($sampleRate, expected) => {
  const found = (await server.fresh([{}, {}, {}])).aggregate([{ $match: { $sampleRate } as Document }]).toArray();
  if (expected === undefined) await expect(found).rejects.toMatchObject({ code: 2 });
  else expect(await found).toHaveLength(expected);
});

test('a $sampleRate of a half finds some documents', async () => {
  const collection = await server.fresh(Array.from({ length: 200 }, (_, a) => ({ a })));
  const found = await collection.aggregate([{ $match: { $sampleRate: 0.5, a: { $gte: 0 } } as Document }]).toArray();
  expect(found.length).toBeGreaterThan(20);
  expect(found.length).toBeLessThan(180);
});

test('top counts the commands on each collection', async () => {
  const collection = await server.fresh([{ _id: 1 }]);
  await collection.find().toArray();
  const { totals } = await server.client.db('admin').command({ top: 1 });
  expect((totals as Document)[collection.namespace]).toMatchObject({
    queries: { count: 1 },
    insert: { count: 1 },
    remove: { count: 0, time: 0 },
  });
});

test.each<readonly [string, number, (name: string) => Document]>([
  ['a time limit below zero', 2, (name) => ({ find: name, maxTimeMS: -1 })],
  ['a time limit beyond an int', 2, (name) => ({ find: name, maxTimeMS: 2 ** 31 })],
  ['a count up to a text', 14, (name) => ({ count: name, limit: 'a' })],
  ['an index without a name', 9, (name) => ({ createIndexes: name, indexes: [{ key: { a: 1 } }] })],
  [
    'a list as an accumulator',
    40237,
    (name) => ({ aggregate: name, pipeline: [{ $group: { _id: 1, v: { $push: ['$a', '$b'] } } }], cursor: {} }),
  ],
  [
    'a window that ends before it begins',
    5339900,
    (name) => ({
      aggregate: name,
      pipeline: [{ $setWindowFields: { sortBy: { a: 1 }, output: { v: { $sum: '$a', window: { documents: ['current', -1] } } } } }],
      cursor: {},
    }),
  ],
  ['a facet with an operator for a name', 16410, (name) => ({ aggregate: name, pipeline: [{ $facet: { $a: [] } }], cursor: {} })],
  ['a facet with a path for a name', 16412, (name) => ({ aggregate: name, pipeline: [{ $facet: { 'a.b': [] } }], cursor: {} })],
  [
    'a lookup by an operator',
    16410,
    (name) => ({ aggregate: name, pipeline: [{ $lookup: { from: name, localField: '$a', foreignField: 'b', as: 'c' } }], cursor: {} }),
  ],
  ['an unknown stage of an update', 40324, (name) => ({ update: name, updates: [{ q: {}, u: [{ $nope: 1 }] }] })],
  ['a stage that updates may not have', 72, (name) => ({ update: name, updates: [{ q: {}, u: [{ $match: {} }] }] })],
  ['a write concern that is no number', 9, (name) => ({ insert: name, documents: [{}], writeConcern: { w: true } })],
  ['a strict API without a version', 4886600, () => ({ ping: 1, apiStrict: true })],
  ['a command outside of the strict API', 323, (name) => ({ collStats: name, apiVersion: '1', apiStrict: true })],
  ['a schema with a negative length', 9, (name) => ({ find: name, filter: { $jsonSchema: { maxLength: -1 } } })],
  ['a schema that requires twice', 9, (name) => ({ find: name, filter: { $jsonSchema: { required: ['a', 'a'] } } })],
  ['a schema with equal values', 9, (name) => ({ find: name, filter: { $jsonSchema: { enum: [1, 1] } } })],
  ['a schema with a number for a boolean', 14, (name) => ({ find: name, filter: { $jsonSchema: { uniqueItems: 1 } } })],
  ['an exclusive bound without the bound', 9, (name) => ({ find: name, filter: { $jsonSchema: { exclusiveMinimum: true } } })],
  ['a schema that requires no array', 14, (name) => ({ find: name, filter: { $jsonSchema: { required: 'a' } } })],
  ['a schema of no types', 9, (name) => ({ find: name, filter: { $jsonSchema: { bsonType: [] } } })],
  ['a schema of an unknown type', 2, (name) => ({ find: name, filter: { $jsonSchema: { type: 'int' } } })],
  ['a schema of no alternatives', 2, (name) => ({ find: name, filter: { $jsonSchema: { anyOf: [] } } })],
  ['a schema with a text for a length', 9, (name) => ({ find: name, filter: { $jsonSchema: { minLength: '1' } } })],
  ['a schema with a number for further items', 14, (name) => ({ find: name, filter: { $jsonSchema: { additionalItems: 1 } } })],
  ['a schema with a wrong pattern of names', 2, (name) => ({ find: name, filter: { $jsonSchema: { patternProperties: { '[': {} } } } })],
  ['a divisor beyond a long', 2, (name) => ({ find: name, filter: { a: { $mod: [1e19, 0] } } })],
  ['options before a pattern that has some', 51074, (name) => ({ find: name, filter: { a: { $options: 'm', $regex: /a/i } } })],
  ['a cluster time that is none', 14, (name) => ({ find: name, readConcern: { afterClusterTime: null } })],
  ['a read after a cluster time', 20, (name) => ({ count: name, readConcern: { afterClusterTime: new Timestamp({ t: 1, i: 1 }) } })],
  ['a read at a cluster time', 72, (name) => ({ find: name, readConcern: { atClusterTime: new Timestamp({ t: 1, i: 1 }) } })],
  ['a position where no condition meets an array', 51246, (name) => ({ find: name, filter: { a: 1 }, projection: { 'list.$': 1 } })],
  ['a position by an index', 51246, (name) => ({ find: name, filter: { 'list.0': 1 }, projection: { 'list.$': 1 } })],
  ['a position beyond an array', 51247, (name) => ({ find: name, filter: { list: 3 }, projection: { 'short.$': 1 } })],
  ['a position beside an expression', 224, (name) => ({ find: name, filter: { $expr: true }, projection: { 'list.$': 1 } })],
  ['a position with a text', 31308, (name) => ({ find: name, filter: { list: 2 }, projection: { 'list.$': 'a' } })],
  ['a position with a document', 31271, (name) => ({ find: name, filter: { list: 2 }, projection: { 'list.$': { $slice: 1 } } })],
  [
    'a position with $elemMatch',
    31255,
    (name) => ({ find: name, filter: { list: 2 }, projection: { 'list.$': 1, a: { $elemMatch: {} } } }),
  ],
  [
    '$elemMatch with a position',
    31256,
    (name) => ({ find: name, filter: { list: 2 }, projection: { a: { $elemMatch: {} }, 'list.$': 1 } }),
  ],
  ['a position in a pipeline', 31324, (name) => ({ aggregate: name, pipeline: [{ $project: { 'list.$': 1 } }], cursor: {} })],
  ['two positions in a path', 2, (name) => ({ update: name, updates: [{ q: { list: 2 }, u: { $set: { 'list.$.a.$': 1 } } }] })],
  ['a slice of a text', 28667, (name) => ({ find: name, projection: { list: { $slice: 'a' } } })],
  ['a slice of no elements', 28724, (name) => ({ find: name, projection: { list: { $slice: [0, 0] } } })],
  ['$elemMatch of no document', 31274, (name) => ({ find: name, projection: { list: { $elemMatch: 1 } } })],
  ['$elemMatch below a field', 31275, (name) => ({ find: name, projection: { 'a.b': { $elemMatch: {} } } })],
  ['$elemMatch beside $slice', 16410, (name) => ({ find: name, projection: { list: { $elemMatch: {}, $slice: 1 } } })],
  ['$elemMatch with a schema', 224, (name) => ({ find: name, projection: { list: { $elemMatch: { $jsonSchema: {} } } } })],
  ['$elemMatch with a place', 5626500, (name) => ({ find: name, projection: { list: { $elemMatch: { a: { $near: [0, 0] } } } } })],
  ['constants without a pipeline', 51198, (name) => ({ update: name, updates: [{ q: {}, u: { $set: { a: 2 } }, c: { b: 1 } }] })],
  ['no cursor', 40414, (name) => ({ getMore: null, collection: name })],
  ['a batch below zero', 2, (name) => ({ getMore: Long.fromNumber(1), collection: name, batchSize: -1 })],
  ['a term that is no long', 14, (name) => ({ getMore: Long.fromNumber(1), collection: name, term: 1 })],
  ['a time beyond a long', 9, (name) => ({ getMore: Long.fromNumber(1), collection: name, maxTimeMS: Decimal128.fromString('1E+20') })],
  ['a new name for what a number has', 28, (name) => ({ update: name, updates: [{ q: {}, u: { $rename: { 'a.b': 'c' } } }] })],
  ['a field that begins with $', 52, (name) => ({ update: name, updates: [{ q: {}, u: { $set: { $a: 1 } } }] })],
  ['a snapshot for a count', 72, (name) => ({ count: name, readConcern: { level: 'snapshot' } })],
])('%s is refused by %i', async (_, code, command) => {
  const { collectionName } = await server.fresh([{ _id: 1, a: 1, list: [1, 2, 3], short: [1] }]);
  const answer = (await server.db.command(command(collectionName)).catch((error: unknown) => error)) as Document;
  expect({ code: (answer['writeErrors'] as Document[] | undefined)?.[0]?.['code'] ?? (answer['code'] as unknown) }).toEqual({ code });
});

test.each<readonly [string, unknown, Document, readonly number[]]>([
  ['bits of the largest decimal', Decimal128.fromString('9223372036854775807'), { v: { $bitsAnySet: 1 } }, [1]],
  ['no bits of a decimal beyond a long', Decimal128.fromString('9223372036854775808'), { v: { $bitsAllClear: 1 } }, []],
  ['decimals are multiples', 0.3, { $jsonSchema: { properties: { v: { multipleOf: Decimal128.fromString('0.1') } } } }, [1]],
  ['NaN is below no bound', NaN, { $jsonSchema: { properties: { v: { maximum: 1 } } } }, []],
  ['a remainder of a decimal', Decimal128.fromString('9007199254740993'), { v: { $mod: [10, 3] } }, [1]],
  ['an empty line within a text', 'a\n\nb', { v: { $regex: '^$', $options: 'm' } }, [1]],
  ['no line begins at the end of a text', 'a\n', { v: { $regex: '^$', $options: 'm' } }, []],
  ['nor for a pattern that could run away', 'a\n', { v: { $regex: '^(b+)*$', $options: 'm' } }, []],
])('%s', async (_, v, filter, expected) => {
  const found = await (await server.fresh([{ _id: 1, v }])).find(filter).toArray();
  expect(found.map(({ _id }) => _id as unknown)).toEqual(expected);
});

test.each<readonly [string, Document, Document, Document]>([
  ['the last of several conditions', { a: [1, 2, 3, 4, 5] }, { $and: [{ a: { $gt: 1 } }, { a: { $lt: 5 } }] }, { a: [2] }],
  ['the last of all', { a: [1, 3, 5] }, { a: { $all: [3, 5] } }, { a: [5] }],
  ['any of several equalities', { a: [1, 2, 3] }, { $or: [{ a: 3 }, { a: 2 }] }, { a: [2] }],
  ['a condition on another array', { a: [1, 2], b: [7, 8] }, { b: 8 }, { a: [2] }],
  ['an element with a field', { a: [{ n: 1 }, { n: 2, m: 3 }] }, { 'a.m': { $exists: true } }, { a: [{ n: 2, m: 3 }] }],
  ['an element of its own', { a: [{ n: 1 }, { n: 2 }] }, { a: { $elemMatch: { n: 2 } } }, { a: [{ n: 2 }] }],
  ['an element within another', { a: [{ n: [1] }, { n: [2, 3] }] }, { 'a.n': 3 }, { a: [{ n: [2, 3] }] }],
  ['no array at all', { a: 'x' }, { a: 'x' }, { a: 'x' }],
  ['no field at all', { b: 1 }, { b: 1 }, {}],
])('the positional projection after %s', async (_, doc, filter, expected) => {
  const collection = await server.fresh([{ _id: 1, ...doc }]);
  expect(await collection.findOne(filter, { projection: { _id: 0, 'a.$': 1 } })).toEqual(expected);
});

test('the positional operator applies the position in one array to another', async () => {
  const collection = await server.fresh([{ _id: 1, a: [1, 2], b: [7, 8] }]);
  await collection.updateOne({ a: 2 }, { $set: { 'b.$': 0 } });
  expect(await collection.findOne()).toEqual({ _id: 1, a: [1, 2], b: [7, 0] });
});

test.each<readonly [unknown, readonly number[]]>([
  [NaN, []],
  [[null, 2], []],
  [
    [[7, 8, 9], 2],
    [7, 8],
  ],
  [
    [-9, 2],
    [1, 2],
  ],
  [Long.MIN_VALUE, [1, 2, 3]],
])('a projection with the $slice %j', async (slice, expected) => {
  const collection = await server.fresh([{ _id: 1, list: [1, 2, 3] }]);
  const found = await collection.findOne({}, { projection: { list: { $slice: slice } } as Document });
  expect(found?.['list'] ?? []).toEqual(expected);
});

test.each<readonly [Document, number]>([
  [{ 'list.$': 1 }, 31324],
  [{ list: { $slice: 1 } }, 28667],
])('a projection of %j on a view is refused by %i', async (projection, code) => {
  const { collectionName: name } = await server.fresh([{ _id: 1, list: [1] }]);
  await server.db.createCollection(`${name}_view`, { viewOn: name, pipeline: [] });
  await expect(server.db.command({ find: `${name}_view`, filter: { list: 1 }, projection })).rejects.toMatchObject({ code });
});

test.each<readonly [string, number, Document]>([
  ['a text for the collection', 14, { insert: 'a', document: {} }],
  ['null for the collection', 40414, { insert: null, document: {} }],
  ['a number for a boolean', 14, { delete: 0, filter: {}, multi: 1 }],
  ['a text for the filters of arrays', 14, { update: 0, filter: {}, updateMods: {}, arrayFilters: 'a' }],
  ['a number for a hint', 9, { delete: 0, filter: {}, hint: 1 }],
  ['a number for an update', 9, { update: 0, filter: {}, updateMods: 1 }],
])('a bulk with %s is refused by %i before anything is done', async (_, code, op) => {
  const collection = await server.fresh([{ _id: 1 }]);
  const nsInfo = [{ ns: collection.namespace }];
  const command = { bulkWrite: 1, ops: [{ insert: 0, document: { _id: 2 } }, op], nsInfo };
  await expect(server.client.db('admin').command(command)).rejects.toMatchObject({ code });
  expect(await collection.countDocuments()).toBe(1);
});

test('no command reads or writes a collection other than the intended one', async () => {
  const collection = await server.fresh([{ _id: 1 }]);
  const name = collection.collectionName;
  const [found] = await server.db.listCollections({ name }).toArray();
  const bulk = async (collectionUUID: unknown): Promise<Document> =>
    server.client.db('admin').command({
      bulkWrite: 1,
      ops: [{ update: 0, filter: {}, updateMods: { $inc: { n: 1 } } }],
      nsInfo: [{ ns: collection.namespace, collectionUUID }],
    });
  expect(await bulk((found as Document)['info'].uuid)).toMatchObject({ nErrors: 0, nModified: 1 });
  expect(await bulk(new UUID())).toMatchObject({ nErrors: 1, nModified: 0, cursor: { firstBatch: [{ ok: 0, code: 361 }] } });
  await expect(bulk('a')).rejects.toMatchObject({ code: 14 });
  for (const command of [
    { insert: name, documents: [{ _id: 2 }] },
    { update: name, updates: [{ q: {}, u: { $set: { a: 1 } } }] },
    { delete: name, deletes: [{ q: { _id: 1 }, limit: 1 }] },
    { find: name },
    { count: name },
    { distinct: name, key: '_id' },
    { aggregate: name, pipeline: [], cursor: {} },
  ]) {
    const answer = (collectionUUID: unknown): Promise<Document> => server.db.command({ ...command, collectionUUID });
    const other = await answer(new UUID()).catch((error: unknown) => ({ writeErrors: [error] }));
    expect(other).toMatchObject({ writeErrors: [{ code: 361 }] });
    await expect(answer('a')).rejects.toMatchObject({ code: 14 });
    await expect(answer(new Binary(Buffer.from('short'), 4))).rejects.toMatchObject({ code: 207 });
    expect(await answer(null)).toMatchObject({ ok: 1 });
    expect(await answer((found as Document)['info'].uuid)).toMatchObject({ ok: 1 });
  }
  const agnostic = { aggregate: 1, pipeline: [{ $documents: [{}] }], cursor: {}, collectionUUID: new UUID() };
  await expect(server.db.command(agnostic)).rejects.toMatchObject({ code: 4928901 });
});

test('names that no collection can have can be read, and are empty', async () => {
  for (const name of ['$special', 'end.', ' ', '$cmd.x']) {
    expect(await server.db.command({ count: name })).toMatchObject({ n: 0 });
    expect(await server.db.command({ distinct: name, key: 'a' })).toMatchObject({ values: [] });
    for (const command of [{ find: name }, { aggregate: name, pipeline: [], cursor: {} }])
      expect(await server.db.command(command)).toMatchObject({ cursor: { firstBatch: [] } });
  }
  await expect(server.db.command({ count: new Binary(Buffer.from('short'), 4) })).rejects.toMatchObject({ code: 207 });
});

test.each<readonly [unknown, number]>([
  [0, 2],
  [new Double(Number.NaN), 2],
  [Decimal128.fromString('0.9999999999999999'), 2],
  ['$cmd.aggregate', 73],
  ['.a', 73],
])('a pipeline on %p is refused', async (aggregate, code) => {
  await expect(server.db.command({ aggregate, pipeline: [{ $documents: [{}] }], cursor: {} })).rejects.toMatchObject({ code });
});

test('killing cursors ignores nulls', async () => {
  const answer = await server.db.command({ killCursors: 'a', cursors: [null, Long.fromNumber(1), null] }, { promoteLongs: false });
  expect(answer['cursorsNotFound']).toEqual([Long.fromNumber(1)]);
});

test.each<readonly [unknown, Document]>([
  [new Double(-0), { $inc: { v: new Double(0) } }],
  [Decimal128.fromString('-0'), { $inc: { v: Decimal128.fromString('0') } }],
  [Decimal128.fromString('1.0'), { $mul: { v: Decimal128.fromString('1.0') } }],
])('%j is unchanged if the result is an equal number', async (v, update) => {
  const collection = await server.fresh([{ _id: 1, v }]);
  expect(await collection.updateOne({}, update)).toMatchObject({ matchedCount: 1, modifiedCount: 0 });
  const [kept] = await collection.find({}, { promoteValues: false }).toArray();
  expect(kept?.['v']).toEqual(v);
});

test('an unacknowledged write reports no errors', async () => {
  const { collectionName: name } = await server.fresh([{ _id: 1 }]);
  const writeConcern = { w: new Int32(0) };
  expect(await server.db.command({ insert: name, documents: [{ _id: 1 }], writeConcern })).not.toHaveProperty('writeErrors');
  expect(await server.db.command({ delete: name, deletes: [{ q: {}, limit: 0 }], writeConcern })).toMatchObject({ ok: 1 });
  expect(await server.db.collection(name).countDocuments()).toBe(0);
});

test('a session is started whatever other fields are given', async () => {
  expect(await server.db.command({ startSession: 1, unknown: 1 })).toMatchObject({ ok: 1, timeoutMinutes: 30 });
});

test('a running command is listed and can be killed', async () => {
  const { collectionName: name } = await server.fresh([{ _id: 1 }]);
  const admin = server.client.db('admin');
  const many = Array.from({ length: 4 }, (_, n) => [{ $set: { [`r${n}`]: { $range: [0, 1000] } } }, { $unwind: `$r${n}` }]).flat();
  const endless = server.db
    .collection(name)
    .aggregate([...many, { $count: 'n' }], { comment: `endless ${name}` })
    .toArray();
  const killed = expect(endless).rejects.toMatchObject({ code: 11601 });
  let found: Document[] = [];
  // The client has several connections, and one user.
  while (!found.length)
    found = ((await admin.command({ currentOp: 1, $ownOps: 1, 'command.comment': `endless ${name}` }))['inprog'] as Document[]) ?? [];
  expect(found).toMatchObject([{ ns: `${server.db.databaseName}.${name}`, active: true, command: { aggregate: name } }]);
  await admin.command({ killOp: 1, op: found[0]?.['opid'] as number });
  await killed;
  expect(((await admin.command({ currentOp: 1, 'command.comment': `endless ${name}` }))['inprog'] as Document[]).length).toBe(0);
});

test('the database admin cannot be dropped', async () => {
  await expect(server.client.db('admin').command({ dropDatabase: 1 })).rejects.toMatchObject({ code: 20 });
});
