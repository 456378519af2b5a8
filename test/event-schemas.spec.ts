import { readFileSync, writeFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { format, resolveConfig } from 'prettier';
import type { StoredEvent } from '#eventsourcing';
import { isDerived, publicEvent, publicEventSchemas, type PublicEventType, publicEventTypes, publicStreamPrefixes } from '#ticketing';
import { type DataSchema, eventSchemas } from './event-schemas.js';

const file = (path: string) => new URL(path, import.meta.url);
const json = (path: string) => JSON.parse(readFileSync(file(path), 'utf8'));
const now = publicEventSchemas as Readonly<Record<string, DataSchema>>;

/** Keys of a schema that are no names of fields. */
const KEYWORD = /^(properties|items|anyOf|additionalProperties|\d+)$/;

/** Shorter schemas are repeated where they are used. */
const WORTH_A_NAME = 160;

/** The schemas as code, in which a part that several places share is a constant of its own, named for the first of them. */
function declaredOnce(schemas: object): { readonly declared: readonly string[]; readonly text: string } {
  const names = new Map<string, string>();
  const collect = (value: unknown, name: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const text = JSON.stringify(value);
    if (!Array.isArray(value) && 'type' in value && text.length >= WORTH_A_NAME && !names.has(text)) names.set(text, name);
    for (const [key, child] of Object.entries(value)) collect(child, KEYWORD.test(key) ? name : key);
  };
  for (const schema of Object.values(schemas)) collect(schema, 'data');
  let text = JSON.stringify(schemas);
  const declared: { name: string; text: string }[] = [];
  const taken = new Map<string, number>();
  for (const [part, base] of [...names].sort(([a], [b]) => b.length - a.length)) {
    const places = [text, ...declared.map((one) => one.text)].reduce((sum, one) => sum + one.split(part).length - 1, 0);
    if (places < 2) continue;
    const number = (taken.get(base) ?? 0) + 1;
    taken.set(base, number);
    const name = `${base}${number === 1 ? '' : number}Schema`;
    text = text.replaceAll(part, `"@${name}"`);
    for (const one of declared) one.text = one.text.replaceAll(part, `"@${name}"`);
    declared.unshift({ name, text: part });
  }
  const asCode = (one: string) => one.replaceAll(/"@(\w+)"/g, '$1');
  return { declared: declared.map((one) => `const ${one.name} = ${asCode(one.text)};`), text: asCode(text) };
}

async function write(schemas: object): Promise<void> {
  const path = file('../libs/ticketing/src/feed/event-schemas.ts');
  const said = '// Generated from the types of the events; do not edit: `UPDATE_DOCS=1 npm test -- test/event-schemas` regenerates it.\n\n';
  const what = '/** The JSON Schema (2020-12) of what other services read of each type of event. */\n';
  const { declared, text } = declaredOnce(schemas);
  const code = `${said}${declared.join('\n')}\n\n${what}export const publicEventSchemas = ${text};\n`;
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

/** What other services read of a stored event's data. */
function shownOf(type: string, data: unknown): unknown {
  const metadata = { actor: { kind: 'system', id: 'test' }, schemaVersion: 1 };
  const stored = (stream: string) =>
    ({ id: '', stream, type, data, metadata, revision: 0, position: { commit: 1n, prepare: 1n } }) as unknown as StoredEvent;
  return publicStreamPrefixes.map((prefix) => publicEvent(stored(`${prefix}1`))).find((event) => event !== undefined)?.data;
}

describe('the schemas of public events', () => {
  it('are what the events are declared as', async () => {
    const schemas = eventSchemas();
    if (process.env['UPDATE_DOCS'] !== undefined) await write(schemas);
    else expect(now).toEqual(schemas);
    expect(Object.keys(schemas).sort()).toEqual([...publicEventTypes].sort());
  }, 60_000);

  it('do not break readers of published versions', () => {
    const published: Readonly<Record<string, DataSchema>> = json('./fixtures/public-events.v1.json');
    expect(Object.entries(published).flatMap(([type, before]) => breaks(before, now[type] ?? {}, type))).toEqual([]);
    expect(Object.keys(now).filter((type) => !Object.hasOwn(published, type))).toEqual([]);
  });

  it('hold for one sample of each type', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    for (const [type, schema] of Object.entries(now)) {
      if (isDerived(type as PublicEventType)) continue;
      const valid = ajv.compile(schema);
      const shown = shownOf(type, json(`./fixtures/events/${type}.v1.json`));
      expect({ type, valid: valid(shown), errors: valid.errors }).toEqual({ type, valid: true, errors: null });
    }
  });
});
