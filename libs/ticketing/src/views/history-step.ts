import { REACTION_OUTCOMES } from '#eventsourcing';
import { about, anything, count, listOf, oneOf, open, optional, type Static, text, uuid } from '../schema.js';
import { historyEntrySchema } from './ticket-history.js';

/** A field that an event changed. */
export const changeSchema = open({
  path: about(text, 'Path of the changed field, such as `terms.calendar.zone` or `stepsTried[2]`'),
  before: optional(about(anything, 'Value before; absent if there was none')),
  after: optional(about(anything, 'Value after; absent if it was removed')),
});

const readEvent = {
  changes: about(listOf(changeSchema), 'What the event changed, field by field'),
  inWords: about(text, 'The changes as a sentence; long values are truncated'),
  because: optional(
    about(
      open({
        policy: about(text, 'The policy that reacted to it'),
        category: about(text, 'Kind of the aggregate, such as `ticket`'),
        id: about(text, 'Id of the aggregate'),
        revision: about(count, 'Revision of the event in its history'),
        eventId: about(uuid, 'Id of the event'),
        type: about(text, 'Type of the event'),
      }),
      'The event that a policy reacted to by causing this one; absent if no policy was involved',
    ),
  ),
  ledTo: optional(
    about(
      listOf(
        open({
          policy: about(text, 'The policy that reacted to it'),
          category: about(text, 'Kind of the aggregate the command was sent to, such as `ticket`'),
          id: about(text, 'Id of that aggregate'),
          command: about(text, 'Name of the command'),
          commandId: about(uuid, 'Id of the command, found as `commandId` in the events it produced'),
          outcome: about(oneOf(REACTION_OUTCOMES), '`done`, `quiet` (no change needed) or `refused`'),
        }),
      ),
      'Commands that policies sent because of this event, in order; absent if there were none',
    ),
  ),
};

/** An event in the history of a ticket. */
export const ticketStepSchema = about(
  open({ ...historyEntrySchema.entries, ...readEvent }),
  'An event of a ticket with its metadata and what it changed',
);

const { ticketId: _, ...metadata } = historyEntrySchema.entries;

/** An event in the history of any other aggregate. */
export const historyStepSchema = about(
  open({ ...metadata, ...readEvent }),
  'An event of a contract, a team, an agent, a schedule, a filter, a problem, an article, a question, a form, a key or a webhook, with its metadata and what it changed. The ' +
    'aggregate’s id has the same name as in responses: `client`, `team`, `agent`, `schedule`, `name`, `problemId`, `article`, `questionId`, `form`, `key`, `webhook`',
);

/** An event in a history, without the id of its aggregate. */
export type HistoryStep = Static<typeof historyStepSchema>;
