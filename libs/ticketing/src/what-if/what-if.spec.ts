import { type EventOf, instantFrom } from '#eventsourcing';
import fc from 'fast-check';
import { type Contract, defaultContract, HOUR, MINUTE } from '../contract/contract.js';
import { clockAt, evolveClocks, type SlaClocks } from '../sla/sla-clock.js';
import { type Happened, randomLifeOfClocks } from '../testing/clocks-by-the-minute.js';
import { forClient } from '../testing/ticket-life.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { comparisonOf, evolveReplay, type Replay, SimulationSums, type TicketComparison } from './what-if.js';

const start = Date.parse('2026-11-20T10:00:00Z');
const tell = <Type extends keyof TicketEvents>(after: number, type: Type, data: object): Happened => [
  start + after,
  { type, data } as unknown as EventOf<TicketEvents>,
];

function compared(happened: readonly Happened[], proposed: Contract, asOf = start + 1000 * HOUR, client = 'northwind'): TicketComparison {
  let replay: Replay | null = null;
  for (const [when, event] of happened)
    replay = evolveReplay(proposed, replay, {
      ...event,
      metadata: {
        effectiveAt: instantFrom(when),
        recordedAt: instantFrom(when),
        client,
        commandId: 'c',
        actor: { id: 'ada', kind: 'agent' },
      },
    });
  if (replay === null) throw new Error('no ticket');
  return comparisonOf('t', replay, instantFrom(asOf));
}

const opened = tell(0, 'TicketOpened', { priority: 'medium', impact: 'medium', urgency: 'medium', tier: 'L1' });
const life = [
  opened,
  tell(20 * MINUTE, 'WorkStarted', { tier: 'L1', agent: { id: 'ada' } }),
  tell(HOUR, 'TicketEscalated', { from: 'L1', to: 'L2', handOff: {} }),
  tell(2 * HOUR, 'EscalationAccepted', { tier: 'L2', agent: { id: 'bob' } }),
  tell(12 * HOUR, 'TicketResolved', { tier: 'L2' }),
];
const l2Work = (hours: number): Contract => {
  const target = { work: hours * HOUR };
  return { ...defaultContract, tierTargets: { L2: { critical: target, high: target, medium: target, low: target } } };
};
const resolvedWithin = (hours: number): Contract => ({
  ...forClient.terms,
  targets: { ...defaultContract.targets, medium: { response: 30 * MINUTE, resolution: hours * HOUR } },
});

describe('a ticket under a proposed contract', () => {
  it('gains a breach where a promise is added or made stricter', () => {
    expect(compared(life, l2Work(8))).toMatchObject({
      ticketId: 't',
      client: 'northwind',
      priority: 'medium',
      openedAt: instantFrom(start),
    });
    expect(compared(life, l2Work(8)).clocks.filter(({ breach }) => breach)).toEqual([
      {
        kind: 'tier-work',
        tier: 'L2',
        cycle: 1,
        proposed: { verdict: 'breached', target: 8 * HOUR, breachedAt: instantFrom(start + 10 * HOUR) },
        breach: 'gained',
      },
    ]);
    expect(compared(life, l2Work(10)).clocks.filter(({ breach }) => breach)).toEqual([]);
    expect(compared(life, resolvedWithin(11)).clocks).toMatchObject([
      { kind: 'response', actual: { verdict: 'met' }, proposed: { verdict: 'met' } },
      {
        kind: 'resolution',
        actual: { verdict: 'met', target: 24 * HOUR },
        proposed: { verdict: 'breached', target: 11 * HOUR },
        breach: 'gained',
      },
    ]);
  });

  it('loses a breach where a promise is made looser', () => {
    const late = [opened, tell(30 * HOUR, 'TicketResolved', { tier: 'L1' })];
    expect(compared(late, resolvedWithin(30)).clocks[1]).toMatchObject({
      kind: 'resolution',
      actual: { verdict: 'breached', breachedAt: instantFrom(start + 24 * HOUR) },
      proposed: { verdict: 'met' },
      breach: 'lost',
    });
  });

  it('is looked at as it stood at the instant, with breaches that no event has told of', () => {
    const verdicts = (hours: number) => compared([opened], resolvedWithin(11), start + hours * HOUR).clocks[1];
    expect(verdicts(11)).toMatchObject({ actual: { verdict: 'open' }, proposed: { verdict: 'open' } });
    expect(verdicts(11.5)).toMatchObject({ actual: { verdict: 'open' }, proposed: { verdict: 'breached' }, breach: 'gained' });
  });

  it('is none before its opening', () => {
    expect(() => compared(life.slice(1), defaultContract)).toThrow('no ticket');
  });

  it('has the priority that the proposed contract gives it, and that it was given where both agree', () => {
    const { medium } = defaultContract.priorities;
    const urgent: Contract = {
      ...defaultContract,
      priorities: { ...defaultContract.priorities, medium: { ...medium, medium: 'critical' } },
    };
    expect(compared(life, urgent).clocks[1]).toMatchObject({ kind: 'resolution', proposed: { verdict: 'breached', target: 4 * HOUR } });
    // The recorded priority is another than the matrix has, which both contracts share here: it stays.
    const imported = [tell(0, 'TicketOpened', { priority: 'low', impact: 'medium', urgency: 'high', tier: 'L1' })];
    expect(compared(imported, urgent).clocks[1]).toMatchObject({ actual: { target: 48 * HOUR }, proposed: { target: 48 * HOUR } });
    const triaged = [...life.slice(0, 1), tell(HOUR, 'TicketTriaged', { priority: 'medium', impact: 'medium', urgency: 'medium' })];
    expect(compared(triaged, urgent).clocks[1]).toMatchObject({ proposed: { target: 4 * HOUR } });
  });

  it('is the same under the contract that it had, whatever its life', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, ({ happened, end }) => {
        for (const { actual, proposed, breach } of compared(happened, forClient.terms, end).clocks) {
          expect(proposed).toEqual(actual);
          expect(breach).toBeUndefined();
        }
      }),
      { numRuns: 50 },
    );
  });

  it('has the clocks that it would have had, whatever its life', () => {
    fc.assert(
      fc.property(randomLifeOfClocks, ({ contract, happened, end }) => {
        let sla: SlaClocks | null = null;
        for (const [when, event] of happened) sla = evolveClocks(contract, sla, { ...event, metadata: { effectiveAt: instantFrom(when) } });
        const breached =
          sla?.clocks.filter((clock) => clock.continuedIn === undefined && clockAt(clock, instantFrom(end)).breachedAt !== undefined) ?? [];
        expect(
          compared(happened, contract, end)
            .clocks.filter(({ proposed }) => proposed?.verdict === 'breached')
            .map(({ kind, cycle }) => `${kind} ${cycle}`)
            .sort(),
        ).toEqual(breached.map(({ kind, cycle }) => `${kind} ${cycle}`).sort());
      }),
      { numRuns: 50 },
    );
  });
});

describe('the sums of a simulation', () => {
  it('are of all tickets, by kind, tier, priority and client', () => {
    const sums = new SimulationSums();
    sums.add(compared(life, l2Work(8), undefined, 'northwind'));
    sums.add(compared(life, l2Work(8), undefined, 'fabrikam'));
    sums.add(compared([opened], l2Work(8), start, 'fabrikam'));
    expect(sums.totals()).toEqual({
      tickets: 3,
      changed: 2,
      escalations: [],
      rules: [],
      actual: { met: 4, breached: 0, open: 2, cancelled: 0 },
      proposed: { met: 4, breached: 2, open: 2, cancelled: 0 },
      gained: 2,
      lost: 0,
      byKind: [
        expect.objectContaining({ kind: 'response', gained: 0 }),
        expect.objectContaining({ kind: 'resolution', gained: 0 }),
        expect.objectContaining({ kind: 'tier-work', actual: { met: 0, breached: 0, open: 0, cancelled: 0 }, gained: 2 }),
      ],
      byTier: [expect.objectContaining({ tier: 'L2', proposed: { met: 0, breached: 2, open: 0, cancelled: 0 } })],
      byPriority: [expect.objectContaining({ priority: 'medium', gained: 2 })],
      byClient: [expect.objectContaining({ client: 'fabrikam', gained: 1 }), expect.objectContaining({ client: 'northwind', gained: 1 })],
    });
  });

  it('agree with each other: breaches under the proposed contract are those before, and those gained, less those lost', () => {
    fc.assert(
      fc.property(
        fc.array(randomLifeOfClocks, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(l2Work(1), resolvedWithin(2), resolvedWithin(90)),
        (lives, proposed) => {
          const sums = new SimulationSums();
          for (const [index, { happened, end }] of lives.entries()) sums.add(compared(happened, proposed, end, `client-${index % 2}`));
          const { byKind, byTier, byPriority, byClient, ...all } = sums.totals();
          expect(all.tickets).toBe(lives.length);
          for (const one of [all, ...byKind, ...byTier, ...byPriority, ...byClient]) {
            expect(one.proposed.breached).toBe(one.actual.breached + one.gained - one.lost);
          }
          for (const group of [byKind, byPriority, byClient]) {
            for (const what of ['gained', 'lost'] as const) expect(group.reduce((sum, one) => sum + one[what], 0)).toBe(all[what]);
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
