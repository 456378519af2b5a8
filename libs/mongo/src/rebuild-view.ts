import type { Collection, Db } from 'mongodb';
import type { EventStore, Position } from '#eventsourcing';
import { feedBatches } from './feed-batches.js';
import { projectBatch } from './project-batch.js';
import {
  HeldLease,
  LeaseLost,
  acquire,
  acquireByHandover,
  checkpointAt,
  ensureControl,
  isOfThisLog,
  markOf,
  nextName,
  release,
  settleSwitch,
  switched,
  viewControls,
  type LogMark,
} from './view-control.js';
import { positionNumber, prepareCollection, viewCollection, type AnyProjection, type ViewDocument } from './view.js';

export interface RebuildProgress {
  readonly phase: 'building' | 'handing-over' | 'switched';
  /** Events folded so far. */
  readonly events: number;
  /** Commit position reached. */
  readonly position: number;
}

export interface RebuildViewOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly projection: AnyProjection;
  /** Name of this rebuild among all processes that may write views: unique. */
  readonly owner: string;
  /** The workers' lease, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
  readonly signal?: AbortSignal;
  /** Told after each batch. */
  readonly onProgress?: (progress: RebuildProgress) => void;
}

/** Another process is building this view anew. */
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}

/**
 * Builds a view anew from the whole log, beside the present one, and switches the name: readers see the old documents until they see the new
 * ones. Who projects the view meanwhile goes on doing so until shortly before the switch, and afterwards. A rebuild that was killed leaves
 * the view as it was, and can be started again.
 * @throws RebuildRunning, ProjectionFailed, or the signal's reason
 */
export async function rebuildView(options: RebuildViewOptions): Promise<RebuildProgress> {
  const { db, projection, owner } = options;
  const { name } = projection;
  const leaseMs = options.leaseMs ?? 10_000;
  const signal = options.signal ?? new AbortController().signal;
  await ensureControl(db, name, projection.version);
  await ensureControl(db, nextName(name), projection.version);
  const building = await acquire(db, nextName(name), owner, leaseMs);
  if (building === null) throw new RebuildRunning(`${name} is being rebuilt by another process`);
  const buildLease = new HeldLease(db, building, owner, leaseMs);
  const ending = AbortSignal.any([signal, buildLease.ended]);
  try {
    await settleEarlierSwitch(db, name, owner, leaseMs, ending);
    const collection = viewCollection(db, nextName(name));
    await collection.drop();
    await prepareCollection(db, nextName(name), projection);

    const course = new Course(options, collection, ending, buildLease);
    await course.run('building');
    await switchOver(options, course, leaseMs, ending);
    await viewControls(db).deleteOne({ _id: nextName(name), owner });
    return course.progress('switched');
  } finally {
    await buildLease.release();
  }
}

/** A rebuild that died in the middle of switching is brought to its end first: whether its collection was renamed shows only until ours is made. */
async function settleEarlierSwitch(db: Db, name: string, owner: string, leaseMs: number, signal: AbortSignal): Promise<void> {
  const control = await viewControls(db).findOne({ _id: name });
  if (control === null || control.pending === null) return;
  try {
    await settleSwitch(db, await acquireByHandover(db, name, owner, leaseMs, patienceMs(leaseMs), signal), owner);
  } finally {
    await release(db, name, owner);
  }
}

/** How long to wait for what takes a lease at most, in milliseconds. */
function patienceMs(leaseMs: number): number {
  return 3 * leaseMs + 5_000;
}

/** From here to the end nobody else writes the view. */
async function switchOver(
  { db, store, projection, owner, onProgress }: RebuildViewOptions,
  course: Course,
  leaseMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { name } = projection;
  onProgress?.(course.progress('handing-over'));
  try {
    const control = await settleSwitch(db, await acquireByHandover(db, name, owner, leaseMs, patienceMs(leaseMs), signal), owner);
    const liveLease = new HeldLease(db, control, owner, leaseMs);
    try {
      // What was appended meanwhile; and at least as far as readers have already seen, should we read from a node that lags behind.
      const seen = (await isOfThisLog(store, control.checkpoint)) ? await furthest(viewCollection(db, name)) : -1;
      const until = Date.now() + patienceMs(leaseMs);
      for (;;) {
        await course.run('handing-over');
        if (course.lastEvent >= seen) break;
        if (Date.now() > until) throw new Error(`${name} has seen an event at ${seen}, and the log ends at ${course.lastEvent}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await liveLease.confirm();
    } finally {
      await liveLease.pause();
    }
    const pending = { version: projection.version, checkpoint: checkpointAt(course.position, course.mark) };
    const mine = { _id: name, owner, generation: control.generation };
    // With a whole lease ahead, so that nobody comes between this and the renaming.
    const until = new Date(Date.now() + leaseMs);
    const begun = await viewControls(db).updateOne(mine, { $set: { pending, leaseUntil: until, handover: { to: owner, until } } });
    if (begun.matchedCount === 0) throw new LeaseLost(name);
    await viewCollection(db, nextName(name)).rename(name, { dropTarget: true });
    await viewControls(db).updateOne(mine, { $set: { ...switched(control, pending), owner: null, leaseUntil: null, handover: null } });
    onProgress?.(course.progress('switched'));
  } finally {
    await release(db, name, owner);
  }
}

/** Commit position of the last event that any document has seen. */
async function furthest(collection: Collection<ViewDocument>): Promise<number> {
  const [last] = await collection
    .find({}, { projection: { position: 1 } })
    .sort({ position: -1 })
    .limit(1)
    .toArray();
  return last?.position ?? -1;
}

/** A fold of the log into a collection of its own, which can be taken up again. */
class Course {
  position: Position | undefined;
  lastEvent = -1;
  mark: LogMark | null = null;
  #events = 0;

  constructor(
    private readonly options: RebuildViewOptions,
    private readonly collection: Collection<ViewDocument>,
    private readonly signal: AbortSignal,
    private readonly lease: HeldLease,
  ) {}

  /** Goes on to the present end of the log. */
  async run(phase: RebuildProgress['phase']): Promise<void> {
    const { store, projection, onProgress } = this.options;
    for await (const batch of feedBatches(store, { streamPrefixes: [projection.streamPrefix] }, this.position, this.signal, 1_000)) {
      await this.lease.confirm();
      const { failure } = await projectBatch(this.collection, projection, batch.events);
      if (failure !== undefined) throw failure;
      this.position = batch.position ?? this.position;
      this.#events += batch.events.length;
      const last = batch.events.at(-1);
      this.mark = markOf(last, this.mark);
      if (last !== undefined) this.lastEvent = positionNumber(last.position);
      onProgress?.(this.progress(phase));
      if (batch.caughtUp) return;
    }
    this.signal.throwIfAborted();
    throw new Error('the log ended before its end');
  }

  progress(phase: RebuildProgress['phase']): RebuildProgress {
    return { phase, events: this.#events, position: this.position === undefined ? -1 : positionNumber(this.position) };
  }
}
