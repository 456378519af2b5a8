// `npm run test:servers [-- what jest takes]`: the tests on an EventStoreDB server that is full and in use. It is the one that
// TIERLINE_EVENTSTORE_URL names, or an embedded node started for the purpose. Before the tests it gets more than 21,000 events that are not
// theirs, tickets among them, and while they run others go on appending.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { startEmbeddedMongoDB } from '@tierline/embedded-mongodb';
import '../bin/build-newer.js';

const ORDERS = 17_000;
const TICKETS = 1_500;
const NOTES = 2;

const { administratorKeyIn, startApiThread } = await import('#local');
const { loadConfig } = await import('#platform');

const directory = await mkdtemp(join(tmpdir(), 'tierline-servers-'));
const closing = [() => rm(directory, { recursive: true, force: true })];
try {
  const url = process.env.TIERLINE_EVENTSTORE_URL ?? (await embeddedEventStore());
  const client = EventStoreDBClient.connectionString(url);
  closing.push(() => client.dispose());
  const api = await apiOn(url);

  console.log(`Filling ${url} ...`);
  for (let sent = 0; sent < ORDERS; sent += 500) await appendOrders(client, 500);
  const tickets = Array.from({ length: TICKETS });
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (tickets.pop() !== undefined || tickets.length > 0) await liveTicket(api);
    }),
  );

  const running = new AbortController();
  const others = Promise.all([again(50, () => appendOrders(client, 5), running.signal), again(250, () => liveTicket(api), running.signal)]);
  const tests = spawn('npm', ['test', '--', ...process.argv.slice(2)], {
    // The packages' own tests know a server by the plain name.
    env: { TEST_PATIENCE_MS: '240000', ...process.env, TIERLINE_EVENTSTORE_URL: url, EVENTSTORE_URL: url },
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  const [code] = await once(tests, 'exit');
  process.exitCode = code ?? 1;
  running.abort();
  await others;
} finally {
  for (const close of closing.reverse()) await close();
}

async function embeddedEventStore() {
  const node = await startEmbeddedEventStoreDB({ directory: join(directory, 'eventstoredb'), port: 0 });
  closing.push(() => node.close());
  return node.url;
}

/** Where others open their tickets. Nobody runs the worker. */
async function apiOn(eventStoreUrl) {
  const mongo = await startEmbeddedMongoDB({ directory: join(directory, 'mongodb'), port: 0 });
  closing.push(() => mongo.close());
  const environment = {
    PORT: '0',
    TIERLINE_EVENTSTORE_URL: eventStoreUrl,
    TIERLINE_MONGODB_URL: mongo.url.replace('/?', '/others?'),
    DATA_DIR: directory,
    ATTACHMENTS_DIR: join(directory, 'attachments'),
    RATE_LIMIT: '0',
    LOG_LEVEL: 'warn',
  };
  const api = await startApiThread(loadConfig(environment), { administratorKey: true });
  closing.push(() => api.close());
  return { url: api.url, key: await administratorKeyIn(directory) };
}

/** Events of another application. */
async function appendOrders(client, count) {
  const events = Array.from({ length: count }, (_, line) =>
    jsonEvent({ type: 'OrderLineAdded', data: { line, article: randomUUID(), amount: 3 } }),
  );
  await client.appendToStream(`order-${randomUUID()}`, events);
}

/** A ticket of somebody else, with notes. */
async function liveTicket(api) {
  const person = { id: 'j.doe', name: 'Jane Doe' };
  const ticket = {
    client: 'others',
    kind: 'incident',
    summary: 'Cannot print invoices',
    reporter: person,
    channel: 'phone',
    impact: 'medium',
    urgency: 'high',
  };
  const { ticketId } = await sent(api, '/v1/tickets', ticket);
  for (let note = 0; note < NOTES; note++) await sent(api, `/v1/tickets/${ticketId}/internal-notes`, { text: `Note ${note}` });
}

async function sent({ url, key }, path, body) {
  const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

/** Does it every so many milliseconds until the signal aborts. */
async function again(ms, work, signal) {
  while (!signal.aborted) {
    await work();
    await pause(ms, undefined, { signal }).catch(() => undefined);
  }
}
