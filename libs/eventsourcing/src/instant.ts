/** A moment in UTC with millisecond precision, as `2026-11-21T10:00:00.000Z`: JSON-safe, and instants compare as strings do. */
export type Instant = string & { readonly __brand: 'Instant' };

const dateTime = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})$/;

/** Reads any ISO 8601 date-time that names its offset. Undefined when the text is none (or has no offset, which would make it ambiguous). */
export function parseInstant(text: string): Instant | undefined {
  const day = dateTime.exec(text)?.[1];
  // Date.parse takes 30 February for 2 March.
  if (day === undefined || !existsAsDay(day)) return undefined;
  const millis = Date.parse(text.replace(/(\.\d{3})\d+/, '$1').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  return Number.isNaN(millis) ? undefined : instantFrom(millis);
}

function existsAsDay(day: string): boolean {
  const millis = Date.parse(day);
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(day);
}

/** The instant so many milliseconds after 1970-01-01T00:00:00Z. */
export function instantFrom(epochMillis: number): Instant {
  return new Date(epochMillis).toISOString() as Instant;
}

/** Milliseconds since 1970-01-01T00:00:00Z. */
export function epochMillis(instant: Instant): number {
  return Date.parse(instant);
}
