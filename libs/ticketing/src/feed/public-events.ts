import { type Aggregate, deterministicId, type Instant, type StoredEvent, streamId, upcast } from '#eventsourcing';
import { alert, type AlertEvents } from '../alerts/alert.js';
import { automation, type AutomationEvents } from '../automation/automation.js';
import type { ContractEvents } from '../contract/contract-agreement.js';
import { contract } from '../contract/contract-agreement.js';
import { agent, type AgentEvents } from '../desk/agent.js';
import { onCall, type OnCallEvents } from '../desk/on-call.js';
import { report, type ReportEvents } from '../desk/report.js';
import { team, type TeamEvents } from '../desk/team.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined, without } from '../plain-json.js';
import { majorIncident, type MajorIncidentEvents } from '../major-incident/major-incident.js';
import { article, type ArticleEvents } from '../knowledge/article.js';
import { problem, type ProblemEvents } from '../problem/problem.js';
import { ticket } from '../ticket/ticket.js';
import { formatPlace } from './feed-position.js';
import type { SlaMet } from './sla-met.js';
import type { Priority, Tier } from '../vocabulary.js';

/** The aggregates whose events other services may follow. */
const published = [ticket, contract, onCall, team, agent, problem, report, alert, majorIncident, automation, article] as const;

type Events = TicketEvents &
  ContractEvents &
  OnCallEvents &
  TeamEvents &
  AgentEvents &
  ProblemEvents &
  ReportEvents &
  AlertEvents &
  MajorIncidentEvents &
  AutomationEvents &
  ArticleEvents;

/** The public data of an event, if it is not all of its data. */
const shown = {
  /** The full contract is private to the client; its version identifies it. */
  TicketOpened: (data: Events['TicketOpened']) => ({ ...without(data, 'contract'), contractVersion: data.contract?.version ?? 0 }),
  SlaTermsRebased: ({ contract, clocks }: Events['SlaTermsRebased']) => ({ contractVersion: contract.version, clocks }),
  /** The mail server's own words stay inside. */
  NotificationFailed: (data: Events['NotificationFailed']) => without(data, 'detail'),
  ProblemReminderFailed: (data: Events['ProblemReminderFailed']) => without(data, 'detail'),
  IncidentReminderFailed: (data: Events['IncidentReminderFailed']) => without(data, 'detail'),
  ArticleReminderFailed: (data: Events['ArticleReminderFailed']) => without(data, 'detail'),
  /** Notes, and replies not yet sent, are for the desk only. */
  ActProposed: ({ proposalId, act }: Events['ActProposed']) => ({ proposalId, act }),
  InternalNoteAdded: ({ author }: Events['InternalNoteAdded']) => ({ author }),
  /** The path of its document, below the API's base address. */
  ReportRunCompleted: (data: Events['ReportRunCompleted']) => ({
    ...data,
    document: `/v1/reports/${encodeURIComponent(data.report)}/runs/${data.run}/document`,
    mediaType: 'text/html',
  }),
  /** The ticket's own `TicketOpened` has its opening data. */
  AlertOpened: (data: Events['AlertOpened']) => without(data, 'opening'),
  /** The parameters are only for the runner that claims the task: they may be confidential. */
  AutomationAsked: (data: Events['AutomationAsked']) => without(data, 'input'),
};

/** Not public: rows of an imported record that changed nothing, addresses of the desk, schedules of reports, the text of articles. */
const internal = [
  'ImportedNoteRecorded',
  'AgentContactSet',
  'TeamContactSet',
  'ReportDefined',
  'ReportChanged',
  'ReportPaused',
  'ReportResumed',
  'ReportRetired',
  'ReportRunRequested',
  'ReportRunDelivered',
  'ReportRunUndelivered',
  'ArticleDrafted',
  'ArticleRevised',
  'ArticleReviewed',
  'ArticlePublished',
  'ArticleRetired',
  'ArticleUsed',
  'ArticleJudged',
] as const satisfies readonly (keyof Events)[];

/** Public events that are not stored. */
interface DerivedEvents {
  readonly SlaMet: SlaMet;
}

const derived = ['SlaMet'] as const satisfies readonly (keyof DerivedEvents)[];

/** Event type → its public data. */
export type PublicEvents = {
  readonly [Type in Exclude<keyof Events, (typeof internal)[number]> | keyof DerivedEvents]: Type extends keyof typeof shown
    ? ReturnType<(typeof shown)[Type]>
    : Type extends keyof DerivedEvents
      ? DerivedEvents[Type]
      : Type extends keyof Events
        ? Events[Type]
        : never;
};

export type PublicEventType = keyof PublicEvents;

const isPublic = (type: string): type is PublicEventType => !(internal as readonly string[]).includes(type);

/** Every type of event that other services may follow. */
export const publicEventTypes: readonly PublicEventType[] = [
  ...published.flatMap(({ events }) => Object.keys(events).filter(isPublic)),
  ...derived,
];

/** Whether events of this type are derived from others rather than stored. */
export function isDerived(type: PublicEventType): type is keyof DerivedEvents {
  return (derived as readonly string[]).includes(type);
}

/**
 * Version of the public shape of an event's data. It rises with changes that would break readers; the previous version is then still
 * served.
 */
const PUBLIC_VERSION = 1;

/**
 * The public name of an event type: `TicketEscalated` is `com.tierline.ticket.escalated.v1`, `SlaBreached` `com.tierline.sla.breached.v1`,
 * `WorkStarted` `com.tierline.ticket.work-started.v1`, `UpdateBroadcast` `com.tierline.majorincident.update-broadcast.v1`.
 */
export function cloudEventType(type: PublicEventType): string {
  const words = aboutItsSubject(type).split(/(?=[A-Z])/);
  const [subject = '', ...what] = SUBJECTS.includes(words[0] ?? '') ? words : ['Ticket', ...words];
  return `com.tierline.${subject.toLowerCase()}.${what.join('-').toLowerCase()}.v${PUBLIC_VERSION}`;
}

const SUBJECTS = [
  'Ticket',
  'Sla',
  'Contract',
  'Oncall',
  'Team',
  'Agent',
  'Problem',
  'Report',
  'Alert',
  'Majorincident',
  'Automation',
  'Article',
];

/** The type with the subject as its first word: `MajorIncidentEnded` and `IncidentReviewed` are both about a major incident. */
function aboutItsSubject(type: PublicEventType): string {
  if (Object.hasOwn(majorIncident.events, type)) return `Majorincident${type.replace(/^Incident|MajorIncident/, '')}`;
  return type.replace('OnCall', 'Oncall').replace('AlertsTruncated', 'AlertTruncated');
}

const byCloudEventType = new Map(publicEventTypes.map((type) => [cloudEventType(type), type]));

/** The event type with a name: its own, or its public one. */
export function publicEventType(name: string): PublicEventType | undefined {
  return byCloudEventType.get(name) ?? publicEventTypes.find((type) => type === name);
}

/** An event as other services read it: CloudEvents 1.0, with its subject and actor as extensions. */
export interface PublicEvent {
  readonly specversion: '1.0';
  /** The id of the stored event: the same on every delivery. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** What it happened to, such as `ticket/<id>`. */
  readonly subject: string;
  /** When it happened. */
  readonly time: Instant;
  readonly datacontenttype: 'application/json';
  readonly dataschema: string;
  /** When it was recorded: later than `time` for a late fact. */
  readonly recordedtime: Instant;
  /** Its place among the public events, and the revision of its event in the subject's stream. */
  readonly position: string;
  readonly revision: number;
  /** The client (tenant) that it belongs to; empty if it concerns the whole desk. */
  readonly client: string;
  /** For a ticket's event: the tier, team and priority of the ticket right after it. */
  readonly tier?: Tier;
  readonly team?: string;
  readonly priority?: Priority;
  readonly actorid: string;
  readonly actorkind: string;
  readonly correlationid: string;
  readonly causationid: string;
  /** The system that it was imported from; absent for events recorded here. */
  readonly importedfrom?: string;
  readonly data: unknown;
}

/** Where a ticket is and how urgent it is. */
export type TicketPlace = Pick<PublicEvent, 'tier' | 'team' | 'priority'>;

/** Where the schemas of the data are served; also identifies this product as a source of events. */
export const SCHEMAS_PATH = '/schemas';
const SOURCE = '/tierline';

/** The URI of the schema of a type's data: the same wherever events are served. */
export function schemaUri(name: string): string {
  return `urn:tierline:schema:${name}`;
}

/** Prefixes of the streams with public events. */
export const publicStreamPrefixes: readonly string[] = published.map(({ category }) => `${category}-`);

/**
 * An event as other services read it; undefined if it is not public.
 * @param place for a ticket's event: where the ticket is right after it
 */
export function publicEvent(stored: StoredEvent, place: TicketPlace = {}): PublicEvent | undefined {
  const aggregate: Aggregate | undefined = (published as readonly Aggregate[]).find(({ category }) =>
    stored.stream.startsWith(`${category}-`),
  );
  if (aggregate === undefined || !Object.hasOwn(aggregate.events, stored.type) || !isPublic(stored.type)) return undefined;
  const event = upcast(aggregate, stored);
  const { type, data } = event;
  const show = Object.hasOwn(shown, type) ? (shown[type as keyof typeof shown] as (data: unknown) => unknown) : undefined;
  return inEnvelope(type as PublicEventType, aggregate, event, place, show === undefined ? data : show(data));
}

/** The events derived from a ticket's event, in parts from 1: the clocks that it ended in time. */
export function derivedEvents(stored: StoredEvent, place: TicketPlace, met: readonly SlaMet[]): readonly PublicEvent[] {
  return met.map((clock, index) => ({
    ...inEnvelope('SlaMet', ticket, stored, place, clock),
    id: deterministicId('SlaMet', stored.id, clock.clock, clock.tier ?? clock.vendor ?? '', String(clock.cycle)),
    time: clock.stoppedAt,
    position: formatPlace({ ...stored.position, part: index + 1 }),
    causationid: stored.id,
  }));
}

function inEnvelope(
  type: PublicEventType,
  { category }: Pick<Aggregate, 'category'>,
  { id, stream, revision, position, metadata }: Omit<StoredEvent, 'data'>,
  { tier, team, priority }: TicketPlace,
  data: unknown,
): PublicEvent {
  const { effectiveAt, recordedAt, client, actor, correlationId, causationId, imported } = metadata;
  const name = cloudEventType(type);
  return omitUndefined({
    specversion: '1.0' as const,
    id,
    source: SOURCE,
    type: name,
    subject: `${category}/${streamId(stream)}`,
    time: effectiveAt,
    datacontenttype: 'application/json' as const,
    dataschema: schemaUri(name),
    recordedtime: recordedAt,
    position: formatPlace(position),
    revision,
    client,
    tier,
    team,
    priority,
    actorid: actor.id,
    actorkind: actor.kind,
    correlationid: correlationId,
    causationid: causationId,
    importedfrom: imported?.system,
    data,
  });
}
