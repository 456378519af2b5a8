import { status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { Fault } from './faults.js';

type Handler = (call: ServerUnaryCall<unknown, shared.Empty>, callback: sendUnaryData<shared.Empty>) => void;

const nothingToDo: Handler = (_call, callback) => callback(null, new shared.Empty());
const unsupported =
  (what: string): Handler =>
  (_call, callback) =>
    callback(new Fault(status.UNIMPLEMENTED, `This node does not ${what}.`));

/** The service Operations. In a cluster of one there is no other node to prefer or to resign to, and the index is one. */
export const OPERATIONS = {
  setNodePriority: nothingToDo,
  resignNode: nothingToDo,
  mergeIndexes: nothingToDo,
  startScavenge: unsupported('scavenge'),
  stopScavenge: unsupported('scavenge'),
  shutdown: unsupported('stop at the request of a client'),
  restartPersistentSubscriptions: unsupported('keep persistent subscriptions'),
};
