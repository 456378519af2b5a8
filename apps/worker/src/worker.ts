import type { EventStore } from '#eventsourcing';
import {
  newOwner,
  projectGroup,
  runPolicies,
  shareFeeds,
  type AnyPolicy,
  type AnyGroup,
  type Mongo,
  type PartitionStatus,
  type PolicyStatus,
  type ViewLog,
} from '#mongo';
import { Assigner } from './assigner.js';
import { sendReactions } from './send-reaction.js';

export interface WorkerOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly groups: readonly AnyGroup[];
  readonly policies: readonly AnyPolicy[];
  readonly log: ViewLog;
  /** Into how many partitions views and policies are divided when they are made: a power of two (default 1). */
  readonly partitions?: number;
  /** Who finds agents for tickets: the timekeeper's too, where both run. */
  readonly assigner?: Assigner;
  /** How long views and policies stand still when a worker dies before another one takes over, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

/** A running worker. */
export interface Worker {
  /** How each partition of each group of views is doing here. */
  status(): readonly PartitionStatus[];
  /** How each policy is doing here. */
  policies(): readonly PolicyStatus[];
  /** Finishes what is in work and hands views and policies over to other workers. */
  stop(): Promise<void>;
}

/** Projects all views and runs every policy. Several workers may run: each partition and each policy has one owner at a time, and another one when that one dies. */
export function startWorker({ store, db, groups, policies, log, partitions, assigner, leaseMs }: WorkerOptions): Worker {
  const owner = newOwner();
  const shared = shareFeeds(store);
  const shares = {
    db,
    store: shared,
    log,
    owner,
    ...(partitions === undefined ? {} : { partitions }),
    ...(leaseMs === undefined ? {} : { leaseMs }),
  };
  const projectors = groups.map((group) => projectGroup({ ...shares, group }));
  const send = sendReactions(store, assigner ?? new Assigner(store, db));
  const runner = runPolicies({ ...shares, policies, send });
  return {
    status: () => projectors.flatMap((projector) => projector.status()),
    policies: () => runner.status(),
    stop: async () => {
      await Promise.all([runner, ...projectors].map((running) => running.stop()));
    },
  };
}
