import { instantFrom, type Instant } from '#eventsourcing';
import fc from 'fast-check';
import { type BusinessCalendar, type OpenHours, WEEKDAYS, type Weekday } from '../contract/business-calendar.js';

/** Random calendars, and what a wall clock says about them minute by minute: slow, obvious, and without Temporal. */

const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;

/** Zones with days on which their clocks change, and a quiet day each. */
const eventfulDays: Readonly<Record<string, readonly string[]>> = {
  'Europe/Berlin': ['2026-03-28', '2026-10-24', '2026-12-30'],
  'America/New_York': ['2026-03-07', '2026-10-31', '2027-01-01'],
  'Australia/Lord_Howe': ['2026-04-04', '2026-10-03', '2026-07-01'],
  'Asia/Kathmandu': ['2026-06-01', '1985-12-31'],
  'Africa/Casablanca': ['2026-02-14', '2026-03-21', '2026-06-01'],
  'Pacific/Apia': ['2011-12-29', '2011-12-30', '2026-05-01'],
  'America/Sao_Paulo': ['2018-11-03', '2018-02-17'],
  UTC: ['2026-12-31', '2024-02-28'],
};

const clockTime = (minute: number) => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** Up to three intervals that do not overlap, some of which touch, begin at 00:00 or end at 24:00. */
const hours: fc.Arbitrary<readonly OpenHours[]> = fc
  .uniqueArray(fc.oneof(fc.constantFrom(0, 1440, 60, 120, 150, 180, 1380), fc.integer({ min: 0, max: 1440 })), {
    minLength: 2,
    maxLength: 6,
  })
  .chain((minutes) => {
    const sorted = [...minutes].sort((one, other) => one - other);
    const touching = sorted.slice(1).map((to, index) => ({ from: clockTime(sorted[index] ?? 0), to: clockTime(to) }));
    return fc.constantFrom(
      touching,
      touching.filter((_, index) => index % 2 === 0),
    );
  });

const week: fc.Arbitrary<BusinessCalendar['week']> = fc
  .array(fc.tuple(fc.constantFrom<Weekday>(...WEEKDAYS), hours), { minLength: 1, maxLength: 7 })
  .map((days) => Object.fromEntries(days));

export interface CalendarAndTime {
  readonly calendar: BusinessCalendar;
  /** Midnight, read as UTC, of an eventful day, less half a day: a good moment to begin at. */
  readonly start: number;
}

/** A calendar in a zone, and an interesting time in that zone. One in ten is 24×7. */
export const randomCalendar: fc.Arbitrary<CalendarAndTime> = fc
  .constantFrom(...Object.entries(eventfulDays).flatMap(([zone, days]) => days.map((day) => [zone, day] as const)))
  .chain(([zone, day]) => {
    const midnight = Date.parse(day);
    const date = fc.integer({ min: -1, max: 5 }).map((days) => new Date(midnight + days * 1440 * MINUTE).toISOString().slice(0, 10));
    const holiday = fc.oneof(fc.record({ date }), fc.record({ date, hours }));
    return fc.record({
      start: fc.constant(midnight - 720 * MINUTE),
      calendar: fc.oneof(
        { weight: 1, arbitrary: fc.constant<BusinessCalendar>({ zone, week: '24x7' }) },
        {
          weight: 9,
          arbitrary: fc.record({
            zone: fc.constant(zone),
            week,
            holidays: fc.uniqueArray(holiday, { selector: ({ date }) => date, maxLength: 2 }),
          }),
        },
      ),
    });
  });

interface WallClock {
  readonly date: string;
  readonly weekday: Weekday;
  readonly minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const quarters = new Map<string, WallClock>();

/**
 * What a wall clock shows at the start of a minute. None of these zones moves its clocks within a quarter of an hour, so quarters are
 * cached.
 */
export function wallClock(zone: string, millis: number): WallClock {
  const quarter = Math.floor(millis / QUARTER) * QUARTER;
  const key = `${zone} ${quarter}`;
  let shown = quarters.get(key);
  if (shown === undefined) {
    let format = formats.get(zone);
    if (format === undefined) {
      format = new Intl.DateTimeFormat('en-GB', {
        timeZone: zone,
        hourCycle: 'h23',
        weekday: 'long',
        year: 'numeric',
        month: '2-digit',
        day: '2-digit',
        hour: '2-digit',
        minute: '2-digit',
      });
      formats.set(zone, format);
    }
    const parts = Object.fromEntries(format.formatToParts(quarter).map(({ type, value }) => [type, value]));
    shown = {
      date: `${parts.year}-${parts.month}-${parts.day}`,
      weekday: parts.weekday?.toLowerCase() as Weekday,
      minute: Number(parts.hour) * 60 + Number(parts.minute),
    };
    quarters.set(key, shown);
  }
  return { ...shown, minute: shown.minute + Math.floor((millis - quarter) / MINUTE) };
}

const minutesOf = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** Whether the minute that starts at a moment is open, judging by the wall clock and the hours of its date. */
export function isOpen({ zone, week: openWeek, holidays = [] }: BusinessCalendar, millis: number): boolean {
  if (openWeek === '24x7') return true;
  const { date, weekday, minute } = wallClock(zone, millis);
  const holiday = holidays.find((one) => one.date === date);
  const today = holiday ? (holiday.hours ?? []) : (openWeek[weekday] ?? []);
  return today.some(({ from, to }) => minute >= minutesOf(from) && minute < minutesOf(to));
}

/** Open milliseconds between two moments, counted minute by minute. */
export function slowOpenTime(calendar: BusinessCalendar, from: number, to: number): number {
  let open = 0;
  for (let minute = Math.floor(from / MINUTE) * MINUTE; minute < to; minute += MINUTE) {
    if (isOpen(calendar, minute)) open += Math.min(to, minute + MINUTE) - Math.max(from, minute);
  }
  return open;
}

export const instant = (millis: number): Instant => instantFrom(millis);
