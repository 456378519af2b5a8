import { Inject } from '@nestjs/common';
import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import { EventStore, type Instant, instantFrom, type RecordedEvent, refuse, type Refusal, streamName, upcast } from '#eventsourcing';
import { breachAutopsy, ticket, type TicketAutopsy, type TicketEvents } from '#ticketing';

/** Where the time of a ticket's clocks went, from its events themselves. */
export class TicketAutopsyQuery extends Query<TicketAutopsy | Refusal> {
  constructor(
    readonly ticketId: string,
    /** What happened later is left out; now unless given. */
    readonly asOf?: Instant,
  ) {
    super();
  }
}

@QueryHandler(TicketAutopsyQuery)
export class TicketAutopsyHandler implements IQueryHandler<TicketAutopsyQuery> {
  constructor(@Inject(EventStore) private readonly store: EventStore) {}

  async execute({ ticketId, asOf = instantFrom(Date.now()) }: TicketAutopsyQuery): Promise<TicketAutopsy | Refusal> {
    const events: RecordedEvent<TicketEvents>[] = [];
    for await (const stored of this.store.readStream(streamName(ticket, ticketId))) {
      events.push(upcast(ticket, stored));
    }
    if (events.length === 0) return refuse('ticket-not-found', 'There is no such ticket');
    const clocks = breachAutopsy(events, asOf);
    const last = events.findLast(({ metadata }) => metadata.effectiveAt <= asOf);
    if (clocks === null || last === undefined) return refuse('ticket-not-found', `The ticket was not open yet at ${asOf}`);
    return { ticketId, revision: last.revision, asOf, clocks };
  }
}
