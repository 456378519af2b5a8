import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isBroken, NO_EVENTS } from '#audit';
import {
  type CommandContext,
  type EventStore,
  execute,
  followChain,
  instantFrom,
  isRefusal,
  readAggregate,
  type StoredEvent,
  streamName,
} from '#eventsourcing';
import { EventStoreDB } from '#eventstoredb';
import { ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { type TestStores, testStores } from '../../../test/stores.js';
import { MasterKeyFile, PersonalEvents, PersonalKeys, UNREADABLE, WITHHELD, WrongMasterKey } from './index.js';

let stores: TestStores;
/** Without keys. */
let raw: EventStoreDB;
/** Two processes with keys. */
let one: EventStoreDB;
let other: EventStoreDB;

const masterKey = () => MasterKeyFile.open(join(stores.directory, 'personal-key'));
async function withKeys(): Promise<EventStoreDB> {
  const personal = new PersonalEvents(await PersonalKeys.open(stores.mongo, await masterKey()));
  const store = EventStoreDB.connect(stores.eventStoreUrl, { personal });
  stores.onClose(() => store.close());
  return store;
}

beforeAll(async () => {
  stores = await testStores();
  raw = stores.store;
  one = await withKeys();
  other = await withKeys();
});

afterAll(() => stores.close());

const jane = { id: 'j.doe', name: 'Jane Doe' };

async function send<Name extends TicketCommandName>(
  store: EventStore,
  id: string,
  name: Name,
  command: TicketCommands[Name],
  more: Partial<CommandContext> = {},
) {
  const commandId = randomUUID();
  const now = instantFrom(Date.now());
  const actor = { id: 'ada', kind: 'agent', name: 'Ada' } as const;
  const context = { commandId, correlationId: commandId, causationId: commandId, actor, effectiveAt: now, recordedAt: now, ...more };
  const done = await execute(store, ticket, id, name, command, context, { opens: name === 'OpenTicket' });
  if (isRefusal(done)) throw new Error(done.message);
  return done;
}

async function opened(store: EventStore, more: Partial<CommandContext> = {}): Promise<string> {
  const id = randomUUID();
  await send(
    store,
    id,
    'OpenTicket',
    {
      client: `client-${id}`,
      kind: 'incident',
      summary: "Jane's laptop is dead",
      description: 'It fell',
      reporter: jane,
      channel: 'phone',
      impact: 'low',
      urgency: 'low',
    },
    more,
  );
  return id;
}

async function eventsOf(store: EventStore, id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.readStream(streamName(ticket, id))) events.push(event);
  return events;
}

it('keeps personal data encrypted in the log, and gives it back to every process that has the keys', async () => {
  const id = await opened(one, { actor: { ...jane, kind: 'requester' } });
  await send(other, id, 'RecordRequesterReply', { text: 'Am home', author: { id: 'bob', name: 'Bob Roe' } });
  await send(one, id, 'SendPublicReply', { text: 'Dear Jane' });
  await send(other, id, 'AddInternalNote', { text: 'Jane called twice' });

  const stored = await eventsOf(raw, id);
  expect(JSON.stringify(stored.map(({ data, metadata }) => [data, metadata]))).not.toMatch(/Jane|Bob|home|fell/);
  expect(stored[0]).toMatchObject({
    data: { reporter: { id: 'j.doe', name: WITHHELD }, summary: WITHHELD, description: WITHHELD, channel: 'phone' },
    metadata: { actor: { id: 'j.doe', name: WITHHELD } },
  });
  for (const store of [one, other]) {
    const read = await eventsOf(store, id);
    expect(read.map(({ data }) => data)).toMatchObject([
      { reporter: jane, summary: "Jane's laptop is dead", description: 'It fell' },
      { author: { id: 'bob', name: 'Bob Roe' }, text: 'Am home' },
      { author: { id: 'ada', name: 'Ada' }, text: 'Dear Jane' },
      { text: 'Jane called twice' },
    ]);
    expect(read[0]?.metadata).toMatchObject({ actor: jane });
    expect(read[0]?.metadata).not.toHaveProperty('personal');
  }
  // The author of a reply is another person, with another key.
  const keys = stored.flatMap(({ metadata }) => metadata.personal ?? []).map(({ key }) => key);
  expect(new Set(keys).size).toBe(2);
});

it('hashes what is stored: a chain holds with keys and without', async () => {
  const id = await opened(one);
  await send(other, id, 'AddInternalNote', { text: 'Jane called' });
  for (const store of [raw, one]) {
    let chain: ReturnType<typeof followChain> = NO_EVENTS;
    for (const event of await eventsOf(store, id)) if (!isBroken(chain)) chain = followChain(chain, event);
    expect(chain).toMatchObject({ revision: 1, begun: true });
  }
});

it('encrypts an event alike in two processes that do the same at the same time', async () => {
  const id = randomUUID();
  const stream = streamName(ticket, id);
  const metadata = { ...(await eventsOf(one, await opened(one)))[0]?.metadata, client: `client-${id}` } as StoredEvent['metadata'];
  const event = { id: randomUUID(), type: 'InternalNoteAdded', data: { text: 'x' }, metadata };
  const personal = [{ person: 'j.doe', fields: ['data.text'] }];
  const [here, there] = await Promise.all([one, other].map((store) => store.seal(stream, [{ ...event, personal }])));
  expect(here).toEqual(there);
  expect(await one.seal(stream, [{ ...event, data: { text: 'y' }, personal }])).not.toEqual(here);
});

it('reads what was written in the clear, and marks what it cannot decrypt', async () => {
  const clear = await opened(raw);
  expect((await readAggregate(one, ticket, clear)).state).toMatchObject({ reporter: jane, summary: "Jane's laptop is dead" });

  const id = await opened(one);
  await stores.mongo.db.collection('personal_keys').deleteMany({ stream: streamName(ticket, id) });
  const { state } = await readAggregate(await withKeys(), ticket, id);
  expect(state).toMatchObject({ reporter: { id: 'j.doe', name: UNREADABLE }, summary: UNREADABLE });
});

it('starts only with the master key that the keys were wrapped with', async () => {
  const wrong = await MasterKeyFile.open(join(stores.directory, 'another-key'));
  await expect(PersonalKeys.open(stores.mongo, wrong)).rejects.toThrow(WrongMasterKey);
});
