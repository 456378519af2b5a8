import type { Derived, Instant, StateFace } from '#eventsourcing';
import { termsOf } from '../contract/contract.js';
import { nextStepAt } from '../escalation/escalation-chains.js';
import { ticketPromisesSchema } from '../escalation/promises.js';
import { openingSchema } from '../events/ticket.js';
import { omitUndefined, without } from '../plain-json.js';
import { clockAt, elapsedAt, ended, slaClockSchema, storable } from '../sla/sla-clock.js';
import { type ClocksUnderContract, nextMomentAt, toldKey } from '../sla/sla-terms.js';
import { documentSchema, stored } from './stored.js';
import type { TicketFold } from './ticket-fold.js';
import { about, count, flag, instant, listOf, open, optional, parts, type Static, whole } from '../schema.js';

export const ticketSlaSchema = about(
  open({
    ...ticketPromisesSchema.entries,
    ...parts(openingSchema, 'client'),
    contractVersion: about(count, "Version of the client's contract that applies; 0: the default contract"),
    open: about(flag, 'Whether any clock is active'),
    nextDueAt: optional(about(instant, 'Earliest due time among running clocks that are not breached')),
    nextMomentAt: optional(about(instant, 'When the next warning or breach is due to be recorded')),
    nextStepAt: optional(about(instant, 'When an escalation policy acts next')),
    holdEndsAt: optional(about(instant, 'When the current hold ends automatically or is reported as overdue')),
  }),
  'SLA clocks of a ticket under its contract',
);

const clockNowSchema = about(
  open({
    ...slaClockSchema.entries,
    elapsed: about(count, 'Milliseconds of open time used by `evaluatedAt`'),
    remaining: about(
      whole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      'Milliseconds of open time left at `evaluatedAt`; negative when overdue',
    ),
  }),
  'Current state of an SLA clock',
);

export const ticketSlaNowSchema = open({
  ...stored(ticketSlaSchema, 'Id of the ticket').entries,
  clocks: about(listOf(clockNowSchema), 'Active and ended clocks, in the order in which they started'),
  evaluatedAt: about(instant, 'Instant the clocks were evaluated at: a clock overdue by then is breached'),
});

export type TicketSlaNow = Static<typeof ticketSlaNowSchema>;

/** The clocks at an instant: one that is overdue by then is breached, even if no event says so yet. */
export function clocksAt(sla: ClocksUnderContract, at: Instant): TicketSlaNow['clocks'] {
  return sla.clocks.map((clock) => {
    const elapsed = elapsedAt(termsOf(sla), clock, at);
    return { ...clockAt(clock, at), elapsed, remaining: clock.target - elapsed };
  });
}

/** SLA clocks of a ticket under its contract. */
export type TicketSla = Static<typeof ticketSlaSchema>;

function sla({ ticket: { client, work }, promises }: TicketFold): TicketSla {
  const due = promises.clocks
    .flatMap((clock) => (!ended(clock) && clock.breachedAt === undefined && clock.dueAt !== undefined ? [clock.dueAt] : []))
    .sort();
  return omitUndefined({
    ...storable(without(promises, 'facts', 'lateAt', 'over', 'overByPolicy', 'tier', 'holdUntil')),
    told: promises.told.flatMap((moment) => (moment.at === null ? [] : [toldKey(moment)])),
    client,
    contractVersion: promises.contract?.version ?? 0,
    open: promises.clocks.some((clock) => !ended(clock)),
    nextDueAt: due[0],
    nextMomentAt: nextMomentAt(promises),
    nextStepAt: nextStepAt(promises.chains),
    holdEndsAt: work.status === 'on-hold' && !work.expired ? work.until : undefined,
  });
}

/** Most events concern no clock. */
function slaOrTheSame(fold: TicketFold | null, before?: Derived<TicketFold | null>) {
  if (fold === null) return null;
  const isSame = before?.state?.promises === fold.promises && before.state.ticket.work === fold.ticket.work;
  return isSame ? before.document : sla(fold);
}

/** One document per ticket, by its id: the response of `GET /v1/tickets/{id}/sla`. */
export const ticketSla: StateFace<TicketFold | null> = {
  name: 'ticket_sla',
  version: 10,
  schema: () => documentSchema(ticketSlaSchema, 'Id of the ticket'),
  document: slaOrTheSame,
  indexes: [
    { key: { nextMomentAt: 1, _id: 1 } },
    { key: { nextStepAt: 1, _id: 1 } },
    { key: { holdEndsAt: 1, _id: 1 } },
    { key: { position: 1 } },
    { key: { client: 1, open: 1, contractVersion: 1 } },
  ],
};
