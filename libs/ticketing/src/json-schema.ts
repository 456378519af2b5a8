import { type ConversionConfig, type JsonSchema, toJsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';

const config = { target: 'draft-2020-12', ignoreActions: ['raw_check', 'check'] } satisfies ConversionConfig;

/** The JSON Schema (2020-12) of a schema, without references. Rules across fields are code, and not included. */
export function jsonSchema(schema: GenericSchema): JsonSchema {
  const { $schema: _schema, $defs: parts = {}, ...whole } = toJsonSchema(schema, config);
  return inlined(whole, parts) as JsonSchema;
}

function inlined(schema: unknown, parts: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(schema)) return schema.map((one) => inlined(one, parts));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema as { readonly $ref?: string };
  const own = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, inlined(value, parts)]));
  return $ref === undefined ? own : { ...(inlined(parts[$ref.replace('#/$defs/', '')], parts) as object), ...own };
}

/**
 * JSON Schemas (2020-12) of named schemas, which refer to each other by name. Rules across fields are code, and not included.
 * @param refer the reference to a name, such as `#/components/schemas/Contract`
 * @throws Error if one refers to a schema without a name
 */
export function jsonSchemas(
  named: Readonly<Record<string, GenericSchema>>,
  refer: (name: string) => string,
): Readonly<Record<string, JsonSchema>> {
  return toJsonSchemaDefs(named, {
    ...config,
    overrideRef({ referenceId }) {
      if (!Object.hasOwn(named, referenceId)) throw new Error(`a schema without a name is referred to as ${referenceId}`);
      return refer(referenceId);
    },
  });
}
