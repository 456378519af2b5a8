import { withPublicHolidays } from './public-holidays.js';

const withHolidays = (terms: Readonly<Record<string, unknown>>) => {
  const result = withPublicHolidays(terms);
  return 'faults' in result ? result.faults : result.terms;
};
const ask = (publicHolidays: unknown, more: object = {}) =>
  withHolidays({ reopen: 'continue', calendar: { zone: 'Europe/Rome', week: {}, publicHolidays, ...more } });

describe('the public holidays of a country', () => {
  it('become dates of the calendar, beside those that are given', () => {
    const given = { date: '2026-12-25', hours: [{ from: '09:00', to: '12:00' }] };
    const terms = ask({ country: 'IT', years: [2026, 2027] }, { holidays: [given, { date: '2026-12-07' }] }) as {
      reopen: string;
      calendar: { holidays: { date: string; name?: string }[]; publicHolidays?: unknown };
    };
    expect(terms.reopen).toBe('continue');
    expect(terms.calendar.publicHolidays).toBeUndefined();
    expect(terms.calendar.holidays.slice(0, 2)).toEqual([given, { date: '2026-12-07' }]);
    const dates = terms.calendar.holidays.map(({ date }) => date);
    expect(dates).toEqual(expect.arrayContaining(['2026-04-06', '2026-06-02', '2027-03-29', '2027-12-26']));
    expect(dates.filter((date) => date === '2026-12-25')).toHaveLength(1);
    expect(new Set(dates).size).toBe(dates.length);
  });

  it('are those of a state where one is named, and every day of those that last several', () => {
    const dates = (asked: object) =>
      ((ask(asked) as { calendar: { holidays: { date: string }[] } }).calendar.holidays ?? []).map(({ date }) => date);
    expect(dates({ country: 'DE', state: 'BY', years: [2026] })).toContain('2026-06-04');
    expect(dates({ country: 'DE', state: 'BE', years: [2026] })).not.toContain('2026-06-04');
    expect(dates({ country: 'SA', years: [2026] })).toEqual(
      expect.arrayContaining(['2026-03-19', '2026-03-20', '2026-03-21', '2026-03-22']),
    );
  });

  it('leave terms that do not ask for them as they are', () => {
    const terms = { calendar: { zone: 'UTC', week: '24x7' } };
    expect(withHolidays(terms)).toBe(terms);
    expect(withHolidays({ calendar: 'none' })).toEqual({ calendar: 'none' });
  });

  it.each<[string, unknown, string[]]>([
    ['an unknown country', { country: 'ZZ', years: [2026] }, ['.country']],
    ['what every object has', { country: 'constructor', years: [2026] }, ['.country']],
    ['an unknown state', { country: 'DE', state: 'XX', years: [2026] }, ['.state']],
    ['a region without a state', { country: 'DE', region: 'A', years: [2026] }, ['.region']],
    ['no years', { country: 'DE' }, ['.years']],
    ['too many years', { country: 'DE', years: Array.from({ length: 11 }, (_, index) => 2020 + index) }, ['.years']],
    ['a list', [], ['']],
    ['what it does not know', { country: 'DE', years: [2026], colour: 'red' }, ['.colour']],
  ])('are refused for %s', (_name, asked, fields) => {
    expect((ask(asked) as readonly { field: string }[]).map(({ field }) => field)).toEqual(
      fields.map((field) => `terms.calendar.publicHolidays${field}`),
    );
  });
});
