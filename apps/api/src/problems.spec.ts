import { randomUUID } from 'node:crypto';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const post = (path: string, body: object, headers: Record<string, string> = {}) => send(api.url, 'POST', path, { body, headers });
const get = (path: string) => send(api.url, 'GET', path);

const ticketOf = async (client: string): Promise<string> => {
  const opening = { kind: 'incident', summary: 'No print', reporter: { id: 'joe' }, channel: 'chat', impact: 'low', urgency: 'low' };
  return (await post('/v1/tickets', { ...opening, client })).json.ticketId;
};

describe('problems', () => {
  it('go from their tickets to a fix that would have prevented them, and back when it did not hold', async () => {
    const key = { 'Idempotency-Key': randomUUID() };
    const body = { client: api.client, title: 'Printers stop', category: 'hardware/printer' };
    const opened = await post('/v1/problems', body, key);
    const { problemId } = opened.json;
    const path = `/v1/problems/${problemId}`;
    expect([opened.status, opened.headers.get('location')]).toEqual([201, path]);
    expect((await post('/v1/problems', body, key)).json).toMatchObject({ problemId, repeated: true });
    const tickets = [await ticketOf(api.client), await ticketOf(api.client)];
    for (const ticketId of tickets) expect((await post(`${path}/tickets`, { ticketId })).status).toBe(200);
    const foreign = await ticketOf(`${api.client}-other`);
    expect((await post(`${path}/tickets`, { ticketId: foreign })).json).toMatchObject({ status: 409, code: 'other-client' });
    expect((await post(`${path}/close`, {})).json).toMatchObject({ status: 422, code: 'problem-incomplete', faults: [{}, {}] });
    expect((await post(`${path}/workaround`, { workaround: 'Restart the spooler' })).status).toBe(200);
    expect((await post(`${path}/root-cause`, { rootCause: 'The driver leaks handles' })).status).toBe(200);
    const fix = { description: 'Driver 4.2', change: 'CHG-1042' };
    expect((await post(`${path}/fix`, fix, { 'If-Match': '"0"' })).json).toMatchObject({ status: 412, code: 'revision-mismatch' });
    expect((await post(`${path}/fix`, fix)).status).toBe(200);
    const prevented = { tickets: 1, countedAs: 'linked-after-the-first' };
    expect((await post(`${path}/close`, {})).json).toMatchObject({ events: [{ type: 'ProblemClosed', data: { prevented } }] });
    expect((await post(`${path}/workaround`, { workaround: 'Another' })).json).toMatchObject({ status: 409, code: 'problem-closed' });
    const shown = await get(path);
    expect(shown.headers.get('etag')).toBe('"6"');
    expect(shown.json).toMatchObject({ ...body, problemId, tickets, status: 'closed', fix, prevented });
    expect((await post(`${path}/reopen`, { reason: 'The same again' })).status).toBe(200);
    expect((await get(path)).json).toMatchObject({ status: 'known-error', failedFixes: [fix] });
  });

  it('are listed in pages, by what they are about and by ticket', async () => {
    const client = `${api.client}-listed`;
    const ids: string[] = [];
    for (const component of ['FIN-1', 'FIN-2', 'FIN-2'])
      ids.push((await post('/v1/problems', { client, title: 'Printers stop', service: 'printing', component })).json.problemId);
    const ticketId = await ticketOf(client);
    await post(`/v1/problems/${ids[2]}/tickets`, { ticketId });
    await post(`/v1/problems/${ids[2]}/workaround`, { workaround: 'Restart the spooler' });
    const list = async (query: string): Promise<{ readonly items: readonly { readonly problemId: string }[]; readonly next?: string }> =>
      (await get(`/v1/problems?client=${client}${query}`)).json;
    const found = async (query: string) => (await list(query)).items.map(({ problemId }) => problemId);
    await eventually(
      async () => [(await found('')).length, (await found('&status=known-error')).length],
      ([all, known]) => all === 3 && known === 1,
    );
    const first = await list('&limit=2');
    const second = await list(`&limit=2&cursor=${encodeURIComponent(first.next ?? '')}`);
    expect([...first.items, ...second.items].map(({ problemId }) => problemId)).toEqual([...ids].sort());
    expect(second.next).toBeUndefined();
    expect(await found('&component=FIN-2&service=printing')).toEqual(ids.slice(1).sort());
    expect(await found(`&ticket=${ticketId}`)).toEqual([ids[2]]);
    expect(await found('&category=hardware')).toEqual([]);
    expect((await get('/v1/problems?status=lost')).json).toMatchObject({ status: 400, faults: [{ field: 'status' }] });
    expect((await get(`/v1/problems?limit=1&cursor=${encodeURIComponent(first.next ?? '')}`)).json).toMatchObject({
      status: 400,
      code: 'invalid-query',
    });
  });

  it('are not there when they never were', async () => {
    const path = `/v1/problems/${randomUUID()}`;
    expect((await get(path)).json).toMatchObject({ status: 404, code: 'problem-not-found' });
    expect((await post(`${path}/close`, {})).json).toMatchObject({ status: 404, code: 'problem-not-found' });
  });
});
