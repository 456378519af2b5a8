import {
  MongoBulkWriteError,
  MongoClientBulkWriteError,
  type AnyBulkWriteOperation,
  type AnyClientBulkWriteModel,
  type Db,
  type MongoClient,
} from 'mongodb';
import type { Document } from '#eventsourcing';
import { isDuplicateKey } from './connect.js';
import type { CheckpointWrite } from './control.js';
import type { ViewDocument } from './documents.js';

/** A document to write, or to delete (null), unless the stored one includes as much. */
export interface DocumentWrite {
  readonly collection: string;
  readonly id: string;
  readonly position: number;
  readonly document: (Document & Pick<ViewDocument, 'position' | 'revision'>) | null;
  /** The projector knows of none yet. */
  readonly isNew: boolean;
}

/**
 * Writes a batch's documents: first faces, then folds, which tell readers that the faces are written; last the checkpoint, if all goes in
 * one command.
 * @returns whether the checkpoint was written
 */
export async function writeDocuments(
  db: Db,
  faces: readonly DocumentWrite[],
  folds: readonly DocumentWrite[],
  checkpoint?: CheckpointWrite,
): Promise<boolean> {
  if (faces.length + folds.length === 0) return false;
  if (await hasClientBulkWrite(db)) {
    try {
      const models = [...faces, ...folds].map((write) => clientModel(db, write));
      if (checkpoint !== undefined) models.push(sealed(db, checkpoint));
      await db.client.bulkWrite<Record<string, Stored>>(models, { ordered: true });
      return checkpoint !== undefined;
    } catch (error) {
      if (!(error instanceof MongoClientBulkWriteError)) throw error;
      const writeErrors = [...error.writeErrors.values()];
      // The command stops at a document that another process inserted: the guards decide, one by one.
      if (!writeErrors.every(isDuplicateId)) {
        // The driver's own message does not say what went wrong.
        error.message += ` (${writeErrors.map(({ message }) => message).join('; ')})`;
        throw error;
      }
    }
  }
  await inEachCollection(db, faces);
  await inEachCollection(db, folds);
  return false;
}

const supported = new WeakMap<MongoClient, Promise<boolean>>();

/** Whether the server accepts writes to several collections in one command: MongoDB 8 and later. */
function hasClientBulkWrite(db: Db): Promise<boolean> {
  let answer = supported.get(db.client);
  if (answer === undefined) {
    answer = db.command({ hello: 1 }).then(({ maxWireVersion }) => maxWireVersion >= WIRE_VERSION_OF_MONGODB_8);
    supported.set(db.client, answer);
    answer.catch(() => supported.delete(db.client));
  }
  return answer;
}

const WIRE_VERSION_OF_MONGODB_8 = 25;

/** Documents whose ids are names. */
type Stored = { readonly _id: string };

function clientModel(db: Db, { collection, id: _id, position, document, isNew }: DocumentWrite): AnyClientBulkWriteModel<Stored> {
  const namespace = `${db.databaseName}.${collection}`;
  const filter = { _id, position: { $lt: position } };
  if (document === null) return { name: 'deleteOne', namespace, filter };
  if (isNew) return { name: 'insertOne', namespace, document: { _id, ...document } };
  return { name: 'replaceOne', namespace, filter, replacement: { _id, ...document }, upsert: true };
}

function sealed(db: Db, { collection, filter, update }: CheckpointWrite): AnyClientBulkWriteModel<Stored> {
  return { name: 'updateOne', namespace: `${db.databaseName}.${collection}`, filter, update };
}

/** One command per collection, concurrently. */
async function inEachCollection(db: Db, writes: readonly DocumentWrite[]): Promise<void> {
  const byCollection = new Map<string, DocumentWrite[]>();
  for (const write of writes) {
    const known = byCollection.get(write.collection);
    if (known === undefined) byCollection.set(write.collection, [write]);
    else known.push(write);
  }
  await Promise.all(Array.from(byCollection, ([collection, all]) => inOneCollection(db, collection, all)));
}

async function inOneCollection(db: Db, name: string, writes: readonly DocumentWrite[]): Promise<void> {
  const collection = db.collection<ViewDocument>(name);
  try {
    await collection.bulkWrite(
      writes.map((write) => operation(write)),
      { ordered: false },
    );
  } catch (error) {
    const overtaken = overtakenWrites(error, writes);
    if (overtaken === undefined) throw error;
    // Another process inserted these documents between the read and the write, and may be behind or ahead: the guard decides.
    await collection.bulkWrite(
      overtaken.map((write) => operation(write, true)),
      { ordered: false },
    );
  }
}

function operation({ id: _id, position, document, isNew }: DocumentWrite, isThere = false): AnyBulkWriteOperation<ViewDocument> {
  const filter = { _id, position: { $lt: position } };
  if (document === null) return { deleteOne: { filter } };
  const replacement = { _id, ...document } as unknown as ViewDocument;
  return isNew && !isThere ? { insertOne: { document: replacement } } : { replaceOne: { filter, replacement, upsert: !isThere } };
}

/** The writes that met a document with the same id; undefined if anything else went wrong, such as another unique index. */
function overtakenWrites(error: unknown, writes: readonly DocumentWrite[]): DocumentWrite[] | undefined {
  if (!(error instanceof MongoBulkWriteError)) return undefined;
  const writeErrors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  if (writeErrors.length === 0 || error.result.getWriteConcernError() !== undefined) return undefined;
  const overtaken: DocumentWrite[] = [];
  for (const { code, index, errmsg } of writeErrors) {
    const write = writes[index];
    if (!isDuplicateId({ code: code as number, message: errmsg ?? '' }) || write === undefined) return undefined;
    overtaken.push(write);
  }
  return overtaken;
}

function isDuplicateId(error: { readonly code: number; readonly message: string }): boolean {
  return isDuplicateKey(error) && /index: _id_\b/.test(error.message);
}
