import { Decimal128, pack, parseDecimal, type Unpacked } from '../bson/decimal128.js';
import { compareValues, isNumber, numberOf } from '../bson/order.js';
import { bsonTypeName, Double, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';

/** Rounds the boundaries of buckets to a series of preferred numbers. */
export interface Granularity {
  /** Refuses what cannot be rounded. */
  check(value: Value): void;
  /** The next number of the series above a value. */
  up(value: Value): Value;
  /** The next number of the series below a value. */
  down(value: Value): Value;
}

const numbers = (text: string): readonly number[] => text.split(' ').map(Number);

const R80 = numbers(
  '100 103 106 109 112 115 118 122 125 128 132 136 140 145 150 155 160 165 170 175 180 185 190 195 200 206 212 218 224 230 236 243 250 ' +
    '258 265 272 280 290 300 307 315 325 335 345 355 365 375 387 400 412 425 437 450 462 475 487 500 515 530 545 560 575 600 615 630 650 ' +
    '670 690 710 730 750 775 800 825 850 875 900 925 950 975',
);
const every = (series: readonly number[], step: number): readonly number[] => series.filter((_number, index) => index % step === 0);

/** IEC 60063. The only number that is not the rounded power is 920. */
const E192 = Array.from({ length: 192 }, (_, index) => Math.round(10 ** (index / 192 + 2))).map((number) =>
  number === 919 ? 920 : number,
);

const SERIES: Readonly<Record<string, readonly number[]>> = {
  R5: numbers('10 16 25 40 63'),
  R10: numbers('100 125 160 200 250 315 400 500 630 800'),
  R20: numbers('100 112 125 140 160 180 200 224 250 280 315 355 400 450 500 560 630 710 800 900'),
  R40: every(R80, 2),
  R80,
  '1-2-5': numbers('10 20 50'),
  E6: numbers('10 15 22 33 47 68'),
  E12: numbers('10 12 15 18 22 27 33 39 47 56 68 82'),
  E24: numbers('10 11 12 13 15 16 18 20 22 24 27 30 33 36 39 43 47 51 56 62 68 75 82 91'),
  E48: every(E192, 4),
  E96: every(E192, 2),
  E192,
};

const check = (value: Value): void => {
  if (!isNumber(value))
    throw new ServerError(
      40258,
      `$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a value with type: ${bsonTypeName(value)}`,
    );
  const number = numberOf(value);
  if (Number.isNaN(number))
    throw new ServerError(40259, `$bucketAuto can specify a 'granularity' with numeric boundaries only, but found a NaN`);
  if (number < 0)
    throw new ServerError(40260, `$bucketAuto can specify a 'granularity' with non-negative numbers only, but found a negative number`);
};

/** A number of the same kind as a value: a decimal for a decimal, otherwise a double. */
const like = (value: Value, text: string): Value =>
  value instanceof Decimal128 ? pack(parseDecimal(text) as Unpacked) : new Double(Number(text));

const scaled = (number: number, power: number): string => (power < 0 ? `${number}E${power}` : `${number}${'0'.repeat(power)}`);

const preferred = (series: readonly number[]): Omit<Granularity, 'check'> => {
  const first = series[0] as number;
  const last = series.at(-1) as number;
  const at = (value: Value, number: number, power: number): Value => like(value, scaled(number, power));
  const above = (value: Value, number: number, power: number): boolean => compareValues(at(value, number, power), value) > 0;
  const below = (value: Value, number: number, power: number): boolean => compareValues(at(value, number, power), value) < 0;
  const end = (value: Value): boolean => !numberOf(value) || numberOf(value) === Infinity;
  return {
    up(value) {
      if (end(value)) return like(value, String(numberOf(value)));
      let power = 0;
      while (!above(value, last, power)) power++;
      while (above(value, last, power - 1)) power--;
      return at(value, series.find((number) => above(value, number, power)) ?? last, power);
    },
    down(value) {
      if (end(value)) return like(value, String(numberOf(value)));
      let power = 0;
      while (!below(value, first, power)) power--;
      while (below(value, first, power + 1)) power++;
      return at(value, series.findLast((number) => below(value, number, power)) ?? first, power);
    },
  };
};

/** A power of two as returned by `$pow`: an int or a long if it fits. */
const powerOfTwo = (value: Value, power: number): Value => {
  if (value instanceof Decimal128) return like(value, String(2 ** power));
  if (power < 0 || power > 62) return new Double(2 ** power);
  return power < 31 ? 2 ** power : 2n ** BigInt(power);
};

const powersOfTwo: Omit<Granularity, 'check'> = {
  up(value) {
    const number = numberOf(value);
    if (!number || number === Infinity) return like(value, String(number));
    let power = Math.floor(Math.log2(number));
    while (2 ** power > number) power--;
    while (2 ** (power + 1) <= number) power++;
    return powerOfTwo(value, power + 1);
  },
  down(value) {
    const number = numberOf(value);
    if (!number || number === Infinity) return like(value, String(number));
    let power = Math.ceil(Math.log2(number));
    while (2 ** power < number) power++;
    while (2 ** (power - 1) >= number) power--;
    return powerOfTwo(value, power - 1);
  },
};

export const granularityOf = (name: Value): Granularity => {
  if (typeof name !== 'string')
    throw new ServerError(40261, `The $bucketAuto 'granularity' field must be a string, but found type: ${bsonTypeName(name)}.`);
  if (name === 'POWERSOF2') return { check, ...powersOfTwo };
  const series = Object.hasOwn(SERIES, name) ? SERIES[name] : undefined;
  if (!series) throw new ServerError(40257, `Unknown rounding granularity '${name}'`);
  return { check, ...preferred(series) };
};
