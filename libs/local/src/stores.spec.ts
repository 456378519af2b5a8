import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccessDeniedError, EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { MongoClient } from 'mongodb';
import { loadConfig } from '#platform';
import { CannotStart, explainDataDir } from './cannot-start.js';
import { openStores } from './stores.js';

describe('embedded stores', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'tierline-users-'));
  afterAll(() => rmSync(dataDir, { recursive: true }));
  const config = loadConfig({ DATA_DIR: dataDir, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0' });

  it('have their own users: one for Tierline, and one who reads the read models', async () => {
    const stores = await openStores(config);
    const events = [stores.eventStoreUrl, stores.eventStoreUrl.replace(/\/\/.*@/, '//')].map((url) =>
      EventStoreDBClient.connectionString(url),
    );
    const clients = [stores.mongodbUrl, stores.reportsUrl ?? '', stores.mongodbUrl.replace(/\/\/.*@/, '//')].map(
      (url) => new MongoClient(url),
    );
    try {
      const opened = jsonEvent({ type: 'SpecOpened', data: {} });
      await expect(events[1]?.appendToStream('spec', opened)).rejects.toThrow(AccessDeniedError);
      expect(await events[0]?.appendToStream('spec', opened)).toMatchObject({ success: true });
      const [ours, reports, stranger] = clients.map((client) => client.db().collection<{ _id: number }>('spec'));
      await ours?.insertOne({ _id: 1 });
      expect(await reports?.find().toArray()).toEqual([{ _id: 1 }]);
      await expect(reports?.insertOne({ _id: 2 })).rejects.toMatchObject({ code: 13 });
      await expect(stranger?.find().toArray()).rejects.toMatchObject({ code: 13 });
    } finally {
      for (const client of clients) await client.close();
      for (const client of events) await client.dispose();
      await stores.close();
    }
    for (const file of ['stores-key', 'eventstoredb-tls']) expect(statSync(join(dataDir, file)).mode & 0o777).toBe(0o600);
    const again = await openStores(config);
    await again.close();
    const passwordIn = (url = '') => new URL(url).password;
    expect([again.mongodbUrl, again.eventStoreUrl].map(passwordIn)).toEqual([stores.mongodbUrl, stores.eventStoreUrl].map(passwordIn));
    expect(passwordIn(stores.reportsUrl)).not.toBe(passwordIn(stores.mongodbUrl));
  });
});

describe('a data directory that cannot be used', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-data-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const opened = (dataDir: string) =>
    openStores(loadConfig({ DATA_DIR: dataDir, EMBEDDED_EVENTSTOREDB_PORT: '0', EMBEDDED_MONGODB_PORT: '0' }));
  const refuses = async (dataDir: string, code: string) => {
    const refusal = opened(dataDir);
    await expect(refusal).rejects.toThrow(CannotStart);
    await expect(refusal).rejects.toThrow(
      new RegExp(`^The data directory ${dataDir} cannot be used \\(${code}: .+\\)\\. Set DATA_DIR to a directory that can be written\\.$`),
    );
  };

  it('lies below a file', async () => {
    writeFileSync(join(directory, 'file'), '');
    await refuses(join(directory, 'file'), 'ENOTDIR');
    await refuses(join(directory, 'file', 'data'), 'ENOTDIR');
  });

  it('holds a file that the store cannot open', async () => {
    mkdirSync(join(directory, 'data/eventstoredb/owner/data.mdb'), { recursive: true });
    await refuses(join(directory, 'data'), 'EISDIR');
  });

  it('holds read models that are damaged: the message says where, and the remedy', async () => {
    const damaged = join(directory, 'damaged');
    mkdirSync(join(damaged, 'mongodb'), { recursive: true });
    writeFileSync(join(damaged, 'mongodb/mongodb.mdb'), 'This is no data file.\n'.repeat(1000));
    const refusal = openStores(
      loadConfig({ DATA_DIR: damaged, EMBEDDED_MONGODB_PORT: '0', TIERLINE_EVENTSTORE_URL: 'esdb://127.0.0.1:2113?tls=false' }),
    );
    await expect(refusal).rejects.toThrow(CannotStart);
    expect(statSync(damaged).mode & 0o777).toBe(0o700);
    await expect(refusal).rejects.toThrow(/mongodb\.mdb is damaged, page 0: .+ `tierline rebuild`\.$/);
  });

  // Where the system has a file system without any room.
  (process.platform === 'linux' ? it : it.skip)('lies where no room is left', () => refuses('/proc/tierline/data', 'ENOSPC'));

  it.each([
    [{ code: 'EPERM', message: 'EPERM: operation not permitted, mkdir' }, 'EPERM: operation not permitted, mkdir'],
    [{ code: 13, message: 'Permission denied: Attempting to setup locks' }, 'EACCES: Permission denied: Attempting to setup locks'],
    [{ code: 28, message: 'No space left on device' }, 'ENOSPC: No space left on device'],
  ])('is named with what the system says: %j', (error, reason) => {
    expect(explainDataDir('/data', Object.assign(new Error(error.message), error))).toMatchObject({
      message: `The data directory /data cannot be used (${reason}). Set DATA_DIR to a directory that can be written.`,
    });
  });

  it('hides no other error', () => {
    for (const error of [new Error('something else'), Object.assign(new Error('damaged'), { code: 'ERR_DAMAGED_LOG' })])
      expect(explainDataDir('/data', error)).toBe(error);
  });
});
