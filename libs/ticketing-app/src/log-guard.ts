import { OtherLog } from '#eventsourcing';
import { followersOfOtherLog } from '#mongo';
import { databaseAnswer, type Stores } from './read-models.js';

export { followersOfOtherLog };

/** How often it is looked up whether the log is the one that the views were made from, in milliseconds; only while somebody asks. */
const LOOK_EVERY_MS = 5_000;

const looks = new WeakMap<object, { readonly at: number; readonly others: Promise<readonly string[]> }>();

/**
 * Keeps queries from answering with what another log said: an older one that was restored, say.
 * @throws OtherLog, StoreUnavailable
 */
export async function unlessOfOtherLog({ store, models }: Stores): Promise<void> {
  let look = looks.get(models);
  if (look === undefined || performance.now() - look.at > LOOK_EVERY_MS) {
    look = { at: performance.now(), others: databaseAnswer(followersOfOtherLog(models.db, store)) };
    looks.set(models, look);
    // What went wrong is no answer: it is looked up again.
    look.others.catch(() => looks.delete(models));
  }
  const [other] = await look.others;
  if (other !== undefined) throw new OtherLog(other);
}
