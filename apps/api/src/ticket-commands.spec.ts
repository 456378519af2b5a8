import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { streamName } from '#eventsourcing';
import { defaultContract, isPublic, type PublicCommandName, ticket } from '#ticketing';
import { type Answer, keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const open = { kind: 'incident', summary: 'Cannot print', reporter: { id: 'j.doe' }, channel: 'phone', impact: 'low', urgency: 'low' };

function post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return send(api.url, 'POST', path, { body, headers });
}

async function openTicket(): Promise<string> {
  const opened = await post('/v1/tickets', { ...open, client: api.client });
  expect(opened.status).toBe(201);
  return opened.json.ticketId;
}

async function eventsOf(ticketId: string) {
  const events = [];
  for await (const event of api.store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect({ status: answer.status, code: answer.json.code, type: answer.headers.get('content-type') }).toEqual({
    status,
    code,
    type: 'application/problem+json',
  });
  expect(answer.json).toMatchObject({
    type: `urn:tierline:problem:${code}`,
    status,
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^\//),
  });
}

describe('the documented examples', () => {
  it('work as they stand, in the order of a ticket’s life', async () => {
    const lives: PublicCommandName[][] = [
      [
        'OpenTicket',
        'TriageTicket',
        'AssignTicket',
        'UnassignTicket',
        'AssignTicket',
        'StartWork',
        'RecordDiagnosticStep',
        'AttachEvidence',
        'EscalateToTier',
        'ReturnEscalation',
        'EscalateToTier',
        'AcceptEscalation',
        'DeescalateToTier',
        'PutOnHold',
        'Resume',
        'ResolveTicket',
        'ReopenTicket',
        'ResolveWithRootCause',
        'CloseTicket',
      ],
      ['OpenTicket', 'CancelTicket'],
      ['OpenTicket', 'LinkTicket', 'UnlinkTicket', 'SplitTicket', 'MergeTicket'],
      [
        'OpenTicket',
        'ClaimTicket',
        'TakeOverTicket',
        'SendPublicReply',
        'AddInternalNote',
        'RecordTouchTime',
        'StartTouchTime',
        'StopTouchTime',
        'PutOnHold',
        'RecordRequesterReply',
        'RequestConsultation',
        'AnswerConsultation',
        'DeclareMajorIncident',
        'EscalateHierarchically',
        'StandDownMajorIncident',
        'PlanOnsiteVisit',
        'BeginOnsiteVisit',
        'CompleteOnsiteVisit',
        'RecordVendorReply',
        'ResolveTicket',
        'RecordSatisfaction',
      ],
      ['OpenTicket', 'StartRunbook', 'TickRunbookStep'],
      ['OpenTicket', 'AcknowledgeEscalation'],
      ['OpenTicket', 'StartWork', 'RestateSla'],
      [
        'OpenTicket',
        'StartWork',
        'ProposeReply',
        'ApproveProposal',
        'ProposeHandOff',
        'RejectProposal',
        'ProposeResolution',
        'ApproveProposal',
      ],
    ];
    expect(new Set(lives.flat())).toEqual(new Set(Object.keys(ticket.commands).filter(isPublic)));

    const untouched = {
      name: 'untouched',
      trigger: { on: 'opened' },
      steps: [{ after: 3_600_000, targets: [{ kind: 'team', team: 'leads' }] }],
    };
    const client = `${api.client}-examples`;
    await post('/v1/contracts', { client, terms: { escalationPolicies: [untouched] } });

    const { json: document } = await send(api.url, 'GET', '/openapi.json');
    /** What the examples of relations name by an invented id. */
    const other = (await post('/v1/tickets', { ...open, client })).json.ticketId;
    /** What the example of a runbook names by an id that another test may have, too. */
    const article = `KB-${randomUUID()}`;
    await post('/v1/articles', { article, title: 't', text: 't', visibility: 'desk', steps: [{ title: 'Restart the spooler' }] });
    for (const done of ['reviews', 'publish']) await post(`/v1/articles/${article}/${done}`, {});
    for (const life of lives) {
      let ticketId = '';
      let revision = -1;
      for (const name of life) {
        // There is something to restate once another contract is known to have been in force.
        if (name === 'RestateSla') {
          const targets = { ...defaultContract.targets, high: { response: 3_600_000, resolution: 7_200_000 } };
          await post('/v1/contracts', { client, terms: { targets }, effectiveFrom: '2020-01-01T00:00:00Z' });
        }
        const path = ticket.commands[name].route.replace('POST ', '');
        const opens = path === '/v1/tickets';
        const { value } = document.paths[path].post.requestBody.content['application/json'].examples.example;
        if (name === 'StartRunbook') value.article = article;
        for (const field of ['ticketId', 'into']) if (field in value) value[field] = other;
        if ('client' in value) value.client = client;
        const answer = await post(path.replace('{id}', ticketId), value);
        expect({ name, status: answer.status, body: answer.json }).toMatchObject({
          name,
          status: opens ? 201 : 200,
          body: { repeated: false },
        });
        ticketId = answer.json.ticketId;
        expect(answer.json.events.length).toBeGreaterThan(0);
        revision += answer.json.events.length;
        expect(answer.json.revision).toBe(revision);
        expect(answer.headers.get('etag')).toBe(`"${revision}"`);
        expect(answer.json.position).toMatch(/^\d+\/\d+$/);
        if (opens) expect(answer.headers.get('location')).toBe(`/v1/tickets/${ticketId}`);
      }
      expect((await eventsOf(ticketId)).map(({ revision }) => revision)).toEqual([...Array(revision + 1).keys()]);
    }
  });
});

describe('what is recorded with an event', () => {
  it('is who did it, what it belongs to, and both times', async () => {
    const before = new Date().toISOString();
    const opened = await post(
      '/v1/tickets',
      { ...open, client: api.client, effectiveAt: '2020-01-02T03:04:05+01:00' },
      {
        'X-Actor-Id': 'ada',
        'X-Actor-Name': Buffer.from('Ada Łovelace').toString('latin1'),
        'X-Actor-Kind': 'requester',
        'X-Correlation-Id': 'call-77',
        'Idempotency-Key': randomUUID(),
      },
    );
    expect(opened.headers.get('x-correlation-id')).toBe('call-77');
    const [event] = await eventsOf(opened.json.ticketId);
    expect(event?.metadata).toMatchObject({
      actor: { id: 'ada', name: 'Ada Łovelace', kind: 'requester' },
      correlationId: 'call-77',
      causationId: event?.metadata.commandId,
      commandType: 'OpenTicket',
      client: api.client,
      effectiveAt: '2020-01-02T02:04:05.000Z',
    });
    expect(event && event.metadata.recordedAt >= before && event.metadata.recordedAt <= new Date().toISOString()).toBe(true);
  });

  it('is who has the key, a new correlation and now, when nothing is said', async () => {
    const [event] = await eventsOf(await openTicket());
    expect(event?.metadata).toMatchObject({
      actor: { id: 'administrator', kind: 'system' },
      correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      effectiveAt: event?.metadata.recordedAt,
    });
  });
});

describe('Idempotency-Key', () => {
  it('gives a repeated opening the same response, executed once', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await post('/v1/tickets', { ...open, client: api.client }, headers);
    const reordered = Object.fromEntries(Object.entries({ ...open, client: api.client }).reverse());
    const second = await post('/v1/tickets', reordered, headers);
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json).toEqual({ ticketId: first.json.ticketId, revision: 0, repeated: true, events: first.json.events });
    expect(second.headers.get('etag')).toBe('"0"');
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(await eventsOf(first.json.ticketId)).toHaveLength(1);
  });

  it('answers a repeated command with what it did then, also when the ticket has moved on', async () => {
    const id = await openTicket();
    const headers = { 'Idempotency-Key': 'start' };
    const first = await post(`/v1/tickets/${id}/work`, {}, headers);
    await post(`/v1/tickets/${id}/hold`, { reason: 'customer', note: 'away' });
    const second = await post(`/v1/tickets/${id}/work`, {}, headers);
    expect(second.status).toBe(200);
    expect(second.json).toMatchObject({ revision: first.json.revision, repeated: true, events: first.json.events });
    expect(await eventsOf(id)).toHaveLength(3);
  });

  it('is refused for another body, and for another command', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const { json } = await post('/v1/tickets', { ...open, client: api.client }, headers);
    expectProblem(await post('/v1/tickets', { ...open, client: api.client, summary: 'Another' }, headers), 422, 'idempotency-key-reused');
    await post(`/v1/tickets/${json.ticketId}/diagnostic-steps`, { action: 'looked', outcome: 'nothing' }, headers);
    expectProblem(
      await post(`/v1/tickets/${json.ticketId}/diagnostic-steps`, { action: 'looked', outcome: 'smoke' }, headers),
      422,
      'idempotency-key-reused',
    );
    expectProblem(await post(`/v1/tickets/${json.ticketId}/work`, {}, headers), 422, 'idempotency-key-reused');
    expect(await eventsOf(json.ticketId)).toHaveLength(2);
  });

  it('executes it once for twenty concurrent requests', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/v1/tickets', { ...open, client: api.client }, headers)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
    const ids = new Set(answers.map(({ json }) => json.ticketId));
    expect(ids.size).toBe(1);
    const [id] = [...ids];
    const steps = await Promise.all(
      Array.from({ length: 20 }, () => post(`/v1/tickets/${id}/diagnostic-steps`, { action: 'looked', outcome: 'nothing' }, headers)),
    );
    expect(steps.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(await eventsOf(id)).toHaveLength(2);
  });

  it('distinguishes two bodies sent with one key at once: one is executed, the others are refused', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, index) => post('/v1/tickets', { ...open, client: api.client, summary: `No ${index}` }, headers)),
    );
    const done = answers.filter(({ status }) => status === 201);
    expect(done).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) expectProblem(answer, 422, 'idempotency-key-reused');
    const [event] = await eventsOf(done[0]?.json.ticketId);
    expect(event?.data).toMatchObject({ summary: done[0]?.json.events[0].data.summary });
  });

  it('lets everyone without one through', async () => {
    const id = await openTicket();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => post(`/v1/tickets/${id}/diagnostic-steps`, { action: 'looked', outcome: 'nothing' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect(await eventsOf(id)).toHaveLength(6);
  });
});

describe('If-Match', () => {
  const step = { action: 'looked', outcome: 'nothing' };

  it('lets a command through at the revision that it names, alone or in a list', async () => {
    const id = await openTicket();
    expect((await post(`/v1/tickets/${id}/diagnostic-steps`, step, { 'If-Match': '"0"' })).headers.get('etag')).toBe('"1"');
    expect((await post(`/v1/tickets/${id}/diagnostic-steps`, step, { 'If-Match': '"0", "1"' })).headers.get('etag')).toBe('"2"');
    expect((await post(`/v1/tickets/${id}/diagnostic-steps`, step, { 'If-Match': '*' })).headers.get('etag')).toBe('"3"');
  });

  it.each(['"7"', '"1", "7"', 'W/"0"', '"zero"'])('refuses at a revision other than %s', async (tag) => {
    const id = await openTicket();
    const answer = await post(`/v1/tickets/${id}/diagnostic-steps`, step, { 'If-Match': tag });
    expectProblem(answer, 412, 'revision-mismatch');
    expect(answer.json).toMatchObject({ detail: expect.stringContaining('at revision 0'), revision: 0 });
    expect(await eventsOf(id)).toHaveLength(1);
  });

  it('lets one of two with the same revision through', async () => {
    const id = await openTicket();
    const answers = await Promise.all([1, 2, 3].map(() => post(`/v1/tickets/${id}/diagnostic-steps`, step, { 'If-Match': '"0"' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
  });

  it('does not prevent a repetition', async () => {
    const id = await openTicket();
    const headers = { 'If-Match': '"0"', 'Idempotency-Key': 'k' };
    await post(`/v1/tickets/${id}/diagnostic-steps`, step, headers);
    expect((await post(`/v1/tickets/${id}/diagnostic-steps`, step, headers)).json).toMatchObject({ repeated: true, revision: 1 });
  });

  it('must be entity tags', async () => {
    const answer = await post(`/v1/tickets/${randomUUID()}/diagnostic-steps`, step, { 'If-Match': '7' });
    expectProblem(answer, 400, 'invalid-header');
    expect(answer.json.faults).toEqual([{ field: 'If-Match', message: expect.any(String) }]);
  });
});

describe('ClaimTicket', () => {
  it('lets one of fifty concurrent claims win; the others learn who has the ticket', async () => {
    const id = await openTicket();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        post(`/v1/tickets/${id}/claim`, {}, { 'X-Actor-Id': `agent-${index}`, 'X-Actor-Name': `Agent ${index}` }),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    const winner = won[0]?.json.events[0].data.assignee;
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expectProblem(answer, 409, 'already-claimed');
      expect(answer.json.detail).toBe(`${winner.name} already has the ticket`);
    }
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual(['TicketOpened', 'TicketAssigned']);
    // Whoever has it may claim it again: that is so already.
    expect((await post(`/v1/tickets/${id}/claim`, {}, { 'X-Actor-Id': winner.id })).json).toMatchObject({ events: [] });
  });
});

describe('an entryReason', () => {
  it('lets a ticket enter above L1 if a lead gives it, and no one else', async () => {
    for (const role of ['requester', 'agent', 'service', 'assistant', 'lead', 'administrator'] as const) {
      const token = await keyFor(api.store, { kind: 'person', id: 'jane', roles: [role], clients: [api.client], tiers: 'all', teams: [] });
      const body = { ...open, client: api.client, reporter: { id: 'jane' }, tier: 'L2', entryReason: 'Known to L2' };
      const { status, json } = await send(api.url, 'POST', '/v1/tickets', { body, headers: { Authorization: `Bearer ${token}` } });
      const mayEnter = role === 'lead' || role === 'administrator';
      expect({ role, status, code: json.code }).toEqual({
        role,
        status: mayEnter ? 201 : 409,
        code: mayEnter ? undefined : 'tier-skipped',
      });
    }
  });
});

describe('what looks empty, and names that look like others', () => {
  const faultsOf = async (path: string, body: object) => (await post(path, body)).json.faults?.map(({ field }: { field: string }) => field);

  it.each(['\u200b', '\u00a0\u2003', '\u3164', '\u2800', '\ufeff\u2060', '\u202e', '\n\t'])('%j is no text', async (blank) => {
    expect(await faultsOf('/v1/tickets', { ...open, client: api.client, summary: blank, description: blank })).toEqual([
      'summary',
      'description',
    ]);
    const id = await openTicket();
    expect(await faultsOf(`/v1/tickets/${id}/internal-notes`, { text: blank })).toEqual(['text']);
    expect(await faultsOf(`/v1/tickets/${id}/escalations`, { reason: 'r', handoff: { errorMessages: [blank] }, tier: 'L2' })).toContain(
      'handoff.errorMessages',
    );
    expectProblem(
      await post(`/v1/tickets/${id}/claim`, {}, { 'X-Actor-Id': Buffer.from(blank).toString('latin1') }),
      400,
      'invalid-header',
    );
  });

  it.each(['north\nwind', 'north\u202ewind', 'north\u200bwind', 'north\u0007wind', 'northwind\ufeff', 'north\u2066wind'])(
    '%j is no name of a client, a person, a team or an agent',
    async (name) => {
      const body = { ...open, client: name, reporter: { id: name, name }, team: name };
      expect(await faultsOf('/v1/tickets', body)).toEqual(['client', 'reporter.id', 'reporter.name', 'team']);
      expect(await faultsOf(`/v1/agents/${randomUUID()}`, { name })).toEqual(['name']);
      expectProblem(await post(`/v1/agents/${encodeURIComponent(name)}`, { name: 'Ada' }), 404, 'agent-not-found');
      expect(await faultsOf('/v1/on-call', { schedule: name, rotations: [] })).toEqual(['schedule']);
    },
  );
});

describe('ids in capitals', () => {
  it('are the same ids, in bodies and paths, and are returned in lower case', async () => {
    const [one, other] = [await openTicket(), await openTicket()];
    const linked = await post(`/v1/tickets/${one.toUpperCase()}/links`, { ticketId: other.toUpperCase(), relation: 'relates-to' });
    expect(linked.json).toMatchObject({ ticketId: one, events: [{ type: 'TicketLinked', data: { ticketId: other } }] });
  });
});

describe('what a command is refused for', () => {
  it('a hand-off that lacks something: the list of what is missing', async () => {
    const answer = await post(`/v1/tickets/${await openTicket()}/escalations`, { tier: 'L2', reason: 'No idea' });
    expectProblem(answer, 422, 'hand-off-incomplete');
    expect(answer.json.faults.map(({ field }: { field: string }) => field)).toEqual([
      'handoff.summary',
      'handoff.errorMessages',
      'handoff.logs',
      'handoff.stepsTried',
    ]);
  });

  it('a transition that its state does not have', async () => {
    expectProblem(await post(`/v1/tickets/${await openTicket()}/close`, {}), 409, 'not-resolved');
  });

  it('fields that break their rules, each named', async () => {
    const answer = await post('/v1/tickets', { ...open, client: '', kind: 'wish', reporter: { name: 7 }, priority: 'high' });
    expectProblem(answer, 400, 'invalid-body');
    expect(answer.json.faults.map(({ field }: { field: string }) => field).sort()).toEqual([
      'client',
      'kind',
      'priority',
      'reporter.id',
      'reporter.name',
    ]);
  });

  it('something that has not happened yet', async () => {
    const effectiveAt = new Date(Date.now() + 120_000).toISOString();
    expectProblem(await post('/v1/tickets', { ...open, client: api.client, effectiveAt }), 422, 'effective-in-the-future');
    const almost = new Date(Date.now() + 20_000).toISOString();
    expect((await post('/v1/tickets', { ...open, client: api.client, effectiveAt: almost })).status).toBe(201);
  });

  it('a ticket that does not exist', async () => {
    expectProblem(await post(`/v1/tickets/${randomUUID()}/work`, {}), 404, 'ticket-not-found');
    expectProblem(await post('/v1/tickets/first/work', {}), 404, 'ticket-not-found');
  });

  it('more than the store can keep in one event', async () => {
    const id = await openTicket();
    const text = 'é'.repeat(2000);
    for (let step = 0; step < 40; step++) await post(`/v1/tickets/${id}/diagnostic-steps`, { action: text, outcome: text });
    // The steps that the ticket has, and as many again as one body may have: 1.1 MB together.
    const handoff = {
      summary: 'all of it',
      errorMessages: ['x'],
      logs: ['x'],
      stepsTried: Array.from({ length: 100 }, () => ({ action: text, outcome: text })),
    };
    const answer = await post(`/v1/tickets/${id}/escalations`, { tier: 'L2', reason: 'too much', handoff });
    expectProblem(answer, 422, 'event-too-large');
  });
});

describe('what does not even reach a command', () => {
  it.each([
    ['no JSON', '{"client": ', {}, 400, 'malformed-json'],
    ['an empty body that claims to be JSON', '', { 'Content-Type': 'application/json' }, 400, 'malformed-json'],
    ['a __proto__', '{"__proto__": {"a": 1}}', {}, 400, 'invalid-body'],
    ['a __proto__ that is no JSON either', '{"__proto__": {"a": 1}', {}, 400, 'malformed-json'],
    ['another media type', 'client=a', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415, 'unsupported-media-type'],
    ['text', '{}', { 'Content-Type': 'text/plain' }, 415, 'unsupported-media-type'],
    ['Latin-1', '{}', { 'Content-Type': 'application/json; charset=latin1' }, 415, 'unsupported-media-type'],
    ['UTF-16', '{}', { 'Content-Type': 'application/json; a=b;Charset="UTF-16"' }, 415, 'unsupported-media-type'],
    ['a coding', '{}', { 'Content-Encoding': 'deflate' }, 415, 'unsupported-media-type'],
    ['a megabyte and more', `{"summary": "${'x'.repeat(1024 * 1024)}"}`, {}, 413, 'body-too-large'],
    ['a key that is none', '{}', { 'Idempotency-Key': 'a b' }, 400, 'invalid-header'],
    ['an actor that is none', '{}', { 'X-Actor-Name': 'Ada' }, 400, 'invalid-header'],
  ])('%s', async (_what, body, headers: Record<string, string>, status, code) => {
    const path = status === 400 && code === 'invalid-header' ? `/v1/tickets/${randomUUID()}/resume` : '/v1/tickets';
    expectProblem(await post(path, body, headers), status, code);
  });

  it('a compressed body, which is called what it is', async () => {
    const response = await fetch(`${api.url}/v1/tickets`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
      body: gzipSync(JSON.stringify({ ...open, client: api.client })),
    });
    expect([response.status, response.headers.get('accept-encoding')]).toEqual([415, 'identity']);
    expect(await response.json()).toMatchObject({ code: 'unsupported-media-type', detail: expect.stringContaining('gzip') });
  });

  it('takes UTF-8 by that name', async () => {
    for (const charset of ['utf-8', 'UTF-8', '"utf-8"'])
      expect(
        (await post('/v1/tickets', { ...open, client: api.client }, { 'Content-Type': `application/json; charset=${charset}` })).status,
      ).toBe(201);
  });

  it('bytes that are no UTF-8', async () => {
    const response = await fetch(`${api.url}/v1/tickets`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: Buffer.from('7b22ff223a317d', 'hex'),
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'malformed-json']);
  });

  it('a parameter that there is not', async () => {
    expectProblem(await post('/v1/tickets?dryRun=true', { ...open, client: api.client }), 400, 'invalid-query');
  });

  it('an address or a method that there is not', async () => {
    expectProblem(await post('/v1/nowhere', {}), 404, 'not-found');
    expectProblem(await post(`/v1/tickets/${randomUUID()}/Work`, {}), 404, 'not-found');
    const wrong = await send(api.url, 'DELETE', `/v1/tickets/${randomUUID()}`);
    expectProblem(wrong, 405, 'method-not-allowed');
    expect(wrong.headers.get('allow')).toBe('GET, HEAD');
    expectProblem(await send(api.url, 'GET', '/v1/tickets/%zz'), 400, 'malformed-request');
    expectProblem(await send(api.url, 'GET', `/v1/tickets/${'x'.repeat(1_001)}`), 414, 'uri-too-long');
  });

  it('a trailing slash is accepted, and so is a missing body if none is needed', async () => {
    const id = await openTicket();
    await post(`/v1/tickets/${id}/hold/`, { reason: 'customer', note: 'away' });
    expect((await post(`/v1/tickets/${id.toUpperCase()}/resume/`)).status).toBe(200);
  });
});
