import { Ajv2020 } from 'ajv/dist/2020.js';
import { HAND_OFF_ITEMS } from '../contract/hand-off.js';
import { defaultContract } from '../contract/contract.js';
import { jsonSchema, jsonSchemas } from '../json-schema.js';
import { faultsOf, fields, forSome, listOf, recordOf, text, whole } from '../schema.js';
import { IMPACTS, PRIORITIES, TIERS, URGENCIES } from '../vocabulary.js';
import { projectionGroups } from './projections.js';
import { publishedSchemas } from './published-schemas.js';

interface Node {
  readonly properties?: Readonly<Record<string, Node>>;
  readonly description?: string;
  readonly $ref?: string;
}

/** Paths of the fields of a JSON Schema that nothing is said about. */
function undescribed(schema: unknown, path: string): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {} } = schema as Node;
  return [
    ...Object.entries(properties).flatMap(([name, { description, $ref }]) =>
      description === undefined && $ref === undefined ? [`${path}.${name}`] : [],
    ),
    ...Object.entries(schema).flatMap(([key, value]) => undescribed(value, `${path}.${key}`)),
  ];
}

describe('published schemas', () => {
  const schemas = jsonSchemas(publishedSchemas, (name) => `all#/schemas/${name}`);

  it('say something of every field, apart from the keys of maps by tier, priority, impact or urgency', () => {
    const silent = Object.entries(schemas).flatMap(([name, schema]) => undescribed(schema, name));
    const keys: readonly string[] = [...TIERS, ...PRIORITIES, ...IMPACTS, ...URGENCIES];
    expect(silent.filter((path) => !keys.includes(path.split('.').at(-1) ?? ''))).toEqual([]);
  });

  it('refer to schemas that are there, and are JSON Schema', () => {
    const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true });
    for (const format of ['date-time', 'uuid']) ajv.addFormat(format, true);
    ajv.addVocabulary(['schemas']);
    ajv.addSchema({ $id: 'all', schemas });
    for (const name of Object.keys(schemas)) expect(ajv.compile({ $ref: `all#/schemas/${name}` })).toBeInstanceOf(Function);
    expect(ajv.compile({ $ref: 'all#/schemas/Contract' })(JSON.parse(JSON.stringify(defaultContract)))).toBe(true);
  });

  it('of stored documents are whole, and have what the projector adds', () => {
    const faces = projectionGroups.flatMap((group) => group.faces);
    expect(faces.length).toBeGreaterThan(0);
    for (const { schema } of faces) {
      const whole = schema();
      expect(JSON.stringify(whole)).not.toContain('$ref');
      expect(whole).toMatchObject({
        description: expect.stringMatching(/./),
        required: expect.arrayContaining(['_id', 'revision', 'position']),
      });
    }
  });

  it('are named, or the reference is refused', () => {
    const { Contract } = publishedSchemas;
    expect(() => jsonSchemas({ Contract }, (name) => name)).toThrow('without a name');
  });
});

describe('a schema', () => {
  const fieldsOf = (schema: Parameters<typeof faultsOf>[0], value: unknown) => faultsOf(schema, value, 'it').map(({ field }) => field);

  it('takes JSON objects for objects, and nothing else', () => {
    for (const schema of [fields({}), forSome(TIERS, text), recordOf(text)]) {
      expect(faultsOf(schema, {})).toEqual([]);
      for (const value of [[], null, 'x', 1, undefined]) expect(fieldsOf(schema, value)).toEqual(['it']);
    }
  });

  it('names every unknown field, whatever it is called', () => {
    const sent = JSON.parse('{ "a": "x", "constructor": 1, "__proto__": 2, "b": 3 }') as unknown;
    expect(fieldsOf(fields({ a: text }), sent)).toEqual(['it.constructor', 'it.__proto__', 'it.b']);
    expect(fieldsOf(recordOf(whole(2, 2)), sent)).toEqual(['it.a', 'it.constructor', 'it.b']);
  });

  it('names an item by its place, once', () => {
    expect(faultsOf(listOf(whole(1, 9), 'digits'), [1, -1.5, '2'], 'it')).toEqual([
      { field: 'it[1]', message: 'must be a whole number from 1 to 9' },
      { field: 'it[2]', message: 'must be a whole number from 1 to 9' },
    ]);
  });

  it('is JSON Schema with its bounds and words', () => {
    expect(jsonSchema(publishedSchemas.Priority)).toEqual({ type: 'string', enum: [...PRIORITIES] });
    expect(JSON.stringify(jsonSchema(publishedSchemas.Contract))).toContain(JSON.stringify(HAND_OFF_ITEMS));
    expect(jsonSchema(fields({ days: whole(1, 366) }))).toEqual({
      type: 'object',
      properties: { days: { type: 'integer', minimum: 1, maximum: 366 } },
      required: ['days'],
      additionalProperties: false,
    });
  });
});
