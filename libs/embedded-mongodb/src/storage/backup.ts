import { existsSync, mkdirSync } from 'node:fs';
import { open as openFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupExists, DirectoryLocked, lockDirectory } from '@tierline/embedded-host';
import { open } from 'lmdb';
import { DataUnreadable } from '../errors.js';
import { FILE, inspectData } from './data-format.js';

/** What can be copied during writes: an LMDB environment. */
interface Copyable {
  backup(path: string, compact: boolean): Promise<void>;
}

/**
 * Copies the current state into another directory while others read and write; the copy is complete or does not exist.
 *
 * @throws BackupExists if that directory already contains data
 */
export const copyInto = async (db: Copyable, directory: string): Promise<void> => {
  const [whole, partial] = [join(directory, FILE), join(directory, `${FILE}.partial`)];
  if (existsSync(whole)) throw new BackupExists(directory);
  mkdirSync(directory, { recursive: true });
  try {
    await rm(partial, { force: true });
    await db.backup(partial, true);
    await flushed(partial, 'r+');
    await rename(partial, whole);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  // The name itself, on systems that can flush directories.
  if (process.platform !== 'win32') await flushed(directory, 'r');
};
/**
 * Copies the databases of a directory, whether or not a node of this machine runs on it, into another directory: a consistent state,
 * including everything acknowledged before the call. It is complete when the promise resolves, and does not exist when it rejects.
 *
 * @throws BackupExists if that directory already contains data; DataUnreadable if there is nothing to copy, or it is damaged
 */
export const backUpMongoDB = async (directory: string, to: string): Promise<void> => {
  if (!existsSync(join(directory, FILE))) throw new DataUnreadable(directory, `there is no ${FILE}`);
  // A running node has inspected the file at its start.
  const unlock = await lockDirectory(directory).catch((error: unknown) => {
    if (error instanceof DirectoryLocked) return undefined;
    throw error;
  });
  try {
    if (unlock) inspectData(directory);
    const db = open<Buffer, Buffer>({ path: join(directory, FILE), noSubdir: true, readOnly: true });
    try {
      await copyInto(db, to);
    } finally {
      await db.close();
    }
  } finally {
    await unlock?.();
  }
};

const flushed = async (path: string, flags: string): Promise<void> => {
  const file = await openFile(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
};
