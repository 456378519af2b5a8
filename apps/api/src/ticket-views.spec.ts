import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { eventually } from '../../../test/eventually.js';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const open = { kind: 'incident', summary: 'Cannot print', reporter: { id: 'j.doe' }, channel: 'phone', impact: 'low', urgency: 'low' };

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await send(api.url, 'POST', path, { body, headers });
  expect({ status: answer.status, body: answer.status < 300 ? '' : answer.text }).toEqual({
    status: path === '/v1/tickets' ? 201 : 200,
    body: '',
  });
  return answer;
}

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> => send(api.url, 'GET', path, { headers });

/** A ticket with a step, put on hold and resumed: revisions 0 to 3. */
async function livelyTicket(fields: object = {}): Promise<string> {
  const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client, ...fields }, { 'X-Actor-Id': 'ada' })).json;
  await post(`/v1/tickets/${ticketId}/diagnostic-steps`, { action: 'looked', outcome: 'nothing' });
  await post(`/v1/tickets/${ticketId}/hold`, { reason: 'customer', note: 'away' });
  await post(`/v1/tickets/${ticketId}/resume`, {});
  return ticketId;
}

describe('GET /v1/tickets/{id}', () => {
  it('shows what a command did as soon as one asks for its revision', async () => {
    const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client })).json;
    for (let revision = 1; revision <= 10; revision++) {
      await post(`/v1/tickets/${ticketId}/diagnostic-steps`, { action: `step ${revision}`, outcome: 'nothing' });
      const answer = await get(`/v1/tickets/${ticketId}?atLeast=${revision}`);
      expect(answer.status).toBe(200);
      expect(answer.json).toMatchObject({ _id: ticketId, revision, client: api.client, status: 'open' });
      expect(answer.json.stepsTried).toHaveLength(revision);
      expect(answer.headers.get('etag')).toBe(`"${revision}"`);
    }
  });

  it('shows a ticket that was opened this very moment, without being asked to wait', async () => {
    const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client })).json;
    expect((await get(`/v1/tickets/${ticketId}`)).status).toBe(200);
  });

  it('answers 304 to a reader that has it', async () => {
    const id = await livelyTicket();
    const { headers } = await get(`/v1/tickets/${id}?atLeast=3`);
    const etag = headers.get('etag') ?? '';
    for (const seen of [etag, `W/${etag}`, `"1", ${etag}`, '*']) {
      const answer = await get(`/v1/tickets/${id}`, { 'If-None-Match': seen });
      expect([answer.status, answer.text, answer.headers.get('etag')]).toEqual([304, '', etag]);
    }
    expect((await get(`/v1/tickets/${id}`, { 'If-None-Match': '"2"' })).status).toBe(200);
    expect((await get(`/v1/tickets/${id}`, { 'If-None-Match': 'x' })).json).toMatchObject({ status: 400, code: 'invalid-header' });
  });

  it('distinguishes what does not exist from what is not there yet', async () => {
    const id = await livelyTicket();
    const never = await get(`/v1/tickets/${randomUUID()}?atLeast=3`);
    expect(never.json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    expect((await get('/v1/tickets/first')).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    const tooFar = await get(`/v1/tickets/${id}?atLeast=99`);
    expect(tooFar.json).toMatchObject({ status: 400, code: 'unknown-revision', faults: [{ field: 'atLeast' }] });
  });

  it('answers HEAD as GET, without the body', async () => {
    const id = await livelyTicket();
    await get(`/v1/tickets/${id}?atLeast=3`);
    const head = await send(api.url, 'HEAD', `/v1/tickets/${id}`);
    expect([head.status, head.headers.get('etag'), head.text]).toEqual([200, '"3"', '']);
  });

  it.each([
    ['atLeast=-1', 'atLeast'],
    ['atLeast=1.5', 'atLeast'],
    ['atLeast=', 'atLeast'],
    ['atLeast=1&atLeast=2', 'atLeast'],
    ['atLeast=99999999999999999999', 'atLeast'],
    ['atleast=1', 'atleast'],
    ['constructor=1', 'constructor'],
    ['__proto__=1', '__proto__'],
  ])('refuses ?%s', async (query, field) => {
    const answer = await get(`/v1/tickets/${randomUUID()}?${query}`);
    expect(answer.json).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field }] });
  });
});

describe('GET /v1/tickets/{id}/history', () => {
  it('shows a ticket’s life in pages', async () => {
    const id = await livelyTicket();
    expect((await get(`/v1/tickets/${id}/history?atLeast=3&limit=4`)).json.next).toBeUndefined();
    const entries = [];
    let path = `/v1/tickets/${id}/history?limit=3`;
    for (let pages = 1; ; pages++) {
      const { items, next } = (await get(path)).json;
      entries.push(...items);
      if (next === undefined) {
        expect(pages).toBe(2);
        break;
      }
      path = `/v1/tickets/${id}/history?limit=3&cursor=${next}`;
    }
    expect(entries.map(({ revision, type }) => [revision, type])).toEqual([
      [0, 'TicketOpened'],
      [1, 'DiagnosticStepRecorded'],
      [2, 'TicketPutOnHold'],
      [3, 'TicketResumed'],
    ]);
    expect(entries[0]).toMatchObject({
      actor: { id: 'ada' },
      commandType: 'OpenTicket',
      client: api.client,
      data: { summary: 'Cannot print' },
      causationId: entries[0].commandId,
    });
    expect(entries[0].recordedAt).toMatch(/Z$/);
  });

  it('refuses a cursor from elsewhere or for another ticket', async () => {
    const [one, other] = [await livelyTicket(), await livelyTicket()];
    const { next } = (await get(`/v1/tickets/${one}/history?limit=1&atLeast=3`)).json;
    for (const path of [
      `/v1/tickets/${other}/history?cursor=${next}`,
      `/v1/tickets/${one}/history?cursor=x${next}`,
      `/v1/tickets/${one}/history?cursor=bnVsbA.x`,
    ]) {
      expect((await get(path)).json).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field: 'cursor' }] });
    }
  });

  it('does not exist for a missing ticket', async () => {
    expect((await get(`/v1/tickets/${randomUUID()}/history`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });
});

describe('GET /v1/tickets/{id}/sla', () => {
  it('shows the clocks as they stand now: overdue is breached', async () => {
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
    const { ticketId } = (
      await post('/v1/tickets', { ...open, client: api.client, impact: 'major', urgency: 'critical', effectiveAt: hoursAgo(5) })
    ).json;
    const late = (await get(`/v1/tickets/${ticketId}/sla?atLeast=0`)).json;
    expect(late.evaluatedAt >= hoursAgo(0.01)).toBe(true);
    expect(
      late.clocks.map(({ kind, state, breachedAt, dueAt }: Record<string, string>) => ({ kind, state, breachedAt, dueAt })),
    ).toMatchObject([
      { kind: 'response', state: 'running', breachedAt: expect.any(String) },
      { kind: 'resolution', state: 'running', breachedAt: expect.any(String) },
      { kind: 'tier-accept', state: 'running', breachedAt: expect.any(String) },
    ]);
    for (const { breachedAt, dueAt, startedAt, elapsed, remaining, target } of late.clocks) {
      expect(breachedAt).toBe(dueAt);
      // The default contract runs around the clock.
      expect(elapsed).toBe(Date.parse(late.evaluatedAt) - Date.parse(startedAt));
      expect(remaining).toBe(target - elapsed);
      expect(remaining).toBeLessThan(0);
    }

    const fresh = (await post('/v1/tickets', { ...open, client: api.client })).json.ticketId;
    for (const { breachedAt } of (await get(`/v1/tickets/${fresh}/sla?atLeast=0`)).json.clocks) expect(breachedAt).toBeUndefined();
  });
});

describe('GET /v1/queues/{tier}', () => {
  const tier = 'L2';
  const queue = async (query = '') => (await get(`/v1/queues/${tier}?client=${api.client}${query}`)).json;

  it('shows who waits, most pressing first, in pages that do not overlap', async () => {
    const urgencies = ['low', 'critical', 'medium', 'critical', 'high', 'low', 'medium'];
    let position = '';
    const opened = [];
    for (const [index, urgency] of urgencies.entries()) {
      const answer = await post('/v1/tickets', {
        ...open,
        client: api.client,
        tier,
        entryReason: 'Known to L2',
        impact: 'high',
        urgency,
        team: index % 2 ? 'odd' : 'even',
      });
      position = answer.json.position;
      opened.push({ id: answer.json.ticketId, priority: answer.json.events[0].data.priority });
    }
    const ranks = ['critical', 'high', 'medium', 'low'];
    const expected = [...opened].sort((a, b) => ranks.indexOf(a.priority) - ranks.indexOf(b.priority)).map(({ id }) => id);

    const whole = await queue(`&atLeast=${position}`);
    expect(whole.items.map(({ _id }: { _id: string }) => _id)).toEqual(expected);
    expect(whole.items[0]).toMatchObject({ tier, state: 'waiting', client: api.client, queued: true });
    expect(whole.items[0]).not.toHaveProperty('ticket');
    expect(whole.next).toBeUndefined();

    const paged: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const page = await queue(`&limit=2${next === '' ? '' : `&cursor=${next}`}`);
      paged.push(...page.items.map(({ _id }: { _id: string }) => _id));
      next = page.next;
    }
    expect(paged).toEqual(expected);

    expect((await queue('&team=odd')).items).toHaveLength(3);
    expect((await queue('&state=working')).items).toHaveLength(0);
    const started = await post(`/v1/tickets/${expected[0]}/work`, {});
    expect((await queue(`&state=working&atLeast=${started.json.position}`)).items.map(({ _id }: { _id: string }) => _id)).toEqual([
      expected[0],
    ]);
  });

  it('tells what has changed since a position: what is in it now, and what is not, or no longer', async () => {
    const client = `${api.client}-moves`;
    const opened = await Promise.all([1, 2, 3].map(() => post('/v1/tickets', { ...open, client })));
    const [one, two, three] = opened.map(({ json }) => String(json.ticketId));
    interface Polled {
      readonly items: readonly string[];
      readonly gone: readonly string[];
      readonly changedUpTo: string;
    }
    /** All pages, one ticket each. */
    const poll = async (since: string, query = ''): Promise<Polled> => {
      const seen = { items: [] as string[], gone: [] as string[] };
      for (let cursor = ''; ;) {
        const { json } = await get(`/v1/queues/L1?client=${client}&limit=1${query}&changedSince=${since}${cursor}`);
        seen.items.push(...json.items.map(({ _id }: { _id: string }) => _id));
        seen.gone.push(...json.gone);
        if (json.next === undefined) return { ...seen, changedUpTo: json.changedUpTo };
        cursor = `&cursor=${json.next}`;
      }
    };
    const from = (since: string, count: number) =>
      eventually(
        () => poll(since),
        ({ items, gone }) => items.length + gone.length === count,
      );
    const first = await from('start', 3);
    expect(new Set(first.items)).toEqual(new Set([one, two, three]));
    await post(`/v1/tickets/${two}/work`, {});
    await post(`/v1/tickets/${three}/cancel`, { reason: 'a mistake' });
    const second = await from(first.changedUpTo, 2);
    expect(second).toMatchObject({ items: [two], gone: [three] });
    expect(await poll(first.changedUpTo, '&state=waiting')).toMatchObject({ items: [], gone: [two, three] });
    expect(await poll(second.changedUpTo)).toMatchObject({ items: [], gone: [] });
    expect((await get(`/v1/queues/L1?changedSince=999999999999/999999999999`)).json).toMatchObject({ code: 'unknown-position' });
  });

  it('refuses a position that the log does not have, after looking whether it comes', async () => {
    const answer = await get(`/v1/queues/${tier}?atLeast=999999999999/999999999999`);
    expect(answer.json).toMatchObject({ status: 400, code: 'unknown-position', faults: [{ field: 'atLeast' }] });
  });

  it('is one of five', async () => {
    for (const name of ['L5', 'l1', 'constructor', '$ne'])
      expect((await get(`/v1/queues/${name}`)).json).toMatchObject({ status: 404, code: 'queue-not-found' });
  });

  it.each(['state=done', 'limit=0', 'limit=201', 'client=', 'client[$ne]=x', 'cursor=x', 'atLeast=1', 'sort=rank'])(
    'refuses ?%s',
    async (query) => {
      expect((await get(`/v1/queues/${tier}?${query}`)).json).toMatchObject({
        status: 400,
        code: 'invalid-query',
        faults: [{ field: expect.any(String) }],
      });
    },
  );
});

describe('a host name from elsewhere', () => {
  it('is refused, so that no web page gets in by rebinding its name', async () => {
    const status = async (host: string) => {
      const [response] = (await once(httpGet(`${api.url}/health/live`, { headers: { host } }), 'response')) as [IncomingMessage];
      response.resume();
      return response.statusCode;
    };
    for (const host of ['evil.example.com', '127.0.0.1.example.com', 'localhost.example.com:3000'])
      expect([host, await status(host)]).toEqual([host, 421]);
    for (const host of ['localhost:3000', '127.0.0.1', '[::1]:3000']) expect([host, await status(host)]).toEqual([host, 200]);
  });
});
