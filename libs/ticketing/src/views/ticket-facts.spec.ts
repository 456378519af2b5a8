import { given, recorded } from '../../../eventsourcing/src/testing/given-projected.js';
import type { TicketEvents } from '../events/ticket-events.js';
import { HOUR } from '../contract/contract.js';
import { at, forClient, Life, pin } from '../testing/ticket-life.js';
import { ticketViews } from './projections.js';
import { foldTicket } from './ticket-fold.js';
import { ticketFacts, type TicketFacts } from './ticket-facts.js';

const factsOf = (life: Life) => given(ticketViews, life.events).document(ticketFacts) as TicketFacts;
const handoff = {
  summary: 's',
  errorMessages: ['e'],
  logs: ['l'],
  stepsTried: [{ action: 'a', outcome: 'o' }],
  environment: 'prod',
};
const ada = { id: 'ada' };

describe('the facts of a ticket', () => {
  it('tell where it has been, who handled it, and what came of its hand-offs', () => {
    const life = new Life().open('low');
    life.do(10, 'StartWork', { agent: ada });
    life.do(20, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff });
    expect(factsOf(life)).toMatchObject({
      stays: [
        { tier: 'L1', from: at(0), to: at(20), handled: true },
        { tier: 'L2', from: at(20), handled: false },
      ],
    });
    life.do(30, 'ReturnEscalation', { reason: 'r' });
    life.do(40, 'EscalateToTier', { tier: 'L2', reason: 'r', handoff });
    life.do(50, 'AcceptEscalation', { agent: { id: 'bo' } });
    life.do(60, 'PutOnHold', { reason: 'customer', note: 'n' });
    life.do(80, 'Resume', {});
    life.do(90, 'StartTouchTime', { agent: { id: 'bo' } });
    life.do(95, 'ResolveTicket', { cause: 'c', fix: 'f' });
    const facts = factsOf(life);
    expect(facts).toMatchObject({
      openedTier: 'L1',
      tier: 'L2',
      status: 'resolved',
      acknowledgedAt: at(10),
      resolvedAt: at(95),
      resolvedTier: 'L2',
      resolvedAgent: 'bo',
      reopens: 0,
      escalations: 2,
      returns: 1,
      touchSeconds: 300,
      touch: [{ tier: 'L2', agent: 'bo', seconds: 300 }],
      holds: [{ reason: 'customer', from: at(60), to: at(80) }],
      handOffs: [{ outcome: 'returned' }, { outcome: 'accepted', settledAt: at(50) }],
      resolutions: [{ at: at(95), tier: 'L2', agent: 'bo' }],
      zone: 'UTC',
    });
    expect(facts.stays.map(({ tier, handled }) => [tier, handled])).toEqual([
      ['L1', true],
      ['L2', false],
      ['L1', true],
      ['L2', true],
    ]);
    expect(facts.times).toEqual([
      { tier: 'L1', state: 'waiting', millis: 20 * 60_000 },
      { tier: 'L1', state: 'working', millis: 10 * 60_000 },
      { tier: 'L2', state: 'awaiting-acceptance', millis: 20 * 60_000 },
      { tier: 'L2', state: 'working', millis: 25 * 60_000 },
      { tier: 'L2', state: 'on-hold', millis: 20 * 60_000 },
    ]);
    expect(facts).not.toHaveProperty('endedAt');
  });

  it('keep each resolution, with what became of it', () => {
    const life = new Life().open('low');
    life.do(10, 'ResolveTicket', { category: 'c', article: 'KB-1' });
    life.do(20, 'RecordSatisfaction', { score: 2 });
    life.do(30, 'ReopenTicket', { reason: 'r' });
    expect(factsOf(life)).toMatchObject({ reopens: 1, resolutions: [{ at: at(10), reopenedAt: at(30) }] });
    expect(factsOf(life)).not.toHaveProperty('resolvedAt');
    life.do(40, 'ResolveTicket', { category: 'c', article: 'KB-2' });
    life.do(50, 'CloseTicket', {});
    expect(factsOf(life)).toMatchObject({
      resolvedAt: at(40),
      closedAt: at(50),
      endedAt: at(50),
      articles: ['KB-1', 'KB-2'],
      satisfaction: [{ cycle: 1, score: 2, at: at(20) }],
      resolutions: [
        { at: at(10), reopenedAt: at(30) },
        { at: at(40), closedAt: at(50) },
      ],
    });
  });

  it('have the verdict on each promise once: breached as soon as that is told, and as restated', () => {
    const life = new Life(pin(1, {})).open();
    life.do(30, 'StartWork', { agent: ada });
    expect(factsOf(life).clocks).toMatchObject([{ kind: 'response', verdict: 'breached', decidedAt: at(15), elapsed: 30 * 60_000 }]);
    life.tell(300);
    const breached = { kind: 'resolution', verdict: 'breached', decidedAt: at(240), target: 4 * HOUR };
    expect(factsOf(life).clocks).toMatchObject([{ kind: 'response' }, breached]);
    expect(factsOf(life).clocks[1]).not.toHaveProperty('elapsed');
    life.do(310, 'ResolveTicket', { category: 'c', article: 'KB-1' });
    const terms = { ...pin(2, {}).terms };
    life.restate(400, [
      {
        from: at(0),
        contract: pin(2, { targets: { ...terms.targets, critical: { response: HOUR, resolution: 8 * HOUR } } }),
      },
    ]);
    expect(factsOf(life).clocks).toMatchObject([
      { kind: 'response', verdict: 'met', was: 'breached', decidedAt: at(30), restatedAt: at(400), contractVersion: 2 },
      { kind: 'resolution', verdict: 'met', was: 'breached', decidedAt: at(310), elapsed: 310 * 60_000 },
    ]);
  });

  it('count the breach of an open promise under other terms, even if one under earlier terms did not happen', () => {
    const life = new Life(forClient).open();
    life.do(5, 'StartWork', { agent: ada });
    life.do(10, 'PutOnHold', { reason: 'customer', note: 'n' });
    life.do(40, 'Resume', {});
    const breach = { clock: 'resolution', cycle: 1, target: 4 * HOUR } as const;
    life.events.push(
      { type: 'SlaBreached', at: at(240), data: { ...breach, terms: 1 } },
      { type: 'SlaRestated', at: at(250), data: { clock: 'resolution', cycle: 1, moment: { terms: 1, was: at(240) }, reason: 'r' } },
      { type: 'SlaBreached', at: at(270), data: { ...breach, terms: 2 } },
    );
    expect(factsOf(life).clocks.filter(({ kind }) => kind === 'resolution')).toMatchObject([{ verdict: 'breached', decidedAt: at(270) }]);
  });

  it('count a breached promise as breached when the ticket is cancelled, and one that goes on after a reopening once', () => {
    const cancelled = new Life(forClient).open();
    cancelled.do(500, 'CancelTicket', { reason: 'r' });
    expect(factsOf(cancelled)).toMatchObject({
      endedAt: at(500),
      clocks: [{ verdict: 'breached' }, { verdict: 'breached' }],
    });
    const again = new Life(pin(1, { reopen: 'continue' })).open('low');
    again.do(10, 'ResolveTicket', { category: 'c', article: 'a' });
    again.do(20, 'ReopenTicket', { reason: 'r' });
    again.do(30, 'ResolveTicket', { category: 'c', article: 'a' });
    expect(factsOf(again).clocks.filter(({ kind }) => kind === 'resolution')).toMatchObject([{ cycle: 2, verdict: 'met' }]);
  });

  it('tell when it was a major incident', () => {
    const life = new Life().open('critical', { majorIncident: true });
    life.do(10, 'StandDownMajorIncident', { reason: 'r' });
    life.do(20, 'DeclareMajorIncident', { reason: 'r' });
    life.do(30, 'ResolveTicket', { category: 'c', article: 'a' });
    expect(factsOf(life).majorIncidents).toEqual([
      { from: at(0), to: at(10) },
      { from: at(20), to: at(30) },
    ]);
  });

  it('are the same object after what counts in no report', () => {
    const life = new Life().open('low');
    life.do(10, 'StartWork', { agent: ada });
    const known = life.events.length;
    life.do(20, 'AddInternalNote', { text: 't' });
    life.do(30, 'RecordDiagnosticStep', { action: 'a', outcome: 'o' });
    const events = recorded<TicketEvents>('ticket-t', life.events);
    const before = events.slice(0, known).reduce(foldTicket, null);
    const document = ticketFacts.document(before);
    const after = events.slice(known).reduce(foldTicket, before);
    expect(ticketFacts.document(after, { state: before, document })).toBe(document);
  });
});
