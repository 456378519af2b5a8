import fc from 'fast-check';
import { BSON } from 'mongodb';
import { add, divide, multiply, remainder, type Numeric } from './arithmetic.js';
import { Decimal128, formatDecimal, pack, parseDecimal, unpack } from './decimal128.js';
import { compareValues, inverted, keyOf } from './order.js';
import {
  Arr,
  Binary,
  bsonTypeName,
  checkDocument,
  Code,
  DateTime,
  DbPointer,
  Doc,
  Double,
  encode,
  fieldNames,
  MAX_KEY,
  MIN_KEY,
  ObjectId,
  omitted,
  picked,
  Regex,
  SymbolText,
  Timestamp,
  UNDEFINED,
  type Value,
} from './values.js';
import { runs } from '../../../../test/runs.js';

const text = fc
  .string({ unit: 'binary', maxLength: 8 })
  .filter((each) => !/[\ud800-\udfff]/.test(each.replace(/[\ud800-\udbff][\udc00-\udfff]/g, '')));
const name = text.filter((each) => !each.includes('\0'));
const long = fc.bigInt({ min: -0x8000000000000000n, max: 0x7fffffffffffffffn });
const decimal = fc
  .tuple(fc.bigInt({ min: -(10n ** 34n) + 1n, max: 10n ** 34n - 1n }), fc.integer({ min: -40, max: 20 }))
  .map(([coefficient, exponent]) =>
    pack({ kind: 'finite', negative: coefficient < 0n, coefficient: coefficient < 0n ? -coefficient : coefficient, exponent }),
  );
const number: fc.Arbitrary<Value> = fc.oneof(
  fc.integer(),
  fc.integer({ min: -3, max: 3 }),
  long,
  fc.double().map((each) => new Double(each)),
  decimal,
  fc.integer({ min: -3, max: 3 }).map((each) => new Double(each)),
  fc.integer({ min: -3, max: 3 }).map(BigInt),
  fc.integer({ min: -30, max: 30 }).map((each) => pack(parseDecimal((each / 10).toString()) as never)),
);
const bytes = fc.uint8Array({ maxLength: 6 }).map((each) => Buffer.from(each));
const leaf: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: number },
  { weight: 3, arbitrary: text },
  fc.boolean(),
  fc.constantFrom<Value>(null, MIN_KEY, MAX_KEY, UNDEFINED),
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map((each) => new ObjectId(Buffer.from(each))),
  fc.tuple(fc.constantFrom(0, 4, 128), bytes).map(([subtype, each]) => new Binary(subtype, each)),
  long.map((each) => new DateTime(each)),
  long.map((each) => new Timestamp(BigInt.asUintN(64, each))),
  fc.tuple(name, fc.constantFrom('', 'i', 'im')).map(([pattern, options]) => new Regex(pattern, options)),
  text.map((each) => new Code(each)),
  text.map((each) => new SymbolText(each)),
  fc.tuple(text, fc.uint8Array({ minLength: 12, maxLength: 12 })).map(([namespace, id]) => new DbPointer(namespace, Buffer.from(id))),
);
const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value; doc: Doc }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    { weight: 8, arbitrary: leaf },
    fc.array(tie('value'), { maxLength: 3 }).map((each) => Arr.of(each)),
    tie('doc'),
    fc.tuple(text, tie('doc')).map(([code, scope]) => new Code(code, scope)),
  ),
  doc: fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 3, selector: ([key]) => key }).map((pairs) =>
    Doc.of(
      pairs.map(([key]) => key),
      pairs.map(([, each]) => each),
    ),
  ),
})).value;

test('the order of keys is the order of values', () => {
  const agree = (a: Value, b: Value): void => {
    const order = Math.sign(compareValues(a, b));
    const [left, right] = [keyOf(a), keyOf(b)];
    expect(Math.sign(Buffer.compare(left, right))).toBe(order);
    expect(Math.sign(Buffer.compare(inverted(left), inverted(right)))).toBe(0 - order);
    // None is a prefix of another: what follows in a compound key does not affect the order.
    if (order !== 0) expect(left.subarray(0, right.length).equals(right)).toBe(false);
  };
  fc.assert(fc.property(value, value, agree), { numRuns: runs(3000) });
  fc.assert(fc.property(number, number, agree), { numRuns: runs(3000) });
});

test('the order of values is total', () => {
  fc.assert(
    fc.property(value, value, value, (a, b, c) => {
      expect(Math.sign(compareValues(a, b))).toBe(0 - Math.sign(compareValues(b, a)));
      const [low, middle, high] = [a, b, c].sort(compareValues) as [Value, Value, Value];
      expect(compareValues(low, high)).toBeLessThanOrEqual(0);
      if (compareValues(low, middle) === 0 && compareValues(middle, high) === 0) expect(compareValues(low, high)).toBe(0);
    }),
    { numRuns: runs(2000) },
  );
});

test('fields are picked and omitted by their bytes as by their names', () => {
  // Few names, so that adjacent ones, all and none are requested.
  const key = fc.constantFrom('_id', 'a', 'ab', 'b', 'ß', '');
  const fields = fc.uniqueArray(fc.tuple(key, value), { selector: ([each]) => each });
  fc.assert(
    fc.property(fields, fc.uniqueArray(key), (pairs, names) => {
      const of = (some: typeof pairs) =>
        Doc.of(
          some.map(([each]) => each),
          some.map(([, each]) => each),
        );
      const made = of(pairs);
      for (const doc of [made, Doc.read(encode(made))]) {
        expect(encode(picked(doc, fieldNames(names)))).toEqual(encode(of(pairs.filter(([each]) => names.includes(each)))));
        expect(encode(omitted(doc, fieldNames(names)))).toEqual(encode(of(pairs.filter(([each]) => !names.includes(each)))));
      }
    }),
    { numRuns: runs(1000) },
  );
});

/** The same value rebuilt, without the bytes that it was read from. */
const rebuilt = (each: Value): Value => {
  if (each instanceof Doc) return Doc.of(each.keys, each.values.map(rebuilt));
  if (each instanceof Arr) return Arr.of(each.values.map(rebuilt));
  return each instanceof Code && each.scope ? new Code(each.text, rebuilt(each.scope) as Doc) : each;
};

test('what is written is read unchanged, and written again as the same bytes', () => {
  fc.assert(
    fc.property(value, (each) => {
      const written = encode(Doc.of(['before', 'v', 'after'], [1, each, 'x']));
      expect(checkDocument(written, 0, written.length)).toBe(written.length);
      const read = Doc.read(written);
      expect(compareValues(read.get('v'), each)).toBe(0);
      expect(bsonTypeName(read.get('v'))).toBe(bsonTypeName(each));
      expect(encode(rebuilt(read) as Doc).equals(written)).toBe(true);
      expect(encode(read.with('added', 1).without('added')).equals(written)).toBe(true);
    }),
    { numRuns: runs(2000) },
  );
});

test("the bytes are those of the driver's own library", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        name.filter((key) => key !== '__proto__'),
        fc.oneof(fc.integer(), fc.double({ noNaN: true }), text, fc.boolean(), fc.constant(null), fc.array(fc.integer())),
      ),
      (each) => {
        const theirs = Buffer.from(BSON.serialize(each));
        checkDocument(theirs, 0, theirs.length);
        expect(encode(rebuilt(Doc.read(theirs)) as Doc).equals(theirs)).toBe(true);
      },
    ),
  );
});

test('decimals are read, written and computed according to the standard', () => {
  for (const each of [
    '0',
    '-0',
    '1',
    '1.00',
    '1E+3',
    '-1.5E-7',
    '9.999999999999999999999999999999999E+6144',
    '1E-6176',
    'NaN',
    'Infinity',
    '-Infinity',
    '0.001',
    '1234567890123456789012345678901234',
  ]) {
    expect(formatDecimal(unpack(pack(parseDecimal(each) as never)))).toBe(each);
    expect(pack(parseDecimal(each) as never).bytes.equals(Buffer.from(BSON.Decimal128.fromString(each).bytes))).toBe(true);
  }
  fc.assert(
    fc.property(decimal, (each) => {
      expect(formatDecimal(unpack(each))).toBe(new BSON.Decimal128(each.bytes).toString());
    }),
  );
  const compute = (operation: (a: Numeric, b: Numeric) => Numeric | undefined, a: string, b: string): string =>
    formatDecimal(unpack(operation(pack(parseDecimal(a) as never), pack(parseDecimal(b) as never)) as Decimal128));
  expect(compute(add, '0.1', '0.2')).toBe('0.3');
  expect(compute(add, '1E+40', '1')).toBe('1.000000000000000000000000000000000E+40');
  expect(compute(multiply, '1.10', '3')).toBe('3.30');
  expect(compute(divide, '1', '3')).toBe('0.3333333333333333333333333333333333');
  expect(compute(divide, '2', '3')).toBe('0.6666666666666666666666666666666667');
  expect(compute(divide, '1', '4')).toBe('0.25');
  expect(compute(remainder, '-7.5', '2')).toBe('-1.5');
});

test('documents derived from one with many fields do not affect it', () => {
  const wide = Doc.of(
    Array.from({ length: 11 }, (_, n) => `k${n}`),
    Array.from({ length: 11 }, (_, n) => n),
  );
  const step = fc.record({ of: fc.nat(50), key: fc.integer({ min: 0, max: 30 }), removes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const made = [{ doc: wide, model: new Map<string, Value>(wide.keys.map((key, n) => [key, n])) }];
      for (const [at, { of, key, removes }] of steps.entries()) {
        const { doc, model } = made[of % made.length] as (typeof made)[number];
        const name = `k${key}`;
        const fresh = new Map(model);
        if (removes) fresh.delete(name);
        else fresh.set(name, at + 100);
        made.push({ doc: removes ? doc.without(name) : doc.with(name, at + 100), model: fresh });
        for (const each of made) expect(each.doc.get(name)).toBe(each.model.get(name));
      }
      for (const { doc, model } of made) {
        expect([doc.keys, doc.values]).toEqual([[...model.keys()], [...model.values()]]);
        for (let n = 0; n <= 30; n++) expect(doc.get(`k${n}`)).toBe(model.get(`k${n}`));
      }
    }),
  );
});
