import { calendarOf, dayOfIsoWeek, daysOf, instantOf, isOfCalendar } from './dates.js';
import { findZone, fixedZone, utc, type Zone } from './zones.js';

/** The parts of a date string. */
type Said = {
  year?: number;
  month?: number;
  day?: number;
  hour?: number;
  minute?: number;
  second?: number;
  millisecond?: number;
  /** 0 is Sunday. The date is the next such day, counting from the given one. */
  weekday?: number;
  zone?: Zone;
};
/** Takes what a pattern has matched; false if the string already contained it. */
type Take = (said: Said, groups: Readonly<Record<string, string | undefined>>) => boolean;

/** A parsed date and time: by the clock of its own zone, or of any zone if it names none. */
export type Moment = { readonly local: bigint; readonly zone: Zone | undefined };

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Time zone abbreviations, which are not zone names, in hours from UTC. */
const ABBREVIATIONS: Readonly<Record<string, number>> = {
  z: 0,
  utc: 0,
  gmt: 0,
  wet: 0,
  west: 1,
  bst: 1,
  cet: 1,
  cest: 2,
  eet: 2,
  eest: 3,
  msk: 3,
  jst: 9,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
};

const date =
  (read: (groups: Readonly<Record<string, string | undefined>>) => readonly [year: number, month: number, day: number]): Take =>
  (said, groups) => {
    if (said.month !== undefined) return false;
    [said.year, said.month, said.day] = read(groups);
    return true;
  };
const written = date(({ y, m, d }) => [yearOf(y), Number(m), Number(d)]);
const named = date(({ y, name, d }) => [yearOf(y), monthOf(name), Number(d)]);

/** Two digits are a year from 1970 to 2069. */
const yearOf = (text = ''): number => {
  const year = Number(text);
  return text.length > 2 ? year : year + (year < 70 ? 2000 : 1900);
};
const monthOf = (name = ''): number => MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;

const monthAndDay: Take = (said, { name, d }) => {
  if (said.month !== undefined) return false;
  [said.month, said.day] = [monthOf(name), Number(d)];
  return true;
};

const time: Take = (said, { h, mi, s, f, half }) => {
  if (said.hour !== undefined) return false;
  const hour = Number(h);
  if (half && (hour < 1 || hour > 12)) return false;
  said.hour = half ? (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0) : hour;
  said.minute = Number(mi ?? 0);
  said.second = Number(s ?? 0);
  said.millisecond = Number((f ?? '').padEnd(3, '0').slice(0, 3));
  return true;
};

const year: Take = (said, { y }) => {
  if (said.year !== undefined) return false;
  said.year = Number(y);
  return true;
};

const zone: Take = (said, { sign, zh, zm, name }) => {
  if (said.zone) return false;
  if (sign) said.zone = fixedZone((sign === '-' ? -1 : 1) * (Number(zh) * 60 + Number(zm ?? 0)));
  else {
    const hours = ABBREVIATIONS[(name ?? '').toLowerCase()];
    said.zone = hours === undefined ? findZone(name ?? '') : fixedZone(hours * 60);
  }
  return said.zone !== undefined;
};

const Y4 = String.raw`(?<y>\d{4})(?!\d)`;
const Y = String.raw`(?<y>\d{4}|\d{2})(?!\d)`;
const M = String.raw`(?<m>1[0-2]|0?\d)(?!\d)`;
const D = String.raw`(?<d>[0-2]?\d|3[01])(?!\d)(?:st|nd|rd|th)?`;
const NAME = String.raw`(?<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])`;
const GAP = String.raw`[ \t.-]*`;

/** What a string may consist of, each part once; the longest match is used. */
const SHAPES: readonly (readonly [pattern: string, take: Take])[] = [
  [String.raw`(?<y>[+-]?\d{4})-(?<m>\d{2})-(?<d>\d{2})(?!\d)`, date(({ y, m, d }) => [Number(y), Number(m), Number(d)])],
  [`${Y4}-${M}-${D}`, written],
  [`${Y4}/${M}/${D}`, written],
  [String.raw`(?<y>\d{4})(?<m>\d{2})(?<d>\d{2})(?!\d)`, written],
  [`${M}/${D}/${Y}`, written],
  [`${D}[.-]${M}[.-]${Y4}`, written],
  [`${D}${GAP}${NAME}${GAP}${Y}`, named],
  [String.raw`${NAME}${GAP}${D}[ \t.,]+${Y4}`, named],
  [`${Y4}-${NAME}-${D}`, named],
  [`${NAME}${GAP}${D}`, monthAndDay],
  [`${D}${GAP}${NAME}`, monthAndDay],
  [
    String.raw`(?<y>\d{4})-?w(?<w>\d{2})(?:-?(?<u>[0-7]))?(?!\d)`,
    date(({ y, w, u }) => {
      const found = calendarOf(BigInt(dayOfIsoWeek(Number(y), Number(w), Number(u ?? 1))) * 86_400_000n);
      return [found.year, found.month, found.day];
    }),
  ],
  [String.raw`t?(?<h>[01]?\d|2[0-4])[:.](?<mi>[0-5]?\d)(?:[:.](?<s>[0-5]?\d|60)(?:[.,:](?<f>\d+))?)?(?!\d)`, time],
  [String.raw`t?(?<h>0?\d|1[0-2])(?:[:.](?<mi>[0-5]\d)(?:[:.](?<s>[0-5]\d))?)?[ \t]*(?<half>[ap])\.?m\.?(?![a-z])`, time],
  [String.raw`t(?<h>[01]\d|2[0-4])(?<mi>[0-5]\d)(?<s>[0-5]\d)(?!\d)`, time],
  // Four digits are a time of day if possible, and a year if there already is a time.
  [
    String.raw`t?(?<h>[01]\d|2[0-4])(?<mi>[0-5]\d)(?!\d)`,
    (said, groups) => time(said, groups) || year(said, { y: `${groups['h']}${groups['mi']}` }),
  ],
  [Y4, year],
  [
    String.raw`(?<name>sun|mon|tue|wed|thu|fri|sat)(?:day|sday|nesday|rsday|urday)?(?![a-z])`,
    (said, { name = '' }) => {
      if (said.weekday !== undefined) return false;
      said.weekday = WEEKDAYS.indexOf(name.toLowerCase());
      return true;
    },
  ],
  [String.raw`(?:gmt|utc)?(?<sign>[+-])(?<zh>\d{1,2})(?::?(?<zm>\d{2}))?(?!\d)`, zone],
  [String.raw`\(?(?<name>[a-z]{1,6}|[A-Z][a-z]+(?:[_/-][A-Za-z]+)+)\)?(?![a-z])`, zone],
];
const PARTS = SHAPES.map(([pattern, take]) => [new RegExp(pattern, 'iy'), take] as const);

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(?:Z|([+-]\d{2}):?(\d{2})?)?$/;

/** The usual form, without examining each of its parts. */
const readIso = (text: string): Moment | undefined => {
  const found = ISO.exec(text);
  if (!found) return undefined;
  const at = (index: number): number => Number(found[index] ?? 0);
  const millisecond = Number((found[7] ?? '').padEnd(3, '0').slice(0, 3));
  const calendar = { year: at(1), month: at(2), day: at(3), hour: at(4), minute: at(5), second: at(6), millisecond };
  if (!isOfCalendar(calendar)) return undefined;
  const offset = found[8];
  const zone = offset === undefined ? undefined : fixedZone((offset.startsWith('-') ? -1 : 1) * (Math.abs(Number(offset)) * 60 + at(9)));
  return { local: instantOf(calendar), zone: text.endsWith('Z') ? utc : zone };
};

/**
 * Parses a string as a server does without a format: ISO 8601, and dates, times, weekdays and zones in common notations, in any order.
 * Undefined for anything else, or an incomplete date.
 */
export const readDateText = (text: string): Moment | undefined => readIso(text) ?? readParts(text);

const readParts = (text: string): Moment | undefined => {
  const said: Said = {};
  for (let at = 0; at < text.length;) {
    if (/[ \t\n\v\f\r.,\0\u00a0\u202f]/.test(text.charAt(at))) {
      at++;
      continue;
    }
    let longest = 0;
    let taken: (() => boolean) | undefined;
    for (const [pattern, take] of PARTS) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (!found || found[0].length <= longest) continue;
      longest = found[0].length;
      taken = () => take(said, found.groups ?? {});
    }
    if (!taken?.()) return undefined;
    at += longest;
  }
  const { year, month, day, hour = 0, minute = 0, second = 0, millisecond = 0, weekday } = said;
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const calendar = { year, month, day, hour, minute, second, millisecond };
  if (!isOfCalendar(calendar)) return undefined;
  const later = weekday === undefined ? 0 : (((weekday - daysOf(year, month, day) - 4) % 7) + 7) % 7;
  return { local: instantOf({ ...calendar, day: day + later }), zone: said.zone };
};
