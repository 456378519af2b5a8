import type { Doc } from '../bson/values.js';
import type { Variables } from '../query/expressions/scope.js';
import type { Filter } from '../query/filter.js';
import type { SortSpace } from './sorting.js';
import type { Source } from './source.js';

/** Where a pipeline runs. */
export type PipelineContext = {
  readonly variables: Variables;
  /** The documents of another collection or view of the database that match; candidates may be more. */
  readonly from: (collection: string, filter: Filter) => Source;
  /** What is counted of another collection, for `$collStats`. */
  readonly statistics: (collection: string, spec: Doc) => Source;
  /** What is known of the indexes of another collection, for `$indexStats`. */
  readonly indexes: (collection: string) => Source;
  /** What its sorts may use. */
  readonly space: SortSpace;
};

export type Stage = (source: Source, context: PipelineContext) => Source;
