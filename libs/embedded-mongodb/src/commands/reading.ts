import { isNumber, numberOf } from '../bson/order.js';
import { Arr, Doc } from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { compilePipeline } from '../execution/pipeline.js';
import { candidates, choosePlan, runPlan, type Counters, type Hint } from '../execution/planner.js';
import { sorted, type SortSpace } from '../execution/sorting.js';
import { inTurns, PAUSE, type Source } from '../execution/source.js';
import type { Pipeline, PipelineContext } from '../execution/stage.js';
import { INTERRUPTED, isOverdue, withinTurn } from '../query/budget.js';
import { withCollation, type Collation } from '../query/collation.js';
import { withVariables } from '../query/expressions/expressions.js';
import type { Variables } from '../query/expressions/scope.js';
import { compileFilter, parseFilter, type Filter, type Predicate } from '../query/filter.js';
import { parseSort } from '../query/sort-order.js';
import { compileProjection, type Transformation } from '../query/transformations.js';
import type { Collection, Reader } from '../storage/store.js';
import { hostOf, type Call } from './call.js';
import { Fields } from './fields.js';
import { checkViewCollation, collectionOf } from './namespaces.js';
import { collectionStatistics, indexStatistics, MOST_VIEWS } from './statistics.js';

/** Runs a source to its end without yielding: within a transaction. */
export const rows = function* (source: Source): Generator<Doc, void, undefined> {
  for (const row of source) if (row !== PAUSE) yield row;
};

/** @param counters as in `runPlan` */
export const matching = function* (
  reader: Reader,
  collection: Collection,
  filter: Filter,
  counters?: Counters,
): Generator<Doc, void, undefined> {
  const test = compileFilter(filter);
  for (const doc of rows(candidates(reader, collection, filter, undefined, counters))) if (test(doc)) yield doc;
};

/** A hint: the name of an index, or its keys. */
export const hintOf = (fields: Fields): Hint => {
  const value = fields.doc.get('hint');
  if (value instanceof Doc && value.has('$natural')) checkNatural(value);
  if (value === undefined || typeof value === 'string' || value instanceof Doc) return value;
  throw failedToParse('Hint must be a string or an object');
};

const checkNatural = (hint: Doc): void => {
  const direction = hint.get('$natural');
  if (!isNumber(direction) || Math.abs(numberOf(direction)) !== 1) throw badValue('$natural hint may only be 1 or -1');
  if (hint.size > 1) throw badValue('$natural hint may not be combined with other fields');
};

export type FindSpec = {
  readonly filter: Filter;
  readonly sort: ReturnType<typeof parseSort>;
  readonly skip: number;
  readonly limit: number;
  readonly projection: Doc | undefined;
  readonly variables: Variables;
  readonly hint?: Hint;
  /** As in `runPlan`. */
  readonly counters?: Counters;
};

/** What a query reads, and what it may use. */
export type Scope = {
  readonly reader: Reader;
  readonly database: string;
  readonly space: SortSpace;
  readonly collation: Collation | undefined;
  /** Where the node is served, for `$indexStats`. */
  readonly host: string;
};

/** @param space what its sorts may use */
export const scopeOf = (
  { node, database }: Pick<Call, 'node' | 'database'>,
  reader: Reader,
  collation: Collation | undefined,
  space = node.space,
): Scope => ({ reader, database, space, collation, host: hostOf(node) });

/** What the sorts of a command may use: `allowDiskUse` is the default, as on the server since version 6. */
export const spaceOf = ({ node }: Call, fields: Fields): SortSpace =>
  fields.doc.has('allowDiskUse') && !fields.strictFlag('allowDiskUse') ? { ...node.space, scratch: undefined } : node.space;

/** The documents of a find, sorted and projected. */
export const findSource = function* (
  scope: Scope,
  name: string,
  { filter, sort, skip, limit, projection, variables, hint, counters }: FindSpec,
): Source {
  const most = limit || Infinity;
  const { reader, database, space } = scope;
  const collection = collectionOf(reader, database, name);
  // A find on a view is an aggregation, where projections have no access to the query.
  const compile = (spec: Doc): Transformation =>
    collection?.view
      ? withVariables(Object.keys(variables), () => compileProjection(spec))
      : compileProjection(spec, { filter, variables });
  const project = projection?.size ? withCollation(scope.collation, () => compile(projection)) : undefined;
  const plan = collection && !collection.view ? choosePlan(reader, collection, filter, sort, hint) : undefined;
  const source = collection && plan ? runPlan(reader, collection, plan, counters) : sourceOf(scope, name, filter, variables);
  // If the bounds of an index cover the whole filter, every document in them matches.
  const test: Predicate = plan?.exact ? () => true : compileFilter(filter);
  const found = function* (): Source {
    for (const row of source) {
      if (row === PAUSE) {
        yield row;
        continue;
      }
      const work = (): boolean => test(row);
      let matches = withinTurn(work);
      if (matches === INTERRUPTED) matches = yield* inTurns(work);
      if (matches) yield row;
      else if (isOverdue()) yield PAUSE;
    }
  };
  let passed = 0;
  for (const row of sort.length && !plan?.sorted ? sorted(found(), sort, space, most + skip) : found()) {
    if (row === PAUSE) yield row;
    else {
      if (passed++ >= skip) {
        if (!project) yield row;
        else {
          const work = (): Doc => project(row, variables);
          const made = withinTurn(work);
          yield made === INTERRUPTED ? yield* inTurns(work) : made;
        }
      }
      if (passed >= skip + most) return;
    }
  }
};

export const empty = function* (): Source {
  // Nothing: the collection does not exist.
};

/** `{ $natural: 1 }` is the order in which documents are stored, which needs no sort. */
export const naturalOrder = (sort: Doc | undefined): ReturnType<typeof parseSort> => {
  if (sort?.has('$natural')) {
    if (sort.size > 1 || numberOf(sort.get('$natural')) !== 1) throw badValue('$natural sort can only be 1 and alone on this node');
    return [];
  }
  return parseSort(sort ?? Doc.empty);
};

/** The documents of a collection or a view that may match: a view's own pipeline runs first. */
export const sourceOf = (scope: Scope, name: string, filter: Filter, variables: Variables, depth = 0): Source => {
  const collection = collectionOf(scope.reader, scope.database, name);
  if (!collection) return empty();
  if (!collection.view) return candidates(scope.reader, collection, filter);
  if (depth >= MOST_VIEWS) throw new ServerError(165, 'View depth too deep or view cycle detected');
  const { view } = collection;
  checkViewCollation(collection, scope.collation);
  const pipeline = withCollation(scope.collation, () => compilePipeline(Arr.of(view.pipeline)));
  return runPipeline(scope, view.on, pipeline, variables, depth + 1);
};

export const contextOf = (scope: Scope, variables: Variables, depth: number): PipelineContext => ({
  variables,
  from: (other, filter) => sourceOf(scope, other, filter, variables, depth),
  run: (other, pipeline, its) => runPipeline(scope, other, pipeline, its, depth),
  statistics: (other, spec) => collectionStatistics(scope, other, spec),
  indexes: (other) => indexStatistics(scope, other),
  space: scope.space,
});

/** Runs a pipeline on a collection or view; the work of its first stages is done by the storage. */
export const runPipeline = (
  scope: Scope,
  name: string,
  pipeline: Pipeline,
  variables: Variables,
  depth = 0,
  hint?: Hint,
  counters?: Counters,
): Source => {
  const context = contextOf(scope, variables, depth);
  if (pipeline.opening) return pipeline.run(pipeline.opening(context, name), context);
  const collection = collectionOf(scope.reader, scope.database, name);
  if (collection?.view) return pipeline.run(sourceOf(scope, name, { op: 'always', value: true }, variables, depth), context);
  if (!collection) return pipeline.run(empty(), context);
  const { match, sort, limit } = pipeline.head;
  const { collation } = scope;
  const query = match.length === 1 ? (match[0] as Doc) : Doc.from({ $and: match.length ? Arr.of(match) : undefined });
  const filter = withCollation(collation, () => parseFilter(query, variables));
  return pipeline.rest(
    findSource(scope, name, {
      filter,
      sort: withCollation(collation, () => parseSort(sort ?? Doc.empty)),
      skip: 0,
      limit: limit ?? 0,
      projection: undefined,
      variables,
      hint,
      ...(counters && { counters }),
    }),
    context,
  );
};
