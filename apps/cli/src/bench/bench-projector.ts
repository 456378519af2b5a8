import { randomUUID } from 'node:crypto';
import { deterministicId, eventIdFor, instantFrom, type NewEvent } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { type GroupProjector, projectGroup } from '#mongo';
import { ticketViews } from '#ticketing';
import { onOwnStores } from './on-own-stores.js';

const TICKETS = 3000;
const BULK = 500;

/** Events per second through all views of tickets, relative to bare bulk writes of the same documents by the driver to the same server. */
export async function benchProjector(): Promise<void> {
  await onOwnStores(async ({ store, mongo, log }) => {
    const events = await fillWithTickets(store);
    const began = performance.now();
    const cpu = process.cpuUsage();
    const projector = projectGroup({ db: mongo.db, store, group: ticketViews, log, owner: randomUUID() });
    await untilLive(projector);
    const projecting = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    const projected = projector.status().reduce((sum, partition) => sum + partition.projected, 0);
    await projector.stop();
    if (projected < events) throw new Error(`${projected} of ${events} events were projected`);

    let written = 0;
    let count = 0;
    for (const { name, indexes } of ticketViews.faces) {
      const documents = await mongo.db.collection<{ _id: string }>(name).find().toArray();
      const bare = mongo.db.collection<{ _id: string }>(`${name}_bare`);
      await bare.createIndexes(indexes.map(({ key }) => ({ key })));
      const writing = performance.now();
      for (let from = 0; from < documents.length; from += BULK) {
        const bulk = documents.slice(from, from + BULK);
        await bare.bulkWrite(
          bulk.map(({ _id, ...replacement }) => ({ replaceOne: { filter: { _id }, replacement, upsert: true } })),
          { ordered: false },
        );
      }
      written += performance.now() - writing;
      count += documents.length;
    }
    console.log(
      `projector  ${Math.round((projected / projecting) * 1000)} events/s into ${count} documents of ${ticketViews.faces.length} views, ` +
        `${((user + system) / 1000 / projected).toFixed(3)} ms of processor time an event, stores included; ` +
        `bare bulk writes of the documents take ${((written / projecting) * 100).toFixed(0)} % of that time`,
    );
  });
}

/** Appends a ticket with a short life that starts now. @returns the number of its events */
export async function appendTicket(store: EventStoreDB, id: string): Promise<number> {
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
  await store.append(`ticket-${id}`, 'no-stream', events);
  return events.length;
}

/** Some thousands of them. @returns the number of their events */
export async function fillWithTickets(store: EventStoreDB): Promise<number> {
  let events = 0;
  for (let from = 0; from < TICKETS; from += 100) {
    const ids = Array.from({ length: 100 }, (_, index) => deterministicId('bench', String(from + index)));
    for (const count of await Promise.all(ids.map((id) => appendTicket(store, id)))) events += count;
  }
  return events;
}

/** Waits until a group has caught up with the log. */
export async function untilLive(projector: GroupProjector): Promise<void> {
  for (;;) {
    const partitions = projector.status();
    if (partitions.every(({ state }) => state === 'live')) return;
    for (const { lastError } of partitions) if (lastError !== undefined) throw new Error(lastError.message);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
