import { compareValues, isNumber, numberOf, isWhole } from '../bson/order.js';
import { checkFieldPath } from '../bson/paths.js';
import { Arr, bsonTypeName, DateTime, Doc, encodedLength, show, type Value } from '../bson/values.js';
import { failedToParse, ServerError } from '../errors.js';
import { plainAccumulator, type Accumulator } from '../query/accumulators.js';
import { INTERRUPTED, withinTurn } from '../query/budget.js';
import { currentCollation } from '../query/collation.js';
import { monthUnits, shiftMonths } from '../query/dates.js';
import { constantOf } from '../query/expressions/compile.js';
import { compileExpression } from '../query/expressions/expressions.js';
import type { Evaluate, Variables } from '../query/expressions/scope.js';
import type { KeyField } from '../query/keys.js';
import { compareRows, MEMORY_LIMIT, parseSort, sortKey } from '../query/sort-order.js';
import { compileAccumulator } from './group-accumulators.js';
import { inTurns, PAUSE, type Source } from './source.js';
import type { Stage } from './stage.js';

type Row = { readonly doc: Doc; readonly key: readonly Value[]; readonly partition: Value };
/** The first and the last row of a window, within its partition; empty if the first is after the last. */
type Bounds = (rows: readonly Row[], at: number) => readonly [number, number];
type Compute = (rows: readonly Row[], variables: Variables) => readonly (Value | undefined)[];

const unitMs: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};

const documentBounds = (given: Value): Bounds => {
  const [low, high] = boundPair(given, 'documents', true);
  return (rows, at) => [
    typeof low === 'number' ? Math.max(0, at + low) : low === 'current' ? at : 0,
    typeof high === 'number' ? Math.min(rows.length - 1, at + high) : high === 'current' ? at : rows.length - 1,
  ];
};

const boundPair = (given: Value, name: string, whole: boolean): readonly [number | string, number | string] => {
  if (!(given instanceof Arr) || given.length !== 2) throw failedToParse(`Window bounds must be a 2-element array: ${name}`);
  const bounds = given.values.map((bound) => {
    if (bound === 'current' || bound === 'unbounded') return bound;
    if (!isNumber(bound) || (whole && !isWhole(bound)))
      throw failedToParse(`Numeric ${name}-based bounds must be ${whole ? 'an integer' : 'a number'}`);
    return numberOf(bound);
  }) as unknown as readonly [number | string, number | string];
  const [low, high] = bounds.map((bound, at) => (bound === 'current' ? 0 : bound === 'unbounded' ? (at ? Infinity : -Infinity) : bound));
  if ((low as number) > (high as number)) throw new ServerError(5339900, `Lower bound must not exceed upper bound: ${show(given)}`);
  return bounds;
};

const rangeBounds = (given: Value, unit: Value | undefined, sort: readonly KeyField[]): Bounds => {
  if (sort.length !== 1) throw new ServerError(5339902, 'Range-based bounds require sortBy a single field');
  if (sort[0]?.direction !== 1) throw new ServerError(8947401, 'Range-based bounds require an ascending sortBy');
  const unitIn = <Of>(units: Readonly<Record<string, Of>>): Of | undefined =>
    typeof unit === 'string' && Object.hasOwn(units, unit) ? units[unit] : undefined;
  const months = unitIn(monthUnits);
  const scale = unit === undefined ? 1 : unitIn(unitMs);
  if (scale === undefined && months === undefined) throw failedToParse(`unit value cannot be recognized as a time unit: ${show(unit)}`);
  const [low, high] = boundPair(given, 'range', unit !== undefined);
  const away = (center: number, by: number | string): number => {
    if (typeof by === 'string') return center;
    return months === undefined ? center + by * (scale as number) : Number(shiftMonths(BigInt(center), by * months));
  };
  const valueOf = (row: Row): number => {
    const [value] = row.key;
    if (unit !== undefined ? !(value instanceof DateTime) : !isNumber(value))
      throw new ServerError(
        unit === undefined ? 5429414 : 5429513,
        `Invalid range: Expected the sortBy field to be a ${unit === undefined ? 'number' : 'Date'}, but it was ${bsonTypeName(value)}`,
      );
    return value instanceof DateTime ? Number(value.ms) : numberOf(value);
  };
  return (rows, at) => {
    const center = valueOf(rows[at] as Row);
    const from = low === 'unbounded' ? -Infinity : away(center, low);
    const to = high === 'unbounded' ? Infinity : away(center, high);
    let first = 0;
    while (first < rows.length && valueOf(rows[first] as Row) < from) first++;
    let last = rows.length - 1;
    while (last >= 0 && valueOf(rows[last] as Row) > to) last--;
    return [first, last];
  };
};

/** The order in which the stage reads its documents, or undefined if none is given; an order may have no fields. */
type Order = readonly KeyField[] | undefined;

const windowFields = ['documents', 'range', 'unit'];

const boundsOf = (window: Value | undefined, order: Order): Bounds => {
  if (window === undefined) return (rows) => [0, rows.length - 1];
  if (!(window instanceof Doc)) throw failedToParse(`'window' field must be an object`);
  for (const key of window.keys)
    if (!windowFields.includes(key))
      throw failedToParse(
        `'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field: ${key}`,
      );
  const documents = window.get('documents');
  const range = window.get('range');
  if (documents !== undefined && range !== undefined)
    throw failedToParse(`Window bounds can specify either 'documents' or 'range', not both.`);
  if (documents !== undefined) {
    if (window.has('unit')) throw failedToParse(`Window bounds can specify either 'documents' or 'unit', not both.`);
    if (!order && !(documents instanceof Arr && documents.values.every((bound) => bound === 'unbounded')))
      throw new ServerError(5339901, 'Document-based bounds require a sortBy');
    return documentBounds(documents);
  }
  return range === undefined ? (rows) => [0, rows.length - 1] : rangeBounds(range, window.get('unit'), order ?? []);
};

/** Whether rows leave the window as it moves; only a window that begins at the first row of the partition keeps all of them. */
const slides = (window: Value | undefined): boolean => {
  const bounds = window instanceof Doc ? (window.get('documents') ?? window.get('range')) : undefined;
  return bounds instanceof Arr && bounds.values[0] !== 'unbounded';
};

/** A deviation over a sliding window is null while one of its values is not finite; otherwise it is NaN. */
const finite = (start: () => Accumulator) => (): Accumulator => {
  const state = start();
  let unbounded = false;
  return {
    add: (value) => {
      unbounded ||= isNumber(value) && !Number.isFinite(numberOf(value));
      state.add(value);
    },
    result: () => (unbounded ? null : state.result()),
  };
};

const overWindow =
  (evaluate: Evaluate, start: () => Accumulator, bounds: Bounds): Compute =>
  (rows, variables) => {
    const values = rows.map(({ doc }) => evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc }));
    // A window that only grows is not recomputed for each row.
    let growing: { state: Accumulator; next: number } | undefined;
    return rows.map((_, at) => {
      const [first, last] = bounds(rows, at);
      if (first === 0) {
        if (!growing || growing.next > last + 1) growing = { state: start(), next: 0 };
        for (; growing.next <= last; growing.next++) growing.state.add(values[growing.next]);
        return growing.state.result();
      }
      const state = start();
      for (let index = first; index <= last; index++) state.add(values[index]);
      return state.result();
    });
  };

const ranks = (name: string, sort: readonly KeyField[]): Compute => {
  if (sort.length !== 1)
    throw new ServerError(5371602, `${name} must be specified with a top level sortBy expression with exactly one element`);
  return (rows) => {
    let rank = 0;
    let dense = 0;
    return rows.map((row, at) => {
      if (at === 0 || compareRows(row.key, (rows[at - 1] as Row).key, sort) !== 0) {
        rank = at + 1;
        dense++;
      }
      return name === '$documentNumber' ? at + 1 : name === '$rank' ? rank : dense;
    });
  };
};

const shift = (spec: Value): Compute => {
  if (!(spec instanceof Doc)) throw failedToParse(`Argument to $shift must be an object`);
  const by = spec.get('by');
  const output = spec.get('output');
  if (by === undefined || !isWhole(by) || output === undefined) throw failedToParse(`$shift requires 'output' and an integer 'by'`);
  const evaluate = compileExpression(output);
  const fallback = spec.has('default') ? constantOf(compileExpression(spec.get('default') as Value))?.value : null;
  return (rows, variables) =>
    rows.map((_, at) => {
      const other = rows[at + numberOf(by)]?.doc;
      return other ? (evaluate(other, { ...variables, ROOT: other, CURRENT: other }) ?? null) : fallback;
    });
};

const carried = (expression: Value): Compute => {
  const evaluate = compileExpression(expression);
  return (rows, variables) => {
    let known: Value = null;
    return rows.map(({ doc }) => {
      const value = evaluate(doc, { ...variables, ROOT: doc, CURRENT: doc });
      if (value !== undefined && value !== null) known = value;
      return known;
    });
  };
};

const compileOutput = (spec: Value, order: Order): Compute => {
  const sort = order ?? [];
  if (!(spec instanceof Doc)) throw failedToParse(`The field in 'output' must be an object`);
  const names = spec.keys.filter((key) => key !== 'window');
  const [name] = names;
  if (spec.size > 1 && ['$rank', '$denseRank', '$documentNumber'].includes(spec.keys[0] as string))
    throw new ServerError(5371601, `${spec.keys[0] as string} takes no other fields`);
  if (name === undefined || names.length !== 1) throw failedToParse(`Each window function must be one operator, with an optional 'window'`);
  const argument = spec.get(name) as Value;
  const window = spec.get('window');
  const plain = ['$rank', '$denseRank', '$documentNumber', '$shift', '$locf'];
  if (plain.includes(name) && window !== undefined) throw new ServerError(5371601, `${name} does not accept a 'window' field`);
  switch (name) {
    case '$rank':
    case '$denseRank':
    case '$documentNumber':
      if (!(argument instanceof Doc) || argument.size) throw new ServerError(5371603, `${name} must be specified with '{}' as the value`);
      return ranks(name, sort);
    case '$shift':
      if (!sort.length) throw new ServerError(5424700, `'$shift' requires a sortBy`);
      return shift(argument);
    case '$locf':
      return carried(argument);
    case '$derivative':
    case '$integral':
    case '$expMovingAvg':
    case '$linearFill':
      throw new ServerError(238, `the window function ${name} is not supported by this node`);
  }
  if (
    !plainAccumulator(name) &&
    !['$count', '$firstN', '$lastN', '$maxN', '$minN', '$top', '$bottom', '$topN', '$bottomN', '$median', '$percentile'].includes(name)
  )
    throw failedToParse(`Unrecognized window function, ${name}`);
  const { evaluate, start } = compileAccumulator(name, argument);
  const bounds = boundsOf(window, order);
  return overWindow(evaluate, name.startsWith('$stdDev') && slides(window) ? finite(start) : start, bounds);
};

/** Compiles `$setWindowFields`. */
export const windowStage = (spec: Value, setIn: (doc: Doc, parts: readonly string[], at: number, value: Value) => Doc): Stage => {
  if (!(spec instanceof Doc))
    throw failedToParse(`the $setWindowFields stage specification must be an object, found ${bsonTypeName(spec)}`);
  for (const key of spec.keys)
    if (!['partitionBy', 'sortBy', 'output'].includes(key))
      throw new ServerError(40415, `BSON field '$setWindowFields.${key}' is an unknown field.`);
  const output = spec.get('output');
  if (!(output instanceof Doc)) throw new ServerError(40414, `BSON field '$setWindowFields.output' is missing but a required field`);
  const sortBy = spec.get('sortBy') ?? null;
  if (sortBy !== null && !(sortBy instanceof Doc))
    throw new ServerError(14, `BSON field '$setWindowFields.sortBy' is the wrong type '${bsonTypeName(sortBy)}', expected type 'object'`);
  const order = sortBy === null ? undefined : parseSort(sortBy);
  const sort = order ?? [];
  const texts = currentCollation()?.compare;
  const partition = compileExpression(spec.get('partitionBy') ?? null);
  for (const key of output.keys)
    if (output.keys.some((other) => other.startsWith(`${key}.`)))
      throw new ServerError(6307900, `$setWindowFields 'output' specification contains two conflicting paths`);
  const computed = output.keys.map((key, index) => [checkFieldPath(key), compileOutput(output.values[index] as Value, order)] as const);
  return function* (source: Source, { variables }) {
    const rows: Row[] = [];
    let bytes = 0;
    for (const row of source) {
      if (row === PAUSE) {
        yield row;
        continue;
      }
      bytes += encodedLength(row) + 128;
      if (bytes > MEMORY_LIMIT)
        throw new ServerError(292, `Exceeded memory limit for $setWindowFields, which this node does not spill to disk`);
      const work = (): Value => partition(row, { ...variables, ROOT: row, CURRENT: row }) ?? null;
      let value = withinTurn(work);
      if (value === INTERRUPTED) value = yield* inTurns(work);
      if (value instanceof Arr) throw new ServerError(14, 'An expression used to partition cannot evaluate to value of type array');
      rows.push({ doc: row, key: sortKey(row, sort), partition: value });
    }
    rows.sort((a, b) => compareValues(a.partition, b.partition, texts) || compareRows(a.key, b.key, sort));
    for (let start = 0; start < rows.length;) {
      let end = start + 1;
      while (end < rows.length && compareValues(rows[start]?.partition, rows[end]?.partition, texts) === 0) end++;
      const part = rows.slice(start, end);
      const columns = computed.map(([parts, compute]) => [parts, compute(part, variables)] as const);
      for (const [at, { doc }] of part.entries()) {
        let result = doc;
        for (const [parts, values] of columns) {
          const value = values[at];
          if (value !== undefined) result = setIn(result, parts, 0, value);
        }
        yield result;
        if (at % 128 === 127) yield PAUSE;
      }
      start = end;
    }
  };
};
