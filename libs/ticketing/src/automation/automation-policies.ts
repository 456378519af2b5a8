import { toTicket, withItsCause } from '../ticket/ticket-policies.js';
import type { TicketCommands } from '../ticket/ticket.js';
import { automation, type AutomationEvents, type AutomationState } from './automation.js';

/** What runners answer becomes a diagnostic step of the ticket, with its evidence; what they do not do is for a person. */
export const automationToTickets = withItsCause<AutomationEvents, AutomationState, TicketCommands>({
  name: 'automation-to-tickets',
  aggregate: automation,
  react: {
    AutomationAnswered: ({ data: { outcome, output, evidence } }, state) => {
      if (state === null) return [];
      const { ticketId, action, runner } = state;
      return [
        toTicket(ticketId, 'RecordDiagnosticStep', { action: `${action} (${runner?.name ?? runner?.id})`.slice(0, 2000), outcome: output }),
        ...(evidence === undefined ? [] : [toTicket(ticketId, 'AttachEvidence', evidence)]),
        ...(outcome === 'done' ? [] : [toTicket(ticketId, 'AddInternalNote', { text: `${action} failed: a person must see to it` })]),
      ];
    },
    AutomationLeaseExpired: (_event, state) =>
      state === null
        ? []
        : [toTicket(state.ticketId, 'AddInternalNote', { text: `${state.action} was not done in time: a person must see to it` })],
  },
});
