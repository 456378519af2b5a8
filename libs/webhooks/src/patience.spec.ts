import { breakAfter, patience, pauseAfter } from './patience.js';
import { retryAfter } from './post.js';

const HOUR = 3_600_000;

describe('pauses after failures', () => {
  it('grow fourfold, up to half a day, ±20 %', () => {
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

  it('apply to all events of a receiver after a few consecutive failures, or at its request', () => {
    const exactly = (failures: number) => breakAfter(patience, failures, 0.5);
    expect([1, 4, 5, 6, 7].map(exactly)).toEqual([0, 0, 15_000, 30_000, 60_000]);
    expect(exactly(50)).toBe(600_000);
    expect(breakAfter(patience, 1, 0.5, 120_000)).toBe(120_000);
  });

  it('are requested in seconds or as an HTTP date; anything else is ignored', () => {
    const now = Date.parse('2026-11-29T08:00:00Z');
    const asked = (header: string) => retryAfter(header, now);
    expect(['120', ' 0 ', '99999999999999'].map(asked)).toEqual([120_000, 0, 99999999999999_000]);
    const dates = ['Sun, 29 Nov 2026 08:01:00 GMT', 'Sunday, 29-Nov-26 08:01:00 GMT', 'Sun Nov 29 08:01:00 2026'];
    expect(dates.map(asked)).toEqual([60_000, 60_000, 60_000]);
    expect(asked('Sun, 29 Nov 2026 07:00:00 GMT')).toBe(0);
    for (const garbage of ['', '-5', '1.5', '1e9', 'soon', 'try 2099', '2099-01-01', 'Sun, 99 Nov 2026 99:99:99 GMT', 'Infinity'])
      expect(asked(garbage)).toBeUndefined();
  });
});
