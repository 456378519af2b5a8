import { isNumber, isTrue } from '../bson/order.js';
import { Arr, Binary, bsonTypeName, Doc, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { parseCollation, wholeOf, type Collation } from '../query/collation.js';

export const typeError = (path: string, value: Value | undefined, expected: string): ServerError =>
  new ServerError(14, `BSON field '${path}' is the wrong type '${bsonTypeName(value)}', expected type '${expected}'`);

/** @throws ServerError 207 if a UUID has the wrong length */
export const checkUuid = ({ bytes }: Binary): Buffer => {
  if (bytes.length !== 16) throw new ServerError(207, 'uuid must be a 16-byte binary field with UUID (4) subtype');
  return bytes;
};

/** Reads the fields of a command or of part of one, with the server's errors for wrong types. */
export class Fields {
  constructor(
    readonly name: string,
    readonly doc: Doc,
  ) {}

  #path(key: string): string {
    return this.name ? `${this.name}.${key}` : key;
  }

  only(allowed: readonly string[]): this {
    this.doc.keys.forEach((key, index, keys) => {
      if (!allowed.includes(key)) throw new ServerError(40415, `BSON field '${this.#path(key)}' is an unknown field.`);
      if (keys.indexOf(key) !== index) throw new ServerError(40413, `BSON field '${this.#path(key)}' is a duplicate field`);
    });
    return this;
  }

  document(key: string): Doc | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!(value instanceof Doc)) throw typeError(this.#path(key), value, 'object');
    return value;
  }

  string(key: string): string | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw typeError(this.#path(key), value, 'string');
    return value;
  }

  array(key: string): readonly Value[] | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!(value instanceof Arr)) throw typeError(this.#path(key), value, 'array');
    return value.values;
  }

  documents(key: string): readonly Doc[] | undefined {
    return this.array(key)?.map((value, index) => {
      if (!(value instanceof Doc)) throw typeError(`${this.#path(key)}.${index}`, value, 'object');
      return value;
    });
  }

  oneOf(key: string, values: readonly string[]): string | undefined {
    const value = this.string(key);
    if (value !== undefined && !values.includes(value))
      throw badValue(`Enumeration value '${value}' for field '${this.#path(key)}' is not a valid value.`);
    return value;
  }

  boolean(key: string, byDefault = false): boolean {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return byDefault;
    if (typeof value !== 'boolean' && !isNumber(value)) throw typeError(this.#path(key), value, 'bool');
    return isTrue(value);
  }

  /** A boolean; numbers are refused. */
  flag(key: string, byDefault = false): boolean {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return byDefault;
    if (typeof value !== 'boolean') throw typeError(this.#path(key), value, 'bool');
    return value;
  }

  /** An optional flag that must not be null. */
  strictFlag(key: string): boolean {
    if (this.doc.get(key) === null) throw typeError(this.#path(key), null, 'bool');
    return this.flag(key);
  }

  uuid(key: string): Buffer | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!(value instanceof Binary && value.subtype === 4)) throw typeError(this.#path(key), value, 'uuid');
    return checkUuid(value);
  }

  /** A non-negative whole number. */
  count(key: string, negative = 51024): number | undefined {
    const value = this.doc.get(key);
    if (value === undefined || value === null) return undefined;
    if (!isNumber(value)) throw typeError(this.#path(key), value, 'long');
    const number = wholeOf(value);
    if (number < 0) throw new ServerError(negative, `BSON field '${key}' value must be >= 0, actual value '${number}'`);
    return number;
  }

  need<T>(value: T | undefined, key: string): T {
    if (value === undefined) throw new ServerError(40414, `BSON field '${this.#path(key)}' is missing but a required field`);
    return value;
  }

  /** Refuses a field that is not supported here, unless it has the value without effect. */
  refuse(key: string, harmless: (value: Value) => boolean = (value) => value === false || value === null): void {
    const value = this.doc.get(key);
    if (value !== undefined && !harmless(value)) throw new ServerError(238, `${this.#path(key)} is not supported by this node`);
  }

  /** The collation that it specifies: null for the simple one, undefined if it specifies none. */
  collation(): Collation | null | undefined {
    const given = this.document('collation');
    return given?.size ? (parseCollation(given) ?? null) : undefined;
  }
}
