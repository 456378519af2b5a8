import { randomUUID } from 'node:crypto';
import { validate } from '@readme/openapi-parser';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Aggregate, Route } from '#eventsourcing';
import { aggregates, cloudEventType, policies, projectionGroups, publicEventTypes, type PublicCommandName, ticket } from '#ticketing';
import { codesOfEveryCommand } from '#ticketing-app';
import { eventually } from '../../../test/eventually.js';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a document of any shape is what is tested
let document: any;

/** Every command that has a route. */
const routes = aggregates.flatMap(({ commands }: Aggregate) =>
  Object.entries(commands).flatMap(([name, { route, body, refuses }]) => (route === undefined ? [] : [{ name, route, body, refuses }])),
);

function operationAt(route: Route) {
  const [method = '', path = ''] = route.split(' ');
  return document.paths[path][method.toLowerCase()];
}

/** What a part stands for, where it refers to the components. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a document of any shape is what is tested
function resolved(part: any): any {
  const [, kind = '', name = ''] = /^#\/components\/(\w+)\/(.+)$/.exec(part.$ref ?? '') ?? [];
  return part.$ref === undefined ? part : document.components[kind][name];
}

beforeAll(async () => {
  api = await startApi();
  document = (await send(api.url, 'GET', '/openapi.json')).json;
});
afterAll(async () => {
  await api?.stop();
});

describe('/openapi.json', () => {
  it('is valid OpenAPI 3.1', async () => {
    expect(document.openapi).toBe('3.1.0');
    const result = await validate(structuredClone(document));
    expect(result).toEqual({ valid: true, warnings: [], specification: 'OpenAPI' });
  });

  it('has every command with its body, and every other route', () => {
    for (const { name, route, body } of routes) {
      const operation = operationAt(route);
      expect(operation.operationId).toBe(name);
      expect(operation.tags).toHaveLength(1);
      const schema = operation.requestBody?.content['application/json'].schema;
      expect(schema).toEqual(body && { $ref: `#/components/schemas/${name}` });
    }
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/batches',
        '/v1/tickets/{id}',
        '/v1/tickets/{id}/history',
        '/v1/contracts/{client}/history',
        '/v1/api-keys/{key}/history',
        '/v1/tickets/{id}/sla',
        '/v1/tickets/{id}/sla/autopsy',
        '/v1/tickets/{id}/sla-restatements',
        '/v1/sla-restatements',
        '/v1/ticket-counts',
        '/v1/webhooks/{webhook}/history',
        '/v1/sla-board',
        '/v1/simulations',
        '/v1/tickets/{id}/why',
        '/v1/queues/{tier}',
        '/v1/reactions',
        '/v1/audit/reads',
        '/v1/privacy/{client}',
        '/v1/privacy/{client}/history',
        '/v1/privacy/{client}/forgotten-persons',
        '/v1/filters',
        '/v1/filters/{name}',
        '/v1/articles',
        '/v1/articles/{article}',
        '/v1/capacity',
        '/v1/questions',
        '/v1/questions/{questionId}',
        '/v1/questions/{questionId}/helped',
        '/v1/questions/{questionId}/history',
        '/v1/question-counts',
        '/v1/forms',
        '/v1/forms/{form}',
        '/v1/forms/{form}/requests',
        '/v1/forms/{form}/withdraw',
        '/v1/forms/{form}/history',
        '/v1/problems',
        '/v1/problems/{problemId}',
        '/v1/preventive-actions',
        '/v1/problems/{problemId}/report',
        '/v1/tickets/{id}/root-cause-report',
        '/v1/on-call',
        '/v1/on-call/overrides',
        '/v1/on-call/{schedule}',
        '/v1/teams',
        '/v1/teams/{team}',
        '/v1/teams/{team}/shifts',
        '/v1/teams/{team}/members',
        '/v1/teams/{team}/members/remove',
        '/v1/agents',
        '/v1/agents/{agent}',
        '/v1/agents/{agent}/absences',
        '/v1/agents/{agent}/absences/end',
        '/v1/agents/{agent}/leave',
        '/v1/contracts',
        '/v1/contracts/{client}',
        '/v1/default-contract',
        '/v1/seals',
        '/v1/api-keys',
        '/v1/sessions',
        '/v1/principal',
        '/v1/events',
        '/v1/events/digest',
        '/health/live',
        '/health/ready',
      ]),
    );
    expect(document.paths['/v1/queues/{tier}'].get.parameters.map((part: object) => resolved(part).name)).toEqual(
      expect.arrayContaining(['tier', 'client', 'team', 'state', 'limit', 'cursor', 'atLeast']),
    );
  });

  it('lists each operation once', () => {
    const tags = Object.values(document.paths).flatMap((path) =>
      Object.values(path as Record<string, { operationId: string; tags?: string[] }>).map((operation) => operation.tags ?? []),
    );
    expect(tags.length).toBeGreaterThan(50);
    expect(tags.filter((names) => names.length !== 1)).toEqual([]);
  });

  it('lists for each command the codes that it can return, and no others', () => {
    const everywhere = [
      'unauthenticated',
      'foreign-origin',
      'malformed-request',
      'invalid-query',
      'invalid-header',
      'misdirected-request',
      'rate-limited',
      'internal-error',
      'query-too-long',
      'store-unavailable',
    ];
    const ofBodies = ['malformed-json', 'invalid-body', 'body-too-large', 'unsupported-media-type'];
    for (const { name, route, body, refuses } of routes) {
      const codes = Object.values(operationAt(route).responses).flatMap((part) => {
        const content = resolved(part as object).content['application/problem+json'];
        return content === undefined ? [] : content.schema.allOf[1].properties.code.enum;
      });
      const expected = [...everywhere, ...(body ? ofBodies : []), ...codesOfEveryCommand, 'contended', 'deleted', ...refuses];
      expect([name, codes.sort()]).toEqual([name, [...new Set(expected)].sort()]);
    }
  });

  it('stays small enough to be read: shared parts occur once', () => {
    const operations = Object.values<object>(document.paths).flatMap((path) => Object.keys(path));
    expect(operations.length).toBeGreaterThan(200);
    expect(Buffer.byteLength(JSON.stringify(document)) / operations.length).toBeLessThan(3_500);
  });

  it('has examples that match its own schemas', () => {
    const ajv = new Ajv2020({ strict: false });
    ajv
      .addFormat('date-time', true)
      .addFormat('date', true)
      .addFormat('uuid', true)
      .addFormat('uri', true)
      .addFormat('uri-reference', true);
    ajv.addSchema({ $id: 'api', components: document.components });
    for (const { name, body } of routes) {
      if (body === undefined) continue;
      const valid = ajv.compile({ $ref: `api#/components/schemas/${name}` });
      const [example] = document.components.schemas[name].examples;
      expect({ name, valid: valid(example), errors: valid.errors }).toEqual({ name, valid: true, errors: null });
      expect(valid({ ...example, unknownField: 1 })).toBe(false);
    }
  });
});

describe('the answers', () => {
  /** The schema, with nothing allowed that it does not name. */
  function closed(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map(closed);
    if (typeof schema !== 'object' || schema === null) return schema;
    const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
    return 'properties' in inner && !('additionalProperties' in inner) ? { ...inner, additionalProperties: false } : inner;
  }

  it('match the document, in every field, throughout a ticket’s life', async () => {
    const ajv = new Ajv2020({ strict: false });
    for (const format of ['date-time', 'date', 'uuid', 'uri', 'uri-reference']) ajv.addFormat(format, true);
    ajv.addSchema({ $id: 'answers', components: { schemas: closed(document.components.schemas) } });
    const matches = (name: string) => {
      const valid = ajv.compile({ $ref: `answers#/components/schemas/${name}` });
      return (value: unknown) =>
        expect({ name, valid: valid(value), errors: valid.errors, value }).toEqual({ name, valid: true, errors: null, value });
    };
    const [isAnswer, isDetails, isEntry, isSla, isQueued, isListed, isAutopsy, isLine, isProblem] = [
      'CommandAnswer',
      'TicketDetails',
      'HistoryEntry',
      'TicketSla',
      'QueueEntry',
      'TicketListEntry',
      'TicketAutopsy',
      'SlaBoardLine',
      'Problem',
    ].map(matches) as [(value: unknown) => void, ...((value: unknown) => void)[]];
    const example = (name: string) => document.components.schemas[name].examples[0];
    const shown = (view: string) => send(api.url, 'GET', view);
    const lives = [
      [
        'TriageTicket',
        'AssignTicket',
        'UnassignTicket',
        'StartWork',
        'RecordDiagnosticStep',
        'AttachEvidence',
        'EscalateToTier',
        'PutOnHold',
        'Resume',
        'ReturnEscalation',
        'EscalateToTier',
        'AcceptEscalation',
      ],
      ['DeescalateToTier', 'PutOnHold', 'ResolveTicket', 'ReopenTicket', 'ResolveWithRootCause', 'CloseTicket'],
    ].flat() as PublicCommandName[];
    const other = (await send(api.url, 'POST', '/v1/tickets', { body: { ...example('OpenTicket'), client: api.client } })).json.ticketId;
    for (const life of [lives, ['LinkTicket', 'MergeTicket', 'CancelTicket'] as const]) {
      const opened = await send(api.url, 'POST', '/v1/tickets', {
        body: { ...example('OpenTicket'), client: api.client, team: 'service-desk' },
        headers: { 'X-Actor-Id': 'ada', 'X-Actor-Name': 'Ada' },
      });
      let answer = opened.json;
      const path = `/v1/tickets/${answer.ticketId}`;
      for (const name of [undefined, ...life]) {
        if (name !== undefined)
          answer = (
            await send(api.url, 'POST', ticket.commands[name].route.replace('POST /v1/tickets/{id}', path), {
              body: { ...example(name), ...(name === 'LinkTicket' ? { ticketId: other } : name === 'MergeTicket' ? { into: other } : {}) },
            })
          ).json;
        isAnswer(answer);
        const [details, history, sla, queue, list, autopsy, board] = await Promise.all(
          [`${path}?`, `${path}/history?`, `${path}/sla?`]
            .map((view) => `${view}atLeast=${answer.revision}`)
            .concat(
              `/v1/queues/L1?client=${api.client}&atLeast=${answer.position}`,
              `/v1/tickets?client=${api.client}&atLeast=${answer.position}`,
              `${path}/sla/autopsy`,
              `/v1/sla-board?client=${api.client}&atLeast=${answer.position}`,
            )
            .map(shown),
        );
        isDetails?.(details?.json);
        for (const entry of history?.json.items ?? []) isEntry?.(entry);
        expect(history?.json.items).toHaveLength(answer.revision + 1);
        isSla?.(sla?.json);
        for (const entry of queue?.json.items ?? []) isQueued?.(entry);
        for (const entry of list?.json.items ?? []) isListed?.(entry);
        isAutopsy?.(autopsy?.json);
        for (const line of board?.json.items ?? []) isLine?.(line);
        expect(list?.json.items.length).toBeGreaterThan(0);
      }
    }
    isProblem?.((await send(api.url, 'POST', '/v1/tickets', { body: {} })).json);
    // The collections, too: what each publishes as its schema holds for all that is in it.
    for (const { name } of projectionGroups.flatMap(({ faces }) => faces)) {
      const [collection] = await api.mongo.db.listCollections({ name }, { nameOnly: false }).toArray();
      const options = collection?.options;
      expect(options).toMatchObject({ validator: { $jsonSchema: { bsonType: 'object' } }, validationLevel: 'off' });
      expect({ name, odd: await api.mongo.db.collection(name).findOne({ $nor: [options?.['validator']] }) }).toEqual({ name, odd: null });
    }
  }, 300_000);
});

describe('/', () => {
  it('redirects browsers to the docs, and lists entry points for others', async () => {
    const asked = (accept: string) => fetch(`${api.url}/`, { headers: { accept }, redirect: 'manual' });
    const browser = await asked('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8');
    expect([browser.status, browser.headers.get('location'), await browser.text()]).toEqual([302, '/docs', '']);
    const program = await asked('*/*');
    expect([program.status, program.headers.get('vary')]).toEqual([200, 'Accept']);
    const { name, api: root, ...places } = (await program.json()) as Record<string, string>;
    expect([name, root]).toEqual(['Tierline', '/v1']);
    for (const path of Object.values(places)) expect((await send(api.url, 'GET', path)).status).toBe(200);
  });
});

describe('/docs', () => {
  it('is Swagger UI, served only from here', async () => {
    const page = await send(api.url, 'GET', '/docs');
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self';");
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
    expect(files).toHaveLength(4);
    for (const file of files) expect((await send(api.url, 'GET', file)).status).toBe(200);
  });

  it('serves nothing else', async () => {
    for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/../../etc/passwd', '/docs/constructor']) {
      expect((await send(api.url, 'GET', path)).status).toBe(404);
    }
  });
});

describe('/schemas', () => {
  it('has a JSON Schema for each type of event that other services read', async () => {
    const { items } = (await send(api.url, 'GET', '/schemas')).json;
    expect(items).toContainEqual({
      type: 'com.tierline.ticket.escalated.v1',
      event: 'TicketEscalated',
      schema: '/schemas/com.tierline.ticket.escalated.v1.json',
    });
    const { headers, json } = await send(api.url, 'GET', '/schemas/com.tierline.ticket.escalated.v1.json');
    expect(headers.get('content-type')).toMatch(/^application\/schema\+json/);
    expect(json).toMatchObject({
      title: 'com.tierline.ticket.escalated.v1',
      properties: { from: { enum: expect.arrayContaining(['L1']) } },
    });
    for (const name of ['TicketEscalated', 'com.tierline.ticket.nothing.v1.json', 'constructor', '..%2fpackage.json'])
      expect((await send(api.url, 'GET', `/schemas/${name}`)).status).toBe(404);
  });
});

describe('/asyncapi.json', () => {
  it('is a public AsyncAPI document with each type of event', async () => {
    const { json, status } = await send(api.url, 'GET', '/asyncapi.json', { headers: { Authorization: 'none' } });
    expect(status).toBe(200);
    expect(json.asyncapi).toBe('3.0.0');
    const messages = Object.values(json.components.messages as Record<string, { name: string }>).map(({ name }) => name);
    expect(messages.sort()).toEqual(publicEventTypes.map(cloudEventType).sort());
  });
});

describe('/health', () => {
  it('reports that the process is alive', async () => {
    expect((await send(api.url, 'GET', '/health/live')).json).toEqual({ status: 'up' });
  });

  it('is ready, with the state and the lag of each view and each policy', async () => {
    const areRunning = ({ json }: Answer) => Object.values<{ state: string }>(json.views).every(({ state }) => state === 'running');
    const ready = await eventually(() => send(api.url, 'GET', '/health/ready'), areRunning);
    expect(ready.status).toBe(200);
    expect(ready.json).toMatchObject({ status: 'up', stores: { eventStore: 'up', readModels: 'up' } });
    expect(Object.keys(ready.json.views).sort()).toEqual(projectionGroups.flatMap(({ faces }) => faces.map(({ name }) => name)).sort());
    for (const view of Object.values(ready.json.views)) {
      expect(view).toMatchObject({ state: 'running', lagMs: expect.any(Number) });
    }
    // Nobody runs them here.
    expect(ready.json.policies).toEqual(
      Object.fromEntries(policies.map(({ name }) => [name, { state: 'stopped', lagMs: expect.any(Number) }])),
    );
  });

  it('reports why a view or a policy fails', async () => {
    const trouble = { message: 'the event could not be read', at: '2026-11-21T10:00:00.000Z' };
    const [policy] = policies;
    const controls = api.mongo.db.collection<{ _id: string }>('views');
    const own = { [policy?.name ?? '']: { checkpoint: null, trouble } };
    await controls.insertOne({ _id: 'policies:ticket/0', owner: null, leaseUntil: null, checkpoint: null, policies: own } as never);
    const { json } = await send(api.url, 'GET', '/health/ready');
    expect(json).toMatchObject({ status: 'up', policies: { [policy?.name ?? '']: { state: 'failing', trouble } } });
  });

  it('reports that the views were made from another log, and then no list answers', async () => {
    const controls = api.mongo.db.collection<{ _id: string }>('views');
    const event = { stream: `ticket-${randomUUID()}`, revision: 0, id: randomUUID() };
    await controls.insertOne({ _id: 'other/0', owner: null, checkpoint: { commit: '1', prepare: '1', event } } as never);
    const ready = await send(api.url, 'GET', '/health/ready');
    expect([ready.status, ready.json.stores.readModels]).toEqual([503, 'other-log']);
    // It is looked up every few seconds.
    let list = await send(api.url, 'GET', '/v1/tickets');
    while (list.status === 200) list = await send(api.url, 'GET', '/v1/tickets');
    expect(list.json).toMatchObject({ status: 503, code: 'other-log' });
    await controls.deleteOne({ _id: 'other/0' });
  });
});
