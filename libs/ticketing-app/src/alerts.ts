import { type Actor, deterministicId, type EventStore, isRefusal, readAggregate, refuse, type Refusal } from '#eventsourcing';
import {
  actorOf,
  type Alert,
  alert,
  type AlertDecision,
  type AlertEvents,
  alertId,
  alerts,
  type AlertSource,
  alertSource,
  type Maintenance,
  maintenance,
  omitUndefined,
  type Principal,
  readDelivery,
  seesClient,
} from '#ticketing';
import { type AtRevision, readKnown } from './at-revision.js';
import { type ByName, type Page, readByName, type Sources } from './read-models.js';
import { runSystemCommand } from './run-command.js';

/** Filters for alerts, combined with AND. */
export interface AlertsAsked extends ByName {
  readonly client?: string | undefined;
  readonly source?: string | undefined;
  readonly ticket?: string | undefined;
  readonly firing?: boolean | undefined;
}

/** Alerts by id. */
export function readAlerts(
  sources: Sources,
  { client, source, ticket: ticketId, firing, limit, after }: AlertsAsked,
): Promise<Page<Alert>> {
  return readByName<Alert>(sources, { view: alerts.name, where: omitUndefined({ client, source, ticketId, firing }), limit, after });
}

interface Named {
  readonly id: string;
}

export function readAlert(sources: Sources, { id }: Named): Promise<AtRevision<Alert> | Refusal<'alert-not-found'>> {
  return readKnown(sources, alert, id, refuse('alert-not-found', 'There is no such alert'));
}

export function readAlertSource(sources: Sources, { id }: Named): Promise<AtRevision<AlertSource> | Refusal<'alert-source-not-found'>> {
  return readKnown(sources, alertSource, id, noSource());
}

const noSource = () => refuse('alert-source-not-found', 'There is no such alert source');

export function readMaintenance(sources: Sources, { id }: Named): Promise<AtRevision<Maintenance> | Refusal<'maintenance-not-found'>> {
  return readKnown(sources, maintenance, id, refuse('maintenance-not-found', 'No maintenance was planned for that client'));
}

/** Result of a delivery. */
export interface TakenAlerts {
  readonly source: string;
  /** Decisions made now; none for alerts that were already known. */
  readonly decisions: readonly {
    readonly alertId: string;
    readonly fingerprint: string;
    readonly decision: AlertDecision;
    readonly because?: string;
    readonly ticketId?: string;
  }[];
  /** Number of its alerts that were already known. */
  readonly known: number;
  /** Number of alerts that the sender left out. */
  readonly truncatedAlerts: number;
}

/** The sender of alerts. */
export interface BringingAlerts {
  readonly principal: Principal;
  readonly commandId: string;
  readonly correlationId: string;
}

/** Accepts a delivery from a source: the decision about each alert is recorded before the answer. */
export async function takeAlerts(
  store: EventStore,
  name: string,
  body: unknown,
  { principal, commandId, correlationId }: BringingAlerts,
): Promise<TakenAlerts | Refusal> {
  const { state: defined } = await readAggregate(store, alertSource, name);
  if (defined === null || defined.retiredAt !== undefined || !seesClient(principal, defined.client)) return noSource();
  const { client, source, settings } = defined;
  const groups = readDelivery(defined, body);
  if ('faults' in groups) return refuse('alerts-invalid', 'The body is not in the format of the alert source', groups.faults);
  const actor: Actor = actorOf(principal);
  const decisions: TakenAlerts['decisions'][number][] = [];
  let told = 0;
  for (const group of groups) {
    const id = alertId({ client, source, key: group.key });
    const command = deterministicId('alerts', commandId, id);
    const done = await runSystemCommand(store, {
      aggregate: alert,
      id,
      name: 'RecordAlerts',
      body: { ...group, client, source, onResolve: settings.onResolve },
      context: { commandId: command, actor, correlationId, causationId: commandId },
    });
    if (isRefusal(done)) return done;
    told += group.alerts.length;
    for (const { type, data } of done.events) {
      const decision = DECIDED[type];
      if (decision === undefined) continue;
      const { fact, ...more } = data as AlertEvents['AlertOpened'] & Partial<AlertEvents['AlertIgnored']>;
      const { ticketId, because } = more;
      decisions.push(omitUndefined({ alertId: id, fingerprint: fact.fingerprint, decision, because, ticketId }));
    }
  }
  return { source, decisions, known: told - decisions.length, truncatedAlerts: groups[0]?.truncatedAlerts ?? 0 };
}

const DECIDED: Readonly<Partial<Record<keyof AlertEvents, AlertDecision>>> = {
  AlertOpened: 'opened',
  AlertDeduplicated: 'deduplicated',
  AlertSilenced: 'silenced',
  AlertDamped: 'damped',
  AlertResolved: 'resolved',
  AlertIgnored: 'ignored',
};
