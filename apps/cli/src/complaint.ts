/** An error that is told in a line, with a hint at what to do about it: nothing is wrong with the program. */
export class Complaint extends Error {
  override readonly name = 'Complaint';
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

const UNWRITABLE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC']);

/** What to say when a file that the user named cannot be written; any other error as it is. */
export function asUnwritable(file: string, error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return UNWRITABLE.has(code) ? new Complaint(`${file} cannot be written: ${message}`) : error;
}
