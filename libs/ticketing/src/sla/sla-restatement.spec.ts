import { type Decision, type EventFacts, evolve, type Instant, instantFrom, isRefusal } from '#eventsourcing';
import fc from 'fast-check';
import { given, recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import { breachAutopsy } from './breach-autopsy.js';
import { defaultContract, HOUR, MINUTE, type PinnedContract } from '../contract/contract.js';
import type { InForce } from '../contract/contract-agreement.js';
import { whyEscalated } from '../escalation/escalation-why.js';
import type { ClockKind } from '../vocabulary.js';
import { officeHours, randomLife } from '../testing/random-commands.js';
import { at, forClient, Life, pin, start } from '../testing/ticket-life.js';
import { evolveInHindsight } from './sla-restatement.js';
import type { PinnedClocks } from './sla-terms.js';
import { ticket } from '../ticket/ticket.js';
import type { TicketEvents } from '../events/ticket-events.js';
import type { TicketState } from '../events/ticket.js';
import { ticketViews } from '../views/projections.js';
import { ticketSla, type TicketSla } from '../views/ticket-sla.js';

const from = (minutes: number, contract: PinnedContract): InForce => ({ from: at(minutes), contract });
const resolvedWithin = (version: number, hours: number): PinnedContract =>
  pin(version, { targets: { ...defaultContract.targets, critical: { response: HOUR, resolution: hours * HOUR } } });
const clockOf = (life: Life, kind: ClockKind, cycle = 1) => life.sla.clocks.find((clock) => clock.kind === kind && clock.cycle === cycle);
const resolve = (life: Life, minutes: number) => life.do(minutes, 'ResolveTicket', { category: 'c', article: 'KB-1' });

/** Four hours for the resolution, 15 minutes for the response; resolved after five. */
function late(offered: PinnedContract = forClient): Life {
  const life = new Life(offered).open();
  life.do(10, 'StartWork', {});
  life.tell(300);
  resolve(life, 300);
  return life;
}

describe('RestateSla', () => {
  it('restates the verdict by the contract now known to have been in force, and keeps the original', () => {
    const life = late();
    const before = clockOf(life, 'resolution');
    expect(life.restate(1000, [from(0, resolvedWithin(1, 6))], { clock: 'resolution', reason: 'The amendment of May' })).toEqual([
      {
        clock: 'resolution',
        cycle: 1,
        was: { contractVersion: 0, verdict: 'breached', target: 4 * HOUR, elapsed: 5 * HOUR, dueAt: at(240), breachedAt: at(240) },
        is: { contractVersion: 1, verdict: 'met', target: 6 * HOUR, elapsed: 5 * HOUR, dueAt: at(360) },
        tzdata: '2025b',
        reason: 'The amendment of May',
      },
    ]);
    expect(clockOf(life, 'resolution')).toEqual({
      ...before,
      restated: {
        at: at(1000),
        reason: 'The amendment of May',
        is: { contractVersion: 1, verdict: 'met', target: 6 * HOUR, elapsed: 5 * HOUR, dueAt: at(360) },
      },
    });
    expect(life.events.some(({ type }) => type === 'SlaBreached')).toBe(true);
  });

  it('counts by the calendar that was put right, from when it holds', () => {
    // Two of the five hours were a holiday after all: from 9:00 to 11:00 nothing was open.
    const life = late();
    const shut = pin(1, {
      calendar: {
        zone: 'UTC',
        week: {
          monday: [
            { from: '00:00', to: '09:00' },
            { from: '11:00', to: '24:00' },
          ],
        },
      },
    });
    expect(life.restate(1000, [from(0, shut)], { clock: 'resolution' })).toMatchObject([
      { was: { verdict: 'breached', elapsed: 5 * HOUR }, is: { verdict: 'met', elapsed: 3 * HOUR, dueAt: at(360) } },
    ]);
    // Had the calendar held only from ten o'clock on, one of the hours counts.
    expect(late().restate(1000, [from(120, shut)], { clock: 'resolution' })).toMatchObject([{ is: { verdict: 'met', elapsed: 4 * HOUR } }]);
  });

  it('restates once, and again when the contract is corrected again', () => {
    const life = late();
    expect(life.restate(1000, [from(0, resolvedWithin(1, 6))])).toHaveLength(2);
    expect(life.restate(1001, [from(0, resolvedWithin(1, 6))])).toEqual([]);
    // Another version that comes to the same is no news.
    expect(life.restate(1002, [from(0, resolvedWithin(2, 6))])).toEqual([]);
    expect(life.restate(1003, [from(0, resolvedWithin(3, 5))], { clock: 'resolution' })).toMatchObject([
      { was: { contractVersion: 1, verdict: 'met', target: 6 * HOUR }, is: { contractVersion: 3, verdict: 'met', target: 5 * HOUR } },
    ]);
    expect(life.restate(1004, [], { clock: 'resolution' })).toMatchObject([{ is: { contractVersion: 0, verdict: 'breached' } }]);
  });

  it('says where no such clock would have run', () => {
    const target = { accept: 5 * MINUTE, work: HOUR };
    const ofL1 = pin(1, { tierTargets: { L1: { critical: target, high: target, medium: target, low: target } } });
    const life = late(ofL1);
    const restated = life.restate(1000, [], { clock: 'tier-accept' });
    expect(restated).toMatchObject([{ clock: 'tier-accept', tier: 'L1', was: { contractVersion: 1, verdict: 'breached' } }]);
    expect(restated[0]).not.toHaveProperty('is');
    expect(life.restate(1001, [], { clock: 'tier-accept' })).toEqual([]);
    expect(life.restate(1002, [from(0, ofL1)], { clock: 'tier-accept' })).toMatchObject([{ is: { verdict: 'breached' } }]);
  });

  it('leaves clocks that go on alone: those are rebased', () => {
    const life = new Life(forClient).open();
    life.do(10, 'StartWork', {});
    expect(life.restate(100, [from(0, resolvedWithin(1, 6))]).map(({ clock }) => clock)).toEqual(['response']);
    expect(() => life.restate(101, [from(0, resolvedWithin(1, 6))], { clock: 'resolution' })).toThrow('no-clock-ended');
  });

  it('stays quiet where what was promised was so, also over a contract that came into force meanwhile', () => {
    const [four, six] = [resolvedWithin(1, 4), resolvedWithin(2, 6)];
    const life = new Life(four).open();
    life.do(10, 'StartWork', {});
    life.do(60, 'RebaseSlaTerms', { contract: six, effectiveFrom: at(60) });
    resolve(life, 300);
    expect(clockOf(life, 'resolution')).toMatchObject({ state: 'met', contractVersion: 2 });
    expect(clockOf(life, 'response')).toMatchObject({ state: 'met', contractVersion: 1 });
    expect(life.restate(1000, [from(-100, four), from(60, six)])).toEqual([]);
  });

  it('is refused where nothing may follow', () => {
    const life = new Life(forClient).open();
    life.do(20, 'CancelTicket', { reason: 'r' });
    expect(() => life.restate(30, [])).toThrow('ticket-cancelled');
  });

  it('restates each cycle of a resolution that goes on after a reopening', () => {
    const goesOn = (version: number, hours: number) => {
      const { version: same, tzdata, terms } = resolvedWithin(version, hours);
      return { version: same, tzdata, terms: { ...terms, reopen: 'continue' as const } };
    };
    const life = late(goesOn(1, 4));
    life.restate(400, [from(0, goesOn(2, 6))]);
    life.do(500, 'ReopenTicket', { reason: 'r' });
    // It goes on as it was known when it was told of; once it has ended it can be restated in turn.
    expect(clockOf(life, 'resolution', 2)).toMatchObject({ state: 'running', elapsed: 5 * HOUR, breachedAt: at(240) });
    expect(clockOf(life, 'resolution', 2)?.restated).toBeUndefined();
    life.do(510, 'StartWork', {});
    resolve(life, 550);
    expect(life.restate(600, [from(0, goesOn(2, 6))])).toMatchObject([
      { clock: 'resolution', cycle: 2, was: { verdict: 'breached', elapsed: 350 * MINUTE }, is: { verdict: 'met', elapsed: 350 * MINUTE } },
    ]);
  });

  it('is beside what was known in the view, the autopsy and the answers to why; what is asked as of before knows nothing of it', () => {
    const leads = [{ kind: 'team' as const, team: 'leads' }];
    const policy = {
      name: 'overdue',
      trigger: { on: 'breach' as const, clock: 'resolution' as const },
      steps: [{ after: 0, targets: leads }],
    };
    const life = late(pin(1, { escalationPolicies: [policy] }));
    life.restate(1000, [from(0, resolvedWithin(2, 6))]);
    const restated = { at: at(1000), is: { verdict: 'met' } };

    const events = recorded<TicketEvents>('ticket-t', life.events);
    const view = given(ticketViews, life.events).document(ticketSla) as TicketSla;
    expect(view.clocks[1]).toMatchObject({ kind: 'resolution', state: 'breached', breachedAt: at(240), restated });

    expect(breachAutopsy(events, at(1000))?.[1]).toMatchObject({ state: 'breached', restated });
    expect(breachAutopsy(events, at(999))?.[1]).not.toHaveProperty('restated');

    const [why] = whyEscalated(life.sla, at(1000));
    expect(why).toMatchObject({ ended: { because: 'resolved' }, restated: { verdict: 'met', at: at(1000) } });
    expect(why?.answer).toContain(`its clock was restated at ${at(1000)}`);
  });

  it('finds nothing where nothing was agreed afterwards, whatever the life', () => {
    const contract = { version: 1, tzdata: '2025b', terms: officeHours };
    const agreed = [{ from: instantFrom(0), contract }];
    fc.assert(
      fc.property(randomLife, (life) => {
        let state: TicketState = null;
        let hindsight: PinnedClocks | null = null;
        let now = start;
        for (const [index, { name, command, after }] of life.entries()) {
          now += after;
          // Of another contract nothing is agreed here.
          if (name === 'RebaseSlaTerms' || name === 'RestateSla') continue;
          const effectiveAt: Instant = instantFrom(now);
          const context = { commandId: `c${index}`, actor: { id: 'ada', kind: 'agent' as const }, effectiveAt, recordedAt: effectiveAt };
          const decision: Decision<TicketEvents> = ticket.commands[name].decide(
            command as never,
            state,
            context,
            (name === 'OpenTicket' ? { contract } : undefined) as never,
          );
          if (isRefusal(decision)) continue;
          for (const event of decision) {
            const facts: EventFacts = { ...context, effectiveAt: event.effectiveAt ?? effectiveAt };
            state = evolve(ticket, state, event, facts);
            hindsight = evolveInHindsight(agreed, hindsight, event, facts);
          }
        }
        const restated = ticket.commands.RestateSla.decide(
          { reason: 'r' },
          state,
          { commandId: 'r', actor: { id: 'ada', kind: 'agent' }, effectiveAt: instantFrom(now) },
          hindsight ?? undefined,
        );
        if (!isRefusal(restated)) expect(restated).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});
