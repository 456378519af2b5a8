import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) => send(api.url, 'POST', path, { body, headers });
const get = (path: string, headers: Record<string, string> = {}) => send(api.url, 'GET', path, { headers });
const clientOf = (name: string) => `${name}-${randomUUID()}`;
const ticketFor = (client: string) => ({
  client,
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'joe' },
  channel: 'phone',
  impact: 'low',
  urgency: 'low',
});

describe('POST /v1/contracts', () => {
  it('agrees a contract, which applies to the next ticket', async () => {
    const client = clientOf('Ørsted & co/ltd');
    expect((await get(`/v1/contracts/${encodeURIComponent(client)}`)).json).toMatchObject({ status: 404, code: 'contract-not-found' });
    const agreed = await post('/v1/contracts', { client, terms: { tiers: ['L1', 'L3'], thresholds: [80] } });
    expect([agreed.status, agreed.headers.get('etag')]).toEqual([200, '"0"']);
    expect(agreed.json).toMatchObject({ client, revision: 0, repeated: false, events: [{ type: 'ContractAgreed', data: { version: 1 } }] });
    const one = await get(`/v1/contracts/${encodeURIComponent(client)}`);
    expect(one.headers.get('etag')).toBe('"0"');
    expect(one.json).toMatchObject({ client, inForce: 1, versions: [{ version: 1, terms: { thresholds: [80], reopen: 'new-cycle' } }] });
    // What is left out is as in the default contract, but for tiers that are not there.
    expect(Object.keys(one.json.versions[0].terms.tierTargets)).toEqual(['L1', 'L3']);

    const opened = (await post('/v1/tickets', ticketFor(client))).json;
    const skipped = await post(`/v1/tickets/${opened.ticketId}/escalations`, { tier: 'L2', reason: 'r' });
    expect(skipped.json).toMatchObject({ status: 422, code: 'tier-not-in-contract' });
    const path = `/v1/tickets/${opened.ticketId}`;
    expect((await get(`${path}?atLeast=0`)).json.contract).toEqual({ version: 1, tzdata: expect.any(String) });
    expect((await get(`${path}/sla?atLeast=0`)).json).toMatchObject({
      contractVersion: 1,
      clocks: [{ thresholds: [{ percent: 80 }] }, {}, { kind: 'tier-accept', tier: 'L1' }],
    });
  });

  it('does not change the promises of earlier tickets', async () => {
    const client = clientOf('late');
    const { ticketId } = (await post('/v1/tickets', ticketFor(client))).json;
    await post('/v1/contracts', { client, terms: { tiers: ['L1'] }, effectiveFrom: '2999-01-01T00:00:00Z' });
    const opened = (await post('/v1/tickets', ticketFor(client))).json;
    expect(opened.events[0].data.contract).toBeUndefined();
    expect((await get(`/v1/tickets/${ticketId}?atLeast=0`)).json.contract).toBeUndefined();
    const past = await post('/v1/tickets', { ...ticketFor(client), effectiveAt: '2020-01-01T00:00:00Z' });
    expect(past.json.events[0].data.contract).toBeUndefined();
  });

  it('is done once with a key, and only on the revision that was seen', async () => {
    const client = clientOf('once');
    const key = { 'Idempotency-Key': 'agreement-1' };
    const body = { client, terms: { reopen: 'continue' } };
    expect((await post('/v1/contracts', body, key)).json).toMatchObject({ revision: 0, repeated: false });
    expect((await post('/v1/contracts', body, key)).json).toMatchObject({ revision: 0, repeated: true });
    expect((await post('/v1/contracts', { ...body, terms: {} }, key)).json).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    expect((await post('/v1/contracts', { ...body, terms: {} }, { 'If-Match': '"7"' })).json).toMatchObject({
      status: 412,
      code: 'revision-mismatch',
    });
    expect((await post('/v1/contracts', body)).json).toMatchObject({ revision: 0, events: [] });
  });

  it('accepts the public holidays of a country, as dates', async () => {
    const client = clientOf('holidays');
    const calendar = {
      zone: 'Europe/Rome',
      week: { thursday: [{ from: '09:00', to: '17:00' }] },
      publicHolidays: { country: 'IT', years: [2026] },
    };
    const agreed = await post('/v1/contracts', { client, terms: { calendar } });
    expect(agreed.json.events[0].data.terms.calendar.holidays).toContainEqual({ date: '2026-06-02', name: 'Festa della Repubblica' });
    const unknown = { ...calendar, publicHolidays: { country: 'Atlantis', years: [2026] } };
    expect((await post('/v1/contracts', { client, terms: { calendar: unknown } })).json).toMatchObject({
      status: 422,
      code: 'contract-invalid',
      faults: [{ field: 'terms.calendar.publicHolidays.country' }],
    });
  });

  it('names each fault', async () => {
    const wrong = await post('/v1/contracts', {
      client: 'x',
      terms: { calendar: { zone: 'Mars/Olympus', week: '24x7' }, pingPongLimit: -1 },
    });
    expect(wrong.json).toMatchObject({
      status: 422,
      code: 'contract-invalid',
      faults: [{ field: 'terms.calendar.zone' }, { field: 'terms.pingPongLimit' }],
    });
    expect((await post('/v1/contracts', { terms: [], effectiveFrom: 'soon' })).json).toMatchObject({
      status: 400,
      code: 'invalid-body',
      faults: [{ field: 'client' }, { field: 'terms' }, { field: 'effectiveFrom' }],
    });
  });
});

describe('POST /v1/contracts/simulations', () => {
  it('says what rules would have done to past tickets, and lets them be agreed', async () => {
    const client = clientOf('ruled');
    for (const summary of ['VPN drops', 'No print']) await post('/v1/tickets', { ...ticketFor(client), summary });
    const vpn = { name: 'vpn', on: 'TicketOpened', if: [{ field: 'summary', contains: ['vpn'] }], then: [{ do: 'note', text: 'VPN' }] };
    const night = { ...vpn, name: 'night', if: [{ field: 'priority', is: ['critical'] }] };
    const ruled = { client, terms: { rules: [vpn, night] } };
    expect((await post('/v1/contracts', ruled)).json).toMatchObject({
      status: 409,
      code: 'rules-not-simulated',
      faults: [{ field: 'terms.rules[0]' }, { field: 'terms.rules[1]' }],
    });

    const simulated = await post('/v1/contracts/simulations', ruled);
    expect(simulated.status).toBe(200);
    const touched = [
      { rule: 'vpn', tickets: 1, fired: 1 },
      { rule: 'night', tickets: 0, fired: 0 },
    ];
    expect(simulated.json.events).toEqual([{ type: 'ContractRulesSimulated', data: { client, rules: [vpn, night], tickets: 2, touched } }]);
    // Nothing is agreed by that.
    expect((await get(`/v1/contracts/${client}`)).json).toMatchObject({ status: 404, code: 'contract-not-found' });
    expect((await get(`/v1/contracts/${client}/history`)).json.items).toMatchObject([{ type: 'ContractRulesSimulated' }]);
    const { ticketId } = (await post('/v1/tickets', ticketFor(client))).json;
    expect((await get(`/v1/tickets/${ticketId}?atLeast=0`)).json.contract).toBeUndefined();

    expect((await post('/v1/contracts', ruled)).json).toMatchObject({
      revision: 1,
      events: [{ type: 'ContractAgreed', data: { version: 1 } }],
    });
    expect((await get(`/v1/contracts/${client}`)).json).toMatchObject({
      client,
      inForce: 1,
      versions: [{ terms: { rules: [vpn, night] } }],
    });
    expect((await post('/v1/contracts', { client, terms: { rules: [{ ...vpn, on: 'TicketResolved' }] } })).json).toMatchObject({
      code: 'rules-not-simulated',
      faults: [{ field: 'terms.rules[0]', message: 'has changed since it was simulated' }],
    });
  });

  it('replays the tickets of a period, and refuses invalid terms', async () => {
    const client = clientOf('period');
    const rule = { name: 'all', on: 'TicketOpened', then: [{ do: 'note', text: 'Seen' }] };
    await post('/v1/tickets', { ...ticketFor(client), effectiveAt: new Date(Date.now() - 7_200_000).toISOString() });
    await post('/v1/tickets', ticketFor(client));
    const from = new Date(Date.now() - 3_600_000).toISOString();
    expect((await post('/v1/contracts/simulations', { client, terms: { rules: [rule] }, from })).json.events).toMatchObject([
      { data: { from, tickets: 1, touched: [{ tickets: 1 }] } },
    ]);
    const inPeriod = (period: object) => post('/v1/contracts/simulations', { client, terms: { rules: [rule] }, ...period });
    const today = new Date().toISOString().slice(0, 10);
    const yesterday = new Date(Date.parse(today) - 86_400_000).toISOString();
    expect((await inPeriod({ from: yesterday.slice(0, 10) })).json.events).toMatchObject([{ data: { from: yesterday, tickets: 2 } }]);
    expect(await inPeriod({ from: today, to: yesterday.slice(0, 10) })).toMatchObject({
      status: 400,
      json: { faults: [{ field: 'from' }] },
    });
    expect((await inPeriod({ to: '2001-01-01' })).json).toMatchObject({ code: 'contract-invalid', faults: [{ field: 'to' }] });
    const refused = async (terms: object) => (await post('/v1/contracts/simulations', { client, terms })).json;
    expect(await refused({ rules: [rule, rule] })).toMatchObject({ code: 'contract-invalid', faults: [{ field: 'terms.rules[1].name' }] });
    expect(await refused({})).toMatchObject({ code: 'contract-invalid', faults: [{ field: 'terms.rules' }] });
    const calendar = { publicHolidays: { country: 'XX', years: [2026] } };
    expect(await refused({ rules: [rule], calendar })).toMatchObject({
      code: 'contract-invalid',
      faults: [{ field: 'terms.calendar.publicHolidays.country' }],
    });
  });
});

describe('GET /v1/contracts', () => {
  it('lists clients by name, in pages', async () => {
    const names = [clientOf('aaa'), clientOf('aab'), clientOf('aac')];
    const [rule, onlySimulated] = [{ name: 'r', on: 'TicketOpened', then: [{ do: 'note', text: 'Seen' }] }, clientOf('only-simulated')];
    expect((await post('/v1/contracts/simulations', { client: onlySimulated, terms: { rules: [rule] } })).status).toBe(200);
    for (const client of names) await post('/v1/contracts', { client, terms: {} });
    const listed = async (): Promise<readonly string[]> => {
      const seen: string[] = [];
      for (let path = '/v1/contracts?limit=2'; ;) {
        const { items, next } = (await get(path)).json;
        expect(items.length).toBeLessThanOrEqual(2);
        seen.push(...items.map(({ client }: { client: string }) => client));
        if (next === undefined) return seen;
        path = `/v1/contracts?limit=2&cursor=${encodeURIComponent(next)}`;
      }
    };
    const seen = await eventually(listed, (clients) => names.every((name) => clients.includes(name)));
    expect(seen.filter((name) => names.includes(name))).toEqual([...names].sort());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(onlySimulated);
    expect((await get('/v1/contracts?cursor=x')).json).toMatchObject({ status: 400, code: 'invalid-query' });
  });
});

describe('GET /v1/default-contract', () => {
  it('is sound', async () => {
    const { json } = await get('/v1/default-contract');
    const client = clientOf('default');
    expect((await post('/v1/contracts', { client, terms: json })).json).toMatchObject({ events: [{ data: { terms: json } }] });
  });
});
