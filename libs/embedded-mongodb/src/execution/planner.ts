import { inverted, isNumber, keyBracket, keyOf, numberOf, type Texts } from '../bson/order.js';
import { indexOfComponent } from '../bson/paths.js';
import { Arr, Doc, Double, MAX_KEY, MIN_KEY, Regex, show, UNDEFINED, type Value } from '../bson/values.js';
import { badValue, ServerError } from '../errors.js';
import { isTextual, sameCollation, type Collation } from '../query/collation.js';
import { compileRelation, type Filter } from '../query/filter.js';
import type { KeyField } from '../query/keys.js';
import { literalPrefix } from '../query/patterns.js';
import {
  afterPrefix,
  indexPrefix,
  namespaceOf,
  visibleIndexes,
  recordKey,
  recordPrefix,
  type Collection,
  type Entry,
  type Index,
  type KeyRange,
  type Reader,
} from '../storage/store.js';
import { PAUSE, type Source } from './source.js';

/** How much a plan has read. */
export type Counters = { keys: number; documents: number };

export const noCounters = (): Counters => ({ keys: 0, documents: 0 });

const PAUSE_EVERY = 128;

/** How the documents of a query are found; each one still has to be tested. */
export type Plan = {
  readonly stage: 'IDHACK' | 'IXSCAN' | 'COLLSCAN';
  /** The index, or undefined if the collection itself is read, in _id order. */
  readonly index: Index | undefined;
  /** In key order, without overlaps. */
  readonly ranges: readonly KeyRange[];
  readonly reverse: boolean;
  /** Whether the documents come in sort order. */
  readonly sorted: boolean;
  /** Whether only each range by itself is in sort order: then they are merged. */
  readonly parts: readonly Part[] | undefined;
  /** Whether each key in the ranges is exactly one match. */
  readonly exact: boolean;
  /** How many leading fields are bound to single values, and whether a range follows. */
  readonly points: number;
  readonly bounded: boolean;
  /** The number of the index, or of the collection if the index on _id is used; undefined if none is used. */
  readonly uses: number | undefined;
  /** For each alternative, its bounds for the first fields of the index, for `explain`. */
  readonly bounds: readonly (readonly (readonly Interval[])[])[];
};

/** The ranges whose keys begin with the same values, up to the sort fields. */
type Part = { readonly prefix: number; readonly ranges: readonly KeyRange[] };

/** A place between keys: before or after all keys that begin with these bytes; and how `explain` shows it. */
type Edge = { readonly bytes: Buffer; readonly after: boolean; readonly value: Value; readonly included: boolean };
type Interval = {
  readonly low: Edge;
  readonly high: Edge;
  /** The key, if it is the only one. */ readonly point: Buffer | undefined;
  readonly exact: boolean;
};

const at = (bytes: Buffer, value: Value): Interval => ({
  low: { bytes, after: false, value, included: true },
  high: { bytes, after: true, value, included: true },
  point: bytes,
  exact: true,
});

type Condition = Extract<Filter, { path: string }>;

/** If a query has more alternatives than this, its `$or` is tested and not used for planning. */
const MOST_ALTERNATIVES = 64;
const MOST_RANGES = 2000;
/** With more parts than this, documents are sorted instead of merged, as on a server. */
const MOST_PARTS = 200;

/** The alternatives of a filter: a document matches if all conditions of one of them hold. */
const alternatives = (filter: Filter): readonly (readonly Filter[])[] => {
  if (filter.op === 'or') {
    const all = filter.of.flatMap(alternatives);
    return all.length > MOST_ALTERNATIVES ? [[filter]] : all;
  }
  if (filter.op !== 'and') return [[filter]];
  let product: Filter[][] = [[]];
  for (const part of filter.of) {
    const each = alternatives(part);
    const only = each.length * product.length > MOST_ALTERNATIVES ? [part] : each.length === 1 ? each[0] : undefined;
    // Not copied for each of many conditions.
    if (only !== undefined) for (const known of product) for (const one of only) known.push(one);
    else product = product.flatMap((known) => each.map((more) => [...known, ...more]));
  }
  return product;
};

/** How an index orders strings: by a collation, with other strings for them in its keys. */
type TextOrder = { readonly collation: Collation | undefined; readonly texts: Texts | undefined };

const textOrderOf = (reader: Reader, index: Index | undefined): TextOrder => ({
  collation: index?.collation,
  texts: index && reader.texts(index),
});

/** The keys of an index that satisfy a condition, or undefined if it does not restrict them. */
const intervalsOf = (condition: Condition, { collation, texts }: TextOrder): readonly Interval[] | undefined => {
  switch (condition.op) {
    case 'compare':
      if (isTextual(condition.operand) && !sameCollation(condition.collation, collation)) return undefined;
      return ofRelation(condition.relation, condition.operand, texts);
    case 'in': {
      if (condition.operands.some(isTextual) && !sameCollation(condition.collation, collation)) return undefined;
      if (collation && condition.operands.some((operand) => operand instanceof Regex)) return undefined;
      const intervals: Interval[] = [];
      for (const operand of condition.operands) {
        const found = operand instanceof Regex ? ofRegex(operand) : ofRelation('eq', operand, texts);
        if (!found) return undefined;
        intervals.push(...found);
      }
      const distinct = new Map(
        intervals.map((interval) => [`${interval.point !== undefined}${interval.low.bytes.toString('latin1')}`, interval]),
      );
      return [...distinct.values()].sort((a, b) => Buffer.compare(a.low.bytes, b.low.bytes));
    }
    case 'regex':
      // A pattern applies to the original string.
      return collation ? undefined : ofRegex(condition.regex);
    default:
      return undefined;
  }
};

/** The strings with the pattern's prefix, and the pattern itself, which a query for it also finds. */
const ofRegex = (regex: Regex): readonly Interval[] | undefined => {
  const { text, whole } = literalPrefix(regex.pattern, regex.options);
  if (!text) return undefined;
  // Without the two zeros that end a string in a key.
  const bytes = keyOf(text).subarray(0, -2);
  const characters = [...text];
  const last = (characters.pop() as string).codePointAt(0) as number;
  const next = characters.join('') + String.fromCodePoint(Math.min(last + 1, 0x10ffff));
  return [
    {
      low: { bytes, after: false, value: text, included: true },
      high: { bytes, after: true, value: next, included: false },
      point: undefined,
      exact: whole,
    },
    at(keyOf(regex), regex),
  ];
};

const ofRelation = (relation: string, operand: Value, texts: Texts | undefined): readonly Interval[] | undefined => {
  // An array is indexed element by element, and MinKey and MaxKey compare across types: neither is used for bounds.
  if (operand instanceof Arr || ((operand === MIN_KEY || operand === MAX_KEY) && relation !== 'eq')) return undefined;
  // Null also means undefined and missing values.
  if (operand === null)
    return relation === 'lt' || relation === 'gt'
      ? []
      : [UNDEFINED, null].map((value) => ({ ...at(Buffer.from([value === null ? 20 : 15]), value), exact: false }));
  let key: Buffer;
  try {
    key = keyOf(operand, texts);
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
  if (relation === 'eq') return [at(key, operand)];
  const bracket = keyBracket(operand);
  // NaN, the lowest number, is not less than any number in a query, and equal only to itself.
  const nan = isNumber(operand) && key[0] === 29;
  if (nan) return relation === 'lt' || relation === 'gt' ? [] : [at(key, operand)];
  const bottom: Edge = { bytes: Buffer.from([isNumber(operand) ? 30 : bracket.from]), after: false, ...endOfType(operand, -1) };
  const top: Edge = { bytes: Buffer.from([bracket.to]), after: false, ...endOfType(operand, 1) };
  const make = (low: Edge, high: Edge): readonly Interval[] => [{ low, high, point: undefined, exact: true }];
  switch (relation) {
    case 'lt':
      return make(bottom, { bytes: key, after: false, value: operand, included: false });
    case 'lte':
      return make(bottom, { bytes: key, after: true, value: operand, included: true });
    case 'gt':
      return make({ bytes: key, after: true, value: operand, included: false }, top);
    default:
      return make({ bytes: key, after: false, value: operand, included: true }, top);
  }
};

/** How `explain` shows the lower or upper bound of a type. */
const endOfType = (value: Value, side: -1 | 1): Pick<Edge, 'value' | 'included'> => {
  if (isNumber(value)) return { value: new Double(side * Infinity), included: true };
  if (typeof value === 'string') return side < 0 ? { value: '', included: true } : { value: Doc.empty, included: false };
  return { value: side < 0 ? MIN_KEY : MAX_KEY, included: false };
};

const compareEdges = (a: Edge, b: Edge): number => {
  const left = a.after ? afterPrefix(a.bytes) : a.bytes;
  const right = b.after ? afterPrefix(b.bytes) : b.bytes;
  return Buffer.compare(left, right);
};

const intersect = (a: readonly Interval[], b: readonly Interval[]): readonly Interval[] => {
  const found: Interval[] = [];
  for (const left of a)
    for (const right of b) {
      const low = compareEdges(left.low, right.low) >= 0 ? left.low : right.low;
      const high = compareEdges(left.high, right.high) <= 0 ? left.high : right.high;
      if (compareEdges(low, high) < 0)
        found.push({
          low,
          high,
          point: left.point && right.point ? left.point : (left.point ?? right.point),
          exact: left.exact && right.exact,
        });
    }
  return found;
};

type FieldBounds = { readonly intervals: readonly Interval[]; readonly used: readonly Filter[] };

/** The conditions of an alternative on one field of an index. */
const boundsOfField = (conditions: readonly Filter[], path: string, array: boolean, order: TextOrder): FieldBounds | undefined => {
  let bounds: FieldBounds | undefined;
  for (const condition of conditions) {
    if (!('path' in condition) || condition.path !== path) continue;
    const intervals = intervalsOf(condition, order);
    if (!intervals) continue;
    if (!bounds) bounds = { intervals, used: [condition] };
    // Two elements of one array may satisfy two conditions, so their bounds must not be combined. The narrower one is used.
    else if (array) {
      if (isPoints(intervals) && !isPoints(bounds.intervals)) bounds = { intervals, used: [condition] };
    } else bounds = { intervals: intersect(bounds.intervals, intervals), used: [...bounds.used, condition] };
  }
  return bounds;
};

const isPoints = (intervals: readonly Interval[]): boolean => intervals.every(({ point }) => point !== undefined);

type Place = Pick<Edge, 'bytes' | 'after'>;

const inverse = ({ bytes, after }: Place): Place => ({ bytes: inverted(bytes), after: !after });

const edgeKey = (prefix: Buffer, { bytes, after }: Place): Buffer => {
  const key = Buffer.concat([prefix, bytes]);
  return after ? afterPrefix(key) : key;
};

type AlternativeBounds = {
  readonly ranges: readonly KeyRange[];
  readonly single: readonly string[];
  /** Prefixes of keys with values for this many fields. */
  readonly prefixes: readonly (readonly Buffer[])[];
  readonly points: number;
  readonly bounded: boolean;
  readonly exact: boolean;
  readonly intervals: readonly (readonly Interval[])[];
};

/** The ranges of an index needed for an alternative. */
const rangesOf = (
  conditions: readonly Filter[],
  fields: readonly KeyField[],
  arrays: readonly number[],
  prefix: Buffer,
  order: TextOrder,
): AlternativeBounds => {
  let prefixes: readonly Buffer[] = [prefix];
  const known: (readonly Buffer[])[] = [prefixes];
  const single: string[] = [];
  const intervals: (readonly Interval[])[] = [];
  const roots = new Set<string>();
  let points = 0;
  let onlySingle = true;
  let exact = true;
  const used = new Set<Filter>();
  const done = (ranges: readonly KeyRange[], bounded: boolean): AlternativeBounds => ({
    ranges,
    single,
    prefixes: known,
    points,
    bounded,
    intervals,
    exact:
      exact && !arrays.length && conditions.every((condition) => used.has(condition) || (condition.op === 'always' && condition.value)),
  });
  for (const [field, { path, parts, direction }] of fields.entries()) {
    const array = arrays.includes(field);
    // Fields below one array are indexed element by element; different elements may satisfy conditions on them.
    const shared = array && roots.has(parts[0] as string);
    roots.add(parts[0] as string);
    const bounds = shared ? undefined : boundsOfField(conditions, path, array, order);
    if (!bounds) break;
    if (bounds.intervals.length * prefixes.length > MOST_RANGES) break;
    for (const condition of bounds.used) used.add(condition);
    intervals.push(bounds.intervals);
    if (bounds.intervals.some((interval) => !interval.exact)) exact = false;
    if (!isPoints(bounds.intervals)) {
      const ranges = prefixes.flatMap((before) =>
        bounds.intervals.map(({ low, high }) => {
          const [from, to] = direction === 1 ? [low, high] : [inverse(high), inverse(low)];
          return { start: edgeKey(before, from), end: edgeKey(before, to) };
        }),
      );
      return done(ranges, true);
    }
    prefixes = prefixes.flatMap((before) =>
      bounds.intervals.map(({ point }) => Buffer.concat([before, direction === 1 ? (point as Buffer) : inverted(point as Buffer)])),
    );
    known.push(prefixes);
    points++;
    if (bounds.intervals.length !== 1) onlySingle = false;
    if (onlySingle) single.push((bounds.intervals[0] as Interval & { point: Buffer }).point.toString('latin1'));
  }
  return done(
    prefixes.map((before) => ({ start: before, end: afterPrefix(before) })),
    points > 0,
  );
};

const merged = (ranges: readonly KeyRange[]): readonly KeyRange[] => {
  const sorted = ranges.filter(({ start, end }) => Buffer.compare(start, end) < 0).sort((a, b) => Buffer.compare(a.start, b.start));
  const result: KeyRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last && Buffer.compare(range.start, last.end) < 0) {
      if (Buffer.compare(range.end, last.end) > 0) result[result.length - 1] = { start: last.start, end: range.end };
    } else result.push(range);
  }
  return result;
};

/**
 * Whether the keys of an index are in sort order, forwards or backwards.
 * @param constant how many leading fields have one value
 * @param passed how many have one value in each part that is read
 */
const orderOf = (
  fields: readonly KeyField[],
  constant: number,
  passed: number,
  sort: readonly KeyField[],
  arrays: readonly number[],
  collation: Collation | undefined,
): { readonly sorted: boolean; readonly reverse: boolean } => {
  const no = { sorted: false, reverse: false };
  if (!sort.length) return { sorted: true, reverse: false };
  if (!sameCollation(sort[0]?.collation, collation)) return no;
  // An array is sorted by its lowest or highest element, whatever its other entries are.
  const array = (path: string): boolean => arrays.some((field) => fields[field]?.path === path);
  if (sort.some(({ path }) => array(path))) return no;
  const fixed = new Set(fields.slice(0, constant).map(({ path }) => path));
  const wanted = sort.filter(({ path }) => !fixed.has(path));
  const rest = fields.slice(passed);
  if (wanted.length > rest.length || !wanted.every(({ path }, index) => rest[index]?.path === path)) return no;
  const signs = new Set(wanted.map(({ direction }, index) => direction * (rest[index]?.direction ?? 1)));
  return signs.size > 1 ? no : { sorted: true, reverse: signs.has(-1) };
};

/** Ranges by the first fields of their keys; undefined if these are not single values, or too many. */
const partsOf = (ranges: readonly KeyRange[], bounds: readonly AlternativeBounds[], passed: number): readonly Part[] | undefined => {
  const parts = new Map<string, { readonly prefix: number; readonly ranges: KeyRange[] }>();
  for (const { prefixes } of bounds)
    for (const prefix of prefixes[passed] ?? []) {
      parts.set(prefix.toString('latin1'), { prefix: prefix.length, ranges: [] });
      if (parts.size > MOST_PARTS) return undefined;
    }
  const lengths = [...new Set([...parts.values()].map(({ prefix }) => prefix))];
  for (const range of ranges) {
    // At most one, because no value's key is a prefix of another's.
    const length = lengths.find((each) => each <= range.start.length && parts.has(range.start.toString('latin1', 0, each)));
    if (length === undefined) return undefined;
    parts.get(range.start.toString('latin1', 0, length))?.ranges.push(range);
  }
  return [...parts.values()];
};

/** Whether a condition holds only for documents with a value at its path. */
const demandsPresence = (condition: Filter, path: string): boolean => {
  if (!('path' in condition) || condition.path !== path) return false;
  if (condition.op === 'exists' || condition.op === 'regex') return true;
  if (condition.op === 'compare') return condition.operand !== null && condition.operand !== MIN_KEY && condition.operand !== MAX_KEY;
  return condition.op === 'in' && condition.operands.every((operand) => operand !== null);
};

const equalFilters = (a: Condition, b: Condition): boolean =>
  a.op === 'compare' && b.op === 'compare' && a.relation === b.relation && keyEquals(a.operand, b.operand);
const keyEquals = (a: Value, b: Value): boolean => {
  try {
    return keyOf(a).equals(keyOf(b));
  } catch {
    return false;
  }
};

/** Whether the conditions of an alternative match only documents in a partial index. */
const implies = (conditions: readonly Filter[], wanted: Filter): boolean => {
  if (wanted.op === 'always') return wanted.value;
  if (wanted.op === 'and') return wanted.of.every((part) => implies(conditions, part));
  if (wanted.op === 'or') return wanted.of.some((part) => implies(conditions, part));
  if (wanted.op === 'exists') return conditions.some((condition) => demandsPresence(condition, wanted.path));
  if (wanted.op !== 'compare') return false;
  const test = compileRelation(wanted.relation, wanted.operand, wanted.collation);
  return conditions.some((condition) => {
    if (!('path' in condition) || condition.path !== wanted.path) return false;
    if (condition.op !== 'in' && condition.op !== 'compare') return false;
    if (isTextual(wanted.operand) && !sameCollation(condition.collation, wanted.collation)) return false;
    if (condition.op === 'in')
      return (
        condition.operands.length > 0 &&
        condition.operands.every((operand) => !(operand instanceof Regex) && operand !== null && !(operand instanceof Arr) && test(operand))
      );
    if (equalFilters(condition, wanted)) return true;
    if (condition.operand === null || condition.operand instanceof Arr || condition.operand === MIN_KEY || condition.operand === MAX_KEY)
      return false;
    if (condition.relation === 'eq') return test(condition.operand);
    // A bound on the same side that is at least as narrow.
    if (wanted.relation === 'eq' || condition.relation[0] !== wanted.relation[0]) return false;
    return test(condition.operand) || (condition.relation.length === 2 && keyEquals(condition.operand, wanted.operand));
  });
};

const usable = (index: Index, all: readonly (readonly Filter[])[]): boolean => {
  if (index.fields.some(({ parts }) => parts.some((part) => indexOfComponent(part) >= 0))) return false;
  return all.every((conditions) => {
    if (index.sparse && !index.fields.some(({ path }) => conditions.some((condition) => demandsPresence(condition, path)))) return false;
    return !index.partial || implies(conditions, index.partial.filter);
  });
};

const idField: readonly KeyField[] = [{ path: '_id', parts: ['_id'], direction: 1 }];

const planWith = (
  reader: Reader,
  index: Index | undefined,
  collection: Collection,
  all: readonly (readonly Filter[])[],
  sort: readonly KeyField[],
): Plan => {
  const fields = index ? index.fields : idField;
  const prefix = index ? indexPrefix(index) : recordPrefix(collection);
  const arrays = index?.arrays ?? [];
  const order = textOrderOf(reader, index);
  const bounds = all.map((conditions) => rangesOf(conditions, fields, arrays, prefix, order));
  const ranges = merged(bounds.flatMap((bound) => bound.ranges));
  let constant = 0;
  const [first] = bounds;
  if (first) while (bounds.every(({ single }) => single[constant] !== undefined && single[constant] === first.single[constant])) constant++;
  const points = Math.min(...bounds.map((bound) => bound.points));
  let { sorted, reverse } = orderOf(fields, constant, constant, sort, arrays, order.collation);
  let parts: readonly Part[] | undefined;
  for (let passed = constant + 1; !sorted && index && passed <= points && bounds.length; passed++) {
    const inParts = orderOf(fields, constant, passed, sort, arrays, order.collation);
    parts = inParts.sorted ? partsOf(ranges, bounds, passed) : undefined;
    if (parts) ({ sorted, reverse } = inParts);
  }
  const bounded = bounds.every((bound) => bound.bounded);
  return {
    stage: index ? 'IXSCAN' : points > 0 ? 'IDHACK' : 'COLLSCAN',
    index,
    ranges,
    reverse,
    sorted,
    parts,
    exact: bounds.length === 1 && (first?.exact ?? false),
    points: points === Infinity ? 0 : points,
    bounded,
    uses: index ? index.number : bounded || (sorted && sort.length) ? collection.number : undefined,
    bounds: bounds.map(({ intervals }) => intervals),
  };
};

const score = (plan: Plan, sort: readonly KeyField[]): number => {
  if (plan.stage === 'IDHACK') return 1000;
  const order = sort.length && plan.sorted ? 5 : 0;
  if (!plan.bounded) return order + (plan.index ? 0 : 1);
  return plan.points * 10 + 4 + order;
};

/** How many keys of a plan are counted to compare it with another one. */
const PROBE = 100;

const probe = (reader: Reader, plan: Plan, most = PROBE): number => {
  let keys = 0;
  for (const range of plan.ranges) {
    for (const _ of reader.entries(range)) if (++keys >= most) return keys;
  }
  return keys;
};

/**
 * The conditions in an order for an index: if several of them name a value of one array, only the first of them bounds the index, so the
 * rarest one should be first.
 */
const rarestFirst = (reader: Reader, index: Index, collection: Collection, conditions: readonly Filter[]): readonly Filter[] => {
  const order = textOrderOf(reader, index);
  for (const field of index.arrays) {
    const path = index.fields[field]?.path;
    const values = conditions.filter(
      (condition) => condition.op === 'compare' && condition.path === path && condition.relation === 'eq' && intervalsOf(condition, order),
    );
    if (values.length < 2) continue;
    const plans = values.map((value) => ({ value, plan: planWith(reader, index, collection, [[value, ...conditions]], []) }));
    for (const most of [PROBE, 10 * PROBE]) {
      const [rarest] = plans.map(({ value, plan }) => ({ value, keys: probe(reader, plan, most) })).sort((a, b) => a.keys - b.keys);
      if (rarest && (rarest.keys < most || most > PROBE)) return [rarest.value, ...conditions];
    }
  }
  return conditions;
};

/** For how many leading fields of its index a plan has bounds. */
const boundFields = ({ bounds }: Plan): number => Math.min(...bounds.map((intervals) => intervals.length));

/** Whether a plan uses conditions for its bounds that another one leaves to be tested, so that it may have fewer keys. */
const asksElse = (plan: Plan, other: Plan): boolean =>
  boundFields(plan) > boundFields(other) || plan.index?.fields[0]?.path !== other.index?.fields[0]?.path;

export type Hint = string | Doc | undefined;

const hinted = (
  reader: Reader,
  collection: Collection,
  hint: Hint,
  all: readonly (readonly Filter[])[],
  sort: readonly KeyField[],
): Plan | undefined => {
  if (hint === undefined || (hint instanceof Doc && !hint.size)) return undefined;
  if (hint instanceof Doc && hint.keys[0] === '$natural')
    return {
      ...planWith(reader, undefined, collection, [[]], []),
      reverse: numberOf(hint.values[0]) < 0,
      sorted: !sort.length,
      exact: false,
    };
  const pattern = (doc: Doc): string => doc.keys.map((key, index) => `${key}:${numberOf(doc.values[index])}`).join();
  const isId = hint instanceof Doc ? pattern(hint) === '_id:1' : hint === '_id_';
  if (isId) return { ...planWith(reader, undefined, collection, all, sort), uses: collection.number };
  const [index, other] = visibleIndexes(collection).filter((known) =>
    hint instanceof Doc ? pattern(known.spec.get('key') as Doc) === pattern(hint) : known.name === hint,
  );
  if (index && other)
    throw new ServerError(27, `Hint matched multiple indexes, must hint by index name. Matched: ${index.name} and ${other.name}`);
  if (!index)
    throw badValue('error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index');
  return planWith(reader, index, collection, all, sort);
};

/** The _id required by a filter, if any. */
const demandedId = (filter: Filter): Value | undefined => {
  if (filter.op === 'compare')
    return filter.path === '_id' &&
      filter.relation === 'eq' &&
      filter.operand !== null &&
      !(filter.operand instanceof Arr) &&
      !(filter.collation && isTextual(filter.operand))
      ? filter.operand
      : undefined;
  if (filter.op !== 'and') return undefined;
  for (const part of filter.of) {
    const id = part.op === 'compare' ? demandedId(part) : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
};

/** Chooses how the documents of a query are found. */
export const choosePlan = (reader: Reader, collection: Collection, filter: Filter, sort: readonly KeyField[] = [], hint?: Hint): Plan => {
  // Most writes name one _id: they need no search for an index.
  const id = hint === undefined ? demandedId(filter) : undefined;
  if (id !== undefined) {
    const start = recordKey(collection, keyOf(id));
    return {
      stage: 'IDHACK',
      index: undefined,
      ranges: [{ start, end: start }],
      reverse: false,
      sorted: true,
      parts: undefined,
      exact: false,
      points: 1,
      bounded: true,
      uses: collection.number,
      bounds: [],
    };
  }
  const all = alternatives(filter);
  const forced = hinted(reader, collection, hint, all, sort);
  if (forced) return forced;
  const natural = planWith(reader, undefined, collection, all, sort);
  const ready = visibleIndexes(collection);
  if (natural.stage === 'IDHACK' || !ready.length) return natural;
  const plans = [
    natural,
    ...ready
      .filter((index) => usable(index, all))
      .map((index) =>
        planWith(reader, index, collection, all[0] && all.length === 1 ? [rarestFirst(reader, index, collection, all[0])] : all, sort),
      ),
  ]
    .map((plan) => ({ plan, score: score(plan, sort) }))
    .sort((a, b) => b.score - a.score);
  const [best, second] = plans as [(typeof plans)[number], (typeof plans)[number] | undefined];
  // Reading and sorting a few documents is faster than searching many, in whatever order.
  const others = plans.filter(({ plan }) => plan.bounded && asksElse(plan, best.plan));
  if (others.length && probe(reader, best.plan) >= PROBE) {
    const narrow = others.find(({ plan }) => probe(reader, plan) < PROBE);
    if (narrow) return narrow.plan;
  }
  if (!second || !best.plan.bounded || !second.plan.bounded || best.plan.sorted !== second.plan.sorted || best.score - second.score > 10)
    return best.plan;
  // Two candidate indexes: choose the one with fewer keys, as far as a short count shows.
  return probe(reader, second.plan) < probe(reader, best.plan) ? second.plan : best.plan;
};

function* entriesOf(reader: Reader, ranges: readonly KeyRange[], reverse: boolean): Generator<Entry, void, undefined> {
  for (const range of reverse ? ranges.toReversed() : ranges) yield* reader.entries({ ...range, reverse });
}

/** Merges entries of parts that are each in sort order. */
function* mergedEntries(reader: Reader, parts: readonly Part[], reverse: boolean): Generator<Entry, void, undefined> {
  type Head = { readonly entry: Entry; readonly rest: Buffer; readonly prefix: number; readonly left: Iterator<Entry> };
  const heads: Head[] = [];
  const side = reverse ? -1 : 1;
  const advance = (left: Iterator<Entry>, prefix: number): void => {
    const next = left.next();
    if (next.done) return;
    const rest = next.value.key.subarray(prefix);
    let [low, high] = [0, heads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (side * Buffer.compare((heads[middle] as Head).rest, rest) <= 0) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, { entry: next.value, rest, prefix, left });
  };
  try {
    for (const { prefix, ranges } of parts) advance(entriesOf(reader, ranges, reverse), prefix);
    for (let head = heads.shift(); head; head = heads.shift()) {
      yield head.entry;
      advance(head.left, head.prefix);
    }
  } finally {
    for (const { left } of heads) left.return?.();
  }
}

/**
 * The documents found by a plan.
 *
 * @param given counts reads, for `explain` and other internal work: then the index does not count as used
 */
export function* runPlan(reader: Reader, collection: Collection, plan: Plan, given?: Counters): Source {
  const counters = given ?? noCounters();
  if (!given) countUse(reader, plan);
  const { ranges, parts, reverse } = plan;
  if (!plan.index) {
    if (plan.stage === 'IDHACK') {
      for (const { start } of reverse ? ranges.toReversed() : ranges) {
        counters.keys++;
        // A range of one _id begins with the document's own key.
        const bytes = reader.get(start);
        if (!bytes) continue;
        counters.documents++;
        yield Doc.read(bytes);
        if (counters.keys % PAUSE_EVERY === 0) yield PAUSE;
      }
      return;
    }
    for (const { value } of entriesOf(reader, ranges, reverse)) {
      counters.documents++;
      yield Doc.read(value);
      if (counters.documents % PAUSE_EVERY === 0) yield PAUSE;
    }
    return;
  }
  const seen = plan.index.arrays.length ? new Set<string>() : undefined;
  for (const { value: idKey } of parts ? mergedEntries(reader, parts, reverse) : entriesOf(reader, ranges, reverse)) {
    counters.keys++;
    if (counters.keys % PAUSE_EVERY === 0) yield PAUSE;
    if (seen) {
      // A document with an array has several keys, but is one result.
      const id = idKey.toString('latin1');
      if (seen.has(id)) continue;
      seen.add(id);
    }
    const bytes = reader.get(recordKey(collection, idKey));
    if (!bytes) throw new ServerError(366, `index ${plan.index.name} of ${namespaceOf(collection)} names a document that is not there`);
    counters.documents++;
    yield Doc.read(bytes);
  }
}

/** The documents that may match a filter; the caller still tests them. */
export const candidates = (reader: Reader, collection: Collection, filter: Filter, hint?: Hint, counters?: Counters): Source =>
  runPlan(reader, collection, choosePlan(reader, collection, filter, [], hint), counters);

/** Counts a query for `$indexStats`. */
export const countUse = (reader: Reader, { uses }: Plan): void => {
  if (uses !== undefined) reader.used(uses);
};

/** How many documents match, from the index alone if possible; otherwise undefined. */
export const countByIndex = (reader: Reader, plan: Plan): number | undefined => {
  if (!plan.exact || !plan.bounded || !plan.index) return undefined;
  return plan.ranges.reduce((total, range) => total + reader.count(range), 0);
};

/** The bounds of each field of an index, in the direction of reading. */
const describeBounds = ({ bounds, reverse }: Plan, { fields }: Index): Doc =>
  Doc.of(
    fields.map(({ path }) => path),
    fields.map(({ direction }, field) => {
      const backward = (direction === -1) !== reverse;
      const ends = (from: string, to: string): string => (backward ? `${to}, ${from}` : `${from}, ${to}`);
      const all = bounds.flatMap((alternative): readonly (Interval | undefined)[] => alternative[field] ?? [undefined]);
      const shown = all.map((interval) => {
        if (!interval) return `[${ends('MinKey', 'MaxKey')}]`;
        const { low, high } = interval;
        const [first, last] = backward ? [high, low] : [low, high];
        return `${first.included ? '[' : '('}${ends(show(low.value), show(high.value))}${last.included ? ']' : ')'}`;
      });
      return Arr.of([...new Set(backward ? shown.reverse() : shown)]);
    }),
  );

/** A plan as shown by `explain`. */
export const describePlan = (plan: Plan, needsSort: boolean): Doc => {
  const direction = plan.reverse ? 'backward' : 'forward';
  const scan =
    plan.index &&
    Doc.from({
      stage: 'IXSCAN',
      keyPattern: plan.index.spec.get('key'),
      indexName: plan.index.name,
      collation: plan.index.collation?.spec,
      isMultiKey: plan.index.arrays.length > 0,
      isUnique: plan.index.unique,
      isSparse: plan.index.sparse,
      isPartial: plan.index.partial !== undefined,
      direction,
      indexBounds: describeBounds(plan, plan.index),
    });
  const access = scan
    ? Doc.from({ stage: 'FETCH', inputStage: plan.parts ? Doc.from({ stage: 'SORT_MERGE', inputStage: scan }) : scan })
    : Doc.from({ stage: plan.stage, direction });
  return needsSort ? Doc.from({ stage: 'SORT', inputStage: access }) : access;
};
