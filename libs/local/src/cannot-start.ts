import { getSystemErrorName } from 'node:util';

/** A start that failed for a reason that the user can fix: the message says how. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

/** Another process holds the data directory. */
export class DataDirLocked extends CannotStart {
  constructor(
    readonly directory: string,
    readonly pid: number,
  ) {
    super(`The data directory ${directory} is in use by process ${pid}. Stop that one first, or set DATA_DIR to another directory.`);
  }
}

export function portTaken(port: number, what: string, variable: string): CannotStart {
  return new CannotStart(
    `Port ${port} for ${what} is taken by another program. Stop that one, or set ${variable} to another port (0 for any free one).`,
  );
}

/** @param variable the setting that names the key's file */
export function keyUnusable(variable: string, cause: Error): CannotStart {
  return new CannotStart(`The key that ${variable} names cannot be used (${cause.message}).`, { cause });
}

/** System errors that mean that a directory cannot be written. */
const unwritable: ReadonlySet<string> = new Set('EACCES EPERM EROFS ENOTDIR EISDIR EEXIST ELOOP ENAMETOOLONG ENOSPC EDQUOT EIO'.split(' '));

/** A file system error in the data directory as one that says what to do; any other error unchanged. */
export function explainDataDir(dataDir: string, error: unknown): unknown {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  // LMDB uses the number of a system error, and negative numbers for its own.
  const name = typeof code === 'number' && code > 0 ? getSystemErrorName(-code) : code;
  if (typeof name !== 'string' || !unwritable.has(name)) return error;
  const reason = message?.startsWith(name) ? message : `${name}: ${message}`;
  return new CannotStart(`The data directory ${dataDir} cannot be used (${reason}). Set DATA_DIR to a directory that can be written.`, {
    cause: error,
  });
}
