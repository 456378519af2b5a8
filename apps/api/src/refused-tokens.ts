/** How long a token that was refused is not looked for again, in milliseconds. */
const REFUSED_FOR_MS = 5_000;
/** Refused tokens that are remembered: the ones sent last. */
const MOST_REFUSED = 1_000;

/** Tokens that were refused: each is one failed attempt, however often it is sent, and is not looked for again at once. */
export class RefusedTokens {
  readonly #refusedAt = new Map<string, number>();

  isFresh(token: string, now: number): boolean {
    return now - (this.#refusedAt.get(token) ?? -Infinity) < REFUSED_FOR_MS;
  }

  /** @returns whether it is another one than those before */
  add(token: string, now: number): boolean {
    // Put at the end: the one that was not sent for longest is first.
    const isNew = !this.#refusedAt.delete(token);
    this.#refusedAt.set(token, now);
    if (this.#refusedAt.size > MOST_REFUSED) this.#refusedAt.delete(this.#refusedAt.keys().next().value as string);
    return isNew;
  }
}
