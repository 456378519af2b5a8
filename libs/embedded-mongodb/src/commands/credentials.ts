import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { Arr, Doc } from '../bson/values.js';
import { ServerError } from '../errors.js';

/** A user of the node; its database is `admin`. */
export type Credentials = { readonly user: string; readonly password: string };

/** A user who may read one database and nothing else. */
export type ReaderCredentials = Credentials & { readonly database: string };

export const MECHANISM = 'SCRAM-SHA-256';

/** The server's default for SCRAM-SHA-256. */
export const ITERATIONS = 15_000;

export const SALT_BYTES = 28;

/** What the node stores of a user: enough to check a proof, not enough to create one (RFC 5802, 3). */
export type Verifier = {
  readonly user: string;
  /** The only database that the user may read; undefined: the user may do everything. */
  readonly reads: string | undefined;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  /** Makes up salts for unknown users. */ readonly secret: Buffer;
};

export const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** A password as hashed by both sides: SASLprep (RFC 4013) without its check of unassigned code points. */
export const prepared = (password: string): string =>
  password
    .replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/g, '')
    .replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' ')
    .normalize('NFKC');

/** Whether it is possible to sign in with these: a name, and a password without control characters or lone surrogates. */
export const areUsable = ({ user, password }: Credentials): boolean =>
  user !== '' && prepared(password) !== '' && !/[\p{Cc}\p{Co}\p{Cs}]/u.test(user + prepared(password));

export const verifierOf = async ({ user, password, database }: Credentials & Partial<ReaderCredentials>): Promise<Verifier> => {
  const salt = randomBytes(SALT_BYTES);
  const salted = await new Promise<Buffer>((resolve, reject) =>
    pbkdf2(prepared(password), salt, ITERATIONS, 32, 'sha256', (error, key) => (error ? reject(error) : resolve(key))),
  );
  return {
    user,
    reads: database,
    salt,
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
    secret: randomBytes(32),
  };
};

/** One SCRAM exchange: until the server's first message, or until its last one if the client wants an empty one to follow. */
export type Conversation =
  | {
      readonly id: number;
      readonly step: 'proof';
      /** Undefined for an unknown user. */
      readonly verifier: Verifier | undefined;
      readonly clientFirstBare: string;
      readonly serverFirst: string;
      readonly channel: string;
      readonly nonce: string;
      readonly skipEmpty: boolean;
    }
  | { readonly id: number; readonly step: 'empty'; readonly verifier: Verifier };

/** What identifies a connection. */
export type Connection = {
  readonly id: number;
  readonly uuid: Buffer;
  /** Address and port of the client. */
  readonly peer: string;
  user: Verifier | undefined;
  conversation: Conversation | undefined;
};

/** Commands available before signing in. */
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

/** Commands available to a user who may only read one database. */
const reads = new Set([
  'find',
  'getMore',
  'killCursors',
  'aggregate',
  'count',
  'distinct',
  'listCollections',
  'listIndexes',
  'collStats',
  'dbStats',
]);

const sessions = new Set(['startSession', 'refreshSessions', 'killSessions']);

/** @throws ServerError 13 Unauthorized */
export const checkAuthorized = (
  verifiers: readonly Verifier[],
  { user }: Connection,
  command: string,
  database: string,
  body: Doc,
): void => {
  if (verifiers.length === 0 || open.has(command)) return;
  if (user === undefined) throw new ServerError(13, `Command ${command} requires authentication`);
  if (user.reads === undefined || sessions.has(command)) return;
  const explained = command === 'explain' ? body.values[0] : undefined;
  const asked = explained instanceof Doc ? explained : body;
  const name = asked === body ? command : asked.firstKey;
  if (database !== user.reads || !reads.has(name) || writes(asked))
    throw new ServerError(
      13,
      `not authorized on ${database} to execute command ${name}: ${user.user} may read ${user.reads} and nothing else`,
    );
};

/** Whether a pipeline has a stage that writes. */
const writes = (command: Doc): boolean => {
  const pipeline = command.get('pipeline');
  return pipeline instanceof Arr && pipeline.values.some((stage) => stage instanceof Doc && ['$out', '$merge'].includes(stage.firstKey));
};
