import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { open } from 'lmdb';
import { Decimal128, Long, MongoClient, ObjectId, type Db } from 'mongodb';
import { compilePackages } from '../../../test/compiled-packages.js';
import { startEmbeddedMongoDB } from './index.js';
import { checksumOf } from './storage/checksums.js';

const directories: string[] = [];
const fresh = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-durability-'));
  directories.push(directory);
  return directory;
};
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

type Row = { _id: string; [field: string]: unknown };

const withNode = async <Result>(
  directory: string,
  work: (db: Db, node: Awaited<ReturnType<typeof startEmbeddedMongoDB>>) => Promise<Result>,
): Promise<Result> => {
  const node = await startEmbeddedMongoDB({ directory, port: 0 });
  const client = await MongoClient.connect(node.url);
  try {
    return await work(client.db('desk'), node);
  } finally {
    await client.close();
    await node.close();
  }
};

describe('format 1', () => {
  const format1 = (): string => {
    const directory = fresh();
    writeFileSync(
      join(directory, 'mongodb.mdb'),
      gunzipSync(readFileSync(fileURLToPath(new URL('./testing/format-1.mdb.gz', import.meta.url)))),
    );
    return directory;
  };
  const expectWhole = async (db: Db): Promise<void> => {
    const tickets = db.collection<Row>('tickets');
    expect(await tickets.countDocuments({ note: { $exists: true } })).toBe(120);
    expect((await tickets.indexes()).map(({ name }) => name)).toEqual(['_id_', 'tier_1_opened_-1', 'number_1', 'tags_1']);
    expect(
      await tickets
        .find({ tier: 'L2' })
        .sort({ opened: -1 })
        .hint('tier_1_opened_-1')
        .limit(2)
        .map(({ _id }) => _id)
        .toArray(),
    ).toEqual(['ticket-118', 'ticket-115']);
    expect((await tickets.find({ tags: 't116' }).hint('tags_1').toArray()).map(({ _id }) => _id)).toEqual(['ticket-116']);
    await expect(tickets.insertOne({ _id: 'other', number: 7, tier: 'L1' })).rejects.toMatchObject({ code: 11000 });
    await expect(tickets.insertOne({ _id: 'other', number: 777, tier: 'L9' })).rejects.toMatchObject({ code: 121 });
    expect(await db.collection('open').countDocuments()).toBe(40);
    expect(await db.collection<{ _id: number }>('values').findOne({ _id: 1 }, { promoteLongs: false })).toEqual({
      _id: 1,
      long: Long.fromNumber(5),
      decimal: Decimal128.fromString('1.50'),
      oid: new ObjectId('0123456789abcdef01234567'),
      nested: { '10': 'ten', '9': [null, true] },
    });
    for (const name of ['tickets', 'values']) expect(await db.command({ validate: name })).toMatchObject({ valid: true, errors: [] });
  };

  test('is upgraded to the current one', async () => {
    const directory = format1();
    for (let start = 0; start < 2; start++) await withNode(directory, expectWhole);
  });

  test('continues an interrupted upgrade', async () => {
    const directory = format1();
    const file = open<Buffer, Buffer>({
      path: join(directory, 'mongodb.mdb'),
      noSubdir: true,
      keyEncoding: 'binary',
      encoding: 'binary',
    } as never) as never as {
      getRange(range: object): Iterable<{ key: Buffer; value: Buffer }>;
      put(key: Buffer, value: Buffer): Promise<boolean>;
      close(): Promise<void>;
    };
    const some = [...file.getRange({ start: Buffer.from('\0format\0'), limit: 150 })];
    const version = Buffer.alloc(8);
    version.writeDoubleBE(2);
    await file.put(Buffer.from('\0format'), version);
    for (const { key, value } of some) {
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32LE(checksumOf(key, value));
      await file.put(key, Buffer.concat([value, checksum]));
    }
    await file.put(Buffer.from('\0upgrade'), some.at(-1)?.key as Buffer);
    await file.close();
    await withNode(directory, expectWhole);
  });

  test('a newer format is refused', async () => {
    const directory = format1();
    const file = open<Buffer, Buffer>({
      path: join(directory, 'mongodb.mdb'),
      noSubdir: true,
      keyEncoding: 'binary',
      encoding: 'binary',
    } as never);
    const version = Buffer.alloc(8);
    version.writeDoubleBE(9);
    await file.put(Buffer.from('\0format') as never, version as never);
    await file.close();
    await expect(startEmbeddedMongoDB({ directory, port: 0 })).rejects.toMatchObject({
      code: 'ERR_DATA_UNREADABLE',
      directory,
      message: expect.stringContaining('format 9'),
    });
  });
});

test('a file with collations has a format that versions without them refuse', async () => {
  const directory = fresh();
  const format = async (): Promise<number> => {
    const file = open<Buffer, Buffer>({
      path: join(directory, 'mongodb.mdb'),
      noSubdir: true,
      readOnly: true,
      keyEncoding: 'binary',
      encoding: 'binary',
    } as never);
    const value = file.get(Buffer.from('\0format') as never) as Buffer;
    await file.close();
    return value.readDoubleBE(0);
  };
  const collation = { locale: 'en', strength: 2 };
  const formats: number[] = [];
  for (const change of [
    (db: Db) => db.collection('tickets').createIndex({ title: 1 }),
    (db: Db) => db.collection('tickets').createIndex({ title: 1 }, { collation, name: 'folded' }),
    (db: Db) => db.collection('tickets').insertOne({ title: 'A' }),
    (db: Db) => db.collection('tickets').dropIndex('folded'),
    (db: Db) => db.createCollection('folded', { collation }),
    (db: Db) => db.dropCollection('folded'),
  ] as readonly ((db: Db) => Promise<unknown>)[]) {
    await withNode(directory, change);
    formats.push(await format());
  }
  expect(formats).toEqual([2, 3, 3, 2, 3, 2]);
});

/** Changes one byte wherever the file contains a text. */
const damage = (directory: string, text: string): void => {
  const path = join(directory, 'mongodb.mdb');
  const bytes = readFileSync(path);
  let found = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), found++) bytes[at + 3] = (bytes[at + 3] as number) ^ 0x04;
  expect(found).toBeGreaterThan(0);
  writeFileSync(path, bytes);
};

describe('checksums', () => {
  test('a damaged document is an error for queries that read it, and for no others', async () => {
    const directory = fresh();
    await withNode(directory, async (db) => {
      await db.collection<Row>('c').createIndex({ n: 1 });
      await db
        .collection<Row>('c')
        .insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: `id-${n}`, n, text: `unmistakable-${n}-text` })));
    });
    damage(directory, 'unmistakable-7-');
    await withNode(directory, async (db) => {
      const collection = db.collection<Row>('c');
      expect(await collection.findOne({ _id: 'id-6' })).toMatchObject({ n: 6 });
      expect(await collection.countDocuments({ n: { $lt: 7 }, text: /mistakable/ })).toBe(7);
      for (const filter of [{ _id: 'id-7' }, {}, { n: 7 }])
        await expect(collection.find(filter).toArray()).rejects.toMatchObject({
          code: 366,
          codeName: 'DataCorruptionDetected',
          message: expect.stringContaining('a document is damaged'),
        });
      await expect(collection.updateOne({ _id: 'id-7' }, { $set: { n: 1 } })).rejects.toMatchObject({ code: 366 });
      expect(await db.command({ validate: 'c' })).toMatchObject({
        valid: false,
        nrecords: 20,
        nInvalidDocuments: 1,
        errors: [expect.stringContaining('checksum'), expect.stringContaining('1 entries that no document accounts for')],
      });
      await expect(db.command({ validate: 'c', repair: true })).rejects.toMatchObject({ code: 238 });
      await collection.insertOne({ _id: 'after', n: 100 });
    });
  });

  test('a damaged index entry is not trusted', async () => {
    const directory = fresh();
    await withNode(directory, async (db) => {
      await db.collection<Row>('c').createIndex({ name: 1 });
      await db.collection<Row>('c').insertMany([
        { _id: '1', name: 'quite-some-name' },
        { _id: '2', name: 'another' },
        { _id: '3', name: 'more' },
      ]);
    });
    // In the document and in the index.
    damage(directory, 'quite-some-name');
    await withNode(directory, async (db) => {
      await expect(
        db
          .collection<Row>('c')
          .find({ name: { $gt: 'b' } })
          .toArray(),
      ).rejects.toMatchObject({ code: 366, message: expect.stringContaining('an index entry is damaged') });
      expect(await db.collection<Row>('c').findOne({ name: 'another' })).toMatchObject({ _id: '2' });
      // The damaged entry may be this one.
      await expect(db.collection<Row>('c').findOne({ name: 'nobody' })).rejects.toMatchObject({ code: 366 });
      await expect(db.collection<Row>('c').countDocuments({ name: { $gt: 'b' } })).rejects.toMatchObject({ code: 366 });
    });
  });

  test('a damaged catalog is reported at the start', async () => {
    const directory = fresh();
    await withNode(directory, (db) => db.createCollection('unmistakable'));
    damage(directory, 'unmistakable');
    await expect(startEmbeddedMongoDB({ directory, port: 0 })).rejects.toMatchObject({
      code: 'ERR_DATA_UNREADABLE',
      message: expect.stringContaining('a collection is damaged'),
    });
  });
});

test('a backup during writes is a consistent state of all collections', async () => {
  const [directory, copy] = [fresh(), join(fresh(), 'copy')];
  const before = await withNode(directory, async (db, node) => {
    const [tickets, log] = [db.collection<Row>('tickets'), db.collection<Row>('log')];
    await tickets.createIndex({ bulk: 1 });
    await tickets.insertMany(Array.from({ length: 3000 }, (_, n) => ({ _id: `start-${n}`, bulk: -1, text: 'x'.repeat(200) })));
    // Larger than a page: a copy stores such values differently.
    await tickets.insertMany(Array.from({ length: 5 }, (_, n) => ({ _id: `large-${n}`, bulk: -2, text: 'y'.repeat(20_000) })));
    let bulk = 0;
    let copying = true;
    const write = async (): Promise<void> => {
      for (; copying; bulk++) {
        await tickets.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: `${bulk}-${n}`, bulk })));
        await log.insertOne({ _id: String(bulk) });
      }
    };
    const writing = write();
    await node.backup(copy).finally(() => (copying = false));
    await writing;
    await expect(node.backup(copy)).rejects.toMatchObject({ code: 'ERR_BACKUP_EXISTS', directory: copy });
    return bulk;
  });
  expect(existsSync(join(copy, 'mongodb.mdb.partial'))).toBe(false);
  await withNode(copy, async (db) => {
    expect(await db.command({ validate: 'tickets' })).toMatchObject({ valid: true });
    const logged = await db.collection('log').countDocuments();
    const bulks = await db
      .collection('tickets')
      .aggregate<{ _id: number; n: number }>([{ $match: { bulk: { $gte: 0 } } }, { $group: { _id: '$bulk', n: { $sum: 1 } } }])
      .toArray();
    expect(bulks.filter(({ n }) => n !== 20)).toEqual([]);
    // The log is written after the bulk that it names.
    expect([0, 1]).toContain(bulks.length - logged);
    expect(logged).toBeLessThanOrEqual(before);
    expect(await db.collection('tickets').countDocuments({ bulk: -1 })).toBe(3000);
    await db.collection<Row>('tickets').insertOne({ _id: 'more' });
  });
  await withNode(copy, async (db) => {
    expect(await db.collection('tickets').countDocuments({ text: 'y'.repeat(20_000) })).toBe(5);
  });
});

describe('indexes are built while others write', () => {
  const rows = (count: number): Row[] =>
    Array.from({ length: count }, (_, n) => ({ _id: `r${n}`, n, group: n % 50, tags: n % 10 ? 'one' : ['a', `t${n}`] }));

  test('and agree with the documents at the end', async () => {
    await withNode(fresh(), async (db) => {
      const collection = db.collection<Row>('c');
      await collection.insertMany(rows(6000));
      let building = true;
      // Once the index is reported, it can be used.
      const usable = async (): Promise<void> => {
        await collection.createIndex({ group: 1, n: -1 });
        expect(await collection.find().hint('group_1_n_-1').limit(1).toArray()).toHaveLength(1);
      };
      const built = Promise.all([
        usable(),
        collection.createIndexes([
          { key: { tags: 1 }, sparse: true },
          { key: { n: 1 }, unique: true },
        ]),
        usable(),
      ]).finally(() => (building = false));
      let between = 0;
      for (let n = 0; building; n++) {
        await Promise.all([
          collection.insertOne({ _id: `new${n}`, n: 100_000 + n, group: n % 50 }),
          collection.updateOne({ _id: `r${(n * 97) % 6000}` }, { $set: { group: 99, tags: ['z', n] } }),
          collection.deleteOne({ _id: `r${5999 - n}` }),
        ]);
        if (building) between++;
      }
      await built;
      // Others were served meanwhile.
      expect(between).toBeGreaterThan(0);
      expect(await db.command({ validate: 'c' })).toMatchObject({ valid: true, errors: [], nIndexes: 4 });
      expect(await collection.find({ group: 99 }).hint('group_1_n_-1').toArray()).toHaveLength(
        await collection.countDocuments({ group: 99 }, { hint: { $natural: 1 } }),
      );
    });
  });

  test('and leave nothing if a document refuses', async () => {
    await withNode(fresh(), async (db) => {
      const collection = db.collection<Row>('c');
      await collection.insertMany([...rows(3000), { _id: 'x', n: 5 }]);
      await expect(collection.createIndexes([{ key: { group: 1 } }, { key: { n: 1 }, unique: true }])).rejects.toMatchObject({
        code: 11000,
        keyValue: { n: 5 },
      });
      expect((await collection.indexes()).map(({ name }) => name)).toEqual(['_id_']);
      await collection.deleteOne({ _id: 'x' });
      await collection.createIndex({ n: 1 }, { unique: true });
      expect(await db.command({ validate: 'c' })).toMatchObject({ valid: true, keysPerIndex: { n_1: 3000 } });
    });
  });

  test('a drop ends a running build', async () => {
    await withNode(fresh(), async (db) => {
      const collection = db.collection<Row>('c');
      await collection.insertMany(rows(6000));
      const build = collection.createIndex({ group: 1, n: 1 }).then(
        () => 'built',
        (error: { code: number }) => error.code,
      );
      await collection.drop();
      expect([276, 'built']).toContain(await build);
      expect(await db.listCollections({ name: 'c' }).toArray()).toEqual([]);
    });
  });
});

const onPosix = process.platform === 'win32' ? test.skip : test;

/** `ulimit -f` simulates a full disk: writes beyond it fail, others do not. */
onPosix('a full disk refuses writes, keeps everything, and is recovered from, also by a restart', async () => {
  const directory = fresh();
  const packages = compilePackages();
  const program = join(packages.folder('embedded-mongodb'), 'serve-full.js');
  writeFileSync(
    program,
    `import { startEmbeddedMongoDB } from './index.js';
     const node = await startEmbeddedMongoDB({ directory: process.argv[2], port: 0, sortMemoryBytes: 100_000 });
     console.log(node.url);
     process.stdin.on('end', () => node.close()).resume();`,
  );
  // In blocks of 512 bytes or of 1024, as the shell has it: 1.5 or 3 MiB.
  const child = spawn('sh', ['-c', `trap '' XFSZ; ulimit -f 3072; exec "$0" "$1" "$2"`, process.execPath, program, directory], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {},
  });
  let client: MongoClient | undefined;
  try {
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    client = await MongoClient.connect(url);
    const db = client.db('desk');
    const collection = db.collection<Row>('c');
    await collection.createIndex({ n: 1 });
    const insert = (n: number): Promise<unknown> => collection.insertOne({ _id: `r${n}`, n, text: 'x'.repeat(20_000) });
    let acknowledged = 0;
    let refusal: unknown;
    for (; !refusal && acknowledged < 1000;)
      await insert(acknowledged).then(
        () => acknowledged++,
        (error: unknown) => (refusal = error),
      );
    expect(refusal).toMatchObject({ code: 14031, codeName: 'OutOfDiskSpace' });
    await expect(insert(acknowledged)).rejects.toMatchObject({ code: 14031 });
    await expect(collection.createIndex({ text: 1, n: 1 })).rejects.toMatchObject({ code: 17280 });
    // Reads continue; what was refused is not there.
    expect(await collection.countDocuments()).toBe(acknowledged);
    expect(await db.command({ validate: 'c' })).toMatchObject({ valid: true, nrecords: acknowledged });
    // A sort of four times as much does not fit either; another one does afterwards.
    const copies = { $unwind: { path: '$copy' } };
    await expect(
      collection.aggregate([{ $set: { copy: { $range: [0, 4] } } }, copies, { $sort: { copy: 1 } }]).toArray(),
    ).rejects.toMatchObject({ code: 14031 });
    expect(
      await collection.aggregate([{ $match: { n: { $lt: 20 } } }, { $sort: { text: 1 } }, { $project: { n: 1 } }]).toArray(),
    ).toHaveLength(20);
    // Once there is space again, writes work too.
    expect((await collection.deleteMany({ n: { $gte: acknowledged - 10 } })).deletedCount).toBe(10);
    // The space of a transaction is free for the second one after it.
    await collection.insertOne({ _id: 'small', n: -1 });
    await insert(5000);
    await client.close();
    const exited = once(child, 'exit');
    child.stdin.end();
    await exited;
    await withNode(directory, async (again) => {
      expect(await again.command({ validate: 'c' })).toMatchObject({ valid: true, nrecords: acknowledged - 8 });
      await again
        .collection<Row>('c')
        .insertMany(Array.from({ length: 200 }, (_, n) => ({ _id: `later${n}`, n: 10_000 + n, text: 'x'.repeat(20_000) })));
      expect(await again.collection('c').countDocuments({ n: { $gte: 5000 } })).toBe(201);
    });
  } finally {
    await client?.close();
    child.kill('SIGKILL');
    packages.remove();
  }
});
