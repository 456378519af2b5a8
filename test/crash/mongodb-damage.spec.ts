import { surviveDamages } from '../../libs/embedded-mongodb/src/testing/damage.js';

test("300 cases of random damage to the MongoDB node's files are all reported, and none ends the process", async () => {
  const { silent, strange, ...found } = await surviveDamages(300, Number(process.env['DAMAGE_SEED'] ?? 2));
  console.info(`found at the start ${found.atStart}, by reads ${found.atReads}, in places that hold nothing ${found.harmless}`);
  expect({ silent, strange }).toEqual({ silent: [], strange: [] });
  expect(found.atStart + found.atReads).toBeGreaterThan(100);
}, 600_000);
