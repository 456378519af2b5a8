import { randomUUID } from 'node:crypto';
import { majorIncident, majorIncidentId, type Principal } from '#ticketing';
import { runSystemCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { keyFor, openingOf, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

/** Types of the public events about a subject, without what all of them begin with. */
async function published(subject: string, client: string): Promise<readonly string[]> {
  const headers = { Accept: 'application/x-ndjson' };
  const { text } = await send(api.url, 'GET', `/v1/events?client=${client}`, { headers });
  const events = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { subject: string; type: string }]));
  return events.filter((event) => event.subject === subject).map(({ type }) => type.replace('com.tierline.', ''));
}

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
    const told = await published(`alert/${decided.alertId}`, api.client);
    expect(told).toEqual(['alert.noted.v1', 'alert.opened.v1', 'alert.truncated.v1', 'alert.resolved.v1']);
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
    expect((await published(`majorincident/${id}`, client)).map((type) => type.replace('majorincident.', ''))).toEqual([
      'proposed.v1',
      'confirmed.v1',
      'update-broadcast.v1',
      'ended.v1',
      'reviewed.v1',
    ]);
    expect((await send(api.url, 'GET', `/v1/major-incidents/${randomUUID()}`)).json).toMatchObject({ code: 'major-incident-not-found' });
  });

  it('have a status page, public if the contract says so', async () => {
    const client = `${api.client}-shown`;
    const agree = (statusPage: string) =>
      send(api.url, 'POST', '/v1/contracts', { body: { client, terms: { statusPage, services: { '<b>': [] } } } });
    const asked = (path: string, headers: Record<string, string>) => send(api.url, 'GET', path, { headers });
    const anonymous = (path: string) => asked(path, { Authorization: '' });
    await agree('identity');
    expect((await anonymous(`/v1/status/${client}`)).status).toBe(401);
    const refused = await anonymous(`/status/${client}`);
    expect([refused.status, refused.headers.get('content-type'), refused.headers.get('www-authenticate')]).toEqual([
      401,
      'text/html; charset=utf-8',
      expect.stringContaining('Bearer'),
    ]);
    expect(refused.text).toContain('<a href="/login">');
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
    expect(html).toContain('<bdi>&lt;b&gt;</bdi>: <span class="up">works</span>');
    expect(html).not.toContain('<b>');
  });
});

describe('runners', () => {
  it('take a task from the queue under a lease, one at a time, and answer it once', async () => {
    const service = (id: string) =>
      keyFor(api.store, { kind: 'service', id, roles: ['service'], clients: [api.client], tiers: 'all', teams: [] });
    const [first, second] = await Promise.all([service('first'), service('second')]);
    const by = (key: string, path: string, body: object) =>
      send(api.url, 'POST', `/v1/automation-tasks${path}`, { body, headers: { Authorization: `Bearer ${key}` } });
    const { ticketId } = (await send(api.url, 'POST', '/v1/tickets', { body: openingOf(api.client) })).json;
    const asked = await by(first, '', { ticketId, action: 'restart-service', input: { service: 'spooler' } });
    expect(asked).toMatchObject({ status: 201, json: { task: expect.any(String) } });
    const path = `/${asked.json.task}`;
    const waiting = () => send(api.url, 'GET', `/v1/automation-tasks?client=${api.client}&status=waiting&action=restart-service`);
    const { json } = await eventually(waiting, ({ json }) => json.items.length === 1);
    expect(json.items).toMatchObject([{ task: asked.json.task, ticketId, input: { service: 'spooler' } }]);

    const answer = { outcome: 'done', output: 'spooler: started' };
    expect((await by(first, `${path}/answer`, answer)).json).toMatchObject({ status: 409, code: 'task-claimed' });
    expect((await by(first, `${path}/claim`, { leaseSeconds: 300 })).status).toBe(200);
    expect((await by(second, `${path}/claim`, { leaseSeconds: 300 })).json).toMatchObject({ status: 409, code: 'task-claimed' });
    expect((await by(second, `${path}/answer`, answer)).json).toMatchObject({ status: 409, code: 'task-claimed' });
    expect((await by(first, `${path}/answer`, answer)).status).toBe(200);
    expect((await by(first, `${path}/answer`, { ...answer, outcome: 'failed' })).json).toMatchObject({ status: 409, code: 'task-over' });
    const { items } = (await send(api.url, 'GET', `/v1/automation-tasks${path}/history`)).json;
    expect(items.map(({ type }: { type: string }) => type)).toEqual(['AutomationAsked', 'AutomationClaimed', 'AutomationAnswered']);
    expect((await by(first, '', { ticketId: randomUUID(), action: 'a' })).json).toMatchObject({ code: 'other-ticket-not-found' });
  });

  it('are given the oldest task that waits, each its own, also with the same key, and the same one when they ask again', async () => {
    const principal = { kind: 'service', id: 'workers', roles: ['service'], clients: [api.client], tiers: 'all', teams: [] } as const;
    const headers = { Authorization: `Bearer ${await keyFor(api.store, principal)}` };
    const post = (path: string, body: object, more: object = {}) =>
      send(api.url, 'POST', `/v1/automation-tasks${path}`, { body, headers: { ...headers, ...more } });
    const next = (more: object = {}, body: object = {}) => post('/next', { actions: ['reset-password'], leaseSeconds: 300, ...body }, more);
    const { ticketId } = (await send(api.url, 'POST', '/v1/tickets', { body: openingOf(api.client) })).json;
    expect(await next()).toMatchObject({ status: 204, text: '' });
    const asked: string[] = [];
    for (let count = 0; count < 3; count++) asked.push((await post('', { ticketId, action: 'reset-password' })).json.task);
    const waiting = () => send(api.url, 'GET', `/v1/automation-tasks?client=${api.client}&status=waiting&action=reset-password`);
    await eventually(waiting, ({ json }) => json.items.length === 3);

    expect((await next({}, { actions: ['reboot'] })).status).toBe(204);
    expect((await next({}, { client: 'another' })).status).toBe(204);
    const first = await next({ 'Idempotency-Key': 'one' });
    expect(first).toMatchObject({ status: 200, json: { task: asked[0], status: 'claimed', claims: 1, runner: { id: 'workers' } } });
    const others = await Promise.all([next(), next(), next({ 'Idempotency-Key': 'one' })]);
    expect(new Set(others.map(({ json }) => json.task))).toEqual(new Set(asked));
    expect(others[2]?.json).toEqual(first.json);
    expect((await next()).status).toBe(204);

    const answer = { outcome: 'done', output: 'reset' };
    const { task, claim } = first.json;
    expect((await post(`/${task}/answer`, { ...answer, claim: randomUUID() })).json).toMatchObject({ code: 'task-claimed' });
    expect((await post(`/${task}/answer`, { ...answer, claim })).status).toBe(200);
    expect((await next({ 'If-Match': '"1"' })).json).toMatchObject({ status: 400, code: 'invalid-header' });
    const agent = await keyFor(api.store, { kind: 'person', id: 'ada', roles: ['agent'], clients: [api.client], tiers: 'all', teams: [] });
    expect((await next({ Authorization: `Bearer ${agent}` })).json).toMatchObject({ status: 403, code: 'forbidden' });
  });
});
