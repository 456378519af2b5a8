import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Aggregate } from '#eventsourcing';
import { isRefusal } from '#eventsourcing';
import { Turns } from '#platform';
import { actorOf, aggregates, commandAccess, forbidden, type Principal, queryAccess, type Role, ROLES } from '#ticketing';
import { startSession } from '#ticketing-app';
import type { RouteAccess } from './openapi.js';
import { rolesPage } from './testing/roles-page.js';
import { eventually } from '../../../test/eventually.js';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

/**
 * Every route and every command, sent as each role: what comes back is what the table says. Both are generated from the OpenAPI document and the
 * table, so that what is new is tried, and a route that no row of the table is for fails.
 */

interface Route {
  readonly method: string;
  readonly path: string;
  readonly row: RouteAccess | undefined;
  /** That it answers without a principal. */
  readonly isOpen: boolean;
  readonly example: object | undefined;
  /** The media type of its body, where that is no JSON. */
  readonly bytes: string | undefined;
}

interface Operation {
  readonly 'x-access'?: RouteAccess;
  readonly security?: readonly object[];
  readonly requestBody?: { readonly content?: Record<string, { readonly examples?: { readonly example: { readonly value: object } } }> };
}

let api: RunningApi;
let routes: readonly Route[];
/** Id of a session of one's own. */
let session: string;
/** The ids of tickets, one for each command: none is changed by another one. */
let ticketIds: readonly string[];
/** Id of a ticket → id of a webhook that goes with it. */
let webhookIds: ReadonlyMap<string, string>;
let questionId = '';

const commands = (aggregates as readonly Aggregate[]).flatMap(({ category, commands }) =>
  Object.entries(commands).map(([name, { route }]) => ({ category, name, route, row: commandAccess[category]?.[name] ?? {} })),
);
const categoryOf = (command: string) => commands.find(({ name }) => name === command)?.category ?? '';

beforeAll(async () => {
  api = await startApi();
  const { paths } = (await send(api.url, 'GET', '/openapi.json')).json as { paths: Record<string, Record<string, Operation>> };
  routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { 'x-access': row, security, requestBody: { content = {} } = {} }]) => ({
      method: method.toUpperCase(),
      path,
      row,
      isOpen: security?.length === 0,
      example: content['application/json']?.examples?.example.value,
      bytes: ['application/octet-stream', 'message/rfc822'].find((type) => type in content),
    })),
  );
  const opening = {
    client: api.client,
    kind: 'incident',
    summary: 's',
    reporter: { id: ME },
    channel: 'chat',
    impact: 'low',
    urgency: 'low',
  };
  await Promise.all(routes.filter(({ method }) => method === 'GET').map((route) => make(route, api.client)));
  const begun = await startSession(api.store, { principal: principalOf('agent'), label: 'matrix' }, randomUUID());
  if (isRefusal(begun)) throw new Error(begun.message);
  session = begun.key;
  ticketIds = await Promise.all(commands.map(async () => (await sent('POST', '/v1/tickets', opening))['ticketId'] ?? ''));
  const hook = { url: 'https://hooks.example/x', clients: [api.client] };
  const about = (what: string) =>
    routes.flatMap(({ path, row }) =>
      path.includes(what) && row !== undefined && 'command' in row ? [commands.findIndex(({ name }) => name === row.command)] : [],
    );
  const webhooks = await Promise.all(
    [0, ...about('{webhook}')].map(
      async (index) => [ticketIds[index] ?? '', (await sent('POST', '/v1/webhooks', hook))['webhook'] ?? ''] as const,
    ),
  );
  webhookIds = new Map(webhooks);
  const asked = { client: api.client, question: 's', reporter: { id: ME } };
  questionId = (await sent('POST', '/v1/questions', asked))['questionId'] ?? '';
});
afterAll(async () => {
  await api?.stop();
});

const ME = 'jane';

/** Condition → somebody who does not meet it, of whom all else is as with somebody who does. */
const NOT_MEETING: Readonly<Record<string, Partial<Principal>>> = {
  'for tickets that they reported': { id: 'stranger' },
  'with themselves as reporter': { id: 'stranger' },
  'for their own questions': { id: 'stranger' },
  'for tickets of their tiers': { id: 'stranger', tiers: ['L4'] },
  'for their own sessions': { id: 'stranger' },
  'for webhooks of their own clients': { clients: ['another'] },
  'for themselves': { id: 'stranger' },
  'for their own clients': { clients: ['another'] },
  "for their clients' accounts": { clients: ['another'] },
  "for their clients' keys": { clients: ['another'] },
  'for teams of their clients': { clients: ['another'] },
  'for filters of their clients': { clients: ['another'] },
};

/** Conditions on what a command says alone: examples meet them, whoever sends them. */
const OF_BODY = ['without declaring a major incident', 'without standing a major incident down'];

const tokens = new Map<string, Promise<string>>();

/** A key of somebody with one role, who meets every condition unless said. */
function tokenOf(role: Role, not: Partial<Principal> = {}): Promise<string> {
  const name = JSON.stringify([role, not]);
  const token = tokens.get(name) ?? keyFor(api.store, principalOf(role, not));
  tokens.set(name, token);
  return token;
}

function principalOf(role: Role, not: Partial<Principal> = {}): Principal {
  return { kind: 'person', id: ME, roles: [role], clients: 'all', tiers: 'all', teams: [], ...not };
}

/** The example of a body, about the client of this test and about oneself. */
function bodyOf(example: object): object {
  const text = JSON.stringify(example).replaceAll('"northwind"', JSON.stringify(api.client));
  const body = JSON.parse(text) as Record<string, unknown>;
  return { ...body, ...('reporter' in body && { reporter: { id: ME } }), ...('account' in body && { account: api.client }) };
}

type Outcome = 'may' | 'not there' | `forbidden: ${string}`;

function outcomeOf({
  status,
  json,
}: {
  readonly status: number;
  readonly json: { readonly code?: string; readonly detail?: string };
}): Outcome {
  if (status === 401 || status === 429 || status >= 500) throw new Error(`${status}: ${JSON.stringify(json)}`);
  // What is hidden is not begun anew in its place.
  if (status === 403) return json.detail === 'This requires access to that client' ? 'not there' : `forbidden: ${json.detail}`;
  return /^(ticket|key|team|filter|webhook|account|question)-not-found$/.test(json.code ?? '') ? 'not there' : 'may';
}

/** More at once would only wait for one another, and on a busy machine for longer than the API does. */
const turns = new Turns(16);

const ask = (...[route, token, ticketId, name]: Parameters<typeof askNow>) => turns.take(() => askNow(route, token, ticketId, name));

/** Asks a route; of a feed it reads the head. */
async function askNow({ method, path, example, bytes }: Route, token: string, ticketId: string, name: string): Promise<Outcome> {
  const values: Readonly<Record<string, string>> = {
    id: ticketId,
    agent: ME,
    tier: 'L1',
    sha256: '0'.repeat(64),
    key: session,
    webhook: webhookIds.get(ticketId) ?? '',
    questionId,
  };
  const filled = path.replace(/\{(\w+)\}/g, (_, parameter: string) => values[parameter] ?? name);
  const ending = new AbortController();
  const response = await fetch(api.url + filled, {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(bytes !== undefined ? { 'Content-Type': bytes } : example === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    signal: ending.signal,
    ...(bytes !== undefined ? { body: 'content' } : example === undefined ? {} : { body: JSON.stringify(bodyOf(example)) }),
  });
  const { status } = response;
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    ending.abort();
    return outcomeOf({ status, json: {} });
  }
  const text = await response.text();
  // What is not valid is refused before anybody is asked who may.
  if (status === 400) throw new Error(`${method} ${filled}: ${text}`);
  // What is streamed is many documents.
  const isDocument = /^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '');
  return outcomeOf({ status, json: isDocument && text.startsWith('{') ? JSON.parse(text) : {} });
}

/** Makes what the tests need, where it is not there yet. */
async function sent(method: string, path: string, body: object): Promise<Record<string, string>> {
  const { status, text } = await turns.take(() => send(api.url, method, path, { body }));
  if (status >= 300 && status !== 409) throw new Error(`${method} ${path}: ${status} ${text}`);
  return JSON.parse(text) as Record<string, string>;
}

/** The form that the documented answers are for. */
const FORM = {
  ...{
    title: 'A new laptop',
    service: 'workplace',
    kind: 'service-request',
    impact: 'low',
    urgency: 'low',
    summary: 'Laptop for {forWhom}',
  },
  fields: ['forWhom', 'size'].map((name) => ({ name, label: name, kind: 'text' })),
};

/** Makes the team, the form or the filter of this client that a command is about. */
async function make({ path, method }: Route, name: string): Promise<void> {
  if (path.includes('{team}')) await sent('POST', `/v1/teams/${name}`, { name, tiers: ['L1'], clients: [api.client] });
  const account = path === '/v1/accounts' && method === 'POST' ? api.client : name;
  if (path.startsWith('/v1/accounts')) await sent('POST', '/v1/accounts', { account, roles: ['agent'], clients: [api.client] });
  if (path.includes('{form}')) await sent('POST', `/v1/forms/${name}`, FORM);
  if (path.includes('{name}')) await sent('PUT', `/v1/filters/${name}`, { query: { client: api.client } });
}

/** What the table says of a command, for somebody who meets the condition and for somebody who does not. */
function expectedOf(
  { row, name }: (typeof commands)[number],
  example: object | undefined,
  role: Role,
): { readonly met: Outcome; readonly notMet?: { readonly not: Partial<Principal>; readonly outcome: Outcome } } {
  const grant = row[role];
  const refused: Outcome = `forbidden: ${forbidden(row).message}`;
  if (grant === undefined) return { met: refused };
  if (grant === true) return { met: 'may' };
  const [needs] = grant.needs.split(', ').filter((one) => !OF_BODY.includes(one));
  if (needs === undefined) return { met: 'may' };
  const not = NOT_MEETING[needs];
  const principal = principalOf(role, not);
  // What is hidden is to the command as though it did not exist.
  const onNothing = { principal, actor: actorOf(principal), id: ME, state: null, body: example === undefined ? {} : bodyOf(example) };
  if (not === undefined) throw new Error(`${name}: nothing is known that does not meet the condition '${grant.needs}'`);
  return { met: 'may', notMet: { not, outcome: grant.hides !== undefined && grant.holds(onNothing) ? 'not there' : refused } };
}

describe('the table of who may do what', () => {
  it('has a row for each route, and a route for each row', () => {
    expect(routes.filter(({ row, isOpen }) => (row === undefined) !== isOpen).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
    const named = new Set(routes.map(({ row }) => JSON.stringify(row)));
    for (const query of Object.keys(queryAccess)) expect([query, named.has(JSON.stringify({ query }))]).toEqual([query, true]);
    for (const { name, route, row } of commands)
      expect([name, named.has(JSON.stringify({ command: name }))]).toEqual([name, route !== undefined || Object.keys(row).length > 0]);
    for (const { row } of routes) {
      if (row === undefined) continue;
      if ('query' in row) expect(Object.keys(queryAccess)).toContain(row.query);
      else if ('command' in row) expect(commands.map(({ name }) => name)).toContain(row.command);
      else expect(Object.keys(commandAccess)).toContain(row.commandsOf);
    }
  });

  it.each(ROLES)('applies to every query: %s', async (role) => {
    const token = await tokenOf(role);
    const asked = routes.flatMap((route) => (route.row !== undefined && 'query' in route.row ? [{ route, query: route.row.query }] : []));
    const answers = await Promise.all(
      asked.map(async ({ route, query }) => ({
        query,
        path: route.path,
        // On a full log the past takes a while to be read, and simulations run two at a time.
        outcome: await eventually(() => ask(route, token, ticketIds[0] ?? '', api.client)),
      })),
    );
    expect(answers).toEqual(
      asked.map(({ query, route }) => {
        const row: Readonly<Partial<Record<Role, unknown>>> = queryAccess[query];
        const roles = Object.fromEntries(Object.keys(row).map((name) => [name, true]));
        return { query, path: route.path, outcome: row[role] === undefined ? `forbidden: ${forbidden(roles as never).message}` : 'may' };
      }),
    );
    expect(answers.length).toBeGreaterThan(20);
  });

  it.each(ROLES)('applies to every command: %s', async (role) => {
    const seen: unknown[] = [];
    const expected: unknown[] = [];
    await Promise.all(
      routes.map(async (route) => {
        if (route.row === undefined || !('command' in route.row)) return;
        const { command } = route.row;
        const index = commands.findIndex(({ name }) => name === command);
        const { met, notMet } = expectedOf(commands[index] as (typeof commands)[number], route.example, role);
        const id = ticketIds[index] ?? '';
        const name = `${api.client}-${command}-${role}`;
        await make(route, name);
        if (notMet !== undefined) {
          const outcome = await ask(route, await tokenOf(role, notMet.not), id, name);
          seen.push({ command, ...notMet.not, outcome });
          expected.push({ command, ...notMet.not, outcome: notMet.outcome });
        }
        const outcome = await ask(route, await tokenOf(role), id, name);
        seen.push({ command, outcome });
        expected.push({ command, outcome: met });
      }),
    );
    expect(seen).toEqual(expected);
    expect(seen.length).toBeGreaterThan(50);
  });

  it.each(ROLES)('applies to every command in a batch: %s', async (role) => {
    const inBatches = routes.flatMap(({ row, example, path }) =>
      // By a form, the command has another body.
      row !== undefined &&
      'command' in row &&
      categoryOf(row.command) === 'ticket' &&
      example !== undefined &&
      path.startsWith('/v1/tickets')
        ? [{ index: commands.findIndex(({ name }) => name === row.command), command: row.command, example, opens: !path.includes('{id}') }]
        : [],
    );
    const items = inBatches.map(({ index, command, example, opens }) => ({
      command,
      body: bodyOf(example),
      ...(opens ? {} : { ticketId: ticketIds[index] }),
    }));
    const batch = async (not: Partial<Principal>): Promise<readonly Outcome[]> => {
      const { json } = await send(api.url, 'POST', '/v1/batches', {
        body: { items },
        headers: { Authorization: `Bearer ${await tokenOf(role, not)}` },
      });
      return json.items.map(({ status, problem = {} }: { status: number; problem?: object }) => outcomeOf({ status, json: problem }));
    };
    const table = inBatches.map(({ index, example }) => expectedOf(commands[index] as (typeof commands)[number], example, role));
    expect(await batch({})).toEqual(table.map(({ met }) => met));
    // Stands for all who do not meet the conditions of tickets.
    expect(await batch({ id: 'stranger', tiers: ['L4'] })).toEqual(table.map(({ met, notMet }) => notMet?.outcome ?? met));
  });

  it('is the page of the documentation', () => {
    const file = new URL('../../../docs/roles.md', import.meta.url);
    const page = rolesPage((name) =>
      routes.flatMap(({ row, method, path }) => {
        if (row === undefined || 'commandsOf' in row) return [];
        return ('query' in row ? row.query : `${categoryOf(row.command)}.${row.command}`) === name ? [`${method} ${path}`] : [];
      }),
    );
    if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, page);
    expect(readFileSync(file, 'utf8')).toBe(page);
  });
});
