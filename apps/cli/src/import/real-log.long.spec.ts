import { readCases, temporaryFolder, withoutLines } from './testing/log-files.js';
import { describeWith, realLog, realLogAsCsv } from './testing/real-log.js';
import { thereAndBack } from './testing/there-and-back.js';
import { unfaithful } from './testing/unfaithful.js';

const files = temporaryFolder();
afterAll(() => files.remove());

describeWith(realLog, 'the real log', (file) => {
  it('has 7,554 cases with 65,533 rows, the same in both formats', async () => {
    const cases = await readCases(file);
    expect([cases.length, cases.flatMap(({ rows }) => rows).length]).toEqual([7554, 65_533]);
    if (realLogAsCsv !== undefined)
      expect(JSON.stringify(withoutLines(await readCases(realLogAsCsv)))).toBe(JSON.stringify(withoutLines(cases)));
  });

  it('is told row by row, and each ticket stands after each row as the row says', async () => {
    const faults: string[] = [];
    for (const one of await readCases(file)) faults.push(...unfaithful(one).map((fault) => `${one.caseId} ${fault}`));
    expect(faults).toEqual([]);
  });

  it('is imported with the same figures once more from its event log as XES', async () => {
    const { before, again, leftOut, rows } = await thereAndBack(files, await readCases(file), 'xes');
    expect(leftOut).toEqual({});
    expect(rows).toBeGreaterThan(65_533);
    expect(again).toEqual(before);
  });
});
