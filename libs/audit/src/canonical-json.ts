/**
 * Canonical JSON (RFC 8785) of what `JSON.stringify` would write: the same text for the same content, whatever the order of its fields.
 * Undefined fields are omitted. A lone surrogate, which RFC 8785 does not cover, is written as its escape, so that every JSON value has a
 * canonical text.
 */
export function canonicalJson(value: unknown): string {
  return textOf(value) ?? 'null';
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      // RFC 8785 uses ECMAScript's own text of strings and numbers.
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      break;
    default:
      // undefined, functions and symbols are not JSON; JSON.stringify rightly throws for a bigint.
      return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return textOf(toJSON.call(value) as unknown);
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '{';
  // Sorted by UTF-16 code units, which is how JavaScript compares strings.
  for (const key of Object.keys(fields).sort()) {
    const field = textOf(fields[key]);
    if (field !== undefined) text += `${text.length > 1 ? ',' : ''}${JSON.stringify(key)}:${field}`;
  }
  return `${text}}`;
}
