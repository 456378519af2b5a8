import { readFileSync, writeFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { createLog } from '#platform';
import { DAY, policies, type Principal } from '#ticketing';
import { eventually } from '../../../test/eventually.js';
import { startWorker } from '../../worker/src/worker.js';
import { keyFor, type RunningApi, send, startApi } from './testing/running-api.js';

const page = new URL('../../../docs/problems.md', import.meta.url);
const [BEGIN, END] = ['<!-- walk: begin -->\n', '<!-- walk: end -->'];

let api: RunningApi;
let assistant: Client;
let requester = '';
const agents = new Map<string, string>();

beforeAll(async () => {
  api = await startApi();
  const worker = startWorker({ store: api.store, db: api.mongo.db, groups: [], policies, log: createLog('silent') });
  api.stores.onClose(() => worker.stop());
  const key = (id: string, more: Pick<Principal, 'kind' | 'roles'>) =>
    keyFor(api.store, { id, clients: [api.client], tiers: 'all', teams: [], ...more });
  requester = await key('jane', { kind: 'person', roles: ['requester'] });
  for (const [id, role] of [
    ['ada', 'agent'],
    ['bob', 'agent'],
    ['grace', 'agent'],
    ['lea', 'lead'],
  ] as const)
    agents.set(id, await key(id, { kind: 'person', roles: [role] }));
  assistant = new Client({ name: 'walk', version: '1' });
  const requestInit = { headers: { Authorization: `Bearer ${await key('l1-bot', { kind: 'assistant', roles: ['assistant'] })}` } };
  await assistant.connect(new StreamableHTTPClientTransport(new URL('/mcp', api.url), { requestInit }));
});
afterAll(async () => {
  await assistant?.close();
  await api?.stop();
});

/** What is said in the transcript in place of ids that differ each time. */
const names = new Map<string, string>();
const lines: string[] = [];

function named(value: unknown): string {
  let text = JSON.stringify(value);
  for (const [id, name] of names) text = text.replaceAll(id, name);
  return text;
}

function tell(who: string, what: string, given: object | undefined, came: unknown): void {
  lines.push(`${who.padEnd(7)}${what}${given === undefined ? '' : ` ${named(given)}`}`, `       → ${named(came)}`);
}

// Answers are looked at by the walk, whatever they are.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answered = any;

/** Without when it was fixed, which the transcript cannot know. */
const untimed = ({ fixedAt: _, ...told }: Answered): Answered => told;

/** A tool call of the assistant, as the protocol's own client sends it. @param shows what the transcript has of the answer */
async function tool(name: string, given: Record<string, unknown>, shows: (json: Answered) => unknown): Promise<Answered> {
  const { structuredContent: json } = await assistant.callTool({ name, arguments: given });
  tell('l1-bot', name, given, shows(json));
  return json;
}

/** A request of a person. */
async function asks(
  who: string,
  method: 'GET' | 'POST',
  path: string,
  body: object | undefined,
  shows: (json: Answered) => unknown,
): Promise<Answered> {
  const headers = { Authorization: `Bearer ${agents.get(who) ?? requester}` };
  const { json } = await send(api.url, method, path, { headers, ...(body && { body }) });
  tell(who, `${method} ${named(path).slice(1, -1)}`, body, shows(json));
  return json;
}

const types = ({ events = [], code }: { readonly events?: readonly { readonly type: string }[]; readonly code?: string }) =>
  code ?? events.map(({ type }) => type);

const about = { service: 'printing', category: 'hardware/printer' };

async function opened(n: number): Promise<string> {
  const opening = {
    kind: 'incident',
    reporter: { id: 'jane' },
    channel: 'portal',
    impact: 'low',
    urgency: 'medium',
    client: api.client,
    ...about,
  };
  const { ticketId } = (await send(api.url, 'POST', '/v1/tickets', { body: { ...opening, summary: `Nothing is printed (${n})` } })).json;
  names.set(ticketId, `T${n}`);
  return ticketId;
}

/** What the log has of a ticket, once it holds. */
const ticketOnce = (id: string, holds: (ticket: Answered) => boolean): Promise<Answered> =>
  eventually(async () => (await send(api.url, 'GET', `/v1/tickets/${id}`)).json, holds);

it('goes from the tenth ticket of one kind to the closed problem, and back when its fix did not hold', async () => {
  names.set(api.client, 'northwind');
  const terms = { recurrence: { tickets: 10, within: 7 * DAY }, assistants: { 'hand-off': 'approval' } };
  await send(api.url, 'POST', '/v1/contracts', { body: { client: api.client, terms } });
  const evidence = {
    summary: 'Jobs stay in the queue of FIN-2',
    errorMessages: ['0x00000709'],
    logs: ['https://files.example.com/spooler.log'],
    stepsTried: [{ action: 'Restarted the spooler', outcome: 'Prints, for an hour' }],
  };
  const deeper = { ...evidence, stepsToReproduce: ['Print 500 jobs'], diagnosticData: ['handles: 65,535'], environment: 'Driver 4.1' };

  lines.push('# The first ticket: L2 fixes it. Eight more follow, which L1 resolves alike.');
  const first = await opened(1);
  await asks('ada', 'POST', `/v1/tickets/${first}/escalations`, { tier: 'L2', reason: 'Needs the server', handoff: evidence }, types);
  await asks('bob', 'POST', `/v1/tickets/${first}/escalations/accept`, {}, types);
  await asks('bob', 'POST', `/v1/tickets/${first}/resolution`, { cause: 'The spooler hangs', fix: 'Restarted it' }, types);
  for (let n = 2; n < 10; n++) {
    const body = { article: 'KB-0042' };
    expect((await send(api.url, 'POST', `/v1/tickets/${await opened(n)}/resolution`, { body })).status).toBe(200);
  }

  lines.push('', '# The tenth: the assistant has it.');
  const tenth = await opened(10);
  const recurring = await ticketOnce(tenth, ({ problems, recursFrom }) => problems !== undefined && recursFrom !== undefined);
  const { problemId } = recurring.problems[0];
  names.set(problemId, 'P');
  await tool('search_knowledge', { q: 'nothing is printed' }, ({ items }) => ({
    articles: items.filter(({ client }: { client?: string }) => client === api.client).length,
  }));
  await tool('read_ticket', { id: tenth }, ({ summary, problems, recursFrom: { ticketId, tier } }) => ({
    summary,
    problems,
    recursFrom: { ticketId, tier },
  }));
  const found = await tool('read_problem', { problemId }, ({ title, status, tickets, openedBy }) => ({
    title,
    status,
    tickets: tickets.length,
    openedBy,
  }));
  expect(found).toMatchObject({ title: 'Recurring: hardware/printer (printing)', tickets: { length: 10 }, openedBy: { kind: 'system' } });
  await tool('record_diagnostic_step', { id: tenth, action: 'Restarted the spooler', outcome: 'Prints, for an hour' }, types);
  const handOff = { id: tenth, tier: 'L3', reason: 'L2 has fixed it before, and it is back' };
  const lacking = await tool('propose_hand_off', { ...handOff, handoff: evidence }, ({ code, faults }) => ({
    code,
    faults: faults.map(({ field }: { field: string }) => field),
  }));
  expect(lacking.code).toBe('hand-off-incomplete');
  const using = { model: 'a-model', prompt: 'l1/7' };
  expect(types(await tool('propose_hand_off', { ...handOff, handoff: deeper, ...using }, types))).toEqual(['ActProposed']);
  const escalated = await asks('ada', 'POST', `/v1/tickets/${tenth}/proposals/approve`, {}, ({ events }) =>
    events.map(({ type, data: { from, to, skipped } }: Answered) => ({ type, from, to, skipped })),
  );
  expect(escalated.events[1]).toMatchObject({ type: 'TicketEscalated', data: { from: 'L1', to: 'L3', skipped: 'recurrence' } });

  lines.push('', '# L3 finds the cause.');
  const problem = `/v1/problems/${problemId}`;
  await asks('grace', 'POST', `/v1/tickets/${tenth}/escalations/accept`, {}, types);
  await asks('grace', 'POST', `${problem}/workaround`, { workaround: 'Restart the spooler every night' }, types);
  await ticketOnce(tenth, ({ problems }) => problems?.[0]?.status === 'known-error');
  const whys = [
    { why: 'Why does nothing print?', because: 'The spooler has no handles left', evidence: [`ticket/${tenth}/0`] },
    { why: 'Why has it none left?', because: 'Driver 4.1 never gives them back' },
    { why: 'Why is it on every server?', because: 'Drivers are updated everywhere at once' },
  ];
  await asks('grace', 'POST', `${problem}/five-whys`, { whys }, types);
  await asks('grace', 'POST', `${problem}/root-cause`, { rootCause: 'Driver 4.1 leaks handles' }, types);
  const action = { action: 'PA-1', description: 'Update drivers on one server first', owner: { id: 'grace' } };
  await send(api.url, 'POST', `${problem}/actions`, { body: { ...action, dueAt: new Date(Date.now() + 30 * DAY).toISOString() } });
  tell('lea', `POST ${named(problem).slice(1, -1)}/actions`, action, ['ProblemActionPlanned']);
  const fix = { description: 'Driver 4.2', change: 'CHG-1042', before: 'Driver 4.1', after: 'Driver 4.2' };
  await asks('grace', 'POST', `${problem}/fix`, fix, types);
  const rootCause = {
    category: 'software/defect',
    analysis: { method: '5-whys', text: 'See the problem', citedEvents: [0] },
    permanentFix: 'Driver 4.2',
    preventiveActions: [{ action: 'Update drivers on one server first', owner: 'grace' }],
    changeReference: 'CHG-1042',
    knowledgeArticle: { id: 'KB-0042', action: 'updated' },
    lowerTierCanResolve: true,
  };
  await asks('grace', 'POST', `/v1/tickets/${tenth}/root-cause`, { rootCause }, types);
  const closed = await asks('lea', 'POST', `${problem}/close`, {}, ({ events }) => events);
  expect(closed.events[0].data.prevented).toEqual({ tickets: 9, countedAs: 'linked-after-the-first' });

  lines.push('', '# An eleventh comes: the fix did not hold.');
  const eleventh = await opened(11);
  await ticketOnce(eleventh, ({ recursFrom, problems }) => recursFrom !== undefined && problems !== undefined);
  await tool('read_ticket', { id: eleventh }, ({ recursFrom: { ticketId, tier, rootCause }, problems }) => ({
    recursFrom: { ticketId, tier, rootCause },
    problems: problems.map(untimed),
  }));
  const reopened = await tool('read_problem', { problemId }, ({ status, failedFixes, tickets }) => ({
    status,
    failedFixes: failedFixes.map(untimed),
    tickets: tickets.length,
  }));
  expect(reopened).toMatchObject({ status: 'known-error', failedFixes: [fix], tickets: { length: 11 } });
  await asks('grace', 'POST', `${problem}/fix`, { ...fix, description: 'Driver 4.3', change: 'CHG-1050', after: 'Driver 4.3' }, types);
  await asks(
    'grace',
    'POST',
    `${problem}/actions/done`,
    { action: 'PA-1', outcome: 'Drivers are updated by ring', change: 'CHG-1051' },
    types,
  );
  await asks('lea', 'POST', `${problem}/close`, {}, ({ events }) => events);
  const report = await asks('lea', 'GET', `${problem}/report`, undefined, ({ changes, prevention, prevented, knowledge, proof }) => ({
    changes: changes.map(({ change, held }: Answered) => ({ change, held })),
    prevention: prevention.map(({ action, state }: Answered) => ({ action, state })),
    prevented,
    people: knowledge.people.map(({ who }: Answered) => who.id),
    streams: proof.streams.length,
  }));
  expect(report.changes).toMatchObject([
    { change: 'CHG-1042', held: false },
    { change: 'CHG-1042' },
    { change: 'CHG-1050', held: true },
    { change: 'CHG-1051', held: true },
  ]);
  expect(report).toMatchObject({ prevented: 10, tickets: 11, status: 'closed' });

  const transcript = `${BEGIN}\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n\n${END}`;
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const [, after = ''] = rest.split(END);
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(page, before + transcript + after);
  expect(readFileSync(page, 'utf8')).toBe(before + transcript + after);
});
