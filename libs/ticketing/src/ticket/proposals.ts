import { deterministicId, ERASED, isRefusal, refuse, type Refusal, type Route } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { Text, Uuid } from '../command-fields.js';
import { termsOf } from '../contract/contract.js';
import type { Proposal } from '../events/ticket.js';
import { same, without } from '../plain-json.js';
import type { AssistantAct } from '../vocabulary.js';
import type { ClockedTicket } from './clocked-ticket.js';
import { command, TicketCommand, type TicketCommandDefinition, type TicketCommandDefinitions } from './command.js';
import { conversationCommands, SendPublicReply } from './conversation.js';
import { event } from './decisions.js';
import { OVER, UNNAMED, unlessNamed, unlessOver } from './guards.js';
import { EscalateToTier, handOffCommands } from './hand-off.js';
import { ResolveTicket, resolutionCommands } from './resolution.js';

@JSONSchema({
  description:
    'Proposes a reply to the requester. It is sent once a person approves it, or at once if the contract lets assistants reply alone.',
  examples: [{ text: 'Please restart the spooler, and print again.' }],
})
export class ProposeReply extends SendPublicReply {}

@JSONSchema({
  description:
    "Proposes a resolution, by the rules of the ticket's tier. It takes effect once a person approves it, or at once if the contract lets assistants resolve alone.",
  examples: [{ category: 'hardware/printer', article: 'KB-0042' }],
})
export class ProposeResolution extends ResolveTicket {}

@JSONSchema({
  description:
    'Proposes to hand the work up, with what the hand-off contract requires. It is handed up once a person approves it, or at once if the contract lets assistants hand off alone.',
  examples: [
    {
      tier: 'L2',
      reason: 'Needs access to the print server',
      handoff: {
        summary: 'Invoices stay in the queue of printer FIN-2',
        errorMessages: ['0x00000709: Operation could not be completed'],
        logs: ['https://files.example.com/spooler.log'],
        stepsTried: [{ action: 'Restarted the print spooler', outcome: 'Jobs still stay in the queue' }],
      },
    },
  ],
})
export class ProposeHandOff extends EscalateToTier {}

@JSONSchema({
  description: 'Approves a proposal: it is carried out in the name of the person who approves it.',
  examples: [{}],
})
export class ApproveProposal extends TicketCommand {
  @Uuid('a proposal', { description: 'Id of the proposal; needed if several are open', optional: true })
  proposalId?: string;
}

@JSONSchema({
  description: 'Rejects a proposal: it is not carried out.',
  examples: [{ reason: 'The printer is being replaced anyway' }],
})
export class RejectProposal extends TicketCommand {
  @Uuid('a proposal', { description: 'Id of the proposal; needed if several are open', optional: true })
  proposalId?: string;

  @Text({ description: 'Why', example: 'The printer is being replaced anyway', max: 2000 })
  reason!: string;
}

/** The command behind each act, as a person would send it. */
const acts = {
  reply: conversationCommands.SendPublicReply,
  resolution: resolutionCommands.ResolveTicket,
  'hand-off': handOffCommands.EscalateToTier,
} as const;

type Acts = typeof acts;
type CodeOf<Act extends AssistantAct> = Acts[Act]['refuses'][number];

/**
 * The command that proposes an act. It is refused now for whatever the act would be refused for, so the approver need not look for missing
 * items.
 */
function proposing<Act extends AssistantAct, Body extends object>(
  act: Act,
  body: new () => Body,
): TicketCommandDefinition<Body, CodeOf<Act> | 'not-for-assistants', undefined> & { readonly body: new () => Body; readonly route: Route } {
  const { refuses, decide } = acts[act] as unknown as TicketCommandDefinition<Body, CodeOf<Act>, undefined>;
  return {
    body,
    route: `POST /v1/tickets/{id}/proposals/${act}`,
    refuses: [...refuses, 'not-for-assistants'],
    late: false,
    decide(given, ticket, context) {
      const done = decide(given, ticket, context);
      if (ticket === null || isRefusal(done) || done.length === 0) return done;
      const may = termsOf(ticket).assistants?.[act] ?? 'approval';
      const isAssistant = context.actor.kind === 'assistant';
      if (isAssistant && may === 'never') return refuse('not-for-assistants', `The contract does not let assistants propose this: ${act}`);
      const content = asJson(without(given as Body & TicketCommand, 'effectiveAt'));
      if (ticket.proposals?.some((one) => one.act === act && same(one.body, content))) return [];
      const proposalId = deterministicId('proposal', context.commandId);
      const proposed = event('ActProposed', { proposalId, act, body: content });
      return isAssistant && may === 'alone'
        ? [proposed, event('ProposalApproved', { proposalId, act, by: 'contract' }), ...done]
        : [proposed];
    },
  };
}

const NOT_PROPOSED = ['proposal-not-found', ...UNNAMED] as const;

function proposalIn({ proposals = [] }: ClockedTicket, id: string | undefined): Proposal | Refusal<(typeof NOT_PROPOSED)[number]> {
  return (
    unlessNamed(
      'proposalId',
      id,
      proposals.map(({ proposalId }) => proposalId),
    ) ??
    proposals.find(({ proposalId }) => id === undefined || proposalId === id) ??
    refuse('proposal-not-found', 'No such proposal is awaiting approval')
  );
}

export const proposalCommands = {
  ProposeReply: proposing('reply', ProposeReply),
  ProposeResolution: proposing('resolution', ProposeResolution),
  ProposeHandOff: proposing('hand-off', ProposeHandOff),

  ApproveProposal: command({
    body: ApproveProposal,
    route: 'POST /v1/tickets/{id}/proposals/approve',
    refuses: [...acts.reply.refuses, ...acts.resolution.refuses, ...acts['hand-off'].refuses, ...NOT_PROPOSED],
    late: false,
    decide({ proposalId: named }, ticket, context) {
      const proposal = proposalIn(ticket, named);
      if (isRefusal(proposal)) return proposal;
      const { proposalId, act, body } = proposal;
      if (act === 'reply' && 'text' in body && body.text === ERASED)
        return refuse('proposal-not-found', 'The text of this proposal was erased: reject it, or propose another reply');
      const done = acts[act].decide(body as never, ticket, context);
      return isRefusal(done) ? done : [event('ProposalApproved', { proposalId, act }), ...done];
    },
  }),

  RejectProposal: command({
    body: RejectProposal,
    route: 'POST /v1/tickets/{id}/proposals/reject',
    refuses: [...OVER, ...NOT_PROPOSED],
    late: false,
    decide({ proposalId: named, reason }, ticket) {
      const proposal = unlessOver(ticket) ?? proposalIn(ticket, named);
      if (isRefusal(proposal)) return proposal;
      const { proposalId, act } = proposal;
      return [event('ProposalRejected', { proposalId, act, reason })];
    },
  }),
} satisfies TicketCommandDefinitions;

/** An instance of a class, as plain JSON. */
function asJson(given: object): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(given)) as Readonly<Record<string, unknown>>;
}
