import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Recent } from './recent.js';

/**
 * One file of the index: where the events of a part of the log are. It is written once and never changed. Entries have a fixed size and are
 * sorted by their key, in blocks that each end with a checksum:
 *
 * | section | key | value |
 * |---|---|---|
 * | revisions | stream number u32, revision u48 | position u48 |
 * | ids | stream number u32, event id 16 bytes | first revision with it in this part u48 |
 * | streams | first 16 bytes of the name's SHA-256 | stream number u32, last revision + 1 u48 (0: none in this part), tombstoned u8 |
 * | boundaries | position u48 of a record, one for each 16 KiB of the log | |
 *
 * Behind them follow the first key of each block and a Bloom filter of the keys, which are held in memory.
 */

export const REVISIONS = 0;
export const IDS = 1;
export const STREAMS = 2;
export const BOUNDARIES = 3;
type Section = typeof REVISIONS | typeof IDS | typeof STREAMS | typeof BOUNDARIES;
export const SECTIONS: readonly Section[] = [REVISIONS, IDS, STREAMS, BOUNDARIES];
const KEY_BYTES = [10, 20, 16, 6] as const;
const ENTRY_BYTES = [16, 26, 27, 6] as const;

const BLOCK_BYTES = 4096;
const CHECKSUM_BYTES = 4;
const perBlock = (section: Section): number => Math.floor((BLOCK_BYTES - CHECKSUM_BYTES) / ENTRY_BYTES[section]);
const blockCount = (section: Section, entries: number): number => Math.ceil(entries / perBlock(section));

const FILTER_BITS = 10;
const FILTER_PROBES = 6;
/** Blocks of all tables held in memory. */
const CACHED_BLOCKS = 1024;

/** The index's entry for a table; the file is useless without it. */
export interface TableInfo {
  /** Number of the file. */
  readonly number: number;
  /** The part of the log that it covers. */
  readonly from: number;
  readonly to: number;
  /** Entries of each section. */
  readonly entries: readonly number[];
  readonly filterBytes: number;
  /** Of what follows the sections. */
  readonly checksum: number;
}

/** The file is damaged. */
export class DamagedTable extends Error {
  constructor(readonly info: TableInfo) {
    super(`The index of the positions from ${info.from} to ${info.to} is damaged.`);
  }
}

export function revisionKey(stream: number, revision: number): Buffer {
  const key = Buffer.allocUnsafe(10);
  key.writeUInt32BE(stream, 0);
  key.writeUIntBE(revision, 4, 6);
  return key;
}
export function idKey(stream: number, id: string): Buffer {
  const key = Buffer.allocUnsafe(20);
  key.writeUInt32BE(stream, 0);
  key.write(id.replaceAll('-', ''), 4, 'hex');
  return key;
}
export function revisionEntry(stream: number, revision: number, position: number): Buffer {
  const entry = Buffer.allocUnsafe(16);
  entry.writeUInt32BE(stream, 0);
  entry.writeUIntBE(revision, 4, 6);
  entry.writeUIntBE(position, 10, 6);
  return entry;
}
export function idEntry(stream: number, id: string, revision: number): Buffer {
  const entry = Buffer.allocUnsafe(26);
  entry.writeUInt32BE(stream, 0);
  entry.write(id.replaceAll('-', ''), 4, 'hex');
  entry.writeUIntBE(revision, 20, 6);
  return entry;
}
export const nameKey = (name: string): Buffer => hash('sha256', name, 'buffer').subarray(0, 16);
export function positionKey(position: number): Buffer {
  const key = Buffer.allocUnsafe(6);
  key.writeUIntBE(position, 0, 6);
  return key;
}

/** The part of a key that is in the filter: for a revision, only its stream, so that tables without the stream are skipped. */
const filtered = (section: Section, key: Buffer): Buffer => (section === REVISIONS ? key.subarray(0, 4) : key);

class Filter {
  constructor(readonly bits: Buffer) {}

  static for(keys: number): Filter {
    return new Filter(Buffer.alloc(Math.ceil((keys * FILTER_BITS) / 8) + 1));
  }

  add(section: Section, key: Buffer): void {
    this.probe(section, key, (byte, bit) => {
      this.bits[byte] = (this.bits[byte] as number) | bit;
      return true;
    });
  }

  has(section: Section, key: Buffer): boolean {
    return this.probe(section, key, (byte, bit) => ((this.bits[byte] as number) & bit) !== 0);
  }

  private probe(section: Section, key: Buffer, each: (byte: number, bit: number) => boolean): boolean {
    const size = this.bits.length * 8;
    const bytes = filtered(section, key);
    let at = crc32(bytes, section);
    const step = (Math.imul(at ^ (at >>> 15), 0x2c1b3c6d) | 1) >>> 0;
    for (let probe = 0; probe < FILTER_PROBES; probe++) {
      const bit = at % size;
      if (!each(bit >>> 3, 1 << (bit & 7))) return false;
      at = (at + step) >>> 0;
    }
    return true;
  }
}

/** Where a section begins in the file; after the last one come the first keys. */
function offsets(entries: readonly number[]): number[] {
  let offset = 0;
  return [...SECTIONS, undefined].map((section) => {
    const start = offset;
    if (section !== undefined) {
      const count = entries[section] as number;
      offset += count * ENTRY_BYTES[section] + blockCount(section, count) * CHECKSUM_BYTES;
    }
    return start;
  });
}

/** The checksum includes the block's file and place. */
const blockChecksum = (number: number, offset: number, bytes: Buffer): number => crc32(bytes, crc32(`${number}:${offset}`));

/** Writes a table: the sections one after the other, each in key order. */
export class TableWriter {
  private readonly filter: Filter;
  private readonly entries = [0, 0, 0, 0];
  private readonly firstKeys: Buffer[] = [];
  private readonly file: number;
  private section: Section = REVISIONS;
  private block = Buffer.allocUnsafe(BLOCK_BYTES);
  private blockBytes = 0;
  private written = 0;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private lastStream: number | undefined;

  constructor(
    path: string,
    private readonly number: number,
    /** An upper limit of the number of entries. */
    mostKeys: number,
  ) {
    this.filter = Filter.for(mostKeys);
    this.file = openSync(path, 'w');
  }

  /** The entry is copied. */
  put(section: Section, entry: Buffer): void {
    if (section !== this.section) {
      this.endBlock();
      this.section = section;
    }
    const key = entry.subarray(0, KEY_BYTES[section]);
    if (this.blockBytes === 0) this.firstKeys.push(Buffer.from(key));
    this.block.set(entry, this.blockBytes);
    this.blockBytes += entry.length;
    this.entries[section] = (this.entries[section] as number) + 1;
    if (section === REVISIONS) {
      const stream = key.readUInt32BE(0);
      if (stream !== this.lastStream) this.filter.add(section, key);
      this.lastStream = stream;
    } else if (section !== BOUNDARIES) this.filter.add(section, key);
    if (this.blockBytes + entry.length > BLOCK_BYTES - CHECKSUM_BYTES) this.endBlock();
  }

  /** Writes the rest; the file is not flushed, and stays open for `sync`. */
  finish(from: number, to: number): TableInfo {
    this.endBlock();
    const rest = Buffer.concat([...this.firstKeys, this.filter.bits]);
    this.write(rest);
    this.flush();
    return { number: this.number, from, to, entries: this.entries, filterBytes: this.filter.bits.length, checksum: crc32(rest) };
  }

  get fd(): number {
    return this.file;
  }

  close(): void {
    closeSync(this.file);
  }

  private endBlock(): void {
    if (this.blockBytes === 0) return;
    const offset = this.written + this.waitingBytes;
    const bytes = Buffer.allocUnsafe(this.blockBytes + CHECKSUM_BYTES);
    this.block.copy(bytes, 0, 0, this.blockBytes);
    bytes.writeUInt32LE(blockChecksum(this.number, offset, bytes.subarray(0, this.blockBytes)), this.blockBytes);
    this.blockBytes = 0;
    this.write(bytes);
  }

  private write(bytes: Buffer): void {
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= 256 * 1024) this.flush();
  }

  private flush(): void {
    const bytes = Buffer.concat(this.waiting);
    for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done, bytes.length - done, this.written + done);
    this.written += bytes.length;
    [this.waiting, this.waitingBytes] = [[], 0];
  }
}

/** Recently read blocks of all tables. */
export class BlockCache {
  private readonly blocks = new Recent<number, Buffer>(CACHED_BLOCKS);

  get(key: number, load: () => Buffer): Buffer {
    const known = this.blocks.get(key);
    if (known) return known;
    const block = load();
    this.blocks.set(key, block);
    return block;
  }
}

/** A table open for reading. It returns only what was written; otherwise it throws `DamagedTable`. */
export class Table {
  private readonly offsets: readonly number[];
  /** First keys of the blocks of each section, one after the other. */
  private readonly firstKeys: readonly Buffer[];
  private readonly filter: Filter;

  private constructor(
    readonly info: TableInfo,
    private readonly file: number,
    private readonly cache: BlockCache,
  ) {
    this.offsets = offsets(info.entries);
    const keys = SECTIONS.map((section) => blockCount(section, this.count(section)) * KEY_BYTES[section]);
    const keyBytes = keys.reduce((sum, bytes) => sum + bytes, 0);
    const start = this.offsets[SECTIONS.length] as number;
    const rest = Buffer.allocUnsafe(keyBytes + info.filterBytes);
    if (fstatSync(file).size !== start + rest.length || !readFully(file, rest, start) || crc32(rest) !== info.checksum)
      throw new DamagedTable(info);
    let at = 0;
    this.firstKeys = keys.map((bytes) => rest.subarray(at, (at += bytes)));
    this.filter = new Filter(rest.subarray(keyBytes));
  }

  /** @throws DamagedTable */
  static open(path: string, info: TableInfo, cache: BlockCache): Table {
    let file: number | undefined;
    try {
      file = openSync(path, 'r');
      return new Table(info, file, cache);
    } catch (error) {
      if (file !== undefined) closeSync(file);
      throw error instanceof DamagedTable ? error : new DamagedTable(info);
    }
  }

  close(): void {
    closeSync(this.file);
  }

  count(section: Section): number {
    return this.info.entries[section] as number;
  }

  /** Whether the table may contain the key; for a revision, its stream. */
  mayHave(section: Section, key: Buffer): boolean {
    return this.filter.has(section, key);
  }

  /** Index of the first entry whose key is not below this one. */
  lowerBound(section: Section, key: Buffer): number {
    const keyBytes = KEY_BYTES[section];
    const keys = this.firstKeys[section] as Buffer;
    let low = 0;
    let high = keys.length / keyBytes;
    // The last block that begins at or below the key.
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (keys.compare(key, 0, keyBytes, middle * keyBytes, (middle + 1) * keyBytes) <= 0) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    const block = this.block(section, low - 1);
    const entryBytes = ENTRY_BYTES[section];
    let first = 0;
    let last = block.length / entryBytes;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if (block.compare(key, 0, keyBytes, middle * entryBytes, middle * entryBytes + keyBytes) < 0) first = middle + 1;
      else last = middle;
    }
    return (low - 1) * perBlock(section) + first;
  }

  /** The entry of exactly this key. */
  find(section: Section, key: Buffer): Buffer | undefined {
    if (!this.mayHave(section, key)) return undefined;
    const index = this.lowerBound(section, key);
    if (index >= this.count(section)) return undefined;
    const entry = this.entry(section, index);
    return entry.compare(key, 0, key.length, 0, key.length) === 0 ? entry : undefined;
  }

  /** Must not be modified. */
  entry(section: Section, index: number): Buffer {
    const size = perBlock(section);
    const at = (index % size) * ENTRY_BYTES[section];
    return this.block(section, Math.floor(index / size)).subarray(at, at + ENTRY_BYTES[section]);
  }

  private block(section: Section, index: number): Buffer {
    return this.cache.get((this.info.number * 4 + section) * 2 ** 24 + index, () => this.readBlock(section, index));
  }

  private readBlock(section: Section, index: number): Buffer {
    const size = perBlock(section);
    const bytes = Math.min(this.count(section) - index * size, size) * ENTRY_BYTES[section];
    const offset = (this.offsets[section] as number) + index * (size * ENTRY_BYTES[section] + CHECKSUM_BYTES);
    const block = Buffer.allocUnsafeSlow(bytes + CHECKSUM_BYTES);
    const entries = block.subarray(0, bytes);
    if (!readFully(this.file, block, offset) || block.readUInt32LE(bytes) !== blockChecksum(this.info.number, offset, entries))
      throw new DamagedTable(this.info);
    return entries;
  }
}

/** Compares the keys of two entries of a section. */
export const compareEntries = (section: Section, a: Buffer, b: Buffer): number =>
  a.compare(b, 0, KEY_BYTES[section], 0, KEY_BYTES[section]);

function readFully(file: number, target: Buffer, offset: number): boolean {
  for (let done = 0; done < target.length;) {
    const read = readSync(file, target, done, target.length - done, offset + done);
    if (read === 0) return false;
    done += read;
  }
  return true;
}
