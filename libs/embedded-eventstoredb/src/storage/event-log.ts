import { copyLog } from './backup.js';
import { DamagedLog, UnknownFormat, WriteFailed } from './errors.js';
import { DamagedTable, type TableInfo } from './index-table.js';
import { DamagedIndex, FORMAT, LogIndex, type Indexable, type StreamEvents, type StreamRow } from './log-index.js';
import { Recent } from './recent.js';
import {
  CorruptRecord,
  dataOf,
  EVENT,
  groupOf,
  HEADER,
  idOf,
  isJson,
  isLastOfGroup,
  isSound,
  kindOf,
  lengthOf,
  MARK,
  positionAt,
  positionOf,
  revisionOf,
  sealRecord,
  streamNameOf,
  streamNumberOf,
  TOMBSTONE,
  type LogRecord,
} from './record.js';
import { scavengeSegments } from './scavenge.js';
import type { Scavenged } from './scavenged.js';
import {
  isMetadataStream,
  metadataStreamOf,
  NO_METADATA,
  OF_METADATA_STREAM,
  parseStreamMetadata,
  type StreamMetadata,
} from './stream-metadata.js';
import { BLOCK_BYTES, FIRST_POSITION, SEGMENT_BYTES, Segments, type Segment } from './segments.js';
import { evolveStreams, type StreamState } from './stream-state.js';
import { isFormat1, removeFormat2Index, upgradeFromFormat1 } from './upgrade.js';
import { warn } from './warnings.js';

/** One group of appends that reached the disk together, in log order, without marks. */
export interface Commit {
  readonly records: readonly LogRecord[];
  /** Name of the stream of each record. */
  readonly streams: readonly string[];
  /** Position after the last record. */
  readonly end: number;
}

/** Records following the log's last one, with the names of their streams. */
export interface Change {
  readonly records: readonly LogRecord[];
  readonly names: readonly string[];
}

const CACHED_STREAMS = 20_000;
const CACHED_NAME_LENGTH = 256;
/** Number of unindexed records written to the index together. */
const INDEX_GROUP = 4096;
/**
 * Beyond this number, for example when the disk has no room for the index, writes are refused, because unindexed records are held in
 * memory.
 */
const MOST_UNINDEXED = 4 * INDEX_GROUP;
/** Number of records per step when part of the index is rebuilt. */
const REBUILT_GROUP = 16 * INDEX_GROUP;
/** Bytes of a segment read at a time by work that runs beside appends and reads. */
const SLICE_BYTES = 128 * 1024;
/** Bytes searched at a time for the remains of a crash. */
const WINDOW_BYTES = 64 * 1024;
/** A page of a read ends after the record that exceeds this. */
const PAGE_BYTES = 512 * 1024;

/** The contents of the newest records, until they are in the index. */
class Tail {
  readonly positions: number[] = [];
  readonly streams = new Map<number, StreamEvents>();
  readonly states = new Map<string, StreamState>();
  readonly boundaries: number[] = [];

  /** Adds an event; the revisions of a stream come in order, with gaps left by a scavenge. */
  add(stream: number, revision: number, id: string, position: number): void {
    let known = this.streams.get(stream);
    if (!known) this.streams.set(stream, (known = { revisions: [], positions: [], ids: new Map() }));
    known.revisions.push(revision);
    known.positions.push(position);
    if (!known.ids.has(id)) known.ids.set(id, revision);
  }
}

/**
 * The log on disk: consecutive records in files (segments.ts), which are the source of truth, and an index of their positions
 * (log-index.ts), which follows. A commit is one write to the log and one flush, both outside this thread. What is not yet in the index is
 * held in memory, and read from the log again at the start.
 */
export class EventLog {
  private tail = new Tail();
  private readonly states = new Recent<string, StreamState>(CACHED_STREAMS);
  private readonly listeners = new Set<(commit: Commit) => void>();
  private endPosition: number;
  private streamNumber: number;
  /** Number of the last group; numbering restarts in each segment. */
  private group = 0;

  private constructor(
    private readonly directory: string,
    private readonly index: LogIndex,
    private readonly segments: Segments,
  ) {
    for (const table of index.damaged) this.repair(table);
    this.streamNumber = index.indexedTo.nextStreamNumber;
    this.endPosition = index.indexedTo.end;
    this.recover();
  }

  /**
   * Opens or creates the log. The caller holds the lock of the directory (see #directory-lock).
   *
   * @throws UnknownFormat, DamagedLog
   */
  static open(directory: string, segmentBytes = SEGMENT_BYTES): EventLog {
    const index = openIndex(directory);
    try {
      if (index.format !== FORMAT) throw new UnknownFormat(directory, String(index.format), FORMAT);
      return new EventLog(directory, index, Segments.open(directory, segmentBytes));
    } catch (error) {
      void index.close();
      // What the index needs from the log cannot be read.
      throw error instanceof CorruptRecord ? new DamagedLog(directory, `the record at position ${error.position} cannot be read.`) : error;
    }
  }

  /** Position after the last committed record. */
  get end(): number {
    return this.endPosition;
  }

  get nextStreamNumber(): number {
    return this.streamNumber;
  }

  get isEmpty(): boolean {
    return this.endPosition === FIRST_POSITION;
  }

  /** Calls the listener after each commit; the returned function removes it. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * When it resolves, the change is on disk and visible to readers; when it rejects, nothing of it is written. One at a time. `blocking`
   * blocks the thread until then, which is faster for a single small change: it saves two hops between threads.
   *
   * @throws WriteFailed
   */
  async commit({ records, names }: Change, blocking: boolean): Promise<void> {
    const length = records.reduce((sum, record) => sum + record.length, 0);
    const group = this.segments.startsWith(length) ? 1 : (this.group + 1) % 256;
    for (const [index, record] of records.entries()) sealRecord(record, group, index === records.length - 1);
    const bytes = records.length === 1 ? (records[0] as LogRecord) : Buffer.concat(records);
    try {
      if (this.tail.positions.length >= MOST_UNINDEXED) this.indexTail();
      if (blocking && this.tail.positions.length < INDEX_GROUP && !this.segments.needsMore(bytes.length)) this.segments.appendSync(bytes);
      else {
        const written = this.segments.append(bytes);
        // The disk is busy anyway.
        if (this.tail.positions.length >= INDEX_GROUP) this.tryToIndexTail();
        await written;
      }
    } catch (error) {
      throw new WriteFailed(error instanceof Error ? error.message : String(error));
    }
    this.group = group;
    const segment = this.segments.active;
    let offset = segment.bytes - bytes.length;
    for (const [index, record] of records.entries()) {
      this.absorb(offset, record, names[index] as string);
      offset += record.length;
    }
    this.announce(records, names);
  }

  private announce(records: readonly LogRecord[], names: readonly string[]): void {
    if (this.listeners.size === 0) return;
    const events = records.flatMap((record, index) => (kindOf(record) === MARK ? [] : [{ record, name: names[index] as string }]));
    const commit: Commit = {
      records: events.map((event) => event.record),
      streams: events.map((event) => event.name),
      end: this.endPosition,
    };
    for (const listener of this.listeners) listener(commit);
  }

  stream(name: string): StreamState {
    const known = this.tail.states.get(name) ?? this.states.get(name);
    if (known) return known;
    const state = this.load(name);
    this.remember(state);
    return state;
  }

  /** First revision of the stream with this event id. */
  revisionOfId(streamNumber: number, id: string): number | undefined {
    const indexed = this.indexed(() => this.index.revisionOfId(streamNumber, id));
    if (indexed !== undefined && this.isStill(streamNumber, indexed, id)) return indexed;
    return this.tail.streams.get(streamNumber)?.ids.get(id);
  }

  /** Whether the event still exists, that is, was not scavenged. */
  private isStill(streamNumber: number, revision: number, id: string): boolean {
    if (!this.segments.scavenged) return true;
    const record = this.recordAt(streamNumber, revision);
    return record !== undefined && idOf(record) === id;
  }

  recordAt(streamNumber: number, revision: number): LogRecord | undefined {
    const [found] = this.positions(streamNumber, revision, revision, 1);
    return found && this.recordAtPosition(found[1]);
  }

  /** Whether a record (or mark) begins at the position, or did before it was scavenged, or the log ends there or before. */
  isBoundary(position: number): boolean {
    if (position === 0 || position >= this.endPosition) return true;
    const segment = this.segments.holding(position);
    if (segment.generation > 0) return true;
    const { positions } = this.tail;
    if (position >= (positions[0] ?? this.endPosition)) return positions[lowerBound(positions, position)] === position;
    return position >= segment.base && this.seek(segment, position) === position - segment.base;
  }

  /** Records of one stream, starting at `from` (downwards if `backwards`), not below `lowest` and not above `highest`. */
  readStream(
    streamNumber: number,
    from: number,
    bounds: { lowest: number; highest: number },
    limit: number,
    backwards: boolean,
  ): LogRecord[] {
    const start = backwards ? Math.min(from, bounds.highest) : Math.max(from, bounds.lowest);
    const end = backwards ? bounds.lowest : bounds.highest;
    if (backwards ? start < end : start > end) return [];
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let next = start; backwards ? next >= end : next <= end;) {
      const found = this.allPositions(streamNumber, next, end, limit - records.length);
      for (const [revision, position] of found) {
        const record = this.recordAtPosition(position);
        if (!record) continue;
        if (streamNumberOf(record) !== streamNumber || revisionOf(record) !== revision) throw new CorruptRecord(position);
        records.push(record);
        bytes += record.length;
        if (bytes > PAGE_BYTES) return records;
      }
      const last = found.at(-1);
      if (!last || records.length >= limit) break;
      // Some of them were scavenged.
      next = last[0] + (backwards ? -1 : 1);
    }
    return records;
  }

  /** As `positions`. Without a scavenge no revision is missing; if one is, the index is rebuilt. */
  private allPositions(streamNumber: number, from: number, to: number, limit: number): Array<readonly [number, number]> {
    const isWhole = (found: ReadonlyArray<readonly [number, number]>): boolean =>
      this.segments.scavenged || found.length === Math.min(limit, Math.abs(to - from) + 1);
    const found = this.positions(streamNumber, from, to, limit);
    if (isWhole(found)) return found;
    this.rebuildIndex(`revisions of stream number ${streamNumber} from ${from} to ${to} are missing in it`);
    const again = this.positions(streamNumber, from, to, limit);
    if (isWhole(again)) return again;
    throw new DamagedLog(this.directory, `revisions of stream number ${streamNumber} from ${from} to ${to} are missing.`);
  }

  /** Records of the whole log from a position, including marks, so that the last one shows where to continue. */
  readAll(from: number, limit: number): LogRecord[] {
    if (from >= this.endPosition) return [];
    const records: LogRecord[] = [];
    let bytes = 0;
    let segment: Segment | undefined = this.segments.holding(from);
    let offset = segment.generation > 0 ? this.seek(segment, from) : Math.max(from - segment.base, 0);
    while (segment && records.length < limit && bytes <= PAGE_BYTES) {
      if (offset >= segment.bytes) {
        segment = this.segments.after(segment);
        offset = 0;
        continue;
      }
      const record = this.soundRecord(segment, offset);
      if (positionOf(record) >= this.endPosition) break;
      records.push(record);
      bytes += record.length;
      offset += record.length;
    }
    return records;
  }

  /** Records before a position, latest first. */
  readAllBackwards(before: number, limit: number): LogRecord[] {
    const records: LogRecord[] = [];
    let bytes = 0;
    const take = (record: LogRecord): boolean => {
      records.push(record);
      bytes += record.length;
      return records.length < limit && bytes <= PAGE_BYTES;
    };
    const { positions } = this.tail;
    for (let index = lowerBound(positions, before) - 1; index >= 0; index--)
      if (!take(this.recordAtPosition(positions[index] as number) as LogRecord)) return records;
    // The index knows where some records begin; between them the log is read forwards.
    let limitPosition = Math.min(before, positions[0] ?? this.endPosition);
    for (let segment = this.segments.before({ base: limitPosition }); segment; segment = this.segments.before(segment)) {
      for (let from = this.boundaryBefore(segment, limitPosition); from; from = this.boundaryBefore(segment, limitPosition)) {
        const found: LogRecord[] = [];
        for (let { offset } = from; offset < segment.bytes;) {
          const record = this.soundRecord(segment, offset);
          if (positionOf(record) >= limitPosition) break;
          found.push(record);
          offset += record.length;
        }
        limitPosition = from.position;
        for (const record of found.reverse()) if (!take(record)) return records;
      }
    }
    return records;
  }

  /**
   * Closes the segments so far, so that they are never written to again. Not during a commit.
   *
   * @throws WriteFailed
   */
  async beginSegment(): Promise<void> {
    try {
      this.indexTail();
      if (this.segments.active.bytes > 0) await this.segments.roll();
    } catch (error) {
      throw new WriteFailed(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Removes what no reader can see from the closed segments; see scavenge.ts. One at a time, and not during a backup.
   *
   * @throws WriteFailed, CorruptRecord, and the signal's reason
   */
  async scavenge(fromSegment: number, now: number, signal: AbortSignal): Promise<Scavenged> {
    const { segments } = this;
    const records = (segment: Segment, offset: number): LogRecord[] => this.slice(segment, offset);
    try {
      return await scavengeSegments({ log: this, segments, records }, segments.all.slice(fromSegment, -1), now, signal);
    } catch (error) {
      if (signal.aborted || error instanceof CorruptRecord) throw error;
      throw new WriteFailed(error instanceof Error ? error.message : String(error));
    }
  }

  /** Writes a copy on which a node can start, while this one continues. Not during a scavenge. */
  backUp(directory: string): Promise<void> {
    return copyLog(
      this.directory,
      directory,
      (target) => this.index.copy(target),
      () => [...this.segments.all],
    );
  }

  async close(): Promise<void> {
    this.tryToIndexTail();
    await this.segments.close();
    await this.index.close();
  }

  /** Adds what is missing in the index, and cuts off the remains of an unacknowledged group after a crash. */
  private recover(): void {
    const { segments } = this;
    if (this.endPosition > segments.active.base) this.group = this.index.indexedTo.group;
    this.refuseMissingSegments();
    for (let segment: Segment | undefined = segments.holding(this.endPosition); segment; segment = segments.after(segment)) {
      const isActive = segment.base === segments.active.base;
      const begin = segment.generation > 0 ? this.seek(segment, this.endPosition) : Math.max(this.endPosition - segment.base, 0);
      if (begin > segment.bytes)
        throw new DamagedLog(
          this.directory,
          `its index reaches to position ${this.endPosition}, the log only to ${segment.base + segment.bytes}.`,
        );
      if (isActive) return this.cutOff(segment, this.recoverActive(segment, begin));
      this.recoverFull(segment, begin);
      const next = segments.after(segment) as Segment;
      this.endPosition = next.base;
      this.group = 0;
    }
  }

  /** Ends the active segment after its last valid group. Zeros after it were preallocated; anything else is an unacknowledged append. */
  private cutOff(segment: Segment, end: number): void {
    const { segments } = this;
    let last = end;
    for (let start = segment.bytes; start > end && last === end; start -= WINDOW_BYTES) {
      const from = Math.max(start - WINDOW_BYTES, end);
      last = Math.max(from + segments.read(segment, from, start - from, false).findLastIndex((byte) => byte !== 0) + 1, end);
      if (last === from) last = end;
    }
    if (last > end)
      warn(
        `The event log in ${this.directory} ended with a part of an append that was never acknowledged: ${last - end} bytes behind position ${segment.base + end} are cut off.`,
      );
    segments.truncate(end);
  }

  private refuseMissingSegments(): void {
    let end: number | undefined = FIRST_POSITION;
    for (const segment of this.segments.all) {
      if (end !== undefined && segment.base !== end)
        throw new DamagedLog(this.directory, `between position ${end} and ${segment.base} nothing can be read.`);
      // A scavenged one does not show where it ended.
      end = segment.generation === 0 ? segment.base + segment.bytes : undefined;
    }
  }

  /** A segment that is followed by another was written to its end. */
  private recoverFull(segment: Segment, begin: number): void {
    let offset = begin;
    while (offset < segment.bytes) {
      const record = this.soundRecord(segment, offset);
      this.absorb(offset, record, streamNameOf(record).toString('utf8'));
      this.boundTail();
      offset += record.length;
    }
  }

  private recoverActive(segment: Segment, begin: number): number {
    let offset = begin;
    for (;;) {
      const group: LogRecord[] = [];
      let next = offset;
      let record: LogRecord | undefined;
      do {
        record = this.readRecord(segment, next);
        if (!record || !isSound(record) || positionOf(record) !== segment.base + next) break;
        group.push(record);
        next += record.length;
      } while (!isLastOfGroup(record));
      if (group.length === 0 || !isLastOfGroup(group.at(-1) as LogRecord)) break;
      for (const each of group) {
        this.absorb(offset, each, streamNameOf(each).toString('utf8'));
        offset += each.length;
      }
      this.group = groupOf(group[0] as LogRecord);
      this.boundTail();
    }
    this.refuseBuriedGroups(segment, offset);
    return offset;
  }

  /**
   * A group is written once the previous one has been flushed and acknowledged. So anything left after the last valid group can belong to
   * the next group, but not to a later one: otherwise the damaged group had been acknowledged, and cutting it off would lose events.
   */
  private refuseBuriedGroups(segment: Segment, from: number): void {
    const unanswered = (this.group + 1) % 256;
    for (let start = from; start + HEADER <= segment.bytes; start += WINDOW_BYTES - HEADER) {
      const window = Buffer.from(this.segments.read(segment, start, Math.min(WINDOW_BYTES, segment.bytes - start), true));
      for (let at = 0; at + HEADER <= window.length; at++) {
        if (positionAt(window, at) !== segment.base + start + at) continue;
        const record = this.readRecord(segment, start + at);
        if (record && isSound(record) && groupOf(record) !== unanswered)
          throw new DamagedLog(this.directory, `the record at position ${segment.base + from} cannot be read, and later ones can.`);
      }
    }
  }

  /** Limits memory while the log is read at the start. */
  private boundTail(): void {
    if (this.tail.positions.length >= INDEX_GROUP) this.indexTail();
  }

  /** Adds a record that is on disk to the state. */
  private absorb(offset: number, record: LogRecord, name: string): void {
    const position = positionOf(record);
    const { boundaries } = this.tail;
    if (offset === 0 || position - (boundaries.at(-1) ?? Number.NEGATIVE_INFINITY) >= BLOCK_BYTES) boundaries.push(position);
    this.tail.positions.push(position);
    this.endPosition = position + record.length;
    if (kindOf(record) === MARK) return;
    this.streamNumber = Math.max(this.streamNumber, streamNumberOf(record) + 1);
    if (kindOf(record) === EVENT) this.tail.add(streamNumberOf(record), revisionOf(record), idOf(record), position);
    evolveStreams(
      record,
      name,
      (stream) => this.stream(stream),
      (state) => {
        this.tail.states.set(state.name, state);
        this.states.delete(state.name);
      },
    );
  }

  /** Reads from the index. If damage is found, that part is rebuilt. */
  private indexed<T>(query: () => T): T {
    for (;;) {
      try {
        return query();
      } catch (error) {
        if (!(error instanceof DamagedTable)) throw error;
        this.repair(error.info);
      }
    }
  }

  /** @throws CorruptRecord if the log cannot be read there, WriteFailed */
  private repair(table: TableInfo): void {
    const { from, to } = table;
    warn(`The index of the event log in ${this.directory} is damaged from position ${from} to ${to}; it is made anew there from the log.`);
    this.replace(table);
  }

  private rebuildIndex(reason: string): void {
    warn(`The index of the event log in ${this.directory} is damaged: ${reason}; it is made anew from the log.`);
    for (const table of [...this.index.all]) this.replace(table);
  }

  private replace(table: TableInfo): void {
    try {
      this.index.replace(table, this.parts(table));
    } catch (error) {
      if (error instanceof CorruptRecord) throw error;
      throw new WriteFailed(error instanceof Error ? error.message : String(error));
    }
  }

  /** The contents of the log between two positions, in parts that fit in memory. */
  private *parts({ from, to }: TableInfo): Generator<{ readonly part: Indexable; readonly to: number }> {
    let tail = new Tail();
    let rows = new Map<string, StreamRow & { readonly name: string }>();
    for (let segment: Segment | undefined = this.segments.holding(from); segment; segment = this.segments.after(segment)) {
      let offset = segment.generation > 0 ? this.seek(segment, from) : Math.max(from - segment.base, 0);
      while (offset < segment.bytes) {
        const record = this.soundRecord(segment, offset);
        const position = positionOf(record);
        if (position >= to) break;
        if (tail.positions.length >= REBUILT_GROUP) {
          yield { part: { streams: tail.streams, rows: rows.values(), boundaries: tail.boundaries }, to: position };
          [tail, rows] = [new Tail(), new Map()];
        }
        if (offset === 0 || position - (tail.boundaries.at(-1) ?? Number.NEGATIVE_INFINITY) >= BLOCK_BYTES) tail.boundaries.push(position);
        tail.positions.push(position);
        offset += record.length;
        if (kindOf(record) === MARK) continue;
        const name = streamNameOf(record).toString('utf8');
        const number = streamNumberOf(record);
        const known = rows.get(name) ?? { name, number, lastRevision: -1, tombstoned: false };
        if (kindOf(record) === TOMBSTONE) rows.set(name, { ...known, tombstoned: true });
        else {
          rows.set(name, { ...known, lastRevision: revisionOf(record) });
          tail.add(number, revisionOf(record), idOf(record), position);
        }
      }
    }
    yield { part: { streams: tail.streams, rows: rows.values(), boundaries: tail.boundaries }, to };
  }

  /** Writes what is held in memory to the index. */
  private indexTail(): void {
    if (this.tail.positions.length === 0) return;
    const { streams, states, boundaries } = this.tail;
    this.index.add(
      { streams, rows: states.values(), boundaries },
      { nextStreamNumber: this.streamNumber, end: this.endPosition, group: this.group },
    );
    this.tail = new Tail();
    for (const state of states.values()) this.remember(state);
  }

  private tryToIndexTail(): void {
    try {
      this.indexTail();
    } catch {
      // The disk is probably full. Everything is in the log, and held in memory until there is room or too much of it.
    }
  }

  /** Revisions and positions of events of a stream, as `LogIndex.positions`, including unindexed ones. */
  private positions(streamNumber: number, from: number, to: number, limit: number): Array<readonly [revision: number, position: number]> {
    const indexedOnes = (start: number, end: number, max: number): Array<readonly [number, number]> =>
      this.indexed(() => this.index.positions(streamNumber, start, end, max));
    const recent = this.tail.streams.get(streamNumber);
    const first = recent?.revisions[0] ?? Number.POSITIVE_INFINITY;
    if (Math.max(from, to) < first) return indexedOnes(from, to, limit);
    const { revisions, positions } = recent as StreamEvents;
    const low = lowerBound(revisions, Math.min(from, to));
    const high = lowerBound(revisions, Math.max(from, to) + 1);
    const held = revisions.slice(low, high).map((revision, index) => [revision, positions[low + index] as number] as const);
    if (Math.min(from, to) >= first) return (from > to ? held.reverse() : held).slice(0, limit);
    const indexed = (max: number): Array<readonly [number, number]> =>
      max === 0 ? [] : from > to ? indexedOnes(first - 1, to, max) : indexedOnes(from, first - 1, max);
    if (from > to) return [...held.reverse().slice(0, limit), ...indexed(Math.max(limit - held.length, 0))];
    const before = indexed(limit);
    return [...before, ...held.slice(0, limit - before.length)];
  }

  /** Undefined if it was scavenged. */
  private recordAtPosition(position: number): LogRecord | undefined {
    const segment = this.segments.holding(position);
    const offset = segment.generation > 0 ? this.seek(segment, position) : position - segment.base;
    const record = this.readRecord(segment, offset);
    if (segment.generation > 0 && (offset >= segment.bytes || (record && isSound(record) && positionOf(record) > position)))
      return undefined;
    if (!record || !isSound(record) || positionOf(record) !== position) throw new CorruptRecord(position);
    return record;
  }

  private soundRecord(segment: Segment, offset: number): LogRecord {
    const record = this.readRecord(segment, offset, true);
    if (!record || !isSound(record) || (segment.generation === 0 && positionOf(record) !== segment.base + offset))
      throw new CorruptRecord(segment.base + offset);
    return record;
  }

  private slice(segment: Segment, from: number): LogRecord[] {
    const records: LogRecord[] = [];
    for (let offset = from; offset < segment.bytes && offset - from < SLICE_BYTES; offset += (records.at(-1) as LogRecord).length)
      records.push(this.soundRecord(segment, offset));
    return records;
  }

  /** The bytes of the record whose header is there, in a separate buffer; undefined if the file does not have them. */
  private readRecord(segment: Segment, offset: number, ahead = false): LogRecord | undefined {
    const header = this.segments.read(segment, offset, HEADER, ahead);
    if (header.length < HEADER) return undefined;
    const length = lengthOf(header);
    if (length < HEADER || length > segment.bytes - offset) return undefined;
    return Buffer.from(this.segments.read(segment, offset, length, ahead));
  }

  /** Where a record in an indexed part of a segment begins, shortly before a position; undefined before the first. */
  private boundaryBefore(segment: Segment, position: number): { readonly position: number; readonly offset: number } | undefined {
    if (segment.generation > 0) return this.segments.boundaryBefore(segment, position);
    if (position <= segment.base) return undefined;
    const boundary = Math.max(this.indexed(() => this.index.boundaryAt(position - 1)) ?? 0, segment.base);
    return { position: boundary, offset: boundary - segment.base };
  }

  /** Where in an indexed part of a segment the first record at or after a position is. */
  private seek(segment: Segment, position: number): number {
    let offset = this.boundaryBefore(segment, position + 1)?.offset ?? 0;
    while (offset < segment.bytes) {
      const header = this.segments.read(segment, offset, HEADER, false);
      if (header.length < HEADER || lengthOf(header) < HEADER) throw new CorruptRecord(position);
      if (positionOf(header) >= position) break;
      offset += lengthOf(header);
    }
    return offset;
  }

  private load(name: string): StreamState {
    const row = this.indexed(() => this.index.row(name));
    const about = this.rowOf(metadataStreamOf(name));
    return { name, ...row, hasMetadata: about.lastRevision >= 0 || about.tombstoned, metadata: this.metadataOf(name, about) };
  }

  private rowOf(name: string): StreamRow {
    return this.tail.states.get(name) ?? this.indexed(() => this.index.row(name));
  }

  private metadataOf(name: string, about: StreamRow): StreamMetadata {
    if (isMetadataStream(name)) return OF_METADATA_STREAM;
    if (about.lastRevision < 0 || about.tombstoned) return NO_METADATA;
    const record = this.recordAt(about.number, about.lastRevision);
    return record ? parseStreamMetadata(dataOf(record), isJson(record)) : NO_METADATA;
  }

  private remember(state: StreamState): void {
    if (state.name.length <= CACHED_NAME_LENGTH) this.states.set(state.name, state);
  }
}

function openIndex(directory: string): LogIndex {
  try {
    const index = LogIndex.open(directory);
    if (index) return index;
    if (isFormat1(directory)) upgradeFromFormat1(directory);
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    warn(`The index of the event log in ${directory} is damaged: ${error.message}; it is made anew from the log.`);
  }
  const index = LogIndex.create(directory, FIRST_POSITION);
  removeFormat2Index(directory);
  return index;
}

/** Index of the first number not below `value`, in ascending numbers. */
function lowerBound(numbers: readonly number[], value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((numbers[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
