import { randomUUID } from 'node:crypto';
import type { Collection, Db } from 'mongodb';
import type { EventStore, Position, StoredEvent } from '#eventsourcing';
import { projectBatch } from './project-batch.js';
import { viewPosition } from './view-control.js';
import { positionNumber, prepareCollection, viewCollection, type AnyProjection, type ViewDocument } from './view.js';

/** One way in which a view differs from a fresh fold of the log. */
export interface Difference {
  readonly id: string;
  /** `missing`: the log makes this document, the view lacks it; `extra`: the other way round; `differs`: in the fields named. */
  readonly kind: 'missing' | 'extra' | 'differs';
  readonly fields?: readonly { readonly path: string; readonly expected: unknown; readonly found: unknown }[];
}

export interface Diagnosis {
  readonly view: string;
  /** Documents compared. */
  readonly compared: number;
  /** Documents that kept changing while being looked at, so that nothing can be said of them. */
  readonly moving: number;
  /** Events folded. */
  readonly events: number;
  /** Commit position of the view's checkpoint. */
  readonly position: number;
  /** How many matching events the log holds beyond the view's checkpoint: what a projector has still to do. */
  readonly behind: number;
  /** All differences found. */
  readonly different: number;
  /** The first of them, up to `limit`. */
  readonly differences: readonly Difference[];
}

export interface DiagnoseViewOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly projection: AnyProjection;
  readonly signal?: AbortSignal;
  /** How many differences to list (default 100). */
  readonly limit?: number;
  /** Told after each batch how many events were folded. */
  readonly onProgress?: (events: number) => void;
}

/** How often documents that changed meanwhile are looked at again. */
const ROUNDS = 5;

/**
 * Compares a view with a fresh fold of the log up to the same place. The fold is made in a collection of its own, so that memory stays
 * small, and both are read side by side in the order of their ids. Works while the view is being projected: documents that moved on
 * meanwhile are folded further and looked at again. Changes nothing.
 * @throws ProjectionFailed, StoreUnavailable, or the signal's reason
 */
export async function diagnoseView(options: DiagnoseViewOptions): Promise<Diagnosis> {
  const { db, projection } = options;
  const scratch = viewCollection(db, `${projection.name}__check_${randomUUID().slice(0, 8)}`);
  try {
    await prepareCollection(db, scratch.collectionName, { ...projection, indexes: [] });
    return await compare(options, viewCollection(db, projection.name), scratch);
  } finally {
    await scratch.drop();
  }
}

async function compare(
  options: DiagnoseViewOptions,
  view: Collection<ViewDocument>,
  scratch: Collection<ViewDocument>,
): Promise<Diagnosis> {
  const { db, projection, signal, limit = 100 } = options;
  const fold = new Fold(options, scratch);
  const checkpoint = () => viewPosition(db, projection.name);

  let position = await checkpoint();
  if (position !== undefined) await fold.upTo(position);
  let compared = 0;
  let open: string[] = [];
  const found = new Map<string, Difference>();
  let different = 0;
  const judge = (id: string, expected: ViewDocument | undefined, actual: ViewDocument | undefined, projectedTo: number): void => {
    const verdict = judgement(id, expected, actual, fold.reached, projectedTo);
    if (verdict === 'moving') return void open.push(id);
    compared++;
    if (verdict === undefined) return;
    different++;
    if (found.size < limit) found.set(id, verdict);
  };

  for await (const [id, expected, actual] of sideBySide(scratch, view)) {
    signal?.throwIfAborted();
    judge(id, expected, actual, fold.reached);
  }
  for (let round = 1; open.length > 0 && round <= ROUNDS; round++) {
    const again = open;
    open = [];
    for (let start = 0; start < again.length; start += 1_000) {
      const ids = again.slice(start, start + 1_000);
      const now = new Map((await view.find({ _id: { $in: ids } }).toArray()).map((doc) => [doc._id, doc]));
      // The view may be written further than its checkpoint says: go as far as its documents have gone.
      const furthest = [...now.values()].reduce((most, doc) => Math.max(most, doc.position), -1);
      position = (await checkpoint()) ?? position;
      await fold.upTo({ commit: max(position?.commit ?? -1n, BigInt(furthest)), prepare: 0n });
      const fresh = new Map((await scratch.find({ _id: { $in: ids } }).toArray()).map((doc) => [doc._id, doc]));
      for (const id of ids) judge(id, fresh.get(id), now.get(id), position === undefined ? -1 : positionNumber(position));
    }
  }
  const end = position === undefined ? -1 : positionNumber(position);
  return {
    view: projection.name,
    compared,
    moving: open.length,
    events: fold.events,
    position: end,
    behind: await fold.countBeyond(end),
    different,
    differences: [...found.values()],
  };
}

/** What is wrong with a document, when the log is folded up to one place and projected up to another; 'moving' when that cannot be told yet. */
function judgement(
  id: string,
  expected: ViewDocument | undefined,
  actual: ViewDocument | undefined,
  foldedTo: number,
  projectedTo: number,
): Difference | 'moving' | undefined {
  if (actual !== undefined && (expected === undefined || actual.position > expected.position)) {
    return actual.position > foldedTo
      ? 'moving'
      : { id, kind: expected === undefined ? 'extra' : 'differs', ...(expected && { fields: differingFields(expected, actual) }) };
  }
  if (expected === undefined) return undefined;
  if (actual === undefined || actual.position < expected.position) {
    if (expected.position > projectedTo) return 'moving';
    return actual === undefined ? { id, kind: 'missing' } : { id, kind: 'differs', fields: differingFields(expected, actual) };
  }
  const fields = differingFields(expected, actual);
  return fields.length === 0 ? undefined : { id, kind: 'differs', fields };
}

/** A fold of the log into the scratch collection that can be taken further. */
class Fold {
  events = 0;
  #position: Position | undefined;

  constructor(
    private readonly options: DiagnoseViewOptions,
    private readonly scratch: Collection<ViewDocument>,
  ) {}

  /** Commit position up to which everything is folded. */
  get reached(): number {
    return this.#position === undefined ? -1 : positionNumber(this.#position);
  }

  async upTo(end: Position): Promise<void> {
    const { store, projection, signal, onProgress } = this.options;
    if (this.#position !== undefined && this.#position.commit >= end.commit) return;
    let batch: StoredEvent[] = [];
    const flush = async () => {
      const { failure } = await projectBatch(this.scratch, projection, batch);
      if (failure !== undefined) throw failure;
      this.events += batch.length;
      this.#position = batch.at(-1)?.position ?? this.#position;
      batch = [];
      onProgress?.(this.events);
    };
    for await (const event of store.readAll({ streamPrefixes: [projection.streamPrefix] }, this.#position)) {
      signal?.throwIfAborted();
      if (event.position.commit > end.commit) break;
      if (batch.push(event) === 1_000) await flush();
    }
    await flush();
  }

  /** How many matching events the log holds after a commit position. */
  async countBeyond(position: number): Promise<number> {
    const { store, projection, signal } = this.options;
    let count = 0;
    for await (const event of store.readAll({ streamPrefixes: [projection.streamPrefix] }, this.#position)) {
      signal?.throwIfAborted();
      if (event.position.commit > BigInt(position)) count++;
    }
    return count;
  }
}

/** Two collections merged by id, in the server's order of strings (bytes of UTF-8). */
async function* sideBySide(
  left: Collection<ViewDocument>,
  right: Collection<ViewDocument>,
): AsyncGenerator<[id: string, left: ViewDocument | undefined, right: ViewDocument | undefined]> {
  const cursors = [left, right].map((collection) => collection.find({}).sort({ _id: 1 }));
  const [a, b] = cursors as [(typeof cursors)[number], (typeof cursors)[number]];
  try {
    let [l, r] = [await a.next(), await b.next()];
    while (l !== null || r !== null) {
      const order = l === null ? 1 : r === null ? -1 : Buffer.compare(Buffer.from(l._id), Buffer.from(r._id));
      const id = (order <= 0 ? l : r)?._id ?? '';
      yield [id, order <= 0 ? (l ?? undefined) : undefined, order >= 0 ? (r ?? undefined) : undefined];
      if (order <= 0) l = await a.next();
      if (order >= 0) r = await b.next();
    }
  } finally {
    await Promise.all(cursors.map((cursor) => cursor.close()));
  }
}

/** The fields in which two values differ, by path, such as `handoff.missing.0`. Absent and undefined are the same. */
export function differingFields(expected: unknown, found: unknown, path = ''): { path: string; expected: unknown; found: unknown }[] {
  if (Object.is(expected, found)) return [];
  if (isContainer(expected) && isContainer(found) && Array.isArray(expected) === Array.isArray(found)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(found)]);
    return [...keys].flatMap((key) => differingFields(expected[key], found[key], path === '' ? key : `${path}.${key}`));
  }
  if (expected instanceof Date && found instanceof Date && expected.getTime() === found.getTime()) return [];
  return [{ path, expected, found }];
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
