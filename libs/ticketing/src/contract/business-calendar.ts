import { epochMillis, type Instant, instantFrom } from '#eventsourcing';
import { Temporal } from 'temporal-polyfill';
import {
  about,
  type Breach,
  faultsOf,
  forSome,
  listOf,
  literal,
  matching,
  open,
  optional,
  refer,
  type Static,
  text,
  that,
  unionOf,
  withRule,
} from '../schema.js';

/** Starts with Monday, as in ISO 8601. */
export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

const OPENING = /^(?:[01]\d|2[0-3]):[0-5]\d$/;
const CLOSING = /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/;

const interval = open(
  {
    from: about(matching(OPENING, 'must be a time from 00:00 to 23:59'), 'Opening time, wall clock'),
    to: about(matching(CLOSING, 'must be a time from 00:01 to 24:00'), 'Closing time, wall clock; `24:00` is the end of the day'),
  },
  'must be an interval: from and to',
);

/** Opening hours of one day by the wall clock, `HH:MM`, half-open: `from` is included, `to` is not. Overnight hours take two of these. */
export type OpenHours = Static<typeof interval>;

/** Intervals of a day before any check across them: they may overlap, or end before they begin. */
export const intervalsSchema = listOf(interval, 'intervals');

export const hoursSchema = about(
  withRule(intervalsSchema, hoursBreaches),
  'Opening hours of a day by the wall clock: half-open intervals. Overnight hours are two: one to `24:00` and one from `00:00`',
);

export const dateSchema = that(
  matching(/^\d{4}-\d{2}-\d{2}$/, 'must be a date that exists, as YYYY-MM-DD'),
  isDate,
  'must be a date that exists, as YYYY-MM-DD',
);

export const zoneSchema = about(
  that(text, isZone, 'must be an IANA time zone, such as Europe/Berlin'),
  'IANA time zone, such as `Europe/Berlin`',
);

const holiday = open(
  {
    date: about(dateSchema, "Date (`YYYY-MM-DD`) in the calendar's time zone"),
    name: optional(about(text, 'Name of the holiday')),
    hours: optional(about(refer(hoursSchema), 'Opening hours on this day; default: closed all day')),
  },
  'must be a holiday: a date, and hours if any',
);

/** A date on which the weekly hours do not apply. Closed, unless it has hours of its own. */
export type Holiday = Static<typeof holiday>;

export const holidaysSchema = withRule(listOf(holiday, 'holidays'), (holidays) =>
  holidays.flatMap(({ date }, index) =>
    holidays.findIndex((other) => other.date === date) < index
      ? [{ at: [index, 'date'], message: `must be listed once: ${date} already is` }]
      : [],
  ),
);

/** Hours for each weekday, or `24x7`. @param hours schema for the hours of a day */
export function weekOf(hours: typeof intervalsSchema) {
  return unionOf(
    [
      literal('24x7'),
      that(
        forSome(WEEKDAYS, hours),
        (week) => Object.values(week).some((open) => open.length > 0),
        'must be open at some time of the week: otherwise a clock would never run',
      ),
    ],
    'must be 24x7, or hours by weekday',
  );
}

export const calendarSchema = about(
  withRule(
    open(
      {
        zone: zoneSchema,
        week: about(weekOf(hoursSchema), 'Opening hours of each weekday (omitted weekdays are closed), or `24x7`: always open'),
        holidays: optional(about(holidaysSchema, 'Dates on which the weekly hours do not apply; none with `24x7`')),
      },
      'must be a calendar: zone and week',
    ),
    calendarBreaches,
  ),
  'When SLA clocks run',
);

/**
 * When the clock of a promise may run. Plain JSON. A moment is open exactly when the zone's wall clock shows a time within the hours of the
 * date that it shows. So on a day of 23 hours the skipped hour does not exist; on a day of 25 hours the repeated hour is open both times or
 * closed both times; a date that a zone skipped has no moments.
 *
 * Holidays are dates, not rules or countries: a promise for a day must not change because a library was updated.
 */
export type BusinessCalendar = Static<typeof calendarSchema>;

const DAY = 86_400_000;
/** No zone has ever been further from UTC. */
const LONGEST_OFFSET = DAY;

/**
 * Open time is computed on demand in stretches of this length, and cached. With 400 days most questions stay within one stretch, and a
 * stretch contains only two or three changes of offset.
 */
const STRETCH = 400 * DAY;

/** The last instant with a year of four digits, which can be compared as text. */
const END_OF_TIME = Date.parse('9999-12-31T23:59:59.999Z');

/** The open intervals of a stretch: clipped to it, disjoint, not touching, in order. */
interface Stretch {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Open time in the stretch before each interval. */
  readonly before: readonly number[];
  readonly total: number;
  /** Number of a local day (0 is 1970-01-01) → end of its last open interval within the stretch. */
  readonly closings: ReadonlyMap<number, number>;
  readonly offsets: readonly OffsetPeriod[];
}

/** How far a zone's wall clock is ahead of UTC, and until when. All in milliseconds. */
interface OffsetPeriod {
  readonly until: number;
  readonly offset: number;
}

/** A calendar that is ready for queries. Make it once and keep it: it caches what it computes. */
export interface CompiledCalendar {
  readonly definition: BusinessCalendar;
  readonly alwaysOpen: boolean;
  /** The `index`-th stretch since 1970. */
  stretch(index: number): Stretch;
}

/**
 * Compiles a calendar.
 * @throws RangeError if the definition is invalid: see `calendarSchema`
 */
export function compileCalendar(definition: BusinessCalendar): CompiledCalendar {
  const [fault] = faultsOf(calendarSchema, definition, 'calendar');
  if (fault !== undefined) throw new RangeError(`${fault.field} ${fault.message}`);
  const { zone, week, holidays = [] } = definition;
  // 1970-01-01, day 0, was a Thursday: the 4th of the ISO week.
  const hoursByWeekday = WEEKDAYS.map((_, index) => {
    const weekday = WEEKDAYS[(index + 3) % 7];
    return week === '24x7' ? [[0, DAY] as const] : spans((weekday && week[weekday]) ?? []);
  });
  const hoursByDate = new Map(holidays.map(({ date, hours = [] }) => [Date.parse(date) / DAY, spans(hours)]));
  const hoursOf = (day: number) => hoursByDate.get(day) ?? hoursByWeekday[((day % 7) + 7) % 7] ?? [];

  const layOut = (index: number): Stretch => {
    const starts: number[] = [];
    const ends: number[] = [];
    const closings = new Map<number, number>();
    const offsets: OffsetPeriod[] = [];
    const end = (index + 1) * STRETCH;
    for (let at = index * STRETCH; at < end;) {
      const there = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(zone);
      const offset = there.offsetNanoseconds / 1e6;
      const stop = Math.min(end, there.getTimeZoneTransition('next')?.epochMilliseconds ?? end);
      offsets.push({ until: stop, offset });
      const lastDay = Math.floor((stop - 1 + offset) / DAY);
      for (let day = Math.floor((at + offset) / DAY); day <= lastDay; day++) {
        for (const [opens, closes] of hoursOf(day)) {
          const from = Math.max(at, day * DAY + opens - offset);
          const to = Math.min(stop, day * DAY + closes - offset);
          if (from >= to) continue;
          if (ends.at(-1) === from) ends[ends.length - 1] = to;
          else {
            starts.push(from);
            ends.push(to);
          }
          closings.set(day, to);
        }
      }
      at = stop;
    }
    let total = 0;
    const before = starts.map((start, place) => {
      const sofar = total;
      total += (ends[place] ?? start) - start;
      return sofar;
    });
    return { starts, ends, before, total, closings, offsets };
  };

  const stretches = new Map<number, Stretch>();
  return {
    definition,
    alwaysOpen: week === '24x7',
    stretch(index) {
      let stretch = stretches.get(index);
      if (stretch === undefined) {
        stretch = layOut(index);
        stretches.set(index, stretch);
      }
      return stretch;
    },
  };
}

/** Open milliseconds from one instant to another; 0 if the second is not later. */
export function openTimeBetween(calendar: CompiledCalendar, from: Instant, to: Instant): number {
  const start = epochMillis(from);
  const end = epochMillis(to);
  if (end <= start) return 0;
  if (calendar.alwaysOpen) return end - start;
  const first = Math.floor(start / STRETCH);
  const last = Math.floor(end / STRETCH);
  let open = openBefore(calendar.stretch(last), end) - openBefore(calendar.stretch(first), start);
  for (let index = first; index < last; index++) open += calendar.stretch(index).total;
  return open;
}

/**
 * The earliest instant at which the given open time has passed: closing time rather than the next opening, and `from` itself if there is
 * nothing to add. Never later than the year 9999.
 */
export function addOpenTime(calendar: CompiledCalendar, from: Instant, millis: number): Instant {
  const start = epochMillis(from);
  if (!(millis > 0)) return from;
  if (start + millis >= END_OF_TIME) return instantFrom(END_OF_TIME);
  if (calendar.alwaysOpen) return instantFrom(start + millis);
  let index = Math.floor(start / STRETCH);
  let needed = millis + openBefore(calendar.stretch(index), start);
  for (; index * STRETCH < END_OF_TIME; index++) {
    const stretch = calendar.stretch(index);
    if (needed <= stretch.total) {
      // The last interval with less open time before it than needed: the rest passes within it.
      const place = lastBelow(stretch.before, needed);
      return instantFrom(Math.min(END_OF_TIME, (stretch.starts[place] ?? 0) + needed - (stretch.before[place] ?? 0)));
    }
    needed -= stretch.total;
  }
  return instantFrom(END_OF_TIME);
}

/** The open intervals between two instants: clipped to them, in order, touching ones joined. */
export function openIntervals(
  calendar: CompiledCalendar,
  from: Instant,
  to: Instant,
): readonly { readonly from: Instant; readonly to: Instant }[] {
  const start = epochMillis(from);
  const end = epochMillis(to);
  if (end <= start) return [];
  if (calendar.alwaysOpen) return [{ from, to }];
  const found: { from: number; to: number }[] = [];
  for (let index = Math.floor(start / STRETCH); index * STRETCH < end; index++) {
    const { starts, ends } = calendar.stretch(index);
    for (let place = Math.max(0, lastBelow(starts, start)); place < starts.length; place++) {
      const opens = Math.max(start, starts[place] ?? 0);
      const closes = Math.min(end, ends[place] ?? 0);
      if (opens >= end) break;
      if (opens >= closes) continue;
      const last = found.at(-1);
      if (last?.to === opens) last.to = closes;
      else found.push({ from: opens, to: closes });
    }
  }
  return found.map((interval) => ({ from: instantFrom(interval.from), to: instantFrom(interval.to) }));
}

/**
 * The end of open time on the `days`-th business day after an instant: what a service desk means by "within two business days". A business
 * day is a local date with open time; the date of the instant itself never counts, however early it is. With overnight hours a date ends at
 * midnight. Never later than the year 9999.
 * @param days a whole number from 1
 */
export function endOfBusinessDay(calendar: CompiledCalendar, from: Instant, days: number): Instant {
  let counted = 0;
  const lastDay = Math.floor(END_OF_TIME / DAY);
  for (let day = localDay(calendar, epochMillis(from)) + 1; day < lastDay; day++) {
    const closes = closing(calendar, day);
    if (closes !== undefined && ++counted >= days) return instantFrom(Math.min(closes, END_OF_TIME));
  }
  return instantFrom(END_OF_TIME);
}

/** The wall clock in the calendar's zone, in milliseconds: 0 is midnight on 1970-01-01. It jumps when the zone's offset changes. */
export function wallClock(calendar: CompiledCalendar, at: Instant): number {
  const millis = epochMillis(at);
  return millis + (calendar.stretch(Math.floor(millis / STRETCH)).offsets.find(({ until }) => millis < until)?.offset ?? 0);
}

/**
 * The first instant at which the wall clock shows a time or a later one: the first of two if it shows the time twice, and the end of the
 * gap if it skips it. Never decreases as the time grows, so these instants partition time.
 * @param shown as `wallClock` returns it
 */
export function firstShown(calendar: CompiledCalendar, shown: number): Instant {
  let begins = shown - LONGEST_OFFSET;
  for (let index = Math.floor(begins / STRETCH); ; index++) {
    for (const { until, offset } of calendar.stretch(index).offsets) {
      if (until <= begins) continue;
      const first = Math.max(begins, shown - offset);
      if (first < until) return instantFrom(first);
      begins = until;
    }
  }
}

function localDay(calendar: CompiledCalendar, millis: number): number {
  return Math.floor(wallClock(calendar, instantFrom(millis)) / DAY);
}

/** When a local day closes; undefined if it does not open. Offsets can be up to a day, so a local day may reach into two stretches. */
function closing(calendar: CompiledCalendar, day: number): number | undefined {
  const first = Math.floor(((day - 1) * DAY) / STRETCH);
  const last = Math.floor(((day + 2) * DAY) / STRETCH);
  return (last > first ? calendar.stretch(last).closings.get(day) : undefined) ?? calendar.stretch(first).closings.get(day);
}

function openBefore({ starts, ends, before }: Stretch, millis: number): number {
  const place = lastBelow(starts, millis);
  if (place < 0) return 0;
  return (before[place] ?? 0) + Math.min(millis, ends[place] ?? 0) - (starts[place] ?? 0);
}

/** Index of the last number below a value; -1 if there is none. */
function lastBelow(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? Infinity) < value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Hours as milliseconds of the wall clock since midnight, in order. */
function spans(hours: readonly OpenHours[]): readonly (readonly [number, number])[] {
  return hours.map(({ from, to }) => [timeOfDay(from) ?? 0, timeOfDay(to) ?? 0] as const).sort(([a], [b]) => a - b);
}

const time = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

function timeOfDay(text: unknown): number | undefined {
  const match = typeof text === 'string' ? time.exec(text) : null;
  if (match === null) return undefined;
  return match[1] === undefined ? DAY : Number(match[1]) * 3_600_000 + Number(match[2]) * 60_000;
}

/** Faults across the fields of a calendar. */
export function calendarBreaches({
  week,
  holidays,
}: {
  readonly week: unknown;
  readonly holidays?: readonly unknown[];
}): readonly Breach[] {
  return week === '24x7' && holidays !== undefined && holidays.length > 0
    ? [{ at: ['holidays'], message: 'must be omitted: 24x7 is always open. For holidays, list the hours of the week' }]
    : [];
}

function hoursBreaches(hours: readonly OpenHours[]): readonly Breach[] {
  const intervals = hours.map(({ from, to }, index) => ({ at: [index], from, to, words: `${from} to ${to}` }));
  return intervalsBreaches(intervals, 'must end after it starts: overnight hours are two intervals, one to 24:00 and one from 00:00');
}

/** Whether both times are valid. Invalid times are reported on their own. */
export function hasTimes({ from, to }: OpenHours): boolean {
  return OPENING.test(from) && CLOSING.test(to);
}

/** Intervals of a day that end before they begin, or overlap an earlier one. */
export function intervalsBreaches(intervals: readonly PlacedHours[], backwards: string): readonly Breach[] {
  // `HH:MM` sorts and compares as time does.
  const sound = intervals.filter(hasTimes);
  const inOrder = sound
    .filter(({ from, to }) => from < to)
    .sort((one, other) => (one.from < other.from ? -1 : Number(one.from > other.from)));
  let latest = inOrder[0];
  return [
    ...sound.filter(({ from, to }) => from >= to).map(({ at }) => ({ at, message: backwards })),
    ...inOrder.slice(1).flatMap((one) => {
      const last = latest;
      if (last === undefined || one.to > last.to) latest = one;
      return last !== undefined && one.from < last.to ? [{ at: one.at, message: `must not overlap ${last.words}` }] : [];
    }),
  ];
}

/** Hours with their place in the input, and their name in messages. */
export type PlacedHours = OpenHours & Pick<Breach, 'at'> & { readonly words: string };

/** Names only: offsets such as +02:00 have no daylight saving time, and Temporal would accept a whole date-time as a zone. */
export function isZone(zone: unknown): zone is string {
  if (typeof zone !== 'string' || !/^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/.test(zone)) return false;
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return true;
  } catch {
    return false;
  }
}

/** Whether a value is an existing date, `YYYY-MM-DD`. */
export function isDate(date: unknown): date is string {
  if (typeof date !== 'string' || !/^\d{4}-\d{2}-\d{2}$/.test(date)) return false;
  try {
    return Temporal.PlainDate.from(date, { overflow: 'reject' }).toString() === date;
  } catch {
    return false;
  }
}
