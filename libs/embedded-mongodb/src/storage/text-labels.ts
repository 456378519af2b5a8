import type { CompareText } from '../bson/order.js';
import type { Entry, KeyRange } from './data-file.js';

/**
 * Keys of an index with a collation. Intl compares two texts, but makes no keys of them, so that each index keeps a list of
 * the texts that it has met, in the collation's order: a label is a hexadecimal fraction, greater than that of the text
 * before and less than that of the text after. Texts that are equal under the collation share one. Labels never change.
 */

const DIGITS = 12;
/** How far a label is from the one before it, where texts come in their order. */
const STEP = 256n;
const START = '';
/** Above every label. */
const END = 'g';

const cut = (label: string, digits: number): bigint =>
  label === END ? 16n ** BigInt(digits) : BigInt(`0x${label.padEnd(digits, '0').slice(0, digits)}`);

/**
 * A label between two: in the middle, or close to the latest one where texts seem to come in their order or against it, so
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
 * Finds the label of a text, or the one that it would get.
 *
 * @param prefix what the keys of the list begin with
 * @param latest the label that was given last, if that is known
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
  // Where the search goes on: there is no label from here to `high`.
  let end = END;
  let probe = first(latest ?? START, END, latest === undefined);
  // Beside the latest one first: then it has found its place.
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
      // The one that follows `low`, if there is any.
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
