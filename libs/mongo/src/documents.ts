import type { Collection, CreateCollectionOptions, Db } from 'mongodb';
import type { Document, Face, Position, ProjectionGroup } from '#eventsourcing';
import { mongoSchema } from './mongo-schema.js';

/** Any group of read models: the projector does not depend on its states and events. */
// Handlers are contravariant in their events, so no narrower type fits every group.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyGroup = ProjectionGroup<any, any>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyFace = Face<any, any>;

/** A document as it is stored. */
export type ViewDocument<Doc extends Document = Record<string, unknown>> = Doc & {
  readonly _id: string;
  /** Commit position of the last event that changed it. */
  readonly position: number;
  /** Revision of that event in its stream. */
  readonly revision: number;
};

/** An aggregate's folded state as stored: private, read by projectors and to find out how far an aggregate has been projected. */
export interface FoldDocument {
  readonly _id: string;
  /** Commit position of the last event that was folded. */
  readonly position: number;
  /** Revision of that event in its stream. */
  readonly revision: number;
  /** For each face with a document, that document's position. */
  readonly faces: Readonly<Record<string, number>>;
  /** JSON. */
  readonly state: string;
}

/** Where projectors report. pino's loggers fit. */
export interface ViewLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A position in the form used by documents. @throws RangeError beyond 2^53 − 1, which a number cannot hold exactly */
export function positionNumber({ commit }: Position): number {
  if (commit > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`position ${commit} is beyond what documents can hold (2^53 - 1)`);
  return Number(commit);
}

export function viewCollection(db: Db, name: string): Collection<ViewDocument> {
  return db.collection<ViewDocument>(name);
}

/** Name of the collection that holds a group's folds. */
export function foldName({ name }: Pick<AnyGroup, 'name'>): string {
  return `${name}__fold`;
}

/** Name under which a collection is rebuilt. */
export function nextName(collection: string): string {
  return `${collection}__next`;
}

/** Whether any document is derived from the folded state, which must then be stored. */
export function keepsFold({ faces }: Pick<AnyGroup, 'faces'>): boolean {
  return faces.some((face) => 'document' in face);
}

/** Names of the collections that a group needs for these faces. */
export function collectionsOf(group: AnyGroup, faces: readonly AnyFace[] = group.faces): readonly string[] {
  return [...faces.map(({ name }) => name), ...(keepsFold(group) ? [foldName(group)] : [])];
}

/** Creates missing collections and indexes. */
export async function prepareCollections(
  db: Db,
  group: AnyGroup,
  faces: readonly AnyFace[] = group.faces,
  nameOf: (collection: string) => string = (collection) => collection,
): Promise<void> {
  const names = collectionsOf(group, faces).map(nameOf);
  const known = new Set((await db.listCollections({ name: { $in: names } }, { nameOnly: true }).toArray()).map(({ name }) => name));
  for (const name of names) {
    // So that a view without events can also be read, and renamed.
    if (known.has(name)) continue;
    // Published for readers but not enforced: documents are derived from the log, and a check would cost time at every write.
    const face = faces.find((one) => nameOf(one.name) === name);
    const published = face && { validator: { $jsonSchema: mongoSchema(face.schema(), face.dates) }, validationLevel: 'off' };
    await createUnlessThere(db, name, published);
  }
  for (const { name, alias, indexes } of faces) {
    // Only for the live collections: nobody looks for it beside them.
    if (alias !== undefined && nameOf(name) === name) await createUnlessThere(db, alias, { viewOn: name, pipeline: [] });
    if (indexes.length === 0) continue;
    await db.collection(nameOf(name)).createIndexes(indexes.map(({ key, unique }) => ({ key: { ...key }, ...(unique ? { unique } : {}) })));
  }
}

async function createUnlessThere(db: Db, name: string, options: CreateCollectionOptions | undefined): Promise<void> {
  await db.createCollection(name, options).catch((error: { code?: number }) => {
    if (error.code !== NAMESPACE_EXISTS) throw error;
  });
}

const NAMESPACE_EXISTS = 48;
