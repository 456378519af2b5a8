import { closeSync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import { createdOf, EVENT, kindOf, MARK, positionOf, revisionOf, streamNameOf, TOMBSTONE, type LogRecord } from './record.js';
import type { Scavenged } from './scavenged.js';
import { BLOCK_BYTES, writeAll, type Place, type Segment, type Segments } from './segments.js';
import { isTombstoned, type Streams } from './visible-events.js';

/** The parts of the log that a scavenge needs; `records` returns records with their offsets in the segment's file. */
export interface Scavengeable {
  readonly log: Streams;
  readonly segments: Segments;
  /** Some records of a segment from an offset; none at its end. */
  records(segment: Segment, offset: number): LogRecord[];
}

const syncFile = promisify(fsync);

/**
 * Whether no reader of the stream can see the record any more. As on the genuine server, the last event of a stream stays, because it shows
 * the stream's last revision; of a deleted stream, only the tombstone stays.
 */
export function isGone(log: Streams, record: LogRecord, now: number): boolean {
  if (kindOf(record) === MARK) return true;
  if (kindOf(record) === TOMBSTONE) return false;
  const stream = log.stream(streamNameOf(record).toString('utf8'));
  if (isTombstoned(log, stream)) return true;
  const revision = revisionOf(record);
  if (revision >= stream.lastRevision) return false;
  const { truncateBefore = 0, maxCount = Number.POSITIVE_INFINITY, maxAge = Number.POSITIVE_INFINITY } = stream.metadata;
  return revision < truncateBefore || revision <= stream.lastRevision - maxCount || createdOf(record) < now - maxAge * 1000;
}

/**
 * Rewrites each closed segment that contains invisible events without them. Works in slices of a few milliseconds, between which appends
 * and reads continue. If it is interrupted at any moment, the log is intact: the new file replaces the old one atomically. The index keeps
 * the positions of removed events; a lookup finds that they are gone.
 */
export async function scavengeSegments(
  scavengeable: Scavengeable,
  segments: readonly Segment[],
  now: number,
  signal: AbortSignal,
): Promise<Scavenged> {
  let bytesFreed = 0;
  let eventsDropped = 0;
  for (const segment of segments) {
    if (!(await hasRemovable(scavengeable, segment, now, signal))) continue;
    const scavenged = await rewrite(scavengeable, segment, now, signal);
    bytesFreed += scavenged.bytesFreed;
    eventsDropped += scavenged.eventsDropped;
  }
  return { bytesFreed, eventsDropped };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const lengthOfAll = (records: readonly LogRecord[]): number => records.reduce((sum, record) => sum + record.length, 0);

async function hasRemovable({ log, records }: Scavengeable, segment: Segment, now: number, signal: AbortSignal): Promise<boolean> {
  for (let offset = 0; offset < segment.bytes;) {
    signal.throwIfAborted();
    const slice = records(segment, offset);
    if (slice.some((record) => isGone(log, record, now))) return true;
    offset += lengthOfAll(slice);
    await nextTurn();
  }
  return false;
}

async function rewrite({ log, segments, records }: Scavengeable, segment: Segment, now: number, signal: AbortSignal): Promise<Scavenged> {
  const file = segments.createReplacement(segment);
  let written = 0;
  let eventsDropped = 0;
  const places: Place[] = [];
  try {
    for (let offset = 0; offset < segment.bytes;) {
      signal.throwIfAborted();
      const slice = records(segment, offset);
      offset += lengthOfAll(slice);
      const kept: LogRecord[] = [];
      let end = written;
      for (const record of slice) {
        if (isGone(log, record, now)) {
          if (kindOf(record) === EVENT) eventsDropped++;
          continue;
        }
        if (end - (places.at(-1)?.offset ?? Number.NEGATIVE_INFINITY) >= BLOCK_BYTES)
          places.push({ position: positionOf(record), offset: end });
        kept.push(record);
        end += record.length;
      }
      await writeAll(file, Buffer.concat(kept), written);
      written = end;
    }
    await syncFile(file);
    signal.throwIfAborted();
  } catch (error) {
    segments.dropReplacement(segment);
    throw error;
  } finally {
    closeSync(file);
  }
  segments.replace(segment, written, places);
  return { bytesFreed: segment.bytes - written, eventsDropped };
}
