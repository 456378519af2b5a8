import { randomUUID } from 'node:crypto';
import { createLog } from '#platform';
import { runPolicies } from '#mongo';
import { ticketLinks } from '#ticketing';
import { Assigner } from '../../worker/src/assigner.js';
import { sendReactions } from '../../worker/src/send-reaction.js';
import { eventually } from '../../../test/eventually.js';
import { type RunningApi, send, startApi } from './testing/running-api.js';

let api: RunningApi;
let stop: () => Promise<void>;
beforeAll(async () => {
  api = await startApi();
  const { store, mongo } = api;
  const runner = runPolicies({
    db: mongo.db,
    store,
    policies: [ticketLinks],
    send: sendReactions(store, new Assigner(store, mongo.db)),
    log: createLog('silent'),
    owner: randomUUID(),
  });
  stop = () => runner.stop();
  await eventually(
    () => runner.status(),
    (all) => all.every(({ state }) => state === 'live'),
  );
});
afterAll(async () => {
  await stop?.();
  await api?.stop();
});

const open = async (summary: string): Promise<string> => {
  const body = { client: api.client, kind: 'incident', summary, reporter: { id: 'r' }, channel: 'chat', impact: 'low', urgency: 'low' };
  return (await send(api.url, 'POST', '/v1/tickets', { body })).json.ticketId;
};
const link = (id: string, ticketId: string) =>
  send(api.url, 'POST', `/v1/tickets/${id}/links`, { body: { ticketId, relation: 'relates-to' } });
const get = (query: string) => send(api.url, 'GET', `/v1/reactions?client=${api.client}${query}`);
const reactions = (query: string, count: number) =>
  eventually(
    async () => (await get(query)).json.items,
    (items) => items.length >= count,
  );

describe('GET /v1/reactions', () => {
  it('shows what a policy was refused, why, and what it did then', async () => {
    const [one, two] = [await open('one'), await open('two')];
    const over = await open('over');
    await send(api.url, 'POST', `/v1/tickets/${over}/cancel`, { body: { reason: 'twice' } });
    const linked = await link(one, over);
    const taken = await link(one, two);
    const [refused, ...others] = await reactions('&outcome=refused', 1);
    expect(others).toEqual([]);
    expect(refused).toMatchObject({
      policy: 'ticket-links',
      client: api.client,
      correlationId: linked.headers.get('x-correlation-id'),
      to: { stream: `ticket-${one}`, revision: 1, type: 'TicketLinked' },
      reactions: [
        { category: 'ticket', id: over, command: 'LinkTicket', outcome: 'refused', refusal: { refused: 'ticket-cancelled' } },
        { category: 'ticket', id: one, command: 'RefuseRelation', outcome: 'done' },
      ],
    });
    // The link that was taken, and both of the one that was not, newest first.
    const all = await reactions(`&ticket=${one.toUpperCase()}`, 2);
    const revisions = [linked, taken].map(({ json }) => json.revision as number);
    expect(all.map(({ to }: { to: { revision: number } }) => to.revision).sort()).toEqual(revisions);
    expect((await get(`&ticket=${two}`)).json.items).toHaveLength(1);
    expect((await get(`&ticket=${over}`)).json.items).toHaveLength(1);
    expect((await get('&policy=ticket-merges')).json.items).toEqual([]);
    const first = (await get('&limit=1')).json;
    expect(first.items[0].position).toBeGreaterThan(all.at(-1).position);
    const second = (await get(`&limit=1&cursor=${first.next}`)).json;
    expect([...first.items, ...second.items]).toEqual(all);
    expect(second.next).toBeUndefined();
  });

  it.each([
    ['outcome=maybe', 'outcome'],
    ['policy=none', 'policy'],
    ['ticket=1', 'ticket'],
    ['cursor=x', 'cursor'],
    ['limit=0', 'limit'],
    ['state=open', 'state'],
  ])('refuses %s', async (query, field) => {
    expect((await get(`&${query}`)).json).toMatchObject({ status: 400, code: 'invalid-query', faults: [{ field }] });
  });
});
