import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';

/** The version whose behaviour was recorded and is replayed in the tests. */
const VERSION = '23.10.6';

/** What is supported, as clients query it before use: service, methods, features of each. */
const SERVED: ReadonlyArray<readonly [service: string, methods: ReadonlyArray<readonly [name: string, ...features: string[]]>]> = [
  [
    'event_store.client.persistent_subscriptions.persistentsubscriptions',
    ['create', 'update', 'delete', 'read', 'getinfo', 'replayparked', 'list', 'restartsubsystem'].map(
      (name) => [name, 'stream', 'all'] as const,
    ),
  ],
  [
    'event_store.client.streams.streams',
    [['read', 'position', 'events'], ['append'], ['delete'], ['tombstone'], ['batchappend', 'deadline_duration']],
  ],
  [
    'event_store.client.operations.operations',
    [['startscavenge'], ['stopscavenge'], ['mergeindexes'], ['resignnode'], ['setnodepriority'], ['restartpersistentsubscriptions']],
  ],
  ['event_store.client.gossip.gossip', [['read']]],
  ['event_store.client.server_features.serverfeatures', [['getsupportedmethods']]],
];

export function getSupportedMethods(
  _call: ServerUnaryCall<unknown, features.SupportedMethods>,
  callback: sendUnaryData<features.SupportedMethods>,
): void {
  const answer = new features.SupportedMethods();
  answer.setEventStoreServerVersion(VERSION);
  for (const [service, methods] of SERVED) {
    for (const [name, ...ofMethod] of methods) {
      const method = new features.SupportedMethod();
      method.setServiceName(service);
      method.setMethodName(name);
      method.setFeaturesList(ofMethod);
      answer.addMethods(method);
    }
  }
  callback(null, answer);
}
