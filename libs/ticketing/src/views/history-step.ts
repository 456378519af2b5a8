import { REACTION_OUTCOMES } from '#eventsourcing';
import { about, anything, count, listOf, oneOf, open, optional, type Static, text, uuid } from '../schema.js';
import { historyEntrySchema } from './ticket-history.js';

/** A field that an event changed. */
export const changeSchema = open({
  path: about(text, 'The field that it changed, such as `terms.calendar.zone` or `stepsTried[2]`'),
  before: optional(about(anything, 'Its value before; absent where it had none')),
  after: optional(about(anything, 'Its value after; absent where it has none any more')),
});

const readEvent = {
  changes: about(listOf(changeSchema), 'What it changed, by the smallest parts that did'),
  inWords: about(text, 'The same as a sentence; long values are cut'),
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
      'The event that led to it by a policy; absent where somebody did it of their own accord',
    ),
  ),
  ledTo: optional(
    about(
      listOf(
        open({
          policy: about(text, 'The policy that reacted to it'),
          category: about(text, 'Kind of the aggregate that the command was for, such as `ticket`'),
          id: about(text, 'Id of that aggregate'),
          command: about(text, 'Name of the command'),
          commandId: about(uuid, 'Id of the command: the `commandId` of the events that it led to'),
          outcome: about(oneOf(REACTION_OUTCOMES), '`done`; `quiet`: no change needed; or `refused`'),
        }),
      ),
      'The commands that policies sent because of it, in order; absent where there were none',
    ),
  ),
};

/** An event of a ticket as its history has it. */
export const ticketStepSchema = about(
  open({ ...historyEntrySchema.entries, ...readEvent }),
  'An event of a ticket, with all that is known about it, and what it changed',
);

const { ticketId: _, ...metadata } = historyEntrySchema.entries;

/** An event of anything else than a ticket as its history has it. */
export const historyStepSchema = about(
  open({ ...metadata, ...readEvent }),
  'An event of a contract, a team, an agent, a schedule, a filter, a problem, an article, a question, a form, a key or a webhook, with all that is known about it, and what it changed. Its ' +
    'aggregate’s id has the name that it has in answers: `client`, `team`, `agent`, `schedule`, `name`, `problemId`, `article`, `questionId`, `form`, `key`, `webhook`',
);

/** An event as a history has it, besides the id of its aggregate. */
export type HistoryStep = Static<typeof historyStepSchema>;
