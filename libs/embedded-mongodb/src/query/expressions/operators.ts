import {
  absolute,
  add,
  asNumeric,
  atPlaces,
  decimalOf,
  divide,
  doubleOf,
  isZero,
  multiply,
  narrowest,
  remainder,
  subtract,
  toWhole,
  type Numeric,
} from '../../bson/arithmetic.js';
import { compareDecimals, Decimal128, decimalOfDouble, pack, roundDecimal, unpack, type Unpacked } from '../../bson/decimal128.js';
import {
  angleOfDecimals,
  arcCosineOfDecimal,
  arcSineOfDecimal,
  arcTangentOfDecimal,
  areaCosineOfDecimal,
  areaSineOfDecimal,
  areaTangentOfDecimal,
  cosineOfDecimal,
  degreesOfDecimal,
  expOfDecimal,
  hyperbolicCosineOfDecimal,
  hyperbolicSineOfDecimal,
  hyperbolicTangentOfDecimal,
  lnOfDecimal,
  log10OfDecimal,
  logOfDecimals,
  powerOfDecimals,
  radiansOfDecimal,
  sineOfDecimal,
  sqrtOfDecimal,
  tangentOfDecimal,
} from '../../bson/decimal-functions.js';
import {
  compareValues,
  containsValue,
  equalValues,
  isNaNValue,
  isNullish,
  isNumber,
  isTrue,
  type CompareText,
  isWhole,
} from '../../bson/order.js';
import { checkLength } from '../../bson/text-length.js';
import {
  Arr,
  Binary,
  bsonTypeName,
  Code,
  DateTime,
  Doc,
  Double,
  encodedLength,
  Regex,
  show,
  SymbolText,
  Timestamp,
  type Value,
} from '../../bson/values.js';
import { failedToParse, ServerError, typeMismatch } from '../../errors.js';
import { countFrom } from '../accumulators.js';
import { currentCollation } from '../collation.js';
import { calendarOf, formatIsoDate } from '../dates.js';
import { compileJsRegex, execRegex } from '../patterns.js';
import { checkMetaName } from '../metadata.js';
import { compareBySort, parseSort, sortClauseProblem } from '../sort-order.js';
import { accumulatorExpressions } from './accumulators.js';
import { loop, loopOver, sortOver, spend, stepsOver } from '../budget.js';
import { compileArguments, fixed, namedArguments, namedFields, variadic } from './arguments.js';
import { compileIn, constant, constantOf } from './compile.js';
import { convertOperator, convertTo, numberText, toText, toUuid } from './conversions.js';
import { dateOperators } from './dates.js';
import type { Evaluate, Operator, Scope } from './scope.js';

type Result = Value | undefined;

const numeric = (value: Result, name: string, code = 28765): Numeric => {
  const number = asNumeric(value);
  if (number === undefined) throw new ServerError(code, `${name} only supports numeric types, not ${bsonTypeName(value)}`);
  return number;
};

const onNumber = (compute: (value: Numeric, name: string) => Result): Operator =>
  fixed(1, 1, ([value], name) => (isNullish(value) ? null : compute(numeric(value, name), name)));

/** The double nearest to a decimal, or the next one on the decimal's side: it is as far from the bounds of a domain. */
const besideOf = (exact: Unpacked, double: number): number => {
  const side = compareDecimals(exact, decimalOfDouble(double));
  return side === 0 || !Number.isFinite(double) ? double : double + side * Math.max(Number.MIN_VALUE, Math.abs(double) * Number.EPSILON);
};

const onDouble = (
  compute: (value: number) => number,
  domain?: (value: number) => boolean,
  code = 28714,
  onDecimal?: (value: Unpacked) => Unpacked,
): Operator =>
  onNumber((value, name) => {
    const double = doubleOf(value);
    if (domain && !Number.isNaN(double) && !domain(value instanceof Decimal128 ? besideOf(unpack(value), double) : double))
      throw new ServerError(code, `${name}'s argument is out of its domain, got ${show(value)}`);
    if (onDecimal && value instanceof Decimal128) return pack(onDecimal(unpack(value)));
    const result = compute(double);
    return value instanceof Decimal128 ? pack(decimalOf(new Double(result))) : new Double(result);
  });

/** If a long overflows, an expression continues with doubles. */
const widened = (result: Numeric | undefined, fallback: () => number): Numeric => result ?? new Double(fallback());

const addAll = (values: readonly Result[]): Result => {
  let total: Numeric = 0;
  let date: DateTime | undefined;
  for (const value of values) {
    if (isNullish(value)) return null;
    if (value instanceof DateTime) {
      if (date) throw new ServerError(16612, 'only one date allowed in an $add expression');
      date = value;
      continue;
    }
    const number = asNumeric(value);
    if (number === undefined) throw typeMismatch(`$add only supports numeric or date types, not ${bsonTypeName(value)}`);
    const before: Numeric = total;
    total = widened(add(before, number), () => doubleOf(before) + doubleOf(number));
  }
  return date ? new DateTime(inRange(date.ms + wholeMs(total, 15))) : total;
};

/**
 * A number of milliseconds, halves rounded away from zero, as by the server.
 *
 * @param code of the error for a number that is not finite
 */
const wholeMs = (value: Numeric, code: number): bigint => {
  if (typeof value === 'bigint' || typeof value === 'number') return BigInt(value);
  const double = doubleOf(value);
  if (!Number.isFinite(double)) throw new ServerError(code, `${show(value)} is no number of milliseconds`);
  return BigInt(Math.sign(double) * Math.round(Math.abs(double)));
};

/** Milliseconds of a date, or between two dates. */
const inRange = (ms: bigint): bigint => {
  if (BigInt.asIntN(64, ms) !== ms) throw new ServerError(15, 'date overflow in an expression');
  return ms;
};

const comparison = (holds: (order: number) => boolean): Operator => fixed(2, 2, ([a, b], _, texts) => holds(compareValues(a, b, texts)));

const text = (value: Result, name: string, code = 16702): string => {
  if (typeof value === 'string') return value;
  if (value instanceof SymbolText) return value.text;
  throw new ServerError(code, `${name} requires a string argument, found: ${bsonTypeName(value)}`);
};

const array = (value: Result, name: string, code: number): readonly Value[] => {
  if (value instanceof Arr) return value.values;
  throw new ServerError(code, `The argument to ${name} must be an array, but was of type: ${bsonTypeName(value)}`);
};

/** @param notWhole the code for a fractional number, if it differs from that for other values */
const integer = (value: Result, name: string, code: number, notWhole = code): number => {
  const number = isNumber(value) ? doubleOf(value) : NaN;
  if (!isWhole(value) || number > 0x7fffffff || number < -0x80000000)
    throw new ServerError(
      isNumber(value) ? notWhole : code,
      `${name} requires an integral value that fits 32 bits, found ${show(value)} of type ${bsonTypeName(value)}`,
    );
  return number;
};

/** A double with six digits, as C++ streams write it: 1e+06, 0.0001, inf. */
const streamed = ({ value }: Double): string => {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const [digits = '', power = '0'] = value.toExponential(5).split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return Object.is(value, -0) ? '-0' : String(Number(value.toPrecision(6)));
  return `${digits.replace(/\.?0+$/, '')}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
};

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** How string operators convert other values: differently from $toString. */
const coerced = (value: Result): string => {
  if (isNullish(value)) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Double) return streamed(value);
  if (value instanceof DateTime) return formatIsoDate(value.ms);
  if (isNumber(value)) return numberText(value);
  if (value instanceof SymbolText) return value.text;
  if (value instanceof Code && !value.scope) return value.text;
  if (value instanceof Timestamp) {
    const ms = (value.bits >> 32n) * 1000n;
    const { month, day } = calendarOf(ms);
    return `${MONTHS[month - 1] ?? ''} ${String(day).padStart(2)} ${formatIsoDate(ms).slice(11, 19)}:${value.bits & 0xffffffffn}`;
  }
  throw new ServerError(16007, `can't convert from BSON type ${bsonTypeName(value)} to String`);
};

const codePoints = (value: string): readonly string[] => Array.from(value);

/** Binds names for an expression within another. */
const binding = (scope: Scope, ...names: readonly string[]): Scope => ({ ...scope, names: new Set([...scope.names, ...names]) });

const variableName = (value: Value | undefined, fallback: string, name: string): string => {
  if (value === undefined) return fallback;
  if (typeof value !== 'string' || !/^[a-z\u0080-\uffff][\w\u0080-\uffff]*$|^CURRENT$/.test(value))
    throw failedToParse(`'${show(value)}' starts with an invalid character for a user variable name, in ${name}`);
  return value;
};

const cond: Operator = (argument, scope, name) => {
  let parts: readonly Value[];
  if (argument instanceof Doc) {
    namedFields(argument, name, ['if', 'then', 'else']);
    parts = [argument.get('if') as Value, argument.get('then') as Value, argument.get('else') as Value];
  } else {
    if (!(argument instanceof Arr) || argument.length !== 3)
      throw new ServerError(
        16020,
        `Expression ${name} takes exactly 3 arguments. ${argument instanceof Arr ? argument.length : 1} were passed in.`,
      );
    parts = argument.values;
  }
  const [test, yes, no] = parts.map((part) => compileIn(part, scope)) as [Evaluate, Evaluate, Evaluate];
  return (doc, variables) => (isTrue(test(doc, variables)) ? yes(doc, variables) : no(doc, variables));
};

const switchOperator: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['branches'], ['default']);
  const branches = spec.get('branches');
  if (!(branches instanceof Arr))
    throw new ServerError(40061, `$switch expected an array for 'branches', found: ${bsonTypeName(branches)}`);
  if (!branches.length) throw new ServerError(40068, '$switch requires at least one branch');
  const compiled = branches.values.map((branch) => {
    const given = namedFields(branch, `a branch of ${name}`, ['case', 'then']);
    return [compileIn(given.get('case') as Value, scope), compileIn(given.get('then') as Value, scope)] as const;
  });
  const otherwise = spec.get('default');
  const fallback = otherwise === undefined ? undefined : compileIn(otherwise, scope);
  if (
    !fallback &&
    compiled.every(([test]) => {
      const known = constantOf(test);
      return known && !isTrue(known.value);
    })
  )
    throw new ServerError(40069, 'One cannot execute a switch statement where all the cases evaluate to false without a default.');
  return (doc, variables) => {
    for (const [test, value] of compiled) if (isTrue(test(doc, variables))) return value(doc, variables);
    if (!fallback) throw new ServerError(40066, '$switch could not find a matching branch for an input, and no default was specified.');
    return fallback(doc, variables);
  };
};

const letOperator: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['vars', 'in'], []);
  const given = spec.get('vars');
  // A server reads an array as a document of its indexes, which are not valid variable names.
  const vars =
    given instanceof Arr
      ? Doc.of(
          given.values.map((_, place) => `${place}`),
          given.values,
        )
      : given;
  if (!(vars instanceof Doc)) throw new ServerError(10065, `invalid parameter: expected an object (vars)`);
  const names = vars.keys.map((key) => variableName(key, key, name));
  const values = vars.values.map((value) => compileIn(value, scope));
  const body = compileIn(spec.get('in') as Value, binding(scope, ...names));
  return (doc, variables) => {
    const bound: Record<string, Result> = { ...variables };
    names.forEach((key, index) => (bound[key] = (values[index] as Evaluate)(doc, variables)));
    return body(doc, bound);
  };
};

const mapOperator: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['input', 'in'], ['as']);
  const as = variableName(spec.get('as'), 'this', name);
  const input = compileIn(spec.get('input') as Value, scope);
  const body = compileIn(spec.get('in') as Value, binding(scope, as));
  return (doc, variables) => {
    const source = input(doc, variables);
    if (isNullish(source)) return null;
    if (!(source instanceof Arr)) throw new ServerError(16883, `input to $map must be an array not ${bsonTypeName(source)}`);
    return Arr.of(
      loopOver<Value, Value[]>(body, source.values, [], (made, element) => {
        spend(1);
        made.push(body(doc, { ...variables, [as]: element }) ?? null);
        return made;
      }),
    );
  };
};

const filterOperator: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['input', 'cond'], ['as', 'limit']);
  const as = variableName(spec.get('as'), 'this', name);
  const input = compileIn(spec.get('input') as Value, scope);
  const test = compileIn(spec.get('cond') as Value, binding(scope, as));
  const limit = spec.has('limit') ? compileIn(spec.get('limit') as Value, scope) : undefined;
  return (doc, variables) => {
    const source = input(doc, variables);
    if (isNullish(source)) return null;
    if (!(source instanceof Arr)) throw new ServerError(28651, `input to $filter must be an array not ${bsonTypeName(source)}`);
    const most = limit?.(doc, variables);
    const count = isNullish(most) ? Infinity : integer(most, '$filter limit', 327391);
    if (count < 1) throw new ServerError(327392, `$filter: 'limit' must be greater than 0, found ${count}`);
    return Arr.of(
      loopOver<Value, Value[]>(test, source.values, [], (kept, element) => {
        if (kept.length >= count) return kept;
        spend(1);
        if (isTrue(test(doc, { ...variables, [as]: element }))) kept.push(element);
        return kept;
      }),
    );
  };
};

const reduceOperator: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['input', 'initialValue', 'in'], []);
  const input = compileIn(spec.get('input') as Value, scope);
  const initial = compileIn(spec.get('initialValue') as Value, scope);
  const body = compileIn(spec.get('in') as Value, binding(scope, 'this', 'value'));
  return (doc, variables) => {
    const source = input(doc, variables);
    if (isNullish(source)) return null;
    if (!(source instanceof Arr)) throw new ServerError(40080, `$reduce requires that 'input' be an array, found: ${show(source)}`);
    return loopOver<Value, Result>(body, source.values, initial(doc, variables), (value, element) => {
      // What has been collected may be copied each time.
      spend(1 + (value instanceof Arr ? value.length : 0));
      return body(doc, { ...variables, this: element, value });
    });
  };
};

const slice = (values: readonly Value[], position: number | undefined, count: number): readonly Value[] => {
  if (position === undefined) return count >= 0 ? values.slice(0, count) : values.slice(count);
  const start = position >= 0 ? position : Math.max(0, values.length + position);
  return values.slice(start, start + count);
};

const objectOf = (pairs: readonly (readonly [string, Value])[]): Doc => {
  const merged = new Map<string, Value>();
  for (const [key, value] of pairs) merged.set(key, value);
  return Doc.of([...merged.keys()], [...merged.values()]);
};

const mergeObjects = (values: readonly Result[]): Value => {
  const merged = new Map<string, Value>();
  for (const value of values.length === 1 && values[0] instanceof Arr ? values[0].values : values) {
    if (isNullish(value)) continue;
    if (!(value instanceof Doc))
      throw new ServerError(40400, `$mergeObjects requires object inputs, but input ${show(value)} is of type ${bsonTypeName(value)}`);
    value.keys.forEach((key, index) => merged.set(key, value.values[index] as Value));
  }
  return Doc.of([...merged.keys()], [...merged.values()]);
};

/** The distinct values, in BSON's order: the result of the set operators. */
const distinctSorted = (owner: unknown, values: readonly Value[], texts?: CompareText): readonly Value[] =>
  sortOver(owner, values, (a, b) => compareValues(a, b, texts), true);

const filtered = (owner: unknown, values: readonly Value[], test: (value: Value) => boolean): readonly Value[] =>
  stepsOver<Value[]>(
    owner,
    values.length,
    () => [],
    (kept, at) => {
      const value = values[at] as Value;
      if (test(value)) kept.push(value);
    },
  );

/** The elements of several arrays, one after the other. */
const concatenated = (owner: unknown, arrays: readonly (readonly Value[])[]): readonly Value[] =>
  stepsOver(
    owner,
    arrays.reduce((sum, { length }) => sum + length, 0),
    () => ({ all: [] as Value[], array: 0, at: 0 }),
    (state) => {
      while (state.at === (arrays[state.array] as readonly Value[]).length) [state.array, state.at] = [state.array + 1, 0];
      state.all.push((arrays[state.array] as readonly Value[])[state.at++] as Value);
    },
  ).all;

const trimmed =
  (left: boolean, right: boolean): Operator =>
  (argument, scope, name) => {
    const { input, chars } = namedArguments(argument, scope, name, ['input'], ['chars']);
    return (doc, variables) => {
      const value = (input as Evaluate)(doc, variables);
      if (isNullish(value)) return null;
      const points = codePoints(text(value, name, 50699));
      const set = chars?.(doc, variables);
      if (chars && isNullish(set)) return null;
      const unwanted = new Set(
        chars
          ? codePoints(text(set, name, 50700))
          : [...'\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a'],
      );
      let start = 0;
      let end = points.length;
      if (left) while (start < end && unwanted.has(points[start] as string)) start++;
      if (right) while (end > start && unwanted.has(points[end - 1] as string)) end--;
      return points.slice(start, end).join('');
    };
  };

const replacing =
  (all: boolean): Operator =>
  (argument, scope, name) => {
    const given = namedArguments(argument, scope, name, ['input', 'find', 'replacement']);
    return (doc, variables) => {
      const [input, find, replacement] = ['input', 'find', 'replacement'].map((key) => (given[key] as Evaluate)(doc, variables));
      for (const [key, value] of [
        ['input', input],
        ['find', find],
        ['replacement', replacement],
      ] as const)
        if (!isNullish(value) && typeof value !== 'string')
          throw new ServerError(
            key === 'input' ? 10503904 : key === 'find' ? 10503901 : 10503902,
            `${name} requires that '${key}' be a string, found: ${show(value)}`,
          );
      if (isNullish(input) || isNullish(find) || isNullish(replacement)) return null;
      const [source, wanted, fresh] = [input, find, replacement] as [string, string, string];
      if (!all) return checkLength(source.replace(wanted, () => fresh));
      // An empty string is found before each character and at the end.
      return checkLength(
        wanted === ''
          ? `${fresh}${codePoints(source)
              .map((character) => character + fresh)
              .join('')}`
          : source.split(wanted).join(fresh),
      );
    };
  };

/** A search for a pattern in a string, from one match to the next. Positions are in code points. */
type Search = { readonly regex: RegExp; readonly input: string; readonly found: Value[]; from: number; idx: number };

/** How many code units of a string the code point at a position takes. */
const width = (input: string, at: number): number => ((input.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);

/** Adds the next match, as a document. @returns whether there may be more: a search starting at the end of the string finds nothing */
const searchOn = (search: Search): boolean => {
  const { regex, input, found } = search;
  const match = execRegex(regex, input);
  if (!match) return false;
  for (; search.from < match.index; search.idx++) search.from += width(input, search.from);
  found.push(Doc.from({ match: match[0], idx: search.idx, captures: Arr.of(match.slice(1).map((capture) => capture ?? null)) }));
  if (match[0] === '') regex.lastIndex += width(input, regex.lastIndex);
  return regex.lastIndex < input.length;
};

/** @throws ServerError 51109 to 51111 and 51108; queries have other codes */
const expressionRegex = (pattern: string | Regex, flags: string | undefined, name: string): RegExp => {
  const source = typeof pattern === 'string' ? pattern : pattern.pattern;
  if (source.includes('\0')) throw new ServerError(51109, `${name}: the pattern cannot contain an embedded null byte`);
  if (flags?.includes('\0')) throw new ServerError(51110, `${name}: the options cannot contain an embedded null byte`);
  try {
    return compileJsRegex(source, flags ?? (pattern instanceof Regex ? pattern.options : ''), 'g');
  } catch (error) {
    throw error instanceof ServerError && error.code === 51091 ? new ServerError(51111, `${name}: ${error.message}`) : error;
  }
};

const regexOperator =
  (finish: (search: Search, owner: unknown) => Result, empty: Result): Operator =>
  (argument, scope, name) => {
    const { input, regex, options } = namedArguments(argument, scope, name, ['input', 'regex'], ['options']);
    return (doc, variables) => {
      const source = (input as Evaluate)(doc, variables);
      const pattern = (regex as Evaluate)(doc, variables);
      const flags = options?.(doc, variables);
      // Errors are reported in this order, even if something else is null.
      if (!isNullish(pattern) && typeof pattern !== 'string' && !(pattern instanceof Regex))
        throw new ServerError(51105, `${name} needs 'regex' to be of type string or regex`);
      if (!isNullish(flags) && typeof flags !== 'string') throw new ServerError(51106, `${name} needs 'options' to be of type string`);
      if (pattern instanceof Regex && pattern.options && !isNullish(flags))
        throw new ServerError(51107, `${name}: regex options cannot be specified both in BSON regex and 'options'`);
      const compiled = isNullish(pattern) ? undefined : expressionRegex(pattern, flags ?? undefined, name);
      const given = isNullish(source) ? undefined : text(source, name, 51104);
      return compiled && given !== undefined ? finish({ regex: compiled, input: given, found: [], from: 0, idx: 0 }, regex) : empty;
    };
  };

/** The field named in $setField: a string, or a $literal of one. */
const fieldNameOf = (given: Value, field: Evaluate, name: string): string => {
  if (typeof given === 'string' && given.startsWith('$'))
    throw new ServerError(4161108, `'${given}' is a field path reference which is not allowed in the 'field' argument of ${name}`);
  const literal = given instanceof Doc && (given.firstKey === '$literal' || given.firstKey === '$const');
  if (given instanceof Arr || (given instanceof Doc && given.size && !literal))
    throw new ServerError(4161106, `${name} requires 'field' to evaluate to a constant, but got a non-constant argument`);
  const key = constantOf(field)?.value;
  if (typeof key !== 'string')
    throw new ServerError(4161107, `${name} requires 'field' to evaluate to type String, but got ${bsonTypeName(key)}`);
  if (key.includes('\0')) throw new ServerError(9534700, `${name} requires a 'field' without null bytes`);
  return key;
};

const setField = (argument: Value, scope: Scope, name: string, removing: boolean): Evaluate => {
  const { field, input, value } = namedArguments(argument, scope, name, removing ? ['field', 'input'] : ['field', 'value', 'input']);
  const key = fieldNameOf((argument as Doc).get('field') as Value, field as Evaluate, name);
  return (doc, variables) => {
    const target = (input as Evaluate)(doc, variables);
    if (isNullish(target)) return null;
    if (!(target instanceof Doc)) throw new ServerError(4161105, `${name} requires 'input' to evaluate to type Object`);
    const fresh = removing ? undefined : (value as Evaluate)(doc, variables);
    return fresh === undefined ? target.without(key) : target.with(key, fresh);
  };
};

const getField: Operator = (argument, scope, name) => {
  const spec = argument instanceof Doc && !argument.keys[0]?.startsWith('$') ? argument : Doc.from({ field: argument, input: '$$CURRENT' });
  const { field, input } = namedArguments(spec, scope, name, ['field', 'input']);
  return (doc, variables) => {
    const key = (field as Evaluate)(doc, variables);
    if (typeof key !== 'string')
      throw new ServerError(3041704, `$getField requires 'field' to evaluate to type String, but got ${bsonTypeName(key)}`);
    const target = (input as Evaluate)(doc, variables);
    if (isNullish(target)) return target === undefined ? undefined : null;
    return target instanceof Doc ? target.get(key) : undefined;
  };
};

const nFromArray =
  (name: string, pick: (values: readonly Value[], count: number, texts: CompareText | undefined) => readonly Value[]): Operator =>
  (argument, scope) => {
    const texts = currentCollation()?.compare;
    const { n, input } = namedArguments(argument, scope, name, ['n', 'input']);
    return (doc, variables) => {
      const count = countFrom((n as Evaluate)(doc, variables), name, false);
      return Arr.of(pick(array((input as Evaluate)(doc, variables), name, 5788200), count, texts));
    };
  };

const sortArray: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['input', 'sortBy'], []);
  const input = compileIn(spec.get('input') as Value, scope);
  const sortBy = spec.get('sortBy') as Value;
  const texts = currentCollation()?.compare;
  const compare = ((): ((a: Value, b: Value) => number) => {
    if (sortBy instanceof Doc) {
      const problem = sortClauseProblem(sortBy);
      if (problem) throw new ServerError(2942505, `$sortArray requires 'sortBy' to be valid: ${problem}`);
      return compareBySort(parseSort(sortBy));
    }
    if (!isNumber(sortBy))
      throw new ServerError(2942507, `$sortArray requires 'sortBy' to be a document or number, found: ${bsonTypeName(sortBy)}`);
    const direction = doubleOf(sortBy);
    if (direction !== 1 && direction !== -1) throw new ServerError(2942506, `$sortArray: the order must be 1 or -1, found ${show(sortBy)}`);
    return (a, b) => compareValues(a, b, texts) * direction;
  })();
  return (doc, variables) => {
    const source = input(doc, variables);
    if (isNullish(source)) return null;
    return Arr.of(sortOver(compare, array(source, name, 2942504), compare, false));
  };
};

const zip: Operator = (argument, scope, name) => {
  const spec = namedFields(argument, name, ['inputs'], ['defaults', 'useLongestLength']);
  const listOf = (key: string, code: number): readonly Evaluate[] => {
    const list = spec.get(key);
    if (!(list instanceof Arr)) throw new ServerError(code, `${key} must be an array of expressions, found: ${bsonTypeName(list)}`);
    return list.values.map((value) => compileIn(value, scope));
  };
  const inputs = listOf('inputs', 34461);
  const defaults = spec.has('defaults') ? listOf('defaults', 34462) : undefined;
  const longest = spec.has('useLongestLength') ? spec.get('useLongestLength') : false;
  if (typeof longest !== 'boolean') throw new ServerError(34463, `useLongestLength must be a bool, found: ${bsonTypeName(longest)}`);
  if (!inputs.length) throw new ServerError(34465, '$zip requires at least one input array');
  if (defaults?.length && !longest) throw new ServerError(34466, '$zip may not specify defaults without setting useLongestLength to true');
  if (defaults?.length && defaults.length !== inputs.length) throw new ServerError(34467, 'defaults and inputs must have the same length');
  return (doc, variables) => {
    const given = inputs.map((input) => input(doc, variables));
    if (given.some(isNullish)) return null;
    const columns = given.map((column) => array(column, name, 34468));
    const fillers = (defaults ?? []).map((value) => value(doc, variables) ?? null);
    const length = columns.length ? Math[longest ? 'max' : 'min'](...columns.map((column) => column.length)) : 0;
    return Arr.of(Array.from({ length }, (_, row) => Arr.of(columns.map((column, index) => column[row] ?? fillers[index] ?? null))));
  };
};

const bitwise = (name: string, start: bigint, combine: (a: bigint, b: bigint) => bigint): Operator =>
  variadic((values) => {
    let long = false;
    let result = start;
    for (const value of values) {
      if (isNullish(value)) return null;
      if (typeof value !== 'number' && typeof value !== 'bigint')
        throw typeMismatch(`${name} only supports int and long operands, not ${bsonTypeName(value)}.`);
      long ||= typeof value === 'bigint';
      result = combine(result, BigInt(value));
    }
    return long ? BigInt.asIntN(64, result) : Number(BigInt.asIntN(32, result));
  });

/** A logarithm: of a decimal with all the digits of a decimal. */
const logarithmic = (code: number, compute: (value: number) => number, onDecimal: (value: Unpacked) => Unpacked): Operator =>
  onNumber((value, name) => {
    const double = logarithm(value, name, code);
    // The server also converts a non-finite decimal to a double.
    return value instanceof Decimal128 && !isNaNValue(value) ? pack(onDecimal(unpack(value))) : new Double(compute(double));
  });

const logarithm = (value: Numeric, name: string, code: number): number => {
  const decimal = value instanceof Decimal128 ? unpack(value) : undefined;
  // There are decimals below the smallest double.
  const double = decimal?.kind === 'finite' && decimal.coefficient !== 0n && !decimal.negative ? 1 : doubleOf(value);
  if (!(double > 0) && !Number.isNaN(double))
    throw new ServerError(code, `${name}'s argument must be a positive number, but is ${show(value)}`);
  return double;
};

const power = (base: Numeric, exponent: Numeric): Value => {
  const [a, b] = [doubleOf(base), doubleOf(exponent)];
  if (isZero(base) && b < 0) throw new ServerError(28764, '$pow cannot take a base of 0 and a negative exponent');
  if (base instanceof Decimal128 || exponent instanceof Decimal128) return pack(powerOfDecimals(decimalOf(base), decimalOf(exponent)));
  if (base instanceof Double || exponent instanceof Double || b < 0) {
    if (!(base instanceof Double || exponent instanceof Double) && (a === 1 || a === -1))
      return narrowestLike(base, exponent, BigInt(a ** b));
    // As in C, where JavaScript has NaN.
    if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return new Double(1);
    return new Double(a ** b);
  }
  if (Math.abs(a) > 1 && b >= 64) return new Double(a ** b);
  const exact = BigInt(base as number) ** BigInt(Math.abs(a) <= 1 ? (b % 2 === 0 && b > 0 ? 2 : b) : b);
  return exact > 0x7fffffffffffffffn || exact < -0x8000000000000000n ? new Double(a ** b) : narrowestLike(base, exponent, exact);
};

const narrowestLike = (a: Numeric, b: Numeric, value: bigint): Value =>
  typeof a === 'bigint' || typeof b === 'bigint' ? value : narrowest(value);

const binarySize = (value: Result): Result => {
  if (isNullish(value)) return null;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (value instanceof Binary) return value.bytes.length;
  throw new ServerError(51276, `$binarySize requires a string or BinData argument, found: ${bsonTypeName(value)}`);
};

const indexOf = (points: boolean): Operator =>
  fixed(2, 4, (values, name) => {
    const [source, wanted, first, last] = values;
    if (isNullish(source)) return null;
    if (typeof source !== 'string')
      throw new ServerError(points ? 40093 : 40091, `${name} requires a string as the first argument, found: ${bsonTypeName(source)}`);
    if (typeof wanted !== 'string')
      throw new ServerError(points ? 40094 : 40092, `${name} requires a string as the second argument, found: ${bsonTypeName(wanted)}`);
    const start = values.length < 3 ? 0 : integer(first, name, 40096);
    const end = values.length < 4 ? Infinity : integer(last, name, 40096);
    if (start < 0 || end < 0) throw new ServerError(40097, `${name} requires a nonnegative start and end index`);
    if (points) {
      // A match begins before the end of the range and of the string, and may extend past the end of the range.
      if (source === '' && wanted === '') return 0;
      let from = 0;
      for (let point = 0; point < start && from < source.length; point++) from += width(source, from);
      const found = from < source.length ? source.indexOf(wanted, from) : -1;
      if (found < 0) return -1;
      let at = start;
      for (; from < found; at++) from += width(source, from);
      return at < end ? at : -1;
    }
    if (start > end) return -1;
    const bytes = Buffer.from(source);
    const found = start > bytes.length ? -1 : bytes.subarray(0, Math.min(end, bytes.length)).indexOf(Buffer.from(wanted), start);
    return found;
  });

const substringOfPoints: Operator = fixed(3, 3, ([source, from, count], name) => {
  const value = coerced(source);
  const start = integer(from, name, 34450, 34451);
  const length = integer(count, name, 34452, 34453);
  if (length < 0) throw new ServerError(34454, `${name}: length must be a nonnegative integer.`);
  if (start < 0) throw new ServerError(34455, `${name}: starting index must be non-negative, got ${start}`);
  return codePoints(value)
    .slice(start, start + length)
    .join('');
});

/** A number as a 64-bit integer: a double is truncated, a decimal rounded half to even; a decimal out of range is the minimum. */
const asLong = (value: Numeric, name: string): number => {
  if (value instanceof Decimal128) {
    const whole = doubleOf(pack(roundDecimal(unpack(value), 'even')));
    return Math.abs(whole) < 2 ** 63 ? whole : -(2 ** 63);
  }
  const whole = Math.trunc(doubleOf(value));
  if (value instanceof Double && !(whole >= -(2 ** 63) && whole < 2 ** 63))
    throw new ServerError(31109, `${name}: ${show(value)} does not fit 64 bits`);
  return whole;
};

const substringOfBytes: Operator = fixed(3, 3, ([source, from, count], name) => {
  const value = coerced(source);
  if (!isNumber(from)) throw new ServerError(16034, `${name}: starting index must be numeric, not ${bsonTypeName(from)}`);
  if (!isNumber(count)) throw new ServerError(16035, `${name}: length must be numeric, not ${bsonTypeName(count)}`);
  const [start, length] = [asLong(from, name), asLong(count, name)];
  if (start < 0) throw new ServerError(50752, `${name}: starting index must be non-negative, got ${start}`);
  const bytes = Buffer.from(value);
  const part = length < 0 ? bytes.subarray(start) : bytes.subarray(start, start + length);
  const end = start + part.length;
  if (((bytes[start] ?? 0) & 0xc0) === 0x80)
    throw new ServerError(28656, `${name}: Invalid range, starting index is a UTF-8 continuation byte.`);
  if (((bytes[end] ?? 0) & 0xc0) === 0x80)
    throw new ServerError(28657, `${name}: Invalid range, ending index is in the middle of a UTF-8 character.`);
  return part.toString();
});

const asciiCase = (change: (text: string) => string): Operator => fixed(1, 1, ([value]) => coerced(value).replace(/[A-Za-z]+/g, change));

const range: Operator = fixed(2, 3, (values, name, _, owner) => {
  const [from, to, by] = values;
  const start = integer(from, name, 34443, 34444);
  const end = integer(to, name, 34445, 34446);
  const step = values.length < 3 ? 1 : integer(by, name, 34447, 34448);
  if (step === 0) throw new ServerError(34449, '$range requires a non-zero step value');
  const length = Math.max(0, Math.ceil((end - start) / step));
  if (length * 16 > 64 * 1024 * 1024) throw new ServerError(146, '$range would use too much memory');
  return Arr.of(
    stepsOver<number[]>(
      owner,
      length,
      () => [],
      (made, at) => made.push(start + at * step),
    ),
  );
});

const split: Operator = fixed(2, 2, ([value, separator], name) => {
  if (isNullish(value) || isNullish(separator)) return null;
  const source = text(value, name, 40085);
  const by = text(separator, name, 10503900);
  if (!by) throw new ServerError(40087, '$split requires a non-empty separator');
  return Arr.of(source.split(by));
});

const toObject = (source: Result): Result => {
  if (isNullish(source)) return null;
  const elements = array(source, '$arrayToObject', 40386);
  // The first element determines which of the two forms all of them have.
  const [form] = elements;
  const pairs = elements.map((element): readonly [string, Value] => {
    if (form instanceof Arr && !(element instanceof Arr))
      throw new ServerError(40396, `$arrayToObject requires a consistent input format, found: array and ${bsonTypeName(element)}`);
    if (form instanceof Doc && !(element instanceof Doc))
      throw new ServerError(40391, `$arrayToObject requires a consistent input format, found: object and ${bsonTypeName(element)}`);
    if (element instanceof Arr) {
      const [key, value] = element.values;
      if (element.length !== 2) throw new ServerError(40397, '$arrayToObject requires an array of size 2 arrays');
      if (typeof key !== 'string')
        throw new ServerError(40395, '$arrayToObject requires an array of key-value pairs, where the key must be of type string');
      if (key.includes('\0')) throw new ServerError(4940400, '$arrayToObject: a key cannot contain an embedded null byte');
      return [key, value as Value];
    }
    if (!(element instanceof Doc))
      throw new ServerError(40398, `Unrecognised input type format for $arrayToObject: ${bsonTypeName(element)}`);
    const key = element.get('k');
    const value = element.get('v');
    if (element.size !== 2) throw new ServerError(40392, "$arrayToObject requires an object with two fields, 'k' and 'v'");
    if (key === undefined || value === undefined)
      throw new ServerError(40393, "$arrayToObject requires an object with the fields 'k' and 'v'");
    if (typeof key !== 'string')
      throw new ServerError(
        40394,
        "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string",
      );
    if (key.includes('\0')) throw new ServerError(4940401, '$arrayToObject: a key cannot contain an embedded null byte');
    return [key, value];
  });
  return objectOf(pairs);
};

const setEquals: Operator = fixed(2, Infinity, (values, name, texts, owner) => {
  const [first, ...rest] = values.map((value) => distinctSorted(owner, array(value, name, 17044), texts)) as [
    readonly Value[],
    ...(readonly Value[])[],
  ];
  return rest.every((other) => other.length === first.length && other.every((value, index) => equalValues(value, first[index], texts)));
});

const ofTimestamp = (code: number, part: (bits: bigint) => bigint): Operator =>
  fixed(1, 1, ([value], name) => {
    if (isNullish(value)) return null;
    if (!(value instanceof Timestamp))
      throw new ServerError(code, `Argument to ${name} must be a timestamp, but is ${bsonTypeName(value)}`);
    return part(value.bits);
  });

const isUndefinedField: Operator = fixed(1, 1, ([value]) => bsonTypeName(value));

/** Every expression operator of this node, by name. */
export const operators: Readonly<Record<string, Operator>> = {
  $abs: onNumber((value) => {
    const result = absolute(value);
    if (result === undefined) throw new ServerError(28680, "can't take $abs of long long min");
    return result;
  }),
  $add: variadic(addAll),
  $allElementsTrue: fixed(1, 1, ([value], name) => array(value, name, 17040).every((element) => isTrue(element))),
  $and: (argument, scope, name) => {
    const parts = compileArguments(argument, scope, name, 0, Infinity);
    return (doc, variables) => parts.every((part) => isTrue(part(doc, variables)));
  },
  $anyElementTrue: fixed(1, 1, ([value], name) => array(value, name, 17041).some((element) => isTrue(element))),
  $arrayElemAt: fixed(2, 2, ([source, at], name) => {
    if (isNullish(source) || isNullish(at)) return null;
    const values = array(source, name, 28689);
    const index = integer(at, name, 28690, 28691);
    return values.at(index);
  }),
  $arrayToObject: fixed(1, 1, ([source]) => toObject(source)),
  $binarySize: fixed(1, 1, ([value]) => binarySize(value)),
  $bitAnd: bitwise('$bitAnd', -1n, (a, b) => a & b),
  $bitNot: fixed(1, 1, ([value], name) => {
    if (isNullish(value)) return null;
    if (typeof value !== 'number' && typeof value !== 'bigint')
      throw typeMismatch(`${name} only supports int and long, not ${bsonTypeName(value)}`);
    return ~value as number;
  }),
  $bitOr: bitwise('$bitOr', 0n, (a, b) => a | b),
  $bitXor: bitwise('$bitXor', 0n, (a, b) => a ^ b),
  $bsonSize: fixed(1, 1, ([value]) => {
    if (isNullish(value)) return null;
    if (!(value instanceof Doc)) throw new ServerError(31393, `$bsonSize requires a document input, found: ${bsonTypeName(value)}`);
    return encodedLength(value);
  }),
  $ceil: onNumber((value) => toWhole(value, 'ceil')),
  $cmp: fixed(2, 2, ([a, b], _, texts) => Math.sign(compareValues(a, b, texts))),
  $concat: variadic((values) => {
    let result = '';
    for (const value of values) {
      if (isNullish(value)) return null;
      if (typeof value !== 'string') throw new ServerError(16702, `$concat only supports strings, not ${bsonTypeName(value)}`);
      result += value;
    }
    return checkLength(result);
  }),
  $concatArrays: variadic((values, _, __, owner) => {
    const arrays: (readonly Value[])[] = [];
    for (const value of values) {
      if (isNullish(value)) return null;
      if (!(value instanceof Arr)) throw new ServerError(28664, `$concatArrays only supports arrays, not ${bsonTypeName(value)}`);
      arrays.push(value.values);
    }
    return Arr.of(concatenated(owner, arrays));
  }),
  $cond: cond,
  $const: (argument) => constant(argument),
  $convert: convertOperator,
  $divide: (argument, scope, name) =>
    fixed(2, 2, ([a, b]) => {
      if (isNullish(a) || isNullish(b)) return null;
      const [left, right] = [asNumeric(a), asNumeric(b)];
      if (left === undefined || right === undefined)
        throw typeMismatch(`$divide only supports numeric types, not ${bsonTypeName(a)} and ${bsonTypeName(b)}`);
      if (isZero(right)) throw new ServerError(scope.grouped ? 4848401 : 2, "can't $divide by zero");
      return divide(left, right);
    })(argument, scope, name),
  $eq: comparison((order) => order === 0),
  $exp: onDouble(Math.exp, undefined, undefined, expOfDecimal),
  $filter: filterOperator,
  $first: fixed(1, 1, ([value], name) => (isNullish(value) ? null : array(value, name, 28689)[0])),
  $firstN: nFromArray('$firstN', (values, count) => values.slice(0, count)),
  $floor: onNumber((value) => toWhole(value, 'floor')),
  $getField: getField,
  $gt: comparison((order) => order > 0),
  $gte: comparison((order) => order >= 0),
  $ifNull: (argument, scope, name) => {
    if (!(argument instanceof Arr) || argument.length < 2) throw new ServerError(1257300, '$ifNull needs at least two arguments');
    const parts = compileArguments(argument, scope, name, 2, Infinity);
    return (doc, variables) => {
      let value: Result;
      for (const part of parts) {
        value = part(doc, variables);
        if (!isNullish(value)) return value;
      }
      return value;
    };
  },
  $in: fixed(2, 2, ([value, source], _, texts) => {
    if (!(source instanceof Arr))
      throw new ServerError(40081, `$in requires an array as a second argument, found: ${bsonTypeName(source)}`);
    return source.values.some((element) => equalValues(element, value, texts));
  }),
  $indexOfArray: fixed(2, 4, (given, name, texts) => {
    const [source, wanted, from, to] = given;
    if (isNullish(source)) return null;
    const values = array(source, name, 40090);
    const start = given.length < 3 ? 0 : integer(from, name, 9711600);
    const end = given.length < 4 ? values.length : integer(to, name, 9711600);
    if (start < 0 || end < 0) throw new ServerError(9711601, `${name} requires nonnegative indexes`);
    for (let at = start; at < Math.min(end, values.length); at++) if (equalValues(values[at], wanted, texts)) return at;
    return -1;
  }),
  $indexOfBytes: indexOf(false),
  $indexOfCP: indexOf(true),
  $isArray: fixed(1, 1, ([value]) => value instanceof Arr),
  $isNumber: fixed(1, 1, ([value]) => isNumber(value)),
  $last: fixed(1, 1, ([value], name) => (isNullish(value) ? null : array(value, name, 28689).at(-1))),
  $lastN: nFromArray('$lastN', (values, count) => values.slice(-count)),
  $let: letOperator,
  $literal: (argument) => constant(argument),
  $meta: (argument) => {
    checkMetaName(argument);
    return constant(undefined);
  },
  $ln: logarithmic(28766, Math.log, lnOfDecimal),
  $log: fixed(2, 2, ([value, base], name) => {
    if (isNullish(value) || isNullish(base)) return null;
    const number = numeric(value, name, 28756);
    const by = numeric(base, name, 28757);
    const double = logarithm(number, name, 28758);
    const divisor = doubleOf(by);
    if (divisor <= 0 || divisor === 1)
      throw new ServerError(28759, `$log's base must be a positive number not equal to 1, but is ${show(base)}`);
    if ((number instanceof Decimal128 || by instanceof Decimal128) && !isNaNValue(number) && !isNaNValue(by))
      return pack(logOfDecimals(decimalOf(number), decimalOf(by)));
    return new Double(Math.log(double) / Math.log(divisor));
  }),
  $log10: logarithmic(28761, Math.log10, log10OfDecimal),
  $lt: comparison((order) => order < 0),
  $lte: comparison((order) => order <= 0),
  $ltrim: trimmed(true, false),
  $map: mapOperator,
  $maxN: nFromArray('$maxN', (values, count, texts) =>
    values
      .filter((value) => !isNullish(value))
      .toSorted((a, b) => compareValues(b, a, texts))
      .slice(0, count),
  ),
  $mergeObjects: variadic(mergeObjects),
  $minN: nFromArray('$minN', (values, count, texts) =>
    values
      .filter((value) => !isNullish(value))
      .toSorted((a, b) => compareValues(a, b, texts))
      .slice(0, count),
  ),
  $mod: (argument, scope, name) =>
    fixed(2, 2, ([a, b]) => {
      if (isNullish(a) || isNullish(b)) return null;
      const [left, right] = [asNumeric(a), asNumeric(b)];
      if (left === undefined || right === undefined)
        throw new ServerError(16611, `$mod only supports numeric types, not ${bsonTypeName(a)} and ${bsonTypeName(b)}`);
      if (isZero(right))
        throw new ServerError(
          scope.grouped ? 4848403 : left instanceof Decimal128 || right instanceof Decimal128 ? 5733415 : 16610,
          "can't $mod by zero",
        );
      return remainder(left, right);
    })(argument, scope, name),
  $multiply: variadic((values) => {
    let product: Numeric = 1;
    for (const value of values) {
      if (isNullish(value)) return null;
      const number = asNumeric(value);
      if (number === undefined) throw typeMismatch(`$multiply only supports numeric types, not ${bsonTypeName(value)}`);
      const before: Numeric = product;
      product = widened(multiply(before, number), () => doubleOf(before) * doubleOf(number));
    }
    return product;
  }),
  $ne: comparison((order) => order !== 0),
  $not: fixed(1, 1, ([value]) => !isTrue(value)),
  $objectToArray: fixed(1, 1, ([value]) => {
    if (isNullish(value)) return null;
    if (!(value instanceof Doc)) throw new ServerError(40390, `$objectToArray requires a document input, found: ${bsonTypeName(value)}`);
    return Arr.of(value.keys.map((key, index) => Doc.from({ k: key, v: value.values[index] })));
  }),
  $or: (argument, scope, name) => {
    const parts = compileArguments(argument, scope, name, 0, Infinity);
    return (doc, variables) => parts.some((part) => isTrue(part(doc, variables)));
  },
  $pow: fixed(2, 2, ([base, exponent], name) =>
    isNullish(base) || isNullish(exponent) ? null : power(numeric(base, name, 28762), numeric(exponent, name, 28763)),
  ),
  $rand: (argument) => {
    if (!(argument instanceof Doc || argument instanceof Arr)) throw new ServerError(10065, '$rand takes an empty object or array');
    if (argument instanceof Doc ? argument.size : argument.length)
      throw new ServerError(3040501, '$rand does not currently accept arguments');
    return () => new Double(Math.random());
  },
  $range: range,
  $reduce: reduceOperator,
  $regexFind: regexOperator((search) => {
    searchOn(search);
    return search.found[0] ?? null;
  }, null),
  $regexFindAll: regexOperator((search, owner) => {
    const { found } = loop(
      owner,
      () => search,
      (state) => {
        spend(10);
        return searchOn(state);
      },
    );
    return Arr.of(found);
  }, Arr.empty),
  $regexMatch: regexOperator(({ regex, input }) => execRegex(regex, input) !== null, false),
  $replaceAll: replacing(true),
  $replaceOne: replacing(false),
  $reverseArray: fixed(1, 1, ([value], name) => (isNullish(value) ? null : Arr.of(array(value, name, 34435).toReversed()))),
  $round: fixed(1, 2, (given, name) => rounded(given, 'even', name)),
  $rtrim: trimmed(false, true),
  $setDifference: fixed(2, 2, ([a, b], name, texts, owner) => {
    if (isNullish(a) || isNullish(b)) return null;
    const given = array(a, name, 17048);
    const without = distinctSorted(owner, array(b, name, 17049), texts);
    const places = stepsOver<number[]>(
      owner,
      given.length,
      () => [],
      (kept, at) => {
        if (!containsValue(without, given[at] as Value, texts)) kept.push(at);
      },
    );
    // The first of equal values stays in its place.
    const firsts = sortOver(owner, places, (x, y) => compareValues(given[x], given[y], texts), true);
    const ordered = sortOver(owner, firsts, (x, y) => x - y, false);
    return Arr.of(
      stepsOver<Value[]>(
        owner,
        ordered.length,
        () => [],
        (kept, at) => kept.push(given[ordered[at] as number] as Value),
      ),
    );
  }),
  $setEquals: (argument, scope, name) => {
    if (!(argument instanceof Arr) || argument.length < 2)
      throw new ServerError(17045, `$setEquals needs at least two arguments, had: ${argument instanceof Arr ? argument.length : 1}`);
    for (const operand of compileArguments(argument, scope, name, 2, Infinity)) {
      const known = constantOf(operand);
      if (known) array(known.value, name, 5887502);
    }
    return setEquals(argument, scope, name);
  },
  $setField: (argument, scope, name) => setField(argument, scope, name, false),
  $setIntersection: variadic((values, name, texts, owner) => {
    if (values.some(isNullish)) return null;
    const [first = [], ...rest] = values.map((value) => distinctSorted(owner, array(value, name, 17047), texts));
    return Arr.of(filtered(owner, first, (value) => rest.every((other) => containsValue(other, value, texts))));
  }),
  $setIsSubset: fixed(2, 2, ([a, b], name, texts, owner) => {
    const part = array(a, name, 17046);
    const whole = distinctSorted(owner, array(b, name, 17042), texts);
    return !filtered(owner, part, (value) => !containsValue(whole, value, texts)).length;
  }),
  $setUnion: variadic((values, name, texts, owner) => {
    if (values.some(isNullish)) return null;
    const arrays = values.map((value) => array(value, name, 17043));
    return Arr.of(distinctSorted(owner, concatenated(owner, arrays), texts));
  }),
  $sigmoid: (argument, scope) => {
    const of = (name: string, ...values: readonly Value[]): Doc => Doc.of([name], [Arr.of(values)]);
    return compileIn(of('$divide', 1, of('$add', 1, of('$exp', of('$multiply', -1, argument)))), scope);
  },
  $size: fixed(1, 1, ([value]) => {
    if (!(value instanceof Arr))
      throw new ServerError(17124, `The argument to $size must be an array, but was of type: ${bsonTypeName(value)}`);
    return value.length;
  }),
  $slice: fixed(2, 3, (given, name) => {
    if (given.some(isNullish)) return null;
    const [source, second, third] = given;
    const values = array(source, name, 28724);
    const at = integer(second, name, 28725, 28726);
    if (given.length < 3) return Arr.of(slice(values, undefined, at));
    const count = integer(third, name, 28727, 28728);
    if (count <= 0) throw new ServerError(28729, `Third argument to $slice must be positive: ${count}`);
    return Arr.of(slice(values, at, count));
  }),
  $sortArray: sortArray,
  $split: split,
  $sqrt: onDouble(Math.sqrt, (value) => value >= 0, undefined, sqrtOfDecimal),
  $strLenBytes: fixed(1, 1, ([value], name) => Buffer.byteLength(text(value, name, 34473))),
  $strLenCP: fixed(1, 1, ([value], name) => codePoints(text(value, name, 34471)).length),
  $strcasecmp: fixed(2, 2, ([a, b]) => {
    const upper = (value: Result): string => coerced(value).replace(/[a-z]+/g, (letters) => letters.toUpperCase());
    const [left, right] = [upper(a), upper(b)];
    return Math.sign(compareValues(left, right));
  }),
  $substr: substringOfBytes,
  $substrBytes: substringOfBytes,
  $substrCP: substringOfPoints,
  $subtract: fixed(2, 2, ([a, b]) => {
    if (isNullish(a) || isNullish(b)) return null;
    if (a instanceof DateTime) {
      if (b instanceof DateTime) return inRange(a.ms - b.ms);
      if (isNumber(b)) return new DateTime(inRange(a.ms - wholeMs(b, 16006)));
    }
    const [left, right] = [asNumeric(a), asNumeric(b)];
    if (left === undefined || right === undefined) throw typeMismatch(`can't $subtract ${bsonTypeName(b)} from ${bsonTypeName(a)}`);
    return widened(subtract(left, right), () => doubleOf(left) - doubleOf(right));
  }),
  $switch: switchOperator,
  $toBool: convertTo('bool'),
  $toDate: convertTo('date'),
  $toDecimal: convertTo('decimal'),
  $toDouble: convertTo('double'),
  $toInt: convertTo('int'),
  $toLong: convertTo('long'),
  $toLower: asciiCase((letters) => letters.toLowerCase()),
  $toObjectId: convertTo('objectId'),
  $toString: toText,
  $toUUID: toUuid,
  $toUpper: asciiCase((letters) => letters.toUpperCase()),
  $trim: trimmed(true, true),
  $trunc: fixed(1, 2, (given, name) => rounded(given, 'trunc', name)),
  $tsIncrement: ofTimestamp(5687302, (bits) => bits & 0xffffffffn),
  $tsSecond: ofTimestamp(5687301, (bits) => bits >> 32n),
  $type: isUndefinedField,
  $unsetField: (argument, scope, name) => setField(argument, scope, name, true),
  $zip: zip,
  $acos: onDouble(Math.acos, (value) => Math.abs(value) <= 1, 50989, arcCosineOfDecimal),
  $acosh: onDouble(Math.acosh, (value) => value >= 1, 50989, areaCosineOfDecimal),
  $asin: onDouble(Math.asin, (value) => Math.abs(value) <= 1, 50989, arcSineOfDecimal),
  $asinh: onDouble(Math.asinh, undefined, undefined, areaSineOfDecimal),
  $atan: onDouble(Math.atan, undefined, undefined, arcTangentOfDecimal),
  $atan2: fixed(2, 2, ([a, b], name) => {
    if (isNullish(a) || isNullish(b)) return null;
    const [y, x] = [numeric(a, name), numeric(b, name)];
    if (y instanceof Decimal128 || x instanceof Decimal128) return pack(angleOfDecimals(decimalOf(y), decimalOf(x)));
    return new Double(Math.atan2(doubleOf(y), doubleOf(x)));
  }),
  $atanh: onDouble(Math.atanh, (value) => Math.abs(value) <= 1, 50989, areaTangentOfDecimal),
  $cos: onDouble(Math.cos, Number.isFinite, 50989, cosineOfDecimal),
  $cosh: onDouble(Math.cosh, undefined, undefined, hyperbolicCosineOfDecimal),
  $degreesToRadians: onDouble((value) => (value * Math.PI) / 180, undefined, undefined, radiansOfDecimal),
  $radiansToDegrees: onDouble((value) => (value * 180) / Math.PI, undefined, undefined, degreesOfDecimal),
  $sin: onDouble(Math.sin, Number.isFinite, 50989, sineOfDecimal),
  $sinh: onDouble(Math.sinh, undefined, undefined, hyperbolicSineOfDecimal),
  $tan: onDouble(Math.tan, Number.isFinite, 50989, tangentOfDecimal),
  $tanh: onDouble(Math.tanh, undefined, undefined, hyperbolicTangentOfDecimal),
  ...accumulatorExpressions,
  ...dateOperators,
};

function rounded(given: readonly Result[], mode: 'even' | 'trunc', name: string): Result {
  if (given.some(isNullish)) return null;
  const [value, places] = given;
  if (places instanceof Double && !Number.isFinite(places.value))
    throw new ServerError(31109, `${name}: the number of places must be finite, got ${show(places)}`);
  const number = numeric(value, name, 51081);
  const at = places === undefined ? 0 : integer(places, name, 16004, 51082);
  if (at < -20 || at > 100) throw new ServerError(51083, `cannot apply ${name} with precision value ${at} value must be in [-20, 100]`);
  const result = atPlaces(number, at, mode);
  if (result === undefined) throw new ServerError(51080, `${name}: ${show(number)} at ${at} places does not fit a long`);
  return result;
}
