import { Doc } from '../bson/values.js';
import { isOverdue } from '../query/budget.js';

/** What a source gives between documents, so that whoever drives it can let others have the thread. */
export const PAUSE = Symbol('pause');

export type Source = Generator<Doc | typeof PAUSE, void, undefined>;

/** Documents that are at hand as a source. */
export const paced = function* (docs: Iterable<Doc>): Source {
  let given = 0;
  for (const doc of docs) {
    yield doc;
    if (++given % 64 === 0 || isOverdue()) yield PAUSE;
  }
};
