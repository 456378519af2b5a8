import { ServerError } from '../errors.js';
import {
  compareDecimals,
  Decimal128,
  decimalOfDouble,
  doubleOfDecimal,
  finite,
  unpack,
  type Unpacked,
  roundDecimal,
} from './decimal128.js';
import { GrowingBuffer } from './growing-buffer.js';
import {
  Arr,
  Binary,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  MAX_KEY,
  MIN_KEY,
  ObjectId,
  Regex,
  SymbolText,
  Timestamp,
  UNDEFINED,
  type Value,
} from './values.js';

/** The place of each type in BSON's comparison order; numbers share one place, and so do string and symbol. */
export const typeRank = (value: Value | undefined): number => {
  switch (typeof value) {
    case 'undefined':
      return 1;
    case 'number':
    case 'bigint':
      return 10;
    case 'string':
      return 15;
    case 'boolean':
      return 40;
  }
  if (value === null) return 5;
  if (value instanceof Double || value instanceof Decimal128) return 10;
  if (value instanceof Doc) return 20;
  if (value instanceof Arr) return 25;
  if (value instanceof Binary) return 30;
  if (value instanceof ObjectId) return 35;
  if (value instanceof DateTime) return 45;
  if (value instanceof Timestamp) return 47;
  if (value instanceof Regex) return 50;
  if (value instanceof DbPointer) return 55;
  if (value instanceof Code) return value.scope ? 65 : 60;
  if (value instanceof SymbolText) return 15;
  return value === MIN_KEY ? 0 : value === MAX_KEY ? 127 : 2;
};

export const isNumber = (value: Value | undefined): value is number | bigint | Double | Decimal128 => typeRank(value) === 10;

export const isNaNValue = (value: Value | undefined): boolean =>
  value instanceof Double ? Number.isNaN(value.value) : value instanceof Decimal128 && unpack(value).kind === 'nan';

const sign = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0);

const exact = (value: number | bigint | Double | Decimal128): Unpacked => {
  if (value instanceof Decimal128) return unpack(value);
  if (value instanceof Double) return decimalOfDouble(value.value);
  return finite(BigInt(value), 0);
};

const compareNumbers = (a: number | bigint | Double | Decimal128, b: number | bigint | Double | Decimal128): number => {
  if (a instanceof Decimal128 || b instanceof Decimal128) return compareDecimals(exact(a), exact(b));
  const left = a instanceof Double ? a.value : a;
  const right = b instanceof Double ? b.value : b;
  // JavaScript compares a bigint with a number exactly; NaN is below every number.
  if (left < right) return -1;
  if (left > right) return 1;
  const leftNaN = Number.isNaN(left);
  const rightNaN = Number.isNaN(right);
  return leftNaN === rightNaN ? 0 : leftNaN ? -1 : 1;
};

export type CompareText = (a: string, b: string) => number;

/** By code points, which is the order of the UTF-8 bytes; UTF-16 code units would put astral characters too low. */
export const compareText: CompareText = (a, b) => {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    const leftSurrogate = left >= 0xd800 && left < 0xe000;
    const rightSurrogate = right >= 0xd800 && right < 0xe000;
    return leftSurrogate === rightSurrogate ? left - right : leftSurrogate ? 1 : -1;
  }
  return a.length - b.length;
};

const textOf = (value: Value): string => (value instanceof SymbolText ? value.text : (value as string));

/** Documents field by field: type, then name, then value. */
const compareDocuments = (a: Doc, b: Doc, texts: CompareText): number => {
  const length = Math.min(a.size, b.size);
  for (let index = 0; index < length; index++) {
    const left = a.values[index] as Value;
    const right = b.values[index] as Value;
    const order =
      typeRank(left) - typeRank(right) ||
      compareText(a.keys[index] as string, b.keys[index] as string) ||
      compareValues(left, right, texts);
    if (order !== 0) return order;
  }
  return a.size - b.size;
};

/**
 * BSON's total order. A missing value (undefined) is above MinKey and below everything else.
 *
 * @param texts the order of strings, including those inside documents and arrays
 */
export const compareValues = (a: Value | undefined, b: Value | undefined, texts: CompareText = compareText): number => {
  if (a === b) return 0;
  if (typeof a === 'string' && typeof b === 'string') return texts(a, b);
  const rank = typeRank(a);
  const difference = rank - typeRank(b);
  if (difference !== 0) return difference;
  switch (rank) {
    case 10:
      return compareNumbers(a as number, b as number);
    case 15:
      return texts(textOf(a as Value), textOf(b as Value));
    case 20:
      return compareDocuments(a as Doc, b as Doc, texts);
    case 25: {
      const left = (a as Arr).values;
      const right = (b as Arr).values;
      for (let index = 0; index < left.length && index < right.length; index++) {
        const order = compareValues(left[index], right[index], texts);
        if (order !== 0) return order;
      }
      return left.length - right.length;
    }
    case 30: {
      const left = a as Binary;
      const right = b as Binary;
      return left.bytes.length - right.bytes.length || left.subtype - right.subtype || Buffer.compare(left.bytes, right.bytes);
    }
    case 35:
      return Buffer.compare((a as ObjectId).bytes, (b as ObjectId).bytes);
    case 40:
      return sign(Number(a), Number(b));
    case 45:
      return sign((a as DateTime).ms, (b as DateTime).ms);
    case 47:
      return sign((a as Timestamp).bits, (b as Timestamp).bits);
    case 50:
      return compareText((a as Regex).pattern, (b as Regex).pattern) || compareText((a as Regex).options, (b as Regex).options);
    case 55:
      return (
        compareText((a as DbPointer).namespace, (b as DbPointer).namespace) || Buffer.compare((a as DbPointer).id, (b as DbPointer).id)
      );
    case 60:
      return compareText((a as Code).text, (b as Code).text);
    case 65:
      return (
        compareText((a as Code).text, (b as Code).text) || compareDocuments((a as Code).scope as Doc, (b as Code).scope as Doc, compareText)
      );
    default:
      return 0;
  }
};

export const equalValues = (a: Value | undefined, b: Value | undefined, texts?: CompareText): boolean => compareValues(a, b, texts) === 0;

/** Whether a value sorted in BSON order has an equal among the values. */
export const containsValue = (sorted: readonly Value[], value: Value, texts?: CompareText): boolean => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareValues(sorted[middle], value, texts);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
};

/** The representation of a string in a key if strings are not ordered by their bytes. */
export type Texts = (text: string) => string;

/**
 * Keys: bytes whose order (memcmp) is BSON's order, one value after the other, none a prefix of another. Values that compare equal have
 * equal keys (the int32 1, the double 1.0 and the decimal 1.00), so a unique index is exact.
 */
class KeyWriter extends GrowingBuffer {
  #texts: Texts | undefined;

  constructor() {
    super(4096);
  }

  begin(texts?: Texts): void {
    this.at = 0;
    this.#texts = texts;
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }

  raw(source: Buffer): void {
    this.room(source.length);
    source.copy(this.bytes, this.at);
    this.at += source.length;
  }

  /** A string ends with two zeros; a zero within it is followed by 0xff, so that it sorts above the end. */
  text(text: string): void {
    this.room(text.length * 3 + 2);
    const start = this.at;
    this.at += this.bytes.write(text, start, 'utf8');
    if (this.bytes.subarray(start, this.at).includes(0)) {
      const plain = Buffer.from(this.bytes.subarray(start, this.at));
      this.at = start;
      for (const byte of plain) {
        this.byte(byte);
        if (byte === 0) this.byte(0xff);
      }
    }
    this.room(2);
    this.bytes[this.at++] = 0;
    this.bytes[this.at++] = 0;
  }

  uint64(value: bigint): void {
    this.room(8);
    this.at = this.bytes.writeBigUInt64BE(value, this.at);
  }

  /** A double in memcmp order: positive ones get the sign bit set, negative ones are inverted. */
  double(value: number): void {
    this.room(8);
    this.bytes.writeDoubleBE(value === 0 ? 0 : value, this.at);
    const first = this.bytes[this.at] as number;
    if (first & 0x80) for (let index = 0; index < 8; index++) this.bytes[this.at + index] = ~(this.bytes[this.at + index] as number);
    else this.bytes[this.at] = first | 0x80;
    this.at += 8;
  }

  number(value: number | bigint | Double | Decimal128): void {
    if (isNaNValue(value)) return this.byte(29);
    this.byte(30);
    if (typeof value === 'number' || value instanceof Double) {
      this.double(typeof value === 'number' ? value : value.value);
      return this.byte(0);
    }
    if (typeof value === 'bigint') {
      const near = Number(value);
      if (BigInt(near) === value) {
        this.double(near);
        return this.byte(0);
      }
    }
    const decimal = exact(value);
    if (decimal.kind === 'infinite') {
      this.double(decimal.negative ? -Infinity : Infinity);
      return this.byte(0);
    }
    this.fraction(decimal);
  }

  /** The next lower double, then the distance to it as a 128-bit fraction of the gap between doubles. */
  fraction(value: Unpacked): void {
    let below = value.kind === 'finite' && value.coefficient === 0n ? 0 : doubleOfDecimal(value);
    if (
      !Number.isFinite(below) ||
      (below !== 0 && Math.abs(below) < 2.3e-308) ||
      (below === 0 && value.kind === 'finite' && value.coefficient !== 0n)
    )
      throw new ServerError(17280, 'a Decimal128 beyond the range of doubles cannot be an index key on this node');
    if (compareDecimals(decimalOfDouble(below), value) > 0) below = neighbour(below, -1);
    this.double(below);
    const low = decimalOfDouble(below);
    if (compareDecimals(low, value) === 0) return this.byte(0);
    const high = decimalOfDouble(neighbour(below, 1));
    const parts = [low, value, high].map((part) => part as Extract<Unpacked, { kind: 'finite' }>);
    const exponent = Math.min(...parts.map((part) => part.exponent));
    const [from, point, to] = parts.map(
      (part) => (part.negative ? -part.coefficient : part.coefficient) * 10n ** BigInt(part.exponent - exponent),
    ) as [bigint, bigint, bigint];
    const fraction = ((point - from) << 128n) / (to - from);
    this.byte(1);
    this.uint64(fraction >> 64n);
    this.uint64(fraction & 0xffffffffffffffffn);
  }

  value(value: Value): void {
    switch (typeof value) {
      case 'string':
        this.byte(60);
        return this.text(this.#texts ? this.#texts(value) : value);
      case 'number':
      case 'bigint':
        return this.number(value);
      case 'boolean':
        this.byte(110);
        return this.byte(value ? 1 : 0);
    }
    if (value === null) return this.byte(20);
    if (value instanceof ObjectId) {
      this.byte(100);
      return this.raw(value.bytes);
    }
    if (value instanceof Double || value instanceof Decimal128) return this.number(value);
    if (value instanceof DateTime) {
      this.byte(120);
      return this.uint64(BigInt.asUintN(64, value.ms) ^ (1n << 63n));
    }
    if (value instanceof Doc) {
      this.byte(70);
      return this.document(value);
    }
    if (value instanceof Arr) {
      this.byte(80);
      for (const inner of value.values) this.value(inner);
      return this.byte(0);
    }
    if (value instanceof Binary) {
      this.byte(90);
      this.room(5);
      this.at = this.bytes.writeUInt32BE(value.bytes.length, this.at);
      this.byte(value.subtype);
      return this.raw(value.bytes);
    }
    if (value instanceof SymbolText) {
      this.byte(60);
      return this.text(this.#texts ? this.#texts(value.text) : value.text);
    }
    if (value instanceof Timestamp) {
      this.byte(130);
      return this.uint64(value.bits);
    }
    if (value instanceof Regex) {
      this.byte(140);
      this.text(value.pattern);
      return this.text(value.options);
    }
    if (value instanceof DbPointer) {
      this.byte(150);
      this.text(value.namespace);
      return this.raw(value.id);
    }
    if (value instanceof Code) {
      this.byte(value.scope ? 170 : 160);
      this.text(value.text);
      if (value.scope) this.document(value.scope);
      return;
    }
    this.byte(value === MIN_KEY ? LOWEST : value === UNDEFINED ? 15 : HIGHEST);
  }

  document(doc: Doc): void {
    for (let index = 0; index < doc.size; index++) {
      const value = doc.values[index] as Value;
      this.byte(typeRank(value) + 1);
      this.text(doc.keys[index] as string);
      this.value(value);
    }
    this.byte(0);
  }
}

/** First bytes below and above the first byte of every value's key. */
export const LOWEST = 10;
export const HIGHEST = 240;

/** The first byte of all keys of a type, by a value of the type; numbers begin with NaN's. */
export const keyBracket = (value: Value): { readonly from: number; readonly to: number } => {
  const rank = typeRank(value);
  if (rank === 10) return { from: 29, to: 31 };
  keys.begin();
  keys.value(value);
  const first = keys.bytes[0] as number;
  return { from: first, to: first + 1 };
};

const neighbour = (value: number, step: 1 | -1): number => {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value === 0 ? 0 : value);
  const bits = view.getBigInt64(0);
  if (value === 0) return step * Number.MIN_VALUE;
  view.setBigInt64(0, bits + BigInt(value > 0 ? step : -step));
  return view.getFloat64(0);
};

const keys = new KeyWriter();

/** The key of one value. */
export const keyOf = (value: Value, texts?: Texts): Buffer => {
  keys.begin(texts);
  keys.value(value);
  const bytes = Buffer.from(keys.bytes.subarray(0, keys.at));
  if (keys.bytes.length > 1024 * 1024) keys.bytes = Buffer.allocUnsafe(4096);
  return bytes;
};

/** The keys of several values, between a prefix and a suffix; those of descending fields are inverted. */
export const joinedKey = (
  prefix: Buffer,
  values: readonly Value[],
  descending: (index: number) => boolean,
  suffix: Buffer | undefined,
  texts?: Texts,
): Buffer => {
  keys.begin(texts);
  keys.raw(prefix);
  for (let index = 0; index < values.length; index++) {
    const start = keys.at;
    keys.value(values[index] as Value);
    if (descending(index)) for (let at = start; at < keys.at; at++) keys.bytes[at] = ~(keys.bytes[at] as number);
  }
  if (suffix) keys.raw(suffix);
  return Buffer.from(keys.bytes.subarray(0, keys.at));
};

/** The key in descending order: all bits inverted. */
export const inverted = (key: Buffer): Buffer => {
  const bytes = Buffer.allocUnsafe(key.length);
  for (let index = 0; index < key.length; index++) bytes[index] = ~(key[index] as number);
  return bytes;
};

/** Any number as a double; a value that is not a number is NaN. */
export const numberOf = (value: Value | undefined): number => {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Double) return value.value;
  return value instanceof Decimal128 ? doubleOfDecimal(unpack(value)) : NaN;
};

/** Whether it is a number without any fraction, however small. */
export const isWhole = (value: Value | undefined): boolean => {
  if (value instanceof Decimal128) {
    const number = unpack(value);
    return number.kind === 'finite' && compareDecimals(roundDecimal(number, 'trunc'), number) === 0;
  }
  return isNumber(value) && Number.isInteger(numberOf(value));
};

/** Truth as the server defines it: false, null, undefined, a missing value and zero are false. */
export const isTrue = (value: Value | undefined): boolean => {
  if (value === undefined || value === null || value === false || value === UNDEFINED) return false;
  if (!isNumber(value)) return true;
  if (value instanceof Double) return value.value !== 0;
  if (value instanceof Decimal128) {
    const unpacked = unpack(value);
    return isNaNValue(value) || unpacked.kind !== 'finite' || unpacked.coefficient !== 0n;
  }
  return Number(value) !== 0;
};

/** Null, missing, or the deprecated undefined. */
export const isNullish = (value: Value | undefined): value is null | undefined =>
  value === undefined || value === null || value === UNDEFINED;
