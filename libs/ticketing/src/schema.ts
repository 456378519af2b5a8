import * as v from 'valibot';
import { type Fault, type Instant, isName } from '#eventsourcing';
import { isFields } from './plain-json.js';

/**
 * The vocabulary in which terms, schedules and documents are declared. One declaration gives the type (`Static`), the check (`faultsOf`)
 * and the JSON Schema (json-schema.ts). A message continues the name of its field: 'must be a whole number from 1 to 100'.
 */

/** The type of what a schema accepts: plain JSON, immutable. */
export type Static<S extends v.GenericSchema> = Frozen<v.InferOutput<S>>;
type Frozen<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Frozen<T[Key]> }
      : T;

/** Fallback for schemas without a message, in the same wording, without quoting the input. */
v.setGlobalMessage(({ expected }) => {
  const words = (expected ?? 'valid').replace(/^\(|\)$/g, '').split(' | ');
  return `must be ${words.length > 1 ? 'one of ' : ''}${words.join(', ').replaceAll('"', '')}`;
});

export const optional = v.optional;
export const literal = v.literal;
/** Any JSON object. */
export const anyObject = ofJson(v.record(v.string(), v.unknown(), 'must be an object'), () => undefined) as v.GenericSchema<object>;
/** Any JSON value. */
export const anything = v.unknown();
export const text = v.string('must be text');
export const flag = v.boolean('must be true or false');
export const uuid = piped(v.string('must be a UUID'), v.uuid('must be a UUID'));
/** UTC with milliseconds: `2026-11-20T08:40:00.000Z`. */
export const instant = piped(
  v.string('must be an instant') as v.GenericSchema<string>,
  v.isoTimestamp('must be an instant'),
) as v.GenericSchema<Instant>;

/** A name: one line of limited length (characters), without invisible characters. */
export function name(max: number, message = `must be text of 1 to ${max} characters, not blank, on one line`) {
  return that(piped(v.string(message), v.regex(/\S/, message), v.maxLength(max, message)), (text) => isName(text, max), message);
}

export function matching(pattern: RegExp, message: string, max?: number) {
  return piped(v.string(message), v.regex(pattern, message), ...(max === undefined ? [] : [v.maxLength(max, message)]));
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number, message = `must be a whole number from ${min} to ${max}`) {
  return piped(v.number(message), v.safeInteger(message), v.minValue(min, message), v.maxValue(max, message));
}

/** A number within bounds, both included. */
export function between(min: number, max: number, message = `must be a number from ${min} to ${max}`) {
  return piped(v.number(message), v.minValue(min, message), v.maxValue(max, message));
}

/** How many: a whole number, 0 or more. */
export const count = whole(0, Number.MAX_SAFE_INTEGER, 'must be a whole number, 0 or more');

/** Any number. */
export const number = v.number('must be a number') as v.GenericSchema<number>;

/** Null if there is no value. */
export const nullable = v.nullable;

/** Any whole number. */
export const integer = whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'must be a whole number');

export function oneOf<const Word extends string>(words: readonly Word[]) {
  return v.picklist(words, `must be one of ${words.join(', ')}`);
}

/** @param what name of the items in messages: 'holidays' */
export function listOf<Item extends v.GenericSchema>(item: Item, what = 'items') {
  return v.array(item, `must be a list of ${what}`);
}

/** A list of limited length. */
export function boundedList<Item extends v.GenericSchema>(item: Item, min: number, max: number, what: string) {
  const message = `must be a list of ${min === 0 ? 'at most' : `${min} to`} ${max} ${what}`;
  return piped(v.array(item, message), v.minLength(min, message), v.maxLength(max, message));
}

/** The same schema, but with one message for the whole, whatever is wrong inside. */
export function asOne<S extends v.GenericSchema>(schema: S, message: string): S {
  return withRun(schema, (dataset, config) => {
    const { typed, value, issues } = schema['~run'](dataset, config);
    return (issues === undefined ? { typed, value } : { typed, value, issues: [{ ...issues[0], message, path: undefined }] }) as never;
  });
}

/** An object with exactly these fields. */
export function fields<const Entries extends v.ObjectEntries>(entries: Entries) {
  return strict(entries, 'must be an object', 'is not a known field');
}

/** An object with these fields. Others are ignored. */
export function open<const Entries extends v.ObjectEntries>(entries: Entries, message = 'must be an object') {
  return ofJson(v.object(entries, objectMessage(message)), () => undefined);
}

/** An object with all of the keys and one type of value. */
export function forEach<const Key extends string, Value extends v.GenericSchema>(keys: readonly Key[], value: Value) {
  const words = keys.join(', ');
  return strict(v.entriesFromList(keys, value), `must be an object with ${words}`, `must be one of ${words}`);
}

/** An object with any of the keys. */
export function forSome<const Key extends string, Value extends v.GenericSchema>(keys: readonly Key[], value: Value) {
  const words = keys.join(', ');
  return strict(v.entriesFromList(keys, v.optional(value)), `must be an object with some of ${words}`, `must be one of ${words}`);
}

/** An object with arbitrary keys. */
export function recordOf<Value extends v.GenericSchema>(value: Value, message = 'must be an object', key: v.GenericSchema<string> = text) {
  // Valibot skips names such as `constructor`: each existing key is checked as a field.
  return ofJson(v.record(key, value, message), (input) => ({
    ...Object.fromEntries(Object.keys(input).map((name) => [name, v.is(key, name) ? value : refused(key, name)])),
  }));
}

function refused(key: v.GenericSchema<string>, name: string) {
  return v.never(v.safeParse(key, name).issues?.[0].message ?? '');
}

/** Some of the fields of another object. */
export function parts<Entries extends v.ObjectEntries, Name extends keyof Entries>(
  { entries }: { readonly entries: Entries },
  ...names: readonly Name[]
): Pick<Entries, Name> {
  return Object.fromEntries(names.map((name) => [name, entries[name]])) as Pick<Entries, Name>;
}

/** One of several kinds of object, distinguished by a field. */
export const oneOfKinds = v.variant;

/** The first schema that accepts it. */
export function unionOf<const Options extends v.UnionOptions>(options: Options, message = 'has the wrong shape') {
  return v.union(options, message);
}

/** The description of a field: meaning and units. */
export function about<S extends v.GenericSchema>(schema: S, description: string): S {
  return piped(schema, v.description(description));
}

/** A schema that is published under its own name: documents refer to it instead of repeating it. */
export function refer<S extends v.GenericSchema>(schema: S) {
  return v.lazy(() => schema);
}

/** A broken rule across fields, and where, relative to the value that the rule checks. */
export interface Breach {
  readonly at: readonly (string | number)[];
  readonly message: string;
}

/** A rule across the fields of a value, as code. It is checked once the shape is right. */
export function withRule<S extends v.GenericSchema>(schema: S, rule: (value: Static<S>) => readonly Breach[]): S {
  const check = v.rawCheck<unknown>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { at, message } of rule(dataset.value as Static<S>)) {
      const [first, ...rest] = at.map(
        (key) => ({ type: typeof key === 'number' ? 'array' : 'object', origin: 'value', input: dataset.value, key }) as v.IssuePathItem,
      );
      addIssue(first === undefined ? { message } : { message, path: [first, ...rest] });
    }
  });
  return piped(schema, check);
}

/** A rule for a value as a whole. */
export function that<S extends v.GenericSchema>(schema: S, holds: (value: Static<S>) => boolean, message: string): S {
  return withRule(schema, (value) => (holds(value) ? [] : [{ at: [], message }]));
}

/**
 * All faults of a value from outside, each with its field. None means that it has the schema's type.
 * @param field where the value is in the input, such as `terms`
 */
export function faultsOf(schema: v.GenericSchema, value: unknown, field = ''): readonly Fault[] {
  const seen = new Set<string>();
  return (v.safeParse(schema, value).issues ?? [])
    .flatMap((issue) => toldOf(issue, field))
    .filter((fault) => {
      const key = `${fault.field} ${fault.message}`;
      return !seen.has(key) && seen.add(key);
    });
}

function toldOf(issue: v.BaseIssue<unknown>, base: string): readonly Fault[] {
  const field = (issue.path ?? []).reduce((path, { type, key }) => pathTo(path, type === 'array' ? Number(key) : String(key)), base);
  // Of several shapes, the one meant is the one with a field that is present.
  const inside = issue.issues?.filter(({ path }) => path?.[0].value !== undefined) ?? [];
  return inside.length > 0 ? inside.flatMap((one) => toldOf(one, field)) : [{ field, message: issue.message }];
}

/** JSON path of a field or item below another path. */
export function pathTo(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** A pipe has the type of its first schema: Valibot's own types name every step, which makes them unreadable. */
function piped<S extends v.GenericSchema>(schema: S, ...steps: readonly object[]): S {
  return v.pipe(schema, ...(steps as v.GenericMetadata[])) as never;
}

function strict<const Entries extends v.ObjectEntries>(entries: Entries, message: string, unknownField: string) {
  return ofJson(v.strictObject(entries, objectMessage(message, unknownField)), (input) => {
    // Valibot names only the first unknown field.
    const unknown = Object.keys(input).filter((key) => !Object.hasOwn(entries, key));
    return unknown.length < 2 ? undefined : { ...entries, ...Object.fromEntries(unknown.map((key) => [key, v.never(unknownField)])) };
  });
}

function objectMessage(message: string, unknownField = message) {
  return ({ expected }: v.BaseIssue<unknown>) => (expected === 'Object' ? message : expected === 'never' ? unknownField : 'is missing');
}

/**
 * Objects are JSON objects: Valibot also accepts arrays.
 * @param fieldsOf fields to check instead of the schema's
 */
function ofJson<S extends v.GenericSchema & { readonly message: unknown }>(
  schema: S,
  fieldsOf: (input: Readonly<Record<string, unknown>>) => v.ObjectEntries | undefined,
): S {
  return withRun(schema, ({ value }, config) => {
    const entries = isFields(value) ? fieldsOf(value) : undefined;
    const checked = entries === undefined ? schema : v.object(entries, schema.message as v.ErrorMessage<v.ObjectIssue>);
    return checked['~run']({ value: isFields(value) ? value : undefined }, config) as never;
  });
}

function withRun<S extends v.GenericSchema>(schema: S, run: S['~run']): S {
  return { ...schema, '~run': run };
}
