import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { Arr, Binary, Doc, type Value } from './bson-values.js';
import { ok, Fields, type Command, type Handler } from './call.js';
import { badValue, ServerError } from './errors.js';
import { isTrue } from './expressions.js';

/** The one user of the node; its database is `admin`. */
export type Credentials = { readonly user: string; readonly password: string };

const MECHANISM = 'SCRAM-SHA-256';
/** The server's default for SCRAM-SHA-256. */
const ITERATIONS = 15_000;
const SALT_BYTES = 28;

/** What the node knows of its user: enough to check a proof, not enough to make one (RFC 5802, 3). */
export type Verifier = {
  readonly user: string;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  /** Makes up salts for users that there are not. */ readonly secret: Buffer;
};

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** A password as both sides hash it: SASLprep (RFC 4013) without its check of unassigned code points. */
const prepared = (password: string): string =>
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
type Conversation =
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

const refused = (): ServerError => new ServerError(18, 'Authentication failed.');

/** The attributes of a SCRAM message, in their order: `n=user,r=nonce`. */
const attributes = (text: string): ReadonlyMap<string, string> => new Map(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));

const payloadOf = (fields: Fields): string => {
  const payload = fields.need(fields.doc.get('payload'), 'payload');
  if (payload instanceof Binary) return payload.bytes.toString('utf8');
  if (typeof payload === 'string') return Buffer.from(payload, 'base64').toString('utf8');
  throw new ServerError(14, `BSON field '${fields.name}.payload' is the wrong type, expected type 'binData'`);
};

const message = (id: number, done: boolean, text: string): Readonly<Record<string, Value>> => ({
  conversationId: id,
  done,
  payload: new Binary(0, Buffer.from(text)),
});

/** The server's first message: the salt of the user, or one made up, so that nobody learns which users there are. */
const begin = (
  verifier: Verifier | undefined,
  connection: Connection,
  database: string,
  fields: Fields,
): Readonly<Record<string, Value>> => {
  connection.conversation = undefined;
  const mechanism = fields.need(fields.string('mechanism'), 'mechanism');
  if (mechanism !== MECHANISM) throw new ServerError(334, `Received authentication for mechanism ${mechanism} which is not enabled`);
  const match = /^([ny],(?:a=[^,]*)?,)(n=([^,]*),r=([^,]+)(?:,.*)?)$/s.exec(payloadOf(fields));
  if (!match) throw refused();
  const [, channel, clientFirstBare, name, clientNonce] = match as unknown as [string, string, string, string, string];
  const user = name.replace(/=2C/g, ',').replace(/=3D/g, '=');
  const known = verifier !== undefined && database === 'admin' && user === verifier.user;
  if (!verifier) throw refused();
  const salt = known ? verifier.salt : createHmac('sha256', verifier.secret).update(`${database}.${user}`).digest().subarray(0, SALT_BYTES);
  const nonce = `${clientNonce}${randomBytes(24).toString('base64')}`;
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${ITERATIONS}`;
  const id = 1;
  connection.conversation = {
    id,
    step: 'proof',
    known,
    clientFirstBare,
    serverFirst,
    channel,
    nonce,
    skipEmpty: isTrue(fields.document('options')?.get('skipEmptyExchange') ?? false),
  };
  return message(id, false, serverFirst);
};

/** Checks the client's proof; the server's signature in the answer proves the node to the client. */
const proceed = (verifier: Verifier | undefined, connection: Connection, fields: Fields): Readonly<Record<string, Value>> => {
  const { conversation } = connection;
  // Whatever goes wrong, the exchange is over.
  connection.conversation = undefined;
  if (!conversation || !verifier || fields.doc.get('conversationId') !== conversation.id)
    throw new ServerError(17, 'No SASL session state found');
  const text = payloadOf(fields);
  if (conversation.step === 'empty') {
    if (text !== '') throw refused();
    connection.user = verifier.user;
    return message(conversation.id, true, '');
  }
  const { known, clientFirstBare, serverFirst, channel, nonce, skipEmpty, id } = conversation;
  const proofAt = text.lastIndexOf(',p=');
  const given = attributes(text.slice(0, Math.max(0, proofAt)));
  const proof = Buffer.from(proofAt < 0 ? '' : text.slice(proofAt + 3), 'base64');
  if (given.get('c') !== Buffer.from(channel).toString('base64') || given.get('r') !== nonce || proof.length !== 32) throw refused();
  const exchanged = `${clientFirstBare},${serverFirst},${text.slice(0, proofAt)}`;
  const signature = hmac(verifier.storedKey, exchanged);
  const clientKey = Buffer.from(proof.map((byte, at) => byte ^ (signature[at] as number)));
  if (!timingSafeEqual(sha256(clientKey), verifier.storedKey) || !known) throw refused();
  if (skipEmpty) connection.user = verifier.user;
  else connection.conversation = { id, step: 'empty' };
  return message(id, skipEmpty, `v=${hmac(verifier.serverKey, exchanged).toString('base64')}`);
};

const saslStart: Handler = (call) => ok(begin(call.node.verifier, call.connection, call.database, new Fields('saslStart', call.command)));

const saslContinue: Handler = (call) => ok(proceed(call.node.verifier, call.connection, new Fields('saslContinue', call.command)));

/**
 * The parts of a handshake that are about signing in: the mechanisms, and the answer to a first message that came along
 * to save a way there and back. One that cannot be served is left out, and the client begins anew.
 */
export const handshakeOf = (
  verifier: Verifier | undefined,
  connection: Connection,
  command: Doc,
): Readonly<Record<string, Value | undefined>> => {
  const asked = command.get('saslSupportedMechs');
  if (asked !== undefined && typeof asked !== 'string') throw badValue('saslSupportedMechs must be a string');
  const first = command.get('speculativeAuthenticate');
  let speculative: Doc | undefined;
  if (verifier && first instanceof Doc && first.firstKey === 'saslStart') {
    const database = first.get('db');
    try {
      speculative = Doc.from(
        begin(verifier, connection, typeof database === 'string' ? database : 'admin', new Fields('saslStart', first)),
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
    }
  }
  return { saslSupportedMechs: verifier && asked !== undefined ? Arr.of([MECHANISM]) : undefined, speculativeAuthenticate: speculative };
};

const logout: Handler = ({ connection }) => {
  connection.user = undefined;
  return ok();
};

const connectionStatus: Handler = ({ connection: { user } }) =>
  ok({
    authInfo: Doc.from({
      authenticatedUsers: Arr.of(user === undefined ? [] : [Doc.from({ user, db: 'admin' })]),
      authenticatedUserRoles: Arr.of(user === undefined ? [] : [Doc.from({ role: 'root', db: 'admin' })]),
    }),
  });

/** What a client may ask before it has signed in. */
const open = new Set([
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

export const authenticationCommands: Readonly<Record<string, Command>> = {
  saslStart: { fields: ['mechanism', 'payload', 'options', 'autoAuthorize', 'db'], run: saslStart },
  saslContinue: { fields: ['conversationId', 'payload'], run: saslContinue },
  logout: { fields: [], run: logout },
  connectionStatus: { fields: ['showPrivileges'], run: connectionStatus },
};
