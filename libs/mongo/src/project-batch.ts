import { MongoBulkWriteError, type AnyBulkWriteOperation, type Collection } from 'mongodb';
import { upcast, type Document, type RecordedEvent, type StoredEvent } from '#eventsourcing';
import { positionNumber, type AnyProjection, type ViewDocument } from './view.js';

/** A projection could not digest an event: a mistake in its handler, or in the event's data. */
export class ProjectionFailed extends Error {
  override readonly name = 'ProjectionFailed';
  constructor(
    readonly view: string,
    readonly event: Pick<StoredEvent, 'stream' | 'revision' | 'type' | 'id'>,
    cause: unknown,
  ) {
    super(
      `${view} failed at ${event.type} (${event.stream} revision ${event.revision}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** What became of a batch of events. */
export interface Projected {
  /** How many events are done with: all of them, or those before the one that failed. */
  readonly count: number;
  readonly failure?: ProjectionFailed;
}

interface Entry {
  doc: Document | null;
  position: number;
  revision: number;
  readonly wasStored: boolean;
  changed: boolean;
}

/**
 * Brings a collection's documents up to date with a batch of events, in log order. Each document is read once, folded in memory and written
 * once, guarded by its position: an event that a document has seen changes nothing, and a write that comes too late is ignored. Doing a
 * batch again, or two of them at once, therefore does no harm.
 * When a handler fails, the events before it are written, and the failure is returned.
 */
export async function projectBatch(
  collection: Collection<ViewDocument>,
  projection: AnyProjection,
  events: readonly StoredEvent[],
): Promise<Projected> {
  if (events.length === 0) return { count: 0 };
  const { routed, failure } = route(projection, events);
  const entries = await load(collection, [...new Set(routed.map(({ key }) => key))]);
  const folded = fold(projection, entries, routed);
  await write(collection, entries);
  const failed = folded.failure ?? failure;
  return failed === undefined ? { count: folded.count } : { count: folded.count, failure: failed };
}

interface Routed {
  readonly key: string;
  readonly event: RecordedEvent<Record<string, unknown>>;
}

/** Present shape and document key of each event, up to the first that has none. */
function route(projection: AnyProjection, events: readonly StoredEvent[]): { routed: Routed[]; failure?: ProjectionFailed } {
  const routed: Routed[] = [];
  for (const stored of events) {
    try {
      const event = upcast(projection.aggregate, stored);
      const key: unknown = projection.key(event);
      if (typeof key !== 'string') throw new TypeError('its key is not a string');
      routed.push({ key, event });
    } catch (error) {
      return { routed, failure: new ProjectionFailed(projection.name, stored, error) };
    }
  }
  return { routed };
}

async function load(collection: Collection<ViewDocument>, keys: readonly string[]): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  if (keys.length === 0) return entries;
  for await (const stored of collection.find({ _id: { $in: [...keys] } }, { batchSize: keys.length + 1 })) {
    entries.set(stored._id, { doc: stored, position: stored.position, revision: stored.revision, wasStored: true, changed: false });
  }
  return entries;
}

function fold(projection: AnyProjection, entries: Map<string, Entry>, routed: readonly Routed[]): Projected {
  let count = 0;
  for (const { key, event } of routed) {
    try {
      const position = positionNumber(event.position);
      let entry = entries.get(key);
      if (entry === undefined) entries.set(key, (entry = { doc: null, position: -1, revision: -1, wasStored: false, changed: false }));
      if (position > entry.position) {
        entry.doc = (projection.apply(entry.doc, event) as Document | null | undefined) ?? null;
        entry.position = position;
        entry.revision = event.revision;
        entry.changed = true;
      }
      count++;
    } catch (error) {
      return { count, failure: new ProjectionFailed(projection.name, event, error) };
    }
  }
  return { count };
}

async function write(collection: Collection<ViewDocument>, entries: ReadonlyMap<string, Entry>): Promise<void> {
  const operations: AnyBulkWriteOperation<ViewDocument>[] = [];
  for (const [_id, { doc, position, revision, wasStored, changed }] of entries) {
    if (!changed) continue;
    const filter = { _id, position: { $lt: position } };
    if (doc !== null) operations.push({ replaceOne: { filter, replacement: { _id, ...doc, position, revision }, upsert: true } });
    else if (wasStored) operations.push({ deleteOne: { filter } });
  }
  if (operations.length === 0) return;
  try {
    await collection.bulkWrite(operations, { ordered: false });
  } catch (error) {
    const overtaken = overtakenWrites(error, operations);
    if (overtaken === undefined) throw error;
    // Somebody else inserted these documents between our look and our write, and may be behind us or ahead of us: the guard decides.
    await collection.bulkWrite(
      overtaken.map(({ filter, replacement }) => ({ replaceOne: { filter, replacement } })),
      { ordered: false },
    );
  }
}

type Replacement = Extract<AnyBulkWriteOperation<ViewDocument>, { replaceOne: unknown }>['replaceOne'];

/** The upserts that met a document of the same id; undefined when anything else went wrong, such as another unique index. */
function overtakenWrites(error: unknown, operations: readonly AnyBulkWriteOperation<ViewDocument>[]): Replacement[] | undefined {
  if (!(error instanceof MongoBulkWriteError)) return undefined;
  const writeErrors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) return undefined;
  const overtaken: Replacement[] = [];
  for (const { code, index, errmsg } of writeErrors) {
    const operation = operations[index];
    if (code !== DUPLICATE_KEY || !/index: _id_\b/.test(errmsg ?? '') || operation === undefined || !('replaceOne' in operation))
      return undefined;
    overtaken.push(operation.replaceOne);
  }
  return overtaken;
}

const DUPLICATE_KEY = 11000;
