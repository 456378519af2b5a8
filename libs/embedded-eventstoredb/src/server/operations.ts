import { status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import operationsMessages from '@eventstore/db-client/generated/operations_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { asFault, Fault } from '../wire/faults.js';
import type { Maintenance } from '../storage/maintenance.js';
import type { PersistentSubscriptions } from '../persistent-subscriptions/persistent-subscriptions.js';
import { message, request, text, uint32 } from '../wire/protobuf.js';

type Handler = (call: ServerUnaryCall<unknown, shared.Empty>, callback: sendUnaryData<shared.Empty>) => void;

const nothingToDo: Handler = (_call, callback) => callback(null, new shared.Empty());
const unsupported =
  (what: string): Handler =>
  (_call, callback) =>
    callback(new Fault(status.UNIMPLEMENTED, `This node does not ${what}.`));

/** Requests whose content matters; the others are not decoded. */
const startScavengeRequest = request({ options: [1, message({ threads: [1, uint32], startFromChunk: [2, uint32] })] });
const stopScavengeRequest = request({ options: [1, message({ id: [1, text] })] });
const nothing = (): Record<string, never> => ({});

export const OPERATIONS = {
  startScavenge: startScavengeRequest,
  stopScavenge: stopScavengeRequest,
  setNodePriority: nothing,
  resignNode: nothing,
  mergeIndexes: nothing,
  shutdown: nothing,
  restartPersistentSubscriptions: nothing,
};

const { ScavengeResult } = operationsMessages.ScavengeResp;
type ScavengeHandler<Request> = (
  call: ServerUnaryCall<Request, operationsMessages.ScavengeResp>,
  callback: sendUnaryData<operationsMessages.ScavengeResp>,
) => void;

function scavengeAnswer(id: string, result: (typeof ScavengeResult)[keyof typeof ScavengeResult]): operationsMessages.ScavengeResp {
  const answer = new operationsMessages.ScavengeResp();
  answer.setScavengeId(id);
  answer.setScavengeResult(result);
  return answer;
}

/** Responds immediately; the outcome is written to the stream `$scavenges-<id>`. It always uses one thread, however many are requested. */
const startScavenge =
  (maintenance: Maintenance): ScavengeHandler<ReturnType<typeof startScavengeRequest>> =>
  (call, callback) => {
    const { id, started } = maintenance.startScavenge(asSigned(call.request.options?.startFromChunk ?? 0));
    callback(null, scavengeAnswer(id, started ? ScavengeResult.STARTED : ScavengeResult.INPROGRESS));
  };

const stopScavenge =
  (maintenance: Maintenance): ScavengeHandler<ReturnType<typeof stopScavengeRequest>> =>
  (call, callback) => {
    const id = call.request.options?.id ?? '';
    if (maintenance.stopScavenge(id)) callback(null, scavengeAnswer(id, ScavengeResult.STOPPED));
    else callback(new Fault(status.NOT_FOUND, 'Scavenge id was invalid.', { exception: 'scavenge-not-found' }));
  };

const restart =
  (subscriptions: PersistentSubscriptions): Handler =>
  (_call, callback) =>
    void subscriptions.restart().then(
      () => callback(null, new shared.Empty()),
      (error: unknown) => callback(asFault(error)),
    );

/** A chunk number below zero means the first chunk. */
const asSigned = (value: number): number => Math.max(value | 0, 0);

/** The service Operations. In a cluster of one, there is no other node to prefer or resign to, and the index needs no merging. */
export const operations = (maintenance: Maintenance, subscriptions: PersistentSubscriptions) => ({
  startScavenge: startScavenge(maintenance),
  stopScavenge: stopScavenge(maintenance),
  setNodePriority: nothingToDo,
  resignNode: nothingToDo,
  mergeIndexes: nothingToDo,
  shutdown: unsupported('stop at the request of a client'),
  restartPersistentSubscriptions: restart(subscriptions),
});
