import { add, asNumeric, divide, doubleOf, narrowest, type Numeric } from './arithmetic.js';
import { compareValues, equalValues, isNumber } from './bson-order.js';
import { Arr, bsonTypeName, Doc, Double, encodedLength, show, type Value } from './bson-values.js';
import { addDecimals, Decimal128, decimalOfDouble, finite, pack, unpack } from './decimal128.js';
import { badValue, failedToParse, ServerError } from './errors.js';
import { compileExpression, constantOf, type Evaluate, type Scope } from './expressions.js';
import { isNullish } from './operator-arguments.js';
import { compareRows, MEMORY_LIMIT, parseSort, sortKey } from './sorting.js';
import { numberOf } from './filter.js';

type Result = Value | undefined;

/** What gathers the values of a group. */
export interface Accumulator {
  add(value: Result): void;
  /** What it has come to so far; it may go on after that. */
  result(): Result;
}

/** Told of bytes that a list is about to keep; throws where they are too many. */
type Grow = (bytes: number) => void;

type Start = (grow?: Grow) => Accumulator;

/** An accumulator of a `$group`: the value of each document, and what gathers them. */
export type AccumulatorSpec = {
  readonly evaluate: Evaluate;
  /** What it keeps counts with what `grow` is told by others. */ readonly start: Start;
};

/** A sum that loses nothing: whole numbers exactly, doubles with the rounding error carried along, decimals apart. */
class Sum {
  #whole = 0n;
  #small = 0;
  #long = false;
  #double = 0;
  #lost = 0;
  #doubles = false;
  #decimal: Decimal128 | undefined;
  count = 0;

  add(value: Result): void {
    if (typeof value === 'number') {
      this.count++;
      this.#small += value;
      // Numbers are added as such while the sum is exact.
      if (this.#small > 0x10000000000000 || this.#small < -0x10000000000000) this.#settle();
      return;
    }
    const number = asNumeric(value);
    if (number === undefined) return;
    this.count++;
    if (typeof number === 'bigint') {
      this.#long = true;
      this.#whole += number;
    } else if (number instanceof Double) {
      this.#doubles = true;
      const sum = this.#double + number.value;
      this.#lost +=
        Math.abs(this.#double) >= Math.abs(number.value) ? this.#double - sum + number.value : number.value - sum + this.#double;
      this.#double = sum;
    } else this.#decimal = this.#decimal ? (add(this.#decimal, number) as Decimal128) : (number as Decimal128);
  }

  #settle(): void {
    this.#whole += BigInt(this.#small);
    this.#small = 0;
  }

  total(): Numeric {
    this.#settle();
    const fraction = Number.isFinite(this.#double) ? this.#double + this.#lost : this.#double;
    if (this.#decimal) {
      // Doubles count here with all of their digits, other than where one is added to a decimal.
      const doubles = Number.isFinite(this.#double) ? [this.#double, this.#lost] : [this.#double];
      const parts = [finite(this.#whole, 0), ...(this.#doubles ? doubles.map(decimalOfDouble) : [])];
      return pack(parts.reduce(addDecimals, unpack(this.#decimal)));
    }
    if (this.#doubles) return new Double(fraction + Number(this.#whole));
    if (this.#whole > 0x7fffffffffffffffn || this.#whole < -0x8000000000000000n) return new Double(Number(this.#whole));
    return this.#long ? this.#whole : narrowest(this.#whole);
  }
}

/** Standard deviation by Welford's method. */
const deviation = (sample: boolean) => (): Accumulator => {
  let count = 0;
  let mean = 0;
  let squares = 0;
  return {
    add: (value) => {
      if (!isNumber(value)) return;
      const number = doubleOf(value);
      count++;
      const delta = number - mean;
      mean += delta / count;
      squares += delta * (number - mean);
    },
    result: () => {
      const divisor = sample ? count - 1 : count;
      return divisor < 1 ? null : new Double(Math.sqrt(squares / divisor));
    },
  };
};

const extreme = (sign: 1 | -1) => (): Accumulator => {
  let best: Result;
  return {
    add: (value) => {
      if (isNullish(value)) return;
      if (best === undefined || compareValues(value, best) * sign > 0) best = value;
    },
    result: () => best ?? null,
  };
};

const extremeN =
  (sign: 1 | -1) =>
  (n: number): Accumulator => {
    let kept: Value[] = [];
    const settle = (): void => {
      kept = kept.sort((a, b) => compareValues(b, a) * sign).slice(0, n);
    };
    return {
      add: (value) => {
        if (isNullish(value)) return;
        kept.push(value);
        if (kept.length > 2 * n + 100) settle();
      },
      result: () => {
        settle();
        return Arr.of([...kept]);
      },
    };
  };

/** The limit of a list that is in no stage with a limit of its own. */
const alone = (name: string): Grow => {
  let used = 0;
  return (bytes) => {
    used += bytes;
    if (used > MEMORY_LIMIT)
      throw new ServerError(146, `${name} used too much memory and cannot spill to disk. Memory limit: ${MEMORY_LIMIT} bytes`);
  };
};
const sizeOf = (value: Result): number =>
  typeof value === 'string' ? value.length * 2 + 24 : value instanceof Doc ? encodedLength(value) + 64 : 32;

const push: Start = (grow = alone('$push')) => {
  const values: Value[] = [];
  return {
    add: (value) => {
      if (value === undefined) return;
      grow(sizeOf(value));
      values.push(value);
    },
    result: () => Arr.of([...values]),
  };
};

const addToSet: Start = (grow = alone('$addToSet')) => {
  const sorted: Value[] = [];
  return {
    add: (value) => {
      if (value === undefined) return;
      let low = 0;
      let high = sorted.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compareValues(sorted[middle], value) < 0) low = middle + 1;
        else high = middle;
      }
      if (low < sorted.length && equalValues(sorted[low], value)) return;
      grow(sizeOf(value));
      sorted.splice(low, 0, value);
    },
    result: () => Arr.of([...sorted]),
  };
};

const mergeObjects = (): Accumulator => {
  let merged = Doc.empty;
  return {
    add: (value) => {
      if (isNullish(value)) return;
      if (!(value instanceof Doc))
        throw new ServerError(40400, `$mergeObjects requires object inputs, but input ${show(value)} is of type ${bsonTypeName(value)}`);
      value.keys.forEach((key, index) => (merged = merged.with(key, value.values[index] as Value)));
    },
    result: () => merged,
  };
};

const first = (): Accumulator => {
  let value: Result;
  let seen = false;
  return {
    add: (next) => {
      if (!seen) value = next;
      seen = true;
    },
    result: () => value ?? null,
  };
};

const last = (): Accumulator => {
  let value: Result;
  return { add: (next) => (value = next), result: () => value ?? null };
};

export const average = (): Accumulator => {
  const sum = new Sum();
  return {
    add: (value) => sum.add(value),
    result: () => {
      if (!sum.count) return null;
      const total = sum.total();
      return divide(total instanceof Decimal128 ? total : new Double(doubleOf(total)), sum.count);
    },
  };
};

export const sumOf = (): Accumulator => {
  const sum = new Sum();
  return { add: (value) => sum.add(value), result: () => sum.total() };
};

/** Percentiles by rank: the value below or at which the wanted share lies, as the server gives for what fits into memory. */
const percentiles =
  (shares: readonly number[], list: boolean): Start =>
  (grow = alone(list ? '$percentile' : '$median')) => {
    const values: number[] = [];
    return {
      add: (value) => {
        const number = isNumber(value) ? doubleOf(value) : NaN;
        if (Number.isNaN(number)) return;
        grow(8);
        values.push(number);
      },
      result: () => {
        values.sort((a, b) => a - b);
        const at = (share: number): Value =>
          values.length ? new Double(values[Math.max(0, Math.ceil(share * values.length) - 1)] as number) : null;
        return list ? Arr.of(shares.map(at)) : at(shares[0] as number);
      },
    };
  };

const simple: Readonly<Record<string, Start>> = {
  $sum: sumOf,
  $avg: average,
  $min: extreme(-1),
  $max: extreme(1),
  $first: first,
  $last: last,
  $push: push,
  $addToSet: addToSet,
  $mergeObjects: mergeObjects,
  $stdDevPop: deviation(false),
  $stdDevSamp: deviation(true),
};

export const plainAccumulator = (name: string): Start | undefined => (Object.hasOwn(simple, name) ? simple[name] : undefined);

const countOf = (spec: Doc, name: string): number => {
  const given = spec.get('n');
  if (given === undefined) throw new ServerError(5787906, `Missing value for 'n' in ${name}`);
  const value = constantOf(compileExpression(given))?.value;
  const n = isNumber(value) ? numberOf(value) : NaN;
  if (!Number.isInteger(n))
    throw new ServerError(5787902, `Value for 'n' must be of integral type and a constant on this node, found ${show(given)}`);
  if (n < 1) throw new ServerError(5787908, `'n' must be greater than 0, found ${n}`);
  return n;
};

const only = (spec: Value, name: string, allowed: readonly string[]): Doc => {
  if (!(spec instanceof Doc)) throw new ServerError(5787900, `specification must be an object; found ${name}: ${show(spec)}`);
  for (const key of spec.keys) if (!allowed.includes(key)) throw new ServerError(5787901, `Unknown argument for ${name}: ${key}`);
  return spec;
};

/** Lists of values with the fields that they are sorted by. */
const ranked = (name: string, spec: Doc, n: number, list: boolean, scope: Scope): AccumulatorSpec => {
  const sortBy = spec.get('sortBy');
  const output = spec.get('output');
  if (!(sortBy instanceof Doc)) throw new ServerError(5788002, `Missing value for 'sortBy'`);
  if (output === undefined) throw new ServerError(5788004, `Missing value for 'output'`);
  const fields = parseSort(sortBy);
  const evaluate = compileExpression(output, scope);
  const bottom = name.startsWith('$bottom');
  return {
    evaluate: (doc, variables) => Arr.of([doc ?? null, evaluate(doc, variables) ?? null]),
    start: () => {
      let kept: { key: readonly Value[]; order: number; value: Value }[] = [];
      let count = 0;
      const compare = (a: (typeof kept)[number], b: (typeof kept)[number]): number =>
        compareRows(a.key, b.key, fields) || a.order - b.order;
      const settle = (): void => {
        kept.sort(compare);
        kept = bottom ? kept.slice(-n) : kept.slice(0, n);
      };
      return {
        add: (pair) => {
          const [doc, value] = (pair as Arr).values as [Value, Value];
          kept.push({ key: sortKey(doc, fields), order: count++, value });
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
 * @throws ServerError 15952 for an accumulator that is not known
 */
export const compileAccumulator = (name: string, argument: Value, scope: Scope = new Set()): AccumulatorSpec => {
  const plain = plainAccumulator(name);
  if (plain) {
    if (argument instanceof Arr && name !== '$push' && name !== '$addToSet' && name !== '$first' && name !== '$last') {
      if (argument.length !== 1) throw new ServerError(40237, `The ${name} accumulator is a unary operator`);
      return { evaluate: compileExpression(argument.values[0] as Value, scope), start: plain };
    }
    return { evaluate: compileExpression(argument, scope), start: plain };
  }
  switch (name) {
    case '$count':
      if (!(argument instanceof Doc) || argument.size) throw new ServerError(4460700, '$count takes no arguments, i.e. $count:{}');
      return { evaluate: () => 1, start: sumOf };
    case '$firstN':
    case '$lastN':
    case '$maxN':
    case '$minN': {
      const spec = only(argument, name, ['n', 'input']);
      const n = countOf(spec, name);
      const input = spec.get('input');
      if (input === undefined) throw new ServerError(5787907, `Missing value for 'input'`);
      const evaluate = compileExpression(input, scope);
      if (name === '$maxN' || name === '$minN') return { evaluate, start: () => extremeN(name === '$maxN' ? 1 : -1)(n) };
      return {
        evaluate,
        start: () => {
          const values: Value[] = [];
          return {
            add: (value) => {
              if (name === '$firstN' && values.length >= n) return;
              values.push(value ?? null);
              if (values.length > n) values.shift();
            },
            result: () => Arr.of([...values]),
          };
        },
      };
    }
    case '$top':
    case '$bottom':
      return ranked(name, only(argument, name, ['sortBy', 'output']), 1, false, scope);
    case '$topN':
    case '$bottomN': {
      const spec = only(argument, name, ['n', 'sortBy', 'output']);
      return ranked(name, spec, countOf(spec, name), true, scope);
    }
    case '$median':
    case '$percentile': {
      const spec = only(argument, name, name === '$median' ? ['input', 'method'] : ['input', 'p', 'method']);
      const input = spec.get('input');
      if (input === undefined || spec.get('method') !== 'approximate') throw badValue(`${name} needs 'input' and method 'approximate'`);
      const p = spec.get('p');
      const shares =
        name === '$median' ? [0.5] : p instanceof Arr ? p.values.map((share) => (isNumber(share) ? numberOf(share) : NaN)) : [];
      if (!shares.length || shares.some((share) => !(share >= 0 && share <= 1)))
        throw new ServerError(7750303, `The 'p' field in $percentile must be a non-empty array of numbers from the range [0.0, 1.0]`);
      return { evaluate: compileExpression(input, scope), start: percentiles(shares, name === '$percentile') };
    }
    case '$accumulator':
      throw failedToParse('$accumulator needs JavaScript, which this node does not run');
  }
  throw new ServerError(15952, `unknown group operator '${name}'`);
};
