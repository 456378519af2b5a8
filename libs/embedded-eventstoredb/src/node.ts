import { randomUUID } from 'node:crypto';
import { createServer, isIPv6 } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import gossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import operationsService from '@eventstore/db-client/generated/operations_grpc_pb.js';
import persistentService from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import projectionsService from '@eventstore/db-client/generated/projections_grpc_pb.js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import usersGrpcService from '@eventstore/db-client/generated/users_grpc_pb.js';
import { isWildcard, PortUnavailable, portUnavailable } from '@tierline/embedded-host';
import { OPEN_ACCESS, StreamAccess } from './users/access.js';
import { decodeAppendRequest, decodeBatchAppendRequest, decodeDeleteRequest } from './streams/append-messages.js';
import { append, batchAppend, deletion } from './streams/appends.js';
import { Authentication } from './users/authentication.js';
import { EventLog } from './storage/event-log.js';
import { readGossip } from './server/gossip.js';
import { guarded } from './users/guard.js';
import { FIRST_EVENT, LogWriter } from './storage/log-writer.js';
import { Maintenance } from './storage/maintenance.js';
import { OpenCalls, type Handler } from './wire/open-calls.js';
import { operations, OPERATIONS } from './server/operations.js';
import { PROJECTIONS, projectionCalls } from './server/projections.js';
import { PERSISTENT_SUBSCRIPTION_DECODERS, persistentSubscriptionCalls } from './persistent-subscriptions/calls.js';
import { PersistentSubscriptions } from './persistent-subscriptions/persistent-subscriptions.js';
import { decodeReadRequest } from './streams/read-request.js';
import { NODE } from './name.js';
import { read } from './streams/reads.js';
import type { Scavenged } from './storage/scavenged.js';
import { getSupportedMethods } from './server/server-features.js';
import { SystemStreams } from './streams/system-streams.js';
import { Users } from './users/users.js';
import { USERS, usersService } from './users/users-service.js';

export interface NodeOptions {
  readonly directory: string;
  readonly host: string;
  readonly port: number;
  /** Certificate chain and private key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** An administrator. If set, callers have to authenticate. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Whether events get links in `$ce-`, `$et-` and the other system streams. */
  readonly systemStreams: boolean;
}

export interface RunningNode {
  readonly port: number;
  /** @throws WriteFailed */
  scavenge(): Promise<Scavenged>;
  /** @throws BackupExists, BackupFailed */
  backup(directory: string): Promise<void>;
  close(): Promise<void>;
}

/** Largest message that the genuine server accepts. */
const MAX_MESSAGE_SIZE = 16 * 1024 * 1024 - 256;

/** Runs a node in this thread. The caller holds the lock of the directory. */
export async function runNode(options: NodeOptions): Promise<RunningNode> {
  const log = EventLog.open(options.directory);
  const now = Date.now;
  const writer = new LogWriter(log, now);
  const maintenance = new Maintenance(log, writer, now);
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_SIZE, 'grpc.max_send_message_length': -1 });
  try {
    if (log.isEmpty) await writer.append(FIRST_EVENT.stream, FIRST_EVENT.expected, [FIRST_EVENT.event()]);
    const users = new Users(log, writer);
    if (options.credentials) await users.ensureAdministrator(options.credentials.user, options.credentials.password);
    const streamAccess = options.credentials && new StreamAccess(log);
    const authentication = new Authentication(users);
    const access = streamAccess ?? OPEN_ACCESS;
    const calls = new OpenCalls();
    const serve = (definition: ServiceDefinition, handlers: Readonly<Record<string, unknown>>): void => {
      const served = streamAccess ? guarded(definition, handlers, authentication, streamAccess) : handlers;
      const tracked = Object.entries(served).map(([name, handler]) => [name, calls.tracked(handler as Handler)] as const);
      server.addService(definition, Object.fromEntries(tracked) as UntypedServiceImplementation);
    };

    let port = 0;
    const subscriptions = new PersistentSubscriptions({ log, writer, now });
    serve(service(streamsService.StreamsService, STREAMS, true), {
      append: append(writer, access),
      batchAppend: batchAppend(writer, access, now),
      delete: deletion(writer, access, 'delete'),
      tombstone: deletion(writer, access, 'tombstone'),
      read: read({ log, access, now }),
    });
    serve(
      service(persistentService.PersistentSubscriptionsService, PERSISTENT_SUBSCRIPTION_DECODERS, true),
      persistentSubscriptionCalls({ subscriptions, log, access }),
    );
    serve(service(featuresService.ServerFeaturesService, { getSupportedMethods: nothing }, false), { getSupportedMethods });
    serve(service(operationsService.OperationsService, OPERATIONS, false), operations(maintenance, subscriptions));
    if (options.systemStreams) {
      const { enable, restartSubsystem } = projectionsService.ProjectionsService;
      serve(service({ enable, restartSubsystem }, PROJECTIONS, false), projectionCalls);
    }
    // If no one can sign in, there are no users to serve.
    if (streamAccess) serve(service(usersGrpcService.UsersService, USERS, false), usersService(users));
    serve(service(gossipService.GossipService, { read: nothing }, false), {
      // A node that listens on every address has no address of its own: the one through which it was reached will do.
      read: readGossip(
        randomUUID(),
        (reachedAs) => (isWildcard(options.host) ? splitAuthority(reachedAs, port) : { host: options.host, port }),
        now,
      ),
    });
    port = await listen(server, options);
    const systemStreams = options.systemStreams ? new SystemStreams(log, writer) : undefined;
    return {
      port,
      scavenge: () => maintenance.startScavenge().done,
      backup: (directory) => maintenance.backUp(directory),
      async close() {
        await maintenance.close();
        // Calls that wait for a flush get their responses; then open calls end with their connections.
        await subscriptions.close();
        await systemStreams?.close();
        await writer.close();
        calls.end();
        await shutDown(server);
        await log.close();
      },
    };
  } catch (error) {
    server.forceShutdown();
    await log.close();
    throw error;
  }
}

/** How long to wait, when stopping, for calls whose client does not read its response, or that have none. */
const PARTING_MS = 500;

async function shutDown(server: Server): Promise<void> {
  const left = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([left, new Promise<void>((resolve) => (timer = setTimeout(resolve, PARTING_MS)))]);
  clearTimeout(timer);
  server.forceShutdown();
}

async function listen(server: Server, { host, port, tls }: NodeOptions): Promise<number> {
  await checkPort(host, port);
  const credentials = tls
    ? ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }])
    : ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    server.bindAsync(`${isIPv6(host) ? `[${host}]` : host}:${port}`, credentials, (error, bound) => {
      if (error) reject(new PortUnavailable(NODE, host, port, error.message));
      else resolve(bound);
    });
  });
}

function splitAuthority(authority: string, port: number): { host: string; port: number } {
  const match = /^(.+?)(?::(\d+))?$/.exec(authority);
  return { host: match?.[1]?.replace(/^\[|\]$/g, '') ?? authority, port: match?.[2] ? Number(match[2]) : port };
}

/** The gRPC library does not say why it could not listen; a plain socket does. */
function checkPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => reject(portUnavailable(NODE, host, port, error)));
    probe.listen({ port, host: host.replace(/^\[|\]$/g, ''), exclusive: true }, () => probe.close(() => resolve()));
  });
}

type Decoders = Readonly<Record<string, (bytes: Buffer) => unknown>>;

const STREAMS: Decoders = {
  append: decodeAppendRequest,
  batchAppend: decodeBatchAppendRequest,
  delete: decodeDeleteRequest,
  tombstone: decodeDeleteRequest,
  read: decodeReadRequest,
};
const nothing = (): Record<string, never> => ({});

/**
 * A generated service with our own decoders for requests: the hot ones for speed, the others because the generated ones can be made to loop
 * forever. `encoded` services respond with bytes.
 */
function service(generated: object, decoders: Decoders, encoded: boolean): ServiceDefinition {
  const methods = Object.entries(generated as ServiceDefinition).map(([name, method]) => {
    const decode = decoders[name];
    if (!decode) throw new Error(`no decoder for ${method.path}`);
    return [name, { ...method, requestDeserialize: decode, ...(encoded && { responseSerialize: (message: Buffer) => message }) }];
  });
  return Object.fromEntries(methods) as ServiceDefinition;
}
