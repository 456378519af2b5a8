import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, instantFrom, isRefusal, type Position, type Refusal } from '#eventsourcing';
import type { ViewDocument } from '#mongo';
import {
  clocksAt,
  type HistoryEntry,
  type QueueEntry,
  type QueueState,
  ticketDetails,
  ticketHistory,
  ticketSla,
  ticketViews,
  tierQueue,
  type TicketDetails,
  type TicketSla,
  type TicketSlaNow,
  type Tier,
} from '#ticketing';
import { type Page, ReadModels, readPage, readTickets, readVisible, waitForPosition } from './read-models.js';

/** All that is known of a ticket now. */
export class TicketDetailsQuery extends Query<ViewDocument<TicketDetails> | Refusal> {
  constructor(
    readonly ticketId: string,
    readonly atLeast?: number,
  ) {
    super();
  }
}

@QueryHandler(TicketDetailsQuery)
export class TicketDetailsHandler implements IQueryHandler<TicketDetailsQuery> {
  constructor(
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  execute({ ticketId, atLeast }: TicketDetailsQuery) {
    return readVisible<TicketDetails>(
      this.models,
      this.store,
      { group: ticketViews, face: ticketDetails },
      { id: ticketId, ticketId, atLeast },
    );
  }
}

/** A ticket's events in order. */
export class TicketHistoryQuery extends Query<Page<ViewDocument<HistoryEntry>> | Refusal> {
  constructor(
    readonly ticketId: string,
    readonly limit: number,
    /** Revision that the page comes after; -1 for the first page. */
    readonly after: number,
    readonly atLeast?: number,
  ) {
    super();
  }
}

@QueryHandler(TicketHistoryQuery)
export class TicketHistoryHandler implements IQueryHandler<TicketHistoryQuery> {
  constructor(
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async execute({ ticketId, limit, after, atLeast }: TicketHistoryQuery): Promise<Page<ViewDocument<HistoryEntry>> | Refusal> {
    // Each event is a document of its own, so the last one that is wanted vouches for those before it.
    const last = await readVisible<HistoryEntry>(
      this.models,
      this.store,
      { face: ticketHistory },
      {
        id: `${ticketId}/${atLeast ?? 0}`,
        ticketId,
        atLeast,
      },
    );
    if (isRefusal(last)) return last;
    return readPage(this.models, ticketHistory.name, {
      filter: { ticketId, revision: { $gt: after } },
      sort: { ticketId: 1, revision: 1 },
      limit,
    });
  }
}

/** A ticket's clocks as they stand now: one that is overdue is breached although no event says so yet. */
export class TicketSlaQuery extends Query<TicketSlaNow | Refusal> {
  constructor(
    readonly ticketId: string,
    readonly atLeast?: number,
  ) {
    super();
  }
}

@QueryHandler(TicketSlaQuery)
export class TicketSlaHandler implements IQueryHandler<TicketSlaQuery> {
  constructor(
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async execute({ ticketId, atLeast }: TicketSlaQuery): Promise<TicketSlaNow | Refusal> {
    const sla = await readVisible<TicketSla>(
      this.models,
      this.store,
      { group: ticketViews, face: ticketSla },
      { id: ticketId, ticketId, atLeast },
    );
    if (isRefusal(sla)) return sla;
    const now = instantFrom(Date.now());
    return { ...sla, clocks: clocksAt(sla, now), evaluatedAt: now };
  }
}

export interface QueueFilter {
  readonly client?: string | undefined;
  readonly team?: string | undefined;
  readonly state?: QueueState | undefined;
}

/** Where a page of a queue ended: the values that it is sorted by. */
export interface QueuePlace {
  readonly rank: number;
  readonly since: string;
  readonly id: string;
}

/** An entry of a queue as it is read. */
export type QueuedTicket = ViewDocument<QueueEntry>;

/** Who waits and who works at a tier, most pressing first. */
export class TierQueueQuery extends Query<Page<QueuedTicket> | Refusal> {
  constructor(
    readonly tier: Tier,
    readonly filter: QueueFilter,
    readonly limit: number,
    readonly after?: QueuePlace,
    /** A position in the log that the queue must have seen. */
    readonly atLeast?: Position,
  ) {
    super();
  }
}

@QueryHandler(TierQueueQuery)
export class TierQueueHandler implements IQueryHandler<TierQueueQuery> {
  constructor(
    @Inject(ReadModels) private readonly models: ReadModels,
    @Inject(EventStore) private readonly store: EventStore,
  ) {}

  async execute({ tier, filter, limit, after, atLeast }: TierQueueQuery): Promise<Page<QueuedTicket> | Refusal> {
    const behind = await waitForPosition(this.models, this.store, ticketViews, atLeast);
    if (behind !== undefined) return behind;
    const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
    const beyond =
      after === undefined
        ? {}
        : {
            $or: [
              { rank: { $gt: after.rank } },
              { rank: after.rank, since: { $gt: after.since } },
              { rank: after.rank, since: after.since, _id: { $gt: after.id } },
            ],
          };
    return readTickets<QueueEntry>(this.models, tierQueue, {
      filter: { tier, queued: true, ...wanted, ...beyond },
      sort: { rank: 1, since: 1, _id: 1 },
      limit,
    });
  }
}
