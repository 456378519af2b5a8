import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { decodeAppendRequest, decodeBatchAppendRequest, decodeDeleteRequest } from './append-messages.js';
import { append, batchAppend, deletion } from './appends.js';
import { EventLog } from './event-log.js';
import { readGossip } from './gossip.js';
import { FIRST_EVENT, LogWriter } from './log-writer.js';
import { decodeReadRequest } from './read-request.js';
import { read } from './reads.js';
import { getSupportedMethods } from './server-features.js';

export interface NodeOptions {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
}

export interface RunningNode {
  readonly port: number;
  close(): Promise<void>;
}

/** The port is taken, or may not be used. */
export class PortUnavailable extends Error {
  readonly code = 'ERR_PORT_UNAVAILABLE';
  constructor(
    readonly port: number,
    readonly reason: string,
  ) {
    super(`The event store node cannot listen on port ${port}: ${reason}`);
  }
}

/** Largest message that the genuine server takes. */
const MAX_MESSAGE_SIZE = 16 * 1024 * 1024 - 256;

/** Runs a node in this thread. The caller holds the directory. */
export async function runNode(options: NodeOptions): Promise<RunningNode> {
  const log = EventLog.open(options.directory);
  const now = Date.now;
  const writer = new LogWriter(log, now);
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_SIZE, 'grpc.max_send_message_length': -1 });
  try {
    if (log.isEmpty) await writer.append(FIRST_EVENT.stream, FIRST_EVENT.expected, [FIRST_EVENT.event()]);
    let port = 0;
    server.addService(service(streamsService.StreamsService, STREAMS, true), {
      append: append(writer),
      batchAppend: batchAppend(writer, now),
      delete: deletion(writer, 'delete'),
      tombstone: deletion(writer, 'tombstone'),
      read: read({ log, now }),
    } as unknown as UntypedServiceImplementation);
    server.addService(service(featuresService.ServerFeaturesService, { getSupportedMethods: nothing }, false), { getSupportedMethods } as unknown as UntypedServiceImplementation);
    server.addService(service(gossipService.GossipService, { read: nothing }, false), {
      read: readGossip(randomUUID(), () => ({ host: options.host, port }), now),
    } as unknown as UntypedServiceImplementation);
    port = await listen(server, options);
    return {
      port,
      async close() {
        // Calls that wait for a flush get their answers; then the open ones end with their connections.
        await writer.close();
        server.forceShutdown();
        await log.close();
      },
    };
  } catch (error) {
    server.forceShutdown();
    await log.close();
    throw error;
  }
}

async function listen(server: Server, { host, port }: NodeOptions): Promise<number> {
  await checkPort(host, port);
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(new PortUnavailable(port, error.message));
      else resolve(bound);
    });
  });
}

/** The gRPC library does not say why it could not listen; a plain socket does. */
function checkPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => reject(new PortUnavailable(port, error.code === 'EADDRINUSE' ? 'it is already in use.' : error.message)));
    probe.listen({ port, host: host.replace(/^\[|\]$/g, ''), exclusive: true }, () => probe.close(() => resolve()));
  });
}

type Decoders = Readonly<Record<string, (bytes: Buffer) => unknown>>;

const STREAMS: Decoders = { append: decodeAppendRequest, batchAppend: decodeBatchAppendRequest, delete: decodeDeleteRequest, tombstone: decodeDeleteRequest, read: decodeReadRequest };
const nothing = (): Record<string, never> => ({});

/**
 * A generated service with decoders of our own for what clients send: the hot ones for speed, the others because the
 * generated ones can be made to run for ever. `encoded` services answer with bytes.
 */
function service(generated: object, decoders: Decoders, encoded: boolean): ServiceDefinition {
  const methods = Object.entries(generated as ServiceDefinition).map(([name, method]) => {
    const decode = decoders[name];
    if (!decode) throw new Error(`no decoder for ${method.path}`);
    return [name, { ...method, requestDeserialize: decode, ...(encoded && { responseSerialize: (message: Buffer) => message }) }];
  });
  return Object.fromEntries(methods) as ServiceDefinition;
}
