import { bucketAt, bucketsOf } from './periods.js';

const at = (text: string) => Date.parse(text);

describe('periods', () => {
  it('are those of the zone: days of 23 and 25 hours', () => {
    const spring = bucketsOf('day', 'Europe/Berlin', at('2026-03-28T00:00:00+01:00'), at('2026-03-31T00:00:00+02:00'));
    expect(spring.map(({ key, from, to }) => [key, (to - from) / 3_600_000])).toEqual([
      ['2026-03-28', 24],
      ['2026-03-29', 23],
      ['2026-03-30', 24],
    ]);
    const autumn = bucketsOf('hour', 'Europe/Berlin', at('2026-10-25T00:00:00+02:00'), at('2026-10-26T00:00:00+01:00'));
    expect(autumn).toHaveLength(25);
    expect(autumn.slice(2, 4).map(({ key }) => key)).toEqual(['2026-10-25T02:00+02:00', '2026-10-25T02:00+01:00']);
  });

  it('are clipped to what is asked for', () => {
    const [from, to] = [at('2026-01-15T00:00:00Z'), at('2026-03-02T12:00:00Z')];
    expect(bucketsOf('month', 'UTC', from, to)).toEqual([
      { key: '2026-01', from, to: at('2026-02-01T00:00:00Z') },
      { key: '2026-02', from: at('2026-02-01T00:00:00Z'), to: at('2026-03-01T00:00:00Z') },
      { key: '2026-03', from: at('2026-03-01T00:00:00Z'), to },
    ]);
  });

  it('have weeks that begin on Monday and belong to the year of their Thursday', () => {
    const weeks = bucketsOf('week', 'UTC', at('2026-12-27T00:00:00Z'), at('2027-01-05T00:00:00Z'));
    expect(weeks.map(({ key }) => key)).toEqual(['2026-W52', '2026-W53', '2027-W01']);
  });

  it('follow each other without gaps, also where a zone moves by half an hour', () => {
    const [from, to] = [at('2026-04-04T00:00:00Z'), at('2026-04-06T00:00:00Z')];
    const hours = bucketsOf('hour', 'Australia/Lord_Howe', from, to);
    expect(hours[0]?.from).toBe(from);
    expect(hours.at(-1)?.to).toBe(to);
    for (const [index, hour] of hours.entries()) if (index > 0) expect(hour.from).toBe(hours[index - 1]?.to);
    expect(new Set(hours.map(({ key }) => key)).size).toBe(hours.length);
  });

  it('are found by an instant', () => {
    const days = bucketsOf('day', 'UTC', at('2026-01-01T00:00:00Z'), at('2026-01-04T00:00:00Z'));
    expect(bucketAt(days, at('2026-01-02T00:00:00Z'))).toBe(1);
    expect(bucketAt(days, at('2026-01-01T23:59:59.999Z'))).toBe(0);
    expect(bucketAt(days, at('2025-12-31T23:59:59.999Z'))).toBe(-1);
    expect(bucketAt(days, at('2026-01-04T00:00:00Z'))).toBe(-1);
  });
});
