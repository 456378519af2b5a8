import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { EventStore } from '#eventsourcing';
import { projectView, shareFeeds, type AnyProjection, type Mongo, type ViewLog, type ViewStatus } from '#mongo';

export interface WorkerOptions {
  readonly store: EventStore;
  readonly db: Mongo['db'];
  readonly projections: readonly AnyProjection[];
  readonly log: ViewLog;
  /** How long views stand still when a worker dies before another one takes over, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
}

/** A running worker. */
export interface Worker {
  /** How each view is doing here. */
  status(): readonly ViewStatus[];
  /** Finishes what is in work and hands the views over to other workers. */
  stop(): Promise<void>;
}

/** Projects every view. Several workers may run: each view has one owner at a time, and another one when that one dies. */
export function startWorker({ store, db, projections, log, leaseMs }: WorkerOptions): Worker {
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const shared = shareFeeds(store);
  const projectors = projections.map((projection) => projectView({ db, store: shared, projection, log, owner, ...(leaseMs === undefined ? {} : { leaseMs }) }));
  return {
    status: () => projectors.map((projector) => projector.status()),
    stop: async () => {
      await Promise.all(projectors.map((projector) => projector.stop()));
    },
  };
}
