import { deterministicId, refuse } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Name, Part, PersonRef, Text } from '../command-fields.js';
import { command, TicketCommand, type TicketCommandDefinitions } from './command.js';
import { DAY } from '../contract/contract.js';
import { resolvedAt } from '../events/ticket.js';
import { asPerson, endOfHold, event, reopening } from './decisions.js';
import { canBeReopened, OVER, unlessOver } from './guards.js';

@JSONSchema({
  description: 'Sends a reply to the requester. The first public reply is a first response.',
  examples: [{ text: 'We are looking into the print queue and will be back within the hour.' }],
})
export class SendPublicReply extends TicketCommand {
  @Text({ description: 'Text for the requester', max: 20_000 })
  text!: string;
}

@JSONSchema({ description: 'Adds an internal note, visible to the desk only.', examples: [{ text: 'Third call about FIN-2 this week.' }] })
export class AddInternalNote extends TicketCommand {
  @Text({ description: 'The note', max: 20_000 })
  text!: string;
}

@JSONSchema({
  description:
    "Records the requester's reply. It ends a hold for the customer. A reply to a resolved or closed ticket reopens it; after the reopening window it opens a follow-up ticket. A contract may say otherwise.",
  examples: [{ text: 'I am back at the printer now.', author: { id: 'j.doe', name: 'Jane Doe' } }],
})
export class RecordRequesterReply extends TicketCommand {
  @Text({ description: 'The reply', max: 20_000 })
  text!: string;

  @Part(() => PersonRef, { description: 'Who replied; default: the reporter', optional: true })
  author?: PersonRef;
}

@JSONSchema({
  description: "Records a vendor's reply about its case: that of the last hand-off to a vendor, or the named one.",
  examples: [{ vendor: 'Contoso Printing', caseReference: 'CP-77123', text: 'Fixed in firmware 11.3.' }],
})
export class RecordVendorReply extends TicketCommand {
  @Text({ description: 'Text of the reply', max: 20_000 })
  text!: string;

  @Name({ description: 'Vendor; default: the one that has the ticket', example: 'Contoso Printing', optional: true })
  vendor?: string;

  @Name({ description: "The vendor's case reference; default: that of the hand-off", example: 'CP-77123', optional: true })
  caseReference?: string;
}

export const conversationCommands = {
  SendPublicReply: command({
    body: SendPublicReply,
    route: 'POST /v1/tickets/{id}/public-replies',
    refuses: [...OVER],
    late: true,
    decide({ text }, ticket, context) {
      return unlessOver(ticket) ?? [event('PublicReplySent', { author: asPerson(context.actor), text })];
    },
  }),

  AddInternalNote: command({
    body: AddInternalNote,
    route: 'POST /v1/tickets/{id}/internal-notes',
    refuses: [...OVER],
    late: true,
    decide({ text }, ticket, context) {
      return unlessOver(ticket) ?? [event('InternalNoteAdded', { author: asPerson(context.actor), text })];
    },
  }),

  RecordRequesterReply: command({
    body: RecordRequesterReply,
    route: 'POST /v1/tickets/{id}/requester-replies',
    refuses: [...OVER, 'reopen-window-passed'],
    late: false,
    decide({ text, author }, ticket, { commandId, effectiveAt }, { lateReplies, reopenWindow }) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      const said = { author: author ? asPerson(author) : ticket.reporter, text };
      const replied = event('RequesterReplied', said);
      if (resolvedAt(ticket.work) !== undefined) {
        if (canBeReopened(ticket, effectiveAt))
          return lateReplies?.within === 'flag' ? [replied] : [replied, reopening(ticket, 'The requester replied')];
        if (lateReplies?.after === 'refuse') {
          return refuse(
            'reopen-window-passed',
            `A ticket can be replied to within ${reopenWindow / DAY} days of its resolution. Open a follow-up ticket instead`,
          );
        }
        return [event('RequesterReplied', { ...said, followUp: ticket.followUp ?? deterministicId('follow-up', commandId) })];
      }
      return ticket.work.status === 'on-hold' && ticket.work.reason === 'customer' ? [replied, ...endOfHold(ticket)] : [replied];
    },
  }),

  RecordVendorReply: command({
    body: RecordVendorReply,
    route: 'POST /v1/tickets/{id}/vendor-replies',
    refuses: [...OVER, 'no-vendor-case'],
    late: true,
    decide({ text, ...named }, ticket) {
      const barred = unlessOver(ticket);
      if (barred) return barred;
      const vendor = named.vendor ?? ticket.vendorCase?.vendor;
      const caseReference = named.caseReference ?? ticket.vendorCase?.caseReference;
      if (vendor !== undefined && caseReference !== undefined) return [event('VendorReplied', { vendor, caseReference, text })];
      return refuse(
        'no-vendor-case',
        'The ticket was never handed to a vendor: name the vendor and the case',
        Object.entries({ vendor, caseReference }).flatMap(([field, value]) =>
          value === undefined ? [{ field, message: 'must be named' }] : [],
        ),
      );
    },
  }),
} satisfies TicketCommandDefinitions;
