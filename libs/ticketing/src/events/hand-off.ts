import type { HandOff } from '../contract/hand-off.js';
import { omitUndefined, withOneMore } from '../plain-json.js';
import type { Person, SkipReason, Tier } from '../vocabulary.js';
import { move, note, unchanged } from './definition.js';
import { handedOver, moveTo, withActiveWork } from './ticket.js';

export const handOffEvents = {
  TicketEscalated: move<{
    readonly escalationId: string;
    readonly from: Tier;
    readonly fromTeam?: string;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly skipped?: SkipReason;
    readonly handOff: HandOff;
    /** Set if a policy handed it on: which one, and what the contract requires but the hand-off lacks. */
    readonly automatic?: { readonly policy: string; readonly chain: string; readonly lacks: readonly string[] };
  }>({
    says: 'functional escalation: the work was handed up, with the full hand-off, and awaits acceptance; `skipped` if it skipped a tier',
    publicData: 'all',
    evolve: (ticket, { escalationId, from, fromTeam, to, toTeam, handOff }, { effectiveAt }) => ({
      ...moveTo(ticket, to, toTeam),
      ...(handOff?.vendor === undefined ? {} : { vendorCase: handOff.vendor }),
      handedUpBy: [...new Set([...(ticket.handedUpBy ?? []), from])],
      work: {
        status: 'escalated',
        handedOver: omitUndefined({ escalationId, from, fromTeam, fromAssignee: ticket.assignee, at: effectiveAt }),
      },
    }),
    supposes: ({ from }) => ({ tier: from }),
    endsTouch: true,
    firstResponse: false,
    endsChains: null,
    clocks: ({ to, handOff }) => ({
      starts: [{ clock: 'tier-accept', tier: to }],
      stops: [{ clock: 'tier-accept', except: to }],
      handOffPending: true,
      ...(handOff?.vendor === undefined ? {} : { vendor: handOff.vendor.vendor }),
    }),
    personal: null,
  }),

  EscalationAccepted: move<{
    readonly escalationId: string;
    readonly tier: Tier;
    readonly team?: string;
    readonly agent: Person;
    /** Tickets on which the agent's touch time was running, and now ends. */
    readonly turnedFrom?: readonly string[];
  }>({
    says: 'the receiving tier accepted it',
    publicData: 'all',
    evolve: (ticket, { escalationId, tier, team, agent }) => ({
      ...moveTo(ticket, tier, team ?? ticket.team, agent),
      work: withActiveWork(ticket.work, { status: 'in-progress', agent }),
      settledEscalation: { id: escalationId, how: 'accepted' },
    }),
    endsTouch: false,
    firstResponse: true,
    endsChains: null,
    clocks: ({ tier }) => ({
      starts: [{ clock: 'tier-work', tier }],
      stops: [{ clock: 'response' }, { clock: 'tier-accept' }, { clock: 'tier-work', except: tier }],
      handOffPending: false,
    }),
    personal: null,
  }),

  EscalationReturned: move<{
    readonly escalationId: string;
    readonly from: Tier;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly pingPong: number;
  }>({
    says: 'the receiver returned it to the sender, with a reason; `pingPong` counts the returns',
    publicData: 'all',
    evolve: (ticket, { escalationId, to, toTeam, pingPong }) => ({
      ...moveTo(ticket, to, toTeam, handedOver(ticket)?.fromAssignee),
      work: withActiveWork(ticket.work, { status: 'open' }),
      settledEscalation: { id: escalationId, how: 'returned' },
      returns: pingPong,
    }),
    endsTouch: true,
    firstResponse: false,
    endsChains: null,
    clocks: ({ to }) => ({
      starts: [{ clock: 'tier-accept', tier: to, unlessWorking: true }],
      stops: [
        { clock: 'tier-accept', except: to },
        { clock: 'tier-work', except: to },
      ],
      handOffPending: false,
    }),
    personal: null,
  }),

  TicketDeescalated: move<{
    readonly from: Tier;
    readonly fromTeam?: string;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly solution: { readonly kind: 'solution' | 'procedure'; readonly text: string; readonly article?: string };
    /** How many times it has gone back to a tier that had handed it up, if it does so now. */
    readonly pingPong?: number;
  }>({
    says:
      'the work was handed down, with the solution, so that the lower tier can do it alone next time; `pingPong` counts it with the returns ' +
      'if that tier had handed it up',
    publicData: 'all',
    evolve: (ticket, { to, toTeam, pingPong }) => ({
      ...moveTo(ticket, to, toTeam),
      work: { status: 'open' },
      returns: pingPong ?? ticket.returns,
    }),
    endsTouch: true,
    firstResponse: false,
    endsChains: null,
    clocks: ({ to }) => ({
      starts: [{ clock: 'tier-accept', tier: to }],
      stops: [{ clock: 'tier-accept', except: to }, { clock: 'tier-work' }],
      handOffPending: false,
    }),
    personal: null,
  }),

  HierarchicalEscalationRaised: move<{
    readonly tier: Tier;
    readonly cause: 'ping-pong-limit' | 'requested';
    readonly to?: string;
    readonly reason: string;
  }>({
    says: 'hierarchical escalation: someone higher up is notified; the work does not move',
    publicData: 'all',
    evolve: unchanged,
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  ConsultationRequested: note<{
    readonly consultationId: string;
    readonly from: Tier;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly question: string;
  }>({
    says: 'another tier was asked for guidance; owner and clocks stay',
    publicData: 'all',
    evolve: (ticket, { consultationId, to, question }, { effectiveAt: at }) => ({
      ...ticket,
      consultations: withOneMore(ticket.consultations, { id: consultationId, tier: to, question, at }, 'at'),
    }),
    personal: null,
  }),

  ConsultationAnswered: note<{
    readonly consultationId: string;
    readonly by: Person;
    readonly answer: string;
    readonly article?: string;
  }>({
    says: 'the answer, and the knowledge article it became',
    publicData: 'all',
    evolve: (ticket, { consultationId }) => ({
      ...ticket,
      consultations: ticket.consultations.filter(({ id }) => id !== consultationId),
    }),
    personal: null,
  }),
};
