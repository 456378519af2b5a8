import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { BSON } from 'mongodb';
import { FolderBlobStore } from '#blobs';
import { rebuildGroup } from '#mongo';
import { deliverNotifications } from '#notifications';
import { SealedBlobs } from '#privacy';
import { agent, policies, projectionGroups, ticket } from '#ticketing';
import { asOperator, runCommand, sealedCategories } from '#ticketing-app';
import { deliverWebhooks, Networks, patience } from '#webhooks';
import { eventually } from '../../../test/eventually.js';
import { storeWithKeys } from '../../../test/stores.js';
import { startEraser } from '../../worker/src/eraser.js';
import { startWorker } from '../../worker/src/worker.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

/** Begins whatever the person is called, has written or sent. Nothing else has it, and ids do not. */
const MARKER = `zq${randomUUID().slice(0, 8)}`;
const marked = (what: string) => `${MARKER}${what}`;

let api: RunningApi;
/** Takes nothing, and repeats what it was sent. */
let echo: Server;
beforeAll(async () => {
  api = await startApi({ networks: new Networks(['127.0.0.0/8']) });
  echo = createServer((request, response) => {
    response.statusCode = 500;
    request.pipe(response);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
});
afterAll(async () => {
  await api?.stop();
  echo?.closeAllConnections();
  echo?.close();
});

async function post(path: string, body: object | string, headers: Record<string, string> = {}) {
  const answer = await send(api.url, 'POST', path, { body, headers });
  if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
  return answer.json;
}

const mail = (headers: Readonly<Record<string, string>>, text: string) =>
  `${Object.entries({
    From: `${marked('sender')} <${marked('address')}@northwind.example>`,
    To: 'desk@desk.example',
    'Message-ID': `<${marked(randomUUID())}@x>`,
    ...headers,
  })
    .map(([name, value]) => `${name}: ${value}`)
    .join('\r\n')}\r\n\r\n${text}\r\n`;
const asMail = { 'Content-Type': 'message/rfc822' };

/** Somebody says and sends all that can be said and sent, and others act on it. @returns ids by the names that addresses have for them */
async function live() {
  const { client } = api;
  const channel = 'echo';
  const ada = `ada-${client}`;
  await runCommand(api.store, { aggregate: agent, id: ada, name: 'RegisterAgent', body: { name: 'Ada' }, context: asOperator() });
  await runCommand(api.store, {
    aggregate: agent,
    id: ada,
    name: 'SetAgentContact',
    body: { channel, clients: [client] },
    context: asOperator(),
  });
  const policy = {
    name: 'on-opening',
    trigger: { on: 'opened' },
    steps: [{ after: 0, targets: [{ kind: 'person', person: { id: ada } }] }],
  };
  await post('/v1/contracts', { client, terms: { tierTargets: {}, escalationPolicies: [policy] } });
  const { webhook } = await post('/v1/webhooks', {
    url: `http://127.0.0.1:${(echo.address() as AddressInfo).port}/`,
    clients: [client],
    from: 'start',
  });
  const opening = {
    client,
    kind: 'incident',
    summary: marked('summary'),
    description: marked('description'),
    reporter: { id: 'jane', name: marked('name') },
    channel: 'portal',
    impact: 'low',
    urgency: 'low',
    service: 'printing',
    category: 'hardware/printer',
  };
  const { ticketId } = await post('/v1/tickets', opening);
  const path = `/v1/tickets/${ticketId}`;
  await runCommand(api.store, { aggregate: ticket, id: ticketId, name: 'RunEscalations', body: {}, context: asOperator() });
  const uploaded = await fetch(`${api.url}/v1/attachments`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream' },
    body: marked('content'),
  });
  const content = (await uploaded.json()) as { sha256: string };
  await post(`${path}/evidence`, { name: marked('file'), kind: 'log', ...content });
  const own = { 'X-Actor-Id': 'jane', 'X-Actor-Kind': 'requester', 'X-Actor-Name': marked('actor') };
  await post(`${path}/requester-replies`, { text: marked('reply') }, own);
  await post(`${path}/internal-notes`, { text: marked('note') });
  await post(`${path}/public-replies`, { text: marked('answer') });
  await post(`${path}/split`, { summary: marked('split'), description: marked('split-off'), reason: 'Two faults' });
  const mailed = await post(`/v1/inbound-mail/${client}`, mail({ Subject: marked('subject') }, marked('text')), asMail);
  await post(`/v1/inbound-mail/${client}`, mail({ Subject: `Re: [#${mailed.ticketId}]` }, marked('mailed-reply')), asMail);
  await post(
    `/v1/inbound-mail/${client}`,
    mail({ Subject: marked('away'), 'Auto-Submitted': 'auto-replied' }, marked('away-text')),
    asMail,
  );
  await send(api.url, 'POST', `/v1/tickets/${mailed.ticketId}/cancel`, { body: { reason: 'Not ours' } });
  await post(`/v1/inbound-mail/${client}`, mail({ Subject: `[#${mailed.ticketId}] ${marked('late')}` }, marked('late-text')), asMail);
  const { problemId } = await post('/v1/problems', { client, title: 'Printers' });
  await post(`/v1/problems/${problemId}/tickets`, { ticketId });
  return { client, ticketId, tier: 'L1', webhook, agent: ada, problemId, sha256: content.sha256, mailed: mailed.ticketId as string };
}

type Ids = Awaited<ReturnType<typeof live>>;

interface Described {
  readonly parameters?: readonly { readonly $ref?: string; readonly name: string; readonly in: string; readonly required?: boolean }[];
}

/** Every address that can be read, and what asks about the past or for words. */
async function addresses(ids: Ids): Promise<readonly string[]> {
  const { paths } = (await send(api.url, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, Described>> };
  const { items: kpis } = (await send(api.url, 'GET', '/v1/kpis')).json as { items: readonly { readonly id: string }[] };
  const now = new Date().toISOString();
  const values: Readonly<Record<string, string>> = { ...ids, kpi: kpis?.[0]?.id ?? 'ticket-volume', id: ids.ticketId };
  const found = Object.entries(paths).flatMap(([path, { get }]) => {
    if (get === undefined) return [];
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ids.client));
    const named = (get.parameters ?? []).map(({ $ref, name }) => $ref?.split('/').at(-1) ?? name);
    const queries = [
      '',
      ...(named.includes('client') ? [`?client=${ids.client}&limit=200`] : []),
      ...(named.includes('q') ? [`?client=${ids.client}&q=${MARKER}`, `?q=${marked('summary')}`] : []),
      ...(named.includes('asOf') ? [`?client=${ids.client}&asOf=${now}`] : []),
      ...(named.includes('knownAt') ? [`?client=${ids.client}&knownAt=${now}`, `?knownAt=${now}`] : []),
      ...(named.includes('from') ? ['?from=start', `?client=${ids.client}&from=2020-01-01T00:00:00Z&to=${now}`] : []),
    ];
    return queries.map((query) => filled + query);
  });
  const more = [
    `/v1/tickets/${ids.mailed}`,
    `/v1/tickets/${ids.mailed}/history`,
    `/v1/events?ticket=${ids.ticketId}&from=start`,
    `/v1/webhooks/${ids.webhook}/deliveries?state=waiting`,
  ];
  return [...found, ...more].filter((address) => !/openapi|asyncapi|^\/docs|^\/login/.test(address));
}

/** Every place that holds or shows the marker. */
async function leaks(ids: Ids): Promise<readonly string[]> {
  const found = new Set<string>();
  const look = (place: string, content: string | Uint8Array) => {
    if (Buffer.from(content).toString('latin1').toLowerCase().includes(MARKER)) found.add(place);
  };
  for (const address of await addresses(ids))
    for (const accept of ['application/json', 'application/x-ndjson', 'text/csv']) {
      // A feed does not end.
      if (address.startsWith('/v1/events') && accept !== 'application/x-ndjson') continue;
      // The past may have to be read from the log first, as the API then says.
      const answer = await eventually(
        () => fetch(api.url + address, { headers: { Accept: accept }, signal: AbortSignal.timeout(30_000) }).catch(() => undefined),
        (one) => one?.status !== 503 || address.startsWith('/health'),
      );
      if (answer === undefined) {
        found.add(`no answer: GET ${address} ${accept}`);
        continue;
      }
      const text = await answer.text();
      if (answer.status >= 500 && !address.startsWith('/health')) found.add(`${answer.status} GET ${address}`);
      // What it is asked for is in the answer of a refusal.
      if (answer.ok) look(`GET ${address.replaceAll(MARKER, '…')} ${accept}`, text);
    }
  for (const { name } of await api.mongo.db.listCollections({ type: 'collection' }, { nameOnly: true }).toArray())
    for await (const document of api.mongo.db.collection(name).find()) look(`collection ${name}`, BSON.serialize(document));
  for await (const event of api.stores.store.readAll({ streamPrefixes: sealedCategories.map((category) => `${category}-`) }))
    look(`event ${event.type}`, JSON.stringify({ data: event.data, metadata: event.metadata }));
  for (const entry of await readdir(api.attachmentsDir, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) look('blob', await readFile(join(entry.parentPath, entry.name)));
  look('log', api.logged.join('\n'));
  return [...found];
}

it('shows and stores nothing of a forgotten person, in any interface', async () => {
  const { keys, store, attachments } = await storeWithKeys(api.stores);
  const { db } = api.mongo;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const impatient = { ...patience, firstMs: 50, longestMs: 200, breakAfter: Infinity };
  const ids = await live();
  const channels = new Map([['echo', { format: 'slack', url: `http://127.0.0.1:${(echo.address() as AddressInfo).port}/chat` }]]);
  const worker = startWorker({ store, db, groups: [], policies, log });
  const webhooks = deliverWebhooks({
    store,
    db,
    log,
    keyFile: api.webhookKeyFile,
    networks: ['127.0.0.0/8'],
    patience: impatient,
    pollMs: 50,
  });
  const messages = deliverNotifications({
    store,
    db,
    log,
    channels: channels as never,
    networks: ['127.0.0.0/8'],
    patience: impatient,
    pollMs: 50,
  });
  try {
    const waiting = () =>
      db
        .collection('webhook_deliveries')
        .find({ state: 'waiting', 'attempts.excerpt': { $regex: MARKER } })
        .toArray();
    await eventually(
      async () => new Set((await waiting()).map(({ webhook }) => webhook)).size,
      (destinations) => destinations === 2,
    );
    const open = await leaks(ids);
    const doors = [
      'GET /v1/tickets',
      'GET /v1/queues/L1',
      'GET /v1/sla-board',
      'GET /v1/inbound-mail',
      'GET /v1/events',
      `GET /v1/attachments/${ids.sha256}`,
    ];
    const places = ['ticket_details', 'ticket_history', 'tickets__fold', 'tickets__instants', 'webhook_deliveries'].map(
      (name) => `collection ${name}`,
    );
    expect(open.map((place) => place.replace(/ [a-z]+\/[a-z-]+$/, ''))).toEqual(expect.arrayContaining([...doors, ...places]));
    expect(open.filter((place) => /^(event|blob|log)/.test(place) || /inbound_mail|attachment_keys/.test(place))).toEqual([]);

    const { items: aside } = (await send(api.url, 'GET', '/v1/inbound-mail?limit=200')).json as {
      items: readonly { readonly person: string }[];
    };
    const persons = new Set(['jane', ...aside.map(({ person }) => person)]);
    for (const person of persons) await post(`/v1/privacy/${ids.client}/forgotten-persons`, { person, reason: 'By letter' });
    const eraser = startEraser({
      store,
      db,
      keys,
      blobs: new SealedBlobs(await FolderBlobStore.open(api.attachmentsDir), attachments),
      log,
      everyMs: 200,
      settleMs: 1_000,
    });
    try {
      // To look behind every door takes a while: it is done once all of it has been erased.
      await eventually(
        () => send(api.url, 'GET', `/v1/tickets?client=${ids.client}`),
        ({ status, text }) => status === 200 && !text.includes(MARKER),
      );
      await eventually(
        () => leaks(ids),
        (all) => all.length === 0,
      );
    } finally {
      await eraser.stop();
    }
    expect(
      await readdir(join(api.attachmentsDir), { recursive: true, withFileTypes: true }).then((all) =>
        all.filter((entry) => entry.isFile()),
      ),
    ).toEqual([]);
    for (const group of projectionGroups) await rebuildGroup({ db, store, group, owner: randomUUID() });
    expect(await leaks(ids)).toEqual([]);
  } finally {
    await Promise.all([worker.stop(), webhooks.stop(), messages.stop()]);
  }
}, 600_000);
