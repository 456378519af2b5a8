import { epochMillis, type Instant, parseInstant } from '#eventsourcing';
import fc from 'fast-check';
import {
  addOpenTime,
  type BusinessCalendar,
  calendarSchema,
  type CompiledCalendar,
  compileCalendar,
  endOfBusinessDay,
  openIntervals,
  openTimeBetween,
  type OpenHours,
} from './business-calendar.js';
import { faultsOf } from '../schema.js';
import { instant, isOpen, randomCalendar, slowOpenTime, wallClock } from '../testing/random-calendars.js';
import { runs } from '../../../../test/runs.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const at = (text: string): Instant => {
  const parsed = parseInstant(text);
  if (parsed === undefined) throw new Error(`no instant: ${text}`);
  return parsed;
};
const nineToFive: readonly OpenHours[] = [{ from: '09:00', to: '17:00' }];
const officeWeek = { monday: nineToFive, tuesday: nineToFive, wednesday: nineToFive, thursday: nineToFive, friday: nineToFive };
const berlin = compileCalendar({
  zone: 'Europe/Berlin',
  week: officeWeek,
  holidays: [{ date: '2026-12-24', hours: [{ from: '09:00', to: '12:00' }] }, { date: '2026-12-25' }],
});
const everyDay = (zone: string, ...hours: readonly OpenHours[]): CompiledCalendar =>
  compileCalendar({
    zone,
    week: { monday: hours, tuesday: hours, wednesday: hours, thursday: hours, friday: hours, saturday: hours, sunday: hours },
  });

describe('open time', () => {
  it('passes within the hours of the week only', () => {
    // Friday 2026-11-20 16:00 to Monday 10:00 in Berlin.
    expect(openTimeBetween(berlin, at('2026-11-20T16:00+01:00'), at('2026-11-23T10:00+01:00'))).toBe(2 * HOUR);
    expect(openTimeBetween(berlin, at('2026-11-21T00:00+01:00'), at('2026-11-23T09:00+01:00'))).toBe(0);
    expect(openTimeBetween(berlin, at('2026-11-23T10:00+01:00'), at('2026-11-20T16:00+01:00'))).toBe(0);
  });

  it('is added up to the moment of closing, not to the next opening', () => {
    expect(addOpenTime(berlin, at('2026-11-20T16:00+01:00'), HOUR)).toBe(at('2026-11-20T17:00+01:00'));
    expect(addOpenTime(berlin, at('2026-11-20T16:00+01:00'), HOUR + 1)).toBe(at('2026-11-23T09:00:00.001+01:00'));
    expect(addOpenTime(berlin, at('2026-11-21T12:00+01:00'), 0)).toBe(at('2026-11-21T12:00+01:00'));
  });

  it('skips a holiday, and has the hours that one may have instead', () => {
    expect(openTimeBetween(berlin, at('2026-12-24T00:00+01:00'), at('2026-12-25T00:00+01:00'))).toBe(3 * HOUR);
    expect(openTimeBetween(berlin, at('2026-12-25T00:00+01:00'), at('2026-12-26T00:00+01:00'))).toBe(0);
    expect(addOpenTime(berlin, at('2026-12-24T11:00+01:00'), 2 * HOUR)).toBe(at('2026-12-28T10:00+01:00'));
  });

  it('has 23 or 25 hours on a day on which the clocks change', () => {
    const allDay = everyDay('Europe/Berlin', { from: '00:00', to: '24:00' });
    expect(openTimeBetween(allDay, at('2026-03-29T00:00+01:00'), at('2026-03-30T00:00+02:00'))).toBe(23 * HOUR);
    expect(openTimeBetween(allDay, at('2026-10-25T00:00+02:00'), at('2026-10-26T00:00+01:00'))).toBe(25 * HOUR);
    const lordHowe = everyDay('Australia/Lord_Howe', { from: '00:00', to: '24:00' });
    expect(openTimeBetween(lordHowe, at('2026-04-05T00:00+11:00'), at('2026-04-06T00:00+10:30'))).toBe(24.5 * HOUR);
  });

  it('has no skipped hour, and a repeated hour twice', () => {
    const night = everyDay('Europe/Berlin', { from: '02:00', to: '03:00' });
    expect(openTimeBetween(night, at('2026-03-29T00:00+01:00'), at('2026-03-30T00:00+02:00'))).toBe(0);
    expect(openTimeBetween(night, at('2026-10-25T00:00+02:00'), at('2026-10-26T00:00+01:00'))).toBe(2 * HOUR);
    const half = everyDay('Europe/Berlin', { from: '02:30', to: '04:00' });
    expect(openIntervals(half, at('2026-10-25T00:00+02:00'), at('2026-10-26T00:00+01:00'))).toEqual([
      { from: at('2026-10-25T02:30+02:00'), to: at('2026-10-25T03:00+02:00') },
      { from: at('2026-10-25T02:30+01:00'), to: at('2026-10-25T04:00+01:00') },
    ]);
  });

  it('has nothing of a date that a zone skipped', () => {
    const apia = everyDay('Pacific/Apia', ...nineToFive);
    expect(openIntervals(apia, at('2011-12-29T00:00-10:00'), at('2012-01-01T00:00+14:00'))).toEqual([
      { from: at('2011-12-29T09:00-10:00'), to: at('2011-12-29T17:00-10:00') },
      { from: at('2011-12-31T09:00+14:00'), to: at('2011-12-31T17:00+14:00') },
    ]);
  });

  it('takes up again after the break of a split shift', () => {
    const split = everyDay('Europe/Berlin', { from: '14:00', to: '18:00' }, { from: '08:00', to: '12:00' });
    expect(openTimeBetween(split, at('2026-11-20T11:00+01:00'), at('2026-11-20T15:00+01:00'))).toBe(2 * HOUR);
    expect(addOpenTime(split, at('2026-11-20T11:00+01:00'), HOUR + MINUTE)).toBe(at('2026-11-20T14:01+01:00'));
  });

  it('loses no last minute before midnight, where it is 24×7 or where a night is written as two intervals', () => {
    const always = compileCalendar({ zone: 'Europe/Berlin', week: '24x7' });
    const night = everyDay('Europe/Berlin', { from: '22:00', to: '24:00' }, { from: '00:00', to: '06:00' });
    for (const calendar of [always, night]) {
      expect(openTimeBetween(calendar, at('2026-11-20T23:58+01:00'), at('2026-11-21T00:02+01:00'))).toBe(4 * MINUTE);
      expect(openIntervals(calendar, at('2026-11-20T23:00+01:00'), at('2026-11-21T01:00+01:00'))).toHaveLength(1);
      expect(addOpenTime(calendar, at('2026-11-20T23:59+01:00'), 2 * MINUTE)).toBe(at('2026-11-21T00:01+01:00'));
    }
    expect(openTimeBetween(always, at('2020-01-01T00:00Z'), at('2027-01-01T00:00Z'))).toBe(2557 * DAY);
  });

  it('comes to an end with the years of four digits', () => {
    expect(addOpenTime(berlin, at('2026-11-20T16:00Z'), Number.MAX_SAFE_INTEGER)).toBe('9999-12-31T23:59:59.999Z');
    expect(addOpenTime(berlin, at('9999-12-20T16:00Z'), 1000 * HOUR)).toBe('9999-12-31T23:59:59.999Z');
  });
});

describe('a business day', () => {
  it('ends with its open time, and the day that it is counted from is none', () => {
    // Thursday 2026-11-19, in the morning, in the night, at noon: Friday is the first, Monday the second.
    for (const start of ['2026-11-19T07:00+01:00', '2026-11-19T12:00+01:00', '2026-11-19T23:30+01:00']) {
      expect(endOfBusinessDay(berlin, at(start), 1)).toBe(at('2026-11-20T17:00+01:00'));
      expect(endOfBusinessDay(berlin, at(start), 2)).toBe(at('2026-11-23T17:00+01:00'));
    }
    expect(endOfBusinessDay(berlin, at('2026-11-21T12:00+01:00'), 2)).toBe(at('2026-11-24T17:00+01:00'));
  });

  it('is a different unit from its hours', () => {
    const start = at('2026-11-20T16:00+01:00');
    expect(addOpenTime(berlin, start, 16 * HOUR)).toBe(at('2026-11-24T16:00+01:00'));
    expect(endOfBusinessDay(berlin, start, 2)).toBe(at('2026-11-24T17:00+01:00'));
  });

  it('is none where a holiday closes it, and a short one where a holiday has hours', () => {
    expect(endOfBusinessDay(berlin, at('2026-12-23T10:00+01:00'), 1)).toBe(at('2026-12-24T12:00+01:00'));
    expect(endOfBusinessDay(berlin, at('2026-12-23T10:00+01:00'), 2)).toBe(at('2026-12-28T17:00+01:00'));
  });
});

describe('a calendar that comes from outside', () => {
  const faults = (calendar: unknown) => faultsOf(calendarSchema, calendar, 'calendar').map(({ field }) => field);

  it('has no fault when it is sound', () => {
    expect(faults(berlin.definition)).toEqual([]);
    expect(faults({ zone: 'UTC', week: '24x7' })).toEqual([]);
    expect(
      faults({
        zone: 'Etc/GMT+5',
        week: {
          sunday: [
            { from: '12:00', to: '24:00' },
            { from: '00:00', to: '12:00' },
          ],
        },
      }),
    ).toEqual([]);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['is no object', 'always', ['calendar']],
    ['is empty', {}, ['calendar.zone', 'calendar.week']],
    ['has an unknown zone', { zone: 'Europe/Atlantis', week: '24x7' }, ['calendar.zone']],
    ['has an offset for its zone', { zone: '+02:00', week: '24x7' }, ['calendar.zone']],
    ['has a date-time for its zone', { zone: '2026-01-01T00:00[Europe/Berlin]', week: '24x7' }, ['calendar.zone']],
    ['never opens', { zone: 'UTC', week: { monday: [] } }, ['calendar.week']],
    ['is 24×7 with holidays', { zone: 'UTC', week: '24x7', holidays: [{ date: '2026-12-25' }] }, ['calendar.holidays']],
    ['is 24×7 with what is no list of holidays', { zone: 'UTC', week: '24x7', holidays: {} }, ['calendar.holidays']],
    ['has an unknown weekday', { zone: 'UTC', week: { ...officeWeek, funday: nineToFive } }, ['calendar.week.funday']],
    ['has no list of hours', { zone: 'UTC', week: { ...officeWeek, monday: '09:00-17:00' } }, ['calendar.week.monday']],
    [
      'has times that are none',
      { zone: 'UTC', week: { monday: [{ from: '9:00', to: '25:00' }, { from: '24:00', to: '24:00' }, null] } },
      ['calendar.week.monday[0].from', 'calendar.week.monday[0].to', 'calendar.week.monday[1].from', 'calendar.week.monday[2]'],
    ],
    ['has an empty interval', { zone: 'UTC', week: { monday: [{ from: '09:00', to: '09:00' }] } }, ['calendar.week.monday[0]']],
    ['has an interval over midnight', { zone: 'UTC', week: { monday: [{ from: '22:00', to: '06:00' }] } }, ['calendar.week.monday[0]']],
    [
      'has overlapping intervals',
      {
        zone: 'UTC',
        week: {
          monday: [
            { from: '12:00', to: '13:00' },
            { from: '08:00', to: '18:00' },
            { from: '17:00', to: '19:00' },
          ],
        },
      },
      ['calendar.week.monday[0]', 'calendar.week.monday[2]'],
    ],
    [
      'has holidays that are none',
      {
        zone: 'UTC',
        week: officeWeek,
        holidays: [
          { date: '2026-02-30' },
          { date: '24.12.2026' },
          { date: '2026-12-25' },
          { date: '2026-12-24', name: 7 },
          'x',
          { date: '2026-12-26', hours: [{ from: '10:00', to: '09:00' }] },
        ],
      },
      [
        'calendar.holidays[0].date',
        'calendar.holidays[1].date',
        'calendar.holidays[3].name',
        'calendar.holidays[4]',
        'calendar.holidays[5].hours[0]',
      ],
    ],
    [
      'has a holiday twice',
      { zone: 'UTC', week: officeWeek, holidays: [{ date: '2026-12-25' }, { date: '2026-12-26' }, { date: '2026-12-25' }] },
      ['calendar.holidays[2].date'],
    ],
    ['has no list of holidays', { zone: 'UTC', week: officeWeek, holidays: {} }, ['calendar.holidays']],
  ])('is refused with every fault named when it %s', (_, calendar, expected) => {
    expect(faults(calendar)).toEqual(expected);
    expect(() => compileCalendar(calendar as BusinessCalendar)).toThrow(RangeError);
  });

  it('never makes the check throw', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (zone, week, holidays) => {
        const odd = { zone, week, holidays };
        const oddInside = { zone, week: { monday: week, tuesday: [week] }, holidays: [holidays, { date: holidays, hours: week }] };
        // Whatever JSON says is refused here, or works.
        for (const calendar of [odd, oddInside, { ...odd, zone: 'UTC' }, { ...odd, zone: 'UTC', week: officeWeek }])
          if (faults(calendar).length === 0) expect(() => compileCalendar(calendar as BusinessCalendar)).not.toThrow();
      }),
    );
  });
});

describe('every calendar, against a wall clock read minute by minute', () => {
  const span = fc.integer({ min: 0, max: 4 * DAY });

  it('has the same open time', () => {
    fc.assert(
      fc.property(randomCalendar, span, span, ({ calendar, start }, one, other) => {
        const [from, to] = [start + Math.min(one, other), start + Math.max(one, other)];
        expect(openTimeBetween(compileCalendar(calendar), instant(from), instant(to))).toBe(slowOpenTime(calendar, from, to));
      }),
      { numRuns: runs(400) },
    );
  });

  it('adds open time up to its very last millisecond', () => {
    fc.assert(
      fc.property(randomCalendar, span, fc.integer({ min: 1, max: 12 * DAY }), ({ calendar, start }, from, millis) => {
        const compiled = compileCalendar(calendar);
        const due = addOpenTime(compiled, instant(start + from), millis);
        // The last of it must pass in open time. How much has passed is known to be right from the property above.
        expect(isOpen(calendar, Math.floor((epochMillis(due) - 1) / MINUTE) * MINUTE)).toBe(true);
        expect(openTimeBetween(compiled, instant(start + from), due)).toBe(millis);
        expect(openTimeBetween(compiled, instant(start + from), instant(epochMillis(due) - 1))).toBe(millis - 1);
      }),
      { numRuns: runs(400) },
    );
  });

  it('comes back by addition to what lies between', () => {
    fc.assert(
      fc.property(randomCalendar, span, span, ({ calendar, start }, from, length) => {
        const compiled = compileCalendar(calendar);
        const [begin, end] = [instant(start + from), instant(start + from + length)];
        const due = addOpenTime(compiled, begin, openTimeBetween(compiled, begin, end));
        expect(due <= end).toBe(true);
        expect(openTimeBetween(compiled, due, end)).toBe(0);
      }),
      { numRuns: runs(400) },
    );
  });

  it('adds up over any instant between, also over years', () => {
    fc.assert(
      fc.property(
        randomCalendar,
        fc.array(fc.integer({ min: 0, max: 450 * DAY }), { minLength: 3, maxLength: 3 }),
        ({ calendar, start }, offsets) => {
          const compiled = compileCalendar(calendar);
          const [a = start, b = start, c = start] = offsets.map((offset) => start + offset).sort((one, other) => one - other);
          const between = (from: number, to: number) => openTimeBetween(compiled, instant(from), instant(to));
          expect(between(a, b) + between(b, c)).toBe(between(a, c));
          const intervals = openIntervals(compiled, instant(a), instant(c));
          expect(intervals.reduce((sum, { from, to }) => sum + epochMillis(to) - epochMillis(from), 0)).toBe(between(a, c));
          intervals.forEach(({ from, to }, index) => {
            expect(from < to && (index === 0 || (intervals[index - 1]?.to ?? '') < from)).toBe(true);
          });
        },
      ),
      { numRuns: runs(150) },
    );
  });

  it('ends a business day where the wall clock last shows it open', () => {
    fc.assert(
      fc.property(randomCalendar, fc.nat(2 * DAY), fc.integer({ min: 1, max: 3 }), ({ calendar, start }, offset, days) => {
        const from = start + offset;
        const zone = calendar.zone;
        const today = wallClock(zone, Math.floor(from / MINUTE) * MINUTE).date;
        const closings = new Map<string, number>();
        // A week may have one open day only.
        for (let minute = Math.floor(from / MINUTE) * MINUTE; closings.size <= days && minute < from + 40 * DAY; minute += MINUTE) {
          const { date } = wallClock(zone, minute);
          if (date > today && isOpen(calendar, minute)) closings.set(date, minute + MINUTE);
        }
        expect(epochMillis(endOfBusinessDay(compileCalendar(calendar), instant(from), days))).toBe([...closings.values()][days - 1]);
      }),
      { numRuns: runs(60) },
    );
  });
});
