import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { runEventStore, type EventStoreOptions } from './eventstore-command.js';
import { NotStarted } from './node-options.js';

const directory = mkdtempSync(join(tmpdir(), 'tierline-eventstore-'));
afterAll(() => rmSync(directory, { recursive: true }));

const certificate = join(process.cwd(), 'libs/embedded-eventstoredb/fixtures/tls/cert.pem');
const options: EventStoreOptions = { dir: directory, port: 0, host: '127.0.0.1', systemStreams: true };
const opened = () => jsonEvent({ type: 'opened', data: {} });

/** Runs the command until the work with the printed connection string is done. */
async function whileRunning(given: EventStoreOptions, env: NodeJS.ProcessEnv, work: (url: string) => Promise<void>): Promise<string> {
  const stop = new AbortController();
  let printed = '';
  let url: (url: string) => void;
  const listening = new Promise<string>((resolve) => (url = resolve));
  const running = runEventStore(given, env, stop.signal, (text) => {
    printed += text;
    url(/esdb:\S+/.exec(text)?.[0] ?? '');
  });
  await Promise.race([listening.then(work), running]).finally(() => stop.abort());
  await running;
  return printed;
}

it('serves what it prints until it is stopped, and keeps the events', async () => {
  for (let start = 0; start < 2; start++) {
    const printed = await whileRunning(options, {}, async (url) => {
      const client = EventStoreDBClient.connectionString(url);
      expect((await client.appendToStream('ticket-1', opened())).nextExpectedRevision).toBe(BigInt(start));
      await client.dispose();
    });
    expect(printed).toContain(directory);
    expect(printed).toMatch(/Stopped\.\n$/);
  }
});

it('asks for the user of the environment, over TLS with the files that are named', async () => {
  const secured = { ...options, host: '0.0.0.0', tlsCert: certificate, tlsKey: certificate.replace('cert.pem', 'key.pem') };
  const printed = await whileRunning(secured, { EVENTSTORE_USER: 'ada', EVENTSTORE_PASSWORD: 'a secret' }, async (url) => {
    const signedIn = EventStoreDBClient.connectionString(`${url.replace('esdb://', 'esdb://ada:a%20secret@')}&tlsCAFile=${certificate}`);
    expect((await signedIn.appendToStream('ticket-1', opened())).success).toBe(true);
    await signedIn.dispose();
    const anonymous = EventStoreDBClient.connectionString(`${url}&tlsCAFile=${certificate}`);
    await expect(anonymous.appendToStream('ticket-1', opened())).rejects.toThrow();
    await anonymous.dispose();
  });
  expect(printed).not.toContain('a secret');
});

it.each<[string, Partial<EventStoreOptions>, NodeJS.ProcessEnv, RegExp]>([
  ['an address that others reach', { host: '0.0.0.0' }, {}, /TLS and a user/],
  ['a certificate without its key', { tlsCert: certificate }, {}, /belong together/],
  ['a file that is not there', { tlsCert: '/nowhere/cert.pem', tlsKey: '/nowhere/key.pem' }, {}, /\/nowhere\/cert\.pem cannot be read/],
  ['a file that is no key', { tlsCert: certificate, tlsKey: certificate }, {}, /certificate or key/],
  ['a user without a password', {}, { EVENTSTORE_USER: 'ada' }, /belong together/],
  ['a user whom no header can name', {}, { EVENTSTORE_USER: 'a:b', EVENTSTORE_PASSWORD: 'x' }, /contain a colon/],
  ['a directory that cannot be made', { dir: join(certificate, 'below') }, {}, /cert\.pem/],
])('does not start with %s, and says so', async (_, given, env, message) => {
  const running = runEventStore({ ...options, ...given }, env, AbortSignal.abort(), () => undefined);
  await expect(running).rejects.toThrow(NotStarted);
  await expect(running).rejects.toThrow(message);
});
