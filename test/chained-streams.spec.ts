import { randomUUID } from 'node:crypto';
import { isBroken, NO_EVENTS } from '#audit';
import { type EventStore, execute, followChain, instantFrom, readAggregate, type StoredEvent, streamName } from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { type TestEvents, testEvents } from './stores.js';

/** The chain of hashes of a stream in a real store. Each store object stands for a process: what one has folded the other one does not know. */
let events: TestEvents;
let one: EventStore;
let other: EventStoreDB;

beforeAll(async () => {
  events = await testEvents();
  one = events.store;
  other = EventStoreDB.connect(events.eventStoreUrl);
});

afterAll(async () => {
  await other.close();
  await events.close();
});

const open: TicketCommands['OpenTicket'] = {
  client: 'chained',
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'joe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
};

const step = (action: string) => ({ action, outcome: 'None' });

function send<Name extends TicketCommandName>(
  store: EventStore,
  id: string,
  name: Name,
  body: TicketCommands[Name],
  commandId = randomUUID(),
) {
  const now = instantFrom(Date.now());
  const context = { commandId, correlationId: commandId, causationId: commandId, actor: { id: 'ada', kind: 'agent' as const } };
  return execute(store, ticket, id, name, body, { ...context, effectiveAt: now, recordedAt: now }, { opens: name === 'OpenTicket' });
}

async function streamOf(id: string): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of one.readStream(streamName(ticket, id))) found.push(event);
  return found;
}

async function chainOf(id: string) {
  let chain = NO_EVENTS;
  for (const event of await streamOf(id)) {
    const next = followChain(chain, event);
    if (isBroken(next)) return next;
    chain = next;
  }
  return chain;
}

/** A ticket whose stream somebody writes by other means, after events of ours. */
async function written(id: string, change: (last: StoredEvent) => Pick<StoredEvent, 'metadata' | 'data'>): Promise<void> {
  const last = (await streamOf(id)).at(-1)!;
  await one.append(streamName(ticket, id), last.revision, [{ id: randomUUID(), type: 'DiagnosticStepRecorded', ...change(last) }]);
}

describe('a stream', () => {
  it('is a chain, whoever appends to it, even several events at once', async () => {
    const id = randomUUID();
    await send(one, id, 'OpenTicket', open);
    await send(other, id, 'StartWork', {});
    await Promise.all(['a', 'b', 'c', 'd'].map((action, index) => send(index % 2 ? one : other, id, 'RecordDiagnosticStep', step(action))));
    expect(await chainOf(id)).toMatchObject({ begun: true, revision: 5 });
    const hashes = (await streamOf(id)).map(({ metadata }) => metadata.hash);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash ?? ''))).toBe(true);
  });

  it('has the same hashes when a command is sent again', async () => {
    const id = randomUUID();
    const [opening, stepping] = [randomUUID(), randomUUID()];
    const once = async (store: EventStore) => {
      await send(store, id, 'OpenTicket', open, opening);
      await send(store, id, 'RecordDiagnosticStep', step('a'), stepping);
    };
    await once(one);
    const before = await streamOf(id);
    await Promise.all([once(one), once(other)]);
    expect(await streamOf(id)).toEqual(before);
  });

  it('from before hashes were introduced continues, and its chain begins', async () => {
    const [id, model] = [randomUUID(), randomUUID()];
    await send(one, model, 'OpenTicket', open);
    await send(one, model, 'RecordDiagnosticStep', step('old'));
    const old = (await streamOf(model)).map(({ type, data, metadata: { hash: _, ...metadata } }) => ({
      id: randomUUID(),
      type,
      data,
      metadata,
    }));
    await one.append(streamName(ticket, id), 'no-stream', old);
    expect(await chainOf(id)).toMatchObject({ begun: false, revision: 1 });
    expect(await send(one, id, 'RecordDiagnosticStep', step('new'))).toMatchObject({ revision: 2 });
    expect(await send(other, id, 'RecordDiagnosticStep', step('newer'))).toMatchObject({ revision: 3 });
    expect(await chainOf(id)).toMatchObject({ begun: true, revision: 3 });
  });

  it.each([
    ['without a hash', ({ data, metadata: { hash: _, ...metadata } }: StoredEvent) => ({ data, metadata })],
    ['with the hash of another', ({ data, metadata }: StoredEvent) => ({ data, metadata })],
    ['of another program', ({ data }: StoredEvent) => ({ data, metadata: { whose: 'not ours' } as never })],
  ])('that contains an event %s accepts no more events, and can still be read', async (_, change) => {
    const [id, sound] = [randomUUID(), randomUUID()];
    await send(one, id, 'OpenTicket', open);
    await send(one, sound, 'OpenTicket', open);
    await send(one, id, 'RecordDiagnosticStep', step('a'));
    await written(id, change);
    const before = await streamOf(id);
    for (const store of [one, other, one]) {
      expect(await send(store, id, 'RecordDiagnosticStep', step('b'))).toMatchObject({
        refused: 'chain-broken',
        message: expect.stringContaining('event 2') as string,
      });
      expect(await readAggregate(store, ticket, id)).toMatchObject({ revision: 2, state: { client: 'chained' } });
    }
    expect(await streamOf(id)).toEqual(before);
    expect(await send(one, sound, 'RecordDiagnosticStep', step('b'))).toMatchObject({ revision: 1 });
  });
});
