import { omitUndefined, without } from '../plain-json.js';
import type { Tier } from '../vocabulary.js';
import { move, note } from './definition.js';
import { moveTo, type Resolution, resolvedAt, type RootCause } from './ticket.js';

export const resolutionEvents = {
  TicketResolved: move<Resolution & { readonly tier: Tier; readonly team?: string }>({
    says: 'it was resolved, by the rules of its tier, with its parent, or because its alert stopped firing',
    publicData: 'all',
    evolve: (ticket, { tier, category, article, cause, fix, workaround, parent, alert }, { effectiveAt }) => ({
      ...without(ticket, 'proposals'),
      work: { status: 'resolved', resolvedAt: effectiveAt },
      resolution: omitUndefined({ tier, category, article, cause, fix, workaround, parent, alert }),
      resolvedBy: [...ticket.resolvedBy, tier],
    }),
    endsTouch: true,
    firstResponse: false,
    endsChains: 'resolved',
    clocks: () => ({ stops: 'all', endsHolds: true, handOffPending: false }),
    personal: null,
  }),

  TicketResolvedWithRootCause: move<{ readonly tier: Tier; readonly team?: string; readonly rootCause: RootCause }>({
    says: 'it was resolved with its root cause',
    publicData: 'all',
    evolve: (ticket, { tier, rootCause }, { effectiveAt }) => ({
      ...without(ticket, 'proposals'),
      work: { status: 'resolved', resolvedAt: effectiveAt },
      rootCause,
      resolvedBy: [...ticket.resolvedBy, tier],
    }),
    endsTouch: true,
    firstResponse: false,
    endsChains: 'resolved',
    clocks: () => ({ stops: 'all', endsHolds: true, handOffPending: false }),
    personal: null,
  }),

  TicketReopened: move<{ readonly reason: string; readonly tier: Tier; readonly team?: string; readonly cycle: number }>({
    says: 'it was reopened; `cycle` counts its lives, from 1',
    publicData: 'all',
    evolve: (ticket, { tier, team, cycle }) => ({
      ...without(moveTo(ticket, tier, team, ticket.assignee), 'resolution', 'rootCause', 'repliedAt'),
      work: { status: 'open' },
      cycle,
    }),
    movesWhatIsOver: true,
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: ({ cycle, tier }) => ({
      starts: [
        { clock: 'resolution', cycle },
        { clock: 'tier-accept', tier },
      ],
      endsHolds: true,
      handOffPending: false,
    }),
    personal: null,
  }),

  TicketClosed: move<{ readonly note?: string }>({
    says: 'it was closed: the resolution is final',
    publicData: 'all',
    evolve: (ticket, _data, { effectiveAt }) => ({
      ...without(ticket, 'repliedAt', 'proposals'),
      work: { status: 'closed', resolvedAt: resolvedAt(ticket.work) ?? effectiveAt },
    }),
    movesWhatIsOver: true,
    endsTouch: false,
    firstResponse: false,
    endsChains: 'resolved',
    clocks: () => ({ cancels: true, endsHolds: true, handOffPending: false }),
    personal: null,
  }),

  TicketCancelled: move<{ readonly reason: string }>({
    says: 'it was cancelled, and why it needs no resolution',
    publicData: 'all',
    evolve: (ticket) => ({ ...without(ticket, 'proposals'), work: { status: 'cancelled' } }),
    endsTouch: true,
    firstResponse: false,
    endsChains: 'cancelled',
    clocks: () => ({ cancels: true, silences: true, endsHolds: true, handOffPending: false }),
    personal: null,
  }),

  SatisfactionRecorded: note<{ readonly cycle: number; readonly score: number; readonly comment?: string }>({
    says: "the requester's rating, one per resolution: 1 (very dissatisfied) to 5 (very satisfied)",
    publicData: 'all',
    evolve: (ticket, { cycle }) => ({ ...ticket, judgedCycles: [...ticket.judgedCycles, cycle] }),
    personal: { fields: ['comment'] },
  }),
};
