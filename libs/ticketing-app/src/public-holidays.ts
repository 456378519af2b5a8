import Holidays from 'date-holidays';
import type { Fault } from '#eventsourcing';
import { type Holiday, isFields, type OpenHours, type TermsWithHolidays, WEEKDAYS } from '#ticketing';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MOST_YEARS = 10;

/**
 * The terms of a contract with the public holidays that its calendar requests (`publicHolidays`: country, state and region as named by
 * date-holidays, and years) as dates, half days with the remaining hours of the day: a promise for a day must not change because a library
 * was updated. A date given explicitly stays as it is.
 */
export function withPublicHolidays(terms: Readonly<Record<string, unknown>>): TermsWithHolidays {
  const { calendar } = terms;
  if (!isFields(calendar) || !Object.hasOwn(calendar, 'publicHolidays')) return { terms };
  const { publicHolidays: asked, holidays, ...rest } = calendar;
  const field = 'terms.calendar.publicHolidays';
  if (!isFields(asked)) return { faults: [{ field, message: 'must be an object with country and years' }] };
  const { country, state, region, years, ...unknown } = asked;
  const faults: Fault[] = Object.keys(unknown).map((name) => ({ field: `${field}.${name}`, message: 'is not a known field' }));
  const named = placeFaults(country, state, region, field);
  const sound = Array.isArray(years) && years.length > 0 && years.length <= MOST_YEARS && years.every(isYear);
  if (!sound) faults.push({ field: `${field}.years`, message: `must be a list of 1 to ${MOST_YEARS} years from 1970 to 2100` });
  if (faults.length > 0 || named.length > 0 || !sound) return { faults: [...faults, ...named] };
  const given = Array.isArray(holidays) ? (holidays as readonly Holiday[]) : [];
  const known = new Set(given.map((holiday) => (isFields(holiday) ? holiday['date'] : undefined)));
  const names = [country, state, region].filter((name) => name !== undefined) as [string];
  const closings = (years as readonly number[])
    .flatMap((year) => new Holidays(...names).getHolidays(year))
    // Notes are missing from the library's types.
    .filter((holiday: { type: string; note?: string }) => holiday.type === 'public' && !/(?<!non-)\bworking day/i.test(holiday.note ?? ''))
    .flatMap(({ date, start, end, name }) => closingsOf(date, end.getTime() - start.getTime(), name));
  const added = [...new Set(closings.map(({ date }) => date))]
    .filter((date) => !known.has(date))
    .sort()
    .flatMap((date) =>
      asHoliday(
        date,
        closings.filter((closing) => closing.date === date),
        rest['week'],
      ),
    );
  const all = [...(Array.isArray(holidays) ? (holidays as unknown[]) : []), ...added];
  return { terms: { ...terms, calendar: { ...rest, holidays: all } } };
}

/** A closed part of a date, in milliseconds of the wall clock since midnight. */
interface Closing {
  readonly date: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/**
 * What a holiday closes on each date that it touches. Whole-day feasts that begin at the previous sunset (`… -0600`) count as the dates
 * that they are known by; for other lengths each hour counts. A day of 23 or 25 hours is one day.
 * @param date when it begins by the local wall clock, in the format of date-holidays: `2026-12-24 14:00:00`, `2026-03-20 00:00:00 -0600`
 * @param length in milliseconds
 */
function closingsOf(date: string, length: number, name: string): readonly Closing[] {
  const [day = '', time = '00:00:00', sunset = ''] = date.split(' ');
  const days = Math.round(length / DAY);
  const whole = days > 0 && Math.abs(length - days * DAY) <= HOUR;
  const begins = Date.parse(`${day}T${time}Z`) + (whole ? 0 : (Number(sunset) / 100) * HOUR);
  const ends = begins + (whole ? days * DAY : length);
  const found: Closing[] = [];
  for (let midnight = Math.floor(begins / DAY) * DAY; midnight < ends; midnight += DAY) {
    const [from, to] = [Math.max(begins, midnight) - midnight, Math.min(ends, midnight + DAY) - midnight];
    found.push({ date: new Date(midnight).toISOString().slice(0, 10), name, from, to });
  }
  return found;
}

/** A date with the remaining hours of its weekday; closed if none remain. None if the closings are outside these hours. */
function asHoliday(date: string, closings: readonly Closing[], week: unknown): readonly Holiday[] {
  const [first] = closings;
  if (first === undefined) return [];
  const wholly = closings.find(({ from, to }) => from === 0 && to === DAY);
  if (wholly !== undefined) return [{ date, name: wholly.name }];
  const weekday = WEEKDAYS[(new Date(date).getUTCDay() + 6) % 7] ?? 'monday';
  const usual = isFields(week) ? week[weekday] : [{ from: '00:00', to: '24:00' }];
  // Invalid hours are refused with the rest of the calendar.
  if (!Array.isArray(usual)) return [];
  const hours = (usual as readonly unknown[]).filter(isHours);
  let left = hours.map(({ from, to }) => ({ from: millisOf(from), to: millisOf(to) }));
  for (const { from, to } of closings)
    left = left.flatMap((open) =>
      [
        { from: open.from, to: Math.min(open.to, from) },
        { from: Math.max(open.from, to), to: open.to },
      ].filter((part) => part.from < part.to),
    );
  const written = left.map(({ from, to }) => ({ from: clock(from), to: clock(to) }));
  if (JSON.stringify(written) === JSON.stringify(hours.map(({ from, to }) => ({ from, to })))) return [];
  return [{ date, name: first.name, ...(written.length === 0 ? {} : { hours: written }) }];
}

function isHours(hours: unknown): hours is OpenHours {
  const isTime = (time: unknown): boolean => typeof time === 'string' && /^\d\d:\d\d$/.test(time);
  return isFields(hours) && isTime(hours['from']) && isTime(hours['to']);
}

function millisOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * HOUR + minutes * MINUTE;
}

function clock(millis: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  return `${two(millis / HOUR)}:${two((millis % HOUR) / MINUTE)}`;
}

function placeFaults(country: unknown, state: unknown, region: unknown, field: string): readonly Fault[] {
  const holidays = new Holidays();
  const has = (places: object | undefined, name: unknown): name is string => typeof name === 'string' && Object.hasOwn(places ?? {}, name);
  if (!has(holidays.getCountries(), country))
    return [{ field: `${field}.country`, message: 'must be a country of ISO 3166-1, such as IT' }];
  if (state !== undefined && !has(holidays.getStates(country), state))
    return [{ field: `${field}.state`, message: `must be a state of ${country} as date-holidays names it` }];
  if (region === undefined) return [];
  return typeof state === 'string' && has(holidays.getRegions(country, state), region)
    ? []
    : [{ field: `${field}.region`, message: 'must be a region of that state as date-holidays names it' }];
}

function isYear(year: unknown): boolean {
  return Number.isSafeInteger(year) && (year as number) >= 1970 && (year as number) <= 2100;
}
