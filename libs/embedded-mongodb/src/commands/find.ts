import { compareValues, equalValues, isNumber, numberOf } from '../bson/order.js';
import { splitPath, visitPath } from '../bson/paths.js';
import { Arr, Doc, encode, MAX_DOCUMENT_BYTES, type Value } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { choosePlan, countByIndex, countUse } from '../execution/planner.js';
import { withCollation } from '../query/collation.js';
import { withoutTime } from '../query/expressions/expressions.js';
import { parseFilter } from '../query/filter.js';
import { compileProjection } from '../query/transformations.js';
import { statisticsOf } from '../storage/store.js';
import { fieldsOf, letOf, now, ok, paceOf, type Command, type Handler } from './call.js';
import { answerWithCursor } from './cursor-commands.js';
import { DEFAULT_BATCH, drain } from './cursors.js';
import { typeError } from './fields.js';
import { checkCollectionUuid, collationFor, collectionOf, target } from './namespaces.js';
import { empty, findSource, hintOf, naturalOrder, scopeOf, spaceOf, type FindSpec } from './reading.js';

const FLAGS = [
  'allowPartialResults',
  'awaitData',
  'noCursorTimeout',
  'oplogReplay',
  'returnKey',
  'showRecordId',
  'singleBatch',
  'tailable',
] as const;

const find: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  checkCollectionUuid(call.node.store, call.database, name, fields.uuid('collectionUUID'));
  const collation = collationFor(call, name, fields);
  for (const key of FLAGS) fields.strictFlag(key);
  for (const key of ['returnKey', 'showRecordId', 'min', 'max'] as const)
    fields.refuse(key, (value) => value === false || (value instanceof Doc && !value.size));
  if (fields.flag('tailable')) throw badValue('error processing query: tailable cursor requested on non capped collection');
  if (fields.flag('awaitData')) throw failedToParse('Cannot set awaitData without tailable');
  const space = spaceOf(call, fields);
  const variables = letOf(fields);
  const projection = fields.document('projection');
  const [filter, sort] = withCollation(collation, () => {
    const query = parseFilter(fields.document('filter') ?? Doc.empty, variables);
    const order = naturalOrder(fields.document('sort'));
    if (projection?.size) compileProjection(projection, { filter: query, variables });
    return [query, order] as const;
  });
  const spec: FindSpec = {
    filter,
    sort,
    skip: fields.count('skip') ?? 0,
    limit: fields.count('limit') ?? 0,
    projection,
    variables,
    hint: hintOf(fields),
  };
  const batchSize = fields.count('batchSize') ?? DEFAULT_BATCH;
  const single = fields.flag('singleBatch');
  const snapshot = call.node.store.snapshot();
  try {
    const source = collectionOf(snapshot, call.database, name)
      ? findSource(scopeOf(call, snapshot, collation, space), name, spec)
      : empty();
    return await answerWithCursor(call, `${call.database}.${name}`, snapshot, source, batchSize, single, fields.flag('noCursorTimeout'));
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

const count: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  checkCollectionUuid(call.node.store, call.database, name, fields.uuid('collectionUUID'));
  const collation = collationFor(call, name, fields);
  const filter = withoutTime(() => withCollation(collation, () => parseFilter(fields.document('query') ?? Doc.empty)));
  const given = call.command.get('limit') ?? 0;
  if (!isNumber(given)) throw typeError('count.limit', given, 'long');
  const limit = Math.abs(numberOf(given)) || Infinity;
  const skip = fields.count('skip') ?? 0;
  const snapshot = call.node.store.snapshot();
  try {
    const collection = collectionOf(snapshot, call.database, name);
    if (collection?.view && call.command.has('limit') && limit === Infinity) throw new ServerError(15958, 'the limit must be positive');
    let total = 0;
    if (collection) {
      const plan = collection.view ? undefined : choosePlan(snapshot, collection, filter, [], hintOf(fields));
      const known = plan && countByIndex(snapshot, plan);
      if (plan && known !== undefined) {
        countUse(snapshot, plan);
        total = known;
      } else if (!collection.view && filter.op === 'always' && filter.value && !fields.doc.has('hint'))
        total = statisticsOf(snapshot, collection).documents;
      else {
        const scope = scopeOf(call, snapshot, collation);
        const spec = { filter, sort: [], skip: 0, limit: 0, projection: undefined, variables: { NOW: now() }, hint: hintOf(fields) };
        await drain(findSource(scope, name, spec), paceOf(call), () => void total++);
      }
    }
    return ok({ n: Math.min(limit, Math.max(0, total - skip)) });
  } finally {
    snapshot.close();
  }
};

const distinct: Handler = async (call) => {
  const name = target(call);
  const fields = fieldsOf(call);
  checkCollectionUuid(call.node.store, call.database, name, fields.uuid('collectionUUID'));
  const collation = collationFor(call, name, fields);
  const texts = collation?.compare;
  const path = fields.need(call.command.get('key') ?? undefined, 'key');
  if (typeof path !== 'string') throw typeError('distinct.key', path, 'string');
  if (path.includes('\0')) throw new ServerError(31032, 'Key field cannot contain an embedded null byte');
  const filter = withoutTime(() => withCollation(collation, () => parseFilter(fields.document('query') ?? Doc.empty)));
  const parts = splitPath(path);
  const snapshot = call.node.store.snapshot();
  try {
    const collection = collectionOf(snapshot, call.database, name);
    let found: Value[] = [];
    let bytes = 0;
    const settle = (): void => {
      found = found
        .toSorted((a, b) => compareValues(a, b, texts))
        .filter((value, index, sorted) => index === 0 || !equalValues(value, sorted[index - 1], texts));
    };
    if (collection) {
      let next = 1000;
      await drain(
        findSource(scopeOf(call, snapshot, collation), name, {
          filter,
          sort: [],
          skip: 0,
          limit: 0,
          projection: undefined,
          variables: { NOW: now() },
          hint: hintOf(fields),
        }),
        paceOf(call),
        (doc) => {
          visitPath(doc, parts, 0, false, (value) => {
            if (value instanceof Arr) for (const one of value.values) found.push(one);
            else if (value !== undefined) found.push(value);
            return false;
          });
          if (found.length > next) {
            settle();
            next = found.length * 2 + 1000;
          }
        },
      );
      settle();
    }
    for (const value of found) bytes += encode(Doc.of(['v'], [value])).length;
    if (bytes > MAX_DOCUMENT_BYTES) throw new ServerError(17217, 'distinct too big, 16mb cap');
    return ok({ values: Arr.of(found) });
  } finally {
    snapshot.close();
  }
};

export const readCommands: Readonly<Record<string, Command>> = {
  find: {
    fields: [
      'filter',
      'sort',
      'projection',
      'hint',
      'skip',
      'limit',
      'batchSize',
      'singleBatch',
      'max',
      'min',
      'returnKey',
      'showRecordId',
      'tailable',
      'oplogReplay',
      'noCursorTimeout',
      'awaitData',
      'allowPartialResults',
      'collation',
      'allowDiskUse',
      'let',
      'collectionUUID',
    ],
    run: find,
  },
  count: { fields: ['query', 'limit', 'skip', 'hint', 'collation', 'fields', 'collectionUUID'], run: count },
  distinct: { fields: ['key', 'query', 'collation', 'hint', 'collectionUUID'], run: distinct },
};
