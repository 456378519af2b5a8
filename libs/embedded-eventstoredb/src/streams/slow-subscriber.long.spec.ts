import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { Client, credentials, type ClientReadableStream } from '@grpc/grpc-js';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from '../index.js';
import { decode, encode, type Json } from '../testing/recorded-messages.js';

/** A live subscriber that stops reading is dropped by the genuine server. Here it gets everything once it reads again. */

let directory: string;
let node: EmbeddedEventStoreDB;
let writer: EventStoreDBClient;
let client: Client;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  node = await startEmbeddedEventStoreDB({ directory, port: 0, systemStreams: false });
  writer = EventStoreDBClient.connectionString(node.url);
  client = new Client(`127.0.0.1:${node.port}`, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await writer.dispose();
  await node.close();
  rmSync(directory, { recursive: true });
});

type Message = { [kind: string]: Json };

function subscribe(options: Json): ClientReadableStream<Message> {
  return client.makeServerStreamRequest(
    '/event_store.client.streams.Streams/Read',
    (message: Json) => encode('ReadReq', message),
    (bytes) => decode('ReadResp', bytes) as Message,
    { options: { ...(options as object), subscription: {}, uuid_option: { string: {} } } },
  );
}

const EVENTS = 4000;

it.each([
  ['a stream', (stream: string): Json => ({ stream: { stream_identifier: stream, end: {} }, no_filter: {} })],
  ['$all', (): Json => ({ all: { end: {} }, no_filter: {} })],
  [
    'filtered $all',
    (stream: string): Json => ({
      all: { end: {} },
      filter: { stream_identifier: { prefix: [stream] }, max: 32, checkpointIntervalMultiplier: 1000 },
    }),
  ],
] as const)('continues reading %s from the log after it stopped reading, without gaps or repetition', async (_name, options) => {
  const stream = `slow-${randomUUID()}`;
  const call = subscribe(options(stream));
  call.on('error', () => undefined);
  const kinds: string[] = [];
  const revisions: number[] = [];
  call.on('data', (message: Message) => {
    const kind = Object.keys(message)[0] as string;
    if (kinds.at(-1) !== kind) kinds.push(kind);
    if (kind === 'event') revisions.push(Number((message['event'] as { event: { revision: string } }).event.revision));
  });
  while (!kinds.includes('caught_up')) await wait(10);

  call.pause();
  const padding = 'x'.repeat(1000);
  for (let from = 0; from < EVENTS; from += 500) {
    await writer.appendToStream(
      stream,
      Array.from({ length: 500 }, (_, index) => jsonEvent({ type: 'written', data: { n: from + index, padding } })),
    );
  }
  call.resume();
  while (revisions.length < EVENTS || kinds.filter((kind) => kind === 'caught_up').length < 2) await wait(10);

  // And live again.
  await writer.appendToStream(stream, jsonEvent({ type: 'written', data: { n: EVENTS } }));
  while (revisions.length <= EVENTS) await wait(10);
  expect(revisions).toEqual(Array.from({ length: EVENTS + 1 }, (_, revision) => revision));
  expect(kinds.filter((kind) => kind !== 'event').slice(0, 4)).toEqual(['confirmation', 'caught_up', 'fell_behind', 'caught_up']);
  call.cancel();
});
