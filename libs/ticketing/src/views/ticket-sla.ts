import { type Instant, type Projection, type RecordedEvent, streamId } from '#eventsourcing';
import { nextStepAt } from '../escalation/escalation-chains.js';
import { present } from '../plain-json.js';
import { ended, storable } from '../sla/sla-clock.js';
import { evolvePromises, type TicketPromises } from '../escalation/promises.js';
import { nextMomentAt } from '../sla/sla-terms.js';
import { ticketWithoutClocks, type TicketEvents } from '../events/ticket-events.js';

/** The clocks of a ticket under its contract. */
export interface TicketSla extends TicketPromises {
  readonly client: string;
  /** Version of the client's contract that it goes by, 0 for the default contract: what a new version is compared with. */
  readonly contractVersion: number;
  /** Whether any clock goes on. */
  readonly open: boolean;
  /** The earliest due instant of its running clocks that are not breached. */
  readonly nextDueAt?: Instant;
  /** When there is, or will be, something to tell of its clocks: what the timekeeper looks for. */
  readonly nextMomentAt?: Instant;
  /** When an escalation policy does something next by itself: what the timekeeper looks for, too. */
  readonly nextStepAt?: Instant;
}

function sla(doc: TicketSla | null, event: RecordedEvent<TicketEvents>): TicketSla | null {
  const clocks = evolvePromises(doc, event, event.metadata, event.revision);
  if (clocks === null || clocks === doc) return doc;
  const due = clocks.clocks
    .flatMap((clock) => (!ended(clock) && clock.breachedAt === undefined && clock.dueAt !== undefined ? [clock.dueAt] : []))
    .sort();
  return present({
    ...storable(clocks, doc),
    client: event.metadata.client,
    contractVersion: clocks.contract?.version ?? 0,
    open: clocks.clocks.some((clock) => !ended(clock)),
    nextDueAt: due[0],
    nextMomentAt: nextMomentAt(clocks),
    nextStepAt: nextStepAt(clocks.chains),
  });
}

/** One document a ticket, by its id: the answer of `GET /v1/tickets/{id}/sla`. */
export const ticketSla: Projection<TicketSla, TicketEvents> = {
  name: 'ticket_sla',
  version: 7,
  streamPrefix: 'ticket-',
  aggregate: ticketWithoutClocks,
  key: ({ stream }) => streamId(stream),
  apply: sla,
  indexes: [
    { key: { nextDueAt: 1 } },
    { key: { nextMomentAt: 1, _id: 1 } },
    { key: { nextStepAt: 1, _id: 1 } },
    { key: { client: 1, open: 1, contractVersion: 1 } },
  ],
};
