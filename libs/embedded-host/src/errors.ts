/** An address that other machines can reach needs encryption and a user. */
export class NotLoopback extends Error {
  readonly code = 'ERR_NOT_LOOPBACK';
  override readonly name = 'NotLoopback';
  constructor(
    node: string,
    readonly host: string,
  ) {
    super(
      `The embedded ${node} listens on ${host} only with TLS and a user and password. Without both it takes loopback addresses (127.0.0.1, ::1, localhost).`,
    );
  }
}

/** The certificate or the key cannot be read, or they do not belong together. */
export class BadCertificate extends Error {
  readonly code = 'ERR_BAD_CERTIFICATE';
  override readonly name = 'BadCertificate';
  constructor(
    node: string,
    readonly reason: string,
  ) {
    super(`Invalid certificate or key for the embedded ${node}: ${reason}.`);
  }
}

/** No one could sign in with this user and password. */
export class BadCredentials extends Error {
  readonly code = 'ERR_BAD_CREDENTIALS';
  override readonly name = 'BadCredentials';
  constructor(
    node: string,
    /** The rules for user and password. */
    readonly rule: string,
  ) {
    super(`Invalid user or password for the embedded ${node}: ${rule}.`);
  }
}

/** The port is taken, or not permitted for this process. */
export class PortUnavailable extends Error {
  readonly code = 'ERR_PORT_UNAVAILABLE';
  override readonly name = 'PortUnavailable';
  constructor(
    node: string,
    readonly host: string,
    readonly port: number,
    readonly reason: string,
  ) {
    super(`The embedded ${node} cannot listen on port ${port} of ${host}: ${reason}.`);
  }
}

/** The target of a backup is not empty; nothing was written. */
export class BackupExists extends Error {
  readonly code = 'ERR_BACKUP_EXISTS';
  override readonly name = 'BackupExists';
  constructor(readonly directory: string) {
    super(`The directory ${directory} is not empty. A backup needs an empty one, or one that does not exist.`);
  }
}
