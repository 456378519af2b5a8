import { Arr, bsonTypeName, Doc, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { isNumber, isTrue, isWhole, numberOf } from '../bson/order.js';
import { withoutTime } from '../query/expressions/expressions.js';
import { compileFilter, parseFilter } from '../query/filter.js';
import { hostOf, ok, type Command, type Handler } from './call.js';
import { genericFields } from './generic-fields.js';
import type { Operation } from './running.js';

/** Commands whose contents no one else may see. */
const secret = new Set(['saslStart', 'saslContinue', 'authenticate', 'hello', 'isMaster', 'ismaster']);

const shown = (host: string, { id, connection, database, command, since, killed }: Operation): Doc => {
  const micros = BigInt(Math.round((performance.now() - since) * 1000));
  const name = command.firstKey;
  const target = command.values[0];
  return Doc.from({
    type: 'op',
    host,
    desc: `conn${connection}`,
    connectionId: connection,
    active: true,
    currentOpTime: new Date().toISOString(),
    // The number is an unsigned 32-bit one; BSON has only signed ones.
    opid: id | 0,
    secs_running: micros / 1_000_000n,
    microsecs_running: micros,
    op: name === 'find' ? 'query' : name === 'getMore' ? 'getmore' : 'command',
    ns: `${database}.${typeof target === 'string' ? target : '$cmd'}`,
    command: secret.has(name) ? Doc.of([name], [1]) : command,
    killPending: killed ? true : undefined,
  });
};

/** The running commands; additional fields are a query on them. */
const currentOp: Handler = (call) => {
  const { node, connection, command } = call;
  const conditions = command.keys.slice(1).filter((key) => !genericFields.has(key) && key !== '$all' && key !== '$ownOps');
  const matches = withoutTime(() =>
    compileFilter(
      parseFilter(
        Doc.of(
          conditions,
          conditions.map((key) => command.get(key) ?? null),
        ),
      ),
    ),
  );
  const own = isTrue(command.get('$ownOps') ?? null);
  const listed = node.running
    .list()
    .filter((operation) => !own || operation.user === connection.user?.user)
    .map((operation) => shown(hostOf(node), operation))
    .filter(matches);
  return ok({ inprog: Arr.of(listed) });
};

/** Total time of the commands on each collection since the node started. */
const top: Handler = (call) => {
  const { running, store } = call.node;
  const totals: Record<string, Value> = { note: 'all times in microseconds' };
  for (const [namespace, kinds] of running.usage()) {
    if (!store.catalog.collections.has(namespace)) continue;
    const of = (...names: readonly string[]): Doc => {
      const found = names.map((name) => kinds.get(name) ?? { time: 0, count: 0 });
      return Doc.from({
        time: BigInt(found.reduce((total, { time }) => total + time, 0)),
        count: BigInt(found.reduce((total, { count }) => total + count, 0)),
      });
    };
    const reads = ['queries', 'getmore', 'commands'];
    const writes = ['insert', 'update', 'remove'];
    totals[namespace] = Doc.from({
      total: of(...reads, ...writes),
      readLock: of(...reads),
      writeLock: of(...writes),
      ...Object.fromEntries(['queries', 'getmore', ...writes, 'commands'].map((name) => [name, of(name)])),
    });
  }
  return ok({ totals: Doc.from(totals) });
};

/** A killed command ends when it next yields. */
const killOp: Handler = (call) => {
  const op = call.command.get('op');
  if (op === undefined) throw new ServerError(4, 'Missing expected field "op"');
  if (!isNumber(op)) throw new ServerError(14, `Expected field "op" to have numeric type, but found ${bsonTypeName(op)}`);
  const id = numberOf(op);
  if (!isWhole(op)) throw badValue(`Expected field "op" to have a value exactly representable as a 64-bit integer, but found ${id}`);
  if (id < -(2 ** 31) || id >= 2 ** 32) throw new ServerError(26823, `invalid op : ${id}`);
  call.node.running.kill(id >>> 0);
  return ok({ info: 'attempting to kill op' });
};

export const operationCommands: Readonly<Record<string, Command>> = {
  currentOp: { fields: 'any', adminOnly: true, run: currentOp },
  killOp: { fields: 'any', adminOnly: true, run: killOp },
  top: { fields: 'any', adminOnly: true, run: top },
};
