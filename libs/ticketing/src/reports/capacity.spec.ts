import fc from 'fast-check';
import type { Agent } from '../desk/agent.js';
import type { Team } from '../desk/team.js';
import { capacityOf, type CapacityContext } from './capacity.js';
import type { Facts } from './kpi.js';
import { runs } from '../../../../test/runs.js';

const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;
/** A Monday. */
const monday = Date.parse('2026-11-02T00:00:00Z');
const agent = (id: string, ...skills: string[]) => ({ agent: id, name: id, skills, active: true, absences: [] }) as Agent;
const week = { monday: [{ from: '08:00', to: '16:00' }], tuesday: [{ from: '08:00', to: '16:00' }] };
const team = (id: string, tiers: Team['tiers'], members: readonly string[]): Team => ({
  ...{ team: id, name: id, tiers, members },
  shifts: [{ name: 'day', zone: 'Etc/UTC', week }],
});
const context: CapacityContext = {
  ...{ from: monday, to: monday + 2 * WEEK, zone: 'Etc/UTC' },
  teams: [team('desk', ['L1'], ['ada', 'bob']), team('experts', ['L2', 'L3'], ['eve'])],
  agents: [agent('ada', 'printing'), agent('bob'), agent('eve', 'printing', 'network')],
  skillsOf: (_client, category) => (category === 'network' ? ['network'] : category === 'printing' ? ['printing'] : []),
};
const ticket = (more: object): Facts =>
  ({
    client: 'northwind',
    openedAt: new Date(monday + 9 * HOUR),
    stays: [{ tier: 'L1' }],
    touch: [],
    touchSeconds: 1_800,
    ...more,
  }) as unknown as Facts;

describe('capacity', () => {
  it('tells the skills that fewer than two of a tier have, for tickets that came there', () => {
    const came = [
      ticket({ category: 'network', stays: [{ tier: 'L1' }, { tier: 'L2' }] }),
      ticket({ category: 'printing' }),
      ticket({ category: 'mail' }),
    ];
    const two = { ...context, agents: [...context.agents, agent('bea', 'printing')], teams: [team('desk', ['L1'], ['ada', 'bea'])] };
    expect(capacityOf(came, context).skills).toEqual([
      { tier: 'L1', category: 'network', tickets: 1, asked: ['network'], agents: [], missing: ['network'] },
      { tier: 'L1', category: 'printing', tickets: 1, asked: ['printing'], agents: ['ada'], missing: [] },
      { tier: 'L2', category: 'network', tickets: 1, asked: ['network'], agents: ['eve'], missing: [] },
    ]);
    expect(capacityOf(came, two).skills.map(({ category }) => category)).not.toContain('printing');
  });

  it('tells who can learn from whom: who worked on it below, and who resolved it', () => {
    const touch = [
      { tier: 'L1', agent: 'ada' },
      { tier: 'L2', agent: 'eve' },
    ];
    const up = { category: 'mail', touch, resolvedTier: 'L3', resolvedAgent: 'eve' };
    const came = [
      ticket({ ...up, rootCause: { lowerTierCanResolve: true } }),
      ticket(up),
      ticket({ ...up, resolvedTier: 'L1', resolvedAgent: 'ada' }),
    ];
    expect(capacityOf(came, context).learning).toEqual([{ category: 'mail', learner: 'ada', teacher: 'eve', tickets: 2, teachable: 1 }]);
  });

  it('expects of each hour of the week what came in it, beside who is on shift', () => {
    const came = [0, 0, 7 * 24, 50].map((hours) => ticket({ openedAt: new Date(monday + (9 + hours) * HOUR) }));
    expect(capacityOf(came, context).load).toEqual([
      { weekday: 1, hour: 9, arrivals: 1.5, hours: 0.75, onShift: 3, load: 0.25 },
      { weekday: 3, hour: 11, arrivals: 0.5, hours: 0.25, onShift: 0, load: null },
    ]);
  });

  const resolved = fc.record({ category: fc.constantFrom('mail', 'network'), resolvedAgent: fc.constantFrom('ada', 'bob', 'eve', 'lea') });

  it('has as its bus factor the smallest number of agents who resolved at least half, checked against all sets', () => {
    fc.assert(
      fc.property(fc.array(resolved, { maxLength: 30 }), (facts) => {
        const { busFactor } = capacityOf(facts.map(ticket), context);
        for (const { category, factor, who, resolved, agents } of busFactor) {
          const of = facts.filter((one) => one.category === category).map((one) => one.resolvedAgent);
          const all = [...new Set(of)];
          const sets = Array.from({ length: 2 ** all.length }, (_, bits) => all.filter((_, index) => bits & (1 << index)));
          const enough = sets.filter((set) => of.filter((agent) => set.includes(agent)).length * 2 >= of.length);
          expect([factor, resolved, agents]).toEqual([Math.min(...enough.map(({ length }) => length)), of.length, all.length]);
          expect(enough.map((set) => JSON.stringify([...set].sort()))).toContain(JSON.stringify([...who].sort()));
        }
        expect(new Set(busFactor.map(({ category }) => category))).toEqual(new Set(facts.map(({ category }) => category)));
      }),
      { numRuns: runs(50) },
    );
  });

  it('has every arrival in one hour of the week, by slow and obvious counting in a zone with two offsets', () => {
    const zone = 'Europe/Rome';
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5 * 24 * HOUR - 1 }), { maxLength: 20 }), (offsets) => {
        const from = Date.parse('2026-10-23T00:00:00Z');
        const came = offsets.map((offset) => ticket({ openedAt: new Date(from + offset) }));
        const { load } = capacityOf(came, { ...context, zone, from, to: from + 5 * 24 * HOUR });
        const local = (at: number) => new Date(new Date(at).toLocaleString('sv-SE', { timeZone: zone }).replace(' ', 'T') + 'Z');
        for (const { weekday, hour, arrivals } of load) {
          const isThen = (at: number) => (local(at).getUTCDay() || 7) === weekday && local(at).getUTCHours() === hour;
          const hours = Array.from({ length: 5 * 24 }, (_, index) => from + index * HOUR).filter(isThen).length;
          const expected = offsets.filter((offset) => isThen(from + offset)).length;
          expect(arrivals * hours).toBeCloseTo(expected, 3);
        }
        expect(load.length).toBe(
          new Set(offsets.map((offset) => `${local(from + offset).getUTCDay()} ${local(from + offset).getUTCHours()}`)).size,
        );
      }),
      { numRuns: runs(10) },
    );
  });
});
