import { type EventFacts, epochMillis, type EventOf, evolve, type Instant } from '#eventsourcing';
import { openTimeBetween } from '../contract/business-calendar.js';
import { calendarOf, type Contract, termsOf } from '../contract/contract.js';
import { omitUndefined } from '../plain-json.js';
import { clockAt, type SlaClock, slaClockSchema } from './sla-clock.js';
import { evolvePinnedClocks, type PinnedClocks } from './sla-terms.js';
import { personSchema, tierSchema } from '../vocabulary.js';
import { type TicketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import type { Ticket, TicketState } from '../events/ticket.js';
import {
  about,
  count,
  instant,
  listOf,
  literal,
  oneOf,
  oneOfKinds,
  open,
  optional,
  parts,
  refer,
  type Static,
  text,
  uuid,
} from '../schema.js';

const place = { tier: about(refer(tierSchema), 'At which tier'), team: optional(about(text, 'Team')) };

export const spentOnSchema = about(
  oneOfKinds('what', [
    open({ what: about(literal('work'), 'Worked on at the tier'), ...place, agent: about(refer(personSchema), 'Who') }),
    open({
      what: about(literal('queue'), 'Waiting at the tier to be picked up'),
      ...place,
      agent: optional(about(refer(personSchema), 'Assignee')),
    }),
    open({
      what: about(literal('hand-off'), 'A hand-off awaiting acceptance or return'),
      escalationId: about(uuid, 'Id of the hand-off'),
      from: about(refer(tierSchema), 'Sending tier'),
      fromTeam: optional(about(text, 'Sending team')),
      to: about(refer(tierSchema), 'Receiving tier'),
      toTeam: optional(about(text, 'Receiving team')),
    }),
    open({ what: about(oneOf(['customer', 'planned-change', 'onsite-visit']), 'On hold') }),
    open({
      what: about(literal('vendor'), 'On hold for a vendor'),
      vendor: optional(about(text, 'Vendor named in the last hand-off to a vendor')),
    }),
    open({ what: about(literal('resolved'), 'Resolved and reopened later; only for clocks that continue after a reopening') }),
    open({ what: about(literal('closed-hours'), "Outside the hours of the contract's calendar, whatever was done then") }),
  ]),
  'What the time was spent on',
);

/** What the time on a clock was spent on. */
export type SpentOn = Static<typeof spentOnSchema>;

const spellSchema = open({
  from: about(instant, 'From when'),
  to: about(instant, 'Until when'),
  event: about(count, 'Revision of the event it began with, or of the last one before the clock started'),
  spentOn: refer(spentOnSchema),
  elapsed: about(count, 'Milliseconds of open time counted by the clock'),
  paused: about(count, 'Milliseconds of open time during which the clock was paused'),
  closed: about(count, "Milliseconds outside the calendar's hours"),
});

/** A span of time spent on one thing. */
export type Spell = Static<typeof spellSchema>;

const partSchema = open({
  spentOn: refer(spentOnSchema),
  duration: about(count, 'Milliseconds'),
  elapsed: about(count, 'Milliseconds counted by the clock'),
});

/** All time spent on one thing, in milliseconds. */
export type Part = Static<typeof partSchema>;

const clockAutopsySchema = open({
  ...parts(slaClockSchema, 'kind', 'tier', 'vendor', 'cycle', 'state', 'target', 'breachedAt', 'restated'),
  from: about(instant, 'When it started'),
  to: about(instant, 'When it ended, otherwise `asOf`'),
  elapsed: about(count, 'Milliseconds of open time elapsed'),
  paused: about(count, 'Milliseconds of open time during which it was paused'),
  closed: about(count, "Milliseconds outside the calendar's hours"),
  parts: about(listOf(partSchema), 'Where the time went, largest share of the target first. The parts add up exactly'),
  spells: about(listOf(spellSchema), 'The same in chronological order, with the events that prove it'),
});

/**
 * Where the time of one clock went, from its start to its end or to the instant of the question, in milliseconds. `elapsed` is what the
 * clock shows; `elapsed + paused + closed` is exactly the time from `from` to `to`. The durations of the parts add up to this time, and
 * their time on the clock to `elapsed`.
 */
export type ClockAutopsy = Static<typeof clockAutopsySchema>;

export const ticketAutopsySchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    revision: about(count, 'Revision of the last event included'),
    asOf: about(instant, 'Later events are left out'),
    clocks: about(listOf(clockAutopsySchema), 'Clocks, in the order in which they started'),
  }),
  "Where the time of a ticket's clocks went",
);

export type TicketAutopsy = Static<typeof ticketAutopsySchema>;

type TicketEvent = EventOf<TicketEvents> & {
  readonly revision: number;
  readonly metadata: EventFacts;
};

/** The contract that the ticket went by, from an instant until the next. */
interface Terms {
  readonly from: Instant;
  readonly contract: Contract;
}

/** What was going on in the ticket, from an instant until the next. */
interface Going {
  readonly from: Instant;
  readonly event: number;
  readonly spentOn: SpentOn;
}

/**
 * Where the time of each clock of a ticket went. Events after the instant are ignored. Null if the ticket was not open yet.
 * @param events of the ticket, in order of revision
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

/** An event may have a slightly earlier time than the one before it: like clocks, this never runs backwards. */
function notBefore(last: { readonly from: Instant } | undefined, at: Instant): Instant {
  return last !== undefined && last.from > at ? last.from : at;
}

function spentNow({ work, tier, team, assignee, vendorCase }: Ticket): SpentOn {
  switch (work.status) {
    case 'open':
      return omitUndefined({ what: 'queue', tier, team, agent: assignee });
    case 'in-progress':
      return omitUndefined({ what: 'work', tier, team, agent: work.agent });
    case 'escalated': {
      const { escalationId, from, fromTeam } = work.handedOver;
      return omitUndefined({ what: 'hand-off', escalationId, from, fromTeam, to: tier, toTeam: team });
    }
    case 'on-hold':
      return work.reason === 'vendor' ? omitUndefined({ what: 'vendor', vendor: vendorCase?.vendor }) : { what: work.reason };
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
  return omitUndefined({
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

/** The life of a clock, cut wherever something else began, or the clock stopped or started. */
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

/** The last one that had begun by then. Times before the opening belong to the first. */
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
