/** Writes things in batches, one batch at a time: what arrives during a write goes into the next batch. */
export class Batches<Thing, Written> {
  #waiting: Thing[] = [];
  /** The next batch, and the one before it. */
  #next: Promise<Written> | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(private readonly write: (batch: readonly Thing[]) => Promise<Written>) {}

  /** @returns the result of writing its batch; fails if that fails */
  add(thing: Thing): Promise<Written> {
    this.#waiting.push(thing);
    return (this.#next ??= this.#writing.then(() => this.#writeWaiting()));
  }

  #writeWaiting(): Promise<Written> {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    const writing = this.write(batch);
    this.#writing = writing.catch(() => {});
    return writing;
  }
}
