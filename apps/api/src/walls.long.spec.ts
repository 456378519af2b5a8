import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { isRefusal } from '#eventsourcing';
import { isAutomatic, projectionGroups, type Role, SHOWN_TO_DESK } from '#ticketing';
import { asOperator, INBOUND_MAIL, issueCredential, TICKET_INSTANTS, WALLS } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

/**
 * Three clients with data of their own, all of which has the client's mark in it. Whatever a principal of one client asks, no mark of another
 * comes back, and what is another's is answered as what never was.
 */

const ROLES_THAT_READ = [
  'requester',
  'agent',
  'lead',
  'auditor',
  'service',
  'assistant',
  'administrator',
] as const satisfies readonly Role[];

interface Client {
  readonly name: string;
  /** Id of a key of the client. */
  readonly key: string;
  /** In every text that the client has. */
  readonly mark: string;
  readonly tickets: readonly string[];
  readonly problem: string;
  readonly sha256: string;
  readonly tokens: Readonly<Record<(typeof ROLES_THAT_READ)[number], string>>;
}

let api: RunningApi;
let clients: readonly Client[];
let paths: readonly string[];
/** Every command that there is over HTTP, with an example of its body. */
let commands: readonly { readonly method: string; readonly path: string; readonly example: object | undefined }[];

interface Operation {
  readonly 'x-access'?: object;
  readonly requestBody?: { readonly content?: Record<string, { readonly examples?: { readonly example: { readonly value: object } } }> };
}

async function done(method: string, path: string, body: object | string, headers: Record<string, string> = {}) {
  const answer = await send(api.url, method, path, { body, headers });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.text}`);
  return answer.json;
}

async function keyFor(client: string, mark: string, role: Role): Promise<{ readonly token: string; readonly key: string }> {
  const principal = { kind: 'service', id: `${mark}-jane`, roles: [role], clients: [client], tiers: 'all', teams: [] } as const;
  const issued = await issueCredential(api.store, { form: 'key', label: role, principal }, asOperator());
  if (isRefusal(issued)) throw new Error(issued.message);
  return issued;
}

async function makeClient(seed: number): Promise<Client> {
  const mark = `mark${randomUUID().slice(0, 8)}`;
  const name = `${api.client}-${mark}`;
  await done('POST', '/v1/contracts', { client: name, terms: {} });
  await done('POST', `/v1/teams/team-${mark}`, { name: `Desk ${mark}`, tiers: ['L1'], clients: [name] });
  await done('PUT', `/v1/reports/report-${mark}`, { client: name, every: 'month', description: mark });
  await done('PUT', `/v1/filters/filter-${mark}`, { query: { client: name }, description: mark });
  const { problemId: problem } = await done('POST', '/v1/problems', { client: name, title: `Printers ${mark}` });
  const content = `content of ${mark}`;
  const sha256 = createHash('sha256').update(content).digest('hex');
  const uploaded = await send(api.url, 'POST', '/v1/attachments', {
    body: content,
    headers: { 'Content-Type': 'application/octet-stream' },
  });
  const levels = fc.constantFrom('low', 'medium', 'high');
  const drawn = fc.sample(
    fc.record({
      impact: levels,
      urgency: levels,
      channel: fc.constantFrom('phone', 'email', 'chat'),
      notes: fc.nat(3),
      mine: fc.boolean(),
    }),
    { numRuns: 6, seed },
  );
  const tickets: string[] = [];
  for (const { impact, urgency, channel, notes, mine } of drawn) {
    const reporter = { id: mine ? `${mark}-jane` : `${mark}-joe`, name: `${mark} Reporter` };
    const body = {
      client: name,
      kind: 'incident',
      summary: `Printer ${mark}`,
      reporter,
      channel,
      impact,
      urgency,
      category: `hardware/${mark}`,
    };
    const { ticketId } = await done('POST', '/v1/tickets', body);
    for (let note = 0; note < notes; note++) await done('POST', `/v1/tickets/${ticketId}/internal-notes`, { text: `${mark} note ${note}` });
    tickets.push(ticketId);
  }
  const { url, mediaType, bytes } = uploaded.json;
  await done('POST', `/v1/tickets/${tickets[0]}/evidence`, { name: `${mark}.txt`, kind: 'log', url, mediaType, sha256, bytes });
  const keys = await Promise.all(ROLES_THAT_READ.map(async (role) => [role, await keyFor(name, mark, role)] as const));
  const tokens = Object.fromEntries(keys.map(([role, { token }]) => [role, token])) as Client['tokens'];
  return { name, mark, tickets, problem, sha256, key: keys[0]?.[1].key ?? '', tokens };
}

beforeAll(async () => {
  api = await startApi();
  clients = await Promise.all([1, 2, 3].map(makeClient));
  const document = (await send(api.url, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, Operation>> };
  paths = Object.entries(document.paths).flatMap(([path, methods]) => ('get' in methods && !path.startsWith('/health') ? [path] : []));
  commands = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { 'x-access': row = {}, requestBody: { content } = {} }]) =>
      'command' in row ? [{ method: method.toUpperCase(), path, example: content?.['application/json']?.examples?.example.value }] : [],
    ),
  );
  const all = async () =>
    (await Promise.all(clients.map(({ name }) => send(api.url, 'GET', `/v1/tickets?client=${name}`)))).map(({ json }) => json.items.length);
  await eventually(all, (counts) => counts.every((count) => count === 6));
  await eventually(
    () => Promise.all(clients.map(({ sha256, tokens }) => get(tokens.agent, `/v1/attachments/${sha256}`))),
    (answers) => answers.every(({ status }) => status === 200),
  );
});
afterAll(async () => {
  await api?.stop();
});

interface Got {
  readonly status: number;
  /** Head and body, without what is of this request alone. */
  readonly text: string;
}

/** Asks as a principal. Of a feed it reads history. On a full log it takes a while to read the past. */
const get = (token: string, path: string, headers?: Record<string, string>): Promise<Got> =>
  eventually(
    () => got(token, path, headers),
    ({ status }) => status < 500,
  );

async function got(token: string, path: string, headers: Record<string, string> = {}): Promise<Got> {
  const ending = new AbortController();
  const response = await fetch(api.url + path, { headers: { Authorization: `Bearer ${token}`, ...headers }, signal: ending.signal });
  let text = '';
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString('utf8');
      if (text.includes(': caught up')) break;
    }
    ending.abort();
  } else {
    text = await response.text();
  }
  const etag = response.headers.get('etag') ?? '';
  return { status: response.status, text: `${etag} ${text.replace(/"(instance|correlationId)":"[^"]*",?/g, '')}` };
}

/** What questions are about. */
type Asked = Pick<Client, 'name' | 'mark' | 'tickets' | 'problem' | 'sha256' | 'key'>;

/** What is asked about a client: each path filled in with what it has. */
function questionsAbout({ name, mark, tickets: [ticket = ''], problem, sha256, key }: Asked): readonly string[] {
  const values: Readonly<Record<string, string>> = {
    id: ticket,
    client: name,
    team: `team-${mark}`,
    agent: mark,
    schedule: mark,
    name: `filter-${mark}`,
    report: `report-${mark}`,
    sha256,
    problemId: problem,
    tier: 'L1',
    key,
  };
  const filled = paths.map((path) => path.replace(/\{(\w+)\}/g, (_, parameter: string) => values[parameter] ?? mark));
  const lists = [
    '/v1/tickets',
    '/v1/queues/L1',
    '/v1/sla-board',
    '/v1/reactions',
    '/v1/events',
    '/v1/problems',
    '/v1/preventive-actions',
  ].map((path) => `${path}?client=${name}`);
  return [
    ...filled,
    ...lists,
    ...['/v1/tickets', '/v1/queues/L1', '/v1/sla-board', '/v1/ticket-counts'].map(
      (path) => `${path}?client=${name}&knownAt=${new Date().toISOString()}`,
    ),
    `/v1/sla-restatements?client=${name}&knownAt=2020-01-01T00:00:00Z&asOf=${new Date().toISOString()}`,
    ...[ticket].map((id) => `/v1/tickets/${id}?asOf=${new Date().toISOString()}`),
    `/v1/tickets?q=${mark}`,
    `/v1/tickets?filter=filter-${mark}`,
    `/v1/tickets?category=hardware/${mark}`,
    `/v1/tickets?reporter=${mark}-jane`,
    `/v1/reactions?ticket=${ticket}`,
    `/v1/events?ticket=${ticket}`,
    `/v1/events?types=TicketOpened`,
    ...[0, 1, 3, 99].flatMap((revision) => [
      `/v1/tickets/${ticket}?atLeast=${revision}`,
      `/v1/tickets/${ticket}/history?atLeast=${revision}`,
    ]),
  ];
}

const nobody: Asked = {
  name: 'nobody',
  mark: 'nothing',
  tickets: [randomUUID()],
  problem: randomUUID(),
  sha256: '0'.repeat(64),
  key: '0'.repeat(20),
};

describe('walls between clients', () => {
  it('are there for each view', () => {
    expect(Object.keys(WALLS).sort()).toEqual(
      [...projectionGroups.flatMap(({ faces }) => faces.map(({ name }) => name)), TICKET_INSTANTS, INBOUND_MAIL].sort(),
    );
  });

  it.each(ROLES_THAT_READ)('hold for a %s on every route, about whatever they ask', async (role) => {
    let asked = 0;
    let seen = 0;
    const leaks: string[] = [];
    const mine = clients[ROLES_THAT_READ.indexOf(role) % clients.length] as Client;
    const foreign = clients.filter((other) => other !== mine);
    // Of the others one or the other, in turns.
    const theirs = foreign.map(questionsAbout);
    const paths = questionsAbout(mine).flatMap((path, index) => [path, theirs[index % theirs.length]?.[index] ?? path]);
    for (const path of paths) {
      const { text } = await get(mine.tokens[role], path);
      asked++;
      for (const other of foreign) {
        // What was asked itself may come back in a message; nothing else of theirs does.
        const told = path.includes(other.mark) ? text.replaceAll(other.mark, '').replaceAll(other.name, '') : text;
        if ([other.mark, ...other.tickets].some((secret) => told.includes(secret))) leaks.push(path);
        if (path.includes(other.mark) && /"items":\[\{/.test(text)) leaks.push(path);
      }
      if (text.includes(mine.mark)) seen++;
    }
    expect(leaks).toEqual([]);
    expect(asked).toBeGreaterThan(120);
    expect(seen).toBeGreaterThan(0);
  });

  it('make another client’s things indistinguishable from missing ones', async () => {
    const [mine, other] = clients as readonly [Client, Client];
    const [theirs, none] = [questionsAbout(other), questionsAbout(nobody)];
    const plain = (text: string, { name, mark, tickets: [ticket = ''], sha256, key }: Asked) =>
      [name, mark, ticket, sha256, key]
        .reduce((said, word) => said.replaceAll(word, '…'), text)
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'now');
    for (const [index, path] of theirs.entries()) {
      // These tell of one's own data, whatever is asked about.
      if (!/mark|[0-9a-f]{8}-/.test(path)) continue;
      const [one, another] = await Promise.all([get(mine.tokens.administrator, path), get(mine.tokens.administrator, none[index] ?? '')]);
      expect({ path, status: one.status, text: plain(one.text, other) }).toEqual({
        path,
        status: another.status,
        text: plain(another.text, nobody),
      });
    }
    const tag = { 'If-None-Match': '*' };
    expect((await get(mine.tokens.administrator, `/v1/tickets/${other.tickets[0]}`, tag)).status).toBe(404);
    const [fromTheirs] = [await send(api.url, 'GET', `/v1/tickets?client=${other.name}&limit=1`)];
    const cursor = encodeURIComponent(fromTheirs.json.next);
    const { status, text } = await get(mine.tokens.administrator, `/v1/tickets?client=${other.name}&limit=1&cursor=${cursor}`);
    expect([status, text.trim()]).toEqual([200, '{"items":[]}']);
  });

  it('protect another client’s things from every command', async () => {
    const [mine, other] = clients as readonly [Client, Client];
    const names = {
      id: other.tickets[0] ?? '',
      team: `team-${other.mark}`,
      name: `filter-${other.mark}`,
      report: `report-${other.mark}`,
      key: other.key,
    };
    const streams = [
      `ticket-${names.id}`,
      `team-${names.team}`,
      `filter-${names.name}`,
      `report-${names.report}`,
      `credential-${names.key}`,
      `contract-${other.name}`,
    ];
    const lengths = () =>
      Promise.all(
        streams.map(async (stream) => {
          let length = 0;
          // What time alone brings about may come meanwhile.
          for await (const { metadata } of api.store.readStream(stream)) if (!isAutomatic(metadata)) length++;
          return { stream, length };
        }),
      );
    const before = await lengths();
    expect(before.every(({ length }) => length > 0)).toBe(true);
    const about = new Set<string>();
    for (const { method, path, example } of commands) {
      const theirs = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => parameter).filter((parameter) => parameter in names);
      for (const owner of [mine.name, other.name]) {
        if (theirs.length === 0 && owner === mine.name) continue;
        // As it stands, about a client of one's own, and about theirs.
        const body = example && JSON.parse(JSON.stringify(example).replaceAll('"northwind"', JSON.stringify(owner)));
        for (const role of ['lead', 'administrator'] as const) {
          const filled = path.replace(/\{(\w+)\}/g, (_, parameter: string) => names[parameter as keyof typeof names] ?? mine.mark);
          await send(api.url, method, filled, { ...(body && { body }), headers: { Authorization: `Bearer ${mine.tokens[role]}` } });
        }
        for (const parameter of theirs) about.add(parameter);
      }
    }
    expect([...about].sort()).toEqual(Object.keys(names).sort());
    expect(await lengths()).toEqual(before);
  });

  it('make another client’s ticket in a body indistinguishable from a missing one', async () => {
    const [mine, other] = clients as readonly [Client, Client];
    const own = `/v1/tickets/${mine.tickets[0]}`;
    const opening = {
      client: mine.name,
      kind: 'incident',
      summary: 's',
      reporter: { id: 'joe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
    };
    const naming: readonly (readonly [string, (ticketId: string) => object])[] = [
      [`${own}/links`, (ticketId) => ({ ticketId, relation: 'relates-to' })],
      [`${own}/links`, (ticketId) => ({ ticketId, relation: 'child-of' })],
      [`${own}/merge`, (into) => ({ into, reason: 'r' })],
      ['/v1/tickets', (follows) => ({ ...opening, follows })],
      [`/v1/problems/${mine.problem}/tickets`, (ticketId) => ({ ticketId })],
      ['/v1/automation-tasks', (ticketId) => ({ ticketId, action: 'restart' })],
    ];
    const [theirs, none] = [other.tickets[0] ?? '', randomUUID()];
    for (const [path, bodyOf] of naming) {
      const answers = [theirs, none].map(async (id) => {
        const headers = { Authorization: `Bearer ${mine.tokens.lead}` };
        const { status, json } = await send(api.url, 'POST', path, { body: bodyOf(id), headers });
        return { path, status, code: json.code, detail: json.detail, faults: json.faults };
      });
      const [one, another] = await Promise.all(answers);
      expect(one).toEqual(another);
      expect(one).toMatchObject({ status: 422, code: 'other-ticket-not-found' });
    }
  });

  it('hold for simulations, too', async () => {
    const [mine, other] = clients as readonly [Client, Client];
    const headers = { Authorization: `Bearer ${mine.tokens.lead}` };
    const run = (body: object) => send(api.url, 'POST', '/v1/simulations', { body, headers });
    expect((await run({ terms: {} })).json.totals.byClient).toEqual([expect.objectContaining({ client: mine.name })]);
    expect((await run({ terms: {}, client: other.name })).json.totals).toMatchObject({ tickets: 0, byClient: [] });
  });

  it('show a requester what they reported, and nothing else', async () => {
    const ofDesk = new Set<string>(SHOWN_TO_DESK);
    for (const { name, mark, tokens } of clients) {
      const all = (await send(api.url, 'GET', `/v1/tickets?client=${name}&reporter=${mark}-jane`)).json.items;
      const answer = await send(api.url, 'GET', '/v1/tickets', { headers: { Authorization: `Bearer ${tokens.requester}` } });
      const shown = all.map((line: object) => Object.fromEntries(Object.entries(line).filter(([field]) => !ofDesk.has(field))));
      expect(answer.json.items).toEqual(shown);
      const own = new Set(all.map(({ _id }: { readonly _id: string }) => _id));
      for (const id of clients.flatMap(({ tickets }) => tickets)) {
        const { status, text } = await get(tokens.requester, `/v1/tickets/${id}/conversation`);
        expect([id, status, text.includes('note')]).toEqual([id, own.has(id) ? 200 : 404, false]);
      }
    }
  });
});
