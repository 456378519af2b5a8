import { eventRefSchema } from './event-ref.js';
import {
  about,
  count,
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
    id: about(text, 'Its id, in addresses'),
    version: about(count, 'Raised when the formula changes: numbers of different versions are not the same number'),
    title: about(text, 'What it is called'),
    says: about(text, 'Its formula, in words'),
    unit: about(oneOf(['share', 'milliseconds', 'tickets', 'cost', 'bounces']), 'What its value is counted in'),
    dimensions: about(listOf(text), 'By what it can be grouped and filtered, besides time'),
    fields: about(listOf(text), 'The fields of `ticket_facts` that it is computed from'),
    events: about(listOf(text), 'The types of the events behind them'),
  }),
  'A key performance indicator',
);

export const figureSchema = about(
  open({
    value: about(nullable(number), 'The number; null where there is nothing to divide by'),
    numerator: optional(about(number, 'What was added up above the line')),
    denominator: optional(about(number, 'What it was divided by')),
    p50: optional(about(nullable(number), 'Median, by nearest rank')),
    p90: optional(about(nullable(number), 'The value that nine of ten do not exceed, by nearest rank')),
    also: optional(about(recordOf(number), 'Amounts beside it, by name')),
  }),
  'A number, with what it was made of',
);

export const groupFigureSchema = about(
  open({
    key: about(
      recordOf(nullable(text)),
      'The value of each dimension; null where the facts have none. Times are named in the zone of the client',
    ),
    ...figureSchema.entries,
  }),
  'The number of a group',
);

const periodSchema = {
  from: about(instant, 'Begin of the period'),
  to: about(instant, 'End of the period, which is not in it'),
  total: about(refer(figureSchema), 'The number'),
  groups: about(listOf(refer(groupFigureSchema)), 'The numbers of the groups, sorted by their keys; none where nothing is grouped by'),
};

const proof = {
  position: about(text, 'The position in the log that it is told as of: `at`, to have the same number again'),
  evaluatedAt: about(instant, 'What was later had not happened: `evaluatedAt`, to have the same number again'),
  digest: about(text, 'SHA-256 over the KPI, its version, what was asked, position, instant and numbers, as canonical JSON'),
};

export const kpiReportSchema = about(
  open({
    kpi: about(refer(kpiSchema), 'What it means'),
    ...periodSchema,
    groupBy: about(listOf(text), 'What it is grouped by'),
    filters: about(recordOf(listOf(text)), 'What is left, by dimension'),
    before: optional(about(open(periodSchema), 'The same of the period of the same length before')),
    ...proof,
  }),
  'A KPI over a period',
);

/** A KPI over a period. */
export type KpiReport = Static<typeof kpiReportSchema>;

export const kpiEvidenceLineSchema = about(
  open({
    ticketId: about(uuid, 'Id of the ticket'),
    client: about(text, 'Its client'),
    contractVersion: about(count, "Version of the client's contract that it goes by, 0 for the default contract"),
    position: about(integer, 'Commit position of the last event that changed its facts'),
    counted: about(
      listOf(
        open({
          n: about(number, 'What it added above the line'),
          at: optional(about(instant, 'When; absent where it counts for as long as something lasts')),
          tier: optional(about(text, 'The tier that it counts for')),
          team: optional(about(text, 'The team')),
          agent: optional(about(text, 'Id of the agent')),
          clock: optional(about(text, 'The kind of promise')),
        }),
      ),
      'As what it counted, in this period',
    ),
    events: about(listOf(refer(eventRefSchema)), 'The events behind it'),
  }),
  'A ticket that a number was made of',
);

export type KpiEvidenceLine = Static<typeof kpiEvidenceLineSchema>;

export const kpiEvidenceSchema = about(
  open({
    kpi: about(refer(kpiSchema), 'What the number means'),
    from: periodSchema.from,
    to: periodSchema.to,
    filters: about(recordOf(listOf(text)), 'What is left, by dimension'),
    total: about(refer(figureSchema), 'The number that is opened'),
    ...proof,
    items: about(listOf(refer(kpiEvidenceLineSchema)), 'The tickets that it was made of, by id'),
    next: optional(about(text, 'Cursor of the next page; absent on the last one')),
  }),
  'What a number was made of',
);

export type KpiEvidence = Static<typeof kpiEvidenceSchema>;
