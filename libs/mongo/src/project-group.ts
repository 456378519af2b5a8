import { Follower, pause, type FollowerOptions, type FollowerStatus } from './follower.js';
import {
  acquire,
  askForShare,
  compared,
  ensureFollower,
  ensureGroup,
  generationOf,
  groupControls,
  heartbeatMs,
  partitionName,
  partitionOf,
  type GroupControl,
} from './control.js';
import { prepareCollections, type AnyGroup } from './documents.js';
import { FreshnessMeter } from './freshness.js';
import { GroupDocuments } from './group-documents.js';
import type { HeldLease } from './held-lease.js';
import { Partitions } from './partitions.js';
import { RebuildRunning, rebuildGroup, settleSwitch } from './rebuild-group.js';
import { ViewSignal } from './view-signals.js';

/**
 * The condition of a partition of a group of views in this process, for health checks. `waiting`: another process projects it;
 * `catching-up`, `live`: this one does; `rebuilding`: the group is newer than its documents; `outdated`: its documents are newer than this
 * process's group; `failing`: retried with growing pauses, see `lastError`.
 */
export interface PartitionStatus extends FollowerStatus<
  'starting' | 'waiting' | 'catching-up' | 'live' | 'rebuilding' | 'outdated' | 'failing' | 'stopped'
> {
  readonly group: string;
  readonly partition: number;
  /** Milliseconds since the oldest known event that is not yet projected was recorded; 0 if there is none; null while unknown. */
  readonly lagMs: number | null;
  /** Events projected by this process since it started. */
  readonly projected: number;
}

/** A group of views that is being kept up to date. */
export interface GroupProjector {
  /** The condition of each partition. */
  status(): readonly PartitionStatus[];
  /** Finishes current batches, writes the checkpoints, releases the leases. */
  stop(): Promise<void>;
}

export interface ProjectGroupOptions extends FollowerOptions {
  readonly group: AnyGroup;
  /** Number of partitions when the group's collections are created: a power of two (default 1). */
  readonly partitions?: number;
  /** Maximum number of events in one batch (default 500): all of their results are in memory at once. */
  readonly batchSize?: number;
}

/**
 * Keeps a group of views up to date: each partition while this process is its owner; waits while another one is. A group newer than its
 * documents is first rebuilt beside the old one. Failures are logged and retried, with pauses of up to 30 seconds; a failing group does not
 * hold up others.
 */
export function projectGroup(options: ProjectGroupOptions): GroupProjector {
  generationOf(options.group, options.partitions ?? 1);
  return new Partitions((partition, onPartitions) => new PartitionProjector(options, partition, onPartitions));
}

class PartitionProjector extends Follower<PartitionStatus['state']> {
  #projected = 0;
  /** When the oldest event in work was recorded, epoch milliseconds. */
  #oldest: number | undefined;
  readonly #freshness = new FreshnessMeter();

  constructor(
    private readonly options: ProjectGroupOptions,
    private readonly partition: number,
    /** Called by the first one with their number. */
    private readonly onPartitions: (count: number) => void,
  ) {
    super(
      options,
      partitionName(options.group.name, partition),
      { group: options.group.name, partition },
      'the views are not being projected',
    );
  }

  status(): PartitionStatus {
    const { state, partition } = this;
    const lagMs =
      state === 'stopped' ? null : this.#oldest !== undefined ? Math.max(0, Date.now() - this.#oldest) : state === 'live' ? 0 : null;
    return { group: this.options.group.name, partition, ...this.progress(), lagMs, projected: this.#projected };
  }

  protected override async turn(signal: AbortSignal): Promise<void> {
    const { db, store, group, log, owner, partitions } = this.options;
    const control = await ensureGroup(db, group, partitions);
    if (control.pending !== null) {
      return (await settleSwitch(db, group, owner, this.leaseMs)) ? undefined : pause(heartbeatMs(this.leaseMs), signal);
    }
    if (this.partition === 0) this.onPartitions(control.partitions);
    else if (this.partition >= control.partitions) return pause(heartbeatMs(this.leaseMs), signal);
    const comparison = compared(control, group);
    if (comparison === 'newer') {
      if (this.state !== 'outdated') log.warn({ group: group.name }, 'the views were built by a newer version; leaving them alone');
      this.state = 'outdated';
      return pause(this.leaseMs / 2, signal);
    }
    if (comparison !== 'same') {
      this.state = 'rebuilding';
      const faces = comparison.older;
      log.info({ group: group.name, faces: faces.map(({ name }) => name) }, 'rebuilding views beside the old ones');
      try {
        await rebuildGroup({ db, store, group, faces, owner: `${owner}-rebuild`, leaseMs: this.leaseMs, signal });
      } catch (error) {
        if (!(error instanceof RebuildRunning)) throw error;
        await pause(this.leaseMs / 4, signal);
      }
      return;
    }
    await ensureFollower(db, this.name, control.generation);
    const acquired = await acquire(db, this.name, owner, this.leaseMs);
    if (acquired === null) {
      this.state = 'waiting';
      if (control.partitions > 1) await askForShare(db, group.name, this.name, owner, this.leaseMs);
      return pause(heartbeatMs(this.leaseMs), signal);
    }
    const owned = await this.holding(acquired, (lease) => this.#own(control, lease, signal));
    if (!owned) await pause(heartbeatMs(this.leaseMs), signal);
  }

  /** Projects until the lease ends or the process stops. @returns false if the group has changed, so that nothing was done */
  async #own({ partitions }: GroupControl, lease: HeldLease, signal: AbortSignal): Promise<boolean> {
    const { db, store, group, batchSize = 500 } = this.options;
    // A switch may have begun or ended in between: look again.
    const control = await groupControls(db).findOne({ _id: group.name });
    const asBefore =
      control !== null && control.pending === null && control.generation === lease.control.generation && control.partitions === partitions;
    if (!asBefore || compared(control, group) !== 'same') return false;
    await prepareCollections(db, group);
    const documents = new GroupDocuments(db, store, group);
    const written = new ViewSignal(db, group.name);
    const following = this.follow(
      lease,
      { streamPrefixes: [group.streamPrefix] },
      batchSize,
      signal,
      async (events, checkpoint) => {
        const [first] = events;
        if (first !== undefined) this.#oldest = Date.parse(first.metadata.recordedAt);
        const projected = await documents.project(events, checkpoint);
        written.send();
        this.#projected += projected.count;
        // While catching up, new events are old ones: `lagMs` covers that.
        if (this.state === 'live') this.#freshness.visible(events.slice(0, projected.count).map(({ metadata }) => metadata.recordedAt));
        if (projected.failure === undefined) this.#oldest = undefined;
        const freshness = this.#freshness.measured();
        return freshness === undefined ? projected : { ...projected, also: () => ({ freshness }) };
      },
      ({ stream }) => partitionOf(stream, partitions) === this.partition,
    );
    await following.finally(() => written.close());
    return true;
  }
}
