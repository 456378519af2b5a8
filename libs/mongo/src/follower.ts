import type { Db } from 'mongodb';
import { type EventStore, type FeedFilter, OtherLog, type Position, type StoredEvent } from '#eventsourcing';
import { feedBatches } from './feed-batches.js';
import { isUnreachable } from './connect.js';
import {
  LeaseLost,
  isOfThisLog,
  markOf,
  noteTrouble,
  readPosition,
  checkpointAt,
  type Checkpoint,
  type CheckpointWrite,
  type FollowerControl,
  type LogMark,
  type Trouble,
} from './control.js';
import { HeldLease } from './held-lease.js';
import { positionNumber, type ViewLog } from './documents.js';

export interface FollowerOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly log: ViewLog;
  /** Unique name of this process among all that may do the work. */
  readonly owner: string;
  /** How long a process that died keeps others waiting, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

/** The condition of a follower in this process. */
export interface FollowerStatus<State extends string> {
  readonly state: State;
  /** Commit position up to which this process has done the work. */
  readonly position: number | null;
  /** The failure that is being retried; cleared once there is progress. */
  readonly lastError?: Trouble;
}

/** How long a follower of another log waits before it looks again, in milliseconds: until someone rebuilds. */
const OTHER_LOG_MS = 3_000;

/** Result of a batch: how many of its events are done, why not all of them, and whether the checkpoint was written too. */
export interface BatchDone {
  readonly count: number;
  readonly failure?: Error;
  readonly checkpointed?: boolean;
  /** False if the checkpoint may wait for the next heartbeat: repeating the work is cheap. */
  readonly isUrgent?: boolean;
  /** Additional fields for the control document, given the checkpoint that the work has reached. */
  readonly also?: (checkpoint: Checkpoint | null) => Readonly<Record<string, unknown>>;
}

/** The checkpoint after this many events of the batch; undefined if there is none to write. */
export type CheckpointOf = (done: BatchDone) => CheckpointWrite | undefined;

type Common = 'starting' | 'waiting' | 'catching-up' | 'live' | 'failing' | 'stopped';

/**
 * Follows the log while this process owns it, and waits while another one does. Failures are logged and retried, with pauses of up to 30
 * seconds.
 */
export abstract class Follower<State extends string = Common> {
  protected state: State | Common = 'starting';
  protected readonly leaseMs: number;
  readonly #stopping = new AbortController();
  #position: number | null = null;
  #lastError: Trouble | undefined;
  #done: Promise<void> | undefined;

  /**
   * @param name of its control document
   * @param about the subject of its log lines
   * @param trouble their message on a failure
   */
  protected constructor(
    private readonly following: FollowerOptions,
    protected readonly name: string,
    private readonly about: object,
    private readonly trouble: string,
  ) {
    this.leaseMs = following.leaseMs ?? 10_000;
  }

  start(): this {
    this.#done ??= this.#run();
    return this;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  /** One attempt at being the owner, and the work that follows. */
  protected abstract turn(signal: AbortSignal): Promise<void>;

  protected progress(): FollowerStatus<State | Common> {
    const known = { state: this.state, position: this.#position };
    return this.#lastError === undefined ? known : { ...known, lastError: this.#lastError };
  }

  /** Keeps an acquired lease during some work: preparation may take longer than the lease. */
  protected async holding<Result>(control: FollowerControl, work: (lease: HeldLease) => Promise<Result>): Promise<Result> {
    const { db, owner } = this.following;
    const lease = new HeldLease(db, control, owner, this.leaseMs);
    try {
      return await work(lease);
    } finally {
      await lease.release();
    }
  }

  /**
   * Works under a lease from its checkpoint on, batch by batch, until it ends or the process stops.
   *
   * @param begun called with what ends when the work ends
   * @param isMine filters out events of other partitions
   * @throws OtherLog, LeaseLost, and failures of the work
   */
  protected async follow(
    lease: HeldLease,
    filter: FeedFilter,
    batchSize: number,
    signal: AbortSignal,
    work: (events: readonly StoredEvent[], checkpoint: CheckpointOf) => Promise<BatchDone>,
    isMine: (event: StoredEvent) => boolean = () => true,
    begun: (ending: AbortSignal) => void = () => {},
  ): Promise<void> {
    const { db, store, owner, log } = this.following;
    const { control } = lease;
    if (!(await isOfThisLog(store, control.checkpoint))) throw new OtherLog(control._id);
    const from = readPosition(control.checkpoint);
    let { checkpoint } = control;
    let mark = checkpoint?.event ?? null;
    let troubled = Boolean(control.trouble);
    this.#position = from === undefined ? null : positionNumber(from);
    // Starting is no news; taking over, or continuing after a failure, is.
    if (this.state !== 'starting')
      log.info({ ...this.about, generation: control.generation, position: this.#position }, 'following the log');
    this.state = 'catching-up';
    const ending = AbortSignal.any([signal, lease.ended]);
    begun(ending);
    for await (const batch of feedBatches(store, filter, from, ending, batchSize)) {
      await lease.confirm();
      const events = batch.events.filter(isMine);
      const progress = ({ count, failure }: BatchDone): { reached: Position | undefined; last: LogMark | null } => ({
        reached: failure === undefined ? batch.position : events[count - 1]?.position,
        last: markOf(events[count - 1], mark),
      });
      const done = await work(events, (so) => {
        const { reached, last } = progress(so);
        return reached && lease.checkpointWrite(reached, last);
      });
      const { failure } = done;
      const { reached, last } = progress(done);
      if (reached !== undefined) checkpoint = checkpointAt(reached, last);
      if (done.also !== undefined) lease.also(done.also(checkpoint));
      if (reached !== undefined) {
        mark = last;
        if (!done.checkpointed) {
          // Nobody waits for a batch without events.
          if (events.length > 0 && (done.isUrgent ?? true)) lease.advance(reached, mark);
          else lease.note(reached, mark);
        }
        this.#position = positionNumber(reached);
      }
      if (failure !== undefined) throw failure;
      this.#lastError = undefined;
      if (troubled) await noteTrouble(db, this.name, owner, null);
      troubled = false;
      if (batch.caughtUp) this.state = 'live';
    }
    if (lease.ended.reason instanceof LeaseLost) throw lease.ended.reason;
  }

  async #run(): Promise<void> {
    const { db, log, owner } = this.following;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#position;
      try {
        await this.turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof LeaseLost) {
          log.warn(this.about, error.message);
          continue;
        }
        failures = this.#position === before ? failures + 1 : 1;
        const isOtherLog = error instanceof OtherLog;
        const wait = isOtherLog ? OTHER_LOG_MS : Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
        this.state = 'failing';
        this.#lastError = {
          message: error instanceof Error ? error.message : String(error),
          at: new Date().toISOString(),
          ...(isOtherLog ? { code: 'other-log' as const } : {}),
        };
        // First: what reads the note may look for the line, and the note may have to wait for the database.
        log.error({ ...this.about, err: error, retryInMs: Math.round(wait) }, this.trouble);
        // If the database itself is unavailable, the note would only delay a stop.
        if (!isUnreachable(error)) await noteTrouble(db, this.name, owner, this.#lastError);
        await pause(wait, signal);
      }
    }
    this.state = 'stopped';
  }
}

/** Waits, at most until the signal aborts. */
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
