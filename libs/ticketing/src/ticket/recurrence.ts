import { isOver } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined, same } from '../plain-json.js';
import { internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event } from './decisions.js';
import { unlessOver } from './guards.js';

/** The ticket resembles one that was fixed before. */
export interface RecognizeRecurrence extends TicketCommand {
  readonly fix: TicketEvents['TicketRecurred'];
}

/** The current status of a problem that the ticket is linked to. */
export interface TellOfProblem extends TicketCommand {
  readonly problem: TicketEvents['TicketToldOfProblem'];
}

/** What policies tell a ticket about similar ones. */
export const recurrenceCommands = {
  RecognizeRecurrence: internal({
    refuses: [],
    late: true,
    decide({ fix: { ticketId, tier, fixedAt, rootCause } }: RecognizeRecurrence, ticket) {
      if (ticket.recursFrom !== undefined || isOver(ticket)) return [];
      return [event('TicketRecurred', { ticketId, tier, fixedAt, rootCause })];
    },
  }),

  TellOfProblem: internal({
    refuses: [],
    late: true,
    decide({ problem: { problemId, title, status, workaround, fixedAt } }: TellOfProblem, ticket) {
      const known = ticket.problems?.find((one) => one.problemId === problemId);
      const told = omitUndefined({ problemId, title, status, workaround, fixedAt });
      if (known === undefined ? status === 'unlinked' : same(known, told)) return [];
      // Once a ticket is over, the progress of its problem is no longer news.
      const isNews = !isOver(ticket) || ((known === undefined || status === 'unlinked') && unlessOver(ticket) === undefined);
      return isNews ? [event('TicketToldOfProblem', told)] : [];
    },
  }),
} satisfies TicketCommandDefinitions;
