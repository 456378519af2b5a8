import { randomUUID } from 'node:crypto';
import { type Answer, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
}, 30_000);
afterAll(async () => {
  await api?.stop();
}, 30_000);

const open = {
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'j.doe' },
  channel: 'phone',
  impact: 'major',
  urgency: 'critical',
};
const HOUR = 3_600_000;
const now = Date.now();
const hoursAgo = (hours: number) => new Date(now - hours * HOUR).toISOString();

async function post(path: string, body: unknown): Promise<Answer> {
  const answer = await send(api.url, 'POST', path, { body });
  expect([answer.status, answer.status < 300 ? '' : answer.text]).toEqual([path === '/v1/tickets' ? 201 : 200, '']);
  return answer;
}

function get(path: string): Promise<Answer> {
  return send(api.url, 'GET', path);
}

describe('GET /v1/tickets/{id}/sla/autopsy', () => {
  let path: string;
  beforeAll(async () => {
    const { ticketId } = (await post('/v1/tickets', { ...open, client: api.client, team: 'desk', effectiveAt: hoursAgo(6) })).json;
    path = `/v1/tickets/${ticketId}`;
    await post(`${path}/work`, { agent: { id: 'ada' }, effectiveAt: hoursAgo(5) });
    await post(`${path}/hold`, { reason: 'customer', note: 'asked for the name of the printer', effectiveAt: hoursAgo(4) });
    await post(`${path}/resume`, { effectiveAt: hoursAgo(2) });
  });

  it('says where the time of each clock went, straight from the log, with the events that prove it', async () => {
    const { ticketId, revision, asOf, clocks } = (await get(`${path}/sla/autopsy`)).json;
    expect([`/v1/tickets/${ticketId}`, revision]).toEqual([path, 3]);
    const [response, resolution] = clocks;
    expect(response).toMatchObject({
      kind: 'response',
      state: 'breached',
      elapsed: HOUR,
      parts: [{ spentOn: { what: 'queue', tier: 'L1', team: 'desk' }, duration: HOUR, elapsed: HOUR }],
    });
    const sinceResumed = Date.parse(asOf) - Date.parse(hoursAgo(2));
    expect(resolution).toMatchObject({
      kind: 'resolution',
      state: 'running',
      to: asOf,
      elapsed: 2 * HOUR + sinceResumed,
      paused: 2 * HOUR,
      closed: 0,
      parts: [
        { spentOn: { what: 'work', tier: 'L1', team: 'desk', agent: { id: 'ada' } }, elapsed: HOUR + sinceResumed },
        { spentOn: { what: 'queue' }, elapsed: HOUR },
        { spentOn: { what: 'customer' }, duration: 2 * HOUR, elapsed: 0 },
      ],
    });
    expect(resolution.spells.map(({ event }: { event: number }) => event)).toEqual([0, 1, 2, 3]);
  });

  it('knows nothing that happened later', async () => {
    const then = (await get(`${path}/sla/autopsy?asOf=${hoursAgo(4.5)}`)).json;
    expect(then).toMatchObject({ revision: 1, asOf: hoursAgo(4.5) });
    expect(then.clocks[1]).toMatchObject({ state: 'running', elapsed: 1.5 * HOUR, paused: 0 });
    expect(then.clocks[1].breachedAt).toBeUndefined();
    expect((await get(`${path}/sla/autopsy?asOf=${hoursAgo(7)}`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });

  it('refuses the future, what is no instant, and tickets that are not there', async () => {
    for (const asOf of [hoursAgo(-1), 'yesterday', '2026-11-21T10:00:00', '']) {
      expect((await get(`${path}/sla/autopsy?asOf=${asOf}`)).json).toMatchObject({
        status: 400,
        code: 'invalid-query',
        faults: [{ field: 'asOf' }],
      });
    }
    expect((await get(`/v1/tickets/${randomUUID()}/sla/autopsy`)).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
    expect((await get('/v1/tickets/first/sla/autopsy')).json).toMatchObject({ status: 404, code: 'ticket-not-found' });
  });
});
