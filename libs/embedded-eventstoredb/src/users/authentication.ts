import { createHmac, randomBytes } from 'node:crypto';
import { status, type Metadata } from '@grpc/grpc-js';
import type { Caller } from './access.js';
import { Fault, unauthenticated } from '../wire/faults.js';
import { isPassword, type PasswordHash } from './passwords.js';
import type { KnownUser, Users } from './users.js';

/** The most sign-ins waiting for a password check, each of which takes 40 ms of a core. */
const MOST_WAITING = 256;
const REMEMBERED = 1000;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=?)?$/;

/** For unknown logins: they must take as long as known ones. */
const NOBODY: PasswordHash = { algorithm: 'scrypt', salt: '', hash: Buffer.alloc(32).toString('base64') };

/**
 * Identifies callers by the `authorization` header. A correct password is cached under a keyed hash until its user changes, since checking
 * one is slow on purpose. They are checked one at a time, so that guessing keeps at most one core busy.
 */
export class Authentication {
  private readonly key = randomBytes(32);
  private readonly signedIn = new Map<string, { readonly login: string; readonly revision: number }>();
  private readonly checking = new Map<string, Promise<Caller>>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly users: Users) {}

  /**
   * The caller, or undefined without credentials of a known kind.
   * @throws Fault UNAUTHENTICATED, also as a rejection
   */
  identify(metadata: Metadata): Caller | undefined | Promise<Caller> {
    const [header] = metadata.get('authorization');
    const token = /^basic(?: +(.*))?$/i.exec(String(header ?? '').trim());
    if (!token) return undefined;
    const encoded = token[1] ?? '';
    if (encoded === '' || !BASE64.test(encoded))
      throw new Fault(status.UNKNOWN, 'The authorization header is not Basic base64(user:password).');
    const text = Buffer.from(encoded, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 0) return undefined;
    return this.remembered(encoded) ?? this.signIn(encoded, text.slice(0, colon), text.slice(colon + 1));
  }

  private remembered(encoded: string): Caller | undefined {
    const key = this.keyOf(encoded);
    const entry = this.signedIn.get(key);
    if (!entry) return undefined;
    const user = this.users.find(entry.login);
    if (user?.revision === entry.revision) return callerOf(user);
    this.signedIn.delete(key);
    return undefined;
  }

  /** Concurrent calls with the same credentials share one check. */
  private signIn(encoded: string, login: string, password: string): Promise<Caller> {
    const key = this.keyOf(encoded);
    const running = this.checking.get(key);
    if (running) return running;
    if (this.checking.size >= MOST_WAITING) throw new Fault(status.UNAVAILABLE, 'Too many users are signing in at once.');
    const check = this.last.then(() => this.check(key, login, password)).finally(() => this.checking.delete(key));
    this.checking.set(key, check);
    this.last = check.catch(() => undefined);
    return check;
  }

  private async check(key: string, login: string, password: string): Promise<Caller> {
    const user = this.users.find(login);
    const right = await isPassword(password, user ?? NOBODY);
    // The user may have changed meanwhile; then the next call is checked again.
    if (!user || !right || user.disabled) throw unauthenticated();
    this.signedIn.set(key, { login, revision: user.revision });
    if (this.signedIn.size > REMEMBERED) for (const oldest of this.signedIn.keys()) return (this.signedIn.delete(oldest), callerOf(user));
    return callerOf(user);
  }

  private keyOf(encoded: string): string {
    return createHmac('sha256', this.key).update(encoded).digest('base64');
  }
}

const callerOf = ({ loginName, groups }: KnownUser): Caller => ({ name: loginName, groups });
