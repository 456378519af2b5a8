/** Errors of the start, a backup and a scavenge of the node; clients of the node get a `Fault`. */

/** The data directory has a log that this version cannot read. */
export class UnknownFormat extends Error {
  readonly code = 'ERR_UNKNOWN_FORMAT';
  override readonly name = 'UnknownFormat';
  constructor(
    directory: string,
    readonly found: string,
    newest: number,
  ) {
    super(`The event log in ${directory} has format ${found}; this version reads formats 1 to ${newest}.`);
  }
}

/** Acknowledged events can no longer be read from the data directory. It is not opened, since the next append would overwrite them. */
export class DamagedLog extends Error {
  readonly code = 'ERR_DAMAGED_LOG';
  override readonly name = 'DamagedLog';
  constructor(
    directory: string,
    readonly reason: string,
  ) {
    super(`The event log in ${directory} is damaged: ${reason} Restore it from a backup.`);
  }
}

/** A commit could not be written because the disk is full or broken. Nothing of it was written. */
export class WriteFailed extends Error {
  readonly code = 'ERR_WRITE_FAILED';
  override readonly name = 'WriteFailed';
  constructor(readonly reason: string) {
    super(`The event log could not be written, and nothing was: ${reason}. Is the disk full?`);
  }
}

/** The copy could not be completed; its parts have been removed. */
export class BackupFailed extends Error {
  readonly code = 'ERR_BACKUP_FAILED';
  override readonly name = 'BackupFailed';
  constructor(
    readonly directory: string,
    readonly reason: string,
    cause?: unknown,
  ) {
    super(`The backup to ${directory} failed: ${reason}.`, { cause });
  }
}
