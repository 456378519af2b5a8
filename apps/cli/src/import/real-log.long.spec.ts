import { bpic2013Figures } from '../report/bpic2013-figures.js';
import { courses, type HistoryLine } from '../report/ticket-course.js';
import { caseToEvents } from './case-to-events.js';
import { BPIC2013 } from './ready-mappings.js';
import { readCases, withoutLines } from './testing/log-files.js';
import { describeWith, realLog, realLogAsCsv } from './testing/real-log.js';
import { importFaults } from './testing/import-faults.js';

describeWith(realLog, 'the real log', (file) => {
  it('has 7,554 cases with 65,533 rows, the same in both formats', async () => {
    const cases = await readCases(file);
    expect([cases.length, cases.flatMap(({ rows }) => rows).length]).toEqual([7554, 65_533]);
    if (realLogAsCsv !== undefined)
      expect(JSON.stringify(withoutLines(await readCases(realLogAsCsv)))).toBe(JSON.stringify(withoutLines(cases)));
  });

  it('is told row by row, and each ticket stands after each row as the row says', async () => {
    const faults: string[] = [];
    for (const one of await readCases(file)) faults.push(...importFaults(one).map((fault) => `${one.caseId} ${fault}`));
    expect(faults).toEqual([]);
  });

  it('gives the 41 figures that are known of it', async () => {
    async function* history(): AsyncGenerator<HistoryLine> {
      for (const one of await readCases(file)) {
        const { ticketId, events } = caseToEvents(one, BPIC2013);
        for (const event of events) yield { ticketId, ...event };
      }
    }
    const figures = await bpic2013Figures(courses(history()), 7554);
    expect(figures.filter(({ agrees }) => !agrees)).toEqual([]);
    expect(figures).toHaveLength(41);
  });
});
