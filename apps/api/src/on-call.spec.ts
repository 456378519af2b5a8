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

const post = (path: string, body: unknown) => send(api.url, 'POST', path, { body });
const get = (path: string) => send(api.url, 'GET', path);
const rotation = { zone: 'Europe/Rome', people: [{ id: 'ada' }, { id: 'grace' }], startsOn: '2026-11-23', handOverAt: '09:00', days: 7 };

describe('/v1/on-call', () => {
  it('shows who is on call, by turns and overrides', async () => {
    const schedule = `network ${randomUUID()}`;
    const path = `/v1/on-call/${encodeURIComponent(schedule)}`;
    expect((await get(path)).json).toMatchObject({ status: 404, code: 'on-call-not-found' });
    expect((await post('/v1/on-call', { schedule, rotations: [rotation] })).json).toMatchObject({ schedule, revision: 0 });
    expect((await get(`${path}?at=2026-12-01T12:00:00Z`)).json).toMatchObject({ schedule, onCall: { id: 'grace' } });
    expect((await get(`${path}?at=2020-01-01T00:00:00Z`)).json.onCall).toBeUndefined();
    const override = { schedule, person: { id: 'henrik' }, from: '2026-12-01T00:00:00Z', to: '2026-12-02T00:00:00Z' };
    expect((await post('/v1/on-call/overrides', override)).json).toMatchObject({ revision: 1, events: [{ type: 'OnCallOverridden' }] });
    expect((await get(`${path}?at=2026-12-01T12:00:00Z`)).json).toMatchObject({ onCall: { id: 'henrik' } });
    const listed = await eventually(
      () => everyPage<{ schedule: string }>(api.url, '/v1/on-call'),
      (all) => all.some((one) => one.schedule === schedule),
    );
    expect(listed.find((one) => one.schedule === schedule)).toMatchObject({ rotations: [rotation] });
  });

  it('lists overrides, ends them early and cancels them', async () => {
    const schedule = `network ${randomUUID()}`;
    const path = `/v1/on-call/${encodeURIComponent(schedule)}`;
    await post('/v1/on-call', { schedule, rotations: [{ ...rotation, startsOn: '2020-01-06' }] });
    const hour = 3_600_000;
    const from = (hours: number) => new Date(Date.now() + hours * hour).toISOString();
    await post('/v1/on-call/overrides', { schedule, person: { id: 'now' }, from: from(-1), to: from(1) });
    await post('/v1/on-call/overrides', { schedule, person: { id: 'later' }, from: from(5), to: from(6) });
    await post('/v1/on-call/overrides', { schedule, person: { id: 'second' }, from: from(-2), to: from(2) });
    const [now, later, second] = (await get(`${path}/overrides`)).json.items;
    expect([now, later, second]).toMatchObject([{ person: { id: 'now' } }, { person: { id: 'later' } }, { person: { id: 'second' } }]);

    const off = await send(api.url, 'DELETE', `${path}/overrides/${later.id.toUpperCase()}`);
    expect(off).toMatchObject({ status: 200, json: { schedule, events: [{ type: 'OnCallOverrideCalledOff' }] } });
    expect((await send(api.url, 'DELETE', `${path}/overrides/${later.id}`)).json.events).toEqual([]);
    expect((await send(api.url, 'DELETE', `${path}/overrides/${second.id}`)).json.events).toMatchObject([{ type: 'OnCallOverrideEnded' }]);
    expect((await get(path)).json.onCall).toEqual({ id: 'now' });
    const ended = await post('/v1/on-call/overrides/end', { schedule, overrideId: now.id });
    expect(ended.json.events).toMatchObject([{ type: 'OnCallOverrideEnded', data: { overrideId: now.id } }]);
    expect((await get(path)).json.onCall.id).toMatch(/ada|grace/);
    expect((await get(`${path}?at=${from(5.5)}`)).json.onCall.id).toMatch(/ada|grace/);
    expect((await get(`${path}/overrides`)).json.items).toMatchObject([
      { id: now.id, endedAt: expect.any(String) },
      { id: later.id, calledOff: true },
      { id: second.id, endedAt: expect.any(String) },
    ]);
    for (const id of [randomUUID(), 'x'])
      expect((await send(api.url, 'DELETE', `${path}/overrides/${id}`)).json).toMatchObject({ status: 404, code: 'override-not-found' });
    expect((await get('/v1/on-call/nowhere/overrides')).json).toMatchObject({ status: 404, code: 'on-call-not-found' });
  });

  it('skips people who have left or are absent, and says so', async () => {
    const [schedule, gone, absent, there] = ['schedule', 'gone', 'absent', 'there'].map((name) => `${name}-${randomUUID()}`) as [
      string,
      string,
      string,
      string,
    ];
    for (const agent of [gone, absent, there]) await post(`/v1/agents/${agent}`, { name: agent });
    await post(`/v1/agents/${gone}/leave`, {});
    await post(`/v1/agents/${absent}/absences`, { reason: 'Leave', from: '2020-01-01T00:00:00Z' });
    const turns = { ...rotation, startsOn: '2020-01-06', days: 366, people: [gone, absent, there].map((id) => ({ id })) };
    await post('/v1/on-call', { schedule, rotations: [turns] });
    const now = await eventually(
      async () => (await get(`/v1/on-call/${schedule}?at=2020-02-01T00:00:00Z`)).json,
      ({ passedOver }) => passedOver?.length >= 2,
    );
    expect(now).toMatchObject({ onCall: { id: there }, passedOver: [{ id: gone }, { id: absent }] });
  });

  it('is the deputy of an absent person if no one else in the schedule is present', async () => {
    const [schedule, absent, deputy, last] = ['schedule', 'absent', 'deputy', 'last'].map((name) => `${name}-${randomUUID()}`) as [
      string,
      string,
      string,
      string,
    ];
    for (const agent of [absent, deputy, last]) await post(`/v1/agents/${agent}`, { name: agent });
    const from = '2020-01-01T00:00:00Z';
    await post(`/v1/agents/${deputy}/absences`, { reason: 'Leave', from: '2020-03-01T00:00:00Z', deputy: last });
    await post(`/v1/agents/${absent}/absences`, { reason: 'Leave', from, deputy });
    await post('/v1/on-call', { schedule, rotations: [{ ...rotation, startsOn: '2020-01-06', days: 366, people: [{ id: absent }] }] });
    const onCallAt = async (day: string) => (await get(`/v1/on-call/${schedule}?at=${day}T00:00:00Z`)).json;
    const now = await eventually(
      () => onCallAt('2020-02-01'),
      ({ onCall }) => onCall !== undefined && onCall.id !== absent,
    );
    expect(now).toMatchObject({ onCall: { id: deputy, name: deputy }, passedOver: [{ id: absent }] });
    // The deputy of a deputy.
    expect((await onCallAt('2020-04-01')).onCall).toMatchObject({ id: last });
  });

  it('names each fault', async () => {
    const wrong = await post('/v1/on-call', { schedule: 'x', rotations: [{ ...rotation, zone: 'Mars/Olympus', days: 0 }] });
    expect(wrong.json).toMatchObject({
      status: 422,
      code: 'on-call-invalid',
      faults: [{ field: 'rotations[0].zone' }, { field: 'rotations[0].days' }],
    });
    expect((await post('/v1/on-call', { rotations: {} })).json).toMatchObject({
      status: 400,
      code: 'invalid-body',
      faults: [{ field: 'schedule' }, { field: 'rotations' }],
    });
    expect((await get('/v1/on-call/x?at=now')).json).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field: 'at' }] });
  });
});
