import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  write,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { CorruptRecord, HEADER, lengthOf, positionOf } from './record.js';

/** A file of the log. Its records follow one another in order of position. */
export interface Segment {
  /** Position of the first record written to it; the next segment's base is the position after its last. */
  readonly base: number;
  /** 0 as originally written, with each record at its position minus `base`; increases with each scavenge, which closes gaps. */
  readonly generation: number;
  /** Bytes of records. The file of the active segment may be longer: preallocated zeros. */
  readonly bytes: number;
}

/** Position of the first record. Not 0: the position 0/0 must lie before everything. */
export const FIRST_POSITION = 64;
/** A segment is closed when the next group of appends would exceed this size. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;
/**
 * On Linux a write to the log returns once it is on disk, including the metadata needed to find it, like a write and a flush: one trip to
 * another thread and back instead of two. Other systems do not guarantee that, and a flush follows.
 */
const FLUSHED_BY_WRITE = process.platform === 'linux';
const WRITABLE = constants.O_RDWR | constants.O_CREAT | (FLUSHED_BY_WRITE ? constants.O_DSYNC : 0);
/** Preallocated zeros, so that a flush does not have to write the file length: this halves its time. */
const RESERVE_BYTES = 1024 * 1024;
const SMALLEST_RESERVE = 64 * 1024;
/** Approximate distance between the known places in a scavenged segment from which a record is searched. */
export const BLOCK_BYTES = 16 * 1024;
/** Number of scavenged segments whose places are held in memory. */
const HELD_PLACES = 32;
/** Number of files kept open for reading. */
const OPEN_FILES = 64;
/** Bytes read at a time, and around a single record. */
const READ_AHEAD = 256 * 1024;
const READ_AROUND = 8 * 1024;

/** The files of the log, in `log/` of the data directory. Their names determine which ones count: the highest generation for each base. */
export class Segments {
  private readonly files = new Map<string, number>();
  private readonly known: Segment[];
  private writable: number | undefined;
  /** Length of the active segment's file, including zeros. */
  private allocated = 0;
  private reserving: Promise<void> | undefined;
  /** Whether part of a refused group may still follow the last record. */
  private untidy = false;
  private readonly places = new Map<string, readonly Place[]>();
  private readonly chunk = Buffer.allocUnsafeSlow(READ_AHEAD);
  private chunkOf: { readonly base: number; readonly generation: number; readonly offset: number; readonly length: number } | undefined;

  private constructor(
    private readonly directory: string,
    private readonly segmentBytes: number,
    found: Segment[],
  ) {
    this.known = found;
    if (found.length === 0) this.known.push({ base: FIRST_POSITION, generation: 0, bytes: 0 });
  }

  /** The last segment's length is that of its file until `truncate` determines how much of it is records. */
  static open(dataDirectory: string, segmentBytes: number): Segments {
    const directory = logDirectory(dataDirectory);
    mkdirSync(directory, { recursive: true });
    const latest = new Map<number, Segment>();
    const places = readdirSync(directory).filter((file) => file.endsWith(PLACES));
    for (const file of readdirSync(directory)) {
      const [, base, generation, unfinished] = /^(\d{16})\.(\d+)\.log(\.new)?$/.exec(file) ?? [];
      if (base === undefined) continue;
      const segment = { base: Number(base), generation: Number(generation), bytes: statSync(join(directory, file)).size };
      const other = latest.get(segment.base);
      if (unfinished) rmSync(join(directory, file));
      else if (other && other.generation > segment.generation) rmSync(join(directory, file));
      else {
        if (other) rmSync(join(directory, nameOf(other)));
        latest.set(segment.base, segment);
      }
    }
    const found = [...latest.values()].sort((a, b) => a.base - b.base);
    const names = new Set(found.map((segment) => nameOf(segment) + PLACES));
    for (const file of places) if (!names.has(file)) rmSync(join(directory, file));
    return new Segments(directory, segmentBytes, found);
  }

  get all(): readonly Segment[] {
    return this.known;
  }

  /** Whether events have been removed from any segment. */
  get scavenged(): boolean {
    return this.known.some(({ generation }) => generation > 0);
  }

  /** The active segment, to which records are written. */
  get active(): Segment {
    return this.known.at(-1) as Segment;
  }

  /** The segment that a position belongs to. */
  holding(position: number): Segment {
    let low = 0;
    let high = this.known.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.known[middle] as Segment).base <= position) low = middle;
      else high = middle - 1;
    }
    return this.known[low] as Segment;
  }

  /** The first segment whose base is larger. */
  after({ base }: Pick<Segment, 'base'>): Segment | undefined {
    return this.known.find((segment) => segment.base > base);
  }

  /** The last segment whose base is smaller. */
  before({ base }: Pick<Segment, 'base'>): Segment | undefined {
    return this.known.findLast((segment) => segment.base < base);
  }

  /** Cuts off what is not a record at the end of the active segment. */
  truncate(bytes: number): void {
    const fd = this.writing();
    ftruncateSync(fd, bytes);
    fsyncSync(fd);
    this.allocated = bytes;
    this.chunkOf = undefined;
    this.setActive({ ...this.active, bytes });
  }

  /** Whether a group of this many bytes would be the first of a segment. */
  startsWith(length: number): boolean {
    return this.active.bytes === 0 || this.isFull(length);
  }

  /** Whether a group starts a new segment or may have to wait for preallocation, which `appendSync` does not do. */
  needsMore(length: number): boolean {
    return this.untidy || this.isFull(length) || this.active.bytes + length > this.allocated;
  }

  /**
   * Writes a group after the last one, and returns once it is on disk. If it fails, the file is restored, so that nothing of the group can
   * later be taken for written.
   */
  async append(group: Buffer): Promise<void> {
    if (this.isFull(group.length)) await this.roll();
    const { bytes } = this.active;
    // Preallocation writes zeros starting at `allocated`.
    if (bytes + group.length > this.allocated) await this.reserving;
    const fd = this.writing();
    if (this.untidy) this.takeBack();
    try {
      await writeAll(fd, group, bytes);
      if (!FLUSHED_BY_WRITE) await flushFile(fd);
    } catch (error) {
      await this.reserving;
      this.takeBack();
      throw error;
    }
    this.grow(group.length);
  }

  /** The same, without yielding the thread. */
  appendSync(group: Buffer): void {
    const fd = this.writing();
    try {
      writeAllSync(fd, group, this.active.bytes);
      if (!FLUSHED_BY_WRITE) fdatasyncSync(fd);
    } catch (error) {
      this.takeBack();
      throw error;
    }
    this.grow(group.length);
  }

  /** Closes the active segment, so that it is never written to again, and starts the next. */
  async roll(): Promise<void> {
    await this.reserving;
    const { base, bytes } = this.active;
    // The full segment's file must end with its last record before there is a next one.
    ftruncateSync(this.writing(), bytes);
    fsyncSync(this.writing());
    this.allocated = bytes;
    // The active segment is never a scavenged one, so its offsets are its positions.
    const next: Segment = { base: base + bytes, generation: 0, bytes: 0 };
    const fd = openSync(this.path(next), WRITABLE | constants.O_TRUNC, 0o644);
    syncDirectory(this.directory);
    closeSync(this.writing());
    this.writable = fd;
    this.allocated = 0;
    this.known.push(next);
  }

  /** Bytes of a segment, through its read buffer. Valid until the next call. */
  read(segment: Segment, offset: number, length: number, ahead: boolean): Buffer {
    const held = this.chunkOf;
    if (
      held &&
      held.base === segment.base &&
      held.generation === segment.generation &&
      offset >= held.offset &&
      offset + length <= held.offset + held.length
    ) {
      return this.chunk.subarray(offset - held.offset, offset - held.offset + length);
    }
    if (offset >= segment.bytes) return Buffer.alloc(0);
    if (length > READ_AHEAD) return this.fill(segment, Buffer.allocUnsafeSlow(length), offset);
    // Never beyond the records: later writes there must not be missed.
    const wanted = Math.min(Math.max(length, ahead ? READ_AHEAD : READ_AROUND), segment.bytes - offset);
    this.chunkOf = undefined;
    const filled = this.fill(segment, this.chunk.subarray(0, Math.max(wanted, 0)), offset);
    this.chunkOf = { base: segment.base, generation: segment.generation, offset, length: filled.length };
    return filled.subarray(0, length);
  }

  /** A file written by a scavenge; `replace` substitutes it for the segment's file. */
  createReplacement(segment: Segment): number {
    return openSync(`${this.path(successor(segment))}.new`, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644);
  }

  dropReplacement(segment: Segment): void {
    rmSync(`${this.path(successor(segment))}.new`, { force: true });
  }

  /** Renaming makes the new file count: from here on the old one is gone, even after a crash. */
  replace(segment: Segment, bytes: number, places: readonly Place[]): Segment {
    const scavenged: Segment = { ...successor(segment), bytes };
    this.keepPlaces(scavenged, places);
    renameSync(`${this.path(scavenged)}.new`, this.path(scavenged));
    syncDirectory(this.directory);
    this.known[this.known.findIndex(({ base }) => base === segment.base)] = scavenged;
    this.closeFile(nameOf(segment));
    rmSync(this.path(segment), { force: true });
    rmSync(this.path(segment) + PLACES, { force: true });
    return scavenged;
  }

  /** The last record of a scavenged segment before a position whose offset in the file is known. */
  boundaryBefore(segment: Segment, position: number): Place | undefined {
    const places = this.placesOf(segment);
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as Place).position < position) low = middle + 1;
      else high = middle;
    }
    return places[low - 1];
  }

  private placesOf(segment: Segment): readonly Place[] {
    const name = nameOf(segment);
    const known = this.places.get(name);
    if (known) return known;
    const places = readPlaces(this.path(segment) + PLACES) ?? this.keepPlaces(segment, this.findPlaces(segment));
    this.places.set(name, places);
    if (this.places.size > HELD_PLACES) for (const oldest of this.places.keys()) return (this.places.delete(oldest), places);
    return places;
  }

  private findPlaces(segment: Segment): Place[] {
    const places: Place[] = [];
    for (let offset = 0; offset < segment.bytes;) {
      const header = this.read(segment, offset, HEADER, true);
      const length = header.length < HEADER ? 0 : lengthOf(header);
      if (length < HEADER || length > segment.bytes - offset) throw new CorruptRecord(segment.base + offset);
      if (offset - (places.at(-1)?.offset ?? Number.NEGATIVE_INFINITY) >= BLOCK_BYTES)
        places.push({ position: positionOf(header), offset });
      offset += length;
    }
    return places;
  }

  /** Writes them beside the segment; if the file is missing, they are found again. */
  private keepPlaces(segment: Segment, places: readonly Place[]): readonly Place[] {
    try {
      writePlaces(this.path(segment) + PLACES, places);
    } catch {
      // The disk may be full.
    }
    return places;
  }

  path(segment: Segment): string {
    return join(this.directory, nameOf(segment));
  }

  async close(): Promise<void> {
    await this.reserving;
    if (this.writable !== undefined) {
      try {
        ftruncateSync(this.writable, this.active.bytes);
      } catch {
        // The zeros stay; the next start cuts them off.
      }
      closeSync(this.writable);
      this.writable = undefined;
    }
    for (const fd of this.files.values()) closeSync(fd);
    this.files.clear();
  }

  private isFull(length: number): boolean {
    return this.active.bytes > 0 && this.active.bytes + length > this.segmentBytes;
  }

  private writing(): number {
    if (this.writable === undefined) {
      const path = this.path(this.active);
      this.writable = openSync(path, WRITABLE, 0o644);
      this.allocated = this.active.bytes;
      syncDirectory(this.directory);
    }
    return this.writable;
  }

  private grow(length: number): void {
    this.setActive({ ...this.active, bytes: this.active.bytes + length });
    this.allocated = Math.max(this.allocated, this.active.bytes);
    const reserve = Math.min(RESERVE_BYTES, Math.max(SMALLEST_RESERVE, this.active.bytes));
    if (this.reserving || this.allocated - this.active.bytes > reserve / 2 || this.allocated >= this.segmentBytes) return;
    this.reserving = this.reserve(this.writing(), reserve).finally(() => (this.reserving = undefined));
  }

  private async reserve(fd: number, bytes: number): Promise<void> {
    try {
      await writeAll(fd, Buffer.alloc(bytes), this.allocated);
      if (!FLUSHED_BY_WRITE) await flushFile(fd);
      this.allocated += bytes;
    } catch {
      // A disk without room for zeros may still have some for the next append.
    }
  }

  private takeBack(): void {
    this.untidy = true;
    this.allocated = this.active.bytes;
    ftruncateSync(this.writing(), this.active.bytes);
    fdatasyncSync(this.writing());
    this.untidy = false;
  }

  private setActive(segment: Segment): void {
    this.known[this.known.length - 1] = segment;
  }

  private fill(segment: Segment, target: Buffer, offset: number): Buffer {
    const fd = this.file(segment);
    let done = 0;
    while (done < target.length) {
      const read = readSync(fd, target, done, target.length - done, offset + done);
      if (read === 0) break;
      done += read;
    }
    return target.subarray(0, done);
  }

  private file(segment: Segment): number {
    const name = nameOf(segment);
    const known = this.files.get(name);
    if (known !== undefined) return known;
    const fd = openSync(join(this.directory, name), 'r');
    this.files.set(name, fd);
    if (this.files.size > OPEN_FILES) for (const oldest of this.files.keys()) return (this.closeFile(oldest), fd);
    return fd;
  }

  private closeFile(name: string): void {
    const fd = this.files.get(name);
    if (fd === undefined) return;
    this.files.delete(name);
    closeSync(fd);
  }
}

/** The offset of a record in the file of a scavenged segment. */
export interface Place {
  readonly position: number;
  readonly offset: number;
}
/** Suffix of the name of a scavenged segment: the file with some offsets, preceded by a checksum. */
const PLACES = '.places';
const PLACE_BYTES = 12;

function writePlaces(path: string, places: readonly Place[]): void {
  const bytes = Buffer.alloc(4 + places.length * PLACE_BYTES);
  for (const [index, { position, offset }] of places.entries()) {
    bytes.writeUIntLE(position, 4 + index * PLACE_BYTES, 6);
    bytes.writeUIntLE(offset, 10 + index * PLACE_BYTES, 6);
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  writeFileSync(path, bytes);
}

/** Undefined if the file is missing or damaged. */
function readPlaces(path: string): Place[] | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  if (bytes.length < 4 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4))) return undefined;
  return Array.from({ length: (bytes.length - 4) / PLACE_BYTES }, (_, index) => ({
    position: bytes.readUIntLE(4 + index * PLACE_BYTES, 6),
    offset: bytes.readUIntLE(10 + index * PLACE_BYTES, 6),
  }));
}

/** Where the segments of a data directory are. */
export const logDirectory = (dataDirectory: string): string => join(dataDirectory, 'log');
export const segmentPath = (dataDirectory: string, segment: Pick<Segment, 'base' | 'generation'>): string =>
  join(logDirectory(dataDirectory), nameOf(segment));
const nameOf = ({ base, generation }: Pick<Segment, 'base' | 'generation'>): string =>
  `${String(base).padStart(16, '0')}.${generation}.log`;

/** What a file of the log is, according to its name; undefined if it is not one, or incomplete. */
export function segmentOf(name: string): { readonly name: string; readonly base: number; readonly generation: number } | undefined {
  const [, base, generation] = /^(\d{16})\.(\d+)\.log$/.exec(name) ?? [];
  return base === undefined ? undefined : { name, base: Number(base), generation: Number(generation) };
}
const successor = ({ base, generation }: Segment): Segment => ({ base, generation: generation + 1, bytes: 0 });

/** Makes created and removed names in a directory durable. */
export function syncDirectory(directory: string): void {
  // Not possible on Windows: directories cannot be opened there.
  if (process.platform === 'win32') return;
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const flushFile = promisify(fdatasync);

/** Not `promisify(write)`, which allocates an object for each call. The disk may accept only part. */
export async function writeAll(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await new Promise<number>((resolve, reject) =>
      write(fd, bytes, done, bytes.length - done, position + done, (error, written) => (error ? reject(error) : resolve(written))),
    );
  }
}

function writeAllSync(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}
