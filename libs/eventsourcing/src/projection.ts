import type { Foldable } from './aggregate.js';
import type { EventMap, RecordedEvent } from './event.js';

/** A read model's document before the projector adds `_id`, `position` and `revision`. */
export type Document = object;

/**
 * A read model: how the events of some streams become documents. Pure: `fold(all) = fold(fold(prefix), rest)`.
 * The projector adds to each document `_id`, `position` (of the last event that it has seen, for the guard of its writes)
 * and `revision` (of that event's stream), and moves both on for every event with the document's key, also where `apply` changes nothing:
 * a reader can therefore ask for a document that is at least at a revision.
 */
export interface Projection<Doc extends Document, Events extends EventMap> {
  /** Name of the MongoDB collection: what reporting jobs read. */
  readonly name: string;
  /** Raised when documents change shape or meaning: the view is then built anew beside the old one. */
  readonly version: number;
  /** Prefix of the streams that it reads, such as `ticket-`. */
  readonly streamPrefix: string;
  /** Whose events they are, to bring older ones up to date. */
  readonly aggregate: Foldable;
  /** Which document an event goes to. */
  key(event: RecordedEvent<Events>): string;
  /**
   * The document after an event, without the fields that the projector adds. The doc is null where there is none yet; null as the
   * answer leaves it out until another event begins it.
   */
  apply(doc: Doc | null, event: RecordedEvent<Events>): Doc | null;
  /** Indexes that its queries rely on: MongoDB key patterns. */
  readonly indexes: readonly { readonly key: Readonly<Record<string, 1 | -1>>; readonly unique?: boolean }[];
  /** JSON Schema of its documents, published to reporting jobs. */
  readonly schema?: object;
}
