import { type Instant, instantFrom } from '#eventsourcing';
import { scenariosOf, type Sent } from '../../../eventsourcing/src/testing/given.js';
import { nextShiftOf, type Shift, shiftAt, team, type TeamCommands, type TeamState } from './team.js';

const at = (text: string): Instant => instantFrom(Date.parse(text));
const given = scenariosOf(team, { id: 'desk', actor: { id: 'lead', kind: 'agent' }, start: Date.parse('2026-11-21T08:00:00Z'), step: 0 });
const after = (...commands: readonly Sent<typeof team>[]): TeamState => given(...commands).state;

const define = (tiers: TeamCommands['DefineTeam']['tiers'] = ['L1']) => ['DefineTeam', { name: 'Desk', tiers }] as const;
const join = (agent: string) => ['AddTeamMember', { agent }] as const;
const shifts = (...all: readonly Shift[]) => ['SetShifts', { shifts: all }] as const;
const office = (zone: string, agents?: readonly string[]): Shift => ({
  name: zone,
  zone,
  week: { monday: [{ from: '09:00', to: '17:00' }] },
  ...(agents === undefined ? {} : { agents }),
});
const on = (state: TeamState, agent: string, instant: string) => state && shiftAt(state, agent, at(instant))?.name;
const next = (state: TeamState, agent: string, instant: string) => state && nextShiftOf(state, agent, at(instant));

describe('a team', () => {
  it('is defined, staffed and given shifts; what is so already changes nothing', () => {
    const leaves = ['RemoveTeamMember', { agent: 'grace' }] as const;
    const staffed = given(define(['L2', 'L1']), join('ada'), join('grace'), shifts(office('Europe/Rome')), leaves);
    expect(staffed.state).toEqual({ team: 'desk', name: 'Desk', tiers: ['L1', 'L2'], members: ['ada'], shifts: [office('Europe/Rome')] });
    for (const [name, again] of [define(['L1', 'L2']), join('ada'), shifts(office('Europe/Rome')), leaves])
      expect(staffed.when(name, again).events()).toEqual([]);
  });

  it('keeps members and shifts when it is defined anew', () => {
    const state = after(define(), join('ada'), shifts(office('Europe/Rome')), [
      'DefineTeam',
      { name: 'Desk', tiers: ['L2'], clients: ['northwind'] },
    ]);
    expect(state).toMatchObject({ tiers: ['L2'], clients: ['northwind'], members: ['ada'], shifts: [office('Europe/Rome')] });
  });

  it('must be defined first', () => {
    for (const [name, body] of [join('ada'), shifts(), ['RemoveTeamMember', { agent: 'ada' }] as const])
      expect(given().when(name, body).refusal()).toMatchObject({ refused: 'team-not-found' });
  });

  it('refuses invalid shifts, each fault by its field as it was given', () => {
    const week = {
      monday: [{ from: '22:00', to: '06:00' }],
      tuesday: [
        { from: '05:00', to: '09:00' },
        { from: '10:00', to: '10:00' },
      ],
    };
    const elsewhere = { name: 'night', zone: 'Mars/Olympus', week: '24x7', agents: [], seats: 3 } as Shift;
    const refused = given(define())
      .when(...shifts({ name: 'night', zone: 'Europe/Rome', week }, elsewhere))
      .refusal();
    expect(refused.refused).toBe('team-invalid');
    expect(refused.faults).toEqual([
      { field: 'shifts[0].week.tuesday[1]', message: 'must end after it begins' },
      { field: 'shifts[0].week.tuesday[0]', message: 'must not overlap 22:00 to 06:00 of monday' },
      { field: 'shifts[1].zone', message: expect.any(String) },
      { field: 'shifts[1].agents', message: 'must be a list of 1 to 500 ids of agents' },
      { field: 'shifts[1].seats', message: 'is not a known field' },
    ]);
    const twice = shifts(office('UTC'), { ...office('Europe/Rome'), name: 'UTC' });
    expect(
      given(define())
        .when(...twice)
        .refusal(),
    ).toMatchObject({
      refused: 'team-invalid',
      faults: [{ field: 'shifts[1].name' }],
    });
  });
});

describe('a shift', () => {
  it("is in its zone's local time, for the members who work it", () => {
    const state = after(define(), join('ada'), join('grace'), shifts(office('Europe/Rome', ['ada', 'henrik'])));
    // Monday, 23 November 2026.
    expect(on(state, 'ada', '2026-11-23T08:59:59+01:00')).toBeUndefined();
    expect(on(state, 'ada', '2026-11-23T09:00:00+01:00')).toBe('Europe/Rome');
    expect(on(state, 'ada', '2026-11-23T17:00:00+01:00')).toBeUndefined();
    expect(on(state, 'grace', '2026-11-23T12:00:00+01:00')).toBeUndefined();
    // Named in the shift, but no member.
    expect(on(state, 'henrik', '2026-11-23T12:00:00+01:00')).toBeUndefined();
  });

  it('crosses midnight, also from Sunday to Monday, and the end of summer time', () => {
    const night: Shift = {
      name: 'night',
      zone: 'Europe/Rome',
      week: { saturday: [{ from: '22:00', to: '06:00' }], sunday: [{ from: '22:00', to: '00:00' }] },
    };
    const state = after(define(), join('ada'), shifts(night));
    // In the night to Sunday, 25 October 2026 the clocks in Rome go back from 3:00 to 2:00.
    expect(on(state, 'ada', '2026-10-24T21:59:59+02:00')).toBeUndefined();
    expect(on(state, 'ada', '2026-10-24T22:00:00+02:00')).toBe('night');
    expect(on(state, 'ada', '2026-10-25T05:59:59+01:00')).toBe('night');
    expect(on(state, 'ada', '2026-10-25T06:00:00+01:00')).toBeUndefined();
    expect(on(state, 'ada', '2026-10-25T23:59:59+01:00')).toBe('night');
    expect(on(state, 'ada', '2026-10-26T00:00:00+01:00')).toBeUndefined();
    const overSunday = after(define(), join('ada'), shifts({ ...night, week: { sunday: [{ from: '22:00', to: '06:00' }] } }));
    expect(on(overSunday, 'ada', '2026-10-26T05:59:59+01:00')).toBe('night');
  });

  it('begins next when the first of the agent’s shifts does', () => {
    const state = after(define(), join('ada'), join('grace'), shifts(office('Europe/Rome', ['ada']), office('America/New_York')));
    expect(next(state, 'ada', '2026-11-23T07:00:00Z')).toBe(at('2026-11-23T08:00:00Z'));
    expect(next(state, 'ada', '2026-11-23T08:00:00Z')).toBe(at('2026-11-23T14:00:00Z'));
    expect(next(state, 'grace', '2026-11-23T07:00:00Z')).toBe(at('2026-11-23T14:00:00Z'));
    expect(next(state, 'grace', '2026-11-23T14:00:00Z')).toBe(at('2026-11-30T14:00:00Z'));
    expect(next(state, 'henrik', '2026-11-23T14:00:00Z')).toBeUndefined();
    const always = after(define(), join('ada'), shifts({ name: 'always', zone: 'UTC', week: '24x7' }));
    expect([on(always, 'ada', '2026-11-23T07:00:00Z'), next(always, 'ada', '2026-11-23T07:00:00Z')]).toEqual(['always', undefined]);
  });

  it('is put off by a holiday', () => {
    const state = after(define(), join('ada'), shifts({ ...office('Europe/Rome'), holidays: [{ date: '2026-11-23' }] }));
    expect(on(state, 'ada', '2026-11-23T12:00:00+01:00')).toBeUndefined();
    expect(next(state, 'ada', '2026-11-23T07:00:00Z')).toBe(at('2026-11-30T08:00:00Z'));
  });
});
