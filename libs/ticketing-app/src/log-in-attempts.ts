/** Attempts that are free: people mistype. */
const FREE = 5;
const LONGEST_WAIT_S = 60;
/** Accounts that are remembered: the ones tried last. */
const MOST_REMEMBERED = 10_000;

interface Failed {
  readonly times: number;
  /** When the next attempt is looked at, in milliseconds. */
  readonly waitUntil: number;
}

/**
 * Slows down who guesses passwords: from the sixth wrong one on an account waits a second, then two, four, up to a minute. It is never locked, which
 * would let anybody keep its owner out. Each process counts for itself.
 */
export class LogInAttempts {
  readonly #failed = new Map<string, Failed>();

  /**
   * Counts an attempt, as a failed one for now: many at once gain nothing.
   * @param now milliseconds of any clock that goes on evenly
   * @returns seconds to wait before the next one is looked at; 0: this one is
   */
  begin(account: string, now: number): number {
    const { times = 0, waitUntil = 0 } = this.#failed.get(account) ?? {};
    if (now < waitUntil) return Math.ceil((waitUntil - now) / 1_000);
    const waitS = times + 1 < FREE ? 0 : Math.min(2 ** (times + 1 - FREE), LONGEST_WAIT_S);
    // Put at the end: whoever was not tried for longest is first.
    this.#failed.delete(account);
    this.#failed.set(account, { times: times + 1, waitUntil: now + waitS * 1_000 });
    if (this.#failed.size > MOST_REMEMBERED) this.#failed.delete(this.#failed.keys().next().value as string);
    return 0;
  }

  succeeded(account: string): void {
    this.#failed.delete(account);
  }
}
