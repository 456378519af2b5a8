import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type {
  ServerDuplexStream,
  ServerWritableStream,
  sendUnaryData,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import featuresService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import streamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

export interface Follower {
  /** Its connection string. */
  readonly url: string;
  /** Calls without `requires-leader` that it answered itself: from its own data, which is empty. */
  readonly answeredItself: number;
  close(): void;
}

/**
 * A node of a cluster that does not lead, as recorded from a genuine server (23.10.6): it refuses what requires a leader with the leader's
 * address, and answers the rest from its own data, which is empty.
 * @param leader `host:port` of the leading node
 * @param silent appends are accepted and never answered, as when they are forwarded to a leader that is gone
 */
export async function startFollower(leader: string, { silent = false } = {}): Promise<Follower> {
  const [host = '', port = ''] = leader.split(':');
  let answeredItself = 0;
  const notLeader = (): { code: number; details: string; metadata: Metadata } => {
    const metadata = new Metadata();
    metadata.set('exception', 'not-leader');
    metadata.set('leader-endpoint-host', host);
    metadata.set('leader-endpoint-port', port);
    return { code: status.NOT_FOUND, details: 'Leader info available', metadata };
  };
  const requiresLeader = (metadata: Metadata) => metadata.get('requires-leader')[0] === 'true';

  const read = (call: ServerWritableStream<unknown, streams.ReadResp>): void => {
    if (requiresLeader(call.metadata)) return void call.emit('error', notLeader());
    answeredItself++;
    const answer = new streams.ReadResp();
    answer.setStreamNotFound(new streams.ReadResp.StreamNotFound());
    call.write(answer);
    call.end();
  };
  const batchAppend = (call: ServerDuplexStream<unknown, unknown>): void => {
    call.on('data', () => {
      if (!silent && requiresLeader(call.metadata)) call.emit('error', notLeader());
    });
  };
  const getSupportedMethods = (_call: unknown, callback: sendUnaryData<features.SupportedMethods>): void => {
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
  };

  const server = new Server();
  server.addService(
    streamsService.StreamsService as unknown as ServiceDefinition,
    { read, batchAppend } as unknown as UntypedServiceImplementation,
  );
  server.addService(
    featuresService.ServerFeaturesService as unknown as ServiceDefinition,
    { getSupportedMethods } as unknown as UntypedServiceImplementation,
  );
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
  );
  return {
    url: `esdb://127.0.0.1:${bound}?tls=false`,
    get answeredItself() {
      return answeredItself;
    },
    close: () => server.forceShutdown(),
  };
}
