import { instantFrom, type Policy, reactTo, type SendReaction, type StoredEvent } from '#eventsourcing';
import { Follower, pause, type FollowerOptions, type FollowerStatus } from './follower.js';
import { acquire, ensureFollower, heartbeatMs } from './control.js';

/** Any policy: the runner does not care what its events and commands are. */
// Handlers are contravariant in their events, so no narrower type admits every policy.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyPolicy = Policy<any, any, any>;

/**
 * How a policy is doing in this process: for health checks.
 * `waiting`: another process runs it; `catching-up`, `live`: this one does; `failing`: retried with growing pauses, see `lastError`.
 */
export interface PolicyStatus extends FollowerStatus<'starting' | 'waiting' | 'catching-up' | 'live' | 'failing' | 'stopped'> {
  readonly policy: string;
  /** Commands that this process has sent for it, and how many of them were refused. */
  readonly sent: number;
  readonly refused: number;
}

/** A policy that runs. */
export interface PolicyRunner {
  status(): PolicyStatus;
  /** Finishes the events in work, writes the checkpoint, gives the lease back. */
  stop(): Promise<void>;
}

export interface RunPolicyOptions extends FollowerOptions {
  readonly policy: AnyPolicy;
  /** Runs a command. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly send: SendReaction<any>;
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
  return new Runner(options).start();
}

class Runner extends Follower<PolicyStatus['state']> implements PolicyRunner {
  #sent = 0;
  #refused = 0;

  constructor(private readonly options: RunPolicyOptions) {
    super(options, `policy:${options.policy.name}`, { policy: options.policy.name }, 'the policy does not react');
  }

  status(): PolicyStatus {
    return { policy: this.options.policy.name, ...this.progress(), sent: this.#sent, refused: this.#refused };
  }

  protected override async turn(signal: AbortSignal): Promise<void> {
    const { db, policy, owner } = this.options;
    await ensureFollower(db, this.name, 1);
    const control = await acquire(db, this.name, owner, this.leaseMs);
    if (control === null) {
      this.state = 'waiting';
      return pause(heartbeatMs(this.leaseMs), signal);
    }
    await this.follow(control, { streamPrefixes: [`${policy.aggregate.category}-`] }, BATCH, signal, async (events) => {
      await this.#react(events);
      return { count: events.length };
    });
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
