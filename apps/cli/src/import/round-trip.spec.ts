import fc from 'fast-check';
import { anyLog, temporaryFolder } from './testing/log-files.js';
import { roundTrip } from './testing/round-trip.js';
import { runs } from '../../../../test/runs.js';

const files = temporaryFolder();
afterAll(() => files.remove());

it('an exported event log is imported with the same figures, whatever happened to the tickets, in each format', async () => {
  await fc.assert(
    fc.asyncProperty(anyLog, fc.constantFrom('xes', 'csv', 'ndjson'), async (cases, format) => {
      const { before, again, leftOut } = await roundTrip(files, cases, format);
      expect(leftOut).toEqual({});
      expect(again).toEqual(before);
    }),
    { numRuns: runs(60) },
  );
});
