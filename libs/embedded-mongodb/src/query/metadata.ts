import { show, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';

/** Values of `$meta` that only documents of some pipelines have, and none on this node: missing. */
const NOWHERE = new Set([
  'randVal',
  'indexKey',
  'score',
  'scoreDetails',
  'searchHighlights',
  'searchScore',
  'searchScoreDetails',
  'searchSequenceToken',
  'vectorSearchScore',
]);
/** Values that documents on a server have sometimes or always. */
const NEEDED = new Set([
  'textScore',
  'geoNearDistance',
  'geoNearPoint',
  'recordId',
  'sortKey',
  'timeseriesBucketMinTime',
  'timeseriesBucketMaxTime',
]);

/** @throws ServerError 17307, 17308 for invalid values of `$meta`, 40218 for values that this node does not have */
export const checkMetaName = (name: Value): void => {
  if (typeof name !== 'string') throw new ServerError(17307, `$meta only supports string arguments`);
  if (NOWHERE.has(name)) return;
  if (!NEEDED.has(name)) throw new ServerError(17308, `Unsupported argument to $meta: ${show(name)}`);
  throw new ServerError(40218, `query requires ${name} metadata, but it is not available`);
};
