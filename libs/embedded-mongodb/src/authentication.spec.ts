import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Binary, BSON, MongoClient, type Document, type MongoClientOptions } from 'mongodb';
import {
  BadCertificate,
  BadCredentials,
  NotLoopback,
  startEmbeddedMongoDB,
  type EmbeddedMongoDB,
  type EmbeddedMongoDBOptions,
} from './index.js';

/** Self-signed for localhost, 127.0.0.1 and ::1; valid until 2126. */
const certificate = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures/tls/cert.pem');
const tls = { cert: readFileSync(certificate, 'utf8'), key: readFileSync(certificate.replace('cert.pem', 'key.pem'), 'utf8') };
const credentials = { user: 'reports, =daily', password: 'pässwörd\u00a0\u00adⅧ' };

const directory = mkdtempSync(join(tmpdir(), 'embedded-mongodb-auth-'));
let node: EmbeddedMongoDB | undefined;
const clients: MongoClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await node?.close();
  node = undefined;
});
afterAll(() => rmSync(directory, { recursive: true }));

const start = async (options: Partial<EmbeddedMongoDBOptions>): Promise<EmbeddedMongoDB> =>
  (node = await startEmbeddedMongoDB({ directory, port: 0, ...options }));
const client = (url: string, options: MongoClientOptions = {}): MongoClient => {
  const made = new MongoClient(url, { serverSelectionTimeoutMS: 20_000, retryReads: false, ...options });
  clients.push(made);
  return made;
};
const as = (user: string, password: string): MongoClientOptions => ({ auth: { username: user, password } });

describe('a user and a password', () => {
  test('are required of everyone, and admit those who have them', async () => {
    const { url } = await start({ credentials });
    const signedIn = client(url, as(credentials.user, credentials.password));
    await signedIn.db('a').collection('c').insertOne({ a: 1 });
    expect(await signedIn.db('a').collection('c').countDocuments()).toBe(1);
    expect(await signedIn.db('a').command({ connectionStatus: 1 })).toMatchObject({
      authInfo: { authenticatedUsers: [{ user: credentials.user, db: 'admin' }] },
    });
    const named = client(url, { ...as(credentials.user, credentials.password), authMechanism: 'SCRAM-SHA-256', authSource: 'admin' });
    expect(await named.db('a').collection('c').countDocuments()).toBe(1);
  });

  test('that are wrong are refused, whichever is wrong', async () => {
    const { url } = await start({ credentials });
    for (const options of [
      as(credentials.user, 'other'),
      as('other', credentials.password),
      { ...as(credentials.user, credentials.password), authSource: 'a' },
    ])
      await expect(client(url, options).db('a').command({ ping: 1 })).rejects.toMatchObject({ code: 18, codeName: 'AuthenticationFailed' });
  });

  test('without signing in, only the handshake is possible', async () => {
    const { url } = await start({ credentials });
    const stranger = client(url).db('a');
    expect(await stranger.command({ ping: 1 })).toMatchObject({ ok: 1 });
    expect(await stranger.command({ buildInfo: 1 })).toMatchObject({ ok: 1 });
    expect(await stranger.command({ connectionStatus: 1 })).toMatchObject({ authInfo: { authenticatedUsers: [] } });
    // Whether a user exists is not revealed.
    for (const user of [credentials.user, 'nobody'])
      expect(await stranger.command({ hello: 1, saslSupportedMechs: `admin.${user}` })).toMatchObject({
        saslSupportedMechs: ['SCRAM-SHA-256'],
      });
    for (const command of [
      { find: 'c' },
      { insert: 'c', documents: [{}] },
      { listDatabases: 1, $db: 'admin' },
      { serverStatus: 1 },
      { dropDatabase: 1 },
      { getMore: 1n, collection: 'c' },
      { validate: 'c' },
    ])
      await expect(stranger.command(command)).rejects.toMatchObject({
        code: 13,
        codeName: 'Unauthorized',
        message: expect.stringContaining('requires authentication'),
      });
    await expect(stranger.command({ nonsense: 1 })).rejects.toMatchObject({ code: 59 });
  });

  test('a connection that logs out is no longer signed in', async () => {
    const { url } = await start({ credentials });
    const db = client(url, { ...as(credentials.user, credentials.password), maxPoolSize: 1 }).db('admin');
    await db.command({ listDatabases: 1 });
    await db.command({ logout: 1 });
    await expect(db.command({ listDatabases: 1 })).rejects.toMatchObject({ code: 13 });
  });

  test('of a reader open one database for reading', async () => {
    const reader = { user: 'reports', password: 'r', database: 'desk' };
    const { url } = await start({ credentials, reader });
    const writer = client(url, as(credentials.user, credentials.password));
    await writer
      .db('desk')
      .collection<{ _id: number }>('c')
      .insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    const reading = client(url, as(reader.user, reader.password));
    const db = reading.db('desk');
    const collection = db.collection<{ _id: number }>('c');
    expect(await collection.find().batchSize(1).toArray()).toHaveLength(3);
    expect(await collection.aggregate([{ $count: 'n' }]).toArray()).toEqual([{ n: 3 }]);
    expect([await collection.countDocuments(), await collection.distinct('_id')]).toEqual([3, [1, 2, 3]]);
    expect(await collection.find().explain()).toMatchObject({ ok: 1 });
    expect(await db.listCollections({}, { nameOnly: true }).toArray()).toEqual([{ name: 'c', type: 'collection' }]);
    expect(await collection.indexes()).toHaveLength(1);
    expect(await db.command({ connectionStatus: 1 })).toMatchObject({
      authInfo: { authenticatedUsers: [{ user: 'reports', db: 'admin' }], authenticatedUserRoles: [{ role: 'read', db: 'desk' }] },
    });
    const refused: (() => Promise<unknown>)[] = [
      () => collection.insertOne({ _id: 4 }),
      () => collection.updateMany({}, { $set: { a: 1 } }),
      () => collection.findOneAndUpdate({}, { $set: { a: 1 } }),
      () => collection.deleteMany({}),
      () => collection.bulkWrite([{ deleteOne: { filter: {} } }]),
      () => reading.db('admin').command({ bulkWrite: 1, ops: [{ delete: 0, filter: {} }], nsInfo: [{ ns: 'desk.c' }] }),
      () => collection.aggregate([{ $out: 'd' }]).toArray(),
      () => collection.aggregate([{ $merge: 'c' }]).toArray(),
      () => collection.createIndex({ a: 1 }),
      () => collection.drop(),
      () => db.dropDatabase(),
      () => db.createCollection('d'),
      () => db.command({ explain: { delete: 'c', deletes: [{ q: {}, limit: 0 }] } }),
      () => reading.db('b').collection('c').find().toArray(),
      () => reading.db('admin').command({ serverStatus: 1 }),
    ];
    for (const write of refused) await expect(write()).rejects.toMatchObject({ code: 13, codeName: 'Unauthorized' });
    expect(await collection.find().toArray()).toEqual([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
  });

  test('no one can sign in if there are no users', async () => {
    const { url } = await start({});
    await expect(client(url, as('a', 'b')).db('a').command({ ping: 1 })).rejects.toMatchObject({ code: 18 });
    expect(await client(url).db('admin').command({ hello: 1, saslSupportedMechs: 'admin.a' })).not.toHaveProperty('saslSupportedMechs');
  });

  test('are set at each start', async () => {
    const first = await start({ credentials });
    await first.close();
    const { url } = await start({ credentials: { user: 'next', password: 'one' } });
    expect(await client(url, as('next', 'one')).db('a').command({ listCollections: 1 })).toMatchObject({ ok: 1 });
    await expect(client(url, as(credentials.user, credentials.password)).db('a').command({ ping: 1 })).rejects.toMatchObject({ code: 18 });
  });

  test('before signing in, a message larger than a handshake ends the connection', async () => {
    const { port, url } = await start({ credentials });
    const body = BSON.serialize({ find: 'c', filter: { text: 'x'.repeat(100_000) }, $db: 'a' });
    const head = Buffer.alloc(21);
    head.writeInt32LE(21 + body.length, 0);
    head.writeInt32LE(2013, 12);
    const socket = connect(port, '127.0.0.1');
    const received = await new Promise<number>((resolve) => {
      let bytes = 0;
      socket.on('data', (data) => (bytes += data.length));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(bytes));
      socket.write(Buffer.concat([head, body]));
    });
    expect(received).toBe(0);
    const signedIn = client(url, as(credentials.user, credentials.password));
    expect(
      await signedIn
        .db('a')
        .collection('c')
        .find({ text: 'x'.repeat(100_000) })
        .toArray(),
    ).toEqual([]);
  });
});

/** SCRAM by hand (RFC 5802), without the drivers' shortcuts: the other paths through the exchange. */
describe('the exchange', () => {
  const user = 'user';
  const password = 'pencil';
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const text = (reply: Document): string => (reply['payload'] as Binary).toString('utf8');
  const payload = (value: string): Binary => new Binary(Buffer.from(value));
  const bare = `n=${user},r=clientnonce`;

  const begun = async () => {
    const { url } = await start({ credentials: { user, password } });
    const db = client(url, { maxPoolSize: 1 }).db('admin');
    const first = await db.command({ saslStart: 1, mechanism: 'SCRAM-SHA-256', payload: payload(`n,,${bare}`) });
    return { db, first, serverFirst: text(first) };
  };
  const finalOf = (serverFirst: string, secret = password, channel = 'biws') => {
    const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(.*)$/.exec(serverFirst) as unknown as [string, string, string, string];
    const salted = pbkdf2Sync(secret, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const withoutProof = `c=${channel},r=${nonce}`;
    const message = `${bare},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] as number))).toString('base64');
    return { final: `${withoutProof},p=${proof}`, serverSignature: hmac(hmac(salted, 'Server Key'), message).toString('base64') };
  };

  test('ends with an empty message unless the client asked to leave it out, and proves the node to the client', async () => {
    const { db, first, serverFirst } = await begun();
    expect(first).toMatchObject({ conversationId: 1, done: false });
    expect(serverFirst).toMatch(/^r=clientnonce.{20,},s=.{20,},i=15000$/);
    const { final, serverSignature } = finalOf(serverFirst);
    const second = await db.command({ saslContinue: 1, conversationId: 1, payload: payload(final) });
    expect([second['done'], text(second)]).toEqual([false, `v=${serverSignature}`]);
    await expect(db.command({ listDatabases: 1 })).rejects.toMatchObject({ code: 13 });
    const third = await db.command({ saslContinue: 1, conversationId: 1, payload: payload('') });
    expect([third['done'], text(third)]).toEqual([true, '']);
    expect(await db.command({ listDatabases: 1 })).toMatchObject({ ok: 1 });
  });

  test.each<readonly [string, (serverFirst: string) => string]>([
    ['a proof of another password', (first) => finalOf(first, 'other').final],
    ['a proof that was changed', (first) => finalOf(first).final.replace(/p=./, 'p=#')],
    ['another nonce', (first) => finalOf(first).final.replace('clientnonce', 'othernonce0')],
    ['another channel', (first) => finalOf(first, password, 'eSws').final],
    ['no proof', (first) => finalOf(first).final.split(',p=')[0] as string],
    ['nothing', () => ''],
  ])('is refused with %s, and then over', async (_, final) => {
    const { db, serverFirst } = await begun();
    await expect(db.command({ saslContinue: 1, conversationId: 1, payload: payload(final(serverFirst)) })).rejects.toMatchObject({
      code: 18,
    });
    await expect(db.command({ saslContinue: 1, conversationId: 1, payload: payload(finalOf(serverFirst).final) })).rejects.toMatchObject({
      code: 17,
    });
    await expect(db.command({ listDatabases: 1 })).rejects.toMatchObject({ code: 13 });
  });

  test('does not start with another mechanism or channel binding, or in the middle', async () => {
    const { db } = await begun();
    await expect(db.command({ saslStart: 1, mechanism: 'PLAIN', payload: payload('\0user\0pencil') })).rejects.toMatchObject({ code: 334 });
    await expect(db.command({ saslStart: 1, mechanism: 'SCRAM-SHA-256', payload: payload(`p=tls-unique,,${bare}`) })).rejects.toMatchObject(
      { code: 18 },
    );
    await expect(db.command({ saslContinue: 1, conversationId: 1, payload: payload('') })).rejects.toMatchObject({ code: 17 });
  });
});

describe('TLS', () => {
  test('is required once there is a certificate', async () => {
    const { url, port } = await start({ tls, credentials, host: '0.0.0.0' });
    expect(url).toBe(`mongodb://localhost:${port}/?directConnection=true&tls=true`);
    const secure = client(url, { tlsCAFile: certificate, ...as(credentials.user, credentials.password) });
    await secure
      .db('a')
      .collection('tls')
      .insertMany(Array.from({ length: 500 }, (_, n) => ({ n, text: 'x'.repeat(1000) })));
    expect(await secure.db('a').collection('tls').find().toArray()).toHaveLength(500);
    // A client that does not use it, or does not trust the certificate, is rejected; others are served.
    await expect(
      client(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 300 }).db('a').command({ ping: 1 }),
    ).rejects.toThrow();
    await expect(client(url, { serverSelectionTimeoutMS: 3_000 }).db('a').command({ ping: 1 })).rejects.toThrow(/self-signed|certificate/);
    await expect(client(url, { tlsCAFile: certificate }).db('a').command({ listCollections: 1 })).rejects.toMatchObject({ code: 13 });
    expect(await secure.db('a').command({ ping: 1 })).toMatchObject({ ok: 1 });
  });

  test('addresses other than loopback need both', async () => {
    for (const options of [{}, { tls }, { credentials }])
      await expect(start({ host: '0.0.0.0', ...options })).rejects.toBeInstanceOf(NotLoopback);
    await expect(start({ host: '::', tls })).rejects.toMatchObject({ code: 'ERR_NOT_LOOPBACK', host: '::' });
  });

  test('unusable files are refused at the start', async () => {
    for (const bad of [
      { cert: 'nothing', key: tls.key },
      { cert: tls.cert, key: 'nothing' },
    ])
      await expect(start({ tls: bad })).rejects.toBeInstanceOf(BadCertificate);
    for (const bad of [
      { user: '', password: 'x' },
      { user: 'x', password: '' },
      { user: 'x', password: 'a\nb' },
    ])
      await expect(start({ credentials: bad })).rejects.toBeInstanceOf(BadCredentials);
    for (const options of [
      { reader: { user: 'x', password: 'y', database: 'a' } },
      { credentials, reader: { ...credentials, database: 'a' } },
    ])
      await expect(start(options)).rejects.toBeInstanceOf(BadCredentials);
  });
});
