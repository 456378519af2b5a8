import { status, type sendUnaryData, type ServerDuplexStream, type ServerReadableStream, type ServerUnaryCall } from '@grpc/grpc-js';
import {
  appendExpectedOtherRevision,
  appendSucceeded,
  batchAccessDenied,
  batchBadRequest,
  batchExpectedOtherRevision,
  batchFault,
  batchStreamDeleted,
  batchSucceeded,
  batchTimedOut,
  batchTooLarge,
  deleteSucceeded,
  readEvent,
  readUuid,
  structuredUuid,
  type AppendRequest,
  type BatchAppendRequest,
  type Deadline,
  type ExpectedRevision,
  type ProposedEvent,
  type WriteOptions,
} from './append-messages.js';
import type { Access } from '../users/access.js';
import {
  appendTooLarge,
  asFault,
  deleteExpectedOtherRevision,
  Fault,
  handlerThrew,
  invalidArgument,
  streamDeleted,
} from '../wire/faults.js';
import type { LogWriter, NewEvent } from '../storage/log-writer.js';

/** Data bytes of one append, without type names and custom metadata. The genuine server's default. */
export const MAX_APPEND_SIZE = 1024 * 1024;

/** Bytes of events that one call may keep in memory before they can be written; more ends the call. */
const MAX_HELD_BYTES = 32 * 1024 * 1024;
const tooMuchHeld = (): Fault =>
  new Fault(status.RESOURCE_EXHAUSTED, `More than ${MAX_HELD_BYTES} bytes of events are waiting for the rest of their append.`);
const heldBytes = (event: NewEvent): number => event.data.length + event.customMetadata.length + event.type.length + EVENT_OVERHEAD;
/** Approximate cost of an event in addition to its bytes. */
const EVENT_OVERHEAD = 500;

/** Streams.Append: first the options, then the events, one response after the last. */
export function append(writer: LogWriter, access: Access) {
  return (call: ServerReadableStream<AppendRequest, Buffer>, callback: sendUnaryData<Buffer>): void => {
    let options: WriteOptions | undefined;
    const events: NewEvent[] = [];
    let size = 0;
    let held = 0;
    let answered = false;
    const answer: sendUnaryData<Buffer> = (...result) => {
      if (answered) return;
      answered = true;
      callback(...result);
    };
    call.on('data', (request: AppendRequest) => {
      if (answered) return;
      try {
        if (!options) {
          if (request.kind !== 'options') throw handlerThrew();
          options = request.options;
          if (options.stream) access.check(call, 'write', options.stream);
        } else {
          if (request.kind !== 'event') throw handlerThrew();
          const event = readEvent(request.event);
          size += event.data.length;
          held += heldBytes(event);
          if (held > MAX_HELD_BYTES) throw tooMuchHeld();
          if (size > MAX_APPEND_SIZE) throw appendTooLarge(MAX_APPEND_SIZE);
          events.push(event);
        }
      } catch (error) {
        answer(asFault(error));
      }
    });
    call.on('error', (error: Error) => answer(asFault(error)));
    call.on('end', () => {
      if (answered) return;
      appendAll(writer, options, events).then(
        (response) => answer(null, response),
        (error: unknown) => answer(asFault(error)),
      );
    });
  };
}

async function appendAll(writer: LogWriter, options: WriteOptions | undefined, events: readonly NewEvent[]): Promise<Buffer> {
  const { stream, expected } = checked(options, 'AppendReq');
  const outcome = await writer.append(stream, expected.version, events);
  if (outcome.kind === 'deleted') throw streamDeleted(stream);
  if (outcome.kind === 'wrong-revision') return appendExpectedOtherRevision(expected, outcome.lastRevision);
  return appendSucceeded(outcome.lastRevision, outcome.position);
}

function checked(options: WriteOptions | undefined, message: string): { stream: string; expected: ExpectedRevision } {
  if (!options?.stream) throw handlerThrew();
  const expected = options.expected();
  if (!expected)
    throw invalidArgument(`'None' is not a valid EventStore.Client.Streams.${message}+Types+Options+ExpectedStreamRevisionOneofCase`);
  return { stream: options.stream, expected };
}

type DeleteCall = ServerUnaryCall<{ readonly options: WriteOptions | undefined }, Buffer>;

/** Streams.Delete (`delete`: the stream is missing for readers until someone writes to it again) and Streams.Tombstone (for good). */
export function deletion(writer: LogWriter, access: Access, kind: 'delete' | 'tombstone') {
  return (call: DeleteCall, callback: sendUnaryData<Buffer>): void => {
    deleteStream(writer, kind, call.request.options, (stream) => access.check(call, 'delete', stream)).then(
      (response) => callback(null, response),
      (error: unknown) => callback(asFault(error)),
    );
  };
}

async function deleteStream(
  writer: LogWriter,
  kind: 'delete' | 'tombstone',
  options: WriteOptions | undefined,
  check: (stream: string) => void,
): Promise<Buffer> {
  const { stream, expected } = checked(options, kind === 'delete' ? 'DeleteReq' : 'TombstoneReq');
  check(stream);
  const outcome = await writer[kind](stream, expected.version);
  if (outcome.kind === 'deleted') throw streamDeleted(stream);
  if (outcome.kind === 'wrong-revision')
    throw deleteExpectedOtherRevision(
      stream,
      expected.version < 0 ? String(expected.version) : String(expected.sent),
      String(outcome.lastRevision),
    );
  return deleteSucceeded(outcome.position as number);
}

/** A batch whose final fragment has not arrived yet. */
interface OpenBatch {
  readonly correlationId: Buffer;
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: NewEvent[];
  readonly timer: NodeJS.Timeout | undefined;
  size: number;
  held: number;
}

const MOST_UNREAD_ANSWERS = 4096;
/** If the client sets no deadline. */
const NO_DEADLINE = Number.POSITIVE_INFINITY;
/** setTimeout fires immediately for anything longer. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Streams.BatchAppend: many appends in one call, identified by correlation ids; refusals are responses, and the call continues. */
export function batchAppend(writer: LogWriter, access: Access, now: () => number) {
  return (call: ServerDuplexStream<BatchAppendRequest, Buffer>): void => {
    const open = new Map<string, OpenBatch>();
    let pending = 0;
    /** Bytes of unfinished batches. */
    let held = 0;
    let received = 0;
    let halfClosed = false;
    let over = false;

    const reply = (response: Buffer): void => {
      if (over) return;
      call.write(response);
      // No more is read from a client that does not read its responses.
      if (call.writableLength <= MOST_UNREAD_ANSWERS || call.isPaused()) return;
      call.pause();
      call.once('drain', () => call.resume());
    };
    const finish = (): void => {
      // A call without any request, or with an unfinished batch, stays open until its client disconnects.
      if (halfClosed && pending === 0 && open.size === 0 && received > 0 && !over) {
        over = true;
        call.end();
      }
    };
    const abandon = (): void => {
      over = true;
      for (const batch of open.values()) clearTimeout(batch.timer);
      open.clear();
    };
    const close = (key: string): void => {
      const batch = open.get(key);
      clearTimeout(batch?.timer);
      held -= batch?.held ?? 0;
      open.delete(key);
    };
    const add = (batch: OpenBatch, events: readonly NewEvent[]): void => {
      for (const event of events) {
        batch.events.push(event);
        batch.size += event.data.length;
        batch.held += heldBytes(event);
        held += heldBytes(event);
      }
      if (held > MAX_HELD_BYTES) throw tooMuchHeld();
    };

    const begin = (request: BatchAppendRequest, options: NonNullable<BatchAppendRequest['options']>): void => {
      const { stream } = options.write;
      const refuse = (message: string): void => reply(batchBadRequest(request.correlationId, stream, message));
      if (!request.correlationId) return refuse("Value cannot be null. (Parameter 'dto')");
      if (!stream) return refuse("Value cannot be null. (Parameter 'value')");
      if (!access.allows(call, 'write', stream)) return reply(batchAccessDenied(request.correlationId, stream));
      const key = readUuid(request.correlationId);
      let expected: ExpectedRevision | undefined;
      let events: NewEvent[];
      try {
        expected = options.write.expected();
        if (!expected) throw invalidArgument(NO_EXPECTATION);
        events = request.events.map(readBatchEvent);
      } catch (error) {
        return refuse(asFault(error).details);
      }
      const timeLeft = millisecondsLeft(options.deadline, now());
      if (timeLeft <= SHORTEST_DEADLINE) return reply(batchTimedOut(request.correlationId, stream));
      const timeOut = (): void => {
        close(key);
        reply(batchTimedOut(structuredUuid(key), stream));
        finish();
      };
      const timer = request.final || timeLeft === NO_DEADLINE ? undefined : setTimeout(timeOut, Math.min(timeLeft, LONGEST_TIMER)).unref();
      // The bytes of the request are part of the gRPC frame; an unfinished batch must not keep all of it in memory.
      const batch: OpenBatch = {
        correlationId: Buffer.from(request.correlationId),
        stream,
        expected,
        events: [],
        timer,
        size: 0,
        held: EVENT_OVERHEAD,
      };
      held += batch.held;
      open.set(key, batch);
      add(batch, events);
      settle(key, batch, request.final);
    };

    const settle = (key: string, batch: OpenBatch, final: boolean): void => {
      if (batch.size > MAX_APPEND_SIZE) {
        close(key);
        return reply(batchTooLarge(batch.correlationId, batch.stream, MAX_APPEND_SIZE));
      }
      if (!final) return;
      close(key);
      pending++;
      void write(writer, batch)
        .then(reply)
        .finally(() => {
          pending--;
          finish();
        });
    };

    call.on('data', (request: BatchAppendRequest) => {
      received++;
      try {
        const known = request.correlationId && open.get(readUuid(request.correlationId));
        if (request.correlationId && known) {
          add(known, request.events.map(readBatchEvent));
          settle(readUuid(request.correlationId), known, request.final);
        } else if (request.options) begin(request, request.options);
        finish();
      } catch (error) {
        abandon();
        call.emit('error', error instanceof Fault && error.code === status.RESOURCE_EXHAUSTED ? error : handlerThrew());
      }
    });
    call.on('end', () => {
      halfClosed = true;
      finish();
    });
    call.on('cancelled', abandon);
    call.on('error', abandon);
  };
}

const NO_EXPECTATION = `Status(StatusCode="InvalidArgument", Detail="'None' is not a valid EventStore.Client.Streams.BatchAppendReq+Types+Options+ExpectedStreamPositionOneofCase")`;

/** A duration of a nanosecond has passed by the time it is checked. */
const SHORTEST_DEADLINE = 0.01;

function millisecondsLeft(deadline: Deadline, now: number): number {
  if (!deadline) return NO_DEADLINE;
  return 'after' in deadline ? deadline.after : deadline.at - now;
}

/** As `readEvent`, with the messages of this call. */
function readBatchEvent(proposed: ProposedEvent): NewEvent {
  if (!proposed.id) throw invalidArgument("Value cannot be null. (Parameter 'dto')");
  if (!proposed.metadata.has('type') || !proposed.metadata.has('content-type'))
    throw invalidArgument('The given key was not present in the dictionary.');
  return readEvent(proposed);
}

async function write(writer: LogWriter, batch: OpenBatch): Promise<Buffer> {
  const { correlationId, stream, expected } = batch;
  try {
    const outcome = await writer.append(stream, expected.version, batch.events);
    if (outcome.kind === 'deleted') return batchStreamDeleted(correlationId, stream);
    if (outcome.kind === 'wrong-revision') return batchExpectedOtherRevision(correlationId, stream, expected, outcome.lastRevision);
    return batchSucceeded(correlationId, stream, outcome.lastRevision, outcome.position);
  } catch (error) {
    return batchFault(correlationId, stream, asFault(error));
  }
}
