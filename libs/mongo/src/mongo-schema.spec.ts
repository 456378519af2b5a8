import { mongoSchema } from './mongo-schema.js';

describe("MongoDB's schema of a document", () => {
  it('says what MongoDB knows, in its words', () => {
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
