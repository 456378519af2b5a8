import fc from 'fast-check';
import { faultsOf } from '../schema.js';
import { calendarOf, type Contract, contractSchema, defaultContract, entryTier, HOUR, nextTier } from './contract.js';

const faults = (terms: unknown) => faultsOf(contractSchema, terms);

const office = [{ from: '09:00', to: '17:00' }];
const sound: Contract = {
  ...defaultContract,
  tiers: ['L1', 'L2', 'L4'],
  calendar: { zone: 'Europe/Berlin', week: { monday: office, friday: office }, holidays: [{ date: '2026-12-25', name: 'Christmas' }] },
  targets: { ...defaultContract.targets, low: { response: HOUR, resolution: { businessDays: 2 } } },
  tierTargets: {
    L2: { critical: { accept: HOUR, work: 4 * HOUR }, high: { work: HOUR }, medium: { accept: HOUR }, low: { work: { businessDays: 5 } } },
  },
  vendorTargets: { contoso: 8 * HOUR, '*': { businessDays: 3 } },
  reopen: 'continue',
};
const { critical: _critical, ...withoutCritical } = defaultContract.targets;
const { major: _major, ...withoutMajor } = defaultContract.priorities;

describe('a contract', () => {
  it('is sound by default, and with all that it may hold', () => {
    expect(faults(defaultContract)).toEqual([]);
    expect(faults(sound)).toEqual([]);
    expect(faults(JSON.parse(JSON.stringify(sound)))).toEqual([]);
    expect(faults({ ...sound, thresholds: [] })).toEqual([]);
  });

  it('knows the tier of entry and the next tier that exists', () => {
    expect([entryTier(sound), nextTier(sound, 'L2'), nextTier(sound, 'L4')]).toEqual(['L1', 'L4', undefined]);
  });

  it('compiles its calendar once', () => {
    expect(calendarOf({ ...sound })).toBe(calendarOf(sound));
    expect(calendarOf(defaultContract).alwaysOpen).toBe(true);
  });

  it.each<[string, object, readonly string[]]>([
    ['has a gap: no target for a priority', { targets: withoutCritical }, ['targets.critical']],
    ['has a gap: no response target', { targets: { ...defaultContract.targets, low: { resolution: HOUR } } }, ['targets.low.response']],
    ['has a gap in the priorities', { priorities: withoutMajor }, ['priorities.major']],
    [
      'has an unknown priority',
      { priorities: { ...defaultContract.priorities, low: { ...defaultContract.priorities.low, low: 'none' } } },
      ['priorities.low.low'],
    ],
    ['asks a hand-off for what there is not', { handOffs: { L2: ['luck'], L9: [] } }, ['handOffs.L2[0]', 'handOffs.L9']],
    ['has categories that are none', { categories: ['hardware', '/', 7] }, ['categories[1]', 'categories[2]']],
    [
      'has services that are none',
      { services: { printing: ['spooler', ' ', 7], ' ': [], mail: 'imap' } },
      ['services.printing[1]', 'services.printing[2]', 'services. ', 'services.mail'],
    ],
    ['has no service among its services', { services: {} }, ['services']],
    ['has services in a list', { services: ['printing'] }, ['services']],
    ['has targets for what is no priority', { targets: { ...defaultContract.targets, urgent: {} } }, ['targets.urgent']],
    [
      'has a zero, a negative, a broken and an endless target',
      {
        targets: {
          critical: { response: 0, resolution: -HOUR },
          high: { response: 1.5, resolution: 1e15 },
          medium: { response: '1h', resolution: null },
          low: { response: { businessDays: 0 }, resolution: { businessDays: 1.5 } },
        },
      },
      [
        'targets.critical.response',
        'targets.critical.resolution',
        'targets.high.response',
        'targets.high.resolution',
        'targets.medium.response',
        'targets.medium.resolution',
        'targets.low.response.businessDays',
        'targets.low.resolution.businessDays',
      ],
    ],
    ['has an unknown zone', { calendar: { zone: 'Mars/Base', week: '24x7' } }, ['calendar.zone']],
    [
      'has overlapping intervals',
      { calendar: { zone: 'UTC', week: { monday: [...office, { from: '16:00', to: '18:00' }] } } },
      ['calendar.week.monday[1]'],
    ],
    ['has no calendar', { calendar: undefined }, ['calendar']],
    ['has tiers out of order', { tiers: ['L2', 'L1', 'L4'] }, ['tiers[1]']],
    ['has a tier twice', { tiers: ['L1', 'L2', 'L2', 'L4'] }, ['tiers[2]']],
    ['has an unknown tier', { tiers: ['L1', 'L2', 'L9'] }, ['tiers[2]']],
    ['has no tiers', { tiers: [], tierTargets: undefined }, ['tiers']],
    ['has targets for a tier that it leaves out', { tiers: ['L1', 'L4'] }, ['tierTargets.L2']],
    [
      'has a tier with a gap and a zero target',
      { tierTargets: { L1: { critical: { accept: 0 }, high: {}, medium: { work: HOUR, sleep: HOUR } } } },
      [
        'tierTargets.L1.critical.accept',
        'tierTargets.L1.high.accept',
        'tierTargets.L1.high.work',
        'tierTargets.L1.medium.sleep',
        'tierTargets.L1.low',
      ],
    ],
    ['has a zero target for a vendor', { vendorTargets: { contoso: 0 } }, ['vendorTargets.contoso']],
    ['has no list of vendors', { vendorTargets: 5 }, ['vendorTargets']],
    ['has thresholds out of order', { thresholds: [50, 90, 75] }, ['thresholds[2]']],
    ['has thresholds that are none', { thresholds: [0, 50.5, 100, '75'] }, [0, 1, 2, 3].map((index) => `thresholds[${index}]`)],
    ['is paused by what is no hold', { pausedBy: ['customer', 'weather'] }, ['pausedBy[1]']],
    [
      'has rates that are none',
      { rates: { currency: 'euro', perHour: { L2: -1, L9: 1 } } },
      ['rates.currency', 'rates.perHour.L2', 'rates.perHour.L9'],
    ],
    ['has no rate for L1', { rates: { currency: 'EUR', perHour: { L2: 64 } } }, ['rates.perHour.L1']],
    ['reopens in no known way', { reopen: 'again' }, ['reopen']],
    ['has limits that are none', { pingPongLimit: -1, reopenWindow: 0.5 }, ['pingPongLimit', 'reopenWindow']],
  ])('is faulty when it %s', (_, change, expected) => {
    expect(faults({ ...sound, ...change }).map(({ field }) => field)).toEqual(expected);
  });

  it('names every fault of something else altogether, and never throws', () => {
    expect(faults(null)).toEqual([{ field: '', message: 'must be an object' }]);
    expect(faults([])).toEqual([{ field: '', message: 'must be an object' }]);
    expect(faults({}).map(({ field }) => field)).toEqual([
      'tiers',
      'priorities',
      'calendar',
      'targets',
      'thresholds',
      'pausedBy',
      'reopen',
      'pingPongLimit',
      'reopenWindow',
    ]);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(sound)), fc.anything(), (field, value) => {
        for (const fault of faults({ ...sound, [field]: value }))
          expect(fault).toEqual({ field: expect.stringMatching(/^\w/) as string, message: expect.stringMatching(/^\w/) as string });
      }),
    );
  });

  it('works a calendar out once for all that are equal, as every ticket pins a copy', () => {
    const copy = (): Contract => JSON.parse(JSON.stringify(sound)) as Contract;
    expect(calendarOf(copy())).toBe(calendarOf(copy()));
    expect(calendarOf({ ...sound, calendar: { zone: 'Europe/Madrid', week: '24x7' } })).not.toBe(calendarOf(copy()));
  });
});
