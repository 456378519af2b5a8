import {
  type Aggregate,
  type Appended,
  EventStore,
  type FeedFilter,
  type FeedItem,
  foldedStreamsOf,
  type Instant,
  type Position,
  type StoredEvent,
  streamName,
  upcast,
} from '#eventsourcing';
import type { FeedBatch, Following, PublicLog } from '#feeds';
import { type PublicEvent, type Scope, seesClient, ticket } from '#ticketing';

/** The events that may be seen: in streams and feeds, what belongs to other clients does not appear. */
export class ScopedEvents extends EventStore {
  constructor(
    private readonly store: EventStore,
    private readonly scope: Scope,
  ) {
    super();
  }

  override async *readStream(stream: string, fromRevision?: number): AsyncIterable<StoredEvent> {
    for await (const event of this.store.readStream(stream, fromRevision)) {
      // A stream belongs to one client.
      if (!this.#sees(event)) return;
      yield event;
    }
  }

  /**
   * The events of a ticket; for requesters, only of one that they reported. Much of it is internal: whoever reads it for them passes on what
   * they may see.
   */
  async *readTicket(id: string): AsyncIterable<StoredEvent> {
    for await (const event of this.store.readStream(streamName(ticket, id))) {
      if (!seesClient(this.scope, event.metadata.client) || (event.revision === 0 && !this.#isOwn(event))) return;
      yield event;
    }
  }

  override seal(): never {
    throw new Error('queries append nothing');
  }

  override append(): Promise<Appended> {
    return Promise.reject(new Error('queries append nothing'));
  }

  override async *readAll(filter: FeedFilter, after?: Position): AsyncIterable<StoredEvent> {
    for await (const event of this.store.readAll(filter, after)) if (this.#sees(event)) yield event;
  }

  override async *subscribe(filter: FeedFilter, after: Position | 'start' | 'end', signal: AbortSignal): AsyncIterable<FeedItem> {
    for await (const item of this.store.subscribe(filter, after, signal)) {
      // The reader's position advances past hidden events.
      yield item.kind !== 'event' || this.#sees(item.event) ? item : { kind: 'checkpoint', position: item.event.position };
    }
  }

  override end(): Promise<Position | 'start'> {
    return this.store.end();
  }

  override has(position: Position): Promise<boolean> {
    return this.store.has(position);
  }

  override async eventAt(position: Position): Promise<StoredEvent | undefined> {
    const event = await this.store.eventAt(position);
    return event !== undefined && this.#sees(event) ? event : undefined;
  }

  override lastBefore(instant: Instant): Promise<Position | 'start'> {
    return this.store.lastBefore(instant);
  }

  /** The last revision of an aggregate that this process knows of, which may be out of date; -1 if it knows none that may be seen. */
  revisionSeen(aggregate: Aggregate, id: string): number {
    const known = foldedStreamsOf(this.store).get(aggregate, streamName(aggregate, id));
    if (known === undefined || known.revision < 0) return -1;
    return this.#seesClient(aggregate.client(known.state)) ? known.revision : -1;
  }

  /** By the first event of a ticket. */
  #isOwn(event: StoredEvent): boolean {
    const { reporter } = this.scope;
    if (reporter === undefined) return true;
    const { type, data } = upcast(ticket, event);
    return type === 'TicketOpened' && data.reporter.id === reporter;
  }

  #sees({ metadata }: StoredEvent): boolean {
    return this.#seesClient(metadata.client);
  }

  #seesClient(client: string): boolean {
    return this.scope.reporter === undefined && seesClient(this.scope, client);
  }
}

/** The public events that may be seen. Only readers who see all clients get what belongs to the entire desk. */
export class ScopedFeed {
  constructor(
    private readonly log: PublicLog,
    private readonly scope: Scope,
  ) {}

  /** See `PublicLog`. */
  follow(following: Omit<Following, 'sees'>): AsyncIterable<FeedBatch> {
    return this.log.follow({ ...following, sees: (event) => this.#sees(event) });
  }

  /** See `PublicLog`. */
  read(reading: Omit<Parameters<PublicLog['read']>[0], 'sees'>): AsyncIterable<FeedBatch> {
    return this.log.read({ ...reading, sees: (event) => this.#sees(event) });
  }

  #sees({ client }: PublicEvent): boolean {
    const { clients, reporter } = this.scope;
    return reporter === undefined && (clients === 'all' || clients.includes(client));
  }
}
