import { type Instant, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { defaultContract } from '../contract.js';
import { ended, evolveClocks, type SlaClocks } from '../sla-clock.js';
import { ticketUpcasters } from '../ticket-state.js';
import type { TicketEvents } from '../ticket-events.js';

/** The clocks of a ticket under its contract. */
export interface TicketSla extends SlaClocks {
  readonly client: string;
  /** The earliest due instant of its running clocks: what a timer or a board asks for. */
  readonly nextDueAt?: Instant;
}

function sla(doc: TicketSla | null, event: RecordedEvent<TicketEvents>): TicketSla | null {
  const clocks = evolveClocks(defaultContract, doc, event);
  if (clocks === null) return null;
  const due = clocks.clocks
    .flatMap((clock) => (!ended(clock) && clock.breachedAt === undefined && clock.dueAt !== undefined ? [clock.dueAt] : []))
    .sort();
  return {
    client: event.metadata.client,
    ...clocks,
    ...(due[0] === undefined ? {} : { nextDueAt: due[0] }),
  };
}

/** One document a ticket, by its id: the answer of `GET /v1/tickets/{id}/sla`. */
export const ticketSla: Projection<TicketSla, TicketEvents> = {
  name: 'ticket_sla',
  version: 2,
  streamPrefix: 'ticket-',
  upcasters: ticketUpcasters,
  key: ({ stream }) => streamId(stream),
  apply: sla,
  indexes: [{ key: { nextDueAt: 1 } }],
};
