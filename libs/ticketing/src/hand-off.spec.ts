import { handOffQuality, missingFromHandOff } from './hand-off.js';

const asked = { summary: 's', errorMessages: ['e'], logs: ['l'], stepsTried: [{ action: 'a', outcome: 'o' }] };
const full = {
  ...asked,
  stepsTried: Array.from({ length: 3 }, () => ({ action: 'a', outcome: 'o' })),
  stepsToReproduce: ['r'],
  diagnosticData: ['d'],
  environment: 'e',
};

describe('the quality of a hand-off', () => {
  it('is 100 for all that a receiver is glad of', () => expect(handOffQuality('L1', 'L2', full)).toBe(100));

  it('is 60 and a share of 40 for what the contract asks alone', () =>
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
