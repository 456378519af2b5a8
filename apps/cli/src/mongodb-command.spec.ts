import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { runMongoDB } from './mongodb-command.js';
import { NotStarted, type NodeOptions } from './node-options.js';

const directory = mkdtempSync(join(tmpdir(), 'tierline-mongodb-'));
afterAll(() => rmSync(directory, { recursive: true }));

const certificate = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures/tls/cert.pem');
const options: NodeOptions = { dir: directory, port: 0, host: '127.0.0.1' };

/** Runs the command until the work with the printed connection string is done. */
async function whileRunning(given: NodeOptions, env: NodeJS.ProcessEnv, work: (url: string) => Promise<void>): Promise<string> {
  const stop = new AbortController();
  let printed = '';
  let url: (url: string) => void;
  const listening = new Promise<string>((resolve) => (url = resolve));
  const running = runMongoDB(given, env, stop.signal, (text) => {
    printed += text;
    url(/mongodb:\S+/.exec(text)?.[0] ?? '');
  });
  await Promise.race([listening.then(work), running]).finally(() => stop.abort());
  await running;
  return printed;
}

it('serves what it prints until it is stopped, and keeps the data', async () => {
  for (let start = 0; start < 2; start++) {
    const printed = await whileRunning(options, {}, async (url) => {
      const client = await MongoClient.connect(url);
      await client.db('a').collection('c').insertOne({ start });
      expect(await client.db('a').collection('c').countDocuments()).toBe(start + 1);
      await client.close();
    });
    expect(printed).toContain(directory);
    expect(printed).toMatch(/Stopped\.\n$/);
  }
});

it('asks for the user of the environment, over TLS with the files that are named', async () => {
  const secured = { ...options, host: '0.0.0.0', tlsCert: certificate, tlsKey: certificate.replace('cert.pem', 'key.pem') };
  const printed = await whileRunning(secured, { MONGODB_USER: 'ada', MONGODB_PASSWORD: 'a secret' }, async (url) => {
    const client = await MongoClient.connect(url, { tlsCAFile: certificate, auth: { username: 'ada', password: 'a secret' } });
    expect(await client.db('a').command({ listCollections: 1 })).toMatchObject({ ok: 1 });
    await client.close();
  });
  expect(printed).not.toContain('a secret');
});

it.each<[string, Partial<NodeOptions>, NodeJS.ProcessEnv, RegExp]>([
  ['an address that others reach', { host: '0.0.0.0' }, {}, /TLS and a user/],
  ['a certificate without its key', { tlsCert: certificate }, {}, /belong together/],
  ['a file that is not there', { tlsCert: '/nowhere/cert.pem', tlsKey: '/nowhere/key.pem' }, {}, /\/nowhere\/cert\.pem cannot be read/],
  ['a file that is no key', { tlsCert: certificate, tlsKey: certificate }, {}, /certificate or key/],
  ['a user without a password', {}, { MONGODB_USER: 'ada' }, /belong together/],
  ['a directory that cannot be made', { dir: join(certificate, 'below') }, {}, /cert\.pem/],
])('does not start with %s, and says so', async (_, given, env, message) => {
  const running = runMongoDB({ ...options, ...given }, env, AbortSignal.abort(), () => undefined);
  await expect(running).rejects.toThrow(NotStarted);
  await expect(running).rejects.toThrow(message);
});
