import { OtherLog } from '#eventsourcing';
import { followersOfOtherLog } from '#mongo';
import { databaseAnswer, type Stores } from './read-models.js';

export { followersOfOtherLog };

/** How often to check that the views were made from this log, in milliseconds; only while there are queries. */
const LOOK_EVERY_MS = 5_000;

const looks = new WeakMap<object, { readonly at: number; readonly others: Promise<readonly string[]> }>();

/**
 * Keeps queries from answering with data of another log, such as an older one that was restored.
 * @throws OtherLog, StoreUnavailable
 */
export async function unlessOfOtherLog({ store, models }: Stores): Promise<void> {
  let look = looks.get(models);
  if (look === undefined || performance.now() - look.at > LOOK_EVERY_MS) {
    look = { at: performance.now(), others: databaseAnswer(followersOfOtherLog(models.db, store)) };
    looks.set(models, look);
    // A failure is not cached: the next query checks again.
    look.others.catch(() => looks.delete(models));
  }
  const [other] = await look.others;
  if (other !== undefined) throw new OtherLog(other);
}
