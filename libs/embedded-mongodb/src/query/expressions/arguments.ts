import type { CompareText } from '../../bson/order.js';
import { Arr, bsonTypeName, Doc, type Value } from '../../bson/values.js';
import { failedToParse, ServerError } from '../../errors.js';
import { currentCollation } from '../collation.js';
import { compileIn } from './compile.js';
import type { Evaluate, Operator, Scope } from './scope.js';

type Result = Value | undefined;
/** @param texts how texts compare under the collation that holds; undefined: by their bytes */
type Compute = (values: readonly Result[], name: string, texts: CompareText | undefined) => Result;

export function compileArguments(argument: Value, scope: Scope, name: string, least: number, most: number): readonly Evaluate[] {
  const given = argument instanceof Arr ? argument.values : [argument];
  if (given.length < least || given.length > most) {
    if (least === most)
      throw new ServerError(16020, `Expression ${name} takes exactly ${least} arguments. ${given.length} were passed in.`);
    throw new ServerError(
      28667,
      `Expression ${name} takes at least ${least} arguments, and at most ${most}, but ${given.length} were passed in.`,
    );
  }
  return given.map((value) => compileIn(value, scope));
}

/** An operator of a number of values between `least` and `most`, which are computed first. */
export function fixed(least: number, most: number, compute: Compute): Operator {
  return (argument, scope, name) => {
    const texts = currentCollation()?.compare;
    const given = compileArguments(argument, scope, name, least, most);
    const [first, second] = given as readonly [Evaluate, Evaluate];
    if (given.length === 1) return (doc, variables) => compute([first(doc, variables)], name, texts);
    if (given.length === 2) return (doc, variables) => compute([first(doc, variables), second(doc, variables)], name, texts);
    return (doc, variables) =>
      compute(
        given.map((evaluate) => evaluate(doc, variables)),
        name,
        texts,
      );
  };
}

/** An operator of any number of values. */
export function variadic(compute: Compute): Operator {
  return fixed(0, Infinity, compute);
}

/** The fields of an operator that takes a document, compiled; a field beyond the allowed ones is refused. */
export function namedArguments(
  argument: Value,
  scope: Scope,
  name: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, Evaluate | undefined>> {
  if (!(argument instanceof Doc)) throw failedToParse(`${name} requires an object as an argument, found: ${bsonTypeName(argument)}`);
  for (const key of argument.keys)
    if (!required.includes(key) && !optional.includes(key)) throw failedToParse(`Unrecognized argument to ${name}: ${key}`);
  for (const key of required) if (!argument.has(key)) throw failedToParse(`Missing '${key}' parameter to ${name}`);
  const compiled: Record<string, Evaluate> = {};
  argument.keys.forEach((key, index) => (compiled[key] = compileIn(argument.values[index] as Value, scope)));
  return compiled;
}
