import type { StateFace } from '#eventsourcing';
import { pinnedContractSchema } from '../contract/contract.js';
import { openingSchema, resolvedAt, ticketFactsSchema } from '../events/ticket.js';
import { omitUndefined, without } from '../plain-json.js';
import { TICKET_STATUSES } from '../vocabulary.js';
import { detailFactsSchema, type TicketFold } from './ticket-fold.js';
import { about, instant, oneOf, open, optional, parts, type Static } from '../schema.js';
import { documentSchema } from './stored.js';

export const ticketDetailsSchema = about(
  open({
    ...openingSchema.entries,
    ...ticketFactsSchema.entries,
    ...detailFactsSchema.entries,
    contract: optional(
      about(
        open(parts(pinnedContractSchema, 'version', 'tzdata')),
        "Version of the client's contract that applies; absent: the default contract",
      ),
    ),
    status: about(oneOf(TICKET_STATUSES), 'Current status, as in `work`'),
    resolvedAt: optional(about(instant, 'When it was resolved; absent while unresolved')),
  }),
  'The current state of a ticket',
);

/** Everything known of a ticket now: its state, as commands see it, with the times and counts that readers want. */
export type TicketDetails = Static<typeof ticketDetailsSchema>;

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
  return omitUndefined({
    ...without(ticket, 'automatic', 'past', 'touched'),
    ...told,
    contract: contract && { version: contract.version, tzdata: contract.tzdata },
    status: ticket.work.status,
    resolvedAt: resolvedAt(ticket.work),
  });
}

/** One document per ticket, by its id: the response of `GET /v1/tickets/{id}`. */
export const ticketDetails: StateFace<TicketFold | null> = {
  name: 'ticket_details',
  version: 11,
  schema: () => documentSchema(ticketDetailsSchema, 'Id of the ticket'),
  document: (fold) => fold && details(fold),
  indexes: [
    { key: { client: 1, openedAt: -1 } },
    { key: { status: 1, updatedAt: -1 } },
    { key: { 'imported.system': 1, 'imported.key': 1 } },
    { key: { position: 1 } },
    { key: { 'evidence.sha256': 1 } },
  ],
};
