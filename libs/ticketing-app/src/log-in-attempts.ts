/** Free attempts: people mistype. */
const FREE = 5;
const LONGEST_WAIT_S = 60;
/** Number of accounts kept: the ones tried last. */
const MOST_REMEMBERED = 10_000;

interface Failed {
  readonly times: number;
  /** When the next attempt is accepted, in milliseconds. */
  readonly waitUntil: number;
}

/**
 * Slows down guessing: from the sixth wrong password on, an account waits one second, then two, four, up to a minute. It is never locked,
 * since anyone could then keep its owner out. Each process counts for itself.
 */
export class LogInAttempts {
  readonly #failed = new Map<string, Failed>();

  /**
   * Counts an attempt, as failed for now: sending many at once gains nothing.
   * @param now milliseconds of any monotonic clock
   * @returns seconds to wait before the next attempt; 0: this one is accepted
   */
  begin(account: string, now: number): number {
    const { times = 0, waitUntil = 0 } = this.#failed.get(account) ?? {};
    if (now < waitUntil) return Math.ceil((waitUntil - now) / 1_000);
    const waitS = times + 1 < FREE ? 0 : Math.min(2 ** (times + 1 - FREE), LONGEST_WAIT_S);
    // Moved to the end: the account not tried for longest is first.
    this.#failed.delete(account);
    this.#failed.set(account, { times: times + 1, waitUntil: now + waitS * 1_000 });
    if (this.#failed.size > MOST_REMEMBERED) this.#failed.delete(this.#failed.keys().next().value as string);
    return 0;
  }

  succeeded(account: string): void {
    this.#failed.delete(account);
  }
}
