import { foldOf, type ProjectionGroup, REACTIONS, type ReactionEvents } from '#eventsourcing';
import { alert, type AlertEvents, type AlertState } from '../alerts/alert.js';
import { alertSource, type AlertSourceEvents, type AlertSourceState } from '../alerts/alert-source.js';
import { maintenance, type MaintenanceEvents, type MaintenanceState } from '../alerts/maintenance.js';
import { automation, type AutomationEvents, type AutomationState } from '../automation/automation.js';
import { contract, type ContractEvents, type ContractState } from '../contract/contract-agreement.js';
import { agent, type AgentEvents, type AgentState } from '../desk/agent.js';
import { onCall, type OnCallEvents, type OnCallSchedule } from '../desk/on-call.js';
import { privacy, type PrivacyEvents, type PrivacyState } from '../desk/privacy.js';
import { report, type ReportEvents, type ReportState } from '../desk/report.js';
import { team, type TeamEvents, type TeamState } from '../desk/team.js';
import { webhook, type WebhookEvents, type WebhookState } from '../desk/webhook.js';
import { account, type Account, type AccountEvents, type AccountState, shownAccount } from '../identity/account.js';
import { credential, type CredentialEvents, type CredentialState, type Key, shown } from '../identity/credential.js';
import { majorIncident, type MajorIncidentEvents, type MajorIncidentState } from '../major-incident/major-incident.js';
import { problem, type ProblemEvents } from '../problem/problem.js';
import type { ProblemState } from '../problem/problem-record.js';
import { article, type ArticleEvents, type ArticleState } from '../knowledge/article.js';
import { question, type QuestionEvents, type QuestionState } from '../self-service/question.js';
import { requestForm, type RequestFormEvents, type RequestFormState } from '../self-service/request-form.js';
import { ticketFilter, type TicketFilterEvents, type TicketFilterState } from '../ticket/ticket-filter.js';
import { type TicketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import { accounts } from './accounts.js';
import { agents } from './agents.js';
import { auditorReads, type ReadEvents, READS } from './auditor-reads.js';
import { alerts, alertSources, maintenances } from './alerts.js';
import { articles } from './articles.js';
import { automationTasks } from './automation-tasks.js';
import { contracts } from './contracts.js';
import { credentials } from './credentials.js';
import { majorIncidents } from './major-incidents.js';
import { onCallSchedules } from './on-call-schedules.js';
import { policyReactions } from './policy-reactions.js';
import { privacies } from './privacies.js';
import { problems } from './problems.js';
import { reports } from './reports.js';
import { questions } from './questions.js';
import { requestForms } from './request-forms.js';
import { slaBoard } from './sla-board.js';
import { teams } from './teams.js';
import { ticketDetails } from './ticket-details.js';
import { ticketFacts } from './ticket-facts.js';
import { ticketFilters } from './ticket-filters.js';
import { foldTicket, type TicketFold } from './ticket-fold.js';
import { ticketHistory } from './ticket-history.js';
import { ticketList } from './ticket-list.js';
import { ticketSla } from './ticket-sla.js';
import { tierQueue } from './tier-queue.js';
import { webhooks } from './webhooks.js';

/** The read models of tickets. The order is the one in which a change becomes visible. */
export const ticketViews: ProjectionGroup<TicketFold | null, TicketEvents> = {
  name: 'tickets',
  version: 7,
  streamPrefix: 'ticket-',
  aggregate: ticketWithoutClocks,
  initial: null,
  fold: foldTicket,
  faces: [ticketHistory, ticketSla, slaBoard, tierQueue, ticketList, ticketFacts, ticketDetails],
};

/** The read models of contracts. */
export const contractViews: ProjectionGroup<ContractState, ContractEvents> = {
  name: 'contracts',
  version: 2,
  streamPrefix: 'contract-',
  aggregate: contract,
  initial: contract.initial,
  fold: foldOf(contract),
  faces: [contracts],
};

/** The read models of on-call schedules. */
export const onCallViews: ProjectionGroup<OnCallSchedule, OnCallEvents> = {
  name: 'on_call_schedules',
  version: 3,
  streamPrefix: 'oncall-',
  aggregate: onCall,
  initial: onCall.initial,
  fold: foldOf(onCall),
  faces: [onCallSchedules],
};

/** The read models of teams. */
export const teamViews: ProjectionGroup<TeamState, TeamEvents> = {
  name: 'teams',
  version: 2,
  streamPrefix: 'team-',
  aggregate: team,
  initial: team.initial,
  fold: foldOf(team),
  faces: [teams],
};

/** The read models of agents. */
export const agentViews: ProjectionGroup<AgentState, AgentEvents> = {
  name: 'agents',
  version: 2,
  streamPrefix: 'agent-',
  aggregate: agent,
  initial: agent.initial,
  fold: foldOf(agent),
  faces: [agents],
};

const reactionViews: ProjectionGroup<null, ReactionEvents> = {
  name: 'policy_reactions',
  version: 2,
  streamPrefix: `${REACTIONS}-`,
  aggregate: { events: {} },
  initial: null,
  fold: () => null,
  faces: [policyReactions],
};

const readViews: ProjectionGroup<null, ReadEvents> = {
  name: 'auditor_reads',
  version: 1,
  streamPrefix: `${READS}-`,
  aggregate: { events: {} },
  initial: null,
  fold: () => null,
  faces: [auditorReads],
};

/** The read models of saved filters. */
export const filterViews: ProjectionGroup<TicketFilterState, TicketFilterEvents> = {
  name: 'ticket_filters',
  version: 2,
  streamPrefix: 'filter-',
  aggregate: ticketFilter,
  initial: ticketFilter.initial,
  fold: foldOf(ticketFilter),
  faces: [ticketFilters],
};

const foldCredential = foldOf(credential);

/** The read models of keys and sessions. */
export const credentialViews: ProjectionGroup<Key | null, CredentialEvents> = {
  name: 'credentials',
  version: 2,
  streamPrefix: 'credential-',
  aggregate: credential,
  initial: null,
  // No event looks at the hash, and no read model has it.
  fold: (key, event) => {
    const state = foldCredential(key as CredentialState, event);
    return state && shown(state);
  },
  faces: [credentials],
};

/** The read models of webhooks. */
export const webhookViews: ProjectionGroup<WebhookState, WebhookEvents> = {
  name: 'webhooks',
  version: 1,
  streamPrefix: 'webhook-',
  aggregate: webhook,
  initial: webhook.initial,
  fold: foldOf(webhook),
  faces: [webhooks],
};

/** The read models of scheduled reports. */
export const reportViews: ProjectionGroup<ReportState, ReportEvents> = {
  name: 'reports',
  version: 1,
  streamPrefix: 'report-',
  aggregate: report,
  initial: report.initial,
  fold: foldOf(report),
  faces: [reports],
};

const foldAccount = foldOf(account);

/** The read models of accounts. */
export const accountViews: ProjectionGroup<Account | null, AccountEvents> = {
  name: 'accounts',
  version: 2,
  streamPrefix: 'account-',
  aggregate: account,
  initial: null,
  // No event looks at the hash, and no read model has it.
  fold: (known, event) => {
    const state = foldAccount(known as AccountState, event);
    return state && shownAccount(state);
  },
  faces: [accounts],
};

/** The read models of problems. */
export const problemViews: ProjectionGroup<ProblemState, ProblemEvents> = {
  name: 'problems',
  version: 4,
  streamPrefix: 'problem-',
  aggregate: problem,
  initial: problem.initial,
  fold: foldOf(problem),
  faces: [problems],
};

/** The read models of privacy. */
export const privacyViews: ProjectionGroup<PrivacyState, PrivacyEvents> = {
  name: 'privacy',
  version: 1,
  streamPrefix: 'privacy-',
  aggregate: privacy,
  initial: privacy.initial,
  fold: foldOf(privacy),
  faces: [privacies],
};

/** The read models of articles. */
export const articleViews: ProjectionGroup<ArticleState, ArticleEvents> = {
  name: 'articles',
  version: 1,
  streamPrefix: 'article-',
  aggregate: article,
  initial: article.initial,
  fold: foldOf(article),
  faces: [articles],
};

/** The read models of alerts. */
export const alertViews: ProjectionGroup<AlertState, AlertEvents> = {
  name: 'alerts',
  version: 1,
  streamPrefix: 'alert-',
  aggregate: alert,
  initial: alert.initial,
  fold: foldOf(alert),
  faces: [alerts],
};

/** The read models of sources of alerts. */
export const alertSourceViews: ProjectionGroup<AlertSourceState, AlertSourceEvents> = {
  name: 'alert_sources',
  version: 1,
  streamPrefix: 'alertsource-',
  aggregate: alertSource,
  initial: alertSource.initial,
  fold: foldOf(alertSource),
  faces: [alertSources],
};

/** The read models of maintenance windows. */
export const maintenanceViews: ProjectionGroup<MaintenanceState, MaintenanceEvents> = {
  name: 'maintenance',
  version: 1,
  streamPrefix: 'maintenance-',
  aggregate: maintenance,
  initial: maintenance.initial,
  fold: foldOf(maintenance),
  faces: [maintenances],
};

/** The read models of major incidents. */
export const majorIncidentViews: ProjectionGroup<MajorIncidentState, MajorIncidentEvents> = {
  name: 'major_incidents',
  version: 1,
  streamPrefix: 'majorincident-',
  aggregate: majorIncident,
  initial: majorIncident.initial,
  fold: foldOf(majorIncident),
  faces: [majorIncidents],
};

/** The read models of tasks for runners. */
export const automationViews: ProjectionGroup<AutomationState, AutomationEvents> = {
  name: 'automation_tasks',
  version: 1,
  streamPrefix: 'automation-',
  aggregate: automation,
  initial: automation.initial,
  fold: foldOf(automation),
  faces: [automationTasks],
};

/** The read models of questions in self-service. */
export const questionViews: ProjectionGroup<QuestionState, QuestionEvents> = {
  name: 'questions',
  version: 1,
  streamPrefix: 'question-',
  aggregate: question,
  initial: question.initial,
  fold: foldOf(question),
  faces: [questions],
};

/** The read models of request forms. */
export const formViews: ProjectionGroup<RequestFormState, RequestFormEvents> = {
  name: 'request_forms',
  version: 1,
  streamPrefix: 'form-',
  aggregate: requestForm,
  initial: requestForm.initial,
  fold: foldOf(requestForm),
  faces: [requestForms],
};

/** Every group of read models: what the worker keeps up to date, `rebuild` builds anew and `doctor` checks. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each has a state and events of its own
export const projectionGroups: readonly ProjectionGroup<any, any>[] = [
  ticketViews,
  contractViews,
  onCallViews,
  teamViews,
  agentViews,
  reactionViews,
  filterViews,
  credentialViews,
  webhookViews,
  reportViews,
  accountViews,
  articleViews,
  problemViews,
  alertViews,
  alertSourceViews,
  maintenanceViews,
  majorIncidentViews,
  automationViews,
  questionViews,
  formViews,
  privacyViews,
  readViews,
];
