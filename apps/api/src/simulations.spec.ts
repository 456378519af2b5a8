import { request as httpRequest } from 'node:http';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

const HOUR = 3_600_000;
const now = Date.now();
const hoursAgo = (hours: number) => new Date(now - hours * HOUR).toISOString();
const open = {
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'j.doe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'medium',
};
const work = { work: 2 * HOUR };
const l1Work = { tierTargets: { L1: { critical: work, high: work, medium: work, low: work } } };

let api: RunningApi;
const tickets: string[] = [];
const events = async () => {
  let count = 0;
  for (const id of tickets) for await (const _ of api.store.readStream(`ticket-${id}`)) count++;
  return count;
};
/** Opened ten, nine, eight … hours ago, and worked on for one, two, three … hours. */
beforeAll(async () => {
  api = await startApi();
  // What the default contract promises between tiers is left out here.
  const agreed = { client: api.client, terms: { tierTargets: {} }, effectiveFrom: hoursAgo(20) };
  expect((await send(api.url, 'POST', '/v1/contracts', { body: agreed })).status).toBe(200);
  for (let index = 0; index < 5; index++) {
    const { ticketId } = await post('/v1/tickets', { ...open, client: api.client, effectiveAt: hoursAgo(10 - index) });
    await post(`/v1/tickets/${ticketId}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(10 - index) });
    await post(`/v1/tickets/${ticketId}/resolution`, { category: 'hardware', article: 'KB-1', effectiveAt: hoursAgo(9 - 2 * index) });
    tickets.push(ticketId);
  }
});
afterAll(async () => {
  await api?.stop();
});

async function post(path: string, body: object) {
  const answer = await send(api.url, 'POST', path, { body });
  expect([answer.status, answer.status < 300 ? '' : answer.text]).toEqual([path === '/v1/tickets' ? 201 : 200, '']);
  return answer.json;
}

function simulated(body: object): Promise<Answer> {
  return send(api.url, 'POST', '/v1/simulations', { body: { client: api.client, ...body } });
}

describe('POST /v1/simulations', () => {
  it('says which breaches another contract would have brought, and writes nothing', async () => {
    const before = await events();
    const { status, json } = await simulated({ terms: l1Work });
    expect(status).toBe(200);
    expect(json.totals).toMatchObject({
      tickets: 5,
      changed: 3,
      gained: 3,
      lost: 0,
      byTier: [{ tier: 'L1', proposed: { met: 2, breached: 3 }, gained: 3 }],
      byClient: [{ client: api.client, gained: 3 }],
    });
    expect(json.items.map(({ ticketId }: { ticketId: string }) => ticketId)).toEqual(tickets.slice(2));
    expect(json.items[0].clocks).toEqual([
      {
        kind: 'tier-work',
        tier: 'L1',
        cycle: 1,
        proposed: { verdict: 'breached', target: 2 * HOUR, breachedAt: hoursAgo(6) },
        breach: 'gained',
      },
    ]);
    expect(await events()).toBe(before);
  });

  it('says which steps of escalation policies another contract would have brought, in sum and for each ticket', async () => {
    const slow = {
      name: 'slow',
      trigger: { on: 'threshold', clock: 'resolution', percent: 10 },
      steps: [{ after: 0, targets: [{ kind: 'team', team: 'leads' }] }],
    };
    const { json } = await simulated({ terms: { tierTargets: {}, thresholds: [10], escalationPolicies: [slow] }, limit: 1 });
    // A tenth of 24 hours is used up after 2.4: three tickets took longer.
    expect(json.totals).toMatchObject({
      changed: 3,
      gained: 0,
      escalations: [{ policy: 'slow', kind: 'hierarchical', actual: 0, proposed: 3, gained: 3, lost: 0 }],
    });
    expect(json.items).toMatchObject([
      {
        ticketId: tickets[2],
        clocks: [],
        escalations: [{ policy: 'slow', time: 1, round: 0, step: 0, kind: 'hierarchical', proposed: hoursAgo(5.6), escalation: 'gained' }],
      },
    ]);
  });

  it('answers with some tickets and the sums of all', async () => {
    const { json } = await simulated({ terms: l1Work, limit: 1 });
    expect([json.items.length, json.totals.changed, json.totals.gained]).toEqual([1, 3, 3]);
    expect((await simulated({ terms: l1Work, limit: 0 })).json.items).toEqual([]);
  });

  it('replays the tickets of the period, as they stood at the instant', async () => {
    const of = async (body: object) => (await simulated({ terms: l1Work, ...body })).json.totals;
    expect(await of({ from: hoursAgo(8), to: hoursAgo(6) })).toMatchObject({ tickets: 2, gained: 2 });
    expect(await of({ client: `${api.client}-of-another-name` })).toMatchObject({ tickets: 0, gained: 0 });
    // Two hours on the clock of the third ticket are not more than two; before its opening there is none.
    expect(await of({ asOf: hoursAgo(6) })).toMatchObject({ tickets: 5, gained: 0 });
    expect(await of({ asOf: hoursAgo(8.5) })).toMatchObject({ tickets: 2 });
  });

  it('answers what the document says, and its example works', async () => {
    const document = (await send(api.url, 'GET', '/openapi.json')).json;
    const { post: documented } = document.paths['/v1/simulations'];
    const ajv = new Ajv2020({ strict: false });
    for (const format of ['date-time', 'uuid']) ajv.addFormat(format, true);
    ajv.addSchema({ $id: 'api', components: document.components });
    const valid = ajv.compile({ $ref: 'api#/components/schemas/Simulation' });
    expect({ valid: valid((await simulated({ terms: l1Work })).json), errors: valid.errors }).toEqual({ valid: true, errors: null });
    const example = documented.requestBody.content['application/json'].examples.example.value;
    expect((await send(api.url, 'POST', '/v1/simulations', { body: example })).status).toBe(200);
    expect(Object.keys(documented.responses)).toEqual(expect.arrayContaining(['200', '400', '422', '429', '503']));
  });

  it.each<[object, number, string, string[]]>([
    [{}, 400, 'invalid-body', ['terms']],
    [{ terms: [] }, 400, 'invalid-body', ['terms']],
    [{ terms: {}, from: 'yesterday', limit: 1.5, untill: 'x' }, 400, 'invalid-body', ['from', 'limit', 'untill']],
    [{ terms: {}, asOf: hoursAgo(-1) }, 400, 'invalid-body', ['asOf']],
    [{ terms: { tierTarget: {}, thresholds: [0] } }, 422, 'contract-invalid', ['terms.tierTarget', 'terms.thresholds[0]']],
    [
      { terms: { targets: { low: { response: 1, resolution: 0 } } } },
      422,
      'contract-invalid',
      ['terms.targets.critical', 'terms.targets.high', 'terms.targets.medium', 'terms.targets.low.resolution'],
    ],
  ])('refuses %j', async (body, status, code, fields) => {
    const { json } = await simulated(body);
    expect(json).toMatchObject({ status, code });
    expect(json.faults.map(({ field }: { field: string }) => field).sort()).toEqual([...fields].sort());
  });

  it.each([
    ['a contract', '/v1/simulations', { terms: l1Work }],
    [
      'rules',
      '/v1/contracts/simulations',
      { terms: { rules: [{ name: 'all', on: 'TicketOpened', then: [{ do: 'note', text: 'Seen' }] }] } },
    ],
  ])('runs two at once and no more, and one of %s that nobody waits for is given up', async (_what, path, body) => {
    // Each holds the log open until it is told to go on.
    const { readAll } = api.store;
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let reading = 0;
    let reads = () => {};
    const bothRead = new Promise<void>((resolve) => (reads = resolve));
    api.store.readAll = async function* (...args) {
      if (++reading === 2) reads();
      await held;
      yield* readAll.apply(api.store, args);
    };
    try {
      const answered = simulated({ terms: l1Work });
      const { hostname, port } = new URL(api.url);
      const abandoned = httpRequest({
        hostname,
        port,
        method: 'POST',
        path,
        headers: { 'Content-Type': 'application/json' },
      });
      abandoned.on('error', () => {});
      abandoned.end(JSON.stringify({ client: api.client, ...body }));
      await bothRead;
      const refused = await send(api.url, 'POST', path, { body: { client: api.client, ...body } });
      expect(refused.json).toMatchObject({ status: 429, code: 'too-many-simulations' });
      expect(refused.headers.get('retry-after')).toBe('10');
      abandoned.destroy();
      goOn();
      expect((await answered).json.totals.gained).toBe(3);
    } finally {
      goOn();
      delete (api.store as Partial<typeof api.store>).readAll;
    }
    expect((await simulated({ terms: l1Work })).json.totals.gained).toBe(3);
    const history = await send(api.url, 'GET', `/v1/contracts/${api.client}/history`);
    expect(history.json.items.map(({ type }: { type: string }) => type)).toEqual(['ContractAgreed']);
    expect(api.logged.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  });
});
