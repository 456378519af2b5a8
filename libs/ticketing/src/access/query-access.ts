import { type Forbidden, forbidden } from './command-access.js';
import { type Principal, type Role, type Scope } from '../identity/principal.js';

/** What a role may read: everything of its clients, or only the tickets that it reported. */
type Reads = 'all' | 'own';

const reader = { auditor: 'all', agent: 'all', lead: 'all', administrator: 'all' } as const;
const desk = { ...reader, assistant: 'all' } as const;
const everybody = { ...desk, service: 'all' } as const;

/** Who may read what: query → role → extent. */
export const queryAccess = {
  tickets: { ...everybody, requester: 'own' },
  ticket: everybody,
  conversation: { ...everybody, requester: 'own' },
  history: desk,
  sla: everybody,
  autopsy: desk,
  restatement: reader,
  restatements: reader,
  why: desk,
  queue: everybody,
  slaBoard: everybody,
  reactions: reader,
  kpis: { auditor: 'all', lead: 'all', administrator: 'all', service: 'all' },
  reports: { auditor: 'all', lead: 'all', administrator: 'all', service: 'all' },
  reportHistory: reader,
  contracts: reader,
  contract: reader,
  contractHistory: reader,
  defaultContract: everybody,
  teams: desk,
  team: desk,
  teamHistory: reader,
  agents: desk,
  agent: desk,
  agentHistory: reader,
  onCallSchedules: desk,
  onCall: desk,
  onCallOverrides: desk,
  scheduleHistory: reader,
  filters: desk,
  filter: desk,
  filterHistory: reader,
  articles: { ...everybody, requester: 'own' },
  article: { ...everybody, requester: 'own' },
  articleHistory: reader,
  problems: desk,
  problem: desk,
  problemHistory: reader,
  preventiveActions: desk,
  rootCauseReport: desk,
  alertSources: desk,
  alertSource: desk,
  alertSourceHistory: reader,
  alerts: { ...desk, service: 'all' },
  alert: { ...desk, service: 'all' },
  alertHistory: reader,
  majorIncidents: everybody,
  majorIncident: everybody,
  majorIncidentHistory: reader,
  statusPage: { ...everybody, requester: 'all' },
  automationTasks: everybody,
  automationTask: everybody,
  nextAutomationTask: { service: 'all', administrator: 'all' },
  automationTaskHistory: reader,
  maintenances: everybody,
  maintenance: everybody,
  maintenanceHistory: reader,
  questions: everybody,
  question: { ...everybody, requester: 'own' },
  questionHistory: reader,
  forms: { ...everybody, requester: 'all' },
  form: { ...everybody, requester: 'all' },
  formHistory: reader,
  auditorReads: { auditor: 'all', administrator: 'all' },
  privacy: { auditor: 'all', administrator: 'all' },
  privacyHistory: { auditor: 'all', administrator: 'all' },
  events: { ...reader, service: 'all' },
  webhooks: { auditor: 'all', service: 'all', administrator: 'all' },
  webhookHistory: { auditor: 'all', administrator: 'all' },
  webhookSecret: { service: 'all', administrator: 'all' },
  simulation: { auditor: 'all', lead: 'all', administrator: 'all' },
  upload: { ...everybody, requester: 'all' },
  attachment: everybody,
  takeMail: { service: 'all', administrator: 'all' },
  takeAlerts: { service: 'all', administrator: 'all' },
  mailAside: { service: 'all', lead: 'all', administrator: 'all' },
  keys: { auditor: 'all', administrator: 'all' },
  keyHistory: { auditor: 'all', administrator: 'all' },
  accountHistory: { auditor: 'all', administrator: 'all' },
  accounts: { auditor: 'all', administrator: 'all' },
  sessions: { ...everybody, requester: 'all' },
  principal: { ...everybody, requester: 'all' },
  ownAccount: { ...everybody, requester: 'all' },
  seals: { ...everybody, requester: 'all' },
} as const satisfies Readonly<Record<string, Readonly<Partial<Record<Role, Reads>>>>>;

export type QueryName = keyof typeof queryAccess;

/** The queries that return histories. */
export type HistoryName = Extract<QueryName, 'history' | `${string}History`>;

/**
 * What a principal sees through a query; refused if none of their roles may ask.
 * @param reporter whose tickets count as their own: the person on whose behalf they ask, if any
 */
export function queryScope(principal: Principal, name: QueryName, reporter: string = principal.id): Scope | Forbidden {
  const { clients } = principal;
  if (principal.kind === 'system') return { clients };
  const row: Readonly<Partial<Record<Role, Reads>>> = queryAccess[name];
  const reads = principal.roles.flatMap((role) => row[role] ?? []);
  if (reads.length === 0) return forbidden(Object.fromEntries(Object.keys(row).map((role) => [role, true])));
  return reads.includes('all') ? { clients } : { clients, reporter };
}
