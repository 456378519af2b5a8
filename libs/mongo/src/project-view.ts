import type { Db } from 'mongodb';
import type { EventStore, Position } from '#eventsourcing';
import { isUnreachable } from './connect.js';
import { feedBatches } from './feed-batches.js';
import { ProjectionFailed, projectBatch } from './project-batch.js';
import { RebuildRunning, rebuildView } from './rebuild-view.js';
import {
  HeldLease,
  LeaseLost,
  OtherLog,
  acquire,
  ensureControl,
  heartbeatMs,
  isOfThisLog,
  markOf,
  noteTrouble,
  readPosition,
  release,
  settleSwitch,
  type ViewControl,
} from './view-control.js';
import { positionNumber, prepareCollection, viewCollection, type AnyProjection, type ViewLog } from './view.js';

/** How a view is doing in this process: for health checks. */
export interface ViewStatus {
  readonly view: string;
  /**
   * `waiting`: another process projects it; `catching-up`, `live`: this one does; `rebuilding`: its projection is newer than its documents;
   * `outdated`: its documents are newer than this process's projection; `failing`: retried with growing pauses, see `lastError`.
   */
  readonly state: 'starting' | 'waiting' | 'catching-up' | 'live' | 'rebuilding' | 'outdated' | 'failing' | 'stopped';
  /** Commit position up to which this process has projected. */
  readonly position: number | null;
  /** Milliseconds since the oldest event that is known and not yet projected was recorded; 0 when there is none; null while it is not known. */
  readonly lagMs: number | null;
  /** Events projected by this process since it started. */
  readonly projected: number;
  /** The trouble that is being retried; cleared once there is progress. */
  readonly lastError?: { readonly message: string; readonly at: string };
}

/** A view that is being kept up to date. */
export interface ViewProjector {
  status(): ViewStatus;
  /** Finishes the batch in work, writes the checkpoint, gives the lease back. */
  stop(): Promise<void>;
}

export interface ProjectViewOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly projection: AnyProjection;
  readonly log: ViewLog;
  /** Name of this process among all that may project: unique. */
  readonly owner: string;
  /** How long a process that died keeps others waiting, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
  /** Events in one batch at most (default 1,000). */
  readonly batchSize?: number;
}

/**
 * Keeps a view up to date, for as long as this process is its owner; waits while another one is. A projection newer than the documents
 * builds the view anew first, beside the old one. Whatever goes wrong is logged and tried again, with pauses up to 30 seconds; a failing view
 * does not keep others from going on.
 */
export function projectView(options: ProjectViewOptions): ViewProjector {
  return new Projector(options);
}

class Projector implements ViewProjector {
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  readonly #leaseMs: number;
  #state: ViewStatus['state'] = 'starting';
  #position: number | null = null;
  #projected = 0;
  #lastError: ViewStatus['lastError'];
  /** When the oldest event in work was recorded, epoch milliseconds. */
  #oldest: number | undefined;

  constructor(private readonly options: ProjectViewOptions) {
    this.#leaseMs = options.leaseMs ?? 10_000;
    this.#done = this.#run();
  }

  status(): ViewStatus {
    const lagMs = this.#oldest !== undefined ? Math.max(0, Date.now() - this.#oldest) : this.#state === 'live' ? 0 : null;
    const known = { view: this.options.projection.name, state: this.#state, position: this.#position, lagMs, projected: this.#projected };
    return this.#lastError === undefined ? known : { ...known, lastError: this.#lastError };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { log, projection } = this.options;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#projected;
      try {
        await this.#turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof LeaseLost) {
          log.warn({ view: projection.name }, error.message);
          continue;
        }
        failures = this.#projected > before && !(error instanceof ProjectionFailed) ? 1 : failures + 1;
        const wait = Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
        this.#state = 'failing';
        this.#lastError = { message: error instanceof Error ? error.message : String(error), at: new Date().toISOString() };
        // Where the database itself is away the note would only keep a stop waiting.
        if (!isUnreachable(error)) await noteTrouble(this.options.db, projection.name, this.options.owner, this.#lastError);
        log.error({ view: projection.name, err: error, retryInMs: Math.round(wait) }, 'the view is not being projected');
        await pause(wait, signal);
      }
    }
    this.#state = 'stopped';
    this.#oldest = undefined;
  }

  /** One try at being the owner, and all that follows from it. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { db, store, projection, log, owner } = this.options;
    const { version, pending } = await ensureControl(db, projection.name, projection.version);
    if (pending !== null) return (await this.#settle()) ? undefined : pause(heartbeatMs(this.#leaseMs), signal);
    if (version > projection.version) {
      if (this.#state !== 'outdated') log.warn({ view: projection.name, version, ours: projection.version }, 'the view was built by a newer version; leaving it alone');
      this.#state = 'outdated';
      return pause(this.#leaseMs / 2, signal);
    }
    if (version < projection.version) {
      this.#state = 'rebuilding';
      log.info({ view: projection.name, from: version, to: projection.version }, 'building the view anew beside the old one');
      try {
        await rebuildView({ db, store, projection, owner: `${owner}-rebuild`, leaseMs: this.#leaseMs, signal });
      } catch (error) {
        if (!(error instanceof RebuildRunning)) throw error;
        await pause(this.#leaseMs / 4, signal);
      }
      return;
    }
    const control = await acquire(db, projection.name, owner, this.#leaseMs);
    if (control === null) {
      this.#state = 'waiting';
      return pause(heartbeatMs(this.#leaseMs), signal);
    }
    await this.#own(control, signal);
  }

  /** Puts right what a rebuild left that died while it switched. False while it may still be alive. */
  async #settle(): Promise<boolean> {
    const { db, projection, owner } = this.options;
    const control = await acquire(db, projection.name, owner, this.#leaseMs);
    if (control === null) return false;
    try {
      await settleSwitch(db, control, owner);
    } finally {
      await release(db, projection.name, owner);
    }
    return true;
  }

  /** Projects until the lease ends or the process stops. */
  async #own(acquired: ViewControl, signal: AbortSignal): Promise<void> {
    const { db, store, projection, owner, log } = this.options;
    let control: ViewControl;
    try {
      control = await settleSwitch(db, acquired, owner);
      if (!(await isOfThisLog(store, control.checkpoint))) throw new OtherLog(projection.name);
      if (control.version === projection.version) await prepareCollection(db, projection.name, projection);
    } catch (error) {
      await release(db, projection.name, owner).catch(() => {});
      throw error;
    }
    // A switch may have come to an end in between: look again.
    if (control.version !== projection.version) return release(db, projection.name, owner);

    const lease = new HeldLease(db, control, owner, this.#leaseMs);
    const collection = viewCollection(db, projection.name);
    const from = readPosition(control.checkpoint);
    let mark = control.checkpoint?.event ?? null;
    let troubled = Boolean(control.trouble);
    this.#position = from === undefined ? null : positionNumber(from);
    this.#state = 'catching-up';
    log.info({ view: projection.name, generation: control.generation, position: this.#position }, 'projecting');
    try {
      const ending = AbortSignal.any([signal, lease.ended]);
      for await (const batch of feedBatches(store, { streamPrefixes: [projection.streamPrefix] }, from, ending, this.options.batchSize ?? 1_000)) {
        const [first] = batch.events;
        if (first !== undefined) this.#oldest = Date.parse(first.metadata.recordedAt);
        await lease.confirm();
        const { count, failure } = await projectBatch(collection, projection, batch.events);
        const reached: Position | undefined = failure === undefined ? batch.position : batch.events[count - 1]?.position;
        if (reached !== undefined) {
          mark = markOf(batch.events[count - 1], mark);
          lease.advance(reached, mark);
          this.#position = positionNumber(reached);
        }
        this.#projected += count;
        if (failure !== undefined) throw failure;
        this.#oldest = undefined;
        this.#lastError = undefined;
        if (troubled) await noteTrouble(db, projection.name, owner, null);
        troubled = false;
        if (batch.caughtUp) this.#state = 'live';
      }
      if (lease.ended.reason instanceof LeaseLost) throw lease.ended.reason;
    } finally {
      await lease.release();
    }
  }
}

/** Waits, though no longer than until the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
