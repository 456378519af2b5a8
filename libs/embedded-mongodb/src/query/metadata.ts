import { show, type Value } from '../bson/values.js';
import { ServerError } from '../errors.js';

/** What `$meta` asks for that belongs to a document of some pipelines only, and of none on this node: nothing is found. */
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
/** What a server has of documents at times, or always. */
const NEEDED = new Set([
  'textScore',
  'geoNearDistance',
  'geoNearPoint',
  'recordId',
  'sortKey',
  'timeseriesBucketMinTime',
  'timeseriesBucketMaxTime',
]);

/** @throws ServerError 17307, 17308 for what `$meta` cannot ask for, 40218 for what would have to be there */
export const checkMetaName = (name: Value): void => {
  if (typeof name !== 'string') throw new ServerError(17307, `$meta only supports string arguments`);
  if (NOWHERE.has(name)) return;
  if (!NEEDED.has(name)) throw new ServerError(17308, `Unsupported argument to $meta: ${show(name)}`);
  throw new ServerError(40218, `query requires ${name} metadata, but it is not available`);
};
