import { breakAfter, patience, pauseAfter } from './patience.js';

const HOUR = 3_600_000;

describe('pauses after failures', () => {
  it('grow fourfold, up to half a day, give or take a fifth', () => {
    const exactly = (failures: number) => pauseAfter(patience, failures, 0.5);
    expect([1, 2, 3, 4].map(exactly)).toEqual([5_000, 20_000, 80_000, 320_000]);
    expect(exactly(40)).toBe(12 * HOUR);
    expect([pauseAfter(patience, 1, 0), pauseAfter(patience, 1, 1)]).toEqual([4_000, 6_000]);
  });

  it('are as long as the receiver asks for, up to a day', () => {
    expect(pauseAfter(patience, 1, 0.5, 60_000)).toBe(60_000);
    expect(pauseAfter(patience, 1, 0.5, 1_000)).toBe(5_000);
    expect(pauseAfter(patience, 1, 0.5, 999 * HOUR)).toBe(24 * HOUR);
  });

  it('are for all events of a receiver after a few failures in a row, or where it asks for it', () => {
    const exactly = (failures: number) => breakAfter(patience, failures, 0.5);
    expect([1, 4, 5, 6, 7].map(exactly)).toEqual([0, 0, 15_000, 30_000, 60_000]);
    expect(exactly(50)).toBe(600_000);
    expect(breakAfter(patience, 1, 0.5, 120_000)).toBe(120_000);
  });
});
