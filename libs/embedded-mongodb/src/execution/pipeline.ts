import { Decimal128 } from '../bson/decimal128.js';
import { compareValues, equalValues, isNullish, isNumber, keyOf, numberOf, typeRank, type Texts, isWhole } from '../bson/order.js';
import { checkFieldPath, splitPath, visitPath } from '../bson/paths.js';
import { Arr, bsonTypeName, Code, Doc, Double, encodedLength, MAX_KEY, MIN_KEY, Regex, show, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import { owned, type Accumulator } from '../query/accumulators.js';
import { INTERRUPTED, isOverdue, withinTurn } from '../query/budget.js';
import { currentCollation, equivalents, wholeOf, withCollation, type Collation } from '../query/collation.js';
import { checkVariableName, constantOf, followPath } from '../query/expressions/compile.js';
import { compileExpression, withinGroup, withVariables } from '../query/expressions/expressions.js';
import type { Evaluate, Variables } from '../query/expressions/scope.js';
import { compileFilter, operatorsIn, parseFilter, SORTS_BY_DISTANCE, type Filter, type Predicate } from '../query/filter.js';
import { MEMORY_LIMIT, parseSort } from '../query/sort-order.js';
import { compileTransformation } from '../query/transformations.js';
import { granularityOf } from './granularity.js';
import { compileAccumulator, type AccumulatorSpec } from './group-accumulators.js';
import { sorted } from './sorting.js';
import { inTurns, paced, PAUSE, type Source } from './source.js';
import type { Opening, Pipeline, PipelineContext, Stage } from './stage.js';
import { windowStage } from './windows.js';

/** @param depth how deep it is nested in pipelines of other stages */
type Compile = (spec: Value, name: string, depth: number) => Stage;

/** A stage that processes each document on its own. */
const each = (visit: (doc: Doc, context: PipelineContext) => Iterable<Doc>): Stage =>
  function* (source, context) {
    for (const row of source) {
      if (row === PAUSE) yield row;
      else {
        yield* visit(row, context);
        if (isOverdue()) yield PAUSE;
      }
    }
  };

/** A stage that returns at most one document for each. */
const mapped = (make: (doc: Doc, context: PipelineContext) => Doc | undefined): Stage =>
  function* (source, context) {
    for (const row of source) {
      if (row === PAUSE) {
        yield row;
        continue;
      }
      const work = (): Doc | undefined => make(row, context);
      let made = withinTurn(work);
      if (made === INTERRUPTED) made = yield* inTurns(work);
      if (made) yield made;
      if (isOverdue()) yield PAUSE;
    }
  };

/** A stage that needs all documents before it returns the first. */
const gathering = (start: (context: PipelineContext) => { add(doc: Doc): void; result(): Iterable<Doc> }): Stage =>
  function* (source, context) {
    const state = start(context);
    for (const row of source) {
      if (row === PAUSE) yield row;
      else {
        const work = (): void => state.add(row);
        if (withinTurn(work) === INTERRUPTED) yield* inTurns(work);
        if (isOverdue()) yield PAUSE;
      }
    }
    yield* paced(state.result());
  };

const memoryGuard = (stage: string): ((bytes: number) => void) => {
  let used = 0;
  return (bytes) => {
    used += bytes;
    if (used > MEMORY_LIMIT) throw new ServerError(292, `Exceeded memory limit for ${stage}, which this node does not spill to disk`);
  };
};

/** @param codes for a value that is not a document, has an unknown field, and lacks a field */
const objectSpec = (
  spec: Value,
  name: string,
  allowed: readonly string[],
  required: readonly string[] = [],
  { object = 9, unknown = 40415, missing = 40414 }: { readonly object?: number; readonly unknown?: number; readonly missing?: number } = {},
): Doc => {
  if (!(spec instanceof Doc))
    throw new ServerError(object, `the ${name} stage specification must be an object, but found ${bsonTypeName(spec)}`);
  for (const key of spec.keys)
    if (!allowed.includes(key)) throw new ServerError(unknown, `BSON field '${name}.${key}' is an unknown field.`);
  for (const key of required)
    if (!spec.has(key)) throw new ServerError(missing, `BSON field '${name}.${key}' is missing but a required field`);
  return spec;
};

const MAX_LONG = 2n ** 63n - 1n;
const MAX_INT = 2 ** 31 - 1;

/** @param code for a value that is not a whole number, and `below` for one below the minimum */
const wholeNumber = (spec: Value, name: string, least: number, code: number, below = code): number => {
  const number = numberOf(spec);
  if (!isWhole(spec) || compareValues(spec, MAX_LONG) > 0)
    throw new ServerError(code, `invalid argument to ${name} stage: Expected an integer: ${name}: ${show(spec)}`);
  if (number < least)
    throw new ServerError(
      below,
      least === 1
        ? `${name} must be positive`
        : `invalid argument to ${name} stage: Expected a non-negative number in: ${name}: ${show(spec)}`,
    );
  return number;
};

const limit = (count: number): Stage =>
  function* (source) {
    if (count === 0) return;
    let left = count;
    for (const row of source) {
      yield row;
      if (row !== PAUSE && --left === 0) {
        source.return();
        return;
      }
    }
  };

const skip = (count: number): Stage =>
  function* (source) {
    let left = count;
    for (const row of source) {
      if (row === PAUSE) yield row;
      else if (left > 0) left--;
      else yield row;
    }
  };

/**
 * A string shared by equal values, whatever their number type, by which groups are found.
 *
 * @param texts represents equal strings under a collation
 */
export const groupKey = (value: Value, texts?: Texts): string => {
  if (typeof value === 'string') return texts ? `s${texts(value)}` : `s${value}`;
  if (typeof value === 'number') return `n${value}`;
  if (value instanceof Double && !(Math.abs(value.value) > Number.MAX_SAFE_INTEGER)) return `n${value.value === 0 ? 0 : value.value}`;
  if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return `n${value}`;
  if (value instanceof Decimal128) {
    const near = new Double(numberOf(value));
    if (equalValues(near, value)) return groupKey(near);
  }
  return `k${keyOf(value, texts).toString('latin1')}`;
};

/** The accumulator of a field of a group. */
const accumulatorAt = (name: string, value: Value): AccumulatorSpec => {
  if (name.includes('.')) throw new ServerError(40235, `The field name '${name}' cannot contain '.'`);
  if (name.startsWith('$')) throw new ServerError(40236, `The field name '${name}' cannot be an operator name`);
  if (!(value instanceof Doc) || !value.keys[0]?.startsWith('$'))
    throw new ServerError(40234, `The field '${name}' must be an accumulator object`);
  if (value.size !== 1) throw new ServerError(40238, `The field '${name}' must specify one accumulator`);
  if (value.values[0] instanceof Arr) throw new ServerError(40237, `The ${value.keys[0]} accumulator is a unary operator`);
  return compileAccumulator(value.keys[0], value.values[0] as Value);
};

/** What `$bucket` and `$bucketAuto` collect for each bucket. @param code for an output that is not a document */
const outputOf = (
  stage: string,
  output: Value | undefined,
  code: number,
): { readonly names: readonly string[]; readonly specs: readonly AccumulatorSpec[] } => {
  const fields = output ?? (output === undefined ? Doc.from({ count: Doc.from({ $sum: 1 }) }) : null);
  if (!(fields instanceof Doc))
    throw new ServerError(code, `The ${stage} 'output' field must be an object, but found type: ${bsonTypeName(fields)}.`);
  if (fields.has('_id')) throw new ServerError(15948, "a group's _id may only be specified once");
  return { names: fields.keys, specs: fields.keys.map((name, index) => accumulatorAt(name, fields.values[index] as Value)) };
};

const group: Compile = (spec) => {
  if (!(spec instanceof Doc)) throw new ServerError(15947, "a group's fields must be specified in an object");
  const id = spec.get('_id');
  if (id === undefined) throw new ServerError(15955, 'a group specification must include an _id');
  const key = compileExpression(id);
  const names: string[] = [];
  const accumulators: AccumulatorSpec[] = [];
  spec.keys.forEach((name, index) => {
    if (name === '_id') return;
    names.push(name);
    accumulators.push(withinGroup(() => accumulatorAt(name, spec.values[index] as Value)));
  });
  const collation = currentCollation();
  return gathering(({ variables }) => {
    const texts = collation && equivalents(collation);
    const groups = new Map<string, { id: Value; states: readonly Accumulator[] }>();
    const guard = memoryGuard('$group');
    // One object for all documents: no expression keeps it, and a new one each time takes a quarter of the stage's time.
    const bound: Record<string, Value | undefined> = { ...variables };
    const given: (Value | undefined)[] = [];
    return {
      add: (doc) => {
        bound['ROOT'] = doc;
        bound['CURRENT'] = doc;
        const value = key(doc, bound) ?? null;
        const text = groupKey(value, texts);
        let found = groups.get(text);
        if (!found) {
          guard(text.length * 2 + 200 + accumulators.length * 100);
          groups.set(text, (found = { id: owned(value), states: accumulators.map(({ start }) => start(guard, { id: value, variables })) }));
        }
        for (let index = 0; index < accumulators.length; index++)
          given[index] = (accumulators[index] as AccumulatorSpec).evaluate(doc, bound);
        for (let index = 0; index < accumulators.length; index++) (found.states[index] as Accumulator).add(given[index]);
      },
      *result() {
        for (const { id: value, states } of groups.values()) {
          const kept: string[] = ['_id'];
          const values: Value[] = [value];
          states.forEach((state, index) => {
            const result = state.result();
            if (result === undefined) return;
            kept.push(names[index] as string);
            values.push(result);
          });
          yield Doc.of(kept, values);
        }
      },
    };
  });
};

const unwind: Compile = (spec) => {
  if (!(spec instanceof Doc) && typeof spec !== 'string')
    throw new ServerError(15981, `expected either a string or an object as specification for $unwind stage, got ${bsonTypeName(spec)}`);
  const doc = spec instanceof Doc ? spec : Doc.from({ path: spec });
  for (const key of doc.keys)
    if (!['path', 'includeArrayIndex', 'preserveNullAndEmptyArrays'].includes(key))
      throw new ServerError(28811, `unrecognized option to $unwind stage: ${key}`);
  const path = doc.get('path');
  if (path === undefined || path === '') throw new ServerError(28812, 'no path specified to $unwind stage');
  if (typeof path !== 'string') throw new ServerError(28808, `expected a string as the path for $unwind stage, got ${bsonTypeName(path)}`);
  if (!path.startsWith('$')) throw new ServerError(28818, `path option to $unwind stage should be prefixed with a '$': ${path}`);
  const preserve = doc.get('preserveNullAndEmptyArrays');
  if (preserve !== undefined && typeof preserve !== 'boolean')
    throw new ServerError(
      28809,
      `expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got ${bsonTypeName(preserve)}`,
    );
  const index = doc.get('includeArrayIndex');
  if (index !== undefined && (typeof index !== 'string' || !index))
    throw new ServerError(28810, `expected a non-empty string for the includeArrayIndex  option to $unwind stage`);
  if (typeof index === 'string' && index.startsWith('$'))
    throw new ServerError(28822, `includeArrayIndex option to $unwind stage should not be prefixed with a '$': ${index}`);
  if (path.includes('\0')) throw new ServerError(16419, 'field path must not contain embedded null characters');
  const parts = checkFieldPath(path.slice(1));
  const indexParts = typeof index === 'string' ? checkFieldPath(index) : undefined;
  const withIndex = (row: Doc, value: Value): Doc => (indexParts ? setIn(row, indexParts, 0, value) : row);
  return each(function* (row) {
    const value = plainPath(row, parts);
    if (value instanceof Arr) {
      if (!value.length) {
        if (preserve) yield withIndex(unsetIn(row, parts, 0), null);
        return;
      }
      for (const [at, element] of value.values.entries()) yield withIndex(setIn(row, parts, 0, element), BigInt(at));
    } else if (isNullish(value)) {
      if (preserve) yield withIndex(row, null);
    } else yield withIndex(row, null);
  });
};

const plainPath = (doc: Doc, parts: readonly string[]): Value | undefined => {
  let value: Value | undefined = doc;
  for (const part of parts) value = value instanceof Doc ? value.get(part) : undefined;
  return value;
};

export const setIn = (doc: Doc, parts: readonly string[], at: number, value: Value): Doc => {
  const key = parts[at] as string;
  if (at + 1 === parts.length) return doc.with(key, value);
  const inner = doc.get(key);
  return doc.with(key, setIn(inner instanceof Doc ? inner : Doc.empty, parts, at + 1, value));
};

const unsetIn = (doc: Doc, parts: readonly string[], at: number): Doc => {
  const key = parts[at] as string;
  if (at + 1 === parts.length) return doc.without(key);
  const inner = doc.get(key);
  return inner instanceof Doc ? doc.with(key, unsetIn(inner, parts, at + 1)) : doc;
};

const counted: Compile = (spec) => {
  if (typeof spec !== 'string') throw new ServerError(40156, 'the count field must be a non-empty string');
  if (!spec) throw new ServerError(40157, 'the count field must be a non-empty string');
  if (spec === '_id') throw new ServerError(9039800, 'the count field cannot be _id');
  if (spec.startsWith('$')) throw new ServerError(40158, 'the count field cannot be a $-prefixed path');
  if (spec.includes('\0')) throw new ServerError(40159, 'the count field cannot contain a null byte');
  if (spec.includes('.')) throw new ServerError(40160, `the count field cannot contain '.'`);
  return gathering(() => {
    let total = 0;
    return {
      add: () => {
        total++;
      },
      result: () => (total ? [Doc.of([spec], [total])] : []),
    };
  });
};

const sortStage: Compile = (spec) => {
  if (!(spec instanceof Doc)) throw new ServerError(15973, 'the $sort key specification must be an object');
  const fields = parseSort(spec);
  if (!spec.size) throw new ServerError(15976, '$sort stage must have at least one sort key');
  return sortBy(fields);
};

const sortBy =
  (fields: ReturnType<typeof parseSort>): Stage =>
  (source, { space }) =>
    sorted(source, fields, space);

const chain = (stages: readonly Stage[], source: Source, context: PipelineContext): Source =>
  stages.reduce((current, stage) => stage(current, context), source);

const collected = function* (source: Source, into: Doc[], guard: (bytes: number) => void): Source {
  for (const row of source) {
    if (row === PAUSE) yield row;
    else {
      guard(encodedLength(row) + 64);
      into.push(row);
    }
  }
};

/** Whether a field has one of some values; a pattern is a value here, which matches only itself, not strings. */
const anyOf = (path: string, values: readonly Value[], collation: Collation | undefined): Filter => {
  const operands = values.filter((value) => !(value instanceof Regex));
  const patterns = values.filter((value) => value instanceof Regex);
  const plain: Filter = { op: 'in', path, operands, collation };
  return patterns.length
    ? { op: 'or', of: [plain, ...patterns.map((operand): Filter => ({ op: 'compare', path, relation: 'eq', operand }))] }
    : plain;
};

/** @throws ServerError 73 if no collection of the database can have such a name */
const checkForeign = (collection: string, stage: string): void => {
  if (!collection || collection.startsWith('.') || collection.includes('\0'))
    throw new ServerError(73, `invalid ${stage} namespace: '${collection}' is not the name of a collection`);
};

const beginsWith = (pipeline: Value | undefined, name: string): boolean =>
  pipeline instanceof Arr && pipeline.values[0] instanceof Doc && pipeline.values[0].has(name);

const lookupFields = ['from', 'as', 'localField', 'foreignField', 'let', 'pipeline'];

/** The fields of a `$lookup` with readable values; null counts as missing. */
const lookupSpec = (spec: Value): Doc => {
  if (!(spec instanceof Doc)) throw failedToParse(`the $lookup stage specification must be an object, but found ${bsonTypeName(spec)}`);
  const [from, pipeline] = [spec.get('from'), spec.get('pipeline')];
  if (from === undefined && pipeline === undefined) throw failedToParse(`must specify 'pipeline' when 'from' is empty`);
  if (from instanceof Doc) {
    objectSpec(from, '$lookup.from', ['db', 'coll']);
    for (const value of from.values)
      if (typeof value !== 'string') throw new ServerError(14, `BSON field '$lookup.from' has a name of the wrong type`);
  }
  if (from !== undefined && typeof from !== 'string')
    throw failedToParse(`$lookup argument 'from' must be a string, is type ${bsonTypeName(from)}`);
  if (from === undefined && pipeline instanceof Arr && !beginsWith(pipeline, '$documents'))
    throw failedToParse('$lookup stage without explicit collection must have a pipeline with $documents as first stage');
  spec.keys.forEach((key, index) => {
    const value = spec.values[index] as Value;
    if (!lookupFields.includes(key)) throw new ServerError(40415, `BSON field '$lookup.${key}' is an unknown field.`);
    if (spec.keys.indexOf(key) < index) throw new ServerError(40413, `BSON field '$lookup.${key}' is a duplicate field`);
    const expected = key === 'let' ? 'object' : key === 'pipeline' ? 'array' : 'string';
    if (bsonTypeName(value) !== expected && (value !== null || key === 'pipeline'))
      throw new ServerError(14, `BSON field '$lookup.${key}' is the wrong type '${bsonTypeName(value)}', expected type '${expected}'`);
  });
  if ((spec.get('as') ?? null) === null) throw new ServerError(40414, `BSON field '$lookup.as' is missing but a required field`);
  if (from !== undefined) {
    checkForeign(from, '$lookup');
    if (beginsWith(pipeline, '$documents')) throw new ServerError(73, `$documents is about no collection, but 'from' names one`);
  }
  return spec;
};

const lookup: Compile = (spec, _name, depth) => {
  const given = lookupSpec(spec);
  const from = (given.get('from') ?? '') as string;
  const as = given.get('as') as string;
  checkFieldPath(as);
  const pipeline = given.get('pipeline');
  const field = (key: string): string | undefined => (given.get(key) || undefined) as string | undefined;
  const [local, foreign] = [field('localField'), field('foreignField')];
  const lets = (given.get('let') ?? undefined) as Doc | undefined;
  if ((local === undefined) !== (foreign === undefined))
    throw failedToParse('$lookup requires both or neither of localField and foreignField to be specified');
  if (local === undefined && pipeline === undefined)
    throw failedToParse(`$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified`);
  const localParts = local === undefined ? undefined : checkFieldPath(local);
  if (foreign !== undefined) checkFieldPath(foreign);
  if (lets && pipeline === undefined) throw failedToParse(`$lookup with a 'let' argument must also specify 'pipeline'`);
  const letNames = lets?.keys ?? [];
  letNames.forEach(checkVariableName);
  const letValues: readonly Evaluate[] = lets?.values.map((value) => compileExpression(value)) ?? [];
  const stages = pipeline === undefined ? undefined : withVariables(letNames, () => compilePipeline(pipeline, { depth: depth + 1 }));
  const opening = stages?.opening;
  // The search for the field would be the first stage.
  if (local !== undefined && opening && !beginsWith(pipeline, '$documents')) throw notFirst(stages?.names[0] as string);
  const asParts = splitPath(as);
  const collation = currentCollation();
  return function* (source, context) {
    for (const row of source) {
      if (row === PAUSE) {
        yield row;
        continue;
      }
      const bound: Record<string, Value | undefined> = { ...context.variables };
      const lets = (): void =>
        letNames.forEach(
          (key, index) => (bound[key] = (letValues[index] as Evaluate)(row, { ...context.variables, ROOT: row, CURRENT: row })),
        );
      if (withinTurn(lets) === INTERRUPTED) yield* inTurns(lets);
      let filter: Filter = { op: 'always', value: true };
      if (localParts) {
        const values: Value[] = [];
        visitPath(row, localParts, 0, false, (value) => {
          if (value instanceof Arr) for (const one of value.values) values.push(one);
          else if (value !== undefined) values.push(value);
          return false;
        });
        filter = anyOf(foreign as string, values.length ? values : [null], collation);
      }
      const found: Doc[] = [];
      const inner: PipelineContext = { ...context, variables: bound };
      const matching = function* (): Source {
        const test = compileFilter(filter);
        const candidates = opening ? opening(inner, from) : context.from(from, filter);
        for (const candidate of candidates) if (candidate === PAUSE || test(candidate)) yield candidate;
      };
      const joined = !stages ? matching() : localParts ? stages.run(matching(), inner) : context.run(from, stages, bound);
      yield* collected(joined, found, memoryGuard('$lookup'));
      yield setIn(row, asParts, 0, Arr.of(found));
    }
  };
};

const graphLookup: Compile = (spec, name) => {
  const given = objectSpec(
    spec,
    name,
    ['from', 'startWith', 'connectFromField', 'connectToField', 'as', 'maxDepth', 'depthField', 'restrictSearchWithMatch'],
    ['from', 'startWith', 'connectFromField', 'connectToField', 'as'],
    { object: 40327, unknown: 40104, missing: 40105 },
  );
  const text = (key: string): string => {
    const value = given.get(key);
    if (typeof value !== 'string') throw new ServerError(40103, `expected string as argument for ${key}, found: ${show(value)}`);
    return value;
  };
  const from = given.get('from') as Value;
  if (typeof from !== 'string') throw failedToParse(`$graphLookup 'from' field must be a string, but found ${bsonTypeName(from)}`);
  const [connectFrom, connectTo, as] = [checkFieldPath(text('connectFromField')), text('connectToField'), checkFieldPath(text('as'))];
  checkFieldPath(connectTo);
  const start = compileExpression(given.get('startWith') as Value);
  const depthField = given.has('depthField') ? checkFieldPath(text('depthField')) : undefined;
  const most = given.get('maxDepth');
  const maxDepth = most === undefined ? Infinity : wholeNumber(most, '$graphLookup maxDepth', 0, isNumber(most) ? 40102 : 40100, 40101);
  const restriction = given.get('restrictSearchWithMatch');
  if (restriction instanceof Doc) parseFilter(restriction);
  else if (restriction !== undefined)
    throw new ServerError(40185, `restrictSearchWithMatch must be an object, found ${bsonTypeName(restriction)}`);
  const collation = currentCollation();
  return function* (source, context) {
    const texts = collation && equivalents(collation);
    const restrict =
      restriction instanceof Doc ? withCollation(collation, () => compileFilter(parseFilter(restriction, context.variables))) : undefined;
    for (const row of source) {
      if (row === PAUSE) {
        yield row;
        continue;
      }
      const found = new Map<string, Doc>();
      const asked = new Set<string>();
      const guard = memoryGuard('$graphLookup');
      const begin = start(row, { ...context.variables, ROOT: row, CURRENT: row });
      let frontier: readonly Value[] = begin instanceof Arr ? begin.values : begin === undefined ? [] : [begin];
      for (let depth = 0; depth <= maxDepth && frontier.length; depth++) {
        const operands = frontier.filter((value) => !asked.has(groupKey(value, texts)));
        for (const value of operands) asked.add(groupKey(value, texts));
        if (!operands.length) break;
        const filter = anyOf(connectTo, operands, collation);
        const test = compileFilter(filter);
        const next: Value[] = [];
        for (const candidate of context.from(from, filter)) {
          if (candidate === PAUSE) {
            yield candidate;
            continue;
          }
          const key = groupKey(candidate.get('_id') ?? null);
          if (!test(candidate) || (restrict && !restrict(candidate)) || found.has(key)) continue;
          guard(encodedLength(candidate));
          found.set(key, depthField ? setIn(candidate, depthField, 0, BigInt(depth)) : candidate);
          const reached = followPath(candidate, connectFrom);
          if (reached instanceof Arr) for (const one of reached.values) next.push(one);
          else if (reached !== undefined) next.push(reached);
        }
        frontier = next;
      }
      yield setIn(row, as, 0, Arr.of([...found.values()]));
    }
  };
};

/** Stages not allowed in a `$facet`. */
const NOT_IN_FACETS: ReadonlySet<string> = new Set(
  (
    '$changeStreamSplitLargeEvent $collStats $documents $facet $geoNear $indexStats $listCatalog $listSearchIndexes $merge $out ' +
    '$planCacheStats $querySettings $search $searchBeta $searchMeta $vectorSearch'
  ).split(' '),
);

/** @throws ServerError 40600 for a stage not allowed in a `$facet`, nor in a pipeline nested in one */
const checkInFacet = (stage: Value | undefined, within = false): void => {
  if (!(stage instanceof Doc)) return;
  const [name, spec] = [stage.firstKey, stage.values[0]];
  // Stages that write are refused by the enclosing stage.
  if (NOT_IN_FACETS.has(name) && !(within && (name === '$out' || name === '$merge')))
    throw new ServerError(40600, `${name} is not allowed to be used within a $facet stage`);
  const pipeline = (name === '$lookup' || name === '$unionWith') && spec instanceof Doc ? spec.get('pipeline') : undefined;
  if (pipeline instanceof Arr) for (const inner of pipeline.values) checkInFacet(inner, true);
};

const facet: Compile = (spec, _name, depth) => {
  if (!(spec instanceof Doc) || !spec.size) throw new ServerError(40169, 'the $facet specification must be a non-empty object');
  const parts = spec.keys.map((key, index) => {
    const pipeline = spec.values[index] as Value;
    if (!key) throw new ServerError(15998, 'FieldPath field names may not be empty strings.');
    if (key.includes('.'))
      throw new ServerError(16412, `FieldPath field names may not contain '.'. Consider using $getField or $setField.`);
    checkFieldPath(key);
    if (!(pipeline instanceof Arr))
      throw new ServerError(40170, `arguments to $facet must be arrays, ${key} is type ${bsonTypeName(pipeline)}`);
    for (const stage of pipeline.values) {
      if (!(stage instanceof Doc))
        throw new ServerError(40171, `elements of arrays in $facet spec must be objects, ${key} has one of type ${bsonTypeName(stage)}`);
      checkInFacet(stage);
    }
    return [key, compilePipeline(pipeline, { depth, within: '$facet' })] as const;
  });
  return function* (source, context) {
    const input: Doc[] = [];
    yield* collected(source, input, memoryGuard('$facet'));
    const results: Value[] = [];
    for (const [, pipeline] of parts) {
      const found: Doc[] = [];
      yield* collected(pipeline.run(paced(input), context), found, memoryGuard('$facet'));
      results.push(Arr.of(found));
    }
    yield Doc.of(
      parts.map(([key]) => key),
      results,
    );
  };
};

/** @throws ServerError for anything other than a path or an operator: a constant, or an object of expressions */
const checkGroupBy = (groupBy: Value, name: string, code: number): void => {
  const start = typeof groupBy === 'string' ? groupBy : groupBy instanceof Doc ? groupBy.firstKey : '';
  if (!start.startsWith('$'))
    throw new ServerError(
      code,
      `The ${name} 'groupBy' field must be defined as a $-prefixed path or an expression, but found: ${show(groupBy)}.`,
    );
};

const bucket: Compile = (spec, name) => {
  const texts = currentCollation()?.compare;
  const given = objectSpec(spec, name, ['groupBy', 'boundaries', 'default', 'output'], [], { object: 40201, unknown: 40197 });
  const groupBy = given.get('groupBy');
  const bounds = given.get('boundaries');
  if (groupBy === undefined || bounds === undefined)
    throw new ServerError(40198, `$bucket requires 'groupBy' and 'boundaries' to be specified.`);
  checkGroupBy(groupBy, name, 40202);
  const evaluatedBounds = bounds instanceof Arr ? bounds.values.map((bound) => constantOf(compileExpression(bound))?.value) : undefined;
  if (!evaluatedBounds)
    throw new ServerError(40200, `The $bucket 'boundaries' field must be an array, but found type: ${bsonTypeName(bounds)}.`);
  if (evaluatedBounds.some((bound) => bound === undefined))
    throw new ServerError(40191, `The $bucket 'boundaries' field must be an array of constant values`);
  const values = evaluatedBounds as readonly Value[];
  if (values.length < 2)
    throw new ServerError(40192, `The $bucket 'boundaries' field must have at least 2 values, but found ${values.length} value(s).`);
  for (let index = 1; index < values.length; index++)
    if (typeRank(values[index - 1]) !== typeRank(values[index]))
      throw new ServerError(
        40193,
        `All values in the the 'boundaries' option to $bucket must have the same type. Found conflicting types ${bsonTypeName(values[index - 1])} and ${bsonTypeName(values[index])}.`,
      );
  for (let index = 1; index < values.length; index++)
    if (compareValues(values[index - 1], values[index], texts) >= 0)
      throw new ServerError(
        40194,
        `The 'boundaries' option to $bucket must be sorted, but elements ${index - 1} and ${index} are not in ascending order`,
      );
  const fallback = given.has('default') ? constantOf(compileExpression(given.get('default') as Value))?.value : undefined;
  if (given.has('default') && fallback === undefined)
    throw new ServerError(40195, `The $bucket 'default' field must be a constant expression`);
  if (fallback !== undefined && compareValues(fallback, values[0], texts) >= 0 && compareValues(fallback, values.at(-1), texts) < 0)
    throw new ServerError(
      40199,
      `The $bucket 'default' field must be less than the lowest boundary or greater than or equal to the highest boundary.`,
    );
  const key = compileExpression(groupBy);
  const { names, specs } = withinGroup(() => outputOf(name, given.get('output'), 40196));
  return gathering(({ variables }) => {
    const buckets = new Map<number, readonly Accumulator[]>();
    const guard = memoryGuard('$bucket');
    return {
      add: (doc) => {
        const bound = { ...variables, ROOT: doc, CURRENT: doc };
        const value = key(doc, bound) ?? null;
        let at = -1;
        for (let index = 0; index + 1 < values.length; index++)
          if (compareValues(value, values[index], texts) >= 0 && compareValues(value, values[index + 1], texts) < 0) at = index;
        if (at < 0 && fallback === undefined)
          throw new ServerError(40066, '$switch could not find a matching branch for an input, and no default was specified.');
        let states = buckets.get(at);
        if (!states) buckets.set(at, (states = specs.map(({ start }) => start(guard))));
        const given = specs.map(({ evaluate }) => evaluate(doc, bound));
        states.forEach((state, index) => state.add(given[index]));
      },
      result: () =>
        [...buckets]
          .map(([at, states]) =>
            Doc.of(
              ['_id', ...names],
              [at < 0 ? (fallback as Value) : (values[at] as Value), ...states.map((state) => state.result() ?? null)],
            ),
          )
          .sort((a, b) => compareValues(a.get('_id'), b.get('_id'), texts)),
    };
  });
};

const bucketAuto: Compile = (spec, name) => {
  const texts = currentCollation()?.compare;
  const given = objectSpec(spec, name, ['groupBy', 'buckets', 'output', 'granularity'], ['groupBy', 'buckets'], {
    object: 40240,
    unknown: 40245,
    missing: 40246,
  });
  const granularity = given.has('granularity') ? granularityOf(given.get('granularity') as Value) : undefined;
  const count = wholeNumber(given.get('buckets') as Value, '$bucketAuto', 1, isNumber(given.get('buckets')) ? 40242 : 40241, 40243);
  if (count > MAX_INT) throw new ServerError(40242, `The $bucketAuto 'buckets' field must be representable as a 32-bit integer`);
  const groupBy = given.get('groupBy') as Value;
  checkGroupBy(groupBy, name, 40239);
  const key = compileExpression(groupBy);
  const output = given.get('output');
  // An output without fields counts documents, like a missing one; `$bucket` then returns only `_id`.
  const { names, specs } = outputOf(name, output instanceof Doc && !output.keys.length ? undefined : output, 40244);
  return gathering(({ variables }) => {
    const rows: { value: Value; doc: Doc }[] = [];
    const guard = memoryGuard('$bucketAuto');
    return {
      add: (doc) => {
        const value = key(doc, { ...variables, ROOT: doc, CURRENT: doc }) ?? null;
        granularity?.check(value);
        guard(encodedLength(doc) + 64);
        rows.push({ value, doc });
      },
      *result() {
        rows.sort((a, b) => compareValues(a.value, b.value, texts));
        const size = Math.max(1, Math.round(rows.length / count));
        const at = (index: number): Value => (rows[index] as { value: Value }).value;
        let min = rows.length && granularity ? granularity.down(at(0)) : null;
        for (let start = 0, made = 0; start < rows.length; made++) {
          let end = made + 1 >= count ? rows.length : Math.min(rows.length, start + size);
          const boundary = granularity?.up(at(end - 1));
          // Equal values stay in one bucket, and so do values below its rounded boundary.
          while (end < rows.length && (boundary ? compareValues(boundary, at(end)) > 0 : equalValues(at(end - 1), at(end), texts))) end++;
          const states = specs.map(({ start: begin }) => begin());
          for (const { doc } of rows.slice(start, end))
            specs.forEach(({ evaluate }, index) =>
              (states[index] as Accumulator).add(evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc })),
            );
          const max = boundary ?? at(Math.min(end, rows.length - 1));
          yield Doc.of(
            ['_id', ...names],
            [Doc.from({ min: boundary ? min : at(start), max }), ...states.map((state) => state.result() ?? null)],
          );
          min = max;
          start = end;
        }
      },
    };
  });
};

const sample: Compile = (spec) => {
  if (!(spec instanceof Doc)) throw new ServerError(28745, 'the $sample stage specification must be an object');
  // Fields are read in order, so the first error is reported.
  spec.keys.forEach((key, index) => {
    if (key !== 'size') throw new ServerError(28748, `unrecognized option to $sample: ${key}`);
    if (!isNumber(spec.values[index] as Value)) throw new ServerError(28746, 'size argument to $sample must be a number');
  });
  const size = spec.get('size');
  if (size === undefined) throw new ServerError(28749, '$sample stage must specify a size');
  const count = wholeOf(size);
  if (count < 1) throw new ServerError(28747, 'size argument to $sample must be a positive integer');
  return gathering(() => {
    const kept: Doc[] = [];
    let seen = 0;
    return {
      // Reservoir sampling: every document has the same chance, and only the sample is kept.
      add: (doc) => {
        seen++;
        if (kept.length < count) kept.push(doc);
        else {
          const at = Math.floor(Math.random() * seen);
          if (at < count) kept[at] = doc;
        }
      },
      result: () => {
        for (let at = kept.length - 1; at > 0; at--) {
          const other = Math.floor(Math.random() * (at + 1));
          [kept[at], kept[other]] = [kept[other] as Doc, kept[at] as Doc];
        }
        return kept;
      },
    };
  });
};

const unionWith: Compile = (spec, name, depth) => {
  const given = typeof spec === 'string' ? Doc.from({ coll: spec }) : objectSpec(spec, name, ['coll', 'pipeline']);
  const coll = given.get('coll') ?? undefined;
  const pipeline = given.get('pipeline') ?? undefined;
  if (coll === undefined && !beginsWith(pipeline, '$documents'))
    throw failedToParse('$unionWith stage without explicit collection must have a pipeline with $documents as first stage');
  if (coll !== undefined && typeof coll !== 'string')
    throw new ServerError(14, `BSON field '$unionWith.coll' is the wrong type '${bsonTypeName(coll)}', expected type 'string'`);
  if (coll !== undefined) {
    checkForeign(coll, name);
    if (beginsWith(pipeline, '$documents')) throw new ServerError(73, `$documents is about no collection, but 'coll' names one`);
  }
  const stages = compilePipeline(pipeline ?? Arr.empty, { depth: depth + 1, within: name });
  return function* (source, context) {
    yield* source;
    yield* context.run(coll ?? '', stages, context.variables);
  };
};

const redact: Compile = (spec) => {
  const evaluate = withVariables(['DESCEND', 'PRUNE', 'KEEP'], () => compileExpression(spec));
  const prune = (value: Value, root: Doc, variables: Variables): Value | undefined => {
    if (value instanceof Arr)
      return Arr.of(
        value.values
          .map((element) => (element instanceof Doc || element instanceof Arr ? prune(element, root, variables) : element))
          .filter((element) => element !== undefined),
      );
    if (!(value instanceof Doc)) return value;
    const verdict = evaluate(value, { ...variables, ROOT: root, CURRENT: value, DESCEND: 'descend', PRUNE: 'prune', KEEP: 'keep' });
    if (verdict === 'keep') return value;
    if (verdict === 'prune') return undefined;
    if (verdict !== 'descend')
      throw new ServerError(
        17053,
        `$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned ${show(verdict)}`,
      );
    const keys: string[] = [];
    const values: Value[] = [];
    value.keys.forEach((key, index) => {
      const inner = prune(value.values[index] as Value, root, variables);
      if (inner === undefined) return;
      keys.push(key);
      values.push(inner);
    });
    return Doc.of(keys, values);
  };
  return mapped((doc, { variables }) => {
    const result = prune(doc, doc, variables);
    return result instanceof Doc ? result : undefined;
  });
};

const transformation: Compile = (spec, name) => {
  const transform = compileTransformation(name, spec);
  return mapped((doc, { variables }) => transform(doc, variables));
};

/** A query within a pipeline: `$expr` has the variables of its run. */
const matchStage: Compile = (spec) => {
  if (!(spec instanceof Doc)) throw new ServerError(15959, `the match filter must be an expression in an object`);
  parseFilter(spec);
  const collation = currentCollation();
  return function* (source, context) {
    const test: Predicate = withCollation(collation, () => compileFilter(parseFilter(spec, context.variables)));
    yield* mapped((row) => (test(row) ? row : undefined))(source, context);
  };
};

const stages: Readonly<Record<string, Compile>> = {
  $match: matchStage,
  $project: transformation,
  $addFields: transformation,
  $set: transformation,
  $unset: transformation,
  $replaceRoot: transformation,
  $replaceWith: transformation,
  $sort: sortStage,
  $limit: (spec, name) => limit(wholeNumber(spec, name, 1, 5107201, isWhole(spec) && numberOf(spec) === 0 ? 15958 : 5107201)),
  $skip: (spec, name) => skip(wholeNumber(spec, name, 0, 5107200)),
  $group: group,
  $unwind: unwind,
  $count: counted,
  $sortByCount: (spec, name, depth) => {
    if (!(typeof spec === 'string' && spec.startsWith('$')) && !(spec instanceof Doc && spec.keys[0]?.startsWith('$')))
      throw new ServerError(
        typeof spec === 'string' ? 40148 : spec instanceof Doc ? 40147 : 40149,
        `the sortByCount field must be defined as a $-prefixed path or an expression`,
      );
    const grouped = group(Doc.from({ _id: spec, count: Doc.from({ $sum: 1 }) }), name, depth);
    const inOrder = sortBy(parseSort(Doc.from({ count: -1 })));
    return (source, context) => inOrder(grouped(source, context), context);
  },
  $lookup: lookup,
  $graphLookup: graphLookup,
  $facet: facet,
  $bucket: bucket,
  $bucketAuto: bucketAuto,
  $sample: sample,
  $unionWith: unionWith,
  $redact: redact,
  $setWindowFields: (spec) => windowStage(spec, setIn),
};

const openings: Readonly<Record<string, (spec: Value) => Opening>> = {
  $collStats: (spec) => {
    if (!(spec instanceof Doc)) throw new ServerError(5447000, `$collStats must take a nested object but found: ${show(spec)}`);
    return (context, collection) => context.statistics(collection, spec);
  },
  $documents: (spec) => {
    const evaluate = compileExpression(spec);
    const documents = function* (given: Arr): Iterable<Doc> {
      for (const value of given.values) {
        if (!(value instanceof Doc))
          throw new ServerError(40228, `$documents gives documents, but its array has an element of type ${bsonTypeName(value)}`);
        yield value;
      }
    };
    return function* ({ variables }) {
      const work = (): Value | undefined => evaluate(Doc.empty, { ...variables, ROOT: Doc.empty, CURRENT: Doc.empty });
      let given = withinTurn(work);
      if (given === INTERRUPTED) given = yield* inTurns(work);
      if (!(given instanceof Arr)) throw new ServerError(5858203, 'an array is expected');
      yield* paced(documents(given));
    };
  },
  $indexStats: (spec) => {
    if (!(spec instanceof Doc) || spec.size) throw new ServerError(28803, 'The $indexStats stage specification must be an empty object');
    return (context, collection) => context.indexes(collection);
  },
};

/** Server stages that read no collection. */
const WITHOUT_COLLECTION: ReadonlySet<string> = new Set(['$currentOp', '$listLocalSessions', '$listSessions']);
const NOT_IN_FACETS_OF_DATABASES: ReadonlySet<string> = new Set(
  '$currentOp $listClusterCatalog $listLocalSessions $listSampledQueries $queryStats'.split(' '),
);

/** @throws ServerError 40600 for a stage allowed in a pipeline without a collection, but not in a `$facet` */
const checkFacetOfDatabase = (spec: Value): void => {
  for (const pipeline of spec instanceof Doc ? spec.values : [])
    for (const stage of pipeline instanceof Arr ? pipeline.values : [])
      if (stage instanceof Doc && NOT_IN_FACETS_OF_DATABASES.has(stage.firstKey))
        throw new ServerError(40600, `${stage.firstKey} is not allowed to be used within a $facet stage`);
};

/** How deep pipelines may be nested. */
const MOST_DEPTH = 20;

const notFirst = (name: string): ServerError => new ServerError(40602, `${name} is only valid as the first stage in a pipeline`);

const stageOf = (stage: Value): readonly [string, Value] => {
  if (!(stage instanceof Doc)) throw new ServerError(14, `Each element of the 'pipeline' array must be an object`);
  if (stage.size !== 1) throw new ServerError(40323, 'A pipeline stage specification object must contain exactly one field.');
  return [stage.keys[0] as string, stage.values[0] as Value];
};

/** @throws ServerError if a filter contains something not allowed in this stage of a pipeline */
const checkMatch = (filter: Value, first: boolean): void => {
  for (const operator of operatorsIn(filter)) {
    if (operator === '$text' && !first) throw new ServerError(17313, '$match with $text is only allowed as the first pipeline stage');
    if (SORTS_BY_DISTANCE.has(operator)) throw new ServerError(5626500, `${operator} is not allowed in $match`);
  }
};

/** How a value of a group is passed to another stage, as on a server: MinKey and MaxKey as a document, code as a string. */
const handedOn = (value: Value): Value => {
  if (value === MIN_KEY || value === MAX_KEY) return Doc.of([''], [value]);
  if (value instanceof Code) return value.scope ? value : value.text;
  // A list created by the group; a stored one is passed on unchanged.
  return value instanceof Arr && !value.source && value.values.some((element) => element !== null && handedOn(element) !== element)
    ? Arr.of(value.values.map(handedOn))
    : value;
};

/** Server stages that may precede groups without a change of engine. */
const BEFORE_GROUPS: ReadonlySet<string> = new Set(['$match', '$sort', '$limit', '$skip']);

/** Index of the last of the groups at the beginning of a pipeline on a collection, if other stages follow it. */
const lastGroup = (names: readonly string[]): number | undefined => {
  let at = names.findIndex((name) => !BEFORE_GROUPS.has(name));
  if (at < 0) return undefined;
  while (names[at] === '$group') at++;
  // These are sorted groups.
  if (names[at] === '$bucket' || names[at] === '$sortByCount') return at;
  return at < names.length && names[at - 1] === '$group' ? at - 1 : undefined;
};

/**
 * Compiles an aggregation pipeline.
 *
 * @param depth how deep it is nested in pipelines of other stages; null for one without a collection
 * @throws ServerError 40324 for a stage that this node does not have
 */
export const compilePipeline = (
  pipeline: Value,
  { depth = 0, within }: { readonly depth?: number | null; readonly within?: string } = {},
): Pipeline => {
  if (!(pipeline instanceof Arr)) throw new ServerError(14, `'pipeline' option must be specified as an array`);
  if (pipeline.length > 1000) throw new ServerError(7749501, 'Pipeline length must be no longer than 1000 stages');
  if (depth !== null && depth > MOST_DEPTH)
    throw new ServerError(232, `Maximum number of nested sub-pipelines exceeded. Limit is ${MOST_DEPTH}`);
  const all = pipeline.values.map(stageOf);
  const [first] = all;
  const opening = first && Object.hasOwn(openings, first[0]) ? openings[first[0]]?.(first[1]) : undefined;
  const given = opening ? all.slice(1) : all;
  const compiled = given.map(([name, spec], index) => {
    if (name === '$match') checkMatch(spec, index === 0);
    if (name === '$facet' && depth === null) checkFacetOfDatabase(spec);
    const compile = Object.hasOwn(stages, name) ? stages[name] : undefined;
    if (compile) return compile(spec, name, depth ?? 0);
    if (name === '$out' || name === '$merge')
      throw depth
        ? new ServerError(within === '$unionWith' ? 31441 : 51047, `${name} is not allowed within a nested pipeline`)
        : new ServerError(40601, `${name} can only be the final stage in the pipeline`);
    if (name === '$changeStream') throw new ServerError(40573, 'The $changeStream stage is only supported on replica sets');
    if (Object.hasOwn(openings, name)) throw notFirst(name);
    if (depth !== null && WITHOUT_COLLECTION.has(name)) throw new ServerError(73, `${name} is about no collection`);
    throw new ServerError(40324, `Unrecognized pipeline stage name: '${name}'`);
  });
  const group = depth === 0 && !within && !opening ? lastGroup(given.map(([name]) => name)) : undefined;
  if (group !== undefined) {
    const grouped = compiled[group] as Stage;
    compiled[group] = function* (source, context) {
      for (const row of grouped(source, context)) yield row === PAUSE ? row : Doc.of(row.keys, row.values.map(handedOn));
    };
  }
  const match: Doc[] = [];
  let at = 0;
  while (given[at]?.[0] === '$match') match.push((given[at++] as readonly [string, Doc])[1]);
  const sort = given[at]?.[0] === '$sort' ? (given[at++] as readonly [string, Doc])[1] : undefined;
  const limited = given[at]?.[0] === '$limit' ? numberOf((given[at++] as readonly [string, Value])[1]) : undefined;
  return {
    head: { match, sort, limit: limited },
    rest: (source, context) => chain(compiled.slice(at), source, context),
    run: (source, context) => chain(compiled, source, context),
    names: all.map(([name]) => name),
    opening,
    isHead: at === given.length && !opening,
  };
};
