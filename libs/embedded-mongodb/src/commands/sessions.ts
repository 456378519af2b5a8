import { randomUUID } from 'node:crypto';
import { Binary, Doc, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { fieldsOf, ok, type Call, type Command, type Handler } from './call.js';
import { Fields, typeError } from './fields.js';
import { sessionOf } from './running.js';

export const SESSION_MINUTES = 30;

const startSession: Handler = () =>
  ok({ id: Doc.from({ id: new Binary(4, Buffer.from(randomUUID().replaceAll('-', ''), 'hex')) }), timeoutMinutes: SESSION_MINUTES });

/** Ends the cursors and the commands of sessions. */
const end = ({ node }: Call, isMeant: (session: string, user: string | undefined) => boolean): Doc => {
  node.cursors.killSessions(isMeant);
  node.running.killSessions(isMeant);
  return ok();
};

/** Ends sessions of the client's own user. */
const killSessions: Handler = (call) => {
  const fields = fieldsOf(call);
  const ids = fields.need(fields.documents('killSessions'), 'killSessions').map((session, index) => {
    const part = new Fields(`killSessions.${index}`, session).only(['id', 'uid']);
    const id = part.need(session.get('id') ?? undefined, 'id');
    if (!(id instanceof Binary) || id.subtype !== 4) throw typeError(`killSessions.${index}.id`, id, 'binData');
    if (id.bytes.length !== 16) throw new ServerError(207, 'uuid must be a 16-byte binary field with UUID (4) subtype');
    return sessionOf(Doc.from({ lsid: Doc.from({ id }) }));
  });
  const own = call.connection.user?.user;
  return end(call, (session, user) => user === own && ids.includes(session));
};

/** Ends the sessions of some users, or of all where it names none. */
const killAllSessions: Handler = (call) => {
  const fields = fieldsOf(call);
  const given = fields.need(fields.array('killAllSessions'), 'killAllSessions').filter((user) => user !== null);
  const users = given.map((user: Value, index) => {
    if (!(user instanceof Doc)) throw typeError(`killAllSessions.${index}`, user, 'object');
    const part = new Fields(`killAllSessions.${index}`, user).only(['user', 'db']);
    return { user: part.need(part.string('user'), 'user'), database: part.need(part.string('db'), 'db') };
  });
  return end(call, (_, name) => !users.length || users.some(({ user, database }) => user === name && database === 'admin'));
};

/** There are no transactions: a client that has none to end is told so. */
const endTransaction =
  (name: string): Handler =>
  () => {
    throw new ServerError(125, `${name} must be run within a transaction`);
  };

export const sessionCommands: Readonly<Record<string, Command>> = {
  startSession: { fields: 'any', run: startSession },
  refreshSessions: { fields: [], run: () => ok() },
  endSessions: { fields: [], run: () => ok() },
  killSessions: { fields: [], run: killSessions },
  killAllSessions: { fields: 'any', run: killAllSessions },
  abortTransaction: { fields: ['recoveryToken'], adminOnly: true, run: endTransaction('abortTransaction') },
  commitTransaction: { fields: ['recoveryToken'], adminOnly: true, run: endTransaction('commitTransaction') },
};
