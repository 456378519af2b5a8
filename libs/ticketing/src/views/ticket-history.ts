import { type EventFace, type EventMetadata, type RecordedEvent, streamId } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';

/** One event of a ticket's life, with who did it, why, when it happened and when it was recorded. */
export interface HistoryEntry extends EventMetadata {
  readonly ticketId: string;
  readonly eventId: string;
  readonly type: string;
  readonly data: unknown;
}

function entry({ stream, id, type, data, metadata }: RecordedEvent<TicketEvents>): HistoryEntry {
  return { ticketId: streamId(stream), eventId: id, type, data, ...metadata };
}

/** One document an event, by `<ticket id>/<revision>`: the audit trail. */
export const ticketHistory: EventFace<TicketEvents> = {
  name: 'ticket_history',
  version: 2,
  key: ({ stream, revision }) => `${streamId(stream)}/${revision}`,
  entry,
  indexes: [{ key: { ticketId: 1, revision: 1 } }, { key: { type: 1, effectiveAt: 1 } }],
};
