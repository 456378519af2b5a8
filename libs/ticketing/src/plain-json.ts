/** Events are JSON: a field without a value is left out. */
export function omitUndefined<Fields extends object>(fields: Fields): Fields {
  // A plain loop: every event and document passes through here, and Object.fromEntries is several times slower.
  const kept: Partial<Fields> = {};
  for (const key in fields) if (fields[key] !== undefined) kept[key] = fields[key];
  return kept as Fields;
}

/** A copy without some fields. */
export function without<Fields extends object, Key extends keyof Fields>(fields: Fields, ...keys: readonly Key[]): Fields {
  // Copied field by field: an object from which fields were deleted stays slow to copy.
  const kept: Partial<Fields> = {};
  for (const key in fields) if (!keys.includes(key as unknown as Key)) kept[key] = fields[key];
  return kept as Fields;
}

/** Entries, oldest first, with one more, which may be told late. @param time the field with the time of an entry */
export function withOneMore<Time extends string, Entry extends Readonly<Record<Time, string>>>(
  entries: readonly Entry[],
  entry: Entry,
  time: Time,
): readonly Entry[] {
  return entries.toSpliced(entries.findLastIndex((one) => one[time] <= entry[time]) + 1, 0, entry);
}

/** JSON text that is the same for the same content, whatever the order of its fields. */
export function canonicalJson(content: object): string {
  return JSON.stringify(content, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Whether two JSON values have the same content, whatever the order of their fields. */
export function same(one: object, other: object): boolean {
  return canonicalJson(one) === canonicalJson(other);
}

/** Whether a value of unknown shape is an object with fields. */
export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of a value of unknown shape; none if it is not an object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isFields(value) ? value : {};
}
