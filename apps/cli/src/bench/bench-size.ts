import { mkdtempSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { startEmbeddedEventStoreDB } from '@tierline/embedded-eventstoredb';
import { ownMemory } from './own-memory.js';

const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 10_000_000);
const EVENTS_OF_A_STREAM = 2000;
const READ = 500_000;
const STREAMS = '/event_store.client.streams.Streams';
const PLACEHOLDER = 'size-0000000';

/**
 * Whether the embedded EventStoreDB node needs more memory for a larger log: many events, written and read without decoding, so that only
 * the node's memory counts. BENCH_EVENTS sets their number.
 */
export async function benchSize(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tierline-bench-'));
  try {
    let node = await startEmbeddedEventStoreDB({ directory, port: 0, systemStreams: false });
    let client = new Client(`127.0.0.1:${node.port}`, credentials.createInsecure());
    const call = client.makeBidiStreamRequest(`${STREAMS}/BatchAppend`, same, same);
    let began = performance.now();
    let peak = ownMemory();
    for (let written = 0; written < EVENTS;) {
      for (const until = Math.min(written + EVENTS / 10, EVENTS); written < until; written += EVENTS_OF_A_STREAM) {
        await append(call, written / EVENTS_OF_A_STREAM);
        peak = Math.max(peak, ownMemory());
      }
      const rate = Math.round((written / (performance.now() - began)) * 1000);
      console.log(`size       ${written} events written, ${rate}/s, ${ownMemory()} MiB, peak ${peak} MiB`);
    }
    call.end();
    client.close();
    await node.close();

    began = performance.now();
    node = await startEmbeddedEventStoreDB({ directory, port: 0, systemStreams: false });
    console.log(`size       started again in ${Math.round(performance.now() - began)} ms, ${ownMemory()} MiB`);
    client = new Client(`127.0.0.1:${node.port}`, credentials.createInsecure());
    for (const backwards of [false, true]) {
      began = performance.now();
      const events = await read(client, backwards);
      const rate = Math.round((events / (performance.now() - began)) * 1000);
      console.log(`size       the ${backwards ? 'last' : 'first'} ${events} events read, ${rate}/s, ${ownMemory()} MiB`);
    }
    client.close();
    await node.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const same = (bytes: Buffer): Buffer => bytes;

/** A message in which only the presence of one empty field matters. */
const only = (field: number): Uint8Array => Uint8Array.of(field * 8 + 2, 0);

/** An append of events to a new stream. Made once; only the name of the stream differs. */
const APPEND = ((): Buffer => {
  const request = new streams.BatchAppendReq();
  const id = new shared.UUID();
  id.setString(randomUUID());
  request.setCorrelationId(id);
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(PLACEHOLDER));
  const options = streams.BatchAppendReq.Options.deserializeBinary(only(3 /* no_stream */));
  options.setStreamIdentifier(identifier);
  request.setOptions(options);
  for (let n = 0; n < EVENTS_OF_A_STREAM; n++) {
    const event = new streams.BatchAppendReq.ProposedMessage();
    const eventId = new shared.UUID();
    eventId.setString(randomUUID());
    event.setId(eventId);
    event.getMetadataMap().set('type', 'written').set('content-type', 'application/json');
    event.setData(Buffer.from(JSON.stringify({ n, padding: 'x'.repeat(100) })));
    request.addProposedMessages(event);
  }
  request.setIsFinal(true);
  return Buffer.from(request.serializeBinary());
})();
const NAME = APPEND.indexOf(PLACEHOLDER);

async function append(call: ClientDuplexStream<Buffer, Buffer>, stream: number): Promise<void> {
  const request = Buffer.from(APPEND);
  request.write(`size-${String(stream).padStart(7, '0')}`, NAME);
  call.write(request);
  const [answer] = (await once(call, 'data')) as [Buffer];
  const response = streams.BatchAppendResp.deserializeBinary(answer);
  if (!response.hasSuccess()) throw new Error(`append refused: ${response.getError()?.getMessage()}`);
}

async function read(client: Client, backwards: boolean): Promise<number> {
  const request = new streams.ReadReq();
  const options = streams.ReadReq.Options.deserializeBinary(only(8 /* no_filter */));
  options.setAll(streams.ReadReq.Options.AllOptions.deserializeBinary(only(backwards ? 3 /* end */ : 2 /* start */)));
  options.setReadDirection(backwards ? 1 : 0);
  options.setCount(String(READ));
  options.setUuidOption(streams.ReadReq.Options.UUIDOption.deserializeBinary(only(2 /* string */)));
  request.setOptions(options);
  let events = 0;
  for await (const _message of client.makeServerStreamRequest(`${STREAMS}/Read`, same, same, Buffer.from(request.serializeBinary())))
    events++;
  return events;
}
