import { type Instant, parseInstant } from '#eventsourcing';
import { Temporal } from 'temporal-polyfill';

export const PERIODS = ['hour', 'day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

/** A named half-open span of time, in milliseconds since 1970. */
export interface Bucket {
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

/**
 * The hours, days, ISO weeks or months of a zone that overlap a period: clipped to it, in order. The name of an hour includes its offset,
 * which tells the two repeated hours apart.
 * @param from, to milliseconds since 1970, half-open
 */
export function bucketsOf(period: Period, zone: string, from: number, to: number): readonly Bucket[] {
  const buckets: Bucket[] = [];
  let begin = beginOf(period, Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(zone));
  while (begin.epochMilliseconds < to) {
    // An hour begins again when the zone's offset changes.
    const next = beginOf(period, begin.add({ [`${period}s`]: 1 }));
    const end = next.epochMilliseconds > begin.epochMilliseconds ? next : begin.add({ hours: 1 });
    buckets.push({ key: nameOf(period, begin), from: Math.max(from, begin.epochMilliseconds), to: Math.min(to, end.epochMilliseconds) });
    begin = end;
  }
  return buckets;
}

/** The hour, day, ISO week or month of a zone that contains an instant, unclipped. @param at milliseconds since 1970 */
export function periodAt(period: Period, zone: string, at: number): Bucket {
  const begin = beginOf(period, Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone));
  const end = beginOf(period, begin.add({ [`${period}s`]: 1 }));
  return { key: nameOf(period, begin), from: begin.epochMilliseconds, to: end.epochMilliseconds };
}

/**
 * When clocks in a zone show an hour on the day of an instant: the moment after the gap if they skip it, the first time if they show it
 * twice.
 * @param at milliseconds since 1970
 */
export function hourOfDay(zone: string, at: number, hour: number): number {
  const day = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone).toPlainDate();
  return day.toZonedDateTime({ timeZone: zone, plainTime: { hour } }).epochMilliseconds;
}

/** The first moment of a date in a zone, in milliseconds since 1970; undefined if it is not a date. @param date `YYYY-MM-DD` */
export function dateBegins(zone: string, date: string): number | undefined {
  try {
    return Temporal.PlainDate.from(date, { overflow: 'reject' }).toZonedDateTime({ timeZone: zone }).epochMilliseconds;
  } catch {
    return undefined;
  }
}

/** Reads an instant, or a date, which means its first moment in a zone; undefined for anything else. */
export function momentIn(zone: string, given: string): Instant | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(given)) return parseInstant(given);
  const begins = dateBegins(zone, given);
  // Instants have years 0 to 9999 in UTC; the first and the last day of a zone may be outside.
  return begins === undefined ? undefined : parseInstant(new Date(begins).toISOString());
}

function beginOf(period: Period, at: Temporal.ZonedDateTime): Temporal.ZonedDateTime {
  switch (period) {
    case 'hour':
      return at.round({ smallestUnit: 'hour', roundingMode: 'floor' });
    case 'day':
      return at.startOfDay();
    case 'week':
      return at.subtract({ days: at.dayOfWeek - 1 }).startOfDay();
    case 'month':
      return at.with({ day: 1 }).startOfDay();
  }
}

function nameOf(period: Period, begin: Temporal.ZonedDateTime): string {
  const date = begin.toPlainDate().toString();
  switch (period) {
    case 'hour':
      return `${date}T${String(begin.hour).padStart(2, '0')}:00${begin.offset}`;
    case 'day':
      return date;
    case 'week':
      return `${begin.yearOfWeek}-W${String(begin.weekOfYear).padStart(2, '0')}`;
    case 'month':
      return date.slice(0, 7);
  }
}

/** Index of the bucket with an instant; -1 if there is none. Buckets follow each other without gaps. */
export function bucketAt(buckets: readonly Bucket[], at: number): number {
  let [low, high] = [0, buckets.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((buckets[middle]?.to ?? Infinity) <= at) low = middle + 1;
    else high = middle;
  }
  const found = buckets[low];
  return found !== undefined && found.from <= at ? low : -1;
}
