import { type Instant, parseInstant } from '#eventsourcing';
import { LogError } from './log-text.js';

/** What the log says of a row, by the names of its CSV columns, and the XES attribute that says the same. */
export const LOG_FIELDS = {
  timestamp: 'time:timestamp',
  status: 'concept:name',
  sub_status: 'lifecycle:transition',
  impact: 'impact',
  product: 'product',
  support_team: 'org:group',
  org_line: 'organization involved',
  function_div: 'org:role',
  owner: 'org:resource',
  owner_country: 'resource country',
  org_country: 'organization country',
} as const;
export type LogField = keyof typeof LOG_FIELDS;

/** Every status with the sub-statuses that go with it. */
export const LOG_STATUSES = {
  Queued: ['Awaiting Assignment'],
  Accepted: ['In Progress', 'Assigned', 'Wait', 'Wait - User', 'Wait - Customer', 'Wait - Vendor', 'Wait - Implementation'],
  Completed: ['Resolved', 'In Call', 'Closed', 'Cancelled'],
  Unmatched: ['Unmatched'],
} as const;
export type LogStatus = keyof typeof LOG_STATUSES;
export type LogSubStatus = (typeof LOG_STATUSES)[LogStatus][number];

export const LOG_IMPACTS = ['Low', 'Medium', 'High', 'Major'] as const;
export type LogImpact = (typeof LOG_IMPACTS)[number];

/** One row of a case. Absent fields are those which the log leaves empty. */
export interface LogRow {
  /** Where it begins in the uncompressed text, from 1. The only thing in which XES and CSV differ. */
  readonly line: number;
  /** Its number in the case, from 0. */
  readonly seq: number;
  readonly at: Instant;
  /** The time as it was written, with its offset. */
  readonly saidAt: string;
  readonly status: LogStatus;
  readonly subStatus: LogSubStatus;
  readonly impact: LogImpact;
  readonly product: string;
  readonly team: string;
  /** The team's support line, 1 to 3. */
  readonly supportLine: 1 | 2 | 3;
  readonly orgLine: string;
  readonly functionDiv?: string;
  readonly owner: string;
  readonly ownerCountry: string;
  readonly orgCountry: string;
}

export interface LogCase {
  readonly caseId: string;
  /** At least one, in the order of time. */
  readonly rows: readonly [LogRow, ...LogRow[]];
}

/** A row as a reader finds it, not yet looked at. */
export interface RawRow {
  readonly line: number;
  readonly seq: string;
  readonly cells: Readonly<Partial<Record<LogField, string>>>;
}

export interface RawCase {
  readonly caseId: string;
  readonly line: number;
  readonly rows: readonly RawRow[];
}

/**
 * The support line in the suffix of a team's name: `G97 2nd`, `O3 3rd`, and none for the first.
 * A team that serves two (`V13 2nd 3rd`) counts as the higher one. Undefined when it has a suffix of another kind.
 */
export function supportLine(team: string): 1 | 2 | 3 | undefined {
  const match = /^\S+(?: (2nd|3rd|2nd 3rd))?$/.exec(team);
  if (match === null) return undefined;
  return match[1] === undefined ? 1 : match[1] === '2nd' ? 2 : 3;
}

/**
 * The case that the raw rows tell of.
 * @throws LogError naming the line when something is missing, misspelt or out of order
 */
export function checkedCase(raw: RawCase): LogCase {
  const rows: LogRow[] = [];
  for (const row of raw.rows) rows.push(checkedRow(raw.caseId, row, rows.at(-1)));
  const [first, ...rest] = rows;
  if (first === undefined) throw new LogError(raw.line, `case ${raw.caseId} has no events`);
  return { caseId: raw.caseId, rows: [first, ...rest] };
}

function checkedRow(caseId: string, { line, seq: saidSeq, cells }: RawRow, before: LogRow | undefined): LogRow {
  const seq = before === undefined ? 0 : before.seq + 1;
  if (saidSeq !== String(seq))
    throw new LogError(line, `case ${caseId}: seq is ${quoted(saidSeq)} where ${seq} follows: a row is missing, repeated or out of order`);
  const said = (field: LogField): string => {
    const text = cells[field];
    if (text === undefined || text === '') throw new LogError(line, `case ${caseId}: ${field} (XES ${LOG_FIELDS[field]}) is missing`);
    return text;
  };
  const saidAt = said('timestamp');
  const at = parseInstant(saidAt);
  if (at === undefined) throw new LogError(line, `case ${caseId}: timestamp ${quoted(saidAt)} is not an ISO 8601 date-time with an offset`);
  if (before !== undefined && at < before.at) {
    throw new LogError(line, `case ${caseId}: out of order: ${saidAt} is earlier than ${before.saidAt} on line ${before.line}`);
  }
  const status = oneOf(line, 'status', said('status'), Object.keys(LOG_STATUSES) as LogStatus[]);
  const subStatus = oneOf(line, `sub-status of ${status}`, said('sub_status'), LOG_STATUSES[status] as readonly LogSubStatus[]);
  const impact = oneOf(line, 'impact', said('impact'), LOG_IMPACTS);
  const team = said('support_team');
  const onLine = supportLine(team);
  if (onLine === undefined)
    throw new LogError(line, `team ${quoted(team)} does not end in a known support line ("2nd", "3rd", "2nd 3rd" or nothing)`);
  const functionDiv = cells.function_div;
  return {
    line,
    seq,
    at,
    saidAt,
    status,
    subStatus,
    impact,
    product: said('product'),
    team,
    supportLine: onLine,
    orgLine: said('org_line'),
    ...(functionDiv === undefined || functionDiv === '' ? {} : { functionDiv }),
    owner: said('owner'),
    ownerCountry: said('owner_country'),
    orgCountry: said('org_country'),
  };
}

function oneOf<Word extends string>(line: number, what: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) throw new LogError(line, `${what} ${quoted(text)} is not one of ${words.join(', ')}`);
  return word;
}

/** Foreign text for a message: on one line, and not too long of it. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
