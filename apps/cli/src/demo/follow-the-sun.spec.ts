import { instantFrom } from '#eventsourcing';
import { type Shift, shiftAt, type Team } from '#ticketing';
import { sunRoster, sunTickets } from './follow-the-sun.js';

describe('the desk that follows the sun', () => {
  it('has somebody there at every hour of the year', () => {
    const roster = sunRoster();
    const teams = roster.flatMap(({ path, body }): Team[] => {
      const [, team] = /^\/v1\/teams\/([^/]+)\/shifts$/.exec(path) ?? [];
      if (team === undefined) return [];
      const members = roster.flatMap((one) => (one.path === `/v1/teams/${team}/members` ? [(one.body as { agent: string }).agent] : []));
      return [{ team, name: team, tiers: ['L1'], members, shifts: (body as { shifts: readonly Shift[] }).shifts }];
    });
    expect(teams).toHaveLength(3);
    const start = Date.parse('2026-01-01T00:00:00Z');
    // Every 71 minutes: all hours of the day come round, in summer time and out of it.
    for (let minute = 0; minute < 365 * 24 * 60; minute += 71) {
      const at = instantFrom(start + minute * 60_000);
      const there = teams.some((team) => shiftAt(team, team.members[0] ?? '', at) !== undefined);
      expect({ at, there }).toEqual({ at, there: true });
    }
  });

  it('has the same keys at every run of a day, and other tickets on another day', () => {
    const keys = (day: string) => [...sunRoster(), ...sunTickets(day)].map(({ idempotencyKey }) => idempotencyKey);
    expect(keys('2026-11-20')).toEqual(keys('2026-11-20'));
    expect(new Set(keys('2026-11-20')).size).toBe(keys('2026-11-20').length);
    expect(sunTickets('2026-11-20')[0]?.idempotencyKey).not.toBe(sunTickets('2026-11-19')[0]?.idempotencyKey);
  });
});
