import { isNumber, isNaNValue } from './bson-order.js';
import { Arr, Doc, Double, UNDEFINED, type Value } from './bson-values.js';
import { Decimal128, unpack } from './decimal128.js';
import { failedToParse, ServerError } from './errors.js';
import { operators } from './expression-operators.js';

/** What `$$name` means, by name. ROOT and CURRENT are documents; a variable may be missing (undefined). */
export type Variables = Readonly<Record<string, Value | undefined>>;

/** An expression, compiled: a value for a document, or undefined where the result is missing. */
export type Evaluate = (doc: Value | undefined, variables: Variables) => Value | undefined;

/** Truth as the server sees it: false, null, undefined, a missing value and zero are false. */
export const isTrue = (value: Value | undefined): boolean => {
  if (value === undefined || value === null || value === false || value === UNDEFINED) return false;
  if (!isNumber(value)) return true;
  if (value instanceof Double) return value.value !== 0;
  if (value instanceof Decimal128) {
    const unpacked = unpack(value);
    return isNaNValue(value) || unpacked.kind !== 'finite' || unpacked.coefficient !== 0n;
  }
  return Number(value) !== 0;
};

/** The value that a path leads to from a value: through arrays, an array of what the elements lead to. */
export const followPath = (value: Value | undefined, parts: readonly string[], from = 0): Value | undefined => {
  let current = value;
  for (let at = from; at < parts.length; at++) {
    if (current instanceof Doc) current = current.get(parts[at] as string);
    else if (current instanceof Arr) {
      const found: Value[] = [];
      for (const element of current.values) {
        const reached =
          element instanceof Doc ? followPath(element, parts, at) : element instanceof Arr ? nested(element, parts, at) : undefined;
        if (reached !== undefined) found.push(reached);
      }
      return Arr.of(found);
    } else return undefined;
  }
  return current;
};

/** An array right within an array is not searched, as on the server: it yields an empty array only at its own level. */
const nested = (array: Arr, parts: readonly string[], at: number): Value | undefined => followPath(array, parts, at);

const checkFieldPath = (path: string): readonly string[] => {
  if (!path) throw new ServerError(40352, 'FieldPath cannot be constructed with empty string');
  if (path.endsWith('.')) throw new ServerError(40353, `FieldPath must not end with a '.'.`);
  if (path.includes('\0')) throw new ServerError(16411, 'FieldPath field names may not contain embedded nulls');
  const parts = path.split('.');
  for (const part of parts) {
    if (!part) throw new ServerError(15998, 'FieldPath field names may not be empty strings.');
    if (part.startsWith('$'))
      throw new ServerError(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
  }
  return parts;
};

const systemVariables = new Set(['ROOT', 'CURRENT', 'REMOVE', 'NOW', 'DESCEND', 'PRUNE', 'KEEP']);
const unavailableVariables = new Set(['CLUSTER_TIME', 'JS_SCOPE', 'IS_MR', 'SEARCH_META', 'USER_ROLES']);

/** The names that are bound where an expression stands; a `$$name` beyond them is refused when it is compiled. */
export type Scope = ReadonlySet<string>;
let ambient: Scope = new Set();

/** Compiles something with names bound that come from outside of it: a command's `let`, or that of a `$lookup`. */
export const withVariables = <Result>(names: Iterable<string>, compile: () => Result): Result => {
  const before = ambient;
  ambient = new Set([...before, ...names]);
  try {
    return compile();
  } finally {
    ambient = before;
  }
};

/** A literal: parsed as an expression nowhere. */
export const constant = (value: Value | undefined): Evaluate & { constant?: { value: Value | undefined } } =>
  Object.assign(() => value, { constant: { value } });

/** The value of an expression that does not depend on the document, if it is one. */
export const constantOf = (evaluate: Evaluate): { value: Value | undefined } | undefined =>
  (evaluate as { constant?: { value: Value | undefined } }).constant;

const compilePath = (text: string, scope: Scope): Evaluate => {
  if (!text.startsWith('$$')) {
    const parts = checkFieldPath(text.slice(1));
    const first = parts[0] as string;
    // CURRENT may be bound anew by $let; the document at hand is what it is otherwise.
    if (parts.length === 1) return (_, variables) => fieldOf(variables['CURRENT'], first, parts);
    return (_, variables) => followPath(variables['CURRENT'], parts);
  }
  const [name = '', ...rest] = text.slice(2).split('.');
  if (!name) throw failedToParse('empty variable names are not allowed');
  if (unavailableVariables.has(name)) throw new ServerError(51144, `Builtin variable '$$${name}' is not available`);
  if (!systemVariables.has(name) && !scope.has(name)) throw new ServerError(17276, `Use of undefined variable: ${name}`);
  const parts = rest.length ? checkFieldPath(rest.join('.')) : [];
  if (name === 'REMOVE') return () => undefined;
  return (_, variables) => followPath(variables[name], parts);
};

const fieldOf = (value: Value | undefined, name: string, parts: readonly string[]): Value | undefined =>
  value instanceof Doc ? value.get(name) : followPath(value, parts);

/**
 * Compiles an aggregation expression.
 *
 * @throws ServerError 168 InvalidPipelineOperator for an operator that is not known, and others for wrong arguments
 */
export const compileExpression = (expression: Value, scope: Scope = ambient): Evaluate => {
  if (typeof expression === 'string')
    return expression.startsWith('$') && expression.length > 1 ? compilePath(expression, scope) : constant(expression);
  if (expression instanceof Arr) {
    const elements = expression.values.map((element) => compileExpression(element, scope));
    if (elements.every(constantOf)) return constant(Arr.of(elements.map((element) => constantOf(element)?.value ?? null)));
    return (doc, variables) => Arr.of(elements.map((element) => element(doc, variables) ?? null));
  }
  if (!(expression instanceof Doc)) return constant(expression);
  const name = expression.keys[0] ?? '';
  if (name.startsWith('$')) {
    if (expression.size > 1) throw new ServerError(15983, 'An object representing an expression must have exactly one field');
    const operator = operators[name];
    if (!operator || !Object.hasOwn(operators, name)) throw new ServerError(168, `Unrecognized expression '${name}'`);
    return operator(expression.values[0] as Value, scope, name);
  }
  return compileDocument(expression, scope);
};

const compileDocument = (expression: Doc, scope: Scope): Evaluate => {
  const { keys } = expression;
  for (const key of keys) {
    if (key.includes('.'))
      throw new ServerError(16412, `FieldPath field names may not contain '.'. Consider using $getField or $setField.`);
    if (key.startsWith('$'))
      throw new ServerError(16410, `FieldPath field names may not start with '$'. Consider using $getField or $setField.`);
  }
  const fields = expression.values.map((value) => compileExpression(value, scope));
  if (fields.every(constantOf)) return constant(expression);
  return (doc, variables) => {
    const names: string[] = [];
    const values: Value[] = [];
    for (let index = 0; index < keys.length; index++) {
      const value = (fields[index] as Evaluate)(doc, variables);
      if (value === undefined) continue;
      names.push(keys[index] as string);
      values.push(value);
    }
    return Doc.of(names, values);
  };
};

/** Runs an expression on a document with the variables that every expression has. */
export const evaluateOn = (evaluate: Evaluate, doc: Doc, variables: Variables): Value | undefined =>
  evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc });
