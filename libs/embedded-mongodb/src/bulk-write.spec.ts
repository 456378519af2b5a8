import { MongoClient, MongoClientBulkWriteError, type Document } from 'mongodb';
import { contract } from './testing/contract.js';

/** `bulkWrite` of MongoDB 8: one command for several collections. Runs on the embedded node or on a server, see `contract`. */
const on = contract();

interface Row extends Document {
  _id: number;
}
type Rows = Record<string, Row>;

const ns = (name: string): string => `${on.db.databaseName}.${name}`;
const all = (name: string): Promise<Document[]> => on.db.collection(name).find().sort({ _id: 1 }).toArray();
const bulk = (command: Document): Promise<Document> => on.client.db('admin').command({ bulkWrite: 1, ...command });

test('writes to several collections in one round trip', async () => {
  const client = await MongoClient.connect(on.url, { monitorCommands: true });
  const commands: string[] = [];
  client.on('commandStarted', ({ commandName }) => commands.push(commandName));
  const [a, b] = [ns('a'), ns('b')];
  const result = await client.bulkWrite<Rows>(
    [
      { namespace: a, name: 'insertOne', document: { _id: 1, n: 1 } },
      { namespace: b, name: 'insertOne', document: { _id: 1, n: 10 } },
      { namespace: a, name: 'updateOne', filter: { _id: 1 }, update: { $inc: { n: 1 } } },
      { namespace: b, name: 'updateOne', filter: { _id: 2 }, update: { $set: { n: 20 } }, upsert: true },
      { namespace: b, name: 'replaceOne', filter: { _id: 1 }, replacement: { m: 11 } },
      { namespace: a, name: 'insertOne', document: { _id: 2, n: 2 } },
      { namespace: a, name: 'updateMany', filter: {}, update: { $set: { all: true } } },
      { namespace: a, name: 'deleteOne', filter: { _id: 2 } },
    ],
    { verboseResults: true },
  );
  expect(result).toMatchObject({ insertedCount: 3, matchedCount: 4, modifiedCount: 4, upsertedCount: 1, deletedCount: 1 });
  expect(result.insertResults?.get(5)).toEqual({ insertedId: 2 });
  expect(result.updateResults?.get(3)).toMatchObject({ matchedCount: 1, didUpsert: true, upsertedId: 2 });
  expect(result.updateResults?.get(6)).toMatchObject({ matchedCount: 2, modifiedCount: 2, didUpsert: false });
  expect(result.deleteResults?.get(7)).toEqual({ deletedCount: 1 });
  expect(await all('a')).toEqual([{ _id: 1, n: 2, all: true }]);
  expect(await all('b')).toEqual([
    { _id: 1, m: 11 },
    { _id: 2, n: 20 },
  ]);
  expect(commands).toEqual(['bulkWrite']);
  await client.close();
});

test('ordered operations end with the first failure, unordered ones all run', async () => {
  const [a, b] = [ns('ordered'), ns('unordered')];
  const models = (namespace: string) => [1, 1, 2].map((_id) => ({ namespace, name: 'insertOne' as const, document: { _id: _id } }));
  const ordered = (await on.client.bulkWrite<Rows>(models(a)).catch((error: unknown) => error)) as MongoClientBulkWriteError;
  expect(ordered).toBeInstanceOf(MongoClientBulkWriteError);
  expect([...ordered.writeErrors]).toEqual([[1, { code: 11000, message: expect.stringContaining('E11000') as string }]]);
  expect(ordered.partialResult).toMatchObject({ insertedCount: 1 });
  expect(await all('ordered')).toEqual([{ _id: 1 }]);
  const unordered = (await on.client
    .bulkWrite<Rows>(models(b), { ordered: false })
    .catch((error: unknown) => error)) as MongoClientBulkWriteError;
  expect([...unordered.writeErrors.keys()]).toEqual([1]);
  expect(unordered.partialResult).toMatchObject({ insertedCount: 2 });
  expect(await all('unordered')).toEqual([{ _id: 1 }, { _id: 2 }]);
});

test('the reply counts, and shows every operation or only the errors', async () => {
  const command = {
    ops: [
      { insert: 0, document: { _id: 1 } },
      { insert: 0, document: { _id: 1 } },
      { update: 0, filter: { _id: 1 }, updateMods: { $set: { a: 1 } } },
      { update: 0, filter: { _id: 7 }, updateMods: { $set: { a: 1 } }, upsert: true },
      { delete: 0, filter: { _id: 1 } },
    ],
    ordered: false,
  };
  const duplicate = {
    ok: 0,
    idx: 1,
    n: 0,
    code: 11000,
    errmsg: expect.stringContaining('E11000') as string,
    keyPattern: { _id: 1 },
    keyValue: { _id: 1 },
  };
  expect(await bulk({ ...command, nsInfo: [{ ns: ns('reply') }] })).toMatchObject({
    ok: 1,
    nErrors: 1,
    nInserted: 1,
    nMatched: 1,
    nModified: 1,
    nUpserted: 1,
    nDeleted: 1,
    cursor: {
      ns: 'admin.$cmd.bulkWrite',
      firstBatch: [
        { ok: 1, idx: 0, n: 1 },
        duplicate,
        { ok: 1, idx: 2, n: 1, nModified: 1 },
        { ok: 1, idx: 3, n: 1, nModified: 0, upserted: { _id: 7 } },
        { ok: 1, idx: 4, n: 1 },
      ],
    },
  });
  const errors = await bulk({ ...command, errorsOnly: true, nsInfo: [{ ns: ns('errors') }] });
  expect(errors).toMatchObject({ nErrors: 1, nInserted: 1, cursor: { firstBatch: [duplicate] } });
  expect((errors['cursor'] as { firstBatch: Document[] }).firstBatch).toHaveLength(1);
});

test('the result of many operations comes in batches', async () => {
  const models = Array.from({ length: 250 }, (_, n) => ({
    namespace: ns('many'),
    name: 'insertOne' as const,
    document: { _id: n },
  }));
  const first = await bulk({
    ops: models.slice(0, 10).map(({ document }) => ({ insert: 0, document })),
    nsInfo: [{ ns: ns('many') }],
    cursor: { batchSize: 4 },
  });
  const { id, firstBatch } = first['cursor'] as { id: unknown; firstBatch: Document[] };
  expect(firstBatch).toHaveLength(4);
  const next = await on.client.db('admin').command({ getMore: BigInt(String(id)), collection: '$cmd.bulkWrite' }, { promoteLongs: true });
  expect(next).toMatchObject({ cursor: { id: 0 } });
  expect((next['cursor'] as { nextBatch: Document[] }).nextBatch.map(({ idx }) => idx as number)).toEqual([4, 5, 6, 7, 8, 9]);
  const result = await on.client.bulkWrite<Rows>(models.slice(10), { verboseResults: true });
  expect(result.insertResults?.size).toBe(240);
});

test('supports let, arrayFilters, hints, sorts and validation', async () => {
  await on.db.createCollection('validated', { validator: { n: { $gte: 0 } } });
  await on.db.collection<Row>('validated').insertMany([
    { _id: 1, n: 3 },
    { _id: 2, n: 1, list: [1, 5] },
  ]);
  const namespace = ns('validated');
  await on.client.bulkWrite<Rows>(
    [
      { namespace, name: 'updateOne', filter: { $expr: { $eq: ['$n', '$$three'] } }, update: [{ $set: { found: '$$three' } }] },
      { namespace, name: 'updateOne', filter: { _id: 2 }, update: { $set: { 'list.$[big]': 9 } }, arrayFilters: [{ big: { $gt: 4 } }] },
      { namespace, name: 'updateOne', filter: {}, update: { $set: { least: true } }, sort: { n: 1 } },
      { namespace, name: 'deleteOne', filter: { n: 99 }, hint: '_id_' },
    ],
    { let: { three: 3 } },
  );
  expect(await all('validated')).toEqual([
    { _id: 1, n: 3, found: 3 },
    { _id: 2, n: 1, list: [1, 9], least: true },
  ]);
  const invalid = { namespace, name: 'insertOne' as const, document: { _id: 3, n: -1 } };
  await expect(on.client.bulkWrite<Rows>([invalid])).rejects.toMatchObject({
    writeErrors: new Map([[0, expect.objectContaining({ code: 121 })]]),
  });
  await on.client.bulkWrite<Rows>([invalid], { bypassDocumentValidation: true });
  expect(await all('validated')).toHaveLength(3);
});

test('refuses malformed operations, and writes nothing', async () => {
  const good = { insert: 0, document: { _id: 1 } };
  const nsInfo = [{ ns: ns('refused') }];
  for (const [command, code] of [
    [{ ops: [], nsInfo }, 16],
    [{ ops: [good] }, 40414],
    [{ ops: [good, { insert: 1, document: {} }], nsInfo }, 2],
    [{ ops: [good, { insert: 0 }], nsInfo }, 40414],
    [{ ops: [good, { insert: 0, document: {}, other: 1 }], nsInfo }, 40415],
    [{ ops: [good, { replace: 0 }], nsInfo }, 40415],
    [{ ops: [good], nsInfo: [{ ns: 'nodot' }] }, 73],
    [{ ops: [good], nsInfo, unknown: 1 }, 40415],
  ] as const)
    await expect(bulk(command)).rejects.toMatchObject({ code });
  await expect(on.db.command({ bulkWrite: 1, ops: [good], nsInfo })).rejects.toMatchObject({ code: 13 });
  expect(await all('refused')).toEqual([]);
});
