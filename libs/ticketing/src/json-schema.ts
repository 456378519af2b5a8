import { type JsonSchema, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';

/**
 * JSON Schemas (2020-12) of named schemas, which refer to each other by name. Rules across fields are code, and not in them.
 * @param refer the reference to a name, such as `#/components/schemas/Contract`
 * @throws Error when one refers to a schema without a name
 */
export function jsonSchemas(
  named: Readonly<Record<string, GenericSchema>>,
  refer: (name: string) => string,
): Readonly<Record<string, JsonSchema>> {
  return toJsonSchemaDefs(named, {
    target: 'draft-2020-12',
    ignoreActions: ['raw_check'],
    overrideRef({ referenceId }) {
      if (!Object.hasOwn(named, referenceId)) throw new Error(`a schema without a name is referred to as ${referenceId}`);
      return refer(referenceId);
    },
  });
}
