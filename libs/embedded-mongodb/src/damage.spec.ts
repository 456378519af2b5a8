import { surviveDamages } from './testing/damage.js';
import { runs } from '../../../test/runs.js';

test('no damage to the files gives a wrong result, and all of it is reported at the start or by the affected read', async () => {
  // The place of records in a file differs from run to run, and so does the effect of damage: repeats until both kinds were hit.
  const found = { atStart: 0, atReads: 0 };
  for (let seed = 1; seed <= 5 && (found.atStart === 0 || found.atReads === 0); seed++) {
    const { silent, strange, atStart, atReads } = await surviveDamages(runs(40), seed);
    expect({ silent, strange }).toEqual({ silent: [], strange: [] });
    found.atStart += atStart;
    found.atReads += atReads;
  }
  expect(found.atStart).toBeGreaterThan(0);
  expect(found.atReads).toBeGreaterThan(0);
}, 240_000);
