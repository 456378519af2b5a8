import type { EventMap, RecordedEvent } from './event.js';
import type { Upcasters } from './upcasting.js';

/** A read model's document before the projector adds `_id`, `position` and `revision`. */
export type Document = object;

/**
 * A read model: how the events of some streams become documents. Pure: `fold(all) = fold(fold(prefix), rest)`.
 * The projector adds to each document `_id`, `position` (of the last event that it has seen, for the guard of its writes)
 * and `revision` (of that event's stream), and moves both on for every event with the document's key, also for those without a handler.
 */
export interface Projection<Doc extends Document, Events extends EventMap> {
  /** Name of the MongoDB collection: what reporting jobs read. */
  readonly name: string;
  /** Raised when documents change shape or meaning: the view is then built anew beside the old one. */
  readonly version: number;
  /** Prefix of the streams that it reads, such as `ticket-`. */
  readonly streamPrefix: string;
  readonly upcasters: Upcasters;
  /** Which document an event goes to. */
  readonly key: (event: RecordedEvent<Events>) => string;
  /** How each event changes the document; null where there is none yet, undefined to leave it out until another event begins it. */
  readonly when: { readonly [Type in keyof Events]?: (doc: Doc | null, event: Extract<RecordedEvent<Events>, { type: Type }>) => Doc | null };
  /** Indexes that its queries rely on: MongoDB key patterns. */
  readonly indexes: readonly { readonly key: Readonly<Record<string, 1 | -1>>; readonly unique?: boolean }[];
  /** JSON Schema of its documents, published to reporting jobs. */
  readonly schema?: object;
}

/** The document after an event: unchanged where the projection has no handler for it. */
export function project<Doc extends Document, Events extends EventMap>(projection: Projection<Doc, Events>, doc: Doc | null, event: RecordedEvent<Events>): Doc | null {
  const handlers = projection.when as Readonly<Record<string, ((doc: Doc | null, event: RecordedEvent<Events>) => Doc | null) | undefined>>;
  const handler = Object.hasOwn(handlers, event.type) ? handlers[event.type] : undefined;
  return handler === undefined ? doc : handler(doc, event);
}
