import { DateTime, Doc, Double, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';
import type { Source } from '../execution/source.js';
import { afterPrefix, indexPrefix, readyIndexes, statisticsOf, type KeyRange, type Reader } from '../storage/store.js';
import { now } from './call.js';
import { Fields } from './fields.js';
import { collectionOf, indexSpecs, listedIndexes, noView } from './namespaces.js';

/** Whose statistics are requested, and where they are served. */
type Asked = { readonly reader: Reader; readonly database: string; readonly host: string };

/** How many nested views can be read. */
export const MOST_VIEWS = 19;

export const numberValue = (value: number): Value =>
  Number.isInteger(value) && Math.abs(value) <= 0x7fffffff ? value : Number.isInteger(value) ? BigInt(value) : new Double(value);

export const rangeOf = (prefix: Buffer): KeyRange => ({ start: prefix, end: afterPrefix(prefix) });

/** Average size of an index entry: an estimate, since counting entries is cheap but measuring them is not. */
export const ENTRY_BYTES = 64;

/** The divisor for a collection's sizes: 32 bits, as on the server. */
export const scaleOf = (fields: Fields): number => {
  const scale = fields.count('scale') ?? 1;
  if (scale < 1) throw new ServerError(51024, `BSON field 'scale' value must be >= 1, actual value '${scale}'`);
  return Math.min(scale, 0x7fffffff);
};

/** The counts of a collection that does not exist: zero. */
export const storageStatistics = (
  reader: Reader,
  database: string,
  name: string,
  scale: number,
): Readonly<Record<string, Value | undefined>> => {
  const collection = noView(collectionOf(reader, database, name));
  const { documents, bytes } = collection ? statisticsOf(reader, collection) : { documents: 0, bytes: 0 };
  const indexes = collection ? readyIndexes(collection) : [];
  const sizes = indexes.map((index) => Math.floor((reader.count(rangeOf(indexPrefix(index))) * ENTRY_BYTES) / scale));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return {
    size: numberValue(Math.floor(bytes / scale)),
    count: numberValue(documents),
    avgObjSize: documents ? numberValue(Math.floor(bytes / documents)) : undefined,
    storageSize: numberValue(Math.floor(bytes / scale)),
    nindexes: collection ? indexSpecs(collection).length : 0,
    capped: false,
    totalIndexSize: numberValue(total),
    totalSize: numberValue(Math.floor(bytes / scale) + total),
    indexSizes: Doc.from({
      _id_: collection ? 0 : undefined,
      ...Object.fromEntries(indexes.map((index, at) => [index.name, numberValue(sizes[at] as number)])),
    }),
    scaleFactor: scale,
  };
};

/** The result of `$collStats` for a collection: one document. */
export const collectionStatistics = function* ({ reader, database, host }: Asked, name: string, spec: Doc): Source {
  const fields = new Fields('$collStats', spec).only(['storageStats', 'count', 'latencyStats', 'queryExecStats']);
  for (const key of ['latencyStats', 'queryExecStats']) fields.refuse(key);
  const [storage, counted] = [fields.document('storageStats'), fields.document('count')];
  const scale = storage ? scaleOf(new Fields('$collStats.storageStats', storage).only(['scale'])) : 1;
  if ((storage ?? counted) && !collectionOf(reader, database, name))
    throw new ServerError(
      26,
      `Unable to retrieve ${storage ? 'storageStats' : 'count'} in $collStats stage :: caused by :: Collection [${database}.${name}] not found.`,
    );
  const stats = storageStatistics(reader, database, name, scale);
  yield Doc.from({
    ns: `${database}.${name}`,
    host,
    localTime: now(),
    storageStats: storage && Doc.from(stats),
    count: counted && stats['count'],
  });
};

/** The result of `$indexStats` for a collection; for a view without stages, that of its source. */
export const indexStatistics = function* (asked: Asked, name: string, depth = 0): Source {
  const { reader, host } = asked;
  const collection = collectionOf(reader, asked.database, name);
  if (!collection) return;
  if (collection.view) {
    if (depth >= MOST_VIEWS) throw new ServerError(165, 'View depth too deep or view cycle detected');
    if (collection.view.pipeline.length) throw new ServerError(40602, '$indexStats is only valid as the first stage in a pipeline');
    yield* indexStatistics(asked, collection.view.on, depth + 1);
    return;
  }
  for (const { spec, numbers } of listedIndexes(collection)) {
    const uses = numbers.map((number) => reader.uses(number));
    yield Doc.from({
      name: spec.get('name'),
      key: spec.get('key'),
      host,
      accesses: Doc.from({
        ops: BigInt(uses.reduce((sum, { ops }) => sum + ops, 0)),
        since: new DateTime(BigInt(Math.min(...uses.map(({ since }) => since)))),
      }),
      spec,
    });
  }
};
