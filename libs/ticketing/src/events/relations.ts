import { without } from '../plain-json.js';
import type { Person, Relation } from '../vocabulary.js';
import { move, note } from './definition.js';
import type { Ticket } from './ticket.js';

export const relationEvents = {
  TicketLinked: note<{
    readonly ticketId: string;
    readonly relation: Relation;
    /** Recorded first by the other ticket. */
    readonly mirrored?: true;
  }>({
    says: 'it was linked to another ticket; `mirrored` if the other ticket linked first',
    publicData: 'all',
    evolve: (ticket, { ticketId, relation }) => linked(ticket, ticketId, relation),
    personal: null,
  }),

  TicketUnlinked: note<{ readonly ticketId: string; readonly relation: Relation; readonly reason?: string; readonly mirrored?: true }>({
    says: 'a link to another ticket was removed',
    publicData: 'all',
    evolve: (ticket, { ticketId, relation }) => unlinked(ticket, ticketId, relation),
    personal: null,
  }),

  TicketRelationRefused: note<{
    readonly ticketId: string;
    readonly relation: Relation | 'merged-into';
    readonly code: string;
    readonly message: string;
  }>({
    says: 'the other ticket refused the link or the merge, and why: it does not apply',
    publicData: 'all',
    evolve: (ticket, { ticketId, relation }) =>
      relation === 'merged-into' ? without(ticket, 'mergingInto') : unlinked(ticket, ticketId, relation),
    personal: null,
  }),

  TicketMergeRequested: note<{ readonly into: string; readonly reason: string }>({
    says: 'it is to be merged into another ticket, which is asked to accept it',
    publicData: 'all',
    evolve: (ticket, { into }) => ({ ...ticket, mergingInto: into }),
    personal: null,
  }),

  TicketAbsorbed: note<{ readonly ticketId: string; readonly summary: string; readonly reporter: Person; readonly reason: string }>({
    says: 'another ticket was merged into this one; its own stream stays as it is',
    publicData: 'all',
    evolve: (ticket, { ticketId }) => ({ ...ticket, absorbed: [...ticket.absorbed, ticketId] }),
    personal: { of: 'reporter', fields: ['summary', 'reporter.name'] },
  }),

  TicketMerged: move<{ readonly into: string }>({
    says: 'it was merged into another ticket, which accepted it',
    publicData: 'all',
    evolve: (ticket, { into }) => ({ ...without(ticket, 'mergingInto', 'proposals'), work: { status: 'merged', into } }),
    movesWhatIsOver: true,
    endsTouch: true,
    firstResponse: false,
    endsChains: 'merged',
    clocks: () => ({ cancels: true, silences: true, endsHolds: true, handOffPending: false }),
    personal: null,
  }),

  TicketSplit: note<{
    readonly into: string;
    readonly summary: string;
    readonly description?: string;
    readonly category?: string;
    readonly service?: string;
    readonly component?: string;
    readonly reason: string;
  }>({
    says: 'part of it became a ticket of its own',
    publicData: 'all',
    evolve: (ticket, { into }) => linked(ticket, into, 'split-into'),
    personal: { fields: ['summary', 'description'] },
  }),
};

function linked(ticket: Ticket, ticketId: string, relation: Relation): Ticket {
  return { ...ticket, links: [...ticket.links, { ticketId, relation }] };
}

function unlinked(ticket: Ticket, ticketId: string, relation: Relation): Ticket {
  return { ...ticket, links: ticket.links.filter((link) => link.ticketId !== ticketId || link.relation !== relation) };
}
