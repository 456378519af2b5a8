import type { Instant } from '#eventsourcing';
import type { AssignmentRule, NobodyReason, Person, Tier, UnassignedBecause } from '../vocabulary.js';
import { move, note } from './definition.js';
import { type ActiveWork, moveTo, type Work } from './ticket.js';

/** Someone who could be given a ticket now. */
export interface Candidate {
  readonly agent: Person;
  readonly team: string;
  readonly shift: string;
}

/** Who was chosen, and why. */
export interface AssignmentChoice extends Candidate {
  readonly rule: AssignmentRule;
  readonly candidates: number;
  /** Open tickets of the chosen agent, without this one. */
  readonly openTickets: number;
}

export interface NobodyFound {
  readonly because: NobodyReason;
  /** Ids of the eligible teams. */
  readonly teams: readonly string[];
  /**
   * When someone with the skills next comes on shift or back, as far as known; assignment is also tried again whenever the roster changes.
   */
  readonly retryAt?: Instant;
}

export const assignmentEvents = {
  TicketAssigned: move<{
    readonly tier: Tier;
    readonly team?: string;
    readonly assignee?: Person;
    /** Present if assigned automatically: what decided, among how many, and what was asked for. */
    readonly automatic?: Omit<AssignmentChoice, 'agent' | 'team'> & { readonly skills: readonly string[] };
  }>({
    says: 'it was assigned to a person, a team or both, within the tier; `automatic` explains an automatic assignment',
    publicData: 'all',
    evolve: (ticket, { tier, team, assignee, automatic }) => ({
      ...moveTo(ticket, tier, team ?? ticket.team, assignee),
      ...(automatic !== undefined && (ticket.team === undefined || ticket.teamChosen) ? { teamChosen: true as const } : {}),
      work: givenTo(ticket.work, assignee),
    }),
    // Automatic assignment looks for someone only if nobody has the ticket; a rule assigns it whoever has it.
    supposes: ({ tier, automatic }) => (automatic === undefined ? { tier } : { tier, assignee: null }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  TicketUnassigned: move<{
    readonly tier: Tier;
    /** The team that it stays with, if someone assigned it to one. */
    readonly team?: string;
    /** The previous assignee. */
    readonly assignee: Person;
    readonly because: UnassignedBecause;
    readonly reason: string;
  }>({
    says: 'it was unassigned: who had it, and why it was taken away',
    publicData: 'all',
    evolve: (ticket, { tier, team, assignee, because }) => ({
      ...moveTo(ticket, tier, team),
      ...(because === 'requested' ? { declinedBy: [...new Set([...(ticket.declinedBy ?? []), assignee.id])] } : {}),
      work: givenTo(ticket.work, undefined),
    }),
    supposes: ({ tier, assignee }) => ({ tier, assignee: assignee.id }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  TicketTakenOver: move<{
    readonly tier: Tier;
    readonly team?: string;
    /** The previous assignee, who is notified. */
    readonly from: Person;
    readonly agent: Person;
    readonly reason: string;
  }>({
    says: 'somebody took it over from the assignee, who is notified: by whom, and why',
    publicData: 'all',
    evolve: (ticket, { tier, team, agent }) => ({
      ...moveTo(ticket, tier, team ?? ticket.team, agent),
      work: givenTo(ticket.work, agent),
    }),
    endsTouch: false,
    firstResponse: false,
    endsChains: null,
    clocks: null,
    personal: null,
  }),

  AssignmentFoundNobody: note<NobodyFound & { readonly tier: Tier; readonly skills: readonly string[] }>({
    says: 'automatic assignment found nobody, and why: recorded once per reason while the ticket stays where it is',
    publicData: 'all',
    evolve: (ticket, { because }) => ({ ...ticket, nobodyFound: because }),
    personal: null,
  }),
};

/** Work that is given to someone else waits until they start. */
function givenTo(work: Work, assignee: Person | undefined): Work {
  if (work.status === 'on-hold') return { ...work, paused: givenTo(work.paused, assignee) as ActiveWork };
  return work.status === 'in-progress' && work.agent.id !== assignee?.id ? { status: 'open' } : work;
}
