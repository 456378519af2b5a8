import { without } from '../plain-json.js';
import type { AssistantAct } from '../vocabulary.js';
import { note } from './definition.js';
import type { Ticket } from './ticket.js';

interface Settled {
  readonly proposalId: string;
  readonly act: AssistantAct;
}

/** The ticket without a proposal that has been decided. */
function settled(ticket: Ticket, { proposalId }: Settled): Ticket {
  const others = ticket.proposals?.filter((one) => one.proposalId !== proposalId) ?? [];
  return others.length === 0 ? without(ticket, 'proposals') : { ...ticket, proposals: others };
}

interface Proposed extends Settled {
  readonly body: { readonly text?: string; readonly [field: string]: unknown };
}

/** A reply that has not been sent, or a resolution, is for the desk only. */
const withoutBody = ({ proposalId, act }: Proposed) => ({ proposalId, act });

export const proposalEvents = {
  ActProposed: note<Proposed, typeof withoutBody>({
    says: 'an assistant proposed a reply, a resolution or a hand-off, with its content: a person approves or rejects it, unless the contract lets the assistant act alone',
    publicData: withoutBody,
    personal: { fields: ['body.text'] },
    evolve: (ticket, { proposalId, act, body }, { actor: by, effectiveAt: at }) => ({
      ...ticket,
      proposals: [...(ticket.proposals ?? []), { proposalId, act, body, by, at }],
    }),
  }),
  ProposalApproved: note<Settled & { readonly by?: 'contract' }>({
    says: 'the proposal was approved and carried out: by a person, or because the contract lets assistants act alone (`by`)',
    publicData: 'all',
    evolve: settled,
    personal: null,
  }),
  ProposalRejected: note<Settled & { readonly reason: string }>({
    says: 'the proposal was rejected, and why',
    publicData: 'all',
    evolve: settled,
    personal: null,
  }),
};
