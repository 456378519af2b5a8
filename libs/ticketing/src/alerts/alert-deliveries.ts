import { type Fault, type Instant, instantFrom, isName, isVisibleText, parseInstant, singleLine } from '#eventsourcing';
import { fieldsOf, isFields, omitUndefined } from '../plain-json.js';
import {
  about,
  boundedList,
  count,
  faultsOf,
  literal,
  nullable,
  oneOf,
  open,
  optional,
  pathTo,
  recordOf,
  type Static,
  text,
  that,
} from '../schema.js';
import type { OpenTicket } from '../ticket/intake.js';
import type { AlertSource, JsonFields } from './alert-source.js';

/** What a source reports about an alert: that it is firing, or has stopped. */
export interface AlertFact {
  readonly fingerprint: string;
  readonly status: 'firing' | 'resolved';
  readonly startsAt: Instant;
  /** When a resolved alert ended; the time of delivery unless its source says otherwise. */
  readonly endsAt?: Instant;
}

/** A delivered alert, with the ticket that it opens, if any. */
export interface DeliveredAlert extends AlertFact {
  readonly opening: OpenTicket;
  readonly flapping?: { readonly firings: number; readonly within: number };
}

/** Alerts that share one ticket. */
export interface AlertGroup {
  /** The fingerprint of the alert, or the key of the group. */
  readonly key: string;
  readonly alerts: readonly DeliveredAlert[];
  /** Number of alerts that the sender left out of the delivery. */
  readonly truncatedAlerts: number;
}

interface ReadAlert extends AlertFact {
  readonly group: string;
  readonly summary?: string;
  readonly description?: string;
  readonly url?: string;
  readonly labels: Readonly<Record<string, string>>;
}

const MOST_ALERTS = 1000;
const LONGEST_KEY = 1000;

const dateTime = about(
  that(text, (given) => parseInstant(given) !== undefined, 'must be an ISO 8601 date-time with an offset'),
  'A date-time',
);
const key = that(text, (given) => isVisibleText(given) && given.length <= LONGEST_KEY, `must be text of 1 to ${LONGEST_KEY} characters`);
/** Alertmanager writes empty maps as null. */
const labels = optional(nullable(recordOf(text, 'must be an object with text')));

const alertmanagerSchema = open({
  version: literal('4'),
  groupKey: key,
  status: oneOf(['firing', 'resolved']),
  truncatedAlerts: optional(count),
  externalURL: optional(text),
  alerts: boundedList(
    open({
      fingerprint: key,
      status: oneOf(['firing', 'resolved']),
      startsAt: dateTime,
      endsAt: optional(dateTime),
      labels,
      annotations: labels,
      generatorURL: optional(text),
    }),
    0,
    MOST_ALERTS,
    'alerts',
  ),
});

/** The alerts of a delivery, grouped by ticket; or all of its faults, by field. */
export function readDelivery(source: AlertSource, body: unknown): readonly AlertGroup[] | { readonly faults: readonly Fault[] } {
  const { fields } = source.settings;
  const read = fields === undefined ? fromAlertmanager(body) : fromJson(fields, body);
  if ('faults' in read) return read;
  const groups = new Map<string, DeliveredAlert[]>();
  for (const alert of read.alerts) {
    const key = source.settings.ticketPer === 'group' ? alert.group : alert.fingerprint;
    const { fingerprint, status, startsAt, endsAt } = alert;
    const delivered = omitUndefined({
      fingerprint,
      status,
      startsAt,
      endsAt,
      opening: openingOf(source, alert),
      flapping: source.settings.flapping,
    });
    groups.set(key, [...(groups.get(key) ?? []), delivered]);
  }
  return [...groups].map(([key, alerts]) => ({ key, alerts, truncatedAlerts: read.truncatedAlerts }));
}

interface Read {
  readonly alerts: readonly ReadAlert[];
  readonly truncatedAlerts: number;
}

function fromAlertmanager(body: unknown): Read | { readonly faults: readonly Fault[] } {
  const faults = faultsOf(alertmanagerSchema, body);
  if (faults.length > 0) return { faults };
  const { groupKey, truncatedAlerts = 0, externalURL, alerts } = body as Static<typeof alertmanagerSchema>;
  const read = alerts.map(({ fingerprint, status, startsAt, endsAt, labels, annotations, generatorURL }) => {
    const { summary, description, message } = annotations ?? {};
    return {
      ...factOf(fingerprint, status, parseInstant(startsAt), parseInstant(endsAt ?? '')),
      group: groupKey,
      ...omitUndefined({ summary: summary ?? labels?.['alertname'], description: description ?? message }),
      ...omitUndefined({ url: generatorURL || externalURL }),
      labels: labels ?? {},
    };
  });
  return { alerts: read, truncatedAlerts };
}

function fromJson(fields: JsonFields, body: unknown): Read | { readonly faults: readonly Fault[] } {
  const items = fields.alerts === undefined ? [body] : valueAt(body, fields.alerts);
  if (!Array.isArray(items) || items.length > MOST_ALERTS)
    return { faults: [{ field: fields.alerts ?? '', message: `must be a list of at most ${MOST_ALERTS} alerts` }] };
  const faults: Fault[] = [];
  const alerts = items.flatMap((item: unknown, index) => {
    const wrong = (path: string, message: string) => {
      faults.push({ field: fields.alerts === undefined ? path : pathTo(pathTo(fields.alerts, index), path), message });
      return undefined;
    };
    const textAt = (path: string | undefined) => (path === undefined ? undefined : asText(valueAt(item, path)));
    const fingerprint = textAt(fields.fingerprint);
    if (fingerprint === undefined || faultsOf(key, fingerprint).length > 0)
      wrong(fields.fingerprint, `must be text of 1 to ${LONGEST_KEY} characters`);
    const said = textAt(fields.status) ?? '';
    const status = fields.firing.includes(said) ? 'firing' : fields.resolved.includes(said) ? 'resolved' : undefined;
    if (status === undefined) wrong(fields.status, `must be one of ${[...fields.firing, ...fields.resolved].join(', ')}`);
    const instantAt = (path: string | undefined) => (path === undefined ? undefined : asInstant(valueAt(item, path)));
    const startsAt = instantAt(fields.startsAt);
    if (startsAt === undefined) wrong(fields.startsAt, 'must be a date-time with an offset, or seconds or milliseconds since 1970');
    if (fingerprint === undefined || status === undefined || startsAt === undefined) return [];
    const summary = textAt(fields.summary);
    const group = (fields.group === undefined ? undefined : asText(valueAt(body, fields.group))) ?? fingerprint;
    return [
      {
        ...factOf(fingerprint, status, startsAt, instantAt(fields.endsAt)),
        group: group.slice(0, LONGEST_KEY),
        ...omitUndefined({ summary, description: textAt(fields.description), url: textAt(fields.url) }),
        labels: fields.labels === undefined ? {} : labelsOf(valueAt(item, fields.labels)),
      },
    ];
  });
  return faults.length > 0 ? { faults: faults.slice(0, 100) } : { alerts, truncatedAlerts: 0 };
}

function factOf(fingerprint: string, status: AlertFact['status'], startsAt = instantFrom(0), endsAt?: Instant): AlertFact {
  if (status === 'firing' || endsAt === undefined) return { fingerprint, status, startsAt };
  return { fingerprint, status, startsAt, endsAt: endsAt < startsAt ? startsAt : endsAt };
}

/** The value at a path of JSON; own properties only. */
function valueAt(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (isFields(at) && Object.hasOwn(at, name) ? at[name] : undefined), value);
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Seconds since 1970 have fewer digits than milliseconds, and will for millennia. */
function asInstant(value: unknown): Instant | undefined {
  if (typeof value === 'string') return parseInstant(value);
  if (typeof value !== 'number' || !(value >= 0 && value < 1e14)) return undefined;
  return instantFrom(Math.floor(value < 1e11 ? value * 1000 : value));
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(fieldsOf(value)).flatMap(([label, one]) => {
    const said = asText(one);
    return said === undefined ? [] : [[label, said] as const];
  });
  return Object.fromEntries(entries);
}

/** The ticket that an alert opens, by the settings of its source. */
function openingOf({ source, client, settings: { ticket, labels: named = {}, rules = [] } }: AlertSource, alert: ReadAlert): OpenTicket {
  const { labels, fingerprint, summary } = alert;
  const byLabel = Object.fromEntries(
    Object.entries(named).flatMap(([field, label]) => {
      const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
      return isName(value) ? [[field, value]] : [];
    }),
  );
  const matching = rules.filter(({ labels: asked }) => Object.entries(asked).every(([label, value]) => labels[label] === value));
  const set = Object.assign({}, ticket, byLabel, ...matching.map((rule) => rule.set)) as AlertSource['settings']['ticket'];
  const line = summaryText(summary ?? fingerprint);
  return omitUndefined({
    ...set,
    client,
    kind: 'incident' as const,
    summary: isVisibleText(line) ? line : summaryText(`Alert of ${source}`),
    description: descriptionText(alert),
    reporter: { id: `alert-source:${source}`, name: source },
    channel: 'monitoring' as const,
    entryReason: set.tier === undefined ? undefined : `The rules of the alert source ${source}`,
  });
}

function summaryText(given: string): string {
  return [...singleLine(given).replace(/\s+/g, ' ').trim()].slice(0, 200).join('');
}

function descriptionText({ description, labels, url, fingerprint }: ReadAlert): string {
  const lines = [description, ...Object.entries(labels).map(([label, value]) => `${label}: ${value}`), url, `Fingerprint: ${fingerprint}`];
  const whole = lines.filter((line) => line !== undefined && line !== '').join('\n');
  return [...whole.replace(/[\0\p{Surrogate}]/gu, '\uFFFD')].slice(0, 10_000).join('');
}
