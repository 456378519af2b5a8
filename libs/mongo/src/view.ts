import type { Collection, Db } from 'mongodb';
import type { Document, Position, Projection } from '#eventsourcing';

/** Any read model: the projector does not care what its documents and events are. */
// Handlers are contravariant in their events, so no narrower type admits every projection.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyProjection = Projection<any, any>;

/** A document as it is stored. */
export type ViewDocument<Doc extends Document = Record<string, unknown>> = Doc & {
  readonly _id: string;
  /** Commit position of the last event that it has seen. */
  readonly position: number;
  /** Revision of that event in its stream. */
  readonly revision: number;
};

/** Where projectors report. pino's loggers fit. */
export interface ViewLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The place in the log as documents carry it. @throws RangeError beyond 2^53 − 1, which a number cannot hold exactly */
export function positionNumber({ commit }: Position): number {
  if (commit > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`position ${commit} is beyond what documents can hold (2^53 - 1)`);
  return Number(commit);
}

/** The view's collection, or the one that is being built to take its place. */
export function viewCollection(db: Db, name: string): Collection<ViewDocument> {
  return db.collection<ViewDocument>(name);
}

/** Creates the collection with the indexes that its queries rely on. What is there already stays. */
export async function prepareCollection(db: Db, name: string, projection: AnyProjection): Promise<void> {
  if (projection.indexes.length === 0) {
    // So that a view without events can be read, and renamed, too.
    if ((await db.listCollections({ name }, { nameOnly: true }).toArray()).length === 0) {
      await db.createCollection(name).catch((error: { code?: number }) => {
        if (error.code !== NAMESPACE_EXISTS) throw error;
      });
    }
    return;
  }
  await db
    .collection(name)
    .createIndexes(projection.indexes.map(({ key, unique }) => ({ key: { ...key }, ...(unique ? { unique } : {}) })));
}

const NAMESPACE_EXISTS = 48;
