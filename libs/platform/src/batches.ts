/** Writes things in batches, one batch at a time: what comes while one is written goes into the next. */
export class Batches<Thing, Written> {
  #waiting: Thing[] = [];
  /** The batch that is going to be written, and the one before it. */
  #next: Promise<Written> | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(private readonly write: (batch: readonly Thing[]) => Promise<Written>) {}

  /** @returns what the writing of its batch came to; it fails as that does */
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
