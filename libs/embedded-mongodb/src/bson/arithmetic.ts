import {
  addDecimals,
  Decimal128,
  decimalOfDouble,
  decimalOfDoubleRounded,
  divideDecimals,
  doubleOfDecimal,
  finite,
  multiplyDecimals,
  negateDecimal,
  pack,
  quantize,
  remainderOfDecimals,
  unpack,
  type Unpacked,
} from './decimal128.js';
import { isNumber } from './order.js';
import { Double, type Value } from './values.js';

/** Any of BSON's four number types: int32, int64, double, decimal. */
export type Numeric = number | bigint | Double | Decimal128;

const MAX_LONG = 0x7fffffffffffffffn;
const MIN_LONG = -0x8000000000000000n;
const fitsInt = (value: number | bigint): boolean => value >= -0x80000000 && value <= 0x7fffffff;
const fitsLong = (value: bigint): boolean => value >= MIN_LONG && value <= MAX_LONG;

export const decimalOf = (value: Numeric): Unpacked => {
  if (value instanceof Decimal128) return unpack(value);
  if (value instanceof Double) return decimalOfDoubleRounded(value.value);
  return finite(BigInt(value), 0);
};

export const doubleOf = (value: Numeric): number => {
  if (value instanceof Double) return value.value;
  return value instanceof Decimal128 ? doubleOfDecimal(unpack(value)) : Number(value);
};

/** int with int stays int if it fits, otherwise becomes long; a long that overflows is `undefined`. */
const integers = (
  a: number | bigint,
  b: number | bigint,
  exactly: (a: bigint, b: bigint) => bigint,
  quickly: (a: number, b: number) => number,
): number | bigint | undefined => {
  if (typeof a === 'number' && typeof b === 'number') {
    const quick = quickly(a, b);
    if (fitsInt(quick)) return quick === 0 ? 0 : quick;
    return exactly(BigInt(a), BigInt(b));
  }
  const result = exactly(BigInt(a), BigInt(b));
  return fitsLong(result) ? result : undefined;
};

type Operation = {
  readonly decimals: (a: Unpacked, b: Unpacked) => Unpacked;
  readonly doubles: (a: number, b: number) => number;
  readonly bigints: (a: bigint, b: bigint) => bigint;
};

const apply = (operation: Operation, a: Numeric, b: Numeric): Numeric | undefined => {
  if (a instanceof Decimal128 || b instanceof Decimal128) return pack(operation.decimals(decimalOf(a), decimalOf(b)));
  if (a instanceof Double || b instanceof Double) return new Double(operation.doubles(doubleOf(a), doubleOf(b)));
  return integers(a, b, operation.bigints, operation.doubles);
};

const addition: Operation = { decimals: addDecimals, doubles: (a, b) => a + b, bigints: (a, b) => a + b };
const subtraction: Operation = { decimals: (a, b) => addDecimals(a, negateDecimal(b)), doubles: (a, b) => a - b, bigints: (a, b) => a - b };
const multiplication: Operation = { decimals: multiplyDecimals, doubles: (a, b) => a * b, bigints: (a, b) => a * b };

/** The sum by MongoDB's type rules, or undefined if a long overflows (an update refuses it, an expression continues with a double). */
export const add = (a: Numeric, b: Numeric): Numeric | undefined => apply(addition, a, b);
export const subtract = (a: Numeric, b: Numeric): Numeric | undefined => apply(subtraction, a, b);
export const multiply = (a: Numeric, b: Numeric): Numeric | undefined => apply(multiplication, a, b);

/** The quotient: a double, or a decimal if either is one. The caller has refused a divisor of zero. */
export const divide = (a: Numeric, b: Numeric): Numeric =>
  a instanceof Decimal128 || b instanceof Decimal128
    ? pack(divideDecimals(decimalOf(a), decimalOf(b)))
    : new Double(doubleOf(a) / doubleOf(b));

/** The remainder with the dividend's sign; whole doubles of the size of a long give longs no more than the server does: doubles stay doubles. */
export const remainder = (a: Numeric, b: Numeric): Numeric => {
  if (a instanceof Decimal128 || b instanceof Decimal128) return pack(remainderOfDecimals(decimalOf(a), decimalOf(b)));
  if (a instanceof Double || b instanceof Double) return new Double(doubleOf(a) % doubleOf(b));
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0 === 0 ? 0 : a % b;
  return BigInt(a) % BigInt(b);
};

export const isZero = (value: Numeric): boolean => {
  if (!(value instanceof Decimal128)) return doubleOf(value) === 0;
  const unpacked = unpack(value);
  return unpacked.kind === 'finite' && unpacked.coefficient === 0n;
};

/** $floor, $ceil: the type stays. A decimal that is not finite, or has too many digits before the point, becomes NaN, as on a server. */
export const toWhole = (value: Numeric, mode: 'floor' | 'ceil'): Numeric => {
  if (value instanceof Decimal128) return pack(quantize(unpack(value), mode) ?? { kind: 'nan' });
  return value instanceof Double ? new Double(Math[mode](value.value)) : value;
};

const toEven = (double: number): number => (Math.abs(double % 1) === 0.5 ? 2 * Math.round(double / 2) : Math.round(double));

/** $round (half to even) and $trunc, to -20 to 100 decimal places; undefined if a long overflows. */
export const atPlaces = (value: Numeric, places: number, mode: 'even' | 'trunc'): Numeric | undefined => {
  if (value instanceof Decimal128) {
    const exact = unpack(value);
    return pack(quantize(exact, mode, places) ?? exact);
  }
  if (value instanceof Double) {
    const { value: double } = value;
    // From 2^53 on there are no fractions.
    if (!Number.isFinite(double) || (places >= 0 && Math.abs(double) >= 0x20000000000000)) return value;
    if (places === 0) return new Double(mode === 'trunc' ? Math.trunc(double) : toEven(double));
    // By the exact digits of the double: 1.005 is less than that, and rounds down.
    const exact = unpack(pack(decimalOfDouble(double)));
    return new Double(doubleOfDecimal(quantize(exact, mode, places) ?? exact));
  }
  if (places >= 0) return value;
  const rounded = quantize(finite(BigInt(value), 0), mode, places);
  if (rounded?.kind !== 'finite') return value;
  const whole = (rounded.negative ? -1n : 1n) * rounded.coefficient * 10n ** BigInt(Math.max(0, rounded.exponent));
  if (!fitsLong(whole)) return undefined;
  return typeof value === 'number' && fitsInt(whole) ? Number(whole) : whole;
};

export const absolute = (value: Numeric): Numeric | undefined => {
  if (value instanceof Decimal128) {
    const unpacked = unpack(value);
    return unpacked.kind === 'nan' ? value : pack({ ...unpacked, negative: false });
  }
  if (value instanceof Double) return new Double(Math.abs(value.value));
  if (typeof value === 'bigint') return value === MIN_LONG ? undefined : value < 0n ? -value : value;
  return value === -0x80000000 ? 0x80000000n : Math.abs(value);
};

/** The value as an int if it fits, otherwise as a long. */
export const narrowest = (value: bigint): number | bigint => (fitsInt(value) ? Number(value) : value);

export const asNumeric = (value: Value | undefined): Numeric | undefined => (isNumber(value) ? (value as Numeric) : undefined);
