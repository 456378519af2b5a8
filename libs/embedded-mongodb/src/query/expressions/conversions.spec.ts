import { BSON } from 'mongodb';
import { Doc, show, type Value } from '../../bson/values.js';
import { ServerError } from '../../errors.js';
import { compileExpression, evaluateOn } from './expressions.js';

const { Binary, Decimal128, Double, Timestamp } = BSON;
const bytes = (hex: string, subtype = 0): unknown => new Binary(Buffer.from(hex, 'hex'), subtype);
const read = (value: unknown): Value => Doc.read(Buffer.from(BSON.serialize({ value }))).get('value') as Value;

const run = (expression: unknown): string | number => {
  try {
    return show(evaluateOn(compileExpression(read(expression)), Doc.empty, {}) as Value);
  } catch (error) {
    if (error instanceof ServerError) return error.code;
    throw error;
  }
};

const uuid = '867dee52-c331-484e-92d1-c56479b8e67e';
const uuidBytes = bytes(uuid.replace(/-/g, ''), 4);
const binData = (subtype: unknown): object => ({ type: 'binData', subtype });

test.each<readonly [input: unknown, to: unknown, more: object, expected: unknown]>([
  [bytes('80'), 'int', {}, -128],
  [bytes('ff7f'), 'int', {}, 32_767],
  [bytes('00000001'), 'int', { byteOrder: 'big' }, 1],
  [bytes('000000000000f03f'), 'double', {}, new Double(1)],
  [1, 'binData', {}, bytes('01000000')],
  [1, 'binData', { byteOrder: 'big' }, bytes('00000001')],
  ['aGk=', 'binData', { format: 'base64' }, bytes('6869')],
  ['6869', 'binData', { format: 'hex' }, bytes('6869')],
  [uuid, binData(4), { format: 'uuid' }, uuidBytes],
  [uuidBytes, 'string', { format: 'auto' }, uuid],
  [bytes('6869'), 'string', { format: 'auto' }, 'aGk='],
  [bytes('6869'), 'string', { format: 'utf8' }, 'hi'],
  [bytes('6869', 5), binData(5), {}, bytes('6869', 5)],
  [42, { type: 'string' }, {}, '42'],
  ['42', { type: 16 }, {}, 42],
])('%j is converted to %j (%j)', (input, to, more, expected) => {
  expect(run({ $convert: { input, to, ...more } })).toBe(show(read(expected)));
});

test.each<readonly [input: unknown, to: unknown, more: object, code: number]>([
  [42, true, {}, 9],
  [42, 99, {}, 9],
  [42, 1.5, {}, 9],
  [42, { type: null }, {}, 9],
  [42, 'integer', {}, 2],
  [42, 3, {}, 241],
  [42, 'array', {}, 241],
  [42, binData(1.5), {}, 4341106],
  [42, binData(10), {}, 4341107],
  [42, binData('five'), {}, 4341108],
  ['a', 'binData', { format: 1 }, 4341114],
  ['a', 'binData', {}, 4341115],
  [bytes('00'), 'string', { format: null }, 4341115],
  ['a', 'binData', { format: 'BASE64' }, 4341125],
  [1, 'binData', { byteOrder: 1 }, 9130001],
  [1, 'binData', { byteOrder: 'BIG' }, 9130002],
  [bytes('000000'), 'int', {}, 241],
  [bytes('00', 5), 'binData', {}, 241],
  [uuid, 'binData', { format: 'uuid' }, 241],
  ['a', 'binData', { format: 'base64' }, 241],
  [Decimal128.fromString('1'), 'binData', {}, 241],
])('%j is not converted to %j (%j): %d', (input, to, more, code) => {
  expect(run({ $convert: { input, to, ...more } })).toBe(code);
});

test('operators for a single type', () => {
  expect(run({ $toUUID: uuid })).toBe(show(read(uuidBytes)));
  expect(run({ $toString: uuidBytes })).toBe(show(uuid));
  expect(run({ $tsSecond: new Timestamp({ t: 7, i: 3 }) })).toBe('7');
  expect(run({ $tsIncrement: new Timestamp({ t: 7, i: 3 }) })).toBe('3');
  expect(run({ $tsSecond: 1 })).toBe(5687301);
  expect(run({ $sigmoid: 0 })).toBe('0.5');
  expect(run({ $sigmoid: 'text' })).toBe(14);
});

test.each([
  ['2024-06-15T12:30:45.678Z', '2024-06-15T12:30:45.678'],
  ['2024-06-15\t12:30:45 +0530', '2024-06-15T07:00:45'],
  ['\0\u00a02024-06-15\n', '2024-06-15T00:00:00'],
  ['oct 20 2020', '2020-10-20T00:00:00'],
  ['July 4th, 2017 11am', '2017-07-04T11:00:00'],
  ['4 July 2017 12:39:30 BST', '2017-07-04T11:39:30'],
  ['WED jan 31 12:05:28 +03:30 1996', '1996-01-31T08:35:28'],
  ['07/04/2017 23:50', '2017-07-04T23:50:00'],
  ['20170704T111213', '2017-07-04T11:12:13'],
  ['2017-W27-2', '2017-07-04T00:00:00'],
  ['2017-07-04 12:00 America/New_York', '2017-07-04T16:00:00'],
  ['2024-02-30', 241],
  ['2024', 241],
  ['Friday', 241],
  ['July 4th', 241],
  ['12:30', 241],
  ['20599-01-01T00:00:00Z', 241],
  ['2024-06-15T12: 30', 241],
  ['2024-06-15 2024-06-16', 241],
  ['\u20002024-06-15', 241],
])('%j is the date %s', (text, expected) => {
  const seconds = (at: string): number => Date.parse(`${at}Z`);
  expect(run({ $toLong: { $toDate: text } })).toBe(typeof expected === 'number' ? expected : String(seconds(expected)));
});

test.each([
  ['0X1.8P1', '3'],
  ['+0xff', '255'],
  ['-0x1p-1', '-0.5'],
  ['0xff', 241],
  ['+0x.p0', 241],
  ['-inf', '-Infinity'],
  ['1e309', 241],
  ['1e-400', 241],
])('%s is the double %s', (text, expected) => {
  expect(run({ $toDouble: text })).toBe(typeof expected === 'number' ? expected : show(read(new Double(Number(expected)))));
});

test('a Decimal128 becomes the nearest double, and a string the nearest Decimal128', () => {
  expect(run({ $toDouble: Decimal128.fromString('1E+400') })).toBe(241);
  expect(run({ $toDouble: Decimal128.fromString('1E-400') })).toBe(241);
  expect(run({ $toDecimal: '1E+6145' })).toBe(241);
  expect(run({ $toDecimal: '1E-6177' })).toBe(241);
});

test('a date with a year of more than four digits cannot be formatted', () => {
  const later = { $toDate: new BSON.Long('253402300800000') };
  expect(run({ $toString: later })).toBe(18537);
  expect(run({ $convert: { input: later, to: 'string', onError: 'none' } })).toBe(show('none'));
});

test('the seconds of an ObjectId are signed', () => {
  const seconds = { $divide: [{ $toLong: { $toDate: new BSON.ObjectId('ffffffff0000000000000000') } }, 1000] };
  expect(run({ $toInt: seconds })).toBe('-1');
});
