import { setTimeout as pause } from 'node:timers/promises';
import { discardTicketInstants } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { runs } from '../../../test/runs.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const get = (path: string) => send(api.url, 'GET', path);
const json = async (path: string) => (await get(path)).json;
const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();

let position = '';
async function post(path: string, body: object) {
  const answer = await send(api.url, 'POST', path, { body });
  if (answer.status < 300) position = answer.json.position ?? position;
  return answer.json;
}
async function opened(client: string, fields: object = {}): Promise<string> {
  const incident = { kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'high', urgency: 'high' };
  return (await post('/v1/tickets', { ...incident, client, ...fields })).ticketId;
}

describe('the past, as it was known then', () => {
  const handOff = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
  const moves: readonly (readonly [string, object])[] = [
    ['work', { agent: { id: 'ada' } }],
    ['internal-notes', { text: 'n' }],
    ['internal-notes', { text: 'told late', effectiveAt: hoursAgo(3) }],
    ['hold', { reason: 'customer', note: 'away' }],
    ['resume', {}],
    ['escalations', { tier: 'L2', reason: 'r', handoff: handOff }],
    ['resolution', { category: 'c', article: 'KB-1' }],
    ['reopen', { reason: 'r' }],
    ['assignment', { assignee: { id: 'bob' } }],
    ['close', {}],
  ];

  it('is what the live views showed, while a desk works', async () => {
    const client = `${api.client}-desk`;
    const tickets: string[] = [];
    const snapshots: { readonly at: string; readonly path: string; readonly answer: object }[] = [];
    let random = 7;
    const next = (below: number) => (random = (random * 48_271) % 2_147_483_647) % below;
    const all = runs(48);
    for (let move = 0; move < all; move++) {
      if (move % 3 === 0) tickets.push(await opened(client, { effectiveAt: hoursAgo(4 + next(5)) }));
      const id = tickets[next(tickets.length)];
      const [route, body] = moves[next(moves.length)] ?? ['', {}];
      await post(`/v1/tickets/${id}/${route}`, body);
      // The lists wait for the log, and the rest is there by then.
      const board = `/v1/sla-board?client=${client}&kind=resolution`;
      const shown = await json(`${board}&atLeast=${position}`);
      const at = shown.evaluatedAt;
      snapshots.push({ at, path: board, answer: shown });
      for (const path of [
        `/v1/tickets?client=${client}&sort=priority`,
        `/v1/queues/L1?client=${client}`,
        `/v1/queues/L2?client=${client}`,
        `/v1/ticket-counts?client=${client}&by=assignee`,
      ])
        snapshots.push({ at, path, answer: await json(`${path}&atLeast=${position}`) });
      snapshots.push({ at, path: `/v1/tickets/${id}?`, answer: await json(`/v1/tickets/${id}`) });
      const { evaluatedAt, ...sla } = await json(`/v1/tickets/${id}/sla`);
      snapshots.push({ at: evaluatedAt, path: `/v1/tickets/${id}/sla?`, answer: { ...sla, evaluatedAt } });
      // What comes next is recorded later than that, by a clock of milliseconds.
      await pause(2);
    }
    for (const { at, path, answer } of snapshots)
      expect({ at, path, answer: await json(`${path}&knownAt=${at}`) }).toEqual({ at, path, answer });
    expect(snapshots.length).toBe(7 * all);
  });

  it('is rebuilt from the log after it was deleted', async () => {
    const path = `/v1/tickets?client=${api.client}-desk&knownAt=${new Date().toISOString()}`;
    const before = await json(path);
    expect(before.items.length).toBeGreaterThan(3);
    await discardTicketInstants(api.mongo);
    expect(await json(path)).toEqual(before);
  });

  it('comes in pages, and is filtered like the present', async () => {
    const client = `${api.client}-desk`;
    const at = new Date().toISOString();
    for (const list of [`/v1/tickets?client=${client}&sort=openedAt`, `/v1/queues/L1?client=${client}`, `/v1/sla-board?client=${client}`]) {
      const whole = (await json(`${list}&knownAt=${at}`)).items;
      const paged: unknown[] = [];
      for (let cursor = ''; ;) {
        const { items, next } = await json(`${list}&knownAt=${at}&limit=2${cursor}`);
        paged.push(...items);
        if (next === undefined) break;
        cursor = `&cursor=${next}`;
      }
      expect(paged).toEqual(whole);
    }
    const [first] = (await json(`/v1/tickets?client=${client}&asOf=${at}&assignee=bob`)).items;
    expect(first).toMatchObject({ client, assignee: { id: 'bob' } });
    const listed = async (query: string) => (await json(`/v1/tickets?client=${client}&limit=200&knownAt=${at}${query}`)).items.length;
    const counts = await json(`/v1/ticket-counts?client=${client}&by=assignee&knownAt=${at}`);
    expect(counts).toMatchObject({ by: 'assignee', total: await listed('') });
    expect(counts.items).toContainEqual({ value: 'bob', count: await listed('&assignee=bob') });
    expect(counts.items).toContainEqual({ count: await listed('&assigned=false') });
    for (const query of ['atLeast=1/1', 'changedSince=start'])
      expect(await json(`/v1/tickets?knownAt=${at}&${query}`)).toMatchObject({ code: 'invalid-query' });
    expect(await json('/v1/tickets?asOf=9999-01-01T00:00:00Z')).toMatchObject({ code: 'invalid-query', faults: [{ field: 'asOf' }] });
  });
});

describe('words, in the past', () => {
  it('are found in what had been said by then, as it was known by then', async () => {
    const client = `${api.client}-words`;
    const said = async (id: string, text: string, effectiveAt: string) => post(`/v1/tickets/${id}/internal-notes`, { text, effectiveAt });
    const [spooler, driver] = [
      await opened(client, { summary: 'Spooler hangs', effectiveAt: hoursAgo(9) }),
      await opened(client, { summary: 'Driver', effectiveAt: hoursAgo(9) }),
    ];
    await said(driver, 'the spooler is restarted', hoursAgo(5));
    await pause(2);
    const before = new Date().toISOString();
    await pause(2);
    // Told late: it was said before what is known of it by now.
    await said(driver, 'SPOOLER log read', hoursAgo(7));
    const found = async (q: string, when: string) => {
      const path = `client=${client}&q=${encodeURIComponent(q)}&${when}`;
      const list = (await json(`/v1/tickets?${path}&limit=1&sort=openedAt`)) as { items: { _id: string }[]; next?: string };
      const rest = list.next === undefined ? [] : (await json(`/v1/tickets?${path}&limit=1&sort=openedAt&cursor=${list.next}`)).items;
      const ids = [...list.items, ...rest].map(({ _id }) => _id);
      expect((await json(`/v1/ticket-counts?${path}&by=status`)).total).toBe(ids.length);
      return new Set(ids);
    };
    expect(await found('spooler', `asOf=${hoursAgo(4)}`)).toEqual(new Set([spooler, driver]));
    expect(await found('spooler', `asOf=${hoursAgo(6)}`)).toEqual(new Set([spooler, driver]));
    expect(await found('spooler', `asOf=${hoursAgo(6)}&knownAt=${before}`)).toEqual(new Set([spooler]));
    expect(await found('spooler', `asOf=${hoursAgo(8)}`)).toEqual(new Set([spooler]));
    expect(await found('spool* restarted', `knownAt=${before}`)).toEqual(new Set([driver]));
    expect(await found('spooler log', `knownAt=${before}`)).toEqual(new Set());
    expect(await found('hangs driver', `asOf=${hoursAgo(1)}`)).toEqual(new Set());
    await discardTicketInstants(api.mongo);
    expect(await found('spooler', `asOf=${hoursAgo(6)}`)).toEqual(new Set([spooler, driver]));
  });
});

describe('the past, as it is known now', () => {
  it('includes late facts, which it did not as it was known before', async () => {
    const client = `${api.client}-late`;
    const id = await opened(client, { effectiveAt: hoursAgo(10), impact: 'major', urgency: 'critical' });
    await pause(2);
    const before = new Date().toISOString();
    await pause(2);
    await post(`/v1/tickets/${id}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(9) });
    await post(`/v1/tickets/${id}/resolution`, { category: 'c', article: 'KB-1', effectiveAt: hoursAgo(8) });
    const [atWork, after] = [hoursAgo(8.5), hoursAgo(1)];
    const shown = async (query: string) => {
      const [ticket, sla, queue, list, board] = await Promise.all(
        [
          `/v1/tickets/${id}?`,
          `/v1/tickets/${id}/sla?`,
          `/v1/queues/L1?client=${client}&`,
          `/v1/tickets?client=${client}&`,
          `/v1/sla-board?client=${client}&kind=resolution&`,
        ].map((path) => json(`${path}${query}`)),
      );
      return {
        status: ticket.code ?? ticket.status,
        resolution: sla.clocks?.find(({ kind }: { kind: string }) => kind === 'resolution').state,
        queued: queue.items.map(({ state }: { state: string }) => state),
        listed: list.items.map(({ status }: { status: string }) => status),
        board: board.items.map(({ clock: { state } }: { clock: { state: string } }) => state),
      };
    };
    const nothing = { status: 'ticket-not-found', resolution: undefined, queued: [], listed: [], board: [] };
    expect(await shown(`asOf=${hoursAgo(11)}`)).toEqual(nothing);
    expect(await shown(`asOf=${hoursAgo(9.5)}&knownAt=${hoursAgo(0.1)}`)).toEqual(nothing);
    const waits = { status: 'open', queued: ['waiting'], listed: ['open'] };
    expect(await shown(`asOf=${atWork}&knownAt=${before}`)).toEqual({ ...waits, resolution: 'running', board: ['due'] });
    expect(await shown(`asOf=${after}&knownAt=${before}`)).toMatchObject({ ...waits, board: ['breached'] });
    expect(await shown(`asOf=${atWork}`)).toEqual({
      status: 'in-progress',
      resolution: 'running',
      queued: ['working'],
      listed: ['in-progress'],
      board: ['due'],
    });
    expect(await shown(`asOf=${after}`)).toEqual({ status: 'resolved', resolution: 'met', queued: [], listed: ['resolved'], board: [] });
  });

  it('is restated event by event, for one ticket and for all with late facts', async () => {
    const client = `${api.client}-restated`;
    const fields = { impact: 'major', urgency: 'critical' };
    const [late, other] = [await opened(client, { effectiveAt: hoursAgo(10), ...fields }), await opened(client, fields)];
    await pause(2);
    const then = new Date().toISOString();
    await pause(2);
    await post(`/v1/tickets/${late}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(9.9) });
    await post(`/v1/tickets/${late}/resolution`, { category: 'c', article: 'KB-1', effectiveAt: hoursAgo(8) });
    await post(`/v1/tickets/${other}/work`, { agent: { id: 'ada' } });
    const one = await json(`/v1/tickets/${late}/sla-restatements?knownAt=${then}`);
    expect(one).toMatchObject({ ticketId: late, client, asOf: then, then: { status: 'open' }, now: { status: 'resolved' } });
    expect(one.then.clocks['resolution/1']).toMatchObject({ state: 'running', breachedAt: expect.any(String) });
    expect(one.now.clocks['resolution/1']).toMatchObject({ state: 'met' });
    expect(one.because.map(({ type }: { type: string }) => type)).toEqual(['WorkStarted', 'TicketResolved']);
    expect(await json(`/v1/sla-restatements?client=${client}&knownAt=${then}`)).toEqual({ items: [one] });
    // The other one was only worked on since.
    expect((await json(`/v1/sla-restatements?client=${client}&knownAt=${then}&asOf=${new Date().toISOString()}`)).items).toHaveLength(2);
    const paged = await json(`/v1/sla-restatements?client=${client}&knownAt=${then}&asOf=${new Date().toISOString()}&limit=1`);
    expect(paged).toMatchObject({ items: { length: 1 }, next: expect.any(String) });
    expect(await json(`/v1/sla-restatements?client=${client}&knownAt=${then}&asOf=${hoursAgo(11)}`)).toEqual({ items: [] });
    expect(await json(`/v1/sla-restatements?client=${client}`)).toEqual({ items: [] });
  });

  it('of contracts and on-call schedules is that of their versions then', async () => {
    const client = `${api.client}-terms`;
    await post('/v1/contracts', { client, terms: {} });
    await pause(2);
    const first = new Date().toISOString();
    await pause(2);
    await post('/v1/contracts', { client, terms: { reopen: 'continue' } });
    expect(await json(`/v1/contracts/${client}?knownAt=${first}`)).toMatchObject({ inForce: 1, versions: { length: 1 } });
    const inForce = async (query: string) => {
      const known: [string, number][] = [];
      for (let cursor = ''; ;) {
        const { items, next } = await json(`/v1/contracts?limit=50${query}${cursor}`);
        known.push(...items.map((one: { client: string; inForce: number }) => [one.client, one.inForce]));
        if (next === undefined) return new Map(known).get(client);
        cursor = `&cursor=${next}`;
      }
    };
    await eventually(
      () => inForce(''),
      (version) => version === 2,
    );
    expect([await inForce(`&knownAt=${first}`), await inForce(`&knownAt=${hoursAgo(1)}`)]).toEqual([1, undefined]);
    expect(await json(`/v1/contracts/${client}?asOf=${first}`)).toMatchObject({ inForce: 1, versions: { length: 1 } });
    expect(await json(`/v1/contracts/${client}`)).toMatchObject({ inForce: 2, versions: { length: 2 } });
    expect(await json(`/v1/contracts/${client}?knownAt=${hoursAgo(1)}`)).toMatchObject({ code: 'contract-not-found' });

    const rotation = (id: string) => ({ zone: 'UTC', startsOn: '2020-01-01', handOverAt: '09:00', days: 7, people: [{ id }] });
    await post(`/v1/agents/${client}-ann`, { name: 'Ann' });
    await post('/v1/on-call', { schedule: client, rotations: [rotation(`${client}-ann`)] });
    await pause(2);
    const ann = new Date().toISOString();
    await pause(2);
    await post(`/v1/agents/${client}-ann/leave`, {});
    await post('/v1/on-call', { schedule: client, rotations: [rotation(`${client}-ben`)] });
    expect(await json(`/v1/on-call/${client}?knownAt=${ann}`)).toMatchObject({ at: ann, onCall: { id: `${client}-ann` } });
    expect(await json(`/v1/on-call/${client}`)).toMatchObject({ onCall: { id: `${client}-ben` } });
    expect(await json(`/v1/on-call/${client}?knownAt=${hoursAgo(1)}`)).toMatchObject({ code: 'on-call-not-found' });
  });
});
