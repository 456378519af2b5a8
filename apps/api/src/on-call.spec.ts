import { randomUUID } from 'node:crypto';
import { everyPage, type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
}, 30_000);
afterAll(async () => {
  await api?.stop();
}, 30_000);

const post = (path: string, body: unknown) => send(api.url, 'POST', path, { body });
const get = (path: string) => send(api.url, 'GET', path);
const rotation = { zone: 'Europe/Rome', people: [{ id: 'ada' }, { id: 'grace' }], startsOn: '2026-11-23', handOverAt: '09:00', days: 7 };

describe('/v1/on-call', () => {
  it('knows who is on call, by turns and overrides', async () => {
    const schedule = `network ${randomUUID()}`;
    const path = `/v1/on-call/${encodeURIComponent(schedule)}`;
    expect((await get(path)).json).toMatchObject({ status: 404, code: 'on-call-not-found' });
    expect((await post('/v1/on-call', { schedule, rotations: [rotation] })).json).toMatchObject({ schedule, revision: 0 });
    expect((await get(`${path}?at=2026-12-01T12:00:00Z`)).json).toMatchObject({ schedule, onCall: { id: 'grace' } });
    expect((await get(`${path}?at=2020-01-01T00:00:00Z`)).json.onCall).toBeUndefined();
    const override = { schedule, person: { id: 'henrik' }, from: '2026-12-01T00:00:00Z', to: '2026-12-02T00:00:00Z' };
    expect((await post('/v1/on-call/overrides', override)).json).toMatchObject({ revision: 1, events: [{ type: 'OnCallOverridden' }] });
    expect((await get(`${path}?at=2026-12-01T12:00:00Z`)).json).toMatchObject({ onCall: { id: 'henrik' } });
    let listed: { schedule: string }[] = [];
    for (let tries = 0; tries < 200 && !listed.some((one) => one.schedule === schedule); tries++) {
      listed = await everyPage(api.url, '/v1/on-call');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(listed.find((one) => one.schedule === schedule)).toMatchObject({ rotations: [rotation] });
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
