import { Doc } from '../bson/values.js';
import { INTERRUPTED, isOverdue, resumable } from '../query/budget.js';

/** What a source yields between documents, so that its consumer can yield to others. */
export const PAUSE = Symbol('pause');

export type Source = Generator<Doc | typeof PAUSE, void, undefined>;

/** Documents in memory as a source. */
export const paced = function* (docs: Iterable<Doc>): Source {
  let given = 0;
  for (const doc of docs) {
    yield doc;
    if (++given % 64 === 0 || isOverdue()) yield PAUSE;
  }
};

/** Work on a document that was interrupted, continued with pauses in which others run. */
export const inTurns = function* <Result>(work: () => Result): Generator<typeof PAUSE, Result, undefined> {
  const go = resumable(work);
  for (;;) {
    yield PAUSE;
    const result = go();
    if (result !== INTERRUPTED) return result;
  }
};
