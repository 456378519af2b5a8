import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { instantFrom, isRefusal, type Position, streamName } from '#eventsourcing';
import { OPERATOR, queryScope, ticket, ticketFacts } from '#ticketing';
import { type TestStores, testStores } from '../../../test/stores.js';
import { factsAt } from './facts-at.js';
import { scopedSources } from './read-models.js';

let stores: TestStores;

beforeAll(async () => {
  stores = await testStores();
});

afterAll(() => stores.close());

const onDay = (day: number): Date => new Date(Date.UTC(2026, 0, 1 + day));

/** Appends the opening of a ticket. */
async function openedTicket(): Promise<{ readonly id: string; readonly position: Position }> {
  const [id, commandId] = [randomUUID(), randomUUID()];
  const data: unknown = JSON.parse(await readFile('test/fixtures/events/TicketOpened.v1.json', 'utf8'));
  const now = instantFrom(Date.now());
  const metadata = {
    commandId,
    commandType: 'OpenTicket',
    correlationId: commandId,
    causationId: commandId,
    actor: { id: 'ada', kind: 'agent' as const },
    client: 'northwind',
    effectiveAt: now,
    recordedAt: now,
    schemaVersion: 1,
  };
  const stream = streamName(ticket, id);
  await stores.store.append(stream, 'no-stream', [{ id: randomUUID(), type: 'TicketOpened', data, metadata }]);
  for await (const { position } of stores.store.readStream(stream)) return { id, position };
  throw new Error('nothing was appended');
}

it('returns each ticket once, even those that change before or during the read', async () => {
  const [first, last, changed] = [await openedTicket(), await openedTicket(), await openedTicket()];
  const at = changed.position;
  const later = Number(at.commit) + 1;
  const facts = stores.mongo.db.collection<{ _id: string; position: number; openedAt: Date }>(ticketFacts.name);
  await facts.createIndex({ openedAt: 1 });
  const others = Array.from({ length: 600 }, () => ({ _id: randomUUID(), position: 0, openedAt: onDay(2) }));
  await facts.insertMany([
    { _id: first.id, position: Number(first.position.commit), openedAt: onDay(1) },
    ...others,
    { _id: last.id, position: Number(last.position.commit), openedAt: onDay(3) },
    { _id: changed.id, position: later, openedAt: onDay(3) },
  ]);
  const scope = queryScope(OPERATOR, 'kpis');
  if (isRefusal(scope)) throw new Error(scope.message);
  const sources = scopedSources({ store: stores.store, models: stores.mongo }, scope);

  const batches: string[][] = [];
  for await (const batch of factsAt(sources, at, { where: { openedAt: { $gte: onDay(0) } }, fields: ['openedAt'] })) {
    batches.push(batch.map(({ _id }) => _id));
    if (batch.some(({ _id }) => _id === first.id))
      await facts.updateMany({ _id: { $in: [first.id, last.id] } }, { $set: { position: later } });
  }
  expect(batches[0]).toEqual([changed.id]);
  expect(batches[1]?.[0]).toBe(first.id);
  expect(batches.flat().sort()).toEqual([first, last, changed, ...others.map(({ _id: id }) => ({ id }))].map(({ id }) => id).sort());
});
