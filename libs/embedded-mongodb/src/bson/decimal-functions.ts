import {
  addDecimals,
  compareDecimals,
  decimalOfDouble,
  divideDecimals,
  doubleOfDecimal,
  finite,
  multiplyDecimals,
  negateDecimal,
  pack,
  quantize,
  roundDecimal,
  unpack,
  type Unpacked,
} from './decimal128.js';

/**
 * Roots, logarithms, exponentials and trigonometry of decimals, with all the digits of a decimal. Computed as whole numbers of 10^-PLACES,
 * which leaves more than 34 digits even if a result is small.
 */
const PLACES = 90;
const ONE = 10n ** BigInt(PLACES);

/** The inverse hyperbolic tangent of a small number: each term converges by `z`². */
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
  // From 1 to below 10; then halved until it is near 1.
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
  // Beyond these the result is infinity or zero.
  const shift = tens > 10_000n ? 10_000 : tens < -10_000n ? -10_000 : Number(tens);
  return finite(sum, shift - PLACES);
};

/** A finite decimal as a whole number of 10^-PLACES; the caller has checked its size. */
const fixed = ({ negative, coefficient, exponent }: Finite): bigint => {
  const places = exponent + PLACES;
  const size = places >= 0 ? coefficient * 10n ** BigInt(places) : coefficient / 10n ** BigInt(-places);
  return negative ? -size : size;
};

const inPlaces = (value: bigint): Unpacked => (value === 0n ? finite(0n, 0) : finite(value, -PLACES));

const NAN: Unpacked = { kind: 'nan' };

/** A result so close to a whole number that quadruple precision, which a server uses, cannot distinguish them, is that number. */
const settled = (a: Unpacked): Unpacked => {
  const whole = a.kind === 'finite' ? roundDecimal(a, 'even') : a;
  if (a.kind !== 'finite' || whole.kind !== 'finite' || whole.coefficient === 0n || a.exponent >= 0) return a;
  const scale = 10n ** BigInt(-a.exponent);
  const difference = a.coefficient - whole.coefficient * scale;
  return (difference < 0n ? -difference : difference) << 114n < a.coefficient ? whole : a;
};

/** A number of 10^-PLACES rounded to the 113 bits of quadruple precision. */
const quadruple = (value: bigint): bigint => {
  const size = value < 0n ? -value : value;
  if (size === 0n) return value;
  const EXTRA = 400n;
  const places = 113n + EXTRA - BigInt(((size << EXTRA) / ONE).toString(2).length);
  const [dividend, divisor] = places > 0n ? [size << places, ONE] : [size, ONE << -places];
  let bits = dividend / divisor;
  const twice = (dividend % divisor) * 2n;
  if (twice > divisor || (twice === divisor && bits % 2n === 1n)) bits++;
  const rounded = places > 0n ? (bits * ONE) >> places : (bits * ONE) << -places;
  return value < 0n ? -rounded : rounded;
};

/** A logarithm as a server computes it, in quadruple precision; near 1, from the distance to 1. */
const logarithmOf = (a: Finite, divisor: bigint): bigint => {
  const tens = a.exponent + a.coefficient.toString().length;
  const exact = (number: Finite): bigint => (lnOf(number) * ONE) / divisor;
  // Beyond these, rounding the number has no effect, or quadruple precision does not suffice.
  if (Math.abs(tens) > 4900) return exact(a);
  if (Math.abs(tens) > 20) return quadruple(exact(a));
  const distance = fixed(a) - ONE;
  const near = distance < ONE / 10n && distance > -ONE / 10n;
  return quadruple(exact(finite(near ? ONE + quadruple(distance) : quadruple(ONE + distance), -PLACES) as Finite));
};

const exactLn = (a: Unpacked): Unpacked => (a.kind === 'finite' ? inPlaces(lnOf(a)) : a);

/** The natural logarithm of a number above zero. */
export const lnOfDecimal = (a: Unpacked): Unpacked => (a.kind === 'finite' ? inPlaces(logarithmOf(a, ONE)) : a);

export const log10OfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite') return a;
  const zeros = /^10*$/.exec(a.coefficient.toString())?.[0].length;
  if (zeros) return finite(BigInt(a.exponent + zeros - 1), 0);
  return settled(finite(logarithmOf(a, LN10), -PLACES));
};

export const expOfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite') return a.kind === 'infinite' && a.negative ? finite(0n, 0) : a;
  if (a.coefficient === 0n) return finite(1n, 0);
  const size = doubleOfDecimal(a);
  return Math.abs(size) > 20_000 ? (size > 0 ? { kind: 'infinite', negative: false } : finite(0n, -6176)) : settled(expOf(fixed(a)));
};

/** The square root of a non-negative number. */
export const sqrtOfDecimal = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite' || a.coefficient === 0n) return a;
  const odd = a.exponent % 2 !== 0;
  const square = a.coefficient * 10n ** BigInt(2 * PLACES + (odd ? 1 : 0));
  let root = rootOf(square);
  let exponent = (a.exponent - (odd ? 1 : 0)) / 2 - PLACES;
  const preferred = Math.floor(a.exponent / 2);
  if (root * root === square) for (; exponent < preferred && root % 10n === 0n; exponent++) root /= 10n;
  return finite(root, exponent);
};

/** The range of quadruple precision, in which a server computes powers; beyond it, results are infinite or zero. */
const MOST = finite(118973149535723176508575932662800702n, 4932 - 35);
const LEAST = finite(64751751194380251109244389582276466n, -4966 - 34);
const ZERO = finite(0n, 0);
const INFINITE: Unpacked = { kind: 'infinite', negative: false };
const inQuadruple = (a: Unpacked): Unpacked => {
  if (a.kind !== 'finite' || a.coefficient === 0n) return a;
  const size = { ...a, negative: false };
  if (compareDecimals(size, MOST) > 0) return { kind: 'infinite', negative: a.negative };
  return compareDecimals(size, LEAST) < 0 ? (a.negative ? negateDecimal(ZERO) : ZERO) : a;
};

/** A power of a number above zero. */
const powerOf = (base: Finite, exponent: Finite): Unpacked => {
  const whole = quantize(exponent, 'trunc');
  if (whole?.kind !== 'finite' || whole.coefficient > 1000n || compareDecimals(whole, exponent) !== 0)
    return expOfDecimal(multiplyDecimals(finite(lnOf(base), -PLACES), exponent));
  // By squaring; digits that cannot affect the result are dropped.
  let [result, square]: [Finite, Finite] = [UNIT, base];
  const shorter = ({ coefficient, exponent: tens }: Finite): Finite => {
    const surplus = coefficient.toString().length - PLACES;
    return surplus > 0 ? (finite(coefficient / 10n ** BigInt(surplus), tens + surplus) as Finite) : (finite(coefficient, tens) as Finite);
  };
  for (let rest = whole.coefficient; rest > 0n; rest /= 2n, square = shorter(multiplyDecimals(square, square) as Finite))
    if (rest % 2n === 1n) result = shorter(multiplyDecimals(result, square) as Finite);
  return exponent.negative ? divideDecimals(UNIT, result) : result;
};

/** A power as a server returns it: with all the digits of a decimal, even if fewer would do. */
export const powerOfDecimals = (from: Unpacked, exponent: Unpacked): Unpacked => {
  const base = inQuadruple(from);
  const padded = (result: Unpacked): Unpacked => addDecimals(unpack(pack(inQuadruple(result))), finite(0n, -6176));
  if (exponent.kind === 'finite' && exponent.coefficient === 0n) return padded(UNIT);
  if (base.kind === 'finite' && compareDecimals(base, UNIT) === 0) return padded(UNIT);
  if (base.kind === 'nan' || exponent.kind === 'nan') return NAN;
  const whole = quantize(exponent, 'trunc');
  const isWhole = exponent.kind === 'infinite' || !whole || compareDecimals(whole, exponent) === 0;
  const negative = base.negative && whole?.kind === 'finite' && isWhole && whole.coefficient % 2n === 1n;
  const signed = (result: Unpacked): Unpacked => (negative ? negateDecimal(result) : result);
  if (base.kind === 'infinite' || base.coefficient === 0n)
    return padded(signed((base.kind === 'infinite') === exponent.negative ? ZERO : INFINITE));
  if (exponent.kind === 'infinite') {
    const order = compareDecimals({ ...base, negative: false }, UNIT);
    return padded(order === 0 ? UNIT : order > 0 === exponent.negative ? ZERO : INFINITE);
  }
  if (base.negative && !isWhole) return NAN;
  return padded(signed(powerOf({ ...base, negative: false }, exponent)));
};

/** A quotient of two logarithms, each rounded to the digits of a decimal, as the server computes it. */
export const logOfDecimals = (a: Unpacked, base: Unpacked): Unpacked => {
  const [dividend, divisor] = [a, base].map((part) => unpack(pack(lnOfDecimal(part)))) as [Unpacked, Unpacked];
  return divideDecimals(dividend, divisor);
};

/** The sum with all its digits; non-finite values stay so. */
const plus = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind !== 'finite') return b.kind === 'infinite' && a.kind === 'infinite' && a.negative !== b.negative ? NAN : a;
  if (b.kind !== 'finite') return b;
  const exponent = Math.min(a.exponent, b.exponent);
  const [left, right] = [a, b].map(
    (part) => (part.negative ? -part.coefficient : part.coefficient) * 10n ** BigInt(part.exponent - exponent),
  ) as [bigint, bigint];
  return finite(left + right, exponent);
};

const HALF = finite(5n, -1);
const UNIT = finite(1n, 0) as Finite;

/** Below this, what a function adds to its argument does not affect the result's digits. */
const TINY = finite(1n, -18);
/** Above this, turns can no longer be told apart. */
const LARGE = finite(1n, 40);
const sizeOf = (a: Unpacked): Unpacked => (a.kind === 'nan' ? a : { ...a, negative: false });
const isBelow = (a: Unpacked, limit: Unpacked): boolean => {
  const difference = plus(sizeOf(a), negateDecimal(limit));
  return difference.kind === 'finite' && difference.negative && difference.coefficient !== 0n;
};

/** The square root of a whole number. */
const rootOf = (square: bigint): bigint => {
  if (square === 0n) return 0n;
  // From above, so that each step gets closer.
  let root = 10n ** BigInt(Math.ceil(square.toString().length / 2));
  for (let next = (root + square / root) / 2n; next < root; next = (root + square / root) / 2n) root = next;
  return root;
};

/** The arc tangent of a number of 10^-PLACES from 0 to 1: halved until its series is short. */
const arcOf = (tangent: bigint): bigint => {
  let rest = tangent;
  let doublings = 0n;
  for (; rest > ONE / 16n; doublings++) rest = (rest * ONE) / (ONE + rootOf(ONE * ONE + rest * rest));
  const square = (rest * rest) / ONE;
  let [sum, power] = [0n, rest];
  for (let n = 1n, sign = 1n; power !== 0n; n += 2n, power = (power * square) / ONE, sign = -sign) sum += (sign * power) / n;
  return sum << doublings;
};

const PI = 4n * (4n * arcOf(ONE / 5n) - arcOf(ONE / 239n));
const pi = finite(PI, -PLACES);

/** Sine and cosine. */
const turnOf = (a: Finite): { readonly sine: bigint; readonly cosine: bigint } => {
  const angle = fixed(a) % (2n * PI);
  const square = (angle * angle) / ONE;
  let [sine, cosine, term] = [0n, 0n, ONE];
  for (let n = 0n; term !== 0n; n += 2n) {
    cosine += term;
    const odd = (term * angle) / (ONE * (n + 1n));
    sine += odd;
    term = -(term * square) / (ONE * (n + 1n) * (n + 2n));
  }
  return { sine, cosine };
};

/** A function of the angle; angles so large that decimals can hardly tell turns apart are computed as doubles. */
const ofTurn =
  (compute: (turn: { readonly sine: bigint; readonly cosine: bigint }) => Unpacked, nearly: (value: number) => number, odd: boolean) =>
  (a: Unpacked): Unpacked => {
    if (a.kind !== 'finite') return NAN;
    if (odd && isBelow(a, TINY)) return a;
    if (a.coefficient === 0n) return UNIT;
    return isBelow(a, LARGE) ? compute(turnOf(a)) : decimalOfDouble(nearly(doubleOfDecimal(a)));
  };

export const sineOfDecimal = ofTurn(({ sine }) => inPlaces(sine), Math.sin, true);
export const cosineOfDecimal = ofTurn(({ cosine }) => inPlaces(cosine), Math.cos, false);
export const tangentOfDecimal = ofTurn(({ sine, cosine }) => divideDecimals(finite(sine, 0), finite(cosine, 0)), Math.tan, true);

/** An odd function, given its values for non-negative numbers; very small numbers are returned unchanged. */
const odd =
  (ofPositive: (a: Unpacked) => Unpacked) =>
  (a: Unpacked): Unpacked => {
    if (a.kind === 'nan' || (a.kind === 'finite' && isBelow(a, TINY))) return a;
    return a.negative ? negateDecimal(ofPositive(negateDecimal(a))) : ofPositive(a);
  };

export const arcTangentOfDecimal = odd((a) => {
  if (a.kind !== 'finite') return multiplyDecimals(pi, HALF);
  if (isBelow(a, UNIT)) return finite(arcOf(fixed(a)), -PLACES);
  const inverse = divideDecimals(UNIT, a);
  return finite(PI / 2n - arcOf(fixed(inverse as Finite)), -PLACES);
});

/** Of numbers from -1 to 1, by the tangent of half the angle. */
export const arcCosineOfDecimal = (a: Unpacked): Unpacked => {
  const [above, below] = [plus(UNIT, a), plus(UNIT, negateDecimal(a))];
  if (above.kind !== 'finite' || below.kind !== 'finite') return NAN;
  if (above.coefficient === 0n) return pi;
  if (below.coefficient === 0n) return finite(0n, 0);
  const half = arcTangentOfDecimal(sqrtOfDecimal(divideExactly(below, above)));
  return multiplyDecimals(half, finite(2n, 0));
};

export const arcSineOfDecimal = odd((a) => {
  const rest = plus(UNIT, negateDecimal(multiplyDecimals(a, a)));
  if (rest.kind !== 'finite') return NAN;
  return rest.coefficient === 0n ? multiplyDecimals(pi, HALF) : arcTangentOfDecimal(divideExactly(a, sqrtOfDecimal(rest)));
});

/** A quotient with more digits than a decimal, for intermediate results. */
const divideExactly = (a: Unpacked, b: Unpacked): Unpacked => {
  if (a.kind !== 'finite' || b.kind !== 'finite' || b.coefficient === 0n) return divideDecimals(a, b);
  const room = PLACES + b.coefficient.toString().length;
  const quotient = (a.coefficient * 10n ** BigInt(room)) / b.coefficient;
  return finite(a.negative === b.negative ? quotient : -quotient, a.exponent - b.exponent - room);
};

/** The angle of a point. */
export const angleOfDecimals = (y: Unpacked, x: Unpacked): Unpacked => {
  if (y.kind === 'nan' || x.kind === 'nan') return NAN;
  const special = (a: Unpacked): boolean => a.kind !== 'finite' || a.coefficient === 0n;
  if (special(x) || special(y)) {
    // A multiple of an eighth of a turn.
    const size = (a: typeof x): number => (a.kind === 'infinite' ? Infinity : special(a) ? 0 : 1) * (a.negative ? -1 : 1);
    const eighths = Math.round((Math.atan2(size(y), size(x)) * 4) / Math.PI);
    return multiplyDecimals(pi, finite(BigInt(eighths) * 25n, -2));
  }
  const angle = arcTangentOfDecimal(divideExactly(y, x));
  return x.negative ? plus(angle, y.negative ? negateDecimal(pi) : pi) : angle;
};

const half = (a: Unpacked): Unpacked => multiplyDecimals(a, HALF);
const exponentials = (a: Unpacked): readonly [Unpacked, Unpacked] => [expOfDecimal(a), expOfDecimal(negateDecimal(a))];

export const hyperbolicSineOfDecimal = odd((a) => {
  const [up, down] = exponentials(a);
  return half(plus(up, negateDecimal(down)));
});
export const hyperbolicCosineOfDecimal = (a: Unpacked): Unpacked =>
  a.kind === 'finite' && a.coefficient === 0n ? UNIT : half(plus(...exponentials(a)));
export const hyperbolicTangentOfDecimal = odd((a) => {
  if (a.kind !== 'finite' || !isBelow(a, finite(100n, 0))) return UNIT;
  const square = expOfDecimal(multiplyDecimals(a, finite(2n, 0)));
  return divideDecimals(plus(square, negateDecimal(UNIT)), plus(square, UNIT));
});
export const areaSineOfDecimal = odd((a) =>
  a.kind === 'finite' ? exactLn(plus(a, sqrtOfDecimal(plus(multiplyDecimals(a, a), UNIT)))) : a,
);
/** Of numbers from 1 on. */
export const areaCosineOfDecimal = (a: Unpacked): Unpacked =>
  a.kind === 'finite' ? exactLn(plus(a, sqrtOfDecimal(plus(multiplyDecimals(a, a), negateDecimal(UNIT))))) : a;
/** Of numbers from -1 to 1. */
export const areaTangentOfDecimal = odd((a) => {
  const below = plus(UNIT, negateDecimal(a));
  if (below.kind === 'finite' && below.coefficient === 0n) return { kind: 'infinite', negative: false };
  return half(exactLn(divideExactly(plus(UNIT, a), below)));
});
export const radiansOfDecimal = (a: Unpacked): Unpacked => divideDecimals(multiplyDecimals(a, pi), finite(180n, 0));
export const degreesOfDecimal = (a: Unpacked): Unpacked => divideDecimals(multiplyDecimals(a, finite(180n, 0)), pi);
