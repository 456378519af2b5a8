import { randomUUID } from 'node:crypto';
import { execute, instantFrom, isRefusal } from '#eventsourcing';
import { type Scope, ticket } from '#ticketing';
import { type TestEvents, testEvents } from '../../../test/stores.js';
import { ScopedEvents } from './scoped-events.js';

let events: TestEvents;

beforeAll(async () => {
  events = await testEvents();
});
afterAll(() => events.close());

it('shows a ticket, and the revision from this process, only to those who may see it', async () => {
  const [id, commandId, client] = [randomUUID(), randomUUID(), `client-${randomUUID()}`];
  const now = instantFrom(Date.now());
  const context = { commandId, correlationId: commandId, causationId: commandId, effectiveAt: now, recordedAt: now };
  const opening = { client, kind: 'incident', summary: 'No dial tone', channel: 'phone', impact: 'low', urgency: 'low' } as const;
  const opened = await execute(
    events.store,
    ticket,
    id,
    'OpenTicket',
    { ...opening, reporter: { id: 'jane' } },
    { ...context, actor: { id: 'ada', kind: 'agent' } },
    { opens: true },
  );
  if (isRefusal(opened)) throw new Error(opened.message);
  const seen = (scope: Scope, of = id) => new ScopedEvents(events.store, scope).revisionSeen(ticket, of);
  expect(seen({ clients: 'all' })).toBe(opened.revision);
  expect(seen({ clients: [client] })).toBe(opened.revision);
  expect(seen({ clients: ['another'] })).toBe(-1);
  expect(seen({ clients: 'all', reporter: 'jane' })).toBe(-1);
  expect(seen({ clients: 'all' }, randomUUID())).toBe(-1);

  // Of requesters only the one who reported it.
  const read = async (scope: Scope) => {
    const types: string[] = [];
    for await (const { type } of new ScopedEvents(events.store, scope).readTicket(id)) types.push(type);
    return types;
  };
  expect(await read({ clients: [client] })).toEqual(['TicketOpened']);
  expect(await read({ clients: [client], reporter: 'jane' })).toEqual(['TicketOpened']);
  expect(await read({ clients: [client], reporter: 'joe' })).toEqual([]);
  expect(await read({ clients: ['another'], reporter: 'jane' })).toEqual([]);
  expect(await read({ clients: ['another'] })).toEqual([]);
});
