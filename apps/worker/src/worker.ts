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
  /** Number of partitions of views and policies when they are created: a power of two (default 1). */
  readonly partitions?: number;
  /** Finds agents for tickets; shared with the timekeeper if both run. */
  readonly assigner?: Assigner;
  /** How long views and policies stand still after a worker dies, before another one takes over, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

/** A running worker. */
export interface Worker {
  /** The condition of each partition of each group of views in this process. */
  status(): readonly PartitionStatus[];
  /** The condition of each policy in this process. */
  policies(): readonly PolicyStatus[];
  /** Finishes current work and hands views and policies over to other workers. */
  stop(): Promise<void>;
}

/**
 * Projects all views and runs every policy. Several workers may run: each partition and each policy has one owner at a time; if it dies,
 * another takes over.
 */
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
