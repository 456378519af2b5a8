import type { Instant } from '#eventsourcing';
import type { CompiledCalendar } from '../contract/business-calendar.js';
import type { TicketEventType } from '../events/ticket-events.js';
import type { TicketFacts } from '../views/ticket-facts.js';
import type { ClockKind, Tier } from '../vocabulary.js';

/** A document as stored by databases in which instants are dates. */
export type Dated<T> = T extends Instant
  ? Date
  : T extends readonly (infer Item)[]
    ? readonly Dated<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Dated<T[Key]> }
      : T;

/** The facts of a ticket that KPIs count: a document of `ticket_facts`. */
export type Facts = Dated<TicketFacts> & { readonly _id: string };

/** The stays that brought a ticket to a new tier, or to its first. */
export function tierMoves(stays: Facts['stays']): Facts['stays'] {
  return stays.filter(({ tier }, index) => tier !== stays[index - 1]?.tier);
}

/** How a number can be divided, besides by time. */
export const DIMENSIONS = [
  'tier',
  'team',
  'agent',
  'client',
  'category',
  'service',
  'priority',
  'channel',
  'kind',
  'servedBy',
  'clock',
] as const;
export type Dimension = (typeof DIMENSIONS)[number];
/** Dimensions that are facts of the ticket itself. */
export const OF_TICKET = [
  'client',
  'category',
  'service',
  'priority',
  'channel',
  'kind',
  'servedBy',
] as const satisfies readonly Dimension[];

/** Half-open, in milliseconds since 1970. */
export type Span = readonly [from: number, to: number];

/**
 * One thing that a KPI counts: at an instant, or in every period that one of its spans or hits falls in. A ticket's own dimensions (client,
 * category, service, priority, channel, kind, servedBy) need not be repeated.
 */
export interface Counted {
  readonly at?: number;
  readonly spans?: readonly Span[];
  /** Decides a period's share: the item counts as one of these in that period. */
  readonly hits?: readonly { readonly at: number; readonly also?: string }[];
  /** The numerator: 1 or 0 for a share, milliseconds for a duration, otherwise an amount. */
  readonly n: number;
  /** For items in stock: since when, for their age. */
  readonly since?: number;
  /** Amounts added up alongside, by name. */
  readonly also?: Readonly<Record<string, number>>;
  readonly tier?: Tier | undefined;
  readonly team?: string | undefined;
  readonly agent?: string | undefined;
  readonly clock?: ClockKind | undefined;
}

/** What a KPI is computed with, besides the facts. */
export interface Context {
  /** Now, in milliseconds since 1970: anything later has not happened. */
  readonly now: number;
  /** N of the KPIs that look at N days. */
  readonly days: number;
  /** What an hour of work costs at each tier. */
  readonly weights: Readonly<Record<Tier, number>>;
  /** The hours of a client's contract. */
  readonly calendarOf: (client: string) => CompiledCalendar;
}

/**
 * How counted items become a number. `share`: n ÷ how many. `mean`: mean of n, with p50 and p90. `ratio`: Σ n ÷ how many. `count`: Σ n.
 * `stock`: how many there are at the end of a period, with their age. `proportion`: how many, out of those of all tiers. `uptime`: see the
 * formula.
 */
export type Aggregation = 'share' | 'mean' | 'ratio' | 'count' | 'stock' | 'proportion' | 'uptime';

/** Information from other tickets: gathered once, in any order, then queried for each ticket. */
export interface KpiRelation<Related> {
  /** Which tickets: those that have all of these facts, whatever they are or with one of the values. A superset, not the rule. */
  readonly having: { readonly [Fact in keyof TicketFacts]?: 'any' | readonly NonNullable<TicketFacts[Fact]>[] };
  readonly fields: readonly (keyof TicketFacts)[];
  readonly none: () => Related;
  /** Adds what must be known of a ticket; nothing else of it is kept. */
  readonly add: (known: Related, facts: Facts) => void;
}

/** Which tickets can count in a period: those opened, resolved or closed in it, or whose life, or its aftermath, overlaps it. */
export type Anchor = 'opened' | 'resolved' | 'closed' | 'life' | 'since-opening';

/** A key performance indicator: what it means in words, and as code. */
export interface Kpi<Related = unknown> {
  readonly id: string;
  /** Raised when the formula changes: figures of different versions are not comparable. */
  readonly version: number;
  readonly title: string;
  /** The formula, in words. */
  readonly says: string;
  readonly unit: 'share' | 'milliseconds' | 'tickets' | 'cost' | 'bounces';
  readonly aggregation: Aggregation;
  /** What counts only once in each number: a ticket, a client, or each counted item. */
  readonly once: 'ticket' | 'client' | 'each';
  readonly dimensions: readonly Dimension[];
  readonly anchor: Anchor;
  /** The facts that it is computed from. */
  readonly fields: readonly (keyof TicketFacts)[];
  /** The types of the events behind those facts. */
  readonly events: readonly TicketEventType[];
  readonly relation?: KpiRelation<Related>;
  /** What a ticket contributes. */
  readonly count: (facts: Facts, context: Context, related: Related) => readonly Counted[];
}

/** Declares a KPI that is computed from each ticket alone. */
export function kpi(definition: Kpi<undefined>): Kpi {
  return definition as Kpi;
}

/** Declares a KPI that also looks at other tickets. */
export function kpiOf<Related>(definition: Kpi<Related> & { readonly relation: KpiRelation<Related> }): Kpi {
  return definition as Kpi;
}
