import { Metadata, status } from '@grpc/grpc-js';

/** An error as sent over the wire: status, details, and the trailers by which clients tell errors apart. */
export class Fault extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(details);
  }

  get metadata(): Metadata {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(this.trailers)) metadata.set(key, headerText(value));
    return metadata;
  }
}

/** Trailers are ASCII and must fit in a client's header limit; stream names may not. */
const headerText = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 2000);

/** What the genuine server returns whenever a handler throws: the response to invalid requests. */
export const handlerThrew = (): Fault => new Fault(status.UNKNOWN, 'Exception was thrown by handler.');

export const invalidArgument = (details: string, trailers?: Record<string, string>): Fault =>
  new Fault(status.INVALID_ARGUMENT, details, trailers);

/** The caller may not do this. */
export const accessDenied = (): Fault => new Fault(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });

/** The credentials of the call are wrong, or belong to a disabled user. */
export const unauthenticated = (): Fault => new Fault(status.UNAUTHENTICATED, 'Unauthenticated');

export const userNotFound = (login: string): Fault =>
  new Fault(status.NOT_FOUND, `User '${login}' is not found.`, { exception: 'user-not-found', 'login-name': login });

export const streamDeleted = (stream: string): Fault =>
  new Fault(status.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, { exception: 'stream-deleted', 'stream-name': stream });

export const deleteExpectedOtherRevision = (stream: string, expected: string, actual: string): Fault =>
  new Fault(
    status.FAILED_PRECONDITION,
    `Delete failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': stream,
      'expected-version': expected,
      'actual-version': actual,
    },
  );

export const appendTooLarge = (limit: number): Fault =>
  invalidArgument(`Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  });

/** The node is stopping; the client may retry. */
export const shuttingDown = (): Fault => new Fault(status.UNAVAILABLE, 'The node is shutting down.');

/** Converts anything thrown to the status with which the call ends. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const text = error instanceof Error ? error.message : String(error);
  // The disk, not the request: the client must not mistake it for a refusal.
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_CORRUPT_RECORD') return new Fault(status.DATA_LOSS, text);
  if (code === 'ERR_WRITE_FAILED') return new Fault(status.RESOURCE_EXHAUSTED, text);
  return handlerThrew();
}
