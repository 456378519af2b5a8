import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isNumber, isTrue } from '../bson/order.js';
import { Arr, Binary, Doc, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { fieldsOf, ok, type Command, type Handler } from './call.js';
import { hmac, ITERATIONS, MECHANISM, SALT_BYTES, sha256, type Connection, type Verifier } from './credentials.js';
import { Fields, typeError } from './fields.js';

const refused = (): ServerError => new ServerError(18, 'Authentication failed.');

/** The attributes of a SCRAM message, in order: `n=user,r=nonce`. */
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

/** The server's first message: the user's salt, or a made-up one, so that clients cannot find out which users exist. */
const begin = (
  verifiers: readonly Verifier[],
  connection: Connection,
  database: string,
  fields: Fields,
): Readonly<Record<string, Value>> => {
  connection.conversation = undefined;
  const mechanism = fields.need(fields.string('mechanism'), 'mechanism');
  const payload = payloadOf(fields);
  if (mechanism !== MECHANISM) throw new ServerError(334, `Received authentication for mechanism ${mechanism} which is not enabled`);
  const match = /^([ny],(?:a=[^,]*)?,)(n=([^,]*),r=([^,]+)(?:,.*)?)$/s.exec(payload);
  if (!match) throw refused();
  const [, channel, clientFirstBare, name, clientNonce] = match as unknown as [string, string, string, string, string];
  const user = name.replace(/=2C/g, ',').replace(/=3D/g, '=');
  const [first] = verifiers;
  if (!first) throw refused();
  const verifier = database === 'admin' ? verifiers.find((one) => one.user === user) : undefined;
  const salt = verifier?.salt ?? createHmac('sha256', first.secret).update(`${database}.${user}`).digest().subarray(0, SALT_BYTES);
  const nonce = `${clientNonce}${randomBytes(24).toString('base64')}`;
  const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${ITERATIONS}`;
  const id = 1;
  connection.conversation = {
    id,
    step: 'proof',
    verifier,
    clientFirstBare,
    serverFirst,
    channel,
    nonce,
    skipEmpty: isTrue(fields.document('options')?.get('skipEmptyExchange') ?? false),
  };
  return message(id, false, serverFirst);
};

/** Checks the client's proof; the server's signature in the response proves the node to the client. */
const proceed = (connection: Connection, fields: Fields): Readonly<Record<string, Value>> => {
  const { conversation } = connection;
  // The exchange is over, whatever the error.
  connection.conversation = undefined;
  const asked = fields.need(fields.doc.get('conversationId'), 'conversationId');
  if (!isNumber(asked)) throw typeError('saslContinue.conversationId', asked, 'int');
  const text = payloadOf(fields);
  if (!conversation || asked !== conversation.id) throw new ServerError(17, 'No SASL session state found');
  if (conversation.step === 'empty') {
    if (text !== '') throw refused();
    connection.user = conversation.verifier;
    return message(conversation.id, true, '');
  }
  const { verifier, clientFirstBare, serverFirst, channel, nonce, skipEmpty, id } = conversation;
  const proofAt = text.lastIndexOf(',p=');
  const given = attributes(text.slice(0, Math.max(0, proofAt)));
  const proof = Buffer.from(proofAt < 0 ? '' : text.slice(proofAt + 3), 'base64');
  if (given.get('c') !== Buffer.from(channel).toString('base64') || given.get('r') !== nonce || proof.length !== 32 || !verifier)
    throw refused();
  const exchanged = `${clientFirstBare},${serverFirst},${text.slice(0, proofAt)}`;
  const signature = hmac(verifier.storedKey, exchanged);
  const clientKey = Buffer.from(proof.map((byte, at) => byte ^ (signature[at] as number)));
  if (!timingSafeEqual(sha256(clientKey), verifier.storedKey)) throw refused();
  if (skipEmpty) connection.user = verifier;
  else connection.conversation = { id, step: 'empty', verifier };
  return message(id, skipEmpty, `v=${hmac(verifier.serverKey, exchanged).toString('base64')}`);
};

const saslStart: Handler = (call) => ok(begin(call.node.verifiers, call.connection, call.database, new Fields('saslStart', call.command)));

const saslContinue: Handler = (call) => ok(proceed(call.connection, new Fields('saslContinue', call.command)));

/**
 * The parts of a handshake for authentication: the mechanisms, and the response to speculative authentication, which saves a round trip. If
 * that fails, it is left out, and the client starts over.
 */
export const handshakeOf = (
  verifiers: readonly Verifier[],
  connection: Connection,
  command: Doc,
): Readonly<Record<string, Value | undefined>> => {
  const asked = command.get('saslSupportedMechs');
  if (asked !== undefined && typeof asked !== 'string') throw badValue('saslSupportedMechs must be a string');
  const first = command.get('speculativeAuthenticate');
  let speculative: Doc | undefined;
  if (verifiers.length > 0 && first instanceof Doc && first.firstKey === 'saslStart') {
    const database = first.get('db');
    try {
      speculative = Doc.from(
        begin(verifiers, connection, typeof database === 'string' ? database : 'admin', new Fields('saslStart', first)),
      );
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
    }
  }
  return {
    saslSupportedMechs: verifiers.length > 0 && asked !== undefined ? Arr.of([MECHANISM]) : undefined,
    speculativeAuthenticate: speculative,
  };
};

const logout: Handler = ({ connection }) => {
  connection.user = undefined;
  return ok();
};

/** What a user may do, as a resource and actions on it. */
const privilegesOf = (user: Verifier | undefined): readonly Doc[] =>
  user === undefined
    ? []
    : user.reads === undefined
      ? [Doc.from({ resource: Doc.from({ anyResource: true }), actions: Arr.of(['anyAction']) })]
      : [
          Doc.from({
            resource: Doc.from({ db: user.reads, collection: '' }),
            actions: Arr.of(['collStats', 'dbStats', 'find', 'indexStats', 'killCursors', 'listCollections', 'listIndexes']),
          }),
        ];

const connectionStatus: Handler = (call) => {
  const { user } = call.connection;
  return ok({
    authInfo: Doc.from({
      authenticatedUsers: Arr.of(user === undefined ? [] : [Doc.from({ user: user.user, db: 'admin' })]),
      authenticatedUserRoles: Arr.of(
        user === undefined ? [] : [Doc.from(user.reads === undefined ? { role: 'root', db: 'admin' } : { role: 'read', db: user.reads })],
      ),
      authenticatedUserPrivileges: fieldsOf(call).boolean('showPrivileges') ? Arr.of(privilegesOf(user)) : undefined,
    }),
    uuid: new Binary(4, call.connection.uuid),
  });
};

export const authenticationCommands: Readonly<Record<string, Command>> = {
  saslStart: { fields: ['mechanism', 'payload', 'options', 'autoAuthorize', 'db'], run: saslStart },
  saslContinue: { fields: ['conversationId', 'payload'], run: saslContinue },
  logout: { fields: [], run: logout },
  connectionStatus: { fields: ['showPrivileges'], run: connectionStatus },
};
