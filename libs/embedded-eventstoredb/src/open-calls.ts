import { status } from '@grpc/grpc-js';
import { Fault } from './faults.js';

interface OpenCall {
  on(event: 'close' | 'cancelled' | 'error', listener: () => void): unknown;
  emit(event: 'error', error: Error): unknown;
}

/**
 * Calls that last until somebody ends them. When the node closes they end as with a server that went away, which tells
 * clients to come again; the gRPC library alone would end them as cancelled, which clients take for their own doing.
 */
export class OpenCalls {
  private readonly calls = new Set<OpenCall>();

  tracked<C extends OpenCall>(handler: (call: C) => void): (call: C) => void {
    return (call) => {
      this.calls.add(call);
      const done = (): void => void this.calls.delete(call);
      for (const ending of ['close', 'cancelled', 'error'] as const) call.on(ending, done);
      handler(call);
    };
  }

  end(): void {
    for (const call of this.calls) call.emit('error', new Fault(status.UNAVAILABLE, 'The node is shutting down.'));
  }
}
