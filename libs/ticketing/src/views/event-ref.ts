import { about, count, instant, open, type Static, text, uuid } from '../schema.js';

export const eventRefSchema = about(
  open({
    eventId: about(uuid, 'Id of the event'),
    revision: about(count, 'Its revision in the stream of the ticket'),
    position: about(count, 'Its commit position in the log'),
    type: about(text, 'Its type'),
    effectiveAt: about(instant, 'When it happened'),
    recordedAt: about(instant, 'When this system learnt of it'),
  }),
  'An event that proves something',
);

/** Where an event stands that proves something. */
export type EventRef = Static<typeof eventRefSchema>;
