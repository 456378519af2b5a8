import { bounces, type TicketCourse } from './ticket-course.js';

export const DAY = 86_400_000;
/** Separator between the steps of a variant, and the teams of a hand-over. */
const ARROW = ' → ';

/** Totals of the tickets of a log: sums, and one number per ticket for the median. */
export interface LogTotals {
  cases: number;
  rows: number;
  first: string;
  last: string;
  readonly offsets: Set<string>;
  readonly impacts: Map<string, number>;
  impactChanged: number;
  readonly said: Map<string, number>;
  readonly openedAt: Map<string, number>;
  onlyL1: number;
  up: number;
  down: number;
  touchedL3: number;
  pingPong: number;
  bounces: number;
  neverReassigned: number;
  reassignments: number;
  mostReassignments: number;
  resolved: number;
  reopened: number;
  waitedForUser: number;
  readonly durations: number[];
  /** Tickets resolved by the log's own definition, and those of them that were reopened. */
  solved: number;
  unsolved: number;
  /** Sequence of steps → number of tickets with it. */
  readonly variants: Map<string, number>;
  /** State → milliseconds of all tickets together. */
  readonly spent: Map<string, number>;
  /** Team → team → number of hand-overs. */
  readonly handOvers: Map<string, number>;
}

/** Adds a ticket. */
export function addCourse(totals: LogTotals, course: TicketCourse): void {
  const back = bounces(course);
  const reassignments = course.teams.length - 1;
  totals.cases++;
  totals.rows += course.rows.length;
  // Local days, so the times are compared as written; a day's offset does not matter here.
  if (totals.first === '' || course.firstSaidAt < totals.first) totals.first = course.firstSaidAt;
  if (course.lastSaidAt > totals.last) totals.last = course.lastSaidAt;
  for (const offset of course.offsets) totals.offsets.add(offset);
  count(totals.impacts, course.impact);
  totals.impactChanged += course.impactConstant ? 0 : 1;
  for (const row of course.rows) count(totals.said, row);
  count(totals.openedAt, course.openedAtTier);
  totals.onlyL1 += course.openedAtTier === 'L1' && !course.movedUp ? 1 : 0;
  totals.up += course.movedUp ? 1 : 0;
  totals.down += course.movedDown ? 1 : 0;
  totals.touchedL3 += course.touchedL3 ? 1 : 0;
  totals.pingPong += back > 0 ? 1 : 0;
  totals.bounces += back;
  totals.neverReassigned += reassignments === 0 ? 1 : 0;
  totals.reassignments += reassignments;
  totals.mostReassignments = Math.max(totals.mostReassignments, reassignments);
  totals.resolved += course.resolved ? 1 : 0;
  totals.reopened += course.reopened ? 1 : 0;
  totals.waitedForUser += course.rows.includes('Accepted/Wait - User') ? 1 : 0;
  totals.durations.push(course.duration);
  const isSolved = course.steps.some((step) => step.startsWith('TicketResolved'));
  totals.solved += isSolved ? 1 : 0;
  totals.unsolved += isSolved && course.steps.includes('TicketReopened') ? 1 : 0;
  count(totals.variants, course.steps.join(ARROW));
  for (const [state, millis] of course.spent) count(totals.spent, state, millis);
  course.teams.slice(1).forEach((team, index) => count(totals.handOvers, `${course.teams[index]}${ARROW}${team}`));
}

/** Without any tickets. */
export const noTotals = (): LogTotals => ({
  cases: 0,
  rows: 0,
  first: '',
  last: '',
  offsets: new Set(),
  impacts: new Map(),
  impactChanged: 0,
  said: new Map(),
  openedAt: new Map(),
  onlyL1: 0,
  up: 0,
  down: 0,
  touchedL3: 0,
  pingPong: 0,
  bounces: 0,
  neverReassigned: 0,
  reassignments: 0,
  mostReassignments: 0,
  resolved: 0,
  reopened: 0,
  waitedForUser: 0,
  durations: [],
  solved: 0,
  unsolved: 0,
  variants: new Map(),
  spent: new Map(),
  handOvers: new Map(),
});

/** Adds up the tickets of any log. */
export async function totalsOf(courses: AsyncIterable<TicketCourse> | Iterable<TicketCourse>): Promise<LogTotals> {
  const totals = noTotals();
  for await (const course of courses) addCourse(totals, course);
  return totals;
}

function count(counts: Map<string, number>, key: string, amount = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + amount);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

export function ratio(part: number, of: number): number {
  return of === 0 ? 0 : part / of;
}

export function percent(part: number, of: number): string {
  return `${(100 * ratio(part, of)).toFixed(1)} %`;
}

export function whole(value: number): string {
  return value.toLocaleString('en-US');
}
