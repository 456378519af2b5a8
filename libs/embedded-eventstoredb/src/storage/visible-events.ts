import { createdOf, dataOf, typeOf, type LogRecord } from './record.js';
import { isMetadataStream } from './stream-metadata.js';
import { isSoftDeleted, type StreamState } from './stream-state.js';

/** What it needs to know about the log. */
export interface Streams {
  stream(name: string): StreamState;
  recordAt(streamNumber: number, revision: number): LogRecord | undefined;
}

/** Whether reads of the stream end with the error stream-deleted: it is tombstoned, or it is the metadata stream of a tombstoned one. */
export function isTombstoned(log: Streams, stream: StreamState): boolean {
  return stream.tombstoned || (isMetadataStream(stream.name) && isTombstoned(log, log.stream(stream.name.slice(2))));
}

/** Whether readers get the error that the stream does not exist. */
export const isMissing = (stream: StreamState): boolean => stream.lastRevision < 0 || isSoftDeleted(stream);

/** Lowest visible revision; greater than the last one if nothing is visible. */
export function lowestVisible(log: Streams, stream: StreamState, now: number): number {
  const { maxCount, maxAge, truncateBefore } = stream.metadata;
  const lowest = Math.max(truncateBefore ?? 0, maxCount === undefined ? 0 : stream.lastRevision - maxCount + 1);
  return maxAge === undefined ? lowest : firstYounger(log, stream, lowest, now - maxAge * 1000);
}

/** Events of a stream are in chronological order, so the first one young enough is found by binary search. */
function firstYounger(log: Streams, stream: StreamState, lowest: number, since: number): number {
  let low = lowest;
  let high = stream.lastRevision + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const record = log.recordAt(stream.number, middle);
    if (record && createdOf(record) >= since) high = middle;
    else low = middle + 1;
  }
  return low;
}

const LINK_TYPE = Buffer.from('$>');

/**
 * A link and its target, `undefined` if that is gone or not visible to this reader; treated as an ordinary event if its data is malformed.
 */
export function followLink(
  log: Streams,
  record: LogRecord,
  now: number,
  readable: (stream: string) => boolean = () => true,
): { readonly target: LogRecord | undefined } | undefined {
  if (!typeOf(record).equals(LINK_TYPE)) return undefined;
  const match = /^(\d{1,19})@([^]+)$/.exec(dataOf(record).toString('utf8'));
  if (!match) return undefined;
  const revision = Number(match[1]);
  const stream = log.stream(match[2] as string);
  if (!readable(stream.name)) return { target: undefined };
  if (isTombstoned(log, stream) || isMissing(stream) || revision > stream.lastRevision || revision < lowestVisible(log, stream, now))
    return { target: undefined };
  return { target: log.recordAt(stream.number, revision) };
}
