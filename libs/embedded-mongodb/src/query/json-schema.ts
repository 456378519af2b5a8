import { compareValues, equalValues, isNumber, isWhole } from '../bson/order.js';
import { Arr, bsonTypeName, bsonTypeNamed, bsonTypeNumber, Doc, show, type Value } from '../bson/values.js';
import { failedToParse, typeMismatch } from '../errors.js';
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

const numeric = (value: Value): number => {
  const number = Number(typeof value === 'object' && value !== null && 'value' in value ? value.value : value);
  if (!isNumber(value)) throw typeMismatch('a $jsonSchema keyword must be a number');
  return number;
};

const bsonTypeCheck = (operand: Value): Check => {
  const names = operand instanceof Arr ? operand.values : [operand];
  const numbers = new Set<number>();
  for (const name of names) {
    if (typeof name !== 'string') throw typeMismatch(`$jsonSchema keyword 'bsonType' must be either a string or an array of strings`);
    if (name === 'number') for (const number of [1, 16, 18, 19]) numbers.add(number);
    else {
      const number = bsonTypeNamed(name);
      if (number === undefined) throw failedToParse(`Unknown type name alias: ${name}`);
      numbers.add(number);
    }
  }
  return (value) => numbers.has(bsonTypeNumber(value));
};

const typeCheck = (operand: Value): Check => {
  const checks = (operand instanceof Arr ? operand.values : [operand]).map((name) => {
    if (name === 'integer') throw failedToParse(`$jsonSchema type 'integer' is not currently supported.`);
    const check = typeof name === 'string' ? jsonTypes[name] : undefined;
    if (!check) throw failedToParse(`Unknown type name alias: ${String(name)}`);
    return check;
  });
  return (value) => checks.some((check) => check(value));
};

const schemaOf = (value: Value | undefined, keyword: string): Check => {
  if (!(value instanceof Doc)) throw typeMismatch(`$jsonSchema keyword '${keyword}' must be an object`);
  return compileSchema(value);
};

const schemasOf = (value: Value, keyword: string): readonly Check[] => {
  if (!(value instanceof Arr) || !value.length) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a nonempty array`);
  return value.values.map((schema) => schemaOf(schema, keyword));
};

const stringsOf = (value: Value | undefined, keyword: string): readonly string[] => {
  if (!(value instanceof Arr) || !value.length || !value.values.every((name) => typeof name === 'string'))
    throw failedToParse(`$jsonSchema keyword '${keyword}' must be a nonempty array of strings`);
  return value.values as readonly string[];
};

/** @throws ServerError where a bound on a size is no whole number from 0 on */
const size = (operand: Value, name: string): void => {
  const bound = numeric(operand);
  if (!isWhole(operand)) throw failedToParse(`$jsonSchema keyword '${name}' must be an integer, but it is ${show(operand)}`);
  if (bound < 0) throw failedToParse(`$jsonSchema keyword '${name}' must be >= 0, but it is ${show(operand)}`);
};

/** @throws ServerError where a value is there twice */
const unique = (values: readonly Value[], name: string): void => {
  const sorted = values.toSorted(compareValues);
  if (sorted.some((value, index) => index > 0 && equalValues(value, sorted[index - 1])))
    throw failedToParse(`$jsonSchema keyword '${name}' array cannot contain duplicate values`);
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
      if (!(operand instanceof Arr) || !operand.length) throw failedToParse(`$jsonSchema keyword 'enum' must be a nonempty array`);
      unique(operand.values, name);
      return (value) => operand.values.some((allowed) => equalValues(allowed, value));
    case 'minimum':
      numeric(operand);
      return onNumbers((value) =>
        schema.get('exclusiveMinimum') === true ? compareValues(value, operand) > 0 : compareValues(value, operand) >= 0,
      );
    case 'maximum':
      numeric(operand);
      return onNumbers((value) =>
        schema.get('exclusiveMaximum') === true ? compareValues(value, operand) < 0 : compareValues(value, operand) <= 0,
      );
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      if (typeof operand !== 'boolean') throw typeMismatch(`$jsonSchema keyword '${name}' must be a boolean`);
      if (!schema.has(name === 'exclusiveMinimum' ? 'minimum' : 'maximum'))
        throw failedToParse(
          `$jsonSchema keyword '${name === 'exclusiveMinimum' ? 'minimum' : 'maximum'}' must be a present if ${name} is present`,
        );
      return undefined;
    case 'multipleOf': {
      const by = numeric(operand);
      if (!(by > 0)) throw failedToParse(`$jsonSchema keyword 'multipleOf' must have a positive value`);
      return onNumbers((value) => numeric(value) % by === 0);
    }
    case 'minLength':
      size(operand, name);
      return onStrings((text) => [...text].length >= numeric(operand));
    case 'maxLength':
      size(operand, name);
      return onStrings((text) => [...text].length <= numeric(operand));
    case 'pattern': {
      if (typeof operand !== 'string') throw typeMismatch(`$jsonSchema keyword 'pattern' must be a string`);
      const regex = compileJsRegex(operand, '');
      return onStrings((text) => execRegex(regex, text) !== null);
    }
    case 'minItems':
      size(operand, name);
      return onArrays((values) => values.length >= numeric(operand));
    case 'maxItems':
      size(operand, name);
      return onArrays((values) => values.length <= numeric(operand));
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
      return undefined;
    case 'required': {
      const names = stringsOf(operand, name);
      unique(names, name);
      return onObjects((doc) => names.every((field) => doc.has(field)));
    }
    case 'minProperties':
      size(operand, name);
      return onObjects((doc) => doc.size >= numeric(operand));
    case 'maxProperties':
      size(operand, name);
      return onObjects((doc) => doc.size <= numeric(operand));
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
      const checks = propertiesOf(operand, name).map(([pattern, check]) => [compileJsRegex(pattern, ''), check] as const);
      return onObjects((doc) =>
        doc.keys.every((field, index) =>
          checks.every(([regex, check]) => execRegex(regex, field) === null || check(doc.values[index] as Value)),
        ),
      );
    }
    case 'additionalProperties': {
      const known = new Set((schema.get('properties') as Doc | undefined)?.keys ?? []);
      const patterns = ((schema.get('patternProperties') as Doc | undefined)?.keys ?? []).map((pattern) => compileJsRegex(pattern, ''));
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
 * Compiles a `$jsonSchema`, by the keywords of draft 4 that the server knows, with `bsonType`.
 *
 * @throws ServerError 9 FailedToParse for a keyword that the server does not know, or does not support
 */
export const parseSchema = (schema: Doc): ((doc: Doc) => boolean) => compileSchema(schema);
