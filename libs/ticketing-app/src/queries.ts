import { type Instant, type Position, refuse, type Refusal } from '#eventsourcing';
import type { FeedBatch } from '#feeds';
import {
  type Account,
  accounts,
  type AlertSource,
  alertSources,
  type AgentDocument,
  agents,
  auditedAggregates,
  credentials,
  defaultContract,
  type EventFilter,
  type FeedPosition,
  formatPlace,
  type Key,
  type Maintenance,
  maintenances,
  type OnCallDocument,
  onCallSchedules,
  type Principal,
  type ReportNow,
  reports,
  type Scope,
  shownAgent,
  shownTeam,
  type Team,
  teams,
  type TicketFilter,
  ticketFilters,
  type Webhook,
  webhooks,
} from '#ticketing';
import { readAlert, readAlerts, readAlertSource, readMaintenance } from './alerts.js';
import {
  readAccount,
  readAgent,
  readAttachment,
  readFilter,
  readKey,
  readOwnAccount,
  readSavedList,
  readContract,
  readContracts,
  readOnCall,
  readOnCallSchedule,
  readPreventiveActions,
  readPrivacy,
  readProblem,
  readProblems,
  readTeam,
} from './desk-queries.js';
import { listKpis, readKpi, readKpiEvidence } from './kpi-query.js';
import { exportEventLog, exportFacts } from './export-queries.js';
import { readFlow } from './flow-query.js';
import { readCapacity } from './capacity-query.js';
import { readArticle, readArticles } from './article-queries.js';
import { readMajorIncident, readMajorIncidents } from './major-incidents.js';
import { readAutomationTask, readAutomationTasks, readNextTasks } from './automation-tasks.js';
import { historyOf } from './history-query.js';
import { readPastBoard, readPastQueue, readPastTickets, readTicketCounts } from './past-lists.js';
import { readReport, readReportRun, readReportRuns } from './report-queries.js';
import { readRootCauseReport } from './root-cause-query.js';
import { readForm, readForms, readQuestion, readQuestionCounts, readQuestions, readSuggestions } from './self-service-queries.js';
import { readWhatIsDue } from './retention.js';
import { readRestatedTicket, readRestatedTickets } from './restatement-query.js';
import { readAuditorReads } from './auditor-reads-query.js';
import { readReactions } from './reactions-query.js';
import { type ByName, type Page, readByName, readMailAside, type Sources } from './read-models.js';
import { type AppQuery, query, queryOfLog } from './run-query.js';
import { simulateForCaller, type SimulationRequest } from './simulate.js';
import { readChangedBoard, readSlaBoard } from './sla-board-query.js';
import { readStatusPage } from './status-page.js';
import { readTicketAutopsy } from './ticket-autopsy.js';
import { readConversation } from './ticket-conversation.js';
import { readChangedTickets, readTicketList, type TicketListAskedFor } from './ticket-list-query.js';
import { readChangedQueue, readTicketDetails, readTicketSla, readTierQueue } from './ticket-queries.js';
import { readTicketWhy } from './ticket-why.js';
import { readDeliveries, readSecretVersions, readWebhook } from './webhook-queries.js';

const asItIs = <Doc>(_scope: Scope, doc: Doc): Doc => doc;

/** A list of a view, each entry as the reader may see it. */
const listed =
  <Doc extends object>(view: { readonly name: string }, shown: (scope: Scope, doc: Doc) => Doc = asItIs) =>
  async (sources: Sources, { limit, after }: ByName): Promise<Page<Doc>> => {
    const { items, more } = await readByName<Doc>(sources, { view: view.name, limit, after });
    return { items: items.map((doc) => shown(sources.scope, doc)), more };
  };

interface FeedAsked {
  readonly filter: EventFilter;
  /** An instant means whatever was recorded from then on. */
  readonly from: FeedPosition | 'start' | 'end' | { readonly since: Instant };
  /** Where it ends, if it does. */
  readonly until?: FeedPosition | 'present';
  readonly idleMs?: number;
  readonly signal: AbortSignal;
}

interface Feed {
  readonly batches: AsyncIterable<FeedBatch>;
  /** Where the log ended when the question was asked. */
  readonly end: Position | 'start';
}

/**
 * A feed, which ends when the signal aborts. A reader ahead of the log has read another log, and is refused: it would wait forever for what
 * it has missed.
 */
async function followEvents(
  { feed, store }: Sources,
  { filter, from, until, idleMs, signal }: FeedAsked,
): Promise<Feed | Refusal<'unknown-position'>> {
  const end = await store.end();
  for (const [field, place] of Object.entries({ from, to: until })) {
    if (typeof place !== 'object' || 'since' in place) continue;
    const isAhead = end === 'start' || place.commit > end.commit;
    // The end is only compared, and need not be an event.
    if (!isAhead && (field === 'to' || (await store.has(place)))) continue;
    const why = isAhead
      ? `The log ends at ${end === 'start' ? 'its start' : formatPlace(end)}`
      : `The log has nothing at ${formatPlace(place)}`;
    const message = `${why}: begin again from its start`;
    return refuse('unknown-position', message, [{ field, message: 'must be a position that this log has reached' }]);
  }
  const { since, after } =
    typeof from === 'object' && 'since' in from
      ? { since: from.since, after: await store.lastBefore(from.since) }
      : { since: undefined, after: from === 'end' ? end : from };
  const asked = { filter: { ...filter, ...(since && { since }) }, after, signal };
  if (until === undefined) return { batches: feed.follow({ ...asked, ...(idleMs && { idleMs }) }), end };
  return { batches: feed.read({ ...asked, until: until === 'present' ? end : until }), end };
}

/** All queries. */
export const queries = {
  tickets: query('tickets', (sources, asked: TicketListAskedFor) => readTicketList(sources, asked)),
  changedTickets: query('tickets', readChangedTickets),
  pastTickets: query('tickets', readPastTickets),
  ticketCounts: query('tickets', readTicketCounts),
  ticket: query('ticket', readTicketDetails),
  conversation: query('conversation', readConversation),
  history: query('history', historyOf(auditedAggregates.ticket)),
  contractHistory: query('contractHistory', historyOf(auditedAggregates.contract)),
  teamHistory: query('teamHistory', historyOf(auditedAggregates.team)),
  agentHistory: query('agentHistory', historyOf(auditedAggregates.agent)),
  scheduleHistory: query('scheduleHistory', historyOf(auditedAggregates.schedule)),
  articleHistory: query('articleHistory', historyOf(auditedAggregates.article)),
  problemHistory: query('problemHistory', historyOf(auditedAggregates.problem)),
  privacyHistory: query('privacyHistory', historyOf(auditedAggregates.privacy)),
  alertSourceHistory: query('alertSourceHistory', historyOf(auditedAggregates.alertSource)),
  alertHistory: query('alertHistory', historyOf(auditedAggregates.alert)),
  majorIncidentHistory: query('majorIncidentHistory', historyOf(auditedAggregates.majorIncident)),
  automationTaskHistory: query('automationTaskHistory', historyOf(auditedAggregates.automationTask)),
  maintenanceHistory: query('maintenanceHistory', historyOf(auditedAggregates.maintenance)),
  filterHistory: query('filterHistory', historyOf(auditedAggregates.filter)),
  keyHistory: query('keyHistory', historyOf(auditedAggregates.key)),
  accountHistory: query('accountHistory', historyOf(auditedAggregates.account)),
  reportHistory: query('reportHistory', historyOf(auditedAggregates.report)),
  webhookHistory: query('webhookHistory', historyOf(auditedAggregates.webhook)),
  sla: query('sla', readTicketSla),
  autopsy: query('autopsy', readTicketAutopsy),
  why: query('why', readTicketWhy),
  restatement: queryOfLog('restatement', readRestatedTicket),
  restatements: query('restatements', readRestatedTickets),
  queue: query('queue', readTierQueue),
  changedQueue: query('queue', readChangedQueue),
  pastQueue: query('queue', readPastQueue),
  slaBoard: query('slaBoard', readSlaBoard),
  changedBoard: query('slaBoard', readChangedBoard),
  pastBoard: query('slaBoard', readPastBoard),
  reactions: query('reactions', readReactions),
  auditorReads: query('auditorReads', readAuditorReads),
  kpis: query('kpis', async (_sources, _asked: object) => listKpis()),
  kpi: query('kpis', readKpi),
  kpiEvidence: query('kpis', readKpiEvidence),
  flow: query('kpis', readFlow),
  factsExport: query('kpis', exportFacts),
  eventLogExport: query('kpis', exportEventLog),
  reports: query('reports', listed<ReportNow>(reports)),
  report: queryOfLog('reports', readReport),
  reportRuns: queryOfLog('reports', readReportRuns),
  reportRun: queryOfLog('reports', readReportRun),
  contracts: query('contracts', readContracts),
  contract: queryOfLog('contract', readContract),
  defaultContract: queryOfLog('defaultContract', async () => defaultContract),
  teams: query('teams', listed<Team>(teams, shownTeam)),
  team: query('team', readTeam),
  agents: query('agents', listed<AgentDocument>(agents, shownAgent)),
  agent: queryOfLog('agent', readAgent),
  onCallSchedules: query('onCallSchedules', listed<OnCallDocument>(onCallSchedules)),
  onCall: query('onCall', readOnCall),
  onCallOverrides: queryOfLog('onCallOverrides', readOnCallSchedule),
  filters: query('filters', listed<TicketFilter>(ticketFilters)),
  filter: queryOfLog('filter', readFilter),
  savedList: queryOfLog('filter', readSavedList),
  capacity: query('kpis', readCapacity),
  articles: query('articles', readArticles),
  article: query('article', readArticle),
  problems: query('problems', readProblems),
  suggestions: query('articles', readSuggestions),
  questions: query('questions', readQuestions),
  question: query('question', readQuestion),
  questionCounts: query('questions', readQuestionCounts),
  questionHistory: query('questionHistory', historyOf(auditedAggregates.question)),
  forms: query('forms', readForms),
  form: query('form', readForm),
  formHistory: query('formHistory', historyOf(auditedAggregates.form)),
  rootCauseReport: queryOfLog('rootCauseReport', readRootCauseReport),
  preventiveActions: query('preventiveActions', readPreventiveActions),
  problem: queryOfLog('problem', readProblem),
  alertSources: query('alertSources', listed<AlertSource>(alertSources)),
  alertSource: queryOfLog('alertSource', readAlertSource),
  alerts: query('alerts', readAlerts),
  alert: queryOfLog('alert', readAlert),
  maintenances: query('maintenances', listed<Maintenance>(maintenances)),
  maintenance: queryOfLog('maintenance', readMaintenance),
  majorIncidents: query('majorIncidents', readMajorIncidents),
  majorIncident: queryOfLog('majorIncident', readMajorIncident),
  statusPage: query('statusPage', readStatusPage),
  automationTasks: query('automationTasks', readAutomationTasks),
  automationTask: queryOfLog('automationTask', readAutomationTask),
  nextAutomationTask: query('nextAutomationTask', readNextTasks),
  /** Whether alerts may be sent. */
  takeAlerts: queryOfLog('takeAlerts', async (_sources, _asked: object) => ({ allowed: true }) as const),
  privacy: queryOfLog('privacy', readPrivacy),
  dueForErasure: query('privacy', readWhatIsDue),
  events: queryOfLog('events', followEvents),
  webhooks: query('webhooks', listed<Webhook>(webhooks)),
  webhook: query('webhooks', readWebhook),
  webhookSecret: queryOfLog('webhookSecret', readSecretVersions),
  deliveries: query('webhooks', readDeliveries),
  simulation: queryOfLog('simulation', ({ store }, { left, ...request }: SimulationRequest & { readonly left: AbortSignal }) =>
    simulateForCaller(store, request, left),
  ),
  /** Whether a message may be accepted. */
  takeMail: queryOfLog('takeMail', async (_sources, _asked: object) => ({ allowed: true }) as const),
  mailAside: query('mailAside', readMailAside),
  /** Whether content may be sent. */
  upload: queryOfLog('upload', async (_sources, _asked: object) => ({ allowed: true }) as const),
  /** Whether content may be read. */
  attachment: queryOfLog('attachment', readAttachment),
  key: queryOfLog('keys', readKey),
  keys: query('keys', (sources, { limit, after }: ByName) =>
    readByName<Key>(sources, { view: credentials.name, where: { form: 'key' }, limit, after }),
  ),
  accounts: query('accounts', listed<Account>(accounts)),
  account: queryOfLog('accounts', readAccount),
  /** The current sessions of the asking person. */
  sessions: query(
    'sessions',
    (sources, { principal: { kind, id }, at, limit, after }: ByName & { readonly principal: Principal; readonly at: Instant }) =>
      readByName<Key>(sources, {
        view: credentials.name,
        where: { form: 'session', 'principal.kind': kind, 'principal.id': id, revokedAt: { $exists: false }, expiresAt: { $gt: at } },
        limit,
        after,
      }),
  ),
  ownAccount: queryOfLog('ownAccount', readOwnAccount),
  /** The asking principal. */
  principal: queryOfLog('principal', async (_sources, principal: Principal) => principal),
  /** Whether the seals of the log may be read. They belong to no client. */
  seals: queryOfLog('seals', async (_sources, _asked: object) => ({ allowed: true }) as const),
} satisfies Readonly<Record<string, AppQuery<never, unknown>>>;
