import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { ticketCommands, ticketDetails, TIERS } from '#ticketing';
import { type RunningApi, send, startApi } from './testing/running-api.js';

/** No input leads to a 5xx, every error is problem details, and the process lives. */

let api: RunningApi;
let ticketId: string;
beforeAll(async () => {
  api = await startApi();
  const opened = await send(api.url, 'POST', '/v1/tickets', {
    body: { client: api.client, kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' },
  });
  ticketId = opened.json.ticketId;
  await send(api.url, 'GET', `/v1/tickets/${ticketId}?atLeast=0`);
}, 30_000);
afterAll(async () => {
  await api?.stop();
}, 30_000);

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

const commandPaths: ((id: string) => string)[] = [
  ...Object.values(ticketCommands).map(
    ({ route }) =>
      (id: string) =>
        `/v1/tickets${route === '' ? '' : `/${id}/${route}`}`,
  ),
  () => '/v1/batches',
];
const aTicket = () =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.uuid() }).map((id) => id ?? ticketId);
const printable = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 40 });
const latin1 = fc.string({
  unit: fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0x80, max: 0xff })).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});

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
const almostValid = fc
  .tuple(fc.constantFrom(...Object.keys(ticketCommands)), fc.dictionary(field, likelyJson, { maxKeys: 2 }), fc.boolean())
  .map(([name, changes, keep]) => ({ name: name as keyof typeof ticketCommands, changes: keep ? changes : {} }));

/** More with FUZZ_RUNS, for a long look. */
const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 150) };

it('takes any JSON as the body of any command', async () => {
  const { json: document } = await send(api.url, 'GET', '/openapi.json');
  const statuses = new Set<number>();
  const sendBody = async (path: string, body: string) => {
    statuses.add(await expectSound({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body }));
  };
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...commandPaths), aTicket(), likelyJson, async (path, id, value) => {
      await sendBody(path(id), JSON.stringify(value));
    }),
    runs,
  );
  await fc.assert(
    fc.asyncProperty(almostValid, aTicket(), async ({ name, changes }, id) => {
      const { route } = ticketCommands[name];
      const example = document.components.schemas[name].examples[0];
      await sendBody(`/v1/tickets${route === '' ? '' : `/${id}/${route}`}`, JSON.stringify({ ...example, ...changes }));
    }),
    runs,
  );
  // It came as far as commands that are done, refused by the domain, and refused for their fields.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 404, 409]));
}, 120_000);

it('takes any bytes as a body, of any type and with any headers', async () => {
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
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...commandPaths),
      aTicket(),
      type,
      bytes,
      fc.dictionary(headerName, fc.oneof(latin1, word, fc.constantFrom('"0"', '*', 'W/"1"', '"0", "1"')), { maxKeys: 5 }),
      async (path, id, contentType, body, headers) => {
        await expectSound({
          method: 'POST',
          path: path(id),
          headers: { 'content-type': contentType, ...headers, 'content-length': String(body.length) },
          body,
        });
      },
    ),
    runs,
  );
}, 120_000);

it('takes any path, method and query', async () => {
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND');
  const segment = fc.oneof(
    fc.constantFrom(
      'v1',
      'tickets',
      'queues',
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
  const views = fc.constantFrom(
    '/v1/tickets/{id}',
    '/v1/tickets/{id}/history',
    '/v1/tickets/{id}/sla',
    '/v1/queues/L1',
    '/v1/tickets',
    '/v1/events',
    '/health/ready',
  );
  const readable = fc.constantFrom('GET', 'HEAD');
  await fc.assert(
    fc.asyncProperty(readable, views, aTicket(), query, async (verb, view, id, asked) => {
      await expectSound({ method: verb, path: view.replace('{id}', id) + asked, headers: {} });
    }),
    {
      ...runs,
      examples: [['GET', '/v1/queues/L1', null, '?atLeast=9223372036854775807/1']].map(
        ([verb, view, , asked]) => [verb, view, ticketId, asked] as [string, string, string, string],
      ),
    },
  );
}, 120_000);

it('takes what is no HTTP at all', async () => {
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
}, 60_000);

it('works after all of that, and has written nothing to the log as a fault of its own', async () => {
  const opened = await send(api.url, 'POST', '/v1/tickets', {
    body: { client: randomUUID(), kind: 'incident', summary: 's', reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' },
  });
  expect(opened.status).toBe(201);
  const shown = await send(api.url, 'GET', `/v1/tickets/${opened.json.ticketId}?atLeast=0`);
  expect(shown.json).toMatchObject({ _id: opened.json.ticketId });
  expect(await api.mongo.db.collection(ticketDetails.name).countDocuments({})).toBeGreaterThan(0);
  expect(api.logged.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});
