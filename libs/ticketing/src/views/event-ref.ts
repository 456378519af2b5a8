import { about, count, instant, open, type Static, text, uuid } from '../schema.js';

export const eventRefSchema = about(
  open({
    eventId: about(uuid, 'Id of the event'),
    revision: about(count, "Revision of the event in the ticket's stream"),
    position: about(count, 'Commit position of the event in the log'),
    type: about(text, 'Type of the event'),
    effectiveAt: about(instant, 'When it happened'),
    recordedAt: about(instant, 'When it was recorded'),
  }),
  'An event cited as evidence',
);

/** Location of an event that proves something. */
export type EventRef = Static<typeof eventRefSchema>;
