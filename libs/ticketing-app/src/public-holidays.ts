import Holidays from 'date-holidays';
import type { Fault } from '#eventsourcing';
import { type Holiday, isFields, type TermsWithHolidays } from '#ticketing';

const DAY = 86_400_000;
const MOST_YEARS = 10;

/**
 * The terms of a contract with the public holidays that its calendar asks for (`publicHolidays`: country, state and region as
 * date-holidays names them, years) as dates: what is promised for a day must not change because a library was updated. A date that is
 * given by itself stays as it is given.
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
  const found = new Map(
    (years as readonly number[])
      .flatMap((year) => new Holidays(...names).getHolidays(year))
      .filter(({ type }) => type === 'public')
      .flatMap(({ date, start, end, name }) => daysOf(date, start, end).map((day): [string, Holiday] => [day, { date: day, name }])),
  );
  const added = [...found.values()].filter(({ date }) => !known.has(date)).sort((one, other) => (one.date < other.date ? -1 : 1));
  return { terms: { ...terms, calendar: { ...rest, holidays: [...(Array.isArray(holidays) ? (holidays as unknown[]) : []), ...added] } } };
}

/** Each date of a holiday: of some days, or of one that begins the evening before. */
function daysOf(date: string, start: Date, end: Date): readonly string[] {
  const first = Date.parse(`${date.slice(0, 10)}T00:00:00Z`);
  const days = Math.max(1, Math.round((end.getTime() - start.getTime()) / DAY));
  return Array.from({ length: days }, (_, index) => new Date(first + index * DAY).toISOString().slice(0, 10));
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
