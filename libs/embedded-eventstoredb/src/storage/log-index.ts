import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncDirectory } from './segments.js';
import {
  BlockCache,
  BOUNDARIES,
  compareEntries,
  DamagedTable,
  idEntry,
  idKey,
  IDS,
  nameKey,
  positionKey,
  revisionEntry,
  revisionKey,
  REVISIONS,
  SECTIONS,
  STREAMS,
  Table,
  TableWriter,
  type TableInfo,
} from './index-table.js';

/** The format of the data directory: log and index. */
export const FORMAT = 3;

/** What the index knows of a stream: its number, -1 before anything was written, and its last revision. */
export interface StreamRow {
  readonly number: number;
  readonly lastRevision: number;
  readonly tombstoned: boolean;
}

/** Events of one stream in a part of the log. */
export interface StreamEvents {
  /** Ascending, with the position of each. */
  readonly revisions: number[];
  readonly positions: number[];
  /** The first revision of each event id. */
  readonly ids: Map<string, number>;
}

/** The contents of a part of the log, for a table. */
export interface Indexable {
  readonly streams: ReadonlyMap<number, StreamEvents>;
  /** The streams changed in it; the last revision is -1 if a stream was only tombstoned. */
  readonly rows: Iterable<StreamRow & { readonly name: string }>;
  /** Positions of records: the first one, and about one per 16 KiB. */
  readonly boundaries: readonly number[];
}

/** How far the log is indexed. */
export interface IndexedTo {
  /** Position of the first record that is not in the index. */
  readonly end: number;
  readonly nextStreamNumber: number;
  /** Number of the last group before it. */
  readonly group: number;
}

/** The list of tables in `index/manifest`: a checksum, then this as JSON. */
interface Manifest extends IndexedTo {
  readonly format: number;
  /** In order of the log, without gaps. */
  readonly tables: readonly TableInfo[];
}

/** The index is unusable: missing, damaged, or from another log. */
export class DamagedIndex extends Error {}

/** This many tables of similar size are merged into one. */
const FANOUT = 8;
/** Approximate number of events in the smallest tables. */
const SMALLEST = 4096;
/** Entries that a merge copies before it yields. */
const MERGE_SLICE = 2000;

const indexDirectory = (dataDirectory: string): string => join(dataDirectory, 'index');
const manifestPath = (dataDirectory: string): string => join(indexDirectory(dataDirectory), 'manifest');
const tableName = (number: number): string => `${String(number).padStart(10, '0')}.table`;

/**
 * Locates things in the log. The index follows the log, the source of truth, and is rebuilt from it where damaged. It is a list of tables
 * (index-table.ts), each for a part of the log, which together cover it from its beginning to `end` without gaps. New tables are small;
 * several of similar size are merged in the background, so that there are never many.
 * Everything has checksums that are verified on every read: damage throws `DamagedTable`, whoever reads it.
 */
export class LogIndex {
  private readonly cache = new BlockCache();
  private merging: Promise<void> | undefined;
  private closed = false;
  /** Running copies: while there are any, tables are kept. */
  private copying = 0;

  private constructor(
    private readonly directory: string,
    private manifest: Manifest,
    private tables: readonly Table[],
    /** Unreadable tables; they have to be replaced first. */
    private unreadable: readonly TableInfo[],
  ) {}

  /**
   * Undefined if there is no index yet.
   *
   * @throws DamagedIndex if none of it can be used
   */
  static open(directory: string): LogIndex | undefined {
    const manifest = readManifest(directory);
    if (!manifest) return undefined;
    const index = new LogIndex(directory, manifest, [], []);
    index.useTables(manifest.tables);
    const used = new Set(manifest.tables.map(({ number }) => tableName(number)));
    for (const file of readdirSync(indexDirectory(directory)))
      if (/^\d{10}\.table$/.test(file) && !used.has(file)) rmSync(join(indexDirectory(directory), file));
    return index;
  }

  /** Creates an empty index, replacing whatever exists. */
  static create(directory: string, from: number): LogIndex {
    rmSync(indexDirectory(directory), { recursive: true, force: true });
    mkdirSync(indexDirectory(directory), { recursive: true });
    syncDirectory(directory);
    const index = new LogIndex(directory, { format: FORMAT, end: from, nextStreamNumber: 0, group: 0, tables: [] }, [], []);
    index.writeManifest(index.manifest);
    return index;
  }

  /**
   * Makes a consistent copy of the index of a directory that a node of this machine may be using. Without an index, the copy is rebuilt at
   * its start.
   */
  static async copyOf(directory: string, to: string): Promise<void> {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        const manifest = readManifest(directory);
        if (manifest) await copyTables(directory, manifest, to);
        return;
      } catch {
        // A merge removed a table, or it is damaged.
        rmSync(indexDirectory(to), { recursive: true, force: true });
      }
    }
  }

  get format(): number {
    return this.manifest.format;
  }

  get indexedTo(): IndexedTo {
    return this.manifest;
  }

  /** Tables that have to be replaced before the index can be used. */
  get damaged(): readonly TableInfo[] {
    return this.unreadable;
  }

  get all(): readonly TableInfo[] {
    return this.manifest.tables;
  }

  /** Adds the log's contents up to `end`. On disk when it returns; if it throws, nothing is added. */
  add(indexable: Indexable, to: IndexedTo): void {
    const info = this.writeTable(indexable, this.manifest.end, to.end);
    this.replaceManifest({ ...this.manifest, ...to, tables: [...this.manifest.tables, info] });
    this.mergeLater();
  }

  /** Replaces a damaged table by tables for parts of its range. The index has the same contents afterwards. */
  replace(damaged: TableInfo, parts: Iterable<{ readonly part: Indexable; readonly to: number }>): void {
    const infos: TableInfo[] = [];
    let { from } = damaged;
    for (const { part, to } of parts) {
      infos.push(this.writeTable(part, from, to, infos));
      from = to;
    }
    this.replaceManifest({
      ...this.manifest,
      tables: this.manifest.tables.flatMap((info) => (info.number === damaged.number ? infos : [info])),
    });
    this.mergeLater();
  }

  row(name: string): StreamRow {
    const key = nameKey(name);
    let number = -1;
    let tombstoned = false;
    for (let at = this.tables.length - 1; at >= 0; at--) {
      const entry = (this.tables[at] as Table).find(STREAMS, key);
      if (!entry) continue;
      number = entry.readUInt32BE(16);
      tombstoned ||= entry[26] === 1;
      const next = entry.readUIntBE(20, 6);
      if (next > 0) return { number, lastRevision: next - 1, tombstoned };
    }
    return { number, lastRevision: -1, tombstoned };
  }

  /** First revision of the stream with this event id, even if that has been scavenged. */
  revisionOfId(stream: number, id: string): number | undefined {
    const key = idKey(stream, id);
    for (const table of this.tables) {
      const entry = table.find(IDS, key);
      if (entry) return entry.readUIntBE(20, 6);
    }
    return undefined;
  }

  /**
   * Revisions and positions of events with revisions from `from` to `to`, inclusive; downwards if `from` is larger. Scavenged ones may be
   * included.
   */
  positions(stream: number, from: number, to: number, limit: number): Array<readonly [revision: number, position: number]> {
    const found: Array<readonly [number, number]> = [];
    const backwards = from > to;
    const start = revisionKey(stream, from);
    for (let at = 0; at < this.tables.length && found.length < limit; at++) {
      const table = this.tables[backwards ? this.tables.length - 1 - at : at] as Table;
      if (!table.mayHave(REVISIONS, start)) continue;
      let index = table.lowerBound(REVISIONS, backwards ? revisionKey(stream, from + 1) : start) - (backwards ? 1 : 0);
      while (index >= 0 && index < table.count(REVISIONS) && found.length < limit) {
        const entry = table.entry(REVISIONS, index);
        const revision = entry.readUIntBE(4, 6);
        if (entry.readUInt32BE(0) !== stream || (backwards ? revision < to : revision > to)) break;
        found.push([revision, entry.readUIntBE(10, 6)]);
        index += backwards ? -1 : 1;
      }
    }
    return found;
  }

  /** The nearest position at or before this one at which a record originally began; undefined before the first. */
  boundaryAt(position: number): number | undefined {
    let at = this.tables.length - 1;
    while (at > 0 && (this.tables[at] as Table).info.from > position) at--;
    for (; at >= 0; at--) {
      const table = this.tables[at] as Table;
      const index = table.lowerBound(BOUNDARIES, positionKey(position + 1)) - 1;
      if (index >= 0) return table.entry(BOUNDARIES, index).readUIntBE(0, 6);
    }
    return undefined;
  }

  /** Writes a copy of the current index into another data directory. */
  async copy(to: string): Promise<void> {
    this.copying++;
    try {
      await copyTables(this.directory, this.manifest, to);
    } finally {
      this.copying--;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.merging;
    for (const table of this.tables) table.close();
    this.tables = [];
  }

  private path(number: number): string {
    return join(indexDirectory(this.directory), tableName(number));
  }

  private nextNumber(others: readonly TableInfo[]): number {
    return Math.max(0, ...this.manifest.tables.map(({ number }) => number), ...others.map(({ number }) => number), this.mergedInto) + 1;
  }
  /** Number of the table that a merge is writing. */
  private mergedInto = 0;

  private writeTable({ streams, rows, boundaries }: Indexable, from: number, to: number, others: readonly TableInfo[] = []): TableInfo {
    const entries: [Buffer[], Buffer[], Buffer[], Buffer[]] = [[], [], [], []];
    for (const stream of [...streams.keys()].sort((a, b) => a - b)) {
      const { revisions, positions, ids } = streams.get(stream) as StreamEvents;
      for (const [index, revision] of revisions.entries())
        entries[REVISIONS].push(revisionEntry(stream, revision, positions[index] as number));
      // Text sorts them in the same order.
      for (const id of [...ids.keys()].sort()) entries[IDS].push(idEntry(stream, id, ids.get(id) as number));
    }
    for (const { name, number, lastRevision, tombstoned } of rows) {
      if (number < 0) continue;
      const entry = Buffer.alloc(27);
      nameKey(name).copy(entry);
      entry.writeUInt32BE(number, 16);
      entry.writeUIntBE(lastRevision + 1, 20, 6);
      entry[26] = tombstoned ? 1 : 0;
      entries[STREAMS].push(entry);
    }
    for (const boundary of boundaries) entries[BOUNDARIES].push(positionKey(boundary));
    entries[STREAMS].sort((a, b) => a.compare(b));
    const number = this.nextNumber(others);
    const writer = new TableWriter(this.path(number), number, entries[IDS].length + 2 * entries[STREAMS].length);
    try {
      for (const section of SECTIONS) for (const entry of entries[section]) writer.put(section, entry);
      const info = writer.finish(from, to);
      fsyncSync(writer.fd);
      return info;
    } catch (error) {
      rmSync(this.path(number), { force: true });
      throw error;
    } finally {
      writer.close();
    }
  }

  private replaceManifest(manifest: Manifest): void {
    this.writeManifest(manifest);
    const kept = new Set(manifest.tables.map(({ number }) => number));
    const gone = [...this.tables.map(({ info }) => info), ...this.unreadable].filter(({ number }) => !kept.has(number));
    this.useTables(manifest.tables);
    for (const { number } of gone) rmSync(this.path(number), { force: true });
  }

  private writeManifest(manifest: Manifest): void {
    const json = Buffer.from(JSON.stringify(manifest));
    const path = manifestPath(this.directory);
    const file = openSync(`${path}.new`, 'w');
    try {
      writeSync(file, Buffer.concat([Buffer.from(`${crc32(json)}\n`), json]));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    syncDirectory(indexDirectory(this.directory));
    this.manifest = manifest;
  }

  /** Opens tables that are not open yet, and closes those that are gone. */
  private useTables(infos: readonly TableInfo[]): void {
    const known = new Map(this.tables.map((table) => [table.info.number, table]));
    const tables: Table[] = [];
    const unreadable: TableInfo[] = [];
    for (const info of infos) {
      try {
        tables.push(known.get(info.number) ?? Table.open(this.path(info.number), info, this.cache));
      } catch (error) {
        if (!(error instanceof DamagedTable)) throw error;
        unreadable.push(info);
      }
    }
    for (const table of this.tables) if (!tables.includes(table)) table.close();
    this.tables = tables;
    this.unreadable = unreadable;
  }

  private mergeLater(): void {
    if (this.merging || this.closed || this.unreadable.length > 0) return;
    const merged = tablesToMerge(this.tables);
    if (!merged) return;
    this.merging = this.merge(merged)
      // The disk is full, or a table is damaged, which its next reader will find: the only effect is more tables than necessary.
      .catch(() => undefined)
      .finally(() => {
        this.merging = undefined;
      });
  }

  /** Merges consecutive tables into one, in slices between which the node continues. */
  private async merge(tables: readonly Table[]): Promise<void> {
    const number = (this.mergedInto = this.nextNumber([]));
    const keys = tables.reduce((sum, table) => sum + table.count(IDS) + 2 * table.count(STREAMS), 0);
    const writer = new TableWriter(this.path(number), number, keys);
    let info: TableInfo | undefined;
    try {
      let copied = 0;
      for (const section of SECTIONS) {
        for (const entry of mergedEntries(tables, section)) {
          writer.put(section, entry);
          if (++copied % MERGE_SLICE === 0) await this.nextTurn(tables);
        }
      }
      info = writer.finish((tables[0] as Table).info.from, (tables.at(-1) as Table).info.to);
      await this.nextTurn(tables);
      fsyncSync(writer.fd);
    } finally {
      writer.close();
      if (!info) rmSync(this.path(number), { force: true });
    }
    const merged = new Set(tables.map((table) => table.info.number));
    const first = (tables[0] as Table).info.number;
    this.replaceManifest({
      ...this.manifest,
      tables: this.manifest.tables.flatMap((other) => (other.number === first ? [info] : merged.has(other.number) ? [] : [other])),
    });
    setImmediate(() => this.mergeLater());
  }

  /** @throws if the merge is no longer wanted */
  private async nextTurn(tables: readonly Table[]): Promise<void> {
    do await new Promise<void>((resolve) => void setImmediate(resolve));
    while (this.copying > 0 && !this.closed);
    if (this.closed || !tables.every((table) => this.tables.includes(table))) throw new Error('The merge is not wanted any more.');
  }
}

const levelOf = (table: Table): number =>
  Math.max(0, Math.round(Math.log(Math.max(table.count(REVISIONS), 1) / SMALLEST) / Math.log(FANOUT)));

/** The newest tables up to a size, once there are enough of that size. */
function tablesToMerge(tables: readonly Table[]): readonly Table[] | undefined {
  const levels = tables.map(levelOf);
  for (let level = 0; level <= Math.max(...levels); level++) {
    const first = levels.findLastIndex((other) => other > level) + 1;
    if (levels.slice(first).filter((other) => other === level).length >= FANOUT) return tables.slice(first);
  }
  return undefined;
}

/** The entries of a section across consecutive tables, in order. */
function* mergedEntries(tables: readonly Table[], section: (typeof SECTIONS)[number]): Generator<Buffer> {
  let cursors = tables.map((table) => new Cursor(table, section)).filter(({ entry }) => entry);
  while (cursors.length > 0) {
    let least = cursors[0] as Cursor;
    const same: Cursor[] = [];
    for (const cursor of cursors) {
      const order = cursor === least ? 0 : cursor.compare(least);
      if (order > 0) continue;
      if (order < 0) {
        least = cursor;
        same.length = 0;
      }
      same.push(cursor);
    }
    yield same.length > 1 && section === STREAMS ? mergedRow(same.map(({ entry }) => entry as Buffer)) : (least.entry as Buffer);
    for (const cursor of same) cursor.next();
    if (same.some(({ entry }) => !entry)) cursors = cursors.filter(({ entry }) => entry);
  }
}

/** The next entry of a table being merged. */
class Cursor {
  entry: Buffer | undefined;
  private prefix = 0;
  private index = -1;

  constructor(
    private readonly table: Table,
    private readonly section: (typeof SECTIONS)[number],
  ) {
    this.next();
  }

  next(): void {
    this.entry = ++this.index < this.table.count(this.section) ? this.table.entry(this.section, this.index) : undefined;
    // Compared first: numbers are faster than bytes.
    if (this.entry) this.prefix = this.entry.readUIntBE(0, 6);
  }

  compare(other: Cursor): number {
    return this.prefix - other.prefix || compareEntries(this.section, this.entry as Buffer, other.entry as Buffer);
  }
}

/** The newest entry counts, if it has a value. */
function mergedRow(rows: readonly Buffer[]): Buffer {
  const merged = Buffer.from(rows.at(-1) as Buffer);
  const known = rows.findLast((row) => row.readUIntBE(20, 6) > 0);
  known?.copy(merged, 20, 20, 26);
  merged[26] = rows.some((row) => row[26] === 1) ? 1 : 0;
  return merged;
}

/** @throws DamagedIndex */
function readManifest(directory: string): Manifest | undefined {
  const path = manifestPath(directory);
  if (!existsSync(path)) {
    if (existsSync(indexDirectory(directory))) throw new DamagedIndex('its list of tables is missing');
    return undefined;
  }
  const bytes = readFileSync(path);
  const line = bytes.indexOf('\n');
  const json = bytes.subarray(line + 1);
  if (line < 0 || bytes.toString('latin1', 0, line) !== String(crc32(json))) throw new DamagedIndex('its list of tables is damaged');
  return JSON.parse(json.toString('utf8')) as Manifest;
}

async function copyTables(directory: string, manifest: Manifest, to: string): Promise<void> {
  mkdirSync(indexDirectory(to), { recursive: true });
  for (const { number } of manifest.tables)
    await copyFlushed(join(indexDirectory(directory), tableName(number)), join(indexDirectory(to), tableName(number)));
  await copyFlushed(manifestPath(directory), manifestPath(to));
  const copied = readManifest(to);
  if (!copied || JSON.stringify(copied) !== JSON.stringify(manifest)) throw new DamagedIndex('it changed meanwhile');
  syncDirectory(indexDirectory(to));
}

async function copyFlushed(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
