import type { NewEvent, Position, StoredEvent } from './event.js';
import type { Instant } from './instant.js';

/** The revision that a stream must be at for an append: exactly this one, or that it does not exist. There is no "any". */
export type ExpectedRevision = number | 'no-stream';

/** Where the last appended event is. */
export interface Appended {
  readonly revision: number;
  /** Absent if the server recognised a repeat but no longer knows its position. */
  readonly position?: Position;
}

/** The stream was not at the expected revision. */
export class RevisionConflict extends Error {
  override readonly name = 'RevisionConflict';
  constructor(
    readonly stream: string,
    readonly expected: ExpectedRevision,
    readonly actual: number | 'no-stream' | 'unknown',
  ) {
    super(`${stream} is at ${actual}, not at ${expected}`);
  }
}

/** The store could not be reached or did not answer in time: the outcome of an append is unknown; repeating it is safe. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** A read model took longer to answer than a query may take. */
export class QueryTooLong extends Error {
  override readonly name = 'QueryTooLong';
}

/** This log is older than, or different from, the one that was followed: results from that one do not apply to it. */
export class OtherLog extends Error {
  override readonly name = 'OtherLog';
  /** @param who has followed the other log */
  constructor(who: string) {
    super(
      `${who} has followed another log than this one: its last event is not here. Check the URLs of both stores, or run \`npx tierline rebuild\``,
    );
  }
}

/** The stream was tombstoned: it can neither be read nor written again. */
export class StreamDeleted extends Error {
  override readonly name = 'StreamDeleted';
  constructor(readonly stream: string) {
    super(`${stream} was deleted for good`);
  }
}

/** Items of a subscription: events in log order; positions up to which nothing more matched; and the end of history. */
export type FeedItem =
  | { readonly kind: 'event'; readonly event: StoredEvent }
  | { readonly kind: 'checkpoint'; readonly position: Position }
  | { readonly kind: 'caught-up' };

/** Which events of the log a feed carries. Servers filter by stream or by type, not by both at the same time. */
export type FeedFilter = ({ readonly streamPrefixes: readonly string[] } | { readonly eventTypes: readonly string[] }) & {
  /** The only client whose personal data is decrypted; that of other clients stays encrypted, which costs nothing. Default: all clients. */
  readonly personalOf?: string;
};

/** The event store as the application sees it; also its dependency-injection token. */
export abstract class EventStore {
  /**
   * The events of a stream in order, from a revision (default 0). None if the stream does not exist.
   * @throws StoreUnavailable, StreamDeleted
   */
  abstract readStream(stream: string, fromRevision?: number): AsyncIterable<StoredEvent>;

  /**
   * Appends atomically and durably. Repeating an append with the same ids and expectation succeeds and writes nothing.
   * @throws RevisionConflict, StoreUnavailable, StreamDeleted
   */
  abstract append(stream: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<Appended>;

  /** Events as this store keeps them, with personal data encrypted. Their hashes are computed from this form. @throws StoreUnavailable */
  abstract seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]>;

  /**
   * All matching events after a position, or from the start, up to the current end of the log.
   * @throws StoreUnavailable
   */
  abstract readAll(filter: FeedFilter, after?: Position): AsyncIterable<StoredEvent>;

  /**
   * All matching events after a position, from the start, or from now on, including future ones. Resumes lost connections where they were,
   * with growing pauses; ends only when the signal aborts. Delivers every event exactly once.
   */
  abstract subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem>;

  /**
   * The position of the last event in the log, of any kind; 'start' if there is none.
   * @throws StoreUnavailable
   */
  abstract end(): Promise<Position | 'start'>;

  /**
   * Whether the log can be read from this position: there is an event at it, by any program. A server refuses other positions. @throws
   * StoreUnavailable
   */
  abstract has(position: Position): Promise<boolean>;

  /** The event at exactly this position; undefined if there is none of this product. @throws StoreUnavailable */
  abstract eventAt(position: Position): Promise<StoredEvent | undefined>;

  /**
   * A position before all events recorded at an instant or later, and not much before the last event preceding it.
   * @throws StoreUnavailable
   */
  abstract lastBefore(instant: Instant): Promise<Position | 'start'>;
}
