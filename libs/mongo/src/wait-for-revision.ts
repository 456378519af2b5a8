import type { Collection } from 'mongodb';
import type { Document } from '#eventsourcing';
import type { ViewDocument } from './view.js';

/**
 * A document that has seen at least this revision of its stream.
 * @param timeoutMs how long to wait for the projector, in milliseconds
 * @returns 'stale' when the view did not get there in time, or has no such document
 */
export async function waitForRevision<Doc extends Document>(
  collection: Collection<ViewDocument<Doc>>,
  id: string,
  revision: number,
  timeoutMs: number,
): Promise<ViewDocument<Doc> | 'stale'> {
  const until = Date.now() + timeoutMs;
  const documents = collection as unknown as Collection<ViewDocument>;
  for (let wait = 1; ; wait = Math.min(wait * 1.5, 50)) {
    const doc = (await documents.findOne({ _id: id })) as ViewDocument<Doc> | null;
    if (doc !== null && doc.revision >= revision) return doc;
    const left = until - Date.now();
    if (left <= 0) return 'stale';
    await new Promise((resolve) => setTimeout(resolve, Math.min(wait, left)));
  }
}
