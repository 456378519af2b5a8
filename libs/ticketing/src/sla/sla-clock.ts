import { epochMillis, type EventMetadata, type EventOf, type Instant, instantFrom } from '#eventsourcing';
import { addOpenTime, endOfBusinessDay, openTimeBetween } from '../contract/business-calendar.js';
import { calendarOf, type Contract, type Target } from '../contract/contract.js';
import { omitUndefined } from '../plain-json.js';
import { clockVerdictSchema } from '../events/sla.js';
import { clockEffectsOf, type TicketEvents } from '../events/ticket-events.js';
import { CLOCK_KINDS, HOLD_REASONS, type HoldReason, type Priority, prioritySchema, tierSchema } from '../vocabulary.js';
import type { ClockEffects, ClockStart } from '../events/clock-effects.js';
import { about, count, flag, instant, listOf, literal, oneOf, oneOfKinds, open, optional, refer, type Static, text } from '../schema.js';

/** Running or paused, or ended. */
export const CLOCK_STATES = ['running', 'paused', 'met', 'breached', 'cancelled'] as const;

export const pauseSchema = open({
  reason: about(
    oneOf([...HOLD_REASONS, 'hand-off', 'resolved']),
    'Why: on hold, while a hand-off waited to be accepted, or between a resolution and a reopening',
  ),
  from: about(instant, 'From when'),
  to: optional(about(instant, 'End; absent while paused')),
});

/** A stretch during which a clock stood still. */
export type Pause = Static<typeof pauseSchema>;

const restatedVerdictSchema = about(
  open({
    at: about(instant, 'When it was restated'),
    reason: about(text, 'Why'),
    is: optional(about(refer(clockVerdictSchema), 'Absent if no such clock would have run under the corrected contract')),
  }),
  'Corrected result of an ended clock. The clock itself stays as it was known before',
);

const thresholdSchema = open({
  percent: about(count, 'Share of the target, in per cent'),
  at: about(instant, 'When it is reached'),
});

/** A share of a target, in percent, with the instant at which it is used up. */
export type Threshold = Static<typeof thresholdSchema>;

const momentOfClock = {
  terms: about(count, 'Terms of the clock at that time'),
  effectiveAt: about(instant, 'When it happened'),
  target: about(count, 'Target at that time, in milliseconds of open time'),
  dueAt: optional(about(instant, 'When the target would have been used up, as things stood then; absent while the clock was paused')),
};
const clockMomentSchema = oneOfKinds('what', [
  open({
    what: about(literal('threshold'), 'A share of the target was used up'),
    percent: about(count, 'The share, in per cent'),
    ...momentOfClock,
  }),
  open({ what: about(literal('breach'), 'The clock was breached'), ...momentOfClock }),
]);

/** Something recorded once about a clock: a share of its target is used up, or it is breached. */
export type ClockMoment = Static<typeof clockMomentSchema>;

/** What identifies a moment of one clock. */
type MomentName = { readonly terms: number } & ({ readonly what: 'threshold'; readonly percent: number } | { readonly what: 'breach' });

export const slaClockSchema = about(
  open({
    kind: about(oneOf(CLOCK_KINDS), 'What is promised: to the client, between tiers, or by a vendor'),
    tier: optional(about(refer(tierSchema), 'Tier that made the promise')),
    vendor: optional(about(text, 'Vendor that made the promise, if known by name')),
    cycle: about(
      count,
      'Resolution: 1, incremented with each reopening. Tiers and vendors: 1, incremented each time the ticket returns to them',
    ),
    terms: about(count, '1, incremented each time the target changes'),
    state: about(oneOf(CLOCK_STATES), 'Current state'),
    target: about(count, 'Milliseconds of open time'),
    startedAt: about(instant, 'When it started'),
    elapsed: about(count, 'Milliseconds of open time up to `runningSince`, or in total when not running'),
    runningSince: optional(about(instant, 'When it started running; absent when not running')),
    dueAt: optional(about(instant, 'While running: when its target is or was used up. Once stopped: when it would have been')),
    inTimeUntil: optional(
      about(
        instant,
        'While running, if the calendar closes at `dueAt`: when it next opens. Until then the target is used up but not exceeded; after that, the clock is breached',
      ),
    ),
    thresholds: optional(about(listOf(thresholdSchema), 'While running: warning thresholds still ahead, in order')),
    breachedAt: optional(about(instant, 'When it was breached')),
    stoppedAt: optional(about(instant, 'When it was stopped')),
    continuedIn: optional(about(count, 'Cycle in which it continued after a reopening; the promise is counted once, there')),
    contractVersion: optional(about(count, "Once ended: version of the client's contract that it ended under; 0: the default contract")),
    restated: optional(about(restatedVerdictSchema, 'Latest restatement of its verdict, if any')),
    pauses: about(listOf(pauseSchema), 'Pauses, oldest first'),
    moments: about(listOf(clockMomentSchema), 'Warnings and breach up to its last change, in order'),
  }),
  'An SLA clock',
);

/**
 * The clock of one promise. `elapsed` and `target` are milliseconds of open time in the contract's calendar. It is breached once `elapsed`
 * exceeds `target`: a target used up exactly is met, even if the calendar closes at that instant and the clock stops before it opens again.
 */
export type SlaClock = Static<typeof slaClockSchema>;

export const slaClocksSchema = open({
  priority: about(refer(prioritySchema), 'Priority whose targets apply'),
  clocks: about(listOf(slaClockSchema), 'Active and ended clocks, in the order in which they started'),
  holds: optional(about(listOf(oneOf(HOLD_REASONS)), 'Why the ticket is on hold. More than one reason only in imported histories')),
  handOffPending: optional(about(flag, 'Whether a hand-off is awaiting acceptance or return')),
  vendor: optional(about(text, 'Vendor named in the last hand-off that named one')),
});

/** The clocks of one ticket, a fold over its events. */
export type SlaClocks = Static<typeof slaClocksSchema> & {
  /** The ticket is resolved, closed, cancelled or merged: only a reopening starts clocks. */
  readonly over?: true;
};

type At = Pick<EventMetadata, 'effectiveAt'>;
type TicketEvent = EventOf<TicketEvents>;
/** What a clock measures, before it has started. */
type Subject = Pick<SlaClock, 'kind' | 'tier' | 'vendor' | 'cycle'>;

/**
 * The clocks after one more event of the ticket; null before its opening. Events that concern no clock leave them as they are.
 *
 * One event is applied to a clock in this order: attach it if the event starts it and neither stops nor cancels it; then stop, cancel, new
 * target, pause, resume. Nothing resets a clock to zero: a new start is a new cycle, and the verdict on the old one stays.
 */
export function evolveClocks(contract: Contract, sla: SlaClocks | null, event: TicketEvent & { readonly metadata: At }): SlaClocks | null {
  const effects = clockEffectsOf(event);
  if (effects === null) return sla;
  const at = event.metadata.effectiveAt;
  // A second opening has no effect.
  if (event.type === 'TicketOpened') return sla ?? affectClocks(contract, { priority: event.data.priority, clocks: [] }, effects, at);
  return sla && affectClocks(contract, sla, effects, at);
}

/** The clocks after an event with these effects; the same object if nothing changes. See `evolveClocks`. */
export function affectClocks(contract: Contract, before: SlaClocks, effects: ClockEffects, at: Instant): SlaClocks {
  const { starts = [], cancels = false } = effects;
  const stops = (clock: Subject) => isStopped(effects, clock);
  const now = { ...conditionsAfter(before, effects), clocks: before.clocks };

  const attached: SlaClock[] = [];
  for (const start of cancels ? [] : starts) {
    const subject = subjectOf(start, before);
    const clock = subject === undefined || stops(subject) ? undefined : attach(contract, now, subject, at);
    if (clock !== undefined) attached.push(clock);
  }
  const continuedIn = contract.reopen === 'continue' ? attached.find(({ kind }) => kind === 'resolution')?.cycle : undefined;
  const goesOn = continuedIn === undefined ? undefined : before.clocks.findLast(({ kind }) => kind === 'resolution');
  const clocks = [...before.clocks, ...attached].map((clock) => {
    if (ended(clock)) return clock === goesOn ? { ...clock, continuedIn } : clock;
    // An event may have a slightly earlier time than the one before it: a clock never runs backwards.
    const when = latest(at, clock.runningSince ?? clock.pauses.at(-1)?.from ?? at);
    if (stops(clock)) return stopped(contract, clock, when);
    if (cancels) return cancelled(contract, clock, when);
    const retargeted = withTarget(contract, clock, targetOf(contract, now.priority, clock), when);
    const reason = standsStillFor(contract, now, clock);
    return reason === undefined ? resumed(contract, retargeted, when) : paused(contract, retargeted, reason, when);
  });
  const same =
    clocks.length === before.clocks.length &&
    clocks.every((clock, index) => clock === before.clocks[index]) &&
    now.priority === before.priority &&
    now.holds === before.holds &&
    now.handOffPending === before.handOffPending &&
    now.vendor === before.vendor &&
    now.over === before.over;
  return same ? before : { ...now, clocks };
}

/**
 * The clocks under other terms from an instant on: what was used up under the old calendar stays used up, and the rest of the new target
 * runs in the new one. Breaches and ended clocks stay as they are.
 */
export function rebaseClocks(before: Contract, after: Contract, sla: SlaClocks, at: Instant): SlaClocks {
  const clocks = sla.clocks.map((clock) => {
    if (ended(clock)) return clock;
    const when = latest(at, clock.runningSince ?? clock.pauses.at(-1)?.from ?? at);
    const counted = stoppedClock(before, clock, when);
    const promised = targetOf(after, sla.priority, clock);
    const target = promised === undefined ? clock.target : openTimeOf(after, promised, clock.startedAt);
    const terms = clock.terms + 1;
    const judged = { ...counted, target, terms, ...judgedAnew(after, counted, target, terms, when) };
    const reason = standsStillFor(after, sla, clock);
    if (reason === undefined) return clock.state === 'running' ? running(after, judged, when) : resumed(after, judged, when);
    return clock.state === 'running' ? { ...judged, state: 'paused' as const, pauses: [...clock.pauses, { reason, from: when }] } : judged;
  });
  return { ...sla, clocks };
}

/** A clock at an instant: if it is overdue by then it is breached, even if no event says so yet. */
export function clockAt(clock: SlaClock, at: Instant): SlaClock {
  return isOverdue(clock, at) ? { ...clock, breachedAt: clock.inTimeUntil ?? clock.dueAt } : clock;
}

/** Open time that a clock has used by an instant. */
export function elapsedAt(contract: Contract, { elapsed, runningSince }: SlaClock, at: Instant): number {
  return runningSince === undefined ? elapsed : elapsed + openTimeBetween(calendarOf(contract), runningSince, at);
}

/**
 * The moments of a clock up to and including an instant, in order and each once: the shares of its target as they were used up, and its
 * breach. `effectiveAt` is when it happened, whenever it is noticed. A pure function of the ticket's events and the instant, so moments
 * missed during a downtime come out the same afterwards, even for a clock that has ended since.
 *
 * A change of target that breaches the clock gives one breach, without the warnings it skips; one that skips only warnings gives the
 * highest of them. If the target grows, shares that lie ahead again are recorded again, under the new terms. A clock that continues after a
 * reopening does not repeat earlier moments.
 * @param told keys (`momentKey`) of moments that are already recorded, and omitted
 */
export function clockEventsUntil(clock: SlaClock, until: Instant, told?: ReadonlySet<string>): readonly ClockMoment[] {
  const moments = [...clock.moments.filter(({ effectiveAt }) => effectiveAt <= until), ...momentsUntil(clock, until)];
  return told === undefined ? moments : moments.filter((moment) => !told.has(momentKey(clock, moment)));
}

/** Name of a clock within its ticket: `tier-work/L2/1`. */
export function clockName({ kind, tier, vendor, cycle }: Subject): string {
  return [kind, tier, vendor, cycle].filter((part) => part !== undefined).join('/');
}

/** Key of a moment within its ticket: clock, cycle, version of its terms, threshold. */
export function momentKey({ kind, tier, vendor, cycle }: Subject, moment: MomentName): string {
  return JSON.stringify([kind, tier ?? vendor ?? '', cycle, moment.terms, moment.what === 'breach' ? 'breach' : moment.percent]);
}

/** Clocks as they are stored: without fields that have no value. Unchanged clocks of the stored document are reused. */
export function storable<Clocks extends SlaClocks>(sla: Clocks, stored?: SlaClocks | null): Clocks {
  const clocks = sla.clocks.map((clock, index) => (clock === stored?.clocks[index] ? clock : omitUndefined(clock)));
  return omitUndefined({ ...sla, clocks });
}

/** Whether a clock has ended. */
export function ended({ state }: SlaClock): boolean {
  return state === 'met' || state === 'breached' || state === 'cancelled';
}

function isStopped({ stops = [] }: ClockEffects, { kind, tier }: Subject): boolean {
  if (stops === 'all') return true;
  return stops.some(({ clock, except }) => clock === kind && (except === undefined || tier !== except));
}

/** The subject of a clock that starts; undefined if none does. */
function subjectOf(start: ClockStart, { clocks, vendor }: SlaClocks): Subject | undefined {
  switch (start.clock) {
    case 'response':
      return { kind: start.clock, cycle: 1 };
    case 'resolution':
      return { kind: start.clock, cycle: start.cycle };
    case 'vendor': {
      const earlier = clocks.filter((clock) => clock.kind === 'vendor' && clock.vendor === vendor);
      return omitUndefined({ kind: start.clock, vendor, cycle: 1 + earlier.length });
    }
    default: {
      const { clock: kind, tier, unlessWorking } = start;
      const ofTier = clocks.filter((clock) => clock.tier === tier);
      if (unlessWorking && ofTier.some((clock) => clock.kind === 'tier-work' && !ended(clock))) return undefined;
      return { kind, tier, cycle: 1 + ofTier.filter((clock) => clock.kind === kind).length };
    }
  }
}

/** The conditions for all clocks of the ticket after an event. */
function conditionsAfter(before: SlaClocks, effects: ClockEffects): Omit<SlaClocks, 'clocks'> {
  const { priority, holds, handOffPending, vendor } = before;
  return {
    priority: effects.priority ?? priority,
    holds: effects.endsHolds ? undefined : withHold(holds, effects.holds),
    handOffPending: effects.handOffPending === undefined ? handOffPending : effects.handOffPending || undefined,
    vendor: effects.vendor ?? vendor,
    over: isEnd(effects) || (before.over && !effects.starts?.some(({ clock }) => clock === 'resolution')) || undefined,
  };
}

function isEnd({ stops, cancels }: ClockEffects): boolean {
  return stops === 'all' || cancels === true;
}

function withHold(holds: SlaClocks['holds'], reason: HoldReason | undefined): SlaClocks['holds'] {
  return reason === undefined || holds?.includes(reason) ? holds : [...(holds ?? []), reason];
}

/** Why a clock must not run, if so. A tier's work is paused while its hand-off is pending: a return resumes it. */
function standsStillFor({ pausedBy }: Contract, { holds, handOffPending }: SlaClocks, { kind }: SlaClock): Pause['reason'] | undefined {
  if (kind === 'vendor') return undefined;
  const ofTiers = kind === 'tier-accept' || kind === 'tier-work';
  const hold = holds?.find((reason) => pausedBy.includes(reason) || (ofTiers && reason === 'vendor'));
  return hold ?? (kind === 'tier-work' && handOffPending ? 'hand-off' : undefined);
}

/** The contract's target for a clock; undefined if it promises nothing. */
export function targetOf(
  { targets, tierTargets, vendorTargets }: Contract,
  priority: Priority,
  { kind, tier, vendor }: Subject,
): Target | undefined {
  switch (kind) {
    case 'response':
    case 'resolution':
      return targets[priority][kind];
    case 'tier-accept':
    case 'tier-work':
      return tier && tierTargets?.[tier]?.[priority]?.[kind === 'tier-accept' ? 'accept' : 'work'];
    case 'vendor': {
      if (vendorTargets === undefined) return undefined;
      const named = vendor !== undefined && Object.hasOwn(vendorTargets, vendor) ? vendorTargets[vendor] : undefined;
      return named ?? (Object.hasOwn(vendorTargets, '*') ? vendorTargets['*'] : undefined);
    }
  }
}

/**
 * A target in open time. Business days are converted once, from the start of the clock, so that they can be paused and warned of like
 * hours.
 */
export function openTimeOf(contract: Contract, target: Target, startedAt: Instant): number {
  if (typeof target === 'number') return target;
  const calendar = calendarOf(contract);
  return openTimeBetween(calendar, startedAt, endOfBusinessDay(calendar, startedAt, target.businessDays));
}

/** A new clock; undefined if one like it is still running or paused, or nothing is promised. */
function attach(contract: Contract, { priority, clocks }: SlaClocks, subject: Subject, at: Instant): SlaClock | undefined {
  const target = targetOf(contract, priority, subject);
  if (target === undefined) return undefined;
  const alike = clocks.filter(({ kind, tier, vendor }) => kind === subject.kind && tier === subject.tier && vendor === subject.vendor);
  if (alike.some((clock) => !ended(clock))) return undefined;
  const earlier = alike.at(-1);
  return subject.kind === 'resolution' && earlier !== undefined && contract.reopen === 'continue'
    ? continued(contract, earlier, subject.cycle, at)
    : running(contract, newClock({ ...subject, target: openTimeOf(contract, target, at), startedAt: at }), at);
}

/**
 * A clock that has just started. It has every field in one order, including those without a value: engines copy objects of one shape far
 * faster, and each event copies clocks. Code that stores clocks leaves these fields out: see `storable`.
 */
function newClock({ kind, tier, vendor, cycle, target, startedAt }: Subject & Pick<SlaClock, 'target' | 'startedAt'>): SlaClock {
  return {
    kind,
    tier,
    vendor,
    cycle,
    terms: 1,
    state: 'running',
    target,
    startedAt,
    elapsed: 0,
    runningSince: undefined,
    dueAt: undefined,
    inTimeUntil: undefined,
    thresholds: undefined,
    breachedAt: undefined,
    stoppedAt: undefined,
    continuedIn: undefined,
    contractVersion: undefined,
    restated: undefined,
    pauses: [],
    moments: [],
  };
}

/** An ended clock that continues in a new cycle: its time is carried over, and so is a breach; the time between is a pause. */
function continued(contract: Contract, before: SlaClock, cycle: number, at: Instant): SlaClock {
  const { elapsed, breachedAt, stoppedAt: from = at } = before;
  const to = latest(at, from);
  const pauses = [...before.pauses, { reason: 'resolved' as const, from, to }];
  return running(contract, { ...newClock({ ...before, cycle }), elapsed, breachedAt, pauses }, to);
}

function running(contract: Contract, clock: SlaClock, at: Instant): SlaClock {
  const calendar = calendarOf(contract);
  const { target, elapsed, breachedAt } = clock;
  const thresholds: Threshold[] = [];
  if (breachedAt === undefined) {
    for (const percent of contract.thresholds) {
      const left = share(target, percent) - elapsed;
      if (left > 0) thresholds.push({ percent, at: addOpenTime(calendar, at, left) });
    }
  }
  if (breachedAt !== undefined) return { ...clock, state: 'running', runningSince: at, dueAt: breachedAt, thresholds };
  const left = target - elapsed;
  const dueAt = addOpenTime(calendar, at, left);
  // The last instant before the first open millisecond that exceeds the target.
  const last = instantFrom(epochMillis(addOpenTime(calendar, at, left + 1)) - 1);
  return { ...clock, state: 'running', runningSince: at, dueAt, inTimeUntil: last === dueAt ? undefined : last, thresholds };
}

/** Exact, in whole milliseconds: rounded up. */
function share(target: number, percent: number): number {
  return Math.ceil((target * percent) / 100);
}

/** The moments of a running clock since it last started running. */
function momentsUntil(clock: SlaClock, until: Instant): readonly ClockMoment[] {
  const { terms, target, dueAt, thresholds = [] } = clock;
  const moments: ClockMoment[] = [];
  for (const { percent, at } of thresholds)
    if (at <= until) moments.push({ what: 'threshold', percent, terms, target, dueAt, effectiveAt: at });
  if (dueAt !== undefined && isOverdue(clock, until))
    moments.push({ what: 'breach', terms, target, dueAt, effectiveAt: clock.inTimeUntil ?? dueAt });
  return moments;
}

function isOverdue({ state, dueAt, inTimeUntil, breachedAt }: SlaClock, at: Instant): boolean {
  const last = inTimeUntil ?? dueAt;
  return state === 'running' && breachedAt === undefined && last !== undefined && at > last;
}

/** The clock with its running segment up to `at` counted, and the moments in it. */
function stoppedClock(contract: Contract, clock: SlaClock, at: Instant): SlaClock {
  const { runningSince, dueAt, inTimeUntil = dueAt } = clock;
  if (runningSince === undefined) return clock;
  const news = momentsUntil(clock, at);
  return {
    ...clock,
    elapsed: clock.elapsed + openTimeBetween(calendarOf(contract), runningSince, at),
    runningSince: undefined,
    dueAt: undefined,
    inTimeUntil: undefined,
    thresholds: undefined,
    breachedAt: isOverdue(clock, at) ? inTimeUntil : clock.breachedAt,
    moments: news.length === 0 ? clock.moments : [...clock.moments, ...news],
  };
}

function paused(contract: Contract, clock: SlaClock, reason: Pause['reason'], at: Instant): SlaClock {
  if (clock.state === 'paused') return clock;
  return { ...stoppedClock(contract, clock, at), state: 'paused', pauses: [...clock.pauses, { reason, from: at }] };
}

function resumed(contract: Contract, clock: SlaClock, at: Instant): SlaClock {
  return clock.state === 'paused' ? running(contract, { ...clock, pauses: endPause(clock.pauses, at) }, at) : clock;
}

function endPause(pauses: readonly Pause[], at: Instant): readonly Pause[] {
  return pauses.map((pause, index) => (index === pauses.length - 1 && pause.to === undefined ? { ...pause, to: at } : pause));
}

/** The verdict. A pause ends first; a tier's work whose hand-off was accepted had ended at the hand-off. */
function stopped(contract: Contract, clock: SlaClock, at: Instant): SlaClock {
  const counted = stoppedClock(contract, clock, at);
  const last = clock.state === 'paused' ? clock.pauses.at(-1) : undefined;
  const handedOver = last?.reason === 'hand-off';
  const stoppedAt = handedOver ? last.from : at;
  return {
    ...counted,
    state: counted.breachedAt === undefined ? 'met' : 'breached',
    dueAt: clock.dueAt ?? counted.breachedAt ?? addOpenTime(calendarOf(contract), stoppedAt, counted.target - counted.elapsed),
    stoppedAt,
    pauses: handedOver ? clock.pauses.slice(0, -1) : endPause(clock.pauses, at),
  };
}

/** Ended without a verdict; but a broken promise stays broken. */
function cancelled(contract: Contract, clock: SlaClock, at: Instant): SlaClock {
  const counted = stoppedClock(contract, clock, at);
  const end = { stoppedAt: at, pauses: endPause(clock.pauses, at) };
  return counted.breachedAt === undefined
    ? { ...counted, ...end, state: 'cancelled' }
    : { ...counted, ...end, state: 'breached', dueAt: clock.dueAt ?? counted.breachedAt };
}

/** Under another target the time on the clock is carried over, a pause continues, and a breach stays. */
function withTarget(contract: Contract, clock: SlaClock, promised: Target | undefined, at: Instant): SlaClock {
  const target = promised === undefined ? clock.target : openTimeOf(contract, promised, clock.startedAt);
  if (target === clock.target) return clock;
  const counted = stoppedClock(contract, clock, at);
  const terms = clock.terms + 1;
  const judged = { ...counted, target, terms, ...judgedAnew(contract, counted, target, terms, at) };
  return clock.state === 'running' ? running(contract, judged, at) : judged;
}

/** The immediate effect of a new target on a paused clock: a breach, or the highest warning that it skips. */
function judgedAnew(
  { thresholds }: Contract,
  { elapsed, target: old, breachedAt, moments }: SlaClock,
  target: number,
  terms: number,
  at: Instant,
): Partial<SlaClock> {
  if (breachedAt !== undefined) return {};
  if (elapsed > target) return { breachedAt: at, moments: [...moments, { what: 'breach', terms, target, effectiveAt: at }] };
  const percent = thresholds.findLast((one) => elapsed >= share(target, one) && elapsed < share(old, one));
  return percent === undefined ? {} : { moments: [...moments, { what: 'threshold', percent, terms, target, effectiveAt: at }] };
}

function latest(one: Instant, other: Instant): Instant {
  return epochMillis(one) < epochMillis(other) ? other : one;
}
