/** How long a refused token is not looked up again, in milliseconds. */
const REFUSED_FOR_MS = 5_000;
/** Number of refused tokens kept: the ones sent last. */
const MOST_REFUSED = 1_000;

/** Refused tokens: each is one failed attempt, however often it is sent, and is not looked up again at once. */
export class RefusedTokens {
  readonly #refusedAt = new Map<string, number>();

  isFresh(token: string, now: number): boolean {
    return now - (this.#refusedAt.get(token) ?? -Infinity) < REFUSED_FOR_MS;
  }

  /** @returns whether it is a new one */
  add(token: string, now: number): boolean {
    // Moved to the end: the one not sent for longest is first.
    const isNew = !this.#refusedAt.delete(token);
    this.#refusedAt.set(token, now);
    if (this.#refusedAt.size > MOST_REFUSED) this.#refusedAt.delete(this.#refusedAt.keys().next().value as string);
    return isNew;
  }
}
