import { ServerError } from '../errors.js';

const DAY = 86_400_000n;

/** The calendar fields of an instant, in UTC. */
export type Calendar = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
};

const pad = (value: number, length: number): string => String(value).padStart(length, '0');

/** The seconds since 1970 that a server reads in the first four bytes of an ObjectId: negative if the first bit is set. */
export const secondsOf = (bytes: Buffer): bigint => BigInt(bytes.readInt32BE(0));

/** @throws ServerError 18537 for a year that cannot be formatted */
export const yearInTexts = (year: number): number => {
  if (year < 0 || year > 9999)
    throw new ServerError(18537, `Could not convert date to string: date component was outside the supported range of 0-9999: ${year}`);
  return year;
};

/** Days since 1970 of a date in the proleptic Gregorian calendar; the month may be outside 1 to 12. */
export const daysOf = (year: number, month: number, day: number): number => {
  const years = year + Math.floor((month - 1) / 12);
  const months = ((((month - 1) % 12) + 12) % 12) + 1;
  const shifted = months <= 2 ? years - 1 : years;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (months + (months > 2 ? -3 : 9)) + 2) / 5);
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear + day - 1 - 719_468;
};

/** Days since 1970 of a day in an ISO 8601 week; weeks begin on Monday, and the first one contains January 4. */
export const dayOfIsoWeek = (year: number, week: number, day: number): number => {
  const fourth = daysOf(year, 1, 4);
  return fourth - ((((fourth + 3) % 7) + 7) % 7) + (week - 1) * 7 + day - 1;
};

/** Whether the date and the time of day exist. */
export const isOfCalendar = ({ year, month, day, hour, minute, second }: Calendar): boolean =>
  month >= 1 &&
  month <= 12 &&
  day >= 1 &&
  day <= daysOf(year, month + 1, 1) - daysOf(year, month, 1) &&
  hour <= 23 &&
  minute <= 59 &&
  second <= 59;

export const calendarOf = (ms: bigint): Calendar => {
  const days = Number((ms - (((ms % DAY) + DAY) % DAY)) / DAY);
  const rest = Number(((ms % DAY) + DAY) % DAY);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const yearOfEra = Math.floor((ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * ofYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: ofYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
    hour: Math.floor(rest / 3_600_000),
    minute: Math.floor(rest / 60_000) % 60,
    second: Math.floor(rest / 1000) % 60,
    millisecond: rest % 1000,
  };
};

/** Milliseconds since 1970 of calendar fields in UTC; fields beyond their range carry over. */
export const instantOf = ({ year, month, day, hour, minute, second, millisecond }: Calendar): bigint =>
  BigInt(daysOf(year, month, 1) + day - 1) * DAY +
  BigInt(hour) * 3_600_000n +
  BigInt(minute) * 60_000n +
  BigInt(second) * 1000n +
  BigInt(millisecond);

/** Units of time with their length in months. */
export const monthUnits: Readonly<Record<string, number>> = { month: 1, quarter: 3, year: 12 };

/** This many months later, on the same day or, if the month is too short, on its last day. */
export const shiftMonths = (local: bigint, by: number): bigint => {
  const calendar = calendarOf(local);
  const month = calendar.month + by;
  const last = daysOf(calendar.year, month + 1, 1) - daysOf(calendar.year, month, 1);
  return instantOf({ ...calendar, month, day: Math.min(calendar.day, last) });
};

/**
 * An instant as the server writes it: 2024-05-06T07:08:09.010Z.
 *
 * @throws ServerError 18537 if the year does not have four digits
 */
export const formatIsoDate = (ms: bigint): string => {
  const { year, month, day, hour, minute, second, millisecond } = calendarOf(ms);
  return `${pad(yearInTexts(year), 4)}-${pad(month, 2)}-${pad(day, 2)}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}.${pad(millisecond, 3)}Z`;
};
