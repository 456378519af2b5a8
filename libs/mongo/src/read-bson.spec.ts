import { BSON, Long } from 'mongodb';
import fc from 'fast-check';
import { BsonReader } from './read-bson.js';

const text = fc.oneof(fc.constantFrom('', 'L1', 'northwind', 'Zoë', '重大'), fc.string({ unit: 'grapheme', maxLength: 40 }));
const scalar = fc.oneof(
  text,
  fc.boolean(),
  fc.constant(null),
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.maxSafeInteger().map((one) => Long.fromNumber(one)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((one) => Long.fromBigInt(one)),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => new BSON.Binary(bytes)),
);
const name = text.filter((one) => !one.includes('\0'));
const { document } = fc.letrec<{ value: unknown; document: object }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 12 }), tie('document')),
  document: fc.dictionary(name, tie('value'), { maxKeys: 8 }),
}));

it('reads documents as the driver does, whatever came before', () => {
  const reader = new BsonReader();
  fc.assert(
    fc.property(document, (given) => {
      const bytes = BSON.serialize(given);
      expect(reader.read(bytes)).toEqual(BSON.deserialize(bytes));
    }),
  );
});

it('leaves invalid documents to the driver, which reports them', () => {
  const bytes = BSON.serialize({ tier: 'L1', stays: [{ tier: 'L2' }] });
  for (let length = 0; length < bytes.length; length++) {
    expect(() => new BsonReader().read(bytes.subarray(0, length))).toThrow(BSON.BSONError);
  }
});
