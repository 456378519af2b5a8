import { divideDecimals, doubleOfDecimal, finite, multiplyDecimals, type Unpacked } from './decimal128.js';

/**
 * Roots, logarithms and exponentials of decimals, with all the digits that a decimal has. Computed as whole numbers of
 * 10^-PLACES, which leaves more than 34 digits also where a result is small.
 */
const PLACES = 90;
const ONE = 10n ** BigInt(PLACES);

/** The inverse hyperbolic tangent of a small number: it converges by `z`² a term. */
const atanh = (z: bigint): bigint => {
  const square = (z * z) / ONE;
  let [sum, power] = [0n, z];
  for (let n = 1n; power !== 0n; n += 2n, power = (power * square) / ONE) sum += power / n;
  return sum;
};

const LN2 = 2n * atanh(ONE / 3n);
const LN10 = 3n * LN2 + 2n * atanh(ONE / 9n);

type Finite = Extract<Unpacked, { kind: 'finite' }>;

/** The natural logarithm of a number above zero. */
const lnOf = ({ coefficient, exponent }: Finite): bigint => {
  const length = coefficient.toString().length;
  // From 1 on, below 10; then halved to what lies around 1.
  let near = (coefficient * ONE) / 10n ** BigInt(length - 1);
  let halvings = 0n;
  for (; near > (ONE * 3n) / 2n; near /= 2n) halvings++;
  return BigInt(exponent + length - 1) * LN10 + halvings * LN2 + 2n * atanh(((near - ONE) * ONE) / (near + ONE));
};

/** e to the power of a number. */
const expOf = (power: bigint): Unpacked => {
  const tens = power / LN10;
  const rest = power - tens * LN10;
  let [sum, term] = [0n, ONE];
  for (let n = 1n; term !== 0n; n++) {
    sum += term;
    term = (term * rest) / (ONE * n);
  }
  // Beyond these there is nothing but infinity and zero.
  const shift = tens > 10_000n ? 10_000 : tens < -10_000n ? -10_000 : Number(tens);
  return finite(sum, shift - PLACES);
};

/** A finite decimal as a whole number of 10^-PLACES; its size must be checked before. */
const fixed = ({ negative, coefficient, exponent }: Finite): bigint => {
  const places = exponent + PLACES;
  const size = places >= 0 ? coefficient * 10n ** BigInt(places) : coefficient / 10n ** BigInt(-places);
  return negative ? -size : size;
};

const NAN: Unpacked = { kind: 'nan' };

/** The natural logarithm of a number above zero. */
export const lnOfDecimal = (a: Unpacked): Unpacked => (a.kind === 'finite' ? finite(lnOf(a), -PLACES) : a);

export const log10OfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite') return a;
  const zeros = /^10*$/.exec(a.coefficient.toString())?.[0].length;
  if (zeros) return finite(BigInt(a.exponent + zeros - 1), 0);
  return finite((lnOf(a) * ONE) / LN10, -PLACES);
};

export const expOfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite') return a.kind === 'infinite' && a.negative ? finite(0n, 0) : a;
  if (a.coefficient === 0n) return finite(1n, 0);
  const size = doubleOfDecimal(a);
  return Math.abs(size) > 20_000 ? (size > 0 ? { kind: 'infinite', negative: false } : finite(0n, 0)) : expOf(fixed(a));
};

/** The square root of a number from zero on. */
export const sqrtOfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite' || a.coefficient === 0n) return a;
  const odd = a.exponent % 2 !== 0;
  const square = a.coefficient * 10n ** BigInt(2 * PLACES + (odd ? 1 : 0));
  // From above, so that each step is nearer.
  let root = 10n ** BigInt(Math.ceil(square.toString().length / 2));
  for (let next = (root + square / root) / 2n; next < root; next = (root + square / root) / 2n) root = next;
  let exponent = (a.exponent - (odd ? 1 : 0)) / 2 - PLACES;
  const preferred = Math.floor(a.exponent / 2);
  if (root * root === square) for (; exponent < preferred && root % 10n === 0n; exponent++) root /= 10n;
  return finite(root, exponent);
};

/** A power with an exponent that is not a small whole number. */
export const powerOfDecimals = (base: Unpacked, exponent: Unpacked): Unpacked => {
  if (base.kind !== 'finite' || exponent.kind !== 'finite' || base.coefficient === 0n) return NAN;
  if (base.negative) return NAN;
  const power = multiplyDecimals(finite(lnOf(base), -PLACES), exponent);
  return expOfDecimal(power);
};

export const logOfDecimals = (a: Unpacked, base: Unpacked): Unpacked => divideDecimals(lnOfDecimal(a), lnOfDecimal(base));
