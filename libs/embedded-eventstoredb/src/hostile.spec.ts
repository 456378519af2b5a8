import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectSocket } from 'node:net';
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import { PATIENCE_MS } from '../../../test/eventually.js';
import { startEmbeddedEventStoreDB, type EmbeddedEventStoreDB } from './index.js';
import { encode } from './testing/recorded-messages.js';

/** Frames that no client sends. Each call gets its own error or none; the node and other calls are unaffected. */

let directory: string;
let node: EmbeddedEventStoreDB;
let client: EventStoreDBClient;
let session: ClientHttp2Session;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  node = await startEmbeddedEventStoreDB({ directory, port: 0 });
  client = EventStoreDBClient.connectionString(node.url);
});

// HTTP/2 itself ends a connection with too many dropped calls, about a thousand: each test has its own.
beforeEach(() => {
  session = connect(`http://127.0.0.1:${node.port}`);
});

afterAll(async () => {
  await client.dispose();
  await node.close();
  rmSync(directory, { recursive: true });
});

afterEach(async () => {
  session.destroy();
  const stream = `alive-${randomUUID()}`;
  await client.appendToStream(stream, jsonEvent({ type: 'alive', data: {} }));
  let read = 0;
  for await (const _event of client.readStream(stream)) read++;
  expect(read).toBe(1);
});

const frame = (message: Buffer): Buffer => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
};

/** Sends raw bytes as the body of a call; returns the gRPC status, or undefined if there was none in time, as there may be none. */
function send(method: string, body: Buffer, milliseconds = PATIENCE_MS): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = session.request({ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' });
    const finish = (status: number | undefined): void => {
      clearTimeout(timer);
      resolve(status);
      request.destroy();
    };
    const timer = setTimeout(() => finish(undefined), milliseconds);
    const look = (headers: Record<string, unknown>): void => {
      if (headers['grpc-status'] !== undefined) finish(Number(headers['grpc-status']));
    };
    request.on('response', look);
    request.on('trailers', look);
    request.on('error', () => finish(undefined));
    request.on('data', () => undefined);
    request.end(body);
  });
}

const STREAMS = '/event_store.client.streams.Streams';
const PERSISTENT = '/event_store.client.persistent_subscriptions.PersistentSubscriptions';
const METHODS = [
  ...['Append', 'BatchAppend', 'Read', 'Delete', 'Tombstone'].map((method) => `${STREAMS}/${method}`),
  ...['Create', 'Update', 'Delete', 'Read', 'GetInfo', 'List', 'ReplayParked'].map((method) => `${PERSISTENT}/${method}`),
];

it('answers messages of random bytes with errors', async () => {
  for (const method of METHODS) {
    const statuses = await Promise.all(Array.from({ length: 40 }, (_, length) => send(method, frame(randomBytes(length + 1)), 1500)));
    // By chance, the bytes may be a message with only unknown fields, which a BatchAppend ignores.
    if (!method.endsWith('BatchAppend')) expect(statuses.filter((status) => status === 0)).toEqual([]);
  }
});

it('answers messages that end within a field, and fields of the wrong type, with errors', async () => {
  const good = encode('AppendReq', { options: { stream_identifier: 'hostile', any: {} } });
  for (let length = 1; length < good.length; length++)
    expect(await send(`${STREAMS}/Append`, frame(good.subarray(0, length)), 1500)).not.toBe(0);
  const wrongTypes = [
    Buffer.from([0x08, 0x01]),
    Buffer.from([0x0d, 1, 2, 3, 4]),
    Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0x0b]),
    Buffer.from([0x0f]),
    Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]),
  ];
  for (const method of METHODS)
    for (const message of wrongTypes) expect([method, message, await send(method, frame(message), 300)]).not.toEqual([method, message, 0]);
});

it('ignores unknown fields', async () => {
  const unknown = Buffer.from([0xf8, 0x07, 0x01, 0xf2, 0x07, 0x03, 1, 2, 3, 0xfd, 0x07, 1, 2, 3, 4, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8]);
  const options = encode('AppendReq', { options: { stream_identifier: `hostile-${randomUUID()}`, any: {} } });
  const event = encode('AppendReq', {
    proposed_message: { id: randomUUID(), metadata: { type: 't', 'content-type': 'application/json' }, data: '{}' },
  });
  expect(
    await send(`${STREAMS}/Append`, Buffer.concat([frame(Buffer.concat([unknown, options])), frame(Buffer.concat([event, unknown]))])),
  ).toBe(0);
});

it('refuses a message that is too large before receiving all of it', async () => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(0xffff_fff0, 1);
  expect(await send(`${STREAMS}/Append`, Buffer.concat([header, Buffer.alloc(1024)]))).toBe(8);
});

it('refuses frames that falsely claim to be compressed', async () => {
  const compressed = frame(Buffer.from('not gzip at all'));
  compressed[0] = 1;
  expect(await send(`${STREAMS}/Append`, compressed)).toBeGreaterThan(0);
});

it('keeps serving during a flood of calls that are opened and dropped', async () => {
  for (let wave = 0; wave < 5; wave++) {
    const requests = Array.from({ length: 100 }, () =>
      session.request({ ':method': 'POST', ':path': `${STREAMS}/BatchAppend`, 'content-type': 'application/grpc', te: 'trailers' }),
    );
    for (const request of requests) {
      request.on('error', () => undefined);
      request.write(
        frame(
          encode('BatchAppendReq', {
            correlation_id: randomUUID(),
            options: { stream_identifier: 'flood', any: {} },
            proposed_messages: [],
          }),
        ),
      );
    }
    await client.appendToStream(`during-${randomUUID()}`, jsonEvent({ type: 'during', data: {} }));
    for (const request of requests) request.close(constants.NGHTTP2_CANCEL);
  }
});

it('ends a call with too many unfinished appends in memory', async () => {
  const unfinished = (): Buffer =>
    frame(
      encode('BatchAppendReq', {
        correlation_id: randomUUID(),
        options: { stream_identifier: 'hostile', any: {} },
        proposed_messages: [
          {
            id: randomUUID(),
            metadata: { type: 't', 'content-type': 'application/json' },
            custom_metadata: 'x'.repeat(12 * 1024 * 1024),
            data: '',
          },
        ],
      }),
    );
  expect(await send(`${STREAMS}/BatchAppend`, Buffer.concat(Array.from({ length: 3 }, unfinished)))).toBe(8);
});

it('keeps serving when connections send nonsense instead of HTTP/2', async () => {
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    randomBytes(4096),
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), randomBytes(4096)]),
  ]) {
    await new Promise<void>((resolve) => {
      const socket = connectSocket(node.port, '127.0.0.1', () => socket.write(bytes));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      setTimeout(() => socket.destroy(), 200);
    });
  }
});

it('refuses regular expressions that could run forever, and accepts ordinary ones', async () => {
  const read = (regex: string): Promise<number | undefined> =>
    send(
      `${STREAMS}/Read`,
      frame(
        encode('ReadReq', {
          options: {
            all: { start: {} },
            count: '1000',
            filter: { event_type: { regex }, count: {}, checkpointIntervalMultiplier: 1 },
            uuid_option: { string: {} },
          },
        }),
      ),
    );
  for (const regex of ['(a+)+$', '^(a|a)*$', '(?:x*y)*z', '((ab)*c)+']) expect(await read(regex)).toBe(3);
  for (const regex of ['^[^\\$].*', '^(opened|closed)$', '^ticket-', '(?<tier>L\\d)+', '.*']) expect(await read(regex)).toBe(0);
});

it('accepts stream names and event types of any form', async () => {
  for (const name of ['\u0000', '../../etc/passwd', '\u{1F600}'.repeat(100), '__proto__', 'constructor', ' ', 'x'.repeat(5000)]) {
    const written = await send(
      `${STREAMS}/Append`,
      Buffer.concat([
        frame(encode('AppendReq', { options: { stream_identifier: name, no_stream: {} } })),
        frame(
          encode('AppendReq', {
            proposed_message: { id: randomUUID(), metadata: { type: name, 'content-type': 'application/json' }, data: '' },
          }),
        ),
      ]),
    );
    expect([name, written]).toEqual([name, 0]);
  }
});
