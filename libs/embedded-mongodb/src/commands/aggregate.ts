import { isNumber, numberOf } from '../bson/order.js';
import { Arr, Doc, type Value } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import { withCollation } from '../query/collation.js';
import { withVariables } from '../query/expressions/expressions.js';
import { fieldsOf, letOf, paceOf, withOk, type Command, type Handler } from './call.js';
import { answerWithCursor, cursorBatch } from './cursor-commands.js';
import { cursorReply } from './cursors.js';
import { explainCommand } from './explain.js';
import { checkCollectionUuid, collationFor, target } from './namespaces.js';
import { parseTarget } from './output.js';
import { hintOf, runPipeline, scopeOf, spaceOf } from './reading.js';
import { bypass } from './validation.js';

/** The name reported for a pipeline without a collection. */
const COLLECTIONLESS = '$cmd.aggregate';

const aggregate: Handler = async (call) => {
  const { node, database, command } = call;
  const fields = fieldsOf(call);
  const on = command.get('aggregate');
  if (isNumber(on) && numberOf(on) !== 1)
    throw badValue("Invalid command format: the 'aggregate' field must specify a collection name or 1");
  const pipeline = fields.need(command.get('pipeline'), 'pipeline');
  const cursorSpec = fields.document('cursor');
  if (fields.boolean('explain')) return explainCommand(call, 'queryPlanner');
  if (!cursorSpec) throw failedToParse("The 'cursor' option is required, except for aggregate with the explain argument");
  const batchSize = cursorBatch(cursorSpec, 'aggregate');
  const bypassed = bypass(fields);
  const variables = letOf(fields);
  if (!(pipeline instanceof Arr)) throw new ServerError(14, `'pipeline' option must be specified as an array`);
  const last = pipeline.values.at(-1);
  const lastName = last instanceof Doc ? last.keys[0] : undefined;
  const first = pipeline.values[0];
  const firstName = first instanceof Doc ? first.keys[0] : undefined;
  if (on === COLLECTIONLESS) throw new ServerError(73, `Invalid collection name: ${COLLECTIONLESS}`);
  const name = isNumber(on) ? COLLECTIONLESS : target(call);
  const uuid = fields.uuid('collectionUUID');
  if (uuid && isNumber(on)) throw new ServerError(4928901, 'collectionUUID is not supported where no collection is named');
  checkCollectionUuid(node.store, database, name, uuid);
  const collation = collationFor(call, name, fields);
  const compile = <Result>(work: () => Result): Result => withCollation(collation, () => withVariables(Object.keys(variables), work));
  const target_ =
    lastName === '$merge' || lastName === '$out'
      ? withCollation(collation, () => parseTarget(lastName, (last as Doc).values[0] as Value, database, variables))
      : undefined;
  const collectionless = firstName === '$documents';
  if (collectionless && !isNumber(on))
    throw new ServerError(73, `{aggregate: 1} is not valid for '$documents'; a collection must not be named`);
  const body = Arr.of(target_ ? pipeline.values.slice(0, -1) : pipeline.values);
  const compiled = compile(() => compilePipeline(body, { depth: isNumber(on) ? null : 0 }));
  if (isNumber(on) && !collectionless)
    throw new ServerError(73, `{aggregate: 1} is not valid for '${String(firstName)}'; a collection is required.`);
  const space = spaceOf(call, fields);
  const snapshot = node.store.snapshot();
  const scope = scopeOf(call, snapshot, collation, space);
  try {
    const source = runPipeline(scope, name, compiled, variables, 0, hintOf(fields));
    if (!target_) return await answerWithCursor(call, `${database}.${name}`, snapshot, source, batchSize, false);
    await target_(node, source, paceOf(call), bypassed);
    snapshot.close();
    return withOk(cursorReply(0n, `${database}.${name}`, 'firstBatch', []));
  } catch (error) {
    snapshot.close();
    throw error;
  }
};

export const aggregateCommands: Readonly<Record<string, Command>> = {
  aggregate: {
    fields: ['pipeline', 'cursor', 'explain', 'allowDiskUse', 'bypassDocumentValidation', 'collation', 'hint', 'let', 'collectionUUID'],
    run: aggregate,
  },
};
