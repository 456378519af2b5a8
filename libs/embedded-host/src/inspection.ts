import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * Reads an LMDB file without LMDB, which maps the file and trusts it: there, a damaged page gives a short result or ends the process.
 * Everything that LMDB follows is followed here first, through plain reads with bounds checks.
 * The layout is that of LMDB's data version 2 (`mdb.c` of the lmdb package) on 64-bit little-endian machines.
 */

/** What is wrong with the file, and at which page. */
export class PageDamaged extends Error {
  constructor(
    readonly page: number,
    reason: string,
  ) {
    super(`page ${page}: ${reason}`);
  }
}

/**
 * A damaged record, possibly in its key. The original key was between its neighbours: after `low` and before `high`; undefined means before
 * or after all keys.
 */
export type Gap = {
  readonly key: Buffer;
  readonly page: number;
  readonly low: Buffer | undefined;
  readonly high: Buffer | undefined;
};

/** Checks a record; false if its checksum does not match and its key may be damaged. */
export type Visit = (key: Buffer, value: Buffer, page: number) => boolean;

const HEADER = 24;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
/** Flags of a tree: the list of free pages has INTEGERKEY; the other five would change how pages are read. */
const INTEGER_KEYS = 0x08;
const TREE_FLAGS = 0x3f;
const NO_PAGE = 2 ** 64;
const MAX_DEPTH = 32;

type Tree = {
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  readonly root: number;
};

type Counts = { branches: number; leaves: number; overflows: number; entries: number };

type Meta = {
  readonly pageSize: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly lastPage: number;
  readonly transaction: number;
};

const number64 = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;

const readTree = (bytes: Buffer, at: number): Tree => ({
  flags: bytes.readUInt16LE(at + 4),
  depth: bytes.readUInt16LE(at + 6),
  branches: number64(bytes, at + 8),
  leaves: number64(bytes, at + 16),
  overflows: number64(bytes, at + 24),
  entries: number64(bytes, at + 32),
  root: number64(bytes, at + 40),
});

const readMeta = (bytes: Buffer, page: number): Meta => {
  if (bytes.length < 168) throw new PageDamaged(page, 'the file ends within its header');
  if (bytes.readUInt32LE(HEADER) !== MAGIC || !(bytes.readUInt16LE(18) & META))
    throw new PageDamaged(page, 'this is not the header of a data file');
  if ((bytes.readUInt32LE(HEADER + 4) & 0xffff) !== DATA_VERSION) throw new PageDamaged(page, 'the header has an unknown version');
  const pageSize = bytes.readUInt32LE(48);
  if (![4096, 8192, 16384, 32768, 65536].includes(pageSize)) throw new PageDamaged(page, `the header has a page size of ${pageSize} bytes`);
  const [free, main] = [readTree(bytes, 48), readTree(bytes, 96)];
  if ((free.flags & TREE_FLAGS) !== INTEGER_KEYS || (main.flags & TREE_FLAGS) !== 0)
    throw new PageDamaged(page, 'the header has flags that are never set');
  return { pageSize, free, main, lastPage: number64(bytes, 144), transaction: number64(bytes, 152) };
};

/** The file as its last transaction left it. */
class Inspection {
  readonly #file: number;
  readonly #bytes: number;
  readonly #visit: Visit;
  #meta!: Meta;
  #seen!: Uint8Array;
  #counts: Counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
  readonly gaps: Gap[] = [];
  /** The last undamaged key, and the damaged records after it. */
  #last: { key: Buffer | undefined; open: { key: Buffer; page: number }[] } = { key: undefined, open: [] };

  constructor(file: number, visit: Visit) {
    this.#file = file;
    this.#bytes = fstatSync(file).size;
    this.#visit = visit;
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    for (let more = 1; more > 0 && read < length; read += more) more = readSync(this.#file, bytes, read, length - read, at + read);
    return bytes.subarray(0, read);
  }

  /** @returns whether the file contains anything */
  run(): boolean {
    const first = readMeta(this.#read(0, 168), 0);
    const second = readMeta(this.#read(first.pageSize, 168), 1);
    if (first.pageSize !== second.pageSize) throw new PageDamaged(1, 'the two headers have different page sizes');
    // Transactions write the two headers alternately.
    const latest = second.transaction > first.transaction ? second : first;
    const other = latest === second ? first : second;
    const page = latest === second ? 1 : 0;
    if (latest.transaction === 0) {
      if (this.#bytes > 2 * first.pageSize) throw new PageDamaged(0, 'the headers are those of a new file');
      return false;
    }
    // A copy made by LMDB has one header, and pages without the number of their transaction, until two transactions have been added.
    const copied = other.transaction === 0 && other.main.root >= NO_PAGE / 2 && other.lastPage === 1 && page === 1;
    if (!copied && (latest.transaction % 2 !== page || other.transaction !== latest.transaction - 1))
      throw new PageDamaged(page, `the headers do not follow each other (${first.transaction}, ${second.transaction})`);
    this.#meta = latest;
    const { pageSize, lastPage } = latest;
    // Free pages at the end may never have been written.
    if (lastPage < 1 || lastPage > 2 * (this.#bytes / pageSize) + 2 ** 20)
      throw new PageDamaged(page, `the header has ${lastPage} pages, the file is too short`);
    this.#seen = new Uint8Array(lastPage + 1);
    const newest = Math.max(this.#tree(latest.main, page, false), this.#tree(latest.free, page, true));
    if (!copied && newest !== latest.transaction) throw new PageDamaged(page, 'the header belongs to another transaction than the pages');
    this.#freePages();
    return true;
  }

  /** @returns the transaction that wrote the root */
  #tree(tree: Tree, header: number, free: boolean): number {
    this.#counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    this.#last = { key: undefined, open: [] };
    let transaction = 0;
    if (tree.root < NO_PAGE / 2) {
      if (tree.depth < 1 || tree.depth > MAX_DEPTH) throw new PageDamaged(header, `the header has a tree of depth ${tree.depth}`);
      transaction = this.#page(tree.root, tree.depth, this.#meta.transaction, undefined, undefined, free, header);
      this.#close(undefined);
    }
    for (const [what, count] of Object.entries(this.#counts) as [keyof Counts, number][])
      if (tree[what] !== count) throw new PageDamaged(header, `the header counts ${tree[what]} ${what}, there are ${count}`);
    return transaction;
  }

  #mark(page: number, count: number, from: number): void {
    if (page < 2 || count < 1 || page + count - 1 > this.#meta.lastPage)
      throw new PageDamaged(from, `it refers to page ${page}, which does not exist`);
    for (let at = page; at < page + count; at++) {
      if (this.#seen[at]) throw new PageDamaged(from, `page ${at} is in use twice`);
      this.#seen[at] = 1;
    }
  }

  #page(
    number: number,
    depth: number,
    parent: number,
    low: Buffer | undefined,
    high: Buffer | undefined,
    free: boolean,
    from: number,
  ): number {
    const { pageSize } = this.#meta;
    this.#mark(number, 1, from);
    const page = this.#read(number * pageSize, pageSize);
    if (page.length < pageSize) throw new PageDamaged(number, 'the file ends before it');
    const transaction = number64(page, 8);
    if (number64(page, 0) !== number) throw new PageDamaged(number, `it holds page ${number64(page, 0)}`);
    if (transaction > parent) throw new PageDamaged(number, 'it is newer than the page that refers to it');
    if (page.readUInt16LE(18) !== (depth > 1 ? BRANCH : LEAF))
      throw new PageDamaged(number, 'it is of another kind than its place in the tree');
    const [lower, upper] = [page.readUInt16LE(20), page.readUInt16LE(22)];
    const count = lower >>> 1;
    if (lower % 2 || lower > upper || upper > pageSize - HEADER) throw new PageDamaged(number, 'its bounds are impossible');
    if (count < (depth > 1 ? 2 : 1)) throw new PageDamaged(number, `it has ${count} entries`);
    const nodes: { at: number; key: Buffer }[] = [];
    for (let index = 0; index < count; index++) {
      const at = HEADER + page.readUInt16LE(HEADER + 2 * index);
      if (at % 2 || at < HEADER + upper || at + 8 > pageSize) throw new PageDamaged(number, `entry ${index} lies outside of it`);
      const length = page.readUInt16LE(at + 6);
      if (at + 8 + length > pageSize) throw new PageDamaged(number, `the key of entry ${index} lies outside of it`);
      nodes.push({ at, key: page.subarray(at + 8, at + 8 + length) });
    }
    // The first key of a branch stands for everything lower, and is not compared.
    let before = low;
    for (let index = depth > 1 ? 1 : 0; index < count; index++) {
      const { key } = nodes[index] as { key: Buffer };
      const order = before === undefined ? 1 : compare(key, before, free);
      // A key may equal that of the branch above it.
      if (order < 0 || (order === 0 && index > (depth > 1 ? 1 : 0)))
        throw new PageDamaged(number, `the key of entry ${index} is not in its order`);
      before = key;
    }
    if (high && before && compare(before, high, free) >= 0)
      throw new PageDamaged(number, `the key of entry ${count - 1} is not in its order`);
    if (depth > 1) {
      this.#counts.branches++;
      nodes.forEach(({ at, key }, index) => {
        const child = page.readUInt32LE(at) + page.readUInt16LE(at + 4) * 2 ** 32;
        this.#page(child, depth - 1, transaction, index ? key : low, nodes[index + 1]?.key ?? high, free, number);
      });
    } else {
      this.#counts.leaves++;
      this.#counts.entries += count;
      nodes.forEach(({ at, key }, index) => {
        this.#entry(number, key, this.#value(page, number, transaction, at, key, index), free);
      });
    }
    return transaction;
  }

  #value(page: Buffer, number: number, transaction: number, at: number, key: Buffer, index: number): Buffer {
    const { pageSize } = this.#meta;
    const flags = page.readUInt16LE(at + 4);
    const size = page.readUInt32LE(at);
    const data = at + 8 + key.length;
    if (flags === 0) {
      if (data + size > pageSize) throw new PageDamaged(number, `the value of entry ${index} lies outside of it`);
      return page.subarray(data, data + size);
    }
    if (flags !== 1 || data + 24 > pageSize) throw new PageDamaged(number, `entry ${index} is of an unknown kind`);
    const [first, written, pages] = [number64(page, data), number64(page, data + 8), number64(page, data + 16)];
    if (pages * pageSize < HEADER + size || pages > this.#meta.lastPage)
      throw new PageDamaged(number, `the value of entry ${index} is longer than its pages`);
    this.#mark(first, pages, number);
    this.#counts.overflows += pages;
    const bytes = this.#read(first * pageSize, HEADER + size);
    if (bytes.length < HEADER + size) throw new PageDamaged(first, 'the file ends before it');
    if (number64(bytes, 0) !== first) throw new PageDamaged(first, `it holds page ${number64(bytes, 0)}`);
    // In a copy made by LMDB the entry says transaction 1, and the pages of the value still have theirs.
    const follows = number64(bytes, 8) === written || written === 1;
    if (!follows || written > transaction || bytes.readUInt16LE(18) !== OVERFLOW || bytes.readUInt32LE(20) !== pages)
      throw new PageDamaged(first, 'its header does not belong to the value');
    return bytes.subarray(HEADER);
  }

  readonly #free: { readonly page: number; readonly value: Buffer }[] = [];

  #entry(page: number, key: Buffer, value: Buffer, free: boolean): void {
    if (free) {
      if (key.length !== 8 || number64(key, 0) > this.#meta.transaction || value.length % 8 || value.length < 8)
        throw new PageDamaged(page, 'an entry of the list of free pages is impossible');
      this.#free.push({ page, value });
    } else if (this.#visit(key, value, page)) {
      this.#close(key);
      this.#last.key = key;
    } else this.#last.open.push({ key: Buffer.from(key), page });
  }

  #close(high: Buffer | undefined): void {
    const { key: low, open } = this.#last;
    if (!open.length) return;
    for (const { key, page } of open) this.gaps.push({ key, page, low: low && Buffer.from(low), high: high && Buffer.from(high) });
    this.#last.open = [];
  }

  /** Page numbers: a negative one is the number of following pages, zero is an unused place. */
  #freePages(): void {
    for (const { page, value } of this.#free) {
      const count = number64(value, 0);
      if ((count + 1) * 8 > value.length) throw new PageDamaged(page, 'the list of free pages is longer than its place');
      let run = 1;
      for (let at = 8; at <= count * 8; at += 8) {
        const number = Number(value.readBigInt64LE(at));
        if (number < 0) run = -number;
        else if (number > 0) {
          this.#mark(number, run, page);
          run = 1;
        }
      }
    }
  }
}

const compare = (left: Buffer, right: Buffer, integers: boolean): number => {
  if (!integers) return Buffer.compare(left, right);
  if (left.length !== 8 || right.length !== 8) return -1;
  return number64(left, 0) - number64(right, 0);
};

/**
 * Reads the whole file.
 *
 * @param visit called for every record, in key order
 * @returns the records whose keys are uncertain, and whether the file contains anything
 * @throws PageDamaged if LMDB cannot be trusted with the file
 */
export const inspectFile = (path: string, visit: Visit): { readonly gaps: readonly Gap[]; readonly empty: boolean } => {
  const file = openSync(path, 'r');
  try {
    const inspection = new Inspection(file, visit);
    const empty = !inspection.run();
    return { gaps: inspection.gaps, empty };
  } finally {
    closeSync(file);
  }
};

/** Whether LMDB itself reports that it cannot use a file; errors of the operating system have positive numbers. */
export const isLmdbError = (error: unknown): error is Error =>
  error instanceof Error && Number((error as NodeJS.ErrnoException).code) <= -30_700;
