import { jsonSchemas, projectionGroups, publishedSchemas } from '#ticketing';

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

interface Section {
  readonly name: string;
  readonly schema: Schema;
  /** Whether instants are dates. */
  readonly dates: boolean;
  readonly note: string;
}

/** The page of all fields: of each schema, and of the documents of each collection. */
export function fieldsPage(): string {
  const schemas = Object.entries(jsonSchemas(publishedSchemas, (name) => name)) as unknown as readonly [string, Schema][];
  const faces = projectionGroups
    .flatMap((group) => group.faces)
    .map(({ name, schema, alias, dates = false }): Section => ({
      name,
      schema: schema() as Schema,
      dates,
      note: alias === undefined ? '' : ` Also shown by the view \`${alias}\`.`,
    }));
  return `# Fields

Generated from the schemas; do not edit. \`UPDATE_DOCS=1 npm test -- test/documentation\` regenerates it. The same schemas are in
\`/openapi.json\`, and each collection's is its validator (\`listCollections\`), as MongoDB's \`$jsonSchema\`; it is not enforced.

A field with a question mark may be absent. \`[]\` is each item of a list, \`*\` each key of a map. Durations are milliseconds, instants UTC.

# Collections

Fields within fields are listed to the second level; all are below.

${faces.map((face) => section(face, 2)).join('\n')}
# API

${schemas.map(([name, schema]) => section({ name, schema, dates: false, note: '' })).join('\n')}`;
}

/** @param levels how many levels of fields within fields are listed */
function section({ name, schema, dates, note }: Section, levels = Infinity): string {
  const rows = fieldsOf(schema, '', levels).map((row) => (dates ? row.replace('| instant |', '| date |') : row));
  return `## ${name}

${schema.description ?? ''}${note === '' ? '' : `.${note}`}

${rows.length === 0 ? `${typeOf(schema)}\n` : `| field | is | meaning |\n|---|---|---|\n${rows.join('\n')}\n`}`;
}

function fieldsOf(schema: Schema, path: string, levels: number): readonly string[] {
  if (levels === 0) return [];
  const { properties = {}, required = [], items, additionalProperties, anyOf = [], oneOf = [] } = schema;
  return [
    ...Object.entries(properties).flatMap(([name, property]) => {
      const field = path === '' ? name : `${path}.${name}`;
      return [
        `| \`${field}${required.includes(name) ? '' : '?'}\` | ${typeOf(property)} | ${cell(property.description ?? '')} |`,
        ...fieldsOf(property, field, levels - 1),
      ];
    }),
    ...(items === undefined ? [] : fieldsOf(items, `${path}[]`, levels)),
    ...(typeof additionalProperties === 'object' ? fieldsOf(additionalProperties, `${path}.*`, levels) : []),
    ...[...new Set([...anyOf, ...oneOf].flatMap((one) => fieldsOf(one, path, levels)))],
  ];
}

function typeOf({ $ref, type, format, const: only, enum: words, items, anyOf, oneOf }: Schema): string {
  if ($ref !== undefined) return `[${$ref}](#${$ref.toLowerCase()})`;
  if (only !== undefined) return `\`${String(only)}\``;
  if (words !== undefined) return words.map((word) => `\`${String(word)}\``).join(', ');
  const kinds = anyOf ?? oneOf;
  if (kinds !== undefined) return [...new Set(kinds.map(typeOf))].join(' or ');
  if (items !== undefined) return `list of ${typeOf(items)}`;
  return format === undefined ? (type ?? 'any') : format === 'date-time' ? 'instant' : format;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
