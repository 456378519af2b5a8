import { rank, type TicketEvents, type Tier } from '#ticketing';
import { type ImportedEvent, isDone } from './case-to-events.js';
import type { LogCase } from './row-spool.js';

/** A figure from the rows of a log, and from the tickets made of them. */
export interface CourseFigure {
  readonly name: string;
  readonly inLog: number;
  readonly inTickets: number;
}

const NAMES = ['rows', 'team changes', 'moves up', 'moves down', 'holds', 'resolutions', 'reopenings'] as const;
type Name = (typeof NAMES)[number];
type Counts = Record<Name, number>;

const none = (): Counts => Object.fromEntries(NAMES.map((name) => [name, 0])) as Counts;

/**
 * Counts what happened, once from the rows of cases, once from the events of their tickets: this reveals an import that loses or invents
 * something.
 */
export class CourseFigures {
  readonly #inLog = none();
  readonly #inTickets = none();
  readonly #told = new Map<string, { told: number; found: number }>();

  add(one: LogCase, events: readonly ImportedEvent[]): void {
    const inLog = countRows(one);
    const inTicket = countEvents(events);
    for (const name of NAMES) {
      this.#inLog[name] += inLog[name];
      this.#inTickets[name] += inTicket[name];
    }
    for (const [what, name] of [
      ['reassignments', 'team changes'],
      ['reopenings', 'reopenings'],
    ] as const) {
      const counts = one.rows.flatMap((row) => row.told?.[what] ?? []).filter((count) => Number.isFinite(count));
      if (counts.length === 0) continue;
      const { told, found } = this.#told.get(what) ?? { told: 0, found: 0 };
      this.#told.set(what, { told: told + Math.max(...counts), found: found + inTicket[name] });
    }
  }

  figures(): readonly CourseFigure[] {
    return [
      ...NAMES.map((name) => ({ name, inLog: this.#inLog[name], inTickets: this.#inTickets[name] })),
      ...[...this.#told].map(([what, { told, found }]) => ({ name: `${what}, as the log counts them`, inLog: told, inTickets: found })),
    ];
  }
}

function countRows({ rows }: LogCase): Counts {
  const counts = none();
  let tier: Tier | undefined;
  let team: string | undefined;
  let held: string | undefined;
  let done = false;
  let resolved = false;
  for (const [index, row] of rows.entries()) {
    counts.rows++;
    // A row that says nothing of the ticket changes nothing, unless it is the first.
    if (row.state === 'none' && index > 0) continue;
    const now: Tier = row.tier ?? tier ?? 'L1';
    const nowTeam: string | undefined = row.team ?? (now === tier ? team : undefined);
    if (tier !== undefined && rank(now) > rank(tier)) counts['moves up']++;
    if (tier !== undefined && rank(now) < rank(tier)) counts['moves down']++;
    if (index > 0 && nowTeam !== undefined && nowTeam !== team) counts['team changes']++;
    const over = isDone(row.state);
    if (done && !over) counts.reopenings++;
    const reason = row.state === 'on-hold' ? `${row.holdReason ?? 'customer'} ${now}` : undefined;
    if (reason !== undefined && reason !== held) counts.holds++;
    // A ticket that moves to another tier is no longer resolved.
    if (row.state === 'resolved' && (!resolved || now !== tier)) counts.resolutions++;
    held = reason;
    resolved = row.state === 'resolved';
    done = over;
    tier = now;
    team = nowTeam;
  }
  return counts;
}

function countEvents(events: readonly ImportedEvent[]): Counts {
  const counts = none();
  counts.rows = new Set(events.map(({ imported }) => imported.row)).size;
  let team: string | undefined;
  for (const [index, { type, data }] of events.entries()) {
    const now = teamAfter(type, data);
    if (index > 0 && now !== undefined && now !== team) counts['team changes']++;
    if (now !== undefined) team = now;
    if (type === 'TicketEscalated') counts['moves up']++;
    if (type === 'TicketDeescalated' || type === 'EscalationReturned') counts['moves down']++;
    if (type === 'TicketPutOnHold') counts.holds++;
    if (type === 'TicketResolved') counts.resolutions++;
    if (type === 'TicketReopened') counts.reopenings++;
  }
  return counts;
}

/** The team of a ticket after an event; undefined if the event does not concern teams. */
export function teamAfter(type: string, data: unknown): string | undefined {
  switch (type) {
    case 'TicketOpened':
    case 'TicketAssigned':
      return (data as TicketEvents['TicketOpened' | 'TicketAssigned']).team;
    case 'TicketEscalated':
    case 'TicketDeescalated':
    case 'EscalationReturned':
      return (data as TicketEvents['TicketEscalated' | 'TicketDeescalated' | 'EscalationReturned']).toTeam;
    default:
      return undefined;
  }
}
