import type { EventDefinition, EventFacts, Instant } from '#eventsourcing';
import type { NobodyFound } from './assignment.js';
import { present, without } from '../plain-json.js';
import type { DiagnosticStep, VendorCase } from '../contract/hand-off.js';
import type { Person, HoldReason, Relation, Tier } from '../vocabulary.js';
import type { RootCause, TicketEvents } from './ticket-events.js';

/** Work at a tier: nobody's yet, or somebody's. */
export type ActiveWork =
  | { readonly status: 'open' }
  | { readonly status: 'in-progress'; readonly agent: Person }
  | { readonly status: 'escalated'; readonly handedOver: HandedOver };

/** A hand-off that waits to be accepted, with where it goes back to when it is returned. */
export interface HandedOver {
  readonly escalationId: string;
  readonly from: Tier;
  readonly fromTeam?: string;
  readonly fromAssignee?: Person;
  readonly at: Instant;
}

/** Where a ticket stands in its life. */
export type Work =
  | ActiveWork
  | {
      readonly status: 'on-hold';
      readonly reason: HoldReason;
      readonly since: Instant;
      readonly until?: Instant;
      readonly paused: ActiveWork;
    }
  | { readonly status: 'resolved' | 'closed'; readonly resolvedAt: Instant }
  | { readonly status: 'cancelled' }
  | { readonly status: 'merged'; readonly into: string };

/** What is known of a ticket that was opened. Also the core of the details view: see views/ticket-details.ts. */
export interface Ticket extends Omit<TicketEvents['TicketOpened'], 'articlesShown'> {
  readonly assignee?: Person;
  /** The team was chosen with the assignee, by automatic assignment: without the assignee any other may be. */
  readonly teamChosen?: true;
  /** Why automatic assignment found nobody, until it is somewhere else or somebody has it. */
  readonly nobodyFound?: NobodyFound['because'];
  /** Ids of the agents from whom it was taken on request, at this tier: it is not given to them again automatically. */
  readonly declinedBy?: readonly string[];
  /** Skills that were stated at triage. */
  readonly skills?: readonly string[];
  readonly majorIncident: boolean;
  readonly securityIncident: boolean;
  readonly work: Work;
  readonly stepsTried: readonly DiagnosticStep[];
  readonly evidence: readonly TicketEvents['EvidenceAttached'][];
  /** Id of the last hand-off that was accepted or returned: repeating that changes nothing. */
  readonly settledEscalation?: { readonly id: string; readonly how: 'accepted' | 'returned' };
  readonly resolution?: Omit<TicketEvents['TicketResolved'], 'tier' | 'team'> & { readonly tier: Tier };
  readonly rootCause?: RootCause;
  /** Tiers that have resolved it so far, oldest first. */
  readonly resolvedBy: readonly Tier[];
  /** 1, and one more for each reopening. */
  readonly cycle: number;
  readonly returns: number;
  /** Questions to other tiers that wait for an answer, oldest first. */
  readonly consultations: readonly { readonly id: string; readonly tier: Tier; readonly question: string }[];
  /** The vendor's case that the last hand-off to a vendor named. */
  readonly vendorCase?: VendorCase;
  readonly onsiteVisit?: { readonly id: string; readonly status: 'planned' | 'begun' };
  /** Agents who are at it now, each since when and at which tier. */
  readonly touching: readonly { readonly agent: Person; readonly tier: Tier; readonly since: Instant }[];
  /** Cycles whose resolution the requester has judged. */
  readonly judgedCycles: readonly number[];
  /** What it is to other tickets. */
  readonly links: readonly { readonly ticketId: string; readonly relation: Relation }[];
  /** The ticket that it is to go on in, until that one has taken it in or has refused to. */
  readonly mergingInto?: string;
  /** Tickets that go on in this one. */
  readonly absorbed: readonly string[];
  /** How many events it has. */
  readonly revisions: number;
  /** When the last event that moved the ticket on took effect. */
  readonly movedAt: Instant;
}

/** No ticket yet, or one. */
export type TicketState = Ticket | null;

type Evolve = { readonly [Type in keyof TicketEvents]: (ticket: Ticket, data: TicketEvents[Type], facts: EventFacts) => Ticket };

/** How each event changes a ticket that was opened. */
const evolveTicket: Evolve = {
  TicketOpened: (ticket) => ticket,
  // It is told in full: a component that is not told of is not affected any more.
  TicketTriaged: (ticket, data) => ({ ...(data.component === undefined ? without(ticket, 'component') : ticket), ...data }),
  TicketAssigned: (ticket, { tier, team, assignee, automatic }) => ({
    ...placed(ticket, tier, team ?? ticket.team, assignee),
    ...(automatic !== undefined && (ticket.team === undefined || ticket.teamChosen) ? { teamChosen: true as const } : {}),
    work: handedTo(ticket.work, assignee),
  }),
  TicketUnassigned: (ticket, { tier, team, assignee, because }) => ({
    ...placed(ticket, tier, team),
    ...(because === 'requested' ? { declinedBy: [...new Set([...(ticket.declinedBy ?? []), assignee.id])] } : {}),
    work: handedTo(ticket.work, undefined),
  }),
  AssignmentFoundNobody: (ticket, { because }) => ({ ...ticket, nobodyFound: because }),
  WorkStarted: (ticket, { tier, team, agent }) => ({
    ...placed(ticket, tier, team ?? ticket.team, agent),
    work: { status: 'in-progress', agent },
  }),
  DiagnosticStepRecorded: (ticket, { action, outcome }) => ({ ...ticket, stepsTried: [...ticket.stepsTried, { action, outcome }] }),
  EvidenceAttached: (ticket, data) => ({ ...ticket, evidence: [...ticket.evidence, data] }),
  TicketEscalated: (ticket, { escalationId, from, fromTeam, to, toTeam, handOff }, { effectiveAt }) => ({
    ...placed(ticket, to, toTeam),
    ...(handOff?.vendor === undefined ? {} : { vendorCase: handOff.vendor }),
    work: { status: 'escalated', handedOver: present({ escalationId, from, fromTeam, fromAssignee: ticket.assignee, at: effectiveAt }) },
  }),
  EscalationAccepted: (ticket, { escalationId, tier, team, agent }) => ({
    ...placed(ticket, tier, team ?? ticket.team, agent),
    work: { status: 'in-progress', agent },
    settledEscalation: { id: escalationId, how: 'accepted' },
  }),
  EscalationReturned: (ticket, { escalationId, to, toTeam, pingPong }) => ({
    ...placed(ticket, to, toTeam, ticket.work.status === 'escalated' ? ticket.work.handedOver.fromAssignee : undefined),
    work: { status: 'open' },
    settledEscalation: { id: escalationId, how: 'returned' },
    returns: pingPong,
  }),
  HierarchicalEscalationRaised: (ticket) => ticket,
  ConsultationRequested: (ticket, { consultationId, to, question }) => ({
    ...ticket,
    consultations: [...ticket.consultations, { id: consultationId, tier: to, question }],
  }),
  ConsultationAnswered: (ticket, { consultationId }) => ({
    ...ticket,
    consultations: ticket.consultations.filter(({ id }) => id !== consultationId),
  }),
  PublicReplySent: (ticket) => ticket,
  InternalNoteAdded: (ticket) => ticket,
  RequesterReplied: (ticket) => ticket,
  VendorReplied: (ticket) => ticket,
  MajorIncidentDeclared: (ticket) => ({ ...ticket, majorIncident: true }),
  MajorIncidentStoodDown: (ticket) => ({ ...ticket, majorIncident: false }),
  OnsiteVisitPlanned: (ticket, { visitId }) => ({ ...ticket, onsiteVisit: { id: visitId, status: 'planned' } }),
  OnsiteVisitBegun: (ticket, { visitId }) => ({ ...ticket, onsiteVisit: { id: visitId, status: 'begun' } }),
  OnsiteVisitDone: (ticket) => without(ticket, 'onsiteVisit'),
  TouchTimeRecorded: (ticket) => ticket,
  TouchTimeStarted: (ticket, { agent, tier }, { effectiveAt }) => ({
    ...ticket,
    touching: [...ticket.touching, { agent, tier, since: effectiveAt }],
  }),
  TouchTimeStopped: (ticket, { agent }) => ({ ...ticket, touching: ticket.touching.filter((touch) => touch.agent.id !== agent.id) }),
  SatisfactionRecorded: (ticket, { cycle }) => ({ ...ticket, judgedCycles: [...ticket.judgedCycles, cycle] }),
  TicketDeescalated: (ticket, { to, toTeam }) => ({ ...placed(ticket, to, toTeam), work: { status: 'open' } }),
  TicketPutOnHold: (ticket, { reason, until }, { effectiveAt }) => ({
    ...ticket,
    work: present({ status: 'on-hold' as const, reason, since: effectiveAt, until, paused: activeWork(ticket.work) }),
  }),
  TicketResumed: (ticket) => ({ ...ticket, work: activeWork(ticket.work) }),
  TicketResolved: (ticket, { tier, category, article, cause, fix, workaround, parent }, { effectiveAt }) => ({
    ...ticket,
    work: { status: 'resolved', resolvedAt: effectiveAt },
    resolution: present({ tier, category, article, cause, fix, workaround, parent }),
    resolvedBy: [...ticket.resolvedBy, tier],
  }),
  TicketResolvedWithRootCause: (ticket, { tier, rootCause }, { effectiveAt }) => ({
    ...ticket,
    work: { status: 'resolved', resolvedAt: effectiveAt },
    rootCause,
    resolvedBy: [...ticket.resolvedBy, tier],
  }),
  TicketReopened: (ticket, { tier, team, cycle }) => ({
    ...without(placed(ticket, tier, team, ticket.assignee), 'resolution', 'rootCause'),
    work: { status: 'open' },
    cycle,
  }),
  TicketClosed: (ticket, _data, { effectiveAt }) => ({
    ...ticket,
    work: { status: 'closed', resolvedAt: resolvedAt(ticket.work) ?? effectiveAt },
  }),
  TicketCancelled: (ticket) => ({ ...ticket, work: { status: 'cancelled' } }),
  SlaThresholdReached: (ticket) => ticket,
  SlaBreached: (ticket) => ticket,
  SlaTermsRebased: (ticket, { contract }) => ({ ...ticket, contract }),
  SlaRestated: (ticket) => ticket,
  EscalationStepDispatched: (ticket) => ticket,
  EscalationStepSkipped: (ticket) => ticket,
  EscalationAcknowledged: (ticket) => ticket,
  EscalationAcknowledgementLapsed: (ticket) => ticket,
  TicketLinked: (ticket, { ticketId, relation }) => linked(ticket, ticketId, relation),
  TicketUnlinked: (ticket, { ticketId, relation }) => unlinked(ticket, ticketId, relation),
  TicketRelationRefused: (ticket, { ticketId, relation }) =>
    relation === 'merged-into' ? without(ticket, 'mergingInto') : unlinked(ticket, ticketId, relation),
  TicketMergeRequested: (ticket, { into }) => ({ ...ticket, mergingInto: into }),
  TicketAbsorbed: (ticket, { ticketId }) => ({ ...ticket, absorbed: [...ticket.absorbed, ticketId] }),
  TicketMerged: (ticket, { into }) => ({ ...without(ticket, 'mergingInto'), work: { status: 'merged', into } }),
  TicketSplit: (ticket, { into }) => linked(ticket, into, 'split-into'),
  ImportedNoteRecorded: (ticket) => ticket,
};

/** Notes about the work, which may be written down late, as opposed to events that move it on. */
export const notes: ReadonlySet<keyof TicketEvents> = new Set([
  'DiagnosticStepRecorded',
  'EvidenceAttached',
  'ImportedNoteRecorded',
  'ConsultationRequested',
  'ConsultationAnswered',
  'InternalNoteAdded',
  'VendorReplied',
  'TouchTimeRecorded',
  'TouchTimeStarted',
  'TouchTimeStopped',
  'SatisfactionRecorded',
  'AssignmentFoundNobody',
  'SlaThresholdReached',
  'SlaBreached',
  'SlaRestated',
  'EscalationStepDispatched',
  'EscalationStepSkipped',
  'EscalationAcknowledged',
  'EscalationAcknowledgementLapsed',
  'TicketLinked',
  'TicketUnlinked',
  'TicketRelationRefused',
  'TicketMergeRequested',
  'TicketAbsorbed',
  'TicketSplit',
]);

function opened({ articlesShown: _, tier, ...data }: TicketEvents['TicketOpened'], { effectiveAt }: EventFacts): Ticket {
  return {
    ...data,
    tier,
    majorIncident: false,
    securityIncident: false,
    work: { status: 'open' },
    stepsTried: [],
    evidence: [],
    resolvedBy: [],
    cycle: 1,
    returns: 0,
    consultations: [],
    touching: [],
    judgedCycles: [],
    links: [],
    absorbed: [],
    revisions: 1,
    movedAt: effectiveAt,
  };
}

/** A ticket's state after one more event. What cannot be (an event before the opening, say) is stored all the same, and changes nothing. */
const evolveState = (type: keyof TicketEvents, state: TicketState, data: never, facts: EventFacts): TicketState => {
  if (state === null) return type === 'TicketOpened' ? opened(data, facts) : null;
  const ticket = evolveTicket[type](state, data, facts);
  return { ...ticket, revisions: state.revisions + 1, movedAt: notes.has(type) ? state.movedAt : facts.effectiveAt };
};

/** A ticket without its clocks: what views need. */
export const ticketWithoutClocks = {
  events: Object.fromEntries(
    (Object.keys(evolveTicket) as (keyof TicketEvents)[]).map((type) => [
      type,
      { evolve: (state: TicketState, data: never, facts: EventFacts) => evolveState(type, state, data, facts) },
    ]),
  ) as unknown as { readonly [Type in keyof TicketEvents]: EventDefinition<TicketState, TicketEvents[Type]> },
};

/** The work as it goes on when a hold ends. */
export function activeWork(work: Work): ActiveWork {
  switch (work.status) {
    case 'on-hold':
      return work.paused;
    case 'resolved':
    case 'closed':
    case 'cancelled':
    case 'merged':
      return { status: 'open' };
    default:
      return work;
  }
}

/** Work that is given to somebody else waits until they start. */
function handedTo(work: Work, assignee: Person | undefined): Work {
  if (work.status === 'on-hold') return { ...work, paused: handedTo(work.paused, assignee) as ActiveWork };
  return work.status === 'in-progress' && work.agent.id !== assignee?.id ? { status: 'open' } : work;
}

function linked(ticket: Ticket, ticketId: string, relation: Relation): Ticket {
  return { ...ticket, links: [...ticket.links, { ticketId, relation }] };
}

function unlinked(ticket: Ticket, ticketId: string, relation: Relation): Ticket {
  return { ...ticket, links: ticket.links.filter((link) => link.ticketId !== ticketId || link.relation !== relation) };
}

/** Ids of the tickets that are to this one what the relation's inverse says: those that it is `parent-of` are its children. */
export function linkedBy(relation: Relation, { links }: Ticket): readonly string[] {
  return links.flatMap((link) => (link.relation === relation ? [link.ticketId] : []));
}

/** When it was resolved, if it is. */
export function resolvedAt(work: Work): Instant | undefined {
  return work.status === 'resolved' || work.status === 'closed' ? work.resolvedAt : undefined;
}

function placed(ticket: Ticket, tier: Tier, team?: string, assignee?: Person): Ticket {
  return {
    ...without(ticket, 'team', 'assignee', 'teamChosen', 'nobodyFound', ...(tier === ticket.tier ? [] : ['declinedBy' as const])),
    tier,
    ...(ticket.teamChosen && team === ticket.team ? { teamChosen: true as const } : {}),
    ...(team === undefined ? {} : { team }),
    ...(assignee === undefined ? {} : { assignee }),
  };
}
