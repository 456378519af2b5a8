import type { Derived, Instant, StateFace } from '#eventsourcing';
import { nextStepAt } from '../escalation/escalation-chains.js';
import type { TicketPromises } from '../escalation/promises.js';
import { present } from '../plain-json.js';
import { ended, storable } from '../sla/sla-clock.js';
import { nextMomentAt } from '../sla/sla-terms.js';
import type { TicketFold } from './ticket-fold.js';

/** The clocks of a ticket under its contract. */
export interface TicketSla extends TicketPromises {
  readonly client: string;
  /** Version of the client's contract that it goes by, 0 for the default contract: what a new version is compared with. */
  readonly contractVersion: number;
  /** Whether any clock goes on. */
  readonly open: boolean;
  /** The earliest due instant of its running clocks that are not breached. */
  readonly nextDueAt?: Instant;
  /** When there is, or will be, something to tell of its clocks: what the timekeeper looks for. */
  readonly nextMomentAt?: Instant;
  /** When an escalation policy does something next by itself: what the timekeeper looks for, too. */
  readonly nextStepAt?: Instant;
}

function sla({ ticket: { client }, promises }: TicketFold): TicketSla {
  const due = promises.clocks
    .flatMap((clock) => (!ended(clock) && clock.breachedAt === undefined && clock.dueAt !== undefined ? [clock.dueAt] : []))
    .sort();
  return present({
    ...storable(promises),
    client,
    contractVersion: promises.contract?.version ?? 0,
    open: promises.clocks.some((clock) => !ended(clock)),
    nextDueAt: due[0],
    nextMomentAt: nextMomentAt(promises),
    nextStepAt: nextStepAt(promises.chains),
  });
}

/** Most events concern no clock. */
function slaOrTheSame(fold: TicketFold | null, before?: Derived<TicketFold | null>) {
  if (fold === null) return null;
  return before?.state?.promises === fold.promises ? before.document : sla(fold);
}

/** One document a ticket, by its id: the answer of `GET /v1/tickets/{id}/sla`. */
export const ticketSla: StateFace<TicketFold | null> = {
  name: 'ticket_sla',
  version: 8,
  document: slaOrTheSame,
  indexes: [
    { key: { nextDueAt: 1 } },
    { key: { nextMomentAt: 1, _id: 1 } },
    { key: { nextStepAt: 1, _id: 1 } },
    { key: { client: 1, open: 1, contractVersion: 1 } },
  ],
};
