import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ServerError } from '../errors.js';

const NAME = /^sort-[0-9a-f-]{36}\.tmp$/;

/** A file for what does not fit in memory; it is removed when it is closed or the process ends. */
export class ScratchFile {
  readonly #path: string;
  readonly #file: number;
  #length = 0;
  #closed = false;

  /** @throws ServerError 14031 OutOfDiskSpace */
  constructor(directory: string) {
    this.#path = join(directory, `sort-${randomUUID()}.tmp`);
    this.#file = onDisk(() => openSync(this.#path, 'wx+'));
    // If a file can be unlinked while it is open, nothing remains however the process ends.
    if (process.platform !== 'win32') unlinkSync(this.#path);
  }

  get length(): number {
    return this.#length;
  }

  /** @throws ServerError 14031 OutOfDiskSpace */
  append(bytes: Buffer): void {
    for (let from = 0; from < bytes.length;) {
      const written = onDisk(() => writeSync(this.#file, bytes, from, bytes.length - from, this.#length));
      from += written;
      this.#length += written;
    }
  }

  /** Fills the target from a position; the caller makes sure that the file is long enough. */
  read(target: Buffer, position: number): void {
    for (let at = 0; at < target.length;) {
      const got = readSync(this.#file, target, at, target.length - at, position + at);
      if (got === 0) throw new Error(`the scratch file ends at ${position + at}`);
      at += got;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
    if (process.platform === 'win32') rmSync(this.#path, { force: true });
  }
}

/** Removes files of processes that ended during a sort. */
export const removeScratchFiles = (directory: string): void => {
  for (const name of readdirSync(directory)) if (NAME.test(name)) rmSync(join(directory, name), { force: true });
};

const onDisk = <Result>(work: () => Result): Result => {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EFBIG') throw error;
    throw new ServerError(14031, `could not write to disk what a sort keeps there: ${message}`);
  }
};
