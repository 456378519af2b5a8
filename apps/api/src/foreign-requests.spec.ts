import { connect } from 'node:net';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

const PORTAL = 'https://portal.example';
const EVIL = { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' };

let api: RunningApi;
beforeAll(async () => {
  api = await startApi({ allowedOrigins: [PORTAL], logLevel: 'debug' });
}, 120_000);
afterAll(async () => {
  await api?.stop();
}, 120_000);

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

  it('get no leave by a pre-flight request', async () => {
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

  it('change no answer about addresses that are not there', async () => {
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

describe('bodies', () => {
  it('of more fields than anybody means are refused before they are read', async () => {
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
  ])('that are cut off on their way to %s are no fault of the server', async (path, type) => {
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
