/** How failures are handled. */
export interface Patience {
  /** The pause after a first failure, and the longest, in milliseconds: each is four times the previous one, ±20 %. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** After this many milliseconds of failures an event is a dead letter. */
  readonly giveUpMs: number;
  /** After this many consecutive failures, of whatever events, nothing is sent for a while. */
  readonly breakAfter: number;
  /** For how long, initially and at most, in milliseconds: each is twice the previous one. */
  readonly breakMs: number;
  readonly longestBreakMs: number;
  /** The longest pause that the receiver may request (`Retry-After`), in milliseconds. */
  readonly longestRetryAfterMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Tries for three days: after 5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 6 h, 12 h, 12 h, … */
export const patience: Patience = {
  firstMs: 5 * SECOND,
  longestMs: 12 * HOUR,
  giveUpMs: 72 * HOUR,
  breakAfter: 5,
  breakMs: 15 * SECOND,
  longestBreakMs: 10 * MINUTE,
  longestRetryAfterMs: 24 * HOUR,
};

/**
 * How long to wait before an event is sent again, in milliseconds.
 * @param failures number of its failures, at least one
 * @param random from 0 to 1, so that events that failed together are not retried together
 */
export function pauseAfter(
  { firstMs, longestMs, longestRetryAfterMs }: Patience,
  failures: number,
  random: number,
  retryAfterMs = 0,
): number {
  const pause = Math.min(longestMs, firstMs * 4 ** (failures - 1)) * (0.8 + 0.4 * random);
  return Math.round(Math.max(pause, Math.min(retryAfterMs, longestRetryAfterMs)));
}

/** How long nothing is sent after this many consecutive failures, in milliseconds; 0 while there are too few. */
export function breakAfter(
  { breakAfter, breakMs, longestBreakMs, longestRetryAfterMs }: Patience,
  failures: number,
  random: number,
  retryAfterMs = 0,
): number {
  const pause = failures < breakAfter ? 0 : Math.min(longestBreakMs, breakMs * 2 ** (failures - breakAfter)) * (0.8 + 0.4 * random);
  return Math.round(Math.max(pause, Math.min(retryAfterMs, longestRetryAfterMs)));
}
