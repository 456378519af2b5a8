import { surviveDamages } from './testing/damage.js';

test('no damage to the files leads to a wrong answer, and each is named at the start or by the read that meets it', async () => {
  const { silent, strange, ...found } = await surviveDamages(40, 1);
  expect({ silent, strange }).toEqual({ silent: [], strange: [] });
  expect(found.atStart).toBeGreaterThan(0);
  expect(found.atReads).toBeGreaterThan(0);
}, 120_000);
