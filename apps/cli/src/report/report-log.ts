import Table from 'cli-table3';
import { instantFrom } from '#eventsourcing';
import type { Mongo } from '#mongo';
import { type Colours, escapeNewlines, spelledOut } from '#platform';
import { Complaint } from '../complaint.js';
import { importLog } from '../import/import-log.js';
import { runSimulation, type SimulateOptions } from '../simulate/simulate-command.js';
import { readMapping } from '../import/mapping.js';
import { addCourse, DAY, type LogTotals, median, noTotals, percent, ratio, totalsOf, whole } from './log-totals.js';
import { courseOf, courses, type HistoryLine, type TicketCourse } from './ticket-course.js';

/** The fields of each event that are read. */
const NEEDED = {
  _id: 0,
  ticketId: 1,
  type: 1,
  effectiveAt: 1,
  'data.impact': 1,
  'data.tier': 1,
  'data.team': 1,
  'data.to': 1,
  'data.toTeam': 1,
  'data.reason': 1,
  'imported.row': 1,
  'imported.said.at': 1,
  'imported.said.status': 1,
  'imported.said.subStatus': 1,
  'imported.said.impact': 1,
} as const;
/** Number of variants and hand-overs listed. */
const MOST = 15;

/**
 * The courses of the tickets of an imported log. One pass over the history in its own order, folded as it arrives: the same on every
 * MongoDB, with memory that grows by a number per ticket.
 */
export async function* importedCourses(db: Mongo['db'], system: string): AsyncGenerator<TicketCourse> {
  const history = db
    .collection('ticket_history')
    .find<HistoryLine>({ 'imported.system': system }, { projection: NEEDED, batchSize: 5000 })
    .sort({ ticketId: 1, revision: 1 });
  try {
    yield* courses(history);
  } finally {
    await history.close();
  }
}

interface ReportImported extends Omit<SimulateOptions, 'contractFile' | 'json' | 'asOf' | 'limit' | 'from' | 'to' | 'client'> {
  /** Name of the source that the log was imported as. */
  readonly system: string;
  readonly contractFile?: string | undefined;
}

/**
 * `tierline report log`: prints figures of an imported log, and the results of its clients' SLA under a contract.
 * @throws Complaint if no ticket was imported from it
 */
export async function reportImported({ system, contractFile, ...options }: ReportImported): Promise<void> {
  const { db } = options.session.mongo;
  const clients: readonly string[] = await db.collection('ticket_history').distinct('client', { 'imported.system': system });
  if (clients.length === 0) throw new Complaint(`No ticket was imported from ${system}`, '`npx tierline import` brings a log in');
  options.print(renderLog(await totalsOf(importedCourses(db, system)), options.colours));
  if (contractFile === undefined) return;
  const asOf = instantFrom(Date.now());
  for (const client of clients.toSorted()) {
    options.print(`\nThe service levels of ${escapeNewlines(client)} under that contract:\n`);
    await runSimulation({ ...options, client, contractFile, json: false, asOf, limit: 0 });
  }
}

/** The totals of a log in a file, from the tickets that an import would create; without stores. */
export async function totalsOfFile(file: string, map: string, zone: string | undefined, signal: AbortSignal): Promise<LogTotals> {
  const mapping = await readMapping(map);
  const totals = noTotals();
  await importLog({
    file,
    mapping,
    source: { name: mapping.name, client: mapping.client ?? mapping.name },
    signal,
    ...(zone !== undefined && { zone }),
    onTicket: ({ ticketId, events }) => {
      const course = courseOf(events.map((event) => ({ ticketId, ...event })));
      if (course !== undefined) addCourse(totals, course);
    },
  });
  return totals;
}

/** The figures of a log, as tables. */
export function renderLog(totals: LogTotals, { bold }: Pick<Colours, 'bold'>): string {
  const { cases, rows, durations, solved, unsolved, variants, spent, handOvers } = totals;
  const some = (count: number, of = cases) => `${whole(count)} (${percent(count, of)})`;
  const days = (millis: number) => `${(millis / DAY).toFixed(1)} d`;
  const figures: (readonly [string, string])[] = [
    ['cases', whole(cases)],
    ['rows', whole(rows)],
    ['from, to', [totals.first, totals.last].map((at) => at.slice(0, 10)).join(', ')],
    ...[...totals.openedAt].sort().map(([tier, count]) => [`opened at ${tier}`, some(count)] as const),
    ['opened at L1 and never handed up', some(totals.onlyL1)],
    ['handed up (push to front: the fewer, the better)', some(totals.up)],
    ['handed down or returned', some(totals.down)],
    ['reached L3', some(totals.touchedL3)],
    ['ping-pong (A → B → A)', `${some(totals.pingPong)}, ${whole(totals.bounces)} times`],
    ['never reassigned', some(totals.neverReassigned)],
    ['reassignments, mean and most', `${ratio(totals.reassignments, cases).toFixed(2)}, ${whole(totals.mostReassignments)}`],
    ['reopened, of those resolved', `${some(unsolved, solved)} of ${whole(solved)}`],
    ['duration, median and mean', `${days(median(durations))}, ${days(ratio(sum(durations), cases))}`],
  ];
  const all = sum(spent.values());
  const ways = sum(handOvers.values());
  return [
    tableOf(['figure', ''], figures, bold),
    tableOf(
      ['where the time went', 'share', 'per case'],
      largest(spent, (millis) => [percent(millis, all), days(ratio(millis, cases))]),
      bold,
    ),
    tableOf(
      [`variants (${whole(variants.size)})`, 'cases'],
      largest(variants, (count) => [some(count)]),
      bold,
    ),
    tableOf(
      [`hand-overs between teams (${whole(handOvers.size)})`, 'times'],
      largest(handOvers, (count) => [some(count, ways)]),
      bold,
    ),
    '',
  ].join('\n\n');
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** The largest, each with its name. */
function largest(counts: ReadonlyMap<string, number>, shown: (count: number) => readonly string[]): (readonly string[])[] {
  const sorted = [...counts].filter(([, count]) => count > 0).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return sorted.slice(0, MOST).map(([name, count]) => [name, ...shown(count)]);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[], bold: Colours['bold']): string {
  const table = new Table({
    head: head.map(bold),
    colAligns: head.map((_, index) => (index === 0 ? 'left' : 'right')),
    colWidths: [100],
    wordWrap: true,
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(row.map((cell) => spelledOut(escapeNewlines(cell))));
  return table.toString();
}
