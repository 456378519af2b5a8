import type { Doc } from '../bson/values.js';
import type { Variables } from '../query/expressions/scope.js';
import type { Filter } from '../query/filter.js';
import type { SortSpace } from './sorting.js';
import type { Source } from './source.js';

/** Where a pipeline runs. */
export type PipelineContext = {
  readonly variables: Variables;
  /** The documents of another collection or view of the database that match; possibly more. */
  readonly from: (collection: string, filter: Filter) => Source;
  /** The result of a pipeline on another collection or view; uses its indexes as far as the pipeline begins with a query. */
  readonly run: (collection: string, pipeline: Pipeline, variables: Variables) => Source;
  /** Counts of another collection, for `$collStats`. */
  readonly statistics: (collection: string, spec: Doc) => Source;
  /** Statistics of another collection's indexes, for `$indexStats`. */
  readonly indexes: (collection: string) => Source;
  /** What its sorts may use. */
  readonly space: SortSpace;
};

export type Stage = (source: Source, context: PipelineContext) => Source;

/** What a stage returns in place of the documents of a collection. */
export type Opening = (context: PipelineContext, collection: string) => Source;

export type Pipeline = {
  /** What the leading stages request from the collection: a filter, then an order, then a limit. */
  readonly head: { readonly match: readonly Doc[]; readonly sort: Doc | undefined; readonly limit: number | undefined };
  /** Runs the stages after the head; on a source that has not done the head's work, `run` runs all of them. */
  readonly rest: (source: Source, context: PipelineContext) => Source;
  readonly run: (source: Source, context: PipelineContext) => Source;
  readonly names: readonly string[];
  /** What it reads if its first stage, which is then not run, supplies documents. */
  readonly opening: Opening | undefined;
  /** Whether the head is the whole pipeline. */
  readonly isHead: boolean;
};
