import { type Actor, type Aggregate, type CommandsOf, refuse, type Refusal, type StateOf } from '#eventsourcing';
import { contract } from '../contract/contract-agreement.js';
import { agent } from '../desk/agent.js';
import { attention } from '../desk/attention.js';
import { onCall } from '../desk/on-call.js';
import { team } from '../desk/team.js';
import { credential, type CredentialState } from '../identity/credential.js';
import { isSamePrincipal, type Principal, type Role, ROLES, seesClient } from '../identity/principal.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import { ticketFilter } from '../ticket/ticket-filter.js';
import { ticket } from '../ticket/ticket.js';
import type { Tier } from '../vocabulary.js';
import type { Condition, Row } from './condition.js';

type Rows<Of extends Aggregate> = { readonly [Name in keyof CommandsOf<Of>]: Row<StateOf<Of>, CommandsOf<Of>[Name]> };

/** Of one's own: a ticket that the sender reported. */
const ownTicket: Condition<ClockedTicketState, object> = {
  needs: 'for tickets that they reported',
  hides: true,
  holds: ({ state, actor }) => state === null || state.reporter.id === actor.id,
};

const ownReport: Condition<ClockedTicketState, { readonly reporter: { readonly id: string } }> = {
  needs: 'with themselves as the reporter',
  holds: ({ body, actor }) => body.reporter.id === actor.id,
};

/** At a tier of one's own: the one that has it, or handed it over, or is asked. */
const ownTier: Condition<ClockedTicketState, object> = {
  needs: 'for tickets of their tiers',
  holds: ({ state, principal: { tiers }, actor }) =>
    tiers === 'all' || state === null || state.assignee?.id === actor.id || tiersOf(state).some((tier) => tiers.includes(tier)),
};

function tiersOf({ tier, work, consultations }: NonNullable<ClockedTicketState>): readonly Tier[] {
  const active = work.status === 'on-hold' ? work.paused : work;
  return [tier, ...(active.status === 'escalated' ? [active.handedOver.from] : []), ...consultations.map(({ tier }) => tier)];
}

const oneself: Condition<unknown, object> = { needs: 'for themselves', holds: ({ id, actor }) => id === actor.id };

/** Nobody gives away more than they have. */
const withinReach: Condition<unknown, { readonly principal: Principal }> = {
  needs: 'for clients of their own',
  holds: ({ principal, body }) =>
    principal.clients === 'all' ||
    (body.principal.clients !== 'all' && body.principal.clients.every((client) => principal.clients.includes(client))),
};

/** A session that one has logged in to, oneself. */
const ownSession: Condition<CredentialState, object> = {
  needs: 'for sessions of their own',
  hides: true,
  holds: ({ state, principal }) => state === null || isSamePrincipal(state.principal, principal),
};

/** What nobody is asked for: policies, timers and the API itself send it. */
const system = {};
const administrator = { administrator: true } as const;
const leads = { lead: true, administrator: true } as const;
const desk = { agent: true, lead: true, administrator: true } as const;
/** What an agent does at their tier alone. */
const tier = { agent: ownTier, lead: true, administrator: true } as const;
/** What an assistant may do, too: what can be undone, and tells the requester nothing. */
const assisted = { ...desk, assistant: true } as const;

const rows = {
  ticket: {
    OpenTicket: { requester: ownReport, service: true, ...assisted },
    TriageTicket: { ...tier, assistant: ownTier },
    DeclareMajorIncident: desk,
    StandDownMajorIncident: leads,
    AssignTicket: tier,
    UnassignTicket: tier,
    ClaimTicket: tier,
    TakeOverTicket: tier,
    AssignAutomatically: system,
    RunEscalations: system,
    AcknowledgeEscalation: desk,
    StartWork: tier,
    RecordDiagnosticStep: { service: true, ...assisted },
    AttachEvidence: { requester: ownTicket, service: true, ...assisted },
    PutOnHold: tier,
    EndHold: system,
    Resume: tier,
    PlanOnsiteVisit: tier,
    BeginOnsiteVisit: tier,
    CompleteOnsiteVisit: tier,
    RecordTouchTime: desk,
    StartTouchTime: desk,
    StopTouchTime: desk,
    ResolveTicket: tier,
    ResolveWithRootCause: tier,
    ResolveWithParent: system,
    ReopenTicket: { requester: ownTicket, service: true, ...desk },
    CloseTicket: { requester: ownTicket, ...desk },
    CancelTicket: { requester: ownTicket, ...tier },
    RecordSatisfaction: { requester: ownTicket, service: true, ...desk },
    LinkTicket: assisted,
    UnlinkTicket: assisted,
    MergeTicket: tier,
    SplitTicket: tier,
    AbsorbTicket: system,
    CompleteMerge: system,
    RefuseRelation: system,
    SendPublicReply: desk,
    AddInternalNote: { service: true, ...assisted },
    RecordRequesterReply: { requester: ownTicket, service: true, ...desk },
    RecordVendorReply: { service: true, ...desk },
    EscalateToTier: tier,
    AcceptEscalation: tier,
    ReturnEscalation: tier,
    DeescalateToTier: tier,
    EscalateHierarchically: desk,
    RequestConsultation: { ...tier, assistant: ownTier },
    AnswerConsultation: tier,
    RecordSlaMoments: system,
    RebaseSlaTerms: system,
    RestateSla: leads,
  } satisfies Rows<typeof ticket>,
  contract: { AgreeContract: administrator } satisfies Rows<typeof contract>,
  oncall: {
    SetOnCallRotations: leads,
    OverrideOnCall: desk,
    EndOnCallOverride: desk,
    CallOffOnCallOverride: desk,
  } satisfies Rows<typeof onCall>,
  team: { DefineTeam: leads, SetShifts: leads, AddTeamMember: leads, RemoveTeamMember: leads } satisfies Rows<typeof team>,
  agent: {
    RegisterAgent: leads,
    PlanAbsence: { agent: oneself, ...leads },
    EndAbsence: { agent: oneself, ...leads },
    OffboardAgent: leads,
    RecordAbsenceMoments: system,
  } satisfies Rows<typeof agent>,
  attention: { TurnTo: system, TurnAway: system, GoAway: system } satisfies Rows<typeof attention>,
  filter: { SaveTicketFilter: desk, DeleteTicketFilter: desk } satisfies Rows<typeof ticketFilter>,
  credential: {
    IssueCredential: { administrator: withinReach },
    NoteCredentialUse: system,
    RedeemLink: system,
    EndSession: Object.fromEntries(ROLES.map((role) => [role, ownSession])),
    RevokeCredential: administrator,
  } satisfies Rows<typeof credential>,
};

/** Aggregate → command → role → always, or when: who may do what. */
export const commandAccess: Readonly<Record<string, Readonly<Record<string, Row<unknown, object>>>>> = rows as never;

/** Why somebody may not do something, and what it would take. */
export type Forbidden = Refusal<'forbidden'>;

/** What somebody may do to an aggregate. */
export interface CommandGrant {
  /** Whether the aggregate in this state is there, as far as the sender can know. */
  sees(state: unknown): boolean;
  /** Why this may not be done to an aggregate in this state; undefined when it may. */
  refuses(state: unknown): Forbidden | undefined;
}

/** Who sends what to which aggregate. */
export interface Sending {
  readonly aggregate: Aggregate;
  readonly name: string;
  readonly principal: Principal;
  readonly actor: Actor;
  readonly id: string;
  readonly body: object;
}

/** What a principal may do with a command; refused where none of their roles ever may, whatever it is about. */
export function commandGrant({ aggregate, name, ...asking }: Sending): CommandGrant | Forbidden {
  const { principal, body } = asking;
  if (principal.kind === 'system') return ANYTHING;
  const row = commandAccess[aggregate.category]?.[name] ?? {};
  const grants = principal.roles.flatMap((role) => row[role] ?? []);
  if (grants.length === 0) return forbidden(row);
  // A contract has its client for an id.
  const client = 'client' in body ? body.client : aggregate.idName === 'client' ? asking.id : undefined;
  if (typeof client === 'string' && !seesClient(principal, client)) return elsewhere();
  const conditions = grants.filter((grant) => grant !== true);
  const holds = (state: unknown, among: readonly Condition<unknown, object>[]) =>
    among.some((condition) => condition.holds({ ...asking, state }));
  const anyState = conditions.length < grants.length;
  return {
    sees: (state) =>
      seesClient(principal, aggregate.client(state)) && (anyState || conditions.some(({ hides }) => !hides) || holds(state, conditions)),
    refuses: (state) => (anyState || holds(state, conditions) ? undefined : forbidden(row)),
  };
}

const ANYTHING: CommandGrant = { sees: () => true, refuses: () => undefined };

/** @param row the roles that would do */
export function forbidden(row: Row<unknown, object>): Forbidden {
  const roles = ROLES.flatMap((role) => inWords(role, row[role]) ?? []);
  return refuse('forbidden', roles.length === 0 ? 'Only the system itself does this' : `It takes the role ${roles.join(', or ')}`);
}

function inWords(role: Role, grant: true | Condition<unknown, object> | undefined): string | undefined {
  return grant === undefined ? undefined : grant === true ? role : `${role} (${grant.needs})`;
}

/** Says nothing about whether there is such a client. */
export function elsewhere(): Forbidden {
  return refuse('forbidden', 'It takes access to that client');
}
