import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/eventually.js';
import { everyPage, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) => send(api.url, 'POST', path, { body, headers });
const get = (path: string) => send(api.url, 'GET', path);

/** The entry of a list that fits, once it is there: views follow within moments. */
async function listed<Entry>(path: string, fits: (entry: Entry) => boolean): Promise<Entry | undefined> {
  const all = await eventually(
    () => everyPage<Entry>(api.url, path),
    (entries) => entries.some(fits),
  );
  return all.find(fits);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The start of a Monday that is still to come, in UTC: at least a week from now. */
function mondayToCome(): number {
  const soon = new Date(Date.now() + 7 * DAY_MS);
  const midnight = Date.UTC(soon.getUTCFullYear(), soon.getUTCMonth(), soon.getUTCDate());
  return midnight + ((8 - soon.getUTCDay()) % 7) * DAY_MS;
}

describe('teams and agents', () => {
  it('know who is on shift and not absent', async () => {
    const [desk, ada, grace] = ['desk', 'ada', 'grace'].map((name) => `${name} ${randomUUID()}`) as [string, string, string];
    const team = `/v1/teams/${encodeURIComponent(desk)}`;
    expect((await get(team)).json).toMatchObject({ status: 404, code: 'team-not-found' });
    expect((await post(team, { name: 'Service desk', tiers: ['L2', 'L1'] })).json).toMatchObject({ team: desk, revision: 0 });
    for (const agent of [ada, grace]) {
      const path = `/v1/agents/${encodeURIComponent(agent)}`;
      expect((await get(path)).json).toMatchObject({ status: 404, code: 'agent-not-found' });
      expect((await post(path, { name: agent, skills: ['Printing'] })).json).toMatchObject({
        agent,
        events: [{ type: 'AgentRegistered' }],
      });
      expect((await get(path)).json).toMatchObject({ agent, skills: ['printing'], active: true });
      expect((await post(`${team}/members`, { agent })).status).toBe(200);
    }
    const shifts = [{ name: 'night', zone: 'Asia/Kolkata', week: { monday: [{ from: '22:00', to: '06:00' }] } }];
    const set = await post(`${team}/shifts`, { shifts });
    expect(set.json).toMatchObject({ revision: 3, events: [{ type: 'TeamShiftsSet', data: { shifts } }] });
    expect((await post(`${team}/shifts`, { shifts: [] }, { 'If-Match': '"0"' })).json).toMatchObject({
      status: 412,
      code: 'revision-mismatch',
    });
    // India is five and a half hours ahead of UTC all year: what is asked holds in summer and in winter.
    const monday = mondayToCome() - 5.5 * HOUR_MS;
    const local = (hours: number) => new Date(monday + hours * HOUR_MS).toISOString();
    const absent = { from: local(24), until: local(48), reason: 'Leave' };
    expect((await post(`/v1/agents/${encodeURIComponent(grace)}/absences`, absent)).status).toBe(200);
    await listed('/v1/agents', (one: { agent: string; absences: object[] }) => one.agent === grace && one.absences.length > 0);
    const there = async (at: string) => (await get(`${team}?at=${at}`)).json.onShift.map(({ agent }: { agent: string }) => agent);
    expect((await there(local(22))).sort()).toEqual([ada, grace].sort());
    expect(await there(local(29.999))).toEqual([ada]);
    expect(await there(local(30))).toEqual([]);
    const shown = await listed('/v1/teams', (one: { team: string; shifts: object[] }) => one.team === desk && one.shifts.length > 0);
    expect(shown).toEqual({
      team: desk,
      name: 'Service desk',
      tiers: ['L1', 'L2'],
      members: [ada, grace],
      shifts,
    });
  });

  it.each([
    ['/v1/teams', { name: 'n', tiers: ['L1'] }, 'team'],
    ['/v1/agents', { name: 'n' }, 'agent'],
    ['/v1/on-call', undefined, 'schedule'],
  ])('are listed in complete pages: %s', async (path, body, id) => {
    const names = Array.from({ length: 3 }, () => `paged ${randomUUID()}`).sort();
    const rotations = [{ zone: 'UTC', people: [{ id: 'ada' }], startsOn: '2026-11-23', handOverAt: '09:00', days: 7 }];
    for (const name of names) {
      const made =
        body === undefined ? await post(path, { schedule: name, rotations }) : await post(`${path}/${encodeURIComponent(name)}`, body);
      expect(made.status).toBe(200);
    }
    for (const name of names) await listed(path, (one: Record<string, string>) => one[id] === name);
    const found = (await everyPage<Record<string, string>>(api.url, path, 1)).map((one) => one[id] ?? '');
    expect(found.filter((name) => names.includes(name))).toEqual(names);
    expect((await get(`${path}?cursor=made-up`)).json).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field: 'cursor' }] });
  });

  it('name each fault', async () => {
    expect((await post('/v1/teams/x', { name: ' ', tiers: ['L1', 'L1'], clients: [] })).json).toMatchObject({
      status: 400,
      code: 'invalid-body',
      faults: [{ field: 'name' }, { field: 'tiers' }, { field: 'clients' }],
    });
    const team = `/v1/teams/${randomUUID()}`;
    await post(team, { name: 'x', tiers: ['L1'] });
    expect((await post(`${team}/shifts`, { shifts: [{ name: 'x', zone: 'Mars/Olympus', week: '24x7' }] })).json).toMatchObject({
      status: 422,
      code: 'team-invalid',
      faults: [{ field: 'shifts[0].zone' }],
    });
    const agent = `/v1/agents/${randomUUID()}`;
    expect((await post(`${agent}/absences`, { reason: 'Ill' })).json).toMatchObject({ status: 404, code: 'agent-not-found' });
    await post(agent, { name: 'x' });
    expect((await post(`${agent}/absences`, { until: 'soon', reason: 'Ill' })).json).toMatchObject({
      code: 'invalid-body',
      faults: [{ field: 'until' }],
    });
    expect((await post(`${agent}/absences/end`, {})).json).toMatchObject({ status: 404, code: 'absence-not-found' });
    expect((await post(`${agent}/leave`, {})).status).toBe(200);
    expect((await post(`${agent}/absences`, { reason: 'Ill' })).json).toMatchObject({ status: 409, code: 'agent-left' });
    expect((await get('/v1/teams/%20')).json).toMatchObject({ status: 404, code: 'team-not-found' });
  });

  it('assign no work to people who have left, according to the log; those who return get work again', async () => {
    const id = randomUUID();
    const ticket = {
      client: randomUUID(),
      kind: 'incident',
      summary: 'x',
      reporter: { id: 'j.doe' },
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
    };
    const path = `/v1/tickets/${(await post('/v1/tickets', ticket)).json.ticketId}`;
    await post(`/v1/agents/${id}`, { name: 'x' });
    await post(`/v1/agents/${id}/leave`, {});
    const refused = { status: 409, code: 'agent-left' };
    expect((await post(`${path}/assignment`, { assignee: { id } })).json).toMatchObject(refused);
    expect((await post(`${path}/work`, {}, { 'X-Actor-Id': id })).json).toMatchObject(refused);
    await post(`/v1/agents/${id}`, { name: 'x' });
    expect((await post(`${path}/work`, {}, { 'X-Actor-Id': id })).status).toBe(200);
    expect((await post(`${path}/work`, {}, { 'X-Actor-Id': randomUUID() })).json).toMatchObject({ code: 'already-claimed', holder: id });
  });
});
