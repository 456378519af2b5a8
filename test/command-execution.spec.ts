import { randomUUID } from 'node:crypto';
import { type CommandContext, type EventStore, execute, instantFrom, isRefusal, type StoredEvent, streamName } from '#eventsourcing';
import type { EventStoreDB } from '#eventstoredb';
import { ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { type TestEvents, testEvents } from './stores.js';

/** How commands become events in a real store: on the embedded node, or on the server at TIERLINE_EVENTSTORE_URL. */
let events: TestEvents;
let store: EventStoreDB;

beforeAll(async () => {
  events = await testEvents();
  ({ store } = events);
});

afterAll(() => events.close());

/** Of nobody else on a shared server. */
const client = `client-${randomUUID()}`;
const open: TicketCommands['OpenTicket'] = {
  client,
  kind: 'incident',
  summary: 'Cannot print',
  reporter: { id: 'joe' },
  channel: 'phone',
  impact: 'medium',
  urgency: 'high',
};

function context(more: Partial<CommandContext> = {}): CommandContext {
  const commandId = randomUUID();
  const now = instantFrom(Date.now());
  return {
    commandId,
    correlationId: commandId,
    causationId: commandId,
    actor: { id: 'ada', kind: 'agent' },
    effectiveAt: now,
    recordedAt: now,
    ...more,
  };
}

function send<Name extends TicketCommandName>(
  id: string,
  name: Name,
  command: TicketCommands[Name],
  more: Partial<CommandContext> = {},
  through: EventStore = store,
) {
  return execute(through, ticket, id, name, command, context(more), { opens: name === 'OpenTicket' });
}

async function streamOf(id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(streamName(ticket, id))) events.push(event);
  return events;
}

describe('a command', () => {
  it('becomes events with complete metadata', async () => {
    const id = randomUUID();
    const effectiveAt = instantFrom(Date.now() - 3_600_000);
    const sent = context({ effectiveAt, commandDigest: 'digest' });
    const done = await execute(store, ticket, id, 'OpenTicket', open, sent, { opens: true });
    expect(done).toMatchObject({ revision: 0, repeated: false, events: [{ type: 'TicketOpened' }] });
    const [event] = await streamOf(id);
    expect(event).toMatchObject({
      stream: `ticket-${id}`,
      revision: 0,
      type: 'TicketOpened',
      data: { ...open, tier: 'L1', priority: 'high' },
      metadata: {
        commandId: sent.commandId,
        commandType: 'OpenTicket',
        commandDigest: 'digest',
        correlationId: sent.correlationId,
        causationId: sent.causationId,
        actor: { id: 'ada', kind: 'agent' },
        client,
        effectiveAt,
        recordedAt: sent.recordedAt,
        schemaVersion: 1,
      },
    });
  });

  it('names the client of the ticket in the metadata of every later event', async () => {
    const id = randomUUID();
    await send(id, 'OpenTicket', open);
    await send(id, 'StartWork', {});
    expect((await streamOf(id)).map(({ metadata }) => metadata.client)).toEqual([client, client]);
  });

  it('is done once, however often it is sent', async () => {
    const id = randomUUID();
    const opening = { commandId: randomUUID(), commandDigest: 'one' };
    const step = { commandId: randomUUID(), commandDigest: 'two' };
    const once = async () => {
      expect(await send(id, 'OpenTicket', open, opening)).toMatchObject({ revision: 0 });
      expect(await send(id, 'RecordDiagnosticStep', { action: 'ping', outcome: 'lost' }, step)).toMatchObject({ revision: 1 });
    };
    await once();
    await once();
    await Promise.all([once(), once(), once()]);
    expect((await streamOf(id)).map(({ type }) => type)).toEqual(['TicketOpened', 'DiagnosticStepRecorded']);
  });

  it('answers a repetition with what it did then, even after later changes to the ticket', async () => {
    const id = randomUUID();
    await send(id, 'OpenTicket', open);
    const step = { commandId: randomUUID() };
    await send(id, 'RecordDiagnosticStep', { action: 'ping', outcome: 'lost' }, step);
    await send(id, 'StartWork', {});
    expect(await send(id, 'RecordDiagnosticStep', { action: 'ping', outcome: 'lost' }, step)).toMatchObject({
      revision: 1,
      repeated: true,
      events: [{ type: 'DiagnosticStepRecorded', data: { action: 'ping' } }],
    });
  });

  it('that borrows the id of another is refused, at once and at the same time', async () => {
    const id = randomUUID();
    const commandId = randomUUID();
    await send(id, 'OpenTicket', open, { commandId, commandDigest: 'one' });
    expect(await send(id, 'OpenTicket', { ...open, summary: 'Else' }, { commandId, commandDigest: 'other' })).toMatchObject({
      refused: 'idempotency-key-reused',
    });
    expect(await send(id, 'StartWork', {}, { commandId, commandDigest: 'one' })).toMatchObject({ refused: 'idempotency-key-reused' });
    const together = await Promise.all(
      ['a', 'b'].map((action) =>
        send(id, 'RecordDiagnosticStep', { action, outcome: 'o' }, { commandId: `${commandId}-step`, commandDigest: action }),
      ),
    );
    expect(together.filter(isRefusal)).toMatchObject([{ refused: 'idempotency-key-reused' }]);
  });

  it('is refused when the ticket is not at the revision that its sender saw', async () => {
    const id = randomUUID();
    await send(id, 'OpenTicket', open);
    expect(await send(id, 'StartWork', {}, { ifRevisions: [4] })).toMatchObject({ refused: 'revision-mismatch' });
    expect(await send(id, 'StartWork', {}, { ifRevisions: [0] })).toMatchObject({ revision: 1 });
  });

  it('leaves nothing behind when it is refused', async () => {
    const id = randomUUID();
    expect(await send(id, 'StartWork', {})).toMatchObject({ refused: 'ticket-not-found' });
    expect(await streamOf(id)).toEqual([]);
  });
});

describe('commands at the same time', () => {
  it('are all executed, one after another, if they do not exclude each other', async () => {
    const id = randomUUID();
    await send(id, 'OpenTicket', open);
    const sent = Array.from({ length: 20 }, (_, index) => String(10 + index));
    const done = await Promise.all(sent.map((action) => send(id, 'RecordDiagnosticStep', { action, outcome: 'o' })));
    expect(done.filter(isRefusal)).toEqual([]);
    const events = await streamOf(id);
    expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: 21 }, (_, revision) => revision));
    expect(
      events
        .slice(1)
        .map(({ data }) => (data as { action: string }).action)
        .sort(),
    ).toEqual(sent);
  });

  it('open different tickets side by side', async () => {
    const ids = Array.from({ length: 100 }, () => randomUUID());
    const done = await Promise.all(ids.map((id) => send(id, 'OpenTicket', open)));
    expect(done.every((result) => !isRefusal(result) && result.revision === 0)).toBe(true);
  });

  it('that exclude each other succeed only once', async () => {
    const id = randomUUID();
    await send(id, 'OpenTicket', open);
    const results = await Promise.all(
      ['resolved', 'cancelled', 'cancelled'].map((what) =>
        what === 'resolved' ? send(id, 'ResolveTicket', { category: 'c', article: 'a' }) : send(id, 'CancelTicket', { reason: 'r' }),
      ),
    );
    expect((await streamOf(id)).filter(({ type }) => type === 'TicketResolved' || type === 'TicketCancelled')).toHaveLength(1);
    expect(results.some((result) => isRefusal(result) || result.events.length === 0)).toBe(true);
  });
});
