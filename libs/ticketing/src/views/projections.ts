import type { Projection } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { agents } from './agents.js';
import { contracts } from './contracts.js';
import { onCallSchedules } from './on-call-schedules.js';
import { policyReactions } from './policy-reactions.js';
import { slaBoard } from './sla-board.js';
import { teams } from './teams.js';
import { ticketDetails } from './ticket-details.js';
import { ticketFilters } from './ticket-filters.js';
import { ticketHistory } from './ticket-history.js';
import { ticketList } from './ticket-list.js';
import { ticketSla } from './ticket-sla.js';
import { tierQueue } from './tier-queue.js';

/** The read models of tickets. */
export const ticketViews: readonly Projection<object, TicketEvents>[] = [
  ticketDetails,
  ticketHistory,
  ticketSla,
  tierQueue,
  ticketList,
  slaBoard,
];

/** Every read model: what the worker keeps up to date, `rebuild` builds anew and `doctor` checks. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each reads events of its own
export const projections: readonly Projection<object, any>[] = [
  ...ticketViews,
  contracts,
  onCallSchedules,
  teams,
  agents,
  policyReactions,
  ticketFilters,
];
