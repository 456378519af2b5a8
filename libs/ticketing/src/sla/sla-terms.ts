import type { EventMetadata, EventOf, Instant } from '#eventsourcing';
import { defaultContract, type PinnedContract, pinnedContractSchema, termsOf } from '../contract/contract.js';
import { present } from '../plain-json.js';
import type { ClockIdentity } from '../events/sla.js';
import { clockEffectsOf, type TicketEvents } from '../events/ticket-events.js';
import {
  affectClocks,
  clockEventsUntil,
  type ClockMoment,
  ended,
  evolveClocks,
  momentKey,
  rebaseClocks,
  type SlaClock,
  slaClocksSchema,
} from './sla-clock.js';
import type { ClockEffects } from '../events/clock-effects.js';
import { about, instant, listOf, open, optional, type Static, text } from '../schema.js';

export const pinnedClocksSchema = open({
  ...slaClocksSchema.entries,
  contract: optional(about(pinnedContractSchema, 'The contract that they go by; absent: the default contract')),
  told: about(listOf(text), 'Keys of the warnings and breaches that are events already: clock, tier or vendor, cycle, terms, threshold'),
  quietUntil: optional(
    about(
      instant,
      'What happened up to then is not told: what an imported history had shown is no news, nor is what comes after a cancellation or a merge',
    ),
  ),
});

/** The clocks of a ticket under the contract that its own events pin, and what was told of them. */
export type PinnedClocks = Static<typeof pinnedClocksSchema>;

type TicketEvent = EventOf<TicketEvents>;
type Facts = Pick<EventMetadata, 'effectiveAt' | 'recordedAt' | 'imported'>;

/** The clocks after one more event of the ticket; null before its opening. */
export function evolvePinnedClocks(sla: PinnedClocks | null, event: TicketEvent, facts: Facts): PinnedClocks | null {
  const effects = clockEffectsOf(event);
  if (sla === null) {
    const contract = event.type === 'TicketOpened' ? event.data.contract : undefined;
    const clocks = evolveClocks(contract?.terms ?? defaultContract, null, { ...event, metadata: facts });
    return clocks && { ...clocks, contract, told: [], quietUntil: quietUntil(effects, facts) };
  }
  const { contract, told } = sla;
  const kept = { contract, told, quietUntil: quietUntil(effects, facts) ?? sla.quietUntil };
  switch (event.type) {
    case 'SlaThresholdReached':
    case 'SlaBreached':
      return { ...sla, told: [...told, keyOf(event)] };
    case 'SlaRestated': {
      const { is, reason } = event.data;
      const restated = present({ at: facts.effectiveAt, reason, is });
      return { ...sla, clocks: sla.clocks.map((clock) => (isOf(clock, event.data) ? { ...clock, restated } : clock)) };
    }
    case 'SlaTermsRebased':
      return {
        ...rebaseClocks(termsOf(sla), event.data.contract.terms, sla, facts.effectiveAt),
        ...kept,
        contract: event.data.contract,
      };
    default: {
      if (effects === null || event.type === 'TicketOpened') return sla;
      const after = affectClocks(termsOf(sla), sla, effects, facts.effectiveAt);
      if (after === sla && kept.quietUntil === sla.quietUntil) return sla;
      return { ...after, clocks: after.clocks.map((clock) => underItsContract(clock, contract)), ...kept };
    }
  }
}

/** A warning or a breach with the clock it is of. */
export interface UntoldMoment {
  readonly clock: SlaClock;
  readonly moment: ClockMoment;
}

/** What there is to tell up to and including an instant and was not told, in order. Also of clocks that have ended since. */
export function untoldMoments(sla: PinnedClocks, until: Instant): readonly UntoldMoment[] {
  const told = new Set(sla.told);
  return sla.clocks
    .flatMap((clock) => clockEventsUntil(clock, until, told).map((moment) => ({ clock, moment })))
    .filter(({ moment }) => sla.quietUntil === undefined || moment.effectiveAt > sla.quietUntil)
    .sort((one, other) =>
      one.moment.effectiveAt < other.moment.effectiveAt ? -1 : one.moment.effectiveAt > other.moment.effectiveAt ? 1 : 0,
    );
}

/** When there is, or will be, something to tell that was not told: what a timer waits for. Undefined when nothing will, as things stand. */
export function nextMomentAt(sla: PinnedClocks): Instant | undefined {
  return untoldMoments(sla, END_OF_TIME)[0]?.moment.effectiveAt;
}

const END_OF_TIME = '9999-12-31T23:59:59.999Z' as Instant;

/** The event that tells a moment. It took effect when it happened in the clock. */
export function toldMoment({ clock, moment }: UntoldMoment): TicketEvent & { readonly effectiveAt: Instant } {
  const { effectiveAt, terms } = moment;
  const { target } = clock;
  return moment.what === 'breach'
    ? { type: 'SlaBreached', data: { ...identityOf(clock), terms, target }, effectiveAt }
    : { type: 'SlaThresholdReached', data: { ...identityOf(clock), terms, percent: moment.percent, target }, effectiveAt };
}

/** Each clock that still goes on, with when it is due before and after other terms. */
export function rebased(sla: PinnedClocks, contract: PinnedContract, at: Instant): TicketEvents['SlaTermsRebased'] {
  const after = rebaseClocks(termsOf(sla), contract.terms, sla, at);
  const clocks = sla.clocks.flatMap((clock, index) =>
    ended(clock) ? [] : [present({ ...identityOf(clock), oldDue: clock.dueAt, newDue: after.clocks[index]?.dueAt })],
  );
  return { contract, clocks };
}

/** What ends keeps which contract it ended under. */
function underItsContract(clock: SlaClock, contract: PinnedContract | undefined): SlaClock {
  return ended(clock) && clock.contractVersion === undefined ? { ...clock, contractVersion: contract?.version ?? 0 } : clock;
}

/** Whether a clock is the one that an event names. */
export function isOf({ kind, tier, vendor, cycle }: SlaClock, named: ClockIdentity): boolean {
  return kind === named.clock && tier === named.tier && vendor === named.vendor && cycle === named.cycle;
}

export function identityOf({ kind, tier, vendor, cycle }: SlaClock): ClockIdentity {
  return present({ clock: kind, tier, vendor, cycle });
}

function keyOf({ type, data }: Extract<TicketEvent, { readonly type: 'SlaThresholdReached' | 'SlaBreached' }>): string {
  const { clock: kind, tier, vendor, cycle, terms } = data;
  // The instant is no part of what tells moments apart.
  const effectiveAt = END_OF_TIME;
  return momentKey(
    present({ kind, tier, vendor, cycle }),
    type === 'SlaBreached' ? { what: 'breach', terms, effectiveAt } : { what: 'threshold', percent: data.percent, terms, effectiveAt },
  );
}

function quietUntil(effects: ClockEffects | null, { imported, recordedAt }: Facts): Instant | undefined {
  if (effects?.silences) return END_OF_TIME;
  return imported === undefined ? undefined : recordedAt;
}
