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

/** Keywords of JSON Schema with the same meaning in MongoDB. */
const SAME = ['description', 'enum', 'minimum', 'maximum', 'minLength', 'maxLength', 'pattern', 'minItems', 'maxItems'] as const;

/**
 * A JSON Schema (2020-12, without references) as MongoDB's `$jsonSchema`: draft 4 with `bsonType`. Keywords unknown to MongoDB, such as
 * `format`, are omitted.
 * @param dates whether instants are dates
 */
export function mongoSchema(given: object, dates = false): object {
  const inner = (one: object) => mongoSchema(one, dates);
  const schema: JsonSchema = { ...given };
  const { type, properties, required = [], items, additionalProperties, anyOf, oneOf } = schema;
  return Object.fromEntries(
    Object.entries({
      ...Object.fromEntries(SAME.map((keyword) => [keyword, schema[keyword]])),
      bsonType: dates && isInstant(schema) ? 'date' : type === undefined ? undefined : (bsonTypes[type] ?? type),
      enum: 'const' in schema ? [schema.const] : schema['enum'],
      multipleOf: type === 'integer' ? 1 : undefined,
      properties: properties && Object.fromEntries(Object.entries(properties).map(([name, property]) => [name, inner(property)])),
      required: required.length > 0 ? required : undefined,
      items: items && inner(items),
      additionalProperties: typeof additionalProperties === 'object' ? inner(additionalProperties) : additionalProperties,
      anyOf: anyOf?.map(inner),
      oneOf: oneOf?.map(inner),
    }).filter(([, value]) => value !== undefined),
  );
}

function isInstant({ type, format }: JsonSchema): boolean {
  return type === 'string' && format === 'date-time';
}

type Convert = (value: unknown) => unknown;

/** Converts instants to dates, wherever a JSON Schema has them. Other fields stay as they are. */
export function datesBy(given: object): (document: object) => object {
  return (compiled({ ...given }) ?? ((document: unknown) => document)) as (document: object) => object;
}

/** Undefined if there is nothing to convert. */
function compiled(schema: JsonSchema): Convert | undefined {
  if (isInstant(schema)) return (value) => (typeof value === 'string' ? new Date(value) : value);
  const item = schema.items && compiled(schema.items);
  if (item !== undefined) return (value) => (Array.isArray(value) ? value.map(item) : value);
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const convert = compiled(property);
    return convert === undefined ? [] : [[name, convert] as const];
  });
  if (fields.length === 0) return undefined;
  return (value) => {
    if (typeof value !== 'object' || value === null) return value;
    const copy: Record<string, unknown> = { ...value };
    for (const [name, convert] of fields) if (copy[name] !== undefined) copy[name] = convert(copy[name]);
    return copy;
  };
}
