import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { ServerError } from '../errors.js';

/** The one user of the node; its database is `admin`. */
export type Credentials = { readonly user: string; readonly password: string };

export const MECHANISM = 'SCRAM-SHA-256';

/** The server's default for SCRAM-SHA-256. */
export const ITERATIONS = 15_000;

export const SALT_BYTES = 28;

/** What the node knows of its user: enough to check a proof, not enough to make one (RFC 5802, 3). */
export type Verifier = {
  readonly user: string;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  /** Makes up salts for users that there are not. */ readonly secret: Buffer;
};

export const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** A password as both sides hash it: SASLprep (RFC 4013) without its check of unassigned code points. */
export const prepared = (password: string): string =>
  password
    .replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/g, '')
    .replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' ')
    .normalize('NFKC');

/** Whether somebody could sign in with these: a name, and a password without control characters or lone surrogates. */
export const areUsable = ({ user, password }: Credentials): boolean =>
  user !== '' && prepared(password) !== '' && !/[\p{Cc}\p{Co}\p{Cs}]/u.test(user + prepared(password));

export const verifierOf = async ({ user, password }: Credentials): Promise<Verifier> => {
  const salt = randomBytes(SALT_BYTES);
  const salted = await new Promise<Buffer>((resolve, reject) =>
    pbkdf2(prepared(password), salt, ITERATIONS, 32, 'sha256', (error, key) => (error ? reject(error) : resolve(key))),
  );
  return { user, salt, storedKey: sha256(hmac(salted, 'Client Key')), serverKey: hmac(salted, 'Server Key'), secret: randomBytes(32) };
};

/** One SCRAM exchange: after the server's first message, or after its last where the client wants an empty one to follow. */
export type Conversation =
  | {
      readonly id: number;
      readonly step: 'proof';
      readonly known: boolean;
      readonly clientFirstBare: string;
      readonly serverFirst: string;
      readonly channel: string;
      readonly nonce: string;
      readonly skipEmpty: boolean;
    }
  | { readonly id: number; readonly step: 'empty' };

/** What a connection is known by. */
export type Connection = { readonly id: number; user: string | undefined; conversation: Conversation | undefined };

/** What a client may ask before it has signed in. */
export const open = new Set([
  'hello',
  'saslStart',
  'saslContinue',
  'logout',
  'connectionStatus',
  'ping',
  'buildInfo',
  'whatsmyuri',
  'endSessions',
  'listCommands',
]);

export const needsAuthentication = (command: string): boolean => !open.has(command);

/** @throws ServerError 13 Unauthorized */
export const checkAuthorized = (verifier: Verifier | undefined, connection: Connection, command: string): void => {
  if (verifier && connection.user === undefined && needsAuthentication(command))
    throw new ServerError(13, `Command ${command} requires authentication`);
};
