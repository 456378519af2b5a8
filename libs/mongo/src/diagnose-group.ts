import { randomUUID } from 'node:crypto';
import type { Db } from 'mongodb';
import type { EventStore, Position, StoredEvent } from '#eventsourcing';
import { groupPosition } from './control.js';
import {
  collectionsOf,
  foldName,
  positionNumber,
  prepareCollections,
  viewCollection,
  type AnyFace,
  type AnyGroup,
  type ViewDocument,
} from './documents.js';
import { GroupDocuments } from './group-documents.js';

/** One way in which a collection differs from a fresh fold of the log. */
export interface Difference {
  readonly id: string;
  /** `missing`: the log gives this document, the view lacks it; `extra`: the reverse; `differs`: in the fields named. */
  readonly kind: 'missing' | 'extra' | 'differs';
  readonly fields?: readonly { readonly path: string; readonly expected: unknown; readonly found: unknown }[];
}

export interface Diagnosis {
  /** The collection: of a face, or of the fold. */
  readonly view: string;
  /** Documents compared. */
  readonly compared: number;
  /** Documents that kept changing during the check, so that nothing can be said about them. */
  readonly moving: number;
  /** Events folded. */
  readonly events: number;
  /** Commit position of the group's checkpoint. */
  readonly position: number;
  /** Number of matching events in the log after the group's checkpoint, still to be projected. */
  readonly behind: number;
  /** All differences found. */
  readonly different: number;
  /** The first of them, up to `limit`. */
  readonly differences: readonly Difference[];
}

export interface DiagnoseGroupOptions {
  readonly db: Db;
  readonly store: EventStore;
  readonly group: AnyGroup;
  /** The faces to check; default: all. */
  readonly faces?: readonly AnyFace[];
  readonly signal?: AbortSignal;
  /** How many differences to list (default 100). */
  readonly limit?: number;
  /** Called after each batch with the number of events folded. */
  readonly onProgress?: (events: number) => void;
}

/** How often documents that changed in the meantime are checked again. */
const ROUNDS = 5;

/**
 * Compares faces of a group, and the fold that they are derived from, with a fresh fold of the log up to the same place. The fold is stored
 * in its own collections, which keeps memory small, and both are read side by side in id order. Works while the group is being projected:
 * documents that moved on in the meantime are folded further and checked again. Changes nothing else.
 * @returns a diagnosis for each collection
 * @throws ProjectionFailed, StoreUnavailable, or the signal's reason
 */
export async function diagnoseGroup(options: DiagnoseGroupOptions): Promise<readonly Diagnosis[]> {
  const { db, group, faces = group.faces } = options;
  const suffix = `__check_${randomUUID().slice(0, 8)}`;
  const scratch = (collection: string) => `${collection}${suffix}`;
  const collections = collectionsOf(group, faces);
  try {
    const withoutIndexes = faces.map((face) => ({ ...face, indexes: [] }));
    await prepareCollections(db, group, withoutIndexes, scratch);
    const fold = new Fold(options, new GroupDocuments(db, options.store, group, { faces, nameOf: scratch }));
    const diagnoses: Diagnosis[] = [];
    for (const collection of collections) {
      // A fold is stored as text: it is parsed, so that the order of fields does not matter.
      const read = collection === foldName(group) ? readFold : undefined;
      diagnoses.push(await compare(options, fold, reader(db, collection, read), reader(db, scratch(collection), read)));
    }
    return diagnoses;
  } finally {
    for (const collection of collections) await db.collection(scratch(collection)).drop();
  }
}

interface Reader {
  readonly name: string;
  /** In the server's order of ids (UTF-8 bytes). */
  all(): AsyncIterator<ViewDocument>;
  some(ids: readonly string[]): Promise<ReadonlyMap<string, ViewDocument>>;
}

function reader(db: Db, name: string, read: (document: ViewDocument) => ViewDocument = (document) => document): Reader {
  const collection = viewCollection(db, name);
  return {
    name,
    all: async function* () {
      for await (const document of collection.find({}).sort({ _id: 1 })) yield read(document);
    },
    some: async (ids) => {
      const documents = await collection.find({ _id: { $in: [...ids] } }).toArray();
      return new Map(documents.map((document) => [document._id, read(document)]));
    },
  };
}

function readFold({ state, ...rest }: ViewDocument): ViewDocument {
  return { ...rest, state: JSON.parse(String(state)) as unknown };
}

async function compare(
  { db, group, signal, limit = 100 }: DiagnoseGroupOptions,
  fold: Fold,
  view: Reader,
  fresh: Reader,
): Promise<Diagnosis> {
  const checkpoint = () => groupPosition(db, group.name);

  let position = await checkpoint();
  if (position !== undefined) await fold.upTo(position);
  // Not as far as the fold, which an earlier collection may have taken further than this one is written.
  const projectedTo = () => (position === undefined ? -1 : positionNumber(position));
  let compared = 0;
  let open: string[] = [];
  const found = new Map<string, Difference>();
  let different = 0;
  const judge = (id: string, expected: ViewDocument | undefined, actual: ViewDocument | undefined): void => {
    const verdict = judgement(id, expected, actual, fold.reached, projectedTo());
    if (verdict === 'moving') return void open.push(id);
    compared++;
    if (verdict === undefined) return;
    different++;
    if (found.size < limit) found.set(id, verdict);
  };

  for await (const [id, expected, actual] of sideBySide(fresh, view)) {
    signal?.throwIfAborted();
    judge(id, expected, actual);
  }
  for (let round = 1; open.length > 0 && round <= ROUNDS; round++) {
    const again = open;
    open = [];
    for (let start = 0; start < again.length; start += 1_000) {
      const ids = again.slice(start, start + 1_000);
      // Before the documents are read: they are written at least as far as it says.
      position = (await checkpoint()) ?? position;
      const now = await view.some(ids);
      // The view may be ahead of its checkpoint: go as far as its documents do.
      const furthest = [...now.values()].reduce((most, doc) => Math.max(most, doc.position), -1);
      await fold.upTo({ commit: max(position?.commit ?? -1n, BigInt(furthest)), prepare: 0n });
      const expected = await fresh.some(ids);
      for (const id of ids) judge(id, expected.get(id), now.get(id));
    }
  }
  return {
    view: view.name,
    compared,
    moving: open.length,
    events: fold.events,
    position: projectedTo(),
    behind: await fold.countBeyond(projectedTo()),
    different,
    differences: [...found.values()],
  };
}

/**
 * What is wrong with a document, if the log is folded up to one place and projected up to another; 'moving' if this cannot be decided yet.
 */
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

/** A fold of the log into scratch collections that can be continued. */
class Fold {
  events = 0;
  #position: Position | undefined;

  constructor(
    private readonly options: DiagnoseGroupOptions,
    private readonly documents: GroupDocuments,
  ) {}

  /** Commit position up to which everything is folded. */
  get reached(): number {
    return this.#position === undefined ? -1 : positionNumber(this.#position);
  }

  async upTo(end: Position): Promise<void> {
    const { store, group, signal, onProgress } = this.options;
    if (this.#position !== undefined && this.#position.commit >= end.commit) return;
    let batch: StoredEvent[] = [];
    const flush = async () => {
      const { failure } = await this.documents.project(batch);
      if (failure !== undefined) throw failure;
      this.events += batch.length;
      this.#position = batch.at(-1)?.position ?? this.#position;
      batch = [];
      onProgress?.(this.events);
    };
    for await (const event of store.readAll({ streamPrefixes: [group.streamPrefix] }, this.#position)) {
      signal?.throwIfAborted();
      if (event.position.commit > end.commit) break;
      if (batch.push(event) === 1_000) await flush();
    }
    await flush();
  }

  /** Number of matching events in the log after a commit position. */
  async countBeyond(position: number): Promise<number> {
    const { store, group, signal } = this.options;
    let count = 0;
    for await (const event of store.readAll({ streamPrefixes: [group.streamPrefix] }, this.#position)) {
      signal?.throwIfAborted();
      if (event.position.commit > BigInt(position)) count++;
    }
    return count;
  }
}

/** Two collections merged by id. */
async function* sideBySide(
  left: Reader,
  right: Reader,
): AsyncGenerator<[id: string, left: ViewDocument | undefined, right: ViewDocument | undefined]> {
  const [a, b] = [left.all(), right.all()];
  const next = async (documents: AsyncIterator<ViewDocument>): Promise<ViewDocument | undefined> => {
    const { done, value } = await documents.next();
    return done ? undefined : (value as ViewDocument);
  };
  try {
    let [l, r] = [await next(a), await next(b)];
    while (l !== undefined || r !== undefined) {
      const order = l === undefined ? 1 : r === undefined ? -1 : Buffer.compare(Buffer.from(l._id), Buffer.from(r._id));
      const id = (order <= 0 ? l : r)?._id ?? '';
      yield [id, order <= 0 ? l : undefined, order >= 0 ? r : undefined];
      if (order <= 0) l = await next(a);
      if (order >= 0) r = await next(b);
    }
  } finally {
    await Promise.all([a.return?.(), b.return?.()]);
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
