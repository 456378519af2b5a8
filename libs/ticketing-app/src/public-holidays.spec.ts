import Holidays from 'date-holidays';
import { Temporal } from 'temporal-polyfill';
import { compileCalendar, type Holiday, WEEKDAYS } from '#ticketing';
import { withPublicHolidays } from './public-holidays.js';
import { runs } from '../../../test/runs.js';

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

  const office = Object.fromEntries(
    ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'].map((day) => [
      day,
      [
        { from: '08:00', to: '12:30' },
        { from: '13:30', to: '18:00' },
      ],
    ]),
  );
  const holidays = (asked: object, week: unknown = office) => {
    const terms = withHolidays({ calendar: { zone: 'Europe/Rome', week, publicHolidays: asked } }) as {
      calendar: { holidays: Holiday[] };
    };
    return new Map(terms.calendar.holidays.map((holiday) => [holiday.date, holiday]));
  };

  it('close half days for their hours, by what is left of the week', () => {
    const iceland = holidays({ country: 'IS', years: [2026] });
    expect(iceland.get('2026-12-24')).toMatchObject({ hours: [{ from: '08:00', to: '12:30' }] });
    expect(iceland.get('2026-12-25')?.hours).toBeUndefined();
    const haiti = holidays({ country: 'HT', years: [2026] });
    expect(haiti.get('2026-02-16')).toMatchObject({
      hours: [
        { from: '08:00', to: '12:30' },
        { from: '13:30', to: '14:00' },
      ],
    });
    // A half day on which nobody works anyway changes nothing; one that takes all the hours closes the date.
    expect(holidays({ country: 'IS', years: [2027] }).has('2027-12-24')).toBe(true);
    expect(holidays({ country: 'IS', years: [2026] }, { monday: [{ from: '08:00', to: '12:00' }] }).has('2026-12-24')).toBe(false);
    const late = { thursday: [{ from: '14:00', to: '22:00' }] };
    expect(holidays({ country: 'IS', years: [2026] }, late).get('2026-12-24')).toEqual({ date: '2026-12-24', name: expect.any(String) });
  });

  it('close holidays of any length as whole dates and hours', () => {
    // 114 hours from the evening of 26 May: four days and the morning of a fifth, a Sunday.
    const everyDay = Object.fromEntries(WEEKDAYS.map((day) => [day, [{ from: '06:00', to: '22:00' }]]));
    const turkey = holidays({ country: 'TR', years: [2026] }, everyDay);
    expect(turkey.get('2026-05-26')).toMatchObject({ hours: [{ from: '06:00', to: '18:00' }] });
    for (const day of [27, 28, 29, 30]) expect(turkey.get(`2026-05-${day}`)).toEqual({ date: `2026-05-${day}`, name: expect.any(String) });
    expect(turkey.get('2026-05-31')).toMatchObject({ hours: [{ from: '12:00', to: '22:00' }] });
    expect(turkey.has('2026-06-01')).toBe(false);
    // Whole days that begin at the sunset before are the dates that they are known by.
    const kenya = holidays({ country: 'KE', years: [2026] }, everyDay);
    expect([kenya.has('2026-05-26'), kenya.get('2026-05-27')]).toEqual([false, { date: '2026-05-27', name: expect.any(String) }]);
  });

  it('have substitute days as in the source, and no working days', () => {
    expect([...holidays({ country: 'AL', years: [2026] }).keys()]).toEqual(expect.arrayContaining(['2026-03-16', '2026-11-30']));
    expect(holidays({ country: 'PH', years: [2026] }).has('2026-02-25')).toBe(false);
  });

  it('of every country make a calendar whose closings are all within its days', () => {
    const countries = Object.keys(new Holidays().getCountries());
    expect(countries.length).toBeGreaterThan(150);
    const everyDay = Object.fromEntries(WEEKDAYS.map((day) => [day, [{ from: '00:00', to: '24:00' }]]));
    for (const country of countries.filter((_, index) => index % (4 / runs(4)) === 0)) {
      const days = new Map<string, number>();
      const library = new Holidays(country);
      const zone = library.getTimezones()[0] ?? 'UTC';
      const found = holidays({ country, years: [2026] }, everyDay);
      expect(() => compileCalendar({ zone, week: everyDay, holidays: [...found.values()] })).not.toThrow();
      for (const { date, start, end, type } of library.getHolidays(2026)) {
        if (type !== 'public') continue;
        // Of 23 hours at least, and so a day where the clocks change, too.
        const whole = end.getTime() - start.getTime() >= 23 * 3_600_000 && !date.includes('-0600');
        if (whole) expect({ country, date, hours: found.get(date.slice(0, 10)) }).toMatchObject({ hours: { name: expect.any(String) } });
        const there = (at: Date) => Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone).toPlainDate();
        for (let day = there(start); Temporal.PlainDate.compare(day, there(end)) <= 0; day = day.add({ days: 1 }))
          days.set(day.toString(), 1);
      }
      for (const date of found.keys()) expect({ country, date, in: days.has(date) }).toEqual({ country, date, in: true });
    }
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
