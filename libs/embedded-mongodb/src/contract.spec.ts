import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Binary,
  BSON,
  BSONRegExp,
  Code,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  MongoClient,
  ObjectId,
  Timestamp,
  type Collection,
  type Db,
  type Document,
} from 'mongodb';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';

const { deserialize, serialize } = BSON;

/**
 * What the driver sees of a MongoDB. Runs on the embedded node; with MONGODB_URL set, on that server, in a separate database that is
 * dropped at the end: what is expected here is the behaviour of a genuine server.
 */
const url = process.env['MONGODB_URL'];
let node: EmbeddedMongoDB | undefined;
let client: MongoClient;
let db: Db;
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-contract-'));

beforeAll(async () => {
  if (!url) node = await startEmbeddedMongoDB({ directory, port: 0 });
  client = await MongoClient.connect(url ?? (node as EmbeddedMongoDB).url);
  db = client.db(`contract_${new ObjectId().toHexString()}`);
});
afterAll(async () => {
  await db.dropDatabase();
  await client.close();
  await node?.close();
  rmSync(directory, { recursive: true });
});

let counter = 0;
const fresh = async (documents: readonly Document[] = []): Promise<Collection<Document>> => {
  const collection = db.collection<Document>(`c${counter++}`);
  if (documents.length) await collection.insertMany(documents as Document[]);
  return collection;
};

/** The bytes of a document as they are stored. */
const rawOf = async (collection: Collection<Document>, filter: Document): Promise<Buffer> => {
  const [raw] = (await collection.find(filter, { raw: true } as never).toArray()) as unknown as Buffer[];
  return Buffer.from(raw as Buffer);
};

const allTypes: Document = {
  _id: 'all',
  int: new Int32(1),
  double: new Double(1),
  long: Long.fromNumber(1),
  decimal: Decimal128.fromString('1.00'),
  negativeZero: new Double(-0),
  nan: new Double(NaN),
  text: 'größe 😀',
  empty: '',
  yes: true,
  nothing: null,
  date: new Date(-1),
  oid: new ObjectId(),
  binary: new Binary(Buffer.from([0, 255, 1]), 0x80),
  uuid: new Binary(Buffer.alloc(16, 7), 4),
  regex: new BSONRegExp('^a.*', 'im'),
  timestamp: new Timestamp({ t: 5, i: 7 }),
  code: new Code('x'),
  scoped: new Code('x', { y: new Int32(1) }),
  min: new MinKey(),
  max: new MaxKey(),
  z: { b: 1, a: [new Int32(1), new Double(2.5), { '2': 'two', '1': 'one' }], '10': 'ten', '9': 'nine' },
  list: [],
  object: {},
};

describe('types', () => {
  test('are returned byte for byte, also after an update of another field', async () => {
    const collection = await fresh([allTypes]);
    // The driver's own serialization of a Map keeps the order of names that look like numbers.
    const stored = await rawOf(collection, { _id: 'all' });
    expect(stored.equals(Buffer.from(serialize(allTypes)))).toBe(true);
    await collection.updateOne({ _id: 'all' as never }, { $set: { added: new Int32(1) } });
    await collection.updateOne({ _id: 'all' as never }, { $unset: { added: 1 } });
    expect((await rawOf(collection, { _id: 'all' })).equals(stored)).toBe(true);
    await collection.updateOne({ _id: 'all' as never }, { $set: { 'z.b': new Double(2) } });
    const after = deserialize(await rawOf(collection, { _id: 'all' }), { promoteValues: false });
    expect(after['z'].b).toEqual(new Double(2));
    expect(after['z'].a[1]).toEqual(new Double(2.5));
    expect(after['int']).toEqual(new Int32(1));
    expect(after['long']).toEqual(Long.fromNumber(1));
  });

  test.each([
    [new Int32(1), new Int32(2), new Int32(3)],
    [new Int32(2147483647), new Int32(1), Long.fromString('2147483648')],
    [new Int32(1), Long.fromNumber(1), Long.fromNumber(2)],
    [new Int32(1), new Double(1), new Double(2)],
    [Long.fromNumber(1), new Double(0.5), new Double(1.5)],
    [Decimal128.fromString('1.10'), new Int32(1), Decimal128.fromString('2.10')],
    [new Int32(-2147483648), new Int32(-1), Long.fromString('-2147483649')],
  ])('$inc of %o by %o is %o', async (start, by, expected) => {
    const collection = await fresh([{ _id: 1, v: start }] as never);
    await collection.updateOne({}, { $inc: { v: by } } as never);
    expect(deserialize(await rawOf(collection, {}), { promoteValues: false })['v']).toEqual(expected);
  });

  test('arithmetic of a long that overflows is refused in an update', async () => {
    const collection = await fresh([{ v: Long.MAX_VALUE }, { v: 'text' }]);
    await expect(collection.updateOne({ v: Long.MAX_VALUE }, { $inc: { v: 1 } })).rejects.toMatchObject({ code: 2 });
    await expect(collection.updateOne({ v: 'text' }, { $inc: { v: 1 } })).rejects.toMatchObject({ code: 14 });
    await expect(collection.updateOne({ v: 'text' }, { $inc: { v: 'x' } } as never)).rejects.toMatchObject({ code: 14 });
  });

  test('compare in one order', async () => {
    const ordered: unknown[] = [
      new MinKey(),
      null,
      new Double(NaN),
      new Double(-Infinity),
      new Int32(-5),
      Decimal128.fromString('-0.5'),
      new Int32(0),
      Decimal128.fromString('0.1'),
      new Double(0.5),
      Long.fromNumber(1),
      Long.fromString('9007199254740993'),
      new Double(Infinity),
      '',
      'A',
      'a',
      'aa',
      'b',
      '\uffff',
      '😀',
      {},
      { a: 1 },
      { a: 2 },
      { a: 1, b: 1 },
      { a: 'x' },
      [],
      new Binary(Buffer.from([9]), 0),
      new Binary(Buffer.from([1, 1]), 0),
      new ObjectId('000000000000000000000001'),
      false,
      true,
      new Date(-5),
      new Date(5),
      new Timestamp({ t: 1, i: 1 }),
      new BSONRegExp('a'),
      new MaxKey(),
    ];
    const collection = await fresh(ordered.map((k, index) => ({ _id: index, w: { k } }) as never).reverse());
    const found = await collection.find().sort({ w: 1 }).toArray();
    // { a: 1, b: 1 } is above { a: 1 } and below { a: 2 }: fields are compared one by one.
    const expected = ordered.map((_, index) => index);
    const at = expected.indexOf(ordered.findIndex((each) => JSON.stringify(each) === '{"a":1,"b":1}'));
    expected.splice(at - 1, 2, at, at - 1);
    expect(found.map(({ _id }) => _id)).toEqual(expected);
    await collection.createIndex({ w: 1 });
    expect((await collection.find().sort({ w: 1 }).toArray()).map(({ _id }) => _id)).toEqual(expected);
    expect((await collection.find().sort({ w: -1 }).toArray()).map(({ _id }) => _id)).toEqual(expected.toReversed());
  });

  test('equal numbers of different types are one value for queries and unique indexes', async () => {
    const collection = await fresh([{ _id: new Int32(1) }] as never);
    for (const same of [new Double(1), Long.fromNumber(1), Decimal128.fromString('1.000')]) {
      expect(await collection.countDocuments({ _id: same as never })).toBe(1);
      await expect(collection.insertOne({ _id: same as never })).rejects.toMatchObject({ code: 11000 });
    }
    await collection.insertOne({ _id: Decimal128.fromString('1.1') as never });
    expect(await collection.countDocuments({ _id: new Double(1.1) as never })).toBe(0);
  });
});

describe('queries', () => {
  const documents = [
    {
      _id: 1,
      a: 1,
      b: { c: 1 },
      tags: ['x', 'y'],
      items: [
        { n: 1, q: 5 },
        { n: 2, q: 50 },
      ],
    },
    { _id: 2, a: null, b: { c: [1, 2] }, tags: [], items: [{ n: 1, q: 50 }] },
    { _id: 3, b: [{ c: 3 }, { d: 1 }], tags: 'x' },
    { _id: 4, a: 'one', b: 5, tags: [['x']], items: [] },
    { _id: 5, a: [1, null], tags: ['y', 'z', 'x'] },
  ] as unknown as Document[];
  const cases: readonly (readonly [Document, readonly number[]])[] = [
    [{ a: null }, [2, 3, 5]],
    [{ a: { $ne: null } }, [1, 4]],
    [{ a: { $exists: false } }, [3]],
    [{ a: { $exists: true } }, [1, 2, 4, 5]],
    [{ a: { $gte: null } }, [2, 3, 5]],
    [{ a: { $gt: 0 } }, [1, 5]],
    [{ a: { $type: 'string' } }, [4]],
    [{ a: { $type: ['null', 'int'] } }, [1, 2, 5]],
    [{ 'b.c': 1 }, [1, 2]],
    [{ 'b.c': null }, [3, 4, 5]],
    [{ 'b.0.c': 3 }, [3]],
    [{ tags: 'x' }, [1, 3, 5]],
    [{ tags: ['x'] }, [4]],
    [{ tags: ['x', 'y'] }, [1]],
    [{ 'tags.0': 'x' }, [1]],
    [{ tags: { $all: ['x', 'y'] } }, [1, 5]],
    [{ tags: { $size: 0 } }, [2]],
    [{ tags: { $in: ['z', ['x']] } }, [4, 5]],
    [{ tags: { $nin: ['x'] } }, [2, 4]],
    [{ tags: { $not: { $in: ['x'] } } }, [2, 4]],
    [{ tags: { $regex: '^Z', $options: 'i' } }, [5]],
    [{ items: { $elemMatch: { n: 1, q: { $gt: 20 } } } }, [2]],
    [{ 'items.n': 1, 'items.q': { $gt: 20 } }, [1, 2]],
    [{ a: { $elemMatch: { $gte: 1 } } }, [5]],
    [{ $or: [{ a: 1 }, { tags: [] }] }, [1, 2, 5]],
    [{ $nor: [{ a: 1 }, { tags: 'x' }] }, [2, 4]],
    [{ a: { $mod: [2, 1] } }, [1, 5]],
    [{ $expr: { $eq: ['$b.c', 1] } }, [1]],
    [{ $expr: { $gt: [{ $size: { $cond: [{ $isArray: '$tags' }, '$tags', []] } }, 2] } }, [5]],
    [{ a: { $gt: 0, $lt: 'z' } }, []],
    [{ _id: { $in: [5, 1, 1] } }, [1, 5]],
    [{ items: { $exists: true, $ne: [] } }, [1, 2]],
    [{ $jsonSchema: { required: ['a'], properties: { a: { bsonType: 'int' } } } }, [1]],
  ];
  let collection: Collection<Document>;
  beforeAll(async () => {
    collection = await fresh(documents);
  });
  test.each(cases)('%j finds %j', async (filter, expected) => {
    expect((await collection.find(filter).sort({ _id: 1 }).toArray()).map(({ _id }) => _id)).toEqual(expected);
  });

  test.each([
    [{ a: { $nonsense: 1 } }, 2],
    [{ $nonsense: 1 }, 2],
    [{ $or: [] }, 2],
    [{ a: { $in: 1 } }, 2],
    [{ a: { $regex: '(' } }, 51091],
    [{ a: { $regex: 'a\\i' } }, 51091],
    [{ a: { $regex: '\\N{U+61}' } }, 51091],
    [{ a: { $regex: '[[:nothing:]]' } }, 51091],
    [{ $expr: { $nonsense: 1 } }, 168],
    [{ a: { $size: -1 } }, 2],
    [{ a: { $elemMatch: { $sampleRate: 1 } } }, 2],
    [{ $alwaysFalse: 0 }, 9],
    [{ $text: { $search: 'x' } }, 27],
  ])('%j is refused with %j', async (filter, code) => {
    await expect(collection.find(filter).toArray()).rejects.toMatchObject({ code });
  });

  test.each<[string, string, readonly string[]]>([
    ['^a$', '', ['a', 'a\n']],
    ['^a\\z', '', ['a']],
    ['^b', 'm', ['a\nb', 'a\n\nb', 'bé']],
    ['^a.b', '', ['a\rb', 'a.b']],
    ['^a.b', 's', ['a\nb', 'a\rb', 'a.b']],
    ['^\\Qa.b\\E$', '', ['a.b']],
    ['a\\Q.', '', ['a.b']],
    ['a b # either', 'x', []],
    ['a [.] b # with a dot', 'x', ['a.b']],
    ['^b[[:alpha:]]', '', []],
    ['^b\\p{L}$', '', ['bé']],
    ['^[]}]{1,2}$', '', [']}']],
    ['x\\sy', '', []],
    ['^[\\w-.]+$', '', ['a', 'a\n', 'a.b']],
    ['^[a-[:punct:]]$', '', ['a', 'a\n']],
    ['x\\hy|\\Rb', '', ['a\nb', 'a\n\nb', 'a\rb']],
    ['^X', 'i', ['x\u00a0y', 'x{1']],
    ['x{1$', '', ['x{1']],
    ['x{1', '', ['x{1']],
    ['\\{\\d\\Z', '', ['x{1']],
    ['(?i)^A\\.', '', ['a.b']],
    ['(?P<first>[ab])\\.b', '', ['a.b']],
    ['^a\\x{2e}', '', ['a.b']],
    ['(?# nothing )a\\-?\\.', '', ['a.b']],
    ['^(?i:A)\\.b', '', ['a.b']],
    ['^(?i:A)\\.B', '', []],
    ['^(?i)[W-Z](?-i)\\{', '', ['x{1']],
    ['^(?-i:A)\\.b', 'i', []],
    ['(?s:^a.b)$', '', ['a\nb', 'a\rb', 'a.b']],
    ['(?m:^b)', '', ['a\nb', 'a\n\nb', 'bé']],
    ['(*UCP)^\\w+$', '', ['a', 'a\n', 'bé']],
    ['(*UCP)b\\b', '', ['a\nb', 'a\n\nb', 'a\rb', 'a.b']],
    ['^\\p{Latin}+$', '', ['a', 'a\n', 'bé']],
    ['(*UTF)^b.$', '', ['bé']],
    ['^(?>a|a\\n)b', '', []],
    ['^a\\n++\\n', '', []],
    ['^a\\K\\.b', '', ['a.b']],
    ['(?P<first>\\n)(?P=first)b', '', ['a\n\nb']],
  ])('the pattern %j with options %j has the meaning it has in PCRE', async (pattern, $options, expected) => {
    const texts = ['a', 'a\n', 'a\nb', 'a\n\nb', 'a\rb', 'a.b', 'bé', ']}', 'x\u00a0y', 'x{1'];
    patterns ??= fresh(texts.map((text, _id) => ({ _id, text })));
    expect(
      (
        await (
          await patterns
        )
          .find({ text: { $regex: pattern, $options } })
          .sort({ _id: 1 })
          .toArray()
      ).map(({ text }) => text),
    ).toEqual(expected);
  });
  let patterns: Promise<Collection<Document>> | undefined;

  test('projections', async () => {
    const project = async (projection: Document, _id = 1): Promise<unknown> =>
      (
        await collection
          .find({ _id: _id as never })
          .project(projection)
          .toArray()
      )[0];
    expect(await project({ a: 1 })).toEqual({ _id: 1, a: 1 });
    expect(await project({ _id: 0, 'b.c': 1 })).toEqual({ b: { c: 1 } });
    const named = await fresh([{ _id: 1, Aa: 1, BB: 2, größe: [3], c: { d: 4 }, é: 5 } as never]);
    for (const [names, found] of [
      [['BB'], { BB: 2 }],
      [['Aa', 'BB', 'c', 'é'], { Aa: 1, BB: 2, c: { d: 4 }, é: 5 }],
      [['größe', 'missing', 'd'], { größe: [3] }],
      [['C'], {}],
    ] as const) {
      const fields = Object.fromEntries(names.map((name) => [name, 1]));
      expect(await named.findOne({}, { projection: { _id: 0, ...fields } })).toEqual(found);
      expect(await named.aggregate([{ $set: { made: 1 } }, { $project: fields }]).next()).toEqual({ _id: 1, ...found });
    }
    expect(await project({ items: 0, tags: 0, b: 0 })).toEqual({ _id: 1, a: 1 });
    expect(await project({ 'items.n': 1 })).toEqual({ _id: 1, items: [{ n: 1 }, { n: 2 }] });
    expect(await project({ tags: { $slice: -1 }, items: 0, b: 0 })).toEqual({ _id: 1, a: 1, tags: ['y'] });
    expect(await project({ items: { $elemMatch: { q: 50 } } })).toEqual({ _id: 1, items: [{ n: 2, q: 50 }] });
    expect(await project({ total: { $sum: '$items.q' } })).toEqual({ _id: 1, total: 55 });
    expect(
      (
        await collection
          .find({ _id: 1 as never, 'items.q': 50 })
          .project({ 'items.$': 1 })
          .toArray()
      )[0],
    ).toEqual({ _id: 1, items: [{ n: 2, q: 50 }] });
    await expect(project({ a: 1, b: 0 })).rejects.toMatchObject({ code: 31254 });
    await expect(project({ a: 0, b: 1 })).rejects.toMatchObject({ code: 31253 });
  });

  test('skip, limit, batches and cursors', async () => {
    const many = await fresh(Array.from({ length: 1000 }, (_, index) => ({ _id: index }) as never));
    expect((await many.find().sort({ _id: -1 }).skip(10).limit(5).toArray()).map(({ _id }) => _id)).toEqual([989, 988, 987, 986, 985]);
    const cursor = many.find({}, { batchSize: 7 }).sort({ _id: 1 });
    let next = 0;
    for await (const { _id } of cursor) expect(_id).toBe(next++);
    expect(next).toBe(1000);
    const open = many.find({}, { batchSize: 2 });
    await open.next();
    const { id } = open as unknown as { id: Long };
    await open.close();
    await expect(db.command({ getMore: id, collection: many.collectionName })).rejects.toMatchObject({ code: 43 });
  });

  test('a cursor reads the state at its start', async () => {
    const many = await fresh(Array.from({ length: 300 }, (_, index) => ({ _id: index, v: 0 }) as never));
    const cursor = many.find({}, { batchSize: 100 }).sort({ _id: 1 });
    await cursor.next();
    await many.deleteMany({ _id: { $lt: 250 } } as never);
    let rest = 0;
    while (await cursor.next()) rest++;
    if (url)
      expect(rest).toBeGreaterThanOrEqual(149); // A server may show deletions that happen between batches.
    else expect(rest).toBe(299);
  });
});

describe('updates', () => {
  const run = async (start: Document, update: Document | Document[], options: Document = {}, filter: Document = {}): Promise<unknown> => {
    const collection = await fresh([{ _id: 1, ...start } as never]);
    await collection.updateOne({ _id: 1 as never, ...filter }, update, options);
    const result = (await collection.findOne()) as Document;
    delete result['_id'];
    return result;
  };
  const cases: readonly (readonly [Document, Document | Document[], Document, (Document | undefined)?, (Document | undefined)?])[] = [
    [{ a: 1 }, { $set: { 'b.c.d': 1, a: 2 } }, { a: 2, b: { c: { d: 1 } } }],
    [{}, { $set: { b: 1, a: 1 } }, { a: 1, b: 1 }],
    [{ a: [1, 2] }, { $set: { 'a.3': 4 } }, { a: [1, 2, null, 4] }],
    [{ a: [1, 2, 3] }, { $unset: { 'a.1': 1 } }, { a: [1, null, 3] }],
    [{ a: 5 }, { $min: { a: 3 }, $max: { b: 2 } }, { a: 3, b: 2 }],
    [{ a: 5 }, { $mul: { a: 2, b: 3 } }, { a: 10, b: 0 }],
    [{ a: 1, b: 2 }, { $rename: { a: 'c' } }, { b: 2, c: 1 }],
    [{ a: [1] }, { $push: { a: 2, b: 1 } }, { a: [1, 2], b: [1] }],
    [{ a: [3, 1] }, { $push: { a: { $each: [2, 5], $sort: -1, $slice: 3 } } }, { a: [5, 3, 2] }],
    [{ a: [1, 4] }, { $push: { a: { $each: [2, 3], $position: 1 } } }, { a: [1, 2, 3, 4] }],
    [{ a: [1] }, { $addToSet: { a: { $each: [1, 2, 2] } } }, { a: [1, 2] }],
    [{ a: [1, 2, 3] }, { $pop: { a: 1 } }, { a: [1, 2] }],
    [{ a: [1, 2, 3] }, { $pop: { a: -1 } }, { a: [2, 3] }],
    [{ a: [1, 5, 9] }, { $pull: { a: { $gt: 3 } } }, { a: [1] }],
    [{ a: [{ x: 1, y: 1 }, { x: 2 }] }, { $pull: { a: { x: 1 } } }, { a: [{ x: 2 }] }],
    [{ a: [1, 2, 1] }, { $pullAll: { a: [1] } }, { a: [2] }],
    [{ a: [[1, 2], [1, 2, 3], [2]] }, { $pull: { a: { $all: [1, 2] } } }, { a: [[2]] }],
    [{ a: [[1], [5], 7] }, { $pull: { a: { $gt: 3 } } }, { a: [[1]] }],
    [{ a: { b: 1 } }, { $set: { 'a.$c': 2 } }, { a: { b: 1, $c: 2 } }],
    [{ a: 13 }, { $bit: { a: { and: 10 } } }, { a: 8 }],
    [{ a: [{ x: 1 }, { x: 2 }] }, { $set: { 'a.$.x': 9 } }, { a: [{ x: 1 }, { x: 9 }] }, {}, { 'a.x': 2 }],
    [{ a: ['x', 'ab', 'ac'] }, { $set: { 'a.$': 'z' } }, { a: ['x', 'z', 'ac'] }, {}, { a: /^a/ }],
    [{ a: [1, 2, 3] }, { $inc: { 'a.$[]': 10 } }, { a: [11, 12, 13] }],
    [{ a: [{ x: 1 }, { x: 5 }] }, { $set: { 'a.$[big].x': 0 } }, { a: [{ x: 1 }, { x: 0 }] }, { arrayFilters: [{ 'big.x': { $gt: 3 } }] }],
    [{ a: 1, b: 2 }, [{ $set: { c: { $add: ['$a', '$b'] } } }, { $unset: 'a' }], { b: 2, c: 3 }],
    [{ a: { b: 1 } }, [{ $replaceWith: '$a' }], { b: 1 }],
    [{ a: 1 }, [{ $unset: '_id' }, { $set: { b: 1 } }], { a: 1, b: 1 }],
    [{ a: 1 }, [{ $set: { a: { $add: ['$a', '$$by'] } } }], { a: 6 }, { let: { by: 5 } }],
    [
      {
        a: [
          { k: 1, b: [1, 9] },
          { k: 2, b: [9] },
        ],
      },
      { $inc: { 'a.$[x].b.$[y]': 1 } },
      {
        a: [
          { k: 1, b: [1, 10] },
          { k: 2, b: [9] },
        ],
      },
      { arrayFilters: [{ 'x.k': 1 }, { y: { $gt: 5 } }] },
    ],
  ];
  test.each(cases.map(([start, update, expected, options, filter]) => ({ start, update, expected, options, filter })))(
    '$start by $update is $expected',
    async ({ start, update, expected, options, filter }) => {
      expect(await run(start, update, options, filter)).toEqual(expected);
      const order = Object.keys(expected);
      expect(Object.keys((await run(start, update, options, filter)) as Document)).toEqual(order);
    },
  );

  test.each<readonly [Document, Document, number]>([
    [{ a: 1 }, { $set: { 'a.b': 1 } }, 28],
    [{ a: 1 }, { $set: { a: 1 }, $inc: { a: 1 } }, 40],
    [{ a: 1 }, { $set: { a: 1, 'a.b': 1 } }, 40],
    [{ a: 1 }, { $nonsense: { a: 1 } }, 9],
    [{ a: 1 }, { $set: { _id: 2 } }, 66],
    [{ a: 1 }, { $rename: { a: '_id' } }, 66],
    [{ a: 2 }, { $rename: { a: '_id' } }, 66],
    [{ a: 1, arr: [5, 6] }, { $rename: { a: 'arr.0' } }, 2],
    [{ a: 1, arr: [{ b: 5 }] }, { $rename: { a: 'arr.0.b' } }, 2],
    [{ arr: [{ b: 5 }] }, { $rename: { 'arr.0.b': 'c' } }, 2],
    [{ a: 1 }, { $push: { a: 1 } }, 2],
    [{ a: 1 }, { $pop: { a: 1 } }, 14],
    [{ a: 1 }, { $set: { '': 1 } }, 56],
  ])('%j by %j is refused with %d', async (start, update, code) => {
    await expect(run(start, update)).rejects.toMatchObject({ code });
  });

  test('variables of a command are available to its query, update and projection', async () => {
    const collection = await fresh([
      { _id: 1, v: 1 },
      { _id: 2, v: 9 },
    ] as never);
    const [query, variables] = [{ $expr: { $lt: ['$v', '$$most'] } }, { let: { most: 5 } }];
    expect(
      await collection.findOneAndUpdate(query, [{ $set: { v: '$$most' } }], {
        ...variables,
        returnDocument: 'after',
        projection: { v: 1, most: '$$most' },
      }),
    ).toEqual({ _id: 1, v: 5, most: 5 });
    expect(
      await collection.find({ $expr: { $eq: ['$v', '$$most'] } }, { ...variables, projection: { _id: 0, same: '$$most' } }).toArray(),
    ).toEqual([{ same: 5 }]);
    await db.command({ update: collection.collectionName, updates: [{ q: { _id: 2 }, u: [{ $set: { v: '$$given' } }], c: { given: 3 } }] });
    expect(await collection.deleteMany({ $expr: { $lt: ['$v', '$$most'] } }, variables)).toMatchObject({ deletedCount: 1 });
  });

  test('an empty timestamp in a whole document becomes the current time, but not in nested fields', async () => {
    const empty = new Timestamp({ t: 0, i: 0 });
    const collection = await fresh([{ _id: 1, at: empty, also: empty, deep: { at: empty } }] as never);
    await collection.replaceOne({ _id: 2 as never }, { at: empty }, { upsert: true });
    await collection.updateOne({ _id: 2 as never }, { $set: { set: empty } });
    const [one, two] = (await collection.find().sort({ _id: 1 }).toArray()) as Document[] as [Document, Document];
    for (const at of [one['at'], one['also'], two['at']] as Timestamp[]) expect(Math.abs(at.t - Date.now() / 1000)).toBeLessThan(600);
    expect((one['also'] as Timestamp).equals(one['at'] as Timestamp)).toBe(false);
    expect(one['deep'].at).toEqual(empty);
    expect(two['set']).toEqual(empty);
  });

  test('counts what matched and what changed', async () => {
    const collection = await fresh([
      { _id: 1, a: 1 },
      { _id: 2, a: 1 },
    ] as never);
    expect(await collection.updateMany({ a: 1 }, { $set: { a: 1 } })).toMatchObject({ matchedCount: 2, modifiedCount: 0 });
    expect(await collection.updateMany({ a: 1 }, { $set: { a: 2 } })).toMatchObject({ matchedCount: 2, modifiedCount: 2 });
    expect(await collection.deleteMany({ a: 2 })).toMatchObject({ deletedCount: 2 });
  });

  test("upserts start with the query's equalities", async () => {
    const collection = await fresh();
    const result = await collection.updateOne(
      { _id: 'n' as never, kind: 'x', n: { $gt: 5 }, 'deep.er': 1 },
      { $set: { a: 1 }, $setOnInsert: { b: 2 } },
      { upsert: true },
    );
    expect(result).toMatchObject({ upsertedId: 'n', upsertedCount: 1, matchedCount: 0 });
    expect(await collection.findOne()).toEqual({ _id: 'n', kind: 'x', deep: { er: 1 }, a: 1, b: 2 });
    const replaced = await collection.replaceOne({ k: 5 }, { z: 1 }, { upsert: true });
    expect(await collection.findOne({ _id: replaced.upsertedId as never })).toEqual({ _id: replaced.upsertedId, z: 1 });
    expect(replaced.upsertedId).toBeInstanceOf(ObjectId);
  });

  test('guarded upserts in bulk: older documents are replaced, newer ones are duplicate keys', async () => {
    const collection = await fresh([
      { _id: 'old', position: 1 },
      { _id: 'ahead', position: 9 },
    ] as never);
    const guarded = (id: string, position: number): Document => ({
      replaceOne: { filter: { _id: id, position: { $lt: position } }, replacement: { position }, upsert: true },
    });
    const error = await collection
      .bulkWrite([guarded('old', 5), guarded('ahead', 5), guarded('new', 5)] as never, { ordered: false })
      .catch((reason) => reason);
    expect(error.code).toBe(11000);
    expect(error.writeErrors.map(({ index, code }: { index: number; code: number }) => [index, code])).toEqual([[1, 11000]]);
    expect(error.result).toMatchObject({ modifiedCount: 1, upsertedCount: 1, upsertedIds: { 2: 'new' } });
    const reply = await db.command({
      update: collection.collectionName,
      updates: [{ q: { _id: 'ahead', position: { $lt: 5 } }, u: { position: 5 }, upsert: true }],
    });
    expect(reply).toMatchObject({
      ok: 1,
      n: 0,
      writeErrors: [{ index: 0, code: 11000, keyPattern: { _id: 1 }, keyValue: { _id: 'ahead' } }],
    });
    const ordered = await collection.bulkWrite([guarded('ahead', 5), guarded('later', 5)] as never).catch((reason) => reason);
    expect(ordered.writeErrors.length ?? 1).toBe(1);
    expect(await collection.countDocuments({ _id: 'later' as never })).toBe(0);
    expect(await collection.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 'ahead', position: 9 },
      { _id: 'new', position: 5 },
      { _id: 'old', position: 5 },
    ]);
  });

  test('findOneAndUpdate and similar', async () => {
    const collection = await fresh([
      { _id: 1, n: 3 },
      { _id: 2, n: 1 },
    ] as never);
    expect(await collection.findOneAndUpdate({}, { $inc: { n: 10 } }, { sort: { n: 1 }, returnDocument: 'after' })).toEqual({
      _id: 2,
      n: 11,
    });
    expect(await collection.findOneAndReplace({ _id: 1 as never }, { m: 1 }, { projection: { _id: 0 } })).toEqual({ n: 3 });
    expect(await collection.findOneAndDelete({ m: 1 })).toEqual({ _id: 1, m: 1 });
    expect(await collection.findOneAndUpdate({ _id: 7 as never }, { $set: { a: 1 } }, { upsert: true, returnDocument: 'after' })).toEqual({
      _id: 7,
      a: 1,
    });
    expect(await collection.findOneAndDelete({ missing: 1 })).toBeNull();
  });
});

describe('aggregation', () => {
  let collection: Collection<Document>;
  beforeAll(async () => {
    collection = await fresh([
      { _id: 1, tier: 'L1', minutes: new Int32(10), at: new Date('2024-02-29T23:30:00Z'), tags: ['a', 'b'] },
      { _id: 2, tier: 'L2', minutes: new Int32(30), at: new Date('2024-03-01T00:30:00Z'), tags: ['b'] },
      { _id: 3, tier: 'L1', minutes: new Double(5.5), at: new Date('2024-12-30T12:00:00Z'), tags: [] },
      { _id: 4, tier: null, minutes: null, at: new Date('2021-01-03T12:00:00Z') },
      { _id: 5, minutes: Long.fromNumber(100), at: new Date('2021-01-04T12:00:00Z'), tags: null },
    ] as never);
  });
  const one = async (expression: unknown, _id = 1): Promise<unknown> =>
    ((await collection.aggregate([{ $match: { _id } }, { $project: { _id: 0, v: expression } }]).toArray())[0] as Document)['v'];

  test.each<readonly [unknown, unknown]>([
    [{ $add: ['$minutes', 5] }, 15],
    [{ $subtract: ['$at', { $toDate: Long.ZERO }] }, new Date('2024-02-29T23:30:00Z').getTime()],
    [{ $divide: [1, 4] }, 0.25],
    [{ $mod: [-7, 3] }, -1],
    [{ $round: [2.5] }, 2],
    [{ $round: [1234.567, -2] }, 1200],
    [{ $trunc: [-1.9] }, -1],
    [{ $concat: ['$tier', '-', 'x'] }, 'L1-x'],
    [{ $concat: ['$tier', null] }, null],
    [{ $toUpper: 'abc' }, 'ABC'],
    [{ $substrCP: ['héllo', 1, 3] }, 'éll'],
    [{ $split: ['a-b-c', '-'] }, ['a', 'b', 'c']],
    [{ $trim: { input: '  x ' } }, 'x'],
    [{ $indexOfCP: ['abcb', 'b', 2] }, 3],
    [{ $indexOfBytes: ['abcb', '', 3, 2] }, -1],
    [{ $substrBytes: ['hello', 1, Decimal128.fromString('Infinity')] }, 'ello'],
    [{ $substrBytes: ['hello', Decimal128.fromString('2.5'), 2.9] }, 'll'],
    [{ $substrBytes: ['hello', new Double(-0.9), 1] }, 'h'],
    [{ $regexMatch: { input: 'Printer', regex: /^p/i } }, true],
    [{ $replaceAll: { input: 'aXbX', find: 'X', replacement: { $literal: '$' } } }, 'a$b$'],
    [{ $cond: [{ $gt: ['$minutes', 5] }, 'long', 'short'] }, 'long'],
    [{ $switch: { branches: [{ case: { $eq: ['$tier', 'L2'] }, then: 2 }], default: 0 } }, 0],
    [{ $ifNull: ['$missing', null, 'fallback'] }, 'fallback'],
    [{ $map: { input: '$tags', as: 't', in: { $concat: ['$$t', '!'] } } }, ['a!', 'b!']],
    [{ $filter: { input: [1, 2, 3, 4], cond: { $gt: ['$$this', 2] } } }, [3, 4]],
    [{ $reduce: { input: [1, 2, 3], initialValue: 0, in: { $add: ['$$value', '$$this'] } } }, 6],
    [{ $arrayElemAt: ['$tags', -1] }, 'b'],
    [{ $slice: [[1, 2, 3, 4], 1, 2] }, [2, 3]],
    [
      {
        $setUnion: [
          [3, 1],
          [2, 1],
        ],
      },
      [1, 2, 3],
    ],
    [{ $objectToArray: { a: 1 } }, [{ k: 'a', v: 1 }]],
    [{ $arrayToObject: [[['a', 1]]] }, { a: 1 }],
    [{ $mergeObjects: [{ a: 1, b: 1 }, { b: 2 }] }, { a: 1, b: 2 }],
    [{ $let: { vars: { x: 2 }, in: { $multiply: ['$$x', '$minutes'] } } }, 20],
    [{ $type: '$minutes' }, 'int'],
    [{ $toString: '$at' }, '2024-02-29T23:30:00.000Z'],
    [{ $toInt: '42' }, 42],
    [{ $convert: { input: 'x', to: 'int', onError: 'bad' } }, 'bad'],
    [{ $dateToString: { date: '$at', format: '%Y-%m-%d %H:%M:%S.%L %j %u %V %G' } }, '2024-02-29 23:30:00.000 060 4 09 2024'],
    [{ $dateToString: { date: '$at', format: '%Y-%m-%dT%H:%M%z', timezone: 'Europe/Berlin' } }, '2024-03-01T00:30+0100'],
    [{ $year: '$at' }, 2024],
    [{ $month: { date: '$at', timezone: '+01:00' } }, 3],
    [{ $dayOfWeek: '$at' }, 5],
    [{ $isoWeek: '$at' }, 9],
    [{ $dayOfYear: '$at' }, 60],
    [{ $dateTrunc: { date: '$at', unit: 'month' } }, new Date('2024-02-01T00:00:00Z')],
    [{ $dateTrunc: { date: '$at', unit: 'hour', binSize: 6 } }, new Date('2024-02-29T18:00:00Z')],
    [{ $dateTrunc: { date: '$at', unit: 'week', startOfWeek: 'monday' } }, new Date('2024-02-26T00:00:00Z')],
    [{ $dateAdd: { startDate: '$at', unit: 'year', amount: 1 } }, new Date('2025-02-28T23:30:00Z')],
    [{ $dateDiff: { startDate: '$at', endDate: new Date('2024-03-01T00:10:00Z'), unit: 'day' } }, 1],
    [{ $dateDiff: { startDate: '$at', endDate: new Date('2024-03-01T00:10:00Z'), unit: 'hour' } }, 1],
    [{ $dateFromParts: { year: 2024, month: 14, day: 1 } }, new Date('2025-02-01T00:00:00Z')],
    [{ $dateFromString: { dateString: '2024-05-06T07:08:09Z' } }, new Date('2024-05-06T07:08:09Z')],
    [
      { $dateToParts: { date: new Date('2024-05-06T07:08:09.010Z') } },
      { year: 2024, month: 5, day: 6, hour: 7, minute: 8, second: 9, millisecond: 10 },
    ],
    [{ $sum: [1, 2, '$minutes'] }, 13],
    [{ $max: [1, 'x', null] }, 'x'],
    [{ $avg: [1, 2] }, 1.5],
    [
      {
        $zip: {
          inputs: [
            [1, 2],
            ['a', 'b'],
          ],
        },
      },
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [{ $range: [0, 10, 3] }, [0, 3, 6, 9]],
    [{ $sortArray: { input: [3, 1, 2], sortBy: -1 } }, [3, 2, 1]],
    [{ $in: ['a', '$tags'] }, true],
    [{ $cmp: ['a', 1] }, 1],
    [{ $getField: 'tier' }, 'L1'],
    [{ $literal: '$tier' }, '$tier'],
  ])('%j is %j', async (expression, expected) => {
    expect(await one(expression)).toEqual(expected);
  });

  test('groups, with a missing value and null in one group, and the types of sums', async () => {
    const groups = await collection
      .aggregate(
        [
          {
            $group: {
              _id: '$tier',
              n: { $sum: 1 },
              total: { $sum: '$minutes' },
              mean: { $avg: '$minutes' },
              first: { $first: '$_id' },
              ids: { $push: '$_id' },
              low: { $min: '$minutes' },
            },
          },
          { $sort: { _id: 1 } },
        ],
        { promoteValues: false },
      )
      .toArray();
    expect(groups).toEqual([
      {
        _id: null,
        n: new Int32(2),
        total: Long.fromNumber(100),
        mean: new Double(100),
        first: new Int32(4),
        ids: [new Int32(4), new Int32(5)],
        low: Long.fromNumber(100),
      },
      {
        _id: 'L1',
        n: new Int32(2),
        total: new Double(15.5),
        mean: new Double(7.75),
        first: new Int32(1),
        ids: [new Int32(1), new Int32(3)],
        low: new Double(5.5),
      },
      {
        _id: 'L2',
        n: new Int32(1),
        total: new Int32(30),
        mean: new Double(30),
        first: new Int32(2),
        ids: [new Int32(2)],
        low: new Int32(30),
      },
    ]);
  });

  test('windows give each row its own result', async () => {
    const days = await fresh(
      [1, 2, 4, 8].map((_id, index) => ({
        _id,
        at: new Date(Date.UTC(2024, [0, 1, 3, 7][index] as number, [31, 29, 30, 30][index])),
      })) as never,
    );
    const over = async (output: Document, sortBy: Document = { _id: 1 }): Promise<unknown[]> =>
      (await days.aggregate([{ $setWindowFields: { sortBy, output: { v: output } } }, { $sort: { _id: 1 } }]).toArray()).map(({ v }) => v);
    expect(await over({ $push: '$_id', window: { documents: ['unbounded', 'current'] } })).toEqual([[1], [1, 2], [1, 2, 4], [1, 2, 4, 8]]);
    expect(await over({ $addToSet: { $mod: ['$_id', 2] }, window: { documents: ['unbounded', 'current'] } })).toEqual([
      [1],
      expect.arrayContaining([0, 1]),
      expect.arrayContaining([0, 1]),
      expect.arrayContaining([0, 1]),
    ]);
    expect(await over({ $push: '$_id', window: { documents: [-2, -1] } })).toEqual([[], [1], [1, 2], [2, 4]]);
    expect(await over({ $maxN: { n: 2, input: '$_id' }, window: { documents: ['unbounded', 'current'] } })).toEqual([
      [1],
      [2, 1],
      [4, 2],
      [8, 4],
    ]);
    expect(await over({ $lastN: { n: 2, input: '$_id' }, window: { documents: ['unbounded', 'current'] } })).toEqual([
      [1],
      [1, 2],
      [2, 4],
      [4, 8],
    ]);
    expect(await over({ $sum: '$_id', window: { range: [-2, 0] } })).toEqual([1, 3, 6, 8]);
    expect(await over({ $push: '$_id', window: { range: [-1, 0], unit: 'month' } }, { at: 1 })).toEqual([[1], [1, 2], [4], [8]]);
    expect(await over({ $push: '$_id', window: { range: [-1, 'current'], unit: 'quarter' } }, { at: 1 })).toEqual([
      [1],
      [1, 2],
      [1, 2, 4],
      [8],
    ]);
    await expect(over({ $sum: '$_id', window: { range: [-1, 0], unit: 'toString' } }, { at: 1 })).rejects.toMatchObject({ code: 9 });
  });

  test('sums of doubles and decimals include all digits of the doubles', async () => {
    const values = await fresh([{ v: Decimal128.fromString('2') }, { v: new Double(0.1) }, { v: new Int32(1) }] as never);
    expect(await values.aggregate([{ $group: { _id: null, sum: { $sum: '$v' } } }, { $project: { _id: 0 } }]).toArray()).toEqual([
      { sum: Decimal128.fromString('3.100000000000000005551115123125783') },
    ]);
  });

  test('a pattern in a looked-up field matches itself, not strings', async () => {
    const from = await fresh([
      { _id: 1, k: 'abc' },
      { _id: 2, k: /^a/ },
    ] as never);
    const asking = await fresh([
      { _id: 1, l: /^a/ },
      { _id: 2, l: [/^a/, 'abc'] },
    ] as never);
    expect(
      await asking
        .aggregate([
          { $lookup: { from: from.collectionName, localField: 'l', foreignField: 'k', as: 'found' } },
          { $sort: { _id: 1 } },
          { $project: { found: '$found._id' } },
        ])
        .toArray(),
    ).toEqual([
      { _id: 1, found: [2] },
      { _id: 2, found: [1, 2] },
    ]);
  });

  test('stages', async () => {
    const run = (...pipeline: Document[]): Promise<Document[]> => collection.aggregate(pipeline).toArray();
    expect(await run({ $unwind: '$tags' }, { $sort: { _id: 1, tags: 1 } }, { $project: { tags: 1 } })).toEqual([
      { _id: 1, tags: 'a' },
      { _id: 1, tags: 'b' },
      { _id: 2, tags: 'b' },
    ]);
    expect(
      (
        await run(
          { $unwind: { path: '$tags', preserveNullAndEmptyArrays: true, includeArrayIndex: 'i' } },
          { $match: { i: null } },
          { $sort: { _id: 1 } },
        )
      ).map(({ _id }) => _id),
    ).toEqual([3, 4, 5]);
    expect(
      await run({ $bucket: { groupBy: '$minutes', boundaries: [0, 20, 50], default: 'other', output: { ids: { $push: '$_id' } } } }),
    ).toEqual([
      { _id: 0, ids: [1, 3] },
      { _id: 20, ids: [2] },
      { _id: 'other', ids: [4, 5] },
    ]);
    expect(await run({ $sortByCount: '$tier' }, { $limit: 2 }, { $group: { _id: null, n: { $sum: '$count' } } })).toEqual([
      { _id: null, n: 4 },
    ]);
    expect(
      await run(
        { $match: { tier: 'L1' } },
        {
          $lookup: {
            from: collection.collectionName,
            let: { t: '$tier' },
            pipeline: [{ $match: { $expr: { $eq: ['$tier', '$$t'] } } }, { $count: 'n' }],
            as: 'same',
          },
        },
        { $project: { same: 1 } },
        { $sort: { _id: 1 } },
      ),
    ).toEqual([
      { _id: 1, same: [{ n: 2 }] },
      { _id: 3, same: [{ n: 2 }] },
    ]);
    expect(
      await run(
        {
          $setWindowFields: {
            partitionBy: '$tier',
            sortBy: { _id: 1 },
            output: { running: { $sum: '$minutes', window: { documents: ['unbounded', 'current'] } }, rank: { $rank: {} } },
          },
        },
        { $match: { tier: 'L1' } },
        { $project: { running: 1, rank: 1 } },
      ),
    ).toEqual([
      { _id: 1, running: 10, rank: 1 },
      { _id: 3, running: 15.5, rank: 2 },
    ]);
    expect(await run({ $replaceRoot: { newRoot: { id: '$_id' } } }, { $sort: { id: -1 } }, { $skip: 4 })).toEqual([{ id: 1 }]);
    expect(
      await run({ $facet: { n: [{ $count: 'n' }], first: [{ $sort: { _id: 1 } }, { $limit: 1 }, { $project: { _id: 1 } }] } }),
    ).toEqual([{ n: [{ n: 5 }], first: [{ _id: 1 }] }]);
    expect((await run({ $unionWith: { coll: collection.collectionName, pipeline: [{ $match: { _id: 1 } }] } })).length).toBe(6);
    expect((await run({ $sample: { size: 3 } })).length).toBe(3);
  });

  test('writes its result into a collection', async () => {
    const target = `${collection.collectionName}_out`;
    await collection.aggregate([{ $group: { _id: '$tier', n: { $sum: 1 } } }, { $out: target }]).toArray();
    expect(await db.collection(target).countDocuments()).toBe(3);
    await collection
      .aggregate([{ $match: { tier: 'L1' } }, { $group: { _id: '$tier', extra: { $sum: 1 } } }, { $merge: { into: target } }])
      .toArray();
    expect(await db.collection(target).findOne({ _id: 'L1' as never })).toEqual({ _id: 'L1', n: 2, extra: 2 });
  });

  test.each<readonly [Document[], number]>([
    [[{ $nonsense: {} }], 40324],
    [[{ $match: {}, $limit: 1 }], 40323],
    [[{ $group: {} }], 15955],
    [[{ $group: { _id: 1, n: { $nonsense: 1 } } }], 15952],
    [[{ $limit: 0 }], 15958],
    [[{ $project: { a: { $divide: [1, 0] } } }], 2],
    [[{ $project: { a: '$$nope' } }], 17276],
    [[{ $unwind: 'tags' }], 28818],
    [[{ $merge: 'elsewhere' }, { $limit: 1 }], 40601],
  ])('%j is refused with %d', async (pipeline, code) => {
    await expect(collection.aggregate(pipeline).toArray()).rejects.toMatchObject({ code });
  });
});

describe('collections', () => {
  test('are created, listed, renamed over another, and dropped', async () => {
    await db.createCollection('made');
    await expect(db.createCollection('made', { validator: { a: 1 } })).rejects.toMatchObject({ code: 48, codeName: 'NamespaceExists' });
    await db.collection<Document>('live').insertOne({ _id: 'old' as never });
    await db.collection<Document>('beside').insertOne({ _id: 'new' as never });
    await db.collection('beside').createIndex({ k: 1 });
    await expect(db.renameCollection('beside', 'live')).rejects.toMatchObject({ code: 48 });
    await db.renameCollection('beside', 'live', { dropTarget: true });
    expect(await db.collection('live').find().toArray()).toEqual([{ _id: 'new' }]);
    expect((await db.collection('live').indexes()).map(({ name }) => name)).toEqual(['_id_', 'k_1']);
    expect(await db.listCollections({ name: { $in: ['beside', 'live'] } }).toArray()).toMatchObject([{ name: 'live', type: 'collection' }]);
    await expect(db.renameCollection('absent', 'x')).rejects.toMatchObject({ code: 26, codeName: 'NamespaceNotFound' });
    await db.collection('live').dropIndex('k_1');
    await expect(db.collection('live').dropIndex('k_1')).rejects.toMatchObject({ code: 27 });
    await db.dropCollection('live');
    expect(await db.listCollections({ name: 'live' }).toArray()).toEqual([]);
    await expect(db.command({ create: 'bad$name' })).rejects.toMatchObject({ code: 73 });
  });

  test('views read through their pipeline', async () => {
    const base = await fresh([
      { _id: 1, a: 1 },
      { _id: 2, a: 2 },
    ] as never);
    await db.createCollection('seen', { viewOn: base.collectionName, pipeline: [{ $match: { a: { $gt: 1 } } }] });
    expect(await db.collection('seen').find().toArray()).toEqual([{ _id: 2, a: 2 }]);
    expect(await db.collection('seen').countDocuments()).toBe(1);
    await expect(db.collection('seen').insertOne({ a: 1 })).rejects.toMatchObject({ code: 166 });
  });

  test('validators refuse invalid documents', async () => {
    const name = `v${counter++}`;
    await db.createCollection(name, { validator: { $jsonSchema: { required: ['a'], properties: { a: { bsonType: 'string' } } } } });
    await db.collection(name).insertOne({ a: 'x' });
    await expect(db.collection(name).insertOne({ a: 1 })).rejects.toMatchObject({ code: 121 });
    await expect(db.collection(name).updateOne({}, { $set: { a: 1 } })).rejects.toMatchObject({ code: 121 });
    await db.collection(name).insertOne({ a: 1 }, { bypassDocumentValidation: true });
  });

  test('a moderate validator ignores documents that were invalid before', async () => {
    const name = `v${counter++}`;
    const collection = db.collection<Document>(name);
    await collection.insertMany([
      { _id: 1, a: 'good' },
      { _id: 2, a: 5 },
    ] as never);
    await db.command({ collMod: name, validator: { a: { $type: 'string' } }, validationLevel: 'moderate' });
    await collection.updateOne({ _id: 2 as never }, { $set: { b: 1 } });
    await collection.replaceOne({ _id: 2 as never }, { a: 6 });
    await expect(collection.updateOne({ _id: 1 as never }, { $set: { a: 1 } })).rejects.toMatchObject({ code: 121 });
    await expect(collection.insertOne({ a: 1 })).rejects.toMatchObject({ code: 121 });
    await expect(collection.updateOne({ _id: 3 as never }, { $set: { a: 1 } }, { upsert: true })).rejects.toMatchObject({ code: 121 });
    await db.command({ collMod: name, validationLevel: 'strict' });
    await expect(collection.updateOne({ _id: 2 as never }, { $set: { b: 2 } })).rejects.toMatchObject({ code: 121 });
    // Valid now, so it must stay valid.
    await collection.updateOne({ _id: 2 as never }, { $set: { a: 'better' } });
    expect(await collection.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: 1, a: 'good' },
      { _id: 2, a: 'better' },
    ]);
  });

  test('indexes let documents expire, and collMod changes when', async () => {
    const collection = await fresh([{ _id: 1, at: new Date() }] as never);
    const name = collection.collectionName;
    await collection.createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
    await collection.createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
    await collection.createIndex({ plain: 1 });
    await expect(collection.createIndex({ at: 1 }, { expireAfterSeconds: 60 })).rejects.toMatchObject({ code: 85 });
    for (const [key, expireAfterSeconds] of [
      [{ a: 1, b: 1 }, 5],
      [{ a: 1 }, -1],
      [{ a: 1 }, 'soon'],
    ] as const)
      await expect(collection.createIndex(key as never, { expireAfterSeconds: expireAfterSeconds as never })).rejects.toMatchObject({
        code: 67,
      });
    expect(await db.command({ collMod: name, index: { keyPattern: { at: 1 }, expireAfterSeconds: 7200 } })).toMatchObject({
      expireAfterSeconds_old: 3600,
      expireAfterSeconds_new: 7200,
    });
    expect(await db.command({ collMod: name, index: { name: 'plain_1', expireAfterSeconds: 9 } })).toMatchObject({
      expireAfterSeconds_new: 9,
    });
    expect((await collection.indexes()).map(({ name: index, expireAfterSeconds }) => [index, expireAfterSeconds])).toEqual([
      ['_id_', undefined],
      ['at_1', 7200],
      ['plain_1', 9],
    ]);
    await expect(db.command({ collMod: name, index: { name: 'absent_1', expireAfterSeconds: 9 } })).rejects.toMatchObject({ code: 27 });
    await expect(db.command({ collMod: name, index: { expireAfterSeconds: 9 } })).rejects.toMatchObject({ code: 72 });
    await expect(db.command({ collMod: name, index: { name: 'at_1', expireAfterSeconds: -9 } })).rejects.toMatchObject({ code: 72 });
  });

  test('collMod gives a view another pipeline', async () => {
    const base = await fresh([
      { _id: 1, a: 1 },
      { _id: 2, a: 2 },
    ] as never);
    const name = `w${counter++}`;
    await db.createCollection(name, { viewOn: base.collectionName, pipeline: [{ $match: { a: 1 } }] });
    await db.command({ collMod: name, viewOn: base.collectionName, pipeline: [{ $match: { a: 2 } }] });
    expect(await db.collection(name).find().toArray()).toEqual([{ _id: 2, a: 2 }]);
    await db.command({ collMod: name, pipeline: [{ $match: { a: 1 } }, null] });
    expect(await db.collection(name).find().toArray()).toEqual([{ _id: 1, a: 1 }]);
    await db.command({ collMod: name, viewOn: 'absent' });
    expect(await db.collection(name).find().toArray()).toEqual([]);
    await expect(db.command({ collMod: name, validator: { a: 1 } })).rejects.toMatchObject({ code: 72 });
    await expect(db.command({ collMod: 'absent', validator: { a: 1 } })).rejects.toMatchObject({ code: 26 });
  });

  test('statistics', async () => {
    const collection = await fresh([{ a: 1 }, { a: 2 }]);
    expect(await collection.estimatedDocumentCount()).toBe(2);
    expect(await db.command({ collStats: collection.collectionName })).toMatchObject({ count: 2, nindexes: 1, ok: 1 });
    expect(await db.command({ dbStats: 1 })).toMatchObject({ db: db.databaseName, ok: 1 });
    const { databases } = await client.db().admin().listDatabases();
    expect(databases.map(({ name }) => name)).toContain(db.databaseName);
  });
});

describe('what tools and other drivers request first', () => {
  test('is answered', async () => {
    const collection = await fresh([{ a: 1 }, { a: 2 }]);
    const admin = client.db('admin');
    expect(await admin.command({ buildInfo: 1 })).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      versionArray: expect.any(Array),
      ok: 1,
    });
    expect(await admin.command({ getParameter: 1, featureCompatibilityVersion: 1 })).toMatchObject({
      featureCompatibilityVersion: { version: expect.stringMatching(/^\d+\.\d+$/) },
    });
    expect(await admin.command({ getParameter: '*' })).toMatchObject({
      cursorTimeoutMillis: expect.anything(),
      ttlMonitorEnabled: true,
      authenticationMechanisms: expect.any(Array),
    });
    expect(await admin.command({ whatsmyuri: 1 })).toMatchObject({ you: expect.stringMatching(/.:[1-9]\d*$/) });
    expect(await admin.command({ getLog: 'startupWarnings' })).toMatchObject({ log: expect.any(Array) });
    expect((await admin.command({ getLog: '*' }))['names']).toEqual(expect.arrayContaining(['global', 'startupWarnings']));
    expect(await admin.command({ getCmdLineOpts: 1 })).toMatchObject({ argv: expect.any(Array), parsed: expect.any(Object) });
    expect(await admin.command({ hostInfo: 1 })).toMatchObject({
      system: { hostname: expect.any(String), memLimitMB: expect.anything(), numCoresAvailableToProcess: expect.any(Number) },
      os: { type: expect.any(String), name: expect.any(String), version: expect.any(String) },
      extra: { versionString: expect.any(String) },
    });
    expect(await admin.command({ connectionStatus: 1, showPrivileges: false })).toMatchObject({
      authInfo: { authenticatedUsers: expect.any(Array) },
    });
    expect(await admin.command({ serverStatus: 1, repl: 0, metrics: 0 })).toMatchObject({
      version: expect.any(String),
      connections: expect.any(Object),
    });
    expect((await admin.command({ listCommands: 1 }))['commands']).toMatchObject({
      find: { help: expect.any(String), adminOnly: false, secondaryOk: true, apiVersions: ['1'], deprecatedApiVersions: [] },
      top: { adminOnly: true, apiVersions: [] },
    });
    const { databases } = (await admin.command({ listDatabases: 1, nameOnly: true, filter: { name: db.databaseName } })) as {
      databases: Document[];
    };
    expect(databases).toEqual([{ name: db.databaseName }]);
    const [stats] = await collection
      .aggregate([{ $collStats: { storageStats: { scale: 1 }, count: {} } }, { $project: { 'storageStats.count': 1, count: 1, ns: 1 } }])
      .toArray();
    expect(stats).toMatchObject({ ns: collection.namespace, count: 2, storageStats: { count: 2 } });
    expect(await db.command({ validate: collection.collectionName })).toMatchObject({
      valid: true,
      nrecords: 2,
      keysPerIndex: { _id_: 2 },
      errors: [],
    });
  });

  test.each<readonly [Document, number, string]>([
    [{ atlasVersion: 1 }, 59, 'CommandNotFound'],
    [{ isdbgrid: 1 }, 59, 'CommandNotFound'],
    [{ getLog: 'nonsense' }, 96, 'OperationFailed'],
    [{ getLog: 1 }, 14, 'TypeMismatch'],
    [{ getParameter: 1, nonsense: 1 }, 72, 'InvalidOptions'],
    [{ getParameter: { nonsense: 1 } }, 40415, 'Location40415'],
    [{ getParameter: { allParameters: 'yes' } }, 14, 'TypeMismatch'],
    [{ killOp: 1 }, 4, 'NoSuchKey'],
    [{ killOp: 1, op: '1' }, 14, 'TypeMismatch'],
    [{ killOp: 1, op: 1.5 }, 2, 'BadValue'],
    [{ killOp: 1, op: 2 ** 32 }, 26823, 'Location26823'],
    [{ saslContinue: 1 }, 40414, 'Location40414'],
    [{ validate: 'absent' }, 26, 'NamespaceNotFound'],
  ])('%j is refused with %d', async (command, code, codeName) => {
    await expect(client.db('admin').command(command)).rejects.toMatchObject({ code, codeName });
  });

  test.each<readonly [Document, number]>([
    [{ create: 'made', validator: { a: { $near: [0, 0] } } }, 5626500],
    [{ create: 'made', validator: { $or: [{ $text: { $search: 'a' } }] } }, 2],
    [{ create: 'made', validator: { a: { $regex: 'a'.repeat(16_385) } } }, 51091],
    [{ create: 'made', validationLevel: 1 }, 14],
    [{ create: 'made', validationAction: 'Warn' }, 2],
    [{ create: 'made', viewOn: '' }, 2],
    [{ create: 'made', viewOn: 'a', validator: {} }, 72],
    [{ dropDatabase: 2 }, 5255100],
    [{ getMore: Long.fromNumber(1), collection: '' }, 73],
    [{ distinct: new Binary(Buffer.alloc(16), 4), key: 'a' }, 26],
    [{ find: 'a', batchSize: Decimal128.fromString('-1') }, 51024],
    [{ insert: 'a', documents: [{}], writeConcern: { provenance: 'me' } }, 2],
    [{ insert: 'a', documents: [{}], writeConcern: { j: true, fsync: 1 } }, 9],
    [{ aggregate: 'a', pipeline: [], cursor: {}, bypassDocumentValidation: 'a' }, 14],
    [{ aggregate: 'a', pipeline: [], cursor: {}, readConcern: { level: 1 } }, 14],
  ])('%j is refused with %d', async (command, code) => {
    await expect(db.command(command)).rejects.toMatchObject({ code });
  });

  test.each<readonly [unknown, number]>([
    [Decimal128.fromString('1.5'), 2],
    [Decimal128.fromString('0.5'), 0],
    [1.9, 1],
    [-0.9, 0],
    [Number.NaN, 0],
  ])('a batch size of %j is one of %d', async (batchSize, size) => {
    const { collectionName } = await fresh([{}, {}, {}]);
    expect((await db.command({ find: collectionName, batchSize }))['cursor'].firstBatch).toHaveLength(size);
  });

  test('$collStats comes first, and needs a collection', async () => {
    const collection = await fresh([{ a: 1 }]);
    await expect(collection.aggregate([{ $match: {} }, { $collStats: { count: {} } }]).toArray()).rejects.toMatchObject({ code: 40602 });
    await expect(
      db
        .collection('absent')
        .aggregate([{ $collStats: { count: {} } }])
        .toArray(),
    ).rejects.toMatchObject({ code: 26 });
  });

  test.each<Document>([
    { hello: 1 },
    { isMaster: 1 },
    { ismaster: 1, helloOk: true },
    { hello: 1, client: { driver: { name: 'other', version: '1' }, os: { type: 'x' } }, compression: ['snappy', 'zlib', 'zstd'] },
    { hello: 1.0, compression: [], loadBalanced: false, $readPreference: { mode: 'primaryPreferred' } },
    { isMaster: true, comment: 'x', apiVersion: '1' },
  ])('the handshake %j', async (command) => {
    const reply = await db.command(command);
    expect(reply).toMatchObject({
      maxBsonObjectSize: 16777216,
      maxMessageSizeBytes: 48000000,
      maxWriteBatchSize: 100000,
      readOnly: false,
      minWireVersion: 0,
      ok: 1,
    });
    expect(reply['maxWireVersion']).toBeGreaterThanOrEqual(9);
    expect(reply[Object.keys(command)[0] === 'hello' ? 'isWritablePrimary' : 'ismaster']).toBe(true);
  });

  test('sessions are supported; transactions and change streams need a replica set', async () => {
    const collection = await fresh([{ _id: 1 }] as never);
    const alone = !(await db.command({ hello: 1 }))['setName'];
    await client.withSession(async (session) => {
      await collection.insertOne({ _id: 2 as never }, { session });
      const cursor = collection.find({}, { session, batchSize: 1 });
      expect(await cursor.toArray()).toHaveLength(2);
    });
    if (!alone) return;
    const session = client.startSession();
    session.startTransaction();
    // The driver has its own text for 20 IllegalOperation.
    await expect(collection.insertOne({ _id: 3 as never }, { session })).rejects.toThrow(/Transaction numbers|retryable writes/);
    await session.endSession();
    expect(await collection.countDocuments()).toBe(2);
    for (const stream of [collection.watch(), db.watch(), client.watch([], { fullDocument: 'updateLookup' })]) {
      await expect(stream.next()).rejects.toMatchObject({ code: 40573 });
      await stream.close();
    }
    await expect(client.db('admin').command({ replSetGetStatus: 1 })).rejects.toMatchObject({ code: 76, codeName: 'NoReplicationEnabled' });
  });
});

describe('refusals', () => {
  test.each<readonly [Document, number, string]>([
    [{ nonsense: 1 }, 59, 'CommandNotFound'],
    [{ find: 'x', nonsense: 1 }, 40415, 'Location40415'],
    [{ find: 1 }, 73, 'InvalidNamespace'],
    [{ find: 'x', filter: 1 }, 14, 'TypeMismatch'],
    [{ find: 'x', skip: -1 }, 51024, 'Location51024'],
    [{ insert: 'x' }, 40414, 'Location40414'],
    [{ insert: 'x', documents: [] }, 16, 'InvalidLength'],
    [{ find: 'x', hint: 'absent_1' }, 2, 'BadValue'],
    [{ update: 'x', updates: [{ q: {}, u: { a: 1 }, nonsense: 1 }] }, 40415, 'Location40415'],
    [{ getMore: Long.fromNumber(5), collection: 'x' }, 43, 'CursorNotFound'],
    [{ find: 'x', readConcern: { level: 'nonsense' } }, 2, 'BadValue'],
  ])('%j is refused with %d', async (command, code, codeName) => {
    await db.collection('x').updateOne({ _id: 1 as never }, { $set: { a: 1 } }, { upsert: true });
    await expect(db.command(command)).rejects.toMatchObject({ code, codeName });
  });

  test('malformed statements refuse the command before anything is written', async () => {
    const collection = (await fresh([{ _id: 1 }] as never)).collectionName;
    for (const [command, code] of [
      [{ update: collection, updates: [{ q: {}, u: { $set: { a: 1 } } }, { q: {} }] }, 40414],
      [{ delete: collection, deletes: [{ q: {}, limit: 1 }, { q: {} }] }, 40414],
      [
        {
          delete: collection,
          deletes: [
            { q: {}, limit: 1 },
            { q: {}, limit: 5 },
          ],
        },
        9,
      ],
    ] as const)
      await expect(db.command(command)).rejects.toMatchObject({ code });
    expect(await db.collection(collection).find().toArray()).toEqual([{ _id: 1 }]);
  });

  test('documents and fields that cannot be stored', async () => {
    const collection = await fresh();
    await expect(collection.insertOne({ _id: [1] as never })).rejects.toMatchObject({ code: 53 });
    const big = 'x'.repeat(9 * 1024 * 1024);
    await collection.insertOne({ _id: 1 as never, big });
    await expect(collection.updateOne({ _id: 1 as never }, { $set: { more: big } })).rejects.toMatchObject({ code: 10334 });
    await expect(collection.aggregate([{ $project: { a: ['$big', '$big'] } }]).toArray()).rejects.toMatchObject({ code: 10334 });
  });

  test('time limits end long work', async () => {
    const collection = await fresh(Array.from({ length: 3000 }, (_, index) => ({ _id: index }) as never));
    const slow = {
      $lookup: {
        from: collection.collectionName,
        pipeline: [{ $match: { $expr: { $gt: [{ $add: ['$_id', 1] }, -1] } } }, { $count: 'n' }],
        as: 'n',
      },
    };
    await expect(collection.aggregate([slow, slow], { maxTimeMS: 50 }).toArray()).rejects.toMatchObject({
      code: 50,
      codeName: 'MaxTimeMSExpired',
    });
    const scan = { $expr: { $lt: [{ $size: { $range: [0, 2000] } }, 1] } };
    await expect(
      db.command({ update: collection.collectionName, updates: [{ q: scan, u: { $set: { a: 1 } }, multi: true }], maxTimeMS: 5 }),
    ).rejects.toMatchObject({ code: 50 });
  });
});
