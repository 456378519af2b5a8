import type { Instant, StateFace } from '#eventsourcing';
import type { PinnedContract } from '../contract/contract.js';
import { resolvedAt, type Ticket } from '../events/ticket.js';
import { present } from '../plain-json.js';
import type { TicketStatus } from '../vocabulary.js';
import type { ReaderFacts, TicketFold } from './ticket-fold.js';

/** All that is known of a ticket now: its state, as commands see it, with the times and counts that readers want. */
export interface TicketDetails
  extends
    Omit<Ticket, 'contract' | 'sla'>,
    Omit<ReaderFacts, 'latestAt' | 'queueState' | 'atTierSince' | 'since' | 'assignedAt' | 'words'> {
  /** Which version of the client's contract it goes by; absent: the default contract. */
  readonly contract?: Omit<PinnedContract, 'terms'>;
  readonly status: TicketStatus;
  readonly resolvedAt?: Instant;
}

function details({ ticket, promises: { contract }, facts }: TicketFold): TicketDetails {
  const {
    latestAt: _latestAt,
    queueState: _queueState,
    atTierSince: _atTierSince,
    since: _since,
    assignedAt: _at,
    words: _,
    ...told
  } = facts;
  return present({
    ...ticket,
    ...told,
    contract: contract && { version: contract.version, tzdata: contract.tzdata },
    status: ticket.work.status,
    resolvedAt: resolvedAt(ticket.work),
  });
}

/** One document a ticket, by its id: the answer of `GET /v1/tickets/{id}`. */
export const ticketDetails: StateFace<TicketFold | null> = {
  name: 'ticket_details',
  version: 7,
  document: (fold) => fold && details(fold),
  indexes: [
    { key: { client: 1, openedAt: -1 } },
    { key: { status: 1, updatedAt: -1 } },
    { key: { 'imported.system': 1, 'imported.key': 1 } },
  ],
};
