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
  /** What a pipeline makes of another collection or view, by its indexes as far as the pipeline begins with a query. */
  readonly run: (collection: string, pipeline: Pipeline, variables: Variables) => Source;
  /** What is counted of another collection, for `$collStats`. */
  readonly statistics: (collection: string, spec: Doc) => Source;
  /** What is known of the indexes of another collection, for `$indexStats`. */
  readonly indexes: (collection: string) => Source;
  /** What its sorts may use. */
  readonly space: SortSpace;
};

export type Stage = (source: Source, context: PipelineContext) => Source;

/** What a stage gives that stands for the documents of a collection. */
export type Opening = (context: PipelineContext, collection: string) => Source;

export type Pipeline = {
  /** What the leading stages ask of the collection: a filter, then an order, then a number. */
  readonly head: { readonly match: readonly Doc[]; readonly sort: Doc | undefined; readonly limit: number | undefined };
  /** Runs the stages after the head; on a source that has not done the head's work, `run` does all. */
  readonly rest: (source: Source, context: PipelineContext) => Source;
  readonly run: (source: Source, context: PipelineContext) => Source;
  readonly names: readonly string[];
  /** What it reads where its first stage, which is then none of those that run, gives documents of its own. */
  readonly opening: Opening | undefined;
  /** Whether the head is all of it. */
  readonly isHead: boolean;
};
