import {
  AccessDeniedError,
  InvalidArgumentError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  UnavailableError,
  UnknownError,
  WrongExpectedVersionError,
  isCommandError,
} from '@eventstore/db-client';
import { RevisionConflict, StreamDeleted, type ExpectedRevision } from '#eventsourcing';

/**
 * Meaning of a rejected append: an error to throw, or undefined if the outcome is unknown and the append must be repeated.
 *
 * The client keeps one table of pending appends per process. A server's answer to one append settles only that one, and has no gRPC status
 * (`code`). But when the call that carries them breaks, every pending append is rejected with that call's error, whatever caused it: such
 * an error says nothing about this append. So only an answer without a status counts.
 */
export function appendVerdict(error: unknown, stream: string, expected: ExpectedRevision): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  // The same for everyone, and repeating changes nothing.
  if (error instanceof AccessDeniedError || error instanceof InvalidArgumentError) return error;
  if (!isCommandError(error)) return error instanceof TypeError || error instanceof SyntaxError ? error : undefined;
  const answered = error.code === undefined;
  if (error instanceof WrongExpectedVersionError && (answered || error.streamName === stream)) {
    return new RevisionConflict(stream, expected, error.actualVersion === 'no_stream' ? 'no-stream' : Number(error.actualVersion));
  }
  if (error instanceof StreamDeletedError && (answered || error.streamName === stream)) return new StreamDeleted(stream);
  if (error instanceof MaxAppendSizeExceededError) return error;
  // A request that the server could read but not understand.
  if (error instanceof UnknownError && answered) return error;
  return undefined;
}

/** Whether the node does not lead, or is gone: the next attempt goes to another one, so a long wait is pointless. */
export function isWithoutLeader(error: unknown): boolean {
  return error instanceof NotLeaderError || error instanceof UnavailableError;
}

/** Meaning of a failed read: an error to throw, or undefined if the store was out of reach. */
export function readVerdict(error: unknown, stream: string): Error | undefined {
  if (error instanceof StreamDeletedError) return new StreamDeleted(stream);
  if (error instanceof AccessDeniedError || error instanceof InvalidArgumentError) return error;
  return undefined;
}
