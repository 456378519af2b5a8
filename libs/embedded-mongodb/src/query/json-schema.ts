import { decimalOf, type Numeric } from '../bson/arithmetic.js';
import { remainderOfDecimals } from '../bson/decimal128.js';
import { compareValues, equalValues, isNaNValue, isNumber, isWhole, numberOf } from '../bson/order.js';
import { Arr, bsonTypeName, bsonTypeNamed, bsonTypeNumber, Doc, show, type Value } from '../bson/values.js';
import { badValue, failedToParse, typeMismatch } from '../errors.js';
import { compileJsRegex, execRegex } from './patterns.js';

type Check = (value: Value) => boolean;

const jsonTypes: Readonly<Record<string, Check>> = {
  object: (value) => value instanceof Doc,
  array: (value) => value instanceof Arr,
  string: (value) => typeof value === 'string',
  number: isNumber,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
};

const checkNumber = (value: Value, name: string): void => {
  if (!isNumber(value)) throw typeMismatch(`$jsonSchema keyword '${name}' must be a number`);
};

/** The names of types; at least one. */
const typeNames = (operand: Value, keyword: string): readonly string[] => {
  const names = operand instanceof Arr ? operand.values : [operand];
  if (!names.length) throw failedToParse(`$jsonSchema keyword '${keyword}' must name at least one type`);
  for (const name of names) {
    if (typeof name !== 'string') throw typeMismatch(`$jsonSchema keyword '${keyword}' must be either a string or an array of strings`);
    if (name === 'integer') throw failedToParse(`$jsonSchema type 'integer' is not currently supported.`);
  }
  return names as readonly string[];
};

const bsonTypeCheck = (operand: Value): Check => {
  const numbers = new Set<number>();
  for (const name of typeNames(operand, 'bsonType')) {
    if (name === 'number') for (const number of [1, 16, 18, 19]) numbers.add(number);
    else {
      const number = bsonTypeNamed(name);
      if (number === undefined) throw badValue(`Unknown type name alias: ${name}`);
      numbers.add(number);
    }
  }
  return (value) => numbers.has(bsonTypeNumber(value));
};

const typeCheck = (operand: Value): Check => {
  const checks = typeNames(operand, 'type').map((name) => {
    const check = jsonTypes[name];
    if (!check) throw badValue(`Unknown type name alias: ${name}`);
    return check;
  });
  return (value) => checks.some((check) => check(value));
};

const schemaOf = (value: Value | undefined, keyword: string): Check => {
  if (!(value instanceof Doc)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an object`);
  return compileSchema(value);
};

const schemasOf = (value: Value, keyword: string): readonly Check[] => {
  if (!(value instanceof Arr)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an array`);
  if (!value.length) throw badValue(`$jsonSchema keyword '${keyword}' must be a nonempty array`);
  return value.values.map((schema) => schemaOf(schema, keyword));
};

const stringsOf = (value: Value | undefined, keyword: string): readonly string[] => {
  if (!(value instanceof Arr) || !value.values.every((name) => typeof name === 'string'))
    throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an array of strings`);
  if (!value.length) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a nonempty array`);
  return value.values as readonly string[];
};

/** @throws ServerError if a size limit is not a non-negative whole number */
const size = (operand: Value, name: string): number => {
  if (!isWhole(operand)) throw failedToParse(`$jsonSchema keyword '${name}' must be an integer, but it is ${show(operand)}`);
  const limit = numberOf(operand);
  if (limit < 0) throw failedToParse(`$jsonSchema keyword '${name}' must be >= 0, but it is ${show(operand)}`);
  return limit;
};

/** @throws ServerError if a value occurs twice */
const unique = (values: readonly Value[], name: string): void => {
  const sorted = values.toSorted(compareValues);
  if (sorted.some((value, index) => index > 0 && equalValues(value, sorted[index - 1])))
    throw failedToParse(`$jsonSchema keyword '${name}' array cannot contain duplicate values`);
};

/** The side of a number on which another one is; NaN is on neither, as in queries. */
const bound = (operand: Value, name: string, exclusive: boolean, side: 1 | -1): Check => {
  checkNumber(operand, name);
  const nan = isNaNValue(operand);
  return (value) => {
    const order = side * compareValues(value, operand);
    return isNaNValue(value) === nan && (exclusive ? order > 0 : order >= 0);
  };
};

const onNumbers =
  (test: (value: Value) => boolean): Check =>
  (value) =>
    !isNumber(value) || test(value);
const onStrings =
  (test: (value: string) => boolean): Check =>
  (value) =>
    typeof value !== 'string' || test(value);
const onArrays =
  (test: (values: readonly Value[]) => boolean): Check =>
  (value) =>
    !(value instanceof Arr) || test(value.values);
const onObjects =
  (test: (doc: Doc) => boolean): Check =>
  (value) =>
    !(value instanceof Doc) || test(value);

const keyword = (name: string, operand: Value, schema: Doc): Check | undefined => {
  switch (name) {
    case 'bsonType':
      return bsonTypeCheck(operand);
    case 'type':
      if (schema.has('bsonType')) throw failedToParse(`Cannot specify both $jsonSchema keywords 'type' and 'bsonType'`);
      return typeCheck(operand);
    case 'enum':
      if (!(operand instanceof Arr)) throw typeMismatch(`$jsonSchema keyword 'enum' must be an array`);
      if (!operand.length) throw failedToParse(`$jsonSchema keyword 'enum' must be a nonempty array`);
      unique(operand.values, name);
      return (value) => operand.values.some((allowed) => equalValues(allowed, value));
    case 'minimum':
      return onNumbers(bound(operand, name, schema.get('exclusiveMinimum') === true, 1));
    case 'maximum':
      return onNumbers(bound(operand, name, schema.get('exclusiveMaximum') === true, -1));
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      if (typeof operand !== 'boolean') throw typeMismatch(`$jsonSchema keyword '${name}' must be a boolean`);
      if (!schema.has(name === 'exclusiveMinimum' ? 'minimum' : 'maximum'))
        throw failedToParse(
          `$jsonSchema keyword '${name === 'exclusiveMinimum' ? 'minimum' : 'maximum'}' must be a present if ${name} is present`,
        );
      return undefined;
    case 'multipleOf': {
      checkNumber(operand, name);
      if (!(numberOf(operand) > 0)) throw failedToParse(`$jsonSchema keyword 'multipleOf' must have a positive value`);
      const by = decimalOf(operand as Numeric);
      return onNumbers((value) => {
        const rest = remainderOfDecimals(decimalOf(value as Numeric), by);
        return rest.kind === 'finite' && rest.coefficient === 0n;
      });
    }
    case 'minLength': {
      const limit = size(operand, name);
      return onStrings((text) => [...text].length >= limit);
    }
    case 'maxLength': {
      const limit = size(operand, name);
      return onStrings((text) => [...text].length <= limit);
    }
    case 'pattern': {
      if (typeof operand !== 'string') throw typeMismatch(`$jsonSchema keyword 'pattern' must be a string`);
      const regex = compileJsRegex(operand, '');
      return onStrings((text) => execRegex(regex, text) !== null);
    }
    case 'minItems': {
      const limit = size(operand, name);
      return onArrays((values) => values.length >= limit);
    }
    case 'maxItems': {
      const limit = size(operand, name);
      return onArrays((values) => values.length <= limit);
    }
    case 'uniqueItems':
      if (typeof operand !== 'boolean') throw typeMismatch(`$jsonSchema keyword '${name}' must be a boolean`);
      return operand === true
        ? onArrays((values) =>
            values.toSorted(compareValues).every((value, index, sorted) => index === 0 || !equalValues(value, sorted[index - 1])),
          )
        : undefined;
    case 'items': {
      if (operand instanceof Arr) {
        const checks = operand.values.map((schema_) => schemaOf(schema_, name));
        const further = schema.get('additionalItems');
        const rest = further instanceof Doc ? compileSchema(further) : () => further !== false;
        return onArrays((values) => values.every((value, index) => (checks[index] ?? rest)(value)));
      }
      const check = schemaOf(operand, name);
      return onArrays((values) => values.every(check));
    }
    case 'additionalItems':
      if (operand instanceof Doc) compileSchema(operand);
      else if (typeof operand !== 'boolean')
        throw typeMismatch(
          `$jsonSchema keyword 'additionalItems' must be either an object or a boolean, but got a ${bsonTypeName(operand)}`,
        );
      return undefined;
    case 'required': {
      const names = stringsOf(operand, name);
      unique(names, name);
      return onObjects((doc) => names.every((field) => doc.has(field)));
    }
    case 'minProperties': {
      const limit = size(operand, name);
      return onObjects((doc) => doc.size >= limit);
    }
    case 'maxProperties': {
      const limit = size(operand, name);
      return onObjects((doc) => doc.size <= limit);
    }
    case 'properties': {
      const checks = propertiesOf(operand, name);
      return onObjects((doc) =>
        checks.every(([field, check]) => {
          const value = doc.get(field);
          return value === undefined || check(value);
        }),
      );
    }
    case 'patternProperties': {
      const checks = propertiesOf(operand, name).map(([pattern, check]) => [compilePattern(pattern), check] as const);
      return onObjects((doc) =>
        doc.keys.every((field, index) =>
          checks.every(([regex, check]) => execRegex(regex, field) === null || check(doc.values[index] as Value)),
        ),
      );
    }
    case 'additionalProperties': {
      const known = new Set((schema.get('properties') as Doc | undefined)?.keys ?? []);
      const patterns = ((schema.get('patternProperties') as Doc | undefined)?.keys ?? []).map(compilePattern);
      const check: Check = operand instanceof Doc ? compileSchema(operand) : () => operand !== false;
      if (!(operand instanceof Doc) && typeof operand !== 'boolean')
        throw typeMismatch(
          `$jsonSchema keyword 'additionalProperties' must be either an object or a boolean, but got a ${bsonTypeName(operand)}`,
        );
      return onObjects((doc) =>
        doc.keys.every(
          (field, index) =>
            known.has(field) || patterns.some((regex) => execRegex(regex, field) !== null) || check(doc.values[index] as Value),
        ),
      );
    }
    case 'dependencies': {
      if (!(operand instanceof Doc)) throw typeMismatch(`$jsonSchema keyword 'dependencies' must be an object`);
      const checks = operand.keys.map((field, index) => {
        const needs = operand.values[index] as Value;
        if (needs instanceof Doc) return [field, compileSchema(needs)] as const;
        const names = stringsOf(needs, name);
        return [field, (value: Value) => value instanceof Doc && names.every((other) => value.has(other))] as const;
      });
      return onObjects((doc) => checks.every(([field, check]) => !doc.has(field) || check(doc)));
    }
    case 'allOf': {
      const checks = schemasOf(operand, name);
      return (value) => checks.every((check) => check(value));
    }
    case 'anyOf': {
      const checks = schemasOf(operand, name);
      return (value) => checks.some((check) => check(value));
    }
    case 'oneOf': {
      const checks = schemasOf(operand, name);
      return (value) => checks.filter((check) => check(value)).length === 1;
    }
    case 'not': {
      const check = schemaOf(operand, name);
      return (value) => !check(value);
    }
    case 'title':
    case 'description':
      if (typeof operand !== 'string') throw typeMismatch(`$jsonSchema keyword '${name}' must be of type string`);
      return undefined;
    case '$ref':
    case '$schema':
    case 'default':
    case 'definitions':
    case 'format':
    case 'id':
      throw failedToParse(`$jsonSchema keyword '${name}' is not currently supported`);
  }
  throw failedToParse(`Unknown $jsonSchema keyword: ${name}`);
};

/** The pattern for names in `patternProperties`; its errors are those of a field, not of a pattern. */
const compilePattern = (pattern: string): RegExp => {
  try {
    return compileJsRegex(pattern, '');
  } catch (error) {
    throw badValue(`$jsonSchema keyword 'patternProperties' has an invalid pattern: ${(error as Error).message}`);
  }
};

const propertiesOf = (operand: Value, name: string): readonly (readonly [string, Check])[] => {
  if (!(operand instanceof Doc)) throw typeMismatch(`$jsonSchema keyword '${name}' must be an object`);
  return operand.keys.map((field, index) => [field, schemaOf(operand.values[index], field)] as const);
};

const compileSchema = (schema: Doc): Check => {
  const checks = schema.keys
    .map((name, index) => keyword(name, schema.values[index] as Value, schema))
    .filter((check) => check !== undefined);
  return (value) => checks.every((check) => check(value));
};

/**
 * Compiles a `$jsonSchema` with the draft 4 keywords that the server supports, and `bsonType`.
 *
 * @throws ServerError 9 FailedToParse for a keyword that the server does not support
 */
export const parseSchema = (schema: Doc): ((doc: Doc) => boolean) => compileSchema(schema);
