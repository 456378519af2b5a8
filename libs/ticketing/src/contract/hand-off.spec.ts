import { handOffQuality, missingFromHandOff } from './hand-off.js';

const asked = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
const full = {
  ...asked,
  stepsTried: Array.from({ length: 3 }, () => ({ action: 'a', outcome: 'o' })),
  stepsToReproduce: ['r'],
  diagnosticData: ['d'],
  environment: 'e',
};

describe('what a hand-off must carry', () => {
  const fields = (...[from, to, handOff, asked]: Parameters<typeof missingFromHandOff>) =>
    missingFromHandOff(from, to, handOff, asked).map(({ field }) => field.replace('handoff.', ''));

  it('is what the contract requires for each tier, and the default if it requires nothing', () => {
    const asked = { L2: ['summary', 'environment'], L3: [] } as const;
    expect(fields('L1', 'L2', {}, asked)).toEqual(['summary', 'environment']);
    expect(fields('L2', 'L3', {}, asked)).toEqual(['summary', 'environment']);
    expect(fields('L3', 'L4', {}, asked)).toEqual(['vendor.vendor', 'vendor.caseReference', 'vendor.contract']);
    expect(fields('L1', 'L2', {}, {})).toEqual(['summary', 'errorMessages', 'logs', 'stepsTried']);
    expect(fields('L1', 'L2', {}, { L2: [] })).toEqual([]);
  });

  it('asks for each item once, on its way over several tiers too', () => {
    expect(fields('L1', 'L3', {}, { L2: ['summary'], L3: ['summary', 'logs'] })).toEqual(['summary', 'logs']);
  });
});

describe('the quality of a hand-off', () => {
  it('is 100 for all that a receiver is glad of', () => expect(handOffQuality('L1', 'L2', full)).toBe(100));

  it('is 60, plus a share of 40 for what only the contract requires', () =>
    expect(handOffQuality('L1', 'L2', asked)).toBe(60 + Math.round((40 * 3) / 7)));

  it('falls where an imported one lacks what its step requires', () => {
    expect(handOffQuality('L1', 'L2', {})).toBe(0);
    expect(handOffQuality('L1', 'L2', { summary: 's' })).toBe(Math.round(60 / 4 + 40 / 7));
  });

  it('counts a hand-off to a vendor by its case', () => {
    expect(handOffQuality('L3', 'L4', { ...full, vendor: { vendor: 'v', caseReference: 'c', contract: 'k' } })).toBe(100);
    expect(missingFromHandOff('L3', 'L4', full)).toHaveLength(3);
  });
});
