import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Webhook as Verifier } from 'standardwebhooks';
import { FolderBlobStore } from '#blobs';
import { streamName } from '#eventsourcing';
import { unlessKeyMissing } from '#local';
import { deliverReports, webhookReports } from '#notifications';
import { createLog } from '#platform';
import { SealedBlobs } from '#privacy';
import { type Principal, type Role, ticket } from '#ticketing';
import { tellErased, webhookKey } from '#ticketing-app';
import { deliveries, type Deliverer, type DeliveryState, deliverWebhooks, Networks, patience, type Patience, progress } from '#webhooks';
import { eventually } from '../../../test/eventually.js';
import { storeWithKeys } from '../../../test/stores.js';
import { startReporter } from '../../worker/src/reporter.js';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

/** Somebody's server that webhooks are sent to. */
class Receiver {
  readonly got: {
    readonly path: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
    readonly event: CloudEvent;
  }[] = [];
  /** Path → what it does with a request; takes it, unless said. */
  readonly does = new Map<string, (response: ServerResponse, event: CloudEvent) => void>();

  private constructor(private readonly server: Server) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#take(request, response));
  }

  static async start(): Promise<Receiver> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Receiver(server);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const event = JSON.parse(body) as CloudEvent;
    const path = request.url ?? '';
    this.got.push({ path, headers: request.headers, body, event });
    const act = this.does.get(path);
    if (act === undefined) response.writeHead(204).end();
    else act(response, event);
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${path}`;
  }

  /** What came to a path, each event once, in the order in which it first came. */
  at(path: string): readonly CloudEvent[] {
    const events = this.got.filter((one) => one.path === path).map(({ event }) => event);
    return events.filter(({ id }, index) => events.findIndex((other) => other.id === id) === index);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly revision: number;
  readonly data: { readonly summary?: string };
}

let api: RunningApi;
let receiver: Receiver;
let deliverer: Deliverer | undefined;
beforeAll(async () => {
  [api, receiver] = await Promise.all([startApi({ networks: new Networks(['127.0.0.0/8']) }), Receiver.start()]);
});
afterEach(async () => {
  await deliverer?.stop();
  deliverer = undefined;
});
afterAll(async () => {
  await receiver?.close();
  await api?.stop();
});

function deliver(more: Partial<Patience> = {}, timeoutMs = 15_000): Deliverer {
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  return (deliverer = deliverWebhooks({
    store: api.store,
    db: api.mongo.db,
    log,
    keyFile: api.webhookKeyFile,
    networks: ['127.0.0.0/8'],
    patience: { ...patience, firstMs: 20, longestMs: 100, breakAfter: 1_000, ...more },
    timeoutMs,
    settled: webhookReports({ store: api.store, log }),
    pollMs: 50,
  }));
}

const open = { kind: 'incident', summary: 'Cannot print', reporter: { id: 'j.doe' }, channel: 'phone', impact: 'low', urgency: 'low' };

async function post(path: string, body?: unknown) {
  const answer = await send(api.url, 'POST', path, { body });
  if (answer.status >= 300) throw new Error(answer.text);
  return answer.json;
}
const get = async (path: string) => (await send(api.url, 'GET', path)).json;
const openTicket = async (client: string): Promise<string> => (await post('/v1/tickets', { ...open, client })).ticketId;
const step = (id: string, action: string) => post(`/v1/tickets/${id}/diagnostic-steps`, { action, outcome: 'o' });
const newClient = () => `client-${randomUUID()}`;

async function subscribe(path: string, client: string, more: object = {}): Promise<string> {
  return (await post('/v1/webhooks', { url: receiver.url(path), clients: [client], from: 'start', ...more })).webhook;
}

/** Waits until so many events have come to a path. */
const arrived = (path: string, count: number) =>
  eventually(
    () => receiver.at(path),
    ({ length }) => length >= count,
  );

describe('webhooks', () => {
  it('send subscribed events, signed and in order, and report each attempt', async () => {
    const client = newClient();
    const ticket = await openTicket(client);
    for (let n = 0; n < 5; n++) await step(ticket, `step ${n}`);
    deliver();
    const webhook = await subscribe('/signed', client, { types: ['com.tierline.ticket.opened.v1', 'DiagnosticStepRecorded'] });
    await step(ticket, 'afterwards');
    expect((await arrived('/signed', 7)).map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const { secret } = await get(`/v1/webhooks/${webhook}/secret`);
    for (const { headers, body, event } of receiver.got.filter(({ path }) => path === '/signed')) {
      expect(new Verifier(secret).verify(body, headers as Record<string, string>)).toEqual(event);
      expect(headers).toMatchObject({ 'webhook-id': event.id, 'content-type': 'application/cloudevents+json; charset=utf-8' });
    }
    const { items } = await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries?state=delivered`),
      (page) => page.items.length === 7,
    );
    expect(items[0]).toMatchObject({
      type: 'com.tierline.ticket.opened.v1',
      subject: `ticket/${ticket}`,
      state: 'delivered',
      tries: 1,
      attempts: [{ status: 204, ms: expect.any(Number), at: expect.any(String) }],
    });
    const first = await get(`/v1/webhooks/${webhook}/deliveries?state=delivered&limit=4`);
    const second = await get(`/v1/webhooks/${webhook}/deliveries?state=delivered&limit=4&cursor=${encodeURIComponent(first.next)}`);
    expect([...first.items, ...second.items]).toEqual(items);
    // How far it has come is stored after what it has sent.
    const { failures, state } = await eventually(
      () => get(`/v1/webhooks/${webhook}`),
      ({ place }) => /^\d+\/\d+/.test(place),
    );
    expect([failures, state]).toEqual([0, 'active']);
  });

  it('lose nothing if a receiver fails in any way, and hold up no other ticket', async () => {
    const client = newClient();
    const [bad, good] = [await openTicket(client), await openTicket(client)];
    for (let n = 0; n < 6; n++) for (const id of [bad, good]) await step(id, `step ${n}`);
    const taken: string[] = [];
    const ways: ((response: ServerResponse) => void)[] = [
      (response) => void response.writeHead(500).end('out of order'),
      () => {},
      (response) => void response.destroy(),
      (response) => void response.writeHead(302, { Location: receiver.url('/elsewhere') }).end(),
      (response) => void response.writeHead(503, { 'Retry-After': '0' }).end(),
      (response) => {
        response.writeHead(500);
        const pour = setInterval(() => response.write('x'.repeat(100_000)), 1);
        response.on('close', () => clearInterval(pour));
      },
      (response) => void response.writeHead(200).write('and never ends'),
    ];
    receiver.does.set('/hostile', (response, { id, subject }) => {
      const way = subject === `ticket/${bad}` ? ways.shift() : undefined;
      if (way === undefined || ways.length === 0) taken.push(id);
      if (way === undefined) response.writeHead(204).end();
      else way(response);
    });
    // Twice no answer comes; any other comes in time, also on a busy machine.
    deliver({}, 2_000);
    const webhook = await subscribe('/hostile', client);
    await arrived('/hostile', 14);
    await eventually(
      () => taken.length,
      (length) => length >= 14,
    );
    const tickets = receiver.at('/hostile');
    for (const id of [bad, good])
      expect(tickets.filter(({ subject }) => subject === `ticket/${id}`).map(({ revision }) => revision)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(receiver.at('/elsewhere')).toEqual([]);
    const { items } = await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries?state=delivered`),
      (page) => page.items.length === 14,
    );
    const opened = items.find(({ subject, tries }: { subject: string; tries: number }) => subject === `ticket/${bad}` && tries > 1);
    expect(opened.attempts).toMatchObject([
      { status: 500, excerpt: 'out of order' },
      { error: expect.stringContaining('no answer within') },
      { error: expect.any(String) },
      { status: 302 },
      { status: 503 },
      { status: 500, excerpt: expect.stringMatching(/^x{500}$/) },
      { status: 200, excerpt: 'and never ends' },
    ]);
  });

  it('report a receiver without TLS, and keep its events', async () => {
    const client = newClient();
    await openTicket(client);
    deliver();
    const url = receiver.url('/plain').replace('http:', 'https:');
    const { webhook } = await post('/v1/webhooks', { url, clients: [client], from: 'start' });
    const kept = await eventually(
      () => deliveries(api.mongo.db).findOne({ webhook, state: 'waiting' }),
      (one) => one !== null && one.tries > 1,
    );
    expect(kept?.attempts[0]?.error).toBe('TLS: wrong version number');
  });

  it('give up an event after a while; it can be inspected and resent, alone or with all others', async () => {
    const client = newClient();
    const ticket = await openTicket(client);
    await step(ticket, 'one');
    await step(ticket, 'two');
    receiver.does.set('/dead', (response) => void response.writeHead(410).end('gone'));
    deliver({ giveUpMs: 1 });
    const webhook = await subscribe('/dead', client);
    const { items } = await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries`),
      (page) => page.items.length === 3,
    );
    expect(items.map(({ state, tries }: { state: string; tries: number }) => [state, tries > 0])).toEqual(Array(3).fill(['dead', true]));
    expect((await get('/health/ready')).deliveries.webhooks.dead).toBeGreaterThanOrEqual(3);
    receiver.does.delete('/dead');
    const [, second] = items;
    receiver.got.length = 0;
    const other = randomUUID();
    expect(await send(api.url, 'POST', `/v1/webhooks/${webhook}/replay`, { body: { events: [second.event, other] } })).toMatchObject({
      status: 404,
      json: { code: 'dead-letter-not-found', faults: [{ field: 'events[1]', message: expect.stringContaining(other) }] },
    });
    await post(`/v1/webhooks/${webhook}/replay`, { events: [second.event] });
    expect((await arrived('/dead', 1)).map(({ id }) => id)).toEqual([second.event]);
    await post(`/v1/webhooks/${webhook}/replay`, {});
    expect((await arrived('/dead', 3)).map(({ id }) => id)).toEqual([second.event, items[0].event, items[2].event]);
    await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries`),
      (page) => page.items.length === 0,
    );
  });

  it('are sent the runs of reports that name them, whatever else they are subscribed to, and the run tells what came of it', async () => {
    const client = newClient();
    const [name, other] = [`monthly-${client}`, `other-${client}`];
    await openTicket(client);
    const webhook = await subscribe('/reports', client, { types: [], tiers: ['L3'] });
    const gone = await subscribe('/gone', client);
    const define = async (report: string, ...webhooks: readonly string[]) => {
      const deliverTo = webhooks.map((id) => ({ by: 'webhook', webhook: id }));
      return send(api.url, 'PUT', `/v1/reports/${report}`, { body: { client, every: 'month', zone: 'Europe/Berlin', deliverTo } });
    };
    const ofTicket = await subscribe('/ticket', client, { ticket: await openTicket(client) });
    for (const wrong of [await subscribe('/foreign', newClient()), ofTicket, randomUUID(), 'northwind'])
      expect(await define(name, webhook, wrong)).toMatchObject({
        status: 422,
        json: { code: 'report-invalid', faults: [{ field: 'deliverTo[1].webhook', message: expect.stringContaining('must be') }] },
      });
    expect(await define(name, webhook.toUpperCase(), gone)).toMatchObject({ json: { events: [{ type: 'ReportDefined' }] } });
    expect(await define(other)).toMatchObject({ json: { events: [{ type: 'ReportDefined' }] } });
    expect((await send(api.url, 'DELETE', `/v1/webhooks/${gone}`)).status).toBe(200);

    const { store, mongo, attachmentsDir, stores } = api;
    const blobs = await FolderBlobStore.open(attachmentsDir);
    const log = createLog('silent', { write: () => {} });
    const reporter = startReporter({ store, db: mongo.db, blobs, log });
    const reports = deliverReports({ store, db: mongo.db, log, blobs, folder: stores.directory });
    receiver.does.set('/reports', (response) => void response.writeHead(500).end('not now'));
    deliver({ giveUpMs: 1 });
    try {
      for (const report of [other, name]) await post(`/v1/reports/${report}/runs`, { on: '2020-10-31' });
      const deliveriesOf = async () => (await get(`/v1/reports/${name}/runs`)).items[0]?.deliveries ?? [];
      const given = await eventually(deliveriesOf, ({ length }) => length === 2);
      expect(given).toContainEqual({ target: 0, at: expect.any(String), failed: { because: 'given-up', detail: '500 not now' } });
      expect(given).toContainEqual({ target: 1, at: expect.any(String), failed: { because: 'no-address' } });
      const { items } = await eventually(
        () => get(`/v1/webhooks/${webhook}/deliveries`),
        (page) => page.items.length === 1,
      );
      expect(items).toMatchObject([{ state: 'dead', type: 'com.tierline.report.run-completed.v1', subject: `report/${name}` }]);

      receiver.does.delete('/reports');
      await post(`/v1/webhooks/${webhook}/replay`, {});
      await eventually(deliveriesOf, (all) =>
        all.some(({ target, failed }: { target: number; failed?: object }) => target === 0 && !failed),
      );
      expect(receiver.at('/reports')).toHaveLength(1);
      const { secret } = await get(`/v1/webhooks/${webhook}/secret`);
      const { body, headers } = receiver.got.findLast(({ path }) => path === '/reports') ?? { body: '', headers: {} };
      const { id, type, data } = new Verifier(secret).verify(body, headers as Record<string, string>) as CloudEvent & {
        readonly data: { readonly document: string; readonly sha256: string };
      };
      expect(items).toMatchObject([{ event: id, type }]);
      expect(data).toMatchObject({ report: name, run: 1, from: '2020-09-30T22:00:00.000Z', zone: 'Europe/Berlin', mediaType: 'text/html' });
      const { text } = await send(api.url, 'GET', data.document);
      expect(createHash('sha256').update(text).digest('hex')).toBe(data.sha256);
    } finally {
      await Promise.all([reporter.stop(), reports.stop()]);
    }
  });

  it('pause for a receiver that always fails, and resume by themselves when it is back', async () => {
    const client = newClient();
    for (let n = 0; n < 20; n++) await openTicket(client);
    let isBack = false;
    let failed = 0;
    receiver.does.set('/broken', (response) => {
      if (!isBack) failed++;
      response.writeHead(isBack ? 204 : 500).end();
    });
    deliver({ breakAfter: 3, breakMs: 1, longestBreakMs: 50 });
    const webhook = await subscribe('/broken', client);
    await eventually(
      () => get(`/v1/webhooks/${webhook}`),
      ({ failures }) => failures > 10,
    );
    const { deliveries } = await get('/health/ready');
    expect(deliveries.webhooks).toMatchObject({ waiting: expect.any(Number), broken: expect.any(Number), lagMs: expect.any(Number) });
    expect(JSON.stringify(deliveries)).not.toContain(webhook);
    // With 8 at once, then one at a time; it did not go through all of them.
    expect(failed).toBeGreaterThan(10);
    isBack = true;
    await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries?state=delivered`),
      (page) => page.items.length === 20,
    );
    await eventually(
      () => get(`/v1/webhooks/${webhook}`),
      ({ failures }) => failures === 0,
    );
  });

  it('follow requests at once even during a pause', async () => {
    const client = newClient();
    await openTicket(client);
    receiver.does.set('/later', (response) => void response.writeHead(503, { 'Retry-After': '3600' }).end());
    deliver();
    const webhook = await subscribe('/later', client);
    await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries?state=waiting`),
      ({ items }) => items[0]?.tries === 1,
    );
    receiver.does.delete('/later');
    receiver.got.length = 0;
    await post(`/v1/webhooks/${webhook}/ping`);
    // Since it is back, the event need not wait for an hour either.
    expect((await arrived('/later', 2)).map(({ type }) => type).sort()).toEqual([
      'com.tierline.ticket.opened.v1',
      'com.tierline.webhook.ping.v1',
    ]);
  });

  it('retry a resent event as soon as a new one; nothing is left of deleted webhooks', async () => {
    const client = newClient();
    await openTicket(client);
    receiver.does.set('/again', (response) => void response.writeHead(500).end());
    deliver({ giveUpMs: 0 });
    const webhook = await subscribe('/again', client);
    const known = (state: string, tries: number) =>
      eventually(
        () => deliveries(api.mongo.db).findOne({ webhook, state: state as DeliveryState }),
        (one) => one?.tries === tries,
      );
    await known('dead', 1);
    await deliverer?.stop();
    // As if it had been tried for days.
    await deliveries(api.mongo.db).updateOne({ webhook }, { $set: { tries: 9, failures: 9 } });
    deliver({ firstMs: 60_000, longestMs: 12 * 3_600_000 });
    await post(`/v1/webhooks/${webhook}/replay`, {});
    const { dueAt = 0 } = (await known('waiting', 10)) ?? {};
    expect(dueAt - Date.now()).toBeLessThan(120_000);

    await send(api.url, 'DELETE', `/v1/webhooks/${webhook}`);
    await eventually(
      async () => [
        await deliveries(api.mongo.db).countDocuments({ webhook }),
        await progress(api.mongo.db).countDocuments({ _id: webhook }),
      ],
      ([events, places]) => events === 0 && places === 0,
    );
  });

  it('are paused, resumed, restarted, tested and deleted, and change their secret', async () => {
    const client = newClient();
    const ticket = await openTicket(client);
    deliver();
    const webhook = await subscribe('/life', client);
    await arrived('/life', 1);
    const before = (await get(`/v1/webhooks/${webhook}/secret`)).secret;
    const key = webhookKey({ webhooks: { keyFile: join(api.stores.directory, 'no-webhook-key') } });
    await expect(unlessKeyMissing(api.mongo, key)).rejects.toThrow(/no-webhook-key is missing.*WEBHOOK_KEY_FILE/);
    // It is there before the first webhook, which may be sent nothing until the next start.
    await unlessKeyMissing(api.mongo, { ...key, owners: { ...key.owners, where: { _id: randomUUID() } } });
    await unlessKeyMissing(api.mongo, key);

    await post(`/v1/webhooks/${webhook}/pause`);
    await eventually(
      () => progress(api.mongo.db).findOne({ _id: webhook }),
      (known) => known?.owner === null,
    );
    await step(ticket, 'while paused');
    await post(`/v1/webhooks/${webhook}/secret`);
    await post(`/v1/webhooks/${webhook}/resume`);
    await arrived('/life', 2);
    const { secret, version, overlapUntil } = await get(`/v1/webhooks/${webhook}/secret`);
    expect([secret === before, version, overlapUntil > new Date().toISOString()]).toEqual([false, 2, true]);
    const last = receiver.got.filter(({ path }) => path === '/life').at(-1);
    // For a day both sign.
    for (const key of [before, secret]) new Verifier(key).verify(last?.body ?? '', last?.headers as Record<string, string>);

    receiver.got.length = 0;
    await post(`/v1/webhooks/${webhook}/rewind`, { from: 'start' });
    expect((await arrived('/life', 2)).map(({ revision }) => revision)).toEqual([0, 1]);

    await post(`/v1/webhooks/${webhook}/ping`);
    const pinged = await eventually(
      () => receiver.at('/life').find(({ type }) => type === 'com.tierline.webhook.ping.v1'),
      (event) => event !== undefined,
    );
    expect(pinged).toMatchObject({ subject: `webhook/${webhook}`, data: { ping: 1 } });

    expect((await send(api.url, 'DELETE', `/v1/webhooks/${webhook}`)).status).toBe(200);
    expect((await send(api.url, 'GET', `/v1/webhooks/${webhook}`)).json).toMatchObject({ status: 404, code: 'webhook-not-found' });
  });

  it('hold up no erasure, paused or failing, and keep no earlier responses', async () => {
    const client = newClient();
    const summary = `q${randomUUID()}`;
    receiver.does.set('/echo', (response, { data }) => void response.writeHead(500).end(data.summary));
    deliver();
    const { ticketId } = await post('/v1/tickets', { ...open, client, summary });
    const [paused, failing] = [await subscribe('/echo', client), await subscribe('/echo', client)];
    const kept = (webhook: string) => deliveries(api.mongo.db).findOne({ webhook, state: 'waiting' });
    const answers = async (webhook: string) => (await kept(webhook))?.attempts.map(({ excerpt }) => excerpt) ?? [];
    for (const webhook of [paused, failing])
      await eventually(
        () => answers(webhook),
        (all) => all.includes(summary),
      );
    await post(`/v1/webhooks/${paused}/pause`);
    await eventually(
      () => progress(api.mongo.db).findOne({ _id: paused }),
      (known) => known?.owner === null,
    );

    const { attachments, store, keys } = await storeWithKeys(api.stores);
    const blobs = new SealedBlobs(await FolderBlobStore.open(api.attachmentsDir), attachments);
    const erasing = { store, keys, db: api.mongo.db, blobs, settleMs: 0 };
    const stream = streamName(ticket, ticketId);
    await keys.destroy({ stream }, 'forgotten', new Date());
    await tellErased(erasing);
    // Until then, what comes may be of before.
    await eventually(
      () => answers(failing),
      (all) => all.at(-1) === '[erased]',
    );
    expect((await keys.untold()).map((one) => one.stream)).toContain(stream);
    await tellErased(erasing);
    expect((await keys.untold()).map((one) => one.stream)).not.toContain(stream);
    const { tries = 0 } = (await kept(failing)) ?? {};
    const later = await eventually(
      () => kept(failing),
      (one) => one !== null && one.tries > tries + 1,
    );
    expect(JSON.stringify(later)).not.toContain(summary);
    expect(await kept(paused)).toMatchObject({ attempts: [] });

    receiver.does.delete('/echo');
    receiver.got.length = 0;
    await post(`/v1/webhooks/${paused}/resume`);
    await eventually(
      () => deliveries(api.mongo.db).countDocuments({ subject: `ticket/${ticketId}`, state: 'waiting' }),
      (count) => count === 0,
    );
    expect(receiver.got.filter(({ body }) => body.includes(summary))).toEqual([]);
    expect(receiver.at('/echo')[0]?.data).toMatchObject({ summary: '[erased]' });
  });

  it('continue where another worker stopped: at least once, in order', async () => {
    const client = newClient();
    const ticket = await openTicket(client);
    for (let n = 0; n < 30; n++) await step(ticket, `step ${n}`);
    receiver.does.set('/shared', (response) => void setTimeout(() => response.writeHead(204).end(), 5));
    const first = deliver();
    await subscribe('/shared', client);
    await arrived('/shared', 5);
    await first.stop();
    deliver();
    expect((await arrived('/shared', 31)).map(({ revision }) => revision)).toEqual([...Array(31).keys()]);
    // Finished before it was handed over: nothing came twice.
    expect(receiver.got.filter(({ path }) => path === '/shared')).toHaveLength(31);
  });

  it('send nothing to private addresses unless configured', async () => {
    const client = newClient();
    await openTicket(client);
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const fast = { ...patience, giveUpMs: 0 };
    deliverer = deliverWebhooks({
      store: api.store,
      db: api.mongo.db,
      log,
      keyFile: api.webhookKeyFile,
      networks: [],
      patience: fast,
      pollMs: 50,
    });
    const webhook = await subscribe('/private', client);
    const { items } = await eventually(
      () => get(`/v1/webhooks/${webhook}/deliveries`),
      (page) => page.items.length === 1,
    );
    expect(items[0].attempts).toMatchObject([{ error: expect.stringContaining('WEBHOOK_NETWORKS') }]);
    expect(receiver.at('/private')).toEqual([]);
  });

  it('belong only to those who see everything that they send', async () => {
    const [mine, theirs] = [newClient(), newClient()];
    const tokenOf = async (role: Role, clients: Principal['clients']) => {
      const principal: Principal = { kind: 'service', id: 'pager', roles: [role], clients, tiers: 'all', teams: [] };
      return { Authorization: `Bearer ${await keyFor(api.store, principal)}` };
    };
    const headers = await tokenOf('service', [mine]);
    const as = (method: string, path: string, body?: unknown) =>
      send(api.url, method, path, { headers, ...(body === undefined ? {} : { body }) });
    const url = receiver.url('/walls');
    expect((await as('POST', '/v1/webhooks', { url, clients: [theirs] })).json).toMatchObject({ status: 403 });
    expect((await as('POST', '/v1/webhooks', { url, allClients: true })).json).toMatchObject({ status: 403 });
    const own = (await as('POST', '/v1/webhooks', { url, clients: [mine] })).json.webhook;
    const other = await subscribe('/walls', theirs);
    for (const path of ['', '/secret', '/deliveries']) {
      expect((await as('GET', `/v1/webhooks/${own}${path}`)).status).toBe(200);
      expect((await as('GET', `/v1/webhooks/${other}${path}`)).json).toMatchObject({ status: 404, code: 'webhook-not-found' });
    }
    expect((await as('POST', `/v1/webhooks/${other}/pause`)).json).toMatchObject({ status: 404, code: 'webhook-not-found' });
    const listed = await eventually(
      async () => (await as('GET', '/v1/webhooks')).json.items,
      ({ length }) => length > 0,
    );
    expect(listed.map(({ webhook }: { webhook: string }) => webhook)).toEqual([own]);
    const deleted = { headers: { ...headers, 'Idempotency-Key': randomUUID() } };
    const answer = await send(api.url, 'DELETE', `/v1/webhooks/${own}`, deleted);
    expect(answer).toMatchObject({ status: 200, json: { events: [{ type: 'WebhookDeleted' }] } });
    const again = await send(api.url, 'DELETE', `/v1/webhooks/${own}`, deleted);
    expect(again).toMatchObject({ status: 200, json: { repeated: true, events: answer.json.events } });
    expect((await as('DELETE', `/v1/webhooks/${own}`)).json).toMatchObject({ events: [] });
    expect((await as('DELETE', `/v1/webhooks/${other}`)).json).toMatchObject({ status: 404, code: 'webhook-not-found' });
    await send(api.url, 'DELETE', `/v1/webhooks/${other}`);
    expect((await as('DELETE', `/v1/webhooks/${other}`)).json).toMatchObject({ status: 404, code: 'webhook-not-found' });
    const agents = await send(api.url, 'GET', '/v1/webhooks', { headers: await tokenOf('agent', 'all') });
    expect(agents.json).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it.each([
    [{ url: 'ftp://hooks.example/x', allClients: true }, 400, 'invalid-body'],
    [{ url: 'https://user:password@hooks.example/x', allClients: true }, 400, 'invalid-body'],
    [{ url: 'https://hooks.example/x' }, 422, 'webhook-invalid'],
    [{ url: 'https://10.0.0.1/x', allClients: true }, 422, 'webhook-invalid'],
    [{ url: 'http://93.184.216.34/x', allClients: true }, 422, 'webhook-invalid'],
    [{ url: 'https://[::ffff:10.0.0.1]/x', allClients: true }, 422, 'webhook-invalid'],
    [{ url: 'https://0xa000001/x', allClients: true }, 422, 'webhook-invalid'],
    [{ url: 'https://[x]/x', allClients: true }, 422, 'webhook-invalid'],
    [{ url: 'https://hooks.example/x', allClients: true, types: ['Nothing'] }, 422, 'webhook-invalid'],
    [{ url: 'https://hooks.example/x', allClients: true, from: 'yesterday' }, 422, 'webhook-invalid'],
    [{ url: 'https://hooks.example/x', allClients: true, from: '900000000000/900000000000' }, 422, 'webhook-invalid'],
    [{ url: 'https://hooks.example/x', allClients: true, from: '1/1' }, 422, 'webhook-invalid'],
    [{ url: 'https://hooks.example/x', allClients: true, from: '9999-01-01T00:00:00Z' }, 422, 'webhook-invalid'],
  ])('cannot be subscribed as %j', async (body, status, code) => {
    expect((await send(api.url, 'POST', '/v1/webhooks', { body })).json).toMatchObject({ status, code });
  });
});
