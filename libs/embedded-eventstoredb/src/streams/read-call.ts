import type { ServerWritableStream } from '@grpc/grpc-js';
import type { EventLog } from '../storage/event-log.js';
import type { Access } from '../users/access.js';
import type { ReadMessage } from './read-request.js';

export type ReadCall = ServerWritableStream<ReadMessage, Buffer>;

export interface ReadContext {
  readonly log: EventLog;
  readonly access: Access;
  readonly now: () => number;
}

/** The most records that one turn of the event loop reads and passes to a call. */
export const PAGE = 512;

/** Resolves when the client has taken what was written; false once the call has ended. */
export async function roomToWrite(call: ReadCall): Promise<boolean> {
  if (call.cancelled || call.destroyed) return false;
  if (call.writableNeedDrain) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ENDINGS) call.off(event, done);
        resolve();
      };
      for (const event of ENDINGS) call.on(event, done);
    });
  } else await new Promise<void>((resolve) => setImmediate(resolve));
  return !call.cancelled && !call.destroyed;
}
const ENDINGS = ['drain', 'cancelled', 'close', 'error'];
