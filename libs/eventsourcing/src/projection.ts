import { evolve, type EventsOf, type Foldable, type StateOf } from './aggregate.js';
import type { EventMap, RecordedEvent } from './event.js';

/** A read model's document before the projector adds `_id`, `position` and `revision`. */
export type Document = object;

interface Published {
  /** Name of the MongoDB collection: reporting jobs read it. */
  readonly name: string;
  /** Name of a MongoDB view of the collection, for readers who must not depend on the versioned name. */
  readonly alias?: string;
  /** Documents are derived with instants as text; they are stored, and published, as dates. */
  readonly dates?: true;
  /** Raised when documents change shape or meaning: the collection is then rebuilt beside the old one. */
  readonly version: number;
  /** Indexes for its queries: MongoDB key patterns. */
  readonly indexes: readonly { readonly key: Readonly<Record<string, 1 | -1>>; readonly unique?: boolean }[];
  /** JSON Schema (2020-12, without references) of its stored documents, published for reporting jobs. Made on demand. */
  readonly schema: () => object;
}

/** A state with the document derived from it. */
export interface Derived<State> {
  readonly state: State;
  readonly document: Document | null;
}

/** One document per aggregate, by the aggregate's id. */
export interface StateFace<State> extends Published {
  /**
   * The document derived from the folded state alone. Null: there is none.
   * @param before an earlier state with its document: parts derived from unchanged state can be reused
   */
  readonly document: (state: State, before?: Derived<State>) => Document | null;
}

/** One document per event. */
export interface EventFace<Events extends EventMap> extends Published {
  readonly key: (event: RecordedEvent<Events>) => string;
  readonly entry: (event: RecordedEvent<Events>) => Document;
}

/** A published collection that is derived from a group's fold, or from its events. */
export type Face<State, Events extends EventMap> = StateFace<State> | EventFace<Events>;

/**
 * Read models of one kind of aggregate. Each aggregate is folded once, and every face is derived from the folded state. Pure: `fold(all) =
 * fold(fold(prefix), rest)`, even if the state was stored as JSON in between.
 *
 * The projector adds `_id`, `position` and `revision` to each document: the place, in the log and in its stream, of the last event that
 * changed the document. The fold's own revision tells how far an aggregate has been projected.
 */
export interface ProjectionGroup<State, Events extends EventMap> {
  readonly name: string;
  /** Raised when the folded state changes shape or meaning: all faces are then rebuilt. */
  readonly version: number;
  /** Prefix of the streams that it reads, such as `ticket-`. */
  readonly streamPrefix: string;
  /** The aggregate of the events, for upcasting. */
  readonly aggregate: Foldable;
  readonly initial: State;
  readonly fold: (state: State, event: RecordedEvent<Events>) => State;
  readonly faces: readonly Face<State, Events>[];
}

/** Folds events as the aggregate's own commands do. */
export function foldOf<Folded extends Foldable>(aggregate: Folded): ProjectionGroup<StateOf<Folded>, EventsOf<Folded>>['fold'] {
  return (state, event) => evolve(aggregate, state, event, event.metadata);
}
