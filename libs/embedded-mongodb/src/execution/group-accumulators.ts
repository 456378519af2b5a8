import { isNullish } from '../bson/order.js';
import { Arr, bsonTypeName, Doc, show, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import {
  alone,
  counted,
  countFrom,
  extremeN,
  owned,
  percentiles,
  plainAccumulator,
  rankSpec,
  sharesOf,
  sumOf,
  type Accumulator,
  type Grow,
} from '../query/accumulators.js';
import { currentCollation } from '../query/collation.js';
import { constantOf } from '../query/expressions/compile.js';
import { compileExpression, evaluateOn, isGrouped } from '../query/expressions/expressions.js';
import type { Evaluate, Variables } from '../query/expressions/scope.js';
import { compareRows, parseSort, sortKey } from '../query/sort-order.js';

/** The group for which an accumulator starts: its `_id`, and the variables of the run. */
type Group = { readonly id: Value; readonly variables: Variables };

/** An accumulator of a `$group`: the value of each document, and the state that collects them. */
export type AccumulatorSpec = {
  readonly evaluate: Evaluate;
  /** What it keeps counts together with what others report to `grow`. */
  readonly start: (grow?: Grow, group?: Group) => Accumulator;
};

/** How many values are kept: a constant, or an expression of the fields of the group's `_id`. */
const countOf = (spec: Doc, name: string): ((group: Group | undefined) => number) => {
  const given = spec.get('n');
  if (given === undefined)
    throw new ServerError(name === '$topN' || name === '$bottomN' ? 5788003 : 5787906, `Missing value for 'n' in ${name}`);
  const evaluate = compileExpression(given);
  const grouped = isGrouped();
  const known = constantOf(evaluate);
  if (!known)
    return (group) =>
      countFrom(evaluateOn(evaluate, group?.id instanceof Doc ? group.id : Doc.empty, group?.variables ?? {}), name, grouped);
  const count = countFrom(known.value, name, grouped);
  return () => count;
};

const only = (spec: Value, name: string, allowed: readonly string[]): Doc => {
  if (!(spec instanceof Doc)) throw new ServerError(5787900, `specification must be an object; found ${name}: ${show(spec)}`);
  for (const key of spec.keys) if (!allowed.includes(key)) throw new ServerError(5787901, `Unknown argument for ${name}: ${key}`);
  return spec;
};

/** Lists of values with the fields by which they are sorted. */
const ranked = (name: string, spec: Doc, countIn: (group: Group | undefined) => number, list: boolean): AccumulatorSpec => {
  const sortBy = spec.get('sortBy');
  const output = spec.get('output');
  if (!(sortBy instanceof Doc)) throw new ServerError(5788002, `Missing value for 'sortBy'`);
  if (output === undefined) throw new ServerError(5788004, `Missing value for 'output'`);
  const fields = parseSort(sortBy);
  const evaluate = compileExpression(output);
  const bottom = name.startsWith('$bottom');
  return {
    evaluate: (doc, variables) => Arr.of([doc ?? null, evaluate(doc, variables) ?? null]),
    start: (grow = alone(name), group) => {
      const n = countIn(group);
      const count = counted(grow);
      let kept: { key: readonly Value[]; order: number; value: Value }[] = [];
      let seen = 0;
      const compare = (a: (typeof kept)[number], b: (typeof kept)[number]): number =>
        compareRows(a.key, b.key, fields) || a.order - b.order;
      const settle = (): void => {
        kept.sort(compare);
        kept = bottom ? kept.slice(-n) : kept.slice(0, n);
      };
      return {
        add: (pair) => {
          const [doc, value] = (pair as Arr).values as [Value, Value];
          kept.push({ key: sortKey(doc, fields), order: seen++, value: owned(value) });
          count(value, kept.length);
          if (kept.length > 2 * n + 100) settle();
        },
        result: () => {
          settle();
          return list ? Arr.of(kept.map(({ value }) => value)) : (kept[0]?.value ?? null);
        },
      };
    },
  };
};

/**
 * Compiles one accumulator of a group.
 *
 * @throws ServerError 15952 for an unknown accumulator
 */
export const compileAccumulator = (name: string, argument: Value): AccumulatorSpec => {
  const plain = plainAccumulator(name, isGrouped());
  if (plain && name === '$mergeObjects' && isGrouped()) {
    const evaluate = compileExpression(argument);
    return {
      evaluate: (doc, variables) => {
        const value = evaluate(doc, variables);
        if (!isNullish(value) && !(value instanceof Doc))
          throw new ServerError(5911200, `$mergeObjects only supports objects, not ${bsonTypeName(value)}`);
        return value;
      },
      start: plain,
    };
  }
  if (plain) return { evaluate: compileExpression(argument), start: plain };
  switch (name) {
    case '$count':
      if (!(argument instanceof Doc) || argument.size) throw new ServerError(4460700, '$count takes no arguments, i.e. $count:{}');
      return { evaluate: () => 1, start: sumOf };
    case '$firstN':
    case '$lastN':
    case '$maxN':
    case '$minN': {
      const spec = only(argument, name, ['n', 'input']);
      const countIn = countOf(spec, name);
      const input = spec.get('input');
      if (input === undefined) throw new ServerError(5787907, `Missing value for 'input'`);
      const evaluate = compileExpression(input);
      if (name === '$maxN' || name === '$minN') {
        const extremes = extremeN(name === '$maxN' ? 1 : -1, currentCollation()?.compare);
        return { evaluate, start: (grow, group) => extremes(countIn(group), grow) };
      }
      return {
        evaluate,
        start: (grow = alone(name), group) => {
          const n = countIn(group);
          const count = counted(grow);
          const values: Value[] = [];
          return {
            add: (value) => {
              if (name === '$firstN' && values.length >= n) return;
              values.push(owned(value ?? null));
              count(value, values.length);
              if (values.length > n) values.shift();
            },
            result: () => Arr.of([...values]),
          };
        },
      };
    }
    case '$top':
    case '$bottom':
      return ranked(name, only(argument, name, ['sortBy', 'output']), () => 1, false);
    case '$topN':
    case '$bottomN': {
      const spec = only(argument, name, ['n', 'sortBy', 'output']);
      return ranked(name, spec, countOf(spec, name), true);
    }
    case '$median':
    case '$percentile': {
      const { input, p } = rankSpec(argument, name, name === '$median' ? 7436100 : 7429703);
      const shares = name === '$median' ? [0.5] : sharesOf(p && constantOf(compileExpression(p))?.value);
      return { evaluate: compileExpression(input), start: percentiles(shares, name === '$percentile') };
    }
    case '$accumulator':
      throw failedToParse('$accumulator needs JavaScript, which this node does not run');
  }
  throw new ServerError(15952, `unknown group operator '${name}'`);
};
