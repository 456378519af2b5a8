import type { Instant } from '#eventsourcing';
import type { PinnedContract } from '../contract/contract.js';
import type { DiagnosticStep, VendorCase } from '../contract/hand-off.js';
import { without } from '../plain-json.js';
import type {
  AnalysisMethod,
  Channel,
  EvidenceKind,
  HoldReason,
  Impact,
  NobodyReason,
  Person,
  Priority,
  Relation,
  TicketKind,
  Tier,
  Urgency,
} from '../vocabulary.js';

/** What a ticket is opened with. */
export interface Opening {
  readonly client: string;
  readonly kind: TicketKind;
  readonly summary: string;
  readonly description?: string;
  readonly reporter: Person;
  readonly channel: Channel;
  readonly impact: Impact;
  readonly urgency: Urgency;
  readonly priority: Priority;
  readonly tier: Tier;
  readonly team?: string;
  readonly service?: string;
  readonly component?: string;
  readonly category?: string;
  /** The ticket that this one follows, when that one could no longer be reopened. */
  readonly follows?: string;
  /** The contract that it goes by; absent where the client has none: the default contract holds. */
  readonly contract?: PinnedContract;
}

export interface Evidence {
  readonly name: string;
  readonly kind: EvidenceKind;
  readonly url: string;
  readonly mediaType: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface Resolution {
  readonly category?: string;
  readonly article?: string;
  readonly cause?: string;
  readonly fix?: string;
  readonly workaround?: string;
  /** The parent whose resolution it follows. */
  readonly parent?: string;
}

export interface PreventiveAction {
  readonly action: string;
  readonly owner: string;
}

/** Root cause analysis as L3 must give it. */
export interface RootCause {
  readonly category: string;
  readonly analysis: {
    readonly method: AnalysisMethod;
    readonly text: string;
    /** Revisions of the events of this ticket that prove it. */
    readonly citedEvents: readonly number[];
  };
  readonly permanentFix?: string;
  readonly workaround?: string;
  readonly preventiveActions: readonly PreventiveAction[];
  readonly changeReference?: string;
  readonly knowledgeArticle: { readonly id: string; readonly action: 'written' | 'updated' };
  /** Whether L1 or L2 can do it alone next time. */
  readonly lowerTierCanResolve: boolean;
}

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

/** What is known of a ticket that was opened, without its clocks. */
export interface Ticket extends Opening {
  readonly assignee?: Person;
  /** The team was chosen with the assignee, by automatic assignment: without the assignee any other may be. */
  readonly teamChosen?: true;
  /** Why automatic assignment found nobody, until it is somewhere else or somebody has it. */
  readonly nobodyFound?: NobodyReason;
  /** Ids of the agents from whom it was taken on request, at this tier: it is not given to them again automatically. */
  readonly declinedBy?: readonly string[];
  /** Skills that were stated at triage. */
  readonly skills?: readonly string[];
  readonly majorIncident: boolean;
  readonly securityIncident: boolean;
  readonly work: Work;
  readonly stepsTried: readonly DiagnosticStep[];
  readonly evidence: readonly Evidence[];
  /** Id of the last hand-off that was accepted or returned: repeating that changes nothing. */
  readonly settledEscalation?: { readonly id: string; readonly how: 'accepted' | 'returned' };
  readonly resolution?: Resolution & { readonly tier: Tier };
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

/** A ticket right after its opening. Which articles were shown is history, and no part of its state. */
export function openedTicket({ articlesShown: _, ...opening }: Opening & { readonly articlesShown?: unknown }, at: Instant): Ticket {
  return {
    ...opening,
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
    movedAt: at,
  };
}

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

/** When it was resolved, if it is. */
export function resolvedAt(work: Work): Instant | undefined {
  return work.status === 'resolved' || work.status === 'closed' ? work.resolvedAt : undefined;
}

/** Ids of the tickets that this one has a relation to: those that it is `parent-of` are its children. */
export function linkedBy(relation: Relation, { links }: Ticket): readonly string[] {
  return links.flatMap((link) => (link.relation === relation ? [link.ticketId] : []));
}

/** The ticket at a tier, with this team and this assignee, or with none. */
export function moveTo(ticket: Ticket, tier: Tier, team?: string, assignee?: Person): Ticket {
  return {
    ...without(ticket, 'team', 'assignee', 'teamChosen', 'nobodyFound', ...(tier === ticket.tier ? [] : ['declinedBy' as const])),
    tier,
    ...(ticket.teamChosen && team === ticket.team ? { teamChosen: true as const } : {}),
    ...(team === undefined ? {} : { team }),
    ...(assignee === undefined ? {} : { assignee }),
  };
}
