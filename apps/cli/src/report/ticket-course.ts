import { teamAfter } from '../import/course-figures.js';
import { epochMillis, type ImportedFrom, type Instant } from '#eventsourcing';
import type { Impact, TicketEvents, Tier } from '#ticketing';

/** The part of a `ticket_history` document that the report reads. */
export interface HistoryLine {
  readonly ticketId: string;
  readonly type: string;
  readonly data: unknown;
  readonly effectiveAt: Instant;
  readonly imported: Pick<ImportedFrom, 'row' | 'said'>;
}

/** An imported ticket's course, as needed for the figures. */
export interface TicketCourse {
  readonly impact: Impact;
  /** False if a row has another impact than the ticket was opened with. */
  readonly impactConstant: boolean;
  readonly openedAtTier: Tier;
  /** Work was handed up at least once, accepted or not. */
  readonly movedUp: boolean;
  /** Work was handed down or returned at least once. */
  readonly movedDown: boolean;
  readonly touchedL3: boolean;
  /** The teams that had it, in order; consecutive repetitions count once. */
  readonly teams: readonly string[];
  /** The content of each row: `status/sub-status`. */
  readonly rows: readonly string[];
  /** First and last row, with times as in the log, and the milliseconds between them. */
  readonly firstSaidAt: string;
  readonly lastSaidAt: string;
  readonly duration: number;
  /** The UTC offsets of its times. */
  readonly offsets: ReadonlySet<string>;
  /** Whether a row says `Resolved`, which does not include tickets solved in the first call. */
  readonly resolved: boolean;
  /** It was reopened after that. */
  readonly reopened: boolean;
  /** The types of its events, in order; consecutive repetitions count once. */
  readonly steps: readonly string[];
  /** State → milliseconds in it, up to the last event. */
  readonly spent: ReadonlyMap<string, number>;
}

/** The state of a ticket after an event of a type; other events do not change it. */
const STATES: Readonly<Record<string, string>> = {
  TicketOpened: 'waiting',
  TicketUnassigned: 'waiting',
  TicketReopened: 'waiting',
  TicketDeescalated: 'waiting',
  EscalationReturned: 'waiting',
  TicketEscalated: 'handed over',
  EscalationAccepted: 'accepted',
  WorkStarted: 'in work',
  TicketResumed: 'in work',
  TicketResolved: 'resolved',
  TicketResolvedWithRootCause: 'resolved',
  TicketClosed: 'closed',
  TicketCancelled: 'cancelled',
};

function stateAfter(type: string, data: unknown): string | undefined {
  return type === 'TicketPutOnHold' ? `on hold: ${(data as TicketEvents['TicketPutOnHold']).reason}` : STATES[type];
}

/** The course of a ticket from its imported events, in revision order. Undefined if there are none. */
export function courseOf(lines: readonly HistoryLine[]): TicketCourse | undefined {
  const first = lines[0];
  const last = lines.at(-1);
  if (first === undefined || last === undefined || first.type !== 'TicketOpened') return undefined;
  const opened = first.data as TicketEvents['TicketOpened'];
  const rows: string[] = [];
  const teams: string[] = [];
  const offsets = new Set<string>();
  let impactConstant = true;
  let movedUp = false;
  let movedDown = false;
  let touchedL3 = opened.tier === 'L3';
  let resolved = false;
  let reopened = false;
  const steps: string[] = [];
  const spent = new Map<string, number>();
  let state = { name: 'waiting', since: epochMillis(first.effectiveAt) };
  for (const { type, data, effectiveAt, imported } of lines) {
    if (type !== steps.at(-1)) steps.push(type);
    const now = epochMillis(effectiveAt);
    spent.set(state.name, (spent.get(state.name) ?? 0) + Math.max(0, now - state.since));
    state = { name: stateAfter(type, data) ?? state.name, since: now };
    const { said, row } = imported;
    if (row === rows.length) rows.push(`${said.status}/${said.subStatus}`);
    offsets.add(said.at?.slice(19) ?? '');
    if (said.impact?.toLowerCase() !== opened.impact) impactConstant = false;
    const team = teamAfter(type, data);
    if (team !== undefined && team !== teams.at(-1)) teams.push(team);
    if (type === 'TicketEscalated') {
      movedUp = true;
      touchedL3 ||= (data as TicketEvents['TicketEscalated']).to === 'L3';
    }
    if (type === 'TicketDeescalated' || type === 'EscalationReturned') movedDown = true;
    if (said.subStatus === 'Resolved') resolved = true;
    if (type === 'TicketReopened' && resolved) reopened = true;
  }
  return {
    impact: opened.impact,
    impactConstant,
    openedAtTier: opened.tier,
    movedUp,
    movedDown,
    touchedL3,
    teams,
    rows,
    firstSaidAt: first.imported.said.at ?? '',
    lastSaidAt: last.imported.said.at ?? '',
    duration: epochMillis(last.effectiveAt) - epochMillis(first.effectiveAt),
    offsets,
    resolved,
    reopened,
    steps,
    spent,
  };
}

/** How often the work returned to a team from the one other team that had it in between: A → B → A. */
export function bounces({ teams }: Pick<TicketCourse, 'teams'>): number {
  return teams.filter((team, index) => index >= 2 && teams[index - 2] === team).length;
}

/** The courses of all tickets. Holds one ticket's lines at a time, so the lines of a ticket must follow each other. */
export async function* courses(lines: AsyncIterable<HistoryLine> | Iterable<HistoryLine>): AsyncGenerator<TicketCourse> {
  let current: HistoryLine[] = [];
  for await (const line of lines) {
    if (current.length > 0 && current[0]?.ticketId !== line.ticketId) {
      const course = courseOf(current);
      if (course !== undefined) yield course;
      current = [];
    }
    current.push(line);
  }
  const course = courseOf(current);
  if (course !== undefined) yield course;
}
