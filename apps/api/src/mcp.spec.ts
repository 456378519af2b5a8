import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js';
import type { Role } from '#ticketing';
import { bridgeMcp, bridgeStreams } from '../../cli/src/mcp-command.js';
import { answered, eventually } from '../../../test/eventually.js';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
const clients: Client[] = [];
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await api?.stop();
});

const keyOf = (kind: 'assistant' | 'person', role: Role) =>
  keyFor(api.store, { kind, id: `${role}-7`, roles: [role], clients: [api.client], tiers: 'all', teams: [] });

/** The protocol's own client, with a key. */
async function connected(token: string): Promise<Client> {
  const client = new Client({ name: 'spec', version: '1' });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', api.url), { requestInit }));
  clients.push(client);
  return client;
}

interface Result {
  readonly isError: boolean;
  // Answers are looked at by the tests, whatever they are.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly json: any;
}

async function call(client: Client, name: string, given: object): Promise<Result> {
  // As long as a view has not come so far yet, on a busy machine.
  const { isError = false, structuredContent: json } = await answered(
    () => client.callTool({ name, arguments: { ...given } }),
    ({ structuredContent }) => (structuredContent as { code?: string } | undefined)?.code !== 'not-yet-visible',
  );
  return { isError: isError === true, json };
}

const opening = () => ({
  client: api.client,
  kind: 'incident',
  summary: 'No print',
  reporter: { id: 'joe' },
  channel: 'chat',
  impact: 'low',
  urgency: 'low',
});

describe('an assistant', () => {
  it('opens a ticket, reads it, and records its attempts and a question to another tier under its own name', async () => {
    const assistant = await connected(await keyOf('assistant', 'assistant'));
    const key = { idempotencyKey: randomUUID() };
    const opened = await call(assistant, 'open_ticket', { ...opening(), ...key });
    const { ticketId: id } = opened.json;
    expect(opened).toMatchObject({ isError: false, json: { revision: 0, events: [{ type: 'TicketOpened' }] } });
    expect((await call(assistant, 'open_ticket', { ...opening(), ...key })).json).toMatchObject({ ticketId: id, repeated: true });
    await call(assistant, 'record_diagnostic_step', { id, action: 'Restarted', outcome: 'Same' });
    const asked = await call(assistant, 'ask_another_tier', { id, tier: 'L2', question: 'May we restart the spooler?' });
    const { revision: atLeast } = asked.json;
    const read = await call(assistant, 'read_ticket', { id, atLeast });
    expect(read.json).toMatchObject({ summary: 'No print', stepsTried: [{ action: 'Restarted' }], consultations: [{ tier: 'L2' }] });
    const { json: history } = await call(assistant, 'read_ticket_history', { id });
    expect(history.items.map(({ actor }: { actor: object }) => actor)).toEqual(Array(3).fill({ id: 'assistant-7', kind: 'assistant' }));
    const { json: queue } = await call(assistant, 'read_queue', { tier: 'L1', client: api.client });
    expect(queue.items).toMatchObject([{ _id: id }]);
    const { json: found } = await call(assistant, 'find_tickets', { q: 'print', client: api.client, limit: 1 });
    expect(found.items).toHaveLength(1);
    expect((await call(assistant, 'who_am_i', {})).json).toMatchObject({ principal: { kind: 'assistant', roles: ['assistant'] } });
  });

  it('proposes, with model and prompt: a person approves or rejects it, unless the contract lets it do so alone', async () => {
    const [assistant, agent] = await Promise.all([
      keyOf('assistant', 'assistant').then(connected),
      keyOf('person', 'agent').then(connected),
    ]);
    const { ticketId: id } = (await call(assistant, 'open_ticket', { ...opening(), category: 'hardware' })).json;
    const using = { model: 'gpt-örtlich', prompt: 'l1-triage/7' };
    const handOff = { id, tier: 'L2', reason: 'Needs the server', handoff: { summary: 'No print' } };
    const lacking = await call(assistant, 'propose_hand_off', handOff);
    const fields = lacking.json.faults.map(({ field }: { field: string }) => field);
    expect([lacking.json.code, fields]).toEqual(['hand-off-incomplete', ['handoff.errorMessages', 'handoff.logs', 'handoff.stepsTried']]);
    const proposed = await call(assistant, 'propose_reply', { id, text: 'Restart it', ...using });
    const { revision: atLeast } = (await call(assistant, 'propose_resolution', { id, article: 'KB-1', ...using })).json;
    expect(proposed.json).toMatchObject({ events: [{ type: 'ActProposed', data: { act: 'reply', body: { text: 'Restart it' } } }] });
    expect((await call(agent, 'read_ticket', { id, atLeast })).json).toMatchObject({ status: 'open', proposals: [{ act: 'reply' }, {}] });
    const waiting = await call(agent, 'find_tickets', { client: api.client, proposed: true });
    expect(waiting.json.items).toMatchObject([{ _id: id }]);
    expect((await call(agent, 'approve_proposal', { id })).json).toMatchObject({ status: 409, code: 'not-one' });
    const [{ data: proposal }] = proposed.json.events;
    const rejected = await call(agent, 'reject_proposal', { id, proposalId: proposal.proposalId, reason: 'Tried already' });
    expect(rejected.isError).toBe(false);
    await call(agent, 'approve_proposal', { id });
    const { items } = (await call(agent, 'read_ticket_history', { id })).json;
    const by = items.map((line: { type: string; actor: { kind: string }; using?: object }) => [line.type, line.actor.kind, line.using]);
    expect(by).toEqual([
      ['TicketOpened', 'assistant', undefined],
      ['ActProposed', 'assistant', using],
      ['ActProposed', 'assistant', using],
      ['ProposalRejected', 'agent', undefined],
      ['ProposalApproved', 'agent', undefined],
      ['TicketResolved', 'agent', undefined],
    ]);
    await expect(call(assistant, 'approve_proposal', { id })).rejects.toThrow('your role may not use it');
    const volume = `/v1/kpis/ticket-volume?client=${api.client}&groupBy=servedBy&servedBy=both`;
    await eventually(async () =>
      expect((await send(api.url, 'GET', volume)).json.groups).toMatchObject([{ key: { servedBy: 'both' }, value: 1 }]),
    );
  });

  it('gets the same errors as from the API', async () => {
    const assistant = await connected(await keyOf('assistant', 'assistant'));
    const wrong = async (name: string, given: object) => {
      const { isError, json } = await call(assistant, name, given);
      return [isError, json.status, json.code, (json.faults ?? []).map(({ field }: { field: string }) => field)];
    };
    const { impact: _, ...lacking } = opening();
    expect(await wrong('open_ticket', { ...lacking, more: 1 })).toEqual([true, 400, 'invalid-body', ['more', 'impact']]);
    expect(await wrong('open_ticket', { ...opening(), client: 'another' })).toEqual([true, 403, 'forbidden', []]);
    expect(await wrong('read_ticket', { id: 'x' })).toEqual([true, 404, 'ticket-not-found', []]);
    expect(await wrong('read_ticket', {})).toEqual([true, 400, 'invalid-query', ['id']]);
    expect(await wrong('add_note', { id: null, text: 'x' })).toEqual([true, 400, 'invalid-query', ['id']]);
    for (const id of ['', '.', '..', {}]) expect(await wrong('read_ticket', { id })).toEqual([true, 400, 'invalid-query', ['id']]);
    const note = { id: randomUUID(), text: 'x' };
    expect(await wrong('add_note', { ...note, idempotencyKey: null, model: {} })).toEqual([
      true,
      400,
      'invalid-query',
      ['idempotencyKey', 'model'],
    ]);
    // What stands in headers is told of by the arguments that it came from.
    for (const [argument, value] of Object.entries({ idempotencyKey: 'two words', model: 'a\nb', prompt: ' ' })) {
      const { json } = await call(assistant, 'add_note', { ...note, [argument]: value });
      expect(json).toMatchObject({
        code: 'invalid-header',
        detail: expect.stringContaining(`${argument} must be`),
        faults: [{ field: argument }],
      });
    }
    expect(await wrong('find_tickets', { q: {}, status: null })).toEqual([true, 400, 'invalid-query', ['q', 'status']]);
    expect(await wrong('find_tickets', { nothing: 'x' })).toEqual([true, 400, 'invalid-query', ['nothing']]);
    expect(await wrong('read_problem', { problemId: randomUUID() })).toEqual([true, 404, 'problem-not-found', []]);
    await expect(call(assistant, 'nothing', {})).rejects.toThrow(/^MCP error -32602: There is no tool nothing/);
  });

  it('is offered what its role may do, with self-contained schemas of the API', async () => {
    const offered = async (kind: 'assistant' | 'person', role: Role) =>
      (await (await connected(await keyOf(kind, role))).listTools()).tools;
    const [assistant, agent, auditor] = await Promise.all([
      offered('assistant', 'assistant'),
      offered('person', 'agent'),
      offered('person', 'auditor'),
    ]);
    const names = (tools: readonly { name: string }[]) => tools.map(({ name }) => name);
    expect(names(assistant)).toEqual(expect.arrayContaining(['open_ticket', 'read_queue', 'propose_hand_off', 'find_problems']));
    for (const name of ['resolve_ticket', 'hand_off', 'send_reply']) expect(names(assistant)).not.toContain(name);
    expect(names(agent)).toEqual(expect.arrayContaining(['resolve_ticket', 'hand_off', 'send_reply']));
    expect(auditor.every(({ annotations }) => annotations?.readOnlyHint)).toBe(true);
    const handOff = agent.find(({ name }) => name === 'hand_off')?.inputSchema as unknown as {
      $defs: object;
      required: string[];
      properties: object;
    };
    expect(handOff.required.sort()).toEqual(['id', 'reason', 'tier']);
    expect(handOff.properties).toMatchObject({ idempotencyKey: { type: 'string' }, handoff: { $ref: '#/$defs/HandOffBody' } });
    expect(Object.keys(handOff.$defs)).toEqual(expect.arrayContaining(['HandOffBody', 'DiagnosticStepBody', 'VendorCaseBody']));
    expect(JSON.stringify(agent)).not.toContain('#/components/');
  });

  it('is offered the same on another transport, such as standard input and output', async () => {
    const [here, there] = InMemoryTransport.createLinkedPair();
    const token = await keyOf('assistant', 'assistant');
    const bridge = bridgeMcp({ url: api.url, key: token }, there, new AbortController().signal);
    const assistant = new Client({ name: 'spec', version: '1' });
    await assistant.connect(here);
    expect(assistant.getInstructions()).toContain('problem details');
    expect((await assistant.listTools()).tools).toEqual((await (await connected(token)).listTools()).tools);
    expect((await call(assistant, 'who_am_i', {})).json).toMatchObject({ principal: { id: 'assistant-7' } });
    expect(await call(assistant, 'read_ticket', { id: 'x' })).toMatchObject({ isError: true, json: { code: 'ticket-not-found' } });
    await expect(call(assistant, 'nothing', {})).rejects.toThrow(/^MCP error -32602: There is no tool nothing/);
    await assistant.close();
    await bridge;
    const refused = (to: { url: string; key: string }) => expect(bridgeMcp(to, there, new AbortController().signal)).rejects;
    await refused({ url: api.url, key: 'x' }).toThrow('does not take the key');
    await refused({ url: 'http://127.0.0.1:1', key: token }).toThrow('No API answers at http://127.0.0.1:1');
    await refused({ url: 'nowhere', key: token }).toThrow('nowhere is no address of an API');
  });

  it('answers requests made on standard input before its end', async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    let written = '';
    output.setEncoding('utf8').on('data', (text: string) => (written += text));
    const asked = [
      {
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'spec', version: '1' } },
      },
      { id: 2, method: 'tools/call', params: { name: 'who_am_i' } },
      { id: 3, method: 'tools/list' },
      { id: 4, method: 'nothing' },
    ];
    input.end(asked.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''));
    await bridgeStreams({ url: api.url, key: await keyOf('assistant', 'assistant') }, input, output, new AbortController().signal);
    const answers = written.trim().split('\n');
    expect(answers.map((line) => (JSON.parse(line) as { id: number }).id).sort()).toEqual([1, 2, 3, 4]);
  });

  it('needs a key, and must not be a page of another origin', async () => {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
    const ask = (headers: Record<string, string>, method = 'POST') =>
      send(api.url, method, '/mcp', {
        ...(method === 'POST' ? { body: message } : {}),
        headers: { Accept: 'application/json, text/event-stream', ...headers },
      });
    expect((await ask({ Authorization: '' })).json).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect((await ask({ Origin: 'https://evil.example' })).json).toMatchObject({ status: 403, code: 'foreign-origin' });
    expect((await ask({}, 'GET')).json).toMatchObject({ status: 405, code: 'method-not-allowed' });
    expect((await ask({ Accept: 'application/json' })).status).toBe(406);
    expect((await ask({})).json).toMatchObject({ jsonrpc: '2.0', id: 1, result: { tools: expect.any(Array) } });
  });
});
