import { randomUUID } from 'node:crypto';
import { parse } from 'csv-parse/sync';
import { createLog } from '#platform';
import { runPolicies } from '#mongo';
import { ticketLinks } from '#ticketing';
import type { HistoryLine } from '#ticketing-app';
import { Assigner } from '../../worker/src/assigner.js';
import { sendReactions } from '../../worker/src/send-reaction.js';
import { eventually } from '../../../test/eventually.js';
import { type Answer, everyPage, openingOf, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
let stop: () => Promise<void>;
beforeAll(async () => {
  api = await startApi();
  const { store, mongo } = api;
  const send = sendReactions(store, new Assigner(store, mongo.db));
  const runner = runPolicies({ db: mongo.db, store, policies: [ticketLinks], send, log: createLog('silent'), owner: randomUUID() });
  stop = () => runner.stop();
  const path = '/v1/contracts';
  await post(path, { client: api.client, terms: {}, note: 'pilot' }, 'ada');
  await post(path, { client: api.client, terms: { reopen: 'continue' }, note: '=HYPERLINK("http://x","y")' }, 'bob');
  await post(path, { client: api.client, terms: { reopen: 'continue', reopenWindow: 1000 } }, 'ada');
});
afterAll(async () => {
  await stop?.();
  await api?.stop();
});

async function post(path: string, body: object, actor = 'ada', method = 'POST'): Promise<Answer> {
  const answer = await send(api.url, method, path, { body, headers: { 'X-Actor-Id': actor } });
  if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`);
  return answer;
}
const get = (path: string, accept?: string) => send(api.url, 'GET', path, { headers: accept === undefined ? {} : { Accept: accept } });
const contractPath = () => `/v1/contracts/${api.client}/history`;

describe('GET /v1/…/history', () => {
  it('shows who changed a contract, when, by which command, and the terms before and after', async () => {
    const { items } = (await get(contractPath())).json as { items: HistoryLine[] };
    expect(items).toMatchObject([
      {
        _id: `${api.client}/0`,
        client: api.client,
        revision: 0,
        type: 'ContractAgreed',
        actor: { id: 'ada' },
        sentBy: { id: 'administrator' },
      },
      { actor: { id: 'bob' }, commandType: 'AgreeContract', effectiveAt: expect.any(String), recordedAt: expect.any(String) },
      { actor: { id: 'ada' } },
    ]);
    expect(items[1]?.changes).toContainEqual({ path: 'terms.reopen', before: 'new-cycle', after: 'continue' });
    expect(items[2]?.changes.map(({ path }) => path)).toEqual(['version', 'effectiveFrom', 'terms.reopenWindow', 'note']);
    expect(items[2]?.inWords).toMatch(/^Contract agreed by ada, sent by administrator: version 2 → 3; .*; note no longer =HYPERLINK/);
  });

  it('is filtered by who, what and when, and comes in pages', async () => {
    const revisions = async (query: string) =>
      (await get(`${contractPath()}?${query}`)).json.items.map(({ revision }: { revision: number }) => revision);
    const [, second] = (await get(contractPath())).json.items;
    const at = encodeURIComponent(second.recordedAt);
    expect(await revisions('actor=ada')).toEqual([0, 2]);
    expect(await revisions('actor=administrator&type=ContractAgreed')).toEqual([0, 1, 2]);
    expect(await revisions('type=TeamDefined')).toEqual([]);
    expect(await get(`${contractPath()}?type=ContractAgreed,ContractAgred`)).toMatchObject({
      status: 400,
      json: { code: 'invalid-query', faults: [{ field: 'type' }] },
    });
    expect(await revisions(`recordedFrom=${at}`)).toEqual([1, 2]);
    expect(await revisions(`recordedTo=${at}`)).toEqual([0]);
    expect(await revisions(`happenedFrom=${at}&happenedTo=${at}`)).toEqual([]);
    const paged = await everyPage<{ revision: number }>(api.url, contractPath(), 1);
    expect(paged.map(({ revision }) => revision)).toEqual([0, 1, 2]);
    const { next } = (await get(`${contractPath()}?limit=1`)).json;
    expect((await get(`${contractPath()}?limit=1&actor=ada&cursor=${next}`)).json).toMatchObject({ code: 'invalid-query' });
    expect((await get(`${contractPath()}?atLeast=3`)).json).toMatchObject({ code: 'unknown-revision' });
  });

  it('is there whole as lines of JSON, and as CSV in which no cell is a formula', async () => {
    const { items } = (await get(contractPath())).json;
    const lines = await get(contractPath(), 'application/x-ndjson');
    expect(lines.headers.get('content-type')).toBe('application/x-ndjson');
    expect(
      lines.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(items);
    const csv = await get(contractPath(), 'text/csv');
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const rows = parse(csv.text, { columns: true, record_delimiter: '\r\n' }) as Record<string, string>[];
    expect(rows.map(({ revision, actorId }) => [revision, actorId])).toEqual([
      ['0', 'ada'],
      ['1', 'bob'],
      ['2', 'ada'],
    ]);
    expect(JSON.parse(rows[1]?.data ?? '')).toMatchObject({ note: '=HYPERLINK("http://x","y")' });
    for (const cell of rows.flatMap((row) => Object.values(row))) expect(cell).not.toMatch(/^[=+\-@\t\r]/);
    expect((await get(`${contractPath()}?limit=1`, 'text/csv')).json).toMatchObject({ faults: [{ field: 'limit' }] });
    expect((await get('/v1/contracts/nobody-of-that-name/history', 'text/csv')).json).toMatchObject({ code: 'contract-not-found' });
  });

  it('defuses what a spreadsheet would take for a formula', async () => {
    const filter = `=1+1 ${api.client}`;
    await post(`/v1/filters/${encodeURIComponent(filter)}`, { query: { tier: 'L1' } }, '=cmd', 'PUT');
    const { text } = await get(`/v1/filters/${encodeURIComponent(filter)}/history`, 'text/csv');
    expect((parse(text, { columns: true }) as Record<string, string>[])[0]).toMatchObject({ actorId: "'=cmd" });
  });

  it('exists for each kind of aggregate', async () => {
    const mark = randomUUID();
    await post(`/v1/teams/${mark}`, { name: 'T', tiers: ['L1'] });
    await post(`/v1/agents/${mark}`, { name: 'A' });
    const rotation = { zone: 'UTC', startsOn: '2026-01-01', handOverAt: '09:00', days: 7, people: [{ id: 'ada' }] };
    await post('/v1/on-call', { schedule: mark, rotations: [rotation] });
    await post(`/v1/filters/${mark}`, { query: { tier: 'L1' } }, 'ada', 'PUT');
    const body = { label: 'l', id: mark, roles: ['service'], clients: [api.client] };
    const { key } = (await post('/v1/api-keys', body)).json;
    for (const [path, type] of [
      [`/v1/teams/${mark}`, 'TeamDefined'],
      [`/v1/agents/${mark}`, 'AgentRegistered'],
      [`/v1/on-call/${mark}`, 'OnCallRotationsSet'],
      [`/v1/filters/${mark}`, 'TicketFilterSaved'],
      [`/v1/api-keys/${key}`, 'CredentialIssued'],
    ]) {
      expect({ path, ...(await get(`${path}/history`)).json }).toMatchObject({ path, items: [{ type, revision: 0 }] });
    }
    for (const path of ['teams', 'agents', 'on-call', 'filters', 'api-keys', 'contracts'])
      expect((await get(`/v1/${path}/nothing-${mark}/history`)).json).toMatchObject({ status: 404 });
  });

  it('leads from each event to the one that caused it, and to those that it caused', async () => {
    const body = openingOf(api.client);
    const [one, two] = [(await post('/v1/tickets', body)).json.ticketId, (await post('/v1/tickets', body)).json.ticketId];
    await post(`/v1/tickets/${one}/links`, { ticketId: two, relation: 'relates-to' });
    const last = (id: string) => async () => (await get(`/v1/tickets/${id}/history`)).json.items.at(-1) as HistoryLine;
    const effect = await eventually(last(two), ({ because }) => because !== undefined);
    const cause = await eventually(last(one), ({ ledTo }) => ledTo !== undefined);
    expect(effect).toMatchObject({
      ticketId: two,
      type: 'TicketLinked',
      causationId: cause.eventId,
      because: { policy: 'ticket-links', category: 'ticket', id: one, revision: 1, eventId: cause.eventId, type: 'TicketLinked' },
    });
    expect(cause.ledTo).toEqual([
      { policy: 'ticket-links', category: 'ticket', id: two, command: 'LinkTicket', commandId: effect.commandId, outcome: 'done' },
    ]);
    expect(cause).not.toHaveProperty('because');
  });
});
