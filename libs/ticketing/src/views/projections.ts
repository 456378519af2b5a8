import {
  type Aggregate,
  type EventsOf,
  type Foldable,
  foldOf,
  type ProjectionGroup,
  REACTIONS,
  type ReactionEvents,
  type StateFace,
  type StateOf,
} from '#eventsourcing';
import { alert } from '../alerts/alert.js';
import { alertSource } from '../alerts/alert-source.js';
import { maintenance } from '../alerts/maintenance.js';
import { automation } from '../automation/automation.js';
import { contract } from '../contract/contract-agreement.js';
import { agent } from '../desk/agent.js';
import { onCall } from '../desk/on-call.js';
import { privacy } from '../desk/privacy.js';
import { report } from '../desk/report.js';
import { team } from '../desk/team.js';
import { webhook } from '../desk/webhook.js';
import { account, type Account, type AccountEvents, type AccountState, shownAccount } from '../identity/account.js';
import { credential, type CredentialEvents, type CredentialState, type Key, shown } from '../identity/credential.js';
import { majorIncident } from '../major-incident/major-incident.js';
import { problem } from '../problem/problem.js';
import { article } from '../knowledge/article.js';
import { question } from '../self-service/question.js';
import { requestForm } from '../self-service/request-form.js';
import { ticketFilter } from '../ticket/ticket-filter.js';
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

/** The read models of tickets, in the order in which a change becomes visible. */
export const ticketViews: ProjectionGroup<TicketFold | null, TicketEvents> = {
  name: 'tickets',
  version: 12,
  streamPrefix: 'ticket-',
  aggregate: ticketWithoutClocks,
  initial: null,
  fold: foldTicket,
  faces: [ticketHistory, ticketSla, slaBoard, tierQueue, ticketList, ticketFacts, ticketDetails],
};

/** The read models of an aggregate with one face: the group takes its name. */
function viewsOf<Folded extends Foldable & Pick<Aggregate, 'category'> & { readonly initial: StateOf<Folded> }>(
  aggregate: Folded,
  face: StateFace<StateOf<Folded>>,
  version: number,
): ProjectionGroup<StateOf<Folded>, EventsOf<Folded>> {
  const { category, initial } = aggregate;
  return { name: face.name, version, streamPrefix: `${category}-`, aggregate, initial, fold: foldOf(aggregate), faces: [face] };
}

/** The read models of contracts. */
export const contractViews = viewsOf(contract, contracts, 2);

/** The read models of on-call schedules. */
export const onCallViews = viewsOf(onCall, onCallSchedules, 3);

/** The read models of teams. */
export const teamViews = viewsOf(team, teams, 2);

/** The read models of agents. */
export const agentViews = viewsOf(agent, agents, 2);

/** The read models of how policies reacted. */
export const reactionViews: ProjectionGroup<null, ReactionEvents> = {
  name: 'policy_reactions',
  version: 2,
  streamPrefix: `${REACTIONS}-`,
  aggregate: { events: {} },
  initial: null,
  fold: () => null,
  faces: [policyReactions],
};

/** The read models of what auditors and administrators read. */
export const readViews: ProjectionGroup<null, ReadEvents> = {
  name: 'auditor_reads',
  version: 1,
  streamPrefix: `${READS}-`,
  aggregate: { events: {} },
  initial: null,
  fold: () => null,
  faces: [auditorReads],
};

/** The read models of saved filters. */
export const filterViews = viewsOf(ticketFilter, ticketFilters, 2);

const foldCredential = foldOf(credential);

/** The read models of keys and sessions. */
export const credentialViews: ProjectionGroup<Key | null, CredentialEvents> = {
  name: 'credentials',
  version: 2,
  streamPrefix: 'credential-',
  aggregate: credential,
  initial: null,
  // No event needs the hash, and no read model has it.
  fold: (key, event) => {
    const state = foldCredential(key as CredentialState, event);
    return state && shown(state);
  },
  faces: [credentials],
};

/** The read models of webhooks. */
export const webhookViews = viewsOf(webhook, webhooks, 2);

/** The read models of scheduled reports. */
export const reportViews = viewsOf(report, reports, 1);

const foldAccount = foldOf(account);

/** The read models of accounts. */
export const accountViews: ProjectionGroup<Account | null, AccountEvents> = {
  name: 'accounts',
  version: 2,
  streamPrefix: 'account-',
  aggregate: account,
  initial: null,
  // No event needs the hash, and no read model has it.
  fold: (known, event) => {
    const state = foldAccount(known as AccountState, event);
    return state && shownAccount(state);
  },
  faces: [accounts],
};

/** The read models of problems. */
export const problemViews = viewsOf(problem, problems, 4);

/** The read models of privacy. */
export const privacyViews = viewsOf(privacy, privacies, 1);

/** The read models of articles. */
export const articleViews = viewsOf(article, articles, 2);

/** The read models of alerts. */
export const alertViews = viewsOf(alert, alerts, 1);

/** The read models of sources of alerts. */
export const alertSourceViews = viewsOf(alertSource, alertSources, 1);

/** The read models of maintenance windows. */
export const maintenanceViews = viewsOf(maintenance, maintenances, 1);

/** The read models of major incidents. */
export const majorIncidentViews = viewsOf(majorIncident, majorIncidents, 1);

/** The read models of tasks for runners. */
export const automationViews = viewsOf(automation, automationTasks, 1);

/** The read models of questions in self-service. */
export const questionViews = viewsOf(question, questions, 1);

/** The read models of request forms. */
export const formViews = viewsOf(requestForm, requestForms, 1);

/** Every group of read models: the worker keeps them up to date, `rebuild` rebuilds and `doctor` checks them. */
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
