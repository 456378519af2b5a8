import {
  concerned,
  evolve,
  foldedStreamsOf,
  instantFrom,
  type Policy,
  type Position,
  reactTo,
  type RecordedEvent,
  type SendReaction,
  type StoredEvent,
  upcast,
} from '#eventsourcing';
import {
  acquire,
  askForShare,
  type Checkpoint,
  checkpointAt,
  ensurePolicies,
  ensurePoliciesControl,
  heartbeatMs,
  markOf,
  partitionName,
  partitionOf,
  policiesName,
  readPosition,
  type Trouble,
} from './control.js';
import { type HeldLease } from './held-lease.js';
import { positionNumber } from './documents.js';
import { Partitions } from './partitions.js';
import { type BatchDone, Follower, pause, type FollowerOptions, type FollowerStatus } from './follower.js';

/** Any policy: the runner does not depend on its events and commands. */
// Handlers are contravariant in their events, so no narrower type fits every policy.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyPolicy = Policy<any, any, any>;

/**
 * The condition of a policy in this process, for health checks. `waiting`: another process runs it; `catching-up`, `live`: this one does;
 * `failing`: retried with growing pauses, see `lastError`.
 */
export interface PolicyStatus extends FollowerStatus<'starting' | 'waiting' | 'catching-up' | 'live' | 'failing' | 'stopped'> {
  readonly policy: string;
  /** Commands that this process sent for it, and how many of them were refused. */
  readonly sent: number;
  readonly refused: number;
}

/** Running policies. */
export interface PolicyRunner {
  status(): readonly PolicyStatus[];
  /** Finishes current events, writes the checkpoints, releases the leases. */
  stop(): Promise<void>;
}

export interface RunPoliciesOptions extends FollowerOptions {
  readonly policies: readonly AnyPolicy[];
  /** Runs a command. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly send: SendReaction<any>;
  /** Number of partitions when the policies of an aggregate first run: a power of two (default 1). */
  readonly partitions?: number;
}

/** Maximum number of events in one batch, and of its streams handled concurrently. */
const BATCH = 200;
const AT_ONCE = 8;

/**
 * Reacts to every event relevant to a policy, at least once and with the same command ids each time: the events of a stream in order,
 * different streams concurrently. The policies of one aggregate follow the log together, in one process at a time; the collection `views`
 * has the progress of each. A refused command is recorded and holds up nothing. Temporary failures are retried, with pauses of up to 30
 * seconds; a policy that fails, or is new, catches up by itself and does not hold up the others.
 */
export function runPolicies(options: RunPoliciesOptions): PolicyRunner {
  const categories = [...new Set(options.policies.map(({ aggregate }) => aggregate.category))];
  const runners = categories.map((category) => {
    const policies = options.policies.filter(({ aggregate }) => aggregate.category === category);
    return new Partitions<readonly PolicyStatus[]>(
      (partition, onPartitions) => new Runner({ ...options, policies }, category, partition, onPartitions),
    );
  });
  return {
    status: () => runners.flatMap((runner) => runner.status().flat()),
    stop: async () => {
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

/** One policy at work. */
class Course {
  sent = 0;
  refused = 0;
  /** It is behind the others, and catches up by itself. */
  isBehind = false;
  checkpoint: Checkpoint | null = null;
  lastError: Trouble | undefined;

  constructor(readonly policy: AnyPolicy) {}

  get commit(): bigint {
    return commitOf(readPosition(this.checkpoint));
  }
}

class Runner extends Follower<PolicyStatus['state']> {
  readonly #courses: readonly Course[];
  readonly #states: States;
  /** The policies that are not behind have reacted up to here. */
  #reached: Checkpoint | null = null;
  #isWorking = false;
  #isMine: (event: StoredEvent) => boolean = () => true;

  constructor(
    private readonly options: RunPoliciesOptions,
    private readonly category: string,
    private readonly partition: number,
    /** Called by the first one with their number. */
    private readonly onPartitions: (count: number) => void,
  ) {
    const names = options.policies.map(({ name }) => name);
    super(options, partitionName(policiesName(category), partition), { policies: names, partition }, 'the policies do not react');
    this.#courses = options.policies.map((policy) => new Course(policy));
    this.#states = new States(options.store, options.policies);
  }

  status(): readonly PolicyStatus[] {
    const together = this.progress();
    return this.#courses.map(({ policy, sent, refused, isBehind, checkpoint, lastError }) => {
      const known = { policy: policy.name, sent, refused };
      const owned = together.state === 'live' || together.state === 'catching-up';
      if (!isBehind || !owned) return { ...known, ...together };
      const position = readPosition(checkpoint);
      return {
        ...known,
        state: lastError === undefined ? 'catching-up' : 'failing',
        position: position === undefined ? null : positionNumber(position),
        ...(lastError === undefined ? {} : { lastError }),
      };
    });
  }

  protected override async turn(signal: AbortSignal): Promise<void> {
    const { db, policies, owner } = this.options;
    const { partitions } = await ensurePoliciesControl(db, this.category, this.options.partitions);
    if (this.partition === 0) this.onPartitions(partitions);
    else if (this.partition >= partitions) return pause(heartbeatMs(this.leaseMs), signal);
    await ensurePolicies(
      db,
      this.name,
      policies.map(({ name }) => name),
    );
    const control = await acquire(db, this.name, owner, this.leaseMs);
    if (control === null) {
      this.state = 'waiting';
      if (partitions > 1) await askForShare(db, policiesName(this.category), this.name, owner, this.leaseMs);
      return pause(heartbeatMs(this.leaseMs), signal);
    }
    await this.holding(control, (lease) => this.#own(lease, partitions, signal));
  }

  async #own(lease: HeldLease, partitions: number, signal: AbortSignal): Promise<void> {
    const { control } = lease;
    this.#isMine = ({ stream }) => partitionOf(stream, partitions) === this.partition;
    this.#reached = control.checkpoint;
    this.#isWorking = false;
    for (const course of this.#courses) {
      const known = control.policies?.[course.policy.name];
      course.checkpoint = known?.checkpoint ?? null;
      course.lastError = known?.trouble ?? undefined;
      course.isBehind = course.commit < commitOf(readPosition(control.checkpoint));
    }
    const catchingUp = new Set<Promise<void>>();
    let startCatchingUp = (_: Course): void => {};
    try {
      await this.follow(
        lease,
        this.#filter,
        BATCH,
        signal,
        (events) => this.#work(events, startCatchingUp),
        this.#isMine,
        (ending) => {
          startCatchingUp = (course) => {
            const running = this.#catchUp(course, lease, ending).finally(() => catchingUp.delete(running));
            catchingUp.add(running);
          };
          for (const course of this.#courses) if (course.isBehind) startCatchingUp(course);
        },
      );
    } finally {
      await Promise.all(catchingUp);
    }
  }

  /** Commands sent for all of them. */
  get #sent(): number {
    return this.#courses.reduce((sum, { sent }) => sum + sent, 0);
  }

  get #filter() {
    return { streamPrefixes: [`${this.category}-`] };
  }

  /** A batch, for the policies that are not behind. One that fails is behind from then on. */
  async #work(events: readonly StoredEvent[], startCatchingUp: (course: Course) => void): Promise<BatchDone> {
    const together = this.#courses.filter(({ isBehind }) => !isBehind);
    this.#isWorking = true;
    const sentBefore = this.#sent;
    const failed = await this.#react(events, together);
    const also = (checkpoint: Checkpoint | null): Readonly<Record<string, unknown>> => {
      this.#reached = checkpoint;
      this.#isWorking = false;
      const news: Record<string, unknown> = {};
      for (const course of together) {
        const error = failed.get(course);
        if (error !== undefined) {
          course.isBehind = true;
          this.#fail(course, error.cause);
          startCatchingUp(course);
        } else if (commitOf(readPosition(checkpoint)) > course.commit) course.checkpoint = checkpoint;
        Object.assign(news, this.#told(course));
      }
      return news;
    };
    return { count: events.length, also, isUrgent: failed.size > 0 || this.#sent > sentBefore };
  }

  /** Brings one that is behind up to the others, however long it takes. */
  async #catchUp(course: Course, lease: HeldLease, ending: AbortSignal): Promise<void> {
    const { store } = this.options;
    let failures = 0;
    while (!ending.aborted) {
      // Reads to the end of what the others had done when reading began.
      const goal = this.#reached;
      const flush = async (events: readonly StoredEvent[]): Promise<void> => {
        const error = (await this.#react(events, [course])).get(course);
        if (error !== undefined) throw error.cause;
        const last = events.at(-1);
        if (last !== undefined) course.checkpoint = checkpointAt(last.position, markOf(last, null));
        course.lastError = undefined;
        failures = 0;
        lease.also(this.#told(course));
      };
      try {
        if (failures > 0 || course.lastError !== undefined) await pause(retryMs(failures), ending);
        if (ending.aborted) return;
        const batch: StoredEvent[] = [];
        for await (const event of store.readAll(this.#filter, readPosition(course.checkpoint))) {
          if (ending.aborted) return;
          if (this.#isMine(event) && batch.push(event) === BATCH) await flush(batch.splice(0));
        }
        await flush(batch.splice(0));
        if (course.commit < commitOf(readPosition(goal))) course.checkpoint = goal;
        if (this.#isWorking || course.commit < commitOf(readPosition(this.#reached))) {
          await pause(20, ending);
          continue;
        }
        course.isBehind = false;
        lease.also(this.#told(course));
        return;
      } catch (error) {
        if (ending.aborted) return;
        failures++;
        this.#fail(course, error);
        lease.also(this.#told(course));
        lease.write();
      }
    }
  }

  #fail(course: Course, error: unknown): void {
    course.lastError = { message: error instanceof Error ? error.message : String(error), at: new Date().toISOString() };
    this.options.log.error({ policy: course.policy.name, err: error }, 'the policy does not react');
  }

  /** A policy's entry in the control document. */
  #told({ policy, checkpoint, lastError }: Course): Readonly<Record<string, unknown>> {
    return { [`policies.${policy.name}`]: { checkpoint, ...(lastError === undefined ? {} : { trouble: lastError }) } };
  }

  /**
   * All events of a batch, for some policies: events that a policy has handled are skipped. One that fails does nothing more.
   * @returns what failed
   */
  async #react(events: readonly StoredEvent[], courses: readonly Course[]): Promise<ReadonlyMap<Course, { readonly cause: unknown }>> {
    const failed = new Map<Course, { readonly cause: unknown }>();
    const byStream = new Map<string, { readonly stored: StoredEvent; readonly due: readonly (readonly [Course, AnyEvent])[] }[]>();
    for (const stored of events) {
      const due = courses.flatMap((course) => {
        if (stored.position.commit <= course.commit) return [];
        try {
          const event: AnyEvent | undefined = concerned(course.policy, stored);
          return event === undefined ? [] : [[course, event] as const];
        } catch (cause) {
          failed.set(course, { cause });
          return [];
        }
      });
      if (due.length === 0) continue;
      const known = byStream.get(stored.stream);
      if (known === undefined) byStream.set(stored.stream, [{ stored, due }]);
      else known.push({ stored, due });
    }
    const streams = [...byStream.values()];
    const lane = async (): Promise<void> => {
      for (let stream = streams.shift(); stream !== undefined; stream = streams.shift()) {
        for (const { stored, due } of stream) {
          for (const [course, event] of due) {
            if (failed.has(course)) continue;
            try {
              await this.#reactOne(course, event, await this.#states.after(stored));
            } catch (cause) {
              failed.set(course, { cause });
            }
          }
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, streams.length) }, lane));
    return failed;
  }

  async #reactOne(course: Course, event: AnyEvent, state: unknown): Promise<void> {
    const { store, send, log } = this.options;
    const outcomes = await reactTo(store, course.policy, event, state, send, () => instantFrom(Date.now()));
    for (const { outcome, ...about } of outcomes ?? []) {
      course.sent++;
      if (outcome !== 'refused') continue;
      course.refused++;
      log.warn({ policy: course.policy.name, event: event.id, ...about }, 'a command of the policy was refused');
    }
  }
}

type AnyEvent = RecordedEvent<Record<string, unknown>>;

/** Number of streams whose state is cached. */
const MOST_STATES = 500;

/** States of aggregates right after an event, ignoring later ones. Continues from the last position in a stream. */
class States {
  readonly #known = new Map<string, { readonly state: unknown; readonly revision: number }>();
  readonly #aggregate;

  constructor(
    private readonly store: RunPoliciesOptions['store'],
    policies: readonly AnyPolicy[],
  ) {
    const [first, ...others] = policies.map(({ aggregate }) => aggregate);
    if (first === undefined || others.some((aggregate) => aggregate !== first))
      throw new Error('the policies of one category must have one aggregate');
    this.#aggregate = first;
  }

  async after({ stream, revision }: StoredEvent): Promise<unknown> {
    const known = this.#known.get(stream);
    const from = known !== undefined && known.revision <= revision ? known : { state: this.#aggregate.initial as unknown, revision: -1 };
    let { state } = from;
    // A command in this process that produced the event knows the resulting state.
    const recent = foldedStreamsOf(this.store).get(this.#aggregate, stream);
    if (recent?.revision === revision) state = recent.state;
    else if (from.revision < revision) {
      for await (const stored of this.store.readStream(stream, from.revision + 1)) {
        if (stored.revision > revision) break;
        const event = upcast(this.#aggregate, stored);
        state = evolve(this.#aggregate, state, event, event.metadata);
      }
    }
    if (known === undefined || known.revision < revision) {
      // The least recently used one comes first.
      this.#known.delete(stream);
      this.#known.set(stream, { state, revision });
      for (const oldest of this.#known.keys()) if (this.#known.size > MOST_STATES) this.#known.delete(oldest);
    }
    return state;
  }
}

function commitOf(position: Position | undefined): bigint {
  return position?.commit ?? -1n;
}

function retryMs(failures: number): number {
  return Math.min(30_000, 500 * 2 ** failures) * (0.5 + Math.random() / 2);
}
