import type { Db } from 'mongodb';
import type { Document } from '#eventsourcing';
import { pollUntilFound } from './view-signals.js';
import { foldName, viewCollection, type FoldDocument, type ViewDocument } from './documents.js';

/** A face, and the group with its fold; without a group, a face of events. */
export interface FaceName {
  readonly group?: { readonly name: string };
  readonly face: { readonly name: string };
}

type Folded = Pick<FoldDocument, '_id' | 'position' | 'revision' | 'faces'>;

/**
 * A face's document of an aggregate, once projected up to at least a revision of its stream. Its `position` and `revision` are those of the
 * last event included, even if it did not change the document.
 * @param timeoutMs how long to wait for the projector, in milliseconds
 * @returns 'stale' if the group did not get there in time, or has no such document
 */
export async function waitForRevision<Doc extends Document>(
  db: Db,
  { group, face }: FaceName,
  id: string,
  revision: number,
  timeoutMs: number,
): Promise<ViewDocument<Doc> | 'stale'> {
  const stored = () => viewCollection(db, face.name).findOne({ _id: id });
  const folded = async () => (await readFolded(db, group, [id])).get(id);
  // Both at once: usually the ticket is there, or was just written.
  const found = await pollUntilFound(db, group?.name ?? face.name, timeoutMs, async () => {
    const [doc, fold] = await Promise.all([stored(), folded()]);
    const seen = doc && asSeen(face, doc, fold);
    return seen !== null && seen.revision >= revision ? (seen as ViewDocument<Doc>) : undefined;
  });
  return found ?? 'stale';
}

/** The documents with `position` and `revision` of the last event that each includes, even if it did not change the document. */
export async function withLastSeen<Doc extends ViewDocument<Document>>(
  db: Db,
  { group, face }: FaceName,
  documents: readonly Doc[],
): Promise<readonly Doc[]> {
  if (documents.length === 0) return documents;
  const ids = documents.map(({ _id }) => _id);
  const folded = await readFolded(db, group, ids);
  return documents.map((document) => asSeen(face, document, folded.get(document._id)));
}

async function readFolded(db: Db, group: FaceName['group'], ids: readonly string[]): Promise<ReadonlyMap<string, Folded>> {
  if (group === undefined) return new Map();
  const folds = db
    .collection<FoldDocument>(foldName(group))
    .find({ _id: { $in: [...ids] } }, { projection: { position: 1, revision: 1, faces: 1 }, batchSize: ids.length + 1 });
  return new Map((await folds.toArray()).map((fold) => [fold._id, fold]));
}

/** A document that matches the fold includes every event of the fold. Any other was read before or after it. */
function asSeen<Doc extends ViewDocument<Document>>({ name }: FaceName['face'], document: Doc, folded: Folded | undefined): Doc {
  if (folded === undefined || folded.faces[name] !== document.position) return document;
  return { ...document, position: folded.position, revision: folded.revision };
}
