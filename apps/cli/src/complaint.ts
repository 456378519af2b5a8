/** An error that is reported in one line, with a hint at what to do: nothing is wrong with the program. */
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

/** The message if a file named by the user cannot be written; any other error unchanged. */
export function asUnwritable(file: string, error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return UNWRITABLE.has(code) ? new Complaint(`${file} cannot be written: ${message}`) : error;
}
