import { type EventOf, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { breachAutopsy, type ClockAutopsy, type SpentOn } from './breach-autopsy.js';
import { openTimeBetween } from '../contract/business-calendar.js';
import { calendarOf, type Contract, defaultContract, HOUR, MINUTE, type PinnedContract } from '../contract/contract.js';
import { evolveClocks, type SlaClocks } from './sla-clock.js';
import { evolvePinnedClocks, type PinnedClocks } from './sla-terms.js';
import { type Happened, randomLifeOfClocks } from '../testing/clocks-by-the-minute.js';
import { slowOpenTime } from '../testing/random-calendars.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { runs } from '../../../../test/runs.js';

const ada = { id: 'ada' };
const bob = { id: 'bob' };

const pinned = (terms: Contract): PinnedContract => ({ version: 1, tzdata: '2026a', terms });

/** The events of a life as a stream holds them: the opening pins the contract. */
function stored(terms: Contract, happened: readonly Happened[]) {
  return happened.map(([when, { type, data }], revision) => ({
    ...({ type, data: type === 'TicketOpened' ? { ...data, contract: pinned(terms) } : data } as EventOf<TicketEvents>),
    revision,
    metadata: {
      effectiveAt: instantFrom(when),
      recordedAt: instantFrom(when),
      commandId: String(revision),
      actor: { id: 'desk', kind: 'agent' as const },
    },
  }));
}

function autopsies(contract: Contract, happened: readonly Happened[], asOf: number): readonly ClockAutopsy[] {
  const found = breachAutopsy(stored(contract, happened), instantFrom(asOf));
  if (found === null) throw new Error('no clocks');
  return found;
}

const tell = <Type extends keyof TicketEvents>(when: string, type: Type, data: object): Happened => [
  Date.parse(when),
  { type, data } as unknown as EventOf<TicketEvents>,
];

/** Monday to Friday 08:00 to 17:00 in Berlin. */
const officeHours: Contract = {
  ...defaultContract,
  calendar: {
    zone: 'Europe/Berlin',
    week: Object.fromEntries(
      ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'].map((weekday) => [weekday, [{ from: '08:00', to: '17:00' }]]),
    ),
  },
  targets: { ...defaultContract.targets, high: { response: 15 * MINUTE, resolution: 8 * HOUR } },
  tierTargets: { L1: every({ work: 2 * HOUR }), L2: every({ accept: HOUR, work: 4 * HOUR }) },
};
function every<Value>(value: Value): { critical: Value; high: Value; medium: Value; low: Value } {
  return { critical: value, high: value, medium: value, low: value };
}

// Friday 2026-11-20 to Tuesday 2026-11-24; Berlin is an hour ahead of UTC.
const life: readonly Happened[] = [
  tell('2026-11-20T12:00:00Z', 'TicketOpened', { priority: 'high', tier: 'L1', team: 'desk' }),
  tell('2026-11-20T12:10:00Z', 'WorkStarted', { tier: 'L1', team: 'desk', agent: ada }),
  tell('2026-11-20T13:00:00Z', 'TicketEscalated', { escalationId: 'e1', from: 'L1', fromTeam: 'desk', to: 'L2', toTeam: 'network' }),
  // The weekend lies in between: three hours of Friday are open, and half an hour of Monday.
  tell('2026-11-23T07:30:00Z', 'EscalationAccepted', { escalationId: 'e1', tier: 'L2', team: 'network', agent: bob }),
  tell('2026-11-23T08:30:00Z', 'TicketPutOnHold', { reason: 'customer', note: '' }),
  tell('2026-11-23T10:30:00Z', 'TicketResumed', { after: 'customer' }),
  tell('2026-11-23T11:00:00Z', 'TicketPutOnHold', { reason: 'vendor', note: '' }),
  tell('2026-11-23T14:00:00Z', 'TicketResumed', { after: 'vendor' }),
  tell('2026-11-24T08:00:00Z', 'TicketResolved', { tier: 'L2' }),
];
const WEEKEND = 63 * HOUR;
const NIGHT = 15 * HOUR;
const handOff: SpentOn = { what: 'hand-off', escalationId: 'e1', from: 'L1', fromTeam: 'desk', to: 'L2', toTeam: 'network' };
const l2 = { what: 'work', tier: 'L2', team: 'network', agent: bob };

const clock = (kind: ClockAutopsy['kind'], tier?: string, { contract = officeHours, asOf = '2026-12-01T00:00:00Z', of = life } = {}) => {
  const found = autopsies(contract, of, Date.parse(asOf)).find((one) => one.kind === kind && one.tier === tier);
  if (found === undefined) throw new Error(`no ${kind} clock`);
  return found;
};

describe('the autopsy of a clock', () => {
  it('says what used up the target, and what is not on the clock', () => {
    expect(clock('resolution')).toMatchObject({
      state: 'breached',
      target: 8 * HOUR,
      elapsed: 12 * HOUR,
      paused: 2 * HOUR,
      closed: WEEKEND + NIGHT,
      parts: [
        { spentOn: l2, duration: 4.5 * HOUR, elapsed: 4.5 * HOUR },
        { spentOn: handOff, duration: 3.5 * HOUR, elapsed: 3.5 * HOUR },
        { spentOn: { what: 'vendor' }, duration: 3 * HOUR, elapsed: 3 * HOUR },
        { spentOn: { what: 'work', tier: 'L1', team: 'desk', agent: ada }, elapsed: 50 * MINUTE },
        { spentOn: { what: 'queue', tier: 'L1', team: 'desk' }, elapsed: 10 * MINUTE },
        { spentOn: { what: 'closed-hours' }, duration: WEEKEND + NIGHT, elapsed: 0 },
        { spentOn: { what: 'customer' }, duration: 2 * HOUR, elapsed: 0 },
      ],
    });
  });

  it('cites the event that each spell began with, in order and without gaps', () => {
    const { spells, from, to } = clock('resolution');
    expect(spells.map(({ event, spentOn }) => [event, spentOn.what])).toEqual([
      [0, 'queue'],
      [1, 'work'],
      [2, 'hand-off'],
      [3, 'work'],
      [4, 'customer'],
      [5, 'work'],
      [6, 'vendor'],
      [7, 'work'],
    ]);
    expect(spells[2]).toMatchObject({ elapsed: 3.5 * HOUR, paused: 0, closed: WEEKEND });
    expect([from, ...spells.map((spell) => spell.to)]).toEqual([...spells.map((spell) => spell.from), to]);
  });

  it('counts for each clock what is on that clock', () => {
    expect(clock('tier-work', 'L1')).toMatchObject({ elapsed: 50 * MINUTE, paused: 0, closed: 0, to: '2026-11-20T13:00:00.000Z' });
    expect(clock('tier-accept', 'L2')).toMatchObject({ state: 'breached', elapsed: 3.5 * HOUR, closed: WEEKEND });
    // Waiting for a vendor stops the clocks of the tiers and not the client's.
    expect(clock('tier-work', 'L2')).toMatchObject({
      state: 'breached',
      elapsed: 4.5 * HOUR,
      paused: 5 * HOUR,
      parts: [{ spentOn: l2 }, { spentOn: { what: 'closed-hours' } }, { spentOn: { what: 'vendor' } }, { spentOn: { what: 'customer' } }],
    });
  });

  it('leaves out what happened later, and is none before the opening', () => {
    expect(clock('resolution', undefined, { asOf: '2026-11-20T13:30:00Z' })).toMatchObject({
      state: 'running',
      to: '2026-11-20T13:30:00.000Z',
      elapsed: 1.5 * HOUR,
      parts: [{ elapsed: 50 * MINUTE }, { spentOn: handOff, elapsed: 30 * MINUTE }, { elapsed: 10 * MINUTE }],
    });
    expect(breachAutopsy(stored(officeHours, life), instantFrom(Date.parse('2026-11-20T11:59:59Z')))).toBeNull();
  });

  it('knows a breach that no event has told of yet', () => {
    expect(clock('response', undefined, { of: life.slice(0, 1), asOf: '2026-11-20T12:16:00Z' })).toMatchObject({
      state: 'running',
      breachedAt: '2026-11-20T12:15:00.000Z',
      elapsed: 16 * MINUTE,
    });
  });

  it('tells the time between a resolution and a reopening from the rest', () => {
    const of = [...life, tell('2026-11-24T10:00:00Z', 'TicketReopened', { reason: '', tier: 'L2', cycle: 2 })];
    const [, second] = autopsies({ ...officeHours, reopen: 'continue' }, of, Date.parse('2026-11-24T11:00:00Z')).filter(
      ({ kind }) => kind === 'resolution',
    );
    expect(second).toMatchObject({ cycle: 2, elapsed: 13 * HOUR, paused: 4 * HOUR });
    expect(second?.parts).toContainEqual({ spentOn: { what: 'resolved' }, duration: 2 * HOUR, elapsed: 0 });
    expect(second?.parts).toContainEqual({ spentOn: { what: 'queue', tier: 'L2', agent: bob }, duration: HOUR, elapsed: HOUR });
  });

  it('tells waiting for the agent to whom it was assigned, and waiting after a return, from work', () => {
    const of = [
      ...life.slice(0, 1),
      tell('2026-11-20T12:05:00Z', 'TicketAssigned', { tier: 'L1', team: 'desk', assignee: ada }),
      ...life.slice(1, 3),
      tell('2026-11-20T14:00:00Z', 'EscalationReturned', {
        escalationId: 'e1',
        from: 'L2',
        to: 'L1',
        toTeam: 'desk',
        reason: '',
        pingPong: 1,
      }),
    ];
    expect(clock('resolution', undefined, { of, asOf: '2026-11-20T15:00:00Z' }).parts).toMatchObject([
      { spentOn: { what: 'queue', tier: 'L1', team: 'desk', agent: ada }, elapsed: 5 * MINUTE + HOUR },
      { spentOn: handOff, elapsed: HOUR },
      { spentOn: { what: 'work' }, elapsed: 50 * MINUTE },
      { spentOn: { what: 'queue', tier: 'L1', team: 'desk' }, elapsed: 5 * MINUTE },
    ]);
  });

  it('names the vendor who is waited for', () => {
    const of = [
      ...life.slice(0, 4),
      tell('2026-11-23T08:00:00Z', 'TicketEscalated', {
        escalationId: 'e2',
        from: 'L2',
        to: 'L4',
        handOff: { vendor: { vendor: 'contoso' } },
      }),
      tell('2026-11-23T09:00:00Z', 'TicketPutOnHold', { reason: 'vendor', note: '' }),
    ];
    expect(clock('resolution', undefined, { of, asOf: '2026-11-23T10:00:00Z' }).spells.at(-1)).toMatchObject({
      spentOn: { what: 'vendor', vendor: 'contoso' },
      elapsed: HOUR,
    });
  });
});

describe('the autopsy of every clock of every life', () => {
  it('adds up to what the clock shows, to the millisecond', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, fc.integer({ min: 0, max: 100 }), ({ contract, happened, end }, share) => {
        const start = happened[0]?.[0] ?? 0;
        // Some questions are about an instant in the middle of the life.
        const asOf = share < 50 ? end : start + Math.round(((end - start) * share) / 100);
        let sla: SlaClocks | null = null;
        for (const event of stored(contract, happened)) {
          if (event.metadata.effectiveAt <= instantFrom(asOf)) sla = evolveClocks(contract, sla, event);
        }
        const found = autopsies(contract, happened, asOf);
        expect(found).toHaveLength(sla?.clocks.length ?? 0);
        found.forEach(({ from, to, elapsed, paused, closed, parts, spells, ...of }, index) => {
          const one = sla?.clocks[index];
          if (one === undefined) throw new Error('no clock');
          const running = one.runningSince === undefined ? 0 : openTimeBetween(calendarOf(contract), one.runningSince, to);
          const standing = one.pauses.reduce(
            (total, pause) => total + openTimeBetween(calendarOf(contract), pause.from, pause.to ?? to),
            0,
          );
          const [began, ended] = [Date.parse(from), Date.parse(to)];
          expect(of).toMatchObject({ kind: one.kind, cycle: one.cycle, state: one.state, target: one.target });
          expect({ elapsed, paused, closed, whole: elapsed + paused + closed }).toEqual({
            elapsed: one.elapsed + running,
            paused: standing,
            closed: ended - began - slowOpenTime(contract.calendar, began, ended),
            whole: ended - began,
          });
          expect(parts.reduce((total, part) => total + part.elapsed, 0)).toBe(elapsed);
          expect(parts.reduce((total, part) => total + part.duration, 0)).toBe(ended - began);
          for (const part of parts) expect(part.duration > 0 && part.elapsed >= 0 && part.elapsed <= part.duration).toBe(true);
          expect([from, ...spells.map((spell) => spell.to)]).toEqual([...spells.map((spell) => spell.from), to]);
        });
      }),
      { numRuns: runs(100) },
    );
  });

  it('adds up also when other terms, in another calendar, came into force in between', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, randomLifeOfClocks, fc.nat(), ({ contract, happened, end }, { contract: after }, place) => {
        const cut = 1 + (place % happened.length);
        const when = (happened[cut]?.[0] ?? end) - (place % 7) * 8_571;
        const rebased: Happened = [
          Math.max(when, happened[cut - 1]?.[0] ?? when),
          { type: 'SlaTermsRebased', data: { contract: pinned(after), clocks: [] } },
        ];
        const events = stored(contract, [...happened.slice(0, cut), rebased, ...happened.slice(cut)]);
        let sla: PinnedClocks | null = null;
        for (const event of events) sla = evolvePinnedClocks(sla, event, event.metadata);
        breachAutopsy(events, instantFrom(end))?.forEach(({ from, to, elapsed, paused, closed }, index) => {
          const one = sla?.clocks[index];
          if (one === undefined) throw new Error('no clock');
          const running = one.runningSince === undefined ? 0 : openTimeBetween(calendarOf(after), one.runningSince, to);
          expect(elapsed).toBe(one.elapsed + running);
          expect(elapsed + paused + closed).toBe(Date.parse(to) - Date.parse(from));
        });
        expect(sla?.clocks.length).toBeGreaterThan(0);
      }),
      { numRuns: runs(100) },
    );
  });
});
