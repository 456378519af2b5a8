import type { EventOf } from '#eventsourcing';
import { instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { openTimeBetween } from '../contract/business-calendar.js';
import { calendarOf, type Contract, contractSchema, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { clockAt, clockEventsUntil, ended, evolveClocks, momentKey, type SlaClock, type SlaClocks, storable } from './sla-clock.js';
import { type Life, randomLifeOfClocks, stopwatches } from '../testing/clocks-by-the-minute.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { faultsOf } from '../schema.js';
import type { HoldReason, Priority } from '../vocabulary.js';
import { runs } from '../../../../test/runs.js';

const start = Date.parse('2026-11-21T10:00:00.000Z');
const at = (offset: number) => instantFrom(start + offset);

type Happened = readonly [number, EventOf<TicketEvents>];

const opened = (priority: Priority = 'medium'): Happened => [
  0,
  { type: 'TicketOpened', data: { priority } as TicketEvents['TicketOpened'] },
];
const work = (when: number): Happened => [when, { type: 'WorkStarted', data: { tier: 'L1', agent: { id: 'ada' } } }];
const hold = (when: number, reason: HoldReason = 'customer'): Happened => [when, { type: 'TicketPutOnHold', data: { reason, note: '' } }];
const resume = (when: number): Happened => [when, { type: 'TicketResumed', data: { after: 'customer' } }];
const resolve = (when: number): Happened => [when, { type: 'TicketResolved', data: { tier: 'L1' } }];
const triage = (when: number, priority: Priority): Happened => [
  when,
  { type: 'TicketTriaged', data: { priority } as TicketEvents['TicketTriaged'] },
];
const reopen = (when: number): Happened => [when, { type: 'TicketReopened', data: { reason: '', tier: 'L1', cycle: 2 } }];
const merge = (when: number): Happened => [when, { type: 'TicketMerged', data: { into: '' } }];
const cancel = (when: number): Happened => [when, { type: 'TicketCancelled', data: { reason: '' } }];
const escalate = (when: number): Happened => [when, { type: 'TicketEscalated', data: {} as TicketEvents['TicketEscalated'] }];

function clocks(...happened: readonly Happened[]): SlaClocks {
  let sla: SlaClocks | null = null;
  for (const [when, event] of happened) sla = evolveClocks(defaultContract, sla, { ...event, metadata: { effectiveAt: at(when) } });
  if (sla === null) throw new Error('no clocks');
  return sla;
}

function clock(kind: SlaClock['kind'], ...happened: readonly Happened[]): SlaClock {
  const found = clocks(...happened).clocks.findLast((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} clock`);
  return found;
}

describe('the clocks of a ticket', () => {
  it('start when it is opened, with the targets of its priority', () => {
    expect(clocks(opened('high')).clocks).toMatchObject([
      { kind: 'response', state: 'running', target: 15 * MINUTE, dueAt: at(15 * MINUTE) },
      { kind: 'resolution', state: 'running', target: 8 * HOUR, dueAt: at(8 * HOUR) },
    ]);
  });

  it('count the first work as a response, once per ticket', () => {
    expect(clock('response', opened(), work(10 * MINUTE))).toMatchObject({
      state: 'met',
      elapsed: 10 * MINUTE,
      stoppedAt: at(10 * MINUTE),
    });
    expect(clocks(opened(), work(MINUTE), resolve(HOUR), reopen(2 * HOUR)).clocks.filter(({ kind }) => kind === 'response')).toHaveLength(
      1,
    );
  });

  it('count the first public reply as a response too, but nothing hidden from the requester', () => {
    const reply: Happened = [MINUTE, { type: 'PublicReplySent', data: { author: { id: 'ada' }, text: '' } }];
    const note: Happened = [MINUTE, { type: 'InternalNoteAdded', data: { author: { id: 'ada' }, text: '' } }];
    expect(clock('response', opened(), reply)).toMatchObject({ state: 'met', elapsed: MINUTE });
    expect(clock('response', opened(), note)).toMatchObject({ state: 'running' });
  });

  it('are met exactly at the due instant, and breached a millisecond later', () => {
    expect(clock('resolution', opened(), resolve(24 * HOUR)).state).toBe('met');
    expect(clock('resolution', opened(), resolve(24 * HOUR + 1))).toMatchObject({ state: 'breached', breachedAt: at(24 * HOUR) });
  });

  it('stand still on hold for the customer, and are due later by as much', () => {
    expect(clock('resolution', opened(), hold(HOUR))).toMatchObject({ state: 'paused', elapsed: HOUR });
    expect(clock('resolution', opened(), hold(HOUR)).dueAt).toBeUndefined();
    expect(clock('resolution', opened(), hold(HOUR), resume(4 * HOUR))).toMatchObject({
      state: 'running',
      dueAt: at(27 * HOUR),
      pauses: [{ from: at(HOUR), to: at(4 * HOUR) }],
    });
  });

  it('run on while a vendor is waited for', () => {
    expect(clock('resolution', opened(), hold(HOUR, 'vendor'))).toMatchObject({ state: 'running', dueAt: at(24 * HOUR) });
  });

  it('do not restart a pause by a second one', () => {
    expect(clock('resolution', opened(), hold(HOUR), hold(2 * HOUR), resume(3 * HOUR))).toMatchObject({
      dueAt: at(26 * HOUR),
      pauses: [{ from: at(HOUR), to: at(3 * HOUR) }],
    });
  });

  it('carry elapsed time over when the priority changes', () => {
    // critical 4 h made high 8 h after 1 h: due 8 h after the start, as if it had always been high.
    expect(clock('resolution', opened('critical'), triage(HOUR, 'high'))).toMatchObject({
      target: 8 * HOUR,
      elapsed: HOUR,
      dueAt: at(8 * HOUR),
    });
  });

  it('keep a pause when the priority changes', () => {
    const changed = clock('resolution', opened(), hold(HOUR), triage(2 * HOUR, 'critical'));
    expect(changed).toMatchObject({ state: 'paused', target: 4 * HOUR, elapsed: HOUR });
    expect(clock('resolution', opened(), hold(HOUR), triage(2 * HOUR, 'critical'), resume(3 * HOUR))).toMatchObject({
      state: 'running',
      dueAt: at(6 * HOUR),
    });
  });

  it('are breached by reclassification at the instant of it, and never unbreached', () => {
    expect(clock('resolution', opened(), triage(5 * HOUR, 'critical')).breachedAt).toBe(at(5 * HOUR));
    expect(clock('resolution', opened(), triage(5 * HOUR, 'critical'), triage(6 * HOUR, 'low'), resolve(7 * HOUR))).toMatchObject({
      state: 'breached',
      breachedAt: at(5 * HOUR),
    });
  });

  it('keep a breach that happened before a pause', () => {
    expect(clock('resolution', opened('critical'), hold(5 * HOUR), resolve(6 * HOUR))).toMatchObject({
      state: 'breached',
      breachedAt: at(4 * HOUR),
      elapsed: 5 * HOUR,
    });
  });

  it('run on over a change of tier', () => {
    expect(clock('resolution', opened(), escalate(HOUR))).toMatchObject({ state: 'running', dueAt: at(24 * HOUR) });
  });

  it('start a new cycle on reopening, not overdue, and keep the earlier verdict', () => {
    expect(
      clocks(opened('critical'), resolve(5 * HOUR), reopen(100 * HOUR)).clocks.filter(({ kind }) => kind === 'resolution'),
    ).toMatchObject([
      { cycle: 1, state: 'breached' },
      { cycle: 2, state: 'running', elapsed: 0, dueAt: at(104 * HOUR) },
    ]);
  });

  it('are cancelled with the ticket', () => {
    expect(clocks(opened(), cancel(MINUTE)).clocks.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(clocks(opened(), merge(MINUTE)).clocks.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  });

  it('stay breached when the ticket is cancelled or merged after a breach', () => {
    for (const end of [cancel(HOUR), merge(HOUR)]) {
      const [response, resolution] = clocks(opened(), end).clocks;
      expect(response).toMatchObject({ kind: 'response', state: 'breached', dueAt: response?.breachedAt, stoppedAt: at(HOUR) });
      expect(resolution).toMatchObject({ kind: 'resolution', state: 'cancelled', breachedAt: undefined });
    }
  });

  it('are seen as breached once overdue, before any event says so', () => {
    const running = clock('resolution', opened());
    expect(clockAt(running, at(24 * HOUR)).breachedAt).toBeUndefined();
    expect(clockAt(running, at(24 * HOUR + 1)).breachedAt).toBe(at(24 * HOUR));
  });
});

describe('the resolution clock, against a model that counts each minute', () => {
  const step = fc.record({
    after: fc.integer({ min: 1, max: 600 }),
    what: fc.constantFrom('hold', 'vendor-hold', 'resume', 'critical', 'high', 'medium', 'low'),
  });

  it('has the same elapsed time and the same verdict', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.integer({ min: 1, max: 3000 }), (steps, last) => {
        const happened: Happened[] = [opened()];
        const minutes: { minute: number; what: string }[] = [];
        let minute = 0;
        for (const { after, what } of steps) {
          minute += after;
          minutes.push({ minute, what });
          const when = minute * MINUTE;
          happened.push(
            what === 'hold'
              ? hold(when)
              : what === 'vendor-hold'
                ? hold(when, 'vendor')
                : what === 'resume'
                  ? resume(when)
                  : triage(when, what as Priority),
          );
        }
        const end = minute + last;
        happened.push(resolve(end * MINUTE));

        let elapsed = 0;
        let paused = false;
        let breached = false;
        let target = defaultContract.targets.medium.resolution / MINUTE;
        for (let now = 0; now < end; now++) {
          for (const { minute: when, what } of minutes) {
            if (when !== now) continue;
            if (what === 'hold') paused = true;
            else if (what === 'resume') paused = false;
            else if (what !== 'vendor-hold') target = defaultContract.targets[what as Priority].resolution / MINUTE;
          }
          if (elapsed > target) breached = true;
          if (!paused) elapsed++;
          if (elapsed > target) breached = true;
        }
        const result = clock('resolution', ...happened);
        expect(result.elapsed).toBe(elapsed * MINUTE);
        expect(result.state).toBe(breached ? 'breached' : 'met');
      }),
    );
  });
});

const nineToFive = [{ from: '09:00', to: '17:00' }];
const ofEach = <Value>(value: Value): Record<Priority, Value> => ({ critical: value, high: value, medium: value, low: value });

/** Office hours in Berlin; critical 3 h, high 2 h, medium 8 h, low two business days. */
const office: Contract = {
  ...defaultContract,
  calendar: {
    zone: 'Europe/Berlin',
    week: { monday: nineToFive, tuesday: nineToFive, wednesday: nineToFive, thursday: nineToFive, friday: nineToFive },
  },
  targets: {
    critical: { response: HOUR, resolution: 3 * HOUR },
    high: { response: HOUR, resolution: 2 * HOUR },
    medium: { response: HOUR, resolution: 8 * HOUR },
    low: { response: HOUR, resolution: { businessDays: 2 } },
  },
  tierTargets: { L1: ofEach({ accept: HOUR, work: 2 * HOUR }), L2: ofEach({ accept: HOUR, work: 4 * HOUR }) },
  vendorTargets: { contoso: 4 * HOUR, '*': 8 * HOUR },
};

/** By the wall clock in Berlin in November 2026: `20 09:30` is a Friday, `23` the Monday after it. */
const november = (when: string) => instantFrom(Date.parse(`2026-11-${when.replace(' ', 'T')}:00+01:00`));
type Told = readonly [when: string, event: Happened];

function under(contract: Contract, ...told: readonly Told[]): readonly SlaClock[] {
  let sla: SlaClocks | null = null;
  for (const [when, [, event]] of told) sla = evolveClocks(contract, sla, { ...event, metadata: { effectiveAt: november(when) } });
  return sla?.clocks ?? [];
}
const the = (kind: SlaClock['kind'], clocks: readonly SlaClock[]): SlaClock => {
  const found = clocks.findLast((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} clock`);
  return found;
};
const percents = (clock: SlaClock, until: string) =>
  clockEventsUntil(clock, november(until)).map((moment) => [moment.what === 'breach' ? 'breach' : moment.percent, moment.effectiveAt]);
const from = (event: EventOf<TicketEvents>['type'], data: object): Happened => [
  0,
  { type: event, data } as unknown as EventOf<TicketEvents>,
];
const openedAt = (priority: Priority): Happened => from('TicketOpened', { priority, tier: 'L1' });
const escalated = (to: 'L2' | 'L3', vendor?: string): Happened =>
  from('TicketEscalated', { from: to === 'L2' ? 'L1' : 'L2', to, handOff: vendor === undefined ? {} : { vendor: { vendor } } });
const accepted = from('EscalationAccepted', { tier: 'L2', agent: { id: 'bob' } });
const returned = from('EscalationReturned', { from: 'L2', to: 'L1' });
const deescalated = from('TicketDeescalated', { from: 'L2', to: 'L1' });

describe('clocks in office hours', () => {
  it('are measured under a sound contract', () => {
    expect(faultsOf(contractSchema, office)).toEqual([]);
  });

  it('carry elapsed time over: 3 h started at 10:00, made 2 h at 11:00, are due at 12:00', () => {
    const clock = the('resolution', under(office, ['20 10:00', openedAt('critical')], ['20 11:00', triage(0, 'high')]));
    expect(clock).toMatchObject({ target: 2 * HOUR, terms: 2, elapsed: HOUR, dueAt: november('20 12:00') });
  });

  it('skip a weekend, and a pause over it adds nothing', () => {
    const clocks = (...told: Told[]) => the('resolution', under(office, ['20 16:00', openedAt('medium')], ...told));
    expect(clocks().dueAt).toBe(november('23 16:00'));
    expect(clocks(['20 17:00', hold(0)], ['23 09:00', resume(0)])).toMatchObject({ elapsed: HOUR, dueAt: november('23 16:00') });
    expect(clocks(['21 12:00', hold(0)], ['23 10:00', resume(0)]).dueAt).toBe(november('23 17:00'));
  });

  it('are met when the target is used up exactly at closing and they stop or pause before the next opening', () => {
    const due: Told = ['20 15:00', openedAt('high')];
    expect(the('resolution', under(office, due, ['20 17:00', resolve(0)])).state).toBe('met');
    expect(the('resolution', under(office, due))).toMatchObject({ dueAt: november('20 17:00'), inTimeUntil: november('23 09:00') });
    expect(the('resolution', under(office, due, ['21 12:00', resolve(0)]))).toMatchObject({
      state: 'met',
      breachedAt: undefined,
      dueAt: november('20 17:00'),
      elapsed: 2 * HOUR,
    });
    const paused: Told[] = [due, ['21 12:00', hold(0)], ['23 10:00', resume(0)]];
    expect(the('resolution', under(office, ...paused, ['23 10:00', resolve(0)])).state).toBe('met');
    expect(the('resolution', under(office, ...paused, ['23 10:01', resolve(0)]))).toMatchObject({
      state: 'breached',
      breachedAt: november('23 10:00'),
    });
    expect(the('resolution', under(office, due, ['23 09:00', resolve(0)])).state).toBe('met');
    expect(the('resolution', under(office, due, ['23 09:01', resolve(0)]))).toMatchObject({
      state: 'breached',
      breachedAt: november('23 09:00'),
      dueAt: november('20 17:00'),
      elapsed: 2 * HOUR + 60_000,
    });
  });

  it('turn business days into open time where they start, another unit than hours', () => {
    const opening: Told = ['20 16:00', openedAt('low')];
    const clock = the('resolution', under(office, opening));
    expect(clock).toMatchObject({ target: 17 * HOUR, dueAt: november('24 17:00') });
    expect(the('resolution', under(office, opening, ['23 09:00', hold(0)], ['23 11:00', resume(0)])).dueAt).toBe(november('25 11:00'));
    expect(the('resolution', under(office, opening, ['23 10:00', triage(0, 'high')], ['23 10:30', triage(0, 'low')])).target).toBe(
      17 * HOUR,
    );
  });

  it('warn at each threshold as it is used up, and not while they stand still', () => {
    const opening: Told = ['20 15:00', openedAt('medium')];
    const clock = the('resolution', under(office, opening));
    expect(clock.thresholds).toEqual([
      { percent: 50, at: november('23 11:00') },
      { percent: 75, at: november('23 13:00') },
      { percent: 90, at: november('23 14:12') },
    ]);
    expect(percents(clock, '23 10:59')).toEqual([]);
    expect(percents(clock, '23 13:00')).toEqual([
      [50, november('23 11:00')],
      [75, november('23 13:00')],
    ]);
    expect(percents(clock, '23 15:00')).toHaveLength(3);
    expect(percents(clock, '23 15:01').at(-1)).toEqual(['breach', november('23 15:00')]);
    const onHold = the('resolution', under(office, opening, ['23 12:00', hold(0)]));
    expect(percents(onHold, '30 12:00')).toEqual([[50, november('23 11:00')]]);
  });

  it('do not warn again when they stood still at the very instant of a warning', () => {
    const clock = the('resolution', under(office, ['20 09:00', openedAt('medium')], ['20 13:00', hold(0)], ['20 14:00', resume(0)]));
    expect(percents(clock, '20 15:00')).toEqual([[50, november('20 13:00')]]);
  });

  it('tell of a jump over warnings as the highest one, and warn again where the target grew', () => {
    const jumped = under(office, ['20 09:00', openedAt('medium')], ['20 10:36', triage(0, 'high')]);
    expect(percents(the('resolution', jumped), '20 10:36')).toEqual([[75, november('20 10:36')]]);
    const grown = under(office, ['20 09:00', openedAt('high')], ['20 10:00', triage(0, 'medium')]);
    expect(percents(the('resolution', grown), '20 13:00')).toEqual([
      [50, november('20 10:00')],
      [50, november('20 13:00')],
    ]);
  });

  it('record a breach by reclassification once, without the skipped warnings', () => {
    const clock = the('resolution', under(office, ['20 09:00', openedAt('medium')], ['20 12:00', triage(0, 'high')]));
    expect(percents(clock, '27 12:00')).toEqual([['breach', november('20 12:00')]]);
  });

  it('end a pause first when the ticket is resolved while it is on hold', () => {
    const clock = the('resolution', under(office, ['20 09:00', openedAt('medium')], ['20 10:00', hold(0)], ['20 12:00', resolve(0)]));
    expect(clock).toMatchObject({ state: 'met', elapsed: HOUR, pauses: [{ from: november('20 10:00'), to: november('20 12:00') }] });
  });

  it('run after a reopening even if the resolution never said that the hold was over', () => {
    const clocks = under(
      office,
      ['20 09:00', openedAt('medium')],
      ['20 10:00', hold(0)],
      ['20 11:00', resolve(0)],
      ['20 12:00', reopen(0)],
    );
    expect(the('resolution', clocks)).toMatchObject({ cycle: 2, state: 'running' });
  });

  it('are due when they were due, once they are breached', () => {
    const clocks = under(office, ['20 09:00', openedAt('high')], ['20 12:00', hold(0)], ['20 13:00', resume(0)]);
    expect(the('resolution', clocks)).toMatchObject({ state: 'running', breachedAt: november('20 11:00'), dueAt: november('20 11:00') });
  });

  it('do not run backwards when an event is recorded with a slightly earlier time', () => {
    const clocks = under(
      office,
      ['20 09:00', openedAt('medium')],
      ['20 10:00', hold(0)],
      ['20 11:00', resume(0)],
      ['20 10:59', triage(0, 'low')],
    );
    expect(the('resolution', clocks)).toMatchObject({ elapsed: HOUR, runningSince: november('20 11:00') });
  });

  it('do not start again with a second opening, and not before the first', () => {
    const opening: Told = ['20 09:00', openedAt('medium')];
    expect(under(office, opening, ['20 10:00', openedAt('high')])).toEqual(under(office, opening));
    expect(under(office, ['20 09:00', work(0)])).toEqual([]);
  });
});

describe('clocks between tiers', () => {
  const start: readonly Told[] = [
    ['20 09:00', openedAt('medium')],
    ['20 09:30', work(0)],
  ];
  const owned = (clocks: readonly SlaClock[]) =>
    clocks
      .filter(({ tier }) => tier !== undefined)
      .map(({ kind, tier, cycle, state, elapsed }) => [kind, tier, cycle, state, elapsed / MINUTE]);

  it('are there only where the contract has targets for them', () => {
    const { tierTargets: _, ...plain } = office;
    expect(owned(under(plain, ...start, ['20 10:00', escalated('L2')], ['20 10:30', accepted]))).toEqual([]);
    expect(owned(under(office, ...start, ['20 10:00', escalated('L2')], ['20 10:30', accepted], ['20 11:00', escalated('L3')]))).toEqual([
      ['tier-accept', 'L1', 1, 'met', 30],
      ['tier-work', 'L1', 1, 'met', 30],
      ['tier-accept', 'L2', 1, 'met', 30],
      ['tier-work', 'L2', 1, 'paused', 30],
    ]);
  });

  it('give the sender its verdict as of the hand-off once that is accepted', () => {
    const handedOn = under(office, ...start, ['20 10:00', escalated('L2')]);
    expect(the('tier-work', handedOn)).toMatchObject({ tier: 'L1', state: 'paused', pauses: [{ reason: 'hand-off' }] });
    const work1 = under(office, ...start, ['20 10:00', escalated('L2')], ['20 16:00', accepted]).find(({ kind }) => kind === 'tier-work');
    expect(work1).toMatchObject({ tier: 'L1', state: 'met', elapsed: 30 * MINUTE, stoppedAt: november('20 10:00'), pauses: [] });
  });

  it("resume the sender's clock when the hand-off is returned", () => {
    const clocks = under(office, ...start, ['20 10:00', escalated('L2')], ['20 11:00', returned]);
    expect(owned(clocks)).toEqual([
      ['tier-accept', 'L1', 1, 'met', 30],
      ['tier-work', 'L1', 1, 'running', 30],
      ['tier-accept', 'L2', 1, 'met', 60],
    ]);
    expect(the('tier-work', clocks).dueAt).toBe(november('20 12:30'));
  });

  it('stop with a de-escalation, which is final without an acceptance', () => {
    const up: readonly Told[] = [...start, ['20 10:00', escalated('L2')], ['20 10:30', accepted]];
    expect(owned(under(office, ...up, ['20 11:00', deescalated])).slice(3)).toEqual([
      ['tier-work', 'L2', 1, 'met', 30],
      ['tier-accept', 'L1', 2, 'running', 0],
    ]);
  });

  it('do not go on with a returned hand-off while the ticket is on hold', () => {
    const onHold = under(office, ...start, ['20 10:00', escalated('L2')], ['20 10:10', hold(0)], ['20 11:00', resume(0)]);
    expect(owned(onHold)).toEqual([
      ['tier-accept', 'L1', 1, 'met', 30],
      ['tier-work', 'L1', 1, 'paused', 30],
      ['tier-accept', 'L2', 1, 'running', 10],
    ]);
  });

  it('leave the SLA running when the tier changes', () => {
    const clocks = under(office, ...start, ['20 10:00', escalated('L2')], ['20 12:00', accepted]);
    expect(the('resolution', clocks)).toMatchObject({ state: 'running', runningSince: november('20 09:00'), dueAt: november('20 17:00') });
  });
});

describe("a vendor's clock", () => {
  const story: readonly Told[] = [
    ['20 09:00', openedAt('medium')],
    ['20 09:30', work(0)],
    ['20 10:00', hold(0, 'vendor')],
  ];

  it('runs while the ticket is on hold for the vendor, which stops the clocks of the tiers and not the SLA', () => {
    const clocks = under(office, ...story);
    expect(the('vendor', clocks)).toMatchObject({ state: 'running', target: 8 * HOUR, cycle: 1 });
    expect(the('tier-work', clocks)).toMatchObject({ state: 'paused', pauses: [{ reason: 'vendor' }] });
    expect(the('resolution', clocks).state).toBe('running');
    const resumedThere = under(office, ...story, ['20 12:00', resume(0)], ['20 13:00', hold(0, 'vendor')]);
    expect(resumedThere.filter(({ kind }) => kind === 'vendor')).toMatchObject([
      { cycle: 1, state: 'met', elapsed: 2 * HOUR },
      { cycle: 2, state: 'running', elapsed: 0 },
    ]);
    expect(the('tier-work', resumedThere).elapsed).toBe(90 * MINUTE);
  });

  it('stops the SLA where the contract says so', () => {
    expect(the('resolution', under({ ...office, pausedBy: ['vendor'] }, ...story)).state).toBe('paused');
  });

  it('has the target of the vendor that the hand-off named, and none where the contract has none', () => {
    const named: readonly Told[] = [
      ['20 09:00', openedAt('medium')],
      ['20 10:00', escalated('L3', 'contoso')],
      ['20 11:00', hold(0, 'vendor')],
    ];
    expect(the('vendor', under(office, ...named))).toMatchObject({ vendor: 'contoso', target: 4 * HOUR });
    const another = under({ ...office, vendorTargets: { acme: HOUR } }, ...named);
    expect(another.some(({ kind }) => kind === 'vendor')).toBe(false);
  });
});

describe('traps that other products fell into, and this one does not:', () => {
  it('the pause is lost when the priority changes', () => {
    const clock = the(
      'resolution',
      under(office, ['20 09:00', openedAt('medium')], ['20 10:00', hold(0)], ['20 11:00', triage(0, 'critical')]),
    );
    expect(clock).toMatchObject({ state: 'paused', elapsed: HOUR, target: 3 * HOUR, pauses: [{ from: november('20 10:00') }] });
    expect(clock.pauses[0]?.to).toBeUndefined();
  });

  it('a breach while pending', () => {
    const clock = the('resolution', under(office, ['20 09:00', openedAt('high')], ['20 10:59', hold(0)]));
    expect(clockAt(clock, november('30 12:00')).breachedAt).toBeUndefined();
    expect(percents(clock, '30 12:00').map(([what]) => what)).toEqual([50, 75, 90]);
  });

  it('the next tier inherits a spent clock', () => {
    const handedOn = under(
      office,
      ['20 09:00', openedAt('medium')],
      ['20 09:00', work(0)],
      ['20 16:00', escalated('L2')],
      ['20 16:00', accepted],
    );
    expect(handedOn.filter(({ kind }) => kind === 'tier-work')).toMatchObject([
      { tier: 'L1', state: 'breached', elapsed: 7 * HOUR },
      { tier: 'L2', state: 'running', elapsed: 0, dueAt: november('23 12:00') },
    ]);
    const again: Told[] = [
      ['23 09:00', deescalated],
      ['23 10:00', work(0)],
    ];
    const back = under(
      office,
      ['20 09:00', openedAt('medium')],
      ['20 09:00', work(0)],
      ['20 16:00', escalated('L2')],
      ['20 16:00', accepted],
      ...again,
    );
    expect(the('tier-work', back)).toMatchObject({ tier: 'L1', cycle: 2, elapsed: 0, dueAt: november('23 12:00') });
  });

  const reopened = (mode: Contract['reopen'], resolvedAt: string) =>
    under({ ...office, reopen: mode }, ['18 09:00', openedAt('critical')], [resolvedAt, resolve(0)], ['23 09:00', reopen(0)]).filter(
      ({ kind }) => kind === 'resolution',
    );

  it('reopening is instantly overdue', () => {
    expect(reopened('new-cycle', '18 13:00')).toMatchObject([
      { cycle: 1, state: 'breached', breachedAt: november('18 12:00') },
      { cycle: 2, state: 'running', elapsed: 0, dueAt: november('23 12:00') },
    ]);
    // What was left of it is left still: the days between count for nothing.
    expect(reopened('continue', '18 10:00')).toMatchObject([
      { cycle: 1, state: 'met', elapsed: HOUR },
      { cycle: 2, state: 'running', elapsed: HOUR, dueAt: november('23 11:00'), startedAt: november('18 09:00') },
    ]);
  });

  it('reopening is told as a breach once more', () => {
    const [earlier, later] = reopened('continue', '18 13:00');
    expect(earlier).toMatchObject({ state: 'breached' });
    expect(later).toMatchObject({ state: 'running', breachedAt: november('18 12:00') });
    expect(later && percents(later, '30 12:00')).toEqual([]);
  });

  it('24×7 loses the last minute before midnight', () => {
    const always: Contract = { ...office, calendar: { zone: 'Europe/Berlin', week: '24x7' } };
    const clock = the('resolution', under(always, ['20 23:58', openedAt('high')], ['21 00:01', hold(0)]));
    expect(clock.elapsed).toBe(3 * MINUTE);
    expect(the('resolution', under(always, ['20 22:00', openedAt('high')])).dueAt).toBe(november('21 00:00'));
  });

  const everyDay = (...hours: { from: string; to: string }[]): Contract => ({
    ...office,
    calendar: { zone: 'Europe/Berlin', week: { saturday: hours, sunday: hours, monday: hours, tuesday: hours, friday: hours } },
  });
  const dueOf = (contract: Contract, opening: string) => {
    const sla = evolveClocks(contract, null, {
      type: 'TicketOpened',
      data: { priority: 'critical', tier: 'L1' } as TicketEvents['TicketOpened'],
      metadata: { effectiveAt: instantFrom(Date.parse(opening)) },
    });
    return sla && the('resolution', sla.clocks).dueAt;
  };

  it('summer time', () => {
    const nights = everyDay({ from: '00:00', to: '04:00' });
    // From one o'clock the night up to four has two hours left where the clocks go forward, and four where they go back.
    expect(dueOf(nights, '2026-03-29T01:00+01:00')).toBe(instantFrom(Date.parse('2026-03-30T01:00+02:00')));
    expect(dueOf(nights, '2026-10-25T01:00+02:00')).toBe(instantFrom(Date.parse('2026-10-25T03:00+01:00')));
  });

  it('split shifts', () => {
    const split = everyDay({ from: '08:00', to: '12:00' }, { from: '14:00', to: '18:00' });
    expect(dueOf(split, '2026-11-20T11:00+01:00')).toBe(november('20 16:00'));
    expect(dueOf(split, '2026-11-20T13:00+01:00')).toBe(november('20 17:00'));
  });

  it('an escalation that is due during downtime is skipped for ever', () => {
    const told = new Set<string>();
    const clock = the('resolution', under(office, ['20 09:00', openedAt('medium')]));
    for (const moment of clockEventsUntil(clock, november('20 13:00'))) told.add(momentKey(clock, moment));
    // Down from 13:00 to Monday; meanwhile the ticket was even resolved.
    const after = the('resolution', under(office, ['20 09:00', openedAt('medium')], ['23 10:00', resolve(0)]));
    const held = { terms: 1, target: 8 * HOUR, dueAt: november('20 17:00') };
    expect(clockEventsUntil(after, november('23 12:00'), told)).toEqual([
      { what: 'threshold', percent: 75, effectiveAt: november('20 15:00'), ...held },
      { what: 'threshold', percent: 90, effectiveAt: november('20 16:12'), ...held },
      { what: 'breach', effectiveAt: november('23 09:00'), ...held },
    ]);
  });

  it('a repair recomputes from the present definition and destroys what was known', () => {
    const told: readonly Told[] = [
      ['18 09:00', openedAt('critical')],
      ['18 13:00', resolve(0)],
    ];
    const generous: Contract = { ...office, targets: ofEach({ response: 40 * HOUR, resolution: 40 * HOUR }) };
    const before = under(office, ...told);
    const sla = evolveClocks(
      generous,
      { priority: 'critical', clocks: before },
      { ...reopen(0)[1], metadata: { effectiveAt: november('23 09:00') } },
    );
    expect(sla?.clocks.slice(0, before.length)).toEqual(before);
    expect(sla?.clocks.findLast(({ kind }) => kind === 'resolution')).toMatchObject({ cycle: 2, target: 40 * HOUR });
  });
});

function foldLife({ contract, happened }: Life, until = Infinity): readonly SlaClock[] {
  let sla: SlaClocks | null = null;
  for (const [when, event] of happened) {
    if (when > until) break;
    // As a projector does: what was stored is read again before the next event.
    const stored: SlaClocks | null = sla && (JSON.parse(JSON.stringify(sla)) as SlaClocks);
    expect(stored).toStrictEqual(sla && storable(sla));
    sla = evolveClocks(contract, stored, { ...event, metadata: { effectiveAt: instantFrom(when) } });
  }
  return sla?.clocks ?? [];
}

describe('every clock of every life, against stopwatches looked at in each minute', () => {
  it('has the same elapsed time, the same verdict and the same moments, to the millisecond', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, (life) => {
        const end = instantFrom(life.end);
        const calendar = calendarOf(life.contract);
        const clocks = foldLife(life).map((clock) => {
          const read = clockAt(clock, end);
          return {
            name: `${clock.kind} ${clock.tier ?? clock.vendor ?? ''}`,
            cycle: clock.cycle,
            terms: clock.terms,
            target: clock.target,
            startedAt: clock.startedAt,
            elapsed: clock.elapsed + (clock.runningSince === undefined ? 0 : openTimeBetween(calendar, clock.runningSince, end)),
            state: ended(clock) ? clock.state : 'live',
            breachedAt: read.breachedAt,
            stoppedAt: clock.stoppedAt,
            told: clockEventsUntil(clock, end).map((moment) => [
              moment.what === 'breach' ? 'breach' : moment.percent,
              moment.terms,
              moment.effectiveAt,
            ]),
          };
        });
        const written = (millis: number | undefined) => (millis === undefined ? undefined : instantFrom(millis));
        expect(clocks).toEqual(
          stopwatches(life).map(({ name, cycle, terms, target, startedAt, elapsed, state, breachedAt, stoppedAt, told }) => ({
            name,
            cycle,
            terms,
            target,
            startedAt: written(startedAt),
            elapsed,
            state,
            breachedAt: written(breachedAt),
            stoppedAt: written(stoppedAt),
            told: told.map(([what, version, when]) => [what, version, written(when)]),
          })),
        );
      }),
      { numRuns: runs(100) },
    );
  });

  it('is told of once, in order, however often and late somebody looks', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, fc.array(fc.nat(20_000), { maxLength: 12 }), (life, looks) => {
        const first = life.happened[0]?.[0] ?? 0;
        const told = new Map<string, string[]>();
        const keys = new Set<string>();
        const look = (when: number) => {
          for (const clock of foldLife(life, when)) {
            const name = `${clock.kind} ${clock.tier ?? clock.vendor ?? ''} ${clock.cycle}`;
            for (const moment of clockEventsUntil(clock, instantFrom(when), keys)) {
              const key = momentKey(clock, moment);
              expect(keys.has(key)).toBe(false);
              keys.add(key);
              told.set(name, [...(told.get(name) ?? []), `${moment.effectiveAt} ${key}`]);
            }
          }
        };
        for (const minutes of looks.sort((one, other) => one - other))
          if (first + minutes * MINUTE < life.end) look(first + minutes * MINUTE);
        look(life.end);
        for (const clock of foldLife(life)) {
          const all = clockEventsUntil(clock, instantFrom(life.end));
          expect(told.get(`${clock.kind} ${clock.tier ?? clock.vendor ?? ''} ${clock.cycle}`) ?? []).toEqual(
            all.map((moment) => `${moment.effectiveAt} ${momentKey(clock, moment)}`),
          );
          expect(all.map(({ effectiveAt }) => effectiveAt)).toEqual(all.map(({ effectiveAt }) => effectiveAt).sort());
          expect(all.filter(({ what }) => what === 'breach').length).toBeLessThanOrEqual(1);
        }
      }),
      { numRuns: runs(100) },
    );
  });
});
