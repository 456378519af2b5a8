import { randomBytes } from 'node:crypto';
import { Arr, Doc, encodedLength, MAX_DOCUMENT_BYTES, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import { PAUSE, type Source } from '../execution/source.js';
import { timeExpired, withBudget } from '../query/budget.js';

/** The size of a first batch if the client sets none, as on the server. */
export const DEFAULT_BATCH = 101;

/** A pacer for long work: every few milliseconds it lets the event loop serve others; it ends the work at a deadline. */
export class Pace {
  #since = performance.now();
  readonly #deadline: number;

  constructor(
    maxTimeMS: number | undefined,
    readonly cancelled: () => boolean,
  ) {
    this.#deadline = maxTimeMS ? performance.now() + maxTimeMS : Infinity;
  }

  /** Does some work within the command's time limit. */
  run<Result>(work: () => Result): Result {
    return withBudget(this.#since, this.#deadline, work);
  }

  check(): void {
    if (performance.now() > this.#deadline) throw timeExpired();
    if (this.cancelled()) throw new ServerError(11601, 'operation was interrupted');
  }

  async pause(): Promise<void> {
    this.check();
    if (performance.now() - this.#since < 5) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
    this.check();
  }
}

/** Runs a source to its end. */
export const drain = async (source: Source, pace: Pace, visit: (doc: Doc) => void): Promise<void> => {
  for (let step = pace.run(() => source.next()); !step.done; step = pace.run(() => source.next())) {
    const row = step.value;
    if (row === PAUSE) await pace.pause();
    else visit(row);
  }
};

/** A running query: its source of documents, and what to release when it ends. */
export class Cursor {
  #peeked: Doc | undefined;
  #done = false;
  lastUsed = Date.now();
  busy = false;

  constructor(
    readonly namespace: string,
    readonly source: Source,
    readonly release: () => void,
    readonly times: { readonly neverTimesOut: boolean; readonly maxTimeMS: number | undefined },
    /** The session in which it was opened, and its owner. */
    readonly owner: { readonly session: string; readonly user: string | undefined },
  ) {}

  /**
   * The next batch: at most `count` documents, and no more than fit in 16 MB.
   *
   * @returns the documents, and whether there are more
   */
  async next(count: number, pace: Pace): Promise<{ readonly batch: readonly Doc[]; readonly more: boolean }> {
    const batch: Doc[] = [];
    let bytes = 0;
    try {
      for (;;) {
        let doc = this.#peeked;
        this.#peeked = undefined;
        while (!doc && !this.#done) {
          const step = pace.run(() => this.source.next());
          if (step.done) this.#done = true;
          else if (step.value === PAUSE) await pace.pause();
          else doc = step.value;
        }
        if (!doc) break;
        const length = encodedLength(doc) + 16;
        if (length > MAX_DOCUMENT_BYTES + 16 * 1024)
          throw new ServerError(
            10334,
            `BSONObj size: ${length - 16} is invalid. Size must be between 0 and ${MAX_DOCUMENT_BYTES + 16 * 1024}(16MB)`,
          );
        if (batch.length >= count || (batch.length > 0 && bytes + length > MAX_DOCUMENT_BYTES)) {
          this.#peeked = doc;
          break;
        }
        bytes += length;
        batch.push(doc);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    if (this.#done) this.close();
    return { batch, more: !this.#done };
  }

  close(): void {
    this.#done = true;
    this.#peeked = undefined;
    this.source.return();
    this.release();
  }
}

/** The cursors that clients have open. */
export class Cursors {
  readonly #open = new Map<bigint, Cursor>();
  readonly #timer: NodeJS.Timeout;

  /**
   * @param idleMs how long a cursor may be idle
   * @param most how many may be open at once; queries that need another one are refused
   */
  constructor(
    readonly idleMs: number,
    readonly most: number,
  ) {
    this.#timer = setInterval(() => this.#expire(), Math.max(50, Math.min(30_000, idleMs / 4)));
    this.#timer.unref();
  }

  #expire(): void {
    const limit = Date.now() - this.idleMs;
    for (const [id, cursor] of this.#open) if (!cursor.busy && !cursor.times.neverTimesOut && cursor.lastUsed < limit) this.kill(id);
  }

  get size(): number {
    return this.#open.size;
  }

  keep(cursor: Cursor): bigint {
    if (this.#open.size >= this.most) {
      cursor.close();
      throw new ServerError(146, `too many open cursors: ${this.most} are the most`);
    }
    let id: bigint;
    do id = randomBytes(8).readBigInt64LE() & 0x7fffffffffffffffn;
    while (id === 0n || this.#open.has(id));
    // Its first batch may have taken long: the idle time starts now.
    cursor.lastUsed = Date.now();
    this.#open.set(id, cursor);
    return id;
  }

  find(id: bigint): Cursor | undefined {
    return this.#open.get(id);
  }

  forget(id: bigint): void {
    this.#open.delete(id);
  }

  kill(id: bigint): boolean {
    const cursor = this.#open.get(id);
    if (!cursor) return false;
    this.#open.delete(id);
    // One that is being read ends with its next step.
    if (!cursor.busy) cursor.close();
    return true;
  }

  killSessions(isMeant: (session: string, user: string | undefined) => boolean): void {
    for (const [id, { owner }] of this.#open) if (owner.session && isMeant(owner.session, owner.user)) this.kill(id);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const id of [...this.#open.keys()]) this.kill(id);
  }
}

export const cursorReply = (id: bigint, namespace: string, name: 'firstBatch' | 'nextBatch', batch: readonly Value[]): Doc =>
  Doc.from({ cursor: Doc.of([name, 'id', 'ns'], [Arr.of(batch), id, namespace]) });
