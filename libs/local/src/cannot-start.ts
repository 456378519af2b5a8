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
