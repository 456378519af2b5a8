import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { format, resolveConfig } from 'prettier';
import { publicEventSchemas, publicEventTypes } from '#ticketing';
import { type DataSchema, eventSchemas } from './event-schemas.js';

const file = (path: string) => new URL(path, import.meta.url);
const json = (path: string) => JSON.parse(readFileSync(file(path), 'utf8'));
const now = publicEventSchemas as Readonly<Record<string, DataSchema>>;

async function write(schemas: object): Promise<void> {
  const path = file('../libs/ticketing/src/feed/event-schemas.ts');
  const said =
    '/**\n * The JSON Schema (2020-12) of what other services read of each type of event. Generated from the types of the events; do not edit:\n' +
    ' * `UPDATE_DOCS=1 npm test -- test/event-schemas` writes it anew.\n */\n';
  const code = `${said}export const publicEventSchemas = ${JSON.stringify(schemas)};\n`;
  writeFileSync(path, await format(code, { ...(await resolveConfig(path)), parser: 'typescript' }));
}

/** What breaks readers of the earlier schema, by path: what they rely on is gone, or is something else. */
function breaks(before: DataSchema, after: DataSchema, path: string): string[] {
  const properties = (schema: DataSchema) => (schema['properties'] ?? {}) as Readonly<Record<string, DataSchema>>;
  const required = (schema: DataSchema) => (schema['required'] ?? []) as readonly string[];
  const kind = ({ type, const: value, enum: values, anyOf }: DataSchema) =>
    type ?? (value === undefined && values === undefined ? (anyOf === undefined ? 'anything' : 'anyOf') : 'string');
  if (kind(before) !== kind(after)) return [`${path} was ${String(kind(before))} and is ${String(kind(after))}`];
  return [
    ...required(before).flatMap((name) => (required(after).includes(name) ? [] : [`${path}.${name} may be absent`])),
    ...Object.entries(properties(before)).flatMap(([name, schema]) => {
      const now = properties(after)[name];
      return now === undefined ? [`${path}.${name} is gone`] : breaks(schema, now, `${path}.${name}`);
    }),
    ...('items' in before ? breaks(before['items'] as DataSchema, (after['items'] ?? {}) as DataSchema, `${path}[]`) : []),
  ];
}

describe('the schemas of public events', () => {
  it('are what the events are declared as', async () => {
    const schemas = eventSchemas();
    if (process.env['UPDATE_DOCS'] !== undefined) await write(schemas);
    else expect(now).toEqual(schemas);
    expect(Object.keys(schemas).sort()).toEqual([...publicEventTypes].sort());
  }, 60_000);

  it('break no reader of what was published', () => {
    const published: Readonly<Record<string, DataSchema>> = json('./fixtures/public-events.v1.json');
    expect(Object.entries(published).flatMap(([type, before]) => breaks(before, now[type] ?? {}, type))).toEqual([]);
    expect(Object.keys(now).filter((type) => !Object.hasOwn(published, type))).toEqual([]);
  });

  it('hold for one sample of each type', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const [type, schema] of Object.entries(now)) {
      // Readers are shown something else of these than what is stored.
      if (['TicketOpened', 'SlaTermsRebased', 'ReportRunCompleted', 'InternalNoteAdded', 'ActProposed', 'SlaMet'].includes(type)) continue;
      const sample = json(`./fixtures/events/${type}.v1.json`);
      const valid = ajv.compile(schema);
      expect({ type, valid: valid(sample), errors: valid.errors }).toEqual({ type, valid: true, errors: null });
    }
  });
});
