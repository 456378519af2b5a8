import { randomUUID } from 'node:crypto';
import { isBroken, NO_EVENTS } from '#audit';
import { followChain, type StoredEvent, StoreUnavailable } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { type Principal, type Read, type Role } from '#ticketing';
import { type TestStores, testStores } from '../../../test/stores.js';
import { queryOfLog, runQuery } from './run-query.js';

let stores: TestStores;

beforeAll(async () => {
  stores = await testStores();
});

afterAll(() => stores.close());

const id = `reader-${randomUUID()}`;
const asker = (...roles: readonly Role[]) => {
  const principal: Principal = { kind: 'person', id, roles, clients: 'all', tiers: 'all', teams: [] };
  return { principal };
};
const list = queryOfLog('problems', async (_sources, _asked: object) => ({ items: [1, 2, 3] }));
const own = queryOfLog('principal', async (_sources, _asked: object) => ({}));

async function recorded(): Promise<readonly (StoredEvent & { readonly data: Read })[]> {
  const events: StoredEvent[] = [];
  for await (const event of stores.store.readAll({ eventTypes: ['AuditorRead'] })) if (event.metadata.actor.id === id) events.push(event);
  return events as (StoredEvent & { readonly data: Read })[];
}

it('records reads of auditors and administrators, and of no one else', async () => {
  const sources = { store: stores.store, models: stores.mongo };
  const signal = new AbortController().signal;
  const asked = { client: 'northwind', limit: 3, after: 7n, signal };
  expect(await runQuery(sources, list, asker('auditor'), asked)).toEqual({ items: [1, 2, 3] });
  await runQuery(sources, list, asker('agent'), asked);
  await runQuery(sources, own, asker('administrator'), {});
  const [event, ...more] = await recorded();
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    data: { query: 'problems', asked: { client: 'northwind', limit: 3, after: '7' }, id: 'northwind', count: 3, clients: 'all' },
    metadata: { actor: { id, kind: 'agent' }, client: 'northwind' },
  });

  await Promise.all(Array.from({ length: 40 }, (_, index) => runQuery(sources, list, asker('administrator'), { id: String(index) })));
  const all = await recorded();
  expect(all.map(({ data }) => data.id)).toEqual(['northwind', ...Array.from({ length: 40 }, (_, index) => String(index))]);
  let chain: ReturnType<typeof followChain> = NO_EVENTS;
  for (const event of all) if (!isBroken(chain)) chain = followChain(chain, event);
  expect(chain).toMatchObject({ revision: 40, begun: true });
});

it('returns nothing to them that cannot be recorded', async () => {
  const away = EventStoreDB.connect('esdb://127.0.0.1:1?tls=false', { patienceMs: 100, attemptMs: 100 });
  stores.onClose(() => away.close());
  const sources = { store: away, models: stores.mongo };
  await expect(runQuery(sources, list, asker('auditor'), {})).rejects.toThrow(StoreUnavailable);
  expect(await runQuery(sources, list, asker('agent'), {})).toEqual({ items: [1, 2, 3] });
});
