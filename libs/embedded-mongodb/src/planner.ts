import { keyOf } from './bson-order.js';
import { Doc, Regex } from './bson-values.js';
import { afterPrefix, recordKey, recordPrefix, type Collection, type Reader } from './store.js';
import type { Filter } from './filter.js';

/** What a source gives between documents, so that whoever drives it can let others have the thread. */
export const PAUSE = Symbol('pause');
export type Source = Generator<Doc | typeof PAUSE, void, undefined>;

/** How much a plan has looked at. */
export type Counters = { keys: number; documents: number };

const PAUSE_EVERY = 128;

/** The keys of the _ids that a filter allows, or undefined where it does not name them. */
const idsOf = (filter: Filter): readonly Buffer[] | undefined => {
  if (filter.op === 'and') {
    for (const part of filter.of) {
      const ids = idsOf(part);
      if (ids) return ids;
    }
    return undefined;
  }
  if (filter.op === 'compare' && filter.relation === 'eq' && filter.path === '_id') return [keyOf(filter.operand)];
  if (filter.op === 'in' && filter.path === '_id' && !filter.operands.some((operand) => operand instanceof Regex)) {
    const keys = filter.operands.map(keyOf).sort((a, b) => Buffer.compare(a, b));
    return keys.filter((key, index) => index === 0 || !key.equals(keys[index - 1] as Buffer));
  }
  return undefined;
};

/** The documents that may match a filter; whoever asks still tests them. */
export function* candidates(reader: Reader, collection: Collection, filter: Filter, counters: Counters = { keys: 0, documents: 0 }): Source {
  const ids = idsOf(filter);
  if (ids) {
    for (const id of ids) {
      counters.keys++;
      const bytes = reader.get(recordKey(collection, id));
      if (!bytes) continue;
      counters.documents++;
      yield Doc.read(bytes);
      if (counters.keys % PAUSE_EVERY === 0) yield PAUSE;
    }
    return;
  }
  const prefix = recordPrefix(collection);
  for (const { value } of reader.entries({ start: prefix, end: afterPrefix(prefix) })) {
    counters.documents++;
    yield Doc.read(value);
    if (counters.documents % PAUSE_EVERY === 0) yield PAUSE;
  }
}
