import { newUuid } from '../bson/uuid.js';
import { Binary, Doc, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { fieldsOf, ok, type Call, type Command, type Handler } from './call.js';
import { Fields, typeError } from './fields.js';

export const SESSION_MINUTES = 30;

const startSession: Handler = () => ok({ id: Doc.from({ id: new Binary(4, newUuid()) }), timeoutMinutes: SESSION_MINUTES });

/** Ends the cursors and the commands of sessions. */
const end = ({ node }: Call, isMeant: (session: string, user: string | undefined) => boolean): Doc => {
  node.cursors.killSessions(isMeant);
  node.running.killSessions(isMeant);
  return ok();
};

/** The elements of a command's main field; null ones are ignored. */
const partsOf = (call: Call, keys: readonly string[]): readonly Fields[] => {
  const fields = fieldsOf(call);
  const name = call.command.firstKey;
  return fields
    .need(fields.array(name), name)
    .filter((part) => part !== null)
    .map((part: Value, index) => {
      if (!(part instanceof Doc)) throw typeError(`${name}.${index}`, part, 'object');
      return new Fields(`${name}.${index}`, part).only(keys);
    });
};

const sessionsIn = (call: Call): readonly string[] =>
  partsOf(call, ['id', 'uid']).map((part) => part.need(part.uuid('id'), 'id').toString('hex'));

/** Ends sessions of the client's own user. */
const killSessions: Handler = (call) => {
  const ids = sessionsIn(call);
  const own = call.connection.user?.user;
  return end(call, (session, user) => user === own && ids.includes(session));
};

/** Sessions have no state except their cursors, which have their own timeouts. */
const checkSessions: Handler = (call) => {
  sessionsIn(call);
  return ok();
};

/** Ends the sessions of some users, or of all if none are named. */
const killAllSessions: Handler = (call) => {
  const users = partsOf(call, ['user', 'db']).map((part) => ({
    user: part.need(part.string('user'), 'user'),
    database: part.need(part.string('db'), 'db'),
  }));
  return end(call, (_, name) => !users.length || users.some(({ user, database }) => user === name && database === 'admin'));
};

/** There are no transactions: a client that tries to end one gets an error. */
const endTransaction =
  (name: string): Handler =>
  () => {
    throw new ServerError(125, `${name} must be run within a transaction`);
  };

export const sessionCommands: Readonly<Record<string, Command>> = {
  startSession: { fields: 'any', run: startSession },
  refreshSessions: { fields: 'any', run: checkSessions },
  endSessions: { fields: 'any', run: checkSessions },
  killSessions: { fields: 'any', run: killSessions },
  killAllSessions: { fields: 'any', run: killAllSessions },
  abortTransaction: { fields: ['recoveryToken'], adminOnly: true, run: endTransaction('abortTransaction') },
  commitTransaction: { fields: ['recoveryToken'], adminOnly: true, run: endTransaction('commitTransaction') },
};
