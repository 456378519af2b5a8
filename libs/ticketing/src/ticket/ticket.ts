import type { Aggregate, CommandsOf, Route } from '#eventsourcing';
import { clockedTicketEvents, type ClockedTicketState } from './clocked-ticket.js';
import { assignmentCommands } from './assignment.js';
import { conversationCommands } from './conversation.js';
import { escalationCommands } from './escalation.js';
import { handOffCommands } from './hand-off.js';
import { intakeCommands } from './intake.js';
import { proposalCommands } from './proposals.js';
import { recurrenceCommands } from './recurrence.js';
import { privacyCommands } from './privacy.js';
import { relationCommands } from './relations.js';
import { resolutionCommands } from './resolution.js';
import { runbookCommands } from './runbook.js';
import { slaCommands } from './sla.js';
import { workCommands } from './work.js';

/**
 * A ticket. It goes by the contract that it was opened under, or rebased to, which its own events hold. One stream per ticket:
 * `ticket-<id>`.
 */
export const ticket = {
  category: 'ticket',
  noun: 'ticket',
  idName: 'ticketId',
  initial: null,
  client: (state) => state?.client ?? '',
  person: (state) => state?.reporter.id,
  events: clockedTicketEvents,
  commands: {
    ...intakeCommands,
    ...assignmentCommands,
    ...workCommands,
    ...runbookCommands,
    ...handOffCommands,
    ...resolutionCommands,
    ...conversationCommands,
    ...relationCommands,
    ...slaCommands,
    ...escalationCommands,
    ...recurrenceCommands,
    ...privacyCommands,
    ...proposalCommands,
  },
} satisfies Aggregate<ClockedTicketState>;

/** Command name → content. */
export type TicketCommands = CommandsOf<typeof ticket>;
export type TicketCommandName = keyof TicketCommands;

/** Commands that may be sent from outside. */
export type PublicCommandName = {
  [Name in TicketCommandName]: (typeof ticket)['commands'][Name] extends { readonly route: Route } ? Name : never;
}[TicketCommandName];

/** Whether a command may be sent from outside. */
export function isPublic(name: string): name is PublicCommandName {
  return Object.hasOwn(ticket.commands, name) && ticket.commands[name as TicketCommandName].route !== undefined;
}
