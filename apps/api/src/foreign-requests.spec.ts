import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { isRefusal } from '#eventsourcing';
import { problemOfStores, RateLimits } from '#http';
import { asOperator, databaseAnswer, issueLink } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { keyFor, openingOf, type RunningApi, send, startApi } from './testing/running-api.js';

const PORTAL = 'https://portal.example';
const EVIL = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' };

let api: RunningApi;
beforeAll(async () => {
  const limits = new RateLimits({ person: 3, service: 0, address: 5, failures: 2 });
  api = await startApi({ allowedOrigins: [PORTAL], trustProxy: ['127.0.0.1'], limits, logLevel: 'debug' });
});
afterAll(async () => {
  await api?.stop();
});

describe('pages of other origins', () => {
  it('change nothing and read nothing', async () => {
    for (const [method, path] of [
      ['POST', '/v1/agents/x/leave'],
      ['POST', '/v1/tickets'],
      ['DELETE', '/v1/filters/x'],
      ['GET', '/v1/tickets'],
      ['GET', '/v1/events'],
    ] as const) {
      const { status, json, headers } = await send(api.url, method, path, { headers: EVIL });
      expect([path, status, json.code]).toEqual([path, 403, 'foreign-origin']);
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('get no permission by a pre-flight request', async () => {
    const asked = { ...EVIL, 'Access-Control-Request-Method': 'POST' };
    const { headers } = await send(api.url, 'OPTIONS', '/v1/tickets', { headers: asked });
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  it('may call where they are allowed, without cookies', async () => {
    const asked = {
      Origin: PORTAL,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    };
    const flight = await send(api.url, 'OPTIONS', '/v1/tickets', { headers: asked });
    expect(flight.status).toBe(204);
    expect(Object.fromEntries(flight.headers)).toMatchObject({
      'access-control-allow-origin': PORTAL,
      'access-control-allow-headers': 'authorization,content-type',
    });
    expect(flight.headers.get('access-control-allow-credentials')).toBeNull();
    const called = await send(api.url, 'GET', '/v1/tickets?limit=1', { headers: { Origin: PORTAL, 'Sec-Fetch-Site': 'cross-site' } });
    expect([called.status, called.headers.get('access-control-allow-origin')]).toEqual([200, PORTAL]);
    expect(called.headers.get('access-control-expose-headers')).toContain('ETag');
  });

  it('do not change responses for unknown addresses', async () => {
    expect((await send(api.url, 'GET', '/v1/nothing')).json.code).toBe('not-found');
    expect((await send(api.url, 'PATCH', '/v1/tickets')).headers.get('allow')).toBe('GET, HEAD, POST');
  });
});

describe('queries', () => {
  it.each(['client[$ne]=x', 'client[]=x', 'client=a&client=b', 'client.$gt=', '$where=sleep(1)', 'cursor[$ne]=', 'limit[$gt]=1'])(
    'are texts given once, never operators: %s',
    async (query) => {
      const { status, json } = await send(api.url, 'GET', `/v1/tickets?${query}`);
      expect([status, json.code]).toEqual([400, 'invalid-query']);
    },
  );
});

describe('a query that takes too long', () => {
  it('is ended by the database, and answered with 503', async () => {
    const values = api.mongo.db.collection('spec_values');
    await values.insertMany(Array.from({ length: 2_000 }, (_, value) => ({ value })));
    const everyOther = {
      from: values.collectionName,
      pipeline: [{ $match: { $expr: { $gt: [{ $add: ['$value', 1] }, -1] } } }],
      as: 'others',
    };
    const answer = databaseAnswer(values.aggregate([{ $lookup: everyOther }, { $count: 'others' }], { maxTimeMS: 5 }).toArray());
    const problem = problemOfStores(await answer.catch((error: unknown) => error));
    expect(problem).toMatchObject({ code: 'query-too-long', kind: { status: 503 }, headers: { 'Retry-After': '30' } });
  });
});

describe('bodies', () => {
  it('with too many fields are refused before they are parsed', async () => {
    const many = Object.fromEntries(Array.from({ length: 90_000 }, (_, index) => [`k${index}`, 1]));
    for (const [path, body] of [
      ['/v1/tickets', many],
      ['/v1/batches', { items: [many] }],
      ['/v1/simulations', { terms: many }],
      ['/v1/filters', { query: many }],
    ] as const) {
      const { status, json } = await send(api.url, 'POST', path, { body });
      expect([path, status, json.code, json.faults]).toEqual([
        path,
        400,
        'invalid-body',
        [{ field: '', message: 'must not hold more than 20000 fields and items' }],
      ]);
    }
  });

  it.each([
    ['/v1/attachments', 'application/octet-stream'],
    ['/v1/tickets', 'application/json'],
  ])('that are cut off on their way to %s are not server errors', async (path, type) => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const correlationId = `cut-${path}`;
    await new Promise<void>((resolve) =>
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nX-Correlation-Id: ${correlationId}\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n{"a`,
        () => resolve(),
      ),
    );
    // When it is answered, what there is of the body is on its way.
    await send(api.url, 'GET', '/health/live');
    socket.destroy();
    const about = await eventually(
      () => Promise.resolve(api.logged.filter((line) => line.includes(correlationId) && line.includes('"code"'))),
      ({ length }) => length > 0,
    );
    expect(about.map((line) => JSON.parse(line) as object)).toEqual([expect.objectContaining({ level: 'debug', code: 'request-aborted' })]);
  });
});

/** Nothing but what is given is sent along: no key. */
const from = (address: string, headers: Record<string, string> = {}) => ({ Authorization: '', 'X-Forwarded-For': address, ...headers });
/** Addresses that nobody has come from. */
let lastAddress = 0;
const freshAddress = () => `198.18.${(++lastAddress >> 8) & 255}.${lastAddress & 255}`;
/** Whoever has failed waits a second at first. On a busy machine that may pass between two requests: then all is tried again. */
const inTime = (attempt: () => Promise<void>) => eventually(attempt);
const page = (address: string) => send(api.url, 'GET', '/login', { headers: from(address) });
const somebody = () => ({ kind: 'person', id: randomUUID(), roles: ['agent'], clients: [api.client], tiers: 'all', teams: [] }) as const;
const keyOf = async (principal = somebody()) => `Bearer ${await keyFor(api.store, principal)}`;

describe('rate limits', () => {
  it('for a person are included in each response, and apply to all their keys', async () => {
    const ada = somebody();
    const keys = [await keyOf(ada), await keyOf(ada)];
    const ask = (Authorization = '') => send(api.url, 'GET', '/v1/principal', { headers: { Authorization } });
    const first = await ask(keys[0]);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'ratelimit-policy': '"person";q=3;w=60',
      ratelimit: expect.stringMatching(/^"person";r=2;t=\d+$/) as string,
    });
    expect([(await ask(keys[1])).status, (await ask(keys[0])).status]).toEqual([200, 200]);
    const { status, json, headers } = await ask(keys[1]);
    expect([status, json.code, Number(headers.get('retry-after')) > 0]).toEqual([429, 'rate-limited', true]);
    const bob = await ask(await keyOf());
    expect([bob.status, bob.headers.get('ratelimit')]).toEqual([200, expect.stringMatching(/r=2;/)]);
    // Of services there is no limit here.
    expect((await send(api.url, 'GET', '/v1/principal')).headers.get('ratelimit')).toBeNull();
  });

  it('count each command of a batch', async () => {
    const Authorization = await keyOf();
    const items = Array.from({ length: 3 }, () => ({ command: 'OpenTicket', body: openingOf(api.client) }));
    const batch = (some: object[]) => send(api.url, 'POST', '/v1/batches', { body: { items: some }, headers: { Authorization } });
    expect((await batch(items.slice(1))).json).toMatchObject({ done: 2 });
    expect((await batch(items)).json.code).toBe('rate-limited');
  });

  it('for an address apply to unauthenticated requests except health, and to no others', async () => {
    // What is said to be before the last proxy is said by whoever sent it.
    for (let request = 0; request < 5; request++) expect((await page(`198.51.100.${request}, 203.0.113.1`)).status).toBe(200);
    expect((await page('203.0.113.1')).json.code).toBe('rate-limited');
    const nobody = await send(api.url, 'GET', '/v1/tickets', { headers: from('203.0.113.1') });
    expect([nobody.status, nobody.json.code]).toEqual([429, 'rate-limited']);
    expect((await send(api.url, 'GET', '/health/live', { headers: from('203.0.113.1') })).status).toBe(200);
    expect((await send(api.url, 'GET', '/v1/principal', { headers: from('203.0.113.1', { Authorization: await keyOf() }) })).status).toBe(
      200,
    );
    expect((await page('203.0.113.2')).status).toBe(200);
  });

  it('of several processes are counted together', async () => {
    const config = { person: 0, service: 5, address: 0, failures: 1 };
    const processes = await Promise.all([0, 1].map(() => RateLimits.shared(config, api.mongo.db)));
    const someone = randomUUID();
    const take = (index: number) => processes[index]?.take({ headers: () => undefined as never }, 'service', someone);
    await Promise.all([take(0), take(1), take(0), take(1), take(0)]);
    await expect(take(1)).rejects.toMatchObject({ code: 'rate-limited' });
    await inTime(async () => {
      const who = randomUUID();
      await processes[0]?.noteFailure(who);
      await processes[1]?.noteFailure(who);
      await expect(processes[1]?.refuseWaiting(who)).rejects.toMatchObject({ headers: { 'Retry-After': '2' } });
    });
  });
});

describe('attempts to log in', () => {
  const logIn = (address: string, body: object) => send(api.url, 'POST', '/v1/sessions', { body, headers: from(address) });

  it('that fail slow down their address, without locking out known users', async () => {
    await inTime(async () => {
      const [address, Authorization] = [freshAddress(), await keyOf()];
      const known = () => send(api.url, 'GET', '/v1/principal', { headers: from(address, { Authorization }) });
      expect((await known()).status).toBe(200);
      const wrong = { account: randomUUID(), password: 'a guess' };
      expect([(await logIn(address, wrong)).status, (await logIn(address, { link: 'tierline_x' })).status]).toEqual([401, 401]);
      const { status, json, headers } = await logIn(address, wrong);
      expect([status, json.code, headers.get('retry-after')]).toEqual([429, 'rate-limited', '1']);
      expect((await known()).status).toBe(200);
      expect((await logIn(freshAddress(), wrong)).status).toBe(401);
    });
  });

  it('with the same invalid key count as one', async () => {
    await inTime(async () => {
      const address = freshAddress();
      const statusWith = async (token: string) =>
        (await send(api.url, 'GET', '/v1/principal', { headers: from(address, { Authorization: `Bearer ${token}` }) })).status;
      expect([await statusWith('tierline_dead'), await statusWith('tierline_dead'), await statusWith('tierline_dead')]).toEqual([
        401, 401, 401,
      ]);
      expect([await statusWith('tierline_other'), await statusWith('tierline_third')]).toEqual([401, 429]);
    });
  });

  it('behind a proxy that speaks TLS get a cookie for TLS alone', async () => {
    const principal = somebody();
    const link = await issueLink(api.store, { label: 'spec', principal }, asOperator());
    if (isRefusal(link)) throw new Error(link.message);
    const https = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'desk.example', Origin: 'https://desk.example' };
    const { status, headers } = await send(api.url, 'POST', '/v1/sessions', {
      body: { link: link.token },
      headers: from('203.0.113.6', https),
    });
    expect([status, headers.get('set-cookie')]).toEqual([201, expect.stringMatching(/; Secure$/)]);
  });
});
