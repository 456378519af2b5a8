import { evolve, type EventsOf, type Foldable, type StateOf } from './aggregate.js';
import type { EventMap, RecordedEvent } from './event.js';

/** A read model's document before the projector adds `_id`, `position` and `revision`. */
export type Document = object;

interface Published {
  /** Name of the MongoDB collection: what reporting jobs read. */
  readonly name: string;
  /** Name of a MongoDB view that shows the collection, for readers whom its own name, which has a version, is not to concern. */
  readonly alias?: string;
  /** Documents are derived with instants as text; they are stored, and published, as dates. */
  readonly dates?: true;
  /** Raised when documents change shape or meaning: the collection is then built anew beside the old one. */
  readonly version: number;
  /** Indexes that its queries rely on: MongoDB key patterns. */
  readonly indexes: readonly { readonly key: Readonly<Record<string, 1 | -1>>; readonly unique?: boolean }[];
  /** JSON Schema (2020-12, without references) of its documents as they are stored: published to reporting jobs. Made when it is asked for. */
  readonly schema: () => object;
}

/** A state with the document that followed from it. */
export interface Derived<State> {
  readonly state: State;
  readonly document: Document | null;
}

/** One document an aggregate, by the aggregate's id. */
export interface StateFace<State> extends Published {
  /**
   * The document that follows from the folded state, and from nothing else. Null: there is none.
   * @param before an earlier state with its document: what it shares with the state need not be derived again
   */
  readonly document: (state: State, before?: Derived<State>) => Document | null;
}

/** One document an event. */
export interface EventFace<Events extends EventMap> extends Published {
  readonly key: (event: RecordedEvent<Events>) => string;
  readonly entry: (event: RecordedEvent<Events>) => Document;
}

/** A published collection that is derived from a group's fold, or from its events. */
export type Face<State, Events extends EventMap> = StateFace<State> | EventFace<Events>;

/**
 * Read models of one kind of aggregate. Each aggregate is folded once, and every face follows from the folded state. Pure:
 * `fold(all) = fold(fold(prefix), rest)`, also when the state was stored as JSON in between.
 *
 * The projector adds to each document `_id`, `position` and `revision`: where in the log, and in its stream, the last event stands that
 * changed the document. How far an aggregate as a whole has been projected is the fold's own revision.
 */
export interface ProjectionGroup<State, Events extends EventMap> {
  readonly name: string;
  /** Raised when the folded state changes shape or meaning: all faces are then built anew. */
  readonly version: number;
  /** Prefix of the streams that it reads, such as `ticket-`. */
  readonly streamPrefix: string;
  /** Whose events they are, to bring older ones up to date. */
  readonly aggregate: Foldable;
  readonly initial: State;
  readonly fold: (state: State, event: RecordedEvent<Events>) => State;
  readonly faces: readonly Face<State, Events>[];
}

/** Folds events as the aggregate's own commands do. */
export function foldOf<Folded extends Foldable>(aggregate: Folded): ProjectionGroup<StateOf<Folded>, EventsOf<Folded>>['fold'] {
  return (state, event) => evolve(aggregate, state, event, event.metadata);
}
