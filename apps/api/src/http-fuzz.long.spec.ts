import { createHash, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { ROLES, ticketDetails, TIERS } from '#ticketing';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

/** No input leads to a 5xx, every error is problem details, and the process lives. */

let api: RunningApi;
let ticketId: string;
/** What the OpenAPI document says of a route. */
interface Route {
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  /** A valid body, where it takes JSON. */
  readonly example: object | undefined;
  readonly takesBytes: boolean;
}
/** Every route that there is: a new one is tried without being listed here. */
let routes: readonly Route[];
/** Keys of somebody with each role. */
let keys: readonly string[];
beforeAll(async () => {
  api = await startApi();
  const opened = await send(api.url, 'POST', '/v1/tickets', {
    body: { client: api.client, kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' },
  });
  ticketId = opened.json.ticketId;
  keys = await Promise.all(
    ROLES.map((role) => keyFor(api.store, { kind: 'person', id: role, roles: [role], clients: [api.client], tiers: 'all', teams: [] })),
  );
  await send(api.url, 'GET', `/v1/tickets/${ticketId}?atLeast=0`);
  const { paths } = (await send(api.url, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, Operation>> };
  routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody: { content = {} } = {} }]) => ({
      method: method.toUpperCase(),
      path,
      example: content['application/json']?.examples?.example.value,
      takesBytes: 'application/octet-stream' in content,
    })),
  );
});
afterAll(async () => {
  await api?.stop();
});

interface Operation {
  readonly requestBody?: { readonly content?: Record<string, { readonly examples?: { readonly example: { readonly value: object } } }> };
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Sends what fetch would not, and reads the head of the answer and, unless it is a feed, its body. */
function raw({ method, path, headers, body }: Sent): Promise<{ status: number; type: string; text: string }> {
  const { hostname, port } = new URL(api.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers: { ...headers } }, (response) => {
      const answer = (text: string) => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text });
      if (response.headers['content-type']?.startsWith('text/event-stream')) {
        response.destroy();
        answer('');
        return;
      }
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => answer(text));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function expectSound(sent: Sent): Promise<number> {
  const { status, type, text } = await raw(sent);
  if (status >= 500) throw new Error(`${status} for ${sent.method} ${sent.path}: ${text}\n${api.logged.at(-1)}`);
  if (status >= 400) {
    expect(type).toBe('application/problem+json');
    if (sent.method !== 'HEAD')
      expect(JSON.parse(text)).toMatchObject({ status, code: expect.any(String), title: expect.any(String), detail: expect.any(String) });
  }
  return status;
}

/** Routes that take JSON, and all others that change something. */
const commands = () => fc.constantFrom(...routes.filter(({ example }) => example !== undefined));
const changes = () => fc.constantFrom(...routes.filter(({ method }) => method !== 'GET'));
const views = () => fc.constantFrom(...routes.filter(({ method }) => method === 'GET'));
const aTicket = () =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.uuid() }).map((id) => id ?? ticketId);
/** The path of a route, with something for each of its parameters. */
const aPath = ({ path }: Route): fc.Arbitrary<string> => {
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const one = fc.oneof(
    fc.constantFrom('fuzz', 'L1', '0'.repeat(64), '%00', '%ff', '..%2f..', '%F0%9F%98%80'.repeat(60)),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).map((text) => encodeURIComponent(text)),
  );
  return fc
    .tuple(...parameters.map((name) => (name === 'id' ? aTicket() : one)))
    .map((values) => parameters.reduce<string>((filled, name, index) => filled.replace(`{${name}}`, () => values[index] ?? ''), path));
};
const printable = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 40 });
const latin1 = fc.string({
  unit: fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});

/** Who sends it: an administrator, or somebody with any one role. */
const sender = () =>
  fc
    .option(fc.constantFrom(...keys), { nil: undefined, freq: 2 })
    .map((key): Sent['headers'] => (key === undefined ? {} : { authorization: `Bearer ${key}` }));

/** Words that have a meaning somewhere, so that arbitrary bodies come close to valid ones. */
const word = fc.constantFrom(
  'L1',
  'L2',
  'L3',
  'incident',
  'low',
  'critical',
  'phone',
  'customer',
  'log',
  'other',
  '2026-01-01T00:00:00Z',
  '9999-12-31T23:59:59+14:00',
  '0000-01-01T00:00:00Z',
  'a',
  ' ',
  '__proto__',
);
const field = fc.constantFrom(
  ...[
    'client',
    'kind',
    'summary',
    'reporter',
    'id',
    'name',
    'channel',
    'impact',
    'urgency',
    'tier',
    'team',
    'category',
    'action',
    'outcome',
    'reason',
    'handoff',
    'stepsTried',
    'errorMessages',
  ],
  ...[
    'logs',
    'vendor',
    'solution',
    'kind',
    'text',
    'note',
    'until',
    'effectiveAt',
    'rootCause',
    'analysis',
    'citedEvents',
    'preventiveActions',
    'bytes',
    'sha256',
    'constructor',
    'toString',
    '__proto__',
  ],
);
const { value: likelyJson } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    word,
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(field, fc.string({ maxLength: 5 })), tie('value'), { maxKeys: 12 }),
  ),
}));

/** A valid example with some of it replaced. */
const almostValid = () =>
  fc.tuple(commands(), fc.dictionary(field, likelyJson, { maxKeys: 2 }), fc.boolean()).chain(([route, fields, keep]) =>
    fc.record({
      method: fc.constant(route.method),
      path: aPath(route),
      as: sender(),
      body: fc.constant({ ...route.example, ...(keep ? fields : {}) }),
    }),
  );

/** More with FUZZ_RUNS, for a long look. */
const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 150) };

it('survives any JSON as the body of any command', async () => {
  const statuses = new Set<number>();
  const sendBody = async ({ method, path, as, body }: Omit<Sent, 'headers' | 'body'> & { as: Sent['headers']; body: unknown }) => {
    const headers = { ...as, 'content-type': 'application/json' };
    statuses.add(await expectSound({ method, path, headers, body: JSON.stringify(body) }));
  };
  const anything = commands().chain((route) =>
    fc.record({ method: fc.constant(route.method), path: aPath(route), as: sender(), body: likelyJson }),
  );
  await fc.assert(fc.asyncProperty(anything, sendBody), runs);
  await fc.assert(fc.asyncProperty(almostValid(), sendBody), { numRuns: 2 * runs.numRuns });
  // It came as far as commands that are done, refused by the domain, refused for their fields, and for who sends them.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 403, 404, 409]));
});

it('survives any bytes as a body, of any type and with any headers', async () => {
  const headerName = fc.constantFrom(
    'idempotency-key',
    'if-match',
    'if-none-match',
    'x-actor-id',
    'x-actor-name',
    'x-actor-kind',
    'x-correlation-id',
    'traceparent',
    'last-event-id',
    'accept',
    'range',
    'expect',
    'host',
    'cookie',
    'content-encoding',
    'content-type',
  );
  const type = fc.constantFrom(
    'application/json',
    'application/json; charset=latin1',
    'application/problem+json',
    'text/plain',
    'multipart/form-data',
    '',
    'a/b/c',
    'application/json;;;',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    fc.json().map((json) => Buffer.from(json)),
    fc.constant(Buffer.alloc(0)),
  );
  const headers = fc.dictionary(headerName, fc.oneof(latin1, word, fc.constantFrom('"0"', '*', 'W/"1"', '"0", "1"')), { maxKeys: 5 });
  const sent = changes().chain((route) =>
    fc.record({
      method: fc.constant(route.method),
      path: aPath(route),
      type: route.takesBytes ? fc.oneof(fc.constant('application/octet-stream'), type) : type,
      body: bytes,
      headers,
    }),
  );
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(sent, async ({ method, path, type: contentType, body, headers: others }) => {
      const all = { 'content-type': contentType, ...others, 'content-length': String(body.length) };
      statuses.add(await expectSound({ method, path, headers: all, body }));
    }),
    runs,
  );
  expect([...statuses]).toEqual(expect.arrayContaining([400, 415]));
});

it('survives any bytes as an attachment, of any media type, with any digest', async () => {
  const digest = fc.oneof(
    latin1,
    fc.constantFrom('sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:', 'sha-256=::', 'sha-512=:x:', 'sha-256=:====:'),
  );
  const query = fc.oneof(
    fc.constantFrom('', '?mediaType=text/plain', '?mediaType=a%00/b', '?mediaType=', '?mediaType=text/html%0d%0aX-Y:%201', '?type=x'),
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => `?mediaType=${encodeURIComponent(text)}`),
  );
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), query, fc.option(digest, { nil: undefined }), async (content, asked, said) => {
      const headers = { 'content-type': 'application/octet-stream', ...(said === undefined ? {} : { 'content-digest': said }) };
      const body = Buffer.from(content);
      const status = await expectSound({ method: 'POST', path: `/v1/attachments${asked}`, headers, body });
      statuses.add(status);
      if (status >= 300) return;
      const kept = await fetch(`${api.url}/v1/attachments/${createHash('sha256').update(content).digest('hex')}`);
      expect(Buffer.from(await kept.arrayBuffer()).equals(body)).toBe(true);
    }),
    runs,
  );
  expect([...statuses]).toEqual(expect.arrayContaining([201, 400]));
});

it('survives any path, method and query', async () => {
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND');
  const segment = fc.oneof(
    fc.constantFrom(
      'v1',
      'tickets',
      'queues',
      'filters',
      'problems',
      'articles',
      'alerts',
      'alert-sources',
      'maintenance',
      'automation-tasks',
      'major-incidents',
      'reactions',
      'attachments',
      'on-call',
      'teams',
      'agents',
      'events',
      'history',
      'sla',
      'docs',
      'health',
      'ready',
      'openapi.json',
      '..',
      '%2e%2e',
      '%00',
      '%zz',
      '%ff',
      '*',
      ':id',
      ...TIERS,
    ),
    printable.map(encodeURIComponent),
    fc.uuid(),
  );
  const path = fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join('/')}`);
  const name = fc.constantFrom(
    'atLeast',
    'limit',
    'cursor',
    'client',
    'team',
    'state',
    'filter',
    'outcome',
    'policy',
    'at',
    'asOf',
    'mediaType',
    'q',
    'sort',
    'status',
    'assigned',
    'openedFrom',
    'from',
    'types',
    'ticket',
    '__proto__',
    'constructor',
    'a[b]',
    'client[$ne]',
  );
  const value = fc.oneof(
    fc.string({ unit: 'binary' }).map(encodeURIComponent),
    fc.constantFrom('0', '-1', '1e3', '%', '%ff', '1/1', '0/0', 'start', 'end', '9223372036854775807/1', 'waiting', 'TicketOpened'),
    fc.nat().map(String),
  );
  const query = fc
    .array(fc.tuple(name, value), { maxLength: 4 })
    .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`));
  await fc.assert(
    fc.asyncProperty(method, path, query, async (verb, at, asked) => {
      await expectSound({ method: verb, path: at + asked, headers: {} });
    }),
    runs,
  );
  const readable = fc.constantFrom('GET', 'HEAD');
  await fc.assert(
    fc.asyncProperty(readable, views().chain(aPath), query, sender(), async (verb, at, asked, headers) => {
      await expectSound({ method: verb, path: at + asked, headers });
    }),
    { numRuns: 2 * runs.numRuns, examples: [['GET', '/v1/queues/L1', '?atLeast=9223372036854775807/1', {}]] },
  );
});

it('survives anything that is not HTTP', async () => {
  const { hostname, port } = new URL(api.url);
  const talk = (bytes: Uint8Array | string) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk) => (text += String(chunk)));
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
      socket.end(bytes);
    });
  const lines = [
    'GARBAGE\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
    'POST /v1/tickets HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n',
  ];
  for (const line of [
    ...lines,
    'POST /v1/tickets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n',
  ]) {
    const answer = await talk(line);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  }
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 100 }), async (bytes) => {
      expect(await talk(bytes)).toMatch(/^$|^HTTP\/1\.1 4\d\d /);
    }),
    { numRuns: 50 },
  );
});

it('works after all of that, without an internal error in its log', async () => {
  const opened = await send(api.url, 'POST', '/v1/tickets', {
    body: { client: randomUUID(), kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' },
  });
  expect(opened.status).toBe(201);
  const shown = await send(api.url, 'GET', `/v1/tickets/${opened.json.ticketId}?atLeast=0`);
  expect(shown.json).toMatchObject({ _id: opened.json.ticketId });
  expect(await api.mongo.db.collection(ticketDetails.name).countDocuments({})).toBeGreaterThan(0);
  expect(api.logged.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});
