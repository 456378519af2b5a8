import { Arr, type Value } from '../../bson/values.js';
import { plainAccumulator } from '../accumulators.js';
import { compileArguments } from './arguments.js';
import type { Operator } from './scope.js';

/** An accumulator used as an expression: over its arguments, or over the elements of a single array. */
const overValues =
  (name: string): Operator =>
  (argument, scope) => {
    const parts = compileArguments(argument, scope, name, 0, Infinity);
    const single = !(argument instanceof Arr) || argument.length === 1;
    return (doc, variables) => {
      const accumulator = (plainAccumulator(name) as NonNullable<ReturnType<typeof plainAccumulator>>)();
      for (const part of parts) {
        const value: Value | undefined = part(doc, variables);
        if (single && value instanceof Arr) for (const element of value.values) accumulator.add(element);
        else accumulator.add(value);
      }
      return accumulator.result();
    };
  };

/** $sum, $avg and others where an expression stands. */
export const accumulatorExpressions: Readonly<Record<string, Operator>> = Object.fromEntries(
  ['$sum', '$avg', '$min', '$max', '$stdDevPop', '$stdDevSamp'].map((name) => [name, overValues(name)]),
);
