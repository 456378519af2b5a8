import { TICKET_ORDERS, ticketListCriteria, type TicketListFilter, type TicketOrder } from '#ticketing-app';
import { ticketFacts, ticketList } from '#ticketing';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
/** Ids by what they are called in this spec. */
const ids: Record<string, string> = {};
let position = '';
beforeAll(async () => {
  api = await startApi();
  const open = async (name: string, fields: object, day: number) => {
    const body = {
      kind: 'incident',
      summary: name,
      reporter: { id: 'j.doe', name: 'Jane Doe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
      client: api.client,
      effectiveAt: `2020-01-0${day}T10:00:00Z`,
      ...fields,
    };
    const { json } = await send(api.url, 'POST', '/v1/tickets', { body });
    ids[name] = json.ticketId;
  };
  const say = async (name: string, route: string, body: object) => {
    const answer = await send(api.url, 'POST', `/v1/tickets/${ids[name]}/${route}`, { body });
    expect({ route, status: answer.status, code: answer.json.code }).toEqual({ route, status: 200, code: undefined });
    position = answer.json.position;
  };
  await open(
    'printer',
    {
      summary: 'Cannot print invoices',
      description: 'Zurück im Büro: printer FIN-2 hangs',
      category: 'hardware/printer',
      service: 'printing',
    },
    1,
  );
  await open(
    'mail',
    {
      channel: 'email',
      kind: 'service-request',
      category: 'hardware-loan',
      impact: 'high',
      urgency: 'high',
      tier: 'L2',
      entryReason: 'Known to L2',
      team: 'mail',
    },
    2,
  );
  await open('server', { category: 'hardware', impact: 'major', urgency: 'critical' }, 3);
  await open('vpn', { reporter: { id: 'k.roe' }, component: 'vpn-gw', description: 'Windows更新后VPN接続エラー' }, 4);
  await say('printer', 'internal-notes', { text: 'The spooler logs 0x00000709' });
  await say('mail', 'assignment', { assignee: { id: 'ada' } });
  await say('server', 'triage', { category: 'hardware', securityIncident: true });
  await say('vpn', 'major-incident', { reason: 'Nobody can work from home' });
  await say('vpn', 'resolution', { category: 'network', article: 'KB-1' });
});
afterAll(async () => {
  await api?.stop();
});

const list = async (query: string) => (await send(api.url, 'GET', `/v1/tickets?client=${api.client}&atLeast=${position}${query}`)).json;
const called = (answer: { items: { _id: string }[] }) => answer.items.map(({ _id }) => Object.keys(ids).find((name) => ids[name] === _id));

describe('GET /v1/tickets', () => {
  it.each([
    ['', ['vpn', 'server', 'mail', 'printer']],
    ['&sort=openedAt', ['printer', 'mail', 'server', 'vpn']],
    ['&sort=priority', ['vpn', 'server', 'mail', 'printer']],
    ['&sort=-updatedAt', ['vpn', 'server', 'mail', 'printer']],
    ['&sort=updatedAt', ['printer', 'mail', 'server', 'vpn']],
    ['&status=resolved', ['vpn']],
    ['&status=open,in-progress', ['server', 'mail', 'printer']],
    ['&tier=L2', ['mail']],
    ['&priority=critical,high', ['server', 'mail']],
    ['&kind=service-request', ['mail']],
    ['&channel=email', ['mail']],
    ['&team=mail', ['mail']],
    ['&assignee=ada', ['mail']],
    ['&assigned=false', ['vpn', 'server', 'printer']],
    ['&reporter=k.roe', ['vpn']],
    ['&category=hardware', ['server', 'printer']],
    ['&category=hardware/printer', ['printer']],
    ['&service=printing', ['printer']],
    ['&component=vpn-gw', ['vpn']],
    ['&majorIncident=true', ['vpn']],
    ['&securityIncident=true', ['server']],
    ['&openedFrom=2020-01-02T10:00:00Z&openedTo=2020-01-04T11:00:00%2B01:00', ['server', 'mail']],
    ['&resolvedFrom=2020-01-04T10:00:00Z', ['vpn']],
    ['&resolvedTo=2020-01-04T10:00:00Z', []],
    ['&updatedTo=2020-01-04T10:00:00Z', []],
    ['&q=invoices', ['printer']],
    ['&q=SPOOLER zuruck', ['printer']],
    ['&q=fin-2 0x0*', ['printer']],
    ['&q=spool', []],
    ['&q=spool*', ['printer']],
    ['&q=home', ['vpn']],
    ['&q=VPN', ['vpn']],
    ['&q=接続 エラー', ['vpn']],
    ['&q=更', ['vpn']],
    ['&q=doe&status=open&tier=L1', ['server', 'printer']],
  ])('?%s', async (query, expected) => {
    expect(called(await list(query))).toEqual(expected);
  });

  it('lists tickets resolved or closed on a day, even if they were reopened since', async () => {
    const client = `${api.client}-days`;
    const opened = { kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'phone', impact: 'low', urgency: 'low', client };
    const { json } = await send(api.url, 'POST', '/v1/tickets', { body: { ...opened, effectiveAt: '2020-03-02T10:00:00Z' } });
    const path = `/v1/tickets/${json.ticketId}`;
    for (const [route, body] of [
      ['resolution', { category: 'network', article: 'KB-1', effectiveAt: '2020-03-02T11:00:00Z' }],
      ['close', { effectiveAt: '2020-03-03T10:00:00Z' }],
      ['reopen', { reason: 'again', effectiveAt: '2020-03-04T10:00:00Z' }],
      ['resolution', { category: 'network', article: 'KB-2', effectiveAt: '2020-03-05T10:00:00Z' }],
    ] as const) {
      const answer = await send(api.url, 'POST', `${path}/${route}`, { body });
      expect({ route, status: answer.status, detail: answer.json.detail }).toEqual({ route, status: 200, detail: undefined });
      position = answer.json.position;
    }
    const found = async (name: string, from: number, to: number) =>
      (
        await send(
          api.url,
          'GET',
          `/v1/tickets?client=${client}&atLeast=${position}&${name}From=2020-03-0${from}T00:00:00Z&${name}To=2020-03-0${to}T00:00:00Z`,
        )
      ).json.items.length;
    const days = [2, 3, 4, 5];
    expect(await Promise.all(days.map((day) => found('resolved', day, day + 1)))).toEqual([1, 0, 0, 1]);
    expect(await Promise.all(days.map((day) => found('closed', day, day + 1)))).toEqual([0, 1, 0, 0]);
  });

  it('shows what a lead wants to see of each, without its search fields', async () => {
    const [item] = (await list('&q=invoices')).items;
    expect(item).toMatchObject({
      _id: ids.printer,
      status: 'open',
      summary: 'Cannot print invoices',
      priority: 'low',
      reporter: { name: 'Jane Doe' },
    });
    for (const hidden of ['words', 'categories', 'closedTimes', 'ticket']) expect(item).not.toHaveProperty(hidden);
  });

  it.each(Object.keys(TICKET_ORDERS) as TicketOrder[])('has pages that do not overlap, by %s', async (order) => {
    const whole = called(await list(`&sort=${order}`));
    const paged: unknown[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const page = await list(`&sort=${order}&limit=1${next === '' ? '' : `&cursor=${next}`}`);
      expect(page.items).toHaveLength(1);
      paged.push(...called(page));
      next = page.next;
    }
    expect(paged).toEqual(whole);
  });

  it('keeps its place when tickets appear and disappear between pages', async () => {
    const first = await list('&sort=openedAt&limit=2');
    const body = { kind: 'incident', summary: 'late', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' };
    const { json } = await send(api.url, 'POST', '/v1/tickets', {
      body: { ...body, client: api.client, effectiveAt: '2019-12-31T00:00:00Z' },
    });
    position = json.position;
    expect(called(await list(`&sort=openedAt&limit=2&cursor=${first.next}`))).toEqual(['server', 'vpn']);
  });

  it('refuses a cursor of another list', async () => {
    const { next } = await list('&limit=1&status=open');
    expect(next).toEqual(expect.any(String));
    for (const query of [
      `&limit=1&status=resolved&cursor=${next}`,
      `&limit=1&status=open&sort=priority&cursor=${next}`,
      `&cursor=x${next}`,
    ]) {
      expect(await list(query)).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field: 'cursor' }] });
    }
    expect((await list(`&limit=2&status=open&cursor=${next}`)).items.length).toBeGreaterThan(0);
  });

  it.each([
    'q=',
    'q=---',
    'q=%00',
    'status=done',
    'status=open,',
    'assigned=yes',
    'openedFrom=yesterday',
    'sort=rank',
    'limit=0',
    'text=x',
    'q[$ne]=x',
  ])('refuses ?%s', async (query) => {
    expect(await list(`&${query}`)).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field: expect.any(String) }] });
  });

  it('waits for a position, and detects one that never existed in the log', async () => {
    // As long as there is something to project, which others may write, the position may still come.
    const answer = await send(api.url, 'GET', '/v1/tickets?atLeast=999999999999/999999999999');
    expect(answer.json).toMatchObject({ status: 400, code: 'unknown-position' });
  });
});

describe('GET /v1/tickets?changedSince', () => {
  /** All pages of what has changed since a position, and where to ask from next. */
  const changed = async (client: string, since: string): Promise<{ seen: Map<string, number>; order: number[]; upTo: string }> => {
    const seen = new Map<string, number>();
    const order: number[] = [];
    for (let cursor = ''; ;) {
      const { status, json } = await send(api.url, 'GET', `/v1/tickets?client=${client}&changedSince=${since}&limit=3${cursor}`);
      expect(status).toBe(200);
      for (const { _id, revision, position: at } of json.items) {
        seen.set(_id, revision);
        order.push(at);
      }
      if (json.next === undefined) return { seen, order, upTo: json.changedUpTo };
      cursor = `&cursor=${json.next}`;
    }
  };

  it('misses no change when polled from where it ended, whatever is written meanwhile', async () => {
    const client = `${api.client}-polled`;
    const fields = { client, kind: 'incident', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' };
    const tickets: string[] = [];
    const known = new Map<string, number>();
    const last = new Map<string, number>();
    const writing = { isOver: false };
    const writer = (async () => {
      for (let round = 0; round < 40; round++) {
        if (round < 8)
          tickets.push((await send(api.url, 'POST', '/v1/tickets', { body: { ...fields, summary: `t${round}` } })).json.ticketId);
        const id = tickets[(round * 7) % tickets.length] ?? '';
        const { json } = await send(api.url, 'POST', `/v1/tickets/${id}/internal-notes`, { body: { text: `note ${round}` } });
        last.set(id, json.revision);
      }
      writing.isOver = true;
    })();
    let since = 'start';
    const poll = async () => {
      const { seen, order, upTo } = await changed(client, since);
      expect(order).toEqual([...order].sort((a, b) => a - b));
      for (const [id, revision] of seen) known.set(id, Math.max(revision, known.get(id) ?? 0));
      since = upTo;
    };
    while (!writing.isOver) await poll();
    await writer;
    await eventually(
      async () => {
        await poll();
        return [...last].every(([id, revision]) => known.get(id) === revision);
      },
      (isComplete) => isComplete,
    );
    expect((await changed(client, since)).seen.size).toBe(0);
  });

  it.each([
    ['changedSince=yesterday', 'invalid-query'],
    ['changedSince=start&sort=priority', 'invalid-query'],
    ['changedSince=999999999999/999999999999', 'unknown-position'],
  ])('refuses %s', async (query, code) => {
    expect((await send(api.url, 'GET', `/v1/tickets?${query}`)).json).toMatchObject({ status: 400, code });
  });

  it('reads an index', async () => {
    const found = api.mongo.db
      .collection(ticketList.name)
      .find({ client: 'c', position: { $gt: 1, $lte: 9 } })
      .sort({ position: 1 });
    expect(JSON.stringify((await found.explain('queryPlanner')).queryPlanner.winningPlan)).not.toContain('COLLSCAN');
  });
});

describe('the list’s indexes', () => {
  const plan = async (filter: TicketListFilter, order: TicketOrder, after?: readonly (string | number)[]) => {
    const cursor = api.mongo.db
      .collection(ticketList.name)
      .find(ticketListCriteria(filter, order, after) as object)
      .sort(Object.fromEntries(TICKET_ORDERS[order]));
    return JSON.stringify((await cursor.explain('queryPlanner')).queryPlanner.winningPlan);
  };

  it.each([
    [{ client: 'c' }, '-openedAt'],
    [{ status: ['open'] }, 'openedAt'],
    [{ assignee: 'ada' }, '-openedAt'],
    [{ team: 'mail' }, '-openedAt'],
    [{ service: 'printing' }, '-openedAt'],
    [{ openedFrom: '2020-01-02T00:00:00.000Z' as never }, '-openedAt'],
    [{}, '-updatedAt'],
    [{}, 'priority'],
    [{ q: 'spooler' }, '-openedAt'],
    [{ q: 'spooler 接続', client: 'c' }, 'openedAt'],
  ] as [TicketListFilter, TicketOrder][])('serve %j in the order %s without sorting', async (filter, order) => {
    const winning = await plan(filter, order);
    expect(winning).toContain('IXSCAN');
    expect(winning).not.toMatch(/COLLSCAN|"SORT"/);
  });

  it.each([
    [{ q: 'spooler' }],
    [{ q: 'spooler', client: 'c' }],
    [{ category: 'hardware' }],
    [{ resolvedFrom: '2020-01-02T00:00:00.000Z' as never }],
    [{ closedFrom: '2020-01-02T00:00:00.000Z' as never, closedTo: '2020-01-03T00:00:00.000Z' as never }],
  ] as [TicketListFilter][])('find what %j asks for', async (filter) => {
    const winning = await plan(filter, '-openedAt');
    expect(winning).toMatch(/IXSCAN/);
    expect(winning).not.toContain('COLLSCAN');
  });

  it('continue a further page at its place', async () => {
    const winning = await plan({ client: 'c' }, '-openedAt', ['2020-01-03T10:00:00.000Z', 'x']);
    expect(winning).toContain('IXSCAN');
    expect(winning).not.toMatch(/COLLSCAN|"SORT"/);
  });
});

describe('the facts for reports', () => {
  const facts = () => api.mongo.db.collection<{ _id: string }>(ticketFacts.alias ?? '');

  it('are there under their stable name, with dates that a pipeline counts by', async () => {
    const days = await facts()
      .aggregate([
        { $match: { client: api.client } },
        { $group: { _id: { $dateTrunc: { date: '$openedAt', unit: 'day' } }, opened: { $sum: 1 } } },
        { $sort: { _id: 1 } },
      ])
      .toArray();
    const listed = await api.mongo.db.collection(ticketList.name).find({ client: api.client }).toArray();
    const dates = listed.map(({ openedAt }) => String(openedAt).slice(0, 10)).sort();
    expect(days).toEqual(
      [...new Set(dates)].map((date) => ({ _id: new Date(date), opened: dates.filter((other) => other === date).length })),
    );
    expect(days.length).toBeGreaterThan(2);
  });

  const from = new Date('2020-01-01T00:00:00Z');
  const to = new Date('2020-02-01T00:00:00Z');
  const questions: readonly (readonly [string, object])[] = [
    ['opened in a period', { openedAt: { $gte: from, $lt: to } }],
    ['of a client, opened in a period', { client: 'c', openedAt: { $gte: from, $lt: to } }],
    ['of a category, opened in a period', { category: 'hardware', openedAt: { $gte: from, $lt: to } }],
    ['resolved in a period', { resolvedAt: { $gte: from, $lt: to } }],
    ['resolved by an agent in a period', { resolvedAgent: 'ada', resolvedAt: { $gte: from, $lt: to } }],
    ['in the backlog', { endedAt: null }],
    ['closed, cancelled or merged in a period', { endedAt: { $gte: from, $lt: to } }],
    ['changed since a position', { position: { $gt: 1 } }],
  ];
  it.each(questions)('have an index for tickets %s', async (_question, filter) => {
    const { queryPlanner } = await api.mongo.db.collection(ticketFacts.name).find(filter).explain('queryPlanner');
    expect(JSON.stringify(queryPlanner.winningPlan)).toContain('IXSCAN');
    expect(JSON.stringify(queryPlanner.winningPlan)).not.toContain('COLLSCAN');
  });

  it('have no index that none of these questions uses', async () => {
    const collection = api.mongo.db.collection(ticketFacts.name);
    for (const [, filter] of questions) await collection.find(filter).limit(1).toArray();
    const indexes = await collection.aggregate<{ name: string; accesses: { ops: number } }>([{ $indexStats: {} }]).toArray();
    expect(indexes.length).toBeGreaterThan(1);
    expect(indexes.filter(({ name, accesses }) => name !== '_id_' && accesses.ops === 0)).toEqual([]);
  });
});

describe('/v1/filters', () => {
  const path = (name: string) => `/v1/filters/${encodeURIComponent(name)}`;
  const put = (name: string, query: unknown, headers: Record<string, string> = {}) =>
    send(api.url, 'PUT', path(name), { body: { query }, headers });
  /** A shared server holds the filters of others. */
  const name = () => `${api.client}/L1 waits`;

  it('saves a named filter for lists; parameters of a request override it', async () => {
    const saved = await put(
      name(),
      { client: api.client, status: 'open,in-progress', category: 'hardware', sort: 'openedAt' },
      { 'X-Actor-Id': 'ada' },
    );
    expect(saved).toMatchObject({ status: 200, json: { name: name(), revision: 0, events: [{ type: 'TicketFilterSaved' }] } });
    const shown = await send(api.url, 'GET', path(name()));
    expect([saved.headers.get('etag'), shown.headers.get('etag')]).toEqual(['"0"', '"0"']);
    expect(shown.json).toMatchObject({ name: name(), query: { category: 'hardware' }, owner: { id: 'ada', kind: 'agent' } });
    const named = `/v1/tickets?filter=${encodeURIComponent(name())}&atLeast=${position}`;
    expect(called((await send(api.url, 'GET', named)).json)).toEqual(['printer', 'server']);
    expect(called((await send(api.url, 'GET', `${named}&securityIncident=true`)).json)).toEqual(['server']);
    expect(called((await send(api.url, 'GET', `${named}&category=hardware-loan&sort=-openedAt`)).json)).toEqual(['mail']);
    const { items, next } = (await send(api.url, 'GET', `${named}&limit=1`)).json;
    expect(called({ items })).toEqual(['printer']);
    expect(called((await send(api.url, 'GET', `${named}&limit=1&cursor=${next}`)).json)).toEqual(['server']);
    // With another filter under the name, the cursor is none of this list.
    await put(name(), { client: api.client });
    expect((await send(api.url, 'GET', `${named}&limit=1&cursor=${next}`)).json).toMatchObject({ code: 'invalid-query' });
  });

  it('is changed and deleted by whoever has seen it as it is', async () => {
    const mine = `${name()} 2`;
    await put(mine, { tier: 'L1' }, { 'If-Match': '*', 'Idempotency-Key': 'once' });
    expect((await put(mine, { tier: 'L1' }, { 'Idempotency-Key': 'once' })).json).toMatchObject({ revision: 0, repeated: true });
    expect((await put(mine, { tier: 'L2' }, { 'If-Match': '"7"' })).json).toMatchObject({ status: 412, code: 'revision-mismatch' });
    expect((await send(api.url, 'DELETE', path(mine), { headers: { 'If-Match': '"7"' } })).status).toBe(412);
    expect((await put(mine, { tier: 'L2' }, { 'If-Match': '"0"' })).json).toMatchObject({ revision: 1 });
    const names = async (): Promise<string[]> => {
      const found: string[] = [];
      for (let cursor = ''; ;) {
        const { items, next } = (await send(api.url, 'GET', `/v1/filters?limit=1${cursor}`)).json;
        found.push(...items.map((one: { name: string }) => one.name));
        if (next === undefined) return found;
        cursor = `&cursor=${next}`;
      }
    };
    const listed = (is: boolean) => eventually(names, (all) => all.includes(mine) === is);
    await listed(true);
    expect((await send(api.url, 'DELETE', path(mine))).json).toMatchObject({ revision: 2, events: [{ type: 'TicketFilterDeleted' }] });
    expect((await send(api.url, 'DELETE', path(mine))).json).toMatchObject({ revision: 2, events: [] });
    await listed(false);
    for (const at of [path(mine), `/v1/tickets?filter=${encodeURIComponent(mine)}`, path(`${mine} 3`)])
      expect((await send(api.url, 'GET', at)).json).toMatchObject({ status: 404, code: 'filter-not-found' });
    expect((await send(api.url, 'DELETE', path(`${mine} 3`))).json).toMatchObject({ status: 404, code: 'filter-not-found' });
  });

  it('names each fault', async () => {
    const wrong = await put(name(), { tier: 'L9', status: ['open'], color: 'red', limit: '3', filter: 'other' });
    expect(wrong.json).toMatchObject({ status: 422, code: 'filter-invalid' });
    expect(wrong.json.faults.map(({ field }: { field: string }) => field)).toEqual([
      'query.tier',
      'query.status',
      'query.color',
      'query.limit',
      'query.filter',
    ]);
    expect((await put(name(), 'open')).json).toMatchObject({ status: 400, code: 'invalid-body', faults: [{ field: 'query' }] });
    expect((await put('語'.repeat(100), {})).json).toMatchObject({ name: '語'.repeat(100), revision: expect.any(Number) });
    expect((await put('x'.repeat(101), {})).json).toMatchObject({ status: 404, code: 'filter-not-found' });
    expect((await send(api.url, 'GET', `/v1/tickets?filter=`)).json).toMatchObject({ status: 400, faults: [{ field: 'filter' }] });
  });
});
