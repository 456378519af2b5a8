import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FolderBlobStore } from '#blobs';
import { parsePosition } from '#eventsourcing';
import { deliverReports } from '#notifications';
import { createLog } from '#platform';
import { renderReport } from '#reports';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kpis, ticketFacts } from '#ticketing';
import { boundOf, readClientReport } from '#ticketing-app';
import { startReporter } from '../../worker/src/reporter.js';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
let position = '';
const ids: string[] = [];

const get = (path: string) => send(api.url, 'GET', path);
const say = async (id: string, route: string, day: number, body: object = {}) => {
  const effectiveAt = `2020-03-${String(day).padStart(2, '0')}T10:00:00Z`;
  const answer = await send(api.url, 'POST', `/v1/tickets/${id}/${route}`, { body: { ...body, effectiveAt } });
  expect({ route, status: answer.status, code: answer.json.code }).toEqual({ route, status: 200, code: undefined });
  position = answer.json.position;
};
const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
/** In a month of which no other test knows, of a client that no other test has. */
const period = () => `from=2020-03-01T00:00:00Z&to=2020-04-01T00:00:00Z&client=${api.client}`;

beforeAll(async () => {
  api = await startApi();
  for (const day of [1, 2, 3, 4]) {
    const body = {
      client: api.client,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: day === 4 ? 'monitoring' : 'phone',
      impact: 'low',
      urgency: 'low',
      category: 'hardware/printer',
      effectiveAt: `2020-03-0${day}T10:00:00Z`,
    };
    ids.push((await send(api.url, 'POST', '/v1/tickets', { body })).json.ticketId);
  }
  const [first = '', second = '', third = ''] = ids;
  await say(first, 'resolution', 2, { category: 'hardware', article: 'KB-1' });
  await say(second, 'resolution', 4, { category: 'hardware', article: 'KB-2' });
  await say(third, 'escalations', 4, { tier: 'L2', reason: 'r', handoff });
  await say(third, 'escalations/accept', 5, { agent: { id: 'bo' } });
  await say(third, 'resolution', 6, { cause: 'c', fix: 'f' });
});
afterAll(() => api?.stop());

describe('GET /v1/kpis', () => {
  it('lists every KPI with its formula', async () => {
    const { status, json } = await get('/v1/kpis');
    expect(status).toBe(200);
    expect(json.items.map(({ id }: { id: string }) => id)).toEqual(kpis.map(({ id }) => id));
    expect(json.items[0]).toMatchObject({ version: 1, unit: 'share', says: expect.stringContaining('÷') });
  });

  it.each(kpis.map(({ id }) => id))('has %s over a period, as far as the views have come', async (id) => {
    const client = id === 'client-retention' ? `&client=${api.client}` : '';
    const { status, json } = await get(`/v1/kpis/${id}?from=2020-03-01T00:00:00Z&to=2020-04-01T00:00:00Z&at=${position}${client}`);
    expect({ status, json }).toMatchObject({ status: 200, json: { kpi: { id }, position, digest: expect.stringMatching(/^sha256:/) } });
  });
});

describe('GET /v1/kpis/{kpi}', () => {
  it('counts, groups by tier and day, and compares with the period before', async () => {
    const { json } = await get(`/v1/kpis/first-level-resolution?${period()}&groupBy=tier,day&compare=previous&at=${position}`);
    expect(json).toMatchObject({
      total: { value: 2 / 3, numerator: 2, denominator: 3 },
      groups: [
        { key: { tier: 'L1', day: '2020-03-02' }, value: 1 },
        { key: { tier: 'L1', day: '2020-03-04' }, value: 1 },
        { key: { tier: 'L2', day: '2020-03-06' }, value: 0 },
      ],
      before: { from: '2020-01-30T00:00:00.000Z', to: '2020-03-01T00:00:00.000Z', total: { value: null, denominator: 0 }, groups: [] },
    });
    const mttr = await get(`/v1/kpis/mttr?${period()}&at=${position}`);
    const dated = await get(
      `/v1/kpis/mttr?from=2020-03-01&to=2020-04-01&client=${api.client}&at=${position}&evaluatedAt=${mttr.json.evaluatedAt}`,
    );
    expect(dated.json).toEqual(mttr.json);
    const inBerlin = await get(`/v1/kpis/mttr?from=2020-03-01&to=2020-04-01&zone=Europe/Berlin&client=${api.client}`);
    expect(inBerlin.json).toMatchObject({ from: '2020-02-29T23:00:00.000Z', to: '2020-03-31T22:00:00.000Z' });
    const day = 86_400_000;
    expect(mttr.json.total).toEqual({ value: 2 * day, numerator: 6 * day, denominator: 3, p50: 2 * day, p90: 3 * day });
    const volume = await get(`/v1/kpis/ticket-volume?${period()}&groupBy=channel&category=hardware&at=${position}`);
    expect(volume.json.groups).toEqual([
      { key: { channel: 'monitoring' }, value: 1 },
      { key: { channel: 'phone' }, value: 3 },
    ]);
    const backlog = await get(`/v1/kpis/backlog?${period()}&groupBy=tier&at=${position}`);
    expect(backlog.json.groups).toMatchObject([
      { key: { tier: 'L1' }, value: 3 },
      { key: { tier: 'L2' }, value: 1 },
    ]);
  });

  it('opens a number down to its tickets and events, page after page, with the digest of the number', async () => {
    const number = await get(`/v1/kpis/return-rate?${period()}&at=${position}`);
    const { evaluatedAt, digest } = number.json;
    const evidence = await get(`/v1/kpis/return-rate/evidence?${period()}&at=${position}&evaluatedAt=${evaluatedAt}`);
    expect(evidence.json).toMatchObject({
      total: number.json.total,
      digest,
      items: [
        {
          ticketId: ids[2],
          contractVersion: 0,
          counted: [{ n: 0, at: '2020-03-05T10:00:00.000Z', tier: 'L1' }],
          events: [{ type: 'TicketEscalated' }, { type: 'EscalationAccepted', effectiveAt: '2020-03-05T10:00:00.000Z' }],
        },
      ],
    });
    expect(evidence.json).not.toHaveProperty('next');

    const seen: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const { json } = await get(`/v1/kpis/ticket-volume/evidence?${period()}&limit=3${next && `&cursor=${encodeURIComponent(next)}`}`);
      seen.push(...json.items.map(({ ticketId }: { ticketId: string }) => ticketId));
      next = json.next;
    }
    expect(seen).toEqual([...ids].sort());
  });

  it('tells the same number again as of a position, whatever has happened since', async () => {
    const url = `/v1/kpis/tier-share?${period()}&groupBy=tier&at=${position}`;
    const before = (await get(url)).json;
    const then = position;
    await say(ids[0] ?? '', 'reopen', 7, { reason: 'r' });
    await say(ids[3] ?? '', 'resolution', 8, { category: 'hardware', article: 'KB-1' });
    const after = await eventually(
      async () => (await get(`/v1/kpis/tier-share?${period()}&groupBy=tier&at=${position}`)).json,
      ({ total }) => total !== undefined,
    );
    expect(after.total.numerator).toBe(before.total.numerator);
    expect(after.digest).not.toBe(before.digest);
    const again = (await get(`${url.replace(position, then)}&evaluatedAt=${before.evaluatedAt}`)).json;
    expect(again).toEqual(before);
    const volume = await get(`/v1/kpis/reopen-rate?${period()}&at=${then}`);
    expect(volume.json.total).toMatchObject({ numerator: 0, denominator: 3 });
    const known = await get(`/v1/kpis/reopen-rate?${period()}&at=${position}`);
    expect(known.json.total).toMatchObject({ numerator: 1, denominator: 4 });
  });

  it('gives costs in hours of L1, at the rates of the request, or at those of the one client’s contract', async () => {
    const client = `${api.client}-cost`;
    const open = async (day: number) => {
      const about = { client, kind: 'incident', summary: 's', reporter: { id: 'joe' }, channel: 'phone', impact: 'low', urgency: 'low' };
      const body = { ...about, effectiveAt: `2020-03-0${day}T10:00:00Z` };
      return (await send(api.url, 'POST', '/v1/tickets', { body })).json.ticketId as string;
    };
    const article = `KB-${randomUUID()}`;
    const first = await open(1);
    await say(first, 'touch-time', 1, { minutes: 30 });
    await say(first, 'resolution', 2, { category: 'hardware', article });
    await say(first, 'close', 2);
    // Avoidable: by then L1 had resolved one with that article.
    const second = await open(3);
    await say(second, 'touch-time', 3, { minutes: 60 });
    await say(second, 'escalations', 4, { tier: 'L2', reason: 'r', handoff });
    await say(second, 'escalations/accept', 5, { agent: { id: 'bo' } });
    await say(second, 'touch-time', 5, { minutes: 30 });
    await say(second, 'resolution', 6, { article, cause: 'c', fix: 'f' });
    await say(second, 'close', 6);
    const url = `/v1/kpis/cost-per-ticket?from=2020-03-01&to=2020-04-01&client=${client}&at=${position}`;
    const cost = async (more = '') => (await get(url + more)).json;

    // (½ h + 1 h + ½ h × 1.6) ÷ 2; half an hour of L2 costs 0.3 more than of L1.
    const inHours = await cost();
    const { L1, L2, L3 } = inHours.rates.perHour;
    expect({ L1, L2, L3, currency: inHours.rates.currency }).toEqual({ L1: 1, L2: 1.6, L3: 2.5, currency: undefined });
    expect(inHours.total).toMatchObject({ value: 1.15, denominator: 2 });
    expect(inHours.total.also.saving).toBeCloseTo(0.3);
    // (20 + 40 + 35) ÷ 2, of which 15 at L2 beyond what L1 costs.
    const asked = await cost('&rates=L1:40,L2:70&currency=EUR');
    expect(asked).toMatchObject({
      total: { value: 47.5, numerator: 95, denominator: 2 },
      rates: { currency: 'EUR', perHour: { L0: 0, L1: 40, L2: 70, L3: 100, L4: 100 } },
    });
    expect(asked.total.also.saving).toBeCloseTo(15);

    // (25 + 50 + 40) ÷ 2: an hour of L2 costs 1.6 of L1's where nothing else is agreed.
    const terms = { rates: { currency: 'CHF', perHour: { L1: 50 } } };
    expect((await send(api.url, 'POST', '/v1/contracts', { body: { client, terms } })).status).toBe(200);
    const agreed = await eventually(cost, ({ rates }) => rates.currency !== undefined);
    expect(agreed).toMatchObject({
      total: { value: 57.5, numerator: 115, denominator: 2 },
      rates: { currency: 'CHF', contractVersion: 1, perHour: { L1: 50, L2: 80 } },
    });
    const evidence = await get(`${url.replace('?', '/evidence?')}&evaluatedAt=${agreed.evaluatedAt}`);
    expect(evidence.json).toMatchObject({ digest: agreed.digest, rates: agreed.rates, total: agreed.total });
    // Of all clients there is no sum in one currency.
    const all = await get(`/v1/kpis/cost-per-ticket?from=2020-03-01&to=2020-04-01&at=${position}`);
    expect(all.json.rates).toEqual(inHours.rates);
    // What was agreed counts from then on.
    expect((await cost(`&evaluatedAt=${inHours.evaluatedAt}`)).digest).toBe(inHours.digest);
    expect((await cost('&rates=L1:40,L2:70&currency=CHF')).digest).not.toBe(asked.digest);
  });

  it.each([
    ['cost-per-ticket?rates=40', 'rates'],
    ['cost-per-ticket?rates=L2:40', 'rates'],
    ['cost-per-ticket?rates=L1:40,L1:50', 'rates'],
    ['cost-per-ticket?rates=L1:1000001', 'rates'],
    ['cost-per-ticket?rates=L1:-1', 'rates'],
    ['cost-per-ticket?rates=L1:40&currency=euro', 'currency'],
    ['cost-per-ticket?currency=EUR', 'currency'],
    ['mttr?rates=L1:40', 'rates'],
  ])('refuses %s, with its parameter', async (path, field) => {
    const { status, json } = await get(`/v1/kpis/${path}`);
    expect({ status, json }).toMatchObject({ status: 400, json: { code: 'invalid-query', faults: [{ field }] } });
  });

  it.each([
    ['mttr?groupBy=clock', 400, 'invalid-query'],
    ['mttr?clock=response', 400, 'invalid-query'],
    ['mttr?groupBy=day,week', 400, 'invalid-query'],
    ['mttr?from=2020-01-01T00:00:00Z&to=2019-01-01T00:00:00Z', 400, 'invalid-query'],
    ['mttr?from=2026-02-30', 400, 'invalid-query'],
    ['mttr?from=2026-01-01&zone=Mars', 400, 'invalid-query'],
    ['mttr?groupBy=hour&from=2000-01-01T00:00:00Z', 400, 'invalid-query'],
    ['mttr?evaluatedAt=2999-01-01T00:00:00Z', 400, 'invalid-query'],
    ['happiness', 404, 'kpi-not-found'],
  ])('refuses %s', async (path, status, code) => {
    expect(await get(`/v1/kpis/${path}`)).toMatchObject({ status, json: { status, code } });
  });

  it('names the position that the log has not reached, here and in exports', async () => {
    const far = '999999999999/999999999999';
    for (const [path, field] of [
      [`/v1/kpis/mttr?at=${far}`, 'at'],
      [`/v1/ticket-facts?after=${far}`, 'after'],
    ] as const)
      expect((await get(path)).json).toMatchObject({ status: 400, code: 'unknown-position', faults: [{ field }] });
  });

  it.each(kpis.map((kpi) => [kpi.id, kpi] as const))('%s reads an index', async (_id, kpi) => {
    const bound = boundOf(kpi, { from: Date.parse('2020-01-01T00:00:00Z'), to: Date.parse('2020-02-01T00:00:00Z'), filters: {} });
    const { queryPlanner } = await api.mongo.db.collection(ticketFacts.name).find(bound).explain('queryPlanner');
    expect(JSON.stringify(queryPlanner.winningPlan)).not.toContain('COLLSCAN');
  });
});

describe('GET /v1/flow', () => {
  it('tells the ways between tiers, where the time went, and hand-offs by pair', async () => {
    const { status, json } = await get(`/v1/flow?${period()}&at=${position}`);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      tickets: 4,
      links: [
        { from: 'opened', to: 'L1', move: 'entry', moves: 4, tickets: 4 },
        { from: 'L1', to: 'L2', move: 'escalation', moves: 1 },
        { from: 'L1', to: 'resolved', move: 'end', moves: 2 },
        { from: 'L1', to: 'open', move: 'end', moves: 1 },
        { from: 'L2', to: 'resolved', move: 'end', moves: 1 },
      ],
      pairs: [{ from: 'L1', to: 'L2', handOffs: 1, accepted: 1, returned: 0, acceptedAfter: 86_400_000 }],
      position,
    });
  });
});

describe('a period that ends before it begins', () => {
  it.each([
    ['flow', 'from', 'to'],
    ['capacity', 'from', 'to'],
    ['kpis/mttr/evidence', 'from', 'to'],
    ['question-counts', 'from', 'to'],
    ['audit/reads', 'from', 'to'],
    ['tickets', 'openedFrom', 'openedTo'],
    ['ticket-counts', 'closedFrom', 'closedTo'],
    [`tickets/${randomUUID()}/history`, 'recordedFrom', 'recordedTo'],
  ])('is refused at %s', async (path, from, to) => {
    const { status, json } = await get(`/v1/${path}?${from}=2020-02-01&${to}=2020-01-01T00:00:00Z`);
    expect({ status, json }).toMatchObject({ status: 400, json: { code: 'invalid-query', faults: [{ field: from }] } });
  });
});

describe('GET /v1/ticket-facts', () => {
  const facts = (accept: string, after = '') =>
    send(api.url, 'GET', `/v1/ticket-facts${after && `?after=${after}`}`, { headers: { Accept: accept } });

  it('streams all facts as lines of JSON, in the order of their last change, and later only what has changed', async () => {
    const { headers, text } = await facts('application/x-ndjson');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly _id: string; readonly position: number; readonly client: string });
    const positions = lines.map((line) => line.position);
    expect(positions).toEqual([...positions].sort((one, other) => one - other));
    expect(
      lines
        .filter(({ client }) => client === api.client)
        .map(({ _id }) => _id)
        .sort(),
    ).toEqual([...ids].sort());

    const upTo = headers.get('tierline-up-to') ?? '';
    await say(ids[1] ?? '', 'close', 9);
    const next = await eventually(
      () => facts('application/x-ndjson', upTo),
      (answer) => answer.text.includes(ids[1] ?? 'none'),
    );
    const changed = next.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly _id: string; readonly closedAt?: string; readonly client: string });
    expect(changed.filter(({ client }) => client === api.client)).toMatchObject([{ _id: ids[1], closedAt: '2020-03-09T10:00:00.000Z' }]);
  });

  it('streams them as CSV, with a row of names, and no cell that a spreadsheet takes for a formula', async () => {
    const body = {
      client: api.client,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
    };
    const category = '=HYPERLINK("http://x";"y")';
    await send(api.url, 'POST', '/v1/tickets', { body: { ...body, category, effectiveAt: '2020-05-01T10:00:00Z' } });
    const { text, headers } = await eventually(
      () => facts('text/csv'),
      (answer) => answer.text.includes('HYPERLINK'),
    );
    expect(headers.get('content-type')).toContain('text/csv');
    expect(text.split('\r\n')[0]).toMatch(/^_id,client,kind,.*,revision,position$/);
    expect(text).toContain(`,"'=HYPERLINK(""http://x"";""y"")",`);
  });

  it('streams them as Parquet', async () => {
    const { headers, text } = await facts('application/vnd.apache.parquet');
    expect(headers.get('content-type')).toBe('application/vnd.apache.parquet');
    expect(headers.get('content-disposition')).toContain('ticket-facts.parquet');
    expect(text).toMatch(/^PAR1.*PAR1$/s);
  });
});

describe('GET /v1/event-log', () => {
  const log = (accept: string, after = '') =>
    send(api.url, 'GET', `/v1/event-log${after && `?after=${after}`}`, { headers: { Accept: accept } });

  it('streams the events of all tickets, those of a ticket one after another, with how it stood after each', async () => {
    const { headers, text } = await log('application/x-ndjson');
    const rows = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly ticketId: string; readonly revision: number; readonly position: number });
    const [id = ''] = ids;
    const ofTicket = rows.filter(({ ticketId }) => ticketId === id);
    expect(ofTicket.map(({ revision }) => revision)).toEqual(ofTicket.map((_, index) => index));
    const first = rows.findIndex(({ ticketId }) => ticketId === id);
    expect(rows.slice(first, first + ofTicket.length)).toEqual(ofTicket);
    expect(ofTicket[0]).toMatchObject({ type: 'TicketOpened', client: api.client, status: 'open', tier: 'L1', priority: 'low' });
    const upTo = Number(headers.get('tierline-up-to')?.split('/')[0]);
    expect(rows.every(({ position }) => position <= upTo)).toBe(true);
  });

  it('streams them as XES, and later only tickets that have changed', async () => {
    const { headers, text } = await log('application/xml');
    expect(headers.get('content-disposition')).toContain('event-log.xes');
    expect(text).toContain(`<trace>\n<string key="concept:name" value="${ids[0]}"/>`);
    const upTo = headers.get('tierline-up-to') ?? '';
    await send(api.url, 'POST', `/v1/tickets/${ids[0]}/internal-notes`, { body: { text: 'seen', effectiveAt: '2020-06-01T10:00:00Z' } });
    const next = await eventually(
      () => log('application/xml', upTo),
      (answer) => answer.text.includes(ids[0] ?? 'none'),
    );
    expect(next.text).toContain('<string key="concept:name" value="InternalNoteAdded"/>');
    expect(next.text).not.toContain('seen');
  });
});

describe('/v1/reports', () => {
  const name = () => `monthly-${api.client}`;
  const runs = async () => (await get(`/v1/reports/${name()}/runs`)).json.items;

  it('makes a report that was asked for once, with two reporters, and again as often as it is asked', async () => {
    const deliverTo = [
      { by: 'folder', folder: 'clients' },
      { by: 'email', to: { kind: 'team', team: 'none' } },
    ];
    const body = { client: api.client, every: 'month', zone: 'UTC', deliverTo };
    for (const folder of ['../x', 'a/b', '..', ''])
      expect(
        await send(api.url, 'PUT', `/v1/reports/${name()}`, { body: { ...body, deliverTo: [{ by: 'folder', folder }] } }),
      ).toMatchObject({
        json: { code: 'report-invalid', faults: [{ field: 'deliverTo[0].folder' }] },
      });
    const defined = await send(api.url, 'PUT', `/v1/reports/${name()}`, { body });
    expect(defined.json).toMatchObject({ revision: 0, events: [{ type: 'ReportDefined' }] });
    const asked = () => send(api.url, 'POST', `/v1/reports/${name()}/runs`, { body: { on: '2020-03-31' } });
    expect((await asked()).json.events).toMatchObject([{ type: 'ReportRunRequested', data: { from: '2020-03-01T00:00:00.000Z' } }]);
    const blobs = await FolderBlobStore.open(api.attachmentsDir);
    const log = createLog('silent', { write: () => {} });
    const reporters = [1, 2].map(() => startReporter({ store: api.store, db: api.mongo.db, blobs, log }));
    await eventually(runs, ({ length }) => length === 1);
    await asked();
    await eventually(runs, ({ length }) => length === 2);
    await Promise.all(reporters.map((reporter) => reporter.stop()));
    expect(await runs()).toMatchObject([
      { run: 2, request: 2 },
      { run: 1, request: 1, from: '2020-03-01T00:00:00.000Z', to: '2020-04-01T00:00:00.000Z', evaluatedAt: '2020-04-01T00:00:00.000Z' },
    ]);
    expect((await get(`/v1/reports/${name()}`)).json).toMatchObject({ requests: [], lastRun: { run: 2 }, client: api.client });
    const listed = await eventually(
      () => get(`/v1/reports?limit=200`),
      ({ json }) =>
        json.items.some((one: { report: string; lastRun?: { run: number } }) => one.report === name() && one.lastRun?.run === 2),
    );
    expect(listed.status).toBe(200);
  });

  it('delivers each once to its targets, and records what came of it', async () => {
    const folder = join(api.stores.directory, 'reports');
    const blobs = await FolderBlobStore.open(api.attachmentsDir);
    const log = createLog('silent', { write: () => {} });
    const deliverers = [1, 2].map(() => deliverReports({ store: api.store, db: api.mongo.db, blobs, log, folder }));
    const told = await eventually(runs, (all) => all.every(({ deliveries }: { deliveries?: unknown[] }) => deliveries?.length === 2));
    await Promise.all(deliverers.map((deliverer) => deliverer.stop()));
    for (const { deliveries } of told) {
      expect(deliveries).toHaveLength(2);
      expect(deliveries).toContainEqual({ target: 0, at: expect.any(String) });
      expect(deliveries).toContainEqual({ target: 1, at: expect.any(String), failed: { because: 'no-address' } });
    }
    const files = await readdir(join(folder, 'clients'));
    expect(files.sort()).toEqual([1, 2].map((run) => `${name()}-2020-03-01-2020-03-31-${run}.html`));
    for (const { run, sha256 } of told) {
      const content = await readFile(join(folder, 'clients', files[run - 1] ?? ''));
      expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    }
  });

  it('answers the document by its digest, which is made anew from its position, with numbers that the API has again', async () => {
    const [, first] = await runs();
    const { status, text, headers } = await get(`/v1/reports/${name()}/runs/1/document`);
    expect({ status, type: headers.get('content-type'), etag: headers.get('etag') }).toEqual({
      status: 200,
      type: 'text/html; charset=utf-8',
      etag: `"${first.sha256}"`,
    });
    expect(createHash('sha256').update(text).digest('hex')).toBe(first.sha256);
    const { from, to } = first;
    const asked = { report: name(), client: api.client, every: 'month', zone: 'UTC', from, to, at: parsePosition(first.position) } as const;
    const report = await readClientReport({ store: api.store, models: { db: api.mongo.db } }, asked);
    if ('refused' in report) throw new Error(report.message);
    expect(createHash('sha256').update(renderReport(report)).digest('hex')).toBe(first.sha256);
    expect(report.course.reduce((sum, { opened }) => sum + opened, 0)).toBe(4);
    for (const { kpi, digest, total } of report.figures) {
      const query = new URLSearchParams({ from, to, client: api.client, at: first.position, evaluatedAt: first.evaluatedAt });
      const again = (await get(`/v1/kpis/${kpi.id}?${query}`)).json;
      expect({ id: kpi.id, digest: again.digest, total: again.total }).toEqual({ id: kpi.id, digest, total });
      expect(text).toContain(digest);
    }
    expect(await get(`/v1/reports/${name()}/runs/3/document`)).toMatchObject({ status: 404, json: { code: 'report-run-not-found' } });
    expect(await get(`/v1/reports/${name()}/runs/x/document`)).toMatchObject({ status: 404, json: { code: 'report-run-not-found' } });
    expect(await get(`/v1/reports/none/runs`)).toMatchObject({ status: 404, json: { code: 'report-not-found' } });
  });
});
describe('examples/reporting-queries', () => {
  const folder = new URL('../../../examples/reporting-queries/', import.meta.url);
  const text = (file: string) => readFileSync(new URL(file, folder), 'utf8');

  it('answer two questions with the Node driver', async () => {
    const url = new URL(api.stores.mongodbUrl);
    url.pathname = api.mongo.db.databaseName;
    const env = { PATH: process.env['PATH'], URL: String(url), FROM: '2020-01-01', TO: '2021-01-01' };
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('questions.js', folder))], { env });
    const lines = stdout.trim().split('\n');
    const found = lines.map((line) => JSON.parse(line) as { readonly client?: string; readonly month?: string; readonly opened?: number });
    const opened = found.filter(({ client }) => client === api.client);
    expect(opened).toContainEqual({ client: api.client, month: '2020-03', opened: expect.any(Number) });
    expect(found.at(-1)).toEqual({ tier: expect.stringMatching(/^L\d$/), backlog: expect.any(Number), oldest: expect.any(String) });
  });

  it('ask the same with mongosh and in Python', () => {
    const stages = (file: string) => text(file).match(/\$[a-z]\w*(\.\w+)?/g);
    const [ofNode, ...others] = ['questions.js', 'questions.mongosh.js', 'questions.py'].map(stages);
    for (const other of others) expect(other).toEqual(ofNode);
  });
});

it('how soon events are in the views is told with their health', async () => {
  const { p50, p99 } = await eventually(
    async () => (await get('/health/ready')).json.views?.ticket_facts_v1.freshness ?? {},
    ({ p50, p99 }) => p50 <= p99,
  );
  expect([p50, p99]).toEqual([expect.any(Number), expect.any(Number)]);
});
