import { Arr, Doc } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { failure } from '../wire/messages.js';
import { aggregateCommands } from './aggregate.js';
import { authenticationCommands } from './authentication.js';
import { ok, type Call, type Command, type Handler } from './call.js';
import { bulkWriteCommands } from './bulk-write.js';
import { collectionCommands } from './collections.js';
import { checkAuthorized, needsAuthentication } from './credentials.js';
import { cursorCommands } from './cursor-commands.js';
import { diagnosticCommands } from './diagnostics.js';
import { explainCommands } from './explain.js';
import { readCommands } from './find.js';
import { operationCommands } from './operations.js';
import { checkGeneric, knows, versionOne } from './generic-fields.js';
import { indexCommands } from './indexes.js';
import { sessionCommands } from './sessions.js';
import { writeCommands } from './writes.js';

const commands: Readonly<Record<string, Command>> = {
  ...authenticationCommands,
  ...diagnosticCommands,
  ...collectionCommands,
  ...indexCommands,
  ...readCommands,
  ...aggregateCommands,
  ...explainCommands,
  ...cursorCommands,
  ...writeCommands,
  ...bulkWriteCommands,
  ...operationCommands,
  ...sessionCommands,
  listCommands: { fields: [], run: (call) => listCommands(call) },
};

const listCommands: Handler = () =>
  ok({
    commands: Doc.from(
      Object.fromEntries(
        Object.keys(commands)
          .sort()
          .map((name) => [name, describe(name)]),
      ),
    ),
  });

const describe = (name: string): Doc =>
  Doc.from({
    help: '',
    requiresAuth: needsAuthentication(name),
    secondaryOk: !counterOf[name] || counterOf[name] === 'query' || counterOf[name] === 'getmore',
    adminOnly: commands[name]?.adminOnly ?? false,
    apiVersions: Arr.of(versionOne.has(name) ? ['1'] : []),
    deprecatedApiVersions: Arr.empty,
  });

/** Alternative spellings of commands. */
const aliases: Readonly<Record<string, string>> = {
  isMaster: 'hello',
  ismaster: 'hello',
  buildinfo: 'buildInfo',
  findandmodify: 'findAndModify',
  collstats: 'collStats',
  dbstats: 'dbStats',
  deleteIndexes: 'dropIndexes',
};

const counterOf: Readonly<Record<string, string>> = {
  find: 'query',
  getMore: 'getmore',
  insert: 'insert',
  update: 'update',
  delete: 'delete',
};
const commandOf = (name: string): Command | undefined => {
  const known = aliases[name] ?? name;
  return Object.hasOwn(commands, known) ? commands[known] : undefined;
};

const checkFields = ({ keys }: Doc, command: Command | undefined): void => {
  for (const key of keys.slice(1))
    if (command && !knows(command, key)) throw new ServerError(40415, `BSON field '${keys[0]}.${key}' is an unknown field.`);
};

/**
 * Runs a command and sends its response, which may be an error.
 * An error other than a ServerError is a fault of this node: it is reported as 1 InternalError and does not affect other commands.
 */
export const runCommand = async (call: Call): Promise<Doc> => {
  const name = call.command.keys[0];
  const operation = call.node.running.begin(call.connection, call.database, call.command);
  try {
    if (name === undefined) throw new ServerError(59, "no such command: ''");
    const known = aliases[name] ?? name;
    const command = commandOf(name);
    if (!command) throw new ServerError(59, `no such command: '${name}'`);
    checkAuthorized(call.node.verifiers, call.connection, known, call.database, call.command);
    call.node.counters.set(counterOf[known] ?? 'command', (call.node.counters.get(counterOf[known] ?? 'command') ?? 0) + 1);
    checkFields(call.command, command);
    const explained = known === 'explain' ? call.command.values[0] : undefined;
    if (explained instanceof Doc) checkFields(explained, commandOf(explained.firstKey));
    checkGeneric(call.command);
    if (command.adminOnly && call.database !== 'admin') throw new ServerError(13, `${known} may only be run against the admin database.`);
    return await command.run({ ...call, gone: () => operation.killed || call.gone() });
  } catch (error) {
    if (error instanceof ServerError) return failure(error);
    if (error instanceof RangeError && /call stack/i.test(error.message))
      return failure(new ServerError(15, 'the command nests too deeply'));
    return failure(new ServerError(1, `an unexpected error: ${error instanceof Error ? error.message : String(error)}`));
  } finally {
    call.node.running.end(operation);
  }
};
