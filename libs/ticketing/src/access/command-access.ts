import { type Actor, type Aggregate, type CommandsOf, refuse, type Refusal, type StateOf } from '#eventsourcing';
import { alert } from '../alerts/alert.js';
import { alertSource } from '../alerts/alert-source.js';
import { maintenance } from '../alerts/maintenance.js';
import { automation } from '../automation/automation.js';
import { contract } from '../contract/contract-agreement.js';
import { agent, type AgentState, type SetAgentContact } from '../desk/agent.js';
import { attention } from '../desk/attention.js';
import { onCall } from '../desk/on-call.js';
import { privacy } from '../desk/privacy.js';
import { report } from '../desk/report.js';
import { team, type TeamState } from '../desk/team.js';
import { type SubscribeWebhook, webhook, type WebhookState } from '../desk/webhook.js';
import { account, type AccountState } from '../identity/account.js';
import { credential, type CredentialState } from '../identity/credential.js';
import { isSamePrincipal, isWithinReach, type Principal, type Role, ROLES, seesClient } from '../identity/principal.js';
import type { ClockedTicketState } from '../ticket/clocked-ticket.js';
import { article } from '../knowledge/article.js';
import { majorIncident } from '../major-incident/major-incident.js';
import { outage } from '../major-incident/outage.js';
import { problem } from '../problem/problem.js';
import { recurrence } from '../problem/recurrence.js';
import { question, type QuestionState } from '../self-service/question.js';
import { requestForm } from '../self-service/request-form.js';
import { isSaved, ticketFilter, type TicketFilterState, type TicketListText } from '../ticket/ticket-filter.js';
import { ticket } from '../ticket/ticket.js';
import type { Tier } from '../vocabulary.js';
import type { Condition, Row } from './condition.js';

type Rows<Of extends Aggregate> = { readonly [Name in keyof CommandsOf<Of>]: Row<StateOf<Of>, CommandsOf<Of>[Name]> };

/** The sender's own: a ticket that they reported. */
const ownTicket: Condition<ClockedTicketState, object> = hiddenUnless({
  needs: 'for tickets that they reported',
  holds: ({ state, actor }) => state === null || state.reporter.id === actor.id,
});

interface Reported {
  readonly reporter: { readonly id: string };
}

const ownReport: Condition<ClockedTicketState, Reported> = {
  needs: 'with themselves as reporter',
  holds: ({ body, actor }) => body.reporter.id === actor.id,
};

/** A question that the sender asked. */
const ownQuestion: Condition<QuestionState, object> = hiddenUnless({
  needs: 'for their own questions',
  holds: ({ state, actor }) => state === null || state.reporter.id === actor.id,
});

const askedByThemselves: Condition<unknown, { readonly reporter?: { readonly id: string } }> = {
  needs: 'for themselves',
  holds: ({ body, actor }) => body.reporter === undefined || body.reporter.id === actor.id,
};

/** The sender's tier has the ticket, handed it over, or is being consulted. */
const ownTier: Condition<ClockedTicketState, object> = {
  needs: 'for tickets of their tiers',
  holds: ({ state, principal: { tiers }, actor }) =>
    tiers === 'all' || state === null || state.assignee?.id === actor.id || tiersOf(state).some((tier) => tiers.includes(tier)),
};

interface Flagged {
  readonly majorIncident?: boolean;
}

/** Someone who may declare a major incident by its own command may also do it through another command. */
const declaresNothing: Condition<ClockedTicketState, Flagged> = {
  needs: 'without declaring a major incident',
  holds: ({ state, body }) => body.majorIncident !== true || state?.majorIncident === true,
};

/** Likewise for standing a major incident down. */
const standsNothingDown: Condition<ClockedTicketState, Flagged> = {
  needs: 'without standing a major incident down',
  holds: ({ state, body }) => body.majorIncident !== false || state?.majorIncident !== true,
};

function tiersOf({ tier, work, consultations }: NonNullable<ClockedTicketState>): readonly Tier[] {
  const active = work.status === 'on-hold' ? work.paused : work;
  return [tier, ...(active.status === 'escalated' ? [active.handedOver.from] : []), ...consultations.map(({ tier }) => tier)];
}

const oneself: Condition<unknown, object> = { needs: 'for themselves', holds: ({ id, actor }) => id === actor.id };

/** Nobody grants more access than they have. */
const withinReach: Condition<unknown, { readonly principal: Principal }> = {
  needs: 'for their own clients',
  holds: ({ principal, body }) => isWithinReach(principal, body.principal),
};

const keyWithinReach: Condition<CredentialState, object> = hiddenUnless({
  needs: "for their clients' keys",
  holds: ({ principal, state }) => state === null || isWithinReach(principal, state.principal),
});

const accountBefore = hiddenUnless<AccountState, object>({
  needs: "for their clients' accounts",
  holds: ({ principal, state }) => state === null || isWithinReach(principal, state.principal),
});

/** Within the sender's reach before and after: nobody gives an account more access than they have themselves. */
const accountAfter: Condition<AccountState, { readonly clients?: readonly string[]; readonly allClients?: boolean }> = {
  ...accountBefore,
  holds: (asking) => accountBefore.holds(asking) && isWithinReach(asking.principal, { clients: asking.body.clients ?? 'all' }),
};

/** Whom a named item serves: certain clients, or the whole desk. */
interface Serving {
  readonly clients?: readonly string[] | undefined;
}

/**
 * For the sender's own clients, before and after. Anyone at the desk may change what serves the whole desk; restricting it to clients takes
 * access to all clients.
 * @param before whom it serves now; null if it does not exist
 * @param after whom it serves after the command
 */
function forTheirClients<State, Body extends object>(
  things: string,
  before: (state: State) => Serving | null,
  after: (body: Body, before: Serving | null) => Serving | null,
): Condition<State, Body> {
  return {
    needs: `for ${things} of their clients`,
    hides: ({ state, principal }) => before(state)?.clients?.some((client) => seesClient(principal, client)) === false,
    holds({ state, body, principal }) {
      const was = before(state);
      const will = after(body, was);
      const isTaken = was !== null && was.clients === undefined && will?.clients !== undefined && principal.clients !== 'all';
      return !isTaken && [...(was?.clients ?? []), ...(will?.clients ?? [])].every((client) => seesClient(principal, client));
    },
  };
}

const servingOfTeam = (state: TeamState): Serving | null => state;
const theirTeam = forTheirClients<TeamState, object>('teams', servingOfTeam, (_body, was) => was);
const theirTeamAfter = forTheirClients<TeamState, Serving>('teams', servingOfTeam, (body) => body);

const servingOfQuery = ({ client }: TicketListText): Serving => (typeof client === 'string' ? { clients: [client] } : {});
const servingOfFilter = (state: TicketFilterState): Serving | null => (isSaved(state) ? servingOfQuery(state.query) : null);
const theirFilter = forTheirClients<TicketFilterState, object>('filters', servingOfFilter, (_body, was) => was);
const theirFilterAfter = forTheirClients<TicketFilterState, { readonly query: TicketListText }>('filters', servingOfFilter, ({ query }) =>
  servingOfQuery(query),
);

/** A session that the sender logged in to. */
const ownSession: Condition<CredentialState, object> = hiddenUnless({
  needs: 'for their own sessions',
  holds: ({ state, principal }) => state === null || isSamePrincipal(state.principal, principal),
});

/** All of the conditions; whatever one of them hides is hidden. */
function every<State, Body>(...conditions: readonly Condition<State, Body>[]): Condition<State, Body> {
  return {
    needs: conditions.map(({ needs }) => needs).join(', '),
    ...(conditions.some((one) => one.hides !== undefined) && {
      hides: (asking) => conditions.some((one) => one.hides?.(asking) === true),
    }),
    holds: (asking) => conditions.every((one) => one.holds(asking)),
  };
}

/** A condition that hides whatever does not meet it. */
function hiddenUnless<State, Body>(condition: Condition<State, Body>): Condition<State, Body> {
  return { ...condition, hides: (asking) => !condition.holds(asking) };
}

/** Nobody subscribes to more clients than they can see. */
const clientsWithinReach: Condition<unknown, Pick<SubscribeWebhook, 'clients'>> = {
  needs: 'for their own clients',
  holds: ({ principal, body: { clients } }) => isWithinReach(principal, { clients: clients ?? 'all' }),
};

const ownWebhook: Condition<WebhookState, object> = hiddenUnless({
  needs: 'for webhooks of their own clients',
  holds: ({ state, principal }) => state === null || isWithinReach(principal, state),
});

/** Nobody sets a contact for clients that they cannot see, or removes such a contact. */
const contactWithinReach: Condition<AgentState, Pick<SetAgentContact, 'clients' | 'allClients'>> = {
  needs: 'for their own clients',
  holds: ({ principal, state, body: { clients = [], allClients } }) =>
    [{ clients: allClients ? ('all' as const) : clients }, ...(state?.contact ? [state.contact] : [])].every((told) =>
      isWithinReach(principal, told),
    ),
};

/** Open to no role: sent by policies, timers and the API itself. */
const system = {};
const administrator = { administrator: true } as const;
const leads = { lead: true, administrator: true } as const;
const desk = { agent: true, lead: true, administrator: true } as const;
/** Roles that may subscribe addresses to events. */
const subscriber = { service: ownWebhook, administrator: ownWebhook } as const;
/** What an agent may do only at their own tier. */
const tier = { agent: ownTier, lead: true, administrator: true } as const;
/** Open to assistants too: can be undone and tells the requester nothing. */
const assisted = { ...desk, assistant: true } as const;

const rows = {
  ticket: {
    OpenTicket: {
      ...desk,
      requester: every<ClockedTicketState, Reported & Flagged>(ownReport, declaresNothing),
      service: declaresNothing,
      assistant: declaresNothing,
    },
    TriageTicket: { ...tier, agent: every(ownTier, standsNothingDown), assistant: every(ownTier, declaresNothing, standsNothingDown) },
    DeclareMajorIncident: desk,
    StandDownMajorIncident: leads,
    AssignTicket: tier,
    UnassignTicket: tier,
    ClaimTicket: tier,
    TakeOverTicket: tier,
    AssignAutomatically: system,
    RunEscalations: system,
    RecordNotification: system,
    AcknowledgeEscalation: desk,
    StartWork: tier,
    RecordDiagnosticStep: { service: true, ...assisted },
    StartRunbook: { service: true, ...assisted },
    TickRunbookStep: { service: true, ...assisted },
    AttachEvidence: { requester: ownTicket, service: true, ...assisted },
    PutOnHold: tier,
    EndHold: system,
    DeductTouchTime: system,
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
    ResolveWithAlert: system,
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
    RecognizeRecurrence: system,
    TellOfProblem: system,
    TellErased: system,
    ProposeReply: { ...tier, assistant: ownTier },
    ProposeResolution: { ...tier, assistant: ownTier },
    ProposeHandOff: { ...tier, assistant: ownTier },
    ApproveProposal: tier,
    RejectProposal: tier,
  } satisfies Rows<typeof ticket>,
  contract: { AgreeContract: administrator, SimulateRules: administrator } satisfies Rows<typeof contract>,
  oncall: {
    SetOnCallRotations: leads,
    OverrideOnCall: desk,
    EndOnCallOverride: desk,
    CallOffOnCallOverride: desk,
  } satisfies Rows<typeof onCall>,
  team: {
    DefineTeam: { lead: theirTeamAfter, administrator: theirTeamAfter },
    SetShifts: { lead: theirTeam, administrator: theirTeam },
    AddTeamMember: { lead: theirTeam, administrator: theirTeam },
    RemoveTeamMember: { lead: theirTeam, administrator: theirTeam },
    SetTeamContact: { lead: theirTeam, administrator: theirTeam },
  } satisfies Rows<typeof team>,
  agent: {
    RegisterAgent: leads,
    PlanAbsence: { agent: oneself, ...leads },
    EndAbsence: { agent: oneself, ...leads },
    OffboardAgent: leads,
    SetAgentContact: { lead: contactWithinReach, administrator: contactWithinReach },
    RecordAbsenceMoments: system,
  } satisfies Rows<typeof agent>,
  attention: { TurnTo: system, TurnAway: system, EndEarlier: system, GoAway: system } satisfies Rows<typeof attention>,
  filter: {
    SaveTicketFilter: { agent: theirFilterAfter, lead: theirFilterAfter, administrator: theirFilterAfter },
    DeleteTicketFilter: { agent: theirFilter, lead: theirFilter, administrator: theirFilter },
  } satisfies Rows<typeof ticketFilter>,
  webhook: {
    SubscribeWebhook: { service: clientsWithinReach, administrator: clientsWithinReach },
    PauseWebhook: subscriber,
    ResumeWebhook: subscriber,
    RotateWebhookSecret: subscriber,
    RewindWebhook: subscriber,
    PingWebhook: subscriber,
    ReplayDeadLetters: subscriber,
    DeleteWebhook: subscriber,
  } satisfies Rows<typeof webhook>,
  report: {
    DefineReport: leads,
    PauseReport: leads,
    ResumeReport: leads,
    RetireReport: leads,
    RequestReportRun: leads,
    RecordReportRun: system,
    RecordReportDelivery: system,
  } satisfies Rows<typeof report>,
  problem: {
    OpenProblem: desk,
    LinkTicketToProblem: desk,
    UnlinkTicketFromProblem: desk,
    RecordWorkaround: desk,
    RecordFiveWhys: desk,
    RecordRootCause: desk,
    RecordFix: desk,
    CloseProblem: leads,
    ReopenProblem: desk,
    RecordRecurrence: system,
    PlanPreventiveAction: desk,
    CompletePreventiveAction: desk,
    CancelPreventiveAction: desk,
    RemindOfActions: system,
    RecordReminder: system,
  } satisfies Rows<typeof problem>,
  article: {
    DraftArticle: assisted,
    ReviseArticle: assisted,
    ReviewArticle: desk,
    PublishArticle: leads,
    RetireArticle: leads,
    GiveArticleFeedback: { service: true, ...assisted },
    RemindOfArticleReview: system,
    RecordArticleReminder: system,
    RecordArticleUse: system,
  } satisfies Rows<typeof article>,
  question: {
    RecordQuestion: { requester: askedByThemselves, service: true, ...assisted },
    MarkHelpful: { requester: ownQuestion, service: true, ...assisted },
    RecordTicketOfQuestion: system,
  } satisfies Rows<typeof question>,
  form: { DefineForm: leads, WithdrawForm: leads } satisfies Rows<typeof requestForm>,
  recurrence: {
    CountTicket: system,
    DiscountTicket: system,
    RememberFix: system,
    FollowProblem: system,
  } satisfies Rows<typeof recurrence>,
  alertsource: { DefineAlertSource: leads, RetireAlertSource: leads } satisfies Rows<typeof alertSource>,
  alert: { RecordAlerts: system, RecordAlertTicketRefused: system } satisfies Rows<typeof alert>,
  maintenance: { PlanMaintenance: desk, EndMaintenance: desk } satisfies Rows<typeof maintenance>,
  majorincident: {
    BeginMajorIncident: system,
    ConfirmMajorIncident: desk,
    DismissMajorIncident: desk,
    JoinMajorIncident: system,
    BroadcastUpdate: desk,
    EndMajorIncident: leads,
    PlanIncidentReview: leads,
    RemindOfIncidentReview: system,
    RecordReviewReminder: system,
    RecordIncidentReview: desk,
  } satisfies Rows<typeof majorIncident>,
  outage: {
    CountServiceTicket: system,
    DiscountServiceTicket: system,
    FollowMajorIncident: system,
    LeaveMajorIncident: system,
  } satisfies Rows<typeof outage>,
  automation: {
    AskRunner: { service: true, ...assisted },
    ClaimAutomationTask: { service: true, administrator: true },
    AnswerAutomationTask: { service: true, administrator: true },
    ExpireLease: system,
  } satisfies Rows<typeof automation>,
  privacy: { ForgetPerson: administrator, AgreeRetention: administrator } satisfies Rows<typeof privacy>,
  credential: {
    IssueCredential: { administrator: withinReach },
    NoteCredentialUse: system,
    RedeemLink: system,
    EndSession: Object.fromEntries(ROLES.map((role) => [role, ownSession])),
    RevokeCredential: { administrator: keyWithinReach },
  } satisfies Rows<typeof credential>,
  account: {
    InviteAccount: { administrator: accountAfter },
    ChangeAccount: { administrator: accountAfter },
    SuspendAccount: { administrator: accountBefore },
    ReinstateAccount: { administrator: accountBefore },
    IssueAccountLink: { administrator: accountBefore },
    SetAccountPassword: system,
    NoteLogIn: system,
    EnrolTotp: system,
    RemoveTotp: system,
    ResetTotp: { administrator: accountBefore },
    AddPasskey: system,
    RemovePasskey: { administrator: accountBefore },
  } satisfies Rows<typeof account>,
};

/** Who may do what: aggregate → command → role → always, or under a condition. */
export const commandAccess: Readonly<Record<string, Readonly<Record<string, Row<unknown, object>>>>> = rows as never;

/** Why someone may not do something, and what it would take. */
export type Forbidden = Refusal<'forbidden'>;

/** What someone may do to an aggregate. */
export interface CommandGrant {
  /** Whether the sender may know that an aggregate in this state exists. */
  sees(state: unknown): boolean;
  /** Why this may not be done to an aggregate in this state; undefined if it may. */
  refuses(state: unknown): Forbidden | undefined;
}

/** Who sends which command to which aggregate. */
export interface Sending {
  readonly aggregate: Aggregate;
  readonly name: string;
  readonly principal: Principal;
  readonly actor: Actor;
  readonly id: string;
  readonly body: object;
}

/** What a principal may do with a command; refused if none of their roles ever may, whatever the target. */
export function commandGrant({ aggregate, name, ...asking }: Sending): CommandGrant | Forbidden {
  const { principal, body } = asking;
  if (principal.kind === 'system') return ANYTHING;
  const row = commandAccess[aggregate.category]?.[name] ?? {};
  const grants = principal.roles.flatMap((role) => row[role] ?? []);
  if (grants.length === 0) return forbidden(row);
  // A contract's id is its client.
  const client = 'client' in body ? body.client : aggregate.idName === 'client' ? asking.id : undefined;
  if (typeof client === 'string' && !seesClient(principal, client)) return elsewhere();
  const conditions = grants.filter((grant) => grant !== true);
  const holds = (state: unknown, among: readonly Condition<unknown, object>[]) =>
    among.some((condition) => condition.holds({ ...asking, state }));
  const anyState = conditions.length < grants.length;
  return {
    sees: (state) =>
      seesClient(principal, aggregate.client(state)) &&
      (anyState || conditions.some((condition) => condition.hides?.({ ...asking, state }) !== true)),
    refuses: (state) => (anyState || holds(state, conditions) ? undefined : forbidden(row)),
  };
}

const ANYTHING: CommandGrant = { sees: () => true, refuses: () => undefined };

/** @param row the roles that would be sufficient */
export function forbidden(row: Row<unknown, object>): Forbidden {
  const roles = ROLES.flatMap((role) => inWords(role, row[role]) ?? []);
  return refuse('forbidden', roles.length === 0 ? 'Only the system itself may do this' : `This requires the role ${roles.join(', or ')}`);
}

function inWords(role: Role, grant: true | Condition<unknown, object> | undefined): string | undefined {
  return grant === undefined ? undefined : grant === true ? role : `${role} (${grant.needs})`;
}

/** Does not reveal whether the client exists. */
export function elsewhere(): Forbidden {
  return refuse('forbidden', 'This requires access to that client');
}
