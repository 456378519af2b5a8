import { Follower, pause, type FollowerOptions, type FollowerStatus } from './follower.js';
import { projectBatch } from './project-batch.js';
import { RebuildRunning, rebuildView } from './rebuild-view.js';
import { acquire, ensureControl, heartbeatMs, release, settleSwitch, type ViewControl } from './view-control.js';
import { prepareCollection, viewCollection, type AnyProjection } from './view.js';

/**
 * How a view is doing in this process: for health checks.
 * `waiting`: another process projects it; `catching-up`, `live`: this one does; `rebuilding`: its projection is newer than its documents;
 * `outdated`: its documents are newer than this process's projection; `failing`: retried with growing pauses, see `lastError`.
 */
export interface ViewStatus extends FollowerStatus<
  'starting' | 'waiting' | 'catching-up' | 'live' | 'rebuilding' | 'outdated' | 'failing' | 'stopped'
> {
  readonly view: string;
  /** Milliseconds since the oldest event that is known and not yet projected was recorded; 0 when there is none; null while it is not known. */
  readonly lagMs: number | null;
  /** Events projected by this process since it started. */
  readonly projected: number;
}

/** A view that is being kept up to date. */
export interface ViewProjector {
  status(): ViewStatus;
  /** Finishes the batch in work, writes the checkpoint, gives the lease back. */
  stop(): Promise<void>;
}

export interface ProjectViewOptions extends FollowerOptions {
  readonly projection: AnyProjection;
  /** Events in one batch at most (default 1,000). */
  readonly batchSize?: number;
}

/**
 * Keeps a view up to date, for as long as this process is its owner; waits while another one is. A projection newer than the documents
 * builds the view anew first, beside the old one. Whatever goes wrong is logged and tried again, with pauses up to 30 seconds; a failing view
 * does not keep others from going on.
 */
export function projectView(options: ProjectViewOptions): ViewProjector {
  return new Projector(options).start();
}

class Projector extends Follower<ViewStatus['state']> implements ViewProjector {
  #projected = 0;
  /** When the oldest event in work was recorded, epoch milliseconds. */
  #oldest: number | undefined;

  constructor(private readonly options: ProjectViewOptions) {
    super(options, options.projection.name, { view: options.projection.name }, 'the view is not being projected');
  }

  status(): ViewStatus {
    const { state } = this;
    const lagMs =
      state === 'stopped' ? null : this.#oldest !== undefined ? Math.max(0, Date.now() - this.#oldest) : state === 'live' ? 0 : null;
    return { view: this.options.projection.name, ...this.progress(), lagMs, projected: this.#projected };
  }

  protected override async turn(signal: AbortSignal): Promise<void> {
    const { db, store, projection, log, owner } = this.options;
    const { version, pending } = await ensureControl(db, projection.name, projection.version);
    if (pending !== null) return (await this.#settle()) ? undefined : pause(heartbeatMs(this.leaseMs), signal);
    if (version > projection.version) {
      if (this.state !== 'outdated')
        log.warn({ view: projection.name, version, ours: projection.version }, 'the view was built by a newer version; leaving it alone');
      this.state = 'outdated';
      return pause(this.leaseMs / 2, signal);
    }
    if (version < projection.version) {
      this.state = 'rebuilding';
      log.info({ view: projection.name, from: version, to: projection.version }, 'building the view anew beside the old one');
      try {
        await rebuildView({ db, store, projection, owner: `${owner}-rebuild`, leaseMs: this.leaseMs, signal });
      } catch (error) {
        if (!(error instanceof RebuildRunning)) throw error;
        await pause(this.leaseMs / 4, signal);
      }
      return;
    }
    const control = await acquire(db, projection.name, owner, this.leaseMs);
    if (control === null) {
      this.state = 'waiting';
      return pause(heartbeatMs(this.leaseMs), signal);
    }
    await this.#own(control, signal);
  }

  /** Puts right what a rebuild left that died while it switched. False while it may still be alive. */
  async #settle(): Promise<boolean> {
    const { db, projection, owner } = this.options;
    const control = await acquire(db, projection.name, owner, this.leaseMs);
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
    const { db, projection, owner, batchSize = 1_000 } = this.options;
    let control: ViewControl;
    try {
      control = await settleSwitch(db, acquired, owner);
      if (control.version === projection.version) await prepareCollection(db, projection.name, projection);
    } catch (error) {
      await release(db, projection.name, owner).catch(() => {});
      throw error;
    }
    // A switch may have come to an end in between: look again.
    if (control.version !== projection.version) return release(db, projection.name, owner);

    const collection = viewCollection(db, projection.name);
    await this.follow(control, { streamPrefixes: [projection.streamPrefix] }, batchSize, signal, async (events) => {
      const [first] = events;
      if (first !== undefined) this.#oldest = Date.parse(first.metadata.recordedAt);
      const projected = await projectBatch(collection, projection, events);
      this.#projected += projected.count;
      if (projected.failure === undefined) this.#oldest = undefined;
      return projected;
    });
  }
}
