import { randomUUID } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { isBroken, NO_EVENTS, verifyPack } from '#audit';
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
import { auditLog, exportPack, LogTree, seal, sealingKeyIn } from '#sealing';
import { ticket, type TicketCommandName, type TicketCommands } from '#ticketing';
import { storeWithKeys, type TestStores, testStores } from '../../../test/stores.js';
import { AttachmentKeys, KeyWrapping, MasterKeyFile, PersonalEvents, PersonalKeys, UNREADABLE, WITHHELD, WrongMasterKey } from './index.js';

let stores: TestStores;
/** Without keys. */
let raw: EventStoreDB;
/** Two processes with keys. */
let one: EventStoreDB;
let other: EventStoreDB;

beforeAll(async () => {
  // A tree is of one log.
  stores = await testStores({ empty: true });
  raw = stores.store;
  ({ store: one } = await storeWithKeys(stores));
  ({ store: other } = await storeWithKeys(stores));
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

it('keeps personal data encrypted in the log, readable for every process that has the keys', async () => {
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

it('leaves encrypted what other clients’ events say, for whoever reads the log for one client', async () => {
  const [mine, theirs] = [await opened(one), await opened(other)];
  const read = new Map<string, StoredEvent>();
  const filter = { streamPrefixes: [mine, theirs].map((id) => streamName(ticket, id)), personalOf: `client-${mine}` };
  for await (const event of one.readAll(filter)) read.set(event.stream, event);
  expect(read.get(streamName(ticket, mine))).toMatchObject({ data: { reporter: jane } });
  expect(read.get(streamName(ticket, theirs))).toMatchObject({ data: { reporter: { ...jane, name: WITHHELD }, summary: WITHHELD } });
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

it('proves a ticket before its personal data is erased and after, by the same bytes', async () => {
  const { store, keys } = await storeWithKeys(stores);
  const id = await opened(store);
  const stream = streamName(ticket, id);
  const tree = new LogTree(store, stores.mongo.db, ['ticket']);
  const keyFile = join(stores.directory, 'sealing-key');
  const pack = async () => {
    const sealed = await seal({
      store,
      tree,
      key: () => sealingKeyIn(keyFile),
      publishing: { file: join(stores.directory, 'tree-heads') },
    });
    const lines: string[] = [];
    await exportPack({
      store,
      tree,
      sealed: sealed as NonNullable<typeof sealed>,
      key: await sealingKeyIn(keyFile),
      request: { kind: 'ticket', stream, ticket: id },
      definitions: [],
      streamsOfTicket: () => [],
      write: (line) => void lines.push(line),
    });
    return lines;
  };
  const before = await pack();
  await keys.destroy({ stream }, 'forgotten', new Date());
  await send(store, id, 'TellErased', { because: 'forgotten' });
  const after = await pack();
  for (const lines of [before, after]) {
    expect(lines.join('')).not.toMatch(/Jane|laptop/);
    expect(await verifyPack(Buffer.from(lines.join('')))).toMatchObject({ integrity: true, completeness: true });
  }
  const eventsIn = (lines: readonly string[]) => lines.flatMap((line) => (line.includes('"kind":"event"') ? [JSON.parse(line).event] : []));
  expect(eventsIn(after)[0]).toEqual(eventsIn(before)[0]);
  expect(await auditLog(store, ['ticket'], new AbortController().signal)).toMatchObject({ brokenChains: [], falseHeads: [], heads: 2 });
  expect((await readAggregate(store, ticket, id)).state).toMatchObject({
    summary: '[erased]',
    reporter: { id: 'j.doe', name: '[erased]' },
  });
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
  const { state } = await readAggregate((await storeWithKeys(stores)).store, ticket, id);
  expect(state).toMatchObject({ reporter: { id: 'j.doe', name: UNREADABLE }, summary: UNREADABLE });
});

it('starts only with the master key that the keys were wrapped with', async () => {
  const wrong = await MasterKeyFile.open(join(stores.directory, 'another-key'));
  await expect(PersonalKeys.open(stores.mongo, wrong)).rejects.toThrow(WrongMasterKey);
});

it('does not replace a missing master key', async () => {
  const wrapped = await PersonalKeys.wrapped(stores.mongo);
  expect(wrapped).toBeDefined();
  const [file, missing] = ['personal-key', 'missing-key'].map((name) => join(stores.directory, name)) as [string, string];
  const [wrong, next] = ['another-key', 'next-key'].map((name) => join(stores.directory, name)) as [string, string];
  await MasterKeyFile.open(wrong);
  for (const before of [undefined, wrong]) {
    await expect(MasterKeyFile.open(missing, before, wrapped)).rejects.toThrow('ENOENT');
    await expect(access(missing)).rejects.toThrow('ENOENT');
  }
  // Another one takes the place of one that is there.
  await PersonalKeys.open(stores.mongo, await MasterKeyFile.open(next, file, wrapped));
  await access(next);
  await PersonalKeys.open(stores.mongo, await MasterKeyFile.open(file, undefined, wrapped));
});

it('wraps keys with a new master key, in as many runs as it takes, and brings back none that was destroyed', async () => {
  const [before, after] = ['personal-key', 'new-personal-key'].map((name) => join(stores.directory, name)) as [string, string];
  const [kept, erased] = [await opened(one), await opened(one)];
  const text = async (keys: PersonalKeys, id: string) => {
    const store = EventStoreDB.connect(stores.eventStoreUrl, {
      personal: new PersonalEvents(keys, await AttachmentKeys.open(stores.mongo, keys)),
    });
    try {
      return (await readAggregate(store, ticket, id)).state?.summary;
    } finally {
      await store.close();
    }
  };
  const both = await PersonalKeys.open(stores.mongo, await MasterKeyFile.open(after, before));
  expect(await text(both, kept)).toBe("Jane's laptop is dead");
  // One run breaks off; meanwhile a ticket is opened under the new key, and one is erased.
  class BreaksOff extends KeyWrapping {
    left = 3;
    constructor(private readonly whole: KeyWrapping) {
      super();
    }
    wrap = (key: Buffer) => this.whole.wrap(key);
    unwrap = (wrapped: Buffer) => this.whole.unwrap(wrapped);
    rewrap = (wrapped: Buffer) => (this.left-- > 0 ? this.whole.rewrap(wrapped) : Promise.reject(new Error('killed')));
  }
  const dying = await PersonalKeys.open(stores.mongo, new BreaksOff(await MasterKeyFile.open(after, before)));
  await expect(dying.rewrap()).rejects.toThrow(WrongMasterKey);
  await PersonalKeys.open(stores.mongo, await MasterKeyFile.open(before));
  await both.destroy({ stream: streamName(ticket, erased) }, 'forgotten', new Date());
  expect(await both.rewrap()).toBeGreaterThan(0);
  expect(await both.rewrap()).toBe(0);

  const only = await PersonalKeys.open(stores.mongo, await MasterKeyFile.open(after));
  expect([await text(only, kept), await text(only, erased)]).toEqual(["Jane's laptop is dead", '[erased]']);
  await expect(PersonalKeys.open(stores.mongo, await MasterKeyFile.open(before))).rejects.toThrow(WrongMasterKey);
  await expect(MasterKeyFile.open(after, join(stores.directory, 'no-such-key'))).rejects.toThrow('ENOENT');
});
