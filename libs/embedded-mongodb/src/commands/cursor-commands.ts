import { Arr, Doc, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import type { Source } from '../execution/source.js';
import { fieldsOf, ok, paceOf, withOk, type Call, type Command, type Handler } from './call.js';
import { Cursor, cursorReply, DEFAULT_BATCH, Pace } from './cursors.js';
import { Fields, typeError } from './fields.js';
import { target } from './namespaces.js';
import { sessionOf } from './running.js';

export const listed = function* (docs: readonly Doc[]): Source {
  yield* docs;
};

export const cursorBatch = (cursor: Doc | undefined, name: string, byDefault = DEFAULT_BATCH, negative = 51024): number =>
  (cursor ? new Fields(`${name}.cursor`, cursor).only(['batchSize']).count('batchSize', negative) : undefined) ?? byDefault;

export const answerWithCursor = async (
  call: Call,
  namespace: string,
  snapshot: { close(): void },
  source: Source,
  batchSize: number,
  single: boolean,
  neverTimesOut = false,
): Promise<Doc> => {
  const maxTimeMS = fieldsOf(call).count('maxTimeMS');
  const cursor = new Cursor(
    namespace,
    source,
    () => snapshot.close(),
    { neverTimesOut, maxTimeMS },
    { session: sessionOf(call.command), user: call.connection.user?.user },
  );
  const { batch, more } = await cursor.next(batchSize, paceOf(call));
  if (!more || single) {
    cursor.close();
    return withOk(cursorReply(0n, namespace, 'firstBatch', batch));
  }
  return withOk(cursorReply(call.node.cursors.keep(cursor), namespace, 'firstBatch', batch));
};

const getMore: Handler = async (call) => {
  const { command, node, database } = call;
  const id = command.get('getMore');
  if (id === undefined || id === null) throw new ServerError(40414, `BSON field 'getMore.getMore' is missing but a required field`);
  if (typeof id !== 'bigint') throw typeError('getMore.getMore', id, 'long');
  const fields = fieldsOf(call);
  const name = fields.need(fields.string('collection'), 'collection');
  if (!name) throw new ServerError(73, `Invalid namespace specified '${database}.'`);
  const count = fields.count('batchSize', 2);
  const term = command.get('term') ?? null;
  if (term !== null && typeof term !== 'bigint') throw typeError('getMore.term', term, 'long');
  const cursor = node.cursors.find(id);
  if (!cursor) throw new ServerError(43, `cursor id ${id} not found`);
  const namespace = `${database}.${name}`;
  if (cursor.namespace !== namespace)
    throw new ServerError(
      13,
      `Requested getMore on namespace '${namespace}', but cursor belongs to a different namespace ${cursor.namespace}`,
    );
  if ((command.get('maxTimeMS') ?? null) !== null) throw badValue('cannot set maxTimeMS on getMore command for a non-awaitData cursor');
  if (cursor.busy) throw new ServerError(12051, `cursor id ${id} is already in use`);
  cursor.busy = true;
  try {
    const { batch, more } = await cursor.next(count || Infinity, new Pace(cursor.times.maxTimeMS, call.gone));
    if (!more) node.cursors.forget(id);
    else if (!node.cursors.find(id)) cursor.close();
    return withOk(cursorReply(more ? id : 0n, namespace, 'nextBatch', batch));
  } catch (error) {
    node.cursors.forget(id);
    throw error;
  } finally {
    cursor.busy = false;
    cursor.lastUsed = Date.now();
  }
};

const killCursors: Handler = (call) => {
  target(call);
  const fields = fieldsOf(call);
  const ids = fields.need(fields.array('cursors'), 'cursors').filter((id) => id !== null);
  const killed: Value[] = [];
  const missing: Value[] = [];
  for (const id of ids) if (typeof id !== 'bigint') throw typeError('killCursors.cursors', id, 'long');
  for (const id of ids as readonly bigint[]) (call.node.cursors.kill(id) ? killed : missing).push(id);
  return ok({ cursorsKilled: Arr.of(killed), cursorsNotFound: Arr.of(missing), cursorsAlive: Arr.empty, cursorsUnknown: Arr.empty });
};

export const cursorCommands: Readonly<Record<string, Command>> = {
  getMore: { fields: ['collection', 'batchSize', 'term', 'lastKnownCommittedOpTime'], run: getMore },
  killCursors: { fields: ['cursors'], run: killCursors },
};
