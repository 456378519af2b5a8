import { isOver } from '../events/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined, same } from '../plain-json.js';
import { internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { event } from './decisions.js';
import { unlessOver } from './guards.js';

/** The ticket is like one that was fixed before. */
export interface RecognizeRecurrence extends TicketCommand {
  readonly fix: TicketEvents['TicketRecurred'];
}

/** How a problem that the ticket is linked to stands now. */
export interface TellOfProblem extends TicketCommand {
  readonly problem: TicketEvents['TicketToldOfProblem'];
}

/** What policies tell a ticket of others like it. */
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
      // How a problem goes on is no news to who is done with the ticket.
      const isNews = !isOver(ticket) || ((known === undefined || status === 'unlinked') && unlessOver(ticket) === undefined);
      return isNews ? [event('TicketToldOfProblem', told)] : [];
    },
  }),
} satisfies TicketCommandDefinitions;
