import { randomUUID } from 'node:crypto';
import { type Instant, instantFrom, isRefusal, type StoredEvent } from '#eventsourcing';
import { credential, type Principal } from '#ticketing';
import { asOperator, issueCredential, type Issuing, runCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
let opening: object;
beforeAll(async () => {
  api = await startApi();
  opening = { client: api.client, kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' };
});
afterAll(async () => {
  await api?.stop();
});

async function issue(principal: Partial<Principal>, more: Partial<Issuing> = {}): Promise<{ token: string; key: string }> {
  const whole: Principal = { kind: 'service', id: 'svc', roles: ['service'], clients: [api.client], tiers: 'all', teams: [], ...principal };
  const issued = await issueCredential(api.store, { form: 'key', label: 'spec', principal: whole, ...more }, asOperator());
  if (isRefusal(issued)) throw new Error(issued.message);
  return issued;
}

const ask = (token: string, method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> =>
  send(api.url, method, path, { ...(body === undefined ? {} : { body }), headers: { Authorization: `Bearer ${token}`, ...headers } });

async function eventsOf(stream: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of api.store.readStream(stream)) events.push(event);
  return events;
}

describe('a key', () => {
  it('is not issued once it would have expired', async () => {
    const asked = { label: 'l', id: randomUUID(), roles: ['service'], clients: [api.client] };
    for (const [expiresAt, status] of [
      [Date.now() - 1, 400],
      [Date.now() + 60_000, 201],
    ] as const) {
      const answer = await send(api.url, 'POST', '/v1/api-keys', { body: { ...asked, expiresAt: instantFrom(expiresAt) } });
      expect(answer).toMatchObject({ status, ...(status === 400 && { json: { code: 'invalid-body', faults: [{ field: 'expiresAt' }] } }) });
    }
  });
});

describe('a key for some routes', () => {
  it('is issued if there is something at or below each', async () => {
    const asked = { label: 'l', id: randomUUID(), roles: ['service'], clients: [api.client] };
    const status = async (route: string) => {
      const { status, json } = await send(api.url, 'POST', '/v1/api-keys', { body: { ...asked, routes: ['GET /v1/tickets', route] } });
      return [route, status, ...(json.faults ?? []).map(({ field }: { readonly field: string }) => field)];
    };
    for (const route of ['GET /v1', 'GET /v1/tickets', `POST /v1/tickets/${randomUUID()}/public-replies`, 'POST /mcp'])
      expect(await status(route)).toEqual([route, 201]);
    for (const route of ['GET /v1/tikets', 'PUT /v1/tickets', 'GET /v1/tickets/', 'GET /v1/tickets/x/y/z', '/v1/tickets'])
      expect(await status(route)).toEqual([route, 400, 'routes[1]']);
  });
});

describe('without a principal', () => {
  it('only health, documentation and schemas respond', async () => {
    const { paths } = (await send(api.url, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, unknown>> };
    const answers = await Promise.all(
      Object.entries(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map(async (method) => {
          const filled = path.replace(/\{\w+\}/g, '0');
          const { status } = await send(api.url, method.toUpperCase(), filled, { headers: { Authorization: '' } });
          return { operation: `${method} ${path}`, status };
        }),
      ),
    );
    const open = answers.filter(({ status }) => status !== 401).map(({ operation }) => operation);
    expect(open.sort()).toEqual([
      'get /health/live',
      'get /health/ready',
      'post /v1/passkey-challenges',
      'post /v1/passwords',
      'post /v1/sessions',
    ]);
    expect(answers.length).toBeGreaterThan(60);
    for (const path of ['/openapi.json', '/docs', '/docs/start.js', '/docs/swagger-ui.css', '/login', '/login/page.js'])
      expect((await send(api.url, 'GET', path, { headers: { Authorization: '' } })).status).toBe(200);
    // Not even whether there is something at an address.
    for (const path of ['/nowhere', '/v1', '/docs/../v1/tickets', '//v1/tickets'])
      expect([path, (await send(api.url, 'GET', path, { headers: { Authorization: '' } })).status]).toEqual([path, 401]);
  });

  it('says how to authenticate, in the same way for any invalid key', async () => {
    const { token, key } = await issue({});
    const revoked = await issue({});
    await runCommand(api.store, { aggregate: credential, id: revoked.key, name: 'RevokeCredential', body: {}, context: asOperator() });
    const ended = await issue({}, { expiresAt: instantFrom(Date.now() - 1) as Instant });
    const link = await issue({}, { form: 'link' });
    const other = await issue({});
    const wrong = [
      '',
      'x',
      `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`,
      token.toUpperCase(),
      // The secret of another key, with the right checksum of neither.
      `tierline_${key}${other.token.slice(29)}`,
      revoked.token,
      ended.token,
      link.token,
      'tierline_'.padEnd(102, '0'),
    ];
    const details = await Promise.all(
      wrong.map(async (one) => {
        const answer = await ask(one, 'GET', '/v1/tickets');
        expect([answer.status, answer.json.code]).toEqual([401, 'unauthenticated']);
        expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="tierline"');
        return answer.json.detail;
      }),
    );
    expect(new Set(details)).toEqual(new Set(['The key or token is not valid']));
    expect((await send(api.url, 'GET', '/v1/tickets', { headers: { Authorization: 'Basic YTpi' } })).status).toBe(401);
    expect((await ask(token, 'GET', '/v1/tickets')).status).toBe(200);
  });
});

describe('a key', () => {
  it('opens only its own routes', async () => {
    const { token } = await issue({ roles: ['administrator'] }, { routes: ['GET /v1/tickets', 'POST /v1/tickets'] });
    expect((await ask(token, 'GET', '/v1/tickets?limit=1')).status).toBe(200);
    expect((await ask(token, 'POST', '/v1/tickets', opening)).status).toBe(201);
    for (const path of ['/v1/teams', '/v1/tickets-of-others']) expect((await ask(token, 'GET', path)).json.code).toBe('forbidden');
  });

  it('is noted as used, once', async () => {
    const { token, key } = await issue({});
    await Promise.all([1, 2, 3].map(() => ask(token, 'GET', '/v1/tickets?limit=1')));
    let events = await eventsOf(`credential-${key}`);
    while (events.length < 2) events = await eventsOf(`credential-${key}`);
    expect(events.map(({ type }) => type)).toEqual(['CredentialIssued', 'CredentialUsed']);
    expect(events[0]?.metadata.actor).toEqual({ id: 'operator', kind: 'system', name: 'Operator of the machine' });
    expect(JSON.stringify(events.map(({ data, metadata }) => [data, metadata]))).not.toContain(token.slice(30, 94));
  });

  it('may do what its roles allow; otherwise it is refused with the required roles, before anything is read', async () => {
    const { token } = await issue({});
    const { ticketId } = (await ask(token, 'POST', '/v1/tickets', opening)).json;
    for (const id of [ticketId, randomUUID()]) {
      const { status, json } = await ask(token, 'POST', `/v1/tickets/${id}/resolution`, { category: 'c', article: 'a' });
      expect([status, json.code, json.detail]).toEqual([
        403,
        'forbidden',
        'This requires the role agent (for tickets of their tiers), or lead, or administrator',
      ]);
    }
    const major = await ask(token, 'POST', '/v1/tickets', { ...opening, majorIncident: true });
    expect([major.status, major.json.code]).toEqual([403, 'forbidden']);
    const batch = await ask(token, 'POST', '/v1/batches', { items: [{ command: 'CloseTicket', ticketId, body: {} }] });
    expect(batch.json.items[0]).toMatchObject({ status: 403, problem: { code: 'forbidden' } });
    expect((await ask(token, 'GET', '/v1/contracts')).json.code).toBe('forbidden');
  });

  it('acts on behalf of others only with that permission, and both stand in the event', async () => {
    const gateway = await issue({ id: 'gateway', onBehalfOf: true });
    const plain = await issue({});
    const headers = { 'X-Actor-Id': 'jane', 'X-Actor-Kind': 'requester' };
    expect((await ask(plain.token, 'POST', '/v1/tickets', opening, headers)).json.code).toBe('forbidden');
    const { ticketId } = (await ask(gateway.token, 'POST', '/v1/tickets', opening, headers)).json;
    const [event] = await eventsOf(`ticket-${ticketId}`);
    expect(event?.metadata).toMatchObject({ actor: { id: 'jane', kind: 'requester' }, sentBy: { id: 'gateway', kind: 'system' } });
    // Nobody passes for what policies and time do.
    const forged = { 'X-Actor-Id': 'timekeeper', 'X-Actor-Kind': 'system' };
    expect((await ask(gateway.token, 'POST', '/v1/tickets', opening, forged)).json.code).toBe('forbidden');
  });
});

describe('what belongs to another client', () => {
  it('is treated by commands as if it did not exist', async () => {
    const { ticketId } = (await send(api.url, 'POST', '/v1/tickets', { body: opening })).json;
    const { token } = await issue({ roles: ['administrator'], clients: [`${api.client}-other`] });
    const answers = await Promise.all(
      [ticketId, randomUUID()].map(async (id) => {
        const plain = await ask(token, 'POST', `/v1/tickets/${id}/internal-notes`, { text: 't' });
        const matched = await ask(token, 'POST', `/v1/tickets/${id}/internal-notes`, { text: 't' }, { 'If-Match': '"0"' });
        return [plain, matched].map(({ status, json: { code, detail, revision } }) => ({ status, code, detail, revision }));
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).toMatchObject([{ code: 'ticket-not-found' }, { code: 'revision-mismatch' }]);
    expect((await ask(token, 'POST', '/v1/tickets', opening)).json).toMatchObject({ code: 'forbidden' });
    expect((await ask(token, 'POST', '/v1/contracts', { client: api.client, terms: {} })).json).toMatchObject({ code: 'forbidden' });
    expect(await eventsOf(`ticket-${ticketId}`)).toHaveLength(1);
  });

  it("is not revealed by repeating someone else's command", async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const { ticketId } = (await send(api.url, 'POST', '/v1/tickets', { body: opening, headers })).json;
    const { token } = await issue({ roles: ['administrator'], clients: [`${api.client}-other`] });
    const again = await ask(token, 'POST', '/v1/tickets', opening, headers);
    expect([again.json.code, again.text.includes(ticketId)]).toEqual(['forbidden', false]);
  });
});

describe('a requester', () => {
  it('can follow their own ticket: public replies, and nothing internal to the desk', async () => {
    const desk = await issue({ kind: 'person', id: 'ada', name: 'Ada', roles: ['lead'] });
    const jane = await issue({ kind: 'person', id: `jane-${randomUUID()}`, name: 'Jane', roles: ['requester'] });
    const { principal } = (await ask(jane.token, 'GET', '/v1/principal')).json;
    const reporter = { id: principal.id };
    const { ticketId } = (await ask(jane.token, 'POST', '/v1/tickets', { ...opening, reporter })).json;
    const path = `/v1/tickets/${ticketId}`;
    const article = `kb-${randomUUID()}`;
    for (const [url, body] of [
      ['/v1/articles', { article, title: 'Free the queue', text: 't', visibility: 'everybody' }],
      [`/v1/articles/${article}/reviews`, {}],
      [`/v1/articles/${article}/publish`, {}],
      [`${path}/internal-notes`, { text: 'secret' }],
      [`${path}/public-replies`, { text: 'Which printer?' }],
      [`${path}/hold`, { reason: 'customer', note: 'secret' }],
    ] as const)
      expect([url, (await ask(desk.token, 'POST', url, body)).status]).toEqual([url, 200]);
    expect((await ask(jane.token, 'GET', `${path}/conversation`)).json).toMatchObject({ state: 'waiting-for-requester' });
    await ask(jane.token, 'POST', `${path}/requester-replies`, { text: 'FIN-2' });
    await ask(desk.token, 'POST', `${path}/resolution`, { category: 'secret', article, fix: 'secret' });
    const seen = await eventually(
      () => ask(jane.token, 'GET', `${path}/conversation`),
      ({ json }) => json.article !== undefined,
    );
    expect(seen.json).toEqual({
      ...{ ticketId, revision: expect.any(Number), client: api.client, kind: 'incident', summary: 's', reporter, state: 'resolved' },
      ...{ openedAt: expect.any(String), resolvedAt: expect.any(String), article: { article, title: 'Free the queue' } },
      progress: ['open', 'waiting-for-requester', 'in-progress', 'resolved'].map((state) => ({ state, at: expect.any(String) })),
      messages: [
        { messageId: expect.any(String), at: expect.any(String), from: 'desk', name: 'Ada', text: 'Which printer?' },
        { messageId: expect.any(String), at: expect.any(String), from: 'requester', text: 'FIN-2' },
      ],
    });
    expect((await ask(desk.token, 'GET', `${path}/conversation`)).json).toEqual(seen.json);

    // To others it is as one that never was.
    const others: readonly Partial<Principal>[] = [
      { kind: 'person', id: 'joe', roles: ['requester'] },
      { kind: 'person', id: principal.id, roles: ['requester'], clients: [`${api.client}-other`] },
      { kind: 'person', id: 'ada', roles: ['agent'], clients: [`${api.client}-other`] },
    ];
    for (const other of others) {
      const { token } = await issue(other);
      const answers = [ticketId, randomUUID()].map(async (id) => {
        const { status, json } = await ask(token, 'GET', `/v1/tickets/${id}/conversation`);
        return [status, json.code, json.detail];
      });
      const [theirs, none] = await Promise.all(answers);
      expect(theirs).toEqual([404, 'ticket-not-found', 'There is no such ticket']);
      expect(none).toEqual(theirs);
    }
    expect((await ask(jane.token, 'GET', `${path}/conversation?x=1`)).json.code).toBe('invalid-query');
  });

  it('lists their own tickets without how the desk works on them, and cannot ask for it either', async () => {
    const id = `jane-${randomUUID()}`;
    const desk = await issue({ kind: 'person', id: 'ada', roles: ['lead'] });
    const jane = await issue({ kind: 'person', id, roles: ['requester'] });
    const { ticketId } = (await ask(jane.token, 'POST', '/v1/tickets', { ...opening, reporter: { id } })).json;
    await ask(desk.token, 'POST', `/v1/tickets/${ticketId}/assignment`, { assignee: { id: 'ada' } });
    const { revision } = (await ask(desk.token, 'POST', `/v1/tickets/${ticketId}/internal-notes`, { text: 'fraud' })).json;
    const list = `/v1/tickets?reporter=${id}`;
    const ofDesk = await eventually(
      () => ask(desk.token, 'GET', list),
      ({ json }) => json.items[0]?.revision === revision,
    );
    const { tier, assignee, securityIncident, proposed, ...line } = ofDesk.json.items[0];
    expect({ tier, assignee, securityIncident, proposed }).toEqual({
      ...{ tier: 'L1', assignee: { id: 'ada' }, securityIncident: false, proposed: false },
    });
    const now = new Date().toISOString();
    for (const more of ['', `&asOf=${now}`, '&changedSince=start']) {
      const { json, text } = await ask(jane.token, 'GET', list + more);
      expect([more, json.items?.[0] ?? text]).toEqual([more, line]);
    }
    for (const asked of ['q=fraud', 'tier=L1', 'assignee=ada', 'assigned=true', 'securityIncident=true', 'proposed=false', 'team=t']) {
      for (const more of ['', `&asOf=${now}`, '&changedSince=start']) {
        const { status, json } = await ask(jane.token, 'GET', `${list}&${asked}${more}`);
        const [name] = asked.split('=');
        expect([asked, more, status, json.code, json.detail]).toEqual([
          ...[asked, more, 403, 'forbidden', `Only the desk may ask for tickets by \`${name}\``],
        ]);
      }
    }
    const counts = (by: string) => ask(jane.token, 'GET', `/v1/ticket-counts?by=${by}`);
    expect((await counts('status')).json.items).toEqual([{ value: 'open', count: 1 }]);
    expect((await counts('assignee')).status).toBe(403);
  });
});
