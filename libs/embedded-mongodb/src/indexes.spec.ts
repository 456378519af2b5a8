import fc from 'fast-check';
import { BSONRegExp, Double, Long, MongoClient, type Db, type Document } from 'mongodb';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';
import { runs } from '../../../test/runs.js';

let node: EmbeddedMongoDB;
let client: MongoClient;
let db: Db;
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-indexes-'));

beforeAll(async () => {
  node = await startEmbeddedMongoDB({ directory, port: 0 });
  client = await MongoClient.connect(node.url);
  db = client.db('indexes');
});
afterAll(async () => {
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

const scalar = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom<unknown>(
    '',
    'a',
    'b',
    'ab',
    'A',
    'a.b',
    'x\na',
    'ab\n',
    'a\0b',
    null,
    true,
    false,
    new Date(0),
    new Date(5),
    new Double(1.5),
    new Double(1),
    new Double(NaN),
    new Double(-Infinity),
    Long.fromString('9007199254740993'),
    '😀',
    '\uffff',
  ),
);
const pattern = fc
  .constantFrom<[string, string?]>(
    ['^a'],
    ['^ab'],
    ['^a.*'],
    ['^ab*'],
    ['^ab?$'],
    ['^a{0}b'],
    ['^a|b'],
    ['^a\\.b'],
    ['^\\Qa.\\Eb'],
    ['\\Aa'],
    ['^a', 'i'],
    ['^a', 'm'],
    ['^a b', 'x'],
    ['^(a|b)'],
    ['^b+'],
    ['^😀'],
    ['^'],
    ['b$'],
  )
  .map(([source, options = '']) => new BSONRegExp(source, options));
const value = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  { weight: 1, arbitrary: fc.record({ x: scalar, y: scalar }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: fc.array(fc.record({ x: scalar, y: scalar }, { requiredKeys: [] }), { maxLength: 2 }) },
);
const stored = fc.oneof({ weight: 8, arbitrary: value }, { weight: 1, arbitrary: fc.constant(new BSONRegExp('^a', '')) });
const document = fc.record({ a: stored, b: stored, c: stored }, { requiredKeys: [] });
const path = fc.constantFrom('a', 'b', 'c', 'a.x', 'a.y', 'b.x');
const condition = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, value).map(([key, operand]) => ({ [key]: operand })) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(path, fc.constantFrom('$gt', '$gte', '$lt', '$lte'), scalar)
      .map(([key, name, operand]) => ({ [key]: { [name]: operand } })),
  },
  { weight: 2, arbitrary: fc.tuple(path, scalar, scalar).map(([key, low, high]) => ({ [key]: { $gte: low, $lt: high } })) },
  { weight: 2, arbitrary: fc.tuple(path, fc.array(scalar, { maxLength: 3 })).map(([key, operands]) => ({ [key]: { $in: operands } })) },
  { weight: 2, arbitrary: fc.tuple(path, pattern).map(([key, regex]) => ({ [key]: regex })) },
  { weight: 1, arbitrary: fc.tuple(path, pattern, scalar).map(([key, regex, operand]) => ({ [key]: { $in: [regex, operand] } })) },
  { weight: 1, arbitrary: fc.tuple(path, scalar).map(([key, operand]) => ({ [key]: { $ne: operand } })) },
  { weight: 1, arbitrary: fc.tuple(path, fc.boolean()).map(([key, exists]) => ({ [key]: { $exists: exists } })) },
);
const conjunction = fc.array(condition, { minLength: 1, maxLength: 3 }).map((parts) => ({ $and: parts }) as Document);
const filter = fc.oneof(
  conjunction,
  fc
    .tuple(conjunction, fc.array(conjunction, { minLength: 1, maxLength: 3 }))
    .map(([all, any]) => ({ $and: [all, { $or: any }] }) as Document),
);
const keys = fc
  .uniqueArray(path, { minLength: 1, maxLength: 3 })
  .chain((paths) => fc.tuple(...paths.map((name) => fc.constantFrom<1 | -1>(1, -1).map((direction) => [name, direction] as const))))
  .map((pairs) => Object.fromEntries(pairs));
/** With the sort fields of the queries below at the end. */
const indexKeys = fc.tuple(keys, fc.boolean()).map(([key, whole]) => (whole ? { ...key, _id: 1 } : key) as Record<string, 1 | -1>);

test('a query by an index finds what a full scan finds, in sort order', async () => {
  const collection = db.collection<Document>('property');
  let used = 0;
  let mergedBy = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(document, { minLength: 5, maxLength: 25 }),
      fc.array(indexKeys, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(filter, fc.option(keys)), { minLength: 3, maxLength: 6 }),
      fc.array(scalar, { minLength: 2, maxLength: 4 }),
      async (documents, indexes, asked, operands) => {
        await collection.drop();
        // Indexes on parallel arrays refuse a document; the rest is what is searched.
        for (const key of indexes) await collection.createIndex(key);
        await collection
          .insertMany(
            documents.map((each, index) => ({ ...each, _id: index as never })),
            { ordered: false },
          )
          .catch((error: { code?: number }) => {
            if (error.code !== 171) throw error;
          });
        // Several values of an index's first field, in the order of the others.
        const several = indexes.map((key) => {
          const [[first, direction] = ['a', 1], ...rest] = Object.entries(key);
          const sort = rest.filter(([name]) => name !== '_id').map(([name, its]) => [name, its * direction]);
          return [{ [first]: { $in: operands } } as Document, Object.fromEntries(sort) as Record<string, 1 | -1>] as const;
        });
        const within = asked.flatMap(([query]) => several.map(([values, sort]) => [{ $and: [values, query] } as Document, sort] as const));
        for (const [query, sort] of [...asked, ...several, ...within]) {
          const run = async (hint?: Document | string): Promise<{ ids: unknown[]; error: unknown }> => {
            try {
              const cursor = collection.find(query, { projection: { _id: 1 } });
              if (hint) cursor.hint(hint);
              if (sort) cursor.sort({ ...sort, _id: 1 });
              const ids = (await cursor.toArray()).map(({ _id }) => _id);
              return { ids: sort ? ids : ids.sort((a, b) => Number(a) - Number(b)), error: undefined };
            } catch (error) {
              return { ids: [], error: (error as { code?: number }).code };
            }
          };
          const expected = await run({ $natural: 1 });
          expect(await run()).toEqual(expected);
          for (const key of indexes) expect(await run(key)).toEqual(expected);
          if (!expected.error) expect(await collection.countDocuments(query)).toBe(expected.ids.length);
          const { queryPlanner } = await collection
            .find(query)
            .sort({ ...sort, _id: 1 })
            .explain('queryPlanner');
          const plan = JSON.stringify(queryPlanner.winningPlan);
          if (plan.includes('FETCH')) used++;
          if (plan.includes('SORT_MERGE')) mergedBy++;
        }
      },
    ),
    { numRuns: runs(60) },
  );
  expect(used).toBeGreaterThan(runs(20));
  expect(mergedBy).toBeGreaterThan(runs(20));
});

test('an indexed page of a queue reads only that page', async () => {
  const queue = db.collection<{ _id: string; tier: string; priority: number; since: Date; state: string }>('queue');
  await queue.createIndex({ tier: 1, priority: -1, since: 1, _id: 1 });
  const total = 5000;
  await queue.insertMany(
    Array.from({ length: total }, (_, index) => ({
      _id: `t${String(index).padStart(6, '0')}`,
      tier: `L${index % 4}`,
      priority: index % 5,
      since: new Date(index * 1000),
      state: 'waiting',
    })),
  );
  const sort = { priority: -1, since: 1, _id: 1 } as const;
  const seen: string[] = [];
  let last: { priority: number; since: Date; _id: string } | undefined;
  for (;;) {
    const after = last && {
      $or: [
        { priority: { $lt: last.priority } },
        { priority: last.priority, since: { $gt: last.since } },
        { priority: last.priority, since: last.since, _id: { $gt: last._id } },
      ],
    };
    const query = { tier: 'L2', ...after };
    const page = await queue.find(query).sort(sort).limit(50).toArray();
    if (seen.length < 200) {
      const plan = (await queue.find(query).sort(sort).limit(50).explain('executionStats')) as Document;
      expect(plan['queryPlanner'].winningPlan.stage).toBe('FETCH');
      expect(plan['executionStats'].totalKeysExamined).toBeLessThanOrEqual(51);
      expect(plan['executionStats'].totalDocsExamined).toBeLessThanOrEqual(51);
    }
    if (!page.length) break;
    seen.push(...page.map(({ _id }) => _id));
    last = page.at(-1);
  }
  const all = await queue.find({ tier: 'L2' }).hint({ $natural: 1 }).toArray();
  expect(seen).toEqual(
    all.sort((a, b) => b.priority - a.priority || a.since.getTime() - b.since.getTime() || (a._id < b._id ? -1 : 1)).map(({ _id }) => _id),
  );
});

test('a page for several values of the first fields reads little more than itself', async () => {
  const listed = db.collection<{ _id: number; client: string; state: string | null; since: number }>('listed');
  await listed.createIndex({ client: 1, state: -1, since: 1, _id: 1 });
  const total = 3000;
  const clients = ['', 'acme', 'northwind', 'northwind-2', 'tailspin'];
  const docs = Array.from({ length: total }, (_, _id) => ({
    _id,
    client: clients[(_id * 7) % 5] as string,
    state: ['new', 'open', null][_id % 3] as string | null,
    since: (_id * 37) % 400,
  }));
  await listed.insertMany(docs);
  const ofThese = { client: { $in: ['northwind', '', 'northwind-2'] }, state: { $in: ['open', null] } };
  for (const side of [1, -1] as const) {
    const sort = { since: side, _id: side };
    const past = side === 1 ? '$gt' : '$lt';
    const seen: number[] = [];
    let last: { since: number; _id: number } | undefined;
    for (;;) {
      const after = last && { $or: [{ since: { [past]: last.since } }, { since: last.since, _id: { [past]: last._id } }] };
      const page = listed
        .find({ $and: [ofThese, after ?? {}] })
        .sort(sort)
        .limit(50);
      if (seen.length < 200) {
        const { queryPlanner, executionStats } = (await page.clone().explain('executionStats')) as Document;
        expect(queryPlanner.winningPlan.inputStage.stage).toBe('SORT_MERGE');
        expect(executionStats.totalKeysExamined).toBeLessThanOrEqual(51);
        expect(executionStats.totalDocsExamined).toBeLessThanOrEqual(51);
      }
      const found = await page.toArray();
      if (!found.length) break;
      seen.push(...found.map(({ _id }) => _id));
      last = found.at(-1);
    }
    const wanted = docs.filter(({ client, state }) => ofThese.client.$in.includes(client) && ofThese.state.$in.includes(state));
    expect(seen).toEqual(wanted.sort((a, b) => side * (a.since - b.since || a._id - b._id)).map(({ _id }) => _id));
  }
  // Not if a sort field has several values, nor for more parts than a server merges.
  const stageOf = async (query: Document, sort: Record<string, 1 | -1>) =>
    ((await listed.find(query).sort(sort).explain('queryPlanner')) as Document)['queryPlanner'].winningPlan.stage as unknown;
  expect(await stageOf(ofThese, { state: 1, since: 1 })).toBe('SORT');
  const many = { client: { $in: Array.from({ length: 201 }, (_, at) => `c${at}`) }, state: 'open' };
  expect(await stageOf(many, { since: 1 })).toBe('SORT');
});

test('a pattern with a fixed prefix is a range of an index, as shown by explain', async () => {
  const words = db.collection<Document>('words');
  await words.createIndex({ word: 1, n: -1 });
  await words.insertMany(['mail', 'main', 'maintain', 'maize', 'main.b', 'Main', 'man'].map((word, n) => ({ word, n })));
  const examined = async (query: Document): Promise<Document> => {
    const { queryPlanner, executionStats } = (await words.find(query).explain('executionStats')) as Document;
    const { stage, inputStage } = queryPlanner.winningPlan;
    return { stage, bounds: inputStage?.indexBounds?.word, keys: executionStats.totalKeysExamined, found: executionStats.nReturned };
  };
  expect(await examined({ word: /^main/ })).toEqual({
    stage: 'FETCH',
    bounds: ['["main", "maio")', '[/^main/, /^main/]'],
    keys: 3,
    found: 3,
  });
  expect(await examined({ word: { $regex: '^main\\.' } })).toEqual({
    stage: 'FETCH',
    bounds: ['["main.", "main/")', '[/^main\\./, /^main\\./]'],
    keys: 1,
    found: 1,
  });
  expect(await examined({ word: { $regex: '^\\Qmain.\\Eb$' } })).toMatchObject({ stage: 'FETCH', keys: 1, found: 1 });
  expect(await examined({ word: /^mai[nz]e?/, n: { $gte: 0 } })).toMatchObject({
    stage: 'FETCH',
    bounds: ['["mai", "maj")', '[/^mai[nz]e?/, /^mai[nz]e?/]'],
    found: 4,
  });
  expect(await examined({ word: /^main/i })).toMatchObject({ stage: 'COLLSCAN', found: 4 });
  expect(await examined({ word: /^main|man/ })).toMatchObject({ stage: 'COLLSCAN', found: 4 });
  expect(
    (await words.find({ word: { $gt: 'mai' }, n: { $lt: 4 } }).explain('queryPlanner'))['queryPlanner'].winningPlan.inputStage.indexBounds,
  ).toEqual({ word: ['("mai", {})'], n: ['[MaxKey, MinKey]'] });
  expect(
    (await words.find({ word: 'main', n: { $lt: 4 } }).explain('queryPlanner'))['queryPlanner'].winningPlan.inputStage.indexBounds,
  ).toEqual({ word: ['["main", "main"]'], n: ['(4, -inf.0]'] });
});

test('a search with few matches sorts them; one with many reads them in order', async () => {
  const tickets = db.collection<Document>('searched');
  await tickets.createIndex({ client: 1, openedAt: -1 });
  await tickets.createIndex({ client: 1, words: 1 });
  await tickets.createIndex({ assignee: 1 });
  await tickets.createIndex({ changed: 1 });
  await tickets.insertMany(
    Array.from({ length: 2000 }, (_, n) => ({
      _id: n as never,
      client: n % 2 ? 'tailspin' : 'northwind',
      openedAt: n,
      words: ['printer', n % 400 === 0 ? 'spooler' : 'invoices'],
      assignee: n % 500 === 0 ? 'grace' : 'ada',
      changed: n,
    })),
  );
  const page = async (query: Document, sort: Record<string, 1 | -1> = { openedAt: -1 }): Promise<Document> => {
    const search = () => tickets.find(query).sort(sort).limit(3);
    const { queryPlanner, executionStats } = (await search().explain('executionStats')) as Document;
    const { stage, inputStage } = queryPlanner.winningPlan;
    return {
      stage,
      index: (inputStage.inputStage?.inputStage ?? inputStage.inputStage ?? inputStage).indexName,
      keys: executionStats.totalKeysExamined,
      found: (await search().toArray()).map(({ _id }) => _id),
    };
  };
  const client = 'northwind';
  expect(await page({ client, words: /^spool/ })).toEqual({ stage: 'SORT', index: 'client_1_words_1', keys: 5, found: [1600, 1200, 800] });
  expect(await page({ client, words: /^print/ })).toEqual({
    stage: 'FETCH',
    index: 'client_1_openedAt_-1',
    keys: 3,
    found: [1998, 1996, 1994],
  });
  // The same if the search leads an index of its own, whether the tickets of one client or several are read in order.
  for (const clients of [client, { $in: [client, 'tailspin'] }]) {
    expect(await page({ client: clients, assignee: 'grace' })).toEqual({
      stage: 'SORT',
      index: 'assignee_1',
      keys: 4,
      found: [1500, 1000, 500],
    });
    expect(await page({ client: clients, assignee: 'ada' })).toMatchObject({ stage: 'FETCH', keys: 3 });
    // Or when searching for recent changes.
    const { index, keys } = await page({ client: clients, changed: { $gte: 1996 } }, { changed: 1 });
    expect([index, keys <= 4]).toEqual(['changed_1', true]);
  }
});

test('an index whose first field is an array sorts by the fields after it', async () => {
  const tickets = db.collection<Document>('ordered_by_word');
  await tickets.createIndex({ words: 1, openedAt: 1, _id: 1 });
  const total = 2000;
  const words = (n: number): string[] => ['printer', ...(n % 2 ? ['invoices'] : []), ...(n % 40 === 0 ? ['spooler'] : [])];
  await tickets.insertMany(Array.from({ length: total }, (_, n) => ({ _id: n as never, openedAt: total - n, words: words(n) })));
  const page = async (query: Document): Promise<Document> => {
    const search = () => tickets.find(query).sort({ openedAt: -1, _id: -1 }).limit(3);
    const { queryPlanner, executionStats } = (await search().explain('executionStats')) as Document;
    return {
      stage: queryPlanner.winningPlan.stage,
      bounds: queryPlanner.winningPlan.inputStage.indexBounds,
      keys: executionStats.totalKeysExamined,
      found: (await search().toArray()).map(({ _id }) => _id),
    };
  };
  expect(await page({ words: 'printer' })).toMatchObject({ stage: 'FETCH', keys: 3, found: [0, 1, 2] });
  expect(await page({ words: 'printer', openedAt: { $lte: 1000 } })).toMatchObject({ stage: 'FETCH', keys: 3, found: [1000, 1001, 1002] });
  // Of several words the rarest is looked up, wherever it is.
  for (const query of [{ $and: [{ words: 'printer' }, { words: 'spooler' }] }, { $and: [{ words: 'spooler' }, { words: 'printer' }] }])
    expect(await page(query)).toMatchObject({
      bounds: { words: ['["spooler", "spooler"]'] },
      keys: 3,
      found: [0, 40, 80],
    });
  // Once the other field has contained an array too, the index no longer gives its order.
  await tickets.insertOne({ _id: -1 as never, openedAt: [1, 5000], words: 'printer' });
  expect(await page({ words: 'printer' })).toMatchObject({ stage: 'SORT', found: [-1, 0, 1] });
});

test('unique, sparse and partial indexes', async () => {
  const users = db.collection<Document>('users');
  await users.createIndex({ email: 1 }, { unique: true, sparse: true });
  await users.createIndex({ seat: 1 }, { unique: true, partialFilterExpression: { active: true } });
  await users.insertMany([{ name: 'a' }, { name: 'b' }, { email: 'x', seat: 1, active: true }, { email: 'y', seat: 1, active: false }]);
  await expect(users.insertOne({ email: 'x' })).rejects.toMatchObject({ code: 11000, keyPattern: { email: 1 }, keyValue: { email: 'x' } });
  await expect(users.updateOne({ email: 'y' }, { $set: { active: true } })).rejects.toMatchObject({ code: 11000, keyPattern: { seat: 1 } });
  expect(await users.countDocuments({ email: null })).toBe(2);
  expect(await users.countDocuments({ seat: 1 })).toBe(2);
  const partial = (await users.find({ seat: 1, active: true }).explain('executionStats')) as Document;
  expect(partial['executionStats']).toMatchObject({ totalKeysExamined: 1, nReturned: 1 });
  await users.createIndex({ tags: 1 }, { unique: true, sparse: true });
  await users.insertOne({ tags: ['p', 'q', 'p'] });
  await expect(users.insertOne({ tags: ['r', 'q'] })).rejects.toMatchObject({ code: 11000, keyValue: { tags: 'q' } });
  await expect(db.collection('users').createIndex({ name: 1, missing: 1 }, { name: 'email_1' })).rejects.toMatchObject({ code: 86 });
  await users.insertMany([{ k: 1 }, { k: 1 }]);
  await expect(users.createIndex({ k: 1 }, { unique: true })).rejects.toMatchObject({ code: 11000 });
  expect((await users.indexes()).map(({ name }) => name)).toEqual(['_id_', 'email_1', 'seat_1', 'tags_1']);
});
