import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { compileLibrary, startNodeProcess, type NodeProcess } from '../testing/compiled-node.js';
import { decode, encode, type Json } from '../testing/recorded-messages.js';

/**
 * Kills the node (SIGKILL) during a load of appends, starts it again on the same directory, and compares: acknowledged appends are there,
 * once and in order; the others are there completely or not at all.
 */
const ROUNDS = 4;
const WRITERS = 6;

let directory: string;
let compiled: ReturnType<typeof compileLibrary>;
let node: NodeProcess | undefined;
let client: Client;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'embedded-eventstoredb-'));
  compiled = compileLibrary();
});

afterAll(async () => {
  client?.close();
  await node?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
  compiled.remove();
});

type Fields = Record<string, Json>;
type AppendCall = ClientDuplexStream<Json, Fields>;

const connect = (port: number): Client =>
  new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });

async function readAllOf(stream: string): Promise<Array<{ revision: string; data: string }>> {
  const call = client.makeServerStreamRequest(
    '/event_store.client.streams.Streams/Read',
    (message: Json) => encode('ReadReq', message),
    (bytes) => decode('ReadResp', bytes),
    { options: { stream: { stream_identifier: stream, start: {} }, count: '1000000', no_filter: {}, uuid_option: { string: {} } } },
  );
  const events: Array<{ revision: string; data: string }> = [];
  for await (const message of call as AsyncIterable<{ event?: { event: { revision: string; data: string } } }>) {
    if (message.event) events.push({ revision: String(message.event.event.revision), data: message.event.event.data });
  }
  return events;
}

/** Appends two or three events at a time, each append after the previous one is acknowledged, until the node is gone. */
class Writer {
  readonly stream = `crash-${randomUUID()}`;
  /** Data of the events of each append, in order; the last one may not have been acknowledged. */
  readonly sent: string[][] = [];
  acknowledged = 0;

  async run(): Promise<void> {
    const call: AppendCall = client.makeBidiStreamRequest(
      '/event_store.client.streams.Streams/BatchAppend',
      (message: Json) => encode('BatchAppendReq', message),
      (bytes) => decode('BatchAppendResp', bytes),
    );
    const gone = new Promise<undefined>((resolve) => call.on('error', () => resolve(undefined)));
    for (;;) {
      const append = this.sent.length;
      const events = Array.from({ length: 2 + (append % 2) }, (_, index) => `${append}/${index}`);
      const answer = new Promise<Fields>((resolve) => call.once('data', resolve));
      this.sent.push(events);
      call.write({
        correlation_id: randomUUID(),
        is_final: true,
        options: { stream_identifier: this.stream, any: {} },
        proposed_messages: events.map((data) => ({
          id: randomUUID(),
          metadata: { type: 'written', 'content-type': 'application/octet-stream' },
          data,
        })),
      });
      const response = await Promise.race([answer, gone]);
      if (!response) return;
      if (!response['success']) throw new Error(`refused: ${JSON.stringify(response)}`);
      this.acknowledged++;
    }
  }
}

it(`keeps everything acknowledged, once and in order, and nothing torn, over ${ROUNDS} kills`, async () => {
  let port = 0;
  const writers: Writer[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    node = await startNodeProcess(compiled.entry, { directory, port, thread: round % 2 === 0 });
    port = node.port;
    client = connect(port);
    const before = writers.splice(0);
    for (const writer of before) await check(writer);

    writers.push(...Array.from({ length: WRITERS }, () => new Writer()));
    const running = writers.map((writer) => writer.run());
    while (writers.reduce((sum, writer) => sum + writer.acknowledged, 0) < 60) await wait(5);
    await wait(Math.random() * 60);
    await node.kill('SIGKILL');
    await Promise.all(running);
    client.close();
  }
  node = await startNodeProcess(compiled.entry, { directory, port, thread: true });
  client = connect(node.port);
  for (const writer of writers) await check(writer);
});

async function check(writer: Writer): Promise<void> {
  const found = await readAllOf(writer.stream);
  const acknowledged = writer.sent.slice(0, writer.acknowledged).flat();
  const all = writer.sent.flat();
  expect(found.map(({ revision }) => revision)).toEqual(found.map((_event, index) => String(index)));
  expect([acknowledged, all]).toContainEqual(found.map(({ data }) => data));
}
