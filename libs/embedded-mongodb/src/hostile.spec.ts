import fc from 'fast-check';
import { BSON, MongoClient, type Document } from 'mongodb';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, PATIENCE_MS } from '../../../test/eventually.js';
import { startEmbeddedMongoDB, type EmbeddedMongoDB } from './index.js';

const { deserialize, serialize } = BSON;
let node: EmbeddedMongoDB;
let client: MongoClient;
const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-hostile-'));
const warnings: string[] = [];
const hear = (warning: Error): void => void warnings.push(warning.message);

beforeAll(async () => {
  process.on('warning', hear);
  node = await startEmbeddedMongoDB({ directory, port: 0, maxOpenCursors: 20, cursorTimeoutMs: 5_000 });
  client = await MongoClient.connect(node.url);
  await client
    .db('h')
    .collection('c')
    .insertMany(Array.from({ length: 300 }, (_, index) => ({ _id: index, text: 'a'.repeat(40) }) as never));
});
afterEach(async () => {
  // Whatever was received, the node serves the others.
  expect(await client.db('h').collection('c').countDocuments()).toBe(300);
  expect(warnings.filter((message) => message.includes('embedded MongoDB'))).toEqual([]);
});
afterAll(async () => {
  process.off('warning', hear);
  await client.close();
  await node.close();
  rmSync(directory, { recursive: true });
});

const open = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(node.port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  });

/** Sends bytes; resolves with the first reply, or with what the node does instead: it closes the connection, or keeps waiting. */
const send = async (bytes: Buffer, patience = PATIENCE_MS): Promise<Document | 'closed' | 'waiting'> => {
  const socket = await open();
  socket.on('error', () => undefined);
  const outcome = new Promise<Document | 'closed' | 'waiting'>((resolve) => {
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => resolve('waiting'), patience);
    const done = (result: Document | 'closed'): void => {
      clearTimeout(timer);
      resolve(result);
    };
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      if (received.length >= 4 && received.length >= received.readInt32LE(0)) done(deserialize(received.subarray(21)));
    });
    socket.on('close', () => done('closed'));
  });
  socket.write(bytes);
  const result = await outcome;
  socket.destroy();
  return result;
};

const message = (
  sections: readonly Buffer[],
  { opcode = 2013, flags = 0, length }: { opcode?: number; flags?: number; length?: number } = {},
): Buffer => {
  const body = Buffer.concat(sections);
  const header = Buffer.alloc(20);
  header.writeInt32LE(length ?? 20 + body.length, 0);
  header.writeInt32LE(7, 4);
  header.writeInt32LE(opcode, 12);
  header.writeUInt32LE(flags, 16);
  return Buffer.concat([header, body]);
};
const kind0 = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([0]), bytes]);
const command = (doc: Document): Buffer => kind0(serialize(doc));

test('a valid message is answered', async () => {
  expect(await send(message([command({ ping: 1, $db: 'h' })]))).toMatchObject({ ok: 1 });
});

test.each<readonly [string, Buffer]>([
  ['a length of zero', message([command({ ping: 1, $db: 'h' })], { length: 0 })],
  ['a negative length', message([command({ ping: 1, $db: 'h' })], { length: -5 })],
  ['a length of 2 GB', message([command({ ping: 1, $db: 'h' })], { length: 0x7fffffff })],
  ['an unknown opcode', message([command({ ping: 1, $db: 'h' })], { opcode: 2012 })],
  ['unknown required flags', message([command({ ping: 1, $db: 'h' })], { flags: 0x40 })],
  ['an unknown section', message([Buffer.from([9, 0, 0, 0, 0])])],
  ['no body', message([])],
  ['two bodies', message([command({ ping: 1, $db: 'h' }), command({ ping: 1, $db: 'h' })])],
  ['a sequence that is longer than its message', message([command({ insert: 'c', $db: 'h' }), Buffer.from([1, 255, 0, 0, 0, 97, 0])])],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
])('%s closes the connection', async (_, bytes) => {
  expect(await send(bytes)).toBe('closed');
});

const broken = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.from(serialize({ insert: 'c', documents: [{ text: 'abc', bin: new BSON.Binary(Buffer.alloc(8)) }], $db: 'h' }));
  change(bytes);
  return message([kind0(bytes)]);
};
const nested = (depth: number): Buffer => {
  let inner = Buffer.from([5, 0, 0, 0, 0]);
  for (let level = 0; level < depth; level++) {
    const size = Buffer.alloc(4);
    size.writeInt32LE(inner.length + 8);
    inner = Buffer.concat([size, Buffer.from([3, 97, 0]), inner, Buffer.from([0])]);
  }
  return inner;
};

test.each<readonly [string, Buffer]>([
  ['a document longer than its message', broken((bytes) => bytes.writeInt32LE(bytes.length + 1, 0))],
  ['a document that does not end', broken((bytes) => bytes.writeUInt8(1, bytes.length - 1))],
  ['a string of length 2 GB', broken((bytes) => bytes.writeInt32LE(0x7fffffff, bytes.indexOf('abc') - 4))],
  ['a string of length 0', broken((bytes) => bytes.writeInt32LE(0, bytes.indexOf('abc') - 4))],
  ['an unknown type', broken((bytes) => bytes.writeUInt8(0x42, bytes.indexOf('text') - 1))],
  ['nesting without end', message([kind0(nested(3000))])],
])('%s is answered with an error', async (_, bytes) => {
  expect(await send(bytes)).toMatchObject({ ok: 0, code: expect.any(Number) });
});

test('arbitrary bytes do no harm', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const socket = await open();
      socket.on('error', () => undefined);
      socket.end(message([Buffer.from(bytes)]));
      await new Promise((resolve) => socket.once('close', resolve).resume());
    }),
    { numRuns: 60 },
  );
});

test('any byte of a valid command may be changed', async () => {
  const sound = message([
    command({
      update: 'c2',
      updates: [{ q: { _id: 1, a: { $in: [1, 'x'] } }, u: { $set: { 'a.b': 1 }, $push: { l: { $each: [1] } } }, upsert: true }],
      $db: 'h',
    }),
  ]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 20, max: sound.length - 1 }), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
      const bytes = Buffer.from(sound);
      bytes[at] = byte;
      const reply = await send(bytes);
      if (typeof reply === 'object' && reply['code'] === 1) throw new Error(`an internal error: ${reply['errmsg']}`);
      expect(reply).not.toBe('waiting');
    }),
    { numRuns: 120 },
  );
});

test('an incomplete message is waited for, and blocks no one', async () => {
  const whole = message([command({ ping: 1, $db: 'h' })]);
  expect(await send(whole.subarray(0, 10), 100)).toBe('waiting');
  expect(await client.db('h').command({ ping: 1 })).toMatchObject({ ok: 1 });
});

test('a message sent byte by byte is understood, and so are many at once', async () => {
  const socket = await open();
  let replies = Buffer.alloc(0);
  socket.on('data', (data) => (replies = Buffer.concat([replies, data])));
  const one = message([command({ ping: 1, $db: 'h' })]);
  for (const byte of one) socket.write(Buffer.from([byte]));
  socket.write(Buffer.concat(Array.from({ length: 50 }, () => one)));
  const { length } = Buffer.from(message([kind0(serialize({ ok: 1.5 }))]));
  await eventually(
    () => replies.length,
    (received) => received >= length * 51,
  );
  socket.destroy();
});

test('a flood of cursors is refused, and idle cursors are closed', async () => {
  const db = client.db('h');
  const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => db.command({ find: 'c', batchSize: 1 })));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 146 } });
  const [first] = outcomes as [PromiseFulfilledResult<Document>];
  await eventually(
    async () => Number((await db.admin().serverStatus())['metrics'].cursor.open.total),
    (open) => open === 0,
  );
  await expect(db.command({ getMore: first.value['cursor'].id, collection: 'c' })).rejects.toMatchObject({ code: 43 });
  expect(await db.command({ find: 'c', batchSize: 1, singleBatch: true })).toMatchObject({ ok: 1 });
});

test('a regular expression that runs away is stopped', async () => {
  await expect(
    client
      .db('h')
      .collection('c')
      .find({ text: { $regex: '^(a+)+$|^(a|a)*b$' }, _id: { $lt: 0 } } as never)
      .toArray(),
  ).resolves.toEqual([]);
  await expect(
    client
      .db('h')
      .collection('c')
      .find({ text: { $regex: '^(a+)+\\1b$' } })
      .toArray(),
  ).rejects.toMatchObject({ code: 51156 });
});

test('endlessly nested filters, pipelines and expressions are refused', async () => {
  let filter: Document = { a: 1 };
  for (let depth = 0; depth < 60; depth++) filter = { $and: [filter, { $nor: [{ a: 2 }] }] };
  expect(await client.db('h').collection('c').find(filter).toArray()).toEqual([]);
  let expression: unknown = 1;
  for (let depth = 0; depth < 90; depth++) expression = { $add: [expression, 1] };
  expect(
    (
      await client
        .db('h')
        .collection('c')
        .aggregate([{ $limit: 1 }, { $project: { v: expression } }])
        .toArray()
    )[0],
  ).toMatchObject({ v: 91 });
});

test('names like __proto__ are ordinary names', async () => {
  const db = client.db('h');
  const doc = new Map<string, unknown>([
    ['_id', 'p'],
    ['__proto__', { polluted: 1 }],
    ['constructor', 1],
    ['toString', 2],
  ]);
  await db.collection('proto').insertOne(doc as never);
  await db.collection('proto').updateOne({ constructor: 1 } as never, { $set: { 'x.__proto__.y': 1, hasOwnProperty: 1 } });
  expect(await db.collection('proto').countDocuments({ '__proto__.polluted': 1 })).toBe(1);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  await expect(db.command({ constructor: 1 })).rejects.toMatchObject({ code: 59 });
  await expect(
    db
      .collection('proto')
      .aggregate([{ toString: 1 }])
      .toArray(),
  ).rejects.toMatchObject({ code: 40324 });
});

test('long work yields to others', async () => {
  const db = client.db('h');
  const slow = {
    $lookup: { from: 'c', pipeline: [{ $match: { $expr: { $gte: [{ $add: ['$_id', 1] }, 0] } } }, { $count: 'n' }], as: 'n' },
  };
  let finished = false;
  const work = db
    .collection('c')
    .aggregate([slow, slow])
    .toArray()
    .then(() => (finished = true));
  let pings = 0;
  while (!finished && pings < 10) {
    await db.command({ ping: 1 });
    if (!finished) pings++;
  }
  await work;
  expect(pings).toBeGreaterThan(2);
});

test.each([
  { $push: '$text' },
  { $push: { $concatArrays: [['$list'], ['$text']] } },
  { $addToSet: { t: '$text', n: '$list' } },
  { $last: '$text' },
  { $max: { t: '$text', n: '$list' } },
  { $mergeObjects: { t: '$text' } },
  { $firstN: { n: 2, input: '$text' } },
  { $minN: { n: 2, input: '$text' } },
  { $topN: { n: 2, sortBy: { list: 1 }, output: '$text' } },
])('many groups share one memory limit: %j', async (accumulator) => {
  const collection = client.db('h').collection<{ _id: number; text: string; list: number[] }>('lists');
  await collection.replaceOne({ _id: 1 }, { text: 'x'.repeat(100_000), list: Array.from({ length: 1500 }, (_, n) => n) }, { upsert: true });
  const groups = collection.aggregate([{ $unwind: '$list' }, { $group: { _id: '$list', values: accumulator } }, { $count: 'n' }]);
  await expect(groups.toArray()).rejects.toMatchObject({ code: 292, codeName: 'QueryExceededMemoryLimitNoDiskUseAllowed' });
});
