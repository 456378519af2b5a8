import { ServerError } from '../errors.js';
import { Decimal128, formatDecimal, unpack } from './decimal128.js';
import { GrowingBuffer } from './growing-buffer.js';

/**
 * BSON as this node processes it. Every BSON type has one representation, so no type is lost: a plain number is always an int32, a bigint
 * an int64; doubles are boxed. Documents and arrays decode their bytes only on demand, and write the same bytes back: an unchanged field
 * keeps its bytes.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Double
  | Doc
  | Arr
  | ObjectId
  | Binary
  | DateTime
  | Timestamp
  | Regex
  | Decimal128
  | Code
  | SymbolText
  | DbPointer
  | Singleton;

export class Double {
  constructor(readonly value: number) {}
}
export class ObjectId {
  constructor(readonly bytes: Buffer) {}
}
export class Binary {
  constructor(
    readonly subtype: number,
    readonly bytes: Buffer,
  ) {}
}
/** Milliseconds since 1970, all 64 bits. */
export class DateTime {
  constructor(readonly ms: bigint) {}
}
export class Timestamp {
  constructor(readonly bits: bigint) {}
}
export class Regex {
  constructor(
    readonly pattern: string,
    readonly options: string,
  ) {}
}
export class Code {
  constructor(
    readonly text: string,
    readonly scope?: Doc,
  ) {}
}
/** The deprecated type "symbol". */
export class SymbolText {
  constructor(readonly text: string) {}
}
/** The deprecated type "DBPointer". */
export class DbPointer {
  constructor(
    readonly namespace: string,
    readonly id: Buffer,
  ) {}
}
class Singleton {
  constructor(readonly type: number) {}
}
export const UNDEFINED = new Singleton(0x06);
export const MIN_KEY = new Singleton(0xff);
export const MAX_KEY = new Singleton(0x7f);

/** The largest document that is stored or sent, in bytes (16 MiB), and the deepest nesting, as on the server. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
export const MAX_DEPTH = 200;
/** Number of fields up to which a lookup by name searches the list instead of building a table. */
const SHORT = 12;

type Fields = {
  readonly keys: readonly string[];
  readonly values: readonly Value[];
  table?: Map<string, number> | undefined;
  /** Whether other documents with the same keys share the table; then it must not change. */
  shared?: boolean;
};

/** An immutable document: fields in order. */
export class Doc {
  #fields: Fields | undefined;

  private constructor(
    /** The bytes that it was read from; undefined if it was created here. */
    readonly source: Buffer | undefined,
    readonly offset: number,
    fields: Fields | undefined,
  ) {
    this.#fields = fields;
  }

  static readonly empty: Doc = new Doc(undefined, 0, { keys: [], values: [] });

  /** The document that starts at `offset`; the bytes have passed `checkDocument` and do not change any more. */
  static read(source: Buffer, offset = 0): Doc {
    return new Doc(source, offset, undefined);
  }

  static of(keys: readonly string[], values: readonly Value[]): Doc {
    return new Doc(undefined, 0, { keys, values });
  }

  /** A document of an object's own fields; undefined fields are omitted. */
  static from(fields: Readonly<Record<string, Value | undefined>>): Doc {
    const keys: string[] = [];
    const values: Value[] = [];
    for (const key of Object.keys(fields)) {
      const value = fields[key];
      if (value === undefined) continue;
      keys.push(key);
      values.push(value);
    }
    return Doc.of(keys, values);
  }

  #decoded(): Fields {
    return (this.#fields ??= readFields(this.source as Buffer, this.offset));
  }

  get keys(): readonly string[] {
    return this.#decoded().keys;
  }

  get values(): readonly Value[] {
    return this.#decoded().values;
  }

  get size(): number {
    return this.#decoded().keys.length;
  }

  /** The name of the first field, or '' if there is none; reads nothing else. */
  get firstKey(): string {
    if (this.#fields) return this.#fields.keys[0] ?? '';
    const source = this.source as Buffer;
    const at = this.offset + 4;
    return source[at] === 0 ? '' : nameOf(source, at + 1, endOfName(source, at + 1));
  }

  /** The first field whose name begins with `$`, or undefined; reads no values. */
  get dollarKey(): string | undefined {
    if (this.#fields) return this.#fields.keys.find((key) => key.startsWith('$'));
    const source = this.source as Buffer;
    let at = this.offset + 4;
    for (let type = source[at] as number; type !== 0; type = source[at] as number) {
      const end = endOfName(source, at + 1);
      if (source[at + 1] === 0x24) return nameOf(source, at + 1, end);
      at = endOfValue(type, source, end + 1);
    }
    return undefined;
  }

  /** Whether one of its own fields has a type, given by the type's byte; reads no values. */
  hasType(wanted: number): boolean {
    if (this.#fields) return this.#fields.values.some((value) => typeOf(value) === wanted);
    const source = this.source as Buffer;
    let at = this.offset + 4;
    for (let type = source[at] as number; type !== 0; type = source[at] as number) {
      if (type === wanted) return true;
      at = endOfValue(type, source, endOfName(source, at + 1) + 1);
    }
    return false;
  }

  #indexOf(key: string): number {
    const fields = this.#decoded();
    if (fields.keys.length <= SHORT) return fields.keys.indexOf(key);
    if (!fields.table) {
      fields.table = new Map();
      for (let index = fields.keys.length - 1; index >= 0; index--) fields.table.set(fields.keys[index] as string, index);
    }
    return fields.table.get(key) ?? -1;
  }

  /** The value of a field, or undefined if it is missing. */
  get(key: string): Value | undefined {
    if (this.#fields) {
      const index = this.#indexOf(key);
      return index < 0 ? undefined : this.#fields.values[index];
    }
    return findField(this.source as Buffer, this.offset, key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** With a field replaced in its place, or appended. */
  with(key: string, value: Value): Doc {
    const fields = this.#decoded();
    const index = this.#indexOf(key);
    const { keys, values, table } = fields;
    if (index >= 0) {
      if (table) fields.shared = true;
      return new Doc(undefined, 0, { keys, values: values.with(index, value), table, shared: table !== undefined });
    }
    // The table is passed on to the longer document, so that adding fields one by one does not rebuild it each time.
    const moved = fields.shared ? undefined : table?.set(key, keys.length);
    if (moved) fields.table = undefined;
    return new Doc(undefined, 0, { keys: [...keys, key], values: [...values, value], table: moved });
  }

  without(key: string): Doc {
    const index = this.#indexOf(key);
    if (index < 0) return this;
    const { keys, values } = this.#decoded();
    return Doc.of(keys.toSpliced(index, 1), values.toSpliced(index, 1));
  }
}

/** An immutable array. */
export class Arr {
  #values: readonly Value[] | undefined;

  private constructor(
    readonly source: Buffer | undefined,
    readonly offset: number,
    values: readonly Value[] | undefined,
  ) {
    this.#values = values;
  }

  static readonly empty: Arr = new Arr(undefined, 0, []);

  static read(source: Buffer, offset: number): Arr {
    return new Arr(source, offset, undefined);
  }

  static of(values: readonly Value[]): Arr {
    return new Arr(undefined, 0, values);
  }

  get values(): readonly Value[] {
    return (this.#values ??= readFields(this.source as Buffer, this.offset).values);
  }

  get length(): number {
    return this.values.length;
  }
}

/** The number in the bytes of a value that starts at `at`. */
const endOfValue = (type: number, bytes: Buffer, at: number): number => {
  switch (type) {
    case 0x01:
    case 0x09:
    case 0x11:
    case 0x12:
      return at + 8;
    case 0x02:
    case 0x0d:
    case 0x0e:
      return at + 4 + bytes.readInt32LE(at);
    case 0x03:
    case 0x04:
    case 0x0f:
      return at + bytes.readInt32LE(at);
    case 0x05:
      return at + 5 + bytes.readInt32LE(at);
    case 0x07:
      return at + 12;
    case 0x08:
      return at + 1;
    case 0x0b:
      return bytes.indexOf(0, bytes.indexOf(0, at) + 1) + 1;
    case 0x0c:
      return at + 4 + bytes.readInt32LE(at) + 12;
    case 0x10:
      return at + 4;
    case 0x13:
      return at + 16;
    default:
      return at;
  }
};

const readValue = (type: number, bytes: Buffer, at: number): Value => {
  switch (type) {
    case 0x01:
      return new Double(bytes.readDoubleLE(at));
    case 0x02:
      return bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at));
    case 0x03:
      return Doc.read(bytes, at);
    case 0x04:
      return Arr.read(bytes, at);
    case 0x05:
      return new Binary(bytes[at + 4] as number, bytes.subarray(at + 5, at + 5 + bytes.readInt32LE(at)));
    case 0x06:
      return UNDEFINED;
    case 0x07:
      return new ObjectId(bytes.subarray(at, at + 12));
    case 0x08:
      return bytes[at] === 1;
    case 0x09:
      return new DateTime(bytes.readBigInt64LE(at));
    case 0x0a:
      return null;
    case 0x0b: {
      const middle = bytes.indexOf(0, at);
      return new Regex(bytes.toString('utf8', at, middle), bytes.toString('utf8', middle + 1, bytes.indexOf(0, middle + 1)));
    }
    case 0x0c: {
      const end = at + 4 + bytes.readInt32LE(at);
      return new DbPointer(bytes.toString('utf8', at + 4, end - 1), bytes.subarray(end, end + 12));
    }
    case 0x0d:
      return new Code(bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at)));
    case 0x0e:
      return new SymbolText(bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at)));
    case 0x0f: {
      const end = at + 8 + bytes.readInt32LE(at + 4);
      return new Code(bytes.toString('utf8', at + 8, end - 1), Doc.read(bytes, end));
    }
    case 0x10:
      return bytes.readInt32LE(at);
    case 0x11:
      return new Timestamp(bytes.readBigUInt64LE(at));
    case 0x12:
      return bytes.readBigInt64LE(at);
    case 0x13:
      return new Decimal128(bytes.subarray(at, at + 16));
    case 0x7f:
      return MAX_KEY;
    case 0xff:
      return MIN_KEY;
    default:
      throw new ServerError(22, `BSON type ${type} is unknown`);
  }
};

const readFields = (bytes: Buffer, offset: number): Fields => {
  const keys: string[] = [];
  const values: Value[] = [];
  let at = offset + 4;
  for (let type = bytes[at] as number; type !== 0; type = bytes[at] as number) {
    const end = endOfName(bytes, at + 1);
    keys.push(nameOf(bytes, at + 1, end));
    values.push(readValue(type, bytes, end + 1));
    at = endOfValue(type, bytes, end + 1);
  }
  return { keys, values };
};

/** Names are short: a loop is faster than a call into native code. */
const endOfName = (bytes: Buffer, from: number): number => {
  let at = from;
  while (bytes[at] !== 0) at++;
  return at;
};

const nameOf = (bytes: Buffer, start: number, end: number): string => {
  if (end - start > 24) return bytes.toString('utf8', start, end);
  let name = '';
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte > 127) return bytes.toString('utf8', start, end);
    name += String.fromCharCode(byte);
  }
  return name;
};

const findField = (bytes: Buffer, offset: number, key: string): Value | undefined => {
  let at = offset + 4;
  for (let type = bytes[at] as number; type !== 0; type = bytes[at] as number) {
    let name = at + 1;
    let matched = 0;
    while (matched < key.length && bytes[name] === key.charCodeAt(matched) && (bytes[name] as number) < 128 && bytes[name] !== 0) {
      name++;
      matched++;
    }
    const end = endOfName(bytes, name);
    // A non-ASCII name is compared as a string; its bytes never equal the code units one by one.
    const found = matched === key.length ? end === name : (bytes[name] as number) > 127 && bytes.toString('utf8', at + 1, end) === key;
    if (found) return readValue(type, bytes, end + 1);
    at = endOfValue(type, bytes, end + 1);
  }
  return undefined;
};

const invalid = (reason: string): ServerError => new ServerError(22, `Invalid BSON: ${reason}`);

/**
 * Validates the whole document at `offset`: lengths, terminators, types, nesting.
 *
 * @param limit the first offset that no longer belongs to it
 * @returns its length in bytes
 * @throws ServerError 22 InvalidBSON
 */
export const checkDocument = (bytes: Buffer, offset: number, limit: number, depth = 0, array = false): number => {
  if (depth > MAX_DEPTH) throw new ServerError(15, `Document exceeds maximum nesting depth of ${MAX_DEPTH}`);
  if (limit - offset < 5) throw invalid(`a ${array ? 'n array' : 'document'} is cut off`);
  const length = bytes.readInt32LE(offset);
  const end = offset + length;
  if (length < 5 || end > limit) throw invalid(`a length of ${length} where ${limit - offset} bytes are left`);
  if (bytes[end - 1] !== 0) throw invalid('a document does not end with a zero');
  const last = end - 1;
  const need = (at: number, count: number): void => {
    if (count < 0 || at + count > last) throw invalid('a value is cut off');
  };
  const cstring = (at: number): number => {
    const zero = bytes.indexOf(0, at);
    if (zero < 0 || zero >= last) throw invalid('a name does not end');
    return zero + 1;
  };
  const string = (at: number): number => {
    need(at, 5);
    const size = bytes.readInt32LE(at);
    if (size < 1) throw invalid(`a string of length ${size}`);
    need(at + 4, size);
    if (bytes[at + 3 + size] !== 0) throw invalid('a string does not end with a zero');
    return at + 4 + size;
  };
  let at = offset + 4;
  while (at < last) {
    const type = bytes[at] as number;
    at = cstring(at + 1);
    switch (type) {
      case 0x01:
      case 0x09:
      case 0x11:
      case 0x12:
        need(at, 8);
        at += 8;
        break;
      case 0x02:
      case 0x0d:
      case 0x0e:
        at = string(at);
        break;
      case 0x03:
      case 0x04:
        at += checkDocument(bytes, at, last, depth + 1, type === 0x04);
        break;
      case 0x05: {
        need(at, 5);
        const size = bytes.readInt32LE(at);
        if (size < 0) throw invalid(`binary data of length ${size}`);
        need(at + 5, size);
        at += 5 + size;
        break;
      }
      case 0x07:
        need(at, 12);
        at += 12;
        break;
      case 0x08:
        need(at, 1);
        if ((bytes[at] as number) > 1) throw invalid(`a boolean of ${bytes[at]}`);
        at += 1;
        break;
      case 0x0b:
        at = cstring(cstring(at));
        break;
      case 0x0c:
        at = string(at);
        need(at, 12);
        at += 12;
        break;
      case 0x0f: {
        need(at, 4);
        const total = bytes.readInt32LE(at);
        const scope = string(at + 4);
        if (scope + checkDocument(bytes, scope, last, depth + 1) !== at + total) throw invalid('code with scope of a wrong length');
        at += total;
        break;
      }
      case 0x10:
        need(at, 4);
        at += 4;
        break;
      case 0x13:
        need(at, 16);
        at += 16;
        break;
      case 0x06:
      case 0x0a:
      case 0x7f:
      case 0xff:
        break;
      default:
        throw invalid(`type ${type} is unknown`);
    }
  }
  if (at !== last) throw invalid('a value reaches beyond its document');
  return length;
};

const typeOf = (value: Value): number => {
  switch (typeof value) {
    case 'number':
      return 0x10;
    case 'string':
      return 0x02;
    case 'boolean':
      return 0x08;
    case 'bigint':
      return 0x12;
  }
  if (value === null) return 0x0a;
  if (value instanceof Doc) return 0x03;
  if (value instanceof Arr) return 0x04;
  if (value instanceof Double) return 0x01;
  if (value instanceof DateTime) return 0x09;
  if (value instanceof ObjectId) return 0x07;
  if (value instanceof Binary) return 0x05;
  if (value instanceof Decimal128) return 0x13;
  if (value instanceof Timestamp) return 0x11;
  if (value instanceof Regex) return 0x0b;
  if (value instanceof Code) return value.scope ? 0x0f : 0x0d;
  if (value instanceof SymbolText) return 0x0e;
  if (value instanceof DbPointer) return 0x0c;
  return (value as Singleton).type;
};

/** The number of a value's BSON type, as `$type` knows it (MinKey is -1). */
export const bsonTypeNumber = (value: Value): number => {
  const type = typeOf(value);
  return type === 0xff ? -1 : type;
};

const typeNames: Readonly<Record<number, string>> = {
  0x01: 'double',
  0x02: 'string',
  0x03: 'object',
  0x04: 'array',
  0x05: 'binData',
  0x06: 'undefined',
  0x07: 'objectId',
  0x08: 'bool',
  0x09: 'date',
  0x0a: 'null',
  0x0b: 'regex',
  0x0c: 'dbPointer',
  0x0d: 'javascript',
  0x0e: 'symbol',
  0x0f: 'javascriptWithScope',
  0x10: 'int',
  0x11: 'timestamp',
  0x12: 'long',
  0x13: 'decimal',
  0x7f: 'maxKey',
  [-1]: 'minKey',
};

/** The name of a value's BSON type, as the server writes it; 'missing' for no value. */
export const bsonTypeName = (value: Value | undefined): string =>
  value === undefined ? 'missing' : (typeNames[bsonTypeNumber(value)] as string);

/** The number of the type that has this name, or undefined. */
export const bsonTypeNamed = (name: string): number | undefined => {
  for (const [number, known] of Object.entries(typeNames)) if (known === name) return Number(number);
  return undefined;
};

/** Writes values as BSON. */
class Writer extends GrowingBuffer {
  constructor() {
    super(1024);
  }

  int32(value: number): void {
    this.room(4);
    this.bytes.writeInt32LE(value, this.at);
    this.at += 4;
  }

  cstring(text: string): void {
    this.room(text.length * 3 + 1);
    const start = this.at;
    this.at += this.bytes.write(text, start, 'utf8');
    if (this.bytes.subarray(start, this.at).includes(0)) throw new ServerError(2, 'a field name or pattern contains a null byte');
    this.bytes[this.at++] = 0;
  }

  string(text: string): void {
    this.room(text.length * 3 + 5);
    const written = this.bytes.write(text, this.at + 4, 'utf8');
    this.bytes.writeInt32LE(written + 1, this.at);
    this.at += 4 + written;
    this.bytes[this.at++] = 0;
  }

  copy(source: Buffer, start: number, end: number): void {
    this.room(end - start);
    source.copy(this.bytes, this.at, start, end);
    this.at += end - start;
  }

  value(value: Value, type: number): void {
    switch (type) {
      case 0x01:
        this.room(8);
        this.at = this.bytes.writeDoubleLE((value as Double).value, this.at);
        return;
      case 0x02:
        return this.string(value as string);
      case 0x03:
        return this.document(value as Doc);
      case 0x04:
        return this.array(value as Arr);
      case 0x05: {
        const { subtype, bytes } = value as Binary;
        this.int32(bytes.length);
        this.room(1);
        this.bytes[this.at++] = subtype;
        return this.copy(bytes, 0, bytes.length);
      }
      case 0x07:
        return this.copy((value as ObjectId).bytes, 0, 12);
      case 0x08:
        this.room(1);
        this.bytes[this.at++] = value ? 1 : 0;
        return;
      case 0x09:
        this.room(8);
        this.at = this.bytes.writeBigInt64LE((value as DateTime).ms, this.at);
        return;
      case 0x0b:
        this.cstring((value as Regex).pattern);
        return this.cstring((value as Regex).options);
      case 0x0c:
        this.string((value as DbPointer).namespace);
        return this.copy((value as DbPointer).id, 0, 12);
      case 0x0d:
        return this.string((value as Code).text);
      case 0x0e:
        return this.string((value as SymbolText).text);
      case 0x0f: {
        const start = this.at;
        this.int32(0);
        this.string((value as Code).text);
        this.document((value as Code).scope as Doc);
        this.bytes.writeInt32LE(this.at - start, start);
        return;
      }
      case 0x10:
        // Fractions and overflows are refused: an arithmetic mistake must not write a wrong number to disk.
        if (!Number.isInteger(value)) throw new Error(`${String(value)} is not an int32`);
        return this.int32(value as number);
      case 0x11:
        this.room(8);
        this.at = this.bytes.writeBigUInt64LE((value as Timestamp).bits, this.at);
        return;
      case 0x12:
        this.room(8);
        this.at = this.bytes.writeBigInt64LE(value as bigint, this.at);
        return;
      case 0x13:
        return this.copy((value as Decimal128).bytes, 0, 16);
    }
  }

  document(doc: Doc): void {
    if (doc.source) return this.copy(doc.source, doc.offset, doc.offset + doc.source.readInt32LE(doc.offset));
    const start = this.at;
    this.int32(0);
    const { keys, values } = doc;
    for (let index = 0; index < keys.length; index++) this.field(keys[index] as string, values[index] as Value);
    this.end(start);
  }

  array(array: Arr): void {
    if (array.source) return this.copy(array.source, array.offset, array.offset + array.source.readInt32LE(array.offset));
    const start = this.at;
    this.int32(0);
    const { values } = array;
    for (let index = 0; index < values.length; index++) this.field(String(index), values[index] as Value);
    this.end(start);
  }

  field(key: string, value: Value): void {
    const type = typeOf(value);
    this.room(1);
    this.bytes[this.at++] = type;
    this.cstring(key);
    this.value(value, type);
  }

  end(start: number): void {
    this.room(1);
    this.bytes[this.at++] = 0;
    this.bytes.writeInt32LE(this.at - start, start);
  }
}

const writer = new Writer();

/** The bytes of a document: the original ones if it was read and not changed. */
export const encode = (doc: Doc): Buffer => {
  if (doc.source) return doc.source.subarray(doc.offset, doc.offset + doc.source.readInt32LE(doc.offset));
  writer.at = 0;
  writer.document(doc);
  const bytes = Buffer.from(writer.bytes.subarray(0, writer.at));
  if (writer.bytes.length > 4 * 1024 * 1024) writer.bytes = Buffer.allocUnsafe(1024);
  return bytes;
};

/** A document with one more field in front; the bytes of the rest are copied unchanged. */
export const withFieldInFront = (key: string, value: Value, doc: Doc): Doc => {
  if (!doc.source) return Doc.of([key, ...doc.keys], [value, ...doc.values]);
  writer.at = 0;
  writer.int32(0);
  writer.field(key, value);
  writer.copy(doc.source, doc.offset + 4, doc.offset + doc.source.readInt32LE(doc.offset) - 1);
  writer.end(0);
  return Doc.read(Buffer.from(writer.bytes.subarray(0, writer.at)));
};

/** Names of fields by a number derived from their bytes; see `picked` and `omitted`. */
export type FieldNames = ReadonlyMap<number, readonly Buffer[]>;

export const fieldNames = (names: Iterable<string>): FieldNames => {
  const found = new Map<number, Buffer[]>();
  for (const name of names) {
    const bytes = Buffer.from(name);
    const hash = bytes.reduce((sum, byte) => (sum * 31 + byte) | 0, 0);
    found.set(hash, [...(found.get(hash) ?? []), bytes]);
  }
  return found;
};

/** Some fields of a document, in the document's order; their bytes are copied unchanged, and no others are decoded. */
export const picked = (doc: Doc, names: FieldNames): Doc => filtered(doc, names, true);

/** All fields of a document except some. */
export const omitted = (doc: Doc, names: FieldNames): Doc => filtered(doc, names, false);

const filtered = (doc: Doc, names: FieldNames, kept: boolean): Doc => {
  const { source, offset } = doc;
  if (!source) {
    const named = new Set([...names.values()].flat().map(String));
    const left = doc.keys.flatMap((key, index) => (named.has(key) === kept ? [index] : []));
    return Doc.of(
      left.map((index) => doc.keys[index] as string),
      left.map((index) => doc.values[index] as Value),
    );
  }
  writer.at = 0;
  writer.int32(0);
  // Adjacent fields are copied together.
  let from = offset + 4;
  let to = from;
  let at = from;
  for (let type = source[at] as number; type !== 0; type = source[at] as number) {
    let hash = 0;
    let end = at + 1;
    for (let byte = source[end] as number; byte !== 0; byte = source[++end] as number) hash = (hash * 31 + byte) | 0;
    const next = endOfValue(type, source, end + 1);
    const candidates = names.get(hash);
    const isNamed = candidates !== undefined && candidates.some((name) => sameBytes(name, source, at + 1, end));
    if (isNamed === kept) {
      if (at !== to) {
        writer.copy(source, from, to);
        from = at;
      }
      to = next;
    }
    at = next;
  }
  writer.copy(source, from, to);
  writer.end(0);
  return Doc.read(Buffer.from(writer.bytes.subarray(0, writer.at)));
};

const sameBytes = (name: Buffer, bytes: Buffer, start: number, end: number): boolean => {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) if (name[at] !== bytes[start + at]) return false;
  return true;
};

/** Whether two values are identical to the last bit, as far as that can be determined without decoding documents. */
export const identicalScalars = (a: Value, b: Value): boolean =>
  a === b ||
  (a instanceof ObjectId && b instanceof ObjectId && a.bytes.equals(b.bytes)) ||
  (a instanceof Binary && b instanceof Binary && a.subtype === b.subtype && a.bytes.equals(b.bytes));

/** The length of a document's bytes. */
export const encodedLength = (doc: Doc): number => (doc.source ? doc.source.readInt32LE(doc.offset) : encode(doc).length);

/** The deepest nesting of a document created here; documents that were read have been checked. */
export const depthOf = (value: Value): number => {
  if (!(value instanceof Doc || value instanceof Arr) || value.source) return 0;
  let deepest = 0;
  for (const inner of value.values) deepest = Math.max(deepest, depthOf(inner));
  return deepest + 1;
};

export const int = (value: number): number => value | 0;

let counter = Math.floor(Math.random() * 0x1000000);
const processPart = Buffer.from(Array.from({ length: 5 }, () => Math.floor(Math.random() * 256)));

/** A new ObjectId, generated as by drivers. */
export const newObjectId = (now = Date.now()): ObjectId => {
  const bytes = Buffer.allocUnsafe(12);
  bytes.writeUInt32BE(Math.floor(now / 1000) >>> 0, 0);
  processPart.copy(bytes, 4);
  counter = (counter + 1) % 0x1000000;
  bytes.writeUIntBE(counter, 9, 3);
  return new ObjectId(bytes);
};

/** A value as shell-like text, for messages. */
export const show = (value: Value | undefined): string => {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
  }
  if (value instanceof Double)
    return Number.isInteger(value.value)
      ? value.value.toFixed(1)
      : Number.isFinite(value.value)
        ? String(value.value)
        : Number.isNaN(value.value)
          ? 'nan.0'
          : value.value > 0
            ? 'inf.0'
            : '-inf.0';
  if (value instanceof Doc) {
    if (!value.size) return '{}';
    return `{ ${value.keys.map((key, index) => `${key}: ${show(value.values[index])}`).join(', ')} }`;
  }
  if (value instanceof Arr) return value.length ? `[ ${value.values.map(show).join(', ')} ]` : '[]';
  if (value instanceof ObjectId) return `ObjectId('${value.bytes.toString('hex')}')`;
  if (value instanceof DateTime) return `new Date(${value.ms})`;
  if (value instanceof Binary) return `BinData(${value.subtype}, ${value.bytes.toString('hex').toUpperCase()})`;
  if (value instanceof Regex) return `/${value.pattern}/${value.options}`;
  if (value instanceof Timestamp) return `Timestamp(${value.bits >> 32n}, ${value.bits & 0xffffffffn})`;
  if (value instanceof Code) return value.text;
  if (value instanceof SymbolText) return JSON.stringify(value.text);
  if (value instanceof Decimal128) return formatDecimal(unpack(value));
  return bsonTypeName(value);
};
