import { Metadata, status } from '@grpc/grpc-js';

/** An error as it goes over the wire: status, details, and the trailers by which clients tell one from another. */
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

/** Trailers are ASCII and must fit into a client's header limit; stream names need not. */
const headerText = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 2000);

/** What the genuine server says whenever a handler throws: the answer to requests that make no sense. */
export const handlerThrew = (): Fault => new Fault(status.UNKNOWN, 'Exception was thrown by handler.');

export const invalidArgument = (details: string, trailers?: Record<string, string>): Fault =>
  new Fault(status.INVALID_ARGUMENT, details, trailers);

/** Whoever calls may not do this. */
export const accessDenied = (): Fault => new Fault(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });

/** The credentials of the call are wrong, or those of a disabled user. */
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

/** The node is stopping; the client may come again. */
export const shuttingDown = (): Fault => new Fault(status.UNAVAILABLE, 'The node is shutting down.');

/** Whatever was thrown, as the status that the call ends with. */
export function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const text = error instanceof Error ? error.message : String(error);
  // The disk, not the request: the client must not take it for a refusal of what it sent.
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_CORRUPT_RECORD') return new Fault(status.DATA_LOSS, text);
  if (code === 'ERR_WRITE_FAILED') return new Fault(status.RESOURCE_EXHAUSTED, text);
  return handlerThrew();
}
