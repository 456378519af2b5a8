import type { Doc, Value } from '../../bson/values.js';
import { compileWhole } from './compile.js';
import { operators } from './operators.js';
import type { Evaluate, Scope, Variables } from './scope.js';

let ambient: Scope = { names: new Set(), operators, grouped: false, timed: true };

const within = <Result>(scope: Partial<Scope>, compile: () => Result): Result => {
  const before = ambient;
  ambient = { ...before, ...scope };
  try {
    return compile();
  } finally {
    ambient = before;
  }
};

/** Compiles something with outer names bound: a command's `let`, or that of a `$lookup`. */
export const withVariables = <Result>(names: Iterable<string>, compile: () => Result): Result =>
  within({ names: new Set([...ambient.names, ...names]) }, compile);

/** Compiles the accumulators of a `$group`. */
export const withinGroup = <Result>(compile: () => Result): Result => within({ grouped: true }, compile);

/** Compiles something without `$$NOW`, such as the query of a `count`. */
export const withoutTime = <Result>(compile: () => Result): Result => within({ timed: false }, compile);

/** Whether an accumulator of a `$group` is being compiled. */
export const isGrouped = (): boolean => ambient.grouped;

/**
 * Compiles an aggregation expression.
 *
 * @throws ServerError 168 InvalidPipelineOperator for an unknown operator, and others for wrong arguments
 */
export const compileExpression = (expression: Value): Evaluate => compileWhole(expression, ambient);

/** Whether a name is that of an operator. */
export const isExpression = (name: string): boolean => Object.hasOwn(operators, name);

/** Runs an expression on a document with the variables available to every expression. */
export const evaluateOn = (evaluate: Evaluate, doc: Doc, variables: Variables): Value | undefined =>
  evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc });
