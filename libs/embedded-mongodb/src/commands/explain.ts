import { hostname } from 'node:os';
import { Arr, Doc, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import type { Pipeline } from '../execution/stage.js';
import { choosePlan, countByIndex, describePlan, type Counters } from '../execution/planner.js';
import { withCollation } from '../query/collation.js';
import { withVariables } from '../query/expressions/expressions.js';
import type { Variables } from '../query/expressions/scope.js';
import { parseFilter } from '../query/filter.js';
import { applyUpdate, compileUpdate, type Update } from '../query/update.js';
import { fieldsOf, letOf, ok, paceOf, VERSION, type Call, type Command, type Handler } from './call.js';
import { drain } from './cursors.js';
import { Fields, typeError } from './fields.js';
import { collationFor, collectionOf, noView, target } from './namespaces.js';
import { parseTarget } from './output.js';
import { empty, findSource, hintOf, naturalOrder, runPipeline, scopeOf, spaceOf } from './reading.js';

/** Runs a read, or the search of a write, and reports how its documents were found. */
const explain: Handler = async (call) => {
  const inner = call.command.get('explain');
  if (!(inner instanceof Doc)) throw typeError('explain.explain', inner, 'object');
  if (!inner.size) throw new ServerError(59, 'Explain failed due to unknown command: it names none');
  const verbosity = fieldsOf(call).string('verbosity') ?? 'allPlansExecution';
  if (!['queryPlanner', 'executionStats', 'allPlansExecution'].includes(verbosity))
    throw badValue(`verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}`);
  return explainCommand({ ...call, command: inner }, verbosity);
};

export const explainCommand = async (call: Call, verbosity: string): Promise<Doc> => {
  const { command, database, node } = call;
  const kind = command.keys[0] as string;
  const name = target(call);
  const fields = fieldsOf(call);
  const variables = letOf(fields);
  const counters: Counters = { keys: 0, documents: 0 };
  const statement = (key: string): Fields => new Fields(key, fields.need(fields.documents(key), key)[0] ?? Doc.empty);
  let query = Doc.empty;
  let sort: Doc | undefined;
  let hint = hintOf(fields);
  let pipeline: Pipeline | undefined;
  let collation = collationFor(call, name, fields);
  let limit = 0;
  let skip = 0;
  let write: Write | undefined;
  switch (kind) {
    case 'find':
      query = fields.document('filter') ?? Doc.empty;
      sort = fields.document('sort');
      limit = fields.count('limit') ?? 0;
      skip = fields.count('skip') ?? 0;
      break;
    case 'count':
    case 'distinct':
      query = fields.document('query') ?? Doc.empty;
      break;
    case 'findAndModify':
      query = fields.document('query') ?? Doc.empty;
      sort = fields.document('sort');
      limit = 1;
      write = fields.boolean('remove') ? { stage: 'DELETE' } : { stage: 'UPDATE', update: updateOf(fields, 'update', variables) };
      break;
    case 'update':
    case 'delete': {
      const part = statement(kind === 'update' ? 'updates' : 'deletes');
      query = part.document('q') ?? Doc.empty;
      hint = hintOf(part);
      collation = collationFor(call, name, part);
      limit = kind === 'update' ? Number(!part.boolean('multi')) : (part.count('limit') ?? 0);
      write = kind === 'update' ? { stage: 'UPDATE', update: updateOf(part, 'u', variables) } : { stage: 'DELETE' };
      break;
    }
    case 'aggregate': {
      const given = fields.need(command.get('pipeline'), 'pipeline');
      const first = given instanceof Arr ? given.values[0] : undefined;
      if (first instanceof Doc && ['$collStats', '$documents', '$indexStats'].includes(first.firstKey))
        throw new ServerError(238, `this node does not explain a pipeline that begins with ${first.firstKey}`);
      pipeline = withCollation(collation, () =>
        withVariables(Object.keys(variables), () => compilePipeline(withoutTarget(given, database, variables))),
      );
      const { head } = pipeline;
      query = head.match.length === 1 ? (head.match[0] as Doc) : head.match.length ? Doc.from({ $and: Arr.of(head.match) }) : Doc.empty;
      sort = head.sort;
      limit = head.limit ?? 0;
      break;
    }
    case 'insert':
      throw new ServerError(20, 'Cannot explain cmd: insert');
    default:
      throw new ServerError(59, `Explain failed due to unknown command: ${kind}`);
  }
  const [filter, order] = withCollation(collation, () => [parseFilter(query, variables), naturalOrder(sort)] as const);
  const snapshot = node.store.snapshot();
  const scope = scopeOf(call, snapshot, collation, spaceOf(call, fields));
  try {
    const collection = noView(collectionOf(snapshot, database, name));
    const plan = collection && choosePlan(snapshot, collection, filter, order, hint);
    const winner = plan ? describePlan(plan, order.length > 0 && !plan.sorted) : Doc.from({ stage: 'EOF' });
    const planner = Doc.from({
      namespace: `${database}.${name}`,
      parsedQuery: query,
      indexFilterSet: false,
      winningPlan: write ? Doc.from({ stage: write.stage, inputStage: winner }) : winner,
      rejectedPlans: Arr.empty,
    });
    const base = {
      explainVersion: '1',
      queryPlanner: planner,
      command,
      serverInfo: Doc.from({ host: hostname(), port: node.port(), version: VERSION, gitVersion: 'embedded' }),
    };
    if (verbosity === 'queryPlanner') return ok(base);
    const began = performance.now();
    let returned = 0;
    let changed = 0;
    const counted = kind === 'count' && plan ? countByIndex(snapshot, plan) : undefined;
    if (counted !== undefined) {
      returned = 0;
      counters.keys = counted;
    } else {
      const source = pipeline
        ? runPipeline(scope, name, pipeline, variables, 0, hint, counters)
        : collection
          ? findSource(scope, name, { filter, sort: order, skip, limit, projection: undefined, variables, hint, counters })
          : empty();
      await drain(source, paceOf(call), (doc) => {
        returned++;
        if (write?.update && applyUpdate(write.update, doc, { filter, now: Date.now(), inserting: false }) !== doc) changed++;
      });
    }
    const stages = executed(winner, counters, returned);
    // It does not contain the stages after those that the plan executes.
    const whole = !pipeline || pipeline.isHead;
    return ok({
      ...base,
      executionStats: Doc.from({
        executionSuccess: true,
        nReturned: write ? 0 : returned,
        executionTimeMillis: Math.round(performance.now() - began),
        totalKeysExamined: counters.keys,
        totalDocsExamined: counters.documents,
        executionStages: !write
          ? whole && counted === undefined
            ? stages
            : undefined
          : Doc.from({
              stage: write.stage,
              nReturned: 0,
              ...(write.update ? { nMatched: returned, nWouldModify: changed } : { nWouldDelete: returned }),
              inputStage: stages,
            }),
      }),
    });
  } finally {
    snapshot.close();
  }
};

/** The stages of a pipeline except the last one if that writes: it is checked, but not run. */
const withoutTarget = (pipeline: Value, database: string, variables: Variables): Value => {
  const last = pipeline instanceof Arr ? pipeline.values.at(-1) : undefined;
  if (!(pipeline instanceof Arr && last instanceof Doc && ['$out', '$merge'].includes(last.firstKey))) return pipeline;
  parseTarget(last.firstKey, last.values[0] as Value, database, variables);
  return Arr.of(pipeline.values.slice(0, -1));
};

type Write = { readonly stage: 'UPDATE' | 'DELETE'; readonly update?: Update };

const updateOf = (fields: Fields, key: string, variables: Variables): Update =>
  compileUpdate(fields.need(fields.doc.get(key), key), { arrayFilters: fields.documents('arrayFilters') ?? [], variables });

/** A plan with the statistics of each stage. */
const executed = (plan: Doc, { keys, documents }: Counters, returned: number): Doc => {
  const { stage, inputStage, ...rest } = Object.fromEntries(plan.keys.map((key, index) => [key, plan.values[index]]));
  return Doc.from({
    stage,
    nReturned: stage === 'IXSCAN' ? documents : returned,
    ...(stage === 'IXSCAN' ? { keysExamined: keys } : stage === 'SORT' || stage === 'EOF' ? {} : { docsExamined: documents }),
    ...rest,
    inputStage: inputStage instanceof Doc ? executed(inputStage, { keys, documents }, returned) : undefined,
  });
};

export const explainCommands: Readonly<Record<string, Command>> = {
  explain: { fields: ['verbosity'], run: explain },
};
