import { Arr, Double, type Value } from '../../bson/values.js';
import { percentiles, plainAccumulator, rankSpec, sharesOf } from '../accumulators.js';
import { compileArguments } from './arguments.js';
import { compileIn, constantOf } from './compile.js';
import type { Operator } from './scope.js';

/** An accumulator used as an expression: over its arguments, or over the elements of a single array. */
const overValues =
  (name: string): Operator =>
  (argument, scope) => {
    const parts = compileArguments(argument, scope, name, 0, Infinity);
    const start = plainAccumulator(name) as NonNullable<ReturnType<typeof plainAccumulator>>;
    const single = !(argument instanceof Arr) || argument.length === 1;
    // As an expression, but not in a group, a server's $avg reads longs as doubles.
    const taken = (value: Value | undefined): Value | undefined =>
      name === '$avg' && typeof value === 'bigint' ? new Double(Number(value)) : value;
    return (doc, variables) => {
      const accumulator = start();
      for (const part of parts) {
        const value: Value | undefined = part(doc, variables);
        if (single && value instanceof Arr) for (const element of value.values) accumulator.add(taken(element));
        else accumulator.add(taken(value));
      }
      return accumulator.result();
    };
  };

/** $median and $percentile of the numbers in an array, or of one number. */
const rankOf: Operator = (argument, scope, name) => {
  const { input, p } = rankSpec(argument, name, name === '$median' ? 7436201 : 7436200);
  const evaluate = compileIn(input, scope);
  const shares = name === '$median' ? [0.5] : sharesOf(p && constantOf(compileIn(p, scope))?.value);
  const start = percentiles(shares, name === '$percentile');
  return (doc, variables) => {
    const accumulator = start();
    const value = evaluate(doc, variables);
    if (value instanceof Arr) for (const element of value.values) accumulator.add(element);
    else accumulator.add(value);
    return accumulator.result();
  };
};

/** $sum, $avg and others used as expressions. */
export const accumulatorExpressions: Readonly<Record<string, Operator>> = {
  ...Object.fromEntries(['$sum', '$avg', '$min', '$max', '$stdDevPop', '$stdDevSamp'].map((name) => [name, overValues(name)])),
  $median: rankOf,
  $percentile: rankOf,
};
