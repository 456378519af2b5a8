import type { NewEvent, Position, StoredEvent } from './event.js';
import type { Instant } from './instant.js';

/** The revision that a stream must be at for an append: exactly this one, or that it does not exist. There is no "any". */
export type ExpectedRevision = number | 'no-stream';

/** Where the last appended event is. */
export interface Appended {
  readonly revision: number;
  /** Absent when the server recognised a repeat but no longer knows where it stands. */
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

/** The store could not be reached or did not answer in time: whether an append was done is not known; repeating it is safe. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** A read model took longer to answer than a query may take. */
export class QueryTooLong extends Error {
  override readonly name = 'QueryTooLong';
}

/** The log at hand is older than the one that was followed, or another one: what was made of that one is not true of this. */
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

/** What comes from a subscription: events in log order; places up to which nothing more matched; and the news that history is over. */
export type FeedItem =
  | { readonly kind: 'event'; readonly event: StoredEvent }
  | { readonly kind: 'checkpoint'; readonly position: Position }
  | { readonly kind: 'caught-up' };

/** Which events of the log a feed carries. One of both: servers filter by stream or by type, not by both at once. */
export type FeedFilter = ({ readonly streamPrefixes: readonly string[] } | { readonly eventTypes: readonly string[] }) & {
  /** The only client whose personal data is read; that of the others' events stays encrypted, which costs nothing. All clients', unless said. */
  readonly personalOf?: string;
};

/** The event store as the application sees it. Its own dependency-injection token. */
export abstract class EventStore {
  /**
   * The events of a stream in order, from a revision (default 0). A missing stream yields none.
   * @throws StoreUnavailable, StreamDeleted
   */
  abstract readStream(stream: string, fromRevision?: number): AsyncIterable<StoredEvent>;

  /**
   * Appends atomically and durably. Repeating an append with the same ids and expectation succeeds and writes nothing.
   * @throws RevisionConflict, StoreUnavailable, StreamDeleted
   */
  abstract append(stream: string, expected: ExpectedRevision, events: readonly NewEvent[]): Promise<Appended>;

  /** Events as this store is to keep them: with personal data encrypted. Their hashes are made of this. @throws StoreUnavailable */
  abstract seal(stream: string, events: readonly NewEvent[]): readonly NewEvent[] | Promise<readonly NewEvent[]>;

  /**
   * All matching events after a position, or from the start, up to the present end of the log; then it ends.
   * @throws StoreUnavailable
   */
  abstract readAll(filter: FeedFilter, after?: Position): AsyncIterable<StoredEvent>;

  /**
   * All matching events after a position, or from the start, or from now on, and then those to come. Lost connections are taken
   * up again where they were, with growing pauses; it ends only when the signal aborts. Nothing is delivered twice or skipped.
   */
  abstract subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem>;

  /**
   * The position of the last event of the log, of whatever kind; 'start' where there is none.
   * @throws StoreUnavailable
   */
  abstract end(): Promise<Position | 'start'>;

  /** Whether the log can be read from this position on: there is something at it, of whomever. A server refuses any other. @throws StoreUnavailable */
  abstract has(position: Position): Promise<boolean>;

  /** The event at exactly this position; undefined where there is none of ours. @throws StoreUnavailable */
  abstract eventAt(position: Position): Promise<StoredEvent | undefined>;

  /**
   * A position before all events that were recorded at an instant or later, and not much further back than the last event before it. It reads the
   * log backwards from its end: the later the instant, the sooner it answers.
   * @throws StoreUnavailable
   */
  abstract lastBefore(instant: Instant): Promise<Position | 'start'>;
}
