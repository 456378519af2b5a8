import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventIdFor, instantFrom, type NewEvent } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { diagnoseGroup, type Mongo } from '#mongo';
import { createLog } from '#platform';
import { policies, projectionGroups, ticketViews } from '#ticketing';
import { eventually } from '../../../test/eventually.js';
import { type TestStores, testStores } from '../../../test/stores.js';
import { startWorker, type Worker } from './worker.js';

let stores: TestStores;
let store: EventStoreDB;
let mongo: Mongo;
beforeAll(async () => {
  stores = await testStores();
  ({ store, mongo } = stores);
});
afterAll(() => stores.close());

const log = createLog('silent');
const start = (): Worker => {
  const worker = startWorker({ store, db: mongo.db, groups: projectionGroups, policies, log });
  stores.onClose(() => worker.stop());
  return worker;
};

/** Of nobody else on a shared server. */
const client = `client-${randomUUID()}`;

/** A ticket as it may come from an old log. */
const ticket = (id: string): NewEvent[] =>
  [
    {
      type: 'TicketOpened',
      data: {
        client,
        kind: 'incident',
        summary: 'Cannot print',
        reporter: { id: 'joe' },
        channel: 'phone',
        impact: 'medium',
        urgency: 'high',
        priority: 'high',
        tier: 'L1',
      },
    },
    { type: 'WorkStarted', data: { tier: 'L1', agent: { id: 'ada' } } },
    { type: 'TicketPutOnHold', data: { reason: 'customer', note: 'away' } },
  ].map(({ type, data }, index) => ({
    id: eventIdFor(id, index),
    type,
    data,
    metadata: {
      commandId: id,
      commandType: 'Import',
      correlationId: id,
      causationId: id,
      actor: { id: 'ada', kind: 'agent' },
      client,
      effectiveAt: instantFrom(1_700_000_000_000 + index * 60_000),
      recordedAt: instantFrom(1_700_000_000_000),
      schemaVersion: 1,
    },
  }));

describe('the worker', () => {
  it('projects every view; when it stops another one takes over, and each view equals a fresh fold', async () => {
    const ids = Array.from({ length: 30 }, () => randomUUID());
    await Promise.all(ids.map((id) => store.append(`ticket-${id}`, 'no-stream', ticket(id))));
    const [first, second] = [start(), start()];
    const states = (worker: Worker) => worker.status().map(({ state }) => state);
    const settled = () => projectionGroups.every((_, i) => [states(first)[i], states(second)[i]].sort().join() === 'live,waiting');
    await eventually(settled, Boolean);
    await first.stop();
    await eventually(() => states(second).every((state) => state === 'live'), Boolean);
    const late = randomUUID();
    const { position } = await store.append(`ticket-${late}`, 'no-stream', ticket(late));
    // The views of other streams hear of the log's end only now and then: their position may stay behind.
    await eventually(
      () => second.status().find(({ group }) => group === ticketViews.name)?.position ?? 0,
      (reached) => reached >= Number(position?.commit),
    );
    await second.stop();
    expect(states(second).every((state) => state === 'stopped')).toBe(true);
    for (const group of projectionGroups) {
      for (const diagnosis of await diagnoseGroup({ db: mongo.db, store, group })) {
        // What others append to a shared log after the stop is not in the views.
        expect(diagnosis).toMatchObject({ different: 0, differences: [] });
        if (group === ticketViews) expect(diagnosis.compared).toBeGreaterThanOrEqual(ids.length + 1);
      }
    }
  }, 300_000);
});
