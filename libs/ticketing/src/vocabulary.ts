import { about, oneOf, open, optional, type Static, text } from './schema.js';

/** The vocabulary of the trade (ITIL): each list is the one declaration from which types, validation and documentation are derived. */

/** Support tiers from self-service to vendor, lowest first. */
export const TIERS = ['L0', 'L1', 'L2', 'L3', 'L4'] as const;
export type Tier = (typeof TIERS)[number];
export const tierSchema = oneOf(TIERS);

export const TICKET_KINDS = ['incident', 'service-request'] as const;
export type TicketKind = (typeof TICKET_KINDS)[number];

/** How many people are affected. `major` is an entire service or many users. */
export const IMPACTS = ['low', 'medium', 'high', 'major'] as const;
export type Impact = (typeof IMPACTS)[number];

/** How long it can wait. */
export const URGENCIES = ['low', 'medium', 'high', 'critical'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** Most pressing first: the order in which a lead reads a queue. */
export const PRIORITIES = ['critical', 'high', 'medium', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];
export const prioritySchema = oneOf(PRIORITIES);

export const CHANNELS = ['phone', 'chat', 'email', 'portal', 'social', 'monitoring', 'walk-in'] as const;
export type Channel = (typeof CHANNELS)[number];

/** The only reasons for which work may be paused. */
export const HOLD_REASONS = ['customer', 'vendor', 'planned-change', 'onsite-visit'] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

/** Why a ticket was taken from its assignee. */
export const UNASSIGNED_BECAUSE = ['requested', 'left', 'absent', 'removed-from-team'] as const;
export type UnassignedBecause = (typeof UNASSIGNED_BECAUSE)[number];

/** What decides between the candidates for automatic assignment. */
export const ASSIGNMENT_RULES = ['only-candidate', 'least-loaded', 'longest-since-assigned', 'first-by-id'] as const;
export type AssignmentRule = (typeof ASSIGNMENT_RULES)[number];

/** Why nobody was found: the first of these that applies. */
export const NOBODY_REASONS = ['no-team', 'no-members', 'nobody-skilled', 'nobody-on-shift', 'all-absent'] as const;
export type NobodyReason = (typeof NOBODY_REASONS)[number];

export const EVIDENCE_KINDS = ['log', 'screenshot', 'diagnostic-data', 'configuration', 'other'] as const;
export type EvidenceKind = (typeof EVIDENCE_KINDS)[number];

export const TICKET_STATUSES = ['open', 'in-progress', 'escalated', 'on-hold', 'resolved', 'closed', 'cancelled', 'merged'] as const;
export type TicketStatus = (typeof TICKET_STATUSES)[number];

export const ANALYSIS_METHODS = ['5-whys', 'narrative'] as const;
export type AnalysisMethod = (typeof ANALYSIS_METHODS)[number];

/** Status of a problem: `known-error` once there is a workaround, `fixed` once a fix is recorded, `closed` at the end. */
export const PROBLEM_STATUSES = ['open', 'known-error', 'fixed', 'closed'] as const;
export type ProblemStatus = (typeof PROBLEM_STATUSES)[number];

/** What an assistant may propose, or do alone if a contract allows it. */
export const ASSISTANT_ACTS = ['reply', 'resolution', 'hand-off'] as const;
export type AssistantAct = (typeof ASSISTANT_ACTS)[number];

/** Who has served a ticket: people at the desk, assistants, or both. */
export const SERVED_BY = ['nobody', 'people', 'assistants', 'both'] as const;
export type ServedBy = (typeof SERVED_BY)[number];

/** Why a hand-off may skip tiers on its way up. */
export const SKIP_REASONS = ['major-incident', 'security-incident', 'recurrence'] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/**
 * Promised to the client (SLA): a first response, and a resolution. Between tiers (OLA): `tier-accept`, from the arrival of work at a tier
 * until someone there takes it or passes it on; `tier-work`, from then until it leaves. By a vendor (UC): `vendor`, while the ticket is on
 * hold for one.
 */
export const CLOCK_KINDS = ['response', 'resolution', 'tier-accept', 'tier-work', 'vendor'] as const;
export type ClockKind = (typeof CLOCK_KINDS)[number];

/** Possible outcomes of an ended clock. A breach stays one, whatever comes after it. */
export const CLOCK_VERDICTS = ['met', 'breached', 'cancelled'] as const;

/** What a ticket is to another one and, at the same index, what that one then is to it. */
const INVERSES = [
  ['relates-to', 'relates-to'],
  ['duplicate-of', 'duplicated-by'],
  ['duplicated-by', 'duplicate-of'],
  ['child-of', 'parent-of'],
  ['parent-of', 'child-of'],
  ['caused-by', 'cause-of'],
  ['cause-of', 'caused-by'],
  ['follow-up-of', 'followed-up-by'],
  ['followed-up-by', 'follow-up-of'],
  ['split-from', 'split-into'],
  ['split-into', 'split-from'],
] as const;
export type Relation = (typeof INVERSES)[number][0];
export const RELATIONS: readonly Relation[] = INVERSES.map(([relation]) => relation);

/** Relations that someone may declare. The others result from a split, or from a ticket that follows another one. */
export const LINK_RELATIONS = ['relates-to', 'duplicate-of', 'duplicated-by', 'child-of', 'parent-of', 'caused-by', 'cause-of'] as const;

const inverses = new Map<Relation, Relation>(INVERSES);

/** What the other ticket is to the first one. */
export function inverseOf(relation: Relation): Relation {
  return inverses.get(relation) ?? relation;
}

/** Position in an ordered list: L0 is 0. */
export function rank(tier: Tier): number {
  return TIERS.indexOf(tier);
}

const person = { id: about(text, 'Id of the person'), name: optional(about(text, 'Name of the person')) };

export const personSchema = about(open(person), "Somebody at the desk, a requester or a vendor's contact");
export type Person = Static<typeof personSchema>;

export const ACTOR_KINDS = ['agent', 'requester', 'assistant', 'system'] as const;

/** Who did something: see `Actor`. */
export const actorSchema = about(open({ ...person, kind: about(oneOf(ACTOR_KINDS), 'Kind of actor') }), 'Who did it');
