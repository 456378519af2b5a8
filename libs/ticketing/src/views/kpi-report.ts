import { currencySchema } from '../contract/rates.js';
import { TIERS } from '../vocabulary.js';
import { eventRefSchema } from './event-ref.js';
import {
  about,
  count,
  forEach,
  instant,
  integer,
  listOf,
  nullable,
  number,
  oneOf,
  open,
  optional,
  recordOf,
  refer,
  type Static,
  text,
  uuid,
} from '../schema.js';

export const kpiSchema = about(
  open({
    id: about(text, 'Id of the KPI, used in URLs'),
    version: about(count, 'Raised when the formula changes: figures of different versions are not comparable'),
    title: about(text, 'Name of the KPI'),
    says: about(text, 'Formula in words'),
    unit: about(oneOf(['share', 'milliseconds', 'tickets', 'cost', 'bounces']), 'Unit of the value'),
    dimensions: about(listOf(text), 'Dimensions it can be grouped and filtered by, besides time'),
    fields: about(listOf(text), 'Fields of `ticket_facts` it is computed from'),
    events: about(listOf(text), 'Types of the events behind these fields'),
  }),
  'A key performance indicator',
);

export const figureSchema = about(
  open({
    value: about(nullable(number), 'The value; null if there is nothing to divide by'),
    numerator: optional(about(number, 'Numerator')),
    denominator: optional(about(number, 'Denominator')),
    p50: optional(about(nullable(number), 'Median, by nearest rank')),
    p90: optional(about(nullable(number), '90th percentile, by nearest rank')),
    also: optional(about(recordOf(number), 'Additional amounts, by name')),
  }),
  'A figure with its components',
);

export const groupFigureSchema = about(
  open({
    key: about(recordOf(nullable(text)), "Value of each dimension; null if the facts have none. Times are in the client's time zone"),
    ...figureSchema.entries,
  }),
  'The figure of a group',
);

const periodSchema = {
  from: about(instant, 'Start of the period'),
  to: about(instant, 'End of the period (exclusive)'),
  total: about(refer(figureSchema), 'Figure for the whole period'),
  groups: about(listOf(refer(groupFigureSchema)), 'Figures of the groups, sorted by key; empty if not grouped'),
};

const rated = {
  rates: optional(
    about(
      open({
        perHour: about(forEach(TIERS, number), 'What an hour of work costs at each tier'),
        currency: optional(about(currencySchema, 'Currency; absent: hours of L1, or the unit of the `rates` that were given')),
        contractVersion: optional(about(count, "Version of the client's contract that they are from")),
      }),
      'What the cost was computed with; only for KPIs whose unit is `cost`',
    ),
  ),
};

const proof = {
  position: about(text, 'Position in the log the figures were computed at; pass it as `at` to reproduce them'),
  evaluatedAt: about(instant, 'Instant up to which events were counted; pass it as `evaluatedAt` to reproduce the figures'),
  digest: about(text, 'SHA-256 of the KPI, its version, the parameters, position, instant and figures, as canonical JSON'),
};

export const kpiReportSchema = about(
  open({
    kpi: about(refer(kpiSchema), 'Definition of the KPI'),
    ...periodSchema,
    groupBy: about(listOf(text), 'Dimensions the figures are grouped by'),
    filters: about(recordOf(listOf(text)), 'Filters applied, by dimension'),
    before: optional(about(open(periodSchema), 'Figures for the preceding period of the same length')),
    ...rated,
    ...proof,
  }),
  'A KPI over a period',
);

/** A KPI over a period. */
export type KpiReport = Static<typeof kpiReportSchema>;

export const kpiEvidenceLineSchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    client: about(text, 'Client (tenant) of the ticket'),
    contractVersion: about(count, "Version of the client's contract that applies; 0: the default contract"),
    position: about(integer, "Commit position of the last event that changed the ticket's facts"),
    counted: about(
      listOf(
        open({
          n: about(number, 'Contribution to the numerator'),
          at: optional(about(instant, 'Instant it counts at; absent if it counts over a duration')),
          tier: optional(about(text, 'Tier it counts for')),
          team: optional(about(text, 'Team it counts for')),
          agent: optional(about(text, 'Id of the agent')),
          clock: optional(about(text, 'Kind of SLA clock')),
        }),
      ),
      'What the ticket contributed in this period',
    ),
    events: about(listOf(refer(eventRefSchema)), 'Events behind the contribution'),
  }),
  'A ticket that contributes to a figure',
);

export type KpiEvidenceLine = Static<typeof kpiEvidenceLineSchema>;

export const kpiEvidenceSchema = about(
  open({
    kpi: about(refer(kpiSchema), 'Definition of the KPI'),
    from: periodSchema.from,
    to: periodSchema.to,
    filters: about(recordOf(listOf(text)), 'Filters applied, by dimension'),
    total: about(refer(figureSchema), 'The figure being explained'),
    ...rated,
    ...proof,
    items: about(listOf(refer(kpiEvidenceLineSchema)), 'Contributing tickets, sorted by id'),
    next: optional(about(text, 'Cursor of the next page; absent on the last one')),
  }),
  'The tickets and events behind a figure',
);

export type KpiEvidence = Static<typeof kpiEvidenceSchema>;
