/**
 * Decimal128 values (IEEE 754-2008, binary integer encoding): 34 decimal digits, exponents from -6176 to 6111.
 * Kept as their 16 bytes, so that they are returned unchanged (1.0 and 1.00 are different bytes), and unpacked only for comparisons and
 * arithmetic.
 */
export class Decimal128 {
  constructor(readonly bytes: Buffer) {}
}

/** `finite`: (-1)^negative × coefficient × 10^exponent. */
export type Unpacked =
  | { readonly kind: 'finite'; readonly negative: boolean; readonly coefficient: bigint; readonly exponent: number }
  | { readonly kind: 'infinite'; readonly negative: boolean }
  | { readonly kind: 'nan' };

const BIAS = 6176;
const MAX_EXPONENT = 6111;
const DIGITS = 34;
const LIMIT = 10n ** 34n;

export const finite = (value: bigint, exponent: number): Unpacked => ({
  kind: 'finite',
  negative: value < 0n,
  coefficient: value < 0n ? -value : value,
  exponent,
});

export const unpack = ({ bytes }: Decimal128): Unpacked => {
  const high = bytes.readBigUInt64LE(8);
  const low = bytes.readBigUInt64LE(0);
  const negative = high >> 63n === 1n;
  const combination = Number((high >> 58n) & 0x1fn);
  if (combination === 0x1f) return { kind: 'nan' };
  if (combination === 0x1e) return { kind: 'infinite', negative };
  // The two highest bits "11" mean a coefficient beyond 34 digits, which the standard reads as zero.
  const large = combination >= 0x18;
  const exponent = Number((high >> (large ? 47n : 49n)) & 0x3fffn) - BIAS;
  const coefficient = large ? 0n : ((high & 0x1ffffffffffffn) << 64n) | low;
  return { kind: 'finite', negative, coefficient: coefficient >= LIMIT ? 0n : coefficient, exponent };
};

const digitsOf = (coefficient: bigint): number => (coefficient === 0n ? 1 : coefficient.toString().length);

/** Half-even rounding of `coefficient / 10^places`. */
const roundOff = (coefficient: bigint, places: number): bigint => {
  if (places <= 0) return coefficient;
  const unit = 10n ** BigInt(places);
  const quotient = coefficient / unit;
  const twice = (coefficient % unit) * 2n;
  return twice > unit || (twice === unit && quotient % 2n === 1n) ? quotient + 1n : quotient;
};

export const pack = (value: Unpacked): Decimal128 => {
  const bytes = Buffer.alloc(16);
  if (value.kind === 'nan') {
    bytes.writeBigUInt64LE(0x7c00000000000000n, 8);
    return new Decimal128(bytes);
  }
  const sign = value.negative ? 1n << 63n : 0n;
  if (value.kind === 'infinite') {
    bytes.writeBigUInt64LE(sign | 0x7800000000000000n, 8);
    return new Decimal128(bytes);
  }
  let { coefficient, exponent } = value;
  const surplus = Math.max(digitsOf(coefficient) - DIGITS, -BIAS - exponent);
  if (surplus > 0) {
    coefficient = surplus > 4 * DIGITS + digitsOf(coefficient) ? 0n : roundOff(coefficient, surplus);
    exponent += surplus;
    if (coefficient >= LIMIT) {
      coefficient /= 10n;
      exponent += 1;
    }
  }
  while (exponent > MAX_EXPONENT && coefficient !== 0n && coefficient * 10n < LIMIT) {
    coefficient *= 10n;
    exponent -= 1;
  }
  if (exponent > MAX_EXPONENT) {
    if (coefficient !== 0n) return pack({ kind: 'infinite', negative: value.negative });
    exponent = MAX_EXPONENT;
  }
  bytes.writeBigUInt64LE(coefficient & 0xffffffffffffffffn, 0);
  bytes.writeBigUInt64LE(sign | (BigInt(exponent + BIAS) << 49n) | (coefficient >> 64n), 8);
  return new Decimal128(bytes);
};

const NAN: Unpacked = { kind: 'nan' };
const signed = (value: { negative: boolean; coefficient: bigint }): bigint => (value.negative ? -value.coefficient : value.coefficient);

export const addDecimals = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return NAN;
  if (a.kind === 'infinite') return b.kind === 'infinite' && b.negative !== a.negative ? NAN : a;
  if (b.kind === 'infinite') return b;
  const [high, low] = a.exponent >= b.exponent ? [a, b] : [b, a];
  if (high.coefficient === 0n) return low.coefficient === 0n ? { ...low, negative: a.negative && b.negative } : low;
  if (low.coefficient !== 0n && high.exponent - low.exponent > 2 * DIGITS + 4) {
    // Too far apart to affect a digit of the sum: a sticky unit keeps the rounding correct.
    const room = DIGITS + 2;
    return finite(signed(high) * 10n ** BigInt(room) + (low.negative ? -1n : 1n), high.exponent - room);
  }
  const exponent = low.coefficient === 0n ? Math.min(high.exponent, Math.max(low.exponent, high.exponent - DIGITS)) : low.exponent;
  return finite(signed(high) * 10n ** BigInt(high.exponent - exponent) + (low.coefficient === 0n ? 0n : signed(low)), exponent);
};

export const multiplyDecimals = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return NAN;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinite' || b.kind === 'infinite') {
    const other = a.kind === 'infinite' ? b : a;
    return other.kind === 'finite' && other.coefficient === 0n ? NAN : { kind: 'infinite', negative };
  }
  return { kind: 'finite', negative, coefficient: a.coefficient * b.coefficient, exponent: a.exponent + b.exponent };
};

export const divideDecimals = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind === 'nan' || b.kind === 'nan') return NAN;
  const negative = a.negative !== b.negative;
  if (a.kind === 'infinite') return b.kind === 'infinite' ? NAN : { kind: 'infinite', negative };
  if (b.kind === 'infinite') return { kind: 'finite', negative, coefficient: 0n, exponent: -BIAS };
  if (b.coefficient === 0n) return a.coefficient === 0n ? NAN : { kind: 'infinite', negative };
  if (a.coefficient === 0n) return { kind: 'finite', negative, coefficient: 0n, exponent: a.exponent - b.exponent };
  const room = Math.max(0, DIGITS + 2 + digitsOf(b.coefficient) - digitsOf(a.coefficient));
  const dividend = a.coefficient * 10n ** BigInt(room);
  let coefficient = dividend / b.coefficient;
  let exponent = a.exponent - b.exponent - room;
  if (dividend % b.coefficient !== 0n) {
    coefficient = coefficient * 10n + 1n;
    exponent -= 1;
  }
  // An exact quotient keeps the exponent nearest to the ideal one.
  else
    while (exponent < a.exponent - b.exponent && coefficient % 10n === 0n) {
      coefficient /= 10n;
      exponent += 1;
    }
  return { kind: 'finite', negative, coefficient, exponent };
};

/** The remainder of a truncated division, with the sign of the dividend. */
export const remainderOfDecimals = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind !== 'finite' || b.kind === 'nan') return NAN;
  if (b.kind === 'infinite') return a;
  if (b.coefficient === 0n) return NAN;
  const exponent = Math.min(a.exponent, b.exponent);
  const left = a.coefficient * 10n ** BigInt(a.exponent - exponent);
  const right = b.coefficient * 10n ** BigInt(b.exponent - exponent);
  return { kind: 'finite', negative: a.negative, coefficient: left % right, exponent };
};

export const negateDecimal = (a: Unpacked): Unpacked => (a.kind === 'nan' ? a : { ...a, negative: !a.negative });

/** Integral value by the given rounding, at `places` decimal places. */
export const roundDecimal = (a: Unpacked, mode: 'floor' | 'ceil' | 'trunc' | 'even', places = 0): Unpacked => {
  if (a.kind !== 'finite' || a.exponent >= -places) return a;
  const drop = -places - a.exponent;
  if (mode === 'even') return { ...a, coefficient: roundOff(a.coefficient, drop), exponent: -places };
  const unit = 10n ** BigInt(drop);
  const exact = a.coefficient % unit === 0n;
  const up = !exact && ((mode === 'ceil' && !a.negative) || (mode === 'floor' && a.negative));
  return { ...a, coefficient: a.coefficient / unit + (up ? 1n : 0n), exponent: -places };
};

/** With exactly this many digits after the point, or undefined if they do not fit in a decimal: a server then has NaN. */
export const quantize = (a: Unpacked, mode: 'floor' | 'ceil' | 'trunc' | 'even', places = 0): Unpacked | undefined => {
  if (a.kind !== 'finite') return undefined;
  const padding = a.exponent + places;
  if (padding > 0 && a.coefficient !== 0n && digitsOf(a.coefficient) + padding > DIGITS) return undefined;
  if (padding >= 0) return { ...a, coefficient: a.coefficient === 0n ? 0n : a.coefficient * 10n ** BigInt(padding), exponent: -places };
  return roundDecimal(a, mode, places);
};

/** The exact value of a double, with no more digits than it needs. */
export const decimalOfDouble = (value: number): Unpacked => {
  if (Number.isNaN(value)) return NAN;
  if (!Number.isFinite(value)) return { kind: 'infinite', negative: value < 0 };
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn);
  let mantissa = (bits & 0xfffffffffffffn) | (field === 0 ? 0n : 1n << 52n);
  let power = (field === 0 ? 1 : field) - 1075;
  if (mantissa === 0n) power = 0;
  for (; power < 0 && (mantissa & 1n) === 0n; power++) mantissa >>= 1n;
  const negative = bits >> 63n === 1n;
  return power >= 0
    ? { kind: 'finite', negative, coefficient: mantissa << BigInt(power), exponent: 0 }
    : { kind: 'finite', negative, coefficient: mantissa * 5n ** BigInt(-power), exponent: power };
};

/** A double as the server converts it in arithmetic with decimals: 15 significant digits; of zero, only its sign. */
export const decimalOfDoubleRounded = (value: number): Unpacked =>
  Number.isFinite(value) && value !== 0 ? (parseDecimal(value.toPrecision(15)) ?? NAN) : decimalOfDouble(value);

export const compareDecimals = (a: Unpacked, b: Unpacked): number => {
  if (a.kind === 'nan' || b.kind === 'nan') return a.kind === b.kind ? 0 : a.kind === 'nan' ? -1 : 1;
  const rank = (value: typeof a): number =>
    value.kind === 'infinite' ? (value.negative ? -2 : 2) : value.coefficient === 0n ? 0 : value.negative ? -1 : 1;
  const order = rank(a) - rank(b);
  if (order !== 0 || a.kind === 'infinite' || b.kind === 'infinite' || a.coefficient === 0n) return Math.sign(order);
  // Magnitudes first: powers of ten far apart need no long multiplication.
  const size = digitsOf(a.coefficient) + a.exponent - digitsOf(b.coefficient) - b.exponent;
  if (size !== 0) return Math.sign(size) * (a.negative ? -1 : 1);
  const exponent = Math.min(a.exponent, b.exponent);
  const left = signed(a) * 10n ** BigInt(a.exponent - exponent);
  const right = signed(b) * 10n ** BigInt(b.exponent - exponent);
  return left < right ? -1 : left > right ? 1 : 0;
};

/** The decimal denoted by a string, or undefined if there is none. */
export const parseDecimal = (text: string): Unpacked | undefined => {
  const special = /^([+-])?(?:(inf(?:inity)?)|nan)$/i.exec(text);
  if (special) return special[2] ? { kind: 'infinite', negative: special[1] === '-' } : NAN;
  const parts = /^([+-])?(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?$/i.exec(text);
  if (!parts || !((parts[2] ?? '') + (parts[3] ?? ''))) return undefined;
  const fraction = parts[3] ?? '';
  return {
    kind: 'finite',
    negative: parts[1] === '-',
    coefficient: BigInt((parts[2] ?? '') + fraction),
    exponent: Number(parts[4] ?? 0) - fraction.length,
  };
};

/** The decimal as a string, in scientific or plain notation as specified by the standard (and used by the server). */
export const formatDecimal = (value: Unpacked): string => {
  if (value.kind === 'nan') return 'NaN';
  const sign = value.negative ? '-' : '';
  if (value.kind === 'infinite') return `${sign}Infinity`;
  const digits = value.coefficient.toString();
  const adjusted = value.exponent + digits.length - 1;
  if (value.exponent > 0 || adjusted < -6) {
    const mantissa = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
    return `${sign}${mantissa}E${adjusted >= 0 ? '+' : ''}${adjusted}`;
  }
  if (value.exponent === 0) return sign + digits;
  const padded = digits.padStart(1 - value.exponent, '0');
  return `${sign}${padded.slice(0, value.exponent)}.${padded.slice(value.exponent)}`;
};

export const doubleOfDecimal = (value: Unpacked): number => Number(formatDecimal(value));
