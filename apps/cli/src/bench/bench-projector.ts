import { randomUUID } from 'node:crypto';
import { deterministicId, eventIdFor, instantFrom, type NewEvent } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { projectView, type ViewProjector } from '#mongo';
import { ticketViews } from '#ticketing';
import { onOwnStores } from './on-own-stores.js';

const TICKETS = 3000;
const BULK = 500;

/** Events per second through each projector, as a share of bare bulk writes of the same documents by the driver to the same server. */
export async function benchProjector(): Promise<void> {
  await onOwnStores(async ({ store, mongo, log }) => {
    const events = await fill(store);
    for (const projection of ticketViews) {
      const began = performance.now();
      const projector = projectView({ db: mongo.db, store, projection, log, owner: randomUUID() });
      await untilLive(projector);
      const projecting = performance.now() - began;
      const { projected } = projector.status();
      await projector.stop();
      if (projected < events) throw new Error(`${projection.name} projected ${projected} of ${events} events`);

      const documents = await mongo.db.collection<{ _id: string }>(projection.name).find().toArray();
      const bare = mongo.db.collection<{ _id: string }>(`${projection.name}_bare`);
      await bare.createIndexes(projection.indexes.map(({ key }) => ({ key })));
      const writing = performance.now();
      for (let from = 0; from < documents.length; from += BULK) {
        const bulk = documents.slice(from, from + BULK);
        await bare.bulkWrite(
          bulk.map(({ _id, ...replacement }) => ({ replaceOne: { filter: { _id }, replacement, upsert: true } })),
          { ordered: false },
        );
      }
      const written = performance.now() - writing;
      console.log(
        `projector  ${projection.name.padEnd(15)} ${Math.round((projected / projecting) * 1000)} events/s into ${documents.length} documents; ` +
          `bare bulk writes of them take ${((written / projecting) * 100).toFixed(0)} % of that time (${Math.round((documents.length / written) * 1000)} documents/s)`,
      );
    }
  });
}

/** Tickets with a short life each. @returns the number of their events */
async function fill(store: EventStoreDB): Promise<number> {
  const life: readonly (readonly [string, object])[] = [
    [
      'TicketOpened',
      {
        client: 'northwind',
        kind: 'incident',
        summary: 'Cannot print',
        reporter: { id: 'joe' },
        channel: 'phone',
        impact: 'medium',
        urgency: 'high',
        priority: 'high',
        tier: 'L1',
      },
    ],
    [
      'TicketTriaged',
      { category: 'hardware', impact: 'medium', urgency: 'high', priority: 'high', majorIncident: false, securityIncident: false },
    ],
    ['WorkStarted', { tier: 'L1', agent: { id: 'ada' } }],
    ['DiagnosticStepRecorded', { tier: 'L1', action: 'Restarted the spooler', outcome: 'Same' }],
    ['TicketPutOnHold', { reason: 'customer', note: 'away' }],
    ['TicketResumed', { after: 'customer' }],
    ['TicketResolved', { tier: 'L1', category: 'hardware', article: 'KB-1' }],
    ['TicketClosed', {}],
  ];
  const now = Date.now();
  const append = (id: string) => {
    const events = life.map(([type, data], index): NewEvent => ({
      id: eventIdFor(id, index),
      type,
      data,
      metadata: {
        commandId: id,
        commandType: 'Bench',
        correlationId: id,
        causationId: id,
        actor: { id: 'ada', kind: 'agent' },
        client: 'northwind',
        effectiveAt: instantFrom(now + index * 60_000),
        recordedAt: instantFrom(now),
        schemaVersion: 1,
      },
    }));
    return store.append(`ticket-${id}`, 'no-stream', events);
  };
  for (let from = 0; from < TICKETS; from += 100)
    await Promise.all(Array.from({ length: 100 }, (_, index) => append(deterministicId('bench', String(from + index)))));
  return TICKETS * life.length;
}

/** Waits until a projector has caught up with the log. */
export async function untilLive(projector: ViewProjector): Promise<void> {
  for (;;) {
    const { state, lastError } = projector.status();
    if (state === 'live') return;
    if (lastError !== undefined) throw new Error(lastError.message);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
