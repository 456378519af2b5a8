import type { Db } from 'mongodb';
import { instantFrom, type EventStore, type Policy, reactTo, type SendReaction, type StoredEvent } from '#eventsourcing';
import { isUnreachable } from './connect.js';
import { feedBatches } from './feed-batches.js';
import { pause } from './project-view.js';
import { acquire, ensureControl, HeldLease, heartbeatMs, isOfThisLog, LeaseLost, markOf, noteTrouble, OtherLog, readPosition, release } from './view-control.js';
import { positionNumber, type ViewLog } from './view.js';

/** Any policy: the runner does not care what its events and commands are. */
// Handlers are contravariant in their events, so no narrower type admits every policy.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyPolicy = Policy<any, any, any>;

/** How a policy is doing in this process: for health checks. */
export interface PolicyStatus {
  readonly policy: string;
  /** `waiting`: another process runs it; `catching-up`, `live`: this one does; `failing`: retried with growing pauses, see `lastError`. */
  readonly state: 'starting' | 'waiting' | 'catching-up' | 'live' | 'failing' | 'stopped';
  /** Commit position up to which this process has reacted. */
  readonly position: number | null;
  /** Commands that this process has sent for it, and how many of them were refused. */
  readonly sent: number;
  readonly refused: number;
  /** The trouble that is being retried; cleared once there is progress. */
  readonly lastError?: { readonly message: string; readonly at: string };
}

/** A policy that runs. */
export interface PolicyRunner {
  status(): PolicyStatus;
  /** Finishes the events in work, writes the checkpoint, gives the lease back. */
  stop(): Promise<void>;
}

export interface RunPolicyOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly policy: AnyPolicy;
  /** Runs a command. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly send: SendReaction<any>;
  readonly log: ViewLog;
  /** Name of this process among all that may run it: unique. */
  readonly owner: string;
  /** How long a process that died keeps others waiting, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

/** Events in one batch at most, and streams of a batch that are reacted to at once. */
const BATCH = 200;
const AT_ONCE = 8;

/**
 * Reacts to every event that a policy cares about, at least once and with the same command ids each time: the events of a stream in order,
 * different streams side by side. One process at a time does so; how far it is stands in the collection `views`, as `policy:<name>`. A command
 * that is refused is recorded and holds up nothing; what cannot be done for now is tried again, with pauses up to 30 seconds.
 */
export function runPolicy(options: RunPolicyOptions): PolicyRunner {
  return new Runner(options);
}

class Runner implements PolicyRunner {
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  readonly #name: string;
  readonly #leaseMs: number;
  #state: PolicyStatus['state'] = 'starting';
  #position: number | null = null;
  #sent = 0;
  #refused = 0;
  #lastError: PolicyStatus['lastError'];

  constructor(private readonly options: RunPolicyOptions) {
    this.#name = `policy:${options.policy.name}`;
    this.#leaseMs = options.leaseMs ?? 10_000;
    this.#done = this.#run();
  }

  status(): PolicyStatus {
    const known = { policy: this.options.policy.name, state: this.#state, position: this.#position, sent: this.#sent, refused: this.#refused };
    return this.#lastError === undefined ? known : { ...known, lastError: this.#lastError };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { log, policy } = this.options;
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#position;
      try {
        await this.#turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof LeaseLost) {
          log.warn({ policy: policy.name }, error.message);
          continue;
        }
        failures = this.#position === before ? failures + 1 : 1;
        const wait = Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
        this.#state = 'failing';
        this.#lastError = { message: error instanceof Error ? error.message : String(error), at: new Date().toISOString() };
        // Where the database itself is away the note would only keep a stop waiting.
        if (!isUnreachable(error)) await noteTrouble(this.options.db, this.#name, this.options.owner, this.#lastError);
        log.error({ policy: policy.name, err: error, retryInMs: Math.round(wait) }, 'the policy does not react');
        await pause(wait, signal);
      }
    }
    this.#state = 'stopped';
  }

  /** One try at being the owner, and reacting until the lease ends or the process stops. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { db, store, policy, owner, log } = this.options;
    await ensureControl(db, this.#name, 1);
    const control = await acquire(db, this.#name, owner, this.#leaseMs);
    if (control === null) {
      this.#state = 'waiting';
      return pause(heartbeatMs(this.#leaseMs), signal);
    }
    if (!(await isOfThisLog(store, control.checkpoint))) {
      await release(db, this.#name, owner);
      throw new OtherLog(this.#name);
    }
    const lease = new HeldLease(db, control, owner, this.#leaseMs);
    const from = readPosition(control.checkpoint);
    let mark = control.checkpoint?.event ?? null;
    let troubled = Boolean(control.trouble);
    this.#position = from === undefined ? null : positionNumber(from);
    this.#state = 'catching-up';
    log.info({ policy: policy.name, position: this.#position }, 'reacting');
    try {
      const ending = AbortSignal.any([signal, lease.ended]);
      const filter = { streamPrefixes: [`${policy.aggregate.category}-`] };
      for await (const batch of feedBatches(store, filter, from, ending, BATCH)) {
        await lease.confirm();
        await this.#react(batch.events);
        mark = markOf(batch.events.at(-1), mark);
        if (batch.position !== undefined) {
          lease.advance(batch.position, mark);
          this.#position = positionNumber(batch.position);
        }
        this.#lastError = undefined;
        if (troubled) await noteTrouble(db, this.#name, owner, null);
        troubled = false;
        if (batch.caughtUp) this.#state = 'live';
      }
      if (lease.ended.reason instanceof LeaseLost) throw lease.ended.reason;
    } finally {
      await lease.release();
    }
  }

  /** All events of a batch; if one fails the others are done all the same, and come again with it. */
  async #react(events: readonly StoredEvent[]): Promise<void> {
    const { store, policy, send, log } = this.options;
    const byStream = new Map<string, StoredEvent[]>();
    for (const event of events) {
      if (!Object.hasOwn(policy.react, event.type)) continue;
      const stream = byStream.get(event.stream);
      if (stream === undefined) byStream.set(event.stream, [event]);
      else stream.push(event);
    }
    const streams = [...byStream.values()];
    const lane = async (): Promise<void> => {
      for (let stream = streams.shift(); stream !== undefined; stream = streams.shift()) {
        for (const event of stream) {
          const outcomes = await reactTo(store, policy, event, send, () => instantFrom(Date.now()));
          for (const { outcome, ...about } of outcomes ?? []) {
            this.#sent++;
            if (outcome !== 'refused') continue;
            this.#refused++;
            log.warn({ policy: policy.name, event: event.id, ...about }, 'a command of the policy was refused');
          }
        }
      }
    };
    const lanes = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
    const failed = lanes.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
