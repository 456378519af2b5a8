import type { Db } from 'mongodb';
import type { EventStore, Position } from '#eventsourcing';
import { feedBatches } from './feed-batches.js';
import {
  LeaseLost,
  acquire,
  acquireByHandover,
  checkpointAt,
  ensureFollower,
  ensureGroup,
  finishSwitch,
  followerControls,
  generationOf,
  groupControls,
  isOfThisLog,
  markOf,
  partitionName,
  release,
  type GroupControl,
  type LogMark,
} from './control.js';
import { HeldLease } from './held-lease.js';
import { collectionsOf, nextName, positionNumber, prepareCollections, viewCollection, type AnyFace, type AnyGroup } from './documents.js';
import { GroupDocuments } from './group-documents.js';

export interface RebuildProgress {
  readonly phase: 'building' | 'handing-over' | 'switched';
  /** Events folded so far. */
  readonly events: number;
  /** Commit position reached. */
  readonly position: number;
}

export interface RebuildGroupOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly group: AnyGroup;
  /** The faces to rebuild: all by default, and all if the fold is newer than the stored one. */
  readonly faces?: readonly AnyFace[];
  /** Number of partitions of the group from then on: a power of two; default: as before. */
  readonly partitions?: number;
  /** Unique name of this rebuild among all processes that may write views. */
  readonly owner: string;
  /** The workers' lease, in milliseconds (default 10,000). */
  readonly leaseMs?: number;
  readonly signal?: AbortSignal;
  /** Called after each batch. */
  readonly onProgress?: (progress: RebuildProgress) => void;
}

/** Another process is rebuilding this group. */
export class RebuildRunning extends Error {
  override readonly name = 'RebuildRunning';
}

/**
 * Rebuilds faces of a group from the entire log, with the fold that they are derived from, beside the live ones, and switches the names:
 * readers see the old documents until they see the new ones. Projectors of the group continue until shortly before the switch, and
 * afterwards. A rebuild that was killed before it switched leaves the views as they were, and can be started again; a switch that has begun
 * is completed by the next process.
 * @throws RebuildRunning, ProjectionFailed, or the signal's reason
 */
export async function rebuildGroup(options: RebuildGroupOptions): Promise<RebuildProgress> {
  const { db, group, owner } = options;
  const { name } = group;
  const leaseMs = options.leaseMs ?? 10_000;
  const signal = options.signal ?? new AbortController().signal;
  await ensureGroup(db, group, options.partitions);
  const buildLease = await beginBuilding(db, name, owner, leaseMs);
  if (buildLease === null) throw new RebuildRunning(`${name} is being rebuilt by another process`);
  const ending = AbortSignal.any([signal, buildLease.ended]);
  try {
    await finishSwitch(db, await ensureGroup(db, group));
    const control = await ensureGroup(db, group);
    const faces = control.version < group.version ? group.faces : (options.faces ?? group.faces);
    for (const collection of collectionsOf(group, faces)) await db.collection(nextName(collection)).drop();
    await prepareCollections(db, group, faces, nextName);

    const course = new Course(options, faces, ending, buildLease);
    await course.run('building');
    await switchOver(options, control, faces, course, leaseMs, ending);
    await followerControls(db).deleteOne({ _id: nextName(name), owner });
    return course.progress('switched');
  } finally {
    await buildLease.release();
  }
}

/** The lease that keeps others from rebuilding a group, or from completing a switch. Null: another process has it. */
async function beginBuilding(db: Db, group: string, owner: string, leaseMs: number): Promise<HeldLease | null> {
  await ensureFollower(db, nextName(group), 1);
  const building = await acquire(db, nextName(group), owner, leaseMs);
  return building && new HeldLease(db, building, owner, leaseMs);
}

/**
 * Completes a switch of a rebuild that died during it.
 * @returns false while it may still be alive
 */
export async function settleSwitch(db: Db, group: AnyGroup, owner: string, leaseMs: number): Promise<boolean> {
  const lease = await beginBuilding(db, group.name, owner, leaseMs);
  if (lease === null) return false;
  try {
    await finishSwitch(db, await ensureGroup(db, group));
    await followerControls(db).deleteOne({ _id: nextName(group.name), owner });
  } finally {
    await lease.release();
  }
  return true;
}

/** How long to wait for something that takes at most a lease, in milliseconds. */
function patienceMs(leaseMs: number): number {
  return 3 * leaseMs + 5_000;
}

/** From here to the end nobody else writes the group's documents. */
async function switchOver(
  { db, store, group, partitions, owner, onProgress }: RebuildGroupOptions,
  control: GroupControl,
  faces: readonly AnyFace[],
  course: Course,
  leaseMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { name } = group;
  const names = Array.from({ length: control.partitions }, (_, partition) => partitionName(name, partition));
  onProgress?.(course.progress('handing-over'));
  const leases: HeldLease[] = [];
  try {
    let followed = true;
    for (const partition of names) {
      await ensureFollower(db, partition, control.generation);
      const acquired = await acquireByHandover(db, partition, owner, leaseMs, patienceMs(leaseMs), signal);
      leases.push(new HeldLease(db, acquired, owner, leaseMs));
      followed &&= acquired.checkpoint !== null && (await isOfThisLog(store, acquired.checkpoint));
    }
    // What was appended in the meantime; at least as far as readers have already seen, in case this node lags behind.
    const seen = followed ? await lastPosition(db, faces) : -1;
    const until = Date.now() + patienceMs(leaseMs);
    for (;;) {
      await course.run('handing-over');
      if (course.lastEvent >= seen) break;
      if (Date.now() > until) throw new Error(`${name} has seen an event at ${seen}, and the log ends at ${course.lastEvent}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    for (const lease of leases) {
      await lease.confirm();
      await lease.pause();
    }
    // With a full lease ahead, so that nobody gets between this and the end.
    const leaseUntil = new Date(Date.now() + leaseMs);
    const extended = await followerControls(db).updateMany(
      { _id: { $in: names }, owner, generation: control.generation },
      { $set: { leaseUntil, handover: { to: owner, until: leaseUntil } } },
    );
    if (extended.matchedCount < names.length) throw new LeaseLost(name);
    const built = generationOf(group, partitions ?? control.partitions);
    const pending = {
      ...built,
      faces: { ...control.faces, ...Object.fromEntries(faces.map((face) => [face.name, face.version])) },
      collections: collectionsOf(group, faces),
      checkpoint: checkpointAt(course.position, course.mark),
    };
    const unchanged = { _id: name, generation: control.generation, pending: null };
    const begun = await groupControls(db).findOneAndUpdate(unchanged, { $set: { pending } }, { returnDocument: 'after' });
    if (begun === null) throw new LeaseLost(name);
    await finishSwitch(db, begun);
    onProgress?.(course.progress('switched'));
  } finally {
    for (const lease of leases) await lease.pause();
    for (const partition of names) await release(db, partition, owner);
  }
}

/** Commit position of the last event that changed any document. */
async function lastPosition(db: Db, faces: readonly AnyFace[]): Promise<number> {
  let most = -1;
  for (const { name } of faces) {
    const [last] = await viewCollection(db, name)
      .find({}, { projection: { position: 1 } })
      .sort({ position: -1 })
      .limit(1)
      .toArray();
    most = Math.max(most, last?.position ?? -1);
  }
  return most;
}

/** A resumable fold of the log into separate collections. */
class Course {
  position: Position | undefined;
  lastEvent = -1;
  mark: LogMark | null = null;
  #events = 0;
  readonly #documents;

  constructor(
    private readonly options: RebuildGroupOptions,
    faces: readonly AnyFace[],
    private readonly signal: AbortSignal,
    private readonly lease: HeldLease,
  ) {
    this.#documents = new GroupDocuments(options.db, options.store, options.group, { faces, nameOf: nextName });
  }

  /** Continues to the current end of the log. */
  async run(phase: RebuildProgress['phase']): Promise<void> {
    const { store, group, onProgress } = this.options;
    for await (const batch of feedBatches(store, { streamPrefixes: [group.streamPrefix] }, this.position, this.signal, 1_000)) {
      await this.lease.confirm();
      const { failure } = await this.#documents.project(batch.events);
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
