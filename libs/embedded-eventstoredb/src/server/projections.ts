import { status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import projections from '@eventstore/db-client/generated/projections_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import { Fault, handlerThrew } from '../wire/faults.js';
import { message, request, text } from '../wire/protobuf.js';

/** The projections whose streams the node maintains itself. */
const SYSTEM = ['$by_category', '$by_event_type', '$by_correlation_id', '$stream_by_category', '$streams'];

const enableRequest = request({ options: [1, message({ name: [1, text] })] });
type EnableRequest = ReturnType<typeof enableRequest>;

/** Decoders of requests. */
export const PROJECTIONS = { enable: enableRequest, restartSubsystem: (): Record<string, never> => ({}) };

/**
 * Part of the service Projections: the system projections can be enabled, since they run. There are no others. Restarting them changes
 * nothing visible to clients: links continue after the last one.
 */
export const projectionCalls = {
  enable(call: ServerUnaryCall<EnableRequest, projections.EnableResp>, callback: sendUnaryData<projections.EnableResp>): void {
    const { options } = call.request;
    if (!options) callback(handlerThrew());
    else if (SYSTEM.includes(options.name ?? '')) callback(null, new projections.EnableResp());
    // The exact text of the genuine server.
    else callback(new Fault(status.UNKNOWN, 'Envelope callback expected Updated, received NotFound instead'));
  },
  restartSubsystem(_call: ServerUnaryCall<unknown, shared.Empty>, callback: sendUnaryData<shared.Empty>): void {
    callback(null, new shared.Empty());
  },
};
