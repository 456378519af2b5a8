import { isNumber } from '../bson/order.js';
import { Arr, Doc, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import type { Source } from '../execution/source.js';
import { withCollation } from '../query/collation.js';
import { compileExpression, withVariables } from '../query/expressions/expressions.js';
import { fieldsOf, letOf, paceOf, withOk, type Command, type Handler } from './call.js';
import { answerWithCursor, cursorBatch, listed } from './cursor-commands.js';
import { cursorReply } from './cursors.js';
import { collectionStatistics } from './diagnostics.js';
import { explainCommand } from './explain.js';
import { collationFor, target } from './namespaces.js';
import { parseTarget } from './output.js';
import { contextOf, hintOf, runPipeline, scopeOf, spaceOf } from './reading.js';
import { bypass } from './validation.js';

const aggregate: Handler = async (call) => {
  const { node, database, command } = call;
  const fields = fieldsOf(call);
  const on = command.get('aggregate');
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
  const name = isNumber(on) ? '$cmd.aggregate' : target(call);
  const collation = collationFor(call, name, fields);
  const compile = <Result>(work: () => Result): Result => withCollation(collation, () => withVariables(Object.keys(variables), work));
  const target_ =
    lastName === '$merge' || lastName === '$out'
      ? withCollation(collation, () => parseTarget(lastName, (last as Doc).values[0] as Value, database, variables))
      : undefined;
  if (pipeline.values.some((stage) => stage instanceof Doc && stage.firstKey === '$changeStream'))
    throw new ServerError(40573, 'The $changeStream stage is only supported on replica sets');
  if (firstName === '$documents' || isNumber(on)) {
    if (!isNumber(on)) throw new ServerError(73, `{aggregate: 1} is not valid for '$documents'; a collection must not be named`);
    if (firstName !== '$documents')
      throw new ServerError(73, `{aggregate: 1} is not valid for '${String(firstName)}'; a collection is required.`);
  }
  if (pipeline.values.some((stage, index) => index > 0 && stage instanceof Doc && stage.firstKey === '$collStats'))
    throw new ServerError(40602, '$collStats is only valid as the first stage in a pipeline');
  const statistics = firstName === '$collStats' ? collectionStatistics(call, name, (first as Doc).values[0] as Value) : undefined;
  const body = Arr.of(pipeline.values.slice(firstName === '$documents' || statistics ? 1 : 0, target_ ? -1 : undefined));
  const compiled = compile(() => compilePipeline(body));
  const space = spaceOf(call, fields);
  const snapshot = node.store.snapshot();
  const scope = scopeOf(call, snapshot, collation, space);
  try {
    let source: Source;
    if (firstName === '$documents') {
      const given = compile(() => compileExpression((first as Doc).values[0] as Value))(Doc.empty, variables);
      if (!(given instanceof Arr) || !given.values.every((value) => value instanceof Doc))
        throw new ServerError(5858203, `an array is expected`);
      source = compiled.run(listed(given.values as readonly Doc[]), contextOf(scope, variables, 0));
    } else if (statistics) source = compiled.run(listed([statistics]), contextOf(scope, variables, 0));
    else source = runPipeline(scope, name, compiled, variables, 0, hintOf(fields));
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
    fields: ['pipeline', 'cursor', 'explain', 'allowDiskUse', 'bypassDocumentValidation', 'collation', 'hint', 'let'],
    run: aggregate,
  },
};
