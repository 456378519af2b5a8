import type { Impact } from '#ticketing';
import { DAY, type LogTotals, median, percent, ratio, totalsOf, whole } from './log-totals.js';
import type { TicketCourse } from './ticket-course.js';

/** A figure from the read models, and its published reference. */
export interface Figure {
  readonly name: string;
  /** What exactly is counted. */
  readonly definition: string;
  readonly reference: string;
  readonly found: string;
  readonly agrees: boolean;
}

/**
 * The figures of the log, from the courses of its tickets, in the order of the reference.
 * @param tickets number of imported tickets in `ticket_details`
 */
export async function bpic2013Figures(courses: AsyncIterable<TicketCourse> | Iterable<TicketCourse>, tickets: number): Promise<Figure[]> {
  return figuresOf(await totalsOf(courses), tickets);
}

function figuresOf(totals: LogTotals, tickets: number): Figure[] {
  const { cases } = totals;
  const figures: Figure[] = [];
  const figure = (name: string, definition: string, reference: string, found: string): void => {
    figures.push({ name, definition, reference, found, agrees: found === reference });
  };
  const ofCases = (some: number): string => `${whole(some)} (${percent(some, cases)})`;

  figure('cases', 'tickets in ticket_history that the import opened', '7,554', whole(cases));
  figure('cases, as tickets', 'tickets in ticket_details that came from the log', '7,554', whole(tickets));
  figure('events', 'rows of the log that the events come from', '65,533', whole(totals.rows));
  figure('from', 'day of the earliest row, where it was written', '2010-03-31', totals.first.slice(0, 10));
  figure('to', 'day of the latest row, where it was written', '2012-05-23', totals.last.slice(0, 10));
  figure('offsets', 'offsets from UTC that the times were written with', '+01:00, +02:00', [...totals.offsets].sort().join(', '));

  for (const [impact, reference] of [
    ['medium', '4,045'],
    ['low', '3,245'],
    ['high', '261'],
    ['major', '3'],
  ] satisfies [Impact, string][]) {
    figure(`impact ${impact}`, 'tickets opened with it', reference, whole(totals.impacts.get(impact) ?? 0));
  }
  figure('impact changes', 'tickets with a row of another impact than they were opened with', '0', whole(totals.impactChanged));

  const saidReference: Readonly<Record<string, string>> = {
    'Accepted/In Progress': '30,239',
    'Queued/Awaiting Assignment': '11,544',
    'Completed/Resolved': '6,115',
    'Completed/Closed': '5,716',
    'Accepted/Wait - User': '4,217',
    'Accepted/Assigned': '3,221',
    'Completed/In Call': '2,035',
    'Accepted/Wait': '1,533',
    'Accepted/Wait - Implementation': '493',
    'Accepted/Wait - Vendor': '313',
    'Accepted/Wait - Customer': '101',
    'Unmatched/Unmatched': '5',
    'Completed/Cancelled': '1',
  };
  for (const [said, reference] of Object.entries(saidReference))
    figure(said, 'rows that say so', reference, whole(totals.said.get(said) ?? 0));

  for (const [line, tier, reference] of [
    ['1', 'L1', '6,702'],
    ['2', 'L2', '704'],
    ['3', 'L3', '148'],
  ] as const) {
    figure(`starts at line ${line}`, `tickets opened at ${tier}`, reference, whole(totals.openedAt.get(tier) ?? 0));
  }
  figure('stays on 1st line', 'opened at L1 and never handed up', '4,546 (60.2 %)', ofCases(totals.onlyL1));
  figure('any upward move', 'tickets with a TicketEscalated, accepted or not', '2,299 (30.4 %)', ofCases(totals.up));
  figure('any downward move', 'tickets with a TicketDeescalated or an EscalationReturned', '1,172 (15.5 %)', ofCases(totals.down));
  figure(
    'touches the 3rd line',
    'opened at L3 or handed up to it; a team of two lines (V13 2nd 3rd) counts as the higher',
    '544',
    whole(totals.touchedL3),
  );
  figure(
    'ping-pong cases',
    'tickets that a team got back from the one team that had it in between (A → B → A)',
    '1,177 (15.6 %)',
    ofCases(totals.pingPong),
  );
  figure('ping-pong bounces', 'how often that happened; A → B → A → B is two', '2,394', whole(totals.bounces));
  figure('never reassigned', 'tickets that one team had all the time', '3,734', whole(totals.neverReassigned));
  figure('reassignments, mean', 'changes of team ÷ tickets', '1.25', ratio(totals.reassignments, cases).toFixed(2));
  figure('reassignments, max', 'changes of team of one ticket', '31', whole(totals.mostReassignments));
  const reopened = `${whole(totals.reopened)} (${percent(totals.reopened, totals.resolved)} of ${whole(totals.resolved)})`;
  figure(
    'reopened',
    'tickets with a TicketReopened after a row that says Resolved (In Call does not), of all tickets with such a row',
    '390 (6.9 % of 5,663)',
    reopened,
  );
  const inDays = (millis: number): number => millis / DAY;
  figure('duration, median', 'from the first event to the last', '7.5 d', `${inDays(median(totals.durations)).toFixed(1)} d`);
  figure(
    'duration, mean',
    'from the first event to the last',
    '12.1 d',
    `${inDays(
      ratio(
        totals.durations.reduce((sum, one) => sum + one, 0),
        cases,
      ),
    ).toFixed(1)} d`,
  );
  figure(
    'duration, max',
    'from the first event to the last, in whole days',
    '771 d',
    `${Math.floor(inDays(totals.durations.reduce((most, one) => Math.max(most, one), 0)))} d`,
  );
  figure('Wait - User, cases', 'tickets with a row that says so', '2,495', whole(totals.waitedForUser));
  return figures;
}
