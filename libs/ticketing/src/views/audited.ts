import { type Aggregate, type ProjectionGroup, type StoredEvent, streamName, upcast } from '#eventsourcing';
import { seesFilter, seesTeam, shownAgent, shownTeam } from '../access/seen.js';
import { alert } from '../alerts/alert.js';
import { alertSource } from '../alerts/alert-source.js';
import { maintenance } from '../alerts/maintenance.js';
import { automation } from '../automation/automation.js';
import { contract } from '../contract/contract-agreement.js';
import { agent } from '../desk/agent.js';
import { onCall } from '../desk/on-call.js';
import { type Team, team } from '../desk/team.js';
import { report } from '../desk/report.js';
import { privacy } from '../desk/privacy.js';
import { isSubscribed, type Webhook, webhook } from '../desk/webhook.js';
import { account, ACCOUNT_SECRETS } from '../identity/account.js';
import { credential } from '../identity/credential.js';
import { isWithinReach, type Principal, type Scope } from '../identity/principal.js';
import { omitUndefined, without } from '../plain-json.js';
import { article } from '../knowledge/article.js';
import { majorIncident } from '../major-incident/major-incident.js';
import { problem } from '../problem/problem.js';
import { question } from '../self-service/question.js';
import { requestForm } from '../self-service/request-form.js';
import { type TicketFilter, ticketFilter } from '../ticket/ticket-filter.js';
import { clockName } from '../sla/sla-clock.js';
import { ticket } from '../ticket/ticket.js';
import { changesBetween, type Change } from './changes.js';
import {
  accountViews,
  agentViews,
  alertSourceViews,
  alertViews,
  articleViews,
  automationViews,
  contractViews,
  credentialViews,
  filterViews,
  maintenanceViews,
  majorIncidentViews,
  formViews,
  onCallViews,
  privacyViews,
  problemViews,
  reportViews,
  questionViews,
  teamViews,
  ticketViews,
  webhookViews,
} from './projections.js';
import type { TicketFold } from './ticket-fold.js';

/** An event with its changes. */
export interface AuditedEvent {
  /** With its data as a reader may see it. */
  readonly event: StoredEvent;
  readonly changes: readonly Change[];
}

/** A kind of aggregate with a readable history, folded as for its views. */
export interface Audited {
  readonly aggregate: Pick<Aggregate, 'category' | 'noun' | 'idName'>;
  /** Code of the refusal if no aggregate has the id. */
  readonly notFound: string;
  /** The name of the stream of an id. */
  stream(id: string): string;
  /**
   * Starts reading a history: the returned function takes its events in order.
   * @returns undefined for an event that the scope may not see
   */
  read(scope: Scope): (stored: StoredEvent) => AuditedEvent | undefined;
}

interface Reading<State> extends Pick<Audited, 'notFound'> {
  /** The part of a state to compare; null if there is none. */
  readonly shows: (state: State) => object | null;
  /** Whether the shown part may be seen; default: yes. */
  readonly sees?: (scope: Scope, shown: object) => boolean;
  /** Removes what may not be seen from the shown part, or from an event's data. */
  readonly cut?: (scope: Scope, fields: object) => object;
}

function audited<State, Events extends object>(
  aggregate: Audited['aggregate'],
  { initial, fold, aggregate: foldable }: ProjectionGroup<State, Events>,
  { notFound, shows, sees = () => true, cut = (_scope, fields) => fields }: Reading<State>,
): Audited {
  return {
    aggregate,
    notFound,
    stream: (id) => streamName(aggregate, id),
    read(scope) {
      let state = initial;
      let before: object | null = null;
      return (stored) => {
        const event = upcast(foldable, stored);
        state = fold(state, event as never);
        const after = shows(state);
        const whole = after ?? before;
        const was = before;
        before = after;
        if (whole !== null && !sees(scope, whole)) return undefined;
        const shown = (one: object | null) => (one !== null && sees(scope, one) ? cut(scope, one) : {});
        return { event: { ...event, data: cut(scope, event.data as object) }, changes: changesBetween(shown(was), shown(after)) };
      };
    },
  };
}

function seesPrincipal(scope: Scope, shown: object): boolean {
  return isWithinReach(scope, (shown as { readonly principal: Principal }).principal);
}

/** Removes hashes and what is stored with them. */
function withoutSecrets(_scope: Scope, fields: object): object {
  return without(fields as Readonly<Record<string, unknown>>, ...ACCOUNT_SECRETS);
}

/** A ticket as commands see it, with its clocks keyed by name. */
function ticketShown({ ticket: { automatic: _automatic, past: _past, touched: _touched, ...state }, promises }: TicketFold): object {
  const clocks = promises.clocks.map((clock) => {
    const { state, dueAt, breachedAt, restated } = clock;
    return [clockName(clock), omitUndefined({ state, dueAt, breachedAt, restated })];
  });
  return { ...state, clocks: Object.fromEntries(clocks) };
}

/** Every kind of aggregate with a readable history. For a contract, each version is compared with the one before it. */
export const auditedAggregates = {
  ticket: audited(ticket, ticketViews, { notFound: 'ticket-not-found', shows: (fold) => fold && ticketShown(fold) }),
  contract: audited(contract, contractViews, { notFound: 'contract-not-found', shows: (state) => state?.versions.at(-1) ?? null }),
  team: audited(team, teamViews, {
    notFound: 'team-not-found',
    shows: (state) => state,
    sees: (scope, shown) => seesTeam(scope, shown as Team),
    cut: shownTeam,
  }),
  agent: audited(agent, agentViews, { notFound: 'agent-not-found', shows: (state) => state, cut: shownAgent }),
  schedule: audited(onCall, onCallViews, { notFound: 'on-call-not-found', shows: (state) => state }),
  privacy: audited(privacy, privacyViews, { notFound: 'privacy-not-found', shows: (state) => state }),
  article: audited(article, articleViews, { notFound: 'article-not-found', shows: (state) => state }),
  problem: audited(problem, problemViews, { notFound: 'problem-not-found', shows: (state) => state }),
  alertSource: audited(alertSource, alertSourceViews, { notFound: 'alert-source-not-found', shows: (state) => state }),
  alert: audited(alert, alertViews, { notFound: 'alert-not-found', shows: (state) => state }),
  maintenance: audited(maintenance, maintenanceViews, { notFound: 'maintenance-not-found', shows: (state) => state }),
  majorIncident: audited(majorIncident, majorIncidentViews, { notFound: 'major-incident-not-found', shows: (state) => state }),
  automationTask: audited(automation, automationViews, { notFound: 'task-not-found', shows: (state) => state }),
  question: audited(question, questionViews, { notFound: 'question-not-found', shows: (state) => state }),
  form: audited(requestForm, formViews, { notFound: 'form-not-found', shows: (state) => state }),
  filter: audited(ticketFilter, filterViews, {
    notFound: 'filter-not-found',
    shows: (state) => (state === 'deleted' ? null : state),
    sees: (scope, shown) => seesFilter(scope, shown as TicketFilter),
  }),
  key: audited(credential, credentialViews, {
    notFound: 'key-not-found',
    shows: (state) => state,
    sees: seesPrincipal,
    cut: withoutSecrets,
  }),
  account: audited(account, accountViews, {
    notFound: 'account-not-found',
    shows: (state) => state,
    sees: seesPrincipal,
    cut: withoutSecrets,
  }),
  report: audited(report, reportViews, { notFound: 'report-not-found', shows: (state) => state }),
  webhook: audited(webhook, webhookViews, {
    notFound: 'webhook-not-found',
    shows: (state) => (isSubscribed(state) ? state : null),
    sees: (scope, shown) => isWithinReach(scope, shown as Webhook),
  }),
} satisfies Readonly<Record<string, Audited>>;
