import { type Derived, type Instant, instantFrom, type StateFace } from '#eventsourcing';
import { addOpenTime } from '../contract/business-calendar.js';
import { calendarOf, termsOf } from '../contract/contract.js';
import { omitUndefined } from '../plain-json.js';
import { clockAt, elapsedAt, ended, openTimeOf, pauseSchema, type SlaClock, slaClockSchema, targetOf } from '../sla/sla-clock.js';
import type { ClocksUnderContract } from '../sla/sla-terms.js';
import { openingSchema, ticketFactsSchema } from '../events/ticket.js';
import { CLOCK_KINDS, type ClockKind, type Tier, tierSchema } from '../vocabulary.js';
import type { TicketFold } from './ticket-fold.js';
import { about, count, flag, forSome, instant, integer, listOf, oneOf, open, optional, parts, refer, type Static } from '../schema.js';
import { documentSchema } from './stored.js';

/** State of a clock that has not ended: due, past its first warning, past its due instant, or paused (and not breached). */
export const BOARD_STATES = ['due', 'warned', 'breached', 'paused'] as const;
export type BoardState = (typeof BOARD_STATES)[number];

/** Sort keys of a board: one kind of clock, or whichever of a ticket's clocks is due first. */
export const BOARD_KEYS = ['any', ...CLOCK_KINDS] as const;
export type BoardKey = (typeof BOARD_KEYS)[number];

/** Sorts after every possible due instant. */
export const NEVER_DUE = '9999-12-31T23:59:59.999Z' as Instant;

const placeSchema = open({
  due: about(instant, `When it was breached, or will be due if nothing changes; ${NEVER_DUE} while paused`),
  warnAt: optional(about(instant, 'Running and not breached: when its first warning is or was due')),
});

/**
 * When a clock that has not ended was breached, or is due if nothing happens; the end of time while it is paused. Boards are sorted by
 * this.
 */
export type BoardPlace = Static<typeof placeSchema>;

const subject = {
  ...parts(openingSchema, 'client', 'tier', 'team', 'summary', 'priority'),
  ...parts(ticketFactsSchema, 'assignee', 'majorIncident'),
};

export const slaBoardEntrySchema = about(
  open({
    ...subject,
    places: about(forSome(BOARD_KEYS, placeSchema), 'For each kind of active clock, and for `any` kind, the one due first'),
    riskFrom: optional(
      about(
        instant,
        'Instant after which less resolution time is left than the current tier needs for its work. Absent if that ' +
          'cannot happen or nothing is promised',
      ),
    ),
    updatedAt: about(instant, "Effective time of the ticket's latest event"),
  }),
  "A ticket's place on the boards: when its active clocks are due. The clocks themselves are in `ticket_sla`",
);

/** A ticket's place on the boards. Tickets without running or paused clocks keep their document, but are on no board. */
export type SlaBoardEntry = Static<typeof slaBoardEntrySchema>;

const ALWAYS = instantFrom(0);

function entry(fold: TicketFold | null, before?: Derived<TicketFold | null>): SlaBoardEntry | null {
  if (fold === null) return null;
  const { ticket, promises, facts } = fold;
  const { client, tier, team, assignee, summary, priority, majorIncident } = ticket;
  const updatedAt = facts.latestAt;
  const same = before?.state?.promises === promises ? (before.document as SlaBoardEntry) : undefined;
  return omitUndefined({
    client,
    tier,
    team,
    assignee,
    summary,
    priority,
    majorIncident,
    places: same?.places ?? placesOf(promises),
    riskFrom: riskFrom(promises, tier, updatedAt),
    updatedAt,
  });
}

function placesOf(sla: ClocksUnderContract): SlaBoardEntry['places'] {
  const places: Partial<Record<BoardKey, BoardPlace>> = {};
  for (const clock of sla.clocks) {
    if (ended(clock)) continue;
    const place = placeOf(sla, clock);
    for (const key of ['any', clock.kind] as const) {
      const first = places[key];
      if (first === undefined || place.due < first.due) places[key] = place;
    }
  }
  return places;
}

/** Of several clocks of a kind, as in imported histories, the one that is due first counts. */
function placeOf(
  sla: ClocksUnderContract,
  { state, dueAt, inTimeUntil = dueAt, breachedAt, runningSince, thresholds = [] }: SlaClock,
): BoardPlace {
  if (breachedAt !== undefined) return { due: breachedAt };
  if (state !== 'running' || inTimeUntil === undefined) return { due: NEVER_DUE };
  // Thresholds that are no longer ahead were used up before it last started running.
  const warnAt = thresholds.length < termsOf(sla).thresholds.length ? runningSince : thresholds[0]?.at;
  return omitUndefined({ due: inTimeUntil, warnAt });
}

function riskFrom(sla: ClocksUnderContract, tier: Tier, at: Instant): Instant | undefined {
  const left = budget(sla, tier, at, at);
  const resolution = live(sla, 'resolution');
  if (left === undefined || resolution === undefined) return undefined;
  const spare = left.remaining - left.needed;
  if (spare < 0) return ALWAYS;
  if (resolution.state !== 'running') return undefined;
  // While both are running, the spare time stays the same until the tier has used up its need, and only the resolution remains.
  const both = live(sla, 'tier-work', tier)?.state === 'running';
  return addOpenTime(calendarOf(termsOf(sla)), at, both ? left.remaining : spare);
}

/** What is left of the resolution, negative once overdue, and what the current tier needs of it. In milliseconds of open time. */
interface Budget {
  readonly remaining: number;
  readonly needed: number;
}

/**
 * Undefined if there is nothing to compare.
 * @param since when business days start to count if the work has not begun
 */
function budget(sla: ClocksUnderContract, tier: Tier, at: Instant, since: Instant): Budget | undefined {
  const resolution = live(sla, 'resolution');
  if (resolution === undefined) return undefined;
  const contract = termsOf(sla);
  const work = live(sla, 'tier-work', tier);
  const promised = targetOf(contract, sla.priority, { kind: 'tier-work', tier, cycle: 1 });
  const needed =
    work === undefined ? promised && openTimeOf(contract, promised, since) : Math.max(0, work.target - elapsedAt(termsOf(sla), work, at));
  return needed === undefined ? undefined : { remaining: resolution.target - elapsedAt(termsOf(sla), resolution, at), needed };
}

function live({ clocks }: ClocksUnderContract, kind: ClockKind, tier?: Tier): SlaClock | undefined {
  return clocks.find((clock) => clock.kind === kind && (tier === undefined || clock.tier === tier) && !ended(clock));
}

export const boardClockSchema = open({
  ...parts(slaClockSchema, 'kind', 'tier', 'vendor', 'cycle', 'target', 'dueAt', 'breachedAt'),
  state: about(oneOf(BOARD_STATES), 'On track, past its first warning, past its due time, or paused and not breached'),
  remaining: about(integer, 'Milliseconds of open time left; negative once overdue'),
  warned: optional(about(count, 'Highest warning threshold passed, in per cent of the target')),
  pausedFor: optional(about(pauseSchema.entries.reason, 'Why it is paused')),
});

/** A clock that has not ended, at the instant of the question. */
export type BoardClock = Static<typeof boardClockSchema>;

export const boardLineSchema = about(
  open({
    ...subject,
    clock: about(refer(boardClockSchema), 'Clock that the line is sorted by'),
    clocks: about(listOf(boardClockSchema), 'All active clocks of the ticket, sorted by due time'),
    forecast: optional(
      about(
        open({
          tier: about(refer(tierSchema), 'Current tier of the ticket'),
          remaining: about(integer, 'Milliseconds of open time left to resolve; negative once overdue'),
          needed: about(count, 'Milliseconds of open time the tier still needs, by its own target'),
          atRisk: about(flag, 'Whether less time is left than needed'),
        }),
        'Present if both resolution and tier work have a target',
      ),
    ),
  }),
  'A ticket with the clock it is sorted by',
);

/** A line of a board: a ticket, with the clock that it is sorted by. */
export type BoardLine = Static<typeof boardLineSchema>;

/**
 * The line of a ticket at an instant; undefined if no such clock is running or paused.
 * @param sla the ticket's clocks
 */
export function boardLine(entry: SlaBoardEntry, sla: ClocksUnderContract, key: BoardKey, now: Instant): BoardLine | undefined {
  const { client, tier, team, assignee, summary, priority, majorIncident, riskFrom, updatedAt } = entry;
  const clocks = sla.clocks
    .filter((clock) => !ended(clock))
    .map((clock) => ({ due: placeOf(sla, clock).due, clock: boardClock(sla, clock, now) }))
    .sort((one, other) => (one.due < other.due ? -1 : one.due > other.due ? 1 : 0))
    .map(({ clock }) => clock);
  const clock = key === 'any' ? clocks[0] : clocks.find(({ kind }) => kind === key);
  if (clock === undefined) return undefined;
  const left = budget(sla, tier, now, updatedAt);
  return omitUndefined({
    client,
    tier,
    team,
    assignee,
    summary,
    priority,
    majorIncident,
    clock,
    clocks,
    forecast: left && { tier, ...left, atRisk: riskFrom !== undefined && now > riskFrom },
  });
}

function boardClock(sla: ClocksUnderContract, clock: SlaClock, now: Instant): BoardClock {
  const { kind, tier, vendor, cycle, target, dueAt, breachedAt, state, pauses } = clockAt(clock, now);
  const elapsed = elapsedAt(termsOf(sla), clock, now);
  const warned = termsOf(sla).thresholds.findLast((percent) => elapsed * 100 >= target * percent);
  const pausedFor = state === 'paused' ? pauses.at(-1)?.reason : undefined;
  const stands: BoardState =
    breachedAt !== undefined ? 'breached' : pausedFor !== undefined ? 'paused' : warned !== undefined ? 'warned' : 'due';
  return omitUndefined({
    kind,
    tier,
    vendor,
    cycle,
    state: stands,
    target,
    remaining: target - elapsed,
    dueAt,
    breachedAt,
    warned,
    pausedFor,
  });
}

/** One document per ticket, by its id: `GET /v1/sla-board`. */
export const slaBoard: StateFace<TicketFold | null> = {
  name: 'sla_board',
  version: 3,
  schema: () => documentSchema(slaBoardEntrySchema, 'Id of the ticket'),
  document: entry,
  indexes: [
    ...BOARD_KEYS.map((key) => ({ key: { [`places.${key}.due`]: 1 as const, _id: 1 as const } })),
    { key: { client: 1, 'places.any.due': 1, _id: 1 } },
    { key: { tier: 1, 'places.any.due': 1, _id: 1 } },
    { key: { position: 1 } },
  ],
};
