import { epochMillis, type EventMetadata, type EventOf, type Instant, instantFrom } from '#eventsourcing';
import { type PinnedContract, pinnedContractSchema, QUIET_TIME, termsOf } from '../contract/contract.js';
import { omitUndefined } from '../plain-json.js';
import { isAutomatic, isToldLater } from '../events/automatic.js';
import type { ClockIdentity } from '../events/sla.js';
import { clockEffectsOf, definitionOf, supposedBy, type TicketEvents } from '../events/ticket-events.js';
import {
  affectClocks,
  clockEventsUntil,
  type ClockMoment,
  ended,
  momentKey,
  rebaseClocks,
  type SlaClock,
  type SlaClocks,
  slaClocksSchema,
} from './sla-clock.js';
import type { ClockEffects, Supposed } from '../events/clock-effects.js';
import { about, count, instant, listOf, open, optional, type Static, text } from '../schema.js';
import type { Tier } from '../vocabulary.js';

export const pinnedClocksSchema = open({
  ...slaClocksSchema.entries,
  contract: optional(about(pinnedContractSchema, 'Contract that applies; absent: the default contract')),
  defaultTerms: optional(about(count, 'Version of the default contract, if that applies; absent: the first')),
  told: about(listOf(text), 'Keys of recorded warnings and breaches that did happen: clock, tier or vendor, cycle, terms, threshold'),
  quietUntil: optional(
    about(
      instant,
      'Warnings and breaches up to then are not recorded: those in an imported history are not news, nor are those after a cancellation or merge',
    ),
  ),
});

/** An input of the clocks' fold: the effect of an event, or other terms. */
export type ClockFact = {
  readonly at: Instant;
  /** Caused by a policy or the timekeeper, which relied on this. */
  readonly automatic?: Supposed;
  /** It took the work from those working on it. */
  readonly endsTouch?: true;
} & (
  | { readonly effects: ClockEffects; readonly opensUnder?: PinnedContract; readonly defaultTerms?: number }
  | { readonly contract: PinnedContract }
);

/** A warning or breach that has already been recorded as an event, with what is now known of it. */
export type ToldMoment = ClockIdentity & {
  readonly terms: number;
  /** For a warning; absent for a breach. */
  readonly percent?: number;
  /** When it happened; null if a late fact has shown that it did not. */
  readonly at: Instant | null;
};

/** The clocks of a ticket with its contract. */
export type ClocksUnderContract = SlaClocks & Pick<Static<typeof pinnedClocksSchema>, 'contract' | 'defaultTerms'>;

/**
 * The clocks of a ticket under the contract that its own events pin, and the moments recorded. They follow the order in which things
 * happened: a late fact takes its place among the others, and the clocks are folded again.
 */
export type PinnedClocks = ClocksUnderContract & {
  readonly told: readonly ToldMoment[];
  /**
   * Moments up to this instant are not recorded: what an imported history had shown before it became known is no news, nor is what would
   * follow a cancellation or a merge.
   */
  readonly quietUntil?: Instant;
  /** The facts that the clocks are folded from, in the order in which they happened. */
  readonly facts: readonly ClockFact[];
  /** When the latest late fact was recorded. */
  readonly lateAt?: Instant;
  /** A policy ended the ticket: what people did afterwards started no clock. */
  readonly overByPolicy?: true;
  /** The tier of the ticket. */
  readonly tier?: Tier;
  /** When its hold ends by itself. */
  readonly holdUntil?: Instant;
};

type TicketEvent = EventOf<TicketEvents>;
type Facts = Pick<EventMetadata, 'effectiveAt' | 'recordedAt' | 'imported'> & Partial<Pick<EventMetadata, 'actor'>>;
/** What is folded only from `ClockFact`s. */
type Folded = SlaClocks & Pick<PinnedClocks, 'contract' | 'defaultTerms' | 'overByPolicy' | 'tier' | 'holdUntil'>;

/** The clocks after one more event of the ticket; null before its opening. */
export function evolvePinnedClocks(sla: PinnedClocks | null, event: TicketEvent, facts: Facts): PinnedClocks | null {
  const effects = clockEffectsOf(event);
  const lateAt = isToldLate(event, facts) ? facts.recordedAt : sla?.lateAt;
  if (sla === null) {
    if (event.type !== 'TicketOpened' || effects === null) return null;
    const { contract: opensUnder, defaultTerms } = event.data;
    const opening: ClockFact = omitUndefined({ at: facts.effectiveAt, effects, opensUnder, defaultTerms });
    return { ...opened(opening), told: [], quietUntil: quietUntil(effects, facts), facts: [opening], lateAt };
  }
  switch (event.type) {
    case 'SlaThresholdReached':
    case 'SlaBreached':
      return { ...sla, told: retold(sla.told, { ...momentOf(event), at: facts.effectiveAt }) };
    case 'SlaRestated': {
      const { is, reason, moment } = event.data;
      if (moment !== undefined) {
        const { terms, percent } = moment;
        return { ...sla, told: retold(sla.told, { ...clockOf(event.data), terms, percent, at: moment.is ?? null }) };
      }
      const restated = omitUndefined({ at: facts.effectiveAt, reason, is });
      return { ...sla, clocks: sla.clocks.map((clock) => (isOf(clock, event.data) ? { ...clock, restated } : clock)) };
    }
    case 'SlaTermsRebased':
      return { ...withFact(sla, { ...happened(event, facts), contract: event.data.contract }, facts), lateAt };
    default: {
      // A second opening has no effect.
      if (effects === null || event.type === 'TicketOpened') return lateAt === sla.lateAt ? sla : { ...sla, lateAt };
      return {
        ...withFact(sla, { ...happened(event, facts), effects }, facts),
        quietUntil: quietUntil(effects, facts) ?? sla.quietUntil,
        lateAt,
      };
    }
  }
}

/** Told later by a person or a service, or by a policy that opens a ticket because of a late fact (a split, a reply). */
function isToldLate({ type }: TicketEvent, facts: Facts): boolean {
  if (facts.imported !== undefined || (isAutomatic(facts) && type !== 'TicketOpened')) return false;
  return isToldLater(facts);
}

function happened(event: TicketEvent, facts: Facts): Pick<ClockFact, 'at' | 'automatic' | 'endsTouch'> {
  return {
    at: facts.effectiveAt,
    ...(isAutomatic(facts) && { automatic: supposedBy(event, facts) ?? {} }),
    ...(definitionOf(event.type).endsTouch && { endsTouch: true as const }),
  };
}

/** The clocks with one more fact: at the end if it was recorded as it happened; otherwise in its place. */
function withFact(sla: PinnedClocks, fact: ClockFact, { effectiveAt, recordedAt, imported }: Facts): PinnedClocks {
  const last = sla.facts.at(-1);
  // A fact recorded as it happens does not precede its causes, whatever the machines' clocks say; an import keeps its source's order.
  if (last === undefined || fact.at >= last.at || effectiveAt >= recordedAt || imported !== undefined) {
    const inOrder = last === undefined || fact.at >= last.at ? fact : { ...fact, at: last.at };
    return { ...sla, ...after(sla, inOrder, effectiveAt), facts: [...sla.facts, inOrder] };
  }
  const place = sla.facts.findLastIndex(({ at }, index) => index === 0 || at <= fact.at) + 1;
  const facts = sla.facts.toSpliced(place, 0, fact);
  const [opening, ...rest] = facts as [ClockFact, ...ClockFact[]];
  const folded = rest.reduce((clocks, one) => after(clocks, one), opened(opening));
  const clocks = folded.clocks.map((clock) => {
    const restated = sla.clocks.find((one) => isSameClock(one, clock))?.restated;
    return restated === undefined ? clock : { ...clock, restated };
  });
  return { ...sla, over: undefined, overByPolicy: undefined, holdUntil: undefined, ...folded, clocks, facts };
}

/** The contract that the clocks went by at an instant; undefined: the default contract. */
export function contractAt({ facts }: Pick<PinnedClocks, 'facts'>, at: Instant): PinnedContract | undefined {
  const held = facts.findLast((fact, index) => index === 0 || ('contract' in fact && fact.at <= at));
  return held === undefined || 'contract' in held ? held?.contract : held.opensUnder;
}

/** When, after an instant, the work was really first taken from those working on it. */
export function touchEndAfter({ facts }: Pick<PinnedClocks, 'facts'>, at: Instant): Instant | undefined {
  const [opening, ...rest] = facts as [ClockFact, ...ClockFact[]];
  let folded = opened(opening);
  for (const fact of rest) {
    if (fact.endsTouch && fact.at > at && !isPutAside(folded, fact)) return fact.at;
    folded = after(folded, fact);
  }
  return undefined;
}

function opened(fact: ClockFact): Folded {
  const { effects, opensUnder: contract, defaultTerms } = fact as Extract<ClockFact, { readonly effects: ClockEffects }>;
  const { priority = 'low' } = effects;
  const under = omitUndefined({ contract, defaultTerms, tier: tierOf(effects) });
  return { ...affectClocks(termsOf(under), { priority, clocks: [] }, effects, fact.at), ...under };
}

/** @param at when it takes effect, if not at the fact's own instant */
function after<Clocks extends Folded>(sla: Clocks, fact: ClockFact, at: Instant = fact.at): Clocks {
  if ('contract' in fact) return { ...sla, ...rebaseClocks(termsOf(sla), fact.contract.terms, sla, at), contract: fact.contract };
  const { effects, automatic } = fact;
  if (isPutAside(sla, fact)) return sla;
  const tier = tierOf(effects) ?? sla.tier;
  const holdUntil = effects.holds !== undefined ? effects.until : effects.endsHolds ? undefined : sla.holdUntil;
  const before = tier === sla.tier && holdUntil === sla.holdUntil ? sla : { ...sla, tier, holdUntil };
  const moved = affectClocks(termsOf(sla), before, effects, at);
  if (moved === before) return before;
  const clocks = moved.clocks.map((clock) => underItsContract(clock, sla.contract));
  const overByPolicy = moved.over && (sla.over ? sla.overByPolicy : automatic && (true as const));
  return { ...before, ...moved, clocks, overByPolicy, holdUntil };
}

/**
 * A policy that acted on a ticket that was really over, or not as it supposed, changed nothing; nor did people after a policy had ended it.
 */
function isPutAside(sla: Folded, fact: ClockFact): boolean {
  if ('contract' in fact) return false;
  const { effects, automatic } = fact;
  const reopens = effects.starts?.some(({ clock }) => clock === 'resolution') ?? false;
  const overThen = sla.over && !reopens && (automatic !== undefined || sla.overByPolicy);
  return overThen || (automatic !== undefined && !isAsSupposed(sla, automatic));
}

/** The assignee does not matter to any clock. */
function isAsSupposed({ tier, holds = [], holdUntil }: Folded, supposed: Supposed): boolean {
  return (
    (supposed.tier ?? tier) === tier &&
    (supposed.hold === undefined || holds.includes(supposed.hold)) &&
    (supposed.until === undefined || supposed.until === holdUntil)
  );
}

/** The tier that an event moves the ticket to: every such event starts a clock of that tier. */
function tierOf({ starts = [] }: ClockEffects): Tier | undefined {
  return starts.flatMap((start) => ('tier' in start ? [start.tier] : []))[0];
}

function isSameClock(one: SlaClock, other: SlaClock): boolean {
  return one.kind === other.kind && one.tier === other.tier && one.vendor === other.vendor && one.cycle === other.cycle;
}

/** The recorded moments, with one added or corrected. */
function retold(told: readonly ToldMoment[], moment: ToldMoment): readonly ToldMoment[] {
  const key = toldKey(moment);
  return [...told.filter((one) => toldKey(one) !== key), moment];
}

/** A warning or breach, with its clock. */
export interface UntoldMoment {
  readonly clock: SlaClock;
  readonly moment: ClockMoment;
}

/**
 * The moments up to and including an instant that are not yet recorded, in order. Includes those of clocks that have ended since.
 * @param now when they would be recorded: moments before a late fact wait for a quiet time, since more late facts may follow
 */
export function untoldMoments(sla: PinnedClocks, until: Instant, now: Instant = END_OF_TIME): readonly UntoldMoment[] {
  const told = new Set(sla.told.flatMap((moment) => (moment.at === null ? [] : [toldKey(moment)])));
  return sla.clocks
    .flatMap((clock) => clockEventsUntil(clock, until, told).map((moment) => ({ clock, moment })))
    .filter(({ clock, moment }) => !sla.told.some((one) => isSameUnderOtherTerms(one, clock, moment)))
    .filter(({ moment }) => sla.quietUntil === undefined || moment.effectiveAt > sla.quietUntil)
    .filter(({ moment }) => recordableFrom(sla, moment) <= now)
    .sort((one, other) =>
      one.moment.effectiveAt < other.moment.effectiveAt ? -1 : one.moment.effectiveAt > other.moment.effectiveAt ? 1 : 0,
    );
}

/** It was recorded under terms that were replaced from an earlier instant on, and is the same under their replacement. */
function isSameUnderOtherTerms(told: ToldMoment, clock: SlaClock, moment: ClockMoment): boolean {
  return told.at === moment.effectiveAt && isSameOrLater(moment, told) && isOf(clock, told);
}

/** Whether this is the recorded breach, or share of a target: under its original terms, or later ones. */
export function isSameOrLater(moment: ClockMoment, { percent, terms }: ToldMoment): boolean {
  return percent === (moment.what === 'breach' ? undefined : moment.percent) && terms <= moment.terms;
}

/** When there is, or will be, a moment to record: what a timer waits for. Undefined if there will be none, as things stand. */
export function nextMomentAt(sla: PinnedClocks): Instant | undefined {
  return untoldMoments(sla, END_OF_TIME)
    .map(({ moment }) => recordableFrom(sla, moment))
    .reduce<Instant | undefined>((first, at) => (first === undefined || at < first ? at : first), undefined);
}

/** The earliest time at which a moment may be recorded. */
function recordableFrom(sla: PinnedClocks, { effectiveAt }: ClockMoment): Instant {
  if (sla.lateAt === undefined || effectiveAt >= sla.lateAt) return effectiveAt;
  return instantFrom(epochMillis(sla.lateAt) + (termsOf(sla).quietTime ?? QUIET_TIME));
}

const END_OF_TIME = '9999-12-31T23:59:59.999Z' as Instant;

/** The event that records a moment, with what held when it took effect. */
export function toldMoment({ clock, moment }: UntoldMoment): TicketEvent & { readonly effectiveAt: Instant } {
  const { effectiveAt, terms, target, dueAt } = moment;
  return moment.what === 'breach'
    ? { type: 'SlaBreached', data: omitUndefined({ ...identityOf(clock), terms, target, dueAt }), effectiveAt }
    : {
        type: 'SlaThresholdReached',
        data: omitUndefined({ ...identityOf(clock), terms, percent: moment.percent, target, dueAt }),
        effectiveAt,
      };
}

/** Each clock that has not ended, with its due time before and after the change of terms. */
export function rebased(sla: PinnedClocks, contract: PinnedContract, at: Instant): TicketEvents['SlaTermsRebased'] {
  const after = rebaseClocks(termsOf(sla), contract.terms, sla, at);
  const clocks = sla.clocks.flatMap((clock, index) =>
    ended(clock) ? [] : [omitUndefined({ ...identityOf(clock), oldDue: clock.dueAt, newDue: after.clocks[index]?.dueAt })],
  );
  return { contract, clocks };
}

/** An ended clock keeps the contract that it ended under. */
function underItsContract(clock: SlaClock, contract: PinnedContract | undefined): SlaClock {
  return ended(clock) && clock.contractVersion === undefined ? { ...clock, contractVersion: contract?.version ?? 0 } : clock;
}

/** Whether this is the clock that an event names. */
export function isOf({ kind, tier, vendor, cycle }: SlaClock, named: ClockIdentity): boolean {
  return kind === named.clock && tier === named.tier && vendor === named.vendor && cycle === named.cycle;
}

export function identityOf({ kind, tier, vendor, cycle }: SlaClock): ClockIdentity {
  return omitUndefined({ clock: kind, tier, vendor, cycle });
}

function clockOf({ clock, tier, vendor, cycle }: ClockIdentity): ClockIdentity {
  return omitUndefined({ clock, tier, vendor, cycle });
}

function momentOf({ type, data }: Extract<TicketEvent, { readonly type: 'SlaThresholdReached' | 'SlaBreached' }>): Omit<ToldMoment, 'at'> {
  return { ...clockOf(data), terms: data.terms, ...(type === 'SlaBreached' ? {} : { percent: data.percent }) };
}

/** The key (`momentKey`) of a recorded moment. */
export function toldKey({ clock: kind, tier, vendor, cycle, terms, percent }: Omit<ToldMoment, 'at'>): string {
  return momentKey(
    { kind, tier, vendor, cycle },
    percent === undefined ? { what: 'breach', terms } : { what: 'threshold', percent, terms },
  );
}

function quietUntil(effects: ClockEffects | null, { imported, recordedAt }: Facts): Instant | undefined {
  if (effects?.silences) return END_OF_TIME;
  return imported === undefined ? undefined : recordedAt;
}
