import type { Db } from 'mongodb';
import type { Position } from '#eventsourcing';
import {
  checkpointAt,
  followerControls,
  heartbeatMs,
  LeaseLost,
  leaseTermMs,
  noteSlowness,
  release,
  VIEWS,
  type Checkpoint,
  type CheckpointWrite,
  type FollowerControl,
  type LogMark,
} from './control.js';

/** Pending writes of a lease: the progress of the work, and the renewal. */
interface Change {
  readonly leaseUntil: Date;
  readonly checkpoint: Checkpoint | null;
  readonly also: Readonly<Record<string, unknown>>;
}

/**
 * A lease while it is held: renewed together with all others of its process, writes checkpoints (the latest, one write at a time), and ends
 * when lost or requested by another process.
 */
export class HeldLease {
  readonly #ended = new AbortController();
  readonly #heartbeat: Heartbeat;
  #validUntil: number;
  /** How long it lasts from its last renewal, in milliseconds. */
  #term: number;
  #checkpoint: Checkpoint | null = null;
  #also: Readonly<Record<string, unknown>> = {};
  #writing: Promise<void> | undefined;
  /** Whether the current write includes a checkpoint. */
  #carrying = false;

  constructor(
    private readonly db: Db,
    readonly control: FollowerControl,
    private readonly owner: string,
    private readonly leaseMs: number,
  ) {
    this.#validUntil = control.leaseUntil?.getTime() ?? 0;
    this.#term = leaseTermMs(db, leaseMs);
    this.#heartbeat = Heartbeat.of(db, owner, leaseMs);
    this.#heartbeat.add(this);
  }

  get name(): string {
    return this.control._id;
  }

  /** Aborts when writing must stop: lost, or requested. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Records the progress of the work. Written soon, together with later progress. */
  advance(position: Position, mark: LogMark | null): void {
    this.note(position, mark);
    this.write();
  }

  /** Records the progress of the work. Written with the next heartbeat. */
  note(position: Position, mark: LogMark | null): void {
    this.#checkpoint = checkpointAt(position, mark);
  }

  /** Sets additional fields of the control document. Written with the checkpoint, or with the next heartbeat. */
  also(fields: Readonly<Record<string, unknown>>): void {
    this.#also = { ...this.#also, ...fields };
  }

  /** The progress of the work, for writing together with the work itself. Replaces earlier progress. */
  checkpointWrite(position: Position, mark: LogMark | null): CheckpointWrite {
    this.#checkpoint = null;
    return { collection: VIEWS, filter: this.mine, update: { $set: { checkpoint: checkpointAt(position, mark) } } };
  }

  /** Writes the recorded progress now. One write at a time; progress recorded during a write follows at once. */
  write(): void {
    if (this.#writing === undefined) this.whileWriting(this.#heartbeat.beat([this]));
  }

  /** Call it before a write: a process that was suspended for long may have lost the lease without noticing. @throws LeaseLost */
  async confirm(): Promise<void> {
    // An older checkpoint must not arrive after a newer one.
    if (this.#carrying) await this.#writing;
    if (Date.now() < this.#validUntil - this.#term / 4) return;
    await this.#heartbeat.beat([this]);
    if (Date.now() >= this.#validUntil) throw new LeaseLost(this.name);
  }

  /** Stops renewing: the lease stays ours until it runs out. */
  async pause(): Promise<void> {
    this.#heartbeat.remove(this);
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Writes the last progress and releases the lease; if the database is out of reach, the lease runs out by itself. */
  async release(): Promise<void> {
    if (this.#hasNews) this.write();
    await this.pause();
    await release(this.db, this.name, this.owner).catch(() => {});
  }

  /** Matches the control document while it is ours. */
  get mine(): { readonly _id: string; readonly generation: number; readonly owner: string } {
    return { _id: this.name, generation: this.control.generation, owner: this.owner };
  }

  get #hasNews(): boolean {
    return this.#checkpoint !== null || Object.keys(this.#also).length > 0;
  }

  /** For the heartbeat: what to write, if anything. */
  take(now: number): Change | undefined {
    if (!this.#hasNews && now < this.#validUntil - (this.#term * 3) / 4) return undefined;
    this.#term = leaseTermMs(this.db, this.leaseMs);
    const change = { leaseUntil: new Date(now + this.#term), checkpoint: this.#checkpoint, also: this.#also };
    this.#checkpoint = null;
    this.#also = {};
    this.#carrying = change.checkpoint !== null;
    return change;
  }

  /** For the heartbeat: the database was out of reach. The next one tries again, and writing stops when the lease runs out. */
  takeBack({ checkpoint, also }: Change): void {
    this.#checkpoint ??= checkpoint;
    this.#also = { ...also, ...this.#also };
  }

  /** For the heartbeat: the current control document. @param until when the lease ends, if it was renewed */
  look(control: Pick<FollowerControl, 'owner' | 'generation' | 'handover'> | undefined, until: Date | undefined): void {
    if (control === undefined || control.owner !== this.owner || control.generation !== this.control.generation) {
      this.#validUntil = 0;
      this.#ended.abort(new LeaseLost(this.name));
      return;
    }
    if (until !== undefined) this.#validUntil = until.getTime();
    const { handover } = control;
    if (handover !== null && handover.to !== this.owner && handover.until.getTime() > Date.now()) this.#ended.abort();
  }

  /** For the heartbeat: nothing else is written in the meantime. */
  whileWriting(writing: Promise<boolean>): void {
    this.#writing = writing.then((done) => {
      this.#writing = undefined;
      if (done && this.#checkpoint !== null) this.write();
    });
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }
}

/** Renews all leases of a process in a database, and checks for requests: two commands, however many leases there are. */
class Heartbeat {
  static readonly #all = new WeakMap<Db, Map<string, Heartbeat>>();

  static of(db: Db, owner: string, leaseMs: number): Heartbeat {
    const ofDatabase = this.#all.get(db) ?? new Map<string, Heartbeat>();
    this.#all.set(db, ofDatabase);
    const key = `${leaseMs} ${owner}`;
    const heartbeat = ofDatabase.get(key) ?? new Heartbeat(db, leaseMs, () => ofDatabase.delete(key));
    ofDatabase.set(key, heartbeat);
    return heartbeat;
  }

  readonly #leases = new Set<HeldLease>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly db: Db,
    private readonly leaseMs: number,
    private readonly onEmpty: () => void,
  ) {}

  add(lease: HeldLease): void {
    this.#leases.add(lease);
    this.#timer ??= setInterval(() => this.#beatAll(), heartbeatMs(this.leaseMs));
  }

  remove(lease: HeldLease): void {
    if (!this.#leases.delete(lease) || this.#leases.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.onEmpty();
  }

  #beatAll(): void {
    const leases = [...this.#leases].filter(({ isWriting }) => !isWriting);
    if (leases.length === 0) return;
    const beating = this.beat(leases);
    for (const lease of leases) lease.whileWriting(beating);
  }

  /** @returns false if the database was out of reach */
  async beat(leases: readonly HeldLease[]): Promise<boolean> {
    const now = Date.now();
    const changes = new Map<HeldLease, Change>();
    for (const lease of leases) {
      const change = lease.take(now);
      if (change !== undefined) changes.set(lease, change);
    }
    const controls = followerControls(this.db);
    try {
      const writes = Array.from(changes, ([{ mine }, { leaseUntil, checkpoint, also }]) => ({
        updateOne: { filter: mine, update: { $set: { leaseUntil, ...(checkpoint === null ? {} : { checkpoint }), ...also } } },
      }));
      if (writes.length > 0) await noteSlowness(this.db, controls.bulkWrite(writes, { ordered: false }));
      const found = await controls
        .find({ _id: { $in: leases.map(({ name }) => name) } }, { projection: { owner: 1, generation: 1, handover: 1 } })
        .toArray();
      const byName = new Map(found.map((control) => [control._id, control]));
      for (const lease of leases) lease.look(byName.get(lease.name), changes.get(lease)?.leaseUntil);
      return true;
    } catch {
      for (const [lease, change] of changes) lease.takeBack(change);
      return false;
    }
  }
}
