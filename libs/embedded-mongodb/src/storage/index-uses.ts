export type IndexUse = {
  /** Number of queries that have used the index. */
  readonly ops: number;
  /** Start of counting, in milliseconds of Unix time. */
  readonly since: number;
};

/** How often queries have used each index since the node started, or since the index was created or changed. Not stored on disk. */
export class IndexUses {
  readonly #startedAt = Date.now();
  readonly #uses = new Map<number, { ops: number; readonly since: number }>();

  /** @param number of the index, or of the collection for its index on _id */
  of(number: number): IndexUse {
    return this.#uses.get(number) ?? { ops: 0, since: this.#startedAt };
  }

  add(number: number): void {
    const known = this.#uses.get(number);
    if (known) known.ops++;
    else this.#uses.set(number, { ops: 1, since: this.#startedAt });
  }

  /** Counts from now on. */
  reset(number: number): void {
    this.#uses.set(number, { ops: 0, since: Date.now() });
  }

  forget(number: number): void {
    this.#uses.delete(number);
  }
}
