import { instantFrom } from '#eventsourcing';
import { openTimeBetween } from '../contract/business-calendar.js';
import { type Bucket, bucketAt, bucketsOf, type Period, PERIODS } from '../periods.js';
import type { Static } from '../schema.js';
import type { figureSchema } from '../views/kpi-report.js';
import type { TicketFacts } from '../views/ticket-facts.js';
import { type Context, type Counted, type Dimension, DIMENSIONS, type Facts, type Kpi, OF_TICKET, type Span } from './kpi.js';

export const GROUPS = [...DIMENSIONS, ...PERIODS] as const;
export type Group = (typeof GROUPS)[number];

/** Dimension → the values to keep. A category includes everything below it. */
export type Filters = Readonly<Partial<Record<Dimension, readonly string[]>>>;

export interface TallyAsked {
  /** Milliseconds since 1970; `to` is excluded. */
  readonly from: number;
  readonly to: number;
  readonly groupBy: readonly Group[];
  readonly filters: Filters;
}

/** A figure with its components. */
export type Figure = Static<typeof figureSchema>;

/** The number of one group: the value of each dimension, null where the facts have none. */
export interface GroupFigure extends Figure {
  readonly key: Readonly<Partial<Record<Group, string | null>>>;
}

export interface Tallied {
  readonly total: Figure;
  readonly groups: readonly GroupFigure[];
}

/** Something that counted, and where: for drilling down from a number. */
export interface Placed {
  readonly counted: Counted;
  readonly n: number;
}

/** Something that counts in a bucket. */
interface Hit extends Pick<Counted, 'n'> {
  readonly at: number;
  readonly also: Counted['also'];
  readonly bucket: Bucket;
}

const DAY = 86_400_000;
/** Age of what is in stock → its name. */
const AGES = [
  ['under-1-day', DAY],
  ['1-to-3-days', 3 * DAY],
  ['3-to-7-days', 7 * DAY],
  ['7-to-30-days', 30 * DAY],
  ['over-30-days', Infinity],
] as const;

/** What has been added up for one group. */
class Cell {
  n = 0;
  d = 0;
  readonly samples: number[] = [];
  readonly also: Record<string, number> = {};
  /** Client → what it last counted as, and when. */
  readonly clients = new Map<string, { readonly at: number; readonly n: number }>();

  constructor(readonly key: GroupFigure['key']) {}

  add(n: number, d: number, also: Counted['also']): void {
    this.n += n;
    this.d += d;
    for (const name in also) this.also[name] = (this.also[name] ?? 0) + (also[name] ?? 0);
  }
}

type Key = GroupFigure['key'];

/** The facts that a KPI needs: those of its formula, and those of the question's groups and filters. */
export function fieldsFor({ fields }: Pick<Kpi, 'fields'>, { groupBy, filters }: Pick<TallyAsked, 'groupBy' | 'filters'>) {
  const asked = OF_TICKET.filter((dimension) => groupBy.includes(dimension) || filters[dimension] !== undefined);
  const zone = PERIODS.some((period) => groupBy.includes(period)) ? (['zone'] as const) : [];
  return [...new Set<keyof TicketFacts>([...fields, ...asked, ...zone])];
}

/** Adds up a KPI over a period, ticket by ticket, in any order. */
export class KpiTally {
  readonly #total = new Cell({});
  readonly #cells = new Map<string, Cell>();
  /** For a proportion: the total of all tiers. */
  readonly #wholes = new Map<string, number>();
  /** For uptime: when a service was down. */
  readonly #services = new Map<string, { readonly key: Key; readonly client: string; readonly spans: Span[] }>();
  readonly #period: Period | undefined;
  readonly #dimensions: readonly Dimension[];
  readonly #buckets = new Map<string, readonly Bucket[]>();
  readonly #whole: Bucket;
  readonly #filters: readonly (readonly [Dimension, readonly string[]])[];

  constructor(
    private readonly kpi: Kpi,
    private readonly asked: TallyAsked,
    private readonly context: Context,
    private readonly related: unknown,
  ) {
    const { groupBy, from, to, filters } = asked;
    this.#period = PERIODS.find((period) => groupBy.includes(period));
    this.#dimensions = DIMENSIONS.filter((dimension) => groupBy.includes(dimension));
    this.#whole = { key: '', from, to };
    this.#filters = DIMENSIONS.flatMap((dimension) => {
      const wanted = filters[dimension];
      return wanted === undefined ? [] : [[dimension, wanted] as const];
    });
  }

  /** @returns what of the ticket counted in the entire period */
  add(facts: Facts): readonly Placed[] {
    const counts: Placed[] = [];
    const found = this.kpi.count(facts, this.context, this.related);
    /** Cell → the value of the ticket in it, which counts once, however many of its items do. */
    const ofTicket =
      this.kpi.once === 'ticket' && found.length > 1 ? new Map<Cell, { n: number; also: Record<string, number> }>() : undefined;
    for (const counted of found) {
      if (this.kpi.aggregation === 'proportion') this.#addToWhole(facts, counted);
      if (!this.#passes(facts, counted)) continue;
      if (this.kpi.aggregation === 'uptime') {
        this.#addService(facts, counted);
        if ((counted.spans ?? []).some((span) => overlapsBucket(span, this.#whole))) counts.push({ counted, n: counted.n });
        continue;
      }
      for (const { n, at, also } of this.#inBuckets([this.#whole], counted)) {
        this.#put(this.#total, facts, counted, { n, at, also }, ofTicket);
        counts.push({ counted, n });
      }
      if (this.asked.groupBy.length === 0) continue;
      for (const hit of this.#inBuckets(this.#bucketsOf(facts), counted))
        this.#put(this.#cell(facts, counted, hit.bucket), facts, counted, hit, ofTicket);
    }
    if (ofTicket !== undefined) for (const [cell, { n, also }] of ofTicket) cell.add(n, 1, also);
    return counts;
  }

  #put(
    cell: Cell,
    { client }: Facts,
    { since }: Counted,
    { n, at, also }: Pick<Hit, 'n' | 'at' | 'also'>,
    ofTicket: Map<Cell, { n: number; also: Record<string, number> }> | undefined,
  ): void {
    const { aggregation, once } = this.kpi;
    if (aggregation === 'mean' || aggregation === 'stock') cell.samples.push(since === undefined ? n : at - since);
    if (once === 'client') {
      const known = cell.clients.get(client);
      if (known === undefined || at > known.at || (at === known.at && n < known.n)) cell.clients.set(client, { at, n });
    } else if (ofTicket === undefined) cell.add(n, 1, also);
    else {
      const known = ofTicket.get(cell) ?? { n: 0, also: {} };
      const join = aggregation === 'share' ? Math.max : (one: number, other: number) => one + other;
      known.n = join(known.n, n);
      for (const name in also) known.also[name] = join(known.also[name] ?? 0, also[name] ?? 0);
      ofTicket.set(cell, known);
    }
  }

  result(): Tallied {
    if (this.kpi.aggregation === 'uptime') return this.#uptime();
    const groups = [...this.#cells.values()].map((cell) => ({ key: cell.key, ...this.#figure(cell) }));
    return { total: this.#figure(this.#total), groups: groups.sort((one, other) => compareKeys(this.asked.groupBy, one.key, other.key)) };
  }

  #figure(cell: Cell): Figure {
    const also = Object.keys(cell.also).length === 0 ? {} : { also: cell.also };
    const last = [...cell.clients.values()];
    const n = this.kpi.once === 'client' ? last.reduce((sum, client) => sum + client.n, 0) : cell.n;
    const d = this.kpi.once === 'client' ? last.length : cell.d;
    switch (this.kpi.aggregation) {
      case 'count':
        return { value: n, ...also };
      case 'stock':
        return { value: cell.samples.length, ...quantiles(cell.samples), also: ages(cell.samples) };
      case 'proportion': {
        const whole = this.#wholes.get(this.#wholeKey(cell.key)) ?? 0;
        return { ...divided(n, whole), ...also };
      }
      case 'mean':
        return { ...divided(n, d), ...quantiles(cell.samples), ...also };
      default:
        return { ...divided(n, d), ...also };
    }
  }

  /** Where something counts: each bucket once. */
  #inBuckets(buckets: readonly Bucket[], counted: Counted): readonly Hit[] {
    const { at, spans = [], hits = [], n, also } = counted;
    if (at !== undefined) {
      const bucket = buckets[bucketAt(buckets, at)];
      return bucket === undefined ? [] : [{ n, at, bucket, also }];
    }
    const found: Hit[] = [];
    const times = [...spans.flat(), ...hits.map((hit) => hit.at)];
    const first = Math.max(0, bucketAt(buckets, Math.max(Math.min(...times), this.asked.from)));
    const end = Math.max(...times);
    for (let index = first; index < buckets.length; index++) {
      const bucket = buckets[index];
      if (bucket === undefined || bucket.from > end) break;
      if (this.kpi.aggregation === 'stock') {
        // What there is at its end, or now if the end is in the future.
        const instant = Math.min(bucket.to, this.context.now);
        if (instant > bucket.from && spans.some(([from, to]) => from <= instant && instant < to))
          found.push({ n, at: instant, bucket, also: undefined });
        continue;
      }
      const inside = hits.filter((hit) => bucket.from <= hit.at && hit.at < bucket.to);
      if (inside.length === 0 && !spans.some((span) => overlapsBucket(span, bucket))) continue;
      const named: Record<string, number> = {};
      for (const hit of inside) if (hit.also !== undefined) named[hit.also] = 1;
      found.push({ n: inside.length > 0 ? 1 : 0, at: bucket.from, bucket, also: named });
    }
    return found;
  }

  #bucketsOf({ zone }: Pick<Facts, 'zone'>): readonly Bucket[] {
    if (this.#period === undefined) return [this.#whole];
    let known = this.#buckets.get(zone);
    if (known === undefined) {
      known = bucketsOf(this.#period, zone, this.asked.from, this.asked.to);
      this.#buckets.set(zone, known);
    }
    return known;
  }

  #cell(facts: Facts, counted: Counted, bucket: Bucket): Cell {
    let name = bucket.key;
    for (const dimension of this.#dimensions) {
      const value = valueOf(dimension, facts, counted);
      // Includes the length, so that no two lists of values have one name.
      name += value === undefined ? ' -' : ` ${value.length} ${value}`;
    }
    let cell = this.#cells.get(name);
    if (cell === undefined) {
      cell = new Cell(this.#key(facts, counted, bucket));
      this.#cells.set(name, cell);
    }
    return cell;
  }

  #key(facts: Facts, counted: Counted, bucket: Bucket): Key {
    const key: Partial<Record<Group, string | null>> = {};
    for (const dimension of this.#dimensions) key[dimension] = valueOf(dimension, facts, counted) ?? null;
    if (this.#period !== undefined) key[this.#period] = bucket.key;
    return key;
  }

  #passes(facts: Facts, counted: Counted, except?: Dimension): boolean {
    return this.#filters.every(
      ([dimension, wanted]) => dimension === except || isAmong(wanted, dimension, valueOf(dimension, facts, counted)),
    );
  }

  #addToWhole(facts: Facts, counted: Counted): void {
    if (!this.#passes(facts, counted, 'tier')) return;
    const add = (key: string) => this.#wholes.set(key, (this.#wholes.get(key) ?? 0) + 1);
    if (counted.at === undefined || bucketAt([this.#whole], counted.at) < 0) return;
    add(this.#wholeKey({}));
    if (this.asked.groupBy.some((group) => group !== 'tier')) {
      const buckets = this.#bucketsOf(facts);
      const bucket = buckets[bucketAt(buckets, counted.at)];
      if (bucket !== undefined) add(this.#wholeKey(this.#key(facts, counted, bucket)));
    }
  }

  #wholeKey(key: Key): string {
    const { tier: _tier, ...rest } = key;
    return JSON.stringify(rest);
  }

  #addService(facts: Facts, counted: Counted): void {
    const key = this.#key(facts, counted, this.#whole);
    const name = JSON.stringify([key, facts.client, facts.service]);
    const known = this.#services.get(name) ?? { key, client: facts.client, spans: [] };
    known.spans.push(...(counted.spans ?? []));
    this.#services.set(name, known);
  }

  /** A service is down while any of its major incidents lasts, within its service hours. */
  #uptime(): Tallied {
    const { now, calendarOf } = this.context;
    const sums = new Map<string, { readonly key: Key; up: number; hours: number }>();
    const add = (key: Key, up: number, hours: number) => {
      const name = JSON.stringify(key);
      const known = sums.get(name) ?? { key, up: 0, hours: 0 };
      known.up += up;
      known.hours += hours;
      sums.set(name, known);
    };
    let total = { up: 0, hours: 0 };
    for (const { key, client, spans } of this.#services.values()) {
      const calendar = calendarOf(client);
      const open = (from: number, to: number) => (from < to ? openTimeBetween(calendar, instantFrom(from), instantFrom(to)) : 0);
      const down = merged(spans);
      const measure = (bucket: Bucket) => {
        const to = Math.min(bucket.to, now);
        const hours = open(bucket.from, to);
        const lost = down.reduce((sum, [from, until]) => sum + open(Math.max(from, bucket.from), Math.min(until, to)), 0);
        return { up: hours - lost, hours };
      };
      const whole = measure(this.#whole);
      total = { up: total.up + whole.up, hours: total.hours + whole.hours };
      if (this.asked.groupBy.length === 0) continue;
      for (const bucket of this.#bucketsOf(calendar.definition)) {
        const { up, hours } = measure(bucket);
        if (hours > 0) add(this.#period === undefined ? key : { ...key, [this.#period]: bucket.key }, up, hours);
      }
    }
    const groups = [...sums.values()].map(({ key, up, hours }) => ({ key, ...divided(up, hours) }));
    return {
      total: divided(total.up, total.hours),
      groups: groups.sort((one, other) => compareKeys(this.asked.groupBy, one.key, other.key)),
    };
  }
}

/** Whether a value passes a filter. A category includes everything below it. */
export function isAmong(wanted: readonly string[], dimension: Dimension, value: string | undefined): boolean {
  return wanted.some((one) => value === one || (dimension === 'category' && value?.startsWith(`${one}/`)));
}

function valueOf(dimension: Dimension, facts: Facts, counted: Counted): string | undefined {
  switch (dimension) {
    case 'tier':
    case 'team':
    case 'agent':
    case 'clock':
      return counted[dimension];
    default:
      return facts[dimension];
  }
}

function overlapsBucket([from, to]: Span, bucket: Bucket): boolean {
  return from < bucket.to && (to > bucket.from || from >= bucket.from);
}

/** Spans that do not overlap, in order. */
export function merged(spans: readonly Span[]): readonly Span[] {
  const result: [number, number][] = [];
  for (const [from, to] of [...spans].sort(([a], [b]) => a - b)) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

function divided(numerator: number, denominator: number): Figure {
  return { value: denominator === 0 ? null : numerator / denominator, numerator, denominator };
}

function quantiles(samples: readonly number[]): Pick<Figure, 'p50' | 'p90'> {
  const sorted = Float64Array.from(samples).sort();
  return { p50: ranked(sorted, 0.5), p90: ranked(sorted, 0.9) };
}

/** By nearest rank: one of the samples; null if there are none. */
export function quantile(samples: readonly number[], share: number): number | null {
  return ranked(Float64Array.from(samples).sort(), share);
}

function ranked(sorted: Float64Array, share: number): number | null {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? null;
}

function ages(samples: readonly number[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = Object.fromEntries(AGES.map(([name]) => [name, 0]));
  for (const age of samples) {
    const name = AGES.find(([, under]) => age < under)?.[0] ?? 'over-30-days';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function compareKeys(groupBy: readonly Group[], one: Key, other: Key): number {
  for (const group of groupBy) {
    const [a, b] = [one[group] ?? '', other[group] ?? ''];
    if (a !== b) return a < b ? -1 : 1;
  }
  return 0;
}
