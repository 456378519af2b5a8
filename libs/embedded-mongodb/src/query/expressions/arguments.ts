import type { CompareText } from '../../bson/order.js';
import { Arr, bsonTypeName, Doc, type Value } from '../../bson/values.js';
import { ServerError } from '../../errors.js';
import { currentCollation } from '../collation.js';
import { compileIn } from './compile.js';
import type { Evaluate, Operator, Scope } from './scope.js';

type Result = Value | undefined;
/**
 * @param texts how strings compare under the current collation; undefined: by their bytes
 * @param owner what identifies the expression in its loops
 */
type Compute = (values: readonly Result[], name: string, texts: CompareText | undefined, owner: unknown) => Result;

export function compileArguments(argument: Value, scope: Scope, name: string, least: number, most: number): readonly Evaluate[] {
  const given = argument instanceof Arr ? argument.values : [argument];
  if (given.length < least || given.length > most) {
    if (least === most)
      throw new ServerError(16020, `Expression ${name} takes exactly ${least} arguments. ${given.length} were passed in.`);
    throw new ServerError(
      28667,
      `Expression ${name} takes at least ${least} arguments, and at most ${most}, but ${given.length} were passed in.`,
    );
  }
  return given.map((value) => compileIn(value, scope));
}

/** An operator with between `least` and `most` arguments, which are computed first. */
export function fixed(least: number, most: number, compute: Compute): Operator {
  return (argument, scope, name) => {
    const texts = currentCollation()?.compare;
    const given = compileArguments(argument, scope, name, least, most);
    const [first, second] = given as readonly [Evaluate, Evaluate];
    if (given.length === 1) return (doc, variables) => compute([first(doc, variables)], name, texts, given);
    if (given.length === 2) return (doc, variables) => compute([first(doc, variables), second(doc, variables)], name, texts, given);
    return (doc, variables) =>
      compute(
        given.map((evaluate) => evaluate(doc, variables)),
        name,
        texts,
        given,
      );
  };
}

/** An operator with any number of arguments. */
export function variadic(compute: Compute): Operator {
  return fixed(0, Infinity, compute);
}

/** The server's errors if an operator is not given a document, has an unknown field, or lacks one; for others, parsing fails. */
type Codes = { readonly object?: number; readonly unknown?: number; readonly missing?: Readonly<Record<string, number>> };
const N_CODES: Codes = { object: 5787900, unknown: 5787901, missing: { n: 5787906, input: 5787907 } };
const CODES: Readonly<Record<string, Codes>> = {
  $cond: { unknown: 17083, missing: { if: 17080, then: 17081, else: 17082 } },
  $dateAdd: { unknown: 5166401, missing: { startDate: 5166402, unit: 5166402, amount: 5166402 } },
  $dateDiff: { object: 5166301, unknown: 5166302, missing: { startDate: 5166303, endDate: 5166304, unit: 5166305 } },
  $dateFromParts: { object: 40519, unknown: 40518 },
  $dateFromString: { object: 40540, unknown: 40541, missing: { dateString: 40542 } },
  $dateSubtract: { unknown: 5166401, missing: { startDate: 5166402, unit: 5166402, amount: 5166402 } },
  $dateToParts: { object: 40524, unknown: 40520, missing: { date: 40522 } },
  $dateToString: { object: 18629, unknown: 18534, missing: { date: 18628 } },
  $dateTrunc: { object: 5439007, unknown: 5439008, missing: { date: 5439009, unit: 5439010 } },
  $filter: { object: 28646, unknown: 28647, missing: { input: 28648, cond: 28650 } },
  $firstN: N_CODES,
  $getField: { unknown: 3041701, missing: { field: 3041702, input: 3041703 } },
  $lastN: N_CODES,
  $let: { object: 16874, unknown: 16875, missing: { vars: 16876, in: 16877 } },
  $ltrim: { object: 50696, unknown: 50694, missing: { input: 50695 } },
  $map: { object: 16878, unknown: 16879, missing: { input: 16880, in: 16882 } },
  $maxN: N_CODES,
  $minN: N_CODES,
  $reduce: { object: 40075, unknown: 40076, missing: { input: 40077, initialValue: 40078, in: 40079 } },
  $regexFind: { object: 51103, unknown: 31024, missing: { input: 31022, regex: 31023 } },
  $regexFindAll: { object: 51103, unknown: 31024, missing: { input: 31022, regex: 31023 } },
  $regexMatch: { object: 51103, unknown: 31024, missing: { input: 31022, regex: 31023 } },
  $replaceAll: { object: 51751, unknown: 51750, missing: { input: 51749, find: 51748, replacement: 51747 } },
  $replaceOne: { object: 51751, unknown: 51750, missing: { input: 51749, find: 51748, replacement: 51747 } },
  $rtrim: { object: 50696, unknown: 50694, missing: { input: 50695 } },
  $setField: { object: 4161100, unknown: 4161101, missing: { field: 4161102, value: 4161103, input: 4161109 } },
  $sortArray: { object: 2942500, unknown: 2942501, missing: { input: 2942502, sortBy: 2942503 } },
  $switch: { object: 40060, unknown: 40067, missing: { branches: 40068 } },
  $trim: { object: 50696, unknown: 50694, missing: { input: 50695 } },
  $unsetField: { object: 4161100, unknown: 4161101, missing: { field: 4161102, input: 4161109 } },
  $zip: { object: 34460, unknown: 34464, missing: { inputs: 34465 } },
  'a branch of $switch': { object: 40062, unknown: 40063, missing: { case: 40064, then: 40065 } },
};

const PARTS_OF_DATES = new Set(
  '$year $month $dayOfMonth $hour $minute $second $millisecond $dayOfYear $dayOfWeek $week $isoWeek $isoWeekYear $isoDayOfWeek'.split(' '),
);
const CODES_OF_PARTS: Codes = { unknown: 40535, missing: { date: 40539 } };

const NO_CODES: Codes = {};
const FAILED_TO_PARSE = 9;

/** The document argument of an operator: fields other than the allowed ones are refused. */
export function namedFields(argument: Value, name: string, required: readonly string[], optional: readonly string[] = []): Doc {
  const { object, unknown, missing } = CODES[name] ?? (PARTS_OF_DATES.has(name) ? CODES_OF_PARTS : NO_CODES);
  if (!(argument instanceof Doc))
    throw new ServerError(object ?? FAILED_TO_PARSE, `${name} requires an object as an argument, found: ${bsonTypeName(argument)}`);
  for (const key of argument.keys)
    if (!required.includes(key) && !optional.includes(key))
      throw new ServerError(unknown ?? FAILED_TO_PARSE, `Unrecognized argument to ${name}: ${key}`);
  for (const key of required)
    if (!argument.has(key)) throw new ServerError(missing?.[key] ?? FAILED_TO_PARSE, `Missing '${key}' parameter to ${name}`);
  return argument;
}

/** The compiled fields of an operator's document argument. */
export function namedArguments(
  argument: Value,
  scope: Scope,
  name: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, Evaluate | undefined>> {
  const given = namedFields(argument, name, required, optional);
  const compiled: Record<string, Evaluate> = {};
  given.keys.forEach((key, index) => (compiled[key] = compileIn(given.values[index] as Value, scope)));
  return compiled;
}
