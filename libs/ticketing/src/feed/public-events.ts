import { type Aggregate, deterministicId, type Instant, type StoredEvent, streamId, upcast } from '#eventsourcing';
import { alert } from '../alerts/alert.js';
import { automation } from '../automation/automation.js';
import { contract } from '../contract/contract-agreement.js';
import { agent } from '../desk/agent.js';
import { onCall } from '../desk/on-call.js';
import { report } from '../desk/report.js';
import { team } from '../desk/team.js';
import { article } from '../knowledge/article.js';
import { majorIncident } from '../major-incident/major-incident.js';
import { omitUndefined } from '../plain-json.js';
import { problem } from '../problem/problem.js';
import type { PublicData } from '../published-event.js';
import { ticket } from '../ticket/ticket.js';
import type { Priority, Tier } from '../vocabulary.js';
import { formatPlace } from './feed-position.js';
import type { SlaMet } from './sla-met.js';

interface Published {
  readonly events: Readonly<Record<string, { readonly publicData: PublicData<never> }>>;
}

/** The aggregates whose events other services may follow. The definition of each event says what of its data is public. */
const published = [
  ticket,
  contract,
  onCall,
  team,
  agent,
  problem,
  report,
  alert,
  majorIncident,
  automation,
  article,
] as const satisfies readonly Published[];

/** Public events that are not stored. */
interface DerivedEvents {
  readonly SlaMet: SlaMet;
}

const derived = ['SlaMet'] as const satisfies readonly (keyof DerivedEvents)[];

/** The definitions of all events of some aggregates. */
type EventsOfAll<Aggregates extends readonly Published[]> = Aggregates extends readonly [
  infer First extends Published,
  ...infer Rest extends readonly Published[],
]
  ? First['events'] & EventsOfAll<Rest>
  : unknown;

type Definitions = EventsOfAll<typeof published>;

/** Event type → its public data, of stored events. */
type StoredPublicEvents = {
  readonly [Type in keyof Definitions as Definitions[Type]['publicData'] extends 'none' ? never : Type]: Definitions[Type] extends {
    readonly publicData: (data: never) => infer Reduced;
  }
    ? Reduced
    : Parameters<Definitions[Type]['evolve']>[1];
};

/** Event type → its public data. */
export type PublicEvents = StoredPublicEvents & DerivedEvents;

export type PublicEventType = keyof PublicEvents;

/** Every type of event that other services may follow. */
export const publicEventTypes: readonly PublicEventType[] = [
  ...published.flatMap(({ events }: Published) =>
    Object.keys(events).filter((type): type is keyof StoredPublicEvents => events[type]?.publicData !== 'none'),
  ),
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
  const aggregate = (published as readonly (Aggregate & Published)[]).find(({ category }) => stored.stream.startsWith(`${category}-`));
  if (aggregate === undefined || !Object.hasOwn(aggregate.events, stored.type)) return undefined;
  const shown = aggregate.events[stored.type]?.publicData as PublicData<unknown>;
  if (shown === 'none') return undefined;
  const event = upcast(aggregate, stored);
  const { type, data } = event;
  return inEnvelope(type as PublicEventType, aggregate, event, place, shown === 'all' ? data : shown(data));
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
