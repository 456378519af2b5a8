import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { open, type RootDatabase } from 'lmdb';
import { inspectFile, isLmdbError, PageDamaged } from './inspection.js';

/** The directory is in use by a node that is alive, in this process or in another one. */
export class DirectoryLocked extends Error {
  readonly code = 'ERR_DIRECTORY_LOCKED';
  override readonly name = 'DirectoryLocked';
  constructor(
    readonly directory: string,
    /** The process that holds it. */
    readonly pid: number,
  ) {
    super(
      `The directory ${directory} is in use by ${pid === process.pid ? `this process (pid ${pid})` : `process ${pid}`}. Stop it, or choose another directory.`,
    );
  }
}

/** The record of who holds the directory cannot be read: whether a node runs on it is not known. */
export class LockDamaged extends Error {
  readonly code = 'ERR_LOCK_DAMAGED';
  override readonly name = 'LockDamaged';
  constructor(
    readonly directory: string,
    reason: string,
  ) {
    super(
      `The lock of the directory ${directory} is damaged (${reason}). Make sure that no node runs on the directory, then remove the folder 'owner' from it.`,
    );
  }
}

interface Owner {
  readonly pid: number;
  /** When the process was started, as the operating system tells it: a pid alone may be another process by now. */
  readonly started: string;
}

/**
 * Holds a directory for this process. The holder is a record in an LMDB environment of its own, taken in a write
 * transaction, so that of two processes only one can find the place free. It counts for as long as a process with that
 * pid and that start time runs: what a killed process leaves behind does not lock anyone out, and no one has to delete
 * a file. It holds within one machine and one pid namespace: containers that share a directory do not see each other.
 *
 * @returns the function that lets go
 * @throws DirectoryLocked, LockDamaged
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  await inspectLock(directory);
  let db: RootDatabase<Owner, string>;
  try {
    db = open<Owner, string>({ path: join(directory, 'owner'), encoding: 'json', overlappingSync: false });
  } catch (error) {
    throw isLmdbError(error) ? new LockDamaged(directory, error.message) : error;
  }
  let holder: Owner | undefined;
  try {
    holder = db.transactionSync(() => {
      const owner = db.get('owner');
      if (owner && startOf(owner.pid) === owner.started) return owner;
      db.putSync('owner', { pid: process.pid, started: startOf(process.pid) ?? '' });
      return undefined;
    });
  } catch (error) {
    await db.close();
    throw error instanceof SyntaxError ? new LockDamaged(directory, 'it is no JSON') : error;
  }
  if (holder) {
    await db.close();
    throw new DirectoryLocked(directory, holder.pid);
  }
  reserveRoom(db);
  return async () => {
    try {
      db.removeSync('owner');
    } catch {
      // Whatever keeps it from being written, the record counts until this process ends.
    }
    await db.close();
  };
}

/** LMDB believes what it maps: a damaged record would end the process. */
async function inspectLock(directory: string): Promise<void> {
  const path = join(directory, 'owner', 'data.mdb');
  // A process that ended before it wrote its first page leaves an empty file.
  if (!existsSync(path) || statSync(path).size === 0) return;
  for (let attempt = 1; ; attempt++) {
    try {
      // Values are JSON; whether this one is whole shows when it is read.
      inspectFile(path, () => true);
      return;
    } catch (error) {
      if (!(error instanceof PageDamaged)) throw error;
      // Another process may have been writing it meanwhile, or be about to write its first page.
      if (attempt === 5) throw new LockDamaged(directory, `${path}, ${error.message}`);
      await sleep(20 * attempt);
    }
  }
}

/**
 * LMDB writes changed pages to new places, and takes the old ones again two transactions later. With some of them left
 * over, the lock can also be taken and let go when the disk has become full.
 */
function reserveRoom(db: RootDatabase<Owner, string>): void {
  const owner = db.get('owner') as Owner;
  for (let n = 0; n < 4; n++) db.putSync('owner', owner);
}

/** Something that differs between two processes that had the same pid; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxStartOf(pid);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
  }
  if (process.platform === 'win32') return 'running';
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/** Clock ticks between boot and start, and which boot. A zombie runs no longer. */
function linuxStartOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may itself hold spaces and parentheses.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${rest[18]}`;
  } catch {
    return undefined;
  }
}
