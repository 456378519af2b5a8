import { randomUUID } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { NO_STREAM, ANY } from '../storage/append-rules.js';
import type { EventLog } from '../storage/event-log.js';
import { accessDenied, Fault, userNotFound } from '../wire/faults.js';
import type { LogWriter, NewEvent } from '../storage/log-writer.js';
import { hashPassword, isPassword, type PasswordHash } from './passwords.js';
import { createdOf, dataOf, NO_BYTES, revisionOf, type LogRecord } from '../storage/record.js';
import { parseObject } from '../storage/stream-metadata.js';
import { isMissing } from '../storage/visible-events.js';

/** Members pass every check. */
export const ADMINS = '$admins';
/** Members may run the node: operations, persistent subscriptions. */
export const OPERATORS = '$ops';

/** The content of the last event of a user's stream. */
export interface User extends PasswordHash {
  readonly loginName: string;
  readonly fullName: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
}

export interface KnownUser extends User {
  /** Revision of the user's stream: changes with each change. */
  readonly revision: number;
  /** Time of the last change in milliseconds since 1970. */
  readonly updated: number;
}

const LIST = '$users';
const PAGE = 512;
const streamOf = (login: string): string => `$user-${login}`;

/**
 * The users of a secured node. Each is a stream `$user-<login>` whose last event has all data of the user, and an entry in `$users`. System
 * streams are readable only by `$admins`, so no one else gets the hashes.
 */
export class Users {
  /** Changes are made one after the other, so that none is based on outdated data. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly log: EventLog,
    private readonly writer: LogWriter,
  ) {}

  find(login: string): KnownUser | undefined {
    const stream = this.log.stream(streamOf(login));
    if (isMissing(stream) || stream.tombstoned) return undefined;
    const record = this.log.recordAt(stream.number, stream.lastRevision);
    const user = record && readUser(record);
    return record && user ? { ...user, revision: revisionOf(record), updated: createdOf(record) } : undefined;
  }

  /** Sorted by login name. */
  all(): KnownUser[] {
    const logins = new Set<string>();
    const { number, lastRevision } = this.log.stream(LIST);
    for (let next = 0; next <= lastRevision;) {
      const records = this.log.readStream(number, next, { lowest: 0, highest: lastRevision }, PAGE, false);
      for (const record of records) logins.add(dataOf(record).toString('utf8'));
      const [last] = records.slice(-1);
      if (!last) break;
      next = revisionOf(last) + 1;
    }
    return [...logins].sort().flatMap((login) => this.find(login) ?? []);
  }

  /** An existing login is left unchanged, without an error, as by the genuine server. */
  create(login: string, password: string, fullName: string, groups: readonly string[]): Promise<void> {
    return this.change(async () => {
      if (this.find(login)) return;
      // The entry first: an entry without a user is skipped, but a user without an entry could not be found again.
      await this.writer.append(LIST, ANY, [event('$User', Buffer.from(login), false)]);
      await this.write('$UserCreated', { loginName: login, fullName, ...(await hashPassword(password)), disabled: false, groups });
    });
  }

  update(login: string, change: Partial<Pick<User, 'fullName' | 'groups' | 'disabled'>>): Promise<void> {
    return this.change(() => this.write('$UserUpdated', { ...this.get(login), ...change }));
  }

  resetPassword(login: string, password: string): Promise<void> {
    return this.change(async () => this.write('$UserUpdated', { ...this.get(login), ...(await hashPassword(password)) }));
  }

  changePassword(login: string, current: string, password: string): Promise<void> {
    return this.change(async () => {
      const user = this.get(login);
      if (!(await isPassword(current, user))) throw accessDenied();
      await this.write('$UserUpdated', { ...user, ...(await hashPassword(password)) });
    });
  }

  delete(login: string): Promise<void> {
    return this.change(async () => {
      await this.writer.delete(streamOf(login), this.get(login).revision);
    });
  }

  /** The administrator with which the node was started: exists, is enabled, is in `$admins`, and has this password. */
  async ensureAdministrator(login: string, password: string): Promise<void> {
    const user = this.find(login);
    if (!user) return this.create(login, password, 'Event Store Administrator', [ADMINS]);
    if (!(await isPassword(password, user))) await this.resetPassword(login, password);
    if (user.disabled || !user.groups.includes(ADMINS))
      await this.update(login, { disabled: false, groups: [...new Set([...user.groups, ADMINS])] });
  }

  private get(login: string): KnownUser {
    const user = this.find(login);
    if (!user) throw userNotFound(login);
    return user;
  }

  private async write(
    type: string,
    { loginName, fullName, algorithm, salt, hash, disabled, groups }: User & { readonly revision?: number },
  ): Promise<void> {
    const { lastRevision } = this.log.stream(streamOf(loginName));
    const user: User = { loginName, fullName, algorithm, salt, hash, disabled, groups };
    const outcome = await this.writer.append(streamOf(loginName), lastRevision < 0 ? NO_STREAM : lastRevision, [
      event(type, Buffer.from(JSON.stringify(user)), true),
    ]);
    if (outcome.kind !== 'written')
      throw new Fault(status.ABORTED, `The stream of user '${loginName}' was written to by someone else. Try again.`);
  }

  private change(work: () => Promise<void>): Promise<void> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

const event = (type: string, data: Uint8Array, json: boolean): NewEvent => ({
  id: randomUUID(),
  type: Buffer.from(type),
  json,
  data,
  customMetadata: NO_BYTES,
});

/** An administrator may have written anything into the stream: invalid users are ignored. */
function readUser(record: LogRecord): User | undefined {
  const { loginName, fullName, algorithm, salt, hash, disabled, groups } = (parseObject(dataOf(record).toString('utf8')) ??
    {}) as Partial<User>;
  const texts = [loginName, fullName, salt, hash, ...(Array.isArray(groups) ? groups : [undefined])];
  if (algorithm !== 'scrypt' || typeof disabled !== 'boolean' || !texts.every((text) => typeof text === 'string')) return undefined;
  return { loginName, fullName, algorithm, salt, hash, disabled, groups } as User;
}
