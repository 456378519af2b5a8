import { streamId } from '#eventsourcing';
import { without } from '../plain-json.js';
import { toTicket, withItsCause } from '../ticket/ticket-policies.js';
import type { TicketCommands } from '../ticket/ticket.js';
import { alert, type AlertCommands, type AlertEvents, type AlertState } from './alert.js';

type Commands = TicketCommands & AlertCommands;

/** Opens tickets for alerts, adds a note to them when an alert fires again, and resolves them if the source is set up to. */
export const alertsToTickets = withItsCause<AlertEvents, AlertState, Commands>({
  name: 'alerts-to-tickets',
  aggregate: alert,
  react: {
    AlertOpened: ({ data: { ticketId, opening } }) => [toTicket(ticketId, 'OpenTicket', opening)],
    AlertDeduplicated: ({ data: { ticketId, fact } }) => [
      toTicket(ticketId, 'AddInternalNote', { text: `The alert ${fact.fingerprint} fires since ${fact.startsAt}` }),
    ],
    AlertResolved: ({ stream, data: { ticketId, resolves, fact } }) => {
      if (ticketId === undefined) return [];
      const text = `The alert ${fact.fingerprint} fires no more since ${fact.endsAt ?? fact.startsAt}`;
      return resolves
        ? [toTicket(ticketId, 'ResolveWithAlert', { alertId: streamId(stream), note: text })]
        : [toTicket(ticketId, 'AddInternalNote', { text })];
    },
  },
  refused: ({ id, name, body }, { refused: code, message }, { stream }) => {
    if (name !== 'OpenTicket') return [];
    // The contract may not know what the labels name, or may have no such tier.
    const plain = without(body as TicketCommands['OpenTicket'], 'category', 'service', 'component', 'tier');
    const refusal = { ticketId: id, code, message };
    return [
      toTicket(id, 'OpenTicket', plain),
      { category: alert.category, id: streamId(stream), name: 'RecordAlertTicketRefused', body: refusal },
    ];
  },
});
