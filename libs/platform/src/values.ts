import { isIP } from 'node:net';
import type { Fault } from '#eventsourcing';

/** Reads one environment variable, as in `loadConfig`. */
export type Read = <Value>(name: string, fallback: Value, parse: (text: string) => Value | undefined, rule: string) => Value;

/** Adds a fault if only one of two variables is set. */
export function requireBoth(one: string, other: string, isUnset: (name: string) => boolean, faults: Fault[]): void {
  for (const [name, there] of [
    [one, other],
    [other, one],
  ] as const)
    if (isUnset(name) && !isUnset(there)) faults.push({ field: name, message: `is required where there is ${there}` });
}

/** A word of printable ASCII; undefined if it is not one. */
export function word(text: string): string | undefined {
  return /^[\x21-\x7e]{1,1024}$/.test(text) ? text : undefined;
}

/** Values separated by commas; undefined if one of them is invalid. */
export function listOf<Item>(text: string, parse: (text: string) => Item | undefined): Item[] | undefined {
  const items = text.split(',').map((one) => parse(one.trim()));
  return items.every((item) => item !== undefined) ? items : undefined;
}

export const PORT_RULE = 'must be a port from 1 to 65535, or 0 for any free one';

export function port(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

export function webAddress(text: string): string | undefined {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined;
}

/** In CIDR notation. */
export function network(text: string): string | undefined {
  const [address = '', bits = ''] = text.split('/');
  const version = isIP(address);
  return version !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128) ? text : undefined;
}

export function path(text: string): string | undefined {
  return text.includes('\0') ? undefined : text;
}
