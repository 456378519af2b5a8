import { randomUUID } from 'node:crypto';
import { instantFrom } from '#eventsourcing';
import { BOARD_KEYS, defaultContract, slaBoard, ticket } from '#ticketing';
import { boardCriteria, runSystemCommand } from '#ticketing-app';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const open = {
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'j.doe' },
  channel: 'phone',
  impact: 'major',
  urgency: 'critical',
};
const HOUR = 3_600_000;
const now = Date.now();
const hoursAgo = (hours: number) => new Date(now - hours * HOUR).toISOString();

async function post(path: string, body: unknown): Promise<Answer> {
  const answer = await send(api.url, 'POST', path, { body });
  expect([answer.status < 300, answer.status < 300 ? '' : answer.text]).toEqual([true, '']);
  return answer;
}

function get(path: string): Promise<Answer> {
  return send(api.url, 'GET', path);
}

describe('GET /v1/tickets/{id}/sla/autopsy', () => {
  let path: string;
  beforeAll(async () => {
    const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client, team: 'desk', effectiveAt: hoursAgo(6) })).json;
    path = `/v1/tickets/${ticketId}`;
    await post(`${path}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(5) });
    await post(`${path}/hold`, { reason: 'customer', note: 'asked for the name of the printer', effectiveAt: hoursAgo(4) });
    await post(`${path}/resume`, { effectiveAt: hoursAgo(2) });
  });

  it('shows where the time of each clock went, directly from the log, with the events as proof', async () => {
    const { ticketId, revision, asOf, clocks } = (await get(`${path}/sla/autopsy`)).json;
    expect([`/v1/tickets/${ticketId}`, revision]).toEqual([path, 3]);
    const [response, resolution] = clocks;
    expect(response).toMatchObject({
      kind: 'response',
      state: 'breached',
      elapsed: HOUR,
      parts: [{ spentOn: { what: 'queue', tier: 'L1', team: 'desk' }, duration: HOUR, elapsed: HOUR }],
    });
    const sinceResumed = Date.parse(asOf) - Date.parse(hoursAgo(2));
    expect(resolution).toMatchObject({
      kind: 'resolution',
      state: 'running',
      to: asOf,
      elapsed: 2 * HOUR + sinceResumed,
      paused: 2 * HOUR,
      closed: 0,
      parts: [
        { spentOn: { what: 'work', tier: 'L1', team: 'desk', agent: { id: 'ada' } }, elapsed: HOUR + sinceResumed },
        { spentOn: { what: 'queue' }, elapsed: HOUR },
        { spentOn: { what: 'customer' }, duration: 2 * HOUR, elapsed: 0 },
      ],
    });
    expect(resolution.spells.map(({ event }: { event: number }) => event)).toEqual([0, 1, 2, 3]);
  });

  it('knows nothing that happened later', async () => {
    const then = (await get(`${path}/sla/autopsy?asOf=${hoursAgo(4.5)}`)).json;
    expect(then).toMatchObject({ revision: 1, asOf: hoursAgo(4.5) });
    expect(then.clocks[1]).toMatchObject({ state: 'running', elapsed: 1.5 * HOUR, paused: 0 });
    expect(then.clocks[1].breachedAt).toBeUndefined();
    expect((await get(`${path}/sla/autopsy?asOf=${hoursAgo(7)}`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });

  it('refuses the future, invalid instants, and missing tickets', async () => {
    for (const asOf of [hoursAgo(-1), 'yesterday', '2026-11-21T10:00:00', '']) {
      expect((await get(`${path}/sla/autopsy?asOf=${asOf}`)).json).toMatchObject({
        status: 400,
        code: 'invalid-query',
        faults: [{ field: 'asOf' }],
      });
    }
    expect((await get(`/v1/tickets/${randomUUID()}/sla/autopsy`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    expect((await get('/v1/tickets/first/sla/autopsy')).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });
});

describe('GET /v1/sla-board', () => {
  const handoff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
  const work = { work: 2 * HOUR };
  let client: string;
  /** By what each is about. */
  const tickets: Record<string, string> = {};
  let position: string;
  const board = async (query = '') => (await get(`/v1/sla-board?client=${client}&atLeast=${position}${query}`)).json;
  const ids = (answer: { items: { _id: string }[] }) => answer.items.map(({ _id }) => _id);

  beforeAll(async () => {
    client = `${api.client}-board`;
    await post('/v1/contracts', {
      client,
      terms: { tierTargets: { L2: { critical: work, high: work, medium: work, low: work } } },
      effectiveFrom: hoursAgo(100),
    });
    const opened = async (about: string, hours: number, fields: object = {}) => {
      const { json } = await post('/v1/tickets', { ...open, client, effectiveAt: hoursAgo(hours), ...fields });
      tickets[about] = `/v1/tickets/${json.ticketId}`;
      position = json.position;
      return tickets[about];
    };
    const then = async (path: string, what: string, body: object) => (position = (await post(`${path}/${what}`, body)).json.position);
    // Four hours for a critical one, eight for a high one.
    await opened('breached', 5);
    await opened('on its way', 1, { impact: 'high', urgency: 'medium' });
    await then(await opened('warned', 5, { impact: 'high', urgency: 'medium' }), 'work', {
      agent: { id: 'ada' },
      effectiveAt: hoursAgo(4.9),
    });
    const waits = await opened('paused', 3);
    await then(waits, 'work', { agent: { id: 'ada' }, effectiveAt: hoursAgo(2.9) });
    await then(waits, 'hold', { reason: 'customer', note: 'away', effectiveAt: hoursAgo(2) });
    const risky = await opened('at risk', 3);
    await then(risky, 'work', { agent: { id: 'ada' }, effectiveAt: hoursAgo(2.9) });
    await then(risky, 'escalations', { tier: 'L2', reason: 'needs the network', handoff, effectiveAt: hoursAgo(2.5) });
    const done = await opened('done', 3);
    await then(done, 'work', { agent: { id: 'ada' }, effectiveAt: hoursAgo(2.9) });
    await then(done, 'resolution', { category: 'hardware', article: 'KB-1', effectiveAt: hoursAgo(2) });
  });
  const idsOf = (...abouts: string[]) => abouts.map((about) => tickets[about]?.replace('/v1/tickets/', ''));

  it('shows the active clocks, sorted by due time, with their remaining time', async () => {
    const { items, evaluatedAt, next } = await board('&kind=resolution');
    expect(ids({ items })).toEqual(idsOf('breached', 'at risk', 'warned', 'on its way', 'paused'));
    expect(next).toBeUndefined();
    expect(items[0]).toMatchObject({
      client,
      tier: 'L1',
      summary: 'Cannot print',
      clock: {
        kind: 'resolution',
        state: 'breached',
        target: 4 * HOUR,
        dueAt: hoursAgo(1),
        remaining: Date.parse(hoursAgo(1)) - Date.parse(evaluatedAt),
      },
    });
    expect(items.map(({ clock }: { clock: { state: string } }) => clock.state)).toEqual(['breached', 'warned', 'warned', 'due', 'paused']);
    expect(items[4].clock).toMatchObject({ pausedFor: 'customer', remaining: 3 * HOUR });
    // Without a kind each line is of the clock that is due first: here the response, which nobody has given.
    expect((await board()).items[0].clock).toMatchObject({ kind: 'response', state: 'breached' });
  });

  it('is filtered by kind, tier and state', async () => {
    for (const [query, ...abouts] of [
      ['state=breached', 'breached'],
      ['state=warned', 'at risk', 'warned'],
      ['state=due', 'on its way'],
      ['state=paused', 'paused'],
      ['tier=L2', 'at risk'],
      ['tier=L2&state=paused'],
    ] as const) {
      expect([query, ids(await board(`&kind=resolution&${query}`))]).toEqual([query, idsOf(...abouts)]);
    }
    expect(ids(await board('&kind=vendor'))).toEqual([]);
    expect(ids(await board('&kind=response'))).toEqual(idsOf('breached', 'on its way'));
  });

  it('warns if less resolution time is left than the tier needs', async () => {
    const { items } = await board('&atRisk=true');
    expect(ids({ items })).toEqual(idsOf('at risk'));
    const { remaining, ...forecast } = items[0].forecast;
    expect(forecast).toEqual({ tier: 'L2', needed: 2 * HOUR, atRisk: true });
    expect(remaining).toBeLessThan(HOUR + 1);
    expect(ids(await board('&atRisk=false&kind=resolution'))).not.toContain(idsOf('at risk')[0]);
  });

  it('tells what has changed since a position: what is on it now, and what is not, or no longer', async () => {
    const changed = async (query: string) => (await get(`/v1/sla-board?client=${client}&${query}`)).json;
    await board();
    const all = await changed('changedSince=start');
    expect(new Set(ids(all))).toEqual(new Set(idsOf('breached', 'at risk', 'warned', 'on its way', 'paused')));
    expect(all).toMatchObject({ gone: idsOf('done'), evaluatedAt: expect.any(String), changedUpTo: expect.any(String) });
    expect(await changed('changedSince=start&tier=L2')).toMatchObject({ items: [{ tier: 'L2' }], gone: { length: 5 } });
    expect(await changed(`changedSince=${position}`)).toMatchObject({ items: [], gone: [] });
    expect(await changed('changedSince=start&state=paused')).toMatchObject({ code: 'invalid-query', faults: [{ field: 'state' }] });
  });

  it('comes in pages that do not overlap', async () => {
    const whole = ids(await board());
    expect(whole).toHaveLength(5);
    const paged: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const page: { items: { _id: string }[]; next?: string } = await board(`&limit=2${next === '' ? '' : `&cursor=${next}`}`);
      expect(page.items.length).toBeLessThanOrEqual(2);
      paged.push(...ids(page));
      next = page.next;
    }
    expect(paged).toEqual(whole);
    const { next } = await board('&limit=2');
    expect(await board(`&kind=response&cursor=${next}`)).toMatchObject({
      status: 400,
      code: 'invalid-query',
      faults: [{ field: 'cursor' }],
    });
  });

  it.each(['kind=any', 'state=met', 'tier=L5', 'atRisk=1', 'limit=0', 'limit=201', 'cursor=x', 'client=', 'sort=due'])(
    'refuses ?%s',
    async (query) => {
      expect((await get(`/v1/sla-board?${query}`)).json).toMatchObject({
        status: 400,
        code: 'invalid-query',
        faults: [{ field: expect.any(String) }],
      });
    },
  );

  it('is read in index order, without a sort and without reading finished tickets', async () => {
    const now = instantFrom(Date.now());
    const collection = api.mongo.db.collection(slaBoard.name);
    const place = { due: hoursAgo(50), id: '' };
    for (const key of BOARD_KEYS) {
      for (const [filter, after] of [[{}], [{ state: 'breached' }], [{ state: 'paused' }], [{}, place]] as const) {
        const { filter: criteria, sort } = boardCriteria(filter, key, now, after);
        const plan = JSON.stringify(
          await collection
            .find(criteria)
            .sort({ ...sort })
            .limit(51)
            .explain('queryPlanner'),
        );
        expect([key, filter, /"stage":"(SORT|COLLSCAN)"/.exec(plan.slice(0, plan.indexOf('"rejectedPlans"')))?.[1]]).toEqual([
          key,
          filter,
          undefined,
        ]);
      }
    }
    for (const filter of [{ client }, { tier: 'L2' as const }]) {
      const { filter: criteria, sort } = boardCriteria(filter, 'any', now);
      // Which of the indexes that serve it is the cheapest is the server's to decide; with few documents it may be any.
      const hint = { [Object.keys(filter)[0] ?? '']: 1, ...sort } as const;
      const plan = JSON.stringify(
        await collection
          .find(criteria)
          .sort({ ...sort })
          .hint(hint)
          .limit(51)
          .explain('queryPlanner'),
      );
      expect(/"stage":"(SORT|COLLSCAN)"/.test(plan)).toBe(false);
    }
  });
});

describe('GET /v1/tickets/{id}/why', () => {
  it('says which escalation policy did what, and why the others did not', async () => {
    const leads = [{ kind: 'team', team: 'leads' }];
    const escalationPolicies = [
      {
        name: 'untouched',
        trigger: { on: 'opened' },
        steps: [
          { after: 0, targets: leads },
          { after: HOUR, targets: leads },
        ],
      },
      { name: 'bounced', trigger: { on: 'returned', times: 2 }, steps: [{ after: 0, targets: leads }] },
    ];
    const client = `why-${randomUUID()}`;
    await post('/v1/contracts', { client, terms: { escalationPolicies }, effectiveFrom: hoursAgo(1) });
    const { ticketId } = (await post('/v1/tickets', { ...open, client, effectiveAt: hoursAgo(0.5) })).json;
    const commandId = randomUUID();
    const context = {
      commandId,
      actor: { id: 'timekeeper', kind: 'system' as const },
      correlationId: 'c',
      causationId: 'c',
    };
    await runSystemCommand(api.store, { aggregate: ticket, id: ticketId, name: 'RunEscalations', body: {}, context });
    const why = async (asOf = '') => (await get(`/v1/tickets/${ticketId}/why${asOf}`)).json;
    expect(await why()).toMatchObject({
      ticketId,
      revision: 1,
      assignments: [],
      raised: [],
      policies: [
        {
          policy: 'untouched',
          cause: { type: 'TicketOpened', revision: 0 },
          steps: [
            { fired: true, revision: 1 },
            { fired: false, because: 'not-due-yet' },
          ],
        },
        { policy: 'bounced', steps: [], answer: 'Nothing has triggered it: fewer than 2 hand-offs were returned' },
      ],
    });
    await post(`/v1/tickets/${ticketId}/escalation-acknowledgements`, { note: 'On it' });
    expect((await why()).policies[0]).toMatchObject({
      ended: { because: 'acknowledged', revision: 2 },
      steps: [{}, { because: 'acknowledged' }],
    });
    expect((await get(`/v1/tickets/${ticketId}/why?asOf=${hoursAgo(0.75)}`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    expect((await get(`/v1/tickets/${randomUUID()}/why`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    expect((await get(`/v1/tickets/${ticketId}/sla?atLeast=2`)).json).toMatchObject({
      chains: [{ id: 'untouched/0', ended: { because: 'acknowledged' } }],
    });
  });
});

describe('RestateSla', () => {
  it('recomputes the verdicts of many tickets in a batch, once a contract with effect in the past is agreed; who asks as of before is told what was known', async () => {
    const client = `restated-${randomUUID()}`;
    const tickets: string[] = [];
    for (const hours of [5, 1]) {
      const { ticketId } = (await post('/v1/tickets', { ...open, client, effectiveAt: hoursAgo(10) })).json;
      await post(`/v1/tickets/${ticketId}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(9.9) });
      await post(`/v1/tickets/${ticketId}/resolution`, { category: 'c', article: 'KB-1', effectiveAt: hoursAgo(10 - hours) });
      tickets.push(ticketId);
    }
    // What was promised was four hours; six were meant. The response stays as it was.
    const targets = { ...defaultContract.targets, critical: { ...defaultContract.targets.critical, resolution: 6 * HOUR } };
    await post('/v1/contracts', { client, terms: { targets }, effectiveFrom: hoursAgo(100), note: 'The amendment of May' });
    const items = tickets.map((ticketId) => ({ command: 'RestateSla', ticketId, body: { reason: 'The amendment of May' } }));
    const batch = (await post('/v1/batches', { items })).json;
    expect(batch).toMatchObject({ done: 2, failed: 0 });
    expect(batch.items.map((item: { events: { data: object }[] }) => item.events.map(({ data }) => data))).toMatchObject([
      [{ clock: 'resolution', was: { verdict: 'breached', elapsed: 5 * HOUR }, is: { contractVersion: 1, verdict: 'met' } }],
      [{ clock: 'resolution', was: { verdict: 'met', target: 4 * HOUR }, is: { verdict: 'met', target: 6 * HOUR } }],
    ]);
    const [path, again] = [`/v1/tickets/${tickets[0]}`, await post('/v1/batches', { items })];
    expect(again.json.items.map((item: { events: object[] }) => item.events)).toEqual([[], []]);

    expect((await get(`${path}/sla?atLeast=3`)).json.clocks[1]).toMatchObject({ state: 'breached', restated: { is: { verdict: 'met' } } });
    expect((await get(`${path}/sla/autopsy`)).json.clocks[1]).toMatchObject({ state: 'breached', restated: { is: { verdict: 'met' } } });
    const before = (await get(`${path}/sla/autopsy?asOf=${hoursAgo(0)}`)).json.clocks[1];
    expect([before.state, before.restated]).toEqual(['breached', undefined]);
    expect((await get(`${path}/history`)).json.items.at(-1)).toMatchObject({
      type: 'SlaRestated',
      data: { reason: 'The amendment of May' },
    });
  });

  it('is refused for a clock that has not ended, and for a ticket that is not there', async () => {
    const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client })).json;
    const restate = (id: string, body: object) => send(api.url, 'POST', `/v1/tickets/${id}/sla-restatements`, { body });
    expect((await restate(ticketId, { reason: 'r', clock: 'resolution' })).json).toMatchObject({
      status: 409,
      code: 'no-clock-ended',
      faults: [{ field: 'clock' }],
    });
    expect((await restate(ticketId, { reason: 'r', clock: 'lunch' })).json).toMatchObject({
      status: 400,
      code: 'invalid-body',
      faults: [{ field: 'clock' }],
    });
    expect((await restate(randomUUID(), { reason: 'r' })).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });
});
