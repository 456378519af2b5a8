import { TICKET_ORDERS, ticketListCriteria, type TicketListFilter, type TicketOrder } from '#ticketing-nest';
import { ticketList } from '#ticketing';
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
      effectiveAt: `2026-01-0${day}T10:00:00Z`,
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
    { channel: 'email', kind: 'service-request', category: 'hardware-loan', impact: 'high', urgency: 'high', tier: 'L2', team: 'mail' },
    2,
  );
  await open('server', { category: 'hardware', impact: 'major', urgency: 'critical' }, 3);
  await open('vpn', { reporter: { id: 'k.roe' }, component: 'vpn-gw' }, 4);
  await say('printer', 'internal-notes', { text: 'The spooler logs 0x00000709' });
  await say('mail', 'assignment', { assignee: { id: 'ada' } });
  await say('server', 'triage', { category: 'hardware', securityIncident: true });
  await say('vpn', 'major-incident', { reason: 'Nobody can work from home' });
  await say('vpn', 'resolution', { category: 'network', article: 'KB-1' });
}, 30_000);
afterAll(async () => {
  await api?.stop();
}, 30_000);

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
    ['&openedFrom=2026-01-02T10:00:00Z&openedTo=2026-01-04T11:00:00%2B01:00', ['server', 'mail']],
    ['&resolvedFrom=2026-01-04T10:00:00Z', ['vpn']],
    ['&resolvedTo=2026-01-04T10:00:00Z', []],
    ['&updatedTo=2026-01-04T10:00:00Z', []],
    ['&q=invoices', ['printer']],
    ['&q=SPOOLER zuruck', ['printer']],
    ['&q=fin-2 0x0*', ['printer']],
    ['&q=spool', []],
    ['&q=spool*', ['printer']],
    ['&q=home', ['vpn']],
    ['&q=doe&status=open&tier=L1', ['server', 'printer']],
  ])('?%s', async (query, expected) => {
    expect(called(await list(query))).toEqual(expected);
  });

  it('shows what a lead wants to see of each, and nothing of what it is searched by', async () => {
    const [item] = (await list('&q=invoices')).items;
    expect(item).toMatchObject({
      _id: ids.printer,
      status: 'open',
      summary: 'Cannot print invoices',
      priority: 'low',
      reporter: { name: 'Jane Doe' },
    });
    for (const hidden of ['words', 'categories', 'ticket']) expect(item).not.toHaveProperty(hidden);
  });

  it.each(Object.keys(TICKET_ORDERS) as TicketOrder[])('comes in pages that do not overlap, by %s', async (order) => {
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

  it('keeps its place when tickets come and go between pages', async () => {
    const first = await list('&sort=openedAt&limit=2');
    const body = { kind: 'incident', summary: 'late', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' };
    const { json } = await send(api.url, 'POST', '/v1/tickets', {
      body: { ...body, client: api.client, effectiveAt: '2025-12-31T00:00:00Z' },
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

  it('waits for a position, and knows one that the log never had', async () => {
    const answer = await send(api.url, 'GET', '/v1/tickets?atLeast=999999999999/999999999999');
    expect(answer.json).toMatchObject({ status: 400, code: 'unknown-position' });
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
    [{ openedFrom: '2026-01-02T00:00:00.000Z' as never }, '-openedAt'],
    [{}, '-updatedAt'],
    [{}, 'priority'],
  ] as [TicketListFilter, TicketOrder][])('serve %j in the order %s without sorting', async (filter, order) => {
    const winning = await plan(filter, order);
    expect(winning).toContain('IXSCAN');
    expect(winning).not.toMatch(/COLLSCAN|"SORT"/);
  });

  it.each([
    [{ q: 'spooler' }],
    [{ q: 'spooler', client: 'c' }],
    [{ category: 'hardware' }],
    [{ resolvedFrom: '2026-01-02T00:00:00.000Z' as never }],
  ] as [TicketListFilter][])('find what %j asks for', async (filter) => {
    const winning = await plan(filter, '-openedAt');
    expect(winning).toMatch(/IXSCAN/);
    expect(winning).not.toContain('COLLSCAN');
  });

  it('lead a further page to its place', async () => {
    const winning = await plan({ client: 'c' }, '-openedAt', ['2026-01-03T10:00:00.000Z', 'x']);
    expect(winning).toContain('IXSCAN');
    expect(winning).not.toMatch(/COLLSCAN|"SORT"/);
  });
});
