import type { Instant } from '#eventsourcing';
import type { AssignmentChoice, NobodyFound } from './assignment.js';
import type { PinnedContract } from '../contract/contract.js';
import type { EscalationTarget } from '../contract/escalation-policy.js';
import type {
  AnalysisMethod,
  Channel,
  ClockKind,
  CLOCK_VERDICTS,
  EvidenceKind,
  HoldReason,
  Impact,
  Person,
  Priority,
  Relation,
  SkipReason,
  TicketKind,
  Tier,
  UnassignedBecause,
  Urgency,
} from '../vocabulary.js';
import type { DiagnosticStep, HandOff } from '../contract/hand-off.js';

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

/** What tells a clock from every other of its ticket. */
export interface ClockIdentity {
  readonly clock: ClockKind;
  readonly tier?: Tier;
  readonly vendor?: string;
  readonly cycle: number;
}

/** What was made of an ended clock, and by which contract. `target` and `elapsed` are milliseconds of open time. */
export interface ClockVerdict {
  /** Version of the client's contract that it ended under, 0 for the default contract. */
  readonly contractVersion: number;
  readonly verdict: (typeof CLOCK_VERDICTS)[number];
  readonly target: number;
  readonly elapsed: number;
  readonly dueAt?: Instant;
  readonly breachedAt?: Instant;
}

/** A step of an escalation policy at work. Round and step are counted from 0. */
export interface ChainStep {
  readonly chain: string;
  readonly policy: string;
  readonly round: number;
  readonly step: number;
}

/** Events of a ticket's life, in the past tense. Adding one: a line here and a key in ticket.ts. */
export interface TicketEvents {
  TicketOpened: {
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
    /** Knowledge articles that L0 showed without success. */
    readonly articlesShown?: readonly string[];
    /** The ticket that this one follows, when that one could no longer be reopened. */
    readonly follows?: string;
    /** The contract that it goes by; absent where the client has none: the default contract holds. */
    readonly contract?: PinnedContract;
  };
  TicketTriaged: {
    readonly category: string;
    readonly impact: Impact;
    readonly urgency: Urgency;
    readonly priority: Priority;
    readonly service?: string;
    readonly component?: string;
    readonly majorIncident: boolean;
    readonly securityIncident: boolean;
    /** What its agent must be able to do, instead of what the contract asks for in the category. */
    readonly skills?: readonly string[];
  };
  /** To a person, to a team, or to both; within the tier. */
  TicketAssigned: {
    readonly tier: Tier;
    readonly team?: string;
    readonly assignee?: Person;
    /** It was assigned automatically: what decided, between how many, and what was asked for. */
    readonly automatic?: Omit<AssignmentChoice, 'agent' | 'team'> & { readonly skills: readonly string[] };
  };
  /** Nobody has it now. */
  TicketUnassigned: {
    readonly tier: Tier;
    /** The team that it stays with, if somebody gave it to one. */
    readonly team?: string;
    /** Who had it. */
    readonly assignee: Person;
    readonly because: UnassignedBecause;
    readonly reason: string;
  };
  /** Nobody could be given it automatically, and why. Told once for each reason, as long as it stays where it is. */
  AssignmentFoundNobody: NobodyFound & { readonly tier: Tier; readonly skills: readonly string[] };
  WorkStarted: { readonly tier: Tier; readonly team?: string; readonly agent: Person };
  DiagnosticStepRecorded: { readonly tier: Tier } & DiagnosticStep;
  EvidenceAttached: {
    readonly name: string;
    readonly kind: EvidenceKind;
    readonly url: string;
    readonly mediaType: string;
    readonly sha256: string;
    readonly bytes: number;
  };
  /** Functional escalation: the work is handed up and waits there to be accepted. */
  TicketEscalated: {
    readonly escalationId: string;
    readonly from: Tier;
    readonly fromTeam?: string;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly skipped?: SkipReason;
    readonly handOff: HandOff;
    /** A policy handed it on: which, and what the hand-off lacks that the contract asks for. */
    readonly automatic?: { readonly policy: string; readonly chain: string; readonly lacks: readonly string[] };
  };
  EscalationAccepted: { readonly escalationId: string; readonly tier: Tier; readonly team?: string; readonly agent: Person };
  /** The receiver gives it back to the sender. */
  EscalationReturned: {
    readonly escalationId: string;
    readonly from: Tier;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly pingPong: number;
  };
  /** Someone higher up is told; the work does not move. */
  HierarchicalEscalationRaised: {
    readonly tier: Tier;
    readonly cause: 'ping-pong-limit' | 'requested';
    readonly to?: string;
    readonly reason: string;
  };
  /** Another tier is asked for guidance; owner and clocks stay. */
  ConsultationRequested: {
    readonly consultationId: string;
    readonly from: Tier;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly question: string;
  };
  ConsultationAnswered: { readonly consultationId: string; readonly by: Person; readonly answer: string; readonly article?: string };
  /** What the requester is told. The first one is a first response. */
  PublicReplySent: { readonly author: Person; readonly text: string };
  InternalNoteAdded: { readonly author: Person; readonly text: string };
  RequesterReplied: { readonly author: Person; readonly text: string };
  VendorReplied: { readonly vendor: string; readonly caseReference: string; readonly text: string };
  MajorIncidentDeclared: { readonly reason: string };
  MajorIncidentStoodDown: { readonly reason: string };
  OnsiteVisitPlanned: { readonly visitId: string; readonly agent: Person; readonly location: string; readonly plannedFor: Instant };
  OnsiteVisitBegun: { readonly visitId: string };
  OnsiteVisitDone: { readonly visitId: string; readonly outcome: string };
  /** Time that an agent spent on the ticket, in minutes. */
  TouchTimeRecorded: { readonly tier: Tier; readonly agent: Person; readonly minutes: number; readonly activity?: string };
  /** An agent turns to the ticket. One such stretch at a time for each agent; it ends when the work leaves the agent, at the latest. */
  TouchTimeStarted: { readonly tier: Tier; readonly agent: Person };
  /** The agent's stretch is over: so many seconds at the tier where it began. */
  TouchTimeStopped: {
    readonly tier: Tier;
    readonly agent: Person;
    readonly startedAt: Instant;
    readonly seconds: number;
    readonly activity?: string;
  };
  /** One answer of the requester for each resolution: 1 very dissatisfied to 5 very satisfied. */
  SatisfactionRecorded: { readonly cycle: number; readonly score: number; readonly comment?: string };
  /** The work is handed down, with the solution, so that the lower tier can do it alone next time. */
  TicketDeescalated: {
    readonly from: Tier;
    readonly fromTeam?: string;
    readonly to: Tier;
    readonly toTeam?: string;
    readonly reason: string;
    readonly solution: { readonly kind: 'solution' | 'procedure'; readonly text: string; readonly article?: string };
  };
  TicketPutOnHold: { readonly reason: HoldReason; readonly note: string; readonly until?: Instant };
  TicketResumed: { readonly after: HoldReason };
  TicketResolved: {
    readonly tier: Tier;
    readonly team?: string;
    readonly category?: string;
    readonly article?: string;
    readonly cause?: string;
    readonly fix?: string;
    readonly workaround?: string;
    /** The parent whose resolution it follows. */
    readonly parent?: string;
  };
  TicketResolvedWithRootCause: { readonly tier: Tier; readonly team?: string; readonly rootCause: RootCause };
  TicketReopened: { readonly reason: string; readonly tier: Tier; readonly team?: string; readonly cycle: number };
  TicketClosed: { readonly note?: string };
  TicketCancelled: { readonly reason: string };
  /** A share of a clock's target is used up. Its `effectiveAt` is when that was, `recordedAt` when it was noticed. */
  SlaThresholdReached: ClockIdentity & { readonly terms: number; readonly percent: number; readonly target: number };
  /** A clock has run past its target. Its `effectiveAt` is when it was due, `recordedAt` when that was noticed. */
  SlaBreached: ClockIdentity & { readonly terms: number; readonly target: number };
  /** Another version of the client's contract holds from now on: the clocks go on under it, with the time that they have used up. */
  SlaTermsRebased: {
    readonly contract: PinnedContract;
    readonly clocks: readonly (ClockIdentity & { readonly oldDue?: Instant; readonly newDue?: Instant })[];
  };
  /**
   * The verdict on an ended clock, recomputed by the contract that is now known to have been in force: agreed with effect in the past, or
   * with a calendar put right. What was told of the clock before stays; this says what replaces it.
   */
  SlaRestated: ClockIdentity & {
    readonly was?: ClockVerdict;
    /** Absent where no such clock would have run under that contract. */
    readonly is?: ClockVerdict;
    /** Version of the time zone data that it was recomputed with; absent under the default contract. */
    readonly tzdata?: string;
    readonly reason: string;
  };
  /** What the ticket is to another one. `mirrored`: the other one said so first. */
  TicketLinked: { readonly ticketId: string; readonly relation: Relation; readonly mirrored?: true };
  TicketUnlinked: { readonly ticketId: string; readonly relation: Relation; readonly reason?: string; readonly mirrored?: true };
  /** The other ticket could not take the link or the merge, and why: it does not hold. */
  TicketRelationRefused: {
    readonly ticketId: string;
    readonly relation: Relation | 'merged-into';
    readonly code: string;
    readonly message: string;
  };
  /** It is to go on in another ticket, which is asked to take it in. */
  TicketMergeRequested: { readonly into: string; readonly reason: string };
  /** Another ticket goes on in this one. Its own stream stays as it is. */
  TicketAbsorbed: { readonly ticketId: string; readonly summary: string; readonly reporter: Person; readonly reason: string };
  /** It goes on in another ticket, which has taken it in. */
  TicketMerged: { readonly into: string };
  /** A part of it becomes a ticket of its own. */
  TicketSplit: {
    readonly into: string;
    readonly summary: string;
    readonly description?: string;
    readonly category?: string;
    readonly service?: string;
    readonly component?: string;
    readonly reason: string;
  };
  /** A step of an escalation policy: whom it tells. Its `effectiveAt` is when it was due. */
  EscalationStepDispatched: ChainStep & {
    readonly targets: readonly EscalationTarget[];
    /** Why the step did not hand the work on as it was to. */
    readonly notHandedOn?: string;
  };
  /** A step of an escalation policy that found nobody to tell, or nowhere to hand the work on to. */
  EscalationStepSkipped: ChainStep & { readonly because: string };
  /** Somebody sees to what escalation policies tell of. */
  EscalationAcknowledged: { readonly chains: readonly string[]; readonly by: Person; readonly note?: string };
  /** Time is up for an acknowledgement: the policy goes on. */
  EscalationAcknowledgementLapsed: { readonly chain: string; readonly policy: string };
  /** A row of an imported record that changed nothing we know of: kept, because it was said. */
  ImportedNoteRecorded: { readonly text: string };
}

export type TicketEventType = keyof TicketEvents;

/** Events that can be the first response to the requester. */
export const firstResponses: ReadonlySet<keyof TicketEvents> = new Set(['WorkStarted', 'EscalationAccepted', 'PublicReplySent']);
