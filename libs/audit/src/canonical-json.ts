/**
 * Canonical JSON (RFC 8785) of what `JSON.stringify` would write of a value: the same text for the same content, whatever the order of
 * its fields. A field that is undefined is not there. A lone surrogate, which RFC 8785 does not provide for, is written as its escape, so
 * that every value that JSON can hold has a canonical text.
 */
export function canonicalJson(value: unknown): string {
  return textOf(value) ?? 'null';
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
      // ECMAScript's own text of strings and numbers is what RFC 8785 is made of.
      return JSON.stringify(value);
    case 'object':
      if (value === null) return 'null';
      break;
    default:
      // undefined, functions and symbols are no JSON; of a bigint JSON.stringify throws, as it should.
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
