import { type RecordedEvent, streamId } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { openingSchema } from '../events/ticket.js';
import { jsonSchema } from '../json-schema.js';
import { omitUndefined } from '../plain-json.js';
import { about, count, instant, oneOf, open, optional, parts, refer, type Static, text, uuid } from '../schema.js';
import { foldTicket, type TicketFold } from '../views/ticket-fold.js';
import { ACTOR_KINDS, HOLD_REASONS, TICKET_STATUSES, tierSchema } from '../vocabulary.js';

const eventLogRowSchema = open({
  ticketId: about(uuid, 'Id of the ticket'),
  ...parts(openingSchema, 'client', 'kind', 'channel'),
  revision: about(count, 'Number of the event within the ticket, from 0'),
  position: about(count, 'Position of the event in the log of all events'),
  eventId: about(uuid, 'Id of the event'),
  type: about(text, 'Type of the event'),
  effectiveAt: about(instant, 'When it happened'),
  recordedAt: about(instant, 'When it was recorded'),
  actor: about(text, 'Id of the person, assistant or policy that did it'),
  actorKind: about(oneOf(ACTOR_KINDS), 'Kind of actor that did it'),
  status: about(oneOf(TICKET_STATUSES), 'Status of the ticket after the event'),
  holdReason: optional(about(oneOf(HOLD_REASONS), 'Why the ticket is on hold after the event')),
  tier: about(refer(tierSchema), 'Tier that has the ticket after the event'),
  team: optional(about(text, 'Team that has the ticket')),
  assignee: optional(about(text, 'Id of the assigned agent')),
  ...parts(openingSchema, 'priority', 'impact', 'urgency', 'category', 'service', 'component'),
});

/** An event of a ticket in a log for process mining: who, what and when, and the state of the ticket after it. No free text. */
export type EventLogRow = Static<typeof eventLogRowSchema>;

/** The schema of the columns of an event log. */
export function eventLogSchema(): object {
  return jsonSchema(eventLogRowSchema);
}

/** Columns of the ticket: the same for all its events. */
export const OF_LOGGED_TICKET = ['client', 'kind', 'channel'] as const satisfies readonly (keyof EventLogRow)[];

/** Columns with a key in the standard extensions of XES (IEEE 1849). */
export const XES_KEYS = {
  ticketId: 'concept:name',
  eventId: 'identity:id',
  type: 'concept:name',
  effectiveAt: 'time:timestamp',
  actor: 'org:resource',
  actorKind: 'org:role',
  team: 'org:group',
} as const satisfies Partial<Record<keyof EventLogRow, string>>;

/** The events of a ticket, in order, as rows of an event log. */
export function loggedEvents(events: Iterable<RecordedEvent<TicketEvents>>): readonly EventLogRow[] {
  const logged: EventLogRow[] = [];
  let fold: TicketFold | null = null;
  for (const event of events) {
    fold = foldTicket(fold, event);
    if (fold !== null) logged.push(loggedEvent(fold, event));
  }
  return logged;
}

function loggedEvent({ ticket }: TicketFold, event: RecordedEvent<TicketEvents>): EventLogRow {
  const { client, kind, channel, work, tier, team, assignee, priority, impact, urgency, category, service, component } = ticket;
  const { effectiveAt, recordedAt, actor } = event.metadata;
  return omitUndefined({
    ticketId: streamId(event.stream),
    client,
    kind,
    channel,
    revision: event.revision,
    position: Number(event.position.commit),
    eventId: event.id,
    type: event.type,
    effectiveAt,
    recordedAt,
    actor: actor.id,
    actorKind: actor.kind,
    status: work.status,
    holdReason: work.status === 'on-hold' ? work.reason : undefined,
    tier,
    team,
    assignee: assignee?.id,
    priority,
    impact,
    urgency,
    category,
    service,
    component,
  });
}
