import { Doc, encode, encodedLength, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { KeyField } from '../query/keys.js';
import { isOverdue } from '../query/budget.js';
import { compareRows, sortKey } from '../query/sort-order.js';
import type { ScratchFile } from '../storage/scratch-file.js';
import { paced, PAUSE, type Source } from './source.js';

/** What a sort may use: memory, and a file for the rest. Without a file, more is refused. */
export type SortSpace = { readonly memoryBytes: number; readonly scratch: (() => ScratchFile) | undefined };

type Entry = { readonly key: readonly Value[]; readonly order: number; readonly doc: Doc };

/** Approximate overhead of an entry in addition to its document. */
const ENTRY_BYTES = 128;
/** Bytes written at a time, and the most read ahead in each run. */
const CHUNK = 256 * 1024;

/**
 * Sorts the documents of a source; equal ones stay in their original order. With a limit it keeps only that many, so that a page of a large
 * collection needs memory only for the page. What does not fit in memory is written to a file in sorted runs, which are merged.
 *
 * @throws ServerError 292 if memory does not suffice and no file is allowed, 14031 if the disk is full
 */
export const sorted = function* (source: Source, fields: readonly KeyField[], space: SortSpace, limit = Infinity): Source {
  const compare = (a: Entry, b: Entry): number => compareRows(a.key, b.key, fields) || a.order - b.order;
  let entries: Entry[] = [];
  let bytes = 0;
  let count = 0;
  let file: ScratchFile | undefined;
  const runs: Run[] = [];
  const trim = function* (): Generator<typeof PAUSE, Entry | undefined, undefined> {
    entries = yield* sortedInSteps(entries, compare);
    for (const { doc } of entries.splice(Math.min(entries.length, limit))) bytes -= encodedLength(doc) + ENTRY_BYTES;
    return entries.at(-1);
  };
  try {
    for (const doc of source) {
      if (doc === PAUSE) {
        yield doc;
        continue;
      }
      const entry = { key: sortKey(doc, fields), order: count++, doc };
      const last = entries.length >= 2 * limit ? yield* trim() : undefined;
      if (last && compare(entry, last) > 0) continue;
      entries.push(entry);
      bytes += encodedLength(doc) + ENTRY_BYTES;
      if (bytes <= space.memoryBytes) continue;
      if (limit < entries.length) yield* trim();
      if (bytes <= space.memoryBytes) continue;
      if (!space.scratch)
        throw new ServerError(
          292,
          `Sort exceeded memory limit of ${space.memoryBytes} bytes, but did not opt in to external sorting. Aborting operation. Pass allowDiskUse:true to opt in.`,
        );
      yield* trim();
      file ??= space.scratch();
      const start = file.length;
      yield* written(entries, file);
      runs.push({ start, end: file.length });
      entries = [];
      bytes = 0;
    }
    yield* trim();
    if (file) yield* merged(file, runs, entries, fields, limit, space.memoryBytes);
    else yield* paced(entries.map(({ doc }) => doc));
  } finally {
    file?.close();
  }
};

/** Entries sorted at a time. */
const STEP = 2048;

/** Sorts in parts and merges them, yielding in between. */
const sortedInSteps = function* (entries: Entry[], compare: (a: Entry, b: Entry) => number): Generator<typeof PAUSE, Entry[], undefined> {
  if (entries.length <= STEP) return entries.sort(compare);
  let parts: Entry[][] = [];
  for (let from = 0; from < entries.length; from += STEP) {
    parts.push(entries.slice(from, from + STEP).sort(compare));
    if (isOverdue()) yield PAUSE;
  }
  while (parts.length > 1) {
    const next: Entry[][] = [];
    for (let at = 0; at < parts.length; at += 2) {
      const [left, right = []] = [parts[at] as Entry[], parts[at + 1]];
      const both: Entry[] = [];
      for (let l = 0, r = 0; l < left.length || r < right.length;) {
        const takeLeft = r === right.length || (l < left.length && compare(left[l] as Entry, right[r] as Entry) <= 0);
        both.push((takeLeft ? left[l++] : right[r++]) as Entry);
        if (both.length % 256 === 0 && isOverdue()) yield PAUSE;
      }
      next.push(both);
    }
    parts = next;
  }
  return parts[0] as Entry[];
};

/** The place of a sorted run of documents in a file. */
type Run = { readonly start: number; readonly end: number };

const written = function* (entries: readonly Entry[], file: ScratchFile): Generator<typeof PAUSE, void, undefined> {
  let chunk: Buffer[] = [];
  let size = 0;
  for (const { doc } of entries) {
    const bytes = encode(doc);
    chunk.push(bytes);
    if ((size += bytes.length) < CHUNK) continue;
    file.append(Buffer.concat(chunk));
    chunk = [];
    size = 0;
    yield PAUSE;
  }
  file.append(Buffer.concat(chunk));
};

/** The documents of a run, read in chunks. */
const readRun = function* (file: ScratchFile, { start, end }: Run, chunkBytes: number): Generator<Doc, void, undefined> {
  let chunk = Buffer.alloc(0);
  let from = 0;
  let position = start;
  const have = (wanted: number): void => {
    if (chunk.length - from >= wanted) return;
    const rest = chunk.subarray(from);
    const next = Buffer.allocUnsafe(Math.min(rest.length + end - position, Math.max(chunkBytes, wanted)));
    rest.copy(next);
    file.read(next.subarray(rest.length), position);
    position += next.length - rest.length;
    chunk = next;
    from = 0;
  };
  while (position < end || from < chunk.length) {
    have(4);
    const length = chunk.readInt32LE(from);
    have(length);
    // A copy: a document that is kept must not keep its chunk.
    yield Doc.read(Buffer.from(chunk.subarray(from, from + length)));
    from += length;
  }
};

/** Merges runs in their order of creation, the last one in memory: of equal documents, those of earlier runs come first. */
const merged = function* (
  file: ScratchFile,
  runs: readonly Run[],
  last: readonly Entry[],
  fields: readonly KeyField[],
  limit: number,
  memoryBytes: number,
): Source {
  const chunkBytes = Math.max(4096, Math.min(CHUNK, Math.floor(memoryBytes / 2 / runs.length)));
  const readers: Iterator<Doc>[] = [...runs.map((run) => readRun(file, run, chunkBytes)), last.map(({ doc }) => doc).values()];
  // The next document of each run; the first of all is at the end.
  const heads: Entry[] = [];
  const advance = (order: number): void => {
    const next = (readers[order] as Iterator<Doc>).next();
    if (next.done) return;
    const entry = { key: sortKey(next.value, fields), order, doc: next.value };
    let [low, high] = [0, heads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = heads[middle] as Entry;
      if ((compareRows(entry.key, other.key, fields) || order - other.order) < 0) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, entry);
  };
  readers.forEach((_, order) => advance(order));
  for (let given = 0; given < limit; given++) {
    const head = heads.pop();
    if (!head) return;
    yield head.doc;
    if (given % 256 === 255) yield PAUSE;
    advance(head.order);
  }
};
