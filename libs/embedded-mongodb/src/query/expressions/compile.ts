import { checkFieldPath } from '../../bson/paths.js';
import { checkLength } from '../../bson/text-length.js';
import { Arr, Doc, type Value } from '../../bson/values.js';
import { failedToParse, ServerError } from '../../errors.js';
import { ifShort, INTERRUPTED } from '../budget.js';
import type { Evaluate, Scope } from './scope.js';

/** The value at a path within a value: through an array, an array of the elements' results. */
export const followPath = (value: Value | undefined, parts: readonly string[], from = 0): Value | undefined => {
  let current = value;
  for (let at = from; at < parts.length; at++) {
    if (current instanceof Doc) current = current.get(parts[at] as string);
    else if (current instanceof Arr) {
      const found: Value[] = [];
      // An array directly inside an array is not searched, as on the server.
      for (const element of current.values) {
        const reached = element instanceof Doc ? followPath(element, parts, at) : undefined;
        if (reached !== undefined) found.push(reached);
      }
      return Arr.of(found);
    } else return undefined;
  }
  return current;
};

/** @throws ServerError 9 for a name that user variables cannot have */
export const checkVariableName = (name: string): void => {
  if (!/^[a-z\u0080-\uffff][\w\u0080-\uffff]*$/.test(name))
    throw failedToParse(`'${name}' starts with an invalid character for a user variable name`);
};

const systemVariables = new Set(['ROOT', 'CURRENT', 'REMOVE', 'NOW', 'DESCEND', 'PRUNE', 'KEEP']);
const unavailableVariables = new Set(['JS_SCOPE', 'IS_MR', 'SEARCH_META', 'USER_ROLES']);

/** A literal, which is not parsed as an expression. */
export const constant = (value: Value | undefined): Evaluate & { constant?: { value: Value | undefined } } =>
  Object.assign(() => value, { constant: { value } });

/** The value of an expression that does not depend on the document, if it does not. */
export const constantOf = (evaluate: Evaluate): { value: Value | undefined } | undefined =>
  (evaluate as { constant?: { value: Value | undefined } }).constant;

/** Whether what is being compiled depends on more than its text. */
let varies = false;
/** The error of the first expression to be evaluated in advance. */
let refused: ServerError | undefined;

/** Operators that a server never evaluates in advance. */
const NEVER_AHEAD = new Set(
  '$rand $let $map $filter $reduce $switch $zip $getField $setField $unsetField $sortArray $regexFind $regexFindAll $regexMatch'.split(' '),
);

/**
 * Evaluates an operator of constants at compile time, as a server does: its error is reported even without documents, wherever it occurs.
 */
const computedAhead = (compile: () => Evaluate, name: string, scope: Scope): Evaluate => {
  const before = varies;
  varies = NEVER_AHEAD.has(name);
  const evaluate = compile();
  if (varies) return evaluate;
  varies = before;
  try {
    const value = ifShort(() => evaluate(undefined, {}));
    if (value !== INTERRUPTED) return constant(value);
    // Long computations are left to the run, which has turns and a time limit.
    varies = true;
    return evaluate;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    // In a group some errors have their codes only with a document.
    if (!scope.grouped) refused ??= error;
    return evaluate;
  }
};

/** Compiles a whole expression. Errors of its constants come after all errors of its form. */
export const compileWhole = (expression: Value, scope: Scope): Evaluate => {
  [varies, refused] = [false, undefined];
  const evaluate = compileIn(expression, scope);
  if (refused) throw refused as ServerError;
  return evaluate;
};

const compilePath = (text: string, scope: Scope): Evaluate => {
  varies = true;
  if (text === '$') throw new ServerError(16872, "'$' by itself is not a valid FieldPath");
  if (!text.startsWith('$$')) {
    const parts = checkFieldPath(text.slice(1));
    const first = parts[0] as string;
    // $let may rebind CURRENT; otherwise it is the current document.
    if (parts.length === 1) return (_, variables) => fieldOf(variables['CURRENT'], first, parts);
    return (_, variables) => followPath(variables['CURRENT'], parts);
  }
  const [name = '', ...rest] = text.slice(2).split('.');
  if (!name) throw failedToParse('empty variable names are not allowed');
  if (!/^[\w\u0080-\uffff]+$/.test(name)) throw failedToParse(`'${name}' contains an invalid character for a variable name`);
  if (name === 'CLUSTER_TIME' && scope.timed) throw new ServerError(10071200, '$$CLUSTER_TIME is not available on a standalone server');
  if (unavailableVariables.has(name) || (!scope.timed && (name === 'NOW' || name === 'CLUSTER_TIME')))
    throw new ServerError(51144, `Builtin variable '$$${name}' is not available`);
  if (!systemVariables.has(name) && !scope.names.has(name)) throw new ServerError(17276, `Use of undefined variable: ${name}`);
  const parts = rest.length ? checkFieldPath(text.slice(2)).slice(1) : [];
  if (name === 'REMOVE') return () => undefined;
  return (_, variables) => followPath(variables[name], parts);
};

const fieldOf = (value: Value | undefined, name: string, parts: readonly string[]): Value | undefined =>
  value instanceof Doc ? value.get(name) : followPath(value, parts);

/**
 * Compiles an aggregation expression in a scope.
 *
 * @throws ServerError 168 InvalidPipelineOperator for an unknown operator, and others for wrong arguments
 */
export const compileIn = (expression: Value, scope: Scope): Evaluate => {
  if (typeof expression === 'string')
    return expression.startsWith('$') ? compilePath(expression, scope) : constant(checkLength(expression));
  if (expression instanceof Arr) {
    const elements = expression.values.map((element) => compileIn(element, scope));
    if (elements.every(constantOf)) return constant(Arr.of(elements.map((element) => constantOf(element)?.value ?? null)));
    return (doc, variables) => Arr.of(elements.map((element) => element(doc, variables) ?? null));
  }
  if (!(expression instanceof Doc)) return constant(expression);
  const name = expression.keys[0] ?? '';
  if (name.startsWith('$')) {
    if (expression.size > 1) throw new ServerError(15983, 'An object representing an expression must have exactly one field');
    const operator = scope.operators[name];
    if (!operator || !Object.hasOwn(scope.operators, name)) throw new ServerError(168, `Unrecognized expression '${name}'`);
    return computedAhead(() => operator(expression.values[0] as Value, scope, name), name, scope);
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
  const fields = expression.values.map((value) => compileIn(value, scope));
  if (fields.every(constantOf)) {
    const known = fields.map((field) => constantOf(field)?.value);
    const there = keys.filter((_, index) => known[index] !== undefined);
    return constant(
      Doc.of(
        there,
        known.filter((value) => value !== undefined),
      ),
    );
  }
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
