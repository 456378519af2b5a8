import { parentPort } from 'node:worker_threads';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type sendUnaryData,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

/**
 * The body of a thread that answers like an event store, and stores nothing: each append gets a canned answer with its correlation id, each
 * read a canned message repeatedly. Shows the cost of the gRPC library and the client alone.
 */

const STREAM = 'canned';
const EVENT_ID = '00000000-0000-4000-8000-000000000001';
const PADDING = 'x'.repeat(150);

function identifier(name: string): shared.StreamIdentifier {
  const message = new shared.StreamIdentifier();
  message.setStreamName(Buffer.from(name));
  return message;
}

/** An answer to an append without its first field, the correlation id. */
function appended(): Uint8Array {
  const answer = new streams.BatchAppendResp();
  const success = new streams.BatchAppendResp.Success();
  success.setCurrentRevision('1');
  const position = new shared.AllStreamPosition();
  position.setCommitPosition('4096');
  position.setPreparePosition('4096');
  success.setPosition(position);
  answer.setSuccess(success);
  answer.setStreamIdentifier(identifier(STREAM));
  return answer.serializeBinary();
}

function eventRead(): Uint8Array {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  const id = new shared.UUID();
  id.setString(EVENT_ID);
  recorded.setId(id);
  recorded.setStreamIdentifier(identifier(STREAM));
  recorded.setStreamRevision('1');
  recorded.setPreparePosition('4096');
  recorded.setCommitPosition('4096');
  recorded.getMetadataMap().set('type', 'written').set('content-type', 'application/json').set('created', '17637000000000000');
  recorded.setCustomMetadata('');
  recorded.setData(Buffer.from(JSON.stringify({ n: 1, padding: PADDING })));
  const event = new streams.ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition('4096');
  const answer = new streams.ReadResp();
  answer.setEvent(event);
  return answer.serializeBinary();
}

function confirmed(): Uint8Array {
  const confirmation = new streams.ReadResp.SubscriptionConfirmation();
  confirmation.setSubscriptionId(EVENT_ID);
  const answer = new streams.ReadResp();
  answer.setConfirmation(confirmation);
  return answer.serializeBinary();
}

const APPENDED = Buffer.from(appended());
const EVENT = Buffer.from(eventRead());
const CONFIRMED = Buffer.from(confirmed());

/** The correlation id is the first field of every request: tag, length of less than 128, bytes. */
const answerTo = (request: Buffer): Buffer => Buffer.concat([request.subarray(0, 2 + (request[1] as number)), APPENDED]);

function batchAppend(call: ServerDuplexStream<Buffer, Buffer>): void {
  call.on('data', (request: Buffer) => call.write(answerTo(request)));
  call.on('end', () => call.end());
}

/** As many events as requested; without end for a subscription. */
async function read(call: ServerWritableStream<Buffer, Buffer>): Promise<void> {
  const options = streams.ReadReq.deserializeBinary(call.request).getOptions();
  let left = options?.hasSubscription() ? Infinity : Number(options?.getCount() ?? 0);
  if (left === Infinity) call.write(CONFIRMED);
  while (left > 0 && !call.cancelled) {
    for (let page = Math.min(left, 512); page > 0; page--, left--) call.write(EVENT);
    await new Promise<void>((resolve) => {
      if (!call.writableNeedDrain) return void setImmediate(resolve);
      const done = (): void => {
        call.off('drain', done).off('cancelled', done);
        resolve();
      };
      call.on('drain', done).on('cancelled', done);
    });
  }
  call.end();
}

function getSupportedMethods(_call: unknown, callback: sendUnaryData<features.SupportedMethods>): void {
  const answer = new features.SupportedMethods();
  answer.setEventStoreServerVersion('23.10.6');
  for (const name of ['read', 'batchappend']) {
    const method = new features.SupportedMethod();
    method.setServiceName('event_store.client.streams.streams');
    method.setMethodName(name);
    method.setFeaturesList(name === 'read' ? ['position', 'events'] : ['deadline_duration']);
    answer.addMethods(method);
  }
  callback(null, answer);
}

const bytes = (message: Buffer): Buffer => message;
const generated = streamsService.StreamsService as unknown as ServiceDefinition;
const served = Object.fromEntries(
  ['batchAppend', 'read'].map((name) => [name, { ...generated[name], requestDeserialize: bytes, responseSerialize: bytes }]),
);

const server = new Server({ 'grpc.max_send_message_length': -1 });
server.addService(served as unknown as ServiceDefinition, { batchAppend, read } as unknown as UntypedServiceImplementation);
server.addService(
  featuresService.ServerFeaturesService as unknown as ServiceDefinition,
  { getSupportedMethods } as unknown as UntypedServiceImplementation,
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  parentPort?.postMessage(port);
});
parentPort?.once('message', () => server.forceShutdown());
