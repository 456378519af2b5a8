import { deterministicId, type Refusal, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, OneOf, Text, Uuid } from '../command-fields.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { linkedBy, type Ticket, type TicketState } from '../events/ticket.js';
import { omitUndefined } from '../plain-json.js';
import { LINK_RELATIONS, type Person, type Relation } from '../vocabulary.js';
import { command, internal, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { asPerson, event } from './decisions.js';
import { INACTIVE, OVER, UNCLASSIFIABLE, unlessActive, unlessInContract, unlessOfOneCustomer, unlessOver, UNRELATABLE } from './guards.js';
import { untoldEvents } from './sla.js';

@JSONSchema({
  description:
    'Links the ticket to another one, on both sides. A child follows its parent: replies to the requesters, major incidents, and the resolution.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to' }],
})
export class LinkTicket extends TicketCommand {
  @Uuid('a ticket', { description: 'Id of the other ticket' })
  ticketId!: string;

  @OneOf(LINK_RELATIONS, { description: 'Relation of this ticket to the other one', example: 'relates-to' })
  relation!: Relation;

  /** Recorded first by the other ticket. Has no validation rule, so cannot be sent from outside. */
  mirrored?: true;
}

@JSONSchema({
  description: 'Removes a link, on both sides.',
  examples: [{ ticketId: '00000000-0000-4000-8000-000000000001', relation: 'relates-to', reason: 'Another printer after all' }],
})
export class UnlinkTicket extends TicketCommand {
  @Uuid('a ticket', { description: 'Id of the other ticket' })
  ticketId!: string;

  @OneOf(LINK_RELATIONS, { description: 'Relation of this ticket to the other one', example: 'relates-to' })
  relation!: Relation;

  @Text({ description: 'Why', max: 2000, optional: true })
  reason?: string;

  /** Recorded first by the other ticket. Has no validation rule, so cannot be sent from outside. */
  mirrored?: true;
}

@JSONSchema({
  description:
    'Merges the ticket into another one, which accepts it within moments; no more work is done on this one. Both keep their events. ' +
    'If the other one refuses, that is recorded and work continues here.',
  examples: [{ into: '00000000-0000-4000-8000-000000000001', reason: 'The same fault, reported twice' }],
})
export class MergeTicket extends TicketCommand {
  @Uuid('a ticket', { description: 'Id of the ticket to merge into' })
  into!: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

@JSONSchema({
  description:
    'Splits part of this ticket off into a new one, of the same client and reporter, at the same tier, linked to this one. Its id is in the event.',
  examples: [{ summary: 'The scanner of FIN-2 does not answer', reason: 'Another device, another team' }],
})
export class SplitTicket extends TicketCommand {
  @Text({ description: 'One-line summary of the new ticket', example: 'The scanner of FIN-2 does not answer', max: 200 })
  summary!: string;

  @Text({ description: 'Full description of the new ticket', max: 20_000, optional: true })
  description?: string;

  @Name({ description: 'Category of the new ticket', optional: true })
  category?: string;

  @Name({ description: 'Affected service; default: the same', optional: true })
  service?: string;

  @Name({ description: 'Affected configuration item; default: the same', optional: true })
  component?: string;

  @Text({ description: 'Why', max: 2000 })
  reason!: string;
}

/** Takes in a ticket that is merged into this one. Sent by the policy of merges. */
export interface AbsorbTicket extends TicketCommand {
  readonly ticketId: string;
  readonly client: string;
  /** The client's customer, by the ticket's contract. */
  readonly customer?: string;
  readonly summary: string;
  readonly reporter: Person;
  readonly reason: string;
}

/** The other ticket has taken this one in. Sent by the policy of merges. */
export interface CompleteMerge extends TicketCommand {
  readonly into: string;
}

/** The other ticket could not take the link or the merge. Sent by the policies of links and merges. */
export type RefuseRelation = TicketCommand & TicketEvents['TicketRelationRefused'];

/** With more, every event of the ticket would be slow to read, and those of a parent slow to follow. */
const MOST_LINKS = 500;

export const relationCommands = {
  LinkTicket: command({
    body: LinkTicket,
    route: 'POST /v1/tickets/{id}/links',
    refuses: [...OVER, ...UNRELATABLE, 'relation-to-itself', 'has-a-parent', 'has-children', 'too-many-links'],
    late: true,
    needs: 'other-ticket',
    decide({ ticketId, relation, mirrored }, ticket, { id }, _contract, other?: TicketState) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      if (ticketId === id) return refuse('relation-to-itself', 'A ticket cannot be linked to itself');
      if (hasLink(ticket, ticketId, relation)) return [];
      const behindWall = unlessOfOneCustomer(ticket, other, 'ticketId');
      if (behindWall) return behindWall;
      const [parent] = linkedBy('child-of', ticket);
      const family = relation === 'child-of' || relation === 'parent-of';
      // One level only: no cycles, so following parents always ends.
      if (family && parent !== undefined)
        return refuse('has-a-parent', `The ticket is a child of ${parent}; a child has one parent and no children`);
      if (relation === 'child-of' && linkedBy('parent-of', ticket).length > 0)
        return refuse('has-children', 'The ticket has children; a parent has no parent');
      if (ticket.links.length >= MOST_LINKS) return refuse('too-many-links', `A ticket has at most ${MOST_LINKS} links`);
      return [event('TicketLinked', omitUndefined({ ticketId, relation, mirrored }))];
    },
  }),

  UnlinkTicket: command({
    body: UnlinkTicket,
    route: 'POST /v1/tickets/{id}/links/remove',
    refuses: [...OVER],
    late: true,
    decide({ ticketId, relation, reason, mirrored }, ticket) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      return hasLink(ticket, ticketId, relation) ? [event('TicketUnlinked', omitUndefined({ ticketId, relation, reason, mirrored }))] : [];
    },
  }),

  MergeTicket: command({
    body: MergeTicket,
    route: 'POST /v1/tickets/{id}/merge',
    refuses: [...INACTIVE, ...UNRELATABLE, 'relation-to-itself', 'merge-pending', 'has-children'],
    late: true,
    movesOn: true,
    needs: 'other-ticket',
    decide({ into, reason }, ticket, { id }, _contract, other?: TicketState) {
      if (ticket.work.status === 'merged' && ticket.work.into === into) return [];
      const barred = unlessActive(ticket);
      if (barred) return barred;
      if (into === id) return refuse('relation-to-itself', 'A ticket cannot be merged into itself');
      if (ticket.mergingInto === into) return [];
      return (
        unlessOfOneCustomer(ticket, other, 'into') ??
        unlessMerging(ticket) ??
        (linkedBy('parent-of', ticket).length > 0
          ? refuse('has-children', 'The ticket has children: they would lose their parent')
          : [event('TicketMergeRequested', { into, reason })])
      );
    },
  }),

  SplitTicket: command({
    body: SplitTicket,
    route: 'POST /v1/tickets/{id}/split',
    refuses: [...INACTIVE, ...UNCLASSIFIABLE, 'too-many-links'],
    late: true,
    decide({ summary, description, category, service, component, reason }, ticket, context, contract) {
      const barred = unlessActive(ticket) ?? unlessInContract({ category, service, component }, contract, ticket.service);
      if (barred) return barred;
      if (ticket.links.length >= MOST_LINKS) return refuse('too-many-links', `A ticket has at most ${MOST_LINKS} links`);
      const into = deterministicId('split', context.commandId);
      return [event('TicketSplit', omitUndefined({ into, summary, description, category, service, component, reason }))];
    },
  }),

  AbsorbTicket: internal({
    refuses: [...INACTIVE, 'other-client', 'merge-pending', 'relation-to-itself'],
    late: true,
    decide({ ticketId, client, customer, summary, reporter, reason }: AbsorbTicket, ticket, { id }, { customer: own }) {
      if (ticket.absorbed.includes(ticketId)) return [];
      const barred = unlessActive(ticket) ?? unlessMerging(ticket);
      if (barred) return barred;
      if (ticketId === id) return refuse('relation-to-itself', 'A ticket cannot be merged into itself');
      if (client !== ticket.client && (customer === undefined || customer !== own))
        return refuse('other-client', 'The other ticket belongs to another client');
      return [event('TicketAbsorbed', { ticketId, summary, reporter: asPerson(reporter), reason })];
    },
  }),

  CompleteMerge: internal({
    refuses: [...OVER, 'no-merge-pending'],
    late: true,
    decide({ into }: CompleteMerge, ticket, context) {
      if (ticket.work.status === 'merged' && ticket.work.into === into) return [];
      const barred = unlessOver(ticket);
      if (barred) return barred;
      return ticket.mergingInto === into
        ? [...untoldEvents(ticket, context), event('TicketMerged', { into })]
        : refuse('no-merge-pending', 'No merge into that ticket is in progress');
    },
  }),

  RefuseRelation: internal({
    refuses: [],
    late: true,
    decide({ ticketId, relation, code, message }: RefuseRelation, ticket) {
      const holds = relation === 'merged-into' ? ticket.mergingInto === ticketId : hasLink(ticket, ticketId, relation);
      return holds && unlessOver(ticket) === undefined ? [event('TicketRelationRefused', { ticketId, relation, code, message })] : [];
    },
  }),
} satisfies TicketCommandDefinitions;

function unlessMerging({ mergingInto }: Ticket): Refusal<'merge-pending'> | undefined {
  return mergingInto === undefined ? undefined : refuse('merge-pending', `The ticket is being merged into ${mergingInto}`);
}

function hasLink({ links }: Ticket, ticketId: string, relation: Relation): boolean {
  return links.some((link) => link.ticketId === ticketId && link.relation === relation);
}
