import type { Collection, Db, Filter, UpdateFilter } from 'mongodb';
import { StreamDeleted, type EventStore, type Position, type StoredEvent } from '#eventsourcing';

/** A place in the log as it is stored. Decimal, for 64 bits do not fit a number. */
export interface Checkpoint {
  readonly commit: string;
  readonly prepare: string;
  /** The last event that was projected: by it the log is known again. */
  readonly event: LogMark | null;
}

/** An event by which a log can be told from another one. */
export type LogMark = Pick<StoredEvent, 'stream' | 'revision' | 'id'>;

/** What the collection `views` says of one view: how far it is, and who may write it. */
export interface ViewControl {
  /** Name of the view. */
  readonly _id: string;
  /** Version of the projection that wrote the collection. */
  readonly version: number;
  /** Counts the rebuilds. A checkpoint of another generation is refused. */
  readonly generation: number;
  /** Everything up to here is in the collection. Null: nothing yet. */
  readonly checkpoint: Checkpoint | null;
  /** The one process that projects now, until its lease runs out. */
  readonly owner: string | null;
  readonly leaseUntil: Date | null;
  /** Somebody who wants to be the next owner: the present one stops, and nobody else takes over. */
  readonly handover: { readonly to: string; readonly until: Date } | null;
  /** A switch to a rebuilt collection that has begun: it holds once the collection has been renamed. */
  readonly pending: { readonly version: number; readonly checkpoint: Checkpoint | null } | null;
  /** What it failed of when it last did; null once it goes on. Absent when it never failed. */
  readonly trouble?: Trouble | null;
}

/** What keeps a view or a policy from going on. */
export interface Trouble {
  readonly message: string;
  readonly at: string;
}

export function viewControls(db: Db): Collection<ViewControl> {
  return db.collection<ViewControl>('views');
}

export function checkpointAt(position: Position | undefined, mark: LogMark | null): Checkpoint | null {
  return position === undefined ? null : { commit: String(position.commit), prepare: String(position.prepare), event: mark };
}

/** What to know an event by; the mark so far where there is none. */
export function markOf(event: LogMark | undefined, before: LogMark | null): LogMark | null {
  return event === undefined ? before : { stream: event.stream, revision: event.revision, id: event.id };
}

/** Whether a checkpoint belongs to this log, and not to one that was there before or is somewhere else. */
export async function isOfThisLog(store: EventStore, checkpoint: Checkpoint | null): Promise<boolean> {
  const mark = checkpoint?.event ?? null;
  if (mark === null) return true;
  try {
    for await (const { id } of store.readStream(mark.stream, mark.revision)) return id === mark.id;
    return false;
  } catch (error) {
    // It was there once.
    if (error instanceof StreamDeleted) return true;
    throw error;
  }
}

/** The view was made from another log than the one at hand. */
export class OtherLog extends Error {
  override readonly name = 'OtherLog';
  constructor(view: string) {
    super(
      `${view} was projected from another log than this one: its last event is not here. Check where EventStoreDB and MongoDB are, or rebuild the view`,
    );
  }
}

export function readPosition(stored: Checkpoint | null): Position | undefined {
  return stored === null ? undefined : { commit: BigInt(stored.commit), prepare: BigInt(stored.prepare) };
}

/** Up to where a view has seen the log; undefined when it has seen nothing yet. */
export async function viewPosition(db: Db, name: string): Promise<Position | undefined> {
  const control = await viewControls(db).findOne({ _id: name });
  return readPosition(control?.checkpoint ?? null);
}

/** How a view, or a policy, is doing in whatever process has it. */
export interface ViewHealth {
  /** Everything up to here is done; undefined when nothing is yet. */
  readonly position: Position | undefined;
  /** `failing`: tried again and again, see `trouble`; `stopped`: no process has it. */
  readonly state: 'running' | 'failing' | 'stopped';
  readonly trouble?: Trouble;
}

export async function viewHealth(db: Db, name: string): Promise<ViewHealth> {
  const control = await viewControls(db).findOne({ _id: name });
  const position = readPosition(control?.checkpoint ?? null);
  if (control?.trouble) return { position, state: 'failing', trouble: control.trouble };
  const held = control !== null && control.owner !== null && control.leaseUntil !== null && control.leaseUntil.getTime() > Date.now();
  return { position, state: held ? 'running' : 'stopped' };
}

/**
 * Notes for health checks what keeps a view or a policy from going on, or that nothing does any more. Not when somebody else has it by
 * now; and where the database is out of reach they see that themselves.
 */
export async function noteTrouble(db: Db, name: string, owner: string, trouble: Trouble | null): Promise<void> {
  await viewControls(db)
    .updateOne({ _id: name, owner: { $in: [owner, null] } }, { $set: { trouble } })
    .catch(() => {});
}

/** Name under which a view is built anew. */
export function nextName(view: string): string {
  return `${view}__next`;
}

/** The view's control document; made when there is none. */
export async function ensureControl(db: Db, name: string, version: number): Promise<ViewControl> {
  const fresh = { version, generation: 1, checkpoint: null, owner: null, leaseUntil: null, handover: null, pending: null };
  for (;;) {
    const found = await viewControls(db).findOne({ _id: name });
    if (found !== null) return found;
    await viewControls(db)
      .insertOne({ _id: name, ...fresh })
      .catch((error: { code?: number }) => {
        if (error.code !== DUPLICATE_KEY) throw error;
      });
  }
}

const DUPLICATE_KEY = 11000;

/** Takes the lease if nobody holds it and nobody else is about to. Null: not now. */
export async function acquire(db: Db, name: string, owner: string, leaseMs: number): Promise<ViewControl | null> {
  const now = new Date();
  const free: Filter<ViewControl> = {
    _id: name,
    $and: [
      { $or: [{ owner: null }, { owner }, { leaseUntil: { $lt: now } }] },
      { $or: [{ handover: null }, { 'handover.to': owner }, { 'handover.until': { $lt: now } }] },
    ],
  };
  return viewControls(db).findOneAndUpdate(
    free,
    { $set: { owner, leaseUntil: new Date(now.getTime() + leaseMs) } },
    { returnDocument: 'after' },
  );
}

/** Asks the present owner to stop, and reserves the lease; again and again until it is ours. @throws Error after `patienceMs` */
export async function acquireByHandover(
  db: Db,
  name: string,
  to: string,
  leaseMs: number,
  patienceMs: number,
  signal: AbortSignal,
): Promise<ViewControl> {
  const until = Date.now() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    const now = new Date();
    await viewControls(db).updateOne(
      { _id: name, $or: [{ handover: null }, { 'handover.to': to }, { 'handover.until': { $lt: now } }] },
      { $set: { handover: { to, until: new Date(now.getTime() + leaseMs) } } },
    );
    const control = await acquire(db, name, to, leaseMs);
    if (control !== null) return control;
    if (Date.now() > until) throw new Error(`${name}: its owner did not hand over within ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Gives the lease, and a wish for it, back. What is not ours stays. */
export async function release(db: Db, name: string, owner: string): Promise<void> {
  await viewControls(db).updateOne({ _id: name, owner }, { $set: { owner: null, leaseUntil: null } });
  await viewControls(db).updateOne({ _id: name, 'handover.to': owner }, { $set: { handover: null } });
}

/**
 * Finishes, or forgets, a switch during which its process died. To be called by the owner: whether the collection was renamed tells
 * on which side of the switch the view is.
 */
export async function settleSwitch(db: Db, control: ViewControl, owner: string): Promise<ViewControl> {
  if (control.pending === null) return control;
  const unrenamed = await db.listCollections({ name: nextName(control._id) }, { nameOnly: true }).toArray();
  const settled = unrenamed.length > 0 ? { pending: null } : switched(control, control.pending);
  const after = await viewControls(db).findOneAndUpdate(
    { _id: control._id, owner, generation: control.generation },
    { $set: settled },
    { returnDocument: 'after' },
  );
  if (after === null) throw new LeaseLost(control._id);
  return after;
}

/** What changes in a control document once a rebuilt collection has taken the view's name. */
export function switched(
  control: ViewControl,
  pending: NonNullable<ViewControl['pending']>,
): Pick<ViewControl, 'version' | 'generation' | 'checkpoint' | 'pending'> {
  return { version: pending.version, generation: control.generation + 1, checkpoint: pending.checkpoint, pending: null };
}

/** Somebody else owns the view now. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
  constructor(view: string) {
    super(`${view} has another owner now`);
  }
}

/**
 * The lease on a view while it is held: renews itself, writes checkpoints (the latest, one write at a time), and ends when it was lost or
 * somebody asks for it.
 */
export class HeldLease {
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #validUntil: number;
  #checkpoint: Checkpoint | null = null;
  #renewing: Promise<void> | undefined;

  constructor(
    private readonly db: Db,
    private readonly control: ViewControl,
    private readonly owner: string,
    private readonly leaseMs: number,
  ) {
    this.#validUntil = control.leaseUntil?.getTime() ?? 0;
    this.#timer = setInterval(() => void this.#renew(), heartbeatMs(leaseMs));
  }

  /** Aborts when writing has to stop: lost, or asked for. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Notes how far the collection is. Written soon, by and by with what is noted meanwhile. */
  advance(position: Position, mark: LogMark | null): void {
    this.#checkpoint = checkpointAt(position, mark);
    void this.#renew();
  }

  /** To be called before a write: a process that was suspended for long may have lost the lease without noticing. @throws LeaseLost */
  async confirm(): Promise<void> {
    if (Date.now() < this.#validUntil - this.leaseMs / 4) return;
    await this.#renew();
    if (Date.now() >= this.#validUntil) throw new LeaseLost(this.control._id);
  }

  /** Stops renewing: until the lease runs out it stays ours. */
  async pause(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#renewing !== undefined) await this.#renewing;
  }

  /** Writes the last checkpoint and gives the lease back; if the database is out of reach, the lease runs out by itself. */
  async release(): Promise<void> {
    await this.pause();
    await release(this.db, this.control._id, this.owner).catch(() => {});
  }

  /** One write at a time; what was noted while it was on its way follows at once. */
  #renew(): Promise<void> {
    this.#renewing ??= this.#renewOnce().then((done) => {
      this.#renewing = undefined;
      if (done && this.#checkpoint !== null) void this.#renew();
    });
    return this.#renewing;
  }

  /** False when the database was out of reach: the next heartbeat tries again, and writing stops when the lease runs out. */
  async #renewOnce(): Promise<boolean> {
    const checkpoint = this.#checkpoint;
    this.#checkpoint = null;
    const leaseUntil = new Date(Date.now() + this.leaseMs);
    const change: UpdateFilter<ViewControl> = { $set: checkpoint === null ? { leaseUntil } : { leaseUntil, checkpoint } };
    try {
      const { _id, generation } = this.control;
      const after = await viewControls(this.db).findOneAndUpdate({ _id, generation, owner: this.owner }, change, {
        returnDocument: 'after',
        projection: { handover: 1 },
      });
      if (after === null) {
        this.#validUntil = 0;
        this.#ended.abort(new LeaseLost(_id));
        return false;
      }
      this.#validUntil = leaseUntil.getTime();
      if (after.handover !== null && after.handover.to !== this.owner && after.handover.until.getTime() > Date.now()) this.#ended.abort();
      return true;
    } catch {
      this.#checkpoint ??= checkpoint;
      return false;
    }
  }
}

/** How often a lease is renewed and a wish for it noticed, in milliseconds. */
export function heartbeatMs(leaseMs: number): number {
  return Math.max(20, Math.min(1_000, leaseMs / 4));
}
