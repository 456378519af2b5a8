import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { open, type RootDatabase } from 'lmdb';
import { inspectFile, isLmdbError, PageDamaged } from './inspection.js';

/** The directory is in use by a running node, in this process or in another one. */
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

/** The lock record of the directory cannot be read, so it is unknown whether a node runs on it. */
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
  /** When the process was started, according to the operating system: the pid alone may now belong to another process. */
  readonly started: string;
}

/**
 * Locks a directory for this process. The lock is a record in a separate LMDB environment, written in a transaction, so that only one of
 * two processes can get it. It is valid while a process with that pid and that start time runs: a killed process does not lock anyone out,
 * and no file has to be deleted. It works within one machine and one pid namespace: containers that share a directory do not see each
 * other.
 *
 * @returns the function that releases it
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
      // If it cannot be removed, the record is valid until this process ends.
    }
    await db.close();
  };
}

/** LMDB trusts what it maps: a damaged record would end the process. */
async function inspectLock(directory: string): Promise<void> {
  const path = join(directory, 'owner', 'data.mdb');
  // A process that ended before it wrote its first page leaves an empty file.
  if (!existsSync(path) || statSync(path).size === 0) return;
  for (let attempt = 1; ; attempt++) {
    try {
      // Values are JSON; reading the value will show whether it is intact.
      inspectFile(path, () => true);
      return;
    } catch (error) {
      if (!(error instanceof PageDamaged)) throw error;
      // Another process may be writing it, or be about to write its first page.
      if (attempt === 5) throw new LockDamaged(directory, `${path}, ${error.message}`);
      await sleep(20 * attempt);
    }
  }
}

/**
 * LMDB writes changed pages to new places, and reuses the old ones two transactions later. With a few spare pages, the lock can be taken
 * and released even when the disk is full.
 */
function reserveRoom(db: RootDatabase<Owner, string>): void {
  const owner = db.get('owner') as Owner;
  for (let n = 0; n < 4; n++) db.putSync('owner', owner);
}

/** Something that differs between two processes that had the same pid; undefined if there is no such process. */
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

/** Clock ticks between boot and start, and which boot. A zombie no longer counts as running. */
function linuxStartOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may itself contain spaces and parentheses.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${rest[18]}`;
  } catch {
    return undefined;
  }
}
