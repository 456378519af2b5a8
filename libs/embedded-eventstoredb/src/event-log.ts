import { createHash } from 'node:crypto';
import { open, type Database, type RootDatabase } from 'lmdb';
import { dataOf, isJson, MARK, kindOf, positionOf, verifyRecord, type LogRecord } from './record.js';
import { DELETED, isMetadataStream, metadataStreamOf, NO_METADATA, OF_METADATA_STREAM, parseStreamMetadata, type StreamMetadata } from './stream-metadata.js';

/** What the node knows of one stream. Never changed in place: a commit puts a new one into its stead. */
export interface StreamState {
  readonly name: string;
  /** Number that stands for the name in the index, -1 before anything was written. */
  readonly number: number;
  /** Last revision, -1 when there is none. */
  readonly lastRevision: number;
  readonly tombstoned: boolean;
  readonly metadata: StreamMetadata;
  /** Whether its metadata stream has ever been written. */
  readonly hasMetadata: boolean;
}

export const isSoftDeleted = (stream: StreamState): boolean => (stream.metadata.truncateBefore ?? 0) >= DELETED;

/** One group of appends that reached the disk together, in log order, marks left out. */
export interface Commit {
  readonly records: readonly LogRecord[];
  /** Name of the stream of each record. */
  readonly streams: readonly string[];
  /** Position behind the last record. */
  readonly end: number;
}

/** A change to the log that is written in one transaction. */
export interface Change {
  readonly records: readonly LogRecord[];
  /** Index entries: event id and revision of each record that is an event with an ordinary revision. */
  readonly entries: ReadonlyArray<{ readonly stream: number; readonly revision: number; readonly id: string; readonly position: number; readonly firstOfId: boolean }>;
  readonly streams: Iterable<StreamState>;
  readonly nextStreamNumber: number;
}

/** The data directory holds a log that this version cannot read. */
export class UnknownFormat extends Error {
  readonly code = 'ERR_UNKNOWN_FORMAT';
  constructor(
    directory: string,
    readonly found: string,
  ) {
    super(`The event log in ${directory} has format ${found}; this version reads format ${FORMAT}.`);
  }
}

/** The disk did not take a commit: it is full, or broken. Nothing of the commit was written. */
export class WriteFailed extends Error {
  readonly code = 'ERR_WRITE_FAILED';
  constructor(reason: string) {
    super(`The event log could not be written, and nothing was: ${reason}. Is the disk full?`);
  }
}

const FORMAT = 1;
/** Position of the first record. Not 0: the position 0/0 must lie before everything. */
const FIRST_POSITION = 64;
const CACHED_STREAMS = 20_000;
const CACHED_NAME_LENGTH = 256;
/** LMDB takes keys of up to 1978 bytes; longer names are known by their hash. */
const KEY_BYTES = 1024;

/**
 * The log on disk, in one LMDB environment:
 *
 * - `log`: position → record
 * - `revisions`: (stream number, revision) → position
 * - `ids`: (stream number, event id) → first revision with that id
 * - `streams`: name → stream number, last revision, tombstoned
 * - `node`: format version, next stream number
 *
 * Every transaction is synchronous, and LMDB's `overlappingSync` is off: `commit` returns after the pages and then the
 * meta page have been synced. lmdb's asynchronous writes would overlap the flush with other work, but when the disk is
 * full they reject promises that nobody can reach, which ends the process.
 */
export class EventLog {
  private readonly log: Database<Buffer, number>;
  private readonly revisions: Database<Buffer, Buffer>;
  private readonly ids: Database<Buffer, Buffer>;
  private readonly streams: Database<Buffer, Buffer>;
  private readonly node: Database<number, string>;
  private readonly states = new Map<string, StreamState>();
  private readonly listeners = new Set<(commit: Commit) => void>();
  private endPosition: number;
  private streamNumber: number;

  private constructor(
    directory: string,
    private readonly root: RootDatabase,
  ) {
    this.log = root.openDB('log', { encoding: 'binary' });
    this.revisions = root.openDB('revisions', { encoding: 'binary', keyEncoding: 'binary' });
    this.ids = root.openDB('ids', { encoding: 'binary', keyEncoding: 'binary' });
    this.streams = root.openDB('streams', { encoding: 'binary', keyEncoding: 'binary' });
    this.node = root.openDB('node', { encoding: 'json' });
    const format = this.node.get('format');
    if (format === undefined) this.node.putSync('format', FORMAT);
    else if (format !== FORMAT) throw new UnknownFormat(directory, String(format));
    const [last] = this.log.getRange({ reverse: true, limit: 1 });
    this.endPosition = last ? last.key + verifyRecord(last.value, last.key).length : FIRST_POSITION;
    this.streamNumber = this.node.get('nextStreamNumber') ?? 0;
  }

  /** Opens or creates the log. Whoever calls holds the directory (see #directory-lock). */
  static open(directory: string): EventLog {
    const root = open({ path: directory, maxDbs: 8, overlappingSync: false });
    try {
      return new EventLog(directory, root);
    } catch (error) {
      void root.close();
      throw error;
    }
  }

  /** Position behind the last committed record. */
  get end(): number {
    return this.endPosition;
  }

  get nextStreamNumber(): number {
    return this.streamNumber;
  }

  get isEmpty(): boolean {
    return this.endPosition === FIRST_POSITION;
  }

  /** Calls the listener after each commit; the returned function ends that. */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** When it returns the change is on disk; when it throws nothing of it is. The flush blocks this thread, which is the node's own. */
  commit(change: Change, names: readonly string[]): void {
    this.write(change);
    const last = change.records.at(-1);
    if (last) this.endPosition = positionOf(last) + last.length;
    this.streamNumber = change.nextStreamNumber;
    for (const state of change.streams) this.remember(state);
    this.root.resetReadTxn();
    const events = change.records.flatMap((record, index) => (kindOf(record) === MARK ? [] : [{ record, name: names[index] as string }]));
    const commit: Commit = { records: events.map((event) => event.record), streams: events.map((event) => event.name), end: this.endPosition };
    for (const listener of this.listeners) listener(commit);
  }

  private write(change: Change): void {
    try {
      this.root.transactionSync(() => {
        for (const record of change.records) this.log.putSync(positionOf(record), record);
        for (const entry of change.entries) {
          this.revisions.putSync(revisionKey(entry.stream, entry.revision), numberValue(entry.position));
          if (entry.firstOfId) this.ids.putSync(idKey(entry.stream, entry.id), numberValue(entry.revision));
        }
        for (const state of change.streams) if (state.number >= 0) this.streams.putSync(nameKey(state.name), streamValue(state));
        if (change.nextStreamNumber !== this.streamNumber) this.node.putSync('nextStreamNumber', change.nextStreamNumber);
      });
    } catch (error) {
      throw new WriteFailed(error instanceof Error ? error.message : String(error));
    }
  }

  stream(name: string): StreamState {
    const known = this.states.get(name);
    if (known) return known;
    const state = this.load(name);
    this.remember(state);
    return state;
  }

  /** First revision of the stream with this event id. */
  revisionOfId(streamNumber: number, id: string): number | undefined {
    return this.ids.get(idKey(streamNumber, id))?.readDoubleLE(0);
  }

  recordAt(streamNumber: number, revision: number): LogRecord | undefined {
    const position = this.revisions.get(revisionKey(streamNumber, revision))?.readDoubleLE(0);
    return position === undefined ? undefined : this.recordAtPosition(position);
  }

  /** Whether a record (also a mark) begins at the position, or the log ends there or before. */
  isBoundary(position: number): boolean {
    return position === 0 || position >= this.endPosition || this.log.doesExist(position);
  }

  /** Records of one stream, from `from` on (downwards when `backwards`), not below `lowest` and not above `highest`. */
  readStream(streamNumber: number, from: number, bounds: { lowest: number; highest: number }, limit: number, backwards: boolean): LogRecord[] {
    this.root.resetReadTxn();
    const start = backwards ? Math.min(from, bounds.highest) : Math.max(from, bounds.lowest);
    const end = backwards ? bounds.lowest - 1 : bounds.highest + 1;
    if (backwards ? start <= end : start >= end) return [];
    const range = this.revisions.getRange({ start: revisionKey(streamNumber, start), end: end < 0 ? numberKey(streamNumber) : revisionKey(streamNumber, end), reverse: backwards, limit });
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const { value } of range) {
      const record = this.recordAtPosition(value.readDoubleLE(0));
      records.push(record);
      bytes += record.length;
      if (bytes > PAGE_BYTES) break;
    }
    return records;
  }

  /** Records of the whole log from a position on, marks included, so that the last one tells where to go on. */
  readAll(from: number, limit: number): LogRecord[] {
    this.root.resetReadTxn();
    return this.page({ start: from, limit });
  }

  /** Records before a position, the latest first. */
  readAllBackwards(before: number, limit: number): LogRecord[] {
    this.root.resetReadTxn();
    // A reverse range includes its start; positions are integers, so the half just misses it.
    return this.page({ start: before - 0.5, reverse: true, limit });
  }

  async close(): Promise<void> {
    await this.root.close();
  }

  private page(range: { start: number; reverse?: boolean; limit: number }): LogRecord[] {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const { key, value } of this.log.getRange(range)) {
      records.push(verifyRecord(value, key));
      bytes += value.length;
      if (bytes > PAGE_BYTES) break;
    }
    return records;
  }

  private recordAtPosition(position: number): LogRecord {
    return verifyRecord(this.log.get(position) ?? Buffer.alloc(0), position);
  }

  private load(name: string): StreamState {
    const row = this.row(name);
    const about = this.row(metadataStreamOf(name));
    return { name, ...row, hasMetadata: about.lastRevision >= 0, metadata: this.metadataOf(name, about) };
  }

  private metadataOf(name: string, about: { number: number; lastRevision: number; tombstoned: boolean }): StreamMetadata {
    if (isMetadataStream(name)) return OF_METADATA_STREAM;
    if (about.lastRevision < 0 || about.tombstoned) return NO_METADATA;
    const record = this.recordAt(about.number, about.lastRevision);
    return record ? parseStreamMetadata(dataOf(record), isJson(record)) : NO_METADATA;
  }

  private row(name: string): { number: number; lastRevision: number; tombstoned: boolean } {
    const value = this.streams.get(nameKey(name));
    return value
      ? { number: value.readUInt32LE(0), lastRevision: value.readDoubleLE(4), tombstoned: value[12] === 1 }
      : { number: -1, lastRevision: -1, tombstoned: false };
  }

  private remember(state: StreamState): void {
    if (state.name.length > CACHED_NAME_LENGTH) return;
    this.states.delete(state.name);
    this.states.set(state.name, state);
    if (this.states.size > CACHED_STREAMS) for (const oldest of this.states.keys()) return void this.states.delete(oldest);
  }
}

/** A page of a read ends behind the record with which it outgrows this. */
const PAGE_BYTES = 512 * 1024;

function numberKey(streamNumber: number): Buffer {
  const key = Buffer.allocUnsafe(4);
  key.writeUInt32BE(streamNumber, 0);
  return key;
}

function revisionKey(streamNumber: number, revision: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  key.writeUInt32BE(streamNumber, 0);
  key.writeUIntBE(revision, 4, 6);
  return key;
}

function idKey(streamNumber: number, id: string): Buffer {
  const key = Buffer.allocUnsafe(20);
  key.writeUInt32BE(streamNumber, 0);
  key.write(id.replaceAll('-', ''), 4, 'hex');
  return key;
}

function numberValue(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value, 0);
  return bytes;
}

/** The first byte tells names from hashes, and keeps the key of the empty name (which `$$` is about) from being empty. */
function nameKey(name: string): Buffer {
  const bytes = Buffer.from(name, 'utf8');
  return bytes.length <= KEY_BYTES ? Buffer.concat([NAME, bytes]) : Buffer.concat([HASH, createHash('sha256').update(bytes).digest()]);
}
const NAME = Buffer.from([1]);
const HASH = Buffer.from([2]);

function streamValue(state: StreamState): Buffer {
  const value = Buffer.alloc(13);
  value.writeUInt32LE(state.number, 0);
  value.writeDoubleLE(state.lastRevision, 4);
  value[12] = state.tombstoned ? 1 : 0;
  return value;
}
