import { randomUUID } from 'node:crypto';
import { majorIncident, majorIncidentId, type Principal } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ ownAddresses: ['tierline@desk.example'] });
});
afterAll(async () => {
  await api?.stop();
});

/** A message, with these headers instead of or besides those of a usual one. */
function message(headers: Readonly<Record<string, string>> = {}, body = 'It prints nothing.'): string {
  const all = {
    From: 'Jane Doe <j.doe@northwind.example>',
    To: 'support@desk.example',
    Subject: 'Cannot print',
    'Message-ID': `<${randomUUID()}@northwind.example>`,
    'Content-Type': 'text/plain; charset=utf-8',
    ...headers,
  };
  return `${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\r\n')}\r\n\r\n${body}\r\n`;
}

const post = (raw: string, { client = api.client, headers = {} }: { client?: string; headers?: Record<string, string> } = {}) =>
  send(api.url, 'POST', `/v1/inbound-mail/${client}`, { body: raw, headers: { 'Content-Type': 'message/rfc822', ...headers } });
const eventsOf = async (ticketId: string) => (await send(api.url, 'GET', `/v1/tickets/${ticketId}/history?limit=200`)).json.items;
const typesOf = async (ticketId: string) => (await eventsOf(ticketId)).map(({ type }: { type: string }) => type);

describe('messages that come by e-mail', () => {
  it('open a ticket, and are replies to it by token, address and References; each once', async () => {
    const id = `<${randomUUID()}@northwind.example>`;
    const first = message({ 'Message-ID': id });
    const opened = await post(first);
    expect(opened).toMatchObject({ status: 201, json: { outcome: 'opened', ticketId: expect.any(String) } });
    const { ticketId } = opened.json;
    expect((await post(first)).json).toEqual(opened.json);

    const replyId = `<${randomUUID()}@northwind.example>`;
    const replies = [
      message({ 'Message-ID': replyId, 'In-Reply-To': id }, 'Still nothing.'),
      // Of the messages before it, it names only one that was a reply.
      message({ References: replyId }, 'And now?'),
      message({ Subject: `Re: [#${ticketId.toUpperCase()}] Cannot print` }, 'By the token.'),
      message({ To: `support+${ticketId}@desk.example` }, 'By the address.'),
    ];
    for (const reply of [...replies, replies[0] ?? '']) expect((await post(reply)).json).toEqual({ outcome: 'replied', ticketId });
    const events = await eventsOf(ticketId);
    expect(events.map(({ type }: { type: string }) => type)).toEqual(['TicketOpened', ...Array(4).fill('RequesterReplied')]);
    expect(events[0].data).toMatchObject({
      summary: 'Cannot print',
      description: 'It prints nothing.',
      channel: 'email',
      reporter: { name: 'Jane Doe <j.doe@northwind.example>' },
    });
    expect(events[0].data.reporter.id).not.toContain('j.doe');
    expect(events.slice(1).map(({ data }: { data: { text: string } }) => data.text)).toEqual([
      'Still nothing.',
      'And now?',
      'By the token.',
      'By the address.',
    ]);
  });

  it('bring attachments; what is left out of a message is said, and it is kept whole', async () => {
    const part = (name: string, content: string) =>
      `--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="${name}"\r\n\r\n${content}\r\n`;
    const parts = [...Array(21).keys()].map((n) => part(n < 2 ? 'spool.log' : `log-${n}.txt`, `content ${n}`));
    const raw = (some: readonly string[]) =>
      message(
        { 'Content-Type': 'multipart/mixed; boundary=b' },
        `--b\r\nContent-Type: text/plain\r\n\r\nSee the logs.\r\n${some.join('')}--b--`,
      );
    const { json: few } = await post(raw(parts.slice(0, 2)));
    expect(few.outcome).toBe('opened');
    const evidence = (await eventsOf(few.ticketId)).filter(({ type }: { type: string }) => type === 'EvidenceAttached');
    expect(evidence.map(({ data }: { data: { name: string } }) => data.name)).toEqual([
      'spool.log',
      expect.stringMatching(/^spool\.log \([0-9a-f]{12}\)$/),
    ]);
    const content = await send(api.url, 'GET', `/v1/attachments/${evidence[0].data.sha256}`);
    expect(content.text.trim()).toBe('content 0');

    const many = raw(parts);
    const { json } = await post(many);
    expect(json).toEqual({ outcome: 'aside', reason: 'too-many-attachments', ticketId: expect.any(String) });
    expect((await typesOf(json.ticketId)).filter((type: string) => type === 'EvidenceAttached')).toHaveLength(20);
    const { items } = (await send(api.url, 'GET', '/v1/inbound-mail?limit=200')).json;
    const { sha256 } = items.find(({ ticketId }: { ticketId?: string }) => ticketId === json.ticketId);
    expect((await send(api.url, 'GET', `/v1/attachments/${sha256}`)).text).toBe(many);
  });

  it.each([
    [{ 'Auto-Submitted': 'auto-replied (vacation)' }, 'auto-submitted'],
    [{ Precedence: 'bulk' }, 'bulk'],
    [{ 'List-Id': '<news.example>' }, 'mailing-list'],
    [{ 'Return-Path': '<>' }, 'no-return-path'],
    [{ From: 'MAILER-DAEMON@mx.example' }, 'delivery-report'],
    [{ From: 'Tierline <Tierline@desk.example>' }, 'own-message'],
    [{ 'Message-ID': '<0b1c7a52-5c0e-5d3f-9a57-0d8f3c1e2a41@desk.example>' }, 'own-message'],
    [{ 'In-Reply-To': '<0b1c7a52-5c0e-5d3f-9a57-0d8f3c1e2a41@desk.example>' }, 'answers-a-notification'],
    [{ From: 'nobody' }, 'unreadable'],
  ])('that no requester wrote are kept aside: %j is %s', async (headers, reason) => {
    expect((await post(message(headers))).json).toEqual({ outcome: 'aside', reason });
  });

  it('are taken where they say that a person wrote them, and have neither subject nor text', async () => {
    const { json } = await post(message({ 'Auto-Submitted': 'no', Subject: '' }, ''));
    expect((await eventsOf(json.ticketId))[0].data).toMatchObject({ summary: '(no subject)', description: '(no text)' });
  });

  it('are kept aside where the ticket cannot take them', async () => {
    const { ticketId } = (await post(message())).json;
    await send(api.url, 'POST', `/v1/tickets/${ticketId}/cancel`, { body: { reason: 'r' } });
    const { json } = await post(message({ Subject: `[#${ticketId}]` }));
    expect(json).toEqual({ outcome: 'aside', reason: 'ticket-cancelled', ticketId });
  });

  it('reach no ticket of another client, and are taken only from who may act for others there', async () => {
    const { ticketId } = (await post(message())).json;
    const stranger = `client-${randomUUID()}`;
    expect((await post(message({ Subject: `[#${ticketId}]` }), { client: stranger })).json).toEqual({
      outcome: 'aside',
      reason: 'not-of-client',
    });

    const as = async (principal: Partial<Principal>) => {
      const mta = { kind: 'service', id: 'mta', roles: ['service'], clients: [stranger], tiers: 'all', teams: [], ...principal } as const;
      return { Authorization: `Bearer ${await keyFor(api.store, mta)}` };
    };
    const mta = await as({ onBehalfOf: true });
    expect((await post(message(), { client: stranger, headers: mta })).status).toBe(201);
    expect((await post(message(), { headers: mta })).json).toMatchObject({ status: 403 });
    expect((await post(message(), { client: stranger, headers: await as({}) })).json).toMatchObject({ status: 403 });
    const { items } = (await send(api.url, 'GET', '/v1/inbound-mail', { headers: mta })).json;
    expect(items.map(({ client }: { client: string }) => client)).toEqual([stranger]);
  });

  it('are bytes of their own type', async () => {
    expect((await send(api.url, 'POST', '/v1/inbound-mail/c', { body: {} })).json).toMatchObject({ status: 415 });
    const asMessage = { body: message(), headers: { 'Content-Type': 'message/rfc822' } };
    expect((await send(api.url, 'POST', '/v1/tickets', asMessage)).json).toMatchObject({ status: 415 });
  });
});

describe('alerts', () => {
  const put = (source: string, settings: object, client = api.client) =>
    send(api.url, 'PUT', `/v1/alert-sources/${source}`, { body: { client, settings } });
  const settings = { format: 'alertmanager', ticketPer: 'alert', onResolve: 'resolve', ticket: { impact: 'low', urgency: 'low' } };
  const deliver = (source: string, body: unknown, headers: Record<string, string> = {}) =>
    send(api.url, 'POST', `/v1/alerts/${source}`, { body: body as object, headers });
  const webhook = (...alerts: readonly object[]) => ({ version: '4', groupKey: 'g', status: 'firing', truncatedAlerts: 1, alerts });
  const fired = { fingerprint: 'f', status: 'firing', startsAt: '2026-11-20T09:00:00Z', labels: { alertname: 'DiskFull' } };

  it('are decided once, and shown with each decision', async () => {
    const source = `prometheus-${randomUUID()}`;
    expect((await put(source, settings)).status).toBe(200);
    const first = await deliver(source, webhook(fired));
    const [decided] = first.json.decisions;
    expect(first).toMatchObject({ status: 200, json: { source, known: 0, truncatedAlerts: 1 } });
    expect(decided).toMatchObject({ fingerprint: 'f', decision: 'opened', ticketId: expect.any(String) });
    expect((await deliver(source, webhook(fired))).json).toMatchObject({ decisions: [], known: 1 });
    const ended = { ...fired, status: 'resolved', endsAt: '2026-11-20T09:30:00Z' };
    expect((await deliver(source, webhook(ended))).json.decisions).toMatchObject([{ decision: 'resolved', ticketId: decided.ticketId }]);
    const path = `/v1/alerts/${decided.alertId}`;
    expect((await send(api.url, 'GET', path)).json).toMatchObject({ source, firing: false, truncatedAlerts: 1, summary: 'DiskFull' });
    const { items } = (await send(api.url, 'GET', `${path}/history`)).json;
    expect(items.map(({ type }: { type: string }) => type)).toEqual(['AlertNoted', 'AlertOpened', 'AlertsTruncated', 'AlertResolved']);
    await eventually(
      async () => (await send(api.url, 'GET', `/v1/alerts?source=${source}&firing=false`)).json.items,
      ({ length }) => length === 1,
    );
  });

  it('name what is wrong with a source or a delivery, and are taken from who may bring them', async () => {
    const source = `probe-${randomUUID()}`;
    expect((await put(source, { ...settings, format: 'json' })).json).toMatchObject({
      status: 422,
      code: 'alert-source-invalid',
      faults: [{ field: 'settings.fields' }],
    });
    expect((await deliver(source, webhook())).json).toMatchObject({ status: 404, code: 'alert-source-not-found' });
    await put(source, settings);
    for (const body of [[], {}, 'x', { ...webhook(), alerts: [{ ...fired, startsAt: 1 }] }])
      expect((await deliver(source, body)).json.code).toMatch(/^(alerts-invalid|malformed-json)$/);
    const asked = async (principal: Partial<Principal>) => {
      const key = await keyFor(api.store, {
        kind: 'service',
        id: 'm',
        roles: ['service'],
        clients: 'all',
        tiers: 'all',
        teams: [],
        ...principal,
      });
      return (await deliver(source, webhook(fired), { Authorization: `Bearer ${key}` })).status;
    };
    expect([await asked({ roles: ['agent'] }), await asked({ clients: ['another'] }), await asked({ clients: [api.client] })]).toEqual([
      403, 404, 200,
    ]);
    await send(api.url, 'DELETE', `/v1/alert-sources/${source}`);
    expect((await deliver(source, webhook(fired))).status).toBe(404);
  });

  it('are silenced while their service is in maintenance', async () => {
    const client = `${api.client}-at-work`;
    const source = `prometheus-${randomUUID()}`;
    await put(source, settings, client);
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const plan = (more: object) => send(api.url, 'POST', '/v1/maintenance', { body: { client, title: 'Move', until, ...more } });
    const [planned] = (await plan({})).json.events;
    expect((await deliver(source, webhook(fired))).json.decisions).toMatchObject([{ decision: 'silenced' }]);
    const { window } = planned.data;
    expect((await send(api.url, 'POST', `/v1/maintenance/${client}/end`, { body: { window } })).status).toBe(200);
    await eventually(
      async () => (await deliver(source, webhook(fired))).json.decisions,
      ([decided]) => decided?.decision === 'opened',
    );
    expect((await plan({ until: new Date().toISOString() })).json).toMatchObject({
      code: 'maintenance-invalid',
      faults: [{ field: 'until' }],
    });
  });
});

describe('major incidents', () => {
  it('are read, told to all, stood down and reviewed', async () => {
    const client = `${api.client}-hit`;
    const parent = randomUUID();
    const id = majorIncidentId(parent);
    const body = { client, service: 'printing', parent, tickets: [], reason: 'Many tickets', proposed: true } as const;
    const context = { commandId: randomUUID(), actor: { id: 'rule', kind: 'system' }, correlationId: 'c', causationId: 'c' } as const;
    await runSystemCommand(api.store, { aggregate: majorIncident, id, name: 'BeginMajorIncident', body, context });
    const path = `/v1/major-incidents/${id}`;
    const post = async (step: string, body: object) => (await send(api.url, 'POST', `${path}/${step}`, { body })).json;
    expect(await post('updates', { text: 'Soon' })).toMatchObject({ status: 409, code: 'major-incident-proposed' });
    expect(await post('confirm', { reason: 'It is one' })).toMatchObject({
      majorIncident: id,
      events: [{ type: 'MajorIncidentConfirmed' }],
    });
    await post('updates', { text: 'Soon' });
    expect(await post('review', { summary: 'One disk' })).toMatchObject({ status: 409, code: 'no-review-due' });
    await post('stand-down', { reason: 'Works again' });
    const listed = (query: string) => send(api.url, 'GET', `/v1/major-incidents?client=${client}&${query}`);
    await eventually(
      async () => (await listed(`review=due&ticket=${parent}`)).json.items,
      ({ length }) => length === 1,
    );
    await post('review', { summary: 'One disk', actions: ['Mirror it'] });
    expect((await send(api.url, 'GET', path)).json).toMatchObject({
      status: 'stood-down',
      updates: [{ text: 'Soon' }],
      review: { status: 'done', summary: 'One disk', actions: ['Mirror it'] },
    });
    expect((await send(api.url, 'GET', `/v1/major-incidents/${randomUUID()}`)).json).toMatchObject({ code: 'major-incident-not-found' });
  });

  it('have a status page, for everybody where the contract says so', async () => {
    const client = `${api.client}-shown`;
    const agree = (statusPage: string) =>
      send(api.url, 'POST', '/v1/contracts', { body: { client, terms: { statusPage, services: { '<b>': [] } } } });
    const asked = (path: string, headers: Record<string, string>) => send(api.url, 'GET', path, { headers });
    const anonymous = (path: string) => asked(path, { Authorization: '' });
    await agree('identity');
    expect((await anonymous(`/v1/status/${client}`)).status).toBe(401);
    expect((await anonymous(`/status/${client}`)).status).toBe(401);
    const requester = await keyFor(api.store, { kind: 'person', id: 'joe', roles: ['requester'], clients: [client], tiers: [], teams: [] });
    const headers = { Authorization: `Bearer ${requester}` };
    expect(await asked(`/v1/status/${client}`, headers)).toMatchObject({
      status: 200,
      json: { services: [{ service: '<b>', state: 'up' }] },
    });
    expect((await asked(`/v1/status/${api.client}`, headers)).status).toBe(403);
    await agree('public');
    const page = await anonymous(`/status/${client}`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const html = page.text;
    expect(html).toContain('&lt;b&gt;: <span class="up">works</span>');
    expect(html).not.toContain('<b>');
  });
});
