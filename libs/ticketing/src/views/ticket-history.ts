import { type EventFace, type RecordedEvent, streamId } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { actorSchema } from '../vocabulary.js';
import { about, anyObject, count, instant, listOf, open, optional, recordOf, refer, type Static, text, uuid } from '../schema.js';
import { documentSchema } from './stored.js';

export const historyEntrySchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    eventId: about(uuid, 'Id of the event'),
    type: about(text, 'Type of the event'),
    data: about(anyObject, 'Payload of the event'),
    commandId: about(uuid, 'Id of the command that produced the event'),
    commandType: about(text, 'Command that produced the event'),
    commandDigest: optional(about(text, 'Digest of that command: distinguishes a retry from a different command with the same id')),
    correlationId: about(text, 'Correlation id: shared by everything that followed from one request'),
    causationId: about(text, 'Causation id: what directly caused the event'),
    actor: about(refer(actorSchema), 'Who did it'),
    sentBy: optional(about(refer(actorSchema), "Who sent the command on the actor's behalf; absent if the actor sent it")),
    using: optional(
      about(
        open({ model: optional(about(text, 'Language model used')), prompt: optional(about(text, 'Reference to the prompt')) }),
        'What the assistant reports having used',
      ),
    ),
    client: about(text, 'The client (tenant)'),
    effectiveAt: about(instant, 'When it happened'),
    recordedAt: about(instant, 'When it was recorded'),
    schemaVersion: about(count, 'Schema version the event was written in'),
    hash: optional(about(text, "Hash in the ticket's hash chain; absent from events written before hashing was introduced")),
    imported: optional(
      about(
        open({
          system: about(text, 'Source system, such as `bpic2013`'),
          key: about(text, 'Key of the case there'),
          row: about(count, 'Row of the fact there'),
          said: about(recordOf(text), 'The original record, unchanged'),
          deviations: optional(about(listOf(text), 'Rules that it would have broken had it been a command')),
        }),
        'Source of an imported fact',
      ),
    ),
  }),
  'An event of a ticket with its metadata',
);

/** One event of a ticket's life, with who did it, why, when it happened and when it was recorded. */
export type HistoryEntry = Static<typeof historyEntrySchema>;

function entry({ stream, id, type, data, metadata }: RecordedEvent<TicketEvents>): HistoryEntry {
  return { ticketId: streamId(stream), eventId: id, type, data, ...metadata };
}

/** One document per event, by `<ticket id>/<revision>`: the audit trail. */
export const ticketHistory: EventFace<TicketEvents> = {
  name: 'ticket_history',
  version: 3,
  schema: () => documentSchema(historyEntrySchema, '`<ticket id>/<revision>`'),
  key: ({ stream, revision }) => `${streamId(stream)}/${revision}`,
  entry,
  indexes: [{ key: { ticketId: 1, revision: 1 } }, { key: { type: 1, effectiveAt: 1 } }],
};
