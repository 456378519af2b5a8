import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { DamagedLog } from './errors.js';
import { isSound, positionOf, type LogRecord } from './record.js';
import { FIRST_POSITION, logDirectory, SEGMENT_BYTES, segmentOf, segmentPath, syncDirectory } from './segments.js';

/**
 * Formats 1 and 2 had an LMDB environment, `data.mdb`. In format 1 it contained the records, in a database `log` (position → record), and
 * their index; in format 2 only the index, and the records were where they are now.
 */
const environment = (directory: string): string => join(directory, 'data.mdb');

/** Bytes copied at a time. */
const COPY_BYTES = 4 * 1024 * 1024;

/** Whether the records of a directory without a current index are still in LMDB. */
export function isFormat1(directory: string): boolean {
  if (!existsSync(environment(directory))) return false;
  const log = logDirectory(directory);
  const hasSegments = existsSync(log) && readdirSync(log).some((name) => segmentOf(name));
  // Format 2, or an interrupted upgrade from format 1.
  return !hasSegments || formatIn(directory) === 1;
}

/** Undefined if unknown. LMDB trusts what it reads, and a damaged file can end the process: another process checks it first. */
function formatIn(directory: string): number | undefined {
  const script = `
    const { open } = require(${JSON.stringify(createRequire(import.meta.url).resolve('lmdb'))});
    const root = open({ path: ${JSON.stringify(directory)}, noSubdir: false, maxDbs: 8, readOnly: true });
    console.log(root.openDB('node', { encoding: 'json' }).get('format'));`;
  try {
    const said = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 30_000 });
    return Number(said);
  } catch {
    return undefined;
  }
}

/** Called once there is an index of the current format, or the beginning of one. */
export function removeFormat2Index(directory: string): void {
  for (const file of ['data.mdb', 'lock.mdb']) rmSync(join(directory, file), { force: true });
}

/**
 * Copies the records of format 1 into segments, unchanged. After a crash it starts over.
 *
 * @throws DamagedLog if a record is damaged; the version that wrote the directory can then still serve the others
 */
export function upgradeFromFormat1(directory: string): void {
  const root = open({ path: directory, noSubdir: false, maxDbs: 8, readOnly: true });
  try {
    copyRecords(directory, root);
  } finally {
    void root.close();
  }
}

function copyRecords(directory: string, root: RootDatabase): void {
  rmSync(logDirectory(directory), { recursive: true, force: true });
  mkdirSync(logDirectory(directory));
  let base = FIRST_POSITION;
  let end = base;
  let file = create(directory, base);
  let copied: LogRecord[] = [];
  let waiting = 0;
  const copy = (): void => {
    const bytes = Buffer.concat(copied);
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    [copied, waiting] = [[], 0];
  };
  const next = (): void => {
    copy();
    fsyncSync(file);
    closeSync(file);
    base = end;
    file = create(directory, base);
  };
  try {
    for (const { key, value: record } of root.openDB<Buffer, number>('log', { encoding: 'binary' }).getRange({})) {
      if (!isSound(record) || positionOf(record) !== key || key !== end)
        throw new DamagedLog(directory, `the record at position ${end} cannot be read.`);
      if (end - base + record.length > SEGMENT_BYTES) next();
      copied.push(record);
      end += record.length;
      waiting += record.length;
      if (waiting > COPY_BYTES) copy();
    }
    // Groups are distinguished only since format 2: they start in a separate segment.
    if (end > base) next();
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncDirectory(logDirectory(directory));
}

const create = (directory: string, base: number): number => openSync(segmentPath(directory, { base, generation: 0 }), 'w');
