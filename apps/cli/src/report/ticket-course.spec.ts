import fc from 'fast-check';
import { epochMillis } from '#eventsourcing';
import { caseToEvents } from '../import/case-to-events.js';
import type { LogRow } from '../import/mapped-rows.js';
import { BPIC2013 } from '../import/ready-mappings.js';
import type { LogCase } from '../import/row-spool.js';
import { anyCase } from '../import/testing/log-files.js';
import { bounces, courseOf, courses, type HistoryLine, type TicketCourse } from './ticket-course.js';
import { runs } from '../../../../test/runs.js';

function historyOf(one: LogCase): HistoryLine[] {
  const { ticketId, events } = caseToEvents(one, BPIC2013);
  return events.map((event) => ({ ticketId, ...event }));
}

/** What the figures are defined by, straight from the rows of the log: the definitions that the reference was computed with. */
function courseOfRows({ rows }: LogCase): Omit<TicketCourse, 'steps' | 'spent'> {
  const last = rows.at(-1)!;
  const [first] = rows;
  // A row that is "Unmatched" says nothing of where the work is.
  const placed = rows.filter(({ said }, index) => index === 0 || said.status !== 'Unmatched');
  const steps = placed.slice(1).map((row, index): [LogRow, LogRow] => [placed[index]!, row]);
  const resolvedAt = rows.findIndex(({ said }) => said.subStatus === 'Resolved');
  return {
    impact: first.said.impact!.toLowerCase() as TicketCourse['impact'],
    impactConstant: rows.every(({ said }) => said.impact === first.said.impact),
    openedAtTier: first.tier!,
    movedUp: steps.some(([from, to]) => to.tier! > from.tier!),
    movedDown: steps.some(([from, to]) => to.tier! < from.tier!),
    touchedL3: placed.some(({ tier }) => tier === 'L3'),
    teams: placed.map(({ said }) => said.team!).filter((team, index, all) => team !== all[index - 1]),
    rows: rows.map(({ said }) => `${said.status}/${said.subStatus}`),
    firstSaidAt: first.said.at!,
    lastSaidAt: last.said.at!,
    duration: epochMillis(last.at) - epochMillis(first.at),
    offsets: new Set(rows.map(({ said }) => said.at!.slice(-6))),
    resolved: resolvedAt >= 0,
    reopened: resolvedAt >= 0 && rows.slice(resolvedAt).some(({ said }) => said.status === 'Queued' || said.status === 'Accepted'),
  };
}

describe("a ticket's course", () => {
  it('told by its events is the one that the rows of the log tell', () => {
    fc.assert(
      fc.property(anyCase(), (one) => {
        const { steps, spent, ...course } = courseOf(historyOf(one)) as TicketCourse;
        expect(course).toEqual(courseOfRows(one));
        expect(steps[0]).toBe('TicketOpened');
        expect([...spent.values()].reduce((sum, millis) => sum + millis, 0)).toBeGreaterThanOrEqual(course.duration);
      }),
      { numRuns: runs(500) },
    );
  });

  it('is none without its opening', () => {
    expect(courseOf([])).toBeUndefined();
    const [one] = fc.sample(anyCase(), { numRuns: 1, seed: 1 });
    expect(courseOf(historyOf(one!).slice(1))).toBeUndefined();
  });

  it('ends where the lines of the next ticket begin', async () => {
    const ids = ['1-1', '1-2', '1-3'];
    await fc.assert(
      fc.asyncProperty(fc.tuple(...ids.map((id) => anyCase(fc.constant(id)))), async (cases) => {
        const found: TicketCourse[] = [];
        for await (const course of courses(cases.flatMap(historyOf))) found.push(course);
        expect(found).toMatchObject(cases.map(courseOfRows));
      }),
      { numRuns: runs(50) },
    );
  });
});

it.each<[string[], number]>([
  [[], 0],
  [['A', 'B'], 0],
  [['A', 'B', 'A'], 1],
  [['A', 'B', 'A', 'B'], 2],
  [['A', 'B', 'C', 'A'], 0],
  [['A', 'B', 'C', 'B', 'A'], 1],
])('bounces of %j', (teams, expected) => {
  expect(bounces({ teams })).toBe(expected);
});
