import { BSON } from 'mongodb';
import { Doc, type Value } from '../../bson/values.js';
import { ServerError } from '../../errors.js';
import { compileExpression, evaluateOn } from './expressions.js';

const { Decimal128, Double, Long } = BSON;
const decimal = (text: string): unknown => Decimal128.fromString(text);
const read = (value: unknown): Value => Doc.read(Buffer.from(BSON.serialize({ value }))).get('value') as Value;

const run = (expression: unknown, doc: object): Value | undefined | { code: number } => {
  try {
    return evaluateOn(compileExpression(read(expression)), read(doc) as Doc, {});
  } catch (error) {
    if (error instanceof ServerError) return { code: error.code };
    throw error;
  }
};

const date = new Date('2024-05-06T07:08:09.010Z');
const regex = (input: unknown, pattern: unknown, options?: unknown): object => ({
  $regexMatch: { input, regex: pattern, ...(options !== undefined && { options }) },
});

/** Each with the code of a server; MongoDB 8 passes the same tests. `$v` is the value. */
const refusals: readonly (readonly [expression: object | string, code: number, ...values: readonly unknown[]])[] = [
  [{ $log: ['$v', 10] }, 28756, 'text', true, [], {}],
  [{ $log: [10, '$v'] }, 28757, 'text', true, [], {}],
  [{ $log: ['$v', 10] }, 28758, 0, -1, decimal('-0')],
  [{ $log: [10, '$v'] }, 28759, 0, 1, -2, decimal('1')],
  [{ $log10: '$v' }, 28761, 0, -1],
  [{ $ln: '$v' }, 28766, 0, -1],
  [{ $pow: ['$v', 2] }, 28762, 'text'],
  [{ $pow: [2, '$v'] }, 28763, 'text'],
  [{ $mod: [10, '$v'] }, 16610, 0, new Double(-0), new Long(0)],
  [{ $mod: [10, '$v'] }, 5733415, decimal('0')],
  [{ $round: '$v' }, 51081, 'text', [], {}],
  [{ $trunc: [1.5, '$v'] }, 16004, 'text', true, [2]],
  [{ $round: [1.5, '$v'] }, 31109, new Double(NaN), new Double(Infinity)],
  [{ $round: [1.5, '$v'] }, 51082, 0.5, decimal('NaN')],
  [{ $round: ['$v', -1] }, 51080, Long.MAX_VALUE],
  [{ $sqrt: '$v' }, 28714, decimal('-1E-6176')],
  [{ $range: [0, 3, '$v'] }, 34447, undefined, null],
  [{ $indexOfArray: [[1], 1, '$v'] }, 9711600, undefined, null],
  [{ $indexOfCP: ['a', 'a', '$v'] }, 40096, undefined, null],
  [{ $add: [date, '$v'] }, 15, new Double(NaN), new Double(Infinity), decimal('NaN'), Long.MAX_VALUE],
  [{ $subtract: [date, '$v'] }, 16006, new Double(NaN), new Double(-Infinity)],
  [{ $subtract: [date, '$v'] }, 15, Long.MIN_VALUE],
  [{ $arrayElemAt: [[1], '$v'] }, 28690, '0', true, [0]],
  [{ $arrayElemAt: [[1], '$v'] }, 28691, 1.5, new Double(NaN), decimal('2147483648')],
  [{ $indexOfArray: [[1], 1, '$v'] }, 9711600, '0', 1.5],
  [{ $indexOfArray: [[1], 1, '$v'] }, 9711601, -1],
  [{ $filter: { input: [1], cond: true, limit: '$v' } }, 327391, 'text', 1.5],
  [{ $filter: { input: [1], cond: true, limit: '$v' } }, 327392, 0, -1],
  [{ $slice: [[1], 0, '$v'] }, 28727, 'text'],
  [{ $slice: [[1], 0, '$v'] }, 28728, 1.5],
  [{ $firstN: { n: '$v', input: [1] } }, 5787902, 'text', null, undefined],
  [{ $lastN: { n: '$v', input: [1] } }, 5787903, 1.5, new Double(NaN), 1e300],
  [{ $minN: { n: '$v', input: [1] } }, 5787908, 0, -1],
  [{ $maxN: { input: [1] } }, 5787906, null],
  [{ $maxN: { n: 1 } }, 5787907, null],
  [{ $maxN: { n: 1, input: [], more: 1 } }, 5787901, null],
  [{ $arrayToObject: '$v' }, 40391, [{ k: 'a', v: 1 }, ['b', 2]]],
  [{ $arrayToObject: '$v' }, 40396, [['b', 2], { k: 'a', v: 1 }], [['b', 2], 1]],
  [{ $arrayToObject: '$v' }, 40393, [{ key: 'a', value: 1 }]],
  [{ $arrayToObject: '$v' }, 40392, [{ k: 'a' }], [{}]],
  [{ $arrayToObject: '$v' }, 4940400, [['a\0b', 1]]],
  [{ $arrayToObject: '$v' }, 4940401, [{ k: 'a\0b', v: 1 }]],
  [{ $zip: 1 }, 34460, null],
  [{ $zip: { inputs: '$v' } }, 34461, [[1]]],
  [{ $zip: { inputs: [] } }, 34465, null],
  [{ $zip: { inputs: ['$v'], useLongestLength: 1 } }, 34463, [1]],
  [{ $zip: { inputs: ['$v'], useLongestLength: null } }, 34463, [1]],
  [{ $zip: { inputs: ['$v'], defaults: 1, useLongestLength: true } }, 34462, [1]],
  [{ $zip: { inputs: ['$v'], defaults: [1, 2], useLongestLength: true } }, 34467, [1]],
  [{ $zip: { inputs: ['$v'] } }, 34468, 1],
  [{ $sortArray: { input: '$v', sortBy: { a: 2 } } }, 2942505, []],
  [{ $sortArray: { input: '$v', sortBy: {} } }, 2942505, []],
  [{ $sortArray: { input: '$v', sortBy: 2 } }, 2942506, []],
  [{ $sortArray: { input: '$v', sortBy: 'a' } }, 2942507, []],
  [{ $setEquals: [['$v']] }, 17045, 1],
  [{ $switch: { branches: [{ case: false, then: 1 }] } }, 40069, null],
  [{ $getField: { field: '$v', input: {} } }, 3041704, 1, null, ['a'], {}],
  [{ $setField: { field: '$v', input: {}, value: 1 } }, 4161108, 'a'],
  [{ $setField: { field: { a: 1 }, input: {}, value: 1 } }, 4161106, null],
  [{ $setField: { field: 1, input: {}, value: 1 } }, 4161107, null],
  [{ $toInt: [1, 2] }, 50723, null],
  [{ $rand: 1 }, 10065, null],
  [{ $rand: [1] }, 3040501, null],
  ['$$$', 9, null],
  ['$$USER_ROLES', 51144, null],
  ['$$ROOT.', 40353, null],
  [{ $let: { vars: [1], in: 1 } }, 9, null],
  [{ $setField: { field: 'x' } }, 4161103, null],
  [{ $setField: { field: 'a\0', input: {}, value: 1 } }, 9534700, null],
  [{ $unsetField: { field: { $literal: '\0' }, input: {} } }, 9534700, null],
  [{ $setDifference: ['$v', '$v'] }, 17048, 1, 'text', {}],
  [{ $setDifference: [[], '$v'] }, 17049, 1, 'text', {}],
  [{ $setIsSubset: ['$v', '$v'] }, 17046, 1, null, undefined],
  [{ $setIsSubset: [[], '$v'] }, 17042, 1, null, undefined],
  [{ $setEquals: ['$v', [1]] }, 17044, 1, null, undefined],
  [{ $setEquals: ['$v', 1] }, 5887502, [1]],
  [{ $setEquals: [[1], null] }, 5887502, null],
  [{ $ifNull: ['$v', { $divide: [1, 0] }] }, 2, 1],
  [{ $cond: ['$v', 1, { $toInt: 'text' }] }, 241, true],
  [{ $substrCP: ['abc', '$v', 1] }, 34451, 1.5, decimal('1E-6176'), Long.fromString('2147483648'), new Double(NaN), decimal('Infinity')],
  [{ $substrCP: ['abc', -1, '$v'] }, 34453, 1.5, Long.fromString('2147483648')],
  [{ $substrCP: ['abc', -1, '$v'] }, 34454, -1],
  [{ $substrBytes: ['abc', '$v', 'a'] }, 16035, new Double(NaN), -1],
  [{ $substrBytes: ['abc', '$v', 1] }, 31109, new Double(NaN), new Double(-Infinity), new Double(2 ** 63)],
  [{ $substrBytes: ['abc', -1, '$v'] }, 31109, new Double(NaN), new Double(1e19)],
  [{ $substr: ['abc', '$v', 1] }, 50752, decimal('-0.6'), decimal('NaN'), decimal('Infinity')],
  [{ $trim: { input: '$v', chars: null } }, 50699, 1, ['a']],
  [{ $ltrim: { input: 1, chars: '$v' } }, 50699, 1, null],
  [{ $arrayElemAt: [[1, 2], '$v'] }, 28691, 1.5, decimal('1E-6176'), decimal('1.0000000000000000000000000001')],
  [{ $substrBytes: ['é', 1, 1] }, 28656, null],
  [{ $substrBytes: ['aé', 0, 2] }, 28657, null],
  [{ $split: ['a', '$v'] }, 10503900, 1, true],
  [{ $replaceAll: { input: '$v', find: 1, replacement: 1 } }, 10503904, 1],
  [{ $replaceAll: { input: 'a', find: '$v', replacement: 1 } }, 10503901, 1],
  [{ $replaceOne: { input: null, find: 'a', replacement: '$v' } }, 10503902, 1],
  [regex('$v', 1), 51105, null, 1],
  [regex('$v', 'a', 1), 51106, null],
  [regex('$v', /a/i, 'i'), 51107, null, 1],
  [regex('$v', 'a', 'z'), 51108, null],
  [regex('$v', 'a\0'), 51109, 'a'],
  [regex('$v', 'a', 'i\0'), 51110, 'a'],
  [regex('$v', '[a'), 51111, null],
  [regex('$v', '(?<=a+)b'), 51111, 'ab'],
  [regex('$v', null), 51104, 1],
  [{ $toUpper: '$' }, 16872, null],
  [{ $hour: { date, zone: 1 } }, 40535, null],
  [{ $hour: {} }, 40539, null],
  [{ $hour: [date, date] }, 40536, null],
  [{ $hour: { date, timezone: '$v' } }, 40485, 'america/new_york', 'EUROPE/BERLIN', '', '+100:00'],
  [{ $hour: { date, timezone: '$v' } }, 40485, 'Z', 'PST', 'EDT'],
  [{ $dateAdd: { startDate: '$v', unit: 'day', amount: 1 } }, 5166403, 'text', 1],
  [{ $dateAdd: { startDate: date, unit: '$v', amount: 1 } }, 5439013, 1, true],
  [{ $dateAdd: { startDate: date, unit: 'day', amount: '$v' } }, 5166405, 'text', 1.5, decimal('3.000000000000000000000000000000001')],
  [{ $dateDiff: { startDate: '$v', endDate: date, unit: 'day' } }, 5166307, 'text'],
  [{ $dateTrunc: { date: '$v', unit: 'day' } }, 5166307, 'text'],
  [{ $dateTrunc: { date, unit: 'week', startOfWeek: '$v' } }, 5439015, 1],
  [{ $dateTrunc: { date, unit: 'week', startOfWeek: '$v' } }, 5439016, 'someday', ''],
  [{ $dateTrunc: { date, unit: 'year', binSize: '$v' } }, 5439006, Long.fromNumber(100_000_000_001)],
  [{ $dateTrunc: { date, unit: 'hour', binSize: '$v' } }, 5439002, Long.fromString('2562047788016999')],
  [{ $dateFromParts: { year: 2024, isoWeek: '$v' } }, 40489, 1],
  [{ $dateFromParts: { isoWeekYear: 2024, month: '$v' } }, 40525, 1],
  [{ $dateToParts: { date, iso8601: '$v' } }, 40521, 1],
  [{ $dateFromString: { dateString: '2024-02-30', format: '$v' } }, 241, '%Y-%m-%d'],
  [{ $dateFromString: { dateString: '2024-02-03t04', format: '$v' } }, 241, '%Y-%m-%dT%H'],
  [{ $dateFromString: { dateString: '2024-02-03 +0100', format: '%Y-%m-%d %z', timezone: '$v' } }, 241, 'Europe/Berlin'],
  [{ $dateFromString: { dateString: '2024', format: '$v' } }, 40684, 1],
  [{ $dateFromString: { dateString: '2024', format: '$v' } }, 18536, '%Q', '%U', '%w'],
];

/** Constants are evaluated in advance: their errors are reported wherever they occur, after all errors of form. */
test.each<readonly [object, number]>([
  [{ $cond: [true, 1, { $divide: [1, 0] }] }, 2],
  [{ $ifNull: [1, { $toInt: 'text' }] }, 241],
  [{ $convert: { input: 1, to: 'int', onNull: { $mod: [1, 0] } } }, 16610],
  [{ $switch: { branches: [{ case: { $eq: [1, 2] }, then: 1 }] } }, 40069],
  [{ $add: [{ $divide: [1, 0] }, { $unknown: 1 }] }, 168],
])('%j is refused with %d even without documents', (expression, code) => {
  expect(() => compileExpression(read(expression))).toThrow(expect.objectContaining({ code }) as Error);
});

test('what is not constant, or never evaluated in advance, is refused when it is evaluated', () => {
  expect(run({ $cond: [true, 1, { $divide: [1, '$v'] }] }, { v: 0 })).toBe(1);
  expect(run({ $cond: [true, 1, { $getField: { field: 'a', input: '$$ROOT' } }] }, { v: 0 })).toBe(1);
  expect(run({ $cond: [true, 1, { $zip: { inputs: ['$v', 1] } }] }, { v: 0 })).toBe(1);
});

test.each([
  [new Double(123456.789), '123457'],
  [new Double(999999.5), '1e+06'],
  [new Double(5e-324), '4.94066e-324'],
  [new Double(0.0001), '0.0001'],
  [new Double(-Infinity), '-inf'],
  [new BSON.Timestamp({ t: 1704067200, i: 42 }), 'jan  1 00:00:00:42'],
])('string operators read %s as %s', (v, expected) => {
  expect(run({ $toLower: '$v' }, { v })).toBe(expected);
});

test('strings are limited to less than 16 MB', () => {
  const v = 'a'.repeat(8 * 1024 * 1024);
  expect(run({ $concat: ['$v', '$v'] }, { v })).toEqual({ code: 16493 });
  expect(run({ $replaceAll: { input: '$v', find: 'a', replacement: 'aa' } }, { v })).toEqual({ code: 16493 });
  expect(run({ $strLenBytes: 'a'.repeat(16 * 1024 * 1024) }, {})).toEqual({ code: 16493 });
});

test.each([
  [{ timezone: 'UTC' }, '2024-05-06T07:08:09.010Z'],
  [{ timezone: '+00:00' }, '2024-05-06T07:08:09.010Z'],
  [{ timezone: '-03:30' }, '2024-05-06T03:38:09.010'],
  [{ timezone: '-03:30', format: '%Z' }, '-210'],
])('$dateToString writes %j', (how, expected) => {
  expect(run({ $dateToString: { date: '$date', ...how } }, { date })).toBe(expected);
});

test('the start of weeks matters only for weeks', () => {
  const diff = (unit: string): object => ({ $dateDiff: { startDate: date, endDate: date, unit, startOfWeek: '$v' } });
  expect(run(diff('day'), { v: 'someday' })).toBe(0n);
  expect(run(diff('week'), { v: 'someday' })).toEqual({ code: 5439016 });
});

test.each(refusals)('%j is refused with %d', (expression, code, ...values) => {
  for (const v of values) expect(run(expression, { v })).toEqual({ code });
});

test.each([
  ['jan 15 2020', '%b %d %Y', '2020-01-15'],
  ['January 15 2020', '%B %d %Y', '2020-01-15'],
  ['2024', '%G', '2024-01-01'],
  ['2024-W24', '%G-W%V', '2024-06-10'],
  ['2024-W24-6', '%G-W%V-%u', '2024-06-15'],
  ['2024-06-15 +330', '%Y-%m-%d %Z', '2024-06-14T18:30:00.000'],
  // A server counts days from 0 here.
  ['2024 167', '%Y %j', '2024-06-16'],
])('$dateFromString reads %s by %s', (dateString, format, expected) => {
  const text = run({ $toString: { $dateFromString: { dateString, format } } }, {});
  expect(text).toBe(expected.length > 10 ? `${expected}Z` : `${expected}T00:00:00.000Z`);
});
