import { badValue, ServerError } from '../errors.js';
import { instantOf } from './dates.js';

/** The offset of a zone at an instant, in milliseconds. */
export type Zone = (ms: bigint) => bigint;

/** UTC, under any of its names. */
export const utc: Zone = () => 0n;

const zones = new Map<string, Zone>();

/** @param minutes by which its clocks are ahead of UTC */
export const fixedZone = (minutes: number): Zone => {
  const offset = BigInt(minutes) * 60_000n;
  return minutes ? () => offset : utc;
};

const zoneOfOffset = (text: string): Zone | undefined => {
  const parts = /^([+-])(\d{2}):?(\d{2})?$/.exec(text);
  if (!parts) return undefined;
  return fixedZone((parts[1] === '-' ? -1 : 1) * (Number(parts[2]) * 60 + Number(parts[3] ?? 0)));
};

/** Zones in ICU that are not in the time zone database. */
const OF_ICU_ALONE = new Set(
  'ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST'.split(' '),
);

/** Intl accepts zone names in any case, a server only in their own: America/Port-au-Prince, GB-Eire, EST5EDT. */
const isZoneName = (name: string): boolean =>
  /^[A-Z]/.test(name) &&
  !OF_ICU_ALONE.has(name) &&
  !name.startsWith('SystemV/') &&
  name.split(/[/_-]/).every((part) => /^([A-Z0-9+]|au$|es$|of$|$)/.test(part) && (!/^[A-Z]{4,}$/.test(part) || part === 'CHAT'));

/** The zone with a name, or of an offset such as +05:30, if there is one. */
export const findZone = (name: string): Zone | undefined => {
  const known = zones.get(name);
  if (known) return known;
  let zone: Zone;
  const fixed = name === 'UTC' || name === 'GMT' ? utc : zoneOfOffset(name);
  if (fixed) zone = fixed;
  else {
    if (!isZoneName(name)) return undefined;
    let format: Intl.DateTimeFormat;
    try {
      format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        hourCycle: 'h23',
        era: 'short',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
    } catch {
      return undefined;
    }
    zone = (ms) => {
      const rest = ((ms % 1000n) + 1000n) % 1000n;
      const instant = Number(ms - rest);
      if (Math.abs(instant) > 8.64e15) throw badValue('a date is beyond the years that time zones are known for');
      const parts: Record<string, number> = {};
      let before = false;
      for (const { type, value } of format.formatToParts(instant)) {
        if (type === 'era') before = value.startsWith('B');
        else parts[type] = Number(value);
      }
      const field = (key: string): number => parts[key] ?? 0;
      const year = before ? 1 - field('year') : field('year');
      return (
        instantOf({
          year,
          month: field('month'),
          day: field('day'),
          hour: field('hour'),
          minute: field('minute'),
          second: field('second'),
          millisecond: 0,
        }) - BigInt(instant)
      );
    };
  }
  if (zones.size > 600) zones.clear();
  zones.set(name, zone);
  return zone;
};

/** @throws ServerError 40485 for an unknown zone */
export const zoneNamed = (name: string): Zone => {
  const zone = findZone(name);
  if (!zone) throw new ServerError(40485, `unrecognized time zone identifier: "${name}"`);
  return zone;
};

/** The instant of local fields in a zone. */
export const fromLocal = (local: bigint, zone: Zone): bigint => {
  const first = local - zone(local);
  return local - zone(first);
};
