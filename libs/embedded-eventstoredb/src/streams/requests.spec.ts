import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { Client, credentials, status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { eventually } from '../../../../test/eventually.js';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '../index.js';
import { decode, encode, type Json } from '../testing/recorded-messages.js';

/** Raw requests that the client never sends, or whose responses it does not show. */

let directory: string;
let node: EmbeddedEventStoreDB;
let client: EventStoreDBClient;
let wire: Client;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  client = EventStoreDBClient.connectionString(node.url);
  wire = new Client(`127.0.0.1:${node.port}`, credentials.createInsecure());
});

afterEach(async () => {
  wire.close();
  await client.dispose();
  await node.close();
  rmSync(directory, { recursive: true });
});

const STREAMS = '/event_store.client.streams.Streams';
const PERSISTENT = '/event_store.client.persistent_subscriptions.PersistentSubscriptions';
const METHODS = {
  append: [`${STREAMS}/Append`, 'AppendReq', 'AppendResp'],
  read: [`${STREAMS}/Read`, 'ReadReq', 'ReadResp'],
  create: [`${PERSISTENT}/Create`, 'PsCreateReq', 'Empty'],
  update: [`${PERSISTENT}/Update`, 'PsCreateReq', 'Empty'],
  getInfo: [`${PERSISTENT}/GetInfo`, 'PsGetInfoReq', 'PsGetInfoResp'],
  list: [`${PERSISTENT}/List`, 'PsListReq', 'PsListResp'],
  consume: [`${PERSISTENT}/Read`, 'PsReadReq', 'PsReadResp'],
} as const;
type Method = keyof typeof METHODS;

function open(method: Method): ClientDuplexStream<Json, Json> {
  const [path, request, response] = METHODS[method];
  return wire.makeBidiStreamRequest(
    path,
    (message: Json) => encode(request, message),
    (bytes: Buffer): Json => decode(response, bytes),
  );
}

/** Resolves with the messages received; rejects with the status with which the call ended. */
function messagesOf(call: ClientDuplexStream<Json, Json>): Promise<Json[]> {
  const messages: Json[] = [];
  return new Promise((resolve, reject) => {
    call.on('data', (message: Json) => messages.push(message));
    call.on('error', (error: ServiceError) => reject(error));
    call.on('end', () => resolve(messages));
  });
}

function ask(method: Method, ...requests: Json[]): Promise<Json[]> {
  const call = open(method);
  for (const request of requests) call.write(request);
  call.end();
  return messagesOf(call);
}

const event = (n: number) => jsonEvent({ type: 'written', data: { n } });
const events = (count: number) => Array.from({ length: count }, (_, n) => event(n));

describe('a forward read that may be told positions', () => {
  const first = async (stream: string, revision: number, count: number): Promise<Json[]> => {
    const from = { stream_identifier: stream, revision: String(revision) };
    const options = {
      stream: from,
      count: String(count),
      no_filter: {},
      uuid_option: { string: {} },
      control_option: { compatibility: 1 },
    };
    const messages = await ask('read', { options });
    return messages.map((message) => {
      const [[kind, value] = ['', null]] = Object.entries(message as { [key: string]: Json });
      return kind === 'event' ? 'event' : { [kind]: value };
    });
  };

  it.each([
    [
      'below the truncated gap',
      0,
      10,
      [{ first_stream_position: '50' }, ...Array<string>(10).fill('event'), { last_stream_position: '59' }],
    ],
    ['that reaches out of it', 45, 10, [...Array<string>(10).fill('event'), { last_stream_position: '59' }]],
    [
      'of more than one page',
      0,
      1000,
      [{ first_stream_position: '50' }, ...Array<string>(10).fill('event'), { last_stream_position: '59' }],
    ],
    ['that begins in the page of the gap', 20, 1000, [...Array<string>(10).fill('event'), { last_stream_position: '59' }]],
    ['behind the end', 70, 10, [{ first_stream_position: '60' }, { last_stream_position: '59' }]],
    ['at the end', 60, 10, [{ last_stream_position: '59' }]],
  ])('%s', async (_name, revision, count, expected) => {
    const stream = `truncated-${randomUUID()}`;
    await client.appendToStream(stream, events(60));
    await client.setStreamMetadata(stream, { truncateBefore: 50 });
    expect(await first(stream, revision, count)).toEqual(expected);
  });

  it.each([
    ['in the page of the gap', 5, 100, [{ first_stream_position: '5' }, { last_stream_position: '4' }]],
    ['below it', 100, 10, [{ first_stream_position: '100' }, { first_stream_position: '5' }, { last_stream_position: '4' }]],
  ])('that finds nothing, %s', async (_name, truncateBefore, count, expected) => {
    const stream = `truncated-${randomUUID()}`;
    await client.appendToStream(stream, events(5));
    await client.setStreamMetadata(stream, { truncateBefore });
    expect(await first(stream, 0, count)).toEqual(expected);
  });
});

describe('persistent subscriptions', () => {
  const settings = {
    max_retry_count: 10,
    min_checkpoint_count: 10,
    max_checkpoint_count: 1000,
    live_buffer_size: 500,
    read_batch_size: 20,
    history_buffer_size: 500,
    message_timeout_ms: 30_000,
    checkpoint_after_ms: 2000,
    consumer_strategy: 'RoundRobin',
  };
  const onStream = { stream: { stream_identifier: 's', start: {} }, group_name: 'g' };
  const onAll = { all: { start: {}, no_filter: {} }, group_name: 'g' };
  const thrown = { code: status.UNKNOWN, details: 'Exception was thrown by handler.' };

  it('are an empty list when there are none, or no longer any', async () => {
    const all = { options: { list_all_subscriptions: {} } };
    expect(await ask('list', all)).toEqual([{}]);
    await ask('create', { options: { ...onStream, settings } });
    await client.deletePersistentSubscriptionToStream('s', 'g');
    expect(await ask('list', all)).toEqual([{}]);
    await expect(ask('list', { options: { list_for_stream: { stream: { stream_name: 's' } } } })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  it.each([
    ['create without settings', 'create', onStream, thrown],
    ['create without settings, on $all', 'create', onAll, thrown],
    ['update without settings', 'update', onStream, thrown],
    ['update without settings, on $all', 'update', onAll, thrown],
    [
      'create without a position on $all',
      'create',
      { all: { no_filter: {} }, group_name: 'g', settings },
      {
        code: status.INVALID_ARGUMENT,
        details: "'None' is not a valid EventStore.Client.PersistentSubscriptions.CreateReq+Types+AllOptions+AllOptionOneofCase",
      },
    ],
    ['update without a position on $all', 'update', { all: {}, group_name: 'g', settings }, thrown],
    [
      'create with a strategy of an unknown number',
      'create',
      { ...onStream, settings: { ...settings, consumer_strategy: '', named_consumer_strategy: 9 } },
      { code: status.INTERNAL, details: "Subscription group g on stream s failed: 'Consumer strategy 9 does not exist.'" },
    ],
    [
      'update of a group that does not exist, to a strategy of an unknown number',
      'update',
      { ...onStream, settings: { ...settings, named_consumer_strategy: 9 } },
      { code: status.NOT_FOUND, details: 'Subscription group g on stream s does not exist.' },
    ],
  ] as const)('refuse to %s', async (_name, method, options, refusal) => {
    await expect(ask(method, { options } as Json)).rejects.toMatchObject(refusal);
  });

  it.each([
    ['a negative read batch', { ...onStream, settings: { ...settings, read_batch_size: -1 } }, { stream_identifier: 's' }],
    [
      'a position where no event begins',
      { all: { position: { commit_position: '65', prepare_position: '65' }, no_filter: {} }, group_name: 'g', settings },
      { all: {} },
    ],
  ])('with %s are made, and drop each consumer', async (_name, options, source) => {
    await client.appendToStream('s', events(3));
    await ask('create', { options } as Json);
    const consumer = open('consume');
    consumer.write({ options: { ...source, group_name: 'g', buffer_size: 10, uuid_option: { string: {} } } } as Json);
    await expect(messagesOf(consumer)).rejects.toMatchObject({
      code: status.CANCELLED,
      details: expect.stringContaining('was dropped.') as string,
    });
    expect(await ask('getInfo', { options: { ...source, group_name: 'g' } } as Json)).toMatchObject([
      { subscription_info: { status: 'Behind, OutstandingPageRequest' } },
    ]);
  });

  it.each([
    ['an unknown action', (id: string) => ({ nack: { ids: [id], action: 9, reason: '' } })],
    ['an id that is none', () => ({ ack: { ids: ['none'] } })],
    ['options once more', () => ({ options: { stream_identifier: 's', group_name: 'g', buffer_size: 1, uuid_option: { string: {} } } })],
  ])('keep sending but stop listening after %s', async (_name, nonsense) => {
    await client.appendToStream('s', events(2));
    await ask('create', { options: { ...onStream, settings } });
    const consumer = open('consume');
    const received: string[] = [];
    consumer.on('data', (message: Json) => {
      const { id } = (message as { event?: { event: { id: string } } }).event?.event ?? {};
      if (id) received.push(id);
    });
    consumer.on('error', () => undefined);
    consumer.write({ options: { stream_identifier: 's', group_name: 'g', buffer_size: 3, uuid_option: { string: {} } } });
    await eventually(() => expect(received).toHaveLength(2));
    consumer.write(nonsense(received[0] as string) as Json);
    consumer.write({ ack: { ids: received.slice() } });
    await client.appendToStream('s', events(2));
    // The consumer has room for one more, since its messages were ignored.
    await eventually(() => expect(received).toHaveLength(3));
    const [info] = await ask('getInfo', { options: { stream_identifier: 's', group_name: 'g' } });
    expect(info).toMatchObject({ subscription_info: { total_in_flight_messages: 3, connections: [{ in_flight_messages: 3 }] } });
    consumer.cancel();
  });
});

describe('when the node stops', () => {
  it('calls without a response end as unavailable', async () => {
    const unfinished = open('append');
    unfinished.write({ options: { stream_identifier: 's', any: {} } });
    const unread = open('read');
    // Without uuid_option the genuine server never answers.
    unread.write({ options: { stream: { stream_identifier: 's', start: {} }, count: '1', no_filter: {} } });
    unread.end();
    const calls = [unfinished, unread].map((call) => messagesOf(call));
    // Everything sent before has arrived when this is answered.
    await client.appendToStream('s', event(0));
    const ended = Promise.allSettled(calls);
    await node.close();
    expect(await ended).toMatchObject([{ reason: { code: status.UNAVAILABLE } }, { reason: { code: status.UNAVAILABLE } }]);
  });

  it('each append has been written and acknowledged, or is unavailable', async () => {
    const appends = Array.from({ length: 300 }, (_, n) => {
      const proposed_message = { id: randomUUID(), metadata: { type: 't', 'content-type': 'application/json' }, data: String(n) };
      return ask('append', { options: { stream_identifier: `s-${n}`, any: {} } }, { proposed_message });
    });
    await Promise.race(appends);
    await node.close();
    const outcomes = await Promise.allSettled(appends);
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as ServiceError).code] : []));
    expect(refused.filter((code) => code !== status.UNAVAILABLE)).toEqual([]);
    node = await startEmbeddedEventStoreDB({ directory, port: 0 });
    const reading = EventStoreDBClient.connectionString(node.url);
    const written = new Set<string>();
    for await (const { event } of reading.readAll()) if (event) written.add(event.streamId);
    await reading.dispose();
    for (const [n, { status: settled }] of outcomes.entries()) if (settled === 'fulfilled') expect(written).toContain(`s-${n}`);
  });
});
