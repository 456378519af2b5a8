import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { isRefusal, streamName, type StoredEvent } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { projectGroup } from '#mongo';
import { OPERATOR, projectionGroups, systemPrincipal, ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { type TestStores, testStores } from '../../../test/stores.js';
import { queries, type SentContext } from '#ticketing-app';
import { RunCommand, RunQuery, TicketingModule } from './index.js';

/** The buses without HTTP: as policies, timers and the command line use them. */

let store: EventStoreDB;
let context: INestApplicationContext;
let stores: TestStores;

beforeAll(async () => {
  stores = await testStores();
  const { mongo } = stores;
  ({ store } = stores);
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const projectors = projectionGroups.map((group) => projectGroup({ db: mongo.db, store, group, log, owner: randomUUID() }));
  stores.onClose(() => Promise.all(projectors.map((projector) => projector.stop())));
  context = await NestFactory.createApplicationContext(TicketingModule.on(store, mongo, { forbids: () => undefined }), { logger: false });
  stores.onClose(() => context.close());
});
afterAll(() => stores.close());

const open = {
  client: `client-${randomUUID()}`,
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'j.doe' },
  channel: 'phone',
  impact: 'low',
  urgency: 'low',
} as const;

function sent(changes: Partial<SentContext> = {}): SentContext {
  return {
    commandId: randomUUID(),
    principal: systemPrincipal({ id: 'policy' }),
    correlationId: 'c',
    causationId: 'e',
    ...changes,
  };
}

async function eventsOf(ticketId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(streamName(ticket, ticketId))) events.push(event);
  return events;
}

async function run<Name extends TicketCommandName>(id: string | undefined, name: Name, body: TicketCommands[Name], sent: SentContext) {
  const done = await context.get(CommandBus).execute(new RunCommand(ticket, id, name, body, sent));
  if (isRefusal(done)) throw new Error(done.message);
  return done;
}

it('runs a command, notes what led to it, and finds it in the view', async () => {
  const done = await run(undefined, 'OpenTicket', open, sent({ causationId: 'source-event' }));
  expect(done).toMatchObject({ revision: 0, repeated: false, events: [{ type: 'TicketOpened' }] });
  const [event] = await eventsOf(done.id);
  expect(event?.metadata).toMatchObject({ actor: { id: 'policy', kind: 'system' }, correlationId: 'c', causationId: 'source-event' });
  const look = () =>
    context.get(QueryBus).execute(new RunQuery({ principal: OPERATOR }, queries.ticket, { ticketId: done.id, atLeast: 0 }));
  let seen = await look();
  // The projectors have only just been started.
  while (isRefusal(seen) && seen.refused === 'not-yet-visible') seen = await look();
  expect(seen).toMatchObject({ _id: done.id, summary: 'Cannot print', revision: 0 });
});

it('opens the same ticket for the same command, and another one for another command', async () => {
  const once = sent();
  const first = await run(undefined, 'OpenTicket', open, once);
  const again = await run(undefined, 'OpenTicket', open, once);
  const other = await run(undefined, 'OpenTicket', open, sent());
  expect(again).toMatchObject({ id: first.id, repeated: true });
  expect(other.id).not.toBe(first.id);
  expect(await eventsOf(first.id)).toHaveLength(1);
});

it('returns a refusal as a value', async () => {
  const { id } = await run(undefined, 'OpenTicket', open, sent());
  const bus = context.get(CommandBus);
  expect(await bus.execute(new RunCommand(ticket, id, 'CloseTicket', {}, sent()))).toMatchObject({ refused: 'not-resolved' });
  expect(await bus.execute(new RunCommand(ticket, id, 'StartWork', {}, sent({ ifRevisions: [3] })))).toMatchObject({
    refused: 'revision-mismatch',
  });
  expect(await bus.execute(new RunCommand(ticket, id, 'StartWork', {}, sent({ ifRevisions: [] })))).toMatchObject({
    refused: 'revision-mismatch',
  });
  expect(await bus.execute(new RunCommand(ticket, id, 'StartWork', { effectiveAt: '2999-01-01T00:00:00Z' }, sent()))).toMatchObject({
    refused: 'effective-in-the-future',
    faults: [{ field: 'effectiveAt' }],
  });
  expect(await bus.execute(new RunCommand(ticket, randomUUID(), 'StartWork', {}, sent()))).toMatchObject({ refused: 'ticket-not-found' });
  expect(await eventsOf(id)).toHaveLength(1);
});
