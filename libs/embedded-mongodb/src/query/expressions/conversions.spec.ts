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

test('operators for one type', () => {
  expect(run({ $toUUID: uuid })).toBe(show(read(uuidBytes)));
  expect(run({ $toString: uuidBytes })).toBe(show(uuid));
  expect(run({ $tsSecond: new Timestamp({ t: 7, i: 3 }) })).toBe('7');
  expect(run({ $tsIncrement: new Timestamp({ t: 7, i: 3 }) })).toBe('3');
  expect(run({ $tsSecond: 1 })).toBe(5687301);
  expect(run({ $sigmoid: 0 })).toBe('0.5');
  expect(run({ $sigmoid: 'text' })).toBe(14);
});
