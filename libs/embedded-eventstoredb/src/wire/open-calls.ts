import type { sendUnaryData } from '@grpc/grpc-js';
import { shuttingDown, type Fault } from './faults.js';

interface Call {
  on(event: 'close' | 'cancelled' | 'error', listener: () => void): unknown;
  emit(event: 'error', error: Fault): unknown;
}
/** Handlers of unary calls get a callback for the response; those of server streams write to the call. */
export type Handler = (call: Call, answer: sendUnaryData<unknown> | undefined) => void;

/**
 * Open calls. When the node closes, they end as if the server had gone away, so that clients retry; the gRPC library alone would end them
 * as cancelled, which clients take for their own doing.
 */
export class OpenCalls {
  private readonly endings = new Set<(fault: Fault) => void>();

  tracked(handler: Handler): Handler {
    return (call, callback) => {
      let answered = false;
      const end = (fault: Fault): void => {
        if (answered) return;
        if (callback) answer?.(fault);
        else call.emit('error', fault);
      };
      const done = (): void => void this.endings.delete(end);
      const answer: sendUnaryData<unknown> | undefined =
        callback &&
        ((...result) => {
          if (answered) return;
          answered = true;
          done();
          callback(...result);
        });
      this.endings.add(end);
      for (const ending of ['close', 'cancelled', 'error'] as const) call.on(ending, done);
      handler(call, answer);
    };
  }

  end(): void {
    for (const end of this.endings) end(shuttingDown());
  }
}
