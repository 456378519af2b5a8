import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Collection, Db, Filter } from 'mongodb';
import { StreamDeleted, type EventStore, type Position, type StoredEvent } from '#eventsourcing';
import { isDuplicateKey } from './connect.js';
import { type Freshness, slowest } from './freshness.js';
import { nextName, type AnyFace, type AnyGroup } from './documents.js';

/** A place in the log as stored. Decimal text, since 64 bits do not fit a number. */
export interface Checkpoint {
  readonly commit: string;
  readonly prepare: string;
  /** The last projected event: identifies the log. */
  readonly event: LogMark | null;
}

/** An event that distinguishes one log from another. */
export type LogMark = Pick<StoredEvent, 'stream' | 'revision' | 'id'>;

/** The versions that a group's collections were made by. */
export interface Generation {
  /** Version of the fold. */
  readonly version: number;
  /** Version of each face. */
  readonly faces: Readonly<Record<string, number>>;
  /** Number of partitions of its streams, each with its own owner: a power of two. */
  readonly partitions: number;
}

/** Entry of a group of read models in the collection `views`, by the group's name. */
export interface GroupControl extends Generation {
  readonly _id: string;
  /** Number of switches to rebuilt collections. A checkpoint of another generation is refused. */
  readonly generation: number;
  /** A switch to rebuilt collections that has begun: it will always be completed. */
  readonly pending: (Generation & { readonly collections: readonly string[]; readonly checkpoint: Checkpoint | null }) | null;
}

/** Entry of a follower of the log in the collection `views`, such as a partition of a group: its progress and its owner. */
export interface FollowerControl {
  readonly _id: string;
  readonly generation: number;
  /** Everything up to here is done. Null: nothing yet. */
  readonly checkpoint: Checkpoint | null;
  /** The process that owns it, until its lease runs out. */
  readonly owner: string | null;
  readonly leaseUntil: Date | null;
  /** A process that wants to be the next owner: the current one stops, and no other takes over. */
  readonly handover: { readonly to: string; readonly until: Date } | null;
  /** Its last failure; null once it has recovered. Absent if it never failed. */
  readonly trouble?: Trouble | null;
  /** For a partition of a group of views: how soon the latest events were visible. */
  readonly freshness?: Freshness;
  /** For policies: the progress of each. A policy that is missing begins at the start. */
  readonly policies?: Readonly<Record<string, PolicyControl>>;
}

export interface PolicyControl {
  readonly checkpoint: Checkpoint | null;
  readonly trouble?: Trouble | null;
}

/** A policy, and the aggregate whose events it reacts to. */
export interface PolicyName {
  readonly name: string;
  readonly aggregate: { readonly category: string };
}

/** A checkpoint to be written together with documents. */
export interface CheckpointWrite {
  readonly collection: string;
  readonly filter: object;
  readonly update: object;
}

/** What keeps a view or policy from continuing. */
export interface Trouble {
  readonly message: string;
  readonly at: string;
  /** This is not the log that was followed: it does not continue before `tierline rebuild`. */
  readonly code?: 'other-log';
}

/** The collection with the progress and owners of views and policies. */
export const VIEWS = 'views';

export function groupControls(db: Db): Collection<GroupControl> {
  return db.collection<GroupControl>(VIEWS);
}

export function followerControls(db: Db): Collection<FollowerControl> {
  return db.collection<FollowerControl>(VIEWS);
}

/** The common name of an aggregate's policies. */
export function policiesName(category: string): string {
  return `policies:${category}`;
}

/** Name of the control document of one partition of a group, or of policies. */
export function partitionName(group: string, partition: number): string {
  return `${group}/${partition}`;
}

/** The partition of a stream. @param partitions a power of two */
export function partitionOf(stream: string, partitions: number): number {
  if (partitions === 1) return 0;
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (let index = 0; index < stream.length; index++) hash = Math.imul(hash ^ stream.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) & (partitions - 1);
}

export function checkpointAt(position: Position | undefined, mark: LogMark | null): Checkpoint | null {
  return position === undefined ? null : { commit: String(position.commit), prepare: String(position.prepare), event: mark };
}

/** The identifying mark of an event; the previous mark if there is none. */
export function markOf(event: LogMark | undefined, before: LogMark | null): LogMark | null {
  return event === undefined ? before : { stream: event.stream, revision: event.revision, id: event.id };
}

/** Whether a checkpoint belongs to this log, and not to an earlier or different one. */
export async function isOfThisLog(store: EventStore, checkpoint: Checkpoint | null): Promise<boolean> {
  const mark = checkpoint?.event ?? null;
  if (mark === null) return true;
  try {
    for await (const { id } of store.readStream(mark.stream, mark.revision)) return id === mark.id;
    return false;
  } catch (error) {
    // It existed once.
    if (error instanceof StreamDeleted) return true;
    throw error;
  }
}

/** The followers whose last event is missing from this log: they have followed a newer or different one. */
export async function followersOfOtherLog(db: Db, store: EventStore): Promise<readonly string[]> {
  const controls = await followerControls(db)
    .find({ 'checkpoint.event.id': { $exists: true } }, { projection: { checkpoint: 1 } })
    .sort({ _id: 1 })
    .toArray();
  const known = await Promise.all(controls.map(({ checkpoint }) => isOfThisLog(store, checkpoint)));
  return controls.flatMap(({ _id }, index) => (known[index] ? [] : [_id]));
}

export function readPosition(stored: Checkpoint | null): Position | undefined {
  return stored === null ? undefined : { commit: BigInt(stored.commit), prepare: BigInt(stored.prepare) };
}

/** The position that a group has reached in the log; undefined if it has read nothing yet. */
export async function groupPosition(db: Db, group: string): Promise<Position | undefined> {
  return leastPosition(await partitionControls(db, group));
}

function partitionControls(db: Db, group: string): Promise<FollowerControl[]> {
  // In string order a slash is followed by a zero.
  return followerControls(db)
    .find({ _id: { $gte: `${group}/`, $lt: `${group}0` } })
    .toArray();
}

/** The position that all of them have reached. */
function leastPosition(controls: readonly FollowerControl[]): Position | undefined {
  let least: Position | undefined;
  for (const { checkpoint } of controls) {
    const position = readPosition(checkpoint);
    if (position === undefined) return undefined;
    if (least === undefined || position.commit < least.commit) least = position;
  }
  return least;
}

/** The condition of a group of views, or of a policy, in whatever process owns it. */
export interface ViewHealth {
  /** Everything up to here is done; undefined if nothing is. */
  readonly position: Position | undefined;
  /** `failing`: being retried, see `trouble`; `stopped`: not owned by any process, at least in part. */
  readonly state: 'running' | 'failing' | 'stopped';
  readonly trouble?: Trouble;
  /** For views that follow the log live: how soon the latest events were visible. */
  readonly freshness?: Freshness;
}

export async function groupHealth(db: Db, group: string): Promise<ViewHealth> {
  return healthOfAll(await partitionControls(db, group));
}

export async function policyHealth(db: Db, { name, aggregate }: PolicyName): Promise<ViewHealth> {
  const controls = await partitionControls(db, policiesName(aggregate.category));
  return healthOfAll(
    controls.map((control) => {
      const own = control.policies?.[name];
      return { ...control, checkpoint: own?.checkpoint ?? null, trouble: control.trouble ?? own?.trouble ?? null };
    }),
  );
}

function healthOfAll(controls: readonly FollowerControl[]): ViewHealth {
  const position = leastPosition(controls);
  const trouble = controls.find((control) => control.trouble)?.trouble;
  const freshness = slowest(controls.map((control) => control.freshness));
  const measured = freshness === undefined ? {} : { freshness };
  if (trouble) return { position, state: 'failing', trouble, ...measured };
  const held = ({ owner, leaseUntil }: FollowerControl): boolean =>
    owner !== null && leaseUntil !== null && leaseUntil.getTime() > Date.now();
  return { position, state: controls.length > 0 && controls.every(held) ? 'running' : 'stopped', ...measured };
}

/**
 * Records for health checks what keeps a view or policy from continuing, or that nothing does any more. Skipped if another process owns it
 * by now; health checks notice an unavailable database themselves.
 */
export async function noteTrouble(db: Db, name: string, owner: string, trouble: Trouble | null): Promise<void> {
  await followerControls(db)
    .updateOne({ _id: name, owner: { $in: [owner, null] } }, { $set: { trouble } })
    .catch(() => {});
}

/** The versions that collections are made by now. @throws RangeError */
export function generationOf({ name, version, faces }: AnyGroup, partitions: number): Generation {
  checkPartitions(name, partitions);
  return { version, faces: Object.fromEntries(faces.map((face) => [face.name, face.version])), partitions };
}

/** How a group's collections compare with the current code. `older` names the faces to rebuild. */
export function compared(control: Generation, group: AnyGroup): 'same' | 'newer' | { readonly older: readonly AnyFace[] } {
  const made = ({ name }: AnyFace): number => control.faces[name] ?? 0;
  if (control.version > group.version || group.faces.some((face) => made(face) > face.version)) return 'newer';
  if (control.version < group.version) return { older: group.faces };
  const older = group.faces.filter((face) => made(face) < face.version);
  return older.length === 0 ? 'same' : { older };
}

/**
 * A group's control document; created if missing.
 * @param partitions of the group, if it is created now
 */
export async function ensureGroup(db: Db, group: AnyGroup, partitions = 1): Promise<GroupControl> {
  const controls = groupControls(db);
  for (;;) {
    const found = await controls.findOne({ _id: group.name });
    // Before groups existed, each view had its own control document.
    if (found !== null && 'faces' in found) return found;
    const earlier = await supersede(db, group);
    const made = generationOf(group, partitions);
    const partitionsBefore = await partitionControls(db, group.name);
    const generation = 1 + partitionsBefore.reduce((most, before) => Math.max(most, before.generation), 0);
    const fresh = { ...made, ...(earlier ? { faces: {} } : {}), generation, pending: null };
    if (found !== null) await controls.replaceOne({ _id: group.name, faces: { $exists: false } }, fresh);
    else await controls.insertOne({ _id: group.name, ...fresh }).catch(ignoreDuplicate);
  }
}

/**
 * Marks the views of a version without groups as newer: workers of that version then leave them alone.
 * @returns whether there were any
 */
async function supersede(db: Db, { name, faces }: AnyGroup): Promise<boolean> {
  let any = false;
  for (const face of faces) {
    const superseded = { version: face.version, supersededBy: name, owner: null, leaseUntil: null, handover: null };
    const { matchedCount } = await db
      .collection<{ _id: string }>(VIEWS)
      .updateOne({ _id: face.name, faces: { $exists: false } }, { $set: superseded, $inc: { generation: 1 } });
    if (matchedCount > 0) any = true;
  }
  return any;
}

/** Creates the control document of a follower, unless there is one of this generation or a later one. */
export async function ensureFollower(db: Db, name: string, generation: number): Promise<void> {
  const fresh = { generation, checkpoint: null, owner: null, leaseUntil: null, handover: null };
  const found = await followerControls(db).findOne({ _id: name }, { projection: { generation: 1 } });
  if (found !== null && found.generation >= generation) return;
  await followerControls(db)
    .replaceOne({ _id: name, generation: { $lt: generation } }, fresh, { upsert: true })
    .catch(ignoreDuplicate);
}

/** Entry of all policies of an aggregate in the collection `views`, by `policies:<category>`. */
export interface PoliciesControl {
  readonly _id: string;
  readonly generation: number;
  readonly partitions: number;
}

export function policiesControls(db: Db): Collection<PoliciesControl> {
  return db.collection<PoliciesControl>(VIEWS);
}

/** The control document of an aggregate's policies; created if missing. */
export async function ensurePoliciesControl(db: Db, category: string, partitions = 1): Promise<PoliciesControl> {
  const _id = policiesName(category);
  checkPartitions(_id, partitions);
  for (;;) {
    const found = await policiesControls(db).findOne({ _id });
    if (found !== null) return found;
    await policiesControls(db).insertOne({ _id, generation: 1, partitions }).catch(ignoreDuplicate);
  }
}

/** @throws RangeError */
export function checkPartitions(name: string, partitions: number): void {
  if (!Number.isInteger(Math.log2(partitions))) throw new RangeError(`${name}: the number of partitions must be a power of two`);
}

/**
 * Creates the control document of a follower for policies, if missing: they continue where an earlier version left off, and workers of that
 * version are kept away.
 */
export async function ensurePolicies(db: Db, name: string, policies: readonly string[]): Promise<void> {
  const controls = followerControls(db);
  if ((await controls.findOne({ _id: name }, { projection: { _id: 1 } })) !== null) return;
  const alone = (policy: string) => `policy:${policy}`;
  const earlier = new Map((await controls.find({ _id: { $in: policies.map(alone) } }).toArray()).map((one) => [one._id, one.checkpoint]));
  await controls.updateMany(
    { _id: { $in: [...earlier.keys()] } },
    { $set: { owner: name, leaseUntil: new Date('9999-12-31'), handover: null }, $inc: { generation: 1 } },
  );
  const known = policies.flatMap((policy) => {
    const checkpoint = earlier.get(alone(policy));
    return checkpoint ? [[policy, { checkpoint }] as const] : [];
  });
  const checkpoint = known.reduce<Checkpoint | null>(
    (furthest, [, one]) => (furthest === null || BigInt(one.checkpoint.commit) > BigInt(furthest.commit) ? one.checkpoint : furthest),
    null,
  );
  const fresh = { generation: 1, checkpoint, owner: null, leaseUntil: null, handover: null, policies: Object.fromEntries(known) };
  await controls.insertOne({ _id: name, ...fresh }).catch(ignoreDuplicate);
}

function ignoreDuplicate(error: unknown): void {
  if (!isDuplicateKey(error)) throw error;
}

/** A name for this process, unique among all that take leases. */
export function newOwner(): string {
  return `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
}

/** Recent duration of commands, as this process sees it, in milliseconds. */
const slowness = new WeakMap<Db, number>();

/** Records the duration of a command: the slowest counts, and fades with each faster one. */
export async function noteSlowness<Result>(db: Db, command: Promise<Result>): Promise<Result> {
  const began = performance.now();
  const result = await command;
  slowness.set(db, Math.max(performance.now() - began, (slowness.get(db) ?? 0) * 0.9));
  return result;
}

/**
 * How long a lease should last, in milliseconds: long enough to be renewed in time even if the database, or this process, is slow. Leases
 * that run out before any work is done would circulate among the waiting processes, with no progress.
 */
export function leaseTermMs(db: Db, leaseMs: number): number {
  return Math.max(leaseMs, 6 * (slowness.get(db) ?? 0));
}

/** Takes the lease if nobody holds it and nobody else is about to. Null: not now. */
export async function acquire(db: Db, name: string, owner: string, leaseMs: number): Promise<FollowerControl | null> {
  const now = new Date();
  const free: Filter<FollowerControl> = {
    _id: name,
    $and: [
      { $or: [{ owner: null }, { owner }, { leaseUntil: { $lt: now } }] },
      { $or: [{ handover: null }, { 'handover.to': owner }, { 'handover.until': { $lt: now } }] },
    ],
  };
  const leaseUntil = new Date(now.getTime() + leaseTermMs(db, leaseMs));
  return noteSlowness(db, followerControls(db).findOneAndUpdate(free, { $set: { owner, leaseUntil } }, { returnDocument: 'after' }));
}

/** Asks the current owner to stop, and reserves the lease; repeats until this process has it. @throws Error after `patienceMs` */
export async function acquireByHandover(
  db: Db,
  name: string,
  to: string,
  leaseMs: number,
  patienceMs: number,
  signal: AbortSignal,
): Promise<FollowerControl> {
  const until = Date.now() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    const now = new Date();
    await followerControls(db).updateOne(
      { _id: name, $or: [{ handover: null }, { 'handover.to': to }, { 'handover.until': { $lt: now } }] },
      { $set: { handover: { to, until: new Date(now.getTime() + leaseTermMs(db, leaseMs)) } } },
    );
    const control = await acquire(db, name, to, leaseMs);
    if (control !== null) return control;
    if (Date.now() > until) throw new Error(`${name}: its owner did not hand over within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Asks for a partition if its owner has at least two more than this process, so that partitions spread evenly. Call it while waiting for
 * the partition.
 */
export async function askForShare(db: Db, group: string, partition: string, owner: string, leaseMs: number): Promise<void> {
  const now = Date.now();
  const held = new Map<string, string[]>([[owner, []]]);
  for (const control of (await partitionControls(db, group)).sort((a, b) => a._id.localeCompare(b._id))) {
    // One at a time: a pending request changes the shares.
    if (control.handover !== null && control.handover.to === owner && control.handover.until.getTime() > now) return;
    if (control.owner === null || control.leaseUntil === null || control.leaseUntil.getTime() < now) continue;
    held.set(control.owner, [...(held.get(control.owner) ?? []), control._id]);
  }
  const own = held.get(owner) ?? [];
  const [holder, most = []] = [...held].reduce((largest, one) => (one[1].length > largest[1].length ? one : largest));
  // The waiting partitions of a process look at the same time: only the first one asks, or all would move, and then all move back.
  if (most[0] !== partition || most.length < own.length + 2) return;
  await followerControls(db).updateOne(
    { _id: partition, owner: holder, $or: [{ handover: null }, { 'handover.until': { $lt: new Date(now) } }] },
    { $set: { handover: { to: owner, until: new Date(now + leaseTermMs(db, leaseMs)) } } },
  );
}

/** Releases the lease, and a request for it. Those of other owners stay. */
export async function release(db: Db, name: string, owner: string): Promise<void> {
  await followerControls(db).updateOne({ _id: name, owner }, { $set: { owner: null, leaseUntil: null } });
  await followerControls(db).updateOne({ _id: name, 'handover.to': owner }, { $set: { handover: null } });
}

/**
 * Completes a switch that has begun: renames the remaining rebuilt collections, and lets all partitions continue from where the rebuild
 * ended. Call it only with the rebuild lease.
 */
export async function finishSwitch(db: Db, { _id, generation, pending }: GroupControl): Promise<void> {
  if (pending === null) return;
  const { collections, checkpoint, ...made } = pending;
  const rebuilt = await db.listCollections({ name: { $in: collections.map(nextName) } }, { nameOnly: true }).toArray();
  const waiting = new Set(rebuilt.map(({ name }) => name));
  for (const name of collections) {
    if (waiting.has(nextName(name))) await db.collection(nextName(name)).rename(name, { dropTarget: true });
  }
  const fresh = { generation: generation + 1, checkpoint, owner: null, leaseUntil: null, handover: null };
  const names = Array.from({ length: made.partitions }, (_, partition) => partitionName(_id, partition));
  for (const name of names) await followerControls(db).replaceOne({ _id: name }, fresh, { upsert: true });
  const surplus = (await partitionControls(db, _id)).map((control) => control._id).filter((name) => !names.includes(name));
  if (surplus.length > 0) await followerControls(db).deleteMany({ _id: { $in: surplus } });
  await groupControls(db).updateOne({ _id, generation }, { $set: { ...made, generation: generation + 1, pending: null } });
}

/** Another process owns it now. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor(name: string) {
    super(`${name} has another owner now`);
  }
}

/** How often a lease is renewed and requests for it are noticed, in milliseconds. */
export function heartbeatMs(leaseMs: number): number {
  return Math.max(20, Math.min(1_000, leaseMs / 4));
}
