import { add, asNumeric, multiply } from '../bson/arithmetic.js';
import { compareValues, containsValue, equalValues, isNumber, numberOf, isWhole } from '../bson/order.js';
import { indexOfComponent, splitPath } from '../bson/paths.js';
import {
  Arr,
  bsonTypeName,
  bsonTypeNumber,
  DateTime,
  depthOf,
  Doc,
  encode,
  encodedLength,
  identicalScalars,
  MAX_DOCUMENT_BYTES,
  newObjectId,
  Regex,
  show,
  Timestamp,
  withFieldInFront,
  type Value,
} from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { currentCollation } from './collation.js';
import { withVariables } from './expressions/expressions.js';
import type { Variables } from './expressions/scope.js';
import { compileFilter, demandedValues, parseFilter, type Predicate } from './filter.js';
import { changeAt, describeId, valueAt, type Change, type Modification, type Place, type UpdateContext } from './modifications.js';
import { orderOfValues } from './sort-order.js';
import { positionOf } from './positions.js';
import { compileTransformation } from './transformations.js';

export type Update = (doc: Doc, context: UpdateContext) => Doc;

const sameKind = (components: readonly [string, string]): number => {
  const [a, b] = components;
  const [left, right] = [indexOfComponent(a), indexOfComponent(b)];
  return left >= 0 && right >= 0 ? left - right : a < b ? -1 : a > b ? 1 : 0;
};

/** Fields are changed, and new ones appended, in the order of their names; numeric names by their value. */
const byPath = (a: Modification, b: Modification): number => {
  for (let index = 0; index < a.parts.length && index < b.parts.length; index++) {
    const order = sameKind([a.parts[index] as string, b.parts[index] as string]);
    if (order !== 0) return order;
  }
  return a.parts.length - b.parts.length;
};

const checkPath = (path: string): readonly string[] => {
  if (path === '') throw new ServerError(56, 'An empty update path is not valid.');
  const parts = splitPath(path);
  for (const [index, part] of parts.entries()) {
    if (part === '') throw new ServerError(56, `The update path '${path}' contains an empty field name, which is not allowed.`);
    const wrong = index === 0 ? part.startsWith('$') && !['$ref', '$id', '$db'].includes(part) : part.startsWith('$[');
    if (wrong && part !== '$' && !/^\$\[\w*\]$/.test(part))
      throw new ServerError(
        52,
        `The dollar ($) prefixed field '${part}' in '${path}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
      );
    if (index === 0 && (part === '$' || part.startsWith('$[')))
      throw badValue(`Cannot have array filter identifier (i.e. '$[<id>]') element in the first position in path '${path}'`);
  }
  if (parts.indexOf('$') !== parts.lastIndexOf('$')) throw badValue(`Too many positional (i.e. '$') elements found in path '${path}'`);
  if (parts.length > 200) throw new ServerError(15, `Document exceeds maximum nesting depth of 200`);
  return parts;
};

const operandNumber = (operator: string, path: string, operand: Value): ReturnType<typeof asNumeric> & {} => {
  const number = asNumeric(operand);
  if (number === undefined)
    throw new ServerError(
      14,
      `Cannot ${operator === '$inc' ? 'increment' : 'multiply'} with non-numeric argument: {${path}: ${show(operand)}}`,
    );
  return number as ReturnType<typeof asNumeric> & {};
};

const longName = (value: Value): string =>
  `(Number${typeof value === 'bigint' ? 'Long' : typeof value === 'number' ? 'Int' : 'Double'})${show(value)}`;

const arithmetic = (operator: '$inc' | '$mul', path: string, operand: Value): Change => {
  const by = operandNumber(operator, path, operand);
  const combine = operator === '$inc' ? add : multiply;
  return (old, { doc }) => {
    if (old === undefined) return operator === '$inc' ? by : combine(0, by);
    const number = asNumeric(old);
    if (number === undefined)
      throw new ServerError(
        14,
        `Cannot apply ${operator} to a value of non-numeric type. ${describeId(doc)} has the field '${path.split('.').at(-1)}' of non-numeric type ${bsonTypeName(old)}`,
      );
    const result = combine(number, by);
    if (result === undefined)
      throw badValue(`Failed to apply ${operator} operations to current value (${longName(old)}) for document ${describeId(doc)}`);
    // An equal number of the same type changes nothing, even another zero or a decimal with more digits.
    return bsonTypeNumber(result) === bsonTypeNumber(old) && equalValues(result, old) ? old : result;
  };
};

const currentDate = (path: string, operand: Value): Change => {
  let type = 'date';
  if (operand instanceof Doc) {
    const given = operand.get('$type');
    if (operand.size !== 1 || (given !== 'date' && given !== 'timestamp'))
      throw badValue(`Unrecognized $currentDate option or $type in {${path}: ${show(operand)}}: use 'timestamp' or 'date'`);
    type = given;
  } else if (typeof operand !== 'boolean')
    throw badValue(
      `${bsonTypeName(operand)} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).`,
    );
  return (_, { context }) => (type === 'date' ? new DateTime(BigInt(context.now)) : nextTimestamp(context.now));
};

const arrayAt = (operator: string, old: Value | undefined, { path, doc }: Place): Arr | undefined => {
  if (old === undefined || old instanceof Arr) return old;
  if (operator === '$push')
    throw badValue(`The field '${path}' must be an array but is of type ${bsonTypeName(old)} in document ${describeId(doc)}`);
  if (operator === '$addToSet')
    throw badValue(
      `Cannot apply $addToSet to non-array field. Field named '${path.split('.').at(-1)}' has non-array type ${bsonTypeName(old)}`,
    );
  if (operator === '$pop') throw new ServerError(14, `Path '${path}' contains an element of non-array type '${bsonTypeName(old)}'`);
  throw badValue(`Cannot apply ${operator} to a non-array value`);
};

const wholeOperand = (value: Value, what: string): number => {
  if (!isWhole(value)) throw badValue(`The value for ${what} must be an integer value but was given type: ${bsonTypeName(value)}`);
  return numberOf(value);
};

const push = (operand: Value): Change => {
  let each: readonly Value[] = [operand];
  let slice: number | undefined;
  let order: ((a: Value, b: Value) => number) | undefined;
  let position: number | undefined;
  if (operand instanceof Doc && operand.has('$each')) {
    const given = operand.get('$each');
    if (!(given instanceof Arr))
      throw badValue(`The argument to $each in $push must be an array but it was of type: ${bsonTypeName(given)}`);
    each = given.values;
    operand.keys.forEach((key, index) => {
      const value = operand.values[index] as Value;
      if (key === '$slice') slice = wholeOperand(value, '$slice');
      else if (key === '$position') position = wholeOperand(value, '$position');
      else if (key === '$sort') {
        order = orderOfValues(value);
      } else if (key !== '$each') throw badValue(`Unrecognized clause in $push: ${key}`);
    });
  }
  return (old, place) => {
    const before = arrayAt('$push', old, place)?.values ?? [];
    const at =
      position === undefined ? before.length : position < 0 ? Math.max(0, before.length + position) : Math.min(position, before.length);
    let values: readonly Value[] = [...before.slice(0, at), ...each, ...before.slice(at)];
    if (order) values = values.toSorted(order);
    if (slice !== undefined) values = slice >= 0 ? values.slice(0, slice) : values.slice(slice);
    return Arr.of(values);
  };
};

const addToSet = (operand: Value): Change => {
  let each: readonly Value[] = [operand];
  if (operand instanceof Doc && operand.keys[0] === '$each') {
    const given = operand.get('$each');
    if (!(given instanceof Arr))
      throw new ServerError(14, `The argument to $each in $addToSet must be an array but it was of type ${bsonTypeName(given)}`);
    if (operand.size > 1) throw badValue(`Found unexpected fields after $each in $addToSet: ${show(operand)}`);
    each = given.values;
  }
  const texts = currentCollation()?.compare;
  return (old, place) => {
    const values = [...(arrayAt('$addToSet', old, place)?.values ?? [])];
    const known = values.toSorted((a, b) => compareValues(a, b, texts));
    for (const value of each) {
      let low = 0;
      let high = known.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compareValues(known[middle], value, texts) < 0) low = middle + 1;
        else high = middle;
      }
      if (low < known.length && equalValues(known[low], value, texts)) continue;
      known.splice(low, 0, value);
      values.push(value);
    }
    return Arr.of(values);
  };
};

const pop = (path: string, operand: Value): Change => {
  const end = isNumber(operand) ? numberOf(operand) : NaN;
  if (Number.isNaN(end)) throw failedToParse(`Expected a number in: ${path}: ${show(operand)}`);
  if (!isWhole(operand) || (end !== 1 && end !== -1)) throw failedToParse(`$pop expects 1 or -1, found: ${show(operand)}`);
  return (old, place) => {
    const array = arrayAt('$pop', old, place);
    return array && Arr.of(end === 1 ? array.values.slice(0, -1) : array.values.slice(1));
  };
};

const pull = (operand: Value, variables: Variables): Change => {
  let matches: (element: Value) => boolean;
  const texts = currentCollation()?.compare;
  const first = operand instanceof Doc ? (operand.keys[0] ?? '') : '';
  // Logical operators are a query on the element, like fields; others are conditions on it.
  if (operand instanceof Doc && (!first.startsWith('$') || ['$and', '$or', '$nor', '$not', '$expr', '$comment'].includes(first))) {
    const test = compileFilter(parseFilter(operand, variables));
    matches = (element) => element instanceof Doc && test(element);
  } else {
    const isCondition = operand instanceof Doc;
    // A condition applies to an element as to a field, so also to the elements of an array. A value is compared only with the element
    // itself.
    const test = compileFilter(parseFilter(Doc.of(['element'], [operand]), variables), isCondition || operand instanceof Regex);
    matches =
      isCondition || !(operand instanceof Arr)
        ? (element) => test(Doc.of(['element'], [element]))
        : (element) => equalValues(element, operand, texts);
  }
  return (old, place) => {
    const array = arrayAt('$pull', old, place);
    return array && Arr.of(array.values.filter((element) => !matches(element)));
  };
};

const pullAll = (operand: Value): Change => {
  if (!(operand instanceof Arr)) throw badValue(`$pullAll requires an array argument but was given a ${bsonTypeName(operand)}`);
  const texts = currentCollation()?.compare;
  const unwanted = operand.values.toSorted((a, b) => compareValues(a, b, texts));
  return (old, place) => {
    const array = arrayAt('$pullAll', old, place);
    return array && Arr.of(array.values.filter((element) => !containsValue(unwanted, element, texts)));
  };
};

const bit = (path: string, operand: Value): Change => {
  if (!(operand instanceof Doc))
    throw badValue(
      `The $bit modifier is not compatible with a ${bsonTypeName(operand)}. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}`,
    );
  if (!operand.size)
    throw failedToParse(
      `You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}, not {$bit: {${path}: {}}}`,
    );
  operand.keys.forEach((key, index) => {
    const value = operand.values[index];
    if (!['and', 'or', 'xor'].includes(key))
      throw failedToParse(
        `The $bit modifier only supports 'and', 'or', and 'xor', not '${key}' which is an unknown operator: {${key}: ${show(value)}}`,
      );
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw badValue(
        `The $bit modifier field must be an Integer(32/64 bit); a '${bsonTypeName(value)}' is not supported here: {${key}: ${show(value)}}`,
      );
  });
  return (old, { doc }) => {
    const start = old === undefined ? 0 : old;
    if (typeof start !== 'number' && typeof start !== 'bigint')
      throw badValue(
        `Cannot apply $bit to a value of non-integral type.${describeId(doc)} has the field ${path} of non-integer type ${bsonTypeName(old)}`,
      );
    let long = typeof start === 'bigint';
    let result = BigInt(start);
    operand.keys.forEach((key, index) => {
      const by = operand.values[index] as number | bigint;
      long ||= typeof by === 'bigint';
      result = key === 'and' ? result & BigInt(by) : key === 'or' ? result | BigInt(by) : result ^ BigInt(by);
    });
    return long ? BigInt.asIntN(64, result) : Number(BigInt.asIntN(32, result));
  };
};

const modificationsOf = (operator: string, path: string, operand: Value, variables: Variables): readonly Modification[] => {
  const parts = checkPath(path);
  const texts = currentCollation()?.compare;
  const make = (change: Change, creates = true, onlyInserting = false): readonly Modification[] => [
    { path, parts, change, creates, onlyInserting },
  ];
  switch (operator) {
    case '$set':
      return make(() => operand);
    case '$setOnInsert':
      return make(() => operand, true, true);
    case '$unset':
      return make(() => undefined, false);
    case '$inc':
    case '$mul':
      return make(arithmetic(operator, path, operand));
    case '$min':
      return make((old) => (old === undefined || compareValues(operand, old, texts) < 0 ? operand : old));
    case '$max':
      return make((old) => (old === undefined || compareValues(operand, old, texts) > 0 ? operand : old));
    case '$currentDate':
      return make(currentDate(path, operand));
    case '$push':
      return make(push(operand));
    case '$addToSet':
      return make(addToSet(operand));
    case '$pop':
      return make(pop(path, operand), false);
    case '$pull':
      return make(pull(operand, variables), false);
    case '$pullAll':
      return make(pullAll(operand), false);
    case '$bit':
      return make(bit(path, operand));
  }
  throw failedToParse(`Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`);
};

const operatorNames = [
  '$set',
  '$setOnInsert',
  '$unset',
  '$inc',
  '$mul',
  '$min',
  '$max',
  '$currentDate',
  '$push',
  '$addToSet',
  '$pop',
  '$pull',
  '$pullAll',
  '$bit',
  '$rename',
];

/**
 * The values at both ends of a `$rename`, neither of which may be in an array.
 *
 * @throws ServerError 2 BadValue, 28 PathNotViable if the source is in a value that has no fields
 */
const renamedField = (end: 'source' | 'destination', doc: Doc, parts: readonly string[], path: string): Value | undefined => {
  let value: Value | undefined = doc;
  for (const [index, part] of parts.entries()) {
    if (value instanceof Arr)
      throw badValue(
        `The ${end} field cannot be an array element, '${path}' in doc with ${describeId(doc)} has an array field called '${parts[index - 1]}'`,
      );
    if (end === 'source' && value !== undefined && !(value instanceof Doc))
      throw new ServerError(28, `cannot use the part (${part} of ${path}) to traverse the element ({${parts[index - 1]}: ${show(value)}})`);
    value = value instanceof Doc ? value.get(part) : undefined;
  }
  return value;
};

/** The concrete paths of a path with `$`, `$[]` and `$[name]` in a document. */
const concretePaths = (
  doc: Doc,
  parts: readonly string[],
  filters: ReadonlyMap<string, Predicate>,
  context: UpdateContext,
): readonly (readonly string[])[] => {
  const at = parts.findIndex((part) => part === '$' || part.startsWith('$['));
  if (at < 0) return [parts];
  const before = parts.slice(0, at);
  const after = parts.slice(at + 1);
  const part = parts[at] as string;
  if (part === '$') {
    const path = [...before, String(positionOf(doc, context)), ...after];
    return concretePaths(doc, path, filters, context);
  }
  const array = valueAt(doc, before);
  if (array === undefined) throw badValue(`The path '${before.join('.')}' must exist in the document in order to apply array updates.`);
  if (!(array instanceof Arr)) throw badValue(`Cannot apply array updates to non-array element ${before.at(-1)}: ${show(array)}`);
  const name = part.slice(2, -1);
  const test = name ? (filters.get(name) as Predicate) : undefined;
  return array.values.flatMap((element, index) =>
    !test || test(Doc.of([name], [element])) ? concretePaths(doc, [...before, String(index), ...after], filters, context) : [],
  );
};

const parseArrayFilters = (arrayFilters: readonly Doc[], variables: Variables): ReadonlyMap<string, Predicate> => {
  const filters = new Map<string, Predicate>();
  for (const given of arrayFilters) {
    const names = new Set<string>();
    const collect = (doc: Doc): void =>
      doc.keys.forEach((key, index) => {
        const value = doc.values[index];
        if (key.startsWith('$') && value instanceof Arr) for (const clause of value.values) if (clause instanceof Doc) collect(clause);
        if (!key.startsWith('$')) names.add(key.split('.')[0] as string);
      });
    collect(given);
    for (const name of ['$text', '$where', '$geoNear', '$near'])
      if (given.has(name)) throw badValue(`Error parsing array filter :: caused by :: ${name} is not allowed in this context`);
    if (names.size !== 1)
      throw failedToParse(
        names.size
          ? `Error parsing array filter :: caused by :: Expected a single top-level field name, found '${[...names].join("' and '")}'`
          : 'Cannot use an expression without a top-level field name in arrayFilters',
      );
    const [name] = names as unknown as [string];
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name))
      throw badValue(
        `Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${name}'`,
      );
    if (filters.has(name)) throw failedToParse(`Found multiple array filters with the same top-level field name ${name}`);
    filters.set(name, compileFilter(parseFilter(given, variables)));
  }
  return filters;
};

const checkConflicts = (modifications: readonly Modification[]): void => {
  const seen = new Map<string, string>();
  for (const { path, parts } of modifications) {
    for (let length = 1; length <= parts.length; length++) {
      const prefix = parts.slice(0, length).join('.');
      const holder = seen.get(prefix);
      if (holder === prefix || (length === parts.length && holder !== undefined))
        throw new ServerError(40, `Updating the path '${path}' would create a conflict at '${prefix}'`);
    }
    for (let length = 1; length <= parts.length; length++) seen.set(parts.slice(0, length).join('.'), path);
  }
};

const compileOperators = (spec: Doc, arrayFilters: readonly Doc[], variables: Variables): Update => {
  const modifications: Modification[] = [];
  const renames: { from: Modification; to: string }[] = [];
  spec.keys.forEach((operator, index) => {
    const operand = spec.values[index] as Value;
    if (!operatorNames.includes(operator))
      throw failedToParse(`Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`);
    if (!(operand instanceof Doc))
      throw failedToParse(
        `Modifiers operate on fields but we found type ${bsonTypeName(operand)} instead. For example: {$mod: {<field>: ...}} not {${operator}: ${show(operand)}}`,
      );
    operand.keys.forEach((path, at) => {
      const value = operand.values[at] as Value;
      if (operator !== '$rename') {
        modifications.push(...modificationsOf(operator, path, value, variables));
        return;
      }
      const parts = checkPath(path);
      if (typeof value !== 'string') throw badValue(`The 'to' field for $rename must be a string: ${path}: ${show(value)}`);
      const target = checkPath(value);
      if (path === value) throw badValue(`The source and target field for $rename must differ: ${path}: ${show(value)}`);
      if ([...parts, ...target].some((part) => part === '$' || part.startsWith('$[')))
        throw badValue(`The source field for $rename may not be dynamic: ${path}`);
      // The value of the target is read before anything changes; see the run below.
      const renamed: Modification = {
        path: value,
        parts: target,
        change: (_, { doc }) => {
          const moved = renamedField('source', doc, parts, path);
          if (moved === undefined) return undefined;
          if (target[0] === '_id')
            throw new ServerError(66, `Performing an update on the path '${value}' would modify the immutable field '_id'`);
          renamedField('destination', doc, target, value);
          return moved;
        },
        creates: true,
        onlyInserting: false,
      };
      const removed: Modification = { path, parts, change: () => undefined, creates: false, onlyInserting: false };
      modifications.push(renamed, removed);
      renames.push({ from: removed, to: value });
      if (value.startsWith(`${path}.`) || path.startsWith(`${value}.`))
        throw badValue(`The source and target field for $rename must not be on the same path: ${path}: ${show(value)}`);
    });
  });
  checkConflicts(modifications);
  const filters = parseArrayFilters(arrayFilters, variables);
  const used = new Set(
    modifications.flatMap(({ parts }) => parts.filter((part) => /^\$\[\w+\]$/.test(part)).map((part) => part.slice(2, -1))),
  );
  for (const name of used)
    if (!filters.has(name))
      throw badValue(
        `No array filter found for identifier '${name}' in path '${modifications.find(({ parts }) => parts.includes(`$[${name}]`))?.path}'`,
      );
  for (const name of filters.keys())
    if (!used.has(name)) throw failedToParse(`The array filter for identifier '${name}' was not used in the update ${show(spec)}`);
  const ordered = modifications.toSorted(byPath);
  const renameTargets = new Set(renames.map(({ to }) => to));
  const wide = ordered.length > 100 && ordered.every(({ parts }) => parts.length === 1);
  return (doc, context) => {
    // Many top-level fields are changed in one copy of the document, not in one for each.
    const fields = wide ? new Map(doc.keys.map((key, index) => [key, doc.values[index] as Value])) : undefined;
    if (fields && fields.size === doc.size) {
      let changed = false;
      for (const { path, change, onlyInserting } of ordered) {
        const place = { path, doc, context };
        if ((onlyInserting && !context.inserting) || (renameTargets.has(path) && change(undefined, place) === undefined)) continue;
        const old = fields.get(path);
        const fresh = change(old, place);
        changed ||= fresh !== old;
        if (fresh === undefined) fields.delete(path);
        else fields.set(path, fresh);
      }
      return changed ? Doc.of([...fields.keys()], [...fields.values()]) : doc;
    }
    let result = doc;
    for (const modification of ordered) {
      if (modification.onlyInserting && !context.inserting) continue;
      for (const parts of concretePaths(result, modification.parts, filters, context)) {
        const place = { path: modification.path, doc, context };
        if (renameTargets.has(modification.path) && modification.change(undefined, place) === undefined) continue;
        result = changeAt(result, parts, 0, modification, place) as Doc;
      }
    }
    return result;
  };
};

/** Stages that the server supports, but not in an update. */
const otherStages = new Set(
  (
    '$bucket $bucketAuto $changeStream $collStats $count $currentOp $densify $documents $facet $fill $geoNear $graphLookup $group $indexStats ' +
    '$limit $listSessions $lookup $match $merge $out $planCacheStats $redact $sample $search $setWindowFields $skip $sort $sortByCount ' +
    '$unionWith $unwind'
  ).split(' '),
);
const isStage = (name: string): boolean => otherStages.has(name);

/**
 * Compiles an update: operators, a replacement, or a pipeline.
 *
 * @param multi whether it is for all matching documents: then it must not be a replacement
 * @throws ServerError 9 FailedToParse, 40 ConflictingUpdateOperators and others, like the server
 */
export const compileUpdate = (
  spec: Value,
  {
    arrayFilters = [],
    multi = false,
    variables = {},
  }: { readonly arrayFilters?: readonly Doc[]; readonly multi?: boolean; readonly variables?: Variables },
): Update => {
  if (spec instanceof Arr) {
    if (arrayFilters.length) throw failedToParse('arrayFilters may not be specified for pipeline-syle updates');
    const stages = withVariables(Object.keys(variables), () =>
      spec.values.map((stage) => {
        const name = stage instanceof Doc ? stage.keys[0] : undefined;
        if (!(stage instanceof Doc) || stage.size !== 1)
          throw new ServerError(40323, 'A pipeline stage specification object must contain exactly one field.');
        if (!['$addFields', '$set', '$project', '$unset', '$replaceRoot', '$replaceWith'].includes(name as string))
          throw isStage(name ?? '')
            ? new ServerError(72, `${name} is not allowed to be used within an update`)
            : new ServerError(40324, `Unrecognized pipeline stage name: '${name}'`);
        return compileTransformation(name as string, stage.values[0] as Value);
      }),
    );
    return (doc, context) => {
      const after = stages.reduce((current, stage) => stage(current, { ...variables, NOW: new DateTime(BigInt(context.now)) }), doc);
      const id = doc.get('_id');
      // As with a replacement, the _id is kept if the result has none.
      return id === undefined || after.has('_id') ? after : withFieldInFront('_id', id, after);
    };
  }
  if (!(spec instanceof Doc)) throw failedToParse(`Update argument must be either an object or an array`);
  if (spec.firstKey.startsWith('$')) return compileOperators(spec, arrayFilters, variables);
  const key = spec.dollarKey;
  if (key !== undefined)
    throw new ServerError(
      52,
      `The dollar ($) prefixed field '${key}' in '${key}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`,
    );
  if (multi) throw failedToParse('multi update is not supported for replacement-style update');
  if (arrayFilters.length) throw failedToParse('arrayFilters may not be specified for replacement-style updates');
  return (doc) => {
    const id = doc.get('_id');
    const given = spec.get('_id');
    const filled = withTimestamps(spec);
    if (id === undefined || given !== undefined) return filled;
    return withFieldInFront('_id', id, filled);
  };
};

/**
 * Applies an update to a stored document and checks the result.
 *
 * @returns the new document, or the same one if no byte has changed
 * @throws ServerError 66 ImmutableField if _id would change, 10334 BSONObjectTooLarge
 */
export const applyUpdate = (update: Update, doc: Doc, context: UpdateContext): Doc => {
  const after = update(doc, context);
  if (after === doc) return doc;
  const id = doc.get('_id') as Value;
  const fresh = after.get('_id');
  if (fresh === undefined) {
    throw new ServerError(66, `Performing an update on the path '_id' would modify the immutable field '_id'`);
  }
  if (!equalValues(id, fresh))
    throw new ServerError(
      66,
      `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${show(fresh)}`,
    );
  const stored = withIdFirst(identicalScalars(fresh, id) ? after : after.with('_id', id));
  checkSize(stored);
  return encode(stored).equals(encode(doc)) ? doc : stored;
};

let latestTimestamp = 0n;

/** A unique timestamp: the second, then a number within it. */
const nextTimestamp = (ms: number): Timestamp => {
  const second = BigInt(Math.floor(ms / 1000)) << 32n;
  latestTimestamp = latestTimestamp >= second ? latestTimestamp + 1n : second + 1n;
  return new Timestamp(latestTimestamp);
};

/** Replaces empty timestamps by the current time, as the server does when it stores whole documents; except in the _id. */
const withTimestamps = (doc: Doc): Doc => {
  if (!doc.hasType(0x11)) return doc;
  const { keys } = doc;
  return Doc.of(
    keys,
    doc.values.map((value, index) =>
      value instanceof Timestamp && value.bits === 0n && keys[index] !== '_id' ? nextTimestamp(Date.now()) : value,
    ),
  );
};

/** The document as it is stored: _id first. */
export const withIdFirst = (doc: Doc): Doc => {
  const id = doc.get('_id');
  if (id === undefined || doc.firstKey === '_id') return doc;
  const rest = doc.without('_id');
  return Doc.of(['_id', ...rest.keys], [id, ...rest.values]);
};

const checkSize = (doc: Doc): void => {
  if (depthOf(doc) > 180) throw new ServerError(15, 'Document exceeds maximum nesting depth of 180');
  const bytes = encodedLength(doc);
  if (bytes > MAX_DOCUMENT_BYTES) throw new ServerError(10334, `Resulting document after update is larger than ${MAX_DOCUMENT_BYTES}`);
};

const checkId = (id: Value): Value => {
  if (id instanceof Arr) throw new ServerError(53, "The '_id' value cannot be of type array");
  if (bsonTypeName(id) === 'regex' || bsonTypeName(id) === 'undefined')
    throw new ServerError(53, `The '_id' value cannot be of type ${bsonTypeName(id)}`);
  if (id instanceof Doc)
    for (const key of id.keys)
      if (key.startsWith('$') && !['$ref', '$id', '$db'].includes(key))
        throw new ServerError(52, `_id fields may not contain '$'-prefixed fields: ${key} is not valid for storage.`);
  return id;
};

/**
 * A document as stored by an insert: with an _id, which comes first.
 *
 * @throws ServerError 53 InvalidIdField, 10334 BSONObjectTooLarge
 */
export const toInsert = (doc: Doc): Doc => {
  for (const key of doc.source ? [] : doc.keys)
    if (key.startsWith('$')) throw new ServerError(52, `Document can't have $ prefixed field names: ${key}`);
  const id = doc.get('_id');
  const filled = withTimestamps(doc);
  const whole = id === undefined ? withFieldInFront('_id', newObjectId(), filled) : withIdFirst(filled);
  if (id !== undefined) checkId(id);
  const bytes = encodedLength(whole);
  if (bytes > MAX_DOCUMENT_BYTES)
    throw new ServerError(10334, `object to insert too large. size in bytes: ${bytes}, max size: ${MAX_DOCUMENT_BYTES}`);
  return whole;
};

/** The document created by an upsert if the query has found none. */
export const upserted = (update: Update, replacement: boolean, context: UpdateContext): Doc => {
  const demanded = demandedValues(context.filter);
  let base: Doc = Doc.empty;
  if (replacement) {
    const id = demanded.get('_id');
    if (id !== undefined) base = Doc.of(['_id'], [id]);
  } else
    for (const [path, value] of demanded) {
      const parts = splitPath(path);
      base = changeAt(
        base,
        parts,
        0,
        { path, parts, change: () => value, creates: true, onlyInserting: false },
        { path, doc: base, context },
      ) as Doc;
    }
  const after = update(base, context);
  const id = base.get('_id');
  const fresh = after.get('_id');
  if (id !== undefined && (fresh === undefined || !equalValues(id, fresh)))
    throw new ServerError(66, `Performing an update on the path '_id' would modify the immutable field '_id'`);
  const whole = toInsert(after);
  checkSize(whole);
  return whole;
};

export const isReplacement = (spec: Value): boolean => spec instanceof Doc && !spec.firstKey.startsWith('$');
