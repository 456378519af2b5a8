import { status } from '@grpc/grpc-js';
import { asFault, Fault, streamDeleted } from '../wire/faults.js';
import { positionOf, revisionOf, kindOf, MARK, type LogRecord } from '../storage/record.js';
import {
  eventMessage,
  firstStreamPositionMessage,
  lastStreamPositionMessage,
  resolvedLinkMessage,
  streamNotFoundMessage,
  type UuidForm,
} from './read-messages.js';
import { PAGE, roomToWrite, type ReadCall, type ReadContext } from './read-call.js';
import { parseReadRequest, type ReadRequest } from './read-request.js';
import { subscribeToAll, subscribeToStream } from './catch-up.js';
import { followLink, isMissing, isTombstoned, lowestVisible } from '../storage/visible-events.js';

/** Streams.Read: reads with a count, and subscriptions. */
export function read(context: ReadContext) {
  return (call: ReadCall): void => {
    answer(context, call).catch((error: unknown) => call.emit('error', asFault(error)));
  };
}

async function answer(context: ReadContext, call: ReadCall): Promise<void> {
  const request = parseReadRequest(call.request);
  const { uuid } = request;
  context.access.check(call, 'read', 'stream' in request ? request.stream : '$all');
  // The genuine server does not respond to these until the client gives up; neither does this one.
  if (uuid === undefined || (request.kind === 'all' && (request.count === 0 || request.filter?.pageSize === 0))) return;
  const message = (record: LogRecord): Buffer => readMessage(context, call, record, request.resolveLinks, uuid);
  if (request.kind === 'subscribe-stream') return subscribeToStream(context, call, request, message);
  if (request.kind === 'subscribe-all') return subscribeToAll(context, call, request, message);
  if (request.kind === 'stream') await readStream(context, call, request, message);
  else await readAll(context, call, request, message);
  call.end();
}

function readMessage({ log, access, now }: ReadContext, call: ReadCall, record: LogRecord, resolveLinks: boolean, uuid: UuidForm): Buffer {
  // For users who may not read its target, a link has none.
  const link = resolveLinks ? followLink(log, record, now(), (stream) => access.allows(call, 'read', stream)) : undefined;
  return link ? resolvedLinkMessage(link.target, record, uuid) : eventMessage(record, uuid);
}

type Message = (record: LogRecord) => Buffer;

async function readStream(
  { log, now }: ReadContext,
  call: ReadCall,
  request: ReadRequest & { kind: 'stream' },
  message: Message,
): Promise<void> {
  const stream = log.stream(request.stream);
  if (isTombstoned(log, stream)) throw streamDeleted(request.stream);
  if (isMissing(stream)) return void call.write(streamNotFoundMessage(request.stream));
  const { lastRevision } = stream;
  const lowest = lowestVisible(log, stream, now());
  let next = request.start === 'start' ? 0 : request.start === 'end' ? lastRevision : request.start;
  const from = next;
  let left = request.count;
  while (left > 0) {
    const records = log.readStream(stream.number, next, { lowest, highest: lastRevision }, Math.min(left, PAGE), request.backwards);
    if (left === request.count && request.positions && !request.backwards) {
      const found = records[0] && revisionOf(records[0]);
      for (const position of firstPositions(from, request.count, { lowest, highest: lastRevision }, found))
        call.write(firstStreamPositionMessage(position));
    }
    for (const record of records) call.write(message(record));
    const last = records.at(-1);
    if (!last) break;
    left -= records.length;
    next = revisionOf(last) + (request.backwards ? -1 : 1);
    if (next < 0 || !(await roomToWrite(call))) break;
  }
  if (request.positions) call.write(lastStreamPositionMessage(lastRevision));
}

/** Events that the genuine server reads at a time. */
const GENUINE_PAGE = 32;

/**
 * If the first page is empty, the genuine server returns where the next one begins: after truncated events, or, if none are left, after the
 * end of the stream.
 */
function firstPositions(
  from: number,
  count: number,
  { lowest, highest }: { readonly lowest: number; readonly highest: number },
  found: number | undefined,
): number[] {
  const end = from + Math.min(count, GENUINE_PAGE) - 1;
  if (found !== undefined) return found > end ? [found] : [];
  const truncated = end < lowest ? [lowest] : [];
  return (truncated[0] ?? from) === highest + 1 ? truncated : [...truncated, highest + 1];
}

async function readAll({ log }: ReadContext, call: ReadCall, request: ReadRequest & { kind: 'all' }, message: Message): Promise<void> {
  const { backwards, filter } = request;
  const end = log.end;
  let next = request.start === 'start' ? 0 : request.start === 'end' ? end : Math.min(request.start.commit, end);
  if (!log.isBoundary(next)) throw new Fault(status.UNKNOWN, 'Unexpected ReadAllResult: Error');
  let left = request.count;
  while (left > 0) {
    const records = backwards ? log.readAllBackwards(next, PAGE) : log.readAll(next, PAGE);
    for (const record of records) {
      if (left === 0 || kindOf(record) === MARK || (filter && !filter.matches(record))) continue;
      call.write(message(record));
      left--;
    }
    const last = records.at(-1);
    if (!last) break;
    next = positionOf(last) + (backwards ? 0 : last.length);
    // Events written after the read began are not included.
    if (next >= end || !(await roomToWrite(call))) break;
  }
}
