import { isNullish, numberOf, isWhole } from '../../bson/order.js';
import { Arr, bsonTypeName, DateTime, Doc, ObjectId, Timestamp, type Value } from '../../bson/values.js';
import { failedToParse, ServerError } from '../../errors.js';
import { readDateText, type Moment } from '../date-texts.js';
import {
  calendarOf,
  dayOfIsoWeek,
  daysOf,
  instantOf,
  monthUnits,
  secondsOf,
  isOfCalendar,
  shiftMonths,
  yearInTexts,
  type Calendar,
} from '../dates.js';
import { fixedZone, fromLocal, utc, zoneNamed, type Zone } from '../zones.js';
import { compileArguments, namedArguments } from './arguments.js';
import { constantOf } from './compile.js';
import type { Evaluate, Operator, Variables } from './scope.js';

type Result = Value | undefined;
const DAY = 86_400_000n;

/** The zone argument of an operator: UTC if missing, null if null. */
const zoneOf = (given: Evaluate | undefined, doc: Result, variables: Variables, name: string): Zone | null => {
  if (!given) return utc;
  const value = given(doc, variables);
  if (isNullish(value)) return null;
  if (typeof value !== 'string')
    throw new ServerError(40517, `timezone must evaluate to a string, found ${bsonTypeName(value)} in ${name}`);
  return zoneNamed(value);
};

/** @param code for a value that is not a date and does not contain one */
const instant = (value: Value, name: string, code = 16006): bigint => {
  if (value instanceof DateTime) return value.ms;
  if (value instanceof Timestamp) return (value.bits >> 32n) * 1000n;
  if (value instanceof ObjectId) return secondsOf(value.bytes) * 1000n;
  throw new ServerError(code, `can't convert from BSON type ${bsonTypeName(value)} to Date in ${name}`);
};

const integerOf = (value: Value, what: string, code = 40515): number => {
  if (!isWhole(value)) throw new ServerError(code, `${what} must evaluate to an integer, found ${bsonTypeName(value)}`);
  return numberOf(value);
};

const dayOfYear = ({ year, month, day }: Calendar): number => daysOf(year, month, day) - daysOf(year, 1, 1) + 1;
/** 0 is Sunday. */
const weekday = ({ year, month, day }: Calendar): number => (((daysOf(year, month, day) + 4) % 7) + 7) % 7;

/** ISO 8601 weeks begin on Monday and belong to the year of their Thursday. */
const isoWeek = (calendar: Calendar): { readonly week: number; readonly year: number } => {
  const days = daysOf(calendar.year, calendar.month, calendar.day);
  const thursday = days - ((weekday(calendar) + 6) % 7) + 3;
  const { year } = calendarOf(BigInt(thursday) * DAY);
  return { week: Math.floor((thursday - daysOf(year, 1, 1)) / 7) + 1, year };
};

const parts: Readonly<Record<string, (calendar: Calendar) => Value>> = {
  $year: ({ year }) => year,
  $month: ({ month }) => month,
  $dayOfMonth: ({ day }) => day,
  $hour: ({ hour }) => hour,
  $minute: ({ minute }) => minute,
  $second: ({ second }) => second,
  $millisecond: ({ millisecond }) => millisecond,
  $dayOfYear: dayOfYear,
  $dayOfWeek: (calendar) => weekday(calendar) + 1,
  $week: (calendar) => Math.floor((dayOfYear(calendar) - 1 + 7 - weekday(calendar)) / 7),
  $isoWeek: (calendar) => isoWeek(calendar).week,
  $isoWeekYear: (calendar) => BigInt(isoWeek(calendar).year),
  $isoDayOfWeek: (calendar) => weekday(calendar) || 7,
};

/** An operator on a date, given directly or as `{ date, timezone }`. */
const partOperator: Operator = (argument, scope, name) => {
  const part = parts[name] as (calendar: Calendar) => Value;
  const named = argument instanceof Doc && !argument.keys[0]?.startsWith('$');
  if (argument instanceof Arr && argument.length !== 1)
    throw new ServerError(40536, `${name} accepts exactly one argument if given an array, but was given ${argument.length}`);
  const given = named
    ? namedArguments(argument, scope, name, ['date'], ['timezone'])
    : { date: compileArguments(argument, scope, name, 1, 1)[0], timezone: undefined };
  return (doc, variables) => {
    const date = (given.date as Evaluate)(doc, variables);
    const zone = zoneOf(given.timezone, doc, variables, name);
    if (isNullish(date) || !zone) return null;
    const ms = instant(date, name);
    return part(calendarOf(ms + zone(ms)));
  };
};

const pad = (value: number, length: number): string => (value < 0 ? '-' : '') + String(Math.abs(value)).padStart(length, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const format = (pattern: string, ms: bigint, zone: Zone): string => {
  const offset = zone(ms);
  const calendar = calendarOf(ms + offset);
  const minutes = Number(offset / 60_000n);
  return pattern.replace(/%([\s\S]?)/g, (_, letter: string) => {
    switch (letter) {
      case 'Y':
        return pad(yearInTexts(calendar.year), 4);
      case 'm':
        return pad(calendar.month, 2);
      case 'd':
        return pad(calendar.day, 2);
      case 'H':
        return pad(calendar.hour, 2);
      case 'M':
        return pad(calendar.minute, 2);
      case 'S':
        return pad(calendar.second, 2);
      case 'L':
        return pad(calendar.millisecond, 3);
      case 'j':
        return pad(dayOfYear(calendar), 3);
      case 'w':
        return String(weekday(calendar) + 1);
      case 'u':
        return String(weekday(calendar) || 7);
      case 'U':
        return pad(Number((parts['$week'] as (calendar: Calendar) => number)(calendar)), 2);
      case 'V':
        return pad(isoWeek(calendar).week, 2);
      case 'G':
        return pad(yearInTexts(isoWeek(calendar).year), 4);
      case 'b':
        return months[calendar.month - 1] as string;
      case 'B':
        return monthNames[calendar.month - 1] as string;
      case 'z':
        return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(minutes) / 60), 2)}${pad(Math.abs(minutes) % 60, 2)}`;
      case 'Z':
        return String(minutes);
      case '%':
        return '%';
    }
    throw new ServerError(18536, `Invalid format character '%${letter}' in format string`);
  });
};

const dateToString: Operator = (argument, scope, name) => {
  const given = namedArguments(argument, scope, name, ['date'], ['format', 'timezone', 'onNull']);
  return (doc, variables) => {
    const date = (given['date'] as Evaluate)(doc, variables);
    const pattern = given['format']?.(doc, variables);
    const zone = zoneOf(given['timezone'], doc, variables, name);
    if (isNullish(date)) return given['onNull'] ? given['onNull'](doc, variables) : null;
    if (!zone || (given['format'] && isNullish(pattern))) return null;
    if (pattern !== undefined && typeof pattern !== 'string')
      throw new ServerError(18533, `$dateToString requires that 'format' be a string, found: ${bsonTypeName(pattern)}`);
    return format(pattern ?? (zone === utc ? '%Y-%m-%dT%H:%M:%S.%LZ' : '%Y-%m-%dT%H:%M:%S.%L'), instant(date, name), zone);
  };
};

/** Parses a string by a format of `$dateFromString`. */
const parseByFormat = (text: string, pattern: string): Moment | undefined => {
  const fields: string[] = [];
  const shapes: Readonly<Record<string, string>> = {
    B: '([A-Za-z]+)',
    G: '(\\d{4})',
    V: '(\\d{1,2})',
    Y: '(\\d{4})',
    Z: '([+-]\\d{1,4})',
    b: '([A-Za-z]+)',
    j: '(\\d{1,3})',
    u: '([1-7])',
    m: '(\\d{1,2})',
    d: '(\\d{1,2})',
    H: '(\\d{1,2})',
    M: '(\\d{1,2})',
    S: '(\\d{1,2})',
    L: '(\\d{1,3})',
    z: '([Zz]|[+-]\\d{2}:?\\d{2})',
  };
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index] as string;
    if (char !== '%') {
      source += char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
      continue;
    }
    const letter = pattern[++index] ?? '';
    if (letter === '%') source += '%';
    else {
      const shape = shapes[letter];
      if (!shape) throw new ServerError(18536, `Invalid format character '%${letter}' in format string`);
      source += shape;
      fields.push(letter);
    }
  }
  const match = new RegExp(`^${source}$`).exec(text);
  if (!match) return undefined;
  const get = (letter: string, fallback: number): number =>
    fields.includes(letter) ? Number(match[fields.indexOf(letter) + 1]) : fallback;
  const textOf = (letter: string): string | undefined => (fields.includes(letter) ? match[fields.indexOf(letter) + 1] : undefined);
  const monthName = (textOf('b') ?? textOf('B'))?.toLowerCase();
  let calendar: Calendar = {
    year: get('Y', 1970),
    month:
      monthName === undefined
        ? get('m', 1)
        : monthNames.findIndex((month) => [month.toLowerCase(), month.slice(0, 3).toLowerCase()].includes(monthName)) + 1,
    day: get('d', 1),
    hour: get('H', 0),
    minute: get('M', 0),
    second: get('S', 0),
    millisecond: get('L', 0),
  };
  if (!isOfCalendar(calendar)) return undefined;
  // A server counts the days of a year from 0 here, but formats them from 1.
  if (fields.includes('j')) calendar = { ...calendar, month: 1, day: get('j', 0) + 1 };
  else if (fields.includes('V') || fields.includes('u'))
    calendar = { ...calendar, year: 1970, month: 1, day: 1 + dayOfIsoWeek(get('G', 1970), get('V', 1), get('u', 1)) };
  else if (fields.includes('G')) calendar = { ...calendar, year: get('G', 1970) };
  const [minutes, zone] = [textOf('Z'), textOf('z')];
  const zoned =
    minutes !== undefined
      ? fixedZone(Number(minutes))
      : zone === undefined
        ? undefined
        : zoneNamed(zone.toUpperCase() === 'Z' ? 'UTC' : zone);
  return { local: instantOf(calendar), zone: zoned };
};

const dateFromString: Operator = (argument, scope, name) => {
  const given = namedArguments(argument, scope, name, ['dateString'], ['format', 'timezone', 'onError', 'onNull']);
  return (doc, variables) => {
    const text = (given['dateString'] as Evaluate)(doc, variables);
    const zone = zoneOf(given['timezone'], doc, variables, name);
    if (isNullish(text)) return given['onNull'] ? given['onNull'](doc, variables) : null;
    if (!zone) return null;
    const pattern = given['format']?.(doc, variables);
    if (!isNullish(pattern) && typeof pattern !== 'string')
      throw new ServerError(40684, `$dateFromString requires that 'format' be a string, found: ${bsonTypeName(pattern)}`);
    if (given['format'] && isNullish(pattern)) return null;
    const read = (): bigint => {
      if (typeof text !== 'string')
        throw new ServerError(241, `$dateFromString requires that 'dateString' be a string, found: ${bsonTypeName(text)}`);
      const found = typeof pattern === 'string' ? parseByFormat(text, pattern) : readDateText(text);
      if (!found) throw new ServerError(241, `Error parsing date string '${text}'`);
      if (!found.zone) return fromLocal(found.local, zone);
      if (zone !== utc)
        throw new ServerError(
          241,
          `you cannot pass in a date/time string with time zone information ('${text}') together with a timezone argument`,
        );
      return fromLocal(found.local, found.zone);
    };
    try {
      return new DateTime(read());
    } catch (error) {
      if (given['onError'] && error instanceof ServerError && error.code === 241) return given['onError'](doc, variables);
      throw error;
    }
  };
};

const dateFromParts: Operator = (argument, scope, name) => {
  const names = ['year', 'month', 'day', 'isoWeekYear', 'isoWeek', 'isoDayOfWeek', 'hour', 'minute', 'second', 'millisecond', 'timezone'];
  const given = namedArguments(argument, scope, name, [], names);
  const refuse = (keys: readonly string[], code: number): void => {
    for (const key of keys)
      if (given[key]) throw new ServerError(code, `$dateFromParts does not allow mixing natural dates with ISO dates: '${key}'`);
  };
  if (given['year']) refuse(['isoWeekYear', 'isoWeek', 'isoDayOfWeek'], 40489);
  else if (given['isoWeekYear']) refuse(['month', 'day'], 40525);
  else throw new ServerError(40516, `$dateFromParts requires either 'year' or 'isoWeekYear' to be present`);
  return (doc, variables) => {
    let missing = false;
    const get = (key: string, fallback: number): number => {
      if (!given[key]) return fallback;
      const value = given[key](doc, variables);
      if (!isNullish(value)) return integerOf(value, `'${key}' in $dateFromParts`);
      missing = true;
      return fallback;
    };
    const time = { hour: get('hour', 0), minute: get('minute', 0), second: get('second', 0), millisecond: get('millisecond', 0) };
    const zone = zoneOf(given['timezone'], doc, variables, name);
    const inRange = (key: string): number => {
      const year = get(key, 1970);
      if (year < 1 || year > 9999)
        throw new ServerError(40523, `'${key}' must evaluate to an integer in the range 1 to 9999, found ${year}`);
      return year;
    };
    let local: bigint;
    if (given['year']) local = instantOf({ year: inRange('year'), month: get('month', 1), day: get('day', 1), ...time });
    else {
      const year = inRange('isoWeekYear');
      const day = 1 + dayOfIsoWeek(year, get('isoWeek', 1), get('isoDayOfWeek', 1));
      local = instantOf({ year: 1970, month: 1, day, ...time });
    }
    return missing || !zone ? null : new DateTime(fromLocal(local, zone));
  };
};

const dateToParts: Operator = (argument, scope, name) => {
  const given = namedArguments(argument, scope, name, ['date'], ['timezone', 'iso8601']);
  return (doc, variables) => {
    const date = (given['date'] as Evaluate)(doc, variables);
    const zone = zoneOf(given['timezone'], doc, variables, name);
    const iso = given['iso8601']?.(doc, variables);
    if (isNullish(date) || !zone || iso === null) return null;
    if (iso !== undefined && typeof iso !== 'boolean')
      throw new ServerError(40521, `iso8601 must evaluate to a bool, found ${bsonTypeName(iso)}`);
    const ms = instant(date, name);
    const calendar = calendarOf(ms + zone(ms));
    const { hour, minute, second, millisecond, year, month, day } = calendar;
    if (iso === true)
      return Doc.from({
        isoWeekYear: isoWeek(calendar).year,
        isoWeek: isoWeek(calendar).week,
        isoDayOfWeek: weekday(calendar) || 7,
        hour,
        minute,
        second,
        millisecond,
      });
    return Doc.from({ year, month, day, hour, minute, second, millisecond });
  };
};

const fixedUnits: Readonly<Record<string, bigint>> = {
  millisecond: 1n,
  second: 1000n,
  minute: 60_000n,
  hour: 3_600_000n,
  day: DAY,
  week: 7n * DAY,
};

const unitOf = (value: Result, name: string): string | null => {
  if (isNullish(value)) return null;
  if (typeof value !== 'string') throw new ServerError(5439013, `${name} requires 'unit' to be a string, but got ${bsonTypeName(value)}`);
  if (!(Object.hasOwn(fixedUnits, value) || Object.hasOwn(monthUnits, value)))
    throw failedToParse(`${name} parameter 'unit' value cannot be recognized as a time unit: ${value}`);
  return value;
};

const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

/** The day on which weeks begin; 0 is Sunday. Not used for other units. */
const startOfWeekOf = (
  given: Evaluate | undefined,
  unit: string | null,
  doc: Result,
  variables: Variables,
  name: string,
): number | null => {
  if (!given || (unit !== 'week' && unit !== null)) return 0;
  const value = given(doc, variables);
  if (isNullish(value)) return null;
  if (typeof value !== 'string')
    throw new ServerError(5439015, `${name} requires 'startOfWeek' to be a string, but got ${bsonTypeName(value)}`);
  const at = weekdays.findIndex((day) => day === value.toLowerCase() || day.slice(0, 3) === value.toLowerCase());
  if (at < 0) throw new ServerError(5439016, `${name} parameter 'startOfWeek' value cannot be recognized as a day of a week: ${value}`);
  return at;
};

const shiftDate =
  (sign: 1 | -1): Operator =>
  (argument, scope, name) => {
    const given = namedArguments(argument, scope, name, ['startDate', 'unit', 'amount'], ['timezone']);
    return (doc, variables) => {
      const start = (given['startDate'] as Evaluate)(doc, variables);
      const unit = unitOf((given['unit'] as Evaluate)(doc, variables), name);
      const amount = (given['amount'] as Evaluate)(doc, variables);
      const zone = zoneOf(given['timezone'], doc, variables, name);
      if (isNullish(start) || !unit || isNullish(amount) || !zone) return null;
      const ms = instant(start, name, 5166403);
      if (!isWhole(amount)) throw new ServerError(5166405, `${name} requires 'amount' to be a whole number, found ${bsonTypeName(amount)}`);
      const by = numberOf(amount) * sign;
      const months_ = monthUnits[unit];
      let result: bigint;
      if (months_) result = fromLocal(shiftMonths(ms + zone(ms), by * months_), zone);
      else if (unit === 'day' || unit === 'week') result = fromLocal(ms + zone(ms) + BigInt(by) * (fixedUnits[unit] as bigint), zone);
      else result = ms + BigInt(by) * (fixedUnits[unit] as bigint);
      if (BigInt.asIntN(64, result) !== result) throw new ServerError(5976500, 'date overflow in an expression');
      return new DateTime(result);
    };
  };

const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b));
const monthsOf = (calendar: Calendar): number => calendar.year * 12 + calendar.month - 1;
/** Days from the Sunday that begins the week of 1970-01-01, which was a Thursday. */
const weekOf = (local: bigint, first: number): bigint => floorDiv(floorDiv(local, DAY) + 4n - BigInt(first), 7n);

const dateDiff: Operator = (argument, scope, name) => {
  const given = namedArguments(argument, scope, name, ['startDate', 'endDate', 'unit'], ['timezone', 'startOfWeek']);
  return (doc, variables) => {
    const start = (given['startDate'] as Evaluate)(doc, variables);
    const end = (given['endDate'] as Evaluate)(doc, variables);
    const unit = unitOf((given['unit'] as Evaluate)(doc, variables), name);
    const zone = zoneOf(given['timezone'], doc, variables, name);
    const first = startOfWeekOf(given['startOfWeek'], unit, doc, variables, name);
    if (isNullish(start) || isNullish(end) || !unit || !zone || first === null) return null;
    const [from, to] = [instant(start, name, 5166307), instant(end, name, 5166307)];
    const [localFrom, localTo] = [from + zone(from), to + zone(to)];
    const months_ = monthUnits[unit];
    if (months_) return BigInt(Math.floor(monthsOf(calendarOf(localTo)) / months_) - Math.floor(monthsOf(calendarOf(localFrom)) / months_));
    if (unit === 'week') return weekOf(localTo, first) - weekOf(localFrom, first);
    const size = fixedUnits[unit] as bigint;
    if (unit === 'day') return floorDiv(localTo, size) - floorDiv(localFrom, size);
    // Hours and smaller units do not change with the clocks: both ends use the offset of the first.
    return floorDiv(to + zone(from), size) - floorDiv(localFrom, size);
  };
};

/** The longest bin of a unit that a server supports. */
const largestBin = (unit: string): number => (unit in monthUnits ? 100_000_000_000 : 2 ** 63 / Number(fixedUnits[unit]));

const dateTrunc: Operator = (argument, scope, name) => {
  const given = namedArguments(argument, scope, name, ['date', 'unit'], ['binSize', 'timezone', 'startOfWeek']);
  // A server checks this before the unit, unless the date is a constant too.
  const startOfWeek = given['startOfWeek'] && constantOf(given['startOfWeek']);
  if (startOfWeek && isNullish(startOfWeek.value) && !constantOf(given['date'] as Evaluate)) return () => null;
  return (doc, variables) => {
    const date = (given['date'] as Evaluate)(doc, variables);
    const unit = unitOf((given['unit'] as Evaluate)(doc, variables), name);
    const size = given['binSize'] ? given['binSize'](doc, variables) : 1;
    const zone = zoneOf(given['timezone'], doc, variables, name);
    const first = startOfWeekOf(given['startOfWeek'], unit, doc, variables, name);
    if (isNullish(date) || !unit || isNullish(size) || !zone || first === null) return null;
    const bin = integerOf(size, `$dateTrunc 'binSize'`, 5439017);
    if (bin < 1) throw new ServerError(5439018, `$dateTrunc requires 'binSize' to be greater than 0, but got value ${bin}`);
    if (bin > largestBin(unit))
      throw new ServerError(unit in monthUnits ? 5439006 : 5439002, `$dateTrunc: the bin of ${bin} ${unit}s is too large`);
    const ms = instant(date, name, 5166307);
    const local = ms + zone(ms);
    const months_ = monthUnits[unit];
    // Bins are counted from 2000-01-01; weeks from the first such weekday of that year.
    if (months_) {
      const width = months_ * bin;
      const since = monthsOf(calendarOf(local)) - 2000 * 12;
      const month = Math.floor(since / width) * width;
      return new DateTime(
        fromLocal(instantOf({ year: 2000, month: month + 1, day: 1, hour: 0, minute: 0, second: 0, millisecond: 0 }), zone),
      );
    }
    const origin = BigInt(daysOf(2000, 1, 1)) * DAY;
    const width = (fixedUnits[unit] as bigint) * BigInt(bin);
    let reference = origin;
    if (unit !== 'day' && unit !== 'week') {
      // Bins of hours and smaller units are counted in elapsed time, so that clock changes do not move them.
      reference -= zone(origin);
      return new DateTime(reference + floorDiv(ms - reference, width) * width);
    }
    if (unit === 'week') reference += BigInt((((first - 6) % 7) + 7) % 7) * DAY;
    return new DateTime(fromLocal(reference + floorDiv(local - reference, width) * width, zone));
  };
};

/** The operators on dates, by name. */
export const dateOperators: Readonly<Record<string, Operator>> = {
  ...Object.fromEntries(Object.keys(parts).map((name) => [name, partOperator])),
  $dateToString: dateToString,
  $dateFromString: dateFromString,
  $dateFromParts: dateFromParts,
  $dateToParts: dateToParts,
  $dateAdd: shiftDate(1),
  $dateSubtract: shiftDate(-1),
  $dateDiff: dateDiff,
  $dateTrunc: dateTrunc,
};
