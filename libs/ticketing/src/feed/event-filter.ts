import type { Instant } from '#eventsourcing';
import { targetsAt } from '../desk/report.js';
import { ticket } from '../ticket/ticket.js';
import type { Priority, Tier } from '../vocabulary.js';
import { cloudEventType, type PublicEvent, type PublicEvents, type PublicEventType } from './public-events.js';

/**
 * Which public events a reader wants: those that match every field. Tier, team and priority are those of the ticket right after the event.
 */
export interface EventFilter {
  readonly types?: readonly PublicEventType[];
  readonly client?: string;
  readonly ticket?: string;
  readonly tiers?: readonly Tier[];
  readonly team?: string;
  readonly priorities?: readonly Priority[];
  /**
   * A webhook: the runs of reports that are delivered to it match too, whatever else is set except `client` and `since`. Not combined with
   * `ticket`.
   */
  readonly reportsTo?: string;
  /** Recorded at this instant or later. */
  readonly since?: Instant;
}

const RUN = cloudEventType('ReportRunCompleted');

/** The predicate of a filter. */
export function eventPredicate({
  types,
  client,
  ticket: id,
  tiers,
  team,
  priorities,
  reportsTo,
  since,
}: EventFilter): (event: PublicEvent) => boolean {
  const names = types && new Set(types.map(cloudEventType));
  const subject = id === undefined ? undefined : `${ticket.category}/${id}`;
  const isDelivered = ({ type, data }: PublicEvent) =>
    reportsTo !== undefined && type === RUN && targetsAt(reportsTo, data as PublicEvents['ReportRunCompleted']).length > 0;
  return (event) =>
    (client === undefined || event.client === client) &&
    (since === undefined || event.recordedtime >= since) &&
    (isDelivered(event) ||
      ((names === undefined || names.has(event.type)) &&
        (subject === undefined || event.subject === subject) &&
        (tiers === undefined || (event.tier !== undefined && tiers.includes(event.tier))) &&
        (team === undefined || event.team === team) &&
        (priorities === undefined || (event.priority !== undefined && priorities.includes(event.priority)))));
}
