import type { Instant, RecordedEvent } from '#eventsourcing';
import type { TicketEvents } from '../events/ticket-events.js';
import { omitUndefined } from '../plain-json.js';
import { about, anyObject, count, instant, listOf, open, optional, refer, type Static, text, uuid } from '../schema.js';
import { clockName } from '../sla/sla-clock.js';
import { actorSchema } from '../vocabulary.js';
import { type Change, changesBetween, inWords } from './changes.js';
import { changeSchema } from './history-step.js';
import { ticketViews } from './projections.js';
import type { TicketFold } from './ticket-fold.js';
import { clocksAt } from './ticket-sla.js';

export const restatedTicketSchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    client: about(text, 'The client (tenant)'),
    asOf: about(instant, 'Instant being viewed: later events are left out'),
    knownAt: about(instant, 'Recording cut-off: only events recorded by then count as known then'),
    then: optional(about(anyObject, 'The ticket as known then; absent if there was no such ticket')),
    now: optional(about(anyObject, 'The ticket as known now; absent if there is no such ticket at that instant')),
    changes: about(listOf(changeSchema), 'Differences, field by field'),
    because: about(
      listOf(
        open({
          revision: about(count, 'Revision of the event in the history of the ticket'),
          eventId: about(uuid, 'Id of the event'),
          type: about(text, 'Type of the event'),
          effectiveAt: about(instant, 'When it happened'),
          recordedAt: about(instant, 'When it was recorded'),
          actor: about(refer(actorSchema), 'Who did it'),
          commandType: about(text, 'Command that produced it'),
          changes: about(listOf(changeSchema), 'What it changed in what was known'),
          inWords: about(text, 'The changes as a sentence'),
        }),
      ),
      'Events recorded since then that make the difference, in recording order: applied one by one, they lead from what was known then to what is known now',
    ),
  }),
  'A ticket at an instant, as known at an earlier time and as known now',
);

/** A ticket at an instant, as it was known then and as it is known now. */
export type RestatedTicket = Static<typeof restatedTicketSchema>;

/**
 * What was known of a ticket, what is known now, and the events that make the difference.
 * @param events of the ticket, in order
 * @returns undefined if there neither was nor is such a ticket at that instant
 */
export function restatedTicket(
  ticketId: string,
  events: readonly RecordedEvent<TicketEvents>[],
  { asOf, knownAt }: { readonly asOf: Instant; readonly knownAt: Instant },
): RestatedTicket | undefined {
  // An event is known once all before it are, whatever the machines' clocks said.
  const firstUnknown = events.findIndex(({ metadata }) => metadata.recordedAt > knownAt);
  const known = firstUnknown === -1 ? events.length : firstUnknown;
  const happened = ({ metadata }: RecordedEvent<TicketEvents>) => metadata.effectiveAt <= asOf;
  let state = events.slice(0, known).filter(happened).reduce(ticketViews.fold, ticketViews.initial);
  const then = state && shownAt(state, asOf);
  let now = then;
  const because = events
    .slice(known)
    .filter(happened)
    .flatMap((event) => {
      const before = now;
      state = ticketViews.fold(state, event);
      now = state && shownAt(state, asOf);
      const changes: readonly Change[] = changesBetween(before ?? {}, now ?? {});
      const { effectiveAt, recordedAt, actor, commandType } = event.metadata;
      const { revision, id: eventId, type } = event;
      const words = inWords({ type, ...event.metadata }, changes);
      return changes.length === 0
        ? []
        : [{ revision, eventId, type, effectiveAt, recordedAt, actor, commandType, changes, inWords: words }];
    });
  if (state === null) return undefined;
  const changes = changesBetween(then ?? {}, now ?? {});
  return omitUndefined({
    ticketId,
    client: state.ticket.client,
    asOf,
    knownAt,
    then: then ?? undefined,
    now: now ?? undefined,
    changes,
    because,
  });
}

/** What reports say of a ticket: where it was, and the state of its promises at an instant. */
function shownAt({ ticket: { tier, team, assignee, priority, work }, promises }: TicketFold, at: Instant): object {
  const clocks = clocksAt(promises, at).map((clock) => {
    const { state, target, elapsed, dueAt, breachedAt, restated } = clock;
    return [clockName(clock), omitUndefined({ state, target, elapsed, dueAt, breachedAt, verdict: restated?.is?.verdict })];
  });
  return omitUndefined({ status: work.status, tier, team, assignee, priority, clocks: Object.fromEntries(clocks) as object });
}
