import type { CompareText } from '../bson/order.js';
import type { Entry, KeyRange } from './data-file.js';

/**
 * Keys of an index with a collation. Intl compares two strings, but cannot produce sort keys, so each index keeps a list of its strings, in
 * the collation's order. A label is a hexadecimal fraction, greater than that of the preceding string and less than that of the following
 * one. Strings that are equal under the collation share a label. Labels never change.
 */

const DIGITS = 12;
/** The distance of a label from the preceding one if strings are added in order. */
const STEP = 256n;
const START = '';
/** Greater than every label. */
const END = 'g';

const cut = (label: string, digits: number): bigint =>
  label === END ? 16n ** BigInt(digits) : BigInt(`0x${label.padEnd(digits, '0').slice(0, digits)}`);

/**
 * A label between two others: in the middle, or close to the latest one if strings seem to be added in ascending or descending order, so
 * that labels stay short.
 */
const between = (low: string, high: string, latest?: string): string => {
  for (let digits = DIGITS; ; digits += DIGITS) {
    const [from, to] = [cut(low, digits), cut(high, digits)];
    const room = to - from;
    if (room < 2n) continue;
    const at = room > STEP && latest === low ? from + STEP : room > STEP && latest === high ? to - STEP : (from + to) >> 1n;
    return at.toString(16).padStart(digits, '0');
  }
};

/**
 * Finds the label of a string, or the one that it would get.
 *
 * @param prefix the prefix of the list's keys
 * @param latest the latest label, if known
 */
export const findLabel = (
  entries: (range: KeyRange) => Iterable<Entry>,
  prefix: Buffer,
  wanted: string,
  compare: CompareText,
  latest?: string,
): { readonly label: string; readonly known: boolean } => {
  const at = (label: string): Buffer => Buffer.concat([prefix, Buffer.from(label, 'latin1')]);
  const first = (from: string, to: string, reverse = false): { label: string; order: number } | undefined => {
    for (const { key, value } of entries({ start: at(from), end: at(to), reverse }))
      return { label: key.toString('latin1', prefix.length), order: compare(wanted, value.toString('utf8')) };
    return undefined;
  };
  let [low, high] = [START, END];
  // Where the search continues: there is no label from here to `high`.
  let end = END;
  let probe = first(latest ?? START, END, latest === undefined);
  // Beside the latest one first: often this is the place.
  if (latest !== undefined && probe && probe.order > 0) {
    low = probe.label;
    probe = undefined;
  } else if (latest !== undefined && probe && probe.order < 0) {
    high = end = probe.label;
    probe = first(START, end, true);
  }
  for (;;) {
    if (probe) {
      if (probe.order === 0) return { label: probe.label, known: true };
      if (probe.order > 0) low = probe.label;
      else high = end = probe.label;
    } else {
      // The one after `low`, if there is any.
      const next = first(`${low}0`, end);
      if (!next) return { label: between(low, high, latest), known: false };
      if (next.order === 0) return { label: next.label, known: true };
      if (next.order < 0) return { label: between(low, next.label, latest), known: false };
      low = next.label;
    }
    const middle = between(low, end);
    probe = first(middle, end);
    if (!probe) end = middle;
  }
};
