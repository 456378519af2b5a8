interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

const bsonTypes: Readonly<Record<string, string>> = { integer: 'number', boolean: 'bool' };

/** Keywords of JSON Schema that mean the same in MongoDB. */
const SAME = ['description', 'enum', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'minItems', 'maxItems'] as const;

/**
 * A JSON Schema (2020-12, without references) as MongoDB's `$jsonSchema`: draft 4 with `bsonType`. What MongoDB does not know, such as
 * `format`, is left out.
 */
export function mongoSchema(given: object): object {
  const schema: JsonSchema = { ...given };
  const { type, properties, required = [], items, additionalProperties, anyOf, oneOf } = schema;
  return Object.fromEntries(
    Object.entries({
      ...Object.fromEntries(SAME.map((keyword) => [keyword, schema[keyword]])),
      bsonType: type === undefined ? undefined : (bsonTypes[type] ?? type),
      enum: 'const' in schema ? [schema.const] : schema['enum'],
      multipleOf: type === 'integer' ? 1 : undefined,
      properties: properties && Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, mongoSchema(property)])),
      required: required.length > 0 ? required : undefined,
      items: items && mongoSchema(items),
      additionalProperties: typeof additionalProperties === 'object' ? mongoSchema(additionalProperties) : additionalProperties,
      anyOf: anyOf?.map(mongoSchema),
      oneOf: oneOf?.map(mongoSchema),
    }).filter(([, value]) => value !== undefined),
  );
}
