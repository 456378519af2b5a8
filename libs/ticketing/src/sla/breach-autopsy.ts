import { type EventFacts, epochMillis, type EventOf, evolve, type Instant } from '#eventsourcing';
import { openTimeBetween } from '../contract/business-calendar.js';
import { calendarOf, type Contract, termsOf } from '../contract/contract.js';
import { present } from '../plain-json.js';
import { clockAt, type SlaClock } from './sla-clock.js';
import { evolvePinnedClocks, type PinnedClocks } from './sla-terms.js';
import type { Person, HoldReason, Tier } from '../vocabulary.js';
import { type TicketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import type { Ticket, TicketState } from '../events/ticket.js';

/** What the time on a clock went into. */
export type SpentOn =
  /** Somebody of the tier worked on it. */
  | { readonly what: 'work'; readonly tier: Tier; readonly team?: string; readonly agent: Person }
  /** It waited at the tier for somebody to pick it up: for the agent to whom it was assigned, or for anybody. */
  | { readonly what: 'queue'; readonly tier: Tier; readonly team?: string; readonly agent?: Person }
  /** A hand-off waited to be accepted or returned. */
  | {
      readonly what: 'hand-off';
      readonly escalationId: string;
      readonly from: Tier;
      readonly fromTeam?: string;
      readonly to: Tier;
      readonly toTeam?: string;
    }
  /** It was on hold for the customer, for a planned change or for an onsite visit. */
  | { readonly what: Exclude<HoldReason, 'vendor'> }
  /** It was on hold for a vendor: the one whom the last hand-off to a vendor named, if there was one. */
  | { readonly what: 'vendor'; readonly vendor?: string }
  /** It was resolved, and reopened later: only on clocks that continue after a reopening. */
  | { readonly what: 'resolved' }
  /** Whatever was done then, the contract's calendar was closed. */
  | { readonly what: 'closed-hours' };

/** A time during which the same thing was going on and the clock ran, or stood still, throughout. Milliseconds. */
export interface Spell {
  readonly from: Instant;
  readonly to: Instant;
  /** Revision of the event that it began with, or that was the last before the clock started. */
  readonly event: number;
  readonly spentOn: SpentOn;
  /** Open time that is on the clock. */
  readonly elapsed: number;
  /** Open time during which the clock stood still. */
  readonly paused: number;
  readonly closed: number;
}

/** All that was spent on one thing. Milliseconds. */
export interface Part {
  readonly spentOn: SpentOn;
  readonly duration: number;
  /** How much of it is on the clock. */
  readonly elapsed: number;
}

/**
 * Where the time of one clock went, from its start to its end, or to the instant of the question. In milliseconds, and exactly:
 * `elapsed` is what the clock shows, `elapsed + paused + closed` is the time from `from` to `to`; the durations of the parts add up to
 * the latter, and what of them is on the clock to the former.
 */
export interface ClockAutopsy extends Pick<
  SlaClock,
  'kind' | 'tier' | 'vendor' | 'cycle' | 'state' | 'target' | 'breachedAt' | 'restated'
> {
  readonly from: Instant;
  readonly to: Instant;
  readonly elapsed: number;
  readonly paused: number;
  readonly closed: number;
  /** What used most of the target first. */
  readonly parts: readonly Part[];
  /** The same as it came, with the events that prove it. */
  readonly spells: readonly Spell[];
}

type TicketEvent = EventOf<TicketEvents> & {
  readonly revision: number;
  readonly metadata: EventFacts;
};

/** From an instant on, until the next: the contract that the ticket went by. */
interface Terms {
  readonly from: Instant;
  readonly contract: Contract;
}

/** From an instant on, until the next: what was going on in the ticket. */
interface Going {
  readonly from: Instant;
  readonly event: number;
  readonly spentOn: SpentOn;
}

/**
 * Where the time of each clock of a ticket went. What happened after the instant is left out. Null when the ticket was not open yet.
 * @param events of the ticket, in the order of their revisions
 */
export function breachAutopsy(events: Iterable<TicketEvent>, asOf: Instant): readonly ClockAutopsy[] | null {
  let ticket: TicketState = null;
  let sla: PinnedClocks | null = null;
  const terms: Terms[] = [];
  const course: Going[] = [];
  for (const event of events) {
    const { effectiveAt } = event.metadata;
    if (effectiveAt > asOf) continue;
    ticket = evolve(ticketWithoutClocks, ticket, event, event.metadata);
    sla = evolvePinnedClocks(sla, event, event.metadata);
    if (ticket === null || sla === null) continue;
    const contract = termsOf(sla);
    if (contract !== terms.at(-1)?.contract) terms.push({ from: notBefore(terms.at(-1), effectiveAt), contract });
    const spentOn = spentNow(ticket);
    const last = course.at(-1);
    if (last !== undefined && sameUse(last.spentOn, spentOn)) continue;
    course.push({ from: notBefore(last, effectiveAt), event: event.revision, spentOn });
  }
  return sla && sla.clocks.map((clock) => autopsyOf(terms, course, clockAt(clock, asOf), asOf));
}

/** An event may be told with a slightly earlier time than the one before it: nothing runs backwards, as clocks do not. */
function notBefore(last: { readonly from: Instant } | undefined, at: Instant): Instant {
  return last !== undefined && last.from > at ? last.from : at;
}

function spentNow({ work, tier, team, assignee, vendorCase }: Ticket): SpentOn {
  switch (work.status) {
    case 'open':
      return present({ what: 'queue', tier, team, agent: assignee });
    case 'in-progress':
      return present({ what: 'work', tier, team, agent: work.agent });
    case 'escalated': {
      const { escalationId, from, fromTeam } = work.handedOver;
      return present({ what: 'hand-off', escalationId, from, fromTeam, to: tier, toTeam: team });
    }
    case 'on-hold':
      return work.reason === 'vendor' ? present({ what: 'vendor', vendor: vendorCase?.vendor }) : { what: work.reason };
    case 'resolved':
    case 'closed':
    case 'cancelled':
    case 'merged':
      return { what: 'resolved' };
  }
}

function autopsyOf(terms: readonly Terms[], course: readonly Going[], clock: SlaClock, asOf: Instant): ClockAutopsy {
  const { kind, tier, vendor, cycle, state, target, breachedAt, restated, startedAt: from, stoppedAt: to = asOf } = clock;
  const spells = spellsOf(terms, course, clock, to);
  return present({
    kind,
    tier,
    vendor,
    cycle,
    state,
    target,
    breachedAt,
    restated,
    from,
    to,
    elapsed: sum(spells, 'elapsed'),
    paused: sum(spells, 'paused'),
    closed: sum(spells, 'closed'),
    parts: partsOf(spells),
    spells,
  });
}

/** The life of a clock, cut wherever something else began, or the clock was stopped or started. */
function spellsOf(terms: readonly Terms[], course: readonly Going[], { startedAt, pauses }: SlaClock, end: Instant): readonly Spell[] {
  const cuts = [
    startedAt,
    end,
    ...course.map(({ from }) => from),
    ...terms.map(({ from }) => from),
    ...pauses.flatMap(({ from, to }) => (to === undefined ? [from] : [from, to])),
  ]
    .filter((cut) => cut >= startedAt && cut <= end)
    .sort();
  const spells: Spell[] = [];
  cuts.forEach((from, index) => {
    const to = cuts[index + 1];
    const going = inForce(course, from);
    const contract = inForce(terms, from)?.contract;
    if (to === undefined || to === from || going === undefined || contract === undefined) return;
    const open = openTimeBetween(calendarOf(contract), from, to);
    const stands = pauses.some((pause) => pause.from <= from && (pause.to === undefined || pause.to > from));
    spells.push({
      from,
      to,
      event: going.event,
      spentOn: going.spentOn,
      elapsed: stands ? 0 : open,
      paused: stands ? open : 0,
      closed: epochMillis(to) - epochMillis(from) - open,
    });
  });
  return spells;
}

/** The last that had begun by then. What is told with a time before the opening is of the first. */
function inForce<One extends { readonly from: Instant }>(all: readonly One[], at: Instant): One | undefined {
  return all.findLast(({ from }) => from <= at) ?? all[0];
}

function partsOf(spells: readonly Spell[]): readonly Part[] {
  const parts = new Map<string, Part>();
  const add = (spentOn: SpentOn, duration: number, elapsed: number) => {
    if (duration === 0) return;
    const key = JSON.stringify(spentOn);
    const sofar = parts.get(key);
    parts.set(key, { spentOn, duration: (sofar?.duration ?? 0) + duration, elapsed: (sofar?.elapsed ?? 0) + elapsed });
  };
  for (const { spentOn, elapsed, paused, closed } of spells) {
    add(spentOn, elapsed + paused, elapsed);
    add({ what: 'closed-hours' }, closed, 0);
  }
  return [...parts.values()].sort((one, other) => other.elapsed - one.elapsed || other.duration - one.duration);
}

function sameUse(one: SpentOn, other: SpentOn): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function sum(spells: readonly Spell[], what: 'elapsed' | 'paused' | 'closed'): number {
  return spells.reduce((total, spell) => total + spell[what], 0);
}
