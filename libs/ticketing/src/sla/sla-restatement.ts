import type { EventFacts, EventOf, Instant } from '#eventsourcing';
import type { InForce } from '../contract/contract-agreement.js';
import { omitUndefined, same } from '../plain-json.js';
import type { ClockKind } from '../vocabulary.js';
import { slaEvents, type ClockVerdict } from '../events/sla.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { clockEventsUntil, type ClockMoment, ended, momentKey, type SlaClock } from './sla-clock.js';
import { evolvePinnedClocks, identityOf, isOf, isSameOrLater, type PinnedClocks, toldKey, type ToldMoment } from './sla-terms.js';

type TicketEvent = EventOf<TicketEvents>;

/**
 * The clocks of a ticket after one more event, as if the current agreement had been known all along: each version of the contract applies
 * from its first instant, whenever it was agreed. What the ticket's events pin is ignored.
 * @param agreed in the order in which they came into force; before the first, the default contract applies
 */
export function evolveInHindsight(
  agreed: readonly InForce[],
  sla: PinnedClocks | null,
  event: TicketEvent,
  facts: EventFacts,
): PinnedClocks | null {
  const { effectiveAt } = facts;
  if (Object.hasOwn(slaEvents, event.type)) return sla;
  switch (event.type) {
    case 'TicketOpened': {
      const contract = agreed.findLast(({ from }) => from <= effectiveAt)?.contract;
      return evolvePinnedClocks(sla, { type: event.type, data: omitUndefined({ ...event.data, contract }) }, facts);
    }
    default: {
      const begun = agreed.filter(({ from, contract }) => from <= effectiveAt && contract.version > (sla?.contract?.version ?? 0));
      const rebased = begun.reduce(
        (clocks, { from, contract }) =>
          evolvePinnedClocks(clocks, { type: 'SlaTermsRebased', data: { contract, clocks: [] } }, { ...facts, effectiveAt: from }),
        sla,
      );
      return evolvePinnedClocks(rebased, event, facts);
    }
  }
}

/** What to restate: each ended clock whose verdict, or one of its figures, differs in hindsight from what is recorded. */
export function restatements(
  known: PinnedClocks,
  hindsight: PinnedClocks,
  kind: ClockKind | undefined,
): readonly Omit<TicketEvents['SlaRestated'], 'reason'>[] {
  return known.clocks.flatMap((clock) => {
    if (!ended(clock) || (kind ?? clock.kind) !== clock.kind) return [];
    const was = clock.restated === undefined ? verdictOf(clock) : clock.restated.is;
    const twin = hindsight.clocks.find((other) => isSame(clock, other));
    if (twin !== undefined && !ended(twin)) return [];
    const is = twin && verdictOf(twin);
    return sameFigures(was, is) ? [] : [omitUndefined({ ...identityOf(clock), was, is, tzdata: hindsight.contract?.tzdata })];
  });
}

/**
 * How late facts change what was recorded: each warning or breach that did not happen, or happened at another instant, and each verdict
 * that changes or disappears.
 * @param known the clocks before the facts
 * @param after the clocks after them
 * @param now when the facts are recorded
 */
export function lateRestatements(
  known: PinnedClocks,
  after: PinnedClocks,
  now: Instant,
): readonly Omit<TicketEvents['SlaRestated'], 'reason'>[] {
  const moments = after.told.flatMap((told) => {
    const { clock, tier, vendor, cycle, terms, percent, at: was } = told;
    if (was === null) return [];
    const twin = after.clocks.find((one) => isOf(one, told));
    const is = twin && sameMoment(twin, told, now)?.effectiveAt;
    return was === is ? [] : [omitUndefined({ clock, tier, vendor, cycle, moment: omitUndefined({ terms, percent, was, is }) })];
  });
  const verdicts = known.clocks.flatMap((clock) => {
    if (!ended(clock)) return [];
    const was = clock.restated === undefined ? verdictOf(clock) : clock.restated.is;
    const twin = after.clocks.find((one) => isOf(one, identityOf(clock)));
    const is = twin !== undefined && ended(twin) ? verdictOf(twin) : undefined;
    return sameFigures(was, is) ? [] : [omitUndefined({ ...identityOf(clock), was, is })];
  });
  return [...moments, ...verdicts];
}

/** The moment of a clock that was recorded: under its original terms, or those that replaced them. */
function sameMoment(clock: SlaClock, told: ToldMoment, now: Instant): ClockMoment | undefined {
  const alike = clockEventsUntil(clock, now).filter((moment) => isSameOrLater(moment, told));
  return alike.find((moment) => momentKey(clock, moment) === toldKey(told)) ?? alike[0];
}

/** Whether two clocks of one ticket measure the same thing. The cycle of a tier or vendor depends on earlier promises. */
function isSame(one: SlaClock, other: SlaClock): boolean {
  const alike = one.kind === other.kind && one.tier === other.tier && one.vendor === other.vendor;
  return alike && (one.kind === 'resolution' ? one.cycle === other.cycle : one.startedAt === other.startedAt);
}

/** The original verdict on a clock: a breach stays one, however the clock ended. */
export function verdictOf({ contractVersion = 0, state, target, elapsed, dueAt, breachedAt }: SlaClock): ClockVerdict {
  const verdict = breachedAt !== undefined ? 'breached' : state === 'met' ? 'met' : 'cancelled';
  return omitUndefined({ contractVersion, verdict, target, elapsed, dueAt, breachedAt });
}

/** Another version with the same result changes nothing. */
function sameFigures(one: ClockVerdict | undefined, other: ClockVerdict | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return same({ ...one, contractVersion: 0 }, { ...other, contractVersion: 0 });
}
