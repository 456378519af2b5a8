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
    data: about(anyObject, 'What the event says'),
    commandId: about(uuid, 'Id of the command that it came from'),
    commandType: about(text, 'The command that it came from'),
    commandDigest: optional(about(text, 'Digest of that command: what tells a repetition from another command with its id')),
    correlationId: about(text, 'What it belongs to'),
    causationId: about(text, 'What led to it'),
    actor: about(refer(actorSchema), 'Who did it'),
    sentBy: optional(about(refer(actorSchema), 'Who sent it on behalf of the actor; absent when the actor did')),
    using: optional(
      about(
        open({ model: optional(about(text, 'The language model')), prompt: optional(about(text, 'Reference of the prompt')) }),
        'What it was done with, as an assistant says',
      ),
    ),
    client: about(text, 'The client (tenant)'),
    effectiveAt: about(instant, 'When it happened'),
    recordedAt: about(instant, 'When this system learnt of it'),
    schemaVersion: about(count, 'Version of the shape in which it was written'),
    hash: optional(about(text, "Its link in the ticket's chain of hashes; absent from events that were written before there were hashes")),
    imported: optional(
      about(
        open({
          system: about(text, 'The source, such as `bpic2013`'),
          key: about(text, 'The key of the case there'),
          row: about(count, 'The row of the fact there'),
          said: about(recordOf(text), 'What was said there, as it stood'),
          deviations: optional(about(listOf(text), 'Rules that it would have broken as a command')),
        }),
        'Where an imported fact comes from',
      ),
    ),
  }),
  'An event of a ticket, with all that is known about it',
);

/** One event of a ticket's life, with who did it, why, when it happened and when it was recorded. */
export type HistoryEntry = Static<typeof historyEntrySchema>;

function entry({ stream, id, type, data, metadata }: RecordedEvent<TicketEvents>): HistoryEntry {
  return { ticketId: streamId(stream), eventId: id, type, data, ...metadata };
}

/** One document an event, by `<ticket id>/<revision>`: the audit trail. */
export const ticketHistory: EventFace<TicketEvents> = {
  name: 'ticket_history',
  version: 3,
  schema: () => documentSchema(historyEntrySchema, '`<ticket id>/<revision>`'),
  key: ({ stream, revision }) => `${streamId(stream)}/${revision}`,
  entry,
  indexes: [{ key: { ticketId: 1, revision: 1 } }, { key: { type: 1, effectiveAt: 1 } }],
};
