import { createHash } from 'node:crypto';
import { epochMillis, formatPosition, type Instant, instantFrom, isRefusal, type Position, refuse, type Refusal } from '#eventsourcing';
import {
  calendarFor,
  canonicalJson,
  type ClientContract,
  contracts,
  type Context,
  defaultContract,
  type EventRef,
  fieldsFor,
  type Filters,
  type Group,
  type HistoryEntry,
  type HourlyRates,
  isAmong,
  type Kpi,
  kpiById,
  type KpiEvidence,
  type KpiReport,
  kpis,
  KpiTally,
  omitUndefined,
  type Placed,
  type TallyAsked,
  type TicketFacts,
  ticketHistory,
  ticketViews,
  usualContext,
  weightsOf,
} from '#ticketing';
import { factsAt, type PlacedFacts } from './facts-at.js';
import { databaseAnswer, find, positionOfViews, type Sources, waitForPosition } from './read-models.js';

export interface KpiAsked {
  readonly id: string;
  readonly from: Instant;
  readonly to: Instant;
  readonly groupBy: readonly Group[];
  readonly filters: Filters;
  readonly compare: boolean;
  /** N of the KPIs that look at N days. */
  readonly days?: number | undefined;
  /** What work costs, and in which currency; default: the rates of the contract of the only client asked for, else hours of L1. */
  readonly rates?: HourlyRates | undefined;
  readonly currency?: string | undefined;
  /** Position as of which to answer; default: the position of the views. */
  readonly at?: Position | undefined;
  readonly evaluatedAt: Instant;
}

/** Filters by facts of the ticket itself. */
export type FiltersOfTicket = Pick<Filters, 'client' | 'service' | 'priority' | 'channel' | 'kind' | 'category'>;

export interface EvidenceAsked extends Omit<KpiAsked, 'groupBy' | 'compare'> {
  readonly limit: number;
  /** Id of the last ticket of the previous page. */
  readonly after?: string | undefined;
}

/** A KPI, for display. */
export function shownKpi({ id, version, title, says, unit, dimensions, fields, events }: Kpi): KpiReport['kpi'] {
  return { id, version, title, says, unit, dimensions: [...dimensions], fields: [...new Set(fields)], events: [...new Set(events)] };
}

/** Every KPI, with its formula. */
export function listKpis(): { readonly items: readonly KpiReport['kpi'][] } {
  return { items: kpis.map(shownKpi) };
}

/** A KPI over a period, as of a position in the log. */
export async function readKpi(sources: Sources, asked: KpiAsked): Promise<KpiReport | Refusal> {
  const found = await readKpis(sources, [asked], asked.at);
  return isRefusal(found) ? found : found[0];
}

/** KPIs, each with its own request, as of one position in the log. Facts shared by several are read once. */
export async function readKpis<const All extends readonly Omit<KpiAsked, 'at'>[]>(
  sources: Sources,
  all: All,
  at: Position | undefined,
): Promise<{ readonly [Place in keyof All]: KpiReport } | Refusal> {
  const known = all.flatMap((asked) => {
    const kpi = kpiById(asked.id);
    return kpi === undefined ? [] : [{ asked, kpi }];
  });
  if (known.length < all.length) return noKpi();
  const position = await positionFor(sources, at);
  if (isRefusal(position)) return position;
  const running: Running[] = [];
  const told: (() => KpiReport)[] = [];
  for (const { asked, kpi } of known) {
    const { from, to, groupBy, filters, evaluatedAt } = asked;
    const rates = await ratesFor(sources, kpi, asked);
    const begin = await tallierOf(sources, kpi, { ...asked, weights: rates?.perHour }, position);
    const now = begin({ from: epochMillis(from), to: epochMillis(to), groupBy, filters });
    const earlier = asked.compare ? periodBefore(asked) : undefined;
    const then = earlier && begin({ ...earlier, groupBy, filters });
    running.push(now, ...(then === undefined ? [] : [then]));
    told.push(() => {
      const report = {
        kpi: shownKpi(kpi),
        from,
        to,
        ...now.tally.result(),
        groupBy,
        filters: filters as KpiReport['filters'],
        ...(earlier && then && { before: { from: instantFrom(earlier.from), to: from, ...then.tally.result() } }),
        ...(rates && { rates }),
        position: formatPosition(position),
        evaluatedAt,
      };
      return { ...report, digest: digestOf(asked, report) };
    });
  }
  await tallyAll(sources, position, running);
  return told.map((report) => report()) as { readonly [Place in keyof All]: KpiReport };
}

/** The tickets behind a number, a page at a time. */
export async function readKpiEvidence(
  sources: Sources,
  asked: EvidenceAsked,
): Promise<(KpiEvidence & { readonly more: boolean }) | Refusal> {
  const kpi = kpiById(asked.id);
  if (kpi === undefined) return noKpi();
  const position = await positionFor(sources, asked.at);
  if (isRefusal(position)) return position;
  const { from, to, filters, evaluatedAt, limit, after = '' } = asked;
  const rates = await ratesFor(sources, kpi, asked);
  const begin = await tallierOf(sources, kpi, { ...asked, weights: rates?.perHour }, position);
  let lines: { readonly facts: PlacedFacts; readonly counted: readonly Placed[] }[] = [];
  const first = (most: number) => {
    lines.sort((one, other) => (one.facts._id < other.facts._id ? -1 : 1));
    lines = lines.slice(0, most);
  };
  const running = begin({ from: epochMillis(from), to: epochMillis(to), groupBy: [], filters }, (facts, counted) => {
    if (counted.length === 0 || facts._id <= after) return;
    lines.push({ facts, counted });
    if (lines.length > 50 * limit) first(limit + 1);
  });
  await tallyAll(sources, position, [running]);
  const { total } = running.tally.result();
  first(limit + 1);
  const shown = lines.slice(0, limit);
  const events = await eventsBehind(
    sources,
    kpi,
    shown.map(({ facts }) => facts._id),
    position,
  );
  const items = shown.map(({ facts, counted }) => ({
    ticketId: facts._id,
    client: facts.client,
    contractVersion: facts.contractVersion,
    position: facts.position,
    counted: counted.map(({ counted: { at, tier, team, agent, clock }, n }) => ({
      n,
      ...(at === undefined ? {} : { at: instantFrom(at) }),
      ...(tier && { tier }),
      ...(team && { team }),
      ...(agent && { agent }),
      ...(clock && { clock }),
    })),
    events: events.get(facts._id) ?? [],
  }));
  const report = {
    kpi: shownKpi(kpi),
    from,
    to,
    filters: filters as KpiEvidence['filters'],
    total,
    ...(rates && { rates }),
    position: formatPosition(position),
    evaluatedAt,
  };
  const digest = digestOf(asked, { ...report, groups: [], groupBy: [] });
  return { ...report, digest, items, more: lines.length > limit };
}

/** Fields of a line of evidence, besides what counted. */
const OF_EVIDENCE = ['client', 'contractVersion'] as const;

type Each = (facts: PlacedFacts, counted: readonly Placed[]) => void;

/** A KPI being added up over a period, with the facts that it needs. */
interface Running {
  readonly tally: KpiTally;
  readonly where: object;
  readonly fields: readonly (keyof TicketFacts)[];
  readonly each: Each | undefined;
}

/** The tickets that a KPI also looks at, in MongoDB's query language. */
export function relatedTickets({ having }: Pick<NonNullable<Kpi['relation']>, 'having'>): object {
  const entries = Object.entries(having).map(([fact, values]) => [fact, values === 'any' ? { $exists: true } : { $in: values }]);
  return Object.fromEntries(entries) as object;
}

/** The context of a KPI is read once, for all periods. */
async function tallierOf(
  sources: Sources,
  kpi: Kpi,
  { evaluatedAt, days, weights, to }: Pick<KpiAsked, 'evaluatedAt' | 'days' | 'to'> & { readonly weights?: Context['weights'] | undefined },
  position: Position,
): Promise<(asked: TallyAsked, each?: Each) => Running> {
  const calendarOf = kpi.aggregation === 'uptime' ? await calendars(sources, evaluatedAt) : () => calendarFor(defaultContract.calendar);
  const context: Context = usualContext(epochMillis(evaluatedAt), calendarOf, omitUndefined({ days, weights }));
  const { relation } = kpi;
  const related = relation?.none();
  if (relation !== undefined) {
    // What comes after the period does not matter, except for clients who must still be there.
    const having = relatedTickets(relation);
    const where = kpi.once === 'client' ? having : { ...having, openedAt: { $lt: new Date(to) } };
    for await (const batch of factsAt(sources, position, { where, fields: [...relation.fields, 'openedAt'] })) {
      for (const facts of batch) relation.add(related, facts);
    }
  }
  return (asked, each) => ({
    tally: new KpiTally(kpi, asked, context, related),
    where: boundOf(kpi, asked),
    fields: [...fieldsFor(kpi, asked), ...(each === undefined ? [] : OF_EVIDENCE)],
    each,
  });
}

/** Adds up KPIs as of a position: the facts are read once for those that look at the same tickets. */
async function tallyAll(sources: Sources, position: Position, all: readonly Running[]): Promise<void> {
  const together = new Map<string, Running[]>();
  for (const one of all) {
    const bound = JSON.stringify(one.where);
    together.set(bound, [...(together.get(bound) ?? []), one]);
  }
  for (const some of together.values()) {
    const { where } = some[0] as Running;
    const fields = some.flatMap((one) => one.fields);
    for await (const batch of factsAt(sources, position, { where, fields })) {
      for (const facts of batch) {
        for (const { tally, each } of some) {
          const counted = tally.add(facts);
          each?.(facts, counted);
        }
      }
    }
  }
}

/** The previous period of the same length, in milliseconds since 1970. */
function periodBefore({ from, to }: Pick<KpiAsked, 'from' | 'to'>): Pick<TallyAsked, 'from' | 'to'> {
  const [begin, end] = [epochMillis(from), epochMillis(to)];
  return { from: begin - (end - begin), to: begin };
}

/** Which tickets can count in a period: the condition for the indexes. */
export function boundOf({ anchor }: Pick<Kpi, 'anchor'>, { from, to, filters }: Pick<TallyAsked, 'from' | 'to' | 'filters'>): object {
  const within = { $gte: new Date(from), $lt: new Date(to) };
  const { client, service, priority, channel, kind, servedBy } = filters;
  const equal = Object.entries({ client, service, priority, channel, kind, servedBy }).flatMap(([field, values]) =>
    values === undefined ? [] : [{ [field]: values.length === 1 ? values[0] : { $in: values } }],
  );
  const anchored = {
    opened: [{ openedAt: within }],
    resolved: [{ resolvedAt: within }],
    closed: [{ closedAt: { $exists: true } }, { endedAt: within }],
    'since-opening': [{ openedAt: { $lt: new Date(to) } }],
    life: [{ openedAt: { $lt: new Date(to) } }, { $or: [{ endedAt: null }, { endedAt: { $gte: new Date(from) } }] }],
  }[anchor];
  return { $and: [...anchored, ...equal] };
}

/** The facts of the tickets opened in a period that pass the filters, in batches, as of a position. */
export async function* openedTickets(
  sources: Sources,
  position: Position,
  { from, to, filters }: Pick<TallyAsked, 'from' | 'to'> & { readonly filters: FiltersOfTicket },
  fields: readonly (keyof TicketFacts)[],
): AsyncGenerator<readonly PlacedFacts[]> {
  const dimensions = Object.entries(filters) as [keyof FiltersOfTicket, readonly string[]][];
  const where = boundOf({ anchor: 'opened' }, { from, to, filters });
  const needed = ['openedAt' as const, ...fields, ...dimensions.map(([dimension]) => dimension)];
  for await (const batch of factsAt(sources, position, { where, fields: needed })) {
    // Tickets that have changed since come regardless of the filter.
    yield batch.filter(
      (facts) =>
        +facts.openedAt >= from &&
        +facts.openedAt < to &&
        dimensions.every(([dimension, wanted]) => isAmong(wanted, dimension, facts[dimension])),
    );
  }
}

async function calendars(sources: Sources, at: Instant): Promise<Context['calendarOf']> {
  const found = await databaseAnswer(find<ClientContract>(sources, contracts.name, {}).toArray());
  const inForce = new Map(found.map((contract) => [contract.client, versionAt(contract, at)?.terms ?? defaultContract]));
  return (client) => calendarFor((inForce.get(client) ?? defaultContract).calendar);
}

/**
 * What an hour of work costs, for a KPI of costs; undefined for others. Rates of contracts count for one client alone: amounts of several
 * currencies have no sum.
 */
async function ratesFor(
  sources: Sources,
  { unit }: Kpi,
  { rates, currency, filters, evaluatedAt }: Pick<KpiAsked, 'rates' | 'currency' | 'filters' | 'evaluatedAt'>,
): Promise<KpiReport['rates']> {
  if (unit !== 'cost') return undefined;
  if (rates !== undefined) return omitUndefined({ perHour: weightsOf(rates), currency });
  const [client, ...others] = filters.client ?? [];
  if (client === undefined || others.length > 0) return { perHour: weightsOf({ L1: 1 }) };
  const [found] = await databaseAnswer(find<ClientContract>(sources, contracts.name, { client }).limit(1).toArray());
  const agreed = found && versionAt(found, evaluatedAt);
  if (agreed?.terms.rates === undefined) return { perHour: weightsOf({ L1: 1 }) };
  const { perHour, currency: agreedIn } = agreed.terms.rates;
  return { perHour: weightsOf({ L1: 1, ...perHour }), currency: agreedIn, contractVersion: agreed.version };
}

/** The version of a contract that is in force at an instant. */
function versionAt({ versions }: ClientContract, at: Instant) {
  return versions.findLast(({ effectiveFrom }) => effectiveFrom <= at);
}

/** The events behind the counted tickets, up to a position. */
async function eventsBehind(
  sources: Sources,
  { events: types }: Kpi,
  ids: readonly string[],
  { commit }: Position,
): Promise<ReadonlyMap<string, readonly EventRef[]>> {
  const behind = new Map<string, EventRef[]>();
  const filter = { ticketId: { $in: [...ids] }, type: { $in: [...types] }, position: { $lte: Number(commit) } };
  const found = find<HistoryEntry>(sources, ticketHistory.name, filter).sort({ ticketId: 1, revision: 1 });
  for (const { ticketId, eventId, revision, position, type, effectiveAt, recordedAt } of await databaseAnswer(found.toArray())) {
    const known = behind.get(ticketId) ?? [];
    known.push({ eventId, revision, position, type, effectiveAt, recordedAt });
    behind.set(ticketId, known);
  }
  return behind;
}

/** Position of views that have read nothing yet. */
export const LOG_START: Position = { commit: 0n, prepare: 0n };

/** The position of the views, or the requested one if the views have reached it. */
export async function positionFor(sources: Sources, at: Position | undefined, field = 'at'): Promise<Position | Refusal> {
  const behind = await waitForPosition(sources, ticketViews, at, field);
  if (behind !== undefined) return behind;
  return at ?? (await positionOfViews(sources, ticketViews.name)) ?? LOG_START;
}

function noKpi(): Refusal {
  return refuse('kpi-not-found', `There are ${kpis.map(({ id }) => id).join(', ')}`);
}

function digestOf({ days }: Pick<KpiAsked, 'days'>, { kpi, ...report }: Omit<KpiReport, 'digest'>): string {
  const content = canonicalJson({ kpi: kpi.id, version: kpi.version, ...(days === undefined ? {} : { days }), ...report });
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
