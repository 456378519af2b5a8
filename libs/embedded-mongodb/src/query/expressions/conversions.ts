import { isUtf8 } from 'node:buffer';
import { decimalOf, doubleOf, type Numeric } from '../../bson/arithmetic.js';
import { Decimal128, finite, formatDecimal, pack, parseDecimal, roundDecimal, unpack } from '../../bson/decimal128.js';
import { isNullish, isNumber, isTrue, isWhole } from '../../bson/order.js';
import { checkLength, isTooLong } from '../../bson/text-length.js';
import { Arr, Binary, bsonTypeName, DateTime, Doc, Double, ObjectId, show, SymbolText, Timestamp, type Value } from '../../bson/values.js';
import { badValue, failedToParse, ServerError } from '../../errors.js';
import { readDateText } from '../date-texts.js';
import { formatIsoDate, secondsOf } from '../dates.js';
import { fromLocal, utc } from '../zones.js';
import { fixed, namedArguments } from './arguments.js';
import type { Evaluate, Operator } from './scope.js';

type Result = Value | undefined;

/** How bytes represent strings and numbers. */
type Form = { readonly format: string | undefined; readonly subtype: number; /** The byte order. */ readonly big: boolean };

const UUID = 4;

/** A number as the server writes it. */
export const numberText = (value: Numeric): string => {
  if (value instanceof Decimal128) return formatDecimal(unpack(value));
  if (!(value instanceof Double)) return String(value);
  const double = value.value;
  if (!Number.isFinite(double)) return String(double);
  if (Object.is(double, -0)) return '-0';
  // As few digits as distinguish it from its neighbours, with an exponent of at least two digits if it is below -4 or at least 16.
  const [digits = '', power = '0'] = double.toExponential().split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 16)
    return exponent < 0 ? double.toFixed(digits.replace(/\D/g, '').length - 1 - exponent) : String(double);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
};

const conversionFailure = (value: Result, to: string, more = ''): ServerError =>
  new ServerError(241, more || `Unsupported conversion from ${bsonTypeName(value)} to ${to} in $convert with no onError value`);

const wholeNumber = (value: Numeric, low: bigint, high: bigint): bigint => {
  let whole: bigint;
  if (value instanceof Decimal128) {
    const unpacked = roundDecimal(unpack(value), 'trunc');
    if (unpacked.kind !== 'finite')
      throw new ServerError(241, 'Attempt to convert NaN or infinity value to integer type in $convert with no onError value');
    if (unpacked.exponent > 40) throw new ServerError(241, 'Conversion would overflow target type in $convert with no onError value');
    whole =
      (unpacked.negative ? -1n : 1n) *
      (unpacked.exponent >= 0
        ? unpacked.coefficient * 10n ** BigInt(unpacked.exponent)
        : unpacked.coefficient / 10n ** BigInt(-unpacked.exponent));
  } else if (value instanceof Double) {
    if (!Number.isFinite(value.value))
      throw new ServerError(241, 'Attempt to convert NaN or infinity value to integer type in $convert with no onError value');
    whole = BigInt(Math.trunc(value.value));
  } else whole = BigInt(value);
  if (whole < low || whole > high)
    throw new ServerError(241, `Conversion would overflow target type in $convert with no onError value: ${show(value)}`);
  return whole;
};

/** Whether rounding turned a finite non-zero number into zero or infinity. */
const isBeyond = (number: number, isZero: boolean): boolean => !Number.isFinite(number) || (number === 0 && !isZero);

const doubleInRange = (value: Decimal128): number => {
  const unpacked = unpack(value);
  const double = doubleOf(value);
  if (unpacked.kind === 'finite' && isBeyond(double, unpacked.coefficient === 0n))
    throw new ServerError(241, `Conversion would overflow target type in $convert with no onError value: ${show(value)}`);
  return double;
};

/** The double denoted by a string, as parsed by the C library: also in hexadecimal, which must not begin with a plain 0x. */
const doubleIn = (text: string): number | undefined => {
  const special = /^([+-]?)(?:(inf(?:inity)?)|nan)$/i.exec(text);
  if (special) return special[2] ? (special[1] === '-' ? -Infinity : Infinity) : NaN;
  const digits = /^[+-]?(?:(\d+)\.?(\d*)|\.(\d+))(?:e[+-]?\d+)?$/i.exec(text);
  if (digits) {
    const double = Number(text);
    return isBeyond(double, !/[1-9]/.test(digits.slice(1).join(''))) ? undefined : double;
  }
  const hex = text.startsWith('0x') ? null : /^([+-]?)0x0*([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i.exec(text);
  if (!hex || !/0x\.?[\da-f]/i.test(text)) return undefined;
  const [, sign, whole = '', fraction = '', power = '0'] = hex;
  const mantissa = BigInt(`0x0${whole}${fraction}`);
  const double = Number(mantissa) * 2 ** (Number(power) - 4 * fraction.length);
  return isBeyond(double, mantissa === 0n) ? undefined : sign === '-' ? -double : double;
};

/** The decimal denoted by a string, unless it exceeds the range of decimals. */
const decimalIn = (text: string): Decimal128 | undefined => {
  const parsed = parseDecimal(text);
  if (!parsed) return undefined;
  const packed = pack(parsed);
  if (parsed.kind === 'nan' && text.startsWith('-')) packed.bytes.writeUInt8(0xfc, 15);
  if (parsed.kind !== 'finite') return packed;
  const kept = unpack(packed);
  return kept.kind === 'finite' && (kept.coefficient !== 0n || parsed.coefficient === 0n) ? packed : undefined;
};

const numberIn = (value: Binary, type: 'int' | 'long' | 'double', lengths: readonly number[], big: boolean): Value => {
  const bytes = big ? Buffer.from(value.bytes).reverse() : value.bytes;
  if (!lengths.includes(bytes.length))
    throw conversionFailure(
      value,
      type,
      `Failed to convert '${show(value)}' to ${type} in $convert because of invalid length: ${bytes.length}`,
    );
  if (type === 'double') return new Double(bytes.length === 4 ? bytes.readFloatLE() : bytes.readDoubleLE());
  if (bytes.length === 8) return bytes.readBigInt64LE();
  const number = bytes.readIntLE(0, bytes.length);
  return type === 'int' ? number : BigInt(number);
};

const uuidText = (bytes: Buffer): string => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

const textIn = (value: Binary, format: string | undefined): string => {
  const isUuid = value.subtype === UUID && value.bytes.length === 16;
  switch (format === 'auto' ? (isUuid ? 'uuid' : 'base64') : format) {
    case undefined:
      throw new ServerError(4341115, "Conversion from binData to string requires 'format'");
    case 'base64':
    case 'base64url':
    case 'hex': {
      const text = value.bytes.toString(format === 'auto' ? 'base64' : (format as BufferEncoding));
      if (isTooLong(text)) break;
      return text;
    }
    case 'utf8':
      if (isUtf8(value.bytes)) return checkLength(value.bytes.toString());
      break;
    case 'uuid':
      if (isUuid) return uuidText(value.bytes);
  }
  throw conversionFailure(value, 'string', `Failed to convert '${show(value)}' to a string by the format ${format}`);
};

/** The strings of each format that represent bytes. */
const FORMATS: Readonly<Record<string, RegExp>> = {
  base64: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  base64url: /^(?:[\w-]{4})*(?:[\w-]{2}(?:==)?|[\w-]{3}=?)?$/,
  hex: /^(?:[0-9a-f]{2})*$/i,
  utf8: /^/,
  uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
};

const bytesIn = (text: string, format: string | undefined, subtype: number): Buffer => {
  if (format === undefined) throw new ServerError(4341115, "Conversion from string to binData requires 'format'");
  if (!FORMATS[format]?.test(text) || (format === 'uuid') !== (subtype === UUID))
    throw conversionFailure(text, 'binData', `Failed to parse BinData '${text}' by the format ${format} in $convert with no onError value`);
  return format === 'uuid' ? Buffer.from(text.replace(/-/g, ''), 'hex') : Buffer.from(text, format as BufferEncoding);
};

/** $convert to one type; null has been handled before. */
const conversions: Readonly<Record<string, (value: Value, form: Form) => Value>> = {
  double: (value, { big }) => {
    if (value instanceof Binary) return numberIn(value, 'double', [4, 8], big);
    if (value instanceof Double) return value;
    if (value instanceof Decimal128) return new Double(doubleInRange(value));
    if (isNumber(value)) return new Double(doubleOf(value));
    if (typeof value === 'boolean') return new Double(value ? 1 : 0);
    if (value instanceof DateTime) return new Double(Number(value.ms));
    if (typeof value === 'string') {
      const parsed = doubleIn(value);
      if (parsed === undefined)
        throw conversionFailure(value, 'double', `Failed to parse number '${value}' in $convert with no onError value`);
      return new Double(parsed);
    }
    throw conversionFailure(value, 'double');
  },
  int: (value, { big }) => {
    if (value instanceof Binary) return numberIn(value, 'int', [1, 2, 4], big);
    if (isNumber(value)) return Number(wholeNumber(value, -0x80000000n, 0x7fffffffn));
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (typeof value === 'string') {
      if (!/^[+-]?\d+$/.test(value) || BigInt(value) > 0x7fffffffn || BigInt(value) < -0x80000000n)
        throw conversionFailure(value, 'int', `Failed to parse number '${value}' in $convert with no onError value`);
      return Number(value);
    }
    throw conversionFailure(value, 'int');
  },
  long: (value, { big }) => {
    if (value instanceof Binary) return numberIn(value, 'long', [1, 2, 4, 8], big);
    if (isNumber(value)) return wholeNumber(value, -0x8000000000000000n, 0x7fffffffffffffffn);
    if (typeof value === 'boolean') return value ? 1n : 0n;
    if (value instanceof DateTime) return value.ms;
    if (typeof value === 'string') {
      if (!/^[+-]?\d+$/.test(value) || BigInt.asIntN(64, BigInt(value.replace('+', ''))) !== BigInt(value.replace('+', '')))
        throw conversionFailure(value, 'long', `Failed to parse number '${value}' in $convert with no onError value`);
      return BigInt(value.replace('+', ''));
    }
    throw conversionFailure(value, 'long');
  },
  decimal: (value) => {
    if (isNumber(value)) return value instanceof Decimal128 ? value : pack(decimalOf(value));
    if (typeof value === 'boolean') return pack(finite(value ? 1n : 0n, 0));
    if (value instanceof DateTime) return pack(finite(value.ms, 0));
    if (typeof value === 'string') {
      const parsed = decimalIn(value);
      if (!parsed) throw conversionFailure(value, 'decimal', `Failed to parse number '${value}' in $convert with no onError value`);
      return parsed;
    }
    throw conversionFailure(value, 'decimal');
  },
  bool: (value) => isTrue(value),
  string: (value, form) => {
    if (value instanceof Binary) return textIn(value, form.format);
    if (typeof value === 'string') return value;
    if (isNumber(value)) return numberText(value);
    if (typeof value === 'boolean') return String(value);
    if (value instanceof ObjectId) return value.bytes.toString('hex');
    if (value instanceof DateTime) return formatIsoDate(value.ms);
    if (value instanceof SymbolText) return value.text;
    throw conversionFailure(value, 'string');
  },
  objectId: (value) => {
    if (value instanceof ObjectId) return value;
    if (typeof value === 'string') {
      if (!/^[0-9a-f]{24}$/i.test(value))
        throw conversionFailure(value, 'objectId', `Failed to parse objectId '${value}' in $convert with no onError value`);
      return new ObjectId(Buffer.from(value, 'hex'));
    }
    throw conversionFailure(value, 'objectId');
  },
  date: (value) => {
    if (value instanceof DateTime) return value;
    if (value instanceof ObjectId) return new DateTime(secondsOf(value.bytes) * 1000n);
    if (value instanceof Timestamp) return new DateTime((value.bits >> 32n) * 1000n);
    if (typeof value === 'bigint' || value instanceof Double || value instanceof Decimal128)
      return new DateTime(wholeNumber(value, -0x8000000000000000n, 0x7fffffffffffffffn));
    if (typeof value === 'string') {
      const found = readDateText(value);
      if (!found) throw conversionFailure(value, 'date', `Error parsing date string '${value}' in $convert with no onError value`);
      return new DateTime(fromLocal(found.local, found.zone ?? utc));
    }
    throw conversionFailure(value, 'date');
  },
  binData: (value, { format, subtype, big }) => {
    if (value instanceof Binary) {
      if (value.subtype !== subtype)
        throw conversionFailure(
          value,
          'binData',
          `Conversions between the subtypes ${value.subtype} and ${subtype} of binData are not supported`,
        );
      return value;
    }
    if (typeof value === 'string') return new Binary(subtype, bytesIn(value, format, subtype));
    if (subtype === UUID || (typeof value === 'object' && !(value instanceof Double))) throw conversionFailure(value, 'binData');
    if (typeof value === 'boolean') throw conversionFailure(value, 'binData');
    const bytes = Buffer.alloc(typeof value === 'number' ? 4 : 8);
    if (typeof value === 'number') bytes.writeInt32LE(value);
    else if (typeof value === 'bigint') bytes.writeBigInt64LE(value);
    else if (value instanceof Double) bytes.writeDoubleLE(value.value);
    return new Binary(subtype, big ? bytes.reverse() : bytes);
  },
};

/** The types by their numbers, including those that nothing converts to. */
const typeNumbers: Readonly<Record<number, string>> = {
  [-1]: 'minKey',
  0: 'missing',
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  5: 'binData',
  6: 'undefined',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  10: 'null',
  11: 'regex',
  12: 'dbPointer',
  13: 'javascript',
  14: 'symbol',
  15: 'javascriptWithScope',
  16: 'int',
  17: 'timestamp',
  18: 'long',
  19: 'decimal',
  127: 'maxKey',
};
const typeNames = new Set(Object.values(typeNumbers));

const PLAIN: Form = { format: undefined, subtype: 0, big: false };

/** $toInt and others, to one type. */
export const convertTo = (type: string, form: Form = PLAIN): Operator => {
  const convert = conversions[type] as (value: Value, form: Form) => Value;
  const ofOne = fixed(1, 1, ([value]) => (isNullish(value) ? null : convert(value, form)));
  return (argument, scope, name) => {
    if (argument instanceof Arr && argument.length !== 1)
      throw new ServerError(50723, `${name} requires a single argument, got ${argument.length}`);
    return ofOne(argument, scope, name);
  };
};

export const toText = convertTo('string', { ...PLAIN, format: 'auto' });
export const toUuid = convertTo('binData', { ...PLAIN, format: 'uuid', subtype: UUID });

const typeOf = (to: Result): string => {
  if (typeof to === 'string') {
    if (!typeNames.has(to) || to === 'missing') throw badValue(`Unknown type name: ${to}`);
    return to;
  }
  const type = isNumber(to) ? typeNumbers[doubleOf(to)] : undefined;
  if (type === undefined)
    throw failedToParse(`$convert's 'to' argument must be a string or number that names a type, but is ${show(to ?? null)}`);
  return type;
};

const subtypeOf = (given: Result): number => {
  if (given === undefined) return 0;
  if (!isNumber(given)) throw new ServerError(4341108, `$convert's 'subtype' argument must be a number, but is ${bsonTypeName(given)}`);
  const subtype = doubleOf(given);
  if (!isWhole(given)) throw new ServerError(4341106, `In $convert, numeric 'subtype' value is not an integer: ${show(given)}`);
  if (subtype < 0 || subtype > 255 || (subtype > 9 && subtype < 128))
    throw new ServerError(4341107, `In $convert, numeric value for 'subtype' does not correspond to a BinData subtype: ${subtype}`);
  return subtype;
};

const oneOf = (given: Result, key: string, values: readonly string[], wrongType: number, wrongValue: number): string | undefined => {
  if (isNullish(given)) return undefined;
  if (typeof given !== 'string')
    throw new ServerError(wrongType, `$convert requires that '${key}' be a string, found: ${bsonTypeName(given)}`);
  if (!values.includes(given)) throw new ServerError(wrongValue, `Invalid '${key}' argument for $convert: ${given}`);
  return given;
};

/** What `onError` replaces: a value that cannot be converted, and a year that cannot be formatted. */
const CAUGHT = new Set([241, 18537]);

export const convertOperator: Operator = (argument, scope, name) => {
  const { input, to, format, byteOrder, onError, onNull } = namedArguments(
    argument,
    scope,
    name,
    ['input', 'to'],
    ['format', 'byteOrder', 'onError', 'onNull'],
  );
  return (doc, variables) => {
    const value = (input as Evaluate)(doc, variables);
    const target = (to as Evaluate)(doc, variables);
    if (isNullish(target)) return null;
    const type = typeOf(target instanceof Doc ? target.get('type') : target);
    const form: Form = {
      format: oneOf(format?.(doc, variables), 'format', ['auto', ...Object.keys(FORMATS)], 4341114, 4341125),
      subtype: target instanceof Doc ? subtypeOf(target.get('subtype')) : 0,
      big: oneOf(byteOrder?.(doc, variables), 'byteOrder', ['little', 'big'], 9130001, 9130002) === 'big',
    };
    if (isNullish(value)) return onNull ? onNull(doc, variables) : null;
    try {
      const convert = Object.hasOwn(conversions, type) ? conversions[type] : undefined;
      if (!convert) throw conversionFailure(value, type);
      return convert(value, form);
    } catch (error) {
      if (onError && error instanceof ServerError && CAUGHT.has(error.code)) return onError(doc, variables);
      throw error;
    }
  };
};
