import { randomUUID } from 'node:crypto';
import { streamName } from '#eventsourcing';
import { ticket } from '#ticketing';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  await api?.stop();
});

const opening = () => ({
  command: 'OpenTicket',
  body: { client: api.client, kind: 'incident', summary: 's', reporter: { id: 'joe' }, channel: 'phone', impact: 'low', urgency: 'low' },
});
const batch = (items: unknown, headers: Record<string, string> = {}) => send(api.url, 'POST', '/v1/batches', { body: { items }, headers });
const openTicket = async (): Promise<string> => (await batch([opening()])).json.items[0].ticketId;
const note = (ticketId: string, text: string) => ({ command: 'AddInternalNote', ticketId, body: { text } });

async function eventsOf(ticketId: string) {
  const events = [];
  for await (const event of api.store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

describe('POST /v1/batches', () => {
  it('runs commands as if each had come alone, and answers in their order', async () => {
    const id = await openTicket();
    const answer = await batch([{ command: 'StartWork', ticketId: id }, opening(), note(id, 'n')], {
      'X-Actor-Id': 'ada',
      'X-Correlation-Id': 'import-7',
    });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      done: 3,
      failed: 0,
      items: [
        { status: 200, ticketId: id, revision: 1, repeated: false, events: [{ type: 'WorkStarted', data: { agent: { id: 'ada' } } }] },
        { status: 201, revision: 0, events: [{ type: 'TicketOpened' }] },
        { status: 200, ticketId: id, revision: 2, position: expect.stringMatching(/^\d+\/\d+$/) },
      ],
    });
    expect((await eventsOf(id))[2]?.metadata).toMatchObject({ actor: { id: 'ada' }, correlationId: 'import-7' });
  });

  it('does the commands of a ticket in their order, beside those of others', async () => {
    const ids = await Promise.all([1, 2, 3].map(openTicket));
    const texts = Array.from({ length: 10 }, (_, index) => `note ${index}`);
    const { json } = await batch(texts.flatMap((text) => ids.map((id) => note(id, text))));
    expect(json).toMatchObject({ done: 30, failed: 0 });
    for (const id of ids) expect((await eventsOf(id)).slice(1).map(({ data }) => (data as { text: string }).text)).toEqual(texts);
  });

  it('does not let one failure affect the others', async () => {
    const [id, other] = [await openTicket(), await openTicket()];
    const { status, json } = await batch([
      { command: 'CloseTicket', ticketId: id, body: {} },
      { command: 'PutOnHold', ticketId: id, body: { reason: 'lunch', note: '' } },
      { command: 'StartWork', ticketId: randomUUID() },
      { command: 'StartWork' },
      { ...opening(), ticketId: id },
      { command: 'StartWork', ticketId: other, ifRevision: 7 },
      { command: 'StartWork', ticketId: other, ifRevision: 0 },
      note(id.toUpperCase(), 'still here'),
      { command: 'StartWork', ticketId: 'first' },
      { command: 'StartWork', ticketId: 7 },
    ]);
    expect(status).toBe(200);
    expect(json).toMatchObject({ done: 2, failed: 8 });
    expect(json.items.map((item: { status: number; problem?: { code: string } }) => [item.status, item.problem?.code])).toEqual([
      [409, 'not-resolved'],
      [400, 'invalid-body'],
      [404, 'ticket-not-found'],
      [400, 'invalid-body'],
      [400, 'invalid-body'],
      [412, 'revision-mismatch'],
      [200, undefined],
      [200, undefined],
      [400, 'invalid-body'],
      [400, 'invalid-body'],
    ]);
    expect(json.items[5].problem).toMatchObject({ detail: 'The ticket is at revision 0, not at one that was asked for', revision: 0 });
    expect(json.items[7].ticketId).toBe(id);
    for (const at of [8, 9]) expect(json.items[at].problem.faults).toEqual([{ field: 'ticketId', message: 'must be the id of a ticket' }]);
    expect(json.items[1].problem).toMatchObject({ faults: [{ field: 'reason' }, { field: 'note' }], instance: '/v1/batches#/items/1' });
    expect(json.items[3].problem.faults).toEqual([{ field: 'ticketId', message: 'ticketId is required' }]);
  });

  it('can be repeated with its key: what was done is done once, what failed may go through now', async () => {
    const id = await openTicket();
    const items = [opening(), note(id, 'once'), { command: 'CloseTicket', ticketId: id, body: {} }];
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await batch(items, headers);
    await send(api.url, 'POST', `/v1/tickets/${id}/resolution`, { body: { category: 'c', article: 'KB-1' } });
    const second = await batch(items, headers);
    expect(second.json.items).toMatchObject([
      { status: 201, ticketId: first.json.items[0].ticketId, repeated: true },
      { status: 200, revision: 1, repeated: true },
      { status: 200, repeated: false, events: [{ type: 'TicketClosed' }] },
    ]);
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual(['TicketOpened', 'InternalNoteAdded', 'TicketResolved', 'TicketClosed']);
    const changed = await batch([opening(), note(id, 'twice')], headers);
    expect(changed.json.items[1]).toMatchObject({ status: 422, problem: { code: 'idempotency-key-reused' } });
  });

  it.each([
    ['no items', {}],
    ['none', { items: [] }],
    ['a list of words', { items: ['StartWork'] }],
    ['an unknown command', { items: [{ command: 'AbsorbTicket', ticketId: randomUUID() }] }],
    ['an unknown field', { items: [{ command: 'StartWork', ticketId: randomUUID(), key: 'k' }] }],
    ['a body that is none', { items: [{ command: 'StartWork', ticketId: randomUUID(), body: [] }] }],
    ['too many', { items: Array.from({ length: 101 }, () => ({ command: 'StartWork', ticketId: randomUUID() })) }],
  ])('refuses %s as a whole', async (_what, body) => {
    const answer = await send(api.url, 'POST', '/v1/batches', { body });
    expect(answer.json).toMatchObject({ status: 400, code: 'invalid-body' });
  });

  it('refuses If-Match, which says nothing about many tickets', async () => {
    expect((await batch([opening()], { 'If-Match': '"0"' })).json).toMatchObject({
      status: 400,
      code: 'invalid-header',
      faults: [{ field: 'If-Match' }],
    });
  });
});
