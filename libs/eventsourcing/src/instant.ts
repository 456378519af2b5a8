/** A moment in UTC with millisecond precision, as `2026-11-21T10:00:00.000Z`: JSON-safe, and instants compare as strings do. */
export type Instant = string & { readonly __brand: 'Instant' };

const canonical = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** Reads any ISO 8601 date-time that names its offset. Undefined when the text is none (or has no offset, which would make it ambiguous). */
export function parseInstant(text: string): Instant | undefined {
  if (canonical.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text).toISOString() as Instant;
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/.test(text)) return undefined;
  const millis = Date.parse(text.replace(/(\.\d{3})\d+/, '$1').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'));
  return Number.isNaN(millis) ? undefined : instantFrom(millis);
}

/** The instant so many milliseconds after 1970-01-01T00:00:00Z. */
export function instantFrom(epochMillis: number): Instant {
  return new Date(epochMillis).toISOString() as Instant;
}

/** Milliseconds since 1970-01-01T00:00:00Z. */
export function epochMillis(instant: Instant): number {
  return Date.parse(instant);
}
