import { type EventFacts, type EventMetadata, type EventOf, evolve, type Instant } from '#eventsourcing';
import { JSONSchema } from 'class-validator-jsonschema';
import { DateOrTime, DateTime, Fields, Name, WholeNumber } from '../command-fields.js';
import { type Contract, termsOf } from '../contract/contract.js';
import { ruleTallySchema } from '../contract/rule.js';
import { omitUndefined } from '../plain-json.js';
import { isForRules } from '../ticket/rule-policies.js';
import {
  CLOCK_KINDS,
  type ClockKind,
  type Impact,
  PRIORITIES,
  type Priority,
  prioritySchema,
  rank,
  type Tier,
  tierSchema,
  type Urgency,
} from '../vocabulary.js';
import type { ObjectEntries } from 'valibot';
import { clockAt, clockName, type SlaClock, slaClockSchema } from '../sla/sla-clock.js';
import { ticketEvents, type TicketEvents, ticketWithoutClocks } from '../events/ticket-events.js';
import type { Ticket } from '../events/ticket.js';
import {
  compareEscalations,
  escalationComparisonSchema,
  evolveSimulated,
  firedEscalationSchema,
  firedRuleSchema,
  onTime,
  type SimulatedLife,
  withRules,
} from './what-if-escalations.js';
import { about, count, forEach, instant, listOf, oneOf, open, optional, parts, refer, type Static, text, uuid } from '../schema.js';

const VERDICTS = ['met', 'breached', 'open', 'cancelled'] as const;

/** State of a clock at an instant. `open` has not ended, within its time so far. A breach stays one, whatever comes after it. */
export type Verdict = (typeof VERDICTS)[number];

const outcomeSchema = about(
  open({
    verdict: about(oneOf(VERDICTS), 'Outcome; `open`: still active and in time so far'),
    target: about(count, 'Milliseconds of open time'),
    breachedAt: optional(about(instant, 'When it was breached')),
  }),
  'Outcome of a clock under a contract',
);

export type Outcome = Static<typeof outcomeSchema>;

const clockComparisonSchema = open({
  ...parts(slaClockSchema, 'kind', 'tier', 'vendor', 'cycle'),
  actual: optional(about(outcomeSchema, "Under the ticket's actual contract; absent if that promises nothing")),
  proposed: optional(about(outcomeSchema, 'Under the proposed contract; absent if that promises nothing')),
  breach: optional(
    about(oneOf(['gained', 'lost']), '`gained`: breached only under the proposed contract; `lost`: only under the actual one'),
  ),
});

/** One clock under the ticket's contract and under the proposed one. Absent under a contract that promises nothing. */
export type ClockComparison = Static<typeof clockComparisonSchema>;

const ticketComparisonSchema = open({
  ticketId: about(uuid, 'Id of the ticket'),
  client: about(text, 'The client (tenant)'),
  priority: about(refer(prioritySchema), "At the end, under the ticket's actual contract"),
  openedAt: about(instant, 'When it was opened'),
  clocks: about(listOf(clockComparisonSchema), 'Its clocks'),
  escalations: about(listOf(escalationComparisonSchema), 'Escalations that happened or would have happened'),
  rules: about(listOf(firedRuleSchema), 'Rules of the proposed contract that would have fired'),
});

/** What a proposed contract would have made of a ticket with the same life. */
export type TicketComparison = Static<typeof ticketComparisonSchema>;

@JSONSchema({
  description:
    'Simulates how the clocks of past tickets and the escalation policies would have turned out under another contract, by replaying the tickets under it and under their actual contract. Nothing is changed.',
  examples: [
    {
      terms: { reopen: 'continue', calendar: { zone: 'Europe/Rome', week: { monday: [{ from: '08:00', to: '18:00' }] } } },
      from: '2026-01-01T00:00:00Z',
      to: '2026-07-01T00:00:00Z',
      client: 'northwind',
    },
  ],
})
export class SimulateContract {
  @Fields({ description: 'Terms of the proposed contract. Omitted terms are those of the default contract.' })
  terms!: Readonly<Record<string, unknown>>;

  @DateOrTime({
    description: "Tickets opened at this time or later; a date starts in the time zone of the terms' calendar",
    until: 'to',
    optional: true,
  })
  from?: string;

  @DateOrTime({ description: 'Tickets opened before this time', optional: true })
  to?: string;

  @Name({ description: 'Tickets of this client (tenant)', max: 100, optional: true })
  client?: string;

  @DateTime({ description: 'Later events are left out; default: now. Not in the future.', optional: true })
  asOf?: string;

  @WholeNumber({
    description: 'Maximum number of tickets with a difference to list; default: 100. The totals always cover all tickets.',
    min: 0,
    max: 1000,
    optional: true,
  })
  limit?: number;
}

type TicketEvent = EventOf<TicketEvents> & { readonly metadata: EventFacts & Pick<EventMetadata, 'client'> };

/** What a replay depends on: notes about the work, which may be most of a log, change no promise. */
export const replayedEvents: readonly (keyof TicketEvents)[] = (Object.keys(ticketEvents) as (keyof TicketEvents)[]).filter(
  (type) => !ticketEvents[type].note || ticketEvents[type].clocks !== null || type === 'EscalationAcknowledged',
);

/** A ticket during a simulation: its life under both contracts. */
export interface Replay {
  readonly client: string;
  readonly openedAt: Instant;
  readonly ticket: Ticket;
  /** Under the contract that its own events pin. */
  readonly actual: SimulatedLife;
  readonly proposed: SimulatedLife;
}

/**
 * A ticket under a proposed contract, and under its own one, after one more of its events; null before its opening. What people did stays
 * what they did: only the promises differ, with their calendar, what pauses them, the priority that follows from impact and urgency, and
 * the actions of escalation policies. These act on time under both contracts, even in imported lives.
 */
export function evolveReplay(proposed: Contract, replay: Replay | null, event: TicketEvent): Replay | null {
  const { effectiveAt, client } = event.metadata;
  const before = replay && seenToUntil(replay, effectiveAt);
  const ticket = evolve(ticketWithoutClocks, replay?.ticket ?? null, event, event.metadata);
  const actual = evolveSimulated(before?.actual ?? null, event, effectiveAt);
  if (ticket === null || actual === null) return null;
  const would = underProposed(event, termsOf(actual.promises), proposed);
  const after = would === undefined ? before?.proposed : evolveSimulated(before?.proposed ?? null, would, effectiveAt);
  if (!after) return null;
  // Clock events come from another contract: under this one the rules about clocks fire on time, see `onTime`.
  const firesRules = isForRules(event) && event.type !== 'SlaThresholdReached' && event.type !== 'SlaBreached';
  const life = firesRules ? withRules(after, event, ticket, effectiveAt) : after;
  return { client: replay?.client ?? client, openedAt: replay?.openedAt ?? effectiveAt, ticket, actual, proposed: life };
}

/** The ticket at an instant, with everything that the timekeeper would have done before it. */
function seenToUntil(replay: Replay, until: Instant): Replay {
  const { ticket, actual, proposed } = replay;
  return { ...replay, actual: onTime(actual, ticket, until), proposed: onTime(proposed, ticket, until) };
}

/** What a proposed contract would have made of a ticket, at an instant after the last replayed event. */
export function comparisonOf(ticketId: string, replay: Replay, asOf: Instant): TicketComparison {
  const { client, openedAt, actual, proposed } = seenToUntil(replay, asOf);
  return {
    ticketId,
    client,
    priority: actual.promises.priority,
    openedAt,
    clocks: compareClocks(actual.promises.clocks, proposed.promises.clocks, asOf),
    escalations: compareEscalations(actual.fired, proposed.fired),
    rules: proposed.rules,
  };
}

/** The event as it would have been: with the proposed contract, and the priority that it gives. Undefined if it would not have occurred. */
function underProposed(event: TicketEvent, actual: Contract, proposed: Contract): EventOf<TicketEvents> | undefined {
  if (event.type === 'SlaTermsRebased') return undefined;
  const would = prioritised(event, actual, proposed);
  return would.type === 'TicketOpened'
    ? { type: would.type, data: { ...would.data, contract: { version: 0, tzdata: '', terms: proposed } } }
    : would;
}

/** The event with the priority that the proposed contract gives, if it is different. */
function prioritised(event: TicketEvent, actual: Contract, proposed: Contract): EventOf<TicketEvents> {
  if (event.type !== 'TicketOpened' && event.type !== 'TicketTriaged') return event;
  const { impact, urgency } = event.data;
  const priority = priorityOf(proposed, impact, urgency);
  if (priority === undefined || priority === priorityOf(actual, impact, urgency)) return event;
  return { type: event.type, data: { ...event.data, priority } } as EventOf<TicketEvents>;
}

function priorityOf({ priorities }: Contract, impact: Impact, urgency: Urgency): Priority | undefined {
  // A stored event may have words that are not in the vocabulary.
  return priorities[impact]?.[urgency];
}

function compareClocks(actual: readonly SlaClock[], proposed: readonly SlaClock[], asOf: Instant): readonly ClockComparison[] {
  const pairs = new Map<string, ClockComparison>();
  for (const [side, clocks] of [['actual', actual] as const, ['proposed', proposed] as const]) {
    for (const clock of clocks) {
      const { kind, tier, vendor, cycle, continuedIn } = clock;
      // A promise that continued after a reopening is counted once, where it ended.
      if (continuedIn !== undefined) continue;
      const key = clockName(clock);
      pairs.set(key, { ...(pairs.get(key) ?? omitUndefined({ kind, tier, vendor, cycle })), [side]: outcomeOf(clock, asOf) });
    }
  }
  return [...pairs.values()].map((pair) => {
    const [before, after] = [pair.actual?.verdict === 'breached', pair.proposed?.verdict === 'breached'];
    return before === after ? pair : { ...pair, breach: after ? ('gained' as const) : ('lost' as const) };
  });
}

function outcomeOf(clock: SlaClock, asOf: Instant): Outcome {
  const { state, target, breachedAt } = clockAt(clock, asOf);
  const verdict = breachedAt !== undefined ? 'breached' : state === 'met' || state === 'cancelled' ? state : 'open';
  return omitUndefined({ verdict, target, breachedAt });
}

/** Whether the proposed contract would have changed anything. */
export function isChanged({ clocks, escalations, rules }: TicketComparison): boolean {
  return (
    rules.length > 0 || clocks.some(({ breach }) => breach !== undefined) || escalations.some(({ escalation }) => escalation !== undefined)
  );
}

const byVerdictSchema = about(forEach(VERDICTS, about(count, 'Number of clocks')), 'Clocks by outcome');
const tallySchema = open({
  actual: about(byVerdictSchema, "Under the tickets' actual contracts"),
  proposed: about(byVerdictSchema, 'Under the proposed contract'),
  gained: about(count, 'Clocks breached only under the proposed contract'),
  lost: about(count, 'Clocks breached only under the actual contract'),
});

/** Outcomes of clocks, and how many breaches the proposed contract adds and removes. */
export type Tally = Static<typeof tallySchema>;

const escalationTallySchema = open({
  ...parts(firedEscalationSchema, 'kind'),
  policy: about(text, 'Name of the policy'),
  actual: about(count, 'Steps that fired, had the timekeeper never been late'),
  proposed: about(count, 'Steps that would have fired'),
  gained: about(count, 'Steps that fire only under the proposed contract'),
  lost: about(count, 'Steps that fire only under the actual contract'),
});

/** How many steps of escalation policies fired, and how many the proposed contract adds and removes. */
export type EscalationTally = Static<typeof escalationTallySchema>;

const tallyBy = <Entries extends ObjectEntries>(entries: Entries) => listOf(open({ ...tallySchema.entries, ...entries }));
const totalsSchema = open({
  tickets: about(count, 'Tickets replayed'),
  changed: about(count, 'Tickets with a breach or an escalation gained or lost, or with a rule that fires'),
  ...tallySchema.entries,
  escalations: about(listOf(escalationTallySchema), 'By policy name: notifications and hand-offs'),
  rules: about(listOf(ruleTallySchema), 'By name of each rule of the proposed contract that would have fired'),
  byKind: about(tallyBy(parts(slaClockSchema, 'kind')), 'By kind of clock'),
  byTier: about(tallyBy({ tier: refer(tierSchema) }), 'By tier, for clocks between tiers'),
  byPriority: about(tallyBy({ priority: refer(prioritySchema) }), 'By priority'),
  byClient: about(tallyBy({ client: about(text, 'The client (tenant)') }), 'By client'),
});

/** The sums over all replayed tickets. */
export type SimulationTotals = Static<typeof totalsSchema>;

export const simulationSchema = about(
  open({
    asOf: about(instant, 'Later events are left out'),
    totals: about(totalsSchema, 'For all replayed tickets'),
    items: about(
      listOf(ticketComparisonSchema),
      'Tickets with a breach or an escalation gained or lost, or with a rule that fires, each with only those, in recording order',
    ),
  }),
  'How the clocks of past tickets would have turned out under another contract',
);

export type Simulation = Static<typeof simulationSchema>;

interface Cell {
  readonly kind: ClockKind;
  readonly tier: Tier | undefined;
  readonly priority: Priority;
  readonly client: string;
  readonly actual: Record<Verdict, number>;
  readonly proposed: Record<Verdict, number>;
  gained: number;
  lost: number;
}

/** Sums up tickets one by one, in memory that grows with clients, not with tickets. */
export class SimulationSums {
  #tickets = 0;
  #changed = 0;
  readonly #cells = new Map<string, Cell>();
  readonly #rules = new Map<string, { tickets: number; fired: number }>();
  readonly #escalations = new Map<string, { -readonly [Field in keyof EscalationTally]: EscalationTally[Field] }>();

  add(comparison: TicketComparison): void {
    const { client, priority, clocks, escalations, rules } = comparison;
    this.#tickets++;
    if (isChanged(comparison)) this.#changed++;
    for (const rule of new Set(rules.map((one) => one.rule))) {
      const sums = this.#rules.get(rule) ?? { tickets: 0, fired: 0 };
      const fired = sums.fired + rules.filter((one) => one.rule === rule).length;
      this.#rules.set(rule, { tickets: sums.tickets + 1, fired });
    }
    for (const { policy, kind, actual, proposed, escalation } of escalations) {
      const key = JSON.stringify([policy, kind]);
      const tally = this.#escalations.get(key) ?? { policy, kind, actual: 0, proposed: 0, gained: 0, lost: 0 };
      this.#escalations.set(key, tally);
      if (actual !== undefined) tally.actual++;
      if (proposed !== undefined) tally.proposed++;
      if (escalation !== undefined) tally[escalation]++;
    }
    for (const { kind, tier, actual, proposed, breach } of clocks) {
      const key = JSON.stringify([kind, tier, priority, client]);
      let cell = this.#cells.get(key);
      if (cell === undefined)
        this.#cells.set(key, (cell = { kind, tier, priority, client, actual: noVerdicts(), proposed: noVerdicts(), gained: 0, lost: 0 }));
      if (actual !== undefined) cell.actual[actual.verdict]++;
      if (proposed !== undefined) cell.proposed[proposed.verdict]++;
      if (breach !== undefined) cell[breach]++;
    }
  }

  totals(): SimulationTotals {
    const cells = [...this.#cells.values()];
    return {
      tickets: this.#tickets,
      changed: this.#changed,
      ...tally(cells),
      escalations: [...this.#escalations].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, sums]) => ({ ...sums })),
      rules: [...this.#rules].sort(([one], [other]) => (one < other ? -1 : 1)).map(([rule, sums]) => ({ rule, ...sums })),
      byKind: tallies(cells, 'kind', (kind) => CLOCK_KINDS.indexOf(kind)),
      byTier: tallies(cells, 'tier', rank),
      byPriority: tallies(cells, 'priority', (priority) => PRIORITIES.indexOf(priority)),
      byClient: tallies(cells, 'client', (client) => client),
    };
  }
}

/** A tally for each existing value of a field, in key order. */
function tallies<Name extends 'kind' | 'tier' | 'priority' | 'client', Value extends NonNullable<Cell[Name]>>(
  cells: readonly Cell[],
  name: Name,
  order: (value: Value) => number | string,
): (Tally & { readonly [Key in Name]: Value })[] {
  const groups = new Map<Value, Cell[]>();
  for (const cell of cells) {
    const value = cell[name] as Value | undefined;
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [cell]);
    else group.push(cell);
  }
  return [...groups]
    .sort(([one], [other]) => (order(one) < order(other) ? -1 : 1))
    .map(([value, group]) => ({ [name]: value, ...tally(group) }) as Tally & { readonly [Key in Name]: Value });
}

function noVerdicts(): Record<Verdict, number> {
  return { met: 0, breached: 0, open: 0, cancelled: 0 };
}

function tally(cells: readonly Cell[]): Tally {
  const sum = { actual: noVerdicts(), proposed: noVerdicts(), gained: 0, lost: 0 };
  for (const { actual, proposed, gained, lost } of cells) {
    for (const verdict of Object.keys(actual) as Verdict[]) {
      sum.actual[verdict] += actual[verdict];
      sum.proposed[verdict] += proposed[verdict];
    }
    sum.gained += gained;
    sum.lost += lost;
  }
  return sum;
}
