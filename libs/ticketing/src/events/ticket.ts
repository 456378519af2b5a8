import type { EventFacts, Instant } from '#eventsourcing';
import type { PinnedContract } from '../contract/contract.js';
import { diagnosticStepSchema, vendorCaseSchema } from '../contract/hand-off.js';
import { without } from '../plain-json.js';
import {
  about,
  anyObject,
  count,
  flag,
  instant,
  listOf,
  literal,
  oneOf,
  oneOfKinds,
  open,
  optional,
  refer,
  type Static,
  text,
  uuid,
} from '../schema.js';
import {
  actorSchema,
  ANALYSIS_METHODS,
  ASSISTANT_ACTS,
  CHANNELS,
  EVIDENCE_KINDS,
  HOLD_REASONS,
  IMPACTS,
  NOBODY_REASONS,
  type Person,
  personSchema,
  prioritySchema,
  PROBLEM_STATUSES,
  type Relation,
  RELATIONS,
  TICKET_KINDS,
  type Tier,
  tierSchema,
  URGENCIES,
} from '../vocabulary.js';
import { runbookRunSchema } from './runbook.js';

export const openingSchema = open({
  client: about(text, 'The client (tenant)'),
  kind: about(oneOf(TICKET_KINDS), 'Incident or service request'),
  summary: about(text, 'One-line summary of what is wrong'),
  description: optional(about(text, 'Full description')),
  reporter: about(refer(personSchema), 'Who reported it'),
  channel: about(oneOf(CHANNELS), 'Channel through which it was opened'),
  impact: about(oneOf(IMPACTS), 'How many are affected'),
  urgency: about(oneOf(URGENCIES), 'How long it can wait'),
  priority: about(refer(prioritySchema), 'Derived from impact and urgency by the contract'),
  tier: about(refer(tierSchema), 'Current tier'),
  team: optional(about(text, 'Current team')),
  service: optional(about(text, 'Affected service')),
  component: optional(about(text, 'Affected component of that service')),
  category: optional(about(text, 'Category, such as `hardware/printer`')),
  question: optional(about(uuid, 'Self-service question that no article answered')),
  form: optional(
    about(open({ form: about(text, 'Its name'), version: about(count, 'Version of the form') }), 'Request form it was opened with'),
  ),
  follows: optional(about(uuid, 'Ticket that this one follows up, since that one could no longer be reopened')),
  defaultTerms: optional(about(count, 'Version of the default contract, if the client had no contract of its own; absent: the first')),
});

/** What a ticket is opened with. */
export type Opening = Static<typeof openingSchema> & {
  /** The contract that it goes by; absent if the client has none: the default contract applies. */
  readonly contract?: PinnedContract;
};

export const evidenceSchema = open({
  name: about(text, 'Name of the file'),
  kind: about(oneOf(EVIDENCE_KINDS), 'What it is'),
  url: about(text, 'URL of the content'),
  mediaType: about(text, 'Media type of the content, such as `image/png`'),
  sha256: about(text, 'SHA-256 of the content in lower-case hexadecimal'),
  bytes: about(count, 'Size of the content in bytes'),
});
export type Evidence = Static<typeof evidenceSchema>;

export const resolutionSchema = open({
  category: optional(about(text, 'Category of the resolution')),
  article: optional(about(text, 'Knowledge article that solved it')),
  cause: optional(about(text, 'Cause')),
  fix: optional(about(text, 'Fix')),
  workaround: optional(about(text, 'Workaround until there is a permanent fix')),
  parent: optional(about(uuid, 'Parent ticket it was resolved with')),
  alert: optional(about(uuid, 'Alert that stopped firing')),
});
export type Resolution = Static<typeof resolutionSchema>;

export const rootCauseSchema = open({
  category: about(text, 'Category of the root cause'),
  analysis: about(
    open({
      method: about(oneOf(ANALYSIS_METHODS), 'Method of analysis'),
      text: about(text, 'Analysis'),
      citedEvents: about(listOf(count), 'Revisions of the events of this ticket that prove it'),
    }),
    'How it was found',
  ),
  permanentFix: optional(about(text, 'Permanent fix')),
  workaround: optional(about(text, 'Workaround until there is a permanent fix')),
  preventiveActions: about(
    listOf(open({ action: about(text, 'What needs to be done'), owner: about(text, 'Who is responsible') })),
    'Actions that prevent a recurrence',
  ),
  changeReference: optional(about(text, 'Reference to the change')),
  knowledgeArticle: about(
    open({
      id: about(text, 'Id of the article'),
      action: about(oneOf(['written', 'updated']), 'Whether it was newly written'),
    }),
    'Knowledge article for support staff',
  ),
  lowerTierCanResolve: about(flag, 'Whether L1 or L2 can resolve it alone next time'),
});

/** Root cause analysis as required of L3. */
export type RootCause = Static<typeof rootCauseSchema>;

export const earlierFixSchema = open({
  ticketId: about(uuid, 'Ticket that was fixed'),
  tier: about(refer(tierSchema), 'Tier that fixed it'),
  fixedAt: about(instant, 'When'),
  rootCause: about(flag, 'Whether its root cause was found'),
});

const problemOfTicketSchema = open({
  problemId: about(uuid, 'Id of the problem'),
  title: about(text, 'One-line summary'),
  status: about(oneOf(PROBLEM_STATUSES), 'Where it stands'),
  workaround: optional(about(text, 'Workaround')),
  fixedAt: optional(about(instant, 'When it was last fixed, whether or not the fix held')),
});

/** A problem as seen from its tickets. */
export type ProblemOfTicket = Static<typeof problemOfTicketSchema>;

const proposalSchema = open({
  proposalId: about(uuid, 'Id of the proposal'),
  act: about(oneOf(ASSISTANT_ACTS), 'Proposed action'),
  body: about(anyObject, 'Content: the body of the command that carries it out'),
  by: about(refer(actorSchema), 'Who proposed it'),
  at: about(instant, 'When'),
});

/** Something that waits for approval. */
export type Proposal = Static<typeof proposalSchema>;

const handedOverSchema = open({
  escalationId: about(uuid, 'Id of the hand-off'),
  from: about(refer(tierSchema), 'Tier that handed it over'),
  fromTeam: optional(about(text, 'Sending team, which gets it back if it is returned')),
  fromAssignee: optional(about(refer(personSchema), "Sender's assignee, who gets it back if it is returned")),
  at: about(instant, 'When it was handed over'),
});

/** A hand-off that waits to be accepted, with the place that a return leads back to. */
export type HandedOver = Static<typeof handedOverSchema>;

const activeWorkSchema = oneOfKinds('status', [
  open({ status: about(literal('open'), 'Not being worked on yet') }),
  open({ status: about(literal('in-progress'), 'Being worked on'), agent: about(refer(personSchema), 'Who') }),
  open({
    status: about(literal('escalated'), 'A hand-off is awaiting acceptance or return'),
    handedOver: about(handedOverSchema, 'Pending hand-off'),
  }),
]);

/** Work at a tier, assigned or not. */
export type ActiveWork = Static<typeof activeWorkSchema>;

export const workSchema = oneOfKinds('status', [
  ...activeWorkSchema.options,
  open({
    status: about(literal('on-hold'), 'On hold'),
    reason: about(oneOf(HOLD_REASONS), 'Why'),
    since: about(instant, 'Since when'),
    until: optional(about(instant, 'Expected end, if known')),
    expired: optional(about(literal(true), '`until` has passed, and the assignee and the lead were notified')),
    paused: about(activeWorkSchema, 'What resumes when the hold ends'),
  }),
  open({ status: about(oneOf(['resolved', 'closed']), 'Resolved or closed'), resolvedAt: about(instant, 'When it was resolved') }),
  open({ status: about(literal('cancelled'), 'Cancelled') }),
  open({ status: about(literal('merged'), 'Merged into another ticket'), into: about(uuid, 'Id of that ticket') }),
]);

/** Where a ticket is in its life. */
export type Work = Static<typeof workSchema>;

/** An open ticket, without its clocks, contract and opening data. */
export const ticketFactsSchema = open({
  assignee: optional(about(refer(personSchema), 'Assignee')),
  teamChosen: optional(
    about(literal(true), 'Team chosen together with the assignee by automatic assignment: if unassigned, any other team may be chosen'),
  ),
  nobodyFound: optional(about(oneOf(NOBODY_REASONS), 'Why automatic assignment found nobody, until the ticket moves on or is assigned')),
  declinedBy: optional(
    about(listOf(text), 'Ids of agents it was unassigned from on request at this tier: it is not assigned to them automatically again'),
  ),
  skills: optional(about(listOf(text), 'Skills stated at triage')),
  majorIncident: about(flag, 'Whether it is a major incident'),
  securityIncident: about(flag, 'Whether it is a security incident'),
  work: about(workSchema, 'Current status'),
  stepsTried: about(listOf(open({ ...diagnosticStepSchema.entries, at: about(instant, 'When') })), 'Diagnostic steps, oldest first'),
  runbooks: optional(about(listOf(runbookRunSchema), 'Runbooks started, oldest first, with the progress of their steps')),
  evidence: about(
    listOf(open({ ...evidenceSchema.entries, at: about(instant, 'When it was attached') })),
    'Attached evidence, oldest first',
  ),
  settledEscalation: optional(
    about(
      open({ id: about(uuid, 'Id of the hand-off'), how: about(oneOf(['accepted', 'returned']), 'What became of it') }),
      'The last hand-off accepted or returned; repeating that changes nothing',
    ),
  ),
  resolution: optional(
    about(open({ tier: about(refer(tierSchema), 'Tier that resolved it'), ...resolutionSchema.entries }), 'How it was resolved'),
  ),
  rootCause: optional(about(rootCauseSchema, 'Root cause analysis by L3')),
  resolvedBy: about(listOf(tierSchema), 'Tiers that have resolved it, oldest first'),
  cycle: about(count, '1, incremented with each reopening'),
  returns: about(count, 'How many times it came back to a tier that had handed it up, returned or handed down'),
  handedUpBy: optional(about(listOf(tierSchema), 'Tiers that have handed it up')),
  consultations: about(
    listOf(
      open({
        id: about(uuid, 'Id of the consultation'),
        tier: about(refer(tierSchema), 'Tier asked'),
        question: about(text, 'The question'),
        at: about(instant, 'When it was asked'),
      }),
    ),
    'Open questions to other tiers, oldest first',
  ),
  recursFrom: optional(about(earlierFixSchema, 'Similar ticket that L2 or L3 has fixed before')),
  problems: optional(about(listOf(problemOfTicketSchema), 'Problems it is linked to')),
  proposals: optional(about(listOf(proposalSchema), "Assistants' proposals awaiting approval or rejection, oldest first")),
  vendorCase: optional(about(vendorCaseSchema, 'Vendor case named in the last hand-off to a vendor')),
  onsiteVisit: optional(
    about(
      open({ id: about(uuid, 'Id of the visit'), status: about(oneOf(['planned', 'begun']), 'How far it is') }),
      'Onsite visit planned or in progress',
    ),
  ),
  touching: about(
    listOf(
      open({
        agent: about(refer(personSchema), 'Who'),
        tier: about(refer(tierSchema), 'At which tier'),
        since: about(instant, 'Since when'),
      }),
    ),
    'Agents currently working on it',
  ),
  repliedAt: optional(
    about(instant, 'When the requester replied to its resolution; cleared once answered, or once the ticket is reopened or closed'),
  ),
  followUp: optional(about(uuid, 'Follow-up ticket for replies received after the reopening window')),
  judgedCycles: about(listOf(count), 'Cycles whose resolution the requester has rated'),
  links: about(
    listOf(
      open({
        ticketId: about(uuid, 'Id of the other ticket'),
        relation: about(oneOf(RELATIONS), 'Relation of this ticket to the other one'),
      }),
    ),
    'Links to other tickets',
  ),
  mergingInto: optional(about(uuid, 'Ticket it is to be merged into, until that one accepts or refuses')),
  absorbed: about(listOf(uuid), 'Tickets merged into this one'),
  revisions: about(count, 'Number of events'),
  movedAt: about(instant, 'Effective time of the last move made by a person; notes, policies and the timekeeper do not count'),
});

/** An open ticket, without its clocks. */
export type Ticket = Opening &
  Static<typeof ticketFactsSchema> & {
    /** What policies and time did to it since people last moved it; late facts are placed before these moves. */
    readonly automatic?: Automatic;
    /** What its moves changed, in the order in which they happened: what is told late of it is judged by what it was then. */
    readonly past?: readonly Past[];
    /** Stretches of touch time that have stopped: a fact that is told late may show that one ended before. */
    readonly touched?: readonly Touched[];
  };

/** What moves change that late facts are judged by. */
export const MOVED = [
  ...(['tier', 'team', 'assignee', 'work', 'cycle', 'vendorCase'] as const),
  ...(['impact', 'urgency', 'category', 'service', 'component'] as const),
];

/** What a move changed: what it was until then, null where there was nothing. */
export interface Past {
  readonly until: Instant;
  readonly was: { readonly [Field in (typeof MOVED)[number]]?: Ticket[Field] | null };
}

/** A stretch of touch time that has stopped. */
export interface Touched {
  readonly agent: Person;
  readonly tier: Tier;
  readonly since: Instant;
  readonly until: Instant;
  /** What it counts for, once what was counted elsewhere is taken off. */
  readonly seconds: number;
}

/** An event that moves a ticket on. */
export interface TicketMove {
  readonly type: string;
  readonly data: unknown;
  readonly facts: EventFacts;
}

/** The ticket before the first of these moves, and the moves, oldest first. */
export interface Automatic {
  readonly before: Ticket;
  readonly moves: readonly TicketMove[];
}

/** No ticket yet, or one. */
export type TicketState = Ticket | null;

/** What an opening records in addition to the ticket's own data. */
export interface OpeningFlags {
  readonly majorIncident?: true;
  readonly securityIncident?: true;
  /** A lead's reason for letting it enter above the usual tiers. */
  readonly entryReason?: string;
  /** Knowledge articles that L0 showed without success. */
  readonly articlesShown?: readonly string[];
  /** Those of them that were not suggested for its question, if it names one: the suggested ones are counted with the question. */
  readonly articlesBesides?: readonly string[];
}

/** A ticket right after its opening. The articles shown and the reason for its tier of entry are history, not part of its state. */
export function openedTicket(
  {
    articlesShown: _articles,
    articlesBesides: _besides,
    entryReason: _reason,
    majorIncident,
    securityIncident,
    ...opening
  }: Opening & OpeningFlags,
  at: Instant,
): Ticket {
  return {
    ...opening,
    majorIncident: majorIncident ?? false,
    securityIncident: securityIncident ?? false,
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

/** The work as it continues when a hold ends. */
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

/** The work after a change of the active work at its tier: a hold continues. */
export function withActiveWork(work: Work, active: ActiveWork): Work {
  return work.status === 'on-hold' ? { ...work, paused: active } : active;
}

/** The hand-off that waits to be accepted or returned, also during a hold. */
export function handedOver({ work }: Ticket): HandedOver | undefined {
  const active = activeWork(work);
  return active.status === 'escalated' ? active.handedOver : undefined;
}

/** Resolved, closed, cancelled or merged. */
export function isOver({ work: { status } }: Ticket): boolean {
  return status === 'resolved' || status === 'closed' || status === 'cancelled' || status === 'merged';
}

/** When it was resolved, if it is. */
export function resolvedAt(work: Work): Instant | undefined {
  return work.status === 'resolved' || work.status === 'closed' ? work.resolvedAt : undefined;
}

/** Ids of the tickets to which this one has a relation: `parent-of` gives its children. */
export function linkedBy(relation: Relation, { links }: Ticket): readonly string[] {
  return links.flatMap((link) => (link.relation === relation ? [link.ticketId] : []));
}

/** The ticket at a tier, with this team and assignee, or none. */
export function moveTo(ticket: Ticket, tier: Tier, team?: string, assignee?: Person): Ticket {
  return {
    ...without(ticket, 'team', 'assignee', 'teamChosen', 'nobodyFound', ...(tier === ticket.tier ? [] : ['declinedBy' as const])),
    tier,
    ...(ticket.teamChosen && team === ticket.team ? { teamChosen: true as const } : {}),
    ...(team === undefined ? {} : { team }),
    ...(assignee === undefined ? {} : { assignee }),
  };
}
