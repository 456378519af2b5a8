import {
  type Aggregate,
  type CommandsOf,
  commandsOn,
  deterministicId,
  epochMillis,
  type EventOf,
  type EventsOf,
  type Instant,
} from '#eventsourcing';
import { omitUndefined, without } from '../plain-json.js';
import { about, count, flag, instant, listOf, oneOf, open, optional, type Static, text, uuid } from '../schema.js';
import type { TicketState } from '../events/ticket.js';
import { type PublicData, publishedChangesOf, publishedEvent, type PublishedEventDefinition } from '../published-event.js';
import type { OpenTicket } from '../ticket/intake.js';
import type { AlertFact, AlertGroup, DeliveredAlert } from './alert-deliveries.js';
import { maintenanceAt, type MaintenanceState } from './maintenance.js';

/** Why a firing alert has no ticket. */
const HELD_BACK_BY = ['maintenance', 'flapping', 'refused'] as const;

/** Decisions about a delivered alert. */
export const ALERT_DECISIONS = ['opened', 'deduplicated', 'silenced', 'damped', 'resolved', 'ignored'] as const;
export type AlertDecision = (typeof ALERT_DECISIONS)[number];

const occurrenceSchema = open({
  fingerprint: about(text, 'The alert'),
  startsAt: about(instant, 'When it started firing'),
  endsAt: optional(about(instant, 'When it stopped; absent while firing')),
});

export const alertSchema = about(
  open({
    alertId: about(uuid, 'Id of the alert'),
    client: about(text, 'Client (tenant) whose services it concerns'),
    source: about(text, 'Source of the alert'),
    key: about(text, 'Fingerprint of the alert, or key of the group that shares a ticket'),
    summary: about(text, 'One-line summary of what is wrong'),
    firing: about(flag, 'Whether it is firing; for a group, whether any of its alerts is'),
    heldBackBy: optional(about(oneOf(HELD_BACK_BY), 'Why it has no ticket although it is firing')),
    ticketId: optional(about(uuid, 'Its ticket; kept after the alert has resolved if the ticket was not resolved with it')),
    occurrences: about(listOf(occurrenceSchema), 'Its latest 500 firings, sorted by start'),
    truncatedAlerts: about(count, 'Largest number of alerts that the source truncated from a delivery'),
    decision: about(oneOf(ALERT_DECISIONS), 'Latest decision'),
    decidedAt: about(instant, 'When'),
  }),
  'An alert, or a group of alerts, with one ticket at a time',
);

export type Alert = Static<typeof alertSchema>;
export type AlertState = Alert | null;
type Occurrence = Alert['occurrences'][number];

/** Alerts of one source that share one ticket. */
export interface RecordAlerts extends AlertGroup {
  readonly client: string;
  readonly source: string;
  readonly onResolve: 'resolve' | 'note';
}

export interface RecordAlertTicketRefused {
  readonly ticketId: string;
  readonly code: string;
  readonly message: string;
}

/** What a decision needs to know from outside the alert. */
export interface AlertFacts {
  readonly maintenance: MaintenanceState;
  /** Whether its ticket has been resolved, cancelled or merged. */
  readonly ticketIsOver: boolean;
}

/** Id of the alert with a key at a source. */
export function alertId({ client, source, key }: Pick<Alert, 'client' | 'source' | 'key'>): string {
  return deterministicId('alert', client, source, key);
}

/** Number of occurrences kept. */
const MOST_OCCURRENCES = 500;

/** The occurrences after one more fact: the same in whatever order facts come, and however often. */
function withOccurrence(known: readonly Occurrence[], { fingerprint, startsAt, endsAt }: AlertFact): readonly Occurrence[] {
  const isSame = (one: Occurrence) => one.fingerprint === fingerprint && one.startsAt === startsAt;
  const before = known.find(isSame);
  const end = [before?.endsAt, endsAt]
    .filter((one) => one !== undefined)
    .sort()
    .at(-1);
  const place = ({ startsAt, fingerprint }: Occurrence) => `${startsAt} ${fingerprint}`;
  return [...known.filter((one) => !isSame(one)), omitUndefined({ fingerprint, startsAt, endsAt: end })]
    .sort((one, other) => (place(one) < place(other) ? -1 : 1))
    .slice(-MOST_OCCURRENCES);
}

function latestOf(known: readonly Occurrence[], fingerprint: string): Occurrence | undefined {
  return known.findLast((one) => one.fingerprint === fingerprint);
}

function anyFires(known: readonly Occurrence[]): boolean {
  const latest = new Map(known.map((one) => [one.fingerprint, one]));
  return [...latest.values()].some(({ endsAt }) => endsAt === undefined);
}

/** How often an alert started firing in the time up to and including an instant. */
function firingsBefore(known: readonly Occurrence[], { fingerprint }: AlertFact, until: Instant, within: number): number {
  const end = epochMillis(until);
  return known.filter((one) => {
    const begin = epochMillis(one.startsAt);
    return one.fingerprint === fingerprint && begin <= end && begin > end - within;
  }).length;
}

interface Told {
  readonly fact: AlertFact;
}

type Opened = Told & { readonly ticketId: string; readonly opening: OpenTicket };

/** The ticket's own `TicketOpened` has its opening data. */
const withoutOpening = ({ opening: _, ...opened }: Opened) => opened;

const change = publishedChangesOf<Alert>();

/** A decision about what was told of an existing alert. */
const decided = <Data extends Told, Public extends PublicData<Data> = 'all'>({
  decision,
  evolve,
  ...definition
}: PublishedEventDefinition<Alert, Data, Public> & { readonly decision: AlertDecision }) =>
  change<Data, Public>({
    ...definition,
    evolve: (alert, data, facts) => {
      const occurrences = withOccurrence(alert.occurrences, data.fact);
      const firing = anyFires(occurrences);
      const next: Alert = { ...evolve(alert, data, facts), occurrences, firing, decision, decidedAt: facts.effectiveAt };
      return firing ? next : without(next, 'heldBackBy');
    },
  });

const heldBackBy =
  (reason: Alert['heldBackBy'] & string) =>
  (alert: Alert, { fact }: Told): Alert =>
    fact.status === 'firing' ? { ...alert, heldBackBy: reason } : alert;

type Noted = Pick<Alert, 'alertId' | 'client' | 'source' | 'key' | 'summary'>;

const newAlert = (noted: Noted, decidedAt: Instant): Alert => ({
  ...noted,
  firing: false,
  occurrences: [],
  truncatedAlerts: 0,
  decision: 'ignored',
  decidedAt,
});

const events = {
  AlertNoted: publishedEvent<AlertState, Noted>({
    publicData: 'all',
    personal: null,
    evolve: (state, noted, { effectiveAt }) => state ?? newAlert(noted, effectiveAt),
  }),
  AlertOpened: decided<Opened, typeof withoutOpening>({
    publicData: withoutOpening,
    personal: null,
    decision: 'opened',
    evolve: (alert, { ticketId, opening }) => ({ ...without(alert, 'heldBackBy'), ticketId, summary: opening.summary }),
  }),
  AlertDeduplicated: decided<Told & { readonly ticketId: string }>({
    publicData: 'all',
    personal: null,
    decision: 'deduplicated',
    evolve: (alert) => without(alert, 'heldBackBy'),
  }),
  AlertSilenced: decided<Told & { readonly window: string; readonly title: string; readonly until: Instant }>({
    publicData: 'all',
    personal: null,
    decision: 'silenced',
    evolve: heldBackBy('maintenance'),
  }),
  AlertDamped: decided<Told & { readonly firings: number; readonly within: number }>({
    publicData: 'all',
    personal: null,
    decision: 'damped',
    evolve: heldBackBy('flapping'),
  }),
  AlertResolved: decided<Told & { readonly ticketId?: string; readonly resolves: boolean }>({
    publicData: 'all',
    personal: null,
    decision: 'resolved',
    evolve: (alert, { resolves }) => (resolves ? without(alert, 'ticketId') : alert),
  }),
  AlertIgnored: decided<Told & { readonly because: 'older' | 'resolved-already' | 'others-fire' | 'had-not-fired' }>({
    publicData: 'all',
    personal: null,
    decision: 'ignored',
    evolve: (alert) => alert,
  }),
  AlertsTruncated: publishedEvent<AlertState, { readonly truncatedAlerts: number }>({
    publicData: 'all',
    personal: null,
    evolve: (state, { truncatedAlerts }) => state && { ...state, truncatedAlerts },
  }),
  AlertTicketRefused: publishedEvent<AlertState, RecordAlertTicketRefused>({
    publicData: 'all',
    personal: null,
    evolve: (state, { ticketId }) =>
      state?.ticketId === ticketId ? { ...without(state, 'ticketId'), ...(state.firing ? { heldBackBy: 'refused' } : {}) } : state,
  }),
};

type AlertEvent = EventOf<EventsOf<{ readonly events: typeof events }>>;

const command = commandsOn<AlertState, EventsOf<{ readonly events: typeof events }>>();

/**
 * An alert, or a group of alerts that share one ticket, with the decisions about it. One stream each: `alert-<id>`. Deliveries may be
 * repeated and out of order: a fact that is already known changes nothing.
 */
export const alert = {
  category: 'alert',
  noun: 'alert',
  idName: 'alertId',
  initial: null,
  client: (state) => state?.client ?? '',
  events,
  commands: {
    RecordAlerts: command({
      refuses: [],
      needs: 'alert-facts',
      decide({ client, source, key, alerts, truncatedAlerts, onResolve }: RecordAlerts, state, context, given?: AlertFacts) {
        const { id = '', commandId, effectiveAt: at, recordedAt = at } = context;
        const [first] = alerts;
        if (first === undefined) return [];
        const noted = { alertId: id, client, source, key, summary: first.opening.summary };
        const decisions: AlertEvent[] = state === null ? [{ type: 'AlertNoted', data: noted }] : [];
        let now = state ?? newAlert(noted, at);
        for (const delivered of alerts) {
          const ticketIsOpen = now.ticketId !== undefined && (now.ticketId !== state?.ticketId || given?.ticketIsOver !== true);
          const newTicketId = deterministicId('alert-ticket', commandId, id, String(decisions.length));
          const event = decide(now, delivered, { at, onResolve, ticketIsOpen, newTicketId, maintenance: given?.maintenance ?? null });
          if (event === undefined) continue;
          decisions.push(event);
          now = events[event.type].evolve(now, event.data as never, { ...context, recordedAt }) ?? now;
        }
        if (truncatedAlerts > now.truncatedAlerts) decisions.push({ type: 'AlertsTruncated', data: { truncatedAlerts } });
        return decisions;
      },
    }),
    RecordAlertTicketRefused: command({
      refuses: [],
      needs: 'other-ticket',
      decide({ ticketId, code, message }: RecordAlertTicketRefused, state, _context, opened: TicketState = null) {
        return state?.ticketId === ticketId && opened === null ? [{ type: 'AlertTicketRefused', data: { ticketId, code, message } }] : [];
      },
    }),
  },
} satisfies Aggregate<AlertState>;

export type AlertEvents = EventsOf<typeof alert>;
export type AlertCommands = CommandsOf<typeof alert>;

interface Deciding {
  readonly at: Instant;
  readonly onResolve: 'resolve' | 'note';
  readonly ticketIsOpen: boolean;
  readonly newTicketId: string;
  readonly maintenance: MaintenanceState;
}

/** The event that follows from a delivered alert; undefined if it brings nothing new. */
function decide(alert: Alert, delivered: DeliveredAlert, deciding: Deciding): AlertEvent | undefined {
  const { fingerprint, status, startsAt } = delivered;
  const known = alert.occurrences.find((one) => one.fingerprint === fingerprint && one.startsAt === startsAt);
  const latest = latestOf(alert.occurrences, fingerprint);
  const endsAt = status === 'firing' ? undefined : (delivered.endsAt ?? known?.endsAt ?? (startsAt > deciding.at ? startsAt : deciding.at));
  const fact = omitUndefined({ fingerprint, status, startsAt, endsAt });
  if (known !== undefined && status === 'firing') {
    // It is still firing, and the reason for holding it back may be gone.
    const waits = alert.heldBackBy !== undefined && known === latest && known.endsAt === undefined;
    return waits ? attend(alert, delivered, fact, deciding, alert.heldBackBy) : undefined;
  }
  if (known?.endsAt !== undefined && endsAt !== undefined && endsAt <= known.endsAt) return undefined;
  const [oldest] = alert.occurrences;
  if (known === undefined && alert.occurrences.length === MOST_OCCURRENCES && oldest !== undefined && startsAt < oldest.startsAt)
    return undefined;

  const after = withOccurrence(alert.occurrences, fact);
  const fires = anyFires(after);
  const ignored = (because: AlertEvents['AlertIgnored']['because']): AlertEvent => ({ type: 'AlertIgnored', data: { fact, because } });
  if (latest !== undefined && startsAt < latest.startsAt) return ignored('older');
  if (status === 'firing') return attend({ ...alert, occurrences: after }, delivered, fact, deciding);
  if (known?.endsAt !== undefined) return ignored('resolved-already');
  if (!alert.firing) return ignored('had-not-fired');
  return fires ? ignored('others-fire') : end({ ...alert, occurrences: after }, delivered, fact, deciding);
}

function attend(
  alert: Alert,
  { opening, flapping }: DeliveredAlert,
  fact: AlertFact,
  { at, ticketIsOpen, newTicketId, maintenance }: Deciding,
  before?: Alert['heldBackBy'],
): AlertEvent | undefined {
  const window = maintenanceAt(maintenance, opening.service, at);
  if (window !== undefined)
    return before === 'maintenance'
      ? undefined
      : { type: 'AlertSilenced', data: { fact, window: window.window, title: window.title, until: window.until } };
  const firings = flapping && firingsBefore(alert.occurrences, fact, before === undefined ? fact.startsAt : at, flapping.within);
  if (flapping !== undefined && firings !== undefined && firings > flapping.firings)
    return before === 'flapping' ? undefined : { type: 'AlertDamped', data: { fact, firings, within: flapping.within } };
  return ticketIsOpen && alert.ticketId !== undefined
    ? { type: 'AlertDeduplicated', data: { fact, ticketId: alert.ticketId } }
    : { type: 'AlertOpened', data: { fact, ticketId: newTicketId, opening } };
}

function end(alert: Alert, { flapping }: DeliveredAlert, fact: AlertFact, { onResolve }: Deciding): AlertEvent {
  const firings = flapping && firingsBefore(alert.occurrences, fact, fact.endsAt ?? fact.startsAt, flapping.within);
  if (flapping !== undefined && firings !== undefined && firings > flapping.firings)
    return { type: 'AlertDamped', data: { fact, firings, within: flapping.within } };
  const { ticketId } = alert;
  return { type: 'AlertResolved', data: omitUndefined({ fact, ticketId, resolves: ticketId !== undefined && onResolve === 'resolve' }) };
}
