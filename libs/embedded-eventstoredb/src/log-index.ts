import { createHash } from 'node:crypto';
import { open, type Database, type RootDatabase } from 'lmdb';
import type { StreamState } from './event-log.js';

/** The format of the data directory, log and index. */
export const FORMAT = 2;

/** What the index knows of a stream: its number, -1 before anything was written to it, and how far it has come. */
export type StreamRow = Pick<StreamState, 'number' | 'lastRevision' | 'tombstoned'>;

/** A record near each multiple of `BLOCK_BYTES` in a segment: where to begin when one is looked for. */
export interface Block {
  readonly base: number;
  readonly generation: number;
  readonly position: number;
  /** Where the record lies in the segment's file. */
  readonly offset: number;
}
export const BLOCK_BYTES = 16 * 1024;

/** Records that are on disk in the log and not yet in the index. Held in memory, and bounded by what the log allows. */
export interface Unindexed {
  /** Positions of all of them, in order. */
  readonly positions: readonly number[];
  readonly streams: ReadonlyMap<number, UnindexedStream>;
  readonly blocks: readonly Block[];
  /** The streams that they changed. */
  readonly states: ReadonlyMap<string, StreamState>;
}

export interface UnindexedStream {
  /** Revisions of these events, ascending, and the position of each. */
  readonly revisions: number[];
  readonly positions: number[];
  /** First revision of each event id among them. */
  readonly ids: Map<string, number>;
}

/** What a scavenge takes out of the index. */
export interface Dropped {
  readonly stream: number;
  readonly revision: number;
  readonly id: string;
}

/** LMDB takes keys of up to 1978 bytes; longer names are known by their hash. */
const KEY_BYTES = 1024;

/** A path with a dot in it is a directory too. */
const OPTIONS = { noSubdir: false, maxDbs: 8, overlappingSync: false };

/**
 * Where things are in the log, in one LMDB environment:
 *
 * - `revisions`: (stream number, revision) → position
 * - `ids`: (stream number, event id) → first revision with that id
 * - `streams`: name → stream number, last revision, tombstoned
 * - `blocks`: (segment base, generation, position) → offset in the segment's file
 * - `node`: format version, next stream number, position up to which the log is indexed, number of the last group before it
 *
 * It may lie behind the log, and is brought up from it at the start; without it the log is enough to make it anew. Every transaction is
 * synchronous, and LMDB's `overlappingSync` is off, so that what a transaction says is on disk when it returns. lmdb's asynchronous writes
 * reject promises that nobody can reach when the disk is full, which ends the process.
 */
export class LogIndex {
  private readonly revisions: Database<Buffer, Buffer>;
  private readonly ids: Database<Buffer, Buffer>;
  private readonly streams: Database<Buffer, Buffer>;
  private readonly blocks: Database<Buffer, Buffer>;
  private readonly node: Database<number, string>;

  private constructor(private readonly root: RootDatabase) {
    this.revisions = root.openDB('revisions', { encoding: 'binary', keyEncoding: 'binary' });
    this.ids = root.openDB('ids', { encoding: 'binary', keyEncoding: 'binary' });
    this.streams = root.openDB('streams', { encoding: 'binary', keyEncoding: 'binary' });
    this.blocks = root.openDB('blocks', { encoding: 'binary', keyEncoding: 'binary' });
    this.node = root.openDB('node', { encoding: 'json' });
  }

  static open(directory: string): LogIndex {
    return new LogIndex(open({ path: directory, ...OPTIONS }));
  }

  /** A consistent copy, as `data.mdb` of a directory, of the index that a node of this machine may have open. */
  static async copyOf(directory: string, to: string): Promise<void> {
    const root = open({ path: directory, ...OPTIONS, readOnly: true });
    try {
      await root.backup(to, true);
    } finally {
      await root.close();
    }
  }

  get format(): number | undefined {
    return this.node.get('format');
  }

  set format(format: number) {
    this.node.putSync('format', format);
  }

  get nextStreamNumber(): number {
    return this.node.get('nextStreamNumber') ?? 0;
  }

  /** Position of the first record that may not be in the index. */
  get end(): number | undefined {
    return this.node.get('end');
  }

  /** Number of the last group that is in the index. */
  get group(): number {
    return this.node.get('group') ?? 0;
  }

  /** Reads see what this thread has written so far. */
  private refresh(): void {
    this.root.resetReadTxn();
  }

  /** Takes in what the log has up to `end`. On disk when it returns; nothing of it when it throws. */
  add(unindexed: Unindexed, { nextStreamNumber, end, group }: { nextStreamNumber: number; end: number; group: number }): void {
    this.root.transactionSync(() => {
      for (const [number, { revisions, positions, ids }] of unindexed.streams) {
        for (const [index, revision] of revisions.entries())
          this.revisions.putSync(revisionKey(number, revision), numberValue(positions[index] as number));
        for (const [id, revision] of ids) this.ids.putSync(idKey(number, id), numberValue(revision), { noOverwrite: true });
      }
      for (const state of unindexed.states.values()) if (state.number >= 0) this.streams.putSync(nameKey(state.name), streamValue(state));
      for (const block of unindexed.blocks) this.blocks.putSync(blockKey(block), numberValue(block.offset));
      this.node.putSync('nextStreamNumber', nextStreamNumber);
      this.node.putSync('end', end);
      this.node.putSync('group', group);
    });
    this.refresh();
  }

  addBlocks(blocks: readonly Block[]): void {
    this.root.transactionSync(() => {
      for (const block of blocks) this.blocks.putSync(blockKey(block), numberValue(block.offset));
    });
  }

  /** The records as format 1 kept them: in here. */
  format1Records(): Iterable<{ readonly key: number; readonly value: Buffer }> {
    return this.root.openDB<Buffer, number>('log', { encoding: 'binary' }).getRange({});
  }

  finishUpgrade(end: number): void {
    this.root.transactionSync(() => {
      this.node.putSync('end', end);
      this.node.putSync('format', FORMAT);
    });
    // The file keeps its size, and the index grows into the space. Should this be cut short, nothing but the space is missing.
    this.root.openDB('log', { encoding: 'binary' }).dropSync();
  }

  /** A part of what a scavenge has found out about a segment. */
  scavenge(dropped: readonly Dropped[], blocks: readonly Block[]): void {
    this.root.transactionSync(() => {
      for (const { stream, revision, id } of dropped) {
        this.revisions.removeSync(revisionKey(stream, revision));
        const key = idKey(stream, id);
        if (this.ids.get(key)?.readDoubleLE(0) === revision) this.ids.removeSync(key);
      }
      for (const block of blocks) this.blocks.putSync(blockKey(block), numberValue(block.offset));
    });
    this.refresh();
  }

  /** Forgets some blocks of a generation that is no more; false when there are none left. */
  forgetBlocks(segment: Pick<Block, 'base' | 'generation'>, limit: number): boolean {
    const keys = [...this.blocks.getKeys({ ...generationRange(segment), limit })];
    this.root.transactionSync(() => {
      for (const key of keys) this.blocks.removeSync(key);
    });
    this.refresh();
    return keys.length > 0;
  }

  row(name: string): StreamRow {
    const value = this.streams.get(nameKey(name));
    return value
      ? { number: value.readUInt32LE(0), lastRevision: value.readDoubleLE(4), tombstoned: value[12] === 1 }
      : { number: -1, lastRevision: -1, tombstoned: false };
  }

  /** First revision of the stream with this event id. */
  revisionOfId(streamNumber: number, id: string): number | undefined {
    return this.ids.get(idKey(streamNumber, id))?.readDoubleLE(0);
  }

  positionOf(streamNumber: number, revision: number): number | undefined {
    return this.revisions.get(revisionKey(streamNumber, revision))?.readDoubleLE(0);
  }

  /** Positions of the events with revisions from `from` to `to`, both included; downwards when `from` is the larger one. */
  positions(streamNumber: number, from: number, to: number, limit: number): number[] {
    const reverse = from > to;
    const end = reverse ? (to === 0 ? numberKey(streamNumber) : revisionKey(streamNumber, to - 1)) : revisionKey(streamNumber, to + 1);
    const range = this.revisions.getRange({ start: revisionKey(streamNumber, from), end, reverse, limit });
    return [...range.map(({ value }) => value.readDoubleLE(0))];
  }

  /** The last block of a segment at or before a position. */
  blockAt({ base, generation }: Pick<Block, 'base' | 'generation'>, position: number): Block | undefined {
    const range = this.blocks.getRange({
      start: blockKey({ base, generation, position }),
      end: generationRange({ base, generation }).start,
      reverse: true,
      limit: 1,
    });
    for (const { key, value } of range) return { base, generation, position: key.readUIntBE(8, 6), offset: value.readDoubleLE(0) };
    return undefined;
  }

  /** A consistent copy of the index as it is now, as `data.mdb` of a directory. */
  copy(directory: string): Promise<void> {
    return this.root.backup(directory, true);
  }

  async close(): Promise<void> {
    await this.root.close();
  }
}

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

function blockKey({ base, generation, position }: Pick<Block, 'base' | 'generation' | 'position'>): Buffer {
  const key = Buffer.allocUnsafe(14);
  key.writeUIntBE(base, 0, 6);
  key.writeUInt16BE(generation, 6);
  key.writeUIntBE(position, 8, 6);
  return key;
}

function generationRange({ base, generation }: Pick<Block, 'base' | 'generation'>): { readonly start: Buffer; readonly end: Buffer } {
  return { start: blockKey({ base, generation, position: 0 }), end: blockKey({ base, generation, position: 2 ** 48 - 1 }) };
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

function streamValue(state: StreamRow): Buffer {
  const value = Buffer.alloc(13);
  value.writeUInt32LE(state.number, 0);
  value.writeDoubleLE(state.lastRevision, 4);
  value[12] = state.tombstoned ? 1 : 0;
  return value;
}
