import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { epochMillis, type Fault, formatPosition, type Instant, instantFrom } from '#eventsourcing';
import { Problem, QueryParameters } from '#http';
import { dateTime, oneOf, type Parameter, type QueryOf, someOf, text, wholeNumber } from '#platform';
import {
  canonicalJson,
  CHANNELS,
  CLOCK_KINDS,
  CURRENCY,
  DEFAULT_DAYS,
  DIMENSIONS,
  HIGHEST_RATE,
  type HourlyRates,
  SERVED_BY,
  type Filters,
  GROUPS,
  kpiById,
  PERIODS,
  PRIORITIES,
  TICKET_KINDS,
  TIERS,
} from '#ticketing';
import { type Asker, queries, periodBegin, periodEnd, zoneOfDates } from '#ticketing-app';
import { RunQuery } from '#ticketing-nest';
import { Caller } from './caller.js';
import { documented } from './documented.js';
import { atLeastPosition, cursorTo, PAGE, pageParameters, placeAfter } from './pages.js';
import { PathName } from './path-name.js';
import { ticketProblems, unlessRefused } from './ticket-problems.js';

const DAY = 86_400_000;
const HOURS: Readonly<Record<(typeof PERIODS)[number], number>> = { hour: 1, day: 24, week: 168, month: 720 };
/** Maximum number of periods in one report. */
const MOST_PERIODS = 10_000;

const named = (what: string): Parameter<readonly string[]> => {
  const one = text(what);
  return {
    ...one,
    parse: (given) => {
      const value = one.parse(given);
      return value === undefined ? undefined : [value];
    },
  };
};

const RATE = String.raw`(L[0-4]):(\d{1,7}(?:\.\d{1,4})?)`;
const rate = new RegExp(`^${RATE}$`);

/** `L1:40,L2:64.5`: each tier once, L1 among them. */
const hourlyRates: Parameter<HourlyRates> = {
  parse: (given) => {
    const pairs = given.split(',').map((pair) => rate.exec(pair));
    const rates = Object.fromEntries(pairs.map((pair) => [pair?.[1], Number(pair?.[2])])) as Partial<HourlyRates>;
    const isGood = Object.values(rates).every((one) => one <= HIGHEST_RATE) && Object.keys(rates).length === pairs.length;
    return isGood && rates.L1 !== undefined ? { ...rates, L1: rates.L1 } : undefined;
  },
  rule: `must be what an hour costs at each tier, from 0 to ${HIGHEST_RATE}, each tier once and L1 among them, such as L1:40,L2:64.5`,
  description:
    "For KPIs of costs: what an hour of work costs at each tier, such as `L1:40,L2:64.5`; an omitted tier costs its default weight (L0 0, L2 1.6, L3 and L4 2.5) times L1. Default: the rates of the client's contract, if `client` names one that has them, else hours of L1",
  schema: { type: 'string', pattern: `^${RATE}(,${RATE})*$` },
};

const currency: Parameter<string> = {
  parse: (given) => (CURRENCY.pattern.test(given) ? given : undefined),
  rule: CURRENCY.rule,
  description: 'Currency of `rates`, by its ISO 4217 code: named in the response',
  schema: { type: 'string', pattern: CURRENCY.pattern.source },
};

/** Filters of reports. */
export const dimensionFilters = {
  tier: someOf(TIERS, 'Only these tiers'),
  team: named('Only this team'),
  agent: named('Only the agent with this id'),
  client: named('Only this client'),
  category: named('Only this category and its subcategories'),
  service: named('Only this service'),
  priority: someOf(PRIORITIES, 'Only these priorities'),
  channel: someOf(CHANNELS, 'Only these channels'),
  kind: someOf(TICKET_KINDS, 'Only tickets of these kinds'),
  servedBy: someOf(SERVED_BY, 'Only tickets served by people, assistants, both or nobody'),
  clock: someOf(CLOCK_KINDS, 'Only SLA clocks of these kinds'),
};

const evidenceQuery = {
  from: periodBegin('Start of the period; default: 30 days before its end'),
  to: periodEnd('End of the period (exclusive); default: now'),
  zone: zoneOfDates,
  ...dimensionFilters,
  days: wholeNumber('Value of N for KPIs that look at N days', { min: 1, max: 3650, fallback: DEFAULT_DAYS }),
  rates: hourlyRates,
  currency,
  at: {
    ...atLeastPosition,
    description: 'Position in the log to compute it at, as returned in a report; default: as far as the views have caught up',
  },
  evaluatedAt: dateTime('Later events are not counted; default: now'),
};
const kpiQuery = {
  ...evidenceQuery,
  groupBy: someOf(GROUPS, "Dimensions to group by: those of the KPI and at most one period of time, in the client's time zone"),
  compare: oneOf(['previous'], 'Whether to include the preceding period of the same length'),
};
const pagedQuery = { ...evidenceQuery, ...pageParameters };
const readKpiQuery = new QueryParameters(kpiQuery);
const readEvidenceQuery = new QueryParameters(pagedQuery);
const noQuery = new QueryParameters({});
const kpiId = new PathName('kpi-not-found', ticketProblems['kpi-not-found'].title);

/** The KPIs of the desk, and the evidence for each number. */
@Controller('v1/kpis')
export class KpisController {
  constructor(@Inject(QueryBus) private readonly queries: QueryBus) {}

  @Get()
  @documented((openapi) => openapi.documentView('kpis'))
  async all(@Query(noQuery) _query: object, @Caller() caller: Asker) {
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.kpis, {})));
  }

  @Get(':kpi')
  @documented((openapi) => openapi.documentView('kpi'))
  @documented((openapi) => openapi.documentQuery(readKpiQuery))
  async one(@Param('kpi', kpiId) id: string, @Query(readKpiQuery) query: QueryOf<typeof kpiQuery>, @Caller() caller: Asker) {
    const { groupBy = [], compare } = query;
    const asked = { id, ...askedOf(id, query, groupBy), groupBy, compare: compare !== undefined };
    return unlessRefused(await this.queries.execute(new RunQuery(caller, queries.kpi, asked)));
  }

  @Get(':kpi/evidence')
  @documented((openapi) => openapi.documentView('kpiEvidence'))
  @documented((openapi) => openapi.documentQuery(readEvidenceQuery))
  async evidence(@Param('kpi', kpiId) id: string, @Query(readEvidenceQuery) query: QueryOf<typeof pagedQuery>, @Caller() caller: Asker) {
    const { cursor, limit = PAGE, ...rest } = query;
    const list = ['evidence', id, canonicalJson({ ...rest, at: rest.at && formatPosition(rest.at) })];
    // A later page has the same period and position as the first.
    const [after, from, to, evaluatedAt, commit] = (placeAfter(list, cursor) ?? []).map(String);
    const asked = askedOf(id, rest, []);
    const period =
      from === undefined ? asked : { ...asked, from, to, evaluatedAt, at: { commit: BigInt(commit ?? 0), prepare: BigInt(commit ?? 0) } };
    const answer = unlessRefused(
      await this.queries.execute(new RunQuery(caller, queries.kpiEvidence, { id, ...(period as typeof asked), limit, after })),
    );
    const { more, ...evidence } = answer;
    const last = evidence.items.at(-1);
    if (!more || last === undefined) return evidence;
    const [reached = '0'] = evidence.position.split('/');
    return { ...evidence, next: cursorTo(list, [last.ticketId, evidence.from, evidence.to, evidence.evaluatedAt, reached]) };
  }
}

/** Default start of a period: 30 days before its end. */
export function monthBefore(end: Instant): Instant {
  return instantFrom(epochMillis(end) - 30 * DAY);
}

/** The filters in a query. */
export function filtersIn(query: Filters): Filters {
  return Object.fromEntries(DIMENSIONS.flatMap((dimension) => (query[dimension] === undefined ? [] : [[dimension, query[dimension]]])));
}

type Asked = Omit<QueryOf<typeof kpiQuery>, 'groupBy' | 'compare'>;

/** @throws Problem invalid-query for combinations that are not possible */
function askedOf(id: string, query: Asked, groupBy: readonly (typeof GROUPS)[number][]) {
  const now = instantFrom(Date.now());
  const { to = now, evaluatedAt = now, days, rates, currency, at } = query;
  const from = query.from ?? monthBefore(to);
  const given = filtersIn(query);
  const faults: Fault[] = [];
  if (from >= to) faults.push({ field: 'from', message: 'must be before to' });
  if (evaluatedAt > now) faults.push({ field: 'evaluatedAt', message: 'must not be in the future' });
  const dimensions: readonly string[] | undefined = kpiById(id)?.dimensions;
  const unknown = (dimension: string) => dimensions !== undefined && !dimensions.includes(dimension);
  const has = `this KPI has ${dimensions?.join(', ')}`;
  for (const dimension of Object.keys(given)) {
    if (unknown(dimension)) faults.push({ field: dimension, message: `must be omitted: ${has}` });
  }
  const unit = kpiById(id)?.unit;
  for (const [field, value] of Object.entries({ rates, currency })) {
    if (value !== undefined && unit !== undefined && unit !== 'cost')
      faults.push({ field, message: 'must be omitted: this KPI is not a cost' });
  }
  if (currency !== undefined && rates === undefined) faults.push({ field: 'currency', message: 'must come with rates' });
  const periods = PERIODS.filter((period) => groupBy.includes(period));
  for (const group of groupBy) {
    if (!(PERIODS as readonly string[]).includes(group) && unknown(group))
      faults.push({ field: 'groupBy', message: `must not have ${group}: ${has}` });
  }
  if (periods.length > 1) faults.push({ field: 'groupBy', message: 'must have at most one of hour, day, week, month' });
  const [period] = periods;
  if (period !== undefined && (epochMillis(to) - epochMillis(from)) / (HOURS[period] * 3_600_000) > MOST_PERIODS) {
    faults.push({ field: 'groupBy', message: `must divide the time into at most ${MOST_PERIODS} parts` });
  }
  if (faults.length > 0) throw Problem.of('invalid-query', 'The report cannot be computed with these parameters', { faults });
  return { from, to, evaluatedAt, days, rates, currency, at, filters: given };
}
