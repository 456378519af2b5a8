import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogRow, UntimedRow } from './mapped-rows.js';

export interface LogCase {
  readonly caseId: string;
  /** In time order. */
  readonly rows: readonly [LogRow, ...LogRow[]];
}

/** A case without any times. */
export interface TimelessCase {
  readonly caseId: string;
  readonly line: number;
}

/** Bytes of rows read back together. */
const PART = 1 << 20;
const MOST_PARTS = 256;
/** Characters buffered in memory, for all parts together. */
const HELD = 2 << 20;

/**
 * Stores rows on disk until the entire log is known to be good, and returns them case by case, wherever they were in the file. So exactly
 * what was checked is imported, even if the log changes in the meantime. Memory does not grow with the log: the rows are in parts by a hash
 * of their case, read one at a time.
 */
export class RowSpool {
  private constructor(
    private readonly parts: readonly { readonly file: FileHandle; held: string[]; length: number }[],
    private readonly heldByPart: number,
  ) {}

  /**
   * The files are unlinked from the start, so that nothing of them is left behind, even by a crash.
   * @param bytes approximate size
   */
  static async open(bytes: number): Promise<RowSpool> {
    const count = Math.min(MOST_PARTS, Math.max(1, Math.ceil(bytes / PART)));
    const files: FileHandle[] = [];
    for (let index = 0; index < count; index++) {
      const path = join(tmpdir(), `tierline-import-${randomUUID()}`);
      files.push(await open(path, 'wx+', 0o600));
      await unlink(path);
    }
    return new RowSpool(
      files.map((file) => ({ file, held: [], length: 0 })),
      HELD / count,
    );
  }

  async add(caseId: string, row: UntimedRow): Promise<void> {
    const part = this.parts[this.parts.length === 1 ? 0 : createHash('md5').update(caseId).digest().readUInt32LE() % this.parts.length];
    if (part === undefined) return;
    const line = JSON.stringify([caseId, row]);
    part.held.push(line);
    part.length += line.length;
    if (part.length >= this.heldByPart) await flush(part);
  }

  /** All cases: in each part in the order of their first rows. Nothing may be added afterwards. */
  async *cases(): AsyncGenerator<LogCase | TimelessCase> {
    for (const part of this.parts) {
      await flush(part);
      const cases = new Map<string, UntimedRow[]>();
      for await (const line of part.file.readLines({ start: 0, autoClose: false })) {
        const [caseId, row] = JSON.parse(line) as [string, UntimedRow];
        const rows = cases.get(caseId);
        if (rows === undefined) cases.set(caseId, [row]);
        else rows.push(row);
      }
      for (const [caseId, rows] of cases) {
        cases.delete(caseId);
        yield inOrder(caseId, rows);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.parts.map(({ file }) => file.close()));
  }
}

async function flush(part: { readonly file: FileHandle; held: string[]; length: number }): Promise<void> {
  if (part.held.length === 0) return;
  const text = part.held.map((line) => `${line}\n`).join('');
  part.held = [];
  part.length = 0;
  await part.file.appendFile(text);
}

/** The rows of a case in time order. One without a time happened when the previous row did. One that was out of order is marked. */
export function inOrder(caseId: string, rows: readonly UntimedRow[]): LogCase | TimelessCase {
  let at = rows.find((row) => row.at !== undefined)?.at;
  if (at === undefined) return { caseId, line: rows[0]?.line ?? 0 };
  let latest = at;
  const timed: LogRow[] = [];
  for (const row of rows) {
    at = row.at ?? at;
    timed.push(at < latest ? { ...row, at, faults: [...(row.faults ?? []), 'out-of-order'] } : { ...row, at });
    if (at > latest) latest = at;
  }
  timed.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
  const [first, ...rest] = timed;
  return first === undefined ? { caseId, line: 0 } : { caseId, rows: [first, ...rest] };
}

export const hasTime = (one: LogCase | TimelessCase): one is LogCase => 'rows' in one;
