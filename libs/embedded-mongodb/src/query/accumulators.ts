import { add, asNumeric, divide, doubleOf, narrowest, type Numeric } from '../bson/arithmetic.js';
import { addDecimals, Decimal128, decimalOfDouble, finite, pack, unpack } from '../bson/decimal128.js';
import { compareValues, equalValues, isNullish, isNumber, isWhole, type CompareText } from '../bson/order.js';
import { Arr, Binary, bsonTypeName, Doc, Double, encodedLength, ObjectId, show, type Value } from '../bson/values.js';
import { badValue, ServerError, typeMismatch } from '../errors.js';
import { currentCollation } from './collation.js';
import { MEMORY_LIMIT } from './sort-order.js';

type Result = Value | undefined;

/** Collects the values of a group. */
export interface Accumulator {
  add(value: Result): void;
  /** The current result; more values may be added afterwards. */
  result(): Result;
}

/** Called with the bytes that a list is about to keep; throws if they are too many. */
export type Grow = (bytes: number) => void;

export type Start = (grow?: Grow) => Accumulator;

/** An exact sum: whole numbers exactly, doubles with the rounding error carried along, decimals separately. */
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
      // Numbers are added directly while the sum is exact.
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
      // Doubles count here with all of their digits, unlike in an addition to a decimal.
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

/** Of equal values of different types, the first is kept; in a group, the last, as on a server. */
const extreme =
  (sign: 1 | -1, texts: CompareText | undefined, grouped: boolean): Start =>
  (grow) => {
    const best = single(grow);
    return {
      add: (value) => {
        if (isNullish(value)) return;
        const order = best.value === undefined ? 1 : compareValues(value, best.value, texts) * sign;
        if (order > 0 || (grouped && order === 0)) best.keep(value);
      },
      result: () => best.value ?? null,
    };
  };

export const extremeN =
  (sign: 1 | -1, texts?: CompareText) =>
  (n: number, grow = alone(sign > 0 ? '$maxN' : '$minN')): Accumulator => {
    let kept: Value[] = [];
    const count = counted(grow);
    const settle = (): void => {
      kept = kept.sort((a, b) => compareValues(b, a, texts) * sign).slice(0, n);
    };
    return {
      add: (value) => {
        if (isNullish(value)) return;
        kept.push(owned(value));
        count(value, kept.length);
        if (kept.length > 2 * n + 100) settle();
      },
      result: () => {
        settle();
        return Arr.of([...kept]);
      },
    };
  };

/** The limit of a list that is not in a stage with its own limit. */
export const alone = (name: string): Grow => {
  let used = 0;
  return (bytes) => {
    used += bytes;
    if (used > MEMORY_LIMIT)
      throw new ServerError(146, `${name} used too much memory and cannot spill to disk. Memory limit: ${MEMORY_LIMIT} bytes`);
  };
};
/** Approximate bytes that a value takes while it is kept. */
const sizeOf = (value: Result): number => {
  if (typeof value === 'string') return value.length * 2 + 24;
  if (value instanceof Doc) return encodedLength(value) + 64;
  if (value instanceof Binary) return value.bytes.length + 64;
  if (!(value instanceof Arr)) return 32;
  if (value.source) return value.source.readInt32LE(value.offset) + 64;
  return value.values.reduce<number>((sum, element) => sum + sizeOf(element), 64);
};

/** A value to keep: a small part of a large document must not keep all of its bytes. */
export const owned = <Kept extends Result>(value: Kept): Kept => {
  const small = (length: number, whole: number): boolean => whole > 4 * length + 1024;
  if (value instanceof Doc || value instanceof Arr) {
    const { source, offset } = value;
    const length = source?.readInt32LE(offset) ?? 0;
    if (!source || !small(length, source.length)) return value;
    const copy = Buffer.from(source.subarray(offset, offset + length));
    return (value instanceof Doc ? Doc.read(copy) : Arr.read(copy, 0)) as Kept;
  }
  if (!(value instanceof Binary || value instanceof ObjectId || value instanceof Decimal128)) return value;
  if (!small(value.bytes.length, value.bytes.buffer.byteLength)) return value;
  const copy = Buffer.from(value.bytes);
  if (value instanceof Binary) return new Binary(value.subtype, copy) as Kept;
  return (value instanceof ObjectId ? new ObjectId(copy) : new Decimal128(copy)) as Kept;
};

/** Keeps one value at a time, whose size counts. */
const single = (grow: Grow | undefined): { value: Result; keep(value: Result): void } => {
  const kept: { value: Result; keep(value: Result): void } = {
    value: undefined,
    keep: (value) => {
      grow?.(sizeOf(value) - sizeOf(kept.value));
      kept.value = owned(value);
    },
  };
  return kept;
};

/** Counts the size of a list that also drops values: only growth beyond its previous maximum counts. */
export const counted = (grow: Grow): ((value: Result, length: number) => void) => {
  let most = 0;
  return (value, length) => {
    if (length <= most) return;
    most = length;
    grow(sizeOf(value));
  };
};

const push: Start = (grow = alone('$push')) => {
  const values: Value[] = [];
  return {
    add: (value) => {
      if (value === undefined) return;
      grow(sizeOf(value));
      values.push(owned(value));
    },
    result: () => Arr.of([...values]),
  };
};

const addToSet =
  (texts?: CompareText): Start =>
  (grow = alone('$addToSet')) => {
    const sorted: Value[] = [];
    return {
      add: (value) => {
        if (value === undefined) return;
        let low = 0;
        let high = sorted.length;
        while (low < high) {
          const middle = (low + high) >>> 1;
          if (compareValues(sorted[middle], value, texts) < 0) low = middle + 1;
          else high = middle;
        }
        if (low < sorted.length && equalValues(sorted[low], value, texts)) return;
        grow(sizeOf(value));
        sorted.splice(low, 0, owned(value));
      },
      result: () => Arr.of([...sorted]),
    };
  };

const mergeObjects: Start = (grow = alone('$mergeObjects')) => {
  const merged = new Map<string, Value>();
  return {
    add: (value) => {
      if (isNullish(value)) return;
      if (!(value instanceof Doc))
        throw new ServerError(40400, `$mergeObjects requires object inputs, but input ${show(value)} is of type ${bsonTypeName(value)}`);
      value.keys.forEach((key, index) => {
        const inner = value.values[index] as Value;
        const before = merged.get(key);
        grow(sizeOf(inner) - (before === undefined ? -key.length * 2 - 64 : sizeOf(before)));
        merged.set(key, owned(inner));
      });
    },
    result: () => Doc.of([...merged.keys()], [...merged.values()]),
  };
};

const first: Start = (grow) => {
  const kept = single(grow);
  let seen = false;
  return {
    add: (next) => {
      if (!seen) kept.keep(next);
      seen = true;
    },
    result: () => kept.value ?? null,
  };
};

const last: Start = (grow) => {
  const kept = single(grow);
  return { add: kept.keep, result: () => kept.value ?? null };
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

/** The shares given as `p` of a $percentile. */
export const sharesOf = (p: Value | undefined): readonly number[] => {
  if (!(p instanceof Arr) || !p.length)
    throw new ServerError(7750301, `The 'p' field in $percentile must be a non-empty array of constants`);
  const shares = p.values.map((share) => {
    if (!isNumber(share)) throw new ServerError(7750302, `The 'p' field in $percentile must be an array of numbers, found ${show(share)}`);
    return doubleOf(share);
  });
  if (shares.some((share) => !(share >= 0 && share <= 1)))
    throw new ServerError(7750303, `The 'p' field in $percentile must be a non-empty array of numbers from the range [0.0, 1.0]`);
  return shares;
};

/** How many values $firstN and similar operators keep. @param grouped whether in `$group`, where a server has one code for all errors */
export const countFrom = (value: Result, name: string, grouped: boolean): number => {
  const wrong = (code: number, why: string): ServerError =>
    new ServerError(grouped ? 7548606 : code, `Value for 'n' in ${name} must be ${why}, but found ${show(value ?? null)}`);
  if (!isNumber(value)) throw wrong(5787902, 'of integral type');
  const count = doubleOf(value);
  if (!isWhole(value) || Math.abs(count) >= 2 ** 63) throw wrong(5787903, 'of integral type');
  if (count < 1) throw wrong(5787908, 'greater than 0');
  return count;
};

/**
 * The arguments of $median and $percentile, validated except for the shares. @param notObject the code for an argument that is not a
 * document
 */
export const rankSpec = (spec: Value, name: string, notObject: number): { readonly input: Value; readonly p: Value | undefined } => {
  const fields = name === '$median' ? ['input', 'method'] : ['input', 'p', 'method'];
  if (!(spec instanceof Doc)) throw new ServerError(notObject, `specification must be an object; found ${name}: ${show(spec)}`);
  for (const key of spec.keys) if (!fields.includes(key)) throw new ServerError(40415, `BSON field '${name}.${key}' is an unknown field.`);
  for (const key of fields) if (!spec.has(key)) throw new ServerError(40414, `BSON field '${name}.${key}' is missing but a required field`);
  const method = spec.get('method') as Value;
  if (typeof method !== 'string')
    throw typeMismatch(`BSON field '${name}.method' is the wrong type '${bsonTypeName(method)}', expected type 'string'`);
  if (method !== 'approximate') throw badValue("Currently only 'approximate' can be used as percentile 'method'.");
  return { input: spec.get('input') as Value, p: spec.get('p') };
};

/** Percentiles by rank: the lowest value that covers the requested share, as the server returns for data that fits in memory. */
export const percentiles =
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
  $first: first,
  $last: last,
  $push: push,
  $mergeObjects: mergeObjects,
  $stdDevPop: deviation(false),
  $stdDevSamp: deviation(true),
};

const comparing: Readonly<Record<string, (texts: CompareText | undefined, grouped: boolean) => Start>> = {
  $min: (texts, grouped) => extreme(-1, texts, grouped),
  $max: (texts, grouped) => extreme(1, texts, grouped),
  $addToSet: (texts) => addToSet(texts),
};

/**
 * An accumulator with one argument, under the current collation.
 *
 * @param grouped whether it belongs to `$group` or `$bucket`
 */
export const plainAccumulator = (name: string, grouped = false): Start | undefined => {
  if (Object.hasOwn(comparing, name)) return comparing[name]?.(currentCollation()?.compare, grouped);
  return Object.hasOwn(simple, name) ? simple[name] : undefined;
};
