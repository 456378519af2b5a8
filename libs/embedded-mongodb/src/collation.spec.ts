import fc from 'fast-check';
import type { Collection, CollationOptions, Document } from 'mongodb';
import { contract } from './testing/contract.js';
import { runs } from '../../../test/runs.js';

/** Strings under a collation, as on a server of version 8. */

const server = contract();

const anyCase: CollationOptions = { locale: 'en', strength: 2 };
const letters: CollationOptions = { locale: 'en', strength: 1 };
const words = ['apple', 'Apple', 'äpple', 'banana', 'zebra', 'Éclair', 'eclair', 'item 10', 'item 2'];
const documents = (): Document[] => words.map((word, index) => ({ _id: index, word }));

const texts = async (found: { toArray(): Promise<Document[]> }): Promise<unknown[]> =>
  (await found.toArray()).map(({ word }) => word as unknown);
const code = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'accepted',
    (error: unknown) => (error as { code?: number }).code,
  );
const planOf = async (cursor: { explain(): Promise<Document> }): Promise<string> =>
  JSON.stringify((await cursor.explain())['queryPlanner']);

test.each<readonly [string, CollationOptions, Document, readonly string[]]>([
  ['case', anyCase, { word: 'apple' }, ['apple', 'Apple']],
  ['case and marks', letters, { word: 'APPLE' }, ['apple', 'Apple', 'äpple']],
  ['case without marks', { ...letters, caseLevel: true }, { word: 'apple' }, ['apple', 'äpple']],
  ['a list', anyCase, { word: { $in: ['BANANA', 'Zebra', 7] } }, ['banana', 'zebra']],
  ['what is not', letters, { word: { $nin: ['APPLE', 'eclair', 'banana', 'ITEM 10', 'item 2'] } }, ['zebra']],
  ['a range', anyCase, { word: { $gt: 'Banana', $lt: 'F' } }, ['Éclair', 'eclair']],
  ['numbers within', { locale: 'en', numericOrdering: true }, { word: { $gte: 'item 2', $lt: 'item 3' } }, ['item 2']],
  ['an expression', letters, { $expr: { $eq: ['$word', 'ECLAIR'] } }, ['Éclair', 'eclair']],
  ['a pattern knows no collation', letters, { word: /^app/ }, ['apple']],
])('a query under %s', async (_, collation, filter, expected) => {
  const collection = await server.fresh(documents());
  expect(await texts(collection.find(filter, { collation }))).toEqual(expected);
  expect(await collection.countDocuments(filter, { collation })).toBe(expected.length);
  expect((await collection.distinct('_id', filter, { collation })).length).toBe(expected.length);
  await collection.createIndex({ word: 1 }, { collation });
  expect((await texts(collection.find(filter, { collation }))).sort()).toEqual([...expected].sort());
});

test.each<readonly [string, CollationOptions, readonly string[]]>([
  ['of a dictionary', { locale: 'en' }, ['apple', 'Apple', 'äpple', 'banana', 'eclair', 'Éclair', 'item 10', 'item 2', 'zebra']],
  [
    'with capitals first',
    { locale: 'en', caseFirst: 'upper' },
    ['Apple', 'apple', 'äpple', 'banana', 'eclair', 'Éclair', 'item 10', 'item 2', 'zebra'],
  ],
  ['of Swedish', { locale: 'sv' }, ['apple', 'Apple', 'banana', 'eclair', 'Éclair', 'item 10', 'item 2', 'zebra', 'äpple']],
  [
    'of numbers',
    { locale: 'en', numericOrdering: true },
    ['apple', 'Apple', 'äpple', 'banana', 'eclair', 'Éclair', 'item 2', 'item 10', 'zebra'],
  ],
  [
    'of case before all that is finer',
    { locale: 'en', caseLevel: true },
    ['apple', 'Apple', 'äpple', 'banana', 'eclair', 'Éclair', 'item 10', 'item 2', 'zebra'],
  ],
  [
    'of case and marks, capitals first',
    { locale: 'en', strength: 2, caseLevel: true, caseFirst: 'upper' },
    ['Apple', 'apple', 'äpple', 'banana', 'eclair', 'Éclair', 'item 10', 'item 2', 'zebra'],
  ],
])('a sort in the order %s', async (_, collation, expected) => {
  const collection = await server.fresh(documents());
  const sorted = (): Promise<unknown[]> => texts(collection.find({}, { collation, sort: { word: 1 } }));
  expect(await sorted()).toEqual(expected);
  await collection.createIndex({ word: -1 }, { collation });
  expect(await sorted()).toEqual(expected);
  expect(await planOf(collection.find({}, { collation, sort: { word: 1 } }))).not.toContain('SORT');
  expect(await planOf(collection.find({}, { sort: { word: 1 } }))).toContain('SORT');
});

test.each<readonly [CollationOptions, readonly string[]]>([
  [{ locale: 'en' }, ['cote', 'coté', 'côte', 'côté']],
  [{ locale: 'en', backwards: true }, ['cote', 'côte', 'coté', 'côté']],
  [{ locale: 'fr_CA', strength: 2 }, ['cote', 'côte', 'coté', 'côté']],
  [{ locale: 'fr_CA', backwards: false }, ['cote', 'coté', 'côte', 'côté']],
])('accents under %j', async (collation, expected) => {
  const collection = await server.fresh(['coté', 'côte', 'côté', 'cote'].map((word, _id) => ({ _id, word })));
  expect(await texts(collection.find({}, { collation, sort: { word: 1 } }))).toEqual(expected);
});

test('an index serves queries under its own collation, and others for values that are not strings', async () => {
  const collection = await server.fresh([...documents(), { _id: 'n', word: 7 }]);
  await collection.createIndex({ word: 1 }, { name: 'words', collation: anyCase });
  const plan = (filter: Document, collation?: CollationOptions): Promise<string> =>
    planOf(collection.find(filter, collation ? { collation } : {}));
  expect(await plan({ word: 'apple' }, anyCase)).toContain('IXSCAN');
  expect(await plan({ word: 7 })).toContain('IXSCAN');
  for (const other of [
    plan({ word: 'apple' }),
    plan({ word: 'apple' }, letters),
    plan({ word: { $in: ['a', 7] } }),
    plan({ word: /^apple/ }, anyCase),
  ])
    expect(await other).toContain('COLLSCAN');
  expect(await texts(collection.find({ word: 'Apple' }, { hint: 'words' }))).toEqual(['Apple']);
});

test('pipelines group, compare and join under the collation', async () => {
  const collection = await server.fresh(documents());
  const other = await server.fresh([{ _id: 1, name: 'APPLE' }]);
  const run = (pipeline: Document[]): Promise<Document[]> => collection.aggregate(pipeline, { collation: letters }).toArray();
  expect(await run([{ $group: { _id: '$word', n: { $sum: 1 } } }, { $match: { n: { $gt: 1 } } }, { $sort: { _id: 1 } }])).toEqual([
    { _id: 'apple', n: 3 },
    { _id: 'Éclair', n: 2 },
  ]);
  expect(await run([{ $group: { _id: { a: ['$word'] }, n: { $sum: 1 } } }, { $match: { n: 3 } }])).toEqual([
    { _id: { a: ['apple'] }, n: 3 },
  ]);
  expect(
    await run([
      { $group: { _id: null, all: { $addToSet: '$word' }, max: { $max: '$word' } } },
      { $project: { n: { $size: '$all' }, max: 1, _id: 0 } },
    ]),
  ).toEqual([{ n: 6, max: 'zebra' }]);
  expect(
    await run([
      { $match: { _id: 0 } },
      { $lookup: { from: other.collectionName, localField: 'word', foreignField: 'name', as: 'found' } },
      {
        $project: {
          _id: 0,
          n: { $size: '$found' },
          same: { $cmp: ['$word', 'ÄPPLE'] },
          set: { $setUnion: [['a', 'A'], ['b']] },
          in: { $in: ['ECLAIR', ['éclair']] },
        },
      },
    ]),
  ).toEqual([{ n: 1, same: 0, set: ['a', 'b'], in: true }]);
});

test('updates and deletes find and compare under the collation', async () => {
  const collection = await server.fresh(documents());
  expect((await collection.updateMany({ word: 'APPLE' }, { $set: { tags: ['x', 'Y'] } }, { collation: letters })).matchedCount).toBe(3);
  await collection.updateOne({ _id: 0 } as Document, { $addToSet: { tags: 'y' }, $max: { word: 'APPLE' } }, { collation: anyCase });
  await collection.updateOne({ _id: 1 } as Document, { $pull: { tags: 'X' } as never }, { collation: anyCase });
  await collection.updateOne({ _id: 2 } as Document, { $push: { tags: { $each: ['a'], $sort: 1 } } as never }, { collation: anyCase });
  expect(await collection.find({ tags: { $exists: true } }, { projection: { _id: 0 } }).toArray()).toEqual([
    { word: 'apple', tags: ['x', 'Y'] },
    { word: 'Apple', tags: ['Y'] },
    { word: 'äpple', tags: ['a', 'x', 'Y'] },
  ]);
  expect(
    (await collection.findOneAndUpdate({ word: 'ZEBRA' }, { $set: { n: 1 } }, { collation: anyCase, returnDocument: 'after' }))?.['n'],
  ).toBe(1);
  expect((await collection.deleteMany({ word: 'apple' }, { collation: anyCase })).deletedCount).toBe(2);
});

describe('a collection with a collation', () => {
  const collated = async (): Promise<Collection<Document>> => {
    const { collectionName } = await server.fresh();
    return server.db.createCollection(`${collectionName}_collated`, { collation: anyCase });
  };

  test('uses it if a command names none, also in its indexes and its validator', async () => {
    const collection = await collated();
    await collection.insertMany(documents().filter(({ word }) => word !== 'Apple'));
    await collection.createIndex({ word: 1 }, { unique: true });
    expect(await texts(collection.find({ word: 'APPLE' }))).toEqual(['apple']);
    expect(await texts(collection.find({ word: 'APPLE' }, { collation: { locale: 'simple' } }))).toEqual([]);
    expect(await planOf(collection.find({ word: 'APPLE' }))).toContain('IXSCAN');
    expect(await code(collection.insertOne({ word: 'ZEBRA' }))).toBe(11000);
    await collection.createIndex({ word: -1 }, { name: 'bytes', collation: { locale: 'simple' } });
    expect(
      (await collection.listIndexes().toArray()).map(({ name, collation }) => [name, (collation as Document | undefined)?.['strength']]),
    ).toEqual([
      ['_id_', 2],
      ['word_1', 2],
      ['bytes', undefined],
    ]);
    await server.db.command({ collMod: collection.collectionName, validator: { word: { $in: ['NEW'] } } });
    expect(await code(collection.insertOne({ word: 'new' }))).toBe('accepted');
    expect(await code(collection.insertOne({ word: 'newer' }))).toBe(121);
    const [listed] = await server.db.listCollections({ name: collection.collectionName }).toArray();
    expect((listed as { options?: Document }).options?.['collation']).toMatchObject({
      locale: 'en',
      strength: 2,
      caseFirst: 'off',
      alternate: 'non-ignorable',
    });
    expect(await server.db.command({ validate: collection.collectionName })).toMatchObject({ valid: true, nIndexes: 3 });
  });

  test('compares _ids under it', async () => {
    const collection = await collated();
    await collection.insertOne({ _id: 'key' } as Document);
    expect(await code(collection.insertOne({ _id: 'KEY' } as Document))).toBe(11000);
    expect(await collection.findOne({ _id: 'Key' } as Document)).toEqual({ _id: 'key' });
    expect(await planOf(collection.find({ _id: 'Key' } as Document))).toContain('IXSCAN');
    await collection.dropIndexes();
    expect(await code(collection.insertOne({ _id: 'Key' } as Document))).toBe(11000);
  });
});

test('a view has the collation with which it was created', async () => {
  const { collectionName } = await server.fresh(documents());
  const view = await server.db.createCollection(`${collectionName}_view`, { viewOn: collectionName, pipeline: [], collation: anyCase });
  expect(await texts(view.find({ word: 'APPLE' }))).toEqual(['apple', 'Apple']);
  expect(await texts(view.find({ word: 'APPLE' }, { collation: anyCase }))).toEqual(['apple', 'Apple']);
  expect(await code(view.find({}, { collation: letters }).toArray())).toBe(167);
  expect(
    await code(
      server.db
        .collection(collectionName)
        .aggregate([{ $unionWith: view.collectionName }])
        .toArray(),
    ),
  ).toBe(167);
});

test.each<readonly [Document, number | string]>([
  [{ strength: 2 }, 40414],
  [{ locale: null }, 40414],
  [{ locale: 1 }, 14],
  [{ locale: 'en-US' }, 2],
  [{ locale: 'fr_FR' }, 2],
  [{ locale: 'zh@collation=pinyin' }, 2],
  [{ locale: 'en', strength: 0.9 }, 2],
  [{ locale: 'en', strength: true }, 14],
  [{ locale: 'en', caseLevel: 1 }, 14],
  [{ locale: 'en', caseFirst: 'Upper' }, 2],
  [{ locale: 'en', alternate: 'x' }, 2],
  [{ locale: 'en', backwards: null }, 14],
  [{ locale: 'en', Strength: 1 }, 40415],
  [{ locale: 'simple', strength: 1 }, 2],
  [{ locale: 'en', version: '60' }, 161],
  [{ locale: 'sv', backwards: true }, 238],
  [{ locale: 'en', strength: 1, backwards: true }, 2],
  [{ locale: 'en', strength: 4, alternate: 'shifted' }, 238],
  [{ locale: 'fr_CA', backwards: true, version: '57.1' }, 'accepted'],
  [{ locale: 'de@collation=phonebook', strength: 5, normalization: true }, 'accepted'],
  [{}, 'accepted'],
])('the collation %j is answered by %s', async (collation, expected) => {
  const { collectionName } = await server.fresh();
  expect(await code(server.db.command({ find: collectionName, collation }))).toBe(expected);
});

test('random strings: an index with a collation finds and sorts like a scan', async () => {
  const word = fc.stringMatching(/^[aAäbB1-]{0,4}$/);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<CollationOptions>(anyCase, letters, { locale: 'de', numericOrdering: true }, { locale: 'en', alternate: 'shifted' }),
      fc.array(fc.record({ a: fc.oneof(word, fc.integer({ min: 0, max: 2 }), fc.array(word, { maxLength: 2 })), b: word }), {
        maxLength: 20,
      }),
      fc.array(fc.nat(19), { maxLength: 6 }),
      word,
      async (collation, rows, gone, wanted) => {
        const collection = await server.fresh();
        await collection.createIndex({ a: 1, b: -1 }, { name: 'ab', collation });
        if (rows.length) await collection.insertMany(rows.map((row, _id) => ({ _id, ...row }) as Document));
        await collection.deleteMany({ _id: { $in: gone } } as Document);
        for (const filter of [
          { a: wanted },
          { a: { $gt: wanted } },
          { a: { $lte: wanted }, b: { $ne: wanted } },
          { a: { $in: [wanted, 1] }, b: wanted },
        ]) {
          const ids = async (hint: Document | string): Promise<unknown[]> =>
            (await collection.find(filter, { collation, hint, sort: { a: 1, b: -1, _id: 1 } }).toArray()).map(({ _id }) => _id as unknown);
          expect(await ids('ab')).toEqual(await ids({ $natural: 1 }));
        }
        await collection.drop();
      },
    ),
    { numRuns: runs(25) },
  );
});
