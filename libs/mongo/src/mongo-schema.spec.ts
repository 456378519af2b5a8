import { datesBy, mongoSchema } from './mongo-schema.js';

describe("MongoDB's schema of a document", () => {
  it('uses the keywords that MongoDB supports', () => {
    expect(
      mongoSchema({
        type: 'object',
        description: 'A clock',
        properties: {
          at: { type: 'string', format: 'date-time' },
          target: { type: 'integer', minimum: 0 },
          open: { type: 'boolean' },
          kind: { oneOf: [{ const: 'response' }, { type: 'string', enum: ['vendor'] }] },
          said: { type: 'object', propertyNames: { type: 'string' }, additionalProperties: { type: 'string' } },
          pauses: { type: 'array', items: { type: 'object', properties: {}, required: [], additionalProperties: false } },
        },
        required: ['at'],
      }),
    ).toEqual({
      bsonType: 'object',
      description: 'A clock',
      properties: {
        at: { bsonType: 'string' },
        target: { bsonType: 'number', multipleOf: 1, minimum: 0 },
        open: { bsonType: 'bool' },
        kind: { oneOf: [{ enum: ['response'] }, { bsonType: 'string', enum: ['vendor'] }] },
        said: { bsonType: 'object', additionalProperties: { bsonType: 'string' } },
        pauses: { bsonType: 'array', items: { bsonType: 'object', properties: {}, additionalProperties: false } },
      },
      required: ['at'],
    });
  });
});

describe('instants that are stored as dates', () => {
  const schema = {
    type: 'object',
    properties: {
      at: { type: 'string', format: 'date-time' },
      said: { type: 'string' },
      holds: { type: 'array', items: { type: 'object', properties: { from: { type: 'string', format: 'date-time' } } } },
    },
  };

  it('are dates to the validator, too', () => {
    expect(mongoSchema(schema, true)).toMatchObject({
      properties: { at: { bsonType: 'date' }, holds: { items: { properties: { from: { bsonType: 'date' } } } } },
    });
  });

  it('are found wherever the schema has them, and nowhere else', () => {
    const [first, second] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
    const document = { at: first, said: first, holds: [{ from: second }, {}], other: first };
    expect(datesBy(schema)(document)).toEqual({
      at: new Date(first),
      said: first,
      holds: [{ from: new Date(second) }, {}],
      other: first,
    });
    expect(document.at).toBe(first);
    expect(datesBy(schema)({ said: 's' })).toEqual({ said: 's' });
  });
});
