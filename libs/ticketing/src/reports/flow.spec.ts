import fc from 'fast-check';
import { TIERS } from '../vocabulary.js';
import { randomDesk } from '../testing/random-desk.js';
import { datedFacts } from '../testing/dated-facts.js';
import { Flow, FLOW_FIELDS } from './flow.js';
import type { Facts } from './kpi.js';
import { runs } from '../../../../test/runs.js';

const start = Date.parse('2026-01-01T00:00:00.000Z');

describe('the flow through the tiers', () => {
  it('has as much into each tier as out of it, and each move as the events have it', () => {
    fc.assert(
      fc.property(randomDesk(start, 10), (desk) => {
        const flow = new Flow();
        for (const lived of desk) flow.add(datedFacts(lived));
        const { tickets, links, pairs, times } = flow.result();
        const moves = (which: (link: (typeof links)[number]) => boolean) => links.filter(which).reduce((sum, link) => sum + link.moves, 0);
        expect(tickets).toBe(desk.length);
        expect(moves(({ from }) => from === 'opened')).toBe(desk.length);
        expect(moves(({ move }) => move === 'end')).toBe(desk.length);
        for (const tier of TIERS) expect(moves(({ to }) => to === tier)).toBe(moves(({ from }) => from === tier));

        const events = desk.flatMap((lived) => lived.events);
        const count = (...types: string[]) => events.filter(({ type }) => types.includes(type)).length;
        expect(moves(({ move }) => move === 'escalation')).toBe(count('TicketEscalated'));
        expect(moves(({ move }) => move === 'return')).toBe(count('EscalationReturned'));
        expect(moves(({ move }) => move === 'de-escalation')).toBe(count('TicketDeescalated'));
        const sum = (key: 'handOffs' | 'accepted' | 'returned') => pairs.reduce((all, pair) => all + pair[key], 0);
        expect([sum('handOffs'), sum('accepted'), sum('returned')]).toEqual([
          count('TicketEscalated'),
          count('EscalationAccepted'),
          count('EscalationReturned'),
        ]);
        for (const { quality, handOffs, accepted, returned } of pairs) {
          expect(quality).toBeGreaterThanOrEqual(0);
          expect(accepted + returned).toBeLessThanOrEqual(handOffs);
        }
        for (const { millis, tickets: some } of times) expect(millis > 0 && some <= desk.length).toBe(true);
      }),
      { numRuns: runs(15) },
    );
  });

  it('tells a return from a hand-over down that was told for the same instant', () => {
    const [opened, escalated, back] = [0, 60_000, 120_000].map((after) => new Date(start + after)) as [Date, Date, Date];
    const facts: Pick<Facts, (typeof FLOW_FIELDS)[number]> = {
      openedAt: opened,
      status: 'open',
      stays: [
        { tier: 'L1', from: opened, to: escalated, handled: true },
        { tier: 'L2', from: escalated, to: back, handled: false },
        { tier: 'L1', from: back, to: back, handled: false },
        { tier: 'L0', from: back, handled: false },
      ],
      handOffs: [{ escalationId: 'e', from: 'L1', to: 'L2', at: escalated, outcome: 'returned', settledAt: back, quality: 1 }],
      times: [],
      resolutions: [],
      deescalations: 1,
    };
    const flow = new Flow();
    flow.add(facts as Facts);
    expect(flow.result().links.map(({ from, to, move }) => `${from} ${to} ${move}`)).toEqual([
      'opened L1 entry',
      'L0 open end',
      'L1 L0 de-escalation',
      'L1 L2 escalation',
      'L2 L1 return',
    ]);
  });
});
