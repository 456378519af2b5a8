import { compareValues, containsValue, equalValues, isNaNValue, isNumber, isTrue, numberOf, typeRank, isWhole } from '../bson/order.js';
import { Decimal128, roundDecimal, unpack, type Unpacked } from '../bson/decimal128.js';
import { splitPath, visitPath, type Test } from '../bson/paths.js';
import {
  Arr,
  Binary,
  bsonTypeNamed,
  bsonTypeNumber,
  Doc,
  MAX_KEY,
  MIN_KEY,
  Regex,
  show,
  SymbolText,
  UNDEFINED,
  type Value,
} from '../bson/values.js';
import { badValue, failedToParse, ServerError } from '../errors.js';
import { loop, spend } from './budget.js';
import { currentCollation, type Collation } from './collation.js';
import { compileExpression, withVariables } from './expressions/expressions.js';
import type { Variables } from './expressions/scope.js';
import { parseSchema } from './json-schema.js';
import { compileRegex } from './patterns.js';

export type Relation = 'eq' | 'lt' | 'lte' | 'gt' | 'gte';
/** A parsed query, which the matcher compiles and the planner searches for bounds. */
export type Filter =
  | { readonly op: 'and' | 'or' | 'nor'; readonly of: readonly Filter[] }
  | { readonly op: 'not'; readonly of: Filter }
  | {
      readonly op: 'compare';
      readonly path: string;
      readonly relation: Relation;
      readonly operand: Value;
      readonly collation?: Collation | undefined;
    }
  | { readonly op: 'in'; readonly path: string; readonly operands: readonly Value[]; readonly collation?: Collation | undefined }
  | { readonly op: 'exists'; readonly path: string }
  | { readonly op: 'regex'; readonly path: string; readonly regex: Regex; readonly test: Test }
  /** A test of the values at a path; `expand` also visits the elements of an array there, `each` tests only them. */
  | {
      readonly op: 'test';
      readonly path: string;
      readonly name: string;
      readonly expand: boolean;
      readonly test: Test;
      readonly each?: Test | undefined;
    }
  | { readonly op: 'always'; readonly value: boolean }
  | { readonly op: 'document'; readonly name: '$expr' | '$jsonSchema'; readonly test: Predicate };

/** A condition on the values at a path. */
export type Leaf = Extract<Filter, { readonly path: string }>;

export type Predicate = (doc: Doc) => boolean;
const isNullish = (value: Value | undefined): boolean => value === undefined || value === null || value === UNDEFINED;

/** A comparison in a query: matches only values of the operand's own type, except for MinKey and MaxKey. */
export const compileRelation = (relation: Relation, operand: Value, collation?: Collation): Test => {
  const texts = collation?.compare;
  if (operand === null) return relation === 'lt' || relation === 'gt' ? () => false : isNullish;
  if (relation === 'eq') {
    if (typeof operand === 'string' && !texts)
      return (value) => value === operand || (value instanceof SymbolText && value.text === operand);
    return (value) => value !== undefined && equalValues(value, operand, texts);
  }
  if (isNaNValue(operand))
    return relation === 'lt' || relation === 'gt' ? () => false : (value) => value !== undefined && isNaNValue(value);
  const holds: (order: number) => boolean =
    relation === 'lt'
      ? (order) => order < 0
      : relation === 'lte'
        ? (order) => order <= 0
        : relation === 'gt'
          ? (order) => order > 0
          : (order) => order >= 0;
  if (operand === MIN_KEY || operand === MAX_KEY) return (value) => holds(compareValues(value, operand));
  const rank = typeRank(operand);
  return (value) => value !== undefined && typeRank(value) === rank && holds(compareValues(value, operand, texts)) && !isNaNValue(value);
};

/** Membership by binary search, so that a list of thousands is cheap for each document. */
const compileMembership = (operands: readonly Value[], collation?: Collation): Test => {
  const texts = collation?.compare;
  const sorted = operands.filter((operand) => !(operand instanceof Regex)).toSorted((a, b) => compareValues(a, b, texts));
  const patterns = operands.filter((operand): operand is Regex => operand instanceof Regex).map(compilePattern);
  const nullish = operands.some((operand) => operand === null);
  return (value) => {
    if (nullish && isNullish(value)) return true;
    if (value === undefined) return false;
    if (containsValue(sorted, value, texts)) return true;
    return patterns.some((test) => test(value));
  };
};

const compilePattern = (regex: Regex): Test => {
  const matches = compileRegex(regex.pattern, regex.options);
  return (value) =>
    typeof value === 'string'
      ? matches(value)
      : value instanceof SymbolText
        ? matches(value.text)
        : value instanceof Regex && equalValues(value, regex);
};

const typeTest = (operand: Value): Test => {
  const names = operand instanceof Arr ? operand.values : [operand];
  if (!names.length) throw failedToParse('$type must match at least one type');
  const numbers = new Set<number>();
  for (const name of names) {
    if (typeof name === 'string') {
      if (name === 'number') for (const number of [1, 16, 18, 19]) numbers.add(number);
      else {
        const number = bsonTypeNamed(name);
        if (number === undefined) throw badValue(`Unknown type name alias: ${name}`);
        numbers.add(number);
      }
    } else if (isNumber(name)) {
      const number = numberOf(name);
      if (!isWhole(name) || !(number === -1 || number === 127 || (number >= 1 && number <= 19)))
        throw badValue(`Invalid numerical type code: ${show(name)}`);
      numbers.add(number);
    } else throw new ServerError(14, 'type must be represented as a number or a string');
  }
  return (value) => value !== undefined && numbers.has(bsonTypeNumber(value));
};
/** The int64 of a number, truncated towards zero; undefined if there is none. */
const wholeOf = (value: Value | undefined): bigint | undefined => {
  if (typeof value === 'bigint') return value;
  if (value instanceof Decimal128) return wholeOfDecimal(unpack(value));
  const number = numberOf(value);
  return number >= -(2 ** 63) && number < 2 ** 63 ? BigInt(Math.trunc(number)) : undefined;
};

const wholeOfDecimal = (number: Unpacked): bigint | undefined => {
  if (number.kind !== 'finite') return undefined;
  // No more digits than any int64 has: the power below is small.
  if (number.coefficient !== 0n && number.exponent > 20) return undefined;
  const { coefficient, exponent, negative } = roundDecimal(number, 'trunc') as Unpacked & { kind: 'finite' };
  const whole = coefficient === 0n ? 0n : (negative ? -coefficient : coefficient) * 10n ** BigInt(exponent);
  return whole === BigInt.asIntN(64, whole) ? whole : undefined;
};

const modTest = (operand: Value): Test => {
  if (!(operand instanceof Arr)) throw badValue('malformed mod, needs to be an array');
  if (operand.length < 2) throw badValue('malformed mod, not enough elements');
  if (operand.length > 2) throw badValue('malformed mod, too many elements');
  const [divisor, remainder] = operand.values.map((value) => {
    const whole = wholeOf(value);
    if (whole === undefined)
      throw badValue(
        `malformed mod, ${isNumber(value) ? 'divisor or remainder value is invalid' : 'divisor or remainder is not a number'}`,
      );
    return whole;
  }) as [bigint, bigint];
  if (divisor === 0n) throw badValue('divisor cannot be 0');
  return (value) => {
    if (!isNumber(value)) return false;
    const whole = wholeOf(value);
    return whole !== undefined && whole % divisor === remainder;
  };
};

const bitsTest = (name: string, operand: Value): Test => {
  let mask = 0n;
  if (operand instanceof Arr)
    for (const position of operand.values) {
      const bit = numberOf(position);
      if (!isWhole(position) || bit < 0) throw badValue(`bit positions must be an integer >= 0 but got: ${show(position)}`);
      mask |= 1n << BigInt(Math.min(bit, 4096));
    }
  else if (operand instanceof Binary) for (const [index, byte] of operand.bytes.entries()) mask |= BigInt(byte) << BigInt(index * 8);
  else {
    const whole = wholeOf(operand);
    if (whole === undefined || whole < 0n || !isWhole(operand))
      throw failedToParse(`${name} takes an Array, a number, or a BinData but received: ${show(operand)}`);
    mask = whole;
  }
  const all = name.startsWith('$bitsAll');
  const set = name.endsWith('Set');
  return (value) => {
    let bits: bigint;
    if (value instanceof Binary) {
      bits = 0n;
      for (const [index, byte] of value.bytes.entries()) bits |= BigInt(byte) << BigInt(index * 8);
    } else {
      const whole = wholeOf(value);
      if (whole === undefined || !isWhole(value)) return false;
      bits = whole;
    }
    const hit = bits & mask;
    return set ? (all ? hit === mask : hit !== 0n) : all ? hit === 0n : hit !== mask;
  };
};

const always = (value: boolean): Filter => ({ op: 'always', value });
const not = (of: Filter): Filter => ({ op: 'not', of });
const all = (of: readonly Filter[]): Filter => (of.length === 1 ? (of[0] as Filter) : { op: 'and', of });

const isOperatorDocument = (value: Value): value is Doc =>
  value instanceof Doc && (value.keys[0] ?? '').startsWith('$') && !isReference(value);
/** `{ $ref, $id }` is a value, not an operator. */
const isReference = (doc: Doc): boolean => doc.keys[0] === '$ref' || doc.keys[0] === '$id' || doc.keys[0] === '$db';

const unsupported: Readonly<Record<string, ServerError>> = {
  $where: badValue('no globalScriptEngine in $where parsing'),
  $text: new ServerError(27, 'text index required for $text query'),
  $near: badValue('$near is not supported by this node'),
  $nearSphere: badValue('$nearSphere is not supported by this node'),
  $geoWithin: badValue('$geoWithin is not supported by this node'),
  $geoIntersects: badValue('$geoIntersects is not supported by this node'),
  $within: badValue('$within is not supported by this node'),
};

/** The operators in a query, at any depth. The operands of other operators are values or expressions. */
export const operatorsIn = function* (query: Value | undefined): Generator<string, void, undefined> {
  if (query instanceof Arr) for (const clause of query.values) yield* operatorsIn(clause);
  if (!(query instanceof Doc)) return;
  for (const [index, key] of query.keys.entries()) {
    if (key.startsWith('$')) yield key;
    if (!key.startsWith('$') || ['$and', '$or', '$nor', '$not', '$elemMatch'].includes(key)) yield* operatorsIn(query.values[index]);
  }
};

/** Operators that do not concern a field. */
const PATHLESS: ReadonlySet<string> = new Set([
  '$and',
  '$or',
  '$nor',
  '$expr',
  '$where',
  '$jsonSchema',
  '$comment',
  '$alwaysTrue',
  '$alwaysFalse',
  '$sampleRate',
]);

/** Operators that sort by distance are allowed only in the filter of a find. */
export const SORTS_BY_DISTANCE: ReadonlySet<string> = new Set(['$near', '$nearSphere', '$geoNear']);

const clauses = (name: string, operand: Value, variables: Variables): readonly Filter[] => {
  if (!(operand instanceof Arr)) throw badValue(`${name} must be an array`);
  if (!operand.length) throw badValue('$and/$or/$nor must be a nonempty array');
  return operand.values.map((clause) => {
    if (!(clause instanceof Doc)) throw badValue('$or/$and/$nor entries need to be full objects');
    return parseFilter(clause, variables);
  });
};

/**
 * Parses a query document, under the current collation.
 *
 * @param variables the values of `$$` variables available to `$expr`
 * @throws ServerError 2 BadValue and others, like the server, for unknown or malformed operators
 */
export const parseFilter = (query: Doc, variables: Variables = {}): Filter => {
  const parts: Filter[] = [];
  query.keys.forEach((key, index) => {
    const operand = query.values[index] as Value;
    if (!key.startsWith('$')) {
      parts.push(parseField(key, operand, variables));
      return;
    }
    switch (key) {
      case '$and':
        parts.push(all(clauses(key, operand, variables)));
        return;
      case '$or':
        parts.push({ op: 'or', of: clauses(key, operand, variables) });
        return;
      case '$nor':
        parts.push({ op: 'nor', of: clauses(key, operand, variables) });
        return;
      case '$expr': {
        const evaluate = withVariables(Object.keys(variables), () => compileExpression(operand));
        parts.push({ op: 'document', name: key, test: (doc) => isTrue(evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc })) });
        return;
      }
      case '$jsonSchema': {
        if (!(operand instanceof Doc)) throw new ServerError(14, '$jsonSchema must be an object');
        const validate = parseSchema(operand);
        parts.push({ op: 'document', name: key, test: validate });
        return;
      }
      case '$sampleRate':
        parts.push(sampling(operand));
        return;
      case '$comment':
        return;
      case '$alwaysTrue':
      case '$alwaysFalse':
        if (!isNumber(operand) || numberOf(operand) !== 1) throw failedToParse(`${key} must be an integer value of 1`);
        parts.push(always(key === '$alwaysTrue'));
        return;
    }
    throw (
      unsupported[key] ??
      badValue(
        `unknown top level operator: ${key}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
      )
    );
  });
  return parts.length ? all(parts) : always(true);
};

/** A condition that matches at random, like `{ $expr: { $lt: [{ $rand: {} }, rate] } }`. */
const sampling = (operand: Value): Filter => {
  if (!isNumber(operand)) throw badValue('argument to $sampleRate must be a numeric type');
  const rate = numberOf(operand);
  if (!(rate >= 0 && rate <= 1)) throw badValue('numeric argument to $sampleRate must be in [0, 1]');
  if (rate === 0 || rate === 1) return always(rate === 1);
  return { op: 'document', name: '$expr', test: () => Math.random() < rate };
};

const parseField = (path: string, operand: Value, variables: Variables): Filter => {
  if (operand instanceof Regex) return matching(path, operand);
  if (!isOperatorDocument(operand)) return equality(path, operand);
  return all(parseOperators(path, operand, variables));
};

const matching = (path: string, regex: Regex): Filter => ({ op: 'regex', path, regex, test: compilePattern(regex) });

const equality = (path: string, operand: Value): Filter => {
  if (operand === UNDEFINED) throw badValue('cannot compare to undefined');
  return { op: 'compare', path, relation: 'eq', operand, collation: currentCollation() };
};

const parseOperators = (path: string, operators: Doc, variables: Variables): readonly Filter[] => {
  const parts: Filter[] = [];
  operators.keys.forEach((name, index) => {
    const operand = operators.values[index] as Value;
    const parsed = parseOperator(path, name, operand, operators, variables);
    if (parsed) parts.push(parsed);
  });
  return parts.length ? parts : [always(true)];
};

const parseOperator = (path: string, name: string, operand: Value, siblings: Doc, variables: Variables): Filter | undefined => {
  const test = (expand: boolean, run: Test): Filter => ({ op: 'test', path, name, expand, test: run });
  const some = (each: Test): Filter => ({
    op: 'test',
    path,
    name,
    expand: false,
    test: (value) => value instanceof Arr && value.values.some(each),
    each,
  });
  switch (name) {
    case '$eq':
      return equality(path, operand);
    case '$ne':
      if (operand instanceof Regex) throw badValue("Can't have regex as arg to $ne.");
      return not(equality(path, operand));
    case '$lt':
    case '$lte':
    case '$gt':
    case '$gte':
      if (operand instanceof Regex) throw badValue(`Can't have RegEx as arg to predicate over field '${path}'.`);
      if (operand === UNDEFINED) throw badValue('cannot compare to undefined');
      return { op: 'compare', path, relation: name.slice(1) as Relation, operand, collation: currentCollation() };
    case '$in':
    case '$nin': {
      if (!(operand instanceof Arr)) throw badValue(`${name} needs an array`);
      for (const value of operand.values) {
        if (isOperatorDocument(value)) throw badValue(`cannot nest $ under ${name}`);
        if (value === UNDEFINED) throw badValue(`${name} cannot contain undefined`);
      }
      const membership: Filter = { op: 'in', path, operands: operand.values, collation: currentCollation() };
      return name === '$in' ? membership : not(membership);
    }
    case '$exists': {
      const wanted = isTrue(operand);
      return wanted ? { op: 'exists', path } : not({ op: 'exists', path });
    }
    case '$not': {
      if (operand instanceof Regex) return not(matching(path, operand));
      if (!(operand instanceof Doc)) throw badValue('$not needs a regex or a document');
      if (!operand.size) throw badValue('$not cannot be empty');
      return not(all(parseOperators(path, operand, variables)));
    }
    case '$type':
      return test(true, typeTest(operand));
    case '$mod':
      return test(true, modTest(operand));
    case '$size': {
      const size = numberOf(operand);
      if (!isNumber(operand)) throw badValue(`Failed to parse $size. Expected a number in: $size: ${show(operand)}`);
      if (!isWhole(operand) || Math.abs(size) > 0x7fffffff)
        throw badValue(`Failed to parse $size. Expected an integer that fits 32 bits: $size: ${show(operand)}`);
      if (size < 0) throw badValue(`Failed to parse $size. Expected a non-negative number in: $size: ${show(operand)}`);
      return test(false, (value) => value instanceof Arr && value.length === size);
    }
    case '$regex': {
      const options = siblings.get('$options');
      if (options !== undefined && typeof options !== 'string') throw badValue('$options has to be a string');
      if (operand instanceof Regex) {
        if (options !== undefined && operand.options)
          throw new ServerError(
            siblings.keys.indexOf('$options') < siblings.keys.indexOf('$regex') ? 51074 : 51075,
            'options set in both $regex and $options',
          );
        return matching(path, new Regex(operand.pattern, options ?? operand.options));
      }
      if (typeof operand !== 'string') throw badValue('$regex has to be a string');
      return matching(path, new Regex(operand, options ?? ''));
    }
    case '$options':
      if (!siblings.has('$regex')) throw badValue('$options needs a $regex');
      return undefined;
    case '$all': {
      if (!(operand instanceof Arr)) throw badValue('$all needs an array');
      if (!operand.length) return always(false);
      const elemMatches = operand.values.filter((value) => value instanceof Doc && value.keys[0] === '$elemMatch').length;
      if (elemMatches && elemMatches !== operand.length) throw badValue('no $ expressions in $all');
      return all(
        operand.values.map((value) => {
          if (elemMatches) return all(parseOperators(path, value as Doc, variables));
          if (isOperatorDocument(value)) throw badValue('no $ expressions in $all');
          return value instanceof Regex ? matching(path, value) : equality(path, value);
        }),
      );
    }
    case '$elemMatch': {
      if (!(operand instanceof Doc)) throw badValue('$elemMatch needs an Object');
      const first = operand.keys[0] ?? '';
      if (isOperatorDocument(operand) && !PATHLESS.has(first)) {
        // The operators apply to the element itself: it is wrapped as the only field of a document.
        const matches = compileFilter(all(parseOperators('element', operand, variables)), false);
        return some((element) => matches(Doc.of(['element'], [element as Value])));
      }
      if (operand.has('$where')) throw badValue('$where cannot be applied to a field');
      for (const key of ['$expr', '$sampleRate'])
        if (operand.has(key)) throw badValue(`${key} can only be applied to the top-level document`);
      const matches = compileFilter(parseFilter(operand, variables));
      return some((element) => (element instanceof Doc ? matches(element) : element instanceof Arr && matches(documentOf(element))));
    }
    case '$bitsAllSet':
    case '$bitsAllClear':
    case '$bitsAnySet':
    case '$bitsAnyClear':
      return test(true, bitsTest(name, operand));
    case '$comment':
      return undefined;
    case '$expr':
      throw badValue('$expr can only be applied to the top-level document');
  }
  throw unsupported[name] ?? badValue(`unknown operator: ${name}`);
};

/** An array as a document with its indexes as names. */
const documentOf = (array: Arr): Doc =>
  Doc.of(
    array.values.map((_, index) => String(index)),
    array.values,
  );

/**
 * Compiles a parsed query to a test of documents.
 *
 * @param expandLeaves false if a value is tested on its own, as within `$elemMatch: { $gt: 1 }`
 */
export const compileFilter = (filter: Filter, expandLeaves = true): Predicate => {
  switch (filter.op) {
    case 'always': {
      const { value } = filter;
      return () => value;
    }
    case 'and':
    case 'or':
    case 'nor': {
      const tests = filter.of.map((part) => compileFilter(part, expandLeaves));
      const decides = oneGives(tests, filter.op !== 'and');
      return filter.op === 'or' ? decides : (doc) => !decides(doc);
    }
    case 'not': {
      const test = compileFilter(filter.of, expandLeaves);
      return (doc) => !test(doc);
    }
    case 'document':
      return filter.test;
    default: {
      const { expand, test } = compileTest(filter);
      return atPath(filter.path, expand && expandLeaves, test);
    }
  }
};

/** From this many conditions, testing a document may be interrupted between them: each may search a long array. */
const MANY = 32;
/** Number of elements that makes an array long. */
const LONG = 256;

/** Whether one of some tests returns the deciding value. */
const oneGives = (tests: readonly Predicate[], wanted: boolean): Predicate => {
  if (tests.length < MANY)
    return (doc) => {
      for (const test of tests) if (test(doc) === wanted) return true;
      return false;
    };
  return (doc) =>
    loop(
      tests,
      // The fields, and the elements of an array, are read once rather than for each condition.
      () => ({ at: 0, found: false, fields: doc.keys }),
      (state) => {
        const test = tests[state.at];
        if (test === undefined) return false;
        spend(1);
        state.found = test(doc) === wanted;
        state.at++;
        return !state.found;
      },
    ).found;
};

/** The test of a condition on the values at its path, and whether it also applies to the elements of an array there. */
export const compileTest = (leaf: Leaf): { readonly expand: boolean; readonly test: Test } => {
  switch (leaf.op) {
    case 'compare':
      return { expand: true, test: compileRelation(leaf.relation, leaf.operand, leaf.collation) };
    case 'in':
      return { expand: true, test: compileMembership(leaf.operands, leaf.collation) };
    case 'exists':
      return { expand: false, test: (value) => value !== undefined };
    case 'regex':
      return { expand: true, test: leaf.test };
    case 'test':
      return leaf;
  }
};

const atPath = (path: string, expand: boolean, test: Test): Predicate => {
  const parts = splitPath(path);
  const name = parts[0] as string;
  if (parts.length > 1) return (doc) => visitPath(doc, parts, 0, expand, test);
  return (doc) => {
    const value = doc.get(name);
    if (expand && value instanceof Arr) {
      const { values } = value;
      if (values.length > LONG) spend(values.length >> 3);
      for (const element of values) if (test(element)) return true;
    }
    return test(value);
  };
};

/**
 * The equalities required by a filter, by path: the initial content of an upsert.
 *
 * @throws ServerError 54 NotSingleValueField if two clauses require different values at one path
 */
export const demandedValues = (filter: Filter, found = new Map<string, Value>()): ReadonlyMap<string, Value> => {
  const add = (path: string, value: Value): void => {
    for (const known of found.keys())
      if (known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`))
        throw new ServerError(54, `cannot infer query fields to set, path '${path}' is matched twice`);
    found.set(path, value);
  };
  if (filter.op === 'and') for (const part of filter.of) demandedValues(part, found);
  else if (filter.op === 'or' && filter.of.length === 1) demandedValues(filter.of[0] as Filter, found);
  else if (filter.op === 'compare' && filter.relation === 'eq') add(filter.path, filter.operand);
  else if (filter.op === 'in' && filter.operands.length === 1 && !(filter.operands[0] instanceof Regex))
    add(filter.path, filter.operands[0] as Value);
  return found;
};
