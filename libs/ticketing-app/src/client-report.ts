import { epochMillis, formatPosition, type Instant, instantFrom, isRefusal, type Position, type Refusal } from '#eventsourcing';
import {
  breachAutopsy,
  type Bucket,
  bucketAt,
  bucketsOf,
  type Facts,
  type FlowReport,
  type KpiReport,
  omitUndefined,
  periodBefore,
  type Report,
  type ReportRun,
  type SpentOn,
} from '#ticketing';
import { factsAt } from './facts-at.js';
import { readFlow } from './flow-query.js';
import { type KpiAsked, positionFor, readKpis } from './kpi-query.js';
import { scopedSources, type Sources, type Stores } from './read-models.js';
import { readTicketEvents } from './ticket-events.js';

/** What a client reads first, and hand-offs between tiers. */
export const HEADLINE_KPIS = [
  'ticket-volume',
  'backlog',
  'sla-compliance',
  'mtta',
  'mttr',
  'first-contact-resolution',
  'reopen-rate',
  'csat',
] as const;
export const HAND_OFF_KPIS = ['escalation-rate', 'return-rate', 'ping-pong', 'response-time'] as const;

/** Number of breaches listed individually. */
const MOST_BREACHES = 200;

type Period = Pick<ReportRun, 'from' | 'to'>;
type Figure = KpiReport['total'];
type Clock = Facts['clocks'][number];

/** A number for a period, and for the previous one. */
export interface ReportFigure extends Pick<KpiReport, 'kpi' | 'digest'> {
  readonly total: Figure;
  readonly before: Figure;
}

/** A broken promise, and what used up most of its time. */
export interface ReportedBreach extends Pick<Clock, 'kind' | 'tier' | 'vendor'> {
  readonly ticketId: string;
  readonly priority: string;
  readonly breachedAt: Instant;
  readonly because?: { readonly spentOn: SpentOn; readonly share: number };
}

/** A verdict that has changed. */
export interface ReportedRestatement extends Pick<Clock, 'kind' | 'tier' | 'vendor' | 'was' | 'verdict'> {
  readonly ticketId: string;
  readonly decidedAt: Instant;
  readonly restatedAt: Instant;
}

/** Content of a report about a client as of one position in the log: reading it again as of that position gives the same report. */
export interface ClientReport extends Pick<Report, 'report' | 'client' | 'every' | 'zone'>, Period {
  readonly before: Period;
  readonly position: string;
  readonly evaluatedAt: Instant;
  /** When the previous report was made; absent for the first one. */
  readonly since?: Instant;
  readonly figures: readonly ReportFigure[];
  /** Tickets resolved in the period, and in the previous one. */
  readonly resolved: { readonly total: number; readonly before: number };
  /** Promises met and broken, by kind of clock and priority. */
  readonly sla: KpiReport['groups'];
  /** By hour for a day, otherwise by day. `backlog` is at the end. */
  readonly course: readonly (Bucket & { readonly opened: number; readonly resolved: number; readonly backlog: number })[];
  readonly flow: FlowReport;
  readonly breaches: { readonly total: number; readonly listed: readonly ReportedBreach[] };
  readonly restatements: readonly ReportedRestatement[];
}

export interface ClientReportAsked extends Pick<Report, 'report' | 'client' | 'every' | 'zone'>, Period {
  readonly since?: Instant | undefined;
  /** Position as of which to answer; default: the position of the views. */
  readonly at?: Position | undefined;
}

/** Reads a report about a client, and data of that client only. What came after its period has not happened. */
export async function readClientReport(stores: Stores, asked: ClientReportAsked): Promise<ClientReport | Refusal> {
  const { report, client, every, zone, from, to, since } = asked;
  const sources = scopedSources(stores, { clients: [client] });
  const at = await positionFor(sources, asked.at);
  if (isRefusal(at)) return at;
  const before = periodBefore({ every, zone }, { from });
  const filters = { client: [client] };
  const kpi = (period: Period, id: string, groupBy: KpiAsked['groupBy'] = []) => ({
    id,
    ...period,
    groupBy,
    filters,
    compare: false,
    evaluatedAt: period.to,
  });
  const ids = [...HEADLINE_KPIS, ...HAND_OFF_KPIS];
  const period = { from, to };
  const told = await readKpis(sources, [kpi(period, 'sla-compliance', ['clock', 'priority']), ...ids.map((id) => kpi(period, id))], at);
  if (isRefusal(told)) return told;
  const [sla, ...now] = told;
  const then = await readKpis(
    sources,
    ids.map((id) => kpi(before, id)),
    at,
  );
  if (isRefusal(then)) return then;
  const figures = now.map(({ kpi, digest, total }, index) => ({ kpi, digest, total, before: (then[index] as KpiReport).total }));
  const flow = await readFlow(sources, { from, to, filters, at });
  if (isRefusal(flow)) return flow;
  const mttr = figures.find((figure) => figure.kpi.id === 'mttr');
  return {
    ...omitUndefined({ report, client, every, zone, from, to, since }),
    before,
    position: formatPosition(at),
    evaluatedAt: to,
    figures,
    resolved: { total: mttr?.total.denominator ?? 0, before: mttr?.before.denominator ?? 0 },
    sla: sla.groups,
    flow,
    ...(await ticketByTicket(sources, asked, at)),
  };
}

/** The parts about single tickets, and how many there were by day. */
async function ticketByTicket(
  sources: Sources,
  { client, every, zone, from: begin, to: end, since }: ClientReportAsked,
  at: Position,
): Promise<Pick<ClientReport, 'course' | 'breaches' | 'restatements'>> {
  const [from, to] = [epochMillis(begin), epochMillis(end)];
  const known = since === undefined ? undefined : epochMillis(since);
  const course = bucketsOf(every === 'day' ? 'hour' : 'day', zone, from, to).map((bucket) => ({
    ...bucket,
    opened: 0,
    resolved: 0,
    backlog: 0,
  }));
  const broken: (Omit<ReportedBreach, 'because'> & Pick<Clock, 'cycle'>)[] = [];
  const restatements: ReportedRestatement[] = [];
  const touched = [{ endedAt: null }, { endedAt: { $gte: new Date(from) } }];
  const restated = known === undefined ? [] : [{ 'clocks.restatedAt': { $gt: new Date(known) } }];
  const where = { client, openedAt: { $lt: new Date(to) }, $or: [...touched, ...restated] };
  const fields = ['priority', 'openedAt', 'resolvedAt', 'endedAt', 'clocks'] as const;
  const tell = ({ _id: ticketId, priority, openedAt, resolvedAt, endedAt, clocks }: Facts) => {
    // Tickets that have changed since come regardless of the filter.
    if (+openedAt >= to) return;
    const count = (when: Date | undefined, what: 'opened' | 'resolved') => {
      const bucket = when && course[bucketAt(course, +when)];
      if (bucket) bucket[what]++;
    };
    count(openedAt, 'opened');
    count(resolvedAt, 'resolved');
    for (const bucket of course) if (+openedAt < bucket.to && (endedAt === undefined || +endedAt >= bucket.to)) bucket.backlog++;
    for (const { kind, tier, vendor, cycle, verdict, decidedAt, restatedAt, was } of clocks) {
      const promise = omitUndefined({ ticketId, priority, kind, tier, vendor });
      const decided = instantFrom(+decidedAt);
      if (verdict === 'breached' && +decidedAt >= from && +decidedAt < to) broken.push({ ...promise, cycle, breachedAt: decided });
      if (known !== undefined && restatedAt !== undefined && +restatedAt > known && was !== verdict)
        restatements.push(omitUndefined({ ...promise, was, verdict, decidedAt: decided, restatedAt: instantFrom(+restatedAt) }));
    }
  };
  for await (const batch of factsAt(sources, at, { where, fields })) batch.forEach(tell);
  const byTime =
    <Line extends { readonly ticketId: string }>(time: (line: Line) => Instant) =>
    (one: Line, other: Line) =>
      `${time(one)} ${one.ticketId}` < `${time(other)} ${other.ticketId}` ? -1 : 1;
  broken.sort(byTime(({ breachedAt }) => breachedAt));
  restatements.sort(byTime(({ restatedAt }) => restatedAt));
  const listed: ReportedBreach[] = [];
  for (const { cycle, ...breach } of broken.slice(0, MOST_BREACHES)) {
    listed.push(omitUndefined({ ...breach, because: await reasonOf(sources, { ...breach, cycle }, at) }));
  }
  return { course, breaches: { total: broken.length, listed }, restatements };
}

/** What used up most of a promise's time until the breach. */
async function reasonOf(
  { store }: Pick<Sources, 'store'>,
  { ticketId, kind, tier, vendor, cycle, breachedAt }: Omit<ReportedBreach, 'because'> & Pick<Clock, 'cycle'>,
  { commit }: Position,
): Promise<ReportedBreach['because']> {
  const clock = breachAutopsy(await readTicketEvents(store, ticketId, commit), breachedAt)?.findLast(
    (one) => one.kind === kind && one.tier === tier && one.vendor === vendor && one.cycle === cycle,
  );
  const [most] = clock?.parts ?? [];
  return clock === undefined || most === undefined || clock.elapsed === 0
    ? undefined
    : { spentOn: most.spentOn, share: most.elapsed / clock.elapsed };
}
