import Holidays from 'date-holidays';
import type { Fault } from '#eventsourcing';
import {
  faultsOfPublicHolidays,
  type Holiday,
  isFields,
  type OpenHours,
  type PublicHolidays,
  type TermsWithHolidays,
  WEEKDAYS,
} from '#ticketing';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The terms of a contract with the public holidays that its calendar asks for (`publicHolidays`: country, state and region as
 * date-holidays names them, years) as dates, half days as the hours that are left of the week's: what is promised for a day must not change because
 * a library was updated. A date that is given by itself stays as it is given.
 */
export function withPublicHolidays(terms: Readonly<Record<string, unknown>>): TermsWithHolidays {
  const { calendar } = terms;
  if (!isFields(calendar) || !Object.hasOwn(calendar, 'publicHolidays')) return { terms };
  const { publicHolidays: asked, holidays, ...rest } = calendar;
  const field = 'terms.calendar.publicHolidays';
  const shape = faultsOfPublicHolidays(asked, field);
  if (shape.length > 0) return { faults: shape };
  const { country, state, region, years } = asked as PublicHolidays;
  const faults = faultsOfPlace(country, state, region, field);
  if (faults.length > 0) return { faults };
  const given = Array.isArray(holidays) ? (holidays as readonly Holiday[]) : [];
  const known = new Set(given.map((holiday) => (isFields(holiday) ? holiday['date'] : undefined)));
  const names = [country, state, region].filter((name) => name !== undefined) as [string];
  const closings = years
    .flatMap((year) => new Holidays(...names).getHolidays(year))
    // Notes are not in the library's types.
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

/** A part of a date on which it is closed, in milliseconds of the wall clock since midnight. */
interface Closing {
  readonly date: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/**
 * What a holiday closes of each date that it touches. Feasts of whole days that begin at the sunset before (`… -0600`) are the dates that they are
 * known by; of those of another length each hour counts. A day of 23 or 25 hours is a day.
 * @param date when it begins by the wall clock there, as date-holidays has it: `2026-12-24 14:00:00`, `2026-03-20 00:00:00 -0600`
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

/** A date with what is left of the hours of its weekday; closed where nothing is. None where the closings are outside of these hours. */
function asHoliday(date: string, closings: readonly Closing[], week: unknown): readonly Holiday[] {
  const [first] = closings;
  if (first === undefined) return [];
  const wholly = closings.find(({ from, to }) => from === 0 && to === DAY);
  if (wholly !== undefined) return [{ date, name: wholly.name }];
  const weekday = WEEKDAYS[(new Date(date).getUTCDay() + 6) % 7] ?? 'monday';
  const usual = isFields(week) ? week[weekday] : [{ from: '00:00', to: '24:00' }];
  // Hours that are none are refused with the rest of the calendar.
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

/** Its shape is checked; what is left is whether the library knows such a place. */
function faultsOfPlace(country: string, state: string | undefined, region: string | undefined, field: string): readonly Fault[] {
  const holidays = new Holidays();
  const has = (places: object | undefined, name: string) => Object.hasOwn(places ?? {}, name);
  if (!has(holidays.getCountries(), country))
    return [{ field: `${field}.country`, message: 'must be a country of ISO 3166-1, such as IT' }];
  if (state !== undefined && !has(holidays.getStates(country), state))
    return [{ field: `${field}.state`, message: `must be a state of ${country} as date-holidays names it` }];
  if (region === undefined || (state !== undefined && has(holidays.getRegions(country, state), region))) return [];
  return [{ field: `${field}.region`, message: 'must be a region of that state as date-holidays names it' }];
}
