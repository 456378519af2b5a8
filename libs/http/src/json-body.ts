import type { PipeTransform } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
// @ts-expect-error The package keeps its storage in this file, and has no types for it.
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import type { Fault } from '#eventsourcing';
import { Problem } from './problem.js';

// class-validator searches the rules of every class for each check. Once per class is enough, since the rules are complete before the class
// is.
const storage = getMetadataStorage();
const gatherRules = storage.getTargetValidationMetadatas.bind(storage);
const gathered = new WeakMap<object, ReturnType<typeof gatherRules>>();
storage.getTargetValidationMetadatas = (type, schema, always, strictGroups, groups) => {
  // There are no groups, so nothing is cached for them. The schema is the name of the class that the value is a field of: it selects no
  // other rules, as all of these belong to classes.
  if (always || strictGroups || groups !== undefined) return gatherRules(type, schema, always, strictGroups, groups);
  let rules = gathered.get(type);
  if (rules === undefined) gathered.set(type, (rules = gatherRules(type, schema, always, strictGroups, groups)));
  return rules;
};

const DEEPEST = 16;
const MOST_FAULTS = 100;
/** Largest number of fields and items in a body: limits the processing time. */
export const MOST_VALUES = 20_000;
/** Largest number of items in one list, and of fields in one object. */
export const MOST_ENTRIES = 2_000;
/** Longest name of a field, in characters. */
const LONGEST_KEY = 200;

/**
 * A request body as an instance of its class, or a problem that names every invalid field by its path, once. No body is `{}`. Unknown
 * fields are refused, and nothing is converted. JSON that no field can mean is refused before a decorator sees it: `null` (leave out a
 * field without a value), lone surrogates and U+0000 in text (a store would change or refuse them), numbers beyond a double, names that
 * every object inherits, and excessive nesting.
 */
export class JsonBody<Body extends object> implements PipeTransform<unknown, Body> {
  constructor(private readonly body: new () => Body) {}

  transform(value: unknown = {}): Body {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid([{ field: '', message: 'the body must be a JSON object' }]);
    const { faults, unsafe } = inspect(value, this.body);
    if (unsafe) throw invalid(faults);
    const body = plainToInstance(this.body, value, { enableImplicitConversion: false });
    const errors = validateSync(body, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true, stopAtFirstError: true });
    const all = [...faults, ...errors.flatMap((error) => faultsOf(error, '', false))];
    if (all.length > 0) throw invalid(all);
    return body;
  }
}

/** The refusal of a body with more than `MOST_VALUES`. */
export function tooManyValues(): Problem {
  return invalid([{ field: '', message: `must not hold more than ${MOST_VALUES} fields and items` }]);
}

/**
 * What is wrong with any JSON body: a safe parser treats names that every object inherits, such as `__proto__`, as malformed JSON.
 * Undefined if nothing is, or if it is not JSON.
 */
export function faultyJson(text: string): Problem | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { faults } = inspect(value);
  return faults.length === 0 ? undefined : invalid(faults);
}

function invalid(faults: readonly Fault[]): Problem {
  const fields = new Set<string>();
  const once = faults.filter(({ field }) => !fields.has(field) && fields.add(field)).slice(0, MOST_FAULTS);
  return Problem.of(
    'invalid-body',
    once.length === 1 ? 'A field of the body is invalid' : `${once.length} fields of the body are invalid`,
    { faults: once },
  );
}

type Class = new () => object;

interface Inspected {
  readonly faults: readonly Fault[];
  /** Whether even trying the class's rules would be unsafe. */
  readonly unsafe: boolean;
}

interface Pending {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
  /** The class of the value, or of its items; undefined if any JSON is allowed. */
  readonly type: Class | undefined;
}

/**
 * What is wrong with a JSON value regardless of the rules of its class. Unknown fields are found here, since converting and validating them
 * costs a hundred times as much. Without a class, every field is known. Stops after too many values. Not recursive, so no depth can exhaust
 * the stack.
 */
export function inspect(root: object, body?: Class): Inspected {
  const faults: Fault[] = [];
  let unsafe = false;
  const refuse = (field: string, message: string, deadly = false) => {
    faults.push({ field: field.slice(0, 300), message });
    unsafe ||= deadly;
  };
  let values = 0;
  const pending: Pending[] = [{ value: root, path: '', depth: 0, type: body }];
  /** Whether this many entries may be examined. */
  const fits = (entries: number, path: string): boolean => {
    values += entries;
    if (entries > MOST_ENTRIES) refuse(path, `must not have more than ${MOST_ENTRIES} entries`, true);
    else if (values > MOST_VALUES) refuse('', `must not hold more than ${MOST_VALUES} fields and items`, true);
    else return true;
    return false;
  };
  for (let next = pending.pop(); next !== undefined && faults.length < MOST_FAULTS && values <= MOST_VALUES; next = pending.pop()) {
    const { value, path, depth, type } = next;
    if (value === null) {
      refuse(path, 'must not be null: leave it out instead');
    } else if (typeof value === 'string') {
      if (/[\0\p{Surrogate}]/u.test(value)) refuse(path, 'must be well-formed text without U+0000');
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) refuse(path, 'must be a number within the range of a double');
    } else if (typeof value === 'object') {
      if (depth > DEEPEST) {
        refuse(path, `must not be nested more than ${DEEPEST} deep`, true);
        continue;
      }
      if (Array.isArray(value)) {
        if (!fits(value.length, path)) continue;
        value.forEach((item: unknown, index) => {
          const itemPath = `${path}[${index}]`;
          if (Array.isArray(item)) refuse(itemPath, 'must not be a list within a list', true);
          else pending.push({ value: item, path: itemPath, depth: depth + 1, type });
        });
      } else {
        const entries = Object.entries(value);
        if (!fits(entries.length, path)) continue;
        const fields = type && fieldsOf(type);
        for (const [key, item] of entries) {
          const itemPath = path === '' ? key : `${path}.${key}`;
          if (key in Object.prototype || key.length > LONGEST_KEY) refuse(itemPath, 'is not a known field', true);
          else if (fields === undefined) pending.push({ value: item, path: itemPath, depth: depth + 1, type: undefined });
          else if (fields.has(key)) pending.push({ value: item, path: itemPath, depth: depth + 1, type: fields.get(key) });
          // Its content has not been examined, so it must not be converted.
          else refuse(itemPath, 'is not a known field', typeof item === 'object' && item !== null);
          if (faults.length >= MOST_FAULTS) break;
        }
      }
    }
  }
  return { faults, unsafe: unsafe || faults.length >= MOST_FAULTS };
}

const known = new WeakMap<Class, ReadonlyMap<string, Class | undefined>>();

/** The fields that a class has rules for, with the classes of their values. */
function fieldsOf(type: Class): ReadonlyMap<string, Class | undefined> {
  const found = known.get(type);
  if (found !== undefined) return found;
  const rules = storage.getTargetValidationMetadatas(type, '', false, false);
  const typeOf = (field: string): Class | undefined =>
    (defaultMetadataStorage as TypeStorage).findTypeMetadata(type, field)?.typeFunction?.();
  const fields = new Map(rules.map(({ propertyName }) => [propertyName, typeOf(propertyName)]));
  known.set(type, fields);
  return fields;
}

/** The part of class-transformer's storage used here. */
interface TypeStorage {
  findTypeMetadata(target: Class, field: string): { readonly typeFunction?: () => Class } | undefined;
}

function faultsOf({ property, value, constraints, children }: ValidationError, prefix: string, inList: boolean): Fault[] {
  const path = inList ? `${prefix}[${property}]` : prefix === '' ? property : `${prefix}.${property}`;
  const below = (children ?? []).flatMap((child) => faultsOf(child, path, Array.isArray(value)));
  if (constraints === undefined) return below;
  const [[rule, message] = ['', '']] = Object.entries(constraints);
  return [{ field: path.slice(0, 300), message: said(rule, message, property, value) }, ...below];
}

function said(rule: string, message: string, property: string, value: unknown): string {
  if (rule === 'whitelistValidation') return 'is not a known field';
  if (value === undefined) return `${property} is required`;
  return rule === 'nestedValidation' ? 'must be an object' : message;
}
