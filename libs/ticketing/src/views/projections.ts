import type { Projection } from '#eventsourcing';
import type { TicketEvents } from '../ticket-events.js';
import { ticketDetails } from './ticket-details.js';
import { ticketHistory } from './ticket-history.js';
import { ticketList } from './ticket-list.js';
import { ticketSla } from './ticket-sla.js';
import { tierQueue } from './tier-queue.js';

/** Every read model: what the worker keeps up to date, `rebuild` builds anew and `doctor` checks. */
export const projections: readonly Projection<object, TicketEvents>[] = [ticketDetails, ticketHistory, ticketSla, tierQueue, ticketList];
